#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every global symbol of a library begins with its folder's name, or with tt_."""

import glob
import os
import subprocess

import lint

# preload defines other people's names: that is its trade. exports.py looks after it. bpf is for the kernel.
EXCEPT_FOLDERS = {"bpf", "preload"}
# Put there by compilers, not by us.
COMPILER = ("__asan", "__odr_asan", "__sancov", "__start_", "__stop_", "__gcov", "__x86.")


def main():
    archives = sorted(glob.glob(os.path.join(lint.BUILD, "src", "*", "lib*.a")))
    complaints, seen, folders = [], 0, set()
    for archive in archives:
        folder = os.path.basename(os.path.dirname(archive))
        folders.add(folder)
        if folder in EXCEPT_FOLDERS:
            continue
        run = subprocess.run(
            ["nm", "-g", "--defined-only", "-P", archive], capture_output=True, text=True
        )
        if run.returncode != 0:
            complaints.append(f"nm {archive}: {run.stderr.strip()}")
        for line in run.stdout.splitlines():
            fields = line.split()
            if len(fields) < 2 or line.endswith(":"):
                continue
            name = fields[0]
            seen += 1
            if name == "main" or name.startswith((folder + "_", "tt_") + COMPILER):
                continue
            complaints.append(f"src/{folder}: '{name}' should be '{folder}_{name}' or static")
    lint.point("globals begin with their folder or tt_", complaints, seen)

    sources = {
        f.split("/")[1]
        for f in lint.tree()
        if f.startswith("src/") and f.endswith(".c") and not f.endswith("/main.c")
    }
    missing = sorted(sources - folders - EXCEPT_FOLDERS)
    lint.point(
        "every folder of src/ is a library", [f"no build/src/{f}/lib{f}.a" for f in missing]
    )
    lint.done()


main()
