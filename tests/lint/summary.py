#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/summary.py counts every way in which a test program can end."""

import json
import os
import subprocess
import sys
import tempfile

import lint

# (what it is, an entry as Meson 1.0 writes it, the closing line it must lead to)
CASES = [
    ("two passed", ("OK", 0, "ok 1 - a\nok 2 - b\n1..2\n"), "2 passed, 0 failed, 0 skipped"),
    ("one failed", ("ERROR", 1, "ok 1\nnot ok 2 - b\n1..2\n"), "1 passed, 1 failed, 0 skipped"),
    ("crashed", ("ERROR", -6, "ok 1 - a\n"), "1 passed, 1 failed, 0 skipped"),
    ("crashed, plan first", ("ERROR", -6, "1..2\nok 1 - a\n"), "1 passed, 1 failed, 0 skipped"),
    ("failed, crashed", ("ERROR", -6, "not ok 1 - a\n"), "0 passed, 2 failed, 0 skipped"),
    ("timed out", ("TIMEOUT", -15, "ok 1 - a\n"), "1 passed, 1 failed, 0 skipped"),
    ("exit 3", ("ERROR", 3, "ok 1 - a\n1..1\n"), "1 passed, 1 failed, 0 skipped"),
    ("no plan", ("OK", 0, "ok 1 - a\n"), "1 passed, 1 failed, 0 skipped"),
    ("short of plan", ("ERROR", 0, "ok 1\n1..2\n"), "1 passed, 1 failed, 0 skipped"),
    ("bail out", ("ERROR", 1, "ok 1\nBail out! no\n"), "1 passed, 1 failed, 0 skipped"),
    ("a point skipped", ("OK", 0, "ok 1\nok 2 - b # SKIP no\n1..2\n"), "1 passed, 0 failed, 1 skipped"),
    ("all skipped", ("SKIP", 0, "1..0 # SKIP no tool\n"), "0 passed, 0 failed, 1 skipped"),
    ("silence", ("OK", 0, ""), "0 passed, 1 failed, 0 skipped"),
]


def summary(folder, status, log):
    """Returns the closing line and the exit status."""
    steps = os.path.join(folder, "steps.tsv")
    with open(steps, "w", encoding="utf-8") as file:
        file.write(f"step\t{status}\t{log}\n")
    run = subprocess.run(
        [sys.executable, os.path.join(lint.SOURCE, "tools/summary.py"), steps],
        capture_output=True,
        text=True,
    )
    return (run.stdout.splitlines() or [""])[-1], run.returncode


def main():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log.json")
        for name, (result, code, stdout), want in CASES:
            entry = {"name": "p:s / t", "result": result, "returncode": code, "stdout": stdout}
            with open(log, "w", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            line, exit_status = summary(folder, "failed" if " 0 failed" not in want else "ok", log)
            good = " 0 failed" in want and not want.startswith("0 passed")
            complaints = []
            if line != want:
                complaints.append(f"got '{line}', want '{want}'")
            if (exit_status == 0) != good:
                complaints.append(f"exit status {exit_status}")
            lint.point(name, complaints)

        for name, status, path, want in (
            ("a build failed", "failed", "", "0 passed, 1 failed, 0 skipped"),
            ("no log", "ok", os.path.join(folder, "none.json"), "0 passed, 2 failed, 0 skipped"),
        ):
            got = summary(folder, status, path)
            lint.point(name, [] if got == (want, 1) else [f"got {got}, want '{want}', 1"])
    lint.done()


main()
