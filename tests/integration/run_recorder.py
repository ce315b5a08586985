#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The trace under load: many processes, threads, floods, sudden ends. Nothing is lost without a word."""
import collections
import json
import os
import signal
import subprocess
import sys
import time

import tt
from tt import check, none, same

PROBE = tt.program("run_probe")


def finished(p, folder, seconds=30):
    """The recording of a run that tt.start() began."""
    try:
        p.wait(seconds)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        raise
    done = subprocess.CompletedProcess([], p.returncode, b"", b"")
    runs = [os.path.join(folder, n) for n in os.listdir(folder) if n.startswith("run_")]
    return tt.Recording("recorder", done, folder, tt.read(tt.one(os.path.join(folder, "trace_*.jsonl"))),
                        json.loads(tt.read(runs[0])) if runs else None)


def problems(rec):
    """What no trace may have: spans without an end or with two, strangers as parents, unexplained holes in seq."""
    out = list(rec.problems)
    starts, ends, seqs = collections.Counter(), collections.Counter(), collections.defaultdict(list)
    spans, gap_spans, parents, covered = set(), set(), {}, collections.defaultdict(set)
    pids = {}
    for e in rec.events:
        span = e["span_id"]
        if e["event_type"] == "process":
            spans.add(span)
            (starts if e["syscall"] == "start" else ends)[span] += 1
            if e["syscall"] == "start":
                parents[span] = e
        elif e["event_type"] == "syscall":
            spans.add(span)
            seqs[span].append(e["seq"])
        elif e["event_type"] == "gap" and span:
            gap_spans.add(span)
            if "seq_from" in e:
                covered[span] |= set(range(e["seq_from"], e["seq_to"] + 1))
        if e.get("pid") and e["event_type"] != "run":
            if pids.setdefault(span, e["pid"]) != e["pid"]:
                out.append(f"{span} is of pid {pids[span]} and of {e['pid']}")
    root = rec.run["span_id"] if rec.run else rec.events[0]["span_id"]
    for span in spans:
        if starts[span] != 1:
            out.append(f"{span} starts {starts[span]} times")
        if ends[span] != 1:
            e = parents.get(span, {})
            out.append(f"{span} ends {ends[span]} times ({e.get('how')}, {e.get('exe')}, pid {e.get('pid')})")
        at, steps = span, 0
        while at != root and steps < 1000:
            if at not in parents:
                out.append(f"{span} hangs below {at}, which nobody started")
                break
            at, steps = parents[at]["parent_span"], steps + 1
    for span, found in seqs.items():
        want = set(range(max(list(covered[span]) + found) + 1)) - covered[span]
        if sorted(found) != sorted(want):
            out.append(f"{span}: seq {found[:10]}..., {len(found)} events, {len(want)} expected")
    if rec.run:
        counted = rec.run["coverage"]["spans"]
        if counted != len(spans | gap_spans):
            out.append(f"run.json has {counted} spans, the trace {len(spans | gap_spans)}")
    return out


def trees():
    loop = "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done"
    rec = tt.record("recorder", ["sh", "-c", loop])
    none("200 short processes: the trace is whole", problems(rec))
    same("... one process each", rec.run["summary"]["processes"], 201)
    same("... one fork and one image each", (sum(e.get("how") in ("fork", "vfork") for e in rec.events),
                                             sum(e.get("how") == "exec" for e in rec.events)), (200, 201))
    same("... nothing lost", (rec.run["coverage"]["lost"], rec.run["coverage"]["gaps"]), (0, []))
    exits = [e for e in rec.events if e["syscall"] == "exit"]
    none("... every end is known", [e for e in exits if e.get("exit_code") != 0])
    rec = tt.record("recorder", ["sh", "-c", "for i in 1 2 3 4; do (j=0; while [ $j -lt 40 ]; do (/bin/true; exit 3); "
                                 "j=$((j+1)); done) & done; wait"])
    none("four at once, each with grandchildren: the trace is whole", problems(rec))
    same("... all processes", rec.run["summary"]["processes"], 1 + 4 + 160 + 160)
    same("... and their statuses", sum(e.get("exit_code") == 3 for e in rec.events), 160)
    folder = tt.scratch()
    with open(os.path.join(folder, "Makefile"), "w", encoding="utf-8") as f:
        names = [f"o{i}" for i in range(40)]
        f.write("all: " + " ".join(names) + "\n" + "".join(f"{n}:\n\t@cat /etc/passwd | sort | wc -l > {n}.tmp && mv "
                                                           f"{n}.tmp {n}\n" for n in names))
    rec = tt.record("recorder", ["make", "-j2", "-C", folder])
    none("make -j2 of 40: the trace is whole", problems(rec) + ([rec.stderr] if rec.status else []))
    same("... each file was renamed into place", len(rec.calls("rename", "renameat", "renameat2")), 40)
    rec = tt.record("recorder", [sys.executable, "-c", "import subprocess\nfor i in range(30): subprocess.run(['true'])\n"
                                 "import os\nfor i in range(10): os.system('exit 4'); os.popen('exit 3').close()\n"])
    none("python: vfork, system, popen: the trace is whole", problems(rec))


