#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What outlives the command: adopted, waited for, ended, left; counted all the same."""
import json
import os
import signal
import subprocess
import time

import tt
from tt import check, none, same

PROBE = tt.program("run_probe")


def lines(path):
    return tt.read(path).decode().split()


def ends_once(name, rec):
    spans = {e["span_id"] for e in rec.events if e["event_type"] == "process"}
    none(name, [s for s in spans if sum(e["span_id"] == s and e["syscall"] in ("exit", "replaced")
                                        for e in rec.events) != 1])


def daemon(ms, stubborn, options, expect, low, high, title):
    path = os.path.join(tt.scratch(0o777), "pid")
    started = time.monotonic()
    rec = tt.record("recorder", ["sh", "-c", f"'{PROBE}' daemon {ms} '{path}' {stubborn}; exit 5"], options=options)
    took = time.monotonic() - started
    pid, after = int(lines(path)[0]), lines(path)[1:]
    same(f"{title}: the command's status, and what became of the daemon", (rec.status, after), (5, expect))
    check("... in the time that takes", low <= took < high, took)
    same("... and nothing of it is left", tt.state_of(pid), None)
    exits = [e for e in rec.events if e["syscall"] == "exit" and e.get("pid") == pid]
    same("... it has one exit event", len(exits), 1)
    ends_once("... every span ends once", rec)
    # of a zombie only root may open /proc/PID/io
    check("... its writes are in the figures, or these say that they are not",
          rec.run["summary"]["write_syscalls"] >= 300 or
          (os.geteuid() != 0 and "lower_bound" in rec.run["sources"]["write_syscalls"]), rec.run["summary"])
    return rec, exits[0] if exits else {}


def orphans():
    rec, end = daemon(300, 0, ["--orphans=wait:5s"], ["done"], 0.3, 3, "a daemon that ends by itself")
    same("... exit 0, nothing was ended", (end.get("exit_code"), rec.run["limits"]["orphans_ended"]), (0, False))
    rec, end = daemon(60000, 0, ["--orphans=wait:300ms"], [], 0.3, 2, "a daemon that stays")
    same("... is ended with TERM", (end.get("signal"), rec.run["limits"]["orphans_ended"]), ("SIGTERM", True))
    rec, end = daemon(60000, 1, ["--orphans=wait:200ms"], [], 2.2, 5, "a daemon that ignores TERM")
    same("... is ended with KILL", (end.get("signal"), rec.run["limits"]["orphans_ended"]), ("SIGKILL", True))
    check("runtime_ms is the command's alone", rec.run["summary"]["runtime_ms"] < 1000, rec.run["summary"])
    rec, end = daemon(60000, 0, [], [], 2, 4, "the default")
    same("... waits two seconds", end.get("signal"), "SIGTERM")


def left_alone():
    path = os.path.join(tt.scratch(0o777), "pid")
    started = time.monotonic()
    rec = tt.record("recorder", ["sh", "-c", f"'{PROBE}' daemon 1500 '{path}' 0 >/dev/null 2>&1; exit 5"],
                    options=["--orphans=leave"])
    took = time.monotonic() - started
    tt.wait_for(lambda: os.path.exists(path) and lines(path))
    pid = int(lines(path)[0])
    check("--orphans=leave does not wait", rec.status == 5 and took < 1.2, (rec.status, took))
    check("... the daemon lives", tt.state_of(pid) in ("S", "R", "D"), tt.state_of(pid))
    check("... and goes on undisturbed to its end", tt.wait_for(lambda: lines(path)[1:] == ["done"]), lines(path))
    none("... the record is whole", rec.problems)


def many():
    """Many at once, some of them in sessions of their own: none is left, none becomes a zombie."""
    code = "for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 60 &) ; setsid sleep 60 & done; (exec sleep 0.1 &); exit 0"
    rec = tt.record("recorder", ["sh", "-c", code], options=["--orphans=wait:400ms"])
    pids = {e["pid"] for e in rec.events if e.get("pid")}
    none("twenty orphans: none is left", [(p, tt.state_of(p)) for p in pids if tt.state_of(p)])
    ends_once("... every span ends once", rec)
    same("... twenty were ended with TERM", sum(e.get("signal") == "SIGTERM" for e in rec.events), 20)


