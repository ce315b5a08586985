#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Refused calls by name: exact counts, who made them, kills, floods, the stream, and a recorder that dies."""
import collections
import json
import os
import signal
import subprocess
import sys
import time

import tt

try:
    import jsonschema
except ImportError:
    jsonschema = None

from tt import check, none, same

PROBE = tt.program("denials_probe")
FOLDER = tt.scratch()
seen = []  # recordings, for the schemas
PROFILE = os.path.join(FOLDER, "denials.profile")
# Everything is allowed but what the probe tries, so that it can fork and start threads.
RULES = """
summary "what denials.py tests"
include STRICT
default allow
allow @basic @process @thread @file
allow clone3 clone fork vfork ptrace prctl kill
deny EACCES mount
deny-quiet EXDEV socket when domain == AF_UNIX
deny EPERM socket when domain == AF_INET
deny EROFS openat when flags & O_EXCL != 0 and flags & O_CREAT == 0
deny EPERM setns chroot
log getpriority
kill ptrace when arg0 == 16
"""


def record(*args, profile=PROFILE, options=(), **more):
    rec = tt.record("recorder", list(args), options=["--profile", profile, *options], **more)
    seen.append(rec)
    return rec


def denials(rec):
    return [e for e in rec.events if e["event_type"] == "denied"]


def count_of(events):
    return sum(e["count"] for e in events)


def usable():
    if tt.BUILD.startswith(("/tmp/", "/var/tmp/", "/dev/")):
        tt.skip_all("the sandbox hides the build folder")
    with open(PROFILE, "w", encoding="utf-8") as f:
        f.write(RULES)
    rec = tt.record("recorder", ["/bin/true"], options=["--profile", PROFILE])
    if rec.status != 0:
        tt.skip_all("no sandbox here: " + rec.stderr.decode(errors="replace")[:300])


def counts(extra=()):
    """Calls of a parent, its threads, a child and a grandchild: each under its own pid, tid and name."""
    word = " ".join(extra)
    rec = record(PROBE, "counts", options=extra)
    same(f"counts {word}: the command ends as it would", (rec.status, rec.stderr), (0, b""))
    places = [line.split() for line in rec.stdout.decode().splitlines()]
    want = collections.Counter()
    for name, pid, _ in places:
        want[int(pid), {"child": "kid", "grandchild": "grandkid"}.get(name, "denials_probe")] += {
            "parent": 5, "thread": 11, "child": 7, "grandchild": 13}[name]
    got = collections.Counter()
    for e in denials(rec):
        got[e["ns_pid"], e["comm"]] += e["count"]
    same(f"counts {word}: by process and name", got, want)
    threads = [e["tid"] for e in denials(rec) if e["tid"] != e["pid"]]
    same(f"counts {word}: two threads", sorted(collections.Counter(threads).values()), [11, 11])
    same(f"counts {word}: the sum", rec.run["summary"]["blocked_syscalls"], 47)
    same(f"counts {word}: blocked[]", sum(b["count"] for b in rec.run["blocked"]), 47)
    same(f"counts {word}: the first", rec.run["summary"]["blocked_syscall"], "mount")
    same(f"counts {word}: a refusal survived is no violent end",
         (rec.run["summary"]["exit_reason"], rec.run["summary"]["termination"]), ("EXITED(0)", "exited"))
    line = denials(rec)[0]
    same(f"counts {word}: the line", {k: line.get(k) for k in (
        "component", "sensor", "standing", "syscall", "error", "result", "action", "count", "allow")},
        {"component": "sandbox", "sensor": "seccomp", "standing": "observed", "syscall": "mount",
         "error": "EACCES", "result": -1, "action": "deny", "count": 1, "allow": "allow mount"})
    if not extra:
        spans = {e["span_id"]: e.get("ns_pid", e.get("pid")) for e in rec.events if e["event_type"] == "process"
                 and e["syscall"] == "start"}
        none("counts: each under the span of its process",
             [(e["ns_pid"], spans.get(e["span_id"])) for e in denials(rec) if spans.get(e["span_id"]) != e["ns_pid"]])
    none("counts: the trace is well-formed", rec.problems)


def arguments():
    rec = record(PROBE, "arguments")
    got = [(e["syscall"], e["args"], e["error"], e.get("args_as_seen", False)) for e in denials(rec)]
    want = [
        ("socket", ["AF_INET", "SOCK_DGRAM|SOCK_CLOEXEC", "IPPROTO_UDP"], "EPERM", False),
        ("openat", ["AT_FDCWD", "/etc/forbidden?token=***", "O_RDWR|O_EXCL"], "EROFS", True),
        ("setns", ["fd:9", "CLONE_NEWNS"], "EPERM", False),
        ("chroot", ["NULL"], "EPERM", False),
        ("chroot", ["0x10000000000"], "EPERM", False),
    ]
    same("arguments: decoded", got[1:], want)
    mount = got[0]
    same("arguments: text that is no UTF-8", (mount[1][1], mount[1][3]), ("/srv/\ufffd", "MS_RDONLY|MS_NOSUID"))
    allow = {e["syscall"]: e["allow"] for e in denials(rec)}
    same("arguments: what would allow it", (allow["socket"], allow["chroot"]),
         ("allow socket when arg0 == AF_INET", "allow chroot"))


