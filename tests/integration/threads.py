#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Threads, signals, forks and fds: nothing torn, nothing doubled, nothing lost that is not counted."""
import os
import re
import subprocess

import tt

THREADS, OPENS = 64, 10000
PROCESSES, LONG_LINES = 32, 200
ALARMED = 60000


def work(mode, *args, parse=True, **more):
    return tt.record(mode, [tt.program("threads"), *args], cwd=tt.scratch(), parse=parse, timeout=120, **more)


def ran(name, rec):
    return tt.check(f"{name}: the program is unharmed", rec.status == 0,
                    f"status {rec.status}: {rec.stderr.decode(errors='replace')}")


def made(rec):
    return int(re.search(rb"made (\d+)", rec.stdout).group(1))


def counted(name, rec):
    """Direct mode loses nothing here; under the recorder what is lost is counted. A close that ends nothing
    makes no line."""
    gaps, recorded = rec.gaps(), len(rec.calls("open"))
    expected = made(rec)
    if rec.mode == "direct":
        tt.same(f"{name}: recorded == made", recorded, expected)
    else:
        tt.check(f"{name}: recorded + gaps == made", gaps is not None and recorded + gaps == expected,
                 f"recorded {recorded}, gaps {gaps}, made {expected}")


def many_threads(mode):
    name = f"{mode}: {THREADS} threads"
    rec = work(mode, "open", str(THREADS), str(OPENS), parse=False)
    if not ran(name, rec):
        return
    calls, gaps, problems, per_thread = 0, 0, [], {}
    for event in tt.each_event(rec.path, problems):
        calls += event["syscall"] == "open"
        if event["syscall"] == "open":
            per_thread.setdefault((event["tid"], event["path"]), []).append(event["seq"])
        elif event["event_type"] == "gap":
            gaps += event["count"]
    tt.none(f"{name}: every line is valid", problems)
    tt.same(f"{name}: recorded + gaps == made", calls + gaps, THREADS * OPENS)
    if mode == "direct":
        tt.same(f"{name}: none lost", gaps, 0)
    tt.same(f"{name}: one thread for each file", len(per_thread), THREADS)
    numbers = sorted(n for found in per_thread.values() for n in found)
    tt.check(f"{name}: no number twice", len(numbers) == len(set(numbers)))
    os.unlink(rec.path)


def many_processes(mode):
    """Lines over 8 KiB, many writers, one file."""
    name = f"{mode}: {PROCESSES} processes"
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[:PROCESSES]
    script = "".join(f'"$0" long {LONG_LINES} {c} & ' for c in letters) + "wait"
    rec = tt.record(mode, ["sh", "-c", script, tt.program("threads")], parse=False)
    tt.same(f"{name}: all end well", rec.stdout, b"made %d\n" % LONG_LINES * PROCESSES)
    problems, seen, wrong, short, gaps = [], {}, [], 0, 0
    for event in tt.each_event(rec.path, problems):
        if event["syscall"] == "open":
            path = event["args"][0]
            if len(path) < 8192 or set(path[1:]) != {path[1]}:
                wrong.append(path[:100])
            seen[path[1]] = seen.get(path[1], 0) + 1
            short += event.get("error") != "ENAMETOOLONG"
        elif event["event_type"] == "gap":
            gaps += event["count"]
    tt.none(f"{name}: every line is valid", problems)
    tt.none(f"{name}: no line holds another's bytes", wrong)
    tt.same(f"{name}: recorded + gaps == made", sum(seen.values()) + gaps, LONG_LINES * PROCESSES)
    tt.same(f"{name}: all with their error", short, 0)
    os.unlink(rec.path)


