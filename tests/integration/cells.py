# SPDX-License-Identifier: Apache-2.0
"""Cells: what a host sees of one, and what must be true of it. cell.py runs them in a PID namespace of this machine,
tests/guest/guest_cell.py in a microVM; the checks are the same.

    host = cells.Host(base)
    ended = Local(host).run(["/cell_work", ...])
    cells.check_account("...", host.frames())
"""
import base64
import collections
import json
import os
import re
import socket
import struct
import subprocess
import threading
import time

import tt
from tt import check, none, same

WORK = tt.program("cell_work")
INIT, AGENT = os.path.join(tt.BUILD, "telltale-init"), os.path.join(tt.BUILD, "telltale-agent")
SECONDS = 120  # no cell takes longer, not under software emulation either
RUN_ID = "01a20036-60e0-7a87-b972-b6c79f402876"
EVERYTHING = ["process.spawned", "process.exited", "capability.denied", "net.connect_attempted", "gate.denied"]
OWN = ("agent.hello", "agent.heartbeat", "telemetry.dropped")
FRAME_MAX = 4096
CHOWN, SETUID, BIND, RAW = 0, 7, 10, 13  # numbers of capabilities
# Numbers of x86_64: what cell_work's attacks are refused; and what the gate keeps quiet about, since innocent programs try it.
REFUSED = [41, 62, 62, 101, 101, 129, 141, 165, 200, 234, 272, 298, 302, 321, 434]
QUIET = (424, 425, 426, 427, 435)


class Ended:
    """What is left of a cell: @code: what the host was told, None: nothing; @said: what people saw of it."""

    def __init__(self, code, status, said, seconds):
        self.code, self.status, self.said, self.seconds = code, status, said, seconds

    def lines(self):
        return [f"code {self.code}, status {self.status}, {self.seconds:.1f} s", *self.said.splitlines()[-40:]]


class Host:
    """A host in Python: BASE_9001 and BASE_9000, with the bad habits that hosts have.

    @cut: closes the first connection after so many bytes, wherever that is; @deaf: nobody listens at first
    """

    def __init__(self, base, cut=None, deaf=False):
        self.base, self.cut, self.code = base, cut, None
        self.connections, self.open, self.lock = [], [], threading.Lock()
        self.reads = threading.Event()
        self.reads.set()
        self.listener = None
        if not deaf:
            self.listen()
        self.exit = self.bind(9000)
        threading.Thread(target=self.wait_for_code, daemon=True).start()

    def bind(self, port):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{self.base}_{port}")
        os.chmod(f"{self.base}_{port}", 0o666)
        listener.listen()
        return listener

    def listen(self):
        self.listener = self.bind(9001)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def wait_for_code(self):
        connection, _ = self.exit.accept()
        data = b""
        while len(data) < 4:
            part = connection.recv(4 - len(data))
            if not part:
                break
            data += part
        self.code = struct.unpack("<i", data)[0] if len(data) == 4 else data
        connection.close()

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            got = bytearray()
            with self.lock:
                self.connections.append(got)
                self.open.append(connection)
            threading.Thread(target=self.read, args=(connection, got), daemon=True).start()

    def read(self, connection, got):
        cut, self.cut = self.cut, None
        while cut is None or len(got) < cut:
            self.reads.wait()
            try:
                data = connection.recv(1 << 16 if cut is None else cut - len(got))
            except OSError:
                break
            if not data:
                break
            got += data
        connection.close()

    def stall(self):
        self.reads.clear()

    def go_on(self):
        self.reads.set()

    def gone(self):
        """As if it had been killed: nobody listens any more, and what was not read is lost."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(f"{self.base}_9001")
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it was closed before
            self.open.clear()

    def wait_for(self, what, seconds=60):
        """Until @what of the frames is true; False if it never was."""
        return tt.wait_for(lambda: what(self.frames()), seconds)

    def split(self):
        """For each connection: its frames, and what is left of one that was cut."""
        with self.lock:
            raw = [bytes(x) for x in self.connections]
        found = []
        for data in raw:
            frames, at = [], 0
            while at + 4 <= len(data):
                size = struct.unpack_from("<I", data, at)[0]
                if size > FRAME_MAX or at + 4 + size > len(data):
                    break
                frames.append(data[at:at + 4 + size])
                at += 4 + size
            found.append((frames, data[at:]))
        return found

    def frames(self):
        """All frames, in order, as `telltale wire decode` shows them; "connection" says on which they came."""
        found = []
        for number, (frames, _) in enumerate(self.split()):
            for frame in decode(b"".join(frames)):
                found.append({**frame, "connection": number})
        return found


class Record:
    """Of one cell, as `telltale receive` leaves it."""

    def __init__(self, base, cell_id="cell-1", run_id=RUN_ID):
        self.base, self.cell_id, self.run_id, self.folder = base, cell_id, run_id, tt.scratch()
        self.spec = os.path.join(tt.scratch(), "spec.json")
        with open(self.spec, "w", encoding="utf-8") as f:
            json.dump({"telemetry": {"authorized": [*EVERYTHING, "fs.inotify_fired"]}}, f)

    def has(self, size):
        """Until its trace has so many bytes; False if it never had."""
        path = os.path.join(self.folder, "trace.jsonl")
        return tt.wait_for(lambda: os.path.exists(path) and os.path.getsize(path) >= size, 60)

    def lines(self, name="trace.jsonl", torn=0):
        """@torn: how many lines may be cut, for the receiver was killed as often"""
        found = []
        for line in tt.read(os.path.join(self.folder, name)).splitlines():
            try:
                found += [json.loads(line)] if line else []
            except ValueError:
                torn -= 1
                if torn < 0 or line.count(b'{"ts": ') + line.count(b'{"specversion":') > 1:
                    raise  # the line after it was whole
        return found

    def document(self):
        return json.loads(tt.read(os.path.join(self.folder, "run.json")))

    def telltale(self, *verb):
        return subprocess.run([tt.TELLTALE, *verb, self.folder], env=tt.clean_env(), capture_output=True, text=True, timeout=60)


class Receiver(Record):
    """`telltale receive` for one cell, or with @cells for these; and the record of the first."""

    def __init__(self, base, cells=()):
        super().__init__(base)
        self.command = [tt.TELLTALE, "receive", "--once"]
        for record in [self, *cells] if cells else []:
            with open(os.path.join(self.folder, "cells"), "a", encoding="utf-8") as f:
                f.write(json.dumps({"cell_id": record.cell_id, "run_id": record.run_id, "vsock_base": record.base,
                                    "spec": record.spec, "output_dir": record.folder}) + "\n")
        self.command += ["--cells", os.path.join(self.folder, "cells")] if cells else [
            "--vsock-base", base, "--cell-id", self.cell_id, "--run-id", self.run_id, "--spec", self.spec, "--output-dir", self.folder]
        self.start()

    def start(self):
        """Again in the same folder, if it was there before."""
        self.process = subprocess.Popen(self.command, env=tt.clean_env(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        tt.wait_for(lambda: self.process.poll() is not None or os.path.exists(f"{self.base}_9000"))

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Its exit status; None: it had to be killed."""
        try:
            self.said, _ = self.process.communicate(timeout=SECONDS)
            return self.process.returncode
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.said, _ = self.process.communicate()
            return None


