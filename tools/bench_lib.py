# SPDX-License-Identifier: Apache-2.0
"""What the tables of bench.py share: rounds, medians, and the ways a command is run."""

import glob
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

ROUNDS = 9
RING = "preload, ring (`telltale run --no-kernel`)"
KERNEL = "kernel sensor alone (`telltale run --no-preload`)"
BOTH = "both sensors (`telltale run`)"
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def milliseconds(command, env, seconds=60):
    """From its start to its end. Waited for without a timeout of Python's: that looks only now and then, at last
    every 50 ms; an alarm ends what takes too long."""
    start = time.monotonic()
    signal.alarm(seconds)
    subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    signal.alarm(0)
    return (time.monotonic() - start) * 1000


def run(command, env=None, timeout=300, cwd=None):
    """The number that the program prints last on stderr."""
    done = subprocess.run(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=timeout, check=False)
    if done.returncode != 0:
        raise RuntimeError("%s: exit %d: %s" % (command, done.returncode, done.stderr.decode(errors="replace")[-300:]))
    return float(done.stderr.split()[-1])


def measure(variants, rounds):
    """{name: function} -> {name: (median value, median difference to the first, median ratio to the first)}"""
    names = list(variants)
    values = {name: [] for name in names}
    for _ in range(rounds):
        order = names[:]
        random.shuffle(order)
        for name in order:
            values[name].append(variants[name]())
    base = values[names[0]]
    return {name: (statistics.median(v),
                   statistics.median(x - b for x, b in zip(v, base)),
                   statistics.median(x / b for x, b in zip(v, base))) for name, v in values.items()}


def rows(heads, lines):
    """A table of Markdown; the first column is text."""
    return "\n".join(["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"] +
                     ["| " + " | ".join(str(c) for c in line) + " |" for line in lines]) + "\n"


def table(title, unit, results, note):
    lines = [(name, "%.4g" % value, "" if i == 0 else "%+.4g %s" % (more, unit), "1" if i == 0 else "%.3f" % ratio)
             for i, (name, (value, more, ratio)) in enumerate(results.items())]
    return "## %s\n\n%s\n\n" % (title, note) + rows(["variant", "median " + unit, "more than the baseline", "ratio"], lines)


class Bench:
    """Where things are, and an environment without anything of ours in it."""

    def __init__(self, build, folder, rounds):
        self.rounds = rounds
        self.telltale = os.path.join(build, "telltale")
        self.library = os.path.join(build, "libtelltale.so")
        self.programs = os.path.join(build, "bench")
        self.folder = folder
        self.skipped = []
        self.kernel_sensor = None
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("SUBSTRATE_", "TELLTALE_", "LD_"))}
        self.direct = dict(self.env)
        self.fresh_folder()
        self.file = os.path.join(folder, "file")
        with open(self.file, "w", encoding="ascii"):
            pass

    def program(self, name):
        return os.path.join(self.programs, name)

    def fresh_folder(self):
        """Where the next run leaves its record."""
        self.state = tempfile.mkdtemp(dir=self.folder)
        self.env["XDG_STATE_HOME"] = self.direct["XDG_STATE_HOME"] = self.state
        self.direct["SUBSTRATE_TRACE_LOG"] = os.path.join(self.state, "trace.jsonl")

    def fresh(self, function):
        """A folder of its own for each measurement. Nothing is deleted before the end: ext4 passes over the inodes of
        files deleted a moment ago, and whoever creates files next would pay for it."""
        def wrapped():
            self.fresh_folder()
            return function()
        return wrapped

    def left_out(self, why):
        if why not in self.skipped:
            self.skipped.append(why)

    def has_kernel(self):
        """Can the kernel sensor be had here?"""
        if self.kernel_sensor is None:
            self.kernel_sensor = subprocess.run(self.under_run(["--kernel", "--no-preload"], ["true"]), env=self.env,
                                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                stderr=subprocess.DEVNULL, timeout=60, check=False).returncode == 0
        if not self.kernel_sensor:
            self.left_out("the kernel sensor is not to be had here")
        return self.kernel_sensor

    def have(self, *names):
        missing = [n for n in names if not shutil.which(n)]
        for name in missing:
            self.left_out("%s is not installed" % name)
        return not missing

    def under_run(self, flags, command):
        return [self.telltale, "run", "-q", *flags, "--"] + command

    def under_ring(self, command):
        """The library alone."""
        return self.under_run(["--no-kernel"], command)

    def under_audit(self, command):
        return self.under_run(["--no-kernel", "--sensor=audit"], command)

    def under_strace(self, calls, command):
        return ["strace", "-f", "--seccomp-bpf", "-e", "trace=" + calls, "-o",
                os.path.join(self.folder, "strace")] + command

    def with_library(self, library=None):
        return dict(self.direct, LD_PRELOAD=library or self.library)

    def document(self):
        """run.json of the run that was made last."""
        with open(glob.glob(os.path.join(self.state, "telltale", "runs", "*", "run.json"))[0], encoding="utf-8") as f:
            return json.load(f)
