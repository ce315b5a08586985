#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libtelltale.so exports exactly tests/data/preload.exports and needs nothing but libc."""

import os
import re
import subprocess

import lint

LIST = "tests/data/preload.exports"
LIBRARY = os.path.join(lint.BUILD, "libtelltale.so")
NEEDED = re.compile(r"^(libc\.so\.6|ld-linux[-\w]*\.so\.\d+)$")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main():
    if not os.path.exists(LIBRARY):
        lint.skip("exports are those of the list", "no libtelltale.so in the build folder")
        lint.skip("libc is all it needs", "no libtelltale.so in the build folder")
        lint.done()

    if os.path.exists(os.path.join(lint.SOURCE, LIST)):
        lines = [line.split("#")[0].strip() for line in lint.read(LIST).splitlines()]
        listed = [line for line in lines if line]
        # Versioned names are printed as name@@VERSION, version nodes themselves as absolute symbols.
        exported = set()
        for line in run("nm", "-D", "--defined-only", "-P", LIBRARY).splitlines():
            fields = line.split()
            if len(fields) >= 2 and fields[1] != "A":
                exported.add(fields[0].split("@")[0])
        complaints = [f"exported, not listed: {n}" for n in sorted(exported - set(listed))]
        complaints += [f"listed, not exported: {n}" for n in sorted(set(listed) - exported)]
        if listed != sorted(set(listed)):
            complaints.append(f"{LIST} is not sorted, or names something twice")
        lint.point("exports are those of the list", complaints, len(exported))
    else:
        lint.skip("exports are those of the list", f"no {LIST}")

    dynamic = run("readelf", "-dW", LIBRARY)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    complaints = [f"needs {name}" for name in needed if not NEEDED.match(name)]
    if "(TEXTREL)" in dynamic:
        complaints.append("has text relocations")
    lint.point("libc is all it needs", complaints, len(needed))
    lint.done()


main()