def tired():
    """Once the command is gone, TERM to telltale means: do not wait."""
    path = os.path.join(tt.scratch(0o777), "pid")
    p = subprocess.Popen([tt.TELLTALE, "run", "--no-kernel", "--orphans=wait:30s", "--output-dir", tt.scratch(0o777), "--", PROBE,
                          "daemon", "60000", path, "0"], env=tt.clean_env(), stdin=subprocess.DEVNULL)
    tt.wait_for(lambda: os.path.exists(path) and lines(path))
    time.sleep(0.3)
    started = time.monotonic()
    p.send_signal(signal.SIGTERM)
    same("TERM while waiting for orphans ends them; the status is the command's", p.wait(20), 0)
    check("... at once", time.monotonic() - started < 1.5, time.monotonic() - started)
    same("... and the daemon is gone", tt.state_of(int(lines(path)[0])), None)


def zombies():
    """While the run lasts, what the recorder adopts is reaped."""
    flag = os.path.join(tt.scratch(0o777), "flag")
    code = f"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do (true &) ; done; sleep 0.5; >'{flag}'; sleep 3"
    folder = tt.scratch(0o777)
    p = subprocess.Popen([tt.TELLTALE, "run", "--no-kernel", "--output-dir", folder, "--", "sh", "-c", code], env=tt.clean_env(),
                         stdin=subprocess.DEVNULL)
    try:
        check("the run is under way", tt.wait_for(lambda: os.path.exists(flag)))
        children = tt.read(f"/proc/{p.pid}/task/{p.pid}/children").split()
        same("... telltale has no zombie", [c for c in children if tt.state_of(int(c)) == "Z"], [])
        same("... and no child but the command", len(children), 1)
    finally:
        p.terminate()
        p.wait(20)


def vanishing():
    for how in ("fork", "vfork", "system", "sigaction"):
        rec = tt.record("recorder", [PROBE, "vanish", how])
        same(f"children that vanish unreaped ({how}): status", rec.status, 0)
        check("... the figures say so", all("lower_bound" in rec.run["sources"][f] for f in
                                            ("page_faults_minor", "read_syscalls", "write_syscalls")), rec.run["sources"])
    rec = tt.record("recorder", [PROBE, "vanish", "none"])
    check("children that are waited for: the figures are exact", rec.status == 0 and
          "lower_bound" not in rec.run["sources"]["read_syscalls"] and rec.run["summary"]["read_syscalls"] >= 400,
          (rec.status, rec.run["sources"]))
    rec = tt.record("recorder", ["sh", "-c", "exit 0"], preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    same("a caller that ignores SIGCHLD: telltale still gets the status", rec.status, 0)


def not_ours():
    """exec hands telltale the children of who it was before: they are not the run's."""
    folder = tt.scratch(0o777)
    started = time.monotonic()
    done = subprocess.run(["sh", "-c", f"sleep 60 >/dev/null 2>&1 & echo $! >'{folder}/pid'; "
                           f"exec '{tt.TELLTALE}' run --output-dir '{folder}' -- sh -c 'exit 6'"],
                          env=tt.clean_env(), stdin=subprocess.DEVNULL, timeout=30, check=False)
    took = time.monotonic() - started
    pid = int(lines(os.path.join(folder, "pid"))[0])
    alive = tt.state_of(pid)
    if alive:
        os.kill(pid, signal.SIGKILL)
    same("a child from before the run: the command's status, and the child lives", (done.returncode, alive), (6, "S"))
    check("... nobody waited for it", took < 1.5, took)
    run = json.loads(tt.read(tt.one(os.path.join(folder, "run_*.json"))))
    same("... nothing of the run was ended", run["limits"]["orphans_ended"], False)


orphans()
not_ours()
left_alone()
many()
tired()
zombies()
vanishing()
tt.done()
