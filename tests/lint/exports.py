#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libtelltale.so exports exactly tests/data/preload.exports and needs nothing but libc; so do the other flavours,
but for what their kind of library must export."""

import os
import re
import subprocess

import lint

LIST = "tests/data/preload.exports"
# Library: what it may need, and what it exports besides the list.
FLAVOURS = {
    "libtelltale.so": (r"libc\.so\.6|ld-linux[-\w]*\.so\.\d+", set()),
    "libtelltale-audit.so": (r"(?!)", {"la_version", "la_objopen", "la_activity"}),
    "libtelltale-musl.so": (r"libc\.so", {"exit", "__libc_start_main"}),
}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def check_flavour(name, needs, more):
    library = os.path.join(lint.BUILD, name)
    if not os.path.exists(library):
        lint.skip(f"{name}: exports are those of the list", f"no {name} in the build folder")
        lint.skip(f"{name}: libc is all it needs", f"no {name} in the build folder")
        return
    lines = [line.split("#")[0].strip() for line in lint.read(LIST).splitlines()]
    listed = [line for line in lines if line]
    wanted = set(listed) | more
    # Versioned names are printed as name@@VERSION, version nodes themselves as absolute symbols.
    exported = set()
    for line in run("nm", "-D", "--defined-only", "-P", library).splitlines():
        fields = line.split()
        if len(fields) >= 2 and fields[1] != "A":
            exported.add(fields[0].split("@")[0])
    complaints = [f"exported, not listed: {n}" for n in sorted(exported - wanted)]
    complaints += [f"listed, not exported: {n}" for n in sorted(wanted - exported)]
    if listed != sorted(set(listed)):
        complaints.append(f"{LIST} is not sorted, or names something twice")
    lint.point(f"{name}: exports are those of the list", complaints, len(exported))

    dynamic = run("readelf", "-dW", library)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    complaints = [f"needs {n}" for n in needed if not re.fullmatch(needs, n)]
    if "(TEXTREL)" in dynamic:
        complaints.append("has text relocations")
    lint.point(f"{name}: libc is all it needs", complaints)


def main():
    for name, (needs, more) in FLAVOURS.items():
        check_flavour(name, needs, more)
    lint.done()


main()
