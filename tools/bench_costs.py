# SPDX-License-Identifier: Apache-2.0
"""Tables of what recording takes beside time: memory, the recorder's CPU, instructions."""

import itertools
import os
import re
import shutil
import statistics
import subprocess

from bench_lib import BOTH, KERNEL, RING, SOURCE, rows, run

CPU_ROUNDS = 3
CPU_PAIRS = 300000


def memory(b):
    """Resident pages of the ring, as the recorded process has them mapped."""
    lines = []
    for pairs in (100, 1000, 10000):
        kb = {}
        for threads in (1, 64):
            b.fresh_folder()
            kb[threads] = run(b.under_ring([b.program("threads"), b.file, str(threads), str(pairs)]), b.env)
        lines.append(("%d events a thread" % pairs, "%d" % kb[1], "%d" % kb[64], "%.1f" % ((kb[64] - kb[1]) / 63)))
    return ("## Memory of the ring\n\nKiB resident in a process with 1 and with 64 threads alive, once each has made so "
            "many events (`bench/threads`). A thread that makes few events touches few pages; the most is the size of "
            "its lane. In direct mode there is none.\n\n" +
            rows(["work", "1 thread", "64 threads", "more per further thread"], lines))


def own_cpu(b, flags, command):
    """Seconds of user and system time that the recorder itself took, without the command it waited for."""
    process = subprocess.Popen(b.under_run(flags, command), env=b.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with open("/proc/%d/stat" % process.pid, encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    if process.wait() != 0:
        raise RuntimeError("%s failed" % command)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def recorder(b):
    """CPU of the recorder per million events."""
    lines = []
    loads = [("as fast as they come", [b.program("open_close"), b.file, str(CPU_PAIRS)]),
             ("many processes", [b.program("spawn"), "1500", "-", shutil.which("true")])]
    ways = [(RING, ["--no-kernel"])]
    if b.has_kernel():
        ways += [(KERNEL, ["--kernel", "--no-preload"]), (BOTH, ["--kernel"])]
    # what a run takes that records next to nothing: programs loaded, the record begun and ended
    empty = {way: statistics.median(own_cpu(b, flags, ["true"]) for _ in range(CPU_ROUNDS)) for way, flags in ways}
    for (name, command), (way, flags) in itertools.product(loads, ways):
        per_million, events, lost = [], [], []
        for _ in range(CPU_ROUNDS):
            b.fresh_folder()
            seconds = own_cpu(b, flags, command) - empty[way]
            coverage = b.document()["coverage"]
            events.append(coverage["events"])
            lost.append(coverage["lost"] or 0)
            per_million.append(seconds / coverage["events"] * 1e6)
        lines.append((name, way, "%.2f" % statistics.median(per_million), int(statistics.median(events)),
                      int(statistics.median(lost))))
    return ("## CPU of the recorder\n\nUser and system time of `telltale` alone, less that of a run of `true`, "
            "over the events it recorded: seconds per million are microseconds for each. With both sensors an act that "
            "both tell of is one event. Median of %d runs. The trace is written, too.\n\n" % CPU_ROUNDS +
            rows(["events", "variant", "seconds per million", "recorded", "lost"], lines))


def collected(command, env, cwd):
    """Instructions that callgrind counted."""
    done = subprocess.run(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=120, check=False)
    found = re.search(rb"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise RuntimeError("%s: %s" % (command, done.stderr.decode(errors="replace")[-300:]))
    return int(found.group(1))


def instructions(b):
    """Figures that do not wobble."""
    title = "## Instructions\n\n"
    if not b.have("valgrind"):
        return title + "Not counted: valgrind is not installed.\n"
    grind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    inside = ["/usr/bin/python3", os.path.join(SOURCE, "tools", "bench_valgrind.py")]
    empty = b.program("libempty.so")
    ways = {
        "bare": lambda command: collected(grind + command, b.env, b.folder),
        "an empty library": lambda command: collected(grind + command, b.with_library(empty), b.folder),
        RING: lambda command: collected(b.under_ring(inside + command), b.env, b.folder),
        "preload, direct to a file": lambda command: collected(grind + command, b.with_library(), b.folder),
    }
    lines, base = [], None
    for name, count in ways.items():
        def start_up(command):
            b.fresh_folder()
            return count(command)
        few, many = (start_up([b.program("open_close"), os.path.basename(b.file), str(n)]) for n in (1000, 2000))
        true = start_up([shutil.which("true")])
        pair = round((many - few) / 1000)
        base = base or (pair, true)
        lines.append((name, pair, "%+d" % (pair - base[0]) if lines else "", true,
                      "%+d" % (true - base[1]) if lines else ""))
    return (title + "Of the program, in user space, counted by callgrind: a pair of open and close (the difference of "
            "2000 and 1000 pairs), and `true` from its first instruction to its last. Made twice they are the same, "
            "but for a handful at start-up.\n\n" +
            rows(["variant", "a pair", "more", "`true`", "more"], lines))
