# SPDX-License-Identifier: Apache-2.0
"""What the guest's agent costs: its size, its memory, its CPU, what it misses, and what a workload pays for it. In a PID
namespace of this machine and over a unix socket: what a guest adds is not in these figures."""

import contextlib
import json
import os
import select
import shlex
import shutil
import socket
import statistics
import struct
import subprocess
import threading
import time

import bench_tools
from bench_kernel import beside
from bench_lib import SOURCE, measure, rows, run, table

SENSORS = ("ebpf", "connector", "walk")
EVENTS = 10000
IDLE_SECONDS = 10
QUEUE_EVENTS = 1024
CPU_ROUNDS = 3
WAIT_SECONDS = 60
APPENDS = 'i=0; while [ $i -lt %d ]; do : >>"$1"; i=$((i + 2)); done'
SHELL = '"$@" >&2 & while IFS= read -r line; do eval "$line"; echo $?; done'


class Host:
    """The other end of the agent's socket: reads, or lets the agent wait."""

    def __init__(self, path, is_reading):
        self.path = path
        self.is_reading = is_reading
        self.received = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            while self.is_reading:
                data = connection.recv(1 << 16)
                if not data:
                    return
                self.received.append(data)
            # readable at its end alone, and never read before
            poll = select.poll()
            poll.register(connection, select.POLLRDHUP)
            poll.poll()

    def frames(self, telltale):
        """All that came, decoded: after the agent's end."""
        self.thread.join(WAIT_SECONDS)
        done = subprocess.run([telltale, "wire", "decode"], input=b"".join(self.received), stdout=subprocess.PIPE,
                              timeout=WAIT_SECONDS, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def close(self):
        self.listener.close()
        os.unlink(self.path)


def connector():
    """A socket that is subscribed to the kernel's process events, as telltale-init hands it down."""
    fd = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)  # NETLINK_CONNECTOR
    fd.setsockopt(socket.SOL_SOCKET, 33, 1 << 20)  # SO_RCVBUFFORCE
    fd.bind((0, 1))  # CN_IDX_PROC
    message = struct.pack("=IIIIHHI", 1, 1, 0, 0, 4, 0, 1)  # PROC_CN_MCAST_LISTEN
    fd.send(struct.pack("=IHHII", 16 + len(message), 3, 0, 0, 0) + message)
    fd.setblocking(False)
    return fd


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def own_agent(b):
    return os.path.join(os.path.dirname(b.telltale), "telltale-agent")


def plain_agent(b):
    """The program without what eBPF needs."""
    build = os.path.join(b.folder, "plain")
    if not os.path.exists(build):
        for command in (["meson", "setup", build, "-Dkernel=disabled"], ["ninja", "-C", build, "telltale-agent"]):
            subprocess.run(command, cwd=SOURCE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return os.path.join(build, "telltale-agent")


class Cell:
    """A PID namespace with an agent in it as PID 2."""

    def __init__(self, b, sensor, inotify=None, host="reading", program=None):
        self.host = self.agent = None
        b.fresh_folder()
        endpoint = os.path.join(b.state, "host")
        if host != "none":
            self.host = Host(endpoint, host == "reading")
        self.ready, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        passed = [theirs.fileno()]
        command = [program or own_agent(b), "--endpoint", "unix:" + endpoint, "--uid", "990", "--gid", "990", "--ready-fd",
                   str(theirs.fileno()), "--sensor", str(sensor), "--flush-ms", "5000" if host == "reading" else "0"]
        if inotify:
            command += ["--inotify", inotify]
        ends = [theirs.close]
        if sensor == "connector":
            subscribed, outer = connector(), os.open("/proc", os.O_PATH | os.O_DIRECTORY)
            passed += [subscribed.fileno(), outer]
            command += ["--connector-fd", str(subscribed.fileno()), "--outer-proc-fd", str(outer)]
            ends += [subscribed.close, lambda: os.close(outer)]
        self.said = os.path.join(b.state, "said")
        with open(self.said, "wb") as log:
            # PID 1 is a shell: it starts the agent, then what it reads, and ends with its stdin
            self.process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", SHELL, "sh"] +
                (command if sensor else [":"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=b.env,
                pass_fds=passed, text=True)
        for end in ends:
            end()
        answer = b"ready"
        if sensor:
            answer = self.ready.recv(4096) if select.select([self.ready], [], [], WAIT_SECONDS)[0] else b"nothing"
        if not answer.startswith(b"ready"):
            self.end()
            raise bench_tools.Refused("the agent with --sensor %s: %s" % (sensor, answer.decode(errors="replace")))
        if sensor:
            self.agent = children(children(self.process.pid)[0])[0]

    def run(self, command):
        """What the program prints on stderr; it is a child of the namespace's first process, as a workload is."""
        said = self.said + ".workload"
        self.process.stdin.write("%s >/dev/null 2>%s\n" % (shlex.join(command), shlex.quote(said)))
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], WAIT_SECONDS)[0]:
            raise RuntimeError("%s does not end" % command)
        status = self.process.stdout.readline().strip()
        with open(said, encoding="utf-8", errors="replace") as f:
            text = f.read()
        if status != "0":
            raise RuntimeError("%s: exit %s: %s" % (command, status, text[-300:]))
        return text

    def cpu_ns(self):
        """User and system time of the agent, by its CPU clock."""
        return time.clock_gettime_ns(~self.agent << 3 | 2)

    def memory(self):
        """Resident and own KiB of the agent."""
        with open(f"/proc/{self.agent}/smaps_rollup", encoding="ascii") as f:
            sizes = {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith("kB\n")}
        return sizes["Rss"], sizes["Private_Clean"] + sizes["Private_Dirty"]

    def settled(self):
        """Waits until the agent has no more to do: nothing but a heartbeat's work in half a second."""
        end = time.monotonic() + WAIT_SECONDS
        before = self.cpu_ns()
        while time.monotonic() < end:
            time.sleep(0.5)
            now = self.cpu_ns()
            if now - before < 3_000_000:
                return
            before = now
        raise RuntimeError("the agent did not come to rest")

    def end(self):
        """Ends the agent as init would, then the namespace."""
        if self.agent:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.agent, 15)
            end = time.monotonic() + WAIT_SECONDS
            while self.agent_is_there() and time.monotonic() < end:
                time.sleep(0.02)
        self.process.stdin.close()
        self.process.wait(WAIT_SECONDS)
        self.process.stdout.close()
        self.ready.close()
        if self.host:
            self.host.close()

    def agent_is_there(self):
        try:
            with open(f"/proc/{self.agent}/stat", encoding="ascii") as f:
                return f.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False


