# SPDX-License-Identifier: Apache-2.0
"""Run as the workload of a cell: a shell at a terminal of its own, typed to. Prints what did not happen."""
import os
import pty
import select
import signal
import sys
import time

SECONDS = 30


class Shell:
    def __init__(self, argv):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["PS1"] = "READY> "
            os.execvp(argv[0], argv)

    def type(self, text):
        os.write(self.fd, text)

    def expect(self, text):
        """Wait for @text; what came up to it is thrown away."""
        end = time.monotonic() + SECONDS
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"no {text!r} in {self.seen[-400:]!r}")
            try:
                self.seen += os.read(self.fd, 4096)
            except OSError:
                sys.exit(f"no {text!r} before the end in {self.seen[-400:]!r}")
        self.seen = self.seen.split(text, 1)[1]


def main():
    sh = Shell(sys.argv[1:])
    sh.expect(b"READY> ")
    sh.type(b"echo to''ld; cat\n")
    sh.expect(b"told")
    sh.type(b"echoed\n")
    sh.expect(b"echoed\r\nechoed\r\n")  # by the terminal, then by cat: it has the terminal
    sh.type(b"\x1a")
    sh.expect(b"READY> ")
    sh.type(b"jobs; echo li''sted\n")
    sh.expect(b"topped")
    sh.expect(b"listed")
    sh.type(b"fg\n")
    sh.expect(b"cat\r\n")
    sh.type(b"again\n")
    sh.expect(b"again\r\nagain\r\n")
    sh.type(b"\x03")
    sh.expect(b"READY> ")
    # a group of its own, of two, by its number; SIGKILL, as a shell's child ignores others until it is set up
    sh.type(b"sleep 1000 | sleep 1000 & p=$!; /bin/kill -KILL -- -$(ps -o pgid= $p | tr -d ' '); wait $p; echo st''atus $?\n")
    sh.expect(b"status 137")
    sh.type(b"sleep 1000 & kill -KILL %1; wait $!; echo st''atus $?\n")
    sh.expect(b"status 137")
    sh.type(b"exit 7\n")
    _, status = os.waitpid(sh.pid, 0)
    if os.waitstatus_to_exitcode(status) != 7:
        sys.exit(f"the shell's status: {status}")
    print("jobs are controlled")


signal.alarm(4 * SECONDS)
main()
