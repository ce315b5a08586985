# SPDX-License-Identifier: Apache-2.0
"""What the kernel sensor costs: calls that it tells of, calls and processes that it does not, programs started, itself."""

import json
import os
import shutil
import statistics
import subprocess

import bench_tools
from bench_lib import BOTH, KERNEL, RING, measure, milliseconds, rows, run, table

PAIRS = 20000  # what the rings hold: a lost event would be cheaper than one that is told
FEW_PAIRS = 4000  # where a pair takes many microseconds
CALLS = 400000
STARTS = 20


def without(title):
    """A table that there is none of."""
    return "## %s\n\nNot measured: the kernel sensor is not to be had here.\n" % title


def beside(b, variants, name, once):
    """Adds @once, unless its tool cannot run here."""
    try:
        b.fresh_folder()
        once()
    except bench_tools.Refused as why:
        b.left_out(str(why))
    else:
        variants[name] = once


def pair(b):
    """A call that is told."""
    title = "The kernel sensor: a pair of open and close"
    if not b.has_kernel():
        return without(title)
    lost = {}

    def command(n=PAIRS):
        return [b.program("open_close"), b.file, str(n)]

    def recorded(name, flags):
        def once():
            ns = run(b.under_run(flags, command()), b.env)
            coverage = b.document()["coverage"]
            if coverage["events"] + (coverage["lost"] or 0) < PAIRS:
                raise RuntimeError("%s: %d events of %d pairs" % (name, coverage["events"], PAIRS))
            lost[name] = max(lost.get(name, 0), coverage["lost"] or 0)
            return ns
        return once

    def bpftrace():
        with bench_tools.bpftrace(b):
            return run(command(PAIRS), b.env)

    def perf():
        with bench_tools.perf_trace(b, "openat,close") as words:
            return run(words + command(PAIRS), b.env)

    variants = {"bare": lambda: run(command(), b.env),
                KERNEL: recorded(KERNEL, ["--kernel", "--no-preload"]),
                BOTH: recorded(BOTH, ["--kernel"])}
    beside(b, variants, "`bpftrace`, path and result of openat to a file", bpftrace)
    beside(b, variants, "`perf trace -e openat,close` (paths as addresses)", perf)
    if b.have("strace"):
        variants["`strace -f --seccomp-bpf -e trace=openat,close`"] = \
            lambda: run(b.under_strace("openat,close", command(FEW_PAIRS)), b.env)
    results = measure({name: b.fresh(f) for name, f in variants.items()}, b.rounds)
    return table(title, "ns", results,
                 "`bench/open_close`. The open is told with its path and result, the close counted; strace and perf tell of "
                 "both. Lost, the most in any round: kernel sensor alone %d, both %d." % (lost[KERNEL], lost[BOTH]))


def tax(b):
    """A call that nobody tells of, in the run and elsewhere on the machine."""
    title = "The kernel sensor: a call that is not told"
    if not b.has_kernel():
        return without(title)
    command = [b.program("observed"), "other", str(CALLS)]
    idle = ["sh", "-c", "echo ready; exec cat"]

    def while_held(words):
        def once():
            with bench_tools.held(words, b.env):
                return run(command, b.env)
        return once

    def bpftrace():
        with bench_tools.bpftrace(b):
            return run(command, b.env)

    variants = {"nothing attached": lambda: run(command, b.env)}
    empty = b.program("attach_empty")
    if os.path.exists(empty):
        variants["an empty eBPF program at `sys_exit`"] = while_held([empty])
    else:
        b.left_out("bench/empty.bpf.c was not built: no clang or bpftool")
    variants.update({
        "outside, while a run with the kernel sensor goes on":
            while_held(b.under_run(["--kernel", "--no-preload"], idle)),
        "inside, " + KERNEL: lambda: run(b.under_run(["--kernel", "--no-preload"], command), b.env),
        "inside, " + BOTH: lambda: run(b.under_run(["--kernel"], command), b.env),
        "inside, " + RING: lambda: run(b.under_ring(command), b.env),
    })
    beside(b, variants, "outside, while `bpftrace` prints the openat of another program", bpftrace)
    if b.have("strace"):
        variants["under `strace -f --seccomp-bpf -e trace=openat,close`"] = \
            lambda: run(b.under_strace("openat,close", command), b.env)
    return table(title, "ns", measure({name: b.fresh(f) for name, f in variants.items()}, b.rounds),
                 "`getppid`. The sensor counts it in the run and lets it pass elsewhere. What the empty program takes is the "
                 "kernel's own share, which no recorder at this place can avoid.")


