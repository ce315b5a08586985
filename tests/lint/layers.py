#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/layers.txt says who may include whom; src/ obeys, and both name the same folders."""

import os
import re

import lint

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def read_layers():
    allowed, complaints = {}, []
    for number, line in enumerate(lint.read("tools/layers.txt").splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        folder, colon, rest = line.partition(":")
        folder = folder.strip()
        if not colon or folder in allowed:
            complaints.append(f"tools/layers.txt:{number}: no colon, or '{folder}' twice")
            continue
        for lower in rest.split():
            # One way, no back edges: a folder may include only what stands above it in the file.
            if lower not in allowed:
                complaints.append(f"tools/layers.txt:{number}: '{lower}' does not come before")
        allowed[folder] = set(rest.split())
    return allowed, complaints


def main():
    allowed, complaints = read_layers()
    lint.point("layers.txt reads downwards only", complaints, len(allowed))

    files = [f for f in lint.tree() if f.startswith("src/")]
    present = {f.split("/")[1] for f in files if f.count("/") >= 2}
    complaints = [f"src/{f} is not in tools/layers.txt" for f in sorted(present - set(allowed))]
    complaints += [f"tools/layers.txt: no src/{f}" for f in sorted(set(allowed) - present)]
    lint.point("layers.txt and src/ name the same folders", complaints, len(present))

    complaints, seen = [], 0
    for name in files:
        if not name.endswith((".c", ".h", ".def")) or name.count("/") < 2:
            continue
        folder = name.split("/")[1]
        for match in INCLUDE.finditer(lint.read(name)):
            target = match.group(1)
            seen += 1
            lower = target.split("/")[0]
            if target == "config.h" and name.endswith(".c"):
                continue
            if "/" not in target:
                complaints.append(f'{name}: "{target}": write the folder, too')
            elif lower != folder and lower not in allowed.get(folder, set()):
                complaints.append(f'{name}: "{target}": {folder} may not include from {lower}')
            elif lower != folder and target.endswith("_internal.h"):
                complaints.append(f'{name}: "{target}": internal to {lower}')
            elif target.endswith(".inc"):
                continue  # made by the build
            elif not os.path.isfile(os.path.join(lint.SOURCE, "src", target)):
                complaints.append(f'{name}: "{target}": no such file')
    lint.point("every include obeys layers.txt", complaints, seen)
    lint.done()


main()
