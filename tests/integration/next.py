#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The library's own look-up of the functions behind it finds what dlsym(RTLD_NEXT) finds."""

import glob
import os
import subprocess

import tt

CHECK = tt.program("next_check.so")
OTHERS = {
    "fakeroot": "/usr/lib/*/libfakeroot/libfakeroot-sysv.so",
    "libfaketime": "/usr/lib/*/faketime/libfaketime.so.1",
    "jemalloc": "/usr/lib/*/libjemalloc.so.2",
}
C = "int main(void) { return 0; }\n"


def look_up(preloads, command, **env):
    """Functions looked up, how many were left to dlsym, the names that differ."""
    run = subprocess.run(command, env=tt.clean_env(LD_PRELOAD=":".join(preloads), **env), timeout=tt.SECONDS,
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines = [line for line in run.stderr.splitlines() if line.startswith("next:")]
    if run.returncode != 0 or len(lines) != 1:
        return None, None, [f"status {run.returncode}: {run.stderr[:1000]}"]
    words = lines[0].split()
    return int(words[1]), int(words[2]), words[3:]


def check(name, preloads, command, left_max=0, **env):
    found, left, wrong = look_up(preloads, command, **env)
    if not found or wrong:
        tt.check(name, False, wrong)
    else:
        tt.check(name, left <= left_max, f"{left} of {found} were left to dlsym")


def build(folder, name, *options):
    """A program built from C, or None where the compiler cannot."""
    source, out = os.path.join(folder, "p.c"), os.path.join(folder, name)
    with open(source, "w", encoding="utf-8") as f:
        f.write(C)
    run = subprocess.run(["gcc", *options, "-o", out, source], capture_output=True, check=False)
    return out if run.returncode == 0 else None


def main():
    folder = tt.scratch()
    check("a plain program", [CHECK], ["/bin/true"])
    check("everything bound at the start", [CHECK], ["/bin/true"], LD_BIND_NOW="1")
    check("a program with many libraries", [CHECK], ["/usr/bin/python3", "-c", "import ssl"])
    for name, pattern in OTHERS.items():
        path = (glob.glob(pattern) or [None])[0]
        if not path:
            tt.skip(f"{name} behind and before us", "it is not installed")
            continue
        check(f"{name} behind us", [CHECK, path], ["/bin/true"])
        check(f"{name} before us", [path, CHECK], ["/bin/true"])
    for name, options in {"not position-independent": ["-no-pie"], "only DT_HASH": ["-Wl,--hash-style=sysv"],
                          "bound now": ["-Wl,-z,now"], "UBSan": ["-fsanitize=undefined"]}.items():
        program = build(folder, "p_" + name.replace(" ", "_"), *options)
        if program:
            check(f"a program: {name}", [CHECK], [program])
        else:
            tt.skip(f"a program: {name}", "gcc cannot build it")
    asan = build(folder, "asan", "-fsanitize=address")
    if asan:
        check("a program with ASan", ["libasan.so.8", CHECK], [asan])
    else:
        tt.skip("a program with ASan", "gcc cannot build it")
    tt.done()


main()
