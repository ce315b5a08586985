#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The figures of run.json against what the kernel tells others, the timeline, and both schemas."""
import json
import os
import pwd
import shutil
import subprocess
import sys

import tt
from tt import check, none, same

try:
    import jsonschema
except ImportError:
    jsonschema = None

PROBE = tt.program("run_probe")
seen = []  # recordings, for the schemas


# STRICT has /tmp, /var/tmp and /dev of its own: the programs of a build folder there cannot be started.
HIDDEN = tt.BUILD.startswith(("/tmp/", "/var/tmp/", "/dev/"))
PROFILES = [("OFF", [])] + ([] if HIDDEN else [("STRICT", ["--profile=STRICT"])])


def record(*args, **kw):
    rec = tt.record("recorder", *args, **kw)
    seen.append(rec)
    return rec


def as_user():
    """The words that make a command run as an ordinary user who can reach the programs, or None."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        return None
    nobody = pwd.getpwnam("nobody")
    words = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    reach = subprocess.run([*words, tt.TELLTALE, "--version"], capture_output=True, timeout=20)
    return words if reach.returncode == 0 else None


def run_as(words, command, options=(), folder=None):
    """As record(), but Telltale itself runs behind @words."""
    folder = folder or tt.scratch(0o777)
    env = tt.clean_env(HOME=folder)
    done = subprocess.run([*words, tt.TELLTALE, "run", "--no-kernel", *options, "--output-dir", folder, "--", *command], env=env,
                          timeout=30, stdin=subprocess.DEVNULL, capture_output=True)
    raw = tt.read(tt.one(os.path.join(folder, "trace_*.jsonl")))
    rec = tt.Recording("recorder", done, folder, raw,
                       json.loads(tt.read(tt.one(os.path.join(folder, "run_*.json")))))
    seen.append(rec)
    return rec


def short_processes():
    """500 reads and 500 writes in some 10 ms: every time, whoever makes them."""
    user = as_user()
    cases = [("by the command", [], [], "0", 30), ("by a grandchild", [], [], "2", 30),
             ("under STRICT", [], ["--profile=STRICT"], "0", 10)]
    if user is None:
        tt.skip("500 reads and writes as an ordinary user", "no way to become one who can reach the build folder")
    elif user:
        cases += [("as an ordinary user", user, [], "0", 30), ("by an ordinary user's grandchild", user, [], "2", 15),
                  ("by an ordinary user under STRICT", user, ["--profile=STRICT"], "0", 10)]
    for name, words, options, depth, times in cases:
        bad = []
        if options and HIDDEN:
            tt.skip(f"500 reads and 500 writes {name}", "STRICT hides a build folder below /tmp")
            continue
        for i in range(times):
            rec = run_as(words, [PROBE, "calls", "500", depth], options)
            s = rec.run["summary"]
            if rec.status != 0 or not 500 <= s["read_syscalls"] < 600 or not 500 <= s["write_syscalls"] < 560:
                bad.append((i, rec.status, s["read_syscalls"], s["write_syscalls"], rec.stderr))
            if "lower_bound" in rec.run["sources"]["read_syscalls"]:
                bad.append((i, rec.run["sources"]["read_syscalls"]))
            last = rec.run["timeline"]
            if (last["read_syscalls"][-1], last["write_syscalls"][-1]) != (s["read_syscalls"], s["write_syscalls"]):
                bad.append((i, "the timeline's last sample is not the exact figure"))
        none(f"500 reads and 500 writes {name}, {times} times: all counted", bad)
    s = run_as([], [PROBE, "calls", "500", "0"]).run["summary"]
    check("bytes are those of the calls", 500 <= s["bytes_written"] < 2000, s["bytes_written"])


def cpu():
    pid = os.posix_spawn(PROBE, [PROBE, "burn", "500"], os.environ)
    _, _, ru = os.wait4(pid, 0)
    bare = (ru.ru_utime + ru.ru_stime) * 1000
    for name, options in PROFILES:
        s = record([PROBE, "burn", "500"], options=options).run["summary"]
        got = s["user_ms"] + s["system_ms"]
        check(f"{name}: half a second of CPU time is in user_ms", abs(got - bare) <= 60 and s["user_ms"] > 400,
              (bare, s["user_ms"], s["system_ms"]))
        check("... and in runtime_ms, avg_cpu and peak_cpu", s["runtime_ms"] >= 480 and 5 < s["avg_cpu"] <= 110 and
              s["peak_cpu"] >= s["avg_cpu"], s)
    rec = record(["sh", "-c", f"'{PROBE}' burn 200 & '{PROBE}' burn 200 & wait"])
    s = rec.run["summary"]
    check("CPU time of children counts", 380 <= s["user_ms"] + s["system_ms"] < 600, s)


def by_time(command):
    """Peak RSS as time(1) tells it, or None."""
    if not os.path.exists("/usr/bin/time"):
        return None
    out = os.path.join(tt.scratch(), "time")
    subprocess.run(["/usr/bin/time", "-f", "%M", "-o", out, *command], env=tt.clean_env(), timeout=30, check=True)
    return int(tt.read(out).split()[-1])


def memory():
    want = by_time([PROBE, "memory", "200", "1"]) or 200 << 10
    for name, options in PROFILES:
        s = record([PROBE, "memory", "200", "1"], options=options).run["summary"]
        check(f"{name}: 200 MB that are touched are the peak RSS", abs(s["peak_rss_kb"] - want) < want * 0.03,
              (s["peak_rss_kb"], want))
        check("... and in the tree's sampled peak", 200 << 10 <= s["peak_memory_kb"] < want * 1.1,
              (s["peak_memory_kb"], want))
        s = record([PROBE, "memory", "100", "0"], options=options).run["summary"]
        check(f"{name}: 100 MB that are only mapped are not", s["peak_rss_kb"] < 20 << 10 and
              s["peak_memory_kb"] < 20 << 10, (s["peak_rss_kb"], s["peak_memory_kb"]))
    rss = [record(["true"]).run["summary"]["peak_rss_kb"] for _ in range(3)]
    own = by_time(["true"])
    check("a small command is not charged with the recorder's memory", own is None or max(rss) < own + 2048,
          (rss, own))


def timeline():
    rec = record(["sh", "-c", f"'{PROBE}' calls 300 0; sleep 0.6; '{PROBE}' calls 300 1; sleep 0.6"])
    t, s = rec.run["timeline"], rec.run["summary"]
    keys = ["time_ms", "cpu_percent", "memory_kb", "read_syscalls", "write_syscalls", "processes"]
    same("the timeline's columns", list(t), keys)
    same("... are of one length", len({len(t[k]) for k in keys}), 1)
    check("... a sample each 100 ms", 12 <= len(t["time_ms"]) <= 18, t["time_ms"])
    steps = [b - a for a, b in zip(t["time_ms"][:-1], t["time_ms"][1:-1])]
    check("... at even steps", sorted(steps)[len(steps) // 2] in range(95, 106) and min(steps) > 0, steps)
    for k in ("time_ms", "read_syscalls", "write_syscalls"):
        none(f"... {k} never falls", [(a, b) for a, b in zip(t[k], t[k][1:]) if b < a])
    same("... the last sample is exact", (t["read_syscalls"][-1], t["write_syscalls"][-1], t["processes"][-1]),
         (s["read_syscalls"], s["write_syscalls"], 0))
    check("... reads and writes are seen as they come", t["write_syscalls"][len(steps) // 2] in range(300, 400),
          t["write_syscalls"])
    samples = [e for e in rec.events if e["event_type"] == "sample"]
    same("... and each is a line of the trace", [e["write_syscalls"] for e in samples], t["write_syscalls"])
    check("processes and peak_processes", s["processes"] >= 6 and s["peak_processes"] >= 2, s)
    s = record(["sh", "-c", f"'{PROBE}' memory 1 0; for i in 1 2 3 4 5 6; do sleep 0.3 & done; wait"]).run["summary"]
    same("six children at once", (s["peak_processes"], s["processes"]), (7, 8))


def schemas():
    """Everything recorded above, and a few odd ones, against the schemas that the program itself prints."""
    if not jsonschema:
        tt.skip("schemas", "no python3-jsonschema")
        return
    record(["sh", "-c", "cat /no/such/file; ls / | sort >/dev/null; exec true"])
    record(["sh", "-c", "kill -9 $$"])
    record(["no-such-command"])
    record(["sleep", "5"], options=["--timeout", "0.1s"])
    record(["sh", "-c", "echo hi"], options=["--no-preload"])
    record([PROBE, "threads", "4", "10", "/etc/passwd"])
    empty = os.path.join(tt.scratch(0o777), "here")
    os.mkdir(empty)
    record([tt.program("oracle"), "calls"], cwd=empty)
    os.mkdir(os.path.join(empty, "jail"))
    os.mkdir(os.path.join(empty, "jail", "in"))
    record([tt.program("roots_probe"), "chroot"], cwd=empty)
    record([sys.executable, "-c", "import socket, os\ntry: socket.create_connection(('127.0.0.1', 9))\nexcept OSError: pass\n"
            "os.rename('x', 'y')"], env=tt.clean_env(SUBSTRATE_PARENT_SPAN="p", SUBSTRATE_WORLD_ID="w",
                                                     TRACEPARENT="00-" + "a" * 32 + "-" + "b" * 16 + "-01"))
    record([tt.program("oracle"), "calls"], cwd=tt.scratch(0o777))
    for kind, objects in (("run", [(r.run,) for r in seen]), ("event", [tuple(r.events) for r in seen[-40:]])):
        printed = subprocess.run([tt.TELLTALE, "schema", kind], capture_output=True, timeout=20)
        schema = json.loads(printed.stdout)
        validator = jsonschema.validators.validator_for(schema)(schema)
        complaints, lines = [], 0
        for group in objects:
            for x in group:
                lines += 1
                complaints += [f"{list(e.absolute_path)}: {e.message[:300]} in {json.dumps(x)[:500]}"
                               for e in validator.iter_errors(x)]
        none(f"{lines} objects are as 'telltale schema {kind}' says", complaints)
        none("... every line was whole", [p for r in seen for p in r.problems])


short_processes()
cpu()
memory()
timeline()
schemas()
tt.done()
