#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale receive: frames over unix sockets, what becomes of them, and that every number is accounted for."""
import json
import os
import random
import signal
import socket
import stat
import struct
import subprocess
import time

import tt
from frames import cbor, framed
from receiving import (RUN, SOURCE, SOURCES, Receiver, check_sums, connects, dropped, frame, gap_sum, hello, spec_file, sums,
                       validate)


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
    shown = subprocess.run([tt.TELLTALE, "show", r.out], capture_output=True, timeout=tt.SECONDS, env=tt.clean_env()).stdout.decode()
    want = ["$ sh --password", "exited 3", "cell       cell-1", "2 calls that the gate refused", "tried      '[2001:db8::1]:80'",
            "CAP_SYS_ADMIN", "/etc/caf", "agent 0.1.0 on kernel 6.1.0", "Frames received: 16;"]
    tt.check("show says what is known of a guest, and from whom", all(w in shown for w in want) and "library" not in shown,
             [w for w in want if w not in shown] + shown.splitlines())
    return r


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
    vast = Receiver()
    vast.send(b"".join(hello(2**53 - 1, boot=f"boot-{i}") for i in range(1100)))
    tt.same("numbers as large as can be", vast.end(), (0, ""))
    tt.same("... do not run over", vast.run()["coverage"]["lost"], 2**63 - 1)
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
    cut = r.raw().index(b"}\n", r.raw().rindex(b'"syscall": "connect"')) + 1
    os.truncate(r.out + "/trace.jsonl", cut)  # as if the kill had come before the last newline
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
    tt.check("verify says whose record it is", f"  of run {RUN}, cell cell-1\n".encode() in done.stdout, done.stdout)
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


def exits_and_stays():
    """An exit code ends neither the watch over a guest nor, by itself, the cell; and it survives a receiver."""
    r = Receiver("--silence", "1", "--once")
    with r.connect() as s:
        s.sendall(hello(0) + connects([1]))
        with r.connect(9000) as e:
            e.sendall(struct.pack("<I", 9))
        ended = tt.wait_for(lambda: r.process.poll() is not None, 20)
        tt.check("a guest that told its exit code and hangs is over", ended)
    r.end()
    found = [f["kind"] for f in r.run()["coverage"]["findings"]]
    tt.same("... and its silence is found", [found, r.run()["summary"]["exit_code"]], [["agent_silenced"], 9])
    r = Receiver()
    r.send(hello(0) + connects([1]))
    with r.connect(9000) as e:
        e.sendall(struct.pack("<I", 7))
        tt.check("an exit code is in the record at once", tt.wait_for(lambda: b'"exit_status": 7' in r.raw(), 20))
    r.process.kill()
    r.process.wait(tt.SECONDS)
    again = Receiver("--once", folder=r.folder)
    tt.same("... and outlives a receiver that is killed", (again.process.wait(20), again.run()["summary"]["exit_code"]), (0, 7))
    again.end()
    return again


def mute():
    r = Receiver("--silence", "1")

    def told(*words):
        tt.wait_for(lambda: [e["state"] for e in r.events() if e.get("reason") == "state"] == list(words), 20)
        return True
    with r.connect() as s:
        tt.check("who connects and says nothing is silent", told("never-connected", "silent"))
        s.sendall(hello(0))
        tt.check("and comes back with its first frame", told("never-connected", "silent", "recovered"))
    tt.same("it ends well", r.end(), (0, ""))
    tt.same("and is found", [f["kind"] for f in r.run()["coverage"]["findings"]], ["agent_silenced"])
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
    shown = subprocess.run([tt.TELLTALE, "show", r.out], capture_output=True, timeout=tt.SECONDS, env=tt.clean_env()).stdout
    tt.check("show: no exit code came", b"no exit code came" in shown, shown)
    tt.check("lines of major 1 have no number", [("seq" in e) for e in r.events() if e["component"] == "guest"]
             == [False, False, False, True])
    return r


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


def last_state(r):
    return [e["state"] for e in r.events() if e.get("reason") == "state"][-1]


def waits():
    r = Receiver("--once", "--wait", "1")
    tt.same("--wait: nobody comes, and that is the end", r.process.wait(20), 1)
    tt.check("it is said", b"cell 'cell-1': no frame came within 1 s" in r.process.stderr.read())
    tt.same("its state", [last_state(r), r.run()["guest"]["states"]["live"], r.run()["summary"]["exit_reason"]],
            ["never-connected", 0, "UNKNOWN"])
    mute = Receiver("--wait", "1", wait=False)
    tt.wait_for(lambda: os.path.exists(mute.base + "_9001"), 20)
    with mute.connect():
        tt.same("who connects and says nothing is not waited for", mute.process.wait(20), 1)
    tt.same("its state", last_state(mute), "never-connected")
    heard = Receiver("--once", "--wait", "5")
    with heard.connect() as s:
        s.sendall(hello(0))
        heard.wait_lines(lambda events: any(e.get("state") == "live" for e in events))
        tt.check("who was heard goes on", not ended_by_itself(heard, 7))
    tt.same("and ends as ever", heard.process.wait(20), 0)
    return r


def ended_by_itself(r, seconds):
    try:
        r.process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def main():
    receivers = [one_cell(), rejects(), hostile(), accounting(), killed(), told_again(), stopped(), states(), mute(), exits_and_stays(),
                 declaration(), older_agents(), exit_channel(), waits()]
    validate("every line and run.json fit their schemas", receivers)
    tt.done()


main()