def spawn(b):
    """A program started and waited for."""
    title = "The kernel sensor: starting `true` and waiting for it"
    if not b.has_kernel():
        return without(title)

    def command(n=400):
        return [b.program("spawn"), str(n), "-", shutil.which("true")]

    def bpftrace():
        with bench_tools.bpftrace(b, bench_tools.PROCESSES):
            return run(command(), b.env)

    variants = {
        "bare": lambda: run(command(), b.env),
        KERNEL: lambda: run(b.under_run(["--kernel", "--no-preload"], command()), b.env),
        RING: lambda: run(b.under_ring(command()), b.env),
        BOTH: lambda: run(b.under_run(["--kernel"], command()), b.env),
    }
    beside(b, variants, "`bpftrace`, fork, execve, exec and exit to a file", bpftrace)
    if b.have("strace"):
        variants["`strace -f --seccomp-bpf -e trace=execve,openat,close`"] = \
            lambda: run(b.under_strace("execve,openat,close", command(40)), b.env)
    return table(title, "us", measure({name: b.fresh(f) for name, f in variants.items()}, b.rounds),
                 "`bench/spawn`: posix_spawn (vfork and exec) and waitpid. The sensors tell of its opens, too.")


def opened_ms(driver):
    """What loading and attaching took, by the sensor's own test program."""
    done = subprocess.run([driver, "-q", "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=60, check=True)
    return json.loads(done.stderr.splitlines()[-1])["open_ms"]


def attach(b):
    """The sensor comes and goes."""
    title = "The kernel sensor: to attach and to detach"
    if not b.has_kernel():
        return without(title)

    def timed(flags):
        return lambda: milliseconds(b.under_run(flags, ["true"]), b.env)

    driver = os.path.join(os.path.dirname(b.telltale), "tests", "integration", "kernel_driver")
    opened, both = [], timed(["--no-preload", "--kernel"])

    def and_alone():
        opened.append(opened_ms(driver))
        return both()

    ways = {"`telltale run --no-preload --no-kernel -- true`": timed(["--no-preload", "--no-kernel"]),
            "`telltale run --no-preload -- true`": and_alone}
    results = measure({name: b.fresh(f) for name, f in ways.items()}, STARTS)
    middle = statistics.median(opened)
    return (table(title, "ms", results, "From starting the launcher to its end; median of %d." % STARTS) +
            "\nTo load and attach, which the command waits for, took the sensor's own test program %.1f ms: median of %d, from "
            "%.1f to %.1f. The rest, %.1f ms, is to follow, to read what is left and to detach.\n" % (
                middle, STARTS, min(opened), max(opened), list(results.values())[1][1] - middle))


def noise(b):
    """The same program over and over."""
    def once(program, *words):
        return [run([b.program(program), *words], b.env) for _ in range(b.rounds * 2)]

    lines = []
    for name, values in (("open and close, ns", once("open_close", b.file, str(PAIRS * 5))),
                         ("`getppid`, ns", once("observed", "other", str(CALLS))),
                         ("`true` started, us", once("spawn", "200", "-", shutil.which("true")))):
        quarters = statistics.quantiles(values, n=4)
        lines.append((name, "%.4g" % min(values), "%.4g" % statistics.median(values), "%.4g" % max(values),
                      "%.1f %%" % ((quarters[2] - quarters[0]) / quarters[1] * 100)))
    return ("## Noise of this machine\n\nThe bare programs %d times in a row. A difference smaller than the middle half of "
            "them is wide says nothing.\n\n" % (b.rounds * 2) +
            rows(["bare", "least", "median", "most", "width of the middle half"], lines))
