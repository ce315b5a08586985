#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The guest's vsock, by itself: bytes arrive whole and in order, at the socket of their port; what a host does badly is told."""
import os
import socket
import threading

import guest
import tt
from tt import check, done, same, skip_all

BYTES = 1_000_000


class Listener:
    """Reads one connection to BASE_PORT: @size bytes of it (None: to its end), then sends @answer and closes."""

    def __init__(self, base, port, size=None, answer=b""):
        self.got, self.size, self.answer = b"", size, answer
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(f"{base}_{port}")
        self.socket.listen()
        self.socket.settimeout(60)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        connection, _ = self.socket.accept()
        connection.settimeout(60)
        while self.size is None or len(self.got) < self.size:
            data = connection.recv(1 << 16)
            if not data:
                break
            self.got += data
        if self.answer:
            connection.sendall(self.answer)
        connection.close()

    def all(self):
        self.thread.join(60)
        self.socket.close()
        return self.got


def sends(vm, port, size, seconds=20):
    return vm.run("guest_vsock", str(port), str(size), str(seconds)).stdout.split("\n")[:-1]


def pattern(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def main():
    why = guest.why_not()
    if why:
        skip_all(why)
    base = os.path.join(tt.scratch(), "v")
    image = guest.Image()
    image.vsock()
    image.program(os.path.join(tt.BUILD, "tests", "guest", "guest_vsock"), "/usr/bin/guest_vsock")
    vsock = guest.Vsock(base)
    with guest.boot(image, vsock=vsock) as vm:
        same("nobody listens", sends(vm, 9001, 1), ["connect ECONNRESET"])
        host = Listener(base, 9001, BYTES, b"taken")
        same("a million bytes are sent, and an answer comes back", sends(vm, 9001, BYTES),
             ["connect 0", f"sent {BYTES} 0", "read taken 0"])
        check("... and each of them arrived, in its place", host.all() == pattern(BYTES), len(host.got))
        host = Listener(base, 9002, 1)
        said = sends(vm, 9002, 50 * BYTES)
        check("a host that closes early is seen", said[0] == "connect 0" and said[1].endswith(" EPIPE"), said)
        host.all()
        stalled = socket.socket(socket.AF_UNIX)
        stalled.bind(f"{base}_9003")
        stalled.listen()
        said = sends(vm, 9003, 50 * BYTES, 1)
        check("a host that does not read takes a buffer full, no more",
              said[0] == "connect 0" and said[1].endswith(" EAGAIN") and 1 << 16 <= int(said[1].split()[1]) < BYTES, said)
        stalled.close()
        many = [Listener(base, 9100 + i, 10000 * (i + 1)) for i in range(8)]
        vm.shell("for i in 0 1 2 3 4 5 6 7; do guest_vsock 910$i $((10000 * (i + 1))) 20 & done; wait")
        same("eight at once", [x.all() == pattern(10000 * (i + 1)) for i, x in enumerate(many)], [True] * 8)
    same("the device had nothing to complain of", vsock.stop(), "")
    done()


main()
