# SPDX-License-Identifier: Apache-2.0
"""What the tests of telltale receive share: frames, and a receiver in a folder of its own."""
import json
import os
import signal
import socket
import subprocess

import tt
from frames import cbor, framed

SOURCE = os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
SOURCES = ["process.spawned", "process.exited", "capability.denied", "net.connect_attempted",
           "fs.inotify_fired", "gate.denied"]
RUN = "01990f2a-7c11-7a3e-8b52-6f1d0c9e4a70"


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


def cells(folder, count):
    spec_file(folder)
    return [{"cell_id": f"c{i}", "vsock_base": f"{folder}/v{i}", "spec": f"{folder}/spec.json",
             "output_dir": f"{folder}/out{i}"} for i in range(count)]