def odd_names():
    path = os.path.join(tt.BUILD, f"od\n\\d{os.getpid()}"[:15])
    os.symlink(PROBE, path)
    try:
        rec = record(path, "arguments")
    finally:
        os.unlink(path)
    same("a name with a newline: as it is, at every call", {e["comm"] for e in denials(rec)}, {os.path.basename(path)})


def quiet_and_logged():
    rec = record(PROBE, "quiet")
    summary = rec.run["summary"]
    same("quiet: refused, and no violation", (rec.status, summary["blocked_syscalls"], summary["quiet_syscalls"],
                                              summary["blocked_syscall"], rec.run["blocked"]), (0, 0, 9, None, []))
    same("quiet: apart", [(b["syscall"], b["count"], b["error"]) for b in rec.run["quiet"]], [("socket", 9, "EXDEV")])
    rec = record(PROBE, "logged")
    same("log: the calls took place", rec.status, 0)
    same("log: and are told of", (rec.run["summary"]["logged_syscalls"], rec.run["summary"]["blocked_syscalls"],
                                  [(b["syscall"], b["count"], b["action"]) for b in rec.run["logged"]]),
         (4, 0, [("getpriority", 4, "log")]))
    same("log: no error, no result", {(e.get("error"), e["result"]) for e in denials(rec)}, {(None, None)})


def kills():
    for case in "kill", "kill-thread":
        rec = record(PROBE, case)
        summary = rec.run["summary"]
        same(f"{case}: status, reason, termination", (rec.status, summary["exit_reason"], summary["termination"],
                                                      summary["exit_code"]),
             (159, "SECURITY_VIOLATION", "killed_by_policy", None))
        same(f"{case}: the call is known", [(b["syscall"], b["action"], b["count"], b["error"], b["args"][0])
                                            for b in rec.run["blocked"]],
             [("ptrace", "kill", 1, None, "PTRACE_ATTACH")])
        shown = subprocess.run([tt.TELLTALE, "show", os.path.dirname(rec.path)], capture_output=True, timeout=20)
        check(f"{case}: show says so", b"stopped by its profile at ptrace" in shown.stdout and
              b"to allow it: allow ptrace when arg0 == 16" in shown.stdout, shown.stdout.decode() + str(shown.stderr))
    rec = record(PROBE, "kill-child")
    same("a killed child: the command goes on", (rec.status, rec.stdout, rec.run["summary"]["exit_reason"]),
         (3, b"signal 9\n", "EXITED(3)"))
    same("... and it is a violation in the record", (rec.run["summary"]["blocked_syscalls"],
                                                     rec.run["blocked"][0]["action"]), (1, "kill"))


def memory_kb(pid):
    for line in tt.read(f"/proc/{pid}/status").decode().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def watched(n, times):
    """The largest resident set of telltale while the probe floods, and the record."""
    p, folder = tt.start(["/bin/sh", "-c", f"{PROBE} flood {times} & {PROBE} flood {times}; wait"],
                         ["--profile", PROFILE])
    peak, end = 0, time.monotonic() + n
    while p.poll() is None and time.monotonic() < end:
        try:
            peak = max(peak, memory_kb(p.pid))
        except OSError:
            pass
        time.sleep(0.02)
    if p.poll() is None:
        p.kill()
    p.wait()
    return peak, json.loads(tt.read(tt.one(folder + "/run_*.json"))), tt.one(folder + "/trace_*.jsonl")


def flood():
    base, _, _ = watched(60, 100)
    peak, run, trace = watched(120, 150000)
    same("flood: 300000 denials, none missed", run["summary"]["blocked_syscalls"], 300000)
    problems = []
    lines = [e for e in tt.each_event(trace, problems) if e["event_type"] == "denied"]
    same("flood: the lines say as many", count_of(lines), 300000)
    check("flood: few lines", len(lines) < 200, len(lines))
    none("flood: whole lines", problems)
    # the queue, its stack and the call sites; the ring of the library is the same in both
    check("flood: telltale does not grow", peak < base + 16 * 1024, f"{base} KiB, then {peak} KiB")


