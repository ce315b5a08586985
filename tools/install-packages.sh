#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install what is missing from the named sections of tools/packages.txt: install-packages.sh SECTION...
#
# Nothing missing: says so and touches no network. Elsewhere than on Debian it names the packages and
# goes on if what they hold is there.
set -eu

list=$(dirname "$0")/packages.txt
me=install-packages

if [ $# -eq 0 ]; then
	echo "usage: $0 SECTION..., a section of tools/packages.txt" >&2
	exit 2
fi

# section NAME: its lines as "package probe"
section() {
	awk -v want="[$1]" '
		{ sub(/#.*/, "") }
		/^\[/ { on = ($1 == want); if (on) seen = 1; next }
		on && NF { print $1, $2 }
		END { if (!seen) exit 1 }' "$list"
}

# is_installed PACKAGE
is_installed() {
	case $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null) in
	?i*) return 0 ;;
	esac
	return 1
}

# is_there PROBE: what the package would bring is here, wherever it comes from
is_there() {
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null ;;
	pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
	py:*) python3 -c "import ${1#py:}" 2>/dev/null ;;
	# unquoted on purpose: the path may be a pattern
	file:*) ls ${1#file:} >/dev/null 2>&1 ;;
	*)
		echo "$me: unknown probe '$1' in tools/packages.txt" >&2
		exit 2
		;;
	esac
}

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
	debian=1
else
	debian=
fi

rows=
for s in "$@"; do
	if ! lines=$(section "$s"); then
		echo "$me: no section '[$s]' in tools/packages.txt" >&2
		exit 2
	fi
	rows="$rows$lines
"
done

# missing: packages not installed; absent: those of them whose content is not there either
missing=
absent=
while read -r package probe; do
	[ -n "$package" ] || continue
	case " $missing " in
	*" $package "*) continue ;;
	esac
	[ -z "$debian" ] || ! is_installed "$package" || continue
	missing="$missing $package"
	is_there "$probe" || absent="$absent $package"
done <<EOF
$rows
EOF
missing=${missing# }
absent=${absent# }

if [ -z "$missing" ]; then
	echo "$me: nothing missing for: $*"
	exit 0
fi

if [ -z "$debian" ]; then
	echo "$me: no dpkg here; on Debian the packages would be: $missing"
	if [ -z "$absent" ]; then
		echo "$me: what they hold is there, going on"
		exit 0
	fi
	echo "$me: install by hand what corresponds to: $absent" >&2
	exit 1
fi

if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif command -v sudo >/dev/null; then
	sudo=sudo
elif [ -z "$absent" ]; then
	echo "$me: not installed as packages, but there all the same: $missing"
	exit 0
else
	echo "$me: install packages: neither root nor sudo here; run as root:" >&2
	echo "    apt-get install --no-install-recommends $absent" >&2
	exit 1
fi

# as_root COMMAND...: no question is ever asked; what is said is shown only if the command fails
log=$(mktemp)
trap 'rm -f "$log"' EXIT
as_root() {
	# unquoted on purpose: empty if we are root
	if ! $sudo env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1; then
		cat "$log" >&2
		return 1
	fi
}
apt="apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0" # a busy dpkg is waited for

echo "$me: installing${sudo:+ with sudo} for $*: $missing"

# snoopy would hook every program of the machine if its question were answered with yes.
case " $missing " in
*" snoopy "*)
	echo "snoopy snoopy/install-ld-preload boolean false" | as_root debconf-set-selections
	;;
esac

# unquoted on purpose from here on: lists of words
updated=
if ! apt-get -qq -s install --no-install-recommends $missing >/dev/null 2>&1; then
	as_root $apt update
	updated=1
fi
if ! as_root $apt install -y --no-install-recommends $missing; then
	if [ -n "$updated" ]; then
		echo "$me: install packages: failed, see above" >&2
		exit 1
	fi
	# lists that name files the mirror no longer has
	as_root $apt update
	as_root $apt install -y --no-install-recommends $missing
fi
echo "$me: installed: $missing"
