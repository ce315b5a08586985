#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# guest-demo.sh [BUILD]: a cell on this machine and its receiver, as a guest and its host would have them, and then what the
# host knows of it. As root; nothing stays behind but what it prints.
set -eu

source=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$source/build}
[ -x "$build/telltale-init" ] || { echo "guest-demo: no telltale-init in '$build': run make build" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "guest-demo: a cell is made by root" >&2; exit 1; }

folder=$(mktemp -d /tmp/telltale-guest.XXXXXX)
receiver=
cleanup() {
	[ -z "$receiver" ] || kill "$receiver" 2>/dev/null || true
	rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

cat >"$folder/spec.json" <<END
{"telemetry": {"authorized": ["process.spawned", "process.exited", "capability.denied", "net.connect_attempted",
                              "fs.inotify_fired", "gate.denied"]}}
END
"$build/telltale" receive --vsock-base "$folder/cell" --cell-id demo --spec "$folder/spec.json" \
	--output-dir "$folder/record" --once &
receiver=$!
tries=0
while [ ! -S "$folder/cell_9000" ] && [ $tries -lt 100 ]; do
	sleep 0.1
	tries=$((tries + 1))
done

cat >"$folder/work.sh" <<'END'
id
chown root /tmp                # it may not
kill -9 2                      # the agent
mount -t tmpfs none /mnt       # the gate
python3 -c 'import socket; socket.create_connection(("127.0.0.1", 9), 1)' 2>&1 | tail -1
exit 7
END
chmod 755 "$folder" "$folder/work.sh"
echo "== the command, in its cell"
"$build/telltale-init" --cell --endpoint "unix:$folder/cell_9001" --exit "unix:$folder/cell_9000" --cwd / \
	-- /bin/sh "$folder/work.sh" || true
wait "$receiver" || true
receiver=

echo
echo "== what the host knows"
"$build/telltale" show "$folder/record"
echo
"$build/telltale" tree "$folder/record"
echo
"$build/telltale" verify "$folder/record"
