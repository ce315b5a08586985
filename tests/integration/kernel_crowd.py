#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No process is missed, however many there are and however they come and go; no other process is seen."""
import collections
import os
import re
import shutil
import signal
import subprocess
import time

import kernel_run
import tt

PROBE = tt.program("kernel_crowd")
MANY = 10000
ADMIN = "/usr/sbin:/usr/bin:/sbin:/bin"


def crowd(act, *more, status=0, **popen):
    folder = tt.scratch(0o777)
    rec = kernel_run.record([PROBE, act, folder, *more], timeout=200, **popen)
    good = rec.status == status
    if rec.status == 77:
        tt.skip(act, "cannot be had here")
    else:
        tt.check(f"{act}: the program runs", good and rec.stderr == b"", (rec.status, rec.stderr))
    return rec if good else None


def files(name, rec):
    """Each file that was touched is in the trace, once, with the process that did it; in its own namespace's number."""
    want = collections.Counter((a["pid"], a["path"]) for a in kernel_run.said(rec))
    got = collections.Counter((e.get("ns_pid", e["pid"]), e["path"]) for e in rec.calls() if kernel_run.kind_of(e) == "open"
                              and "O_CREAT" in e["args"][-2] and e["result"] >= 0)
    tt.none(f"{name}: each file is there", [f"{n} x {k}" for k, n in (want - got).items()])
    tt.none(f"{name}: once", [f"{n} x {k}" for k, n in (got - want).items()])


def no_evasion(name, rec):
    tt.same(f"{name}: no evasion", kernel_run.findings(rec, "evasion"), [])


def statuses(name, rec, want):
    found = collections.Counter(e.get("signal") or e.get("exit_code") for e in kernel_run.ends(rec).values()
                                if e["syscall"] == "exit")
    tt.same(f"{name}: how they ended", found, collections.Counter(want))


