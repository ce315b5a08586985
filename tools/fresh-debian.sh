#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prove that a fresh Debian 12 needs nothing but the two commands: make a minimal one with debootstrap,
# clone this tree into it, run `make demo` and `make check` there. As root, with debootstrap installed.
#
# usage: tools/fresh-debian.sh [--packages-only] [--keep] FOLDER
#   FOLDER is made (it must not exist) and deleted at the end; --keep leaves it.
#   --packages-only stops after the packages of demo and check are installed.
# The mirror is the one that this machine's apt uses for bookworm, or $MIRROR. Only what is committed
# is cloned; with --packages-only the tools of the working tree are copied.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
packages_only= keep= root=
for arg; do
	case $arg in
	--packages-only) packages_only=1 ;;
	--keep) keep=1 ;;
	-*) root= && break ;;
	*) root=$arg ;;
	esac
done
if [ -z "$root" ]; then
	sed -n '6,10s/^# //p' "$0" >&2
	exit 2
fi
if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
	echo "fresh-debian: needs root and debootstrap" >&2
	exit 1
fi
if [ -e "$root" ]; then
	echo "fresh-debian: '$root' exists; name a folder that does not" >&2
	exit 1
fi
root=$(realpath -m "$root")
mkdir -p "$(dirname "$root")"

# mirror SUITE: where this machine's apt gets that suite from
mirror() {
	apt-get indextargets --format '$(SITE) $(RELEASE)' "Created-By: Packages" |
		awk -v suite="$1" '$2 == suite { print $1; exit }'
}
main=${MIRROR:-$(mirror bookworm)}
security=$(mirror bookworm-security)
if [ -z "$main" ]; then
	echo "fresh-debian: apt knows no mirror of bookworm here; set MIRROR" >&2
	exit 1
fi

log=$(mktemp)
# All mounts are made in a mount namespace of their own, below: they vanish with it.
# shellcheck disable=SC2329  # called by the trap
cleanup() {
	[ -n "$keep" ] || rm -rf --one-file-system "$root"
	rm -f "$log"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "== debootstrap"
debootstrap --variant=minbase --include=make bookworm "$root" "$main" >"$log" 2>&1 || {
	tail -n 20 "$log" >&2
	exit 1
}
{
	echo "deb $main bookworm main"
	[ -z "$security" ] || echo "deb $security bookworm-security main"
} >"$root/etc/apt/sources.list"
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >"$root/etc/hosts"
# No daemon is started in there.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"

# Runs in the new namespaces as their init: makes FOLDER ($1) the root, as a container does (in a mere
# chroot the kernel refuses user namespaces), then runs a command line ($2) with the environment of a login.
# shellcheck disable=SC2016  # for the inner shell
enter='
	set -eu
	mount --bind "$1" "$1"
	cd "$1"
	mount -t proc proc proc
	mount -t tmpfs -o mode=0755,size=1m tmpfs dev
	for node in null:3 zero:5 full:7 random:8 urandom:9; do
		mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"
	done
	mknod -m 666 dev/tty c 5 0
	ln -s /proc/self/fd dev/fd
	ln -s fd/0 dev/stdin
	ln -s fd/1 dev/stdout
	ln -s fd/2 dev/stderr
	mkdir dev/pts dev/shm
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
	ln -s pts/ptmx dev/ptmx
	mount -t tmpfs -o mode=1777 tmpfs dev/shm
	mount -t tmpfs -o mode=1777 tmpfs tmp
	pivot_root . .
	umount -l .
	mkdir /tmp/user
	cd /opt/telltale
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp/user LANG=C.UTF-8 sh -c "$2"
'
inside() {
	unshare --mount --pid --fork --kill-child --propagation private \
		sh -c "$enter" sh "$root" "$1" </dev/null
}

mkdir "$root/opt/telltale"
if [ -n "$packages_only" ]; then
	mkdir "$root/opt/telltale/tools"
	cp "$top/Makefile" "$root/opt/telltale/"
	cp "$top"/tools/*.sh "$top/tools/packages.txt" "$root/opt/telltale/tools/"
	for section in demo check bench fuzz; do
		echo "== make packages-$section"
		inside "make packages-$section"
		inside "make packages-$section"
	done
	echo "== the recorded command by itself"
	inside 'mkdir /tmp/empty && cd /tmp/empty && /opt/telltale/tools/demo-workload.sh'
else
	git -c safe.directory='*' clone -q --no-hardlinks "$top" "$root/opt/telltale"
	echo "== make demo"
	inside 'make demo'
	echo "== make check"
	inside '.ci/run'
	# A second time nothing is left to install.
	inside 'tools/install-packages.sh demo check'
fi
if [ -s "$root/etc/ld.so.preload" ]; then
	echo "fresh-debian: a package hooked itself into every program: $(cat "$root/etc/ld.so.preload")" >&2
	exit 1
fi
echo "fresh-debian: done"