def forks(mode):
    name = f"{mode}: fork while threads record"
    rec = work(mode, "fork", "200")
    if not ran(name, rec):
        return
    tt.none(f"{name}: every line is valid", rec.problems)
    counted(name, rec)
    tt.same(f"{name}: each fork", len([e for e in rec.calls("fork") if e["result"] > 0]), 200)
    tt.none(f"{name}: spans and numbers", tt.span_problems(rec.events) if not rec.gaps() else [])
    starts = [e for e in rec.events if e["syscall"] == "start" and e["how"] == "fork"]
    tt.same(f"{name}: each child has its own span", len({e["span_id"] for e in starts}), 200)
    tids = {e["tid"] for e in rec.calls("open") if e["pid"] in {s["pid"] for s in starts}}
    tt.same(f"{name}: whose thread is its own", tids, {s["pid"] for s in starts})


def storm(mode):
    name = f"{mode}: SIGALRM storm"
    rec = work(mode, "storm", str(ALARMED))
    if not ran(name, rec):
        return
    alarms = int(re.search(rb"alarms (\d+)", rec.stderr).group(1))
    tt.check(f"{name}: signals came", alarms > 50, f"{alarms} signals")
    tt.none(f"{name}: every line is valid", rec.problems)
    counted(name, rec)
    tt.none(f"{name}: numbers", tt.span_problems(rec.events) if not rec.gaps() else [])
    tt.same(f"{name}: each with its own result",
            {(os.path.basename(e["path"]), e.get("error")) for e in rec.calls("open")},
            {("none", "ENOENT"), ("handler", None)})


def vforks(mode):
    name = f"{mode}: vfork and exec"
    rec = work(mode, "vfork")
    ran(name + " leave memory and environ alone", rec)
    tt.none(f"{name}: every line is valid", rec.problems)
    tt.same(f"{name}: each vfork", len(rec.calls("vfork")), 102)
    tt.same(f"{name}: each exec", len(rec.calls("execve")), 102 + 2 * 51)
    images = [e for e in rec.events if e["syscall"] == "start" and e["how"] == "exec"]
    tt.same(f"{name}: each image announced itself", len(images), 1 + 102)
    tt.none(f"{name}: spans and numbers", tt.span_problems(rec.events))


def spawns(mode):
    name = f"{mode}: eight threads spawn"
    rec = work(mode, "spawn", "8", "25")
    if not ran(name, rec):
        return
    tt.none(f"{name}: every line is valid", rec.problems)
    calls = [len(rec.calls(call)) for call in ("posix_spawn", "system", "popen")]
    tt.same(f"{name}: each call", calls, [120, 40, 40])
    images = [e for e in rec.events if e["syscall"] == "start" and e["how"] == "exec"]
    tt.same(f"{name}: each image announced itself", len(images), 1 + 200)
    tt.same(f"{name}: and recorded its open", len(rec.calls("open")), 1 + 120)
    tt.none(f"{name}: spans", tt.span_problems(rec.events))


def churn(mode):
    name = f"{mode}: 3000 short threads, then exec from a thread"
    rec = work(mode, "churn", "3000")
    if not ran(name, rec):
        return
    tt.none(f"{name}: every line is valid", rec.problems)
    counted(name, rec)
    if not rec.gaps():
        tt.none(f"{name}: spans and numbers", tt.span_problems(rec.events))


def chain(mode):
    name = f"{mode}: 1000 chained execs"
    steps = 1000
    rec = work(mode, "chain", str(steps))
    if not ran(name, rec):
        return
    first, last = rec.stdout.decode().splitlines()
    native = work("native", "chain", "3").stdout.decode().splitlines()
    if mode == "direct":
        # the first program got our names from the user, in the open
        names = int(native[0].split()[2]) + 2
    else:
        names = int(native[0].split()[2])
    tt.same(f"{name}: names in environ at the end", int(last.split()[2]), names)
    again = work(mode, "chain", "2").stdout.decode().splitlines()[1]
    # the numbers in it differ by a digit or two from run to run
    tt.check(f"{name}: bytes in /proc/self/environ do not grow", abs(int(last.split()[0]) - int(again.split()[0])) < 9,
             (last, again))
    tt.same(f"{name}: all recorded", len(rec.calls("execl")), steps)
    tt.none(f"{name}: spans", tt.span_problems(rec.events))


