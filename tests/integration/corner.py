#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a review found: rare things that programs do go as they do without Telltale, and are told to the right span."""
import shutil
import subprocess

import tt
from tt import check, none, same

PROBE = tt.program("corner_probe")
MODES = tt.modes()
FLOOD_SECONDS = 20  # far more than the timeout of 2 s, far less than a recorder takes that looks through one chain

# A shell keeps fds of its own at high numbers, and asks fcntl which are taken.
BASH = r"""
n=$(ls -l /proc/$$/fd | sed -n 's/.* \([0-9]*\) -> .*\(memfd:telltale-ring\|trace\.jsonl\).*/\1/p')
echo "own: $n" >&2
n=${n:-240}
eval "exec $n<>file"
eval "echo user data >&$n"
echo "file: $(cat file)"
"""


def said(rec):
    return rec.status, rec.stdout


def unchanged(*words):
    """The recordings of the probe by mode, each having gone as natively."""
    native = tt.record("native", [PROBE, *words])
    check(f"{' '.join(words)}: native run works", native.status in (0, 9), (native.status, native.stderr))
    found = {}
    for mode in MODES:
        rec = found[mode] = tt.record(mode, [PROBE, *words])
        same(f"{' '.join(words)}: {mode} as native", said(rec), said(native))
        none(f"... {mode}: the trace is well formed", rec.problems + tt.span_problems(rec.events))
    return found


def opens(rec, path):
    """The spans that opened @path."""
    return [e["span_id"] for e in rec.calls("open", "open64") if e["args"][0] == path]


def still_recorded(found):
    for mode, rec in found.items():
        same(f"... {mode}: what follows is recorded", len(opens(rec, "/etc/hostname")), 1)


def ends(rec):
    """Span and exit status of each end."""
    return sorted((e["span_id"], e.get("exit_code")) for e in rec.events
                  if e["event_type"] == "process" and e["syscall"] == "exit")


def first_span(rec):
    """The span of the program itself."""
    return next(e["span_id"] for e in rec.events if e["event_type"] == "process" and e["syscall"] == "start"
                and str(e.get("exe", "")).endswith("/corner_probe"))


def nested_vfork():
    for mode, rec in unchanged("vfork").items():
        own = first_span(rec)
        other = opens(rec, "/etc/hostname")
        same(f"... {mode}: the parent's open is the parent's", opens(rec, "/etc/passwd"), [own])
        check(f"... {mode}: the child's open is the child's", len(other) == 1 and own not in other, (own, other))
        same(f"... {mode}: each ends with its own status", ends(rec), sorted([(own, 9)] + [(o, 4) for o in other]))
        same(f"... {mode}: each vfork is told by who made it", sorted(e["span_id"] for e in rec.calls("vfork")),
             sorted([own] + other))


def shared_memory():
    for mode, rec in unchanged("clone").items():
        own = first_span(rec)
        same(f"... {mode}: one end, with the parent's status", ends(rec), [(own, 9)])
        same(f"... {mode}: the parent goes on", opens(rec, "/etc/passwd"), [own])


def own_fd():
    found = unchanged("fcntl")
    for mode, rec in found.items():
        check(f"... {mode}: our fd was found", rec.stderr.split()[0].isdigit(), rec.stderr)
    still_recorded(found)


def shell():
    if not shutil.which("bash"):
        return tt.skip("bash: a redirection of our number", "no bash")
    for mode in ["native"] + MODES:
        rec = tt.record(mode, ["bash", "-c", BASH], cwd=tt.scratch())
        same(f"bash: a redirection of our number, {mode}", said(rec), (0, b"file: user data\n"))
        check(f"... {mode}: there was such a number", (b"own: \n" in rec.stderr) == (mode == "native"), rec.stderr)
        check(f"... {mode}: user data is not in the trace", b"\nuser data" not in b"\n" + rec.raw, rec.raw[-500:])
        none(f"... {mode}: the trace is well formed", rec.problems)


def flood():
    if "recorder" not in MODES:
        return tt.skip("a flood of exits of unknown spans", "no telltale")
    name = "a flood of exits of unknown spans"
    try:
        rec = tt.record("recorder", [PROBE, "flood"], options=["--timeout", "2s"], timeout=FLOOD_SECONDS, parse=False)
    except subprocess.TimeoutExpired:
        return check(name + ": the timeout is kept", False, f"not ended after {FLOOD_SECONDS} s")
    check(name + ": the timeout is kept", rec.status == 124, (rec.status, rec.stderr))
    check(name + ": there were many", rec.stdout == b"150000\n", rec.stdout)
    return None


def main():
    still_recorded(unchanged("closefrom"))
    still_recorded(unchanged("keys"))
    still_recorded(unchanged("keys", "early"))
    still_recorded(unchanged("handler"))
    still_recorded(unchanged("handler", "early"))
    unchanged("accept")
    unchanged("streams")
    nested_vfork()
    shared_memory()
    own_fd()
    shell()
    flood()
    tt.done()


main()
