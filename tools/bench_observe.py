# SPDX-License-Identifier: Apache-2.0
"""What --observe costs each call that it watches, and those that it does not."""
import os

from bench_lib import measure, run, table

NOTES = {
    "connect": ("A watched call: `connect` of a UDP socket", "20000", "From its entry to its return, held and looked at."),
    "exec": ("A watched call: `execve` of a file that is not there", "10000", "The call alone, with its path and one argument."),
    "spawn": ("A program started, watched", "500", "`vfork`, `execve` of a static program, `wait`."),
    "other": ("A call that is not watched: `getppid`", "200000", "What the filter takes to let it through."),
}


def observe(b):
    program = os.path.join(b.programs, "observed")
    plain = [b.telltale, "run", "-q", "--no-kernel", "--no-preload"]
    ways = {"`telltale run --no-preload`": plain, "... `--observe=exec,net`": plain + ["--observe=exec,net"]}
    if b.have("strace"):
        ways["`strace -f --seccomp-bpf -e execve,connect`"] = ["strace", "-f", "--seccomp-bpf", "-e",
                                                              "trace=execve,connect", "-o", "/dev/null"]

    def nanoseconds(words, what, count):
        strace = words[0] == "strace"
        # strace writes to the same stderr; a tenth of the calls is enough of it
        command = words + ([] if strace else ["--"]) + [program, what, str(int(count) // (10 if strace else 1))]
        return lambda: run(command, b.env)

    return "\n".join(
        table(title, "ns", measure({name: b.fresh(nanoseconds(words, what, count)) for name, words in ways.items()}, b.rounds),
              note) for what, (title, count, note) in NOTES.items())
