#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Record tools/demo-workload.sh, and tools/demo-agent.sh in a sandbox, with the Telltale that was just built.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
telltale=$top/build/telltale
state=${XDG_STATE_HOME:-$HOME/.local/state}/telltale/runs

if [ ! -x "$telltale" ]; then
	echo "demo: no '$telltale': run 'make build' first" >&2
	exit 1
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/telltale-demo.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

bold= plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi
step() { printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"; }

step telltale run -- tools/demo-workload.sh
(cd "$dir" && "$telltale" run -- "$top/tools/demo-workload.sh")

step telltale tree --last
"$telltale" tree --last

# The secret of the workload must not have reached the disk: look, rather than believe.
# A run id begins with its time, so the last name is the newest run.
run=$(ls "$state" | sort | tail -n 1)
if [ ! -s "$state/$run/trace.jsonl" ]; then
	echo "demo: no trace in '$state/$run'" >&2
	exit 1
fi
if grep -q hunter2 "$state/$run/trace.jsonl" "$state/$run/run.json"; then
	echo "demo: the password is in the record in '$state/$run'" >&2
	exit 1
fi

# A home of its own, with a key to be found in it.
home=$dir/agent
mkdir -p "$home/.ssh"
echo "not a real key" >"$home/.ssh/id_demo"
# There, as the profile hides what lies in /tmp but the folder it runs in, and this tree may lie in /tmp.
cp "$top/tools/demo-agent.sh" "$home/"
step telltale run --profile=AGENT -- ./demo-agent.sh
status=0
(cd "$home" && XDG_STATE_HOME=${state%/telltale/runs} HOME=$home \
	"$telltale" run --profile=AGENT -- ./demo-agent.sh) || status=$?
shown=--last
if [ "$status" -eq 125 ]; then
	echo "demo: this machine allows no sandbox: 'build/telltale doctor' says what is missing" >&2
	shown=$run
elif [ "$status" -ne 0 ]; then
	exit "$status"
fi

step telltale show "$shown"
"$telltale" show "$shown"

cat <<EOF

The records are in '$state'.
The first command line said '--password hunter2'; the record says '***'.

What to try next:
  build/telltale events --last --kind denied  what was refused, in order
  build/telltale events --last --kind file    every file it touched
  build/telltale policy explain AGENT unshare CLONE_NEWUSER   which line of the profile refuses that
  build/telltale list                         all runs
  build/telltale run -- COMMAND               a command of yours
  build/telltale doctor                       what this machine allows
EOF