@contextlib.contextmanager
def cell(b, sensor, **options):
    c = Cell(b, sensor, **options)
    try:
        yield c
    finally:
        c.end()


def available(b):
    """The sensors that this machine lets us have."""
    names = []
    for sensor in SENSORS:
        try:
            with cell(b, sensor):
                names.append(sensor)
        except bench_tools.Refused as why:
            b.left_out(str(why))
    return names


def touched(b):
    """A file in a folder to watch."""
    folder = os.path.join(b.folder, "watched")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "f")
    with open(path, "w", encoding="ascii"):
        pass
    return path


def size(b):
    """File and memory."""
    lines = []
    sensors = available(b)
    rounds = [(own_agent, sensor) for sensor in sensors] + \
        [(plain_agent, sensor) for sensor in sensors if sensor != "ebpf"]
    for agent, sensor in rounds:
        program = agent(b)
        row = [f"`--sensor {sensor}`" + (", built without eBPF" if agent is plain_agent else ""),
               "%.1f" % (os.path.getsize(program) / 1024)]
        for host in ("reading", "none"):
            with cell(b, sensor, inotify=os.path.dirname(touched(b)), host=host, program=program) as c:
                if host == "none":
                    c.run(["sh", "-c", APPENDS % (2 * QUEUE_EVENTS), "sh", touched(b)])
                    c.run([b.program("short"), str(QUEUE_EVENTS)])
                    c.settled()
                row += c.memory()
        lines.append(row)
    return ("## The agent: size\n\nKiB: the file of `telltale-agent`, which is static, and its memory (`smaps_rollup`), all that is "
            "resident and of that what is its own, with one watched folder: after the start, and with a full queue and no host. "
            "The rings that eBPF programs write into (384 KiB) are mapped, and in these figures; what the kernel holds for it besides "
            "(socket buffers, a connector's queue) is not.\n\n" +
            rows(["variant", "file", "resident", "own", "queue full: resident", "own"], lines))


