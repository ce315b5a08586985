#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs built with a sanitizer run as they do without Telltale, and are recorded."""

import glob
import os
import re
import shutil
import subprocess

import tt

# What ASan and the others print of a process: addresses and pids differ from run to run.
NOISE = re.compile(rb"0x[0-9a-f]+|==\d+==|\(pid=\d+\)|\d+")
PROGRAM = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	int fd = open("/etc/passwd", O_RDONLY);
	char *p = malloc(16);
	FILE *none = fopen("/no/such/file", "r");

	printf("%d %d %s\n", fd, none != NULL, argv[0] ? "ok" : "");
	for (char **e = environ; *e; e++)
		puts(*e);
	fflush(stdout);
	if (fork() == 0)
		execl("/bin/echo", "echo", "child", (char *)NULL);
	wait(NULL);
	if (argc > 1) {
		free(p);
		p[argc] = 1; /* ASan's to find */
		return 3;
	}
	free(p);
	return 0;
}
"""
COMPILERS = [
    ("gcc ASan", ["gcc", "-fsanitize=address"]),
    ("gcc TSan", ["gcc", "-fsanitize=thread"]),
    ("gcc UBSan", ["gcc", "-fsanitize=undefined"]),
    ("gcc LSan", ["gcc", "-fsanitize=leak"]),
    ("clang ASan", ["clang", "-fsanitize=address"]),
    ("clang ASan, shared", ["clang", "-fsanitize=address", "-shared-libasan"]),
]


def clang_folder():
    """Where clang's shared run time lies; programs find it through LD_LIBRARY_PATH."""
    found = glob.glob("/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.asan-*.so")
    return os.path.dirname(found[0]) if found else "/nonexistent"


def build(folder, name, command):
    source, out = os.path.join(folder, "p.c"), os.path.join(folder, re.sub(r"\W", "_", name))
    with open(source, "w", encoding="utf-8") as f:
        f.write(PROGRAM)
    if not shutil.which(command[0]):
        return None
    run = subprocess.run([*command, "-g", "-w", "-o", out, source], capture_output=True, check=False)
    return out if run.returncode == 0 else None


def compare(name, command, env, launch):
    """Natively and under Telltale; @launch: what starts the program."""
    native = tt.record("native", launch + command, env=env)
    for mode in tt.modes():
        if mode == "direct" and not launch:
            continue
        rec = tt.record(mode, (launch if mode != "direct" else launch[:1] + ["-u", "SUBSTRATE_TRACE_LOG", "-u",
                               "LD_PRELOAD"] + launch[1:]) + command, env=env)
        got = (rec.status, NOISE.sub(b"", rec.stdout), NOISE.sub(b"", rec.stderr))
        want = (native.status, NOISE.sub(b"", native.stdout), NOISE.sub(b"", native.stderr))
        tt.check(f"{mode}: {name}: as without", got == want, [f"got  {got}", f"want {want}"])
        spans = [e for e in rec.events if e.get("exe") == command[0]]
        if not tt.check(f"{mode}: {name}: has a span", spans, rec.raw[:1500]):
            continue
        calls = [(e["syscall"], (e["args"] or [""])[0]) for e in rec.calls() if e["span_id"] == spans[0]["span_id"]]
        for call in [("open", "/etc/passwd"), ("fopen", "/no/such/file")]:
            tt.check(f"{mode}: {name}: {call[0]} is recorded", call in calls, calls)
        tt.check(f"{mode}: {name}: its child is followed",
                 any(e.get("exe") == "/usr/bin/echo" or e.get("exe") == "/bin/echo" for e in rec.events), rec.raw[:1500])


def refused(name, command, env, launch):
    native = tt.record("native", launch + command, env=env)
    rec = tt.record("recorder", launch + command, env=env)
    tt.same(name, (rec.status, NOISE.sub(b"", rec.stderr), rec.status != 0),
            (native.status, NOISE.sub(b"", native.stderr), True))


def main():
    folder = tt.scratch()
    plain = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": clang_folder()}
    for name, command in COMPILERS:
        program = build(folder, name, command)
        if not program:
            tt.skip(name, f"{command[0]} cannot build it")
            continue
        compare(name, [program], plain, ["/usr/bin/env"])
        compare(f"{name}, first program", [program], plain, [])
        if "ASan" in name:
            compare(f"{name}, with a bug", [program, "bug"], plain, ["/usr/bin/env"])
        if name == "gcc ASan":
            compare("a preload of ASan's run time", [program], plain, ["/usr/bin/env", "LD_PRELOAD=libasan.so.8"])
            compare("... in front of another", [program], plain,
                    ["/usr/bin/env", "LD_PRELOAD=libasan.so.8:libm.so.6"])
            refused("another preload: ASan refuses to start", [program], plain, ["/usr/bin/env", "LD_PRELOAD=libm.so.6"])
            compare("an empty preload", [program], plain, ["/usr/bin/env", "LD_PRELOAD="])
    tt.done()


main()
