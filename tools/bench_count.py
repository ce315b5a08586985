# SPDX-License-Identifier: Apache-2.0
"""What it costs to count every system call, next to strace."""
import os

from bench_lib import measure, milliseconds, table

CALLS = 20000


def count(b):
    """A program that does little else than calls, and one that starts programs."""
    leaf = [os.path.join(os.path.dirname(b.telltale), "tests", "integration", "count_probe"), "leaf", str(CALLS)]
    shell = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do ls / >/dev/null; done"]
    plain = b.under_run(["--no-kernel", "--no-preload"], [])
    ways = {
        "bare": [],
        "`telltale run --no-kernel --no-preload`, nothing counted": plain,
        "... `--count=ptrace`": plain[:-1] + ["--count=ptrace", "--"],
    }
    if b.has_kernel():
        ways["`telltale run --no-preload`, by the kernel sensor"] = b.under_run(["--kernel", "--no-preload"], [])
    if b.have("strace"):
        ways["`strace -f -c`"] = ["strace", "-f", "-c", "-o", "/dev/null"]

    def timed(command):
        return lambda: milliseconds(command, b.env, 120)

    return "\n".join(
        table(title, "ms", measure({name: b.fresh(timed(words + command)) for name, words in ways.items()}, b.rounds),
              note)
        for title, command, note in (
            (f"Every system call counted: a loop of {CALLS} getppid(2)", leaf, "From starting the launcher to its end."),
            ("Every system call counted: a shell that starts `ls` ten times", shell, "The same.")))