def cpu(b):
    """CPU of the agent for 10,000 events, and at rest."""
    watched = touched(b)
    loads = [("processes that end at once (2 events each)", [b.program("short"), str(EVENTS // 2)],
              ("process.spawned", "process.exited")),
             ("connects", [b.program("connects"), str(EVENTS)], ("net.connect_attempted",)),
             # by turns: of acts that are the same, one after the other, inotify tells once
             ("opens and closes of a watched file, to write", ["sh", "-c", APPENDS % EVENTS, "sh", watched],
              ("fs.inotify_fired",))]
    lines = []
    for sensor in available(b):
        with cell(b, sensor) as c:
            c.settled()
            start = c.cpu_ns()
            time.sleep(IDLE_SECONDS)
            idle = (c.cpu_ns() - start) / (IDLE_SECONDS * 1e9) * 100
        lines.append((f"`--sensor {sensor}`", f"nothing for {IDLE_SECONDS} s", "", "", "%.4f %%" % idle))
        for name, command, sources in loads:
            took, told = [], []
            for _ in range(CPU_ROUNDS):
                with cell(b, sensor, inotify=os.path.dirname(watched)) as c:
                    c.settled()
                    start = c.cpu_ns()
                    c.run(command)
                    c.settled()
                    spent = c.cpu_ns() - start
                frames = c.host.frames(b.telltale)
                told.append(sum(f["probe_source"] in sources for f in frames))
                took.append(spent / 1e6 / max(told[-1], 1) * EVENTS)
            lost = sum(f["count"] for f in frames if f["probe_source"] == "telemetry.dropped")
            # what the walk misses it does not pay for, either
            if told[-1] > EVENTS // 2:
                lines.append((f"`--sensor {sensor}`", name, int(statistics.median(told)), lost,
                              "%.1f ms" % statistics.median(took)))
    return ("## The agent: CPU\n\nUser and system time of `telltale-agent` alone, by its CPU clock: for 10,000 events that reached a host "
            "which reads, median of %d runs; and the share of one CPU when nothing happens. What an eBPF program takes is "
            "paid by the workload and is in the table of what a workload pays. The proc connector hears of every process of the "
            "machine, so that only in a guest it has nothing to do when its cell has nothing to do.\n\n" % CPU_ROUNDS +
            rows(["variant", "events", "told", "lost in the last run", "CPU"], lines))


def missed(b):
    """Of processes that live for less than a millisecond."""
    lines = []
    for sensor in available(b):
        with cell(b, sensor) as c:
            brief = int(c.run([b.program("short"), str(EVENTS)]).split()[0])
            c.settled()
        frames = c.host.frames(b.telltale)
        born = {(f["guest_pid"], f["start_ns"]) for f in frames if f["probe_source"] == "process.spawned"
                and f["guest_comm"] == "short"}
        lost = sum(f["count"] for f in frames if f["probe_source"] == "telemetry.dropped")
        numbers = sorted(f["seq"] for f in frames)
        holes = numbers[-1] + 1 - len(set(numbers))
        # the parent, too, is one of that name, told at its birth or at its exec
        seen = min(len(born) - 1, EVENTS) if len(born) > 1 else 0
        lines.append((f"`--sensor {sensor}`", EVENTS, brief, seen, "%.2f %%" % ((EVENTS - seen) / EVENTS * 100), lost, holes))
    return ("## The agent: processes that live for less than a millisecond\n\n`bench/short`: fork, exit, wait, as fast as it goes; "
            "missed: never told at all. Dropped is what `telemetry.dropped` said, holes are numbers of `seq` that never came: "
            "the two agree when nothing was lost in silence. What the walk misses it cannot count.\n\n" +
            rows(["variant", "made", "lived < 1 ms", "told", "missed", "dropped", "holes"], lines))


def pays(b, name, command, unit, note):
    """@command with each sensor and each kind of host, as a ratio."""
    def inside(sensor, host):
        def once():
            with cell(b, sensor, host=host) as c:
                return float(c.run(command).split()[-1])
        return once

    def without():
        with cell(b, None, host="none") as c:
            return float(c.run(command).split()[-1])

    variants = {"no agent": without}
    for sensor in available(b):
        for host in ("reading", "stalled", "none"):
            words = {"reading": "host reads", "stalled": "host stalled", "none": "no host"}[host]
            variants[f"`--sensor {sensor}`, {words}"] = inside(sensor, host)

    def bpftrace():
        with bench_tools.bpftrace(b, bench_tools.PROCESSES):
            return run(command, b.env)

    if name == "spawn":
        beside(b, variants, "`bpftrace`, fork, execve, exec and exit to a file", bpftrace)
        if b.have("strace"):
            few = [command[0], "40"] + command[2:]
            variants["`strace -f --seccomp-bpf -e trace=execve,connect`"] = \
                lambda: run(b.under_strace("execve,connect", few), b.env)
    return table("The agent: what a workload pays, " + note, unit, measure(variants, b.rounds),
                 "In a PID namespace. A stalled host has accepted and never reads: the queue is full soon, and what comes "
                 "then is dropped and counted.")


def workload(b):
    return pays(b, "spawn", [b.program("spawn"), "400", "-", shutil.which("true")], "us",
                "starting `true`") + "\n" + \
        pays(b, "pair", [b.program("open_close"), b.file, "200000"], "ns", "open and close")
