#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale receive: frames over unix sockets, what becomes of them, and that every number is accounted for."""
import json
import os
import random
import resource
import signal
import socket
import stat
import struct
import subprocess
import time

import tt

SOURCE = os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
SOURCES = ["process.spawned", "process.exited", "capability.denied", "net.connect_attempted",
           "fs.inotify_fired", "gate.denied"]
RUN = "01990f2a-7c11-7a3e-8b52-6f1d0c9e4a70"
MANY = 1000


# CBOR as RFC 8949 has it, written here for the test alone.
def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    size = next(i for i in range(4) if value < 1 << (8 << i))
    return bytes([major << 5 | 24 + size]) + value.to_bytes(1 << size, "big")


def cbor(value):
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


def framed(payload):
    return struct.pack("<I", len(payload)) + payload


ORDER = ["seq", "ppid", "start_ns", "exit_code", "signal", "exe", "argv", "uid", "addr", "port", "capability",
         "path", "mask", "truncated", "boot_id", "agent_version", "kernel_version", "surface", "count", "cause",
         "first_seq", "last_seq", "syscall", "sensors", "restarts"]


def frame(source, pid=3, comm="sh", version=2, ns=1000, **more):
    five = {"content_version": version, "probe_source": source, "guest_pid": pid, "guest_comm": comm,
            "guest_monotonic_ns": ns}
    return framed(cbor({**five, **{k: more[k] for k in ORDER if k in more}, **{k: more[k] for k in more if k not in ORDER}}))


def hello(seq, boot="boot-1", surface=(), restarts=0):
    return frame("agent.hello", 2, "telltale-agent", seq=seq, boot_id=boot, agent_version="0.1.0",
                 kernel_version="6.1.0", surface=list(surface), restarts=restarts)


def dropped(seq, count, first, last, cause="queue_full"):
    return frame("telemetry.dropped", 2, seq=seq, count=count, cause=cause, first_seq=first, last_seq=last)


def connects(seqs, ns=1000):
    return b"".join(frame("net.connect_attempted", 4, "curl", ns=ns, seq=s, addr="192.0.2.1", port=80) for s in seqs)


def spec_file(folder, authorized=tuple(SOURCES), declared=None, **more):
    path = os.path.join(folder, "spec.json")
    telemetry = {"authorized": list(authorized)}
    if declared is not None:
        telemetry["declared"] = list(declared)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"telemetry": telemetry, **more}, f)
    return path