def hostile_timing():
    rec = record(PROBE, "storm", "20000")
    same("a storm of signals: each call counts once", (rec.status, rec.run["summary"]["blocked_syscalls"]), (0, 20000))
    rec = record(PROBE, "die", "200", options=["--no-preload"])
    same("200 processes killed while they call: the run ends", rec.status, 0)
    same("... and lines and totals agree", count_of(denials(rec)), rec.run["summary"]["blocked_syscalls"])


def stream():
    r, w = os.pipe()
    folder = tt.scratch(0o777)
    p = subprocess.Popen([tt.TELLTALE, "run", "--no-kernel", "--profile", PROFILE, "--output-dir", folder, "--denials-fd", str(w), "--",
                          "/bin/sh", "-c", f"ls /proc/self/fd | tr '\\n' ' '; {PROBE} counts >/dev/null; {PROBE} quiet"],
                         env=tt.clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         pass_fds=[w])
    os.close(w)
    out, _ = p.communicate(timeout=60)
    text = b""
    while chunk := os.read(r, 65536):
        text += chunk
    os.close(r)
    lines = [json.loads(line) for line in text.decode().splitlines()]
    same("stream: violations only, all of them", sum(x["count"] for x in lines), 47)
    same("stream: the code is stable", {x["code"] for x in lines}, {"TT-DENY-mount"})
    same("stream: the keys", list(lines[0]), ["ts", "code", "action", "error", "errno", "syscall", "args", "pid", "tid",
                                              "ns_pid", "comm", "chain", "count", "profile", "allow"])
    deep = [x for x in lines if x["comm"] == "grandkid"][0]
    same("stream: the chain of processes", [c["comm"] for c in deep["chain"]], ["grandkid", "kid", "denials_probe", "sh"])
    same("stream: begins with the process itself", deep["chain"][0]["pid"], deep["pid"])
    fds = {int(x) for x in out.split()}
    check("stream: the command has no such fd", w not in fds, fds)
    full_r, full_w = os.pipe()
    rec = record(PROBE, "counts", options=["--denials-fd", str(full_w)], pass_fds=[full_w])
    same("stream: a reader that does not read stops nobody", rec.status, 0)
    os.close(full_r)
    rec = record(PROBE, "counts", options=["--denials-fd", str(full_w)], pass_fds=[full_w])
    same("stream: nor one that is gone", (rec.status, rec.run["summary"]["blocked_syscalls"]), (0, 47))
    os.close(full_w)
    for bad in "x", "-1", "987":
        rec = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--denials-fd", bad, "--", "true"], capture_output=True, timeout=20,
                             env=tt.clean_env())
        check(f"--denials-fd {bad}: refused", rec.returncode == 125 and b"--denials-fd" in rec.stderr, rec)


def launches():
    """No rule can hang a launch, not even one against the calls that the launch itself makes."""
    path = os.path.join(FOLDER, "nothing.profile")
    with open(path, "w", encoding="utf-8") as f:
        f.write(RULES + "deny EPERM execve execveat sendto\n")
    rec = record("/bin/sh", "-c", "/bin/true; echo $?", profile=path, options=["--no-preload"])
    same("a profile without execve: the launch's own passes, others do not", (rec.status, rec.stdout), (0, b"126\n"))
    check("... and is told of", any(b["syscall"] == "execve" for b in rec.run["blocked"]), rec.run["blocked"])
    with open(path, "w", encoding="utf-8") as f:
        f.write(RULES + "deny EPERM execve exit_group exit futex sendto write\nkill newfstatat\n")
    for command, status in ("/nonexistent/x", 127), ("no-such-program-here", 127), ("/etc/passwd", 126):
        folder = tt.scratch(0o777)
        p = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--profile", path, "--output-dir", folder, "--", command],
                           capture_output=True, timeout=20, env=tt.clean_env(PATH="/usr/bin:/bin"))
        same(f"a launch of {command} under such a profile fails as ever", p.returncode, status)


def first_calls():
    """What the launch may do, the program may not: not even with its very first call."""
    static = tt.program("denials_first")
    folder = tt.scratch(0o777)
    wrong = []
    for i in range(150):
        for program in [static], [PROBE, "first"]:
            p = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--profile", PROFILE, "--no-preload", "--output-dir", folder, "--",
                                *program], env=tt.clean_env(), timeout=20, capture_output=True)
            if p.returncode != 0:
                wrong.append((i, program, p))
    none("the first call of 300 programs: refused", wrong)


def dead_recorder():
    """SIGKILL of telltale: what the command asks for from then on fails; and then it is gone, too."""
    for name, profile in ("", PROFILE), (" (a filter alone)", bare_profile()):
        r, w = os.pipe()
        p, _ = tt.start([PROBE, "survive"], ["--profile", profile, "--no-preload"], stdout=w)
        os.close(w)
        rest, ended = b"".join(os.read(r, 4096) for _ in range(5)), False
        p.kill()
        p.wait()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            chunk = os.read(r, 65536)
            if not chunk:
                ended = True
                break
            rest += chunk
        os.close(r)
        check(f"telltale killed{name}: the sandbox ends", ended)
        lines = set(rest.decode().splitlines())
        check("... and no call went through", lines and lines <= {"-1 13", "-1 38"}, lines)


