#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""clang-format leaves every C file alone."""

import re
import shutil
import subprocess

import lint

RULE = "clang-format leaves C files alone"
# Versions disagree on what the same settings mean; this is the one of Debian 12.
MAJOR = 14


def main():
    program = shutil.which(f"clang-format-{MAJOR}") or shutil.which("clang-format")
    if not program:
        lint.skip(RULE, "no clang-format")
        lint.done()
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    match = re.search(r"version (\d+)", version)
    if not match or int(match.group(1)) != MAJOR:
        lint.skip(RULE, f"needs clang-format {MAJOR}, this is {version.strip()}")
        lint.done()

    names = [n for n in lint.tree() if n.endswith((".c", ".h"))]
    complaints = []
    for name in names:
        run = subprocess.run(
            [program, "--dry-run", "-Werror", "--ferror-limit=3", name],
            cwd=lint.SOURCE,
            capture_output=True,
            text=True,
        )
        if run.returncode != 0:
            lines = [line for line in run.stderr.splitlines() if ": error:" in line]
            complaints += lines or [f"{name}: {run.stderr.strip()}"]
    if complaints:
        complaints.append("'make format' settles it")
    lint.point(RULE, complaints, len(names))
    lint.done()


main()
