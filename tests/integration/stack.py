#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a recorded call needs of a signal handler's stack: less than 4 KiB more than the bare call."""
import tt

PROBE = tt.program("stack_probe")
MOST = 4096


def figures(rec):
    return {name: int(n) for name, n in (line.split() for line in rec.stdout.decode().splitlines())}


def main():
    modes = tt.modes()
    bare = figures(tt.record("native", [PROBE], cwd="/usr"))
    tt.check("the probe measures", len(bare) == 10 and all(n > 0 for n in bare.values()), bare)
    for mode in modes:
        rec = tt.record(mode, [PROBE], cwd="/usr")
        got = figures(rec)
        print(f"# {mode}: " + ", ".join(f"{name} {n - bare[name]}" for name, n in got.items()))
        # each call twice: once to warm it up
        tt.same(f"{mode}: all is recorded", len(rec.calls("unlink", "rename", "mkdir", "connect", "chdir")), 10)
        tt.same(f"{mode}: nothing costs nothing", got["nothing"], bare["nothing"])
        tt.none(f"{mode}: less than {MOST} bytes more than bare",
                [f"{name}: {n - bare[name]}" for name, n in got.items() if n - bare[name] >= MOST])
    tt.done()


main()