def closed(mode):
    name = f"{mode}: fds 0, 1, 2 closed at start"

    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)

    folder = tt.scratch()
    out = os.path.join(tt.scratch(), "trace.jsonl")
    report = os.path.join(folder, "report")
    line = [tt.program("threads"), "closed", report]
    if mode == "recorder":
        # the recorder itself keeps what it was given; sh closes them for the program alone
        line = ["sh", "-c", 'exec "$0" "$@" 0<&- 1>&- 2>&-', *line]
        rec = tt.record(mode, line, cwd=folder)
        opens, problems = [e for e in rec.calls("open") if e["path"].startswith(folder)], rec.problems
        status = rec.status
    else:
        env = tt.clean_env(LD_PRELOAD=tt.LIBRARY, SUBSTRATE_TRACE_LOG=out)
        status = subprocess.run(line, env=env, cwd=folder, preexec_fn=close_all, timeout=60).returncode
        events, problems = tt.parse_trace(tt.read(out))
        opens = [e for e in events if e["syscall"] == "open"]
    tt.same(f"{name}: the program is unharmed", status, 0)
    tt.same(f"{name}: and gets them back", tt.read(report), b"0 1 2 3\n")
    tt.same(f"{name}: what it opened is empty", [os.path.getsize(os.path.join(folder, n)) for n in "abc"], [0, 0, 0])
    tt.same(f"{name}: recorded", [e["result"] for e in opens], [0, 1, 2, 3])
    tt.none(f"{name}: every line is valid", problems)


def fds(mode):
    for how in ("closefrom", "close_range", "loop", "raw"):
        name = f"{mode}: {how}, then more events and children"
        tt.same(f"{name}: native", work("native", "close", how).stdout, b"made 7\n")
        rec = work(mode, "close", how)
        if not ran(name, rec):
            continue
        opens = len(rec.calls("open"))
        if mode == "recorder" and how == "raw":
            # the ring's fd is gone for good: children cannot join, and that is all that is lost
            tt.check(f"{name}: the process itself goes on", opens >= 5, f"{opens} opens")
        else:
            tt.same(f"{name}: all recorded", opens, made(rec))
            tt.none(f"{name}: spans", tt.span_problems(rec.events))
        tt.none(f"{name}: every line is valid", rec.problems)
    for how in ("dup2", "dup3", "vfork", "raw"):
        name = f"{mode}: {how} onto the library's fd"
        rec = work(mode, "take", how)
        if not ran(name, rec):
            continue
        tt.none(f"{name}: every line is valid", rec.problems)
        opens = len(rec.calls("open"))
        if mode == "recorder" and how == "raw":
            tt.check(f"{name}: the process itself goes on", opens >= 3, f"{opens} opens")
        else:
            tt.same(f"{name}: recording goes on", opens, made(rec))


def ended_threads():
    """A thread's lane is unmapped when it ends: many short threads leave nothing behind."""
    script = """
import os, threading
for _ in range(400):
    t = threading.Thread(target=lambda: os.close(os.open("/etc/passwd", os.O_RDONLY)))
    t.start()
    t.join()
print(sum("telltale-ring" in line for line in open("/proc/self/maps")))
"""
    rec = tt.record("recorder", ["python3", "-c", script])
    maps = int(rec.stdout or 0)
    tt.check("400 threads that ended left at most a few mappings of the ring", 1 <= maps <= 6, maps)
    opens = [e for e in rec.calls("open", "open64") if e.get("path") == "/etc/passwd"]
    tt.same("... and each made its event", len(opens), 400)


def main():
    for mode in tt.modes():
        closed(mode)
        fds(mode)
        vforks(mode)
        spawns(mode)
        churn(mode)
        chain(mode)
        storm(mode)
        forks(mode)
        many_processes(mode)
        many_threads(mode)
    ended_threads()
    tt.done()


main()
