#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale receive where something is in its way: names that are taken, pipes that nobody reads, full disks, guests that talk
without end; and many cells at once."""
import json
import os
import resource
import signal
import socket
import subprocess
import time

import tt
from receiving import Receiver, cells, check_sums, connects, hello, spec_file, sums

MANY = 1000


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
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(name)
        live.listen(1)
        refused("somebody listens")
    tt.check("the end of a record that could not go on stays", os.path.exists(os.path.join(r.out, "run.json")))


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


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


def disk_full_in_between():
    """The write that fails is no guest's turn: nobody had just been read."""
    r = Receiver("--silence", "1", preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    with r.connect() as s:
        s.sendall(hello(0))
        r.wait_lines(lambda events: events[-1]["event_type"] == "chain" and any(
            e.get("reason") == "agent_hello" for e in events))
        hard = resource.prlimit(r.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(r.process.pid, resource.RLIMIT_FSIZE, (len(r.raw()), hard))
        complaint = r.process.stderr.readline()
        s.sendall(connects(range(1, 11)))
        resource.prlimit(r.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        r.wait_lines(lambda events: any(e.get("seq") == 10 for e in events))
    tt.check("a write that fails while nobody is read is said", b"cannot write trace.jsonl" in complaint, complaint)
    tt.same("and nothing else goes wrong", r.end(), (0, ""))
    tt.check("its sums fit", sums(r.run())[0], sums(r.run()))


def usage():
    for args, why in (([], "--cell-id and --spec"), (["--cell-id", "x", "--spec", "y"], "--vsock-base or --cid"),
                      (["--cells", "-", "--cell-id", "x"], "--cells"), (["--cells", "-", "--output-dir", "x"], "--cells"),
                      (["--silence", "0"], "--silence"),
                      (["--status", "77"], "--status"), (["--cid", "0"], "--cid"), (["x"], "unexpected"),
                      (["--rate", "-1"], "--rate")):
        done = subprocess.run([tt.TELLTALE, "receive", *args], capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
        tt.check(f"usage: {' '.join(args) or 'nothing'}", done.returncode == 2 and why in done.stderr.decode(), done.stderr)


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


def main():
    names_in_the_way()
    two_at_once()
    live_cells()
    deaf_readers()
    full_record()
    no_fds()
    disk_full()
    disk_full_in_between()
    rate()
    usage()
    many()
    tt.done()


main()