def bare_profile():
    """No walls but the filter: the command has no PID namespace, and its init is not PID 1."""
    path = os.path.join(FOLDER, "bare.profile")
    with open(path, "w", encoding="utf-8") as f:
        f.write("default allow\nno-new-privs yes\ndeny EACCES mount\nkill ptrace when arg0 == 16\n")
    return path


def bare():
    rec = record(PROBE, "counts", profile=bare_profile())
    same("a filter alone: counts", (rec.status, rec.run["summary"]["blocked_syscalls"]), (0, 47))
    check("a filter alone: pids are the caller's", all("ns_pid" not in e for e in denials(rec)), denials(rec)[:1])
    rec = record(PROBE, "kill", profile=bare_profile())
    same("a filter alone: kill", (rec.status, rec.run["summary"]["termination"]), (159, "killed_by_policy"))


def nested():
    """The kernel allows one listener: the inner run says so, and starts nothing."""
    inner = [tt.TELLTALE, "run", "--no-kernel", "--no-preload", "--profile", bare_profile(), "--output-dir", tt.scratch(), "--", "/bin/echo", "x"]
    rec = record(*inner, profile=bare_profile(), options=["--no-preload"])
    check("a sandbox in the sandbox says why not",
          (rec.status, rec.stdout) == (125, b"") and b"an outer sandbox answers" in rec.stderr, (rec.status, rec.stderr))


def as_user():
    """The same without any right: a user namespace lends those that the sandbox needs."""
    if os.getuid() != 0:
        return
    who = {"user": 65534, "group": 65534, "extra_groups": []}
    rec = record(PROBE, "counts", **who)
    if rec.status == 125:
        tt.skip("as a user", rec.stderr.decode(errors="replace")[:200])
        return
    same("as a user: counts", (rec.status, rec.run["summary"]["blocked_syscalls"]), (0, 47))
    same("as a user: names", {b["comm"] for b in rec.run["blocked"]}, {"denials_probe", "kid", "grandkid"})
    rec = record(PROBE, "kill", **who)
    same("as a user: kill", (rec.status, rec.run["summary"]["exit_reason"]), (159, "SECURITY_VIOLATION"))
    rec = record(PROBE, "arguments", **who)
    check("as a user: arguments", any("/etc/forbidden?token=***" in e["args"] for e in denials(rec)), denials(rec))


def schemas():
    if not jsonschema:
        tt.skip("schemas", "no python3-jsonschema")
        return
    for kind, objects in ("event", [e for rec in seen for e in denials(rec)]), ("run", [rec.run for rec in seen]):
        printed = subprocess.run([tt.TELLTALE, "schema", kind], capture_output=True, timeout=20)
        validator = jsonschema.Draft202012Validator(json.loads(printed.stdout))
        none(f"schema {kind}: {len(objects)} objects fit", [e.message[:300] for o in objects for e in validator.iter_errors(o)])


def must_work():
    for command in (["/bin/echo", "x"], ["/bin/ls", "-la", "/"], ["/bin/cat", "/etc/hostname"], ["/usr/bin/sort", "/etc/passwd"],
                    ["/usr/bin/python3", "-c", "print(1)"], ["/bin/sleep", "0.1"]):
        if not os.path.exists(command[0]):
            continue
        rec = record(*command, profile="STRICT")
        same(f"STRICT: {' '.join(command)[:40]}: no violation",
             (rec.status, rec.run["summary"]["blocked_syscalls"], rec.run["blocked"]), (0, 0, []))


def numbers():
    """A process that is gone before anybody looks has no number but its own one in the sandbox."""
    rec = tt.record("recorder", ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do (/bin/true; /bin/true) & done; wait"],
                    options=["--profile=RESOURCE-AWARE", "--degrade"])
    lines = [e for e in rec.events if e.get("sensor") == "preload"]
    same("numbers: recorded", (rec.status, len(lines) > 20), (0, True))
    none("numbers: pid is ours, ns_pid its own", [e for e in lines if "pid" in e and "ns_pid" not in e])


CASES = [counts, lambda: counts(("--no-preload",)), numbers, arguments, odd_names, quiet_and_logged, kills, flood,
         hostile_timing, stream, launches, first_calls, dead_recorder, bare, nested, as_user, must_work, schemas]
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
usable()
for case in CASES:
    if len(sys.argv) < 2 or getattr(case, "__name__", "") in sys.argv[1:]:
        case()
tt.done()
