#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone and has a guard named after its place."""

import os
import re
import shlex
import subprocess

import lint

WARNINGS = "-Wall -Wextra -Wshadow -Wstrict-prototypes -Wundef -Werror".split()


def guard_name(name):
    """src/util/err.h is TT_UTIL_ERR_H; tests/unit/tap.h is TT_TESTS_TAP_H."""
    parts = name.split("/")
    folder = parts[1] if parts[0] == "src" else parts[0]
    stem = os.path.splitext(parts[-1])[0]
    return "TT_" + re.sub(r"\W", "_", f"{folder}_{stem}").upper() + "_H"


def library_flags():
    run = subprocess.run(
        ["pkg-config", "--cflags", "jansson", "libseccomp"], capture_output=True, text=True
    )
    return shlex.split(run.stdout) if run.returncode == 0 else []


def machine_folder():
    """Where the kernel's own headers look for those of this machine: not the compiler's -dumpmachine."""
    return subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=False).stdout.strip()


def main():
    headers = [
        f for f in lint.tree() if f.endswith(".h") and f.startswith(("src/", "tests/", "bench/"))
    ]
    complaints = []
    for name in headers:
        code = re.sub(r"/\*.*?\*/", "", lint.read(name), flags=re.S).split()
        want = guard_name(name)
        if code[:4] != ["#ifndef", want, "#define", want] or code[-1:] != ["#endif"]:
            complaints.append(f"{name}: the guard should be {want}, around everything")
    lint.point("guards are named TT_FOLDER_FILE_H", complaints, len(headers))

    compiler = shlex.split(os.environ.get("CC") or "cc") + ["-std=gnu17", "-D_GNU_SOURCE"]
    compiler += ["-D_FILE_OFFSET_BITS=64", "-fsyntax-only", "-I" + os.path.join(lint.SOURCE, "src")]
    compiler += WARNINGS + library_flags() + ["-x", "c"]
    complaints = []
    # what both sides share is for either compiler
    kernel_side = {n for n in headers if n.startswith("src/bpf/") and n != "src/bpf/record.h"}
    kernel = ["clang", "-target", "bpf", "-D__TARGET_ARCH_x86", "-mcpu=v3", "-fsyntax-only", "-w", "-x", "c"]
    kernel += ["-I" + os.path.join(lint.SOURCE, "src"), "-idirafter", "/usr/include/" + machine_folder()]
    for name in headers:
        # As a user would: a header that is the main file draws warnings of its own.
        run = subprocess.run(
            (kernel if name in kernel_side else compiler) + ["-"],
            input=f'#include "{os.path.join(lint.SOURCE, name)}"\n',
            capture_output=True,
            text=True,
        )
        if run.returncode != 0:
            complaints.append(f"{name}:\n{run.stderr}")
    lint.point("every header compiles alone", complaints, len(headers))
    lint.done()


main()