def decode(raw):
    done = subprocess.run([tt.TELLTALE, "wire", "decode"], input=raw, capture_output=True, env=tt.clean_env(), timeout=60)
    if done.returncode:
        raise RuntimeError(f"wire decode: {done.stderr.decode()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def encoded(words):
    return base64.b64encode(json.dumps(list(words)).encode()).decode()


class Local:
    """A cell in a PID namespace of this machine: telltale-init --cell. @settings: as options, lists are given again."""

    def __init__(self, base, **settings):
        settings = {"endpoint": f"unix:{base}_9001", "exit": f"unix:{base}_9000", "cwd": "/", **settings}
        self.options = []
        for name, value in settings.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    self.options += ["--" + name.replace("_", "-"), str(one)]

    def start(self, argv):
        self.began, self.said = time.monotonic(), b""
        self.process = subprocess.Popen([INIT, "--cell", *self.options, "--", *argv], env=tt.clean_env(),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        return self

    def read(self):
        for line in self.process.stdout:
            self.said += line

    def says(self, text, seconds=60):
        """Until it has said @text; False if it never did."""
        return tt.wait_for(lambda: text in self.said.decode(errors="replace"), seconds)

    def agent(self):
        """The agent's pid, as this machine counts; None: there is none."""
        for pid in tt.descendants(self.process.pid):
            try:
                if tt.read(f"/proc/{pid}/comm") == b"telltale-agent\n":
                    return pid
            except OSError:
                pass
        return None

    def wait(self, host=None):
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.said += b"\nit did not end"
        self.reader.join(10)
        return Ended(host.code if host else None, self.process.returncode, self.said.decode(errors="replace"),
                     time.monotonic() - self.began)

    def run(self, argv, host=None):
        return self.start(argv).wait(host)


# What must be true of any cell's frames.

def account(frames):
    """Frames of major 2: what arrived, what was dropped by the agent's own account, what got lost on the way, complaints.

    A hello takes its number when it can be sent, not when the connection broke: it may stand before smaller ones.
    """
    complaints, got = [], set()
    for frame in frames:
        if frame["seq"] in got:
            complaints.append(f"twice: seq {frame['seq']}")
        got.add(frame["seq"])
    others = [f for f in frames if f["probe_source"] != "agent.hello"]
    if any(a["seq"] > b["seq"] for a, b in zip(others, others[1:])):
        complaints.append("not in order")
    holes = set(range(max(got, default=-1) + 1)) - got
    told, dropped = set(), 0
    for frame in of(frames, "telemetry.dropped"):
        if frame["count"]:
            told |= holes & set(range(frame["first_seq"], frame["last_seq"] + 1))
            dropped += frame["count"]
    if len(told) != dropped:
        complaints.append(f"{dropped} are told as dropped, {len(told)} are missing there")
    # Only what was on the way when a connection broke can be lost without a word.
    others.sort(key=lambda f: f["seq"])
    for a, b in zip(others, others[1:]):
        if a["connection"] == b["connection"]:
            complaints += [f"seq {x} is missing, and nobody says why" for x in range(a["seq"] + 1, b["seq"]) if x in holes - told]
    return {"received": len(got), "dropped": dropped, "lost": len(holes - told), "complaints": complaints}


def check_account(name, frames, lost=0):
    """@lost: how many may be lost on the way; None: any number."""
    found = account(frames)
    none(f"{name}: every number of seq is there or accounted for", found["complaints"])
    if lost is not None:
        same(f"{name}: none lost on the way", found["lost"], lost)
    return found


def of(frames, *sources):
    return [f for f in frames if f["probe_source"] in sources]


def key_of(frame):
    return frame["guest_pid"], frame.get("start_ns")


def check_hello(name, frames, sensors):
    """@sensors: what must tell each source."""
    hello = frames[0] if frames else {}
    same(f"{name}: the first frame is the agent's", hello.get("probe_source"), "agent.hello")
    told = dict(x.split("=", 1) for x in hello.get("sensors", []))
    same(f"{name}: ... and says what tells each source", told, sensors)
    same(f"{name}: ... and which it will send", sorted(hello.get("surface", [])), sorted(sensors))
    check(f"{name}: ... it is PID 2 of its cell", hello.get("guest_pid") == 2 and hello.get("guest_comm") == "telltale-agent", hello)
    return hello


def check_processes(name, frames):
    """Each process is born once, ends once, and has a parent that was there; those that ran a program said so."""
    complaints, born, ended, ran = [], {}, {}, {}
    for frame in of(frames, "process.spawned", "process.exited"):
        if frame["guest_pid"] == 0 or not frame.get("start_ns"):
            complaints.append(f"no process: {frame}")
        elif frame["probe_source"] == "process.exited":
            if key_of(frame) in ended:
                complaints.append(f"ended twice: {frame}")
            ended[key_of(frame)] = frame
        elif frame.get("exe"):
            ran[key_of(frame)] = frame
        else:
            if key_of(frame) in born:
                complaints.append(f"born twice: {frame}")
            born[key_of(frame)] = frame
    complaints += [f"ended, but never born: {ended[k]}" for k in ended.keys() - born.keys()]
    complaints += [f"ran a program, but never born: {ran[k]}" for k in ran.keys() - born.keys()]
    complaints += [f"never ended: {born[k]}" for k in born.keys() - ended.keys()]
    pids = {pid for pid, _ in born} | {1, 2, 0}
    complaints += [f"no parent: {f}" for f in born.values() if f.get("ppid", 0) not in pids]
    none(f"{name}: every process is born and ends, once", complaints)
    return born, ended


def check_crowd(name, frames, count):
    """The programs that crowd=@count started: each with its arguments and its status, none missing, none twice."""
    started, _ = {}, 0
    ended = {key_of(f): f for f in of(frames, "process.exited")}
    complaints = []
    for frame in of(frames, "process.spawned"):
        argv = frame.get("argv", [])
        if argv[1:2] == ["end"]:
            number = int(argv[2])
            if number in started:
                complaints.append(f"twice: {frame}")
            started[number] = frame
            status = ended.get(key_of(frame), {}).get("exit_code")
            if status != number % 200:
                complaints.append(f"number {number} ended with {status}")
            if not frame.get("exe", "").endswith("/cell_work"):
                complaints.append(f"not what ran: {frame}")
    complaints += [f"missing: number {i}" for i in range(count) if i not in started]
    none(f"{name}: all of {count} programs that ended at once, with argv and status", complaints)


def check_signals(name, frames, count):
    """The children of fork=@count, which never ran a program."""
    ran = {key_of(f) for f in of(frames, "process.spawned") if f.get("exe")}
    bare = [f for f in of(frames, "process.exited") if key_of(f) not in ran]
    same(f"{name}: children that were killed and that ended, by signal and status",
         (sum(f.get("signal") == 9 for f in bare), sum(f.get("exit_code") == 7 for f in bare)), (count // 2, count - count // 2))


def check_connects(name, frames, port):
    told = [(f.get("addr"), f.get("port")) for f in of(frames, "net.connect_attempted")]
    want = [("127.0.0.1", port), ("127.0.0.1", port + 1), ("::1", port + 2), ("127.0.0.1", port + 3),
            ("unix:/no/such/socket", None), ("unix:@no-such-name", None)]
    same(f"{name}: every connect, with its address", sorted(told, key=str), sorted(want, key=str))


def check_denied(name, frames):
    told = [f.get("capability") for f in of(frames, "capability.denied")]
    same(f"{name}: every capability that was asked for in vain, once", [told.count(x) for x in (CHOWN, SETUID, BIND, RAW)], [1] * 4)


def check_touched(name, frames, folder):
    bits = 0
    for frame in of(frames, "fs.inotify_fired"):
        if frame.get("path") == f"{folder}/made":
            bits |= frame["mask"]
    same(f"{name}: the watched file was made, written, deleted", bits & 0x302, 0x302)


def check_attacks(name, frames, ended, gate=True):
    """@gate: the kernel tells what the gate's filter refused."""
    tried = re.findall(r"^attack (\w+) (\w+)\r?$", ended.said, re.M)
    check(f"{name}: attacks were tried", len(tried) == 18, ended.lines())
    none(f"{name}: ... and each was refused", [x for x in tried if x[1] == "0"])
    same(f"{name}: ... none ended the agent", {f.get("restarts", 0) for f in of(frames, "agent.hello")}, {0})
    if gate and os.uname().machine == "x86_64":
        told = [f["syscall"] for f in of(frames, "gate.denied") if f["syscall"] not in QUIET]
        same(f"{name}: ... and the host was told of each that the filter refused", sorted(told), sorted(REFUSED))


def check_everything(name, frames, ended, count, port, folder, told=None):
    """All that cell_work does when it is asked for crowd=@count fork=10 connect=@port denied touch=@folder attack 42.

    @told: what the agent's sensor can tell
    """
    told = EVERYTHING if told is None else told
    same(f"{name}: the exit code came to the host", ended.code, 42) or none("...", ended.lines())
    check_account(name, frames)
    check_processes(name, frames)
    check_crowd(name, frames, count)
    check_signals(name, frames, 10)
    if "net.connect_attempted" in told:
        check_connects(name, frames, port)
    if "capability.denied" in told:
        check_denied(name, frames)
    check_touched(name, frames, folder)
    check_attacks(name, frames, ended, "gate.denied" in told)


# What must be true of the record that `telltale receive` leaves.

def check_record(name, record, code, count=None, kills=0):
    """@count: of crowd=@count, none of it dropped or lost; @kills: of the receiver"""
    document, lines = record.document(), record.lines(torn=kills)
    same(f"{name}: the record has how the command ended", (document["summary"]["exit_code"], document["summary"]["exit_reason"]),
         (code, f"EXITED({code})"))
    seq = document["guest"]["seq"]
    same(f"{name}: every number of seq is there or accounted for", seq["numbers"], seq["received"] + seq["dropped"] + seq["transport"])
    same(f"{name}: ... no frame was bad", (document["guest"]["rejects"], seq["rejected"]), ({}, 0))
    if count is not None:
        starts = [e["args"][1] for e in lines if e["event_type"] in ("process", "syscall") and e["syscall"] in ("start", "execve") and
                  len(e["args"]) > 1]
        numbers = [int(argv[2]) for argv in map(json.loads, starts) if argv[1:2] == ["end"]]
        same(f"{name}: each of {count} programs that ended at once", sorted(numbers), list(range(count)))
    none(f"{name}: all that the guest said is attested, of this cell and this run",
         [e for e in lines if e["component"] == "guest" and
          (e.get("standing"), e.get("cell_id"), e.get("run_id")) != ("attested", record.cell_id, record.run_id)])
    clouds = record.lines("cloudevents.jsonl", torn=kills)
    # Of two files that are written one after the other a kill can leave the second behind.
    none(f"{name}: no CloudEvent twice", [x for x, times in collections.Counter(e["id"] for e in clouds).items() if times > 1])
    if not kills:
        same(f"{name}: a CloudEvent for each frame", len(clouds), seq["received"])
    none(f"{name}: ... stamped by the host", [e for e in clouds if e["specversion"] != "1.0" or e["data"]["adg"]["cell_id"] != record.cell_id])
    verified = record.telltale("verify")
    check(f"{name}: its chain holds", verified.returncode == 0 and "chain consistent" in verified.stdout,
          verified.stdout + verified.stderr)
    shown, tree = record.telltale("show"), record.telltale("tree")
    check(f"{name}: people can read it", shown.returncode == 0 and tree.returncode == 0 and "cell_work" in shown.stdout + tree.stdout,
          shown.stderr + tree.stderr)
    return document
