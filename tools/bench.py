#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bench.py BUILD: what recording costs, next to nothing at all and next to other tools.

Machines are noisy, so nothing is compared across runs: in each round every variant runs once, in a new order, and its
time is divided by that of the round's baseline. The table shows the median over the rounds. Writes bench/RESULTS.md.
"""

import glob
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 9
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(command, env=None, timeout=300):
    """The number that the program prints last on stderr."""
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=timeout, check=False)
    if done.returncode != 0:
        raise RuntimeError("%s: exit %d: %s" % (command, done.returncode, done.stderr.decode(errors="replace")[-300:]))
    return float(done.stderr.split()[-1])



def measure(variants):
    """{name: function} -> {name: (median value, median difference to the first, median ratio to the first)}"""
    names = list(variants)
    values = {name: [] for name in names}
    for _ in range(ROUNDS):
        order = names[:]
        random.shuffle(order)
        for name in order:
            values[name].append(variants[name]())
    base = values[names[0]]
    return {name: (statistics.median(v),
                   statistics.median(x - b for x, b in zip(v, base)),
                   statistics.median(x / b for x, b in zip(v, base))) for name, v in values.items()}


def table(title, unit, results, note):
    lines = ["## " + title, "", note, "", "| variant | median %s | more than the baseline | ratio |" % unit,
             "|---|---:|---:|---:|"]
    for i, (name, (value, more, ratio)) in enumerate(results.items()):
        lines.append("| %s | %.4g | %s | %s |" % (name, value, "" if i == 0 else "%+.4g %s" % (more, unit),
                                                   "1" if i == 0 else "%.2f" % ratio))
    return "\n".join(lines) + "\n"


class Bench:
    def __init__(self, build, folder):
        self.telltale = os.path.join(build, "telltale")
        self.library = os.path.join(build, "libtelltale.so")
        self.programs = os.path.join(build, "bench")
        self.folder = folder
        self.skipped = []
        self.env = dict(os.environ)
        for name in list(self.env):
            if name.startswith(("SUBSTRATE_", "TELLTALE_", "LD_")):
                del self.env[name]
        self.direct = dict(self.env)

    def program(self, name):
        return os.path.join(self.programs, name)

    def fresh(self, function):
        """A folder of its own for each measurement. Nothing is deleted before the end: ext4 passes over the inodes of
        files deleted a moment ago, and whoever creates files next would pay for it."""
        def wrapped():
            folder = tempfile.mkdtemp(dir=self.folder)
            self.env["XDG_STATE_HOME"] = self.direct["XDG_STATE_HOME"] = folder
            self.direct["SUBSTRATE_TRACE_LOG"] = os.path.join(folder, "trace.jsonl")
            return function()
        return wrapped

    def have(self, *names):
        missing = [n for n in names if not shutil.which(n)]
        self.skipped += ["%s is not installed" % n for n in missing if "%s is not installed" % n not in self.skipped]
        return not missing

    def open_close(self):
        target = os.path.join(self.folder, "file")
        with open(target, "w", encoding="ascii"):
            pass

        def command(n):
            return [self.program("open_close"), target, str(n)]

        variants = {
            "bare": lambda: run(command(200000), self.env),
            "preload, ring (`telltale run`)": lambda: run([self.telltale, "run", "-q", "--"] + command(200000), self.env),
            "preload, direct to a file": lambda: run(command(200000), dict(self.direct, LD_PRELOAD=self.library)),
        }
        if self.have("strace"):
            trace = ["strace", "-f", "--seccomp-bpf", "-e", "trace=openat", "-o", os.path.join(self.folder, "strace")]
            variants["`strace -f --seccomp-bpf -e trace=openat`"] = lambda: run(trace + command(4000), self.env)
        return {name: self.fresh(f) for name, f in variants.items()}

    def spawn(self):
        true = shutil.which("true")

        def command(library, n=400):
            return [self.program("spawn"), str(n), library, true]

        variants = {
            "bare": lambda: run(command("-"), self.env),
            "an empty library": lambda: run(command(os.path.join(self.programs, "libempty.so")), self.env),
            "preload, direct to a file": lambda: run(command(self.library), self.direct),
            "preload, direct, parent recorded too":
                lambda: run(command("-"), dict(self.direct, LD_PRELOAD=self.library)),
            "preload, ring (`telltale run`), parent recorded too":
                lambda: run([self.telltale, "run", "-q", "--"] + command("-"), self.env),
        }
        snoopy = glob.glob("/lib/*/libsnoopy.so")
        if snoopy:
            variants["snoopy"] = lambda: run(command(snoopy[0]), self.env)
        else:
            self.skipped.append("snoopy is not installed")
        if self.have("strace"):
            trace = ["strace", "-f", "--seccomp-bpf", "-e", "trace=execve", "-o", os.path.join(self.folder, "strace")]
            variants["`strace -f --seccomp-bpf -e trace=execve`"] = lambda: run(trace + command("-", 200), self.env)
        return {name: self.fresh(f) for name, f in variants.items()}

    def sandbox(self):
        true = shutil.which("true")
        strict = [self.telltale, "run", "-q", "--profile=STRICT", "--", true]
        variants = {}
        if self.have("bwrap"):
            jail = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--", true]
            variants["`bwrap --unshare-all --ro-bind / /`"] = lambda: self.many(jail)
        if self.have("unshare"):
            bare = ["unshare", "-Urmpiun", "--fork", true]
            variants["`unshare -Urmpiun --fork` (no mounts, no filter, no record)"] = lambda: self.many(bare)
        variants["`telltale run --profile=STRICT`"] = lambda: self.many(strict)
        variants["`telltale run --profile=STRICT --no-preload`"] = \
            lambda: self.many(strict[:3] + ["--no-preload"] + strict[3:])
        variants["`telltale run` (OFF)"] = lambda: self.many([self.telltale, "run", "-q", "--", true])
        return {name: self.fresh(f) for name, f in variants.items()}

    def many(self, command, n=40):
        """Milliseconds per run."""
        start = time.monotonic()
        for _ in range(n):
            subprocess.run(command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60,
                           check=True)
        return (time.monotonic() - start) * 1000 / n


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: bench.py BUILD")
    build = os.path.abspath(sys.argv[1])
    subprocess.run(["ninja", "-C", build, "bench-programs", "telltale", "libtelltale.so"], check=True,
                   stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        bench = Bench(build, folder)
        parts = [
            table("A pair of open and close", "ns", measure(bench.open_close()),
                  "`bench/open_close`: one thread, one file, as fast as it goes: more events per second than any real "
                  "program makes. In the ring what comes faster than the recorder writes is counted as lost."),
            table("Starting `true` and waiting for it", "us", measure(bench.spawn()),
                  "`bench/spawn`: posix_spawn and waitpid, one after the other."),
            table("A whole sandboxed run of `true`", "ms", measure(bench.sandbox()),
                  "From starting the launcher to its end, record included."),
        ]
    text = "\n".join([
        "# Results",
        "",
        "Made by `make bench` on Linux %s, %s, %d CPUs. Every figure is the median of %d rounds; differences and "
        "ratios are taken within a round." % (".".join(platform.release().split(".")[:2]), platform.machine(), os.cpu_count(), ROUNDS),
        "",
    ] + parts + ["Left out: %s.\n" % s for s in bench.skipped])
    with open(os.path.join(SOURCE, "bench", "RESULTS.md"), "w", encoding="utf-8") as f:
        f.write(text)
    print(text)


if __name__ == "__main__":
    main()
