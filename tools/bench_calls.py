# SPDX-License-Identifier: Apache-2.0
"""Tables of single acts: a pair of calls, a program started, a whole run."""

import glob
import os
import shutil

import bench_tools
from bench_lib import RING, measure, milliseconds, run, table

PAIRS = 200000


def pair(b):
    """open and close, as fast as it goes."""
    def command(n=PAIRS):
        return [b.program("open_close"), b.file, str(n)]

    variants = {
        "bare": lambda: run(command(), b.env),
        RING: lambda: run(b.under_ring(command()), b.env),
        "audit, ring (`telltale run --no-kernel --sensor=audit`)": lambda: run(b.under_audit(command()), b.env),
        "preload, direct to a file": lambda: run(command(), b.with_library()),
    }
    if b.have("strace"):
        variants["`strace -f --seccomp-bpf -e trace=openat`"] = \
            lambda: run(b.under_strace("openat", command(4000)), b.env)

    def lttng():
        with bench_tools.lttng(b) as env:
            return run(command(), env)
    try:
        lttng()
    except bench_tools.Refused as why:
        b.left_out(str(why))
    else:
        variants["an LTTng-UST tracepoint in `open` (preloaded, recording)"] = lttng
    return table("A pair of open and close", "ns", measure({name: b.fresh(f) for name, f in variants.items()}, b.rounds),
                 "`bench/open_close`: one thread, one file, as fast as it goes: more events per second than any real "
                 "program makes. In the ring what comes faster than the recorder writes is counted as lost.")


def spawn(b):
    """posix_spawn and waitpid."""
    true = shutil.which("true")

    def command(library, n=400):
        return [b.program("spawn"), str(n), library, true]

    variants = {
        "bare": lambda: run(command("-"), b.env),
        "an empty library": lambda: run(command(b.program("libempty.so")), b.env),
        "preload, direct to a file": lambda: run(command(b.library), b.direct),
        "preload, direct, parent recorded too": lambda: run(command("-"), b.with_library()),
        "preload, ring (`telltale run --no-kernel`), parent recorded too": lambda: run(b.under_ring(command("-")), b.env),
        "audit, ring (`telltale run --no-kernel --sensor=audit`), parent recorded too":
            lambda: run(b.under_audit(command("-")), b.env),
    }
    snoopy = glob.glob("/lib/*/libsnoopy.so")
    if snoopy:
        variants["snoopy"] = lambda: run(command(snoopy[0]), b.env)
    else:
        b.left_out("snoopy is not installed")
    if b.have("strace"):
        variants["`strace -f --seccomp-bpf -e trace=execve`"] = \
            lambda: run(b.under_strace("execve", command("-", 200)), b.env)
    return table("Starting `true` and waiting for it", "us", measure({name: b.fresh(f) for name, f in variants.items()}, b.rounds),
                 "`bench/spawn`: posix_spawn and waitpid, one after the other.")


def sandbox(b):
    """A launcher from its start to its end."""
    true = shutil.which("true")

    def strict(*flags):
        return b.under_run(["--profile=STRICT", *flags], [true])

    def many(command, n=40):
        """Milliseconds per run."""
        return sum(milliseconds(command, b.env) for _ in range(n)) / n

    variants = {}
    if b.have("bwrap"):
        jail = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--", true]
        variants["`bwrap --unshare-all --ro-bind / /`"] = lambda: many(jail)
    if b.have("unshare"):
        bare = ["unshare", "-Urmpiun", "--fork", true]
        variants["`unshare -Urmpiun --fork` (no mounts, no filter, no record)"] = lambda: many(bare)
    variants["`telltale run --profile=STRICT --no-kernel`"] = lambda: many(strict("--no-kernel"))
    variants["`telltale run --profile=STRICT --no-kernel --no-preload`"] = \
        lambda: many(strict("--no-kernel", "--no-preload"))
    if b.has_kernel():
        variants["`telltale run --profile=STRICT`, the kernel sensor, too"] = lambda: many(strict("--kernel"), 10)
    variants["`telltale run --no-kernel` (OFF)"] = lambda: many(b.under_ring([true]))
    return table("A whole sandboxed run of `true`", "ms", measure({name: b.fresh(f) for name, f in variants.items()}, b.rounds),
                 "From starting the launcher to its end, record included.")


def denied(b):
    """One refused call, from its entry to its error."""
    program = os.path.join(b.programs, "denied")
    strict = [b.telltale, "run", "-q", "--no-kernel", "--profile=STRICT"]
    variants = {
        "no filter: `socket` and `close`": lambda: run([program, "200000"], b.env),
        "refused by the kernel alone (`SECCOMP_RET_ERRNO`)": lambda: run([program, "200000", "errno"], b.env),
        "refused under `--no-kernel --profile=STRICT --no-preload`":
            lambda: run(strict + ["--no-preload", "--", program, "50000"], b.env),
        "refused under `--no-kernel --profile=STRICT`, the library records it, too":
            lambda: run(strict + ["--", program, "50000"], b.env),
    }
    return table("A refused call", "ns", measure({name: b.fresh(f) for name, f in variants.items()}, b.rounds),
                 "`socket(AF_INET, SOCK_STREAM, 0)`; under a profile the supervisor answers it, and it is told of by name, "
                 "arguments, process and count.")