def threads():
    rec = tt.record("recorder", [PROBE, "threads", "64", "50", "/etc/passwd"])
    none("64 threads: the trace is whole", problems(rec))
    opens = [e for e in rec.calls("open", "open64") if e["args"][0] == "/etc/passwd"]
    same("... 3,200 opens, less what a gap counts", len(opens) + (rec.gaps() or 0), 3200)
    same("... nothing was lost", rec.gaps(), 0)
    same("... of 64 threads", len({e["tid"] for e in opens}), 64)


def flood():
    """The recorder is stopped: the ring overflows, the command goes on, and the sum is exact."""
    p, folder = tt.start(["sh", "-c", f"kill -STOP $PPID; '{PROBE}' opens 200000 /etc/passwd; echo done; exit 4"],
                      stdout=subprocess.PIPE)
    try:
        began = time.monotonic()
        line = p.stdout.readline()
        same("telltale is stopped: the command goes on", line, b"done\n")
        check("... without waiting", time.monotonic() - began < 20, time.monotonic() - began)
    finally:
        p.send_signal(signal.SIGCONT)
    rec = finished(p, folder)
    p.stdout.close()
    same("... its status", rec.status, 4)
    none("... the trace is whole, its gaps counted", problems(rec))
    opens = [e for e in rec.calls("open", "open64") if e["args"][0] == "/etc/passwd"]
    gaps = [e for e in rec.events if e["event_type"] == "gap"]
    made = collections.Counter()
    span = opens[0]["span_id"]
    for e in rec.events:
        if e["span_id"] == span and e["event_type"] == "syscall":
            made["events"] += e["syscall"] in ("open", "open64")
        elif e["span_id"] == span and e["event_type"] == "gap":
            made["lost"] += e["count"]
            made[e["reason"]] += 1
    same("... events and counted losses are the 200,000 that were made", made["events"] + made["lost"], 200000)
    check("... lost because the ring was full", made["ring_full"] >= 1 and made["lost"] > 1000, made)
    same("... and run.json says the same", (rec.run["coverage"]["lost"], rec.run["coverage"]["lost_exact"]),
         (sum(e["count"] for e in gaps), True))