class Receiver:
    """A receiver of one cell, in a folder of its own."""

    def __init__(self, *options, folder=None, cell="cell-1", wait=True, spec=None, **popen):
        self.folder = folder or tt.scratch()
        self.out, self.base = os.path.join(self.folder, "out"), os.path.join(self.folder, "v")
        self.before = self.bound()
        spec = spec or (os.path.join(self.folder, "spec.json") if os.path.exists(os.path.join(self.folder, "spec.json"))
                        else spec_file(self.folder, argv=["sh", "-c", "make"]))
        self.process = subprocess.Popen(
            [tt.TELLTALE, "receive", "--vsock-base", self.base, "--cell-id", cell, "--run-id", RUN, "--spec", spec,
             "--output-dir", self.out, *options], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=tt.clean_env(), **popen)
        if wait:
            tt.wait_for(lambda: self.process.poll() is not None or self.listens(), 20)

    def listens(self):
        """Said in the record once all is bound."""
        return self.bound() > self.before

    def bound(self):
        try:
            return self.raw().count(b'"never-connected"') + self.raw().count(b"started anew")
        except OSError:
            return 0

    def raw(self):
        with open(os.path.join(self.out, "trace.jsonl"), "rb") as f:
            return f.read()

    def connect(self, port=9001):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(tt.SECONDS)
        s.connect(f"{self.base}_{port}")
        return s

    def send(self, data):
        with self.connect() as s:
            s.sendall(data)

    def end(self, sig=signal.SIGTERM):
        """Status and complaints."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        _, err = self.process.communicate(timeout=tt.SECONDS)
        return self.process.returncode, err.decode()

    def events(self):
        with open(os.path.join(self.out, "trace.jsonl"), "rb") as f:
            return [json.loads(line) for line in f.read().split(b"\n") if line.startswith(b"{") and line.endswith(b"}")]

    def cloud(self):
        with open(os.path.join(self.out, "cloudevents.jsonl"), encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def run(self):
        with open(os.path.join(self.out, "run.json"), encoding="utf-8") as f:
            return json.load(f)

    def wait_lines(self, good, seconds=20):
        tt.wait_for(lambda: os.path.exists(os.path.join(self.out, "trace.jsonl")) and good(self.events()), seconds)


def sums(run):
    """Whether each number is in one place, and the counts."""
    s = run["guest"]["seq"]
    return s["received"] + s["dropped"] + s["rejected"] + s["transport"] == s["numbers"], s


def check_sums(name, run, **want):
    fits, s = sums(run)
    tt.check(name, fits and all(s[k] == v for k, v in want.items()), [f"got {s}", f"want {want}"])


def gap_sum(events, reason):
    return sum(e["count"] or 0 for e in events if e["event_type"] == "gap" and e["reason"] == reason)


def validate(name, receivers):
    try:
        import jsonschema  # pylint: disable=import-outside-toplevel
    except ImportError:
        tt.skip(name, "no python3-jsonschema")
        return
    bad = []
    with open(os.path.join(SOURCE, "data/schema/event.schema.json"), encoding="utf-8") as f:
        event = jsonschema.Draft202012Validator(json.load(f))
    with open(os.path.join(SOURCE, "data/schema/run.schema.json"), encoding="utf-8") as f:
        document = jsonschema.Draft202012Validator(json.load(f))
    for r in receivers:
        for e in r.events()[:400]:
            bad += [f"{x.message[:300]} in {json.dumps(e)[:300]}" for x in event.iter_errors(e)]
        bad += [x.message[:300] for x in document.iter_errors(r.run())]
    tt.none(name, bad)


def all_sources():
    return [
        hello(0, surface=SOURCES),
        frame("process.spawned", 3, "init", seq=1, ppid=1, start_ns=5, uid=1000),
        frame("process.spawned", 3, "sh", seq=2, ppid=1, start_ns=5, exe="/bin/sh",
              argv=["sh", "--password", "hunter2", "\x1b[31m\x01\"\\"], uid=1000),
        frame("process.spawned", 4, "sh", seq=3, ppid=3, start_ns=6, uid=1000),
        frame("capability.denied", 4, "sh", seq=4, capability=21),
        frame("gate.denied", 4, "sh", seq=5, syscall=62),
        frame("gate.denied", 4, "sh", seq=6, syscall=4000000000),
        frame("net.connect_attempted", 4, "sh", seq=7, addr="2001:db8::1", port=80),
        frame("net.connect_attempted", 4, "sh", seq=8, addr="unix:/run/x"),
        frame("fs.inotify_fired", 0, "", seq=9, path="/etc/caf\\xe9", mask=0x40000100),
        frame("process.exited", 4, "sh", seq=10, exit_code=3, start_ns=6),
        frame("process.exited", 3, "sh", seq=11, signal=9, start_ns=5),
        frame("agent.heartbeat", 2, "telltale-agent", seq=12),
        frame("fs.inotify_fired", 0, "", seq=13, path="/w/API_TOKEN=hunter2", mask=2),
        frame("net.connect_attempted", 5, "PASSWORD=hunter2", seq=14, addr="unix:@PASSWORD=hunter2"),
        frame("process.spawned", 6, "x", seq=15, exe="/w/API_TOKEN=hunter2"),
    ]


def one_cell():
    r = Receiver("--once")
    modes = [stat.S_IMODE(os.lstat(f"{r.base}_{p}").st_mode) for p in (9000, 9001)]
    tt.same("the sockets are ours alone", modes, [0o600, 0o600])
    data = b"".join(all_sources())
    with r.connect() as s:
        for i in range(len(data)):  # a byte at a time
            s.sendall(data[i:i + 1])
        with r.connect(9000) as e:
            e.sendall(struct.pack("<I", 3))
    status, err = r.process.wait(20), r.process.stderr.read().decode()
    tt.check("--once ends when the cell has", status == 0 and not err, f"{status} {err}")
    tt.check("the sockets are gone", not os.path.exists(r.base + "_9001") and not os.path.exists(r.base + "_9000"))
    run, events = r.run(), r.events()
    check_sums("every frame is counted", run, numbers=16, received=16)
    tt.same("the exit code", [run["summary"]["exit_code"], run["guest"]["exit_status"]], [3, 3])
    told = [(e["event_type"], e["syscall"]) for e in events if e["component"] == "guest" and e["event_type"] != "notice"]
    tt.same("what each source becomes", told, [
        ("process", "start"), ("syscall", "execve"), ("process", "replaced"), ("process", "start"), ("process", "start"),
        ("denied", ""), ("denied", "kill"), ("denied", "syscall_4000000000"), ("syscall", "connect"), ("syscall", "connect"),
        ("inotify", ""), ("process", "exit"), ("process", "exit"), ("inotify", ""), ("syscall", "connect"), ("process", "start")])
    starts = [e for e in events if e["syscall"] == "start"]
    tt.check("spans: launch, exec, fork", [e["how"] for e in starts] == ["launch", "exec", "fork", "launch"]
             and starts[1]["parent_span"] == starts[0]["span_id"] and starts[2]["parent_span"] == starts[1]["span_id"]
             and starts[0]["parent_span"] == run["span_id"], starts)
    tt.check("secrets do not reach the disk", "hunter2" not in json.dumps(events) + json.dumps(r.cloud())
             and starts[1]["argv"][2] == "***")
    addrs = [e["addr"] for e in events if e["syscall"] == "connect"]
    tt.same("addresses", addrs, ["[2001:db8::1]:80", "unix:/run/x", "unix:@PASSWORD=***"])
    tt.check("all of the guest is attested and stamped", all(
        e["standing"] == "attested" and e["run_id"] == RUN and e["cell_id"] == "cell-1"
        for e in events if e["component"] == "guest"))
    with open(os.path.join(r.folder, "spec.json"), "rb") as f:
        digest = subprocess.run(["sha256sum"], input=f.read(), capture_output=True, check=True).stdout.decode()[:64]
    cloud = r.cloud()
    tt.check("CloudEvents have their attributes", all(
        e["specversion"] == "1.0" and e["source"] == "/telltale/cells/cell-1" and e["id"] and
        e["type"].startswith("cell.observability.guest.") and e["datacontenttype"] == "application/json" and e["time"]
        for e in cloud) and len({e["id"] for e in cloud}) == len(cloud) == 16)
    tt.check("... and the block of the host", all(
        e["data"]["adg"] == {"cell_id": "cell-1", "run_id": RUN, "spec_signature_hash": digest, "host_received_at": e["time"]}
        for e in cloud))
    for verb in (["show"], ["show", "--json"], ["tree"], ["events", "--kind", "all"], ["verify"]):
        done = subprocess.run([tt.TELLTALE, *verb, r.out], capture_output=True, timeout=tt.SECONDS, env=tt.clean_env())
        tt.check(f"telltale {' '.join(verb)} reads it", done.returncode == 0 and not done.stderr and b"\x1b" not in done.stdout,
                 [done.returncode, done.stdout, done.stderr])
    return r


def names_in_the_way():
    folder = tt.scratch()
    base = os.path.join(folder, "v")
    name = base + "_9001"

    def refused(text):
        r = Receiver(folder=folder, wait=False)
        status, err = r.process.wait(20), r.process.stderr.read().decode()
        return tt.check(f"not replaced: {text}", status == 1 and name in err and text in err, f"{status} {err}")

    with open(name, "w", encoding="utf-8"):
        pass
    refused("is no socket")
    os.unlink(name)
    os.symlink(os.path.join(folder, "elsewhere"), name)
    refused("is no socket")
    os.unlink(name)
    live = socket.socket(socket.AF_UNIX)
    live.bind(name)
    live.listen(1)
    refused("somebody listens")
    tt.check("... and it still listens", os.path.exists(name))
    live.close()
    r = Receiver(folder=folder)
    tt.check("a stale socket is replaced", r.listens())
    second = Receiver(folder=folder, wait=False)
    tt.check("a second receiver is refused", second.process.wait(20) == 1, second.process.stderr.read())
    tt.same("the first one goes on", r.end(), (0, ""))


def rejects():
    r = Receiver()
    with r.connect() as s:
        s.sendall(hello(0) + connects([1]))
        bad = {
            "key_order": framed(cbor({"content_version": 2, "probe_source": "agent.heartbeat", "guest_comm": "",
                                      "guest_pid": 2, "guest_monotonic_ns": 1, "seq": 2})),
            "unsupported_major_type": framed(b"\xf5"),
            "not_a_map_of_five": framed(cbor({"content_version": 1})),
            "unsupported_content_version": frame("process.spawned", version=3),
            "missing_field": frame("process.spawned"),
            "field_type": framed(b"\xa5" + cbor("content_version") + cbor("x")),
            "integer_overflow": frame("process.spawned", seq=2, exit_code=256),
            "unknown_probe_source": frame("process.dreamt", seq=2),
            "invalid_utf8": frame("process.spawned", comm="QQ", seq=2).replace(b"bQQ", b"b\xff\xfe"),
            "not_shortest": frame("process.spawned", seq=2).replace(cbor("seq") + b"\x02", cbor("seq") + b"\x18\x02", 1),
            "unknown_key": frame("process.spawned", seq=2, cell_id="mine"),
            "unexpected_end": framed(b"\xa5" + cbor("content_version")),
            "content_version_not_first": framed(b"\xa5" + cbor("guest_pid")),
            "version_changed": frame("process.spawned", version=1),
            "seq_out_of_range": frame("agent.heartbeat", seq=2**53),
        }
        # one byte more has to be in the length, too
        bad["not_shortest"] = framed(bad["not_shortest"][4:])
        bad["trailing_bytes"] = framed(frame("process.spawned", seq=2)[4:] + b"\x00")
        bad["unsupported_additional_info"] = framed(b"\xbf")
        for data in bad.values():
            s.sendall(data)
        s.sendall(connects([17, 18]))
        s.sendall(struct.pack("<I", 4097) + b"x" * 100)
        tt.check("too large a frame ends the connection", s.recv(1) == b"")
    with r.connect() as s:  # what is cut off is no frame
        s.sendall(hello(19) + connects([20])[:-7])
    with r.connect() as s:
        s.sendall(hello(21) + connects([20]) + b"\x05\x00")
    r.wait_lines(lambda events: any(e.get("what") == "short_header" for e in events))
    tt.same("it ends well", r.end(), (0, ""))
    run, events = r.run(), r.events()
    want = {**{name: 1 for name in bad}, "frame_too_large": 1, "frame_truncated": 1, "short_header": 1}
    tt.same("rejects by name", run["guest"]["rejects"], want)
    tt.same("... and as gaps", {e["what"]: e["count"] for e in events if e.get("reason") == "rejected"}, want)
    tt.same("attribution in a payload is counted", run["guest"]["attribution_ignored"], 1)
    # 2 to 16 were missing; seq_out_of_range has a number that is none
    check_sums("what was refused is no loss in transport", run, numbers=22, received=7, rejected=15, transport=0)
    return r


def hostile():
    r = Receiver()
    rng = random.Random(6)
    folder = os.path.join(SOURCE, "tests/fuzz/corpus/wire")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        for piece in (data, framed(data[:4096])):
            try:
                r.send(piece)
            except OSError:
                pass  # it was closed upon
    for _ in range(200):
        data = bytes(rng.randrange(256) for _ in range(rng.randrange(300)))
        try:
            r.send(data if rng.random() < 0.3 else framed(data))
        except OSError:
            pass
    tt.same("random bytes and the corpus of the decoder", r.end(), (0, ""))
    done = subprocess.run([tt.TELLTALE, "verify", r.out], capture_output=True, timeout=tt.SECONDS)
    tt.check("the record is whole", done.returncode == 0, done.stdout + done.stderr)
    tt.check("its sums fit", sums(r.run())[0], sums(r.run()))
    return r


def accounting():
    r = Receiver()
    with r.connect() as s:
        s.sendall(hello(0) + connects([1, 2]))
        s.sendall(connects([8]) + dropped(9, 3, 3, 7) + dropped(10, 1, 5, 5, "sensor_full"))  # one of five unexplained
        s.sendall(frame("telemetry.dropped", 2, seq=11, count=0, cause="agent_died", first_seq=0, last_seq=0))
        s.sendall(connects(range(12, 100)))
        s.sendall(connects([50, 51]))          # again
        s.sendall(dropped(100, 40, 20, 60))    # what never was missing
    with r.connect() as s:
        # the greeting overtakes what is in the queue: 101 to 110 were there before it
        s.sendall(hello(111, restarts=1) + connects(range(101, 111)) + connects([112]))
        with r.connect() as intruder:
            tt.same("a second connection is refused", intruder.recv(1), b"")
        s.sendall(connects([113]))
    with r.connect() as s:
        s.sendall(hello(0, boot="boot-2") + connects([2]))  # 1 never comes
    with r.connect() as s:
        s.sendall(hello(3, boot="boot-2", restarts=1) + connects([2, 4]))  # 2 is sent again by the next agent
    with r.connect() as s:
        s.sendall(hello(0, boot="boot-2", restarts=1))  # numbers begin anew, without a word
        s.sendall(connects([1], ns=2000))
    with r.connect() as s:
        s.sendall(connects([2], ns=2001))
    tt.same("it ends well", r.end(), (0, ""))
    run, events = r.run(), r.events()
    check_sums("received, dropped, lost, repeated", run, numbers=114 + 5 + 3, received=109 + 4 + 3, dropped=4,
               transport=2, repeated=4)
    tt.same("... as the trace has it", [gap_sum(events, x) for x in ("queue_full", "sensor_full", "transport", "agent_died")],
            [3, 1, 2, 0])
    lost = [(e["seq_from"], e["seq_to"], e["count"]) for e in events if e.get("reason") == "transport"]
    tt.same("losses are located", lost, [(3, 7, 1), (1, 1, 1)])
    tt.same("findings", {f["kind"]: f["count"] for f in run["coverage"]["findings"]},
            {"seq_repeated": 2, "drop_overclaimed": 1, "second_connection": 1, "agent_restarted": 2, "seq_went_back": 1,
             "hello_missing": 1, "boot_changed": 1})
    gaps = {g["reason"]: g for g in run["coverage"]["gaps"]}
    tt.check("nobody knows what a dead agent missed", gaps["agent_died"]["count"] is None and not run["coverage"]["lost_exact"],
             gaps)
    return r


def killed():
    """kill -9 while frames come; another receiver goes on with the record."""
    r = Receiver()
    sent = 0

    def pump(s, n):
        nonlocal sent
        for _ in range(n):
            s.sendall(connects([sent]))
            sent += 1

    s = r.connect()
    s.sendall(hello(0))
    sent = 1
    pump(s, 3000)
    r.wait_lines(lambda events: len(events) > 100)
    r.process.kill()
    r.process.communicate()
    s.close()
    before = r.events()
    had = sum(e["syscall"] == "connect" for e in before)
    sent += 7  # lost with the connection
    r2 = Receiver(folder=r.folder)
    tt.check("the record is taken up", r2.process.poll() is None, r2.process.stderr.read() if r2.process.poll() else "")
    with r2.connect() as s:
        greeting = sent
        sent += 1
        s.sendall(hello(greeting))
        pump(s, 500)
        r2.wait_lines(lambda events: events[-1].get("seq") == sent - 1 or any(
            e.get("seq") == sent - 1 for e in events[-30:]))
        r2.process.kill()  # and once more, in the midst of nothing
        r2.process.communicate()
    r3 = Receiver(folder=r.folder)
    with r3.connect() as s:
        s.sendall(hello(sent))
        sent += 1
        pump(s, 10)
    tt.same("the third one ends well", r3.end(), (0, ""))
    run, events = r3.run(), r3.events()
    connected = sum(e["syscall"] == "connect" for e in events)
    check_sums("killed and restarted: every number is accounted for", run, numbers=sent, received=connected + 3,
               transport=sent - connected - 3, dropped=0, rejected=0)
    tt.check("what was lost is what had not been written", sent - connected - 3 == 3000 - had + 7,
             f"sent {sent}, connected {connected}, before {had}")
    tt.same("... as the gaps say", gap_sum(events, "transport"), sent - connected - 3)
    tt.check("it says that it was taken up", run["guest"]["resumed"])
    tt.same("... and when it began", run["started_at"], events[0]["ts"])
    done = subprocess.run([tt.TELLTALE, "verify", r.out], capture_output=True, timeout=tt.SECONDS)
    tt.check("the chain goes on", done.returncode == 0, done.stdout + done.stderr)
    other = Receiver(folder=r.folder, cell="other", wait=False)
    tt.check("the record of another cell is left alone", other.process.wait(20) == 1
             and b"something else" in other.process.stderr.read())
    return r3


def stopped():
    r = Receiver()
    with r.connect() as s:
        s.sendall(hello(0))
        r.wait_lines(lambda events: any(e.get("reason") == "agent_hello" for e in events))
        r.process.send_signal(signal.SIGSTOP)
        s.setblocking(False)
        data = connects(range(1, 20001))
        at = 0
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            try:
                at += s.send(data[at:at + 65536])
            except BlockingIOError:
                time.sleep(0.01)
        r.process.send_signal(signal.SIGCONT)
        s.setblocking(True)
        s.settimeout(tt.SECONDS)
        s.sendall(data[at:])
    tt.same("stopped for two seconds", r.end(), (0, ""))
    check_sums("nothing is lost", r.run(), numbers=20001, received=20001)
    tt.check("it was stalled", at < len(data), at)
    return r


def states():
    status_r, status_w = os.pipe()
    r = Receiver("--silence", "1", "--status", str(status_w), pass_fds=[status_w])
    os.close(status_w)

    def has(*words):
        def look(events):
            return [e["state"] for e in events if e.get("reason") == "state"] == list(words)
        tt.wait_for(lambda: look(r.events()), 20)
        return look(r.events())

    def beat_until(s, seq, *words):
        for _ in range(200):
            if [e["state"] for e in r.events() if e.get("reason") == "state"] == list(words):
                break
            s.sendall(frame("agent.heartbeat", 2, seq=seq))
            seq += 1
            time.sleep(0.1)
        return seq

    tt.check("never-connected", has("never-connected"))
    with r.connect() as s:
        s.sendall(hello(0))
        seq = beat_until(s, 1, "never-connected", "live", "idle")
        tt.check("live, idle", has("never-connected", "live", "idle"))
        tt.check("silent", has("never-connected", "live", "idle", "silent"))
        s.sendall(frame("agent.heartbeat", 2, seq=seq))
        tt.check("recovered", has("never-connected", "live", "idle", "silent", "recovered"))
        tt.check("silent again", has("never-connected", "live", "idle", "silent", "recovered", "silent"))
    tt.check("closed", has("never-connected", "live", "idle", "silent", "recovered", "silent", "closed"))
    tt.same("it ends well", r.end(), (0, ""))
    run = r.run()
    found = {f["kind"]: f["count"] for f in run["coverage"]["findings"]}
    tt.same("agent_silenced fires again", found, {"agent_silenced": 2})
    with os.fdopen(status_r, encoding="utf-8") as f:
        told = [json.loads(line) for line in f]
    tt.same("--status has each change", [x["state"] for x in told],
            ["never-connected", "live", "idle", "silent", "recovered", "silent", "closed"])
    return r


def declaration():
    folder = tt.scratch()
    spec_file(folder, authorized=["process.spawned", "process.exited"], declared=["process.spawned", "net.connect_attempted"])
    r = Receiver(folder=folder, wait=False)
    tt.check("declared but not authorized is refused", r.process.wait(20) == 1
             and b"declared but not authorized" in r.process.stderr.read() and not os.path.exists(r.base + "_9001"))
    folder = tt.scratch()
    spec_file(folder)
    with open(os.path.join(folder, "declared.json"), "w", encoding="utf-8") as f:
        json.dump(["process.spawned"], f)
    r = Receiver("--declared", os.path.join(folder, "declared.json"), folder=folder)
    with r.connect() as s:
        s.sendall(hello(0, surface=["process.spawned", "process.exited", "made.up"]) + hello(1, surface=["process.exited"]))
        s.sendall(connects([2, 3]) + frame("process.spawned", seq=4))
    tt.same("it ends well", r.end(), (0, ""))
    run, events = r.run(), r.events()
    tt.same("one finding for each source and way", [e["source"] for e in events if e.get("finding") == "declaration_violated"],
            ["process.exited", "unknown", "net.connect_attempted"])
    tt.check("undeclared frames are no events", not any(e["syscall"] == "connect" for e in events)
             and run["guest"]["undeclared"] == 2 and gap_sum(events, "undeclared") == 2)
    check_sums("... but counted as received", run, numbers=5, received=5)
    for text, why in (('{"telemetry": {}}', "authorized"), ("[", "no JSON"), ('{"telemetry": {"authorized": ["x"]}}', "no source")):
        path = os.path.join(folder, "bad.json")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        bad = Receiver(spec=path, wait=False)
        tt.check(f"a bad spec: {why}", bad.process.wait(20) == 1 and why in bad.process.stderr.read().decode())
    return r


def older_agents():
    r = Receiver("--lenient")
    with r.connect() as s:
        s.sendall(frame("process.spawned", 3, version=1) + frame("process.exited", 3, version=1))
        s.sendall(frame("net.connect_attempted", 4, version=1))
        s.sendall(frame("agent.heartbeat", 2, seq=0, cell_id="forged", run_id="forged"))
    tt.same("major 1, and keys that the host alone sets", r.end(), (0, ""))
    run = r.run()
    text = json.dumps(r.events()) + json.dumps(r.cloud())
    tt.check("attribution in a payload is ignored and counted", "forged" not in text and run["guest"]["attribution_ignored"] == 1)
    tt.check("lines of major 1 have no number", [("seq" in e) for e in r.events() if e["component"] == "guest"]
             == [False, False, False, True])
    return r


def cells(folder, count):
    spec_file(folder)
    return [{"cell_id": f"c{i}", "vsock_base": f"{folder}/v{i}", "spec": f"{folder}/spec.json",
             "output_dir": f"{folder}/out{i}"} for i in range(count)]


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def many():
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 8 * MANY:
        tt.skip("a thousand cells", "too few file descriptors")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    folder = tt.scratch()
    rows = cells(folder, MANY)
    p = subprocess.Popen([tt.TELLTALE, "receive", "--cells", "-", "--exit-port", "0"], stdin=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=tt.clean_env())
    p.stdin.write(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    p.stdin.flush()
    tt.wait_for(lambda: os.path.exists(f"{folder}/v{MANY - 1}_9001"), 60)
    connections = []
    for row in rows:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(tt.SECONDS)
        s.connect(row["vsock_base"] + "_9001")
        s.sendall(hello(0))
        connections.append(s)
    one, first = connects(range(1, 11)), 0
    for i, s in enumerate(connections):
        s.sendall(one)
        if i == 0:
            first = rss_kb(p.pid)
    more = connects(range(11, 111))
    for s in connections:
        s.sendall(more)
    tt.wait_for(lambda: os.path.getsize(f"{folder}/out{MANY - 1}/trace.jsonl") > 40000, 60)
    last = rss_kb(p.pid)
    for s in connections:
        s.close()
    p.send_signal(signal.SIGTERM)
    _, err = p.communicate(timeout=120)
    tt.check(f"{MANY} cells at once end well", p.returncode == 0 and not err, err[:500])
    wrong = []
    for row in rows:
        with open(row["output_dir"] + "/run.json", encoding="utf-8") as f:
            s = json.load(f)["guest"]["seq"]
        if s["received"] != 111 or s["numbers"] != 111:
            wrong.append(f"{row['cell_id']}: {s}")
    tt.none("each has all of its frames", wrong)
    tt.check("memory does not grow with frames", last < first + 8192, f"{first} KiB, then {last} KiB")
    print(f"# resident with {MANY} cells: {first} KiB, after 110,000 more frames {last} KiB")


def live_cells():
    folder = tt.scratch()
    rows = cells(folder, 3)
    p = subprocess.Popen([tt.TELLTALE, "receive", "--cells", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=tt.clean_env())

    def say(text):
        p.stdin.write(text.encode() + b"\n")
        p.stdin.flush()

    say(json.dumps(rows[0]))
    bad = ["nonsense", "[]", '{"cell_id": "x y", "vsock_base": "/nowhere/v", "spec": "/nowhere"}', json.dumps(rows[0]),
           json.dumps({**rows[1], "colour": 1}), json.dumps({**rows[1], "spec": "/nowhere"}), '{"remove": "nobody"}',
           json.dumps({**rows[1], "cid": 7}), json.dumps({**rows[1], "run_id": "7"}), "x" * 20000]
    for line in bad:
        say(line)
    say(json.dumps(rows[1]))
    tt.wait_for(lambda: os.path.exists(f"{folder}/v1_9001"), 20)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"{folder}/v0_9001")
        s.sendall(hello(0) + connects([1]))
        say('{"remove": "c0"}')
        tt.wait_for(lambda: os.path.exists(f"{folder}/out0/run.json"), 20)
    tt.check("a cell that is removed is ended", os.path.exists(f"{folder}/out0/run.json")
             and not os.path.exists(f"{folder}/v0_9001"))
    with open(f"{folder}/out0/run.json", encoding="utf-8") as f:
        tt.same("... with what it had sent", json.load(f)["guest"]["seq"]["received"], 2)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=tt.SECONDS)
    lines = err.decode().splitlines()
    tt.check("each bad line draws one complaint, and no more", p.returncode == 0 and len(lines) == len(bad)
             and all("refused: " in line for line in lines), lines)
    tt.check("the others are ended, too", os.path.exists(f"{folder}/out1/run.json"))


def disk_full():
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    r = Receiver(preexec_fn=limit)
    with r.connect() as s:
        s.sendall(hello(0) + connects(range(1, 1001)))
        r.wait_lines(lambda events: os.path.getsize(r.out + "/trace.jsonl") == 65536)
    status, err = r.end()
    tt.check("what cannot be written is said", status == 1 and "cannot write trace.jsonl" in err
             and "lines could not be written" in err, f"{status} {err}")
    run = r.run()
    tt.check("... and counted", run["guest"]["write_errors"]["lines_lost"] > 0, run["guest"]["write_errors"])


def rate():
    r = Receiver("--rate", "100")
    with r.connect() as s:
        s.sendall(hello(0) + connects(range(1, 3000)))
        s.setblocking(False)
        begun, more = time.monotonic(), connects(range(3000, 40000))
        at = 0
        while time.monotonic() - begun < 1:
            try:
                at += s.send(more[at:at + 65536])
            except BlockingIOError:
                time.sleep(0.01)
    tt.check("what is over the rate waits in the guest", at < len(more) / 2, at)
    tt.same("it ends well", r.end(), (0, ""))
    tt.check("its sums fit", sums(r.run())[0], sums(r.run()))


def told_again():
    """An agent that is started anew tells of what it finds: nothing of it is a loss for the next receiver."""
    r = Receiver()
    born = {"ppid": 1, "start_ns": 5}
    with r.connect() as s:
        s.sendall(hello(0) + frame("process.spawned", seq=1, **born) + frame("process.spawned", seq=2, **born) + connects([3]))
        r.wait_lines(lambda events: any(e.get("seq") == 3 for e in events))
        r.process.kill()
        r.process.communicate()
    r2 = Receiver(folder=r.folder)
    r2.send(hello(4) + connects([5]))
    tt.same("it ends well", r2.end(), (0, ""))
    check_sums("what is told again is no loss", r2.run(), numbers=6, received=6, transport=0)
    tt.same("... and no second start", sum(e["syscall"] == "start" for e in r2.events()), 1)
    return r2


def deaf_readers():
    """--status and --chain-head lead to pipes that nobody reads."""
    pipes = [os.pipe(), os.pipe()]
    for _, w in pipes:
        os.set_blocking(w, False)
        try:
            while True:
                os.write(w, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(w, True)
    r = Receiver("--status", str(pipes[0][1]), "--chain-head", str(pipes[1][1]), pass_fds=[w for _, w in pipes])
    r.send(hello(0) + connects(range(1, 1001)))
    r.wait_lines(lambda events: any(e.get("seq") == 1000 for e in events))
    status, err = r.end()
    tt.check("pipes that nobody reads hold nothing up", status == 0 and "takes no heads" in err and err.count("\n") == 1, err)
    check_sums("... all is received", r.run(), received=1001)
    for ends in pipes:
        for fd in ends:
            os.close(fd)


def two_at_once():
    """Two receivers start with the same names: one has them, the other one is refused."""
    for _ in range(10):
        folder = tt.scratch()
        spec_file(folder)
        pair = [subprocess.Popen([tt.TELLTALE, "receive", "--vsock-base", f"{folder}/v", "--cell-id", "c", "--spec",
                                  f"{folder}/spec.json", "--exit-port", "0", "--output-dir", f"{folder}/out{i}"],
                                 stderr=subprocess.PIPE, env=tt.clean_env()) for i in range(2)]
        tt.wait_for(lambda p=pair: any(x.poll() is not None for x in p), 10)
        left = [p for p in pair if p.poll() is None]
        heard = False
        if len(left) == 1:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(f"{folder}/v_9001")
                s.sendall(hello(0))
            left[0].send_signal(signal.SIGTERM)
            out = f"{folder}/out{pair.index(left[0])}/run.json"
            left[0].wait(20)
            heard = os.path.exists(out) and json.loads(tt.read(out))["guest"]["frames"] == 1
        for p in pair:
            if p.poll() is None:
                p.kill()
            p.communicate()
        if not heard:
            break
    tt.check("of two that start at once one has the names, and hears", heard)


def full_record():
    r = Receiver("--max-bytes", "100000")
    with r.connect() as s:
        s.setblocking(False)
        data, at, begun = hello(0) + connects(range(1, 40000)), 0, time.monotonic()
        while at < len(data) and time.monotonic() - begun < 1:
            try:
                at += s.send(data[at:at + 65536])
            except BlockingIOError:
                time.sleep(0.01)
        tt.check("a record that is full takes no more", at < len(data) and
                 sum(os.path.getsize(f"{r.out}/{x}") for x in os.listdir(r.out)) < 1500000, at)
    tt.same("it ends well", r.end(), (0, ""))
    tt.same("... and says so", [f["kind"] for f in r.run()["coverage"]["findings"]], ["record_full"])


def exit_channel():
    r = Receiver("--once")
    with r.connect(9000) as hog:
        with r.connect(9000) as s:
            s.sendall(struct.pack("<I", 300))
            with r.connect() as agent:
                agent.sendall(hello(0))
            tt.same("--once ends", r.process.wait(20), 0)
        hog.close()
    run = r.run()
    tt.same("who is silent on the exit channel is not in the way",
            [run["guest"]["exit_status"], run["summary"]["exit_code"], run["summary"]["exit_reason"]], [300, None, "UNKNOWN"])
    return r


def no_fds():
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (13, 13))

    r = Receiver(preexec_fn=limit)
    if r.process.poll() is not None:
        tt.skip("no file descriptors", r.process.stderr.read())
        return
    tries = [r.connect() for _ in range(8)] + [r.connect(9000) for _ in range(4)]
    time.sleep(0.5)
    used = cpu_of(r.process.pid)
    time.sleep(1)
    used = cpu_of(r.process.pid) - used
    tt.check("without file descriptors it does not spin", used < 0.5, f"{used} s of CPU time")
    for s in tries:
        s.close()
    status, err = r.end()
    tt.check("... and ends", status == 0, err)


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def usage():
    for args, why in (([], "--cell-id and --spec"), (["--cell-id", "x", "--spec", "y"], "--vsock-base or --cid"),
                      (["--cells", "-", "--cell-id", "x"], "--cells"), (["--silence", "0"], "--silence"),
                      (["--status", "77"], "--status"), (["--cid", "2"], "--cid"), (["x"], "unexpected"),
                      (["--rate", "-1"], "--rate")):
        done = subprocess.run([tt.TELLTALE, "receive", *args], capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
        tt.check(f"usage: {' '.join(args) or 'nothing'}", done.returncode == 2 and why in done.stderr.decode(), done.stderr)


def main():
    receivers = [one_cell(), rejects(), hostile(), accounting(), killed(), told_again(), stopped(), states(), declaration(),
                 older_agents(), exit_channel()]
    validate("every line and run.json fit their schemas", receivers)
    names_in_the_way()
    live_cells()
    deaf_readers()
    two_at_once()
    full_record()
    no_fds()
    disk_full()
    rate()
    usage()
    many()
    tt.done()


if __name__ == "__main__":
    main()
