#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs linked with musl get a library of their own: they run as without it, are recorded, and so are the programs
of another libc that they start."""

import os
import shutil
import subprocess

import tt

LIBRARY = os.path.join(tt.BUILD, "libtelltale-musl.so")
PROGRAM = r"""
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void *thread(void *unused)
{
	return fopen("/no/such/thread", "r");
}

int main(int argc, char **argv)
{
	pthread_t t;
	int fd = open("/etc/passwd", O_RDONLY), status;

	printf("%d %d %s\n", fd, open("/no/such/file", O_RDONLY), strerror(errno));
	for (char **e = environ; *e; e++)
		if (strncmp(*e, "PWD=", 4) != 0)
			puts(*e);
	fflush(stdout);
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	if (argc < 2)
		return 5;
	if (fork() == 0)
		execl("/bin/sh", "sh", "-c", argv[1], argv[0], (char *)NULL);
	wait(&status);
	printf("%d\n", WEXITSTATUS(status));
	printf("%d\n", system("exit 4"));
	fflush(stdout);
	if (fork() == 0) {
		char *args[] = {"true", NULL};

		syscall(SYS_execveat, AT_FDCWD, "/bin/true", args, environ, 0);
		_exit(9);
	}
	wait(&status);
	printf("%d\n", WEXITSTATUS(status));
	fflush(stdout);
	exit(3);
}
"""


def build(folder):
    source, out = os.path.join(folder, "m.c"), os.path.join(folder, "m")
    with open(source, "w", encoding="utf-8") as f:
        f.write(PROGRAM)
    subprocess.run(["musl-gcc", "-w", "-o", out, source], check=True)
    return out


def exits(events, exe):
    spans = {e["span_id"] for e in events if e.get("exe") == exe}
    return sorted(e["exit_code"] for e in events if e["event_type"] == "process" and e["syscall"] == "exit"
                  and e["span_id"] in spans)


def main():
    if not os.path.exists(LIBRARY) or not shutil.which("musl-gcc"):
        tt.skip_all(f"no '{LIBRARY}' or no musl-gcc")
    m = build(tt.scratch())
    env = {"PATH": "/usr/bin:/bin", "KEPT": "as it was"}
    native = tt.record("native", [m, '"$0"; exit 7'], env=env)
    tt.same("natively", native.status, 3)
    for launch in [[], ["/usr/bin/env"], ["/usr/bin/env", "-u", "X", "/bin/sh", "-c", 'unset PWD OLDPWD; "$0" "$@"']]:
        rec = tt.record("recorder", launch + [m, '"$0"; exit 7'], env=env)
        name = f"launched by {' '.join(launch[:1] + launch[3:4]) or 'telltale'}"
        tt.same(f"{name}: as without", (rec.status, rec.stdout, rec.stderr), (3, native.stdout, native.stderr))
        tt.none(f"{name}: lines are valid", rec.problems)
        tt.none(f"{name}: spans are whole", tt.span_problems(rec.events, False))
        mine = {e["span_id"]: e for e in rec.events if e.get("exe") == m}
        tt.same(f"{name}: both musl programs are spans", [e["sensor"] for e in mine.values()], ["preload"] * 2)
        calls = [(e["syscall"], e["args"][0], e.get("error")) for e in rec.calls("open", "fopen") if e["span_id"] in mine]
        tt.same(f"{name}: their calls", sorted(calls), sorted([
            ("open", "/etc/passwd", None), ("open", "/no/such/file", "ENOENT"), ("fopen", "/no/such/thread", "ENOENT")] * 2))
        tt.same(f"{name}: their ends", exits(rec.events, m), [3, 5])
        shells = [e for e in rec.events if (e.get("exe") or "").endswith("sh") and e["sensor"] == "preload"]
        tt.check(f"{name}: glibc's shells below are recorded", len(shells) >= 2, shells)
        tt.same(f"{name}: nothing is lost", rec.gaps(), 0)
    folder = tt.scratch()
    log = os.path.join(folder, "log")
    run = subprocess.run([m], env={**env, "LD_PRELOAD": LIBRARY, "SUBSTRATE_TRACE_LOG": log}, timeout=tt.SECONDS,
                         capture_output=True)
    events, problems = tt.parse_trace(tt.read(log))
    tt.none("direct mode: lines are valid", problems)
    tt.same("direct mode: status", (run.returncode, exits(events, m)), (5, [5]))
    check_probe(tt.scratch())
    tt.done()


def check_probe(folder):
    """What env_probe sees of its surroundings."""
    source = os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
    probe = os.path.join(folder, "probe")
    built = subprocess.run(["musl-gcc", "-w", "-D_GNU_SOURCE", "-o", probe,
                            os.path.join(source, "tests", "integration", "env_probe.c")], capture_output=True)
    if built.returncode != 0:
        tt.skip("env_probe with musl", "it does not build")
        return
    env = {"PATH": "/usr/bin:/bin", "HOME": "/", "SUBSTRATE_PARENT_SPAN": "theirs"}
    native = tt.record("native", ["/usr/bin/env", probe, "show"], env=env)
    rec = tt.record("recorder", ["/usr/bin/env", probe, "show"], env=env)
    lines = [line for line in rec.stdout.splitlines() if not (line.startswith(b"fd ") and int(line.split()[1]) >= 100)]
    tt.same("env_probe with musl", (rec.status, lines), (native.status, native.stdout.splitlines()))


main()