def crowd():
    """More processes than the ring has room for while nobody takes from it: each of them is missed by name."""
    code = "i=0; while [ $i -lt 2500 ]; do /bin/true; i=$((i+1)); done; echo done; read x; ls / >/dev/null; exit 5"
    folder = tt.scratch(0o777)
    p = subprocess.Popen([tt.TELLTALE, "run", "--no-kernel", "--output-dir", folder, "--", "sh", "-c", "kill -STOP $PPID; " + code],
                         env=tt.clean_env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        same("telltale is stopped, 2,500 processes come and go", p.stdout.readline(), b"done\n")
    finally:
        p.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    p.stdin.write(b"go\n")
    p.stdin.close()
    rec = finished(p, folder)
    p.stdout.close()
    same("... the status", rec.status, 5)
    none("... what is in the trace is sound", problems(rec))
    coverage = rec.run["coverage"]
    gaps = [e for e in rec.events if e["event_type"] == "gap"]
    started = {e["span_id"] for e in rec.events if e["syscall"] == "start"}
    unheard = {e["span_id"] for e in gaps if e["span_id"]} - started
    check("... images that nobody heard of have a gap each", len(unheard) > 1000, len(unheard))
    same("... and those that were not even counted have one together",
         [(e["reason"], e["count"]) for e in gaps if e["span_id"] is None], [("no_room", None)])
    same("... run.json does not claim to know", coverage["lost_exact"], False)
    forks = len(rec.calls("fork", "vfork"))
    lost = sum(e["count"] for e in gaps if e["span_id"] in started)
    check("... the shell's own account is exact: one call each, taken or counted", forks + lost >= 2501, (forks, lost))
    same("... and there is room again for what comes after",
         [e["exit_code"] for e in rec.events if e["syscall"] == "exit" and e["comm"] == "ls"], [0])


def sudden_ends():
    code = f"'{PROBE}' opens 100000000 /etc/passwd & p=$!; sleep 0.4; kill -9 $p; wait $p; exit $?"
    rec = tt.record("recorder", ["sh", "-c", code])
    same("a workload that is killed: the status", rec.status, 137)
    none("... the trace is whole", [p for p in problems(rec)])
    ends = [e for e in rec.events if e["syscall"] == "exit" and e.get("signal") == "SIGKILL"]
    same("... the killed process has its end", len(ends), 1)
    gaps = [e for e in rec.events if e["event_type"] == "gap" and e["reason"] == "killed"]
    same("... at most one event is missing", [g["count"] for g in gaps if g["count"] != 1], [])
    ready = os.path.join(tt.scratch(0o777), "ready")
    code = f"'{PROBE}' accept '{ready}' & p=$!; while [ ! -s '{ready}' ]; do sleep 0.02; done; sleep 0.5; kill -9 $p; wait $p"
    rec = tt.record("recorder", ["sh", "-c", code])
    calls = rec.calls("accept")
    same("killed in accept: the call is there, in flight", [(e.get("in_flight"), e["result"]) for e in calls],
         [(True, None)])
    none("... the trace is whole", problems(rec))
    for how, code in (("exec of a static or foreign program", "exec /sbin/ldconfig --version >/dev/null"),
                      ("an exec that fails", "exec /no/such/program"), ("_exit", "kill -TERM $$"),
                      ("a closed ring", "exec 240>&-; ls / >/dev/null; exec 239>&-")):
        rec = tt.record("recorder", ["sh", "-c", f"({code}); true"])
        none(f"{how}: the trace is whole", problems(rec))


REUSE = """
import os, sys
first = None
for i in range(120):
    if first:
        with open("/proc/sys/kernel/ns_last_pid", "w") as f:
            f.write(str(first - 1))
    pid = os.fork()
    if pid == 0:
        if i % 2:
            os.execv("/bin/sh", ["sh", "-c", ": </etc/passwd; exit %d" % i])
        os._exit(i)
    first = first or pid
    if pid != first or os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != i:
        sys.exit(9)
"""


def reuse():
    """One pid for 120 processes, one after the other."""
    if os.geteuid() != 0:
        tt.skip("a pid that is used again and again", "needs root to choose pids")
        return
    for name, stop in (("at once", ""), ("once more", ""), ("and once more", ""),
                       ("while telltale is stopped", "kill -STOP $PPID; ")):
        folder = tt.scratch(0o777)
        flag = os.path.join(folder, "flag")
        code = f"{stop}{sys.executable} -c '{REUSE}'; r=$?; >{flag}; exit $r".replace("'", "'\\''")
        # telltale as PID 1 could not be stopped from inside
        p = subprocess.Popen(["unshare", "-pf", "--mount-proc", "sh", "-c",
                              f"'{tt.TELLTALE}' run --output-dir {folder} -- sh -c '{code}'; exit $?"],
                             env=tt.clean_env(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        tt.wait_for(lambda: os.path.exists(flag) or p.poll() is not None, 20)
        if p.poll() is not None and not os.path.exists(flag):
            tt.skip("a pid that is used again and again", p.communicate()[1].decode()[:200])
            return
        if stop:
            shell = tt.read(f"/proc/{p.pid}/task/{p.pid}/children").split()[0].decode()
            os.kill(int(tt.read(f"/proc/{shell}/task/{shell}/children").split()[0]), signal.SIGCONT)
        rec = finished(p, folder)
        p.stderr.close()
        if rec.status == 9:
            tt.skip(f"a pid that is used again and again, {name}", "the kernel chose another")
            continue
        same(f"one pid for 120 processes, {name}: the status", rec.status, 0)
        none("... the trace is whole", problems(rec))
        same("... nothing lost", rec.run["coverage"]["gaps"], [])
        exits = [e for e in rec.events if e["syscall"] == "exit"]
        pid = collections.Counter(e["pid"] for e in exits).most_common(1)[0][0]
        same("... each with its own status", sorted(e["exit_code"] for e in exits if e["pid"] == pid),
             list(range(120)))


def other_ways():
    rec = tt.record("recorder", ["sh", "-c", "ls / >/dev/null; sleep 0.3; exit 2"], options=["--no-preload"])
    same("--no-preload: status, no calls, no preload sensor",
         (rec.status, rec.calls(), rec.run["coverage"]["sensors"]), (2, [], ["proc"]))
    none("... the trace is whole", problems(rec))
    check("... and the figures are there", rec.run["summary"]["read_syscalls"] > 5, rec.run["summary"])
    sleepers = [e for e in rec.events if e["syscall"] == "start" and e.get("exe", "").endswith(("sleep", "busybox",
                                                                                                "coreutils"))]
    check("... a process that lives long enough is seen", sleepers, rec.events)


def idle():
    p, folder = tt.start(["sleep", "2"])
    time.sleep(0.3)
    def ticks():
        f = tt.read(f"/proc/{p.pid}/stat").rsplit(b")", 1)[1].split()
        return (int(f[11]) + int(f[12])) * 1000 / os.sysconf("SC_CLK_TCK")
    before = ticks()
    time.sleep(1.2)
    used = ticks() - before
    check("while nothing happens, the recorder uses under 5 % of a CPU", used <= 60, f"{used} ms in 1.2 s")
    fds = len(os.listdir(f"/proc/{p.pid}/fd"))
    check("... and few fds", fds < 20, fds)
    rec = finished(p, folder)
    same("... and ends well", rec.status, 0)
    code = "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done; sleep 1"
    p, folder = tt.start(["sh", "-c", code])
    time.sleep(1)
    fds = len(os.listdir(f"/proc/{p.pid}/fd"))
    check("after 100 processes it has no more fds than before", fds < 20, fds)
    finished(p, folder)


def readers():
    """Other verbs while a run is under way."""
    go = os.path.join(tt.scratch(0o777), "go")
    p, folder = tt.start(["sh", "-c", f"ls / >/dev/null; while [ ! -e '{go}' ]; do sleep 0.05; done; cat /etc/passwd "
                       ">/dev/null; exit 3"])
    check("the trace of a live run is there", tt.wait_for(lambda: any(n.startswith("trace") and b'"exit"' in
                                                                   tt.read(os.path.join(folder, n))
                                                                   for n in os.listdir(folder))))
    trace = tt.one(os.path.join(folder, "trace_*.jsonl"))
    follow = subprocess.Popen([tt.TELLTALE, "events", "--follow", trace], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=tt.clean_env())
    shown = subprocess.run([tt.TELLTALE, "show", trace], capture_output=True, timeout=20, env=tt.clean_env())
    same("show of a live run", (shown.returncode, shown.stderr), (0, b""))
    tree = subprocess.run([tt.TELLTALE, "tree", trace], capture_output=True, timeout=20, env=tt.clean_env())
    check("tree of a live run", tree.returncode == 0 and b"ls" in tree.stdout, tree)
    with open(go, "w", encoding="utf-8"):
        pass
    rec = finished(p, folder)
    same("readers do not disturb the run", (rec.status, problems(rec)), (3, []))
    try:
        out, err = follow.communicate(timeout=10)
        same("events --follow ends with the run", (follow.returncode, err), (0, b""))
        check("... and saw what came after it began", b"/etc/passwd" in out, out[-1000:])
    except subprocess.TimeoutExpired:
        follow.kill()
        check("events --follow ends with the run", False, "it went on for 10 s")


trees()
threads()
flood()
crowd()
sudden_ends()
reuse()
other_ways()
idle()
readers()
tt.done()
