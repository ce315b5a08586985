#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sum up what tools/check.sh did: failures, skips with their reasons, one closing line.

usage: summary.py [--line] STEPS.tsv     --line: the closing line alone

Counted are TAP points, as Meson's logs hold them. A program that crashed, timed out, ended non-zero with
every point passed, or did not print the points it planned counts as one failure; so does a step, such as
a build, that failed without a test to blame. Exit status 0 only if something passed and nothing failed.
"""

import json
import os
import re
import sys

POINT = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*(.*?)\s*(?:#\s*(skip\S*|todo)\b:?\s*(.*))?$", re.I)
DIAGNOSTIC_LINES = 40
PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#\s*skip\S*\s*(.*))?$", re.I)


class Counts:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []
        # What failed programs had to say: Meson keeps it to itself.
        self.diagnostics = {}


def shorten(lines, head, tail):
    """The first @head and the last @tail lines, and how many were left out."""
    left = len(lines) - head - tail
    if left <= 0:
        return lines
    return lines[:head] + [f"... {left} lines more in Meson's log"] + lines[len(lines) - tail :]


def count_program(counts, where, entry):
    """Count one test program: an object of Meson's testlog.json."""
    passed, failed, skipped, points, plan = 0, [], [], 0, None
    bail = False
    for line in entry.get("stdout", "").splitlines():
        if line.startswith("Bail out!"):
            bail = True
        match = PLAN.match(line)
        if match:
            plan = int(match.group(1))
            if plan == 0:
                skipped.append((f"{where}", match.group(2) or "no reason given"))
            continue
        match = POINT.match(line)
        if not match:
            continue
        points += 1
        bad, name, directive, reason = match.groups()
        if directive:
            skipped.append((f"{where}: {name}", reason or directive))
        elif bad:
            failed.append(f"{where}: {name}")
        else:
            passed += 1

    result = entry.get("result", "?")
    if result == "SKIP" and not skipped:
        skipped.append((where, "no reason given"))
    elif bail or result in ("TIMEOUT", "INTERRUPT"):
        failed.append(f"{where}: {'bail out' if bail else result.lower()}")
    elif plan is None or (plan != points and plan != 0):
        planned = "no plan" if plan is None else f"planned {plan}"
        failed.append(f"{where}: {planned}, printed {points}, exit {entry.get('returncode')}")
    elif result not in ("OK", "SKIP", "EXPECTEDFAIL") and not failed:
        failed.append(f"{where}: {result.lower()}, exit {entry.get('returncode')}")

    counts.passed += passed
    if failed:
        said = [x for x in entry.get("stdout", "").splitlines() if x.startswith("#")]
        said = shorten(said, DIAGNOSTIC_LINES, 0)
        half = DIAGNOSTIC_LINES // 2
        said += shorten(entry.get("stderr", "").strip().splitlines(), half, half)
        counts.diagnostics[failed[-1]] = said
    counts.failed += failed
    counts.skipped += skipped


def count_log(counts, step, path):
    """Count one testlog; true if it blames at least one test."""
    before = len(counts.failed)
    programs = 0
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                if line.strip():
                    entry = json.loads(line)
                    where = entry["name"].split(" / ")[-1]
                    count_program(counts, f"[{step}] {where}", entry)
                    programs += 1
    except (OSError, ValueError, KeyError) as error:
        counts.failed.append(f"[{step}] read '{path}': {error}")
    if programs == 0:
        counts.failed.append(f"[{step}] no test ran")
    return len(counts.failed) > before


def main():
    arguments = sys.argv[1:]
    line_only = "--line" in arguments
    arguments = [a for a in arguments if a != "--line"]
    if len(arguments) != 1:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2

    counts = Counts()
    steps = 0
    if os.path.exists(arguments[0]):
        with open(arguments[0], encoding="utf-8") as file:
            for line in file:
                step, status, log = line.rstrip("\n").split("\t")
                steps += 1
                blamed = count_log(counts, step, log) if log else False
                if status != "ok" and not blamed:
                    counts.failed.append(f"[{step}] failed")
    if steps == 0:
        counts.failed.append("no step was run")

    if not line_only:
        if counts.skipped:
            print("Skipped:")
            for name, reason in counts.skipped:
                print(f"  {name}  # {reason}")
            print()
        if counts.failed:
            print("Failed:")
            for name in counts.failed:
                print(f"  {name}")
                for line in counts.diagnostics.get(name, []):
                    print(f"      {line}")
            print()
    print(f"{counts.passed} passed, {len(counts.failed)} failed, {len(counts.skipped)} skipped")
    return 1 if counts.failed or counts.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
