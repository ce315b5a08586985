# SPDX-License-Identifier: Apache-2.0
"""Tables of whole pieces of work: what recording adds to them, how much it records, and what it loses."""

import os
import statistics
import tempfile

from bench_lib import BOTH, KERNEL, RING, measure, rows, run, table

FILES = 100
DIRECT = "preload, direct to a file"


def project(folder):
    """A C project of FILES small files that include each other's headers; always the same."""
    os.mkdir(folder)
    for i in range(FILES):
        with open(os.path.join(folder, "part%d.h" % i), "w", encoding="ascii") as f:
            f.write("#ifndef PART%d_H\n#define PART%d_H\nint part%d(int n);\n#endif\n" % (i, i, i))
        near = [(i + step) % FILES for step in (1, 7, 31)]
        with open(os.path.join(folder, "part%d.c" % i), "w", encoding="ascii") as f:
            f.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include \"part%d.h\"\n" % i)
            f.write("".join('#include "part%d.h"\n' % n for n in near))
            for k in range(8):
                f.write("static int step%d(int n)\n{\n\tchar text[32];\n\n\t(void)snprintf(text, sizeof(text), "
                        "\"%%d\", n * %d);\n\treturn (int)strlen(text) + %d;\n}\n\n" % (k, k + i + 1, i))
            f.write("int part%d(int n)\n{\n\tif (n <= 0)\n\t\treturn %s;\n\treturn %s;\n}\n" % (
                i, " + ".join("step%d(n)" % k for k in range(8)), " + ".join("part%d(n - 1)" % n for n in near)))
    with open(os.path.join(folder, "main.c"), "w", encoding="ascii") as f:
        f.write('#include "part0.h"\n\nint main(void)\n{\n\treturn part0(3) == 0;\n}\n')
    with open(os.path.join(folder, "Makefile"), "w", encoding="ascii") as f:
        f.write("OBJECTS := $(patsubst %%,$(OUT)/part%%.o,%s) $(OUT)/main.o\n" % " ".join(map(str, range(FILES))))
        f.write("$(OUT)/program: $(OBJECTS)\n\t$(CC) -o $@ $^\n$(OUT)/%.o: %.c\n\t$(CC) -O1 -c -o $@ $<\n")


def compare(b, title, command):
    """@command: a function that returns a fresh one."""
    counts = {}

    def recorded(kind, flags):
        def once():
            ms = run(b.under_run(flags, [b.program("timed")] + command()), b.env)
            coverage = b.document()["coverage"]
            counts.setdefault(kind, []).append((coverage["events"], coverage["lost"]))
            return ms
        return once

    def direct():
        ms = run([b.program("timed")] + command(), b.with_library())
        with open(b.direct["SUBSTRATE_TRACE_LOG"], "rb") as f:
            text = f.read()
        counts.setdefault(DIRECT, []).append((text.count(b"\n"), text.count(b'"event_type": "gap"')))
        return ms

    variants = {
        "bare": lambda: run([b.program("timed")] + command(), b.env),
        RING: recorded(RING, ["--no-kernel"]),
    }
    if b.has_kernel():
        variants[KERNEL] = recorded(KERNEL, ["--kernel", "--no-preload"])
        variants[BOTH] = recorded(BOTH, ["--kernel"])
    variants[DIRECT] = direct
    if b.have("strace"):
        calls = "openat,open,unlink,unlinkat,rename,mkdir,chdir,execve,connect"
        variants["`strace -f --seccomp-bpf`"] = \
            lambda: run(b.under_strace(calls, [b.program("timed")] + command()), b.env)
    results = measure({name: b.fresh(f) for name, f in variants.items()}, b.rounds // 2 + 1)
    lines = []
    for name, (value, _, ratio) in results.items():
        made = [n for n, _ in counts.get(name, [])]
        lost = [n for _, n in counts.get(name, [])]
        lines.append((title if not lines else "", name, "%.4g" % value, "1" if not lines else "%.3f" % ratio,
                      int(statistics.median(made)) if made else "",
                      "" if not lost else max(lost) if None not in lost else "unknown"))
    return lines


def work(b):
    """find, tar, make."""
    lines = compare(b, "`find /usr`", lambda: ["find", "/usr"])
    # GNU tar does not read the files if the archive is /dev/null itself
    lines += compare(b, "`tar cf - /usr/include`, to a pipe",
                     lambda: ["sh", "-c", "tar cf - /usr/include 2>/dev/null | cat >/dev/null"])
    if b.have("make", "gcc"):
        folder = os.path.join(b.folder, "project")
        project(folder)
        lines += compare(b, "`make -j2`, %d C files" % (FILES + 1),
                         lambda: ["make", "-s", "-j2", "-C", folder, "OUT=" + tempfile.mkdtemp(dir=b.folder)])
    return ("## Whole pieces of work\n\nMilliseconds from the start of the command to its end, inside the run "
            "(`bench/timed`); %d rounds. What a run costs before and after the command is in the table of the whole "
            "run. Lost: the most in any round, gaps in the case of the direct log.\n\n" % (b.rounds // 2 + 1) +
            rows(["work", "variant", "median ms", "ratio", "events", "lost"], lines))


def build(b):
    """A build under a profile."""
    title = "A build under a profile"
    if not b.have("make", "gcc"):
        return ""
    # a name that it has of its own: profiles let nothing write but the folder that a run starts in
    folder = tempfile.mkdtemp(dir=b.folder)
    project(os.path.join(folder, "project"))

    def under(*launcher):
        def once():
            command = ["make", "-s", "-j2", "-C", "project", "OUT=" + tempfile.mkdtemp(dir=folder)]
            return run([*launcher, b.program("timed")] + command, b.env, cwd=folder)
        return once
    profile = [b.telltale, "run", "-q", "--no-kernel", "--profile=RESOURCE-AWARE"]
    variants = {
        "bare": under(),
        "`telltale run --no-kernel --profile=RESOURCE-AWARE --no-preload`": under(*profile, "--no-preload", "--"),
        "`telltale run --no-kernel --profile=RESOURCE-AWARE`": under(*profile, "--"),
        "`telltale run --no-kernel --profile=AGENT`": under(*profile[:4], "--profile=AGENT", "--"),
    }
    if b.have("bwrap"):
        variants["`bwrap --unshare-all --ro-bind / /`"] = under(
            "bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
            "--bind", folder, folder, "--")
    return table(title, "ms", measure({name: b.fresh(f) for name, f in variants.items()}, b.rounds // 2 + 1),
                 "`make -j2`, %d C files; from the start of `make` to its end, inside the sandbox (`bench/timed`); %d rounds." % (
                     FILES + 1, b.rounds // 2 + 1))