def forks():
    """One line of start and one of end for each; the numbers in run.json agree."""
    for act, n, want in (("forks", MANY, {0: (MANY + 2) // 3 + 1, 1: (MANY + 1) // 3, 2: MANY // 3}),
                         ("bursts", MANY, {0: MANY + 1}), ("unreaped", 1000, {0: 1001})):
        rec = crowd(act, str(n))
        if not rec:
            continue
        kernel_run.sound(f"{act} of {n}", rec)
        tt.same(f"{act} of {n}: processes", rec.run["summary"]["processes"], n + 1)
        made = [e for e in rec.events if e["syscall"] == "start" and e["event_type"] == "process" and e["how"] != "exec"]
        tt.same(f"{act} of {n}: each began a span", len(made), n + 1)
        statuses(f"{act} of {n}", rec, want)
        no_evasion(f"{act} of {n}", rec)


def execs():
    rec = crowd("execs", "300")
    if not rec:
        return
    kernel_run.sound("vfork and exec", rec)
    tt.same("vfork and exec: processes", rec.run["summary"]["processes"], 301)
    images = kernel_run.images(rec, os.path.realpath("/bin/true"))
    tt.same("vfork and exec: images", len(images), 300)
    tt.same("vfork and exec: coverage of each", collections.Counter(e.get("coverage") for e in images), {"full": 300})
    no_evasion("vfork and exec", rec)


def odd_ways():
    for act, status, processes, exits in (
            ("daemonize", 0, 3, {0: 2, 7: 1}), ("thread-exec", 0, 1, None), ("leader-gone", 5, 1, {5: 1}),
            ("threads", 0, 1, {0: 1}), ("killed", 0, 51, {0: 1, "SIGKILL": 50})):
        rec = crowd(act, {"threads": "16", "killed": "50"}.get(act, "0"), status=status)
        if not rec:
            continue
        kernel_run.sound(act, rec)
        tt.same(f"{act}: processes", rec.run["summary"]["processes"], processes)
        files(act, rec)
        if exits:
            statuses(act, rec, exits)
        no_evasion(act, rec)


def numbers():
    """Processes that have the number of another that is gone; processes that have two."""
    rec = crowd("namespaces")
    if rec:
        kernel_run.sound("namespaces", rec)
        files("namespaces", rec)
        tt.same("namespaces: processes", rec.run["summary"]["processes"], 3)
        no_evasion("namespaces", rec)
    folder, out = tt.scratch(0o777), tt.scratch(0o777)
    line = ["unshare", "-p", "-f", "--mount-proc", tt.TELLTALE, "run", "--kernel", "--output-dir", out, "--", PROBE,
            "reuse", folder, "20"]
    p = subprocess.run(line, env=tt.clean_env(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    if p.returncode:
        tt.skip("a number used again", f"cannot be had here: {p.returncode} {p.stderr.decode(errors='replace')[:200]}")
        return
    rec = tt.Recording("recorder", p, "", tt.read(tt.one(out + "/trace_*.jsonl")),
                       kernel_run.json.loads(tt.read(tt.one(out + "/run_*.json"))))
    kernel_run.sound("a number used again", rec)
    children = {a["pid"] for a in kernel_run.said(rec)}
    tt.same("a number used again: it was", len(children), 1)
    tt.same("a number used again: processes", rec.run["summary"]["processes"], 21)
    files("a number used again", rec)
    spans = [e["span_id"] for e in rec.calls() if e["pid"] in children and e.get("path", "").startswith(folder)]
    tt.same("a number used again: each file in a span of its own", len(set(spans)), 20)
    no_evasion("a number used again", rec)


def others():
    """Two runs at once, and a process of no run: each record has its own files and no other's."""
    mine, yours, theirs = (tt.scratch(0o777) for _ in range(3))
    loop = 'i=0; while [ $i -lt 150 ]; do i=$((i+1)); /bin/busybox touch "$0/$i"; : > "$0/sh-$i"; done'
    if not os.access("/bin/busybox", os.X_OK):
        loop = loop.replace("/bin/busybox ", "")
    runs = [tt.start(["sh", "-c", loop, folder], options=["--kernel"], kernel=True) for folder in (mine, yours)]
    other = subprocess.Popen(["sh", "-c", loop, theirs], env=tt.clean_env(), stdin=subprocess.DEVNULL)
    try:
        tt.same("two runs and another process: all end well", [p.wait(60) for p in [r[0] for r in runs] + [other]],
                [0, 0, 0])
    finally:
        for p in [r[0] for r in runs] + [other]:
            if p.poll() is None:
                p.kill()
    for (_, out), folder in zip(runs, (mine, yours)):
        events, problems = tt.parse_trace(tt.read(tt.one(out + "/trace_*.jsonl")))
        tt.none("two runs: every line is valid", problems)
        found = collections.Counter(os.path.dirname(e["path"]) for e in events if e["event_type"] == "syscall" and
                                    "telltale-test-" in e.get("path", "") and kernel_run.kind_of(e) == "open")
        tt.same("two runs: its own files and no other's", found, {folder: 300})
        foreign = [e for e in events if e.get("pid") in (other.pid, os.getpid())]
        tt.none("two runs: no line of a process outside", foreign)
        run = kernel_run.json.loads(tt.read(tt.one(out + "/run_*.json")))
        tt.same("two runs: processes", run["summary"]["processes"],
                151 if "busybox" in loop else 1)


def outside_of_it():
    """A server that was there before and works for the command is not part of it."""
    folder = tt.scratch(0o777)
    script = "read -r x < order; : > by-server; echo done > answer"
    for name in ("order", "answer"):
        os.mkfifo(os.path.join(folder, name))
    server = subprocess.Popen(["sh", "-c", script], cwd=folder, env=tt.clean_env(), stdin=subprocess.DEVNULL)
    try:
        rec = kernel_run.record(["sh", "-c", "echo go > order; read -r x < answer; : > by-command"], cwd=folder)
        server.wait(20)
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGKILL)
    names = {os.path.basename(e["path"]) for e in rec.calls() if e.get("path", "").startswith(folder)}
    tt.same("a server of no run: what the command did, and no more", names, {"order", "answer", "by-command"})
    tt.same("a server of no run: its work was done", sorted(os.listdir(folder)),
            ["answer", "by-command", "by-server", "order"])


def loss():
    """What has no room while the recorder is stopped is counted, to the last one."""
    made, folder = 200000, tt.scratch(0o777)
    program = os.path.join(folder, "static")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernel_crowd.c")
    if not shutil.which("cc") or subprocess.run(["cc", "-static", "-pthread", "-D_GNU_SOURCE", "-O2", "-w", "-o", program, source],
                                                check=False, capture_output=True).returncode:
        tt.skip("loss", "no static program can be built here")
        return
    p, out = tt.start([program, "opens", folder, str(made)], options=["--kernel"], kernel=True, stdout=subprocess.PIPE)
    try:
        pid = kernel_run.json.loads(p.stdout.readline())["pid"]
        tt.check("loss: the program waits", tt.wait_for(lambda: tt.state_of(pid) == "T"))
        p.send_signal(signal.SIGSTOP)
        tt.wait_for(lambda: tt.state_of(p.pid) == "T")
        os.kill(pid, signal.SIGCONT)
        tt.check("loss: it works while nobody takes what is told", tt.wait_for(lambda: tt.state_of(pid) in (None, "Z"), 30))
        p.send_signal(signal.SIGCONT)
        tt.same("loss: the run ends", p.wait(60), 0)
    finally:
        if p.poll() is None:
            p.kill()
    told, lost, lossy, problems, ends = 0, 0, set(), [], []
    for e in tt.each_event(tt.one(out + "/trace_*.jsonl"), problems):
        told += e["event_type"] == "syscall" and e.get("path") == folder + "/none"
        if e["event_type"] == "gap" and e["sensor"] == "kernel":
            lost += e["count"]
            lossy.add(e["span_id"])
        if e["span_id"] in lossy and "coverage" in e:
            ends.append((e["coverage"], e.get("cause")))
    c = kernel_run.json.loads(tt.read(tt.one(out + "/run_*.json")))["coverage"]
    tt.none("loss: every line is valid", problems)
    tt.check("loss: some was told, some was not", told > 1000 and lost > 1000, (told, lost))
    tt.same("loss: recorded + lost = made", told + lost, made)
    tt.same("loss: run.json says the same", c["lost"], lost)
    tt.same("loss: and who lost it", sum(g["count"] for g in c["gaps"] if g["sensor"] == "kernel"), lost)
    tt.same("loss: what has a gap is not called whole", ends, [("none", "kernel_loss")])
    tt.same("loss: no evasion", [f for f in c.get("findings", []) if f["kind"] == "evasion"], [])


def links_of(pid):
    """The numbers of the BPF links that a process holds."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            found |= {int(n) for n in re.findall(rb"^link_id:\s*(\d+)", tt.read(f"/proc/{pid}/fdinfo/{fd}"), re.M)}
        except OSError:
            pass
    return found


def after_the_end():
    """Nothing of the sensor stays behind, not even of a recorder that is killed."""
    if not shutil.which("bpftool", path=ADMIN):
        tt.skip("nothing stays attached", "no bpftool")
        return

    def attached():
        out = subprocess.run(["bpftool", "-j", "link", "list"], capture_output=True, check=False, env={"PATH": ADMIN}).stdout
        return {link["id"] for link in kernel_run.json.loads(out or b"[]")}

    p, _ = tt.start(["sleep", "60"], options=["--kernel"], kernel=True, stderr=subprocess.DEVNULL)
    children, links = [], set()
    try:
        tt.wait_for(lambda: tt.read(f"/proc/{p.pid}/task/{p.pid}/children"))
        children = [int(pid) for pid in tt.read(f"/proc/{p.pid}/task/{p.pid}/children").split()]
        links = links_of(p.pid)
        tt.check("while a run goes on programs are attached", links and links <= attached(), (links, attached()))
    finally:
        p.kill()
        p.wait(20)
        for pid in children:  # the command outlives a recorder that was killed
            os.kill(pid, signal.SIGKILL)
    tt.check("after it was killed nothing is left attached", tt.wait_for(lambda: not links & attached(), 20),
             (links, attached()))


def main():
    kernel_run.need_sensor()
    began = time.monotonic()
    forks()
    execs()
    odd_ways()
    numbers()
    others()
    outside_of_it()
    loss()
    after_the_end()
    print(f"# {time.monotonic() - began:.0f} s")
    tt.done()


main()
