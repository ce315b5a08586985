#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The ring and its enemies: calls left by siglongjmp, fds closed behind our back, a full lane, noise in the memory."""
import os
import re
import signal
import time

import tt

PROBE = tt.program("ring_probe")


def probe(act, *more, options=(), **args):
    folder = tt.scratch()
    rec = tt.record("recorder", [PROBE, act, folder, *more], options=options, **args)
    tt.same(f"{act}: the program is unharmed", (rec.status, rec.stderr), (0, b""))
    return rec, folder


def opened(rec, kind):
    """How often each name KIND-N was opened."""
    found = {}
    for e in rec.calls("open", "open64"):
        m = re.search(rf"/{kind}-(\d+)$", e.get("path", ""))
        if m:
            found[int(m[1])] = found.get(int(m[1]), 0) + 1
    return found


def once_each(name, rec, kind, n):
    tt.same(f"{name}: all {n} of '{kind}', once each", opened(rec, kind), {i: 1 for i in range(n)})


def left_calls():
    rec, _ = probe("leave-calls")
    once_each("after siglongjmp out of a call", rec, "after", 30)
    fifo = [e for e in rec.calls("open", "open64") if e.get("path", "").endswith("/fifo")]
    tt.same("... the calls that were left are there, and did not return",
            [(e.get("in_flight"), e["result"], e.get("error")) for e in fifo], [(True, None, None)] * 3)
    tt.same("... nothing is lost", rec.run["coverage"]["gaps"], [])
    tt.none("... spans are whole", tt.span_problems(rec.events))
    rec, _ = probe("leave-and-go-on", options=["--on-full=block"])
    once_each("... and calls from the same place, more than a lane holds", rec, "more", 8000)
    tt.same("... none of them is lost", rec.run["coverage"]["gaps"], [])


def own_stack():
    rec, _ = probe("own-stack")
    made = opened(rec, "handler")
    tt.check("a handler on a stack of its own: its calls are recorded", len(made) >= 6 and len(made) % 3 == 0, made)
    tt.same("... once each", set(made.values()), {1})
    fifo = [e for e in rec.calls("open", "open64") if e.get("path", "").endswith("/fifo") and e["args"][1] == "O_RDONLY"]
    tt.same("... and the call it interrupted, with its result",
            [(e.get("in_flight"), e["result"] > 2) for e in fifo], [(None, True)])
    once_each("... and what follows", rec, "after", 10)


def forked_inside():
    rec, _ = probe("forked-inside")
    once_each("fork in a handler", rec, "parent", 2)
    once_each("... in the child", rec, "child", 2)
    fifo = [e for e in rec.calls("open", "open64") if e.get("path", "").endswith("/fifo")]
    tt.same("... the interrupted call is the parent's, once", [(e["result"], e.get("error")) for e in fifo],
            [(-1, "EINTR")])
    tt.none("... spans are whole", tt.span_problems(rec.events))


def closed_behind_our_back():
    rec, _ = probe("close-all")
    once_each("close_range(2) by the kernel's own door: threads", rec, "thread", 8)
    once_each("... a child", rec, "child", 1)
    once_each("... what came before", rec, "before", 1)
    tt.same("... nothing is lost", rec.run["coverage"]["gaps"], [])


def waits():
    rec, _ = probe("burst", "60000", options=["--on-full=block"])
    once_each("--on-full=block, a burst", rec, "burst", 60000)
    tt.same("... nothing is lost", rec.run["coverage"]["lost"], 0)
    # stopped long enough for the command to give up waiting, and then again as ever
    folder = tt.scratch()
    p, out = tt.start([PROBE, "burst", folder, "20000"], options=["--on-full=block"])
    started = tt.wait_for(lambda: b'"syscall": "open64"' in b"".join(
        tt.read(os.path.join(out, n)) for n in os.listdir(out) if n.startswith("trace")))
    os.kill(p.pid, signal.SIGSTOP)
    began = time.monotonic()
    command = int(tt.read(f"/proc/{p.pid}/task/{p.pid}/children").split()[0]) if started else 0
    ended = tt.wait_for(lambda: tt.state_of(command) in (None, "Z"), 30)
    tt.check("--on-full=block, telltale stopped: the command ends all the same", ended, time.monotonic() - began)
    os.kill(p.pid, signal.SIGCONT)
    status = p.wait(30)
    run = next(os.path.join(out, n) for n in os.listdir(out) if n.startswith("run"))
    trace = next(os.path.join(out, n) for n in os.listdir(out) if n.startswith("trace"))
    events = list(tt.each_event(trace, []))
    made = sum(e["syscall"] == "open64" and "/burst-" in e.get("path", "") for e in events)
    lost = sum(e["count"] for e in events if e["event_type"] == "gap")
    tt.same("... recorded + lost = made", (status, made + lost), (0, 20000))
    tt.check("... run.json is there", os.path.getsize(run) > 100)


def noise():
    for seed in ("300", "301", "302"):
        folder = tt.scratch()
        rec = tt.record("recorder", [PROBE, "scribble", folder, seed], parse=False)
        # a program that destroys its own lane may well fall over it; the recorder must not
        tt.check(f"noise in the ring, {seed}: telltale ends as its command does", rec.status in (0, 139, 135),
                 (rec.status, rec.stderr))
        problems = []
        events = list(tt.each_event(rec.path, problems))
        tt.none("... every line is sound", problems)
        tt.same("... the trace is closed", events[-1]["event_type"], "run")
        tt.check("... and says that something is wrong", rec.run["coverage"]["gaps"] or rec.run["coverage"]["lost"]
                 or not rec.run["coverage"]["lost_exact"], rec.run["coverage"])


if "recorder" not in tt.modes():
    tt.skip_all("telltale is not built")
left_calls()
own_stack()
forked_inside()
closed_behind_our_back()
waits()
noise()
tt.done()
