# SPDX-License-Identifier: Apache-2.0
"""A host for tests of telltale-agent: listens on a unix socket, reads frames as docs/wire.md has them, keeps the account."""
import atexit
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import tt

AGENT = os.path.join(tt.BUILD, "telltale-agent")
FIVE = ["content_version", "probe_source", "guest_pid", "guest_comm", "guest_monotonic_ns"]


started = []


@atexit.register
def kill_all():
    """Also where a test ends by an exception."""
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def item(data, at):
    """One item of CBOR, and where it ends."""
    major, value = data[at] >> 5, data[at] & 31
    at += 1
    if value >= 24:
        size = 1 << value - 24
        value, at = int.from_bytes(data[at:at + size], "big"), at + size
    if major == 0:
        return value, at
    if major == 3:
        return data[at:at + value].decode(), at + value
    if major == 4:
        found = []
        for _ in range(value):
            one, at = item(data, at)
            found.append(one)
        return found, at
    if major != 5:
        raise ValueError(f"major type {major}")
    found = {}
    for _ in range(value):
        key, at = item(data, at)
        found[key], at = item(data, at)
    return found, at


class Connection:
    """@frames: what came; @rest: bytes of a frame that is not whole yet; @ended: the agent is at its end."""

    def __init__(self, sock):
        self.sock, self.frames, self.rest, self.ended = sock, [], b"", False
        sock.settimeout(tt.SECONDS)

    def read(self, most=65536):
        """Some bytes more, and the frames that are whole with them."""
        try:
            data = self.sock.recv(most)
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.rest += data
        while len(self.rest) >= 4:
            size = 4 + struct.unpack_from("<I", self.rest)[0]
            if size > 4100:
                raise ValueError(f"a frame of {size} bytes")
            if len(self.rest) < size:
                break
            value, end = item(self.rest[:size], 4)
            if end != size:
                raise ValueError("bytes behind the map")
            self.frames.append(value)
            self.rest = self.rest[size:]

    def drain(self):
        """What is there already."""
        self.sock.settimeout(0)
        try:
            while not self.ended:
                self.read()
        except BlockingIOError:
            pass
        self.sock.settimeout(tt.SECONDS)

    def until(self, what):
        """Read until a frame for which @what is true came, and return it; None if it never did."""
        seen, end = 0, time.monotonic() + tt.SECONDS
        while time.monotonic() < end:
            for frame in self.frames[seen:]:
                if what(frame):
                    return frame
            seen = len(self.frames)
            if self.ended:
                break
            self.read()
        return None

    def until_path(self, path):
        return self.until(lambda f: f.get("path") == path)

    def until_end(self):
        while not self.ended:
            self.read()

    def close(self):
        self.sock.close()


class Host:
    def __init__(self, path=None):
        self.path = path or os.path.join(tt.scratch(0o755), "host")
        self.endpoint, self.sock = "unix:" + self.path, None

    def listen(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(tt.SECONDS)
        self.sock.bind(self.path)
        self.sock.listen(16)
        return self

    def accept(self):
        return Connection(self.sock.accept()[0])

    def close(self):
        self.sock.close()
        os.unlink(self.path)


class Agent:
    """A running agent that sees one folder, and no process but by @options."""

    def __init__(self, endpoint, *options, files=0, quiet=True, pass_fds=(), more_env=None, program=AGENT,
                 watched=True, preexec_fn=None):
        self.folder = tt.scratch(0o755)
        self.files = [os.path.join(self.folder, f"f{i}") for i in range(files)]
        for path in self.files:
            with open(path, "w", encoding="ascii"):
                pass
        self.turn = 0
        self.errors = tempfile.TemporaryFile()
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # no process is there: nothing but what the test does to files is told
        options = ("--flush-ms", "200", *options)
        quiet = ["--sensor", "walk", "--walk-ms", "3600000", "--proc", tt.scratch(0o755)] if quiet else []
        self.process = subprocess.Popen(
            [program, "--endpoint", endpoint, "--ready-fd", str(theirs.fileno()), *quiet,
             *(["--inotify", self.folder] if watched else []), *options], env=tt.clean_env(**(more_env or {})), stdin=subprocess.DEVNULL, stderr=self.errors,
            pass_fds=[theirs.fileno(), *pass_fds], preexec_fn=preexec_fn)
        started.append(self.process)
        theirs.close()
        mine.settimeout(tt.SECONDS)
        self.ready = mine.recv(4096).decode()
        mine.close()

    @property
    def pid(self):
        return self.process.pid

    def act(self, count=1):
        """@count acts, each one event: no two in a row are of one file, which inotify would take for one."""
        done = []
        for _ in range(count):
            path = self.files[self.turn % len(self.files)]
            os.chmod(path, 0o600 if self.turn // len(self.files) % 2 else 0o640)
            self.turn += 1
            done.append(path)
        return done

    def settled(self):
        """Wait until it has done what there was to do: it sleeps, and no more wake-ups are counted."""
        last = None
        for _ in range(500):
            now = re.findall(r"ctxt_switches:\s+(\d+)", tt.read(f"/proc/{self.pid}/status").decode())
            if now == last and tt.state_of(self.pid) == "S":
                return
            last = now
            time.sleep(0.05)

    def mark(self):
        """An act that can be told from the others."""
        self.turn += 1
        path = os.path.join(self.folder, f"mark{self.turn}")
        os.mkdir(path)
        return path

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(tt.SECONDS)

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode()

    def resident(self):
        """Bytes, of /proc/PID/smaps_rollup."""
        for line in tt.read(f"/proc/{self.pid}/smaps_rollup").decode().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
        return None


def account(connections):
    """Complaints about the numbers of all frames that came: each is there once, or counted."""
    seen, counted, died = {}, 0, 0
    complaints = []
    for connection in connections:
        for frame in connection.frames:
            if frame["seq"] in seen:
                complaints.append(f"seq {frame['seq']} comes twice: {frame} {seen[frame['seq']]}")
            seen[frame["seq"]] = frame
            if frame["probe_source"] == "telemetry.dropped":
                counted += frame["count"]
                died += frame["cause"] == "agent_died"
    holes = max(seen) + 1 - len(seen) if seen else 0
    if holes != counted:
        complaints.append(f"{holes} numbers did not come, {counted} were counted")
    return complaints


def is_available():
    return os.access(AGENT, os.X_OK) and shutil.which("readelf") is not None
