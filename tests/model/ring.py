#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The protocol of the ring, every order of steps of a small case (ring.pml). A protocol with one mistake must fail."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ring.pml")
SECONDS = 240

SOUND = [
    ("signals, a vfork child, jumps out of handlers", []),
    ("a handler inside a handler", ["VFORKS=0", "SIGNALS=2"]),
    ("SIGKILL at any step", ["VFORKS=0", "KILL"]),
    ("a full lane is waited for", ["WAIT"]),
]

# The mistake and the smallest case that shows it.
MISTAKES = [
    ("MUT_PUBLISH_EARLY", "published before it is filled", ["VFORKS=0", "KILL"]),
    ("MUT_NO_CAS", "reserved without compare-and-swap", ["VFORKS=0"]),
    ("MUT_FULL_IGNORES_PAD", "room is found without the pad", ["VFORKS=0", "CALLS=3"]),
    ("MUT_LOST_UNCOUNTED", "a full lane is not counted", ["VFORKS=0", "CALLS=3"]),
    ("MUT_NO_TAG_CHECK", "the consumer does not look at the tag", ["VFORKS=0"]),
    ("MUT_NO_STATE_CHECK", "the consumer passes a call in flight", ["VFORKS=0"]),
    ("MUT_TAIL_EARLY", "the consumer gives room back before it has copied", ["VFORKS=0", "CALLS=3"]),
    ("MUT_NO_RESYNC", "the consumer drops what follows a torn record", ["VFORKS=0", "KILL"]),
    ("MUT_ABANDON_INTERRUPTED", "a handler takes the interrupted call for abandoned", ["VFORKS=0"]),
    ("MUT_ABANDON_COMPLETE", "a call that a handler has completed already is completed again",
     ["VFORKS=0", "SIGNALS=2"]),
    ("MUT_COUNT_DOWN", "a handler and what it interrupted drop the same call", []),
    ("MUT_WAIT_FOR_OWN", "a full lane is waited for while a call of one's own blocks it", ["VFORKS=0", "WAIT"]),
]


class Broken(Exception):
    pass


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def violations(defines, effort):
    """What the search finds: (first violation or "", states). Raises Broken if it did not get through."""
    with tempfile.TemporaryDirectory(prefix="ring-model-") as folder:
        flags = ["-D" + d for d in defines]
        for command in (["spin", "-a"] + flags + [MODEL],
                        ["gcc", effort, "-w", "-DSAFETY", "-DCOLLAPSE", "-DNOREDUCE", "-DMEMLIM=2048",
                         "-o", "pan", "pan.c"]):
            status, text = run(folder, *command)
            if status != 0:
                raise Broken(text)
        # -E: what was killed in the middle of a step stays there, which is no mistake
        _, text = run(folder, "./pan", "-E", "-m100000", "-w23")
        found = re.search(r"errors: (\d+)", text)
        if not found or "max search depth too small" in text or "out of memory" in text:
            raise Broken(text)
        states = re.search(r"(\d+) states, stored", text)
        why = re.search(r"pan:1: (.*)", text)
        return (why.group(1) if why else "?") if found.group(1) != "0" else "", states.group(1) if states else "?"


def main():
    cases = [(name, defines, False) for name, defines in SOUND]
    cases += [(f"found: {name}", [define] + defines, True) for define, name, defines in MISTAKES]
    print(f"1..{len(cases)}")
    missing = [n for n in ("spin", "gcc") if not shutil.which(n)]
    failed = 0
    for number, (name, defines, wrong) in enumerate(cases, 1):
        if missing:
            print(f"ok {number} - {name} # SKIP {' and '.join(missing)} not installed")
            continue
        try:
            found, states = violations(defines, "-O1" if wrong else "-O2")
            good, why = bool(found) == wrong, f"{states} states; {found or 'no violation'}"
        except (Broken, subprocess.TimeoutExpired) as e:
            good, why = False, str(e)
        failed += not good
        for line in why.splitlines()[-20:]:
            print("# " + line)
        print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
    sys.exit(1 if failed else 0)


main()
