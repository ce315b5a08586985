#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`telltale run`: exit statuses and messages, what the command inherits, ids, hostile names."""
import glob
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time

import tt
from tt import check, none, same

PROBE = tt.program("run_probe")


def run(*words, env=None, timeout=30, **popen):
    """telltale run WORDS with an output folder of its own, unless the words name one. (status, stderr, folder)"""
    folder = tt.scratch(0o777)
    options = [] if "--output-dir" in words else ["--output-dir", folder]
    popen.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([tt.TELLTALE, "run", "--no-kernel", *options, *words], env=env or tt.clean_env(), timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)
    return done.returncode, done.stderr.decode("utf-8", "replace"), folder


def document(folder):
    return json.loads(tt.read(tt.one(os.path.join(folder, "run_*.json"))))


def script(folder, name, text, mode):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def status_of_commands():
    for code in (0, 1, 2, 7, 124, 125, 126, 127, 255):
        status, err, folder = run("--", "sh", "-c", f"exit {code}")
        doc = document(folder)["summary"]
        same(f"exit {code} is the command's own, and nothing is said",
             (status, err, doc["exit_code"], doc["exit_reason"], doc["termination"]),
             (code, "", code, f"EXITED({code})", "exited"))
    for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR1, signal.SIGPIPE, signal.SIGRTMIN):
        status, err, folder = run("--", "sh", "-c", f"ulimit -c 0; kill -{int(sig)} $$")
        doc = document(folder)["summary"]
        same(f"signal {int(sig)} becomes 128+n",
             (status, err, doc["exit_code"], doc["exit_reason"], doc["termination"]),
             (128 + sig, "", None, "SIGNALED", "signaled"))


def time_outs():
    started = time.monotonic()
    status, err, folder = run("--timeout", "300ms", "--", "sleep", "20")
    doc = document(folder)
    same("a time-out gives 124", (status, doc["summary"]["exit_reason"], doc["summary"]["termination"],
                                  doc["limits"]["hit"]), (124, "TIMEOUT", "timeout", ["timeout"]))
    check("... at once when TERM is heeded", time.monotonic() - started < 3, time.monotonic() - started)
    status, err, folder = run("--timeout", "0.2s", "--", "sh", "-c", "kill -STOP $$; exit 3")
    same("a stopped command can be timed out", status, 124)
    started = time.monotonic()
    status, err, folder = run("--timeout", "300ms", "--", "sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    took = time.monotonic() - started
    same("a command that ignores TERM is killed: 124", status, 124)
    check("... 5 s later", 5 <= took < 9, took)
    status, err, folder = run("--timeout", "20s", "--", "sh", "-c", "exit 4")
    same("a time-out that is not reached changes nothing", status, 4)


def refusals():
    folder = tt.scratch()
    plain = script(folder, "plain", "echo hi\n", 0o755)
    lost = script(folder, "lost", "#!/no/such/interpreter\n", 0o755)
    data = script(folder, "data", "x\n", 0o644)
    not_folder = os.path.join(plain, "x")
    cases = [
        # words, status, what the message must name, whether there is a record
        (["--profile", "NOPE", "--", "true"], 125, "NOPE", False),
        (["--bogus", "--", "true"], 125, "--bogus", False),
        (["--timeout", "soon", "--", "true"], 125, "soon", False),
        (["--timeout", "-1s", "--", "true"], 125, "-1s", False),
        (["--orphans", "adopt", "--", "true"], 125, "adopt", False),
        (["--session", "a b", "--", "true"], 125, "a b", False),
        (["--session"], 125, "--session", False),
        ([], 125, "no command", False),
        (["--"], 125, "no command", False),
        (["--output-dir", "/proc/nope", "--", "true"], 125, "/proc/nope", False),
        (["--output-dir", not_folder, "--", "true"], 125, plain, False),
        (["--", "/etc"], 126, "/etc", True),
        (["--", data], 126, data, True),
        (["--", plain], 126, plain, True),
        (["--", lost], 126, lost, True),
        (["--", os.path.join(folder, "missing")], 127, os.path.join(folder, "missing"), True),
        (["--", "no-such-command-here"], 127, "no-such-command-here", True),
        (["--", ""], 127, "''", True),
        (["--profile=STRICT", "--", "no-such-command-here"], 127, "no-such-command-here", True),
        (["--profile=STRICT", "--", "/etc"], 126, "/etc", True),
    ]
    for words, want, name, recorded in cases:
        status, err, out = run(*words)
        title = " ".join(w.replace(folder, "DIR") for w in words)
        same(f"run {title}: {want}", status, want)
        lines = err.splitlines()
        ours = [x for x in lines if x.startswith("telltale run: ")]
        check("... one clear message that names it", len(ours) == 1 and name in ours[0] and
              all(x.startswith(("telltale run: ", "see '")) for x in lines), err)
        if recorded:
            doc = document(out)
            same("... and a record of the attempt",
                 (doc["summary"]["exit_reason"], doc["summary"]["termination"], doc["summary"]["exit_code"],
                  doc["pid"], name in doc["error"]), ("LAUNCH_FAILED", "launch_failed", None, None, True))
    left = [p for p in glob.glob("/proc/self/task/*/children") if tt.read(p).strip()]
    none("no child is left behind", left)


def folders_that_fail():
    home = tt.scratch()
    for name, change in (("no XDG_STATE_HOME and no HOME", {"XDG_STATE_HOME": None, "HOME": None}),
                         ("a state folder that cannot be made", {"XDG_STATE_HOME": "/proc/nope"})):
        env = tt.clean_env()
        for key, value in change.items():
            env.pop(key, None)
            if value:
                env[key] = value
        done = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--", "true"], env=env, timeout=30, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        same(f"{name}: 125", done.returncode, 125)
        check("... and a message", done.stderr.startswith(b"telltale run: ") and done.stderr.count(b"\n") == 1,
              done.stderr)
    env = tt.clean_env(XDG_STATE_HOME=os.path.join(home, "a", "b"))
    done = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--", "true"], env=env, timeout=30, stdin=subprocess.DEVNULL,
                          umask=0)
    found = glob.glob(os.path.join(home, "a", "b", "telltale", "runs", "*", "*"))
    same("a state folder that is not there is made", (done.returncode, sorted(map(os.path.basename, found))),
         (0, ["run.json", "trace.jsonl"]))
    same("... files 0600, folders 0700, whatever the umask",
         sorted({oct(os.stat(p).st_mode & 0o7777) for p in found + [os.path.dirname(found[0])]}), ["0o600", "0o700"])


def full_disk():
    """A file size limit stands in for a full disk: every write beyond it fails."""
    hard = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))}
    soft = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))}
    command = ["--", "sh", "-c", "ls / >/dev/null; ls / >/dev/null; ulimit -f; exit 6"]
    same("a hard file size limit: no ring, 125, and the message says what to do",
         [x in run(*command, **hard)[1] for x in ("ring", "ulimit -f", "--no-preload")], [True] * 3)
    status, err, folder = run("--no-preload", *command, **hard)
    same("a record that cannot be written does not change the command's status", status, 6)
    check("... and is said, once", err.startswith("telltale run: write ") and err.count("\n") == 1, err)
    status, err, folder = run(*command, **soft)
    same("a soft limit is the command's, not the record's", (status, err), (6, ""))
    none("... the record is whole", tt.parse_trace(tt.read(tt.one(os.path.join(folder, "trace_*.jsonl"))))[1])
    if os.geteuid() != 0:
        tt.skip("a full disk at the start", "needs root for a mount")
        return
    full = tt.scratch()
    code = f"""mount -t tmpfs -o size=16k,nr_inodes=8 none {full} && head -c 1000000 /dev/zero >{full}/fill 2>/dev/null
        {tt.TELLTALE} run --output-dir {full} -- sh -c 'exit 7'; echo "status $?"
        rm {full}/fill; touch {full}/1 {full}/2 {full}/3 {full}/4 {full}/5 {full}/6 {full}/7 2>/dev/null
        {tt.TELLTALE} run --output-dir {full} -- sh -c 'exit 8'; echo "status $?" """
    done = subprocess.run(["unshare", "-m", "sh", "-c", code], env=tt.clean_env(), timeout=30,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if b"status" not in done.stdout:
        tt.skip("a full disk", f"no mount: {done.stderr[:100]!r}")
        return
    err = done.stderr.decode()
    same("a disk that is full: the command's status; no inode left at the start: 125",
         done.stdout.decode().split("\n")[:2], ["status 7", "status 125"])
    check("... each with a message", err.count("telltale run: ") == 2 and "No space left" in err, err)


def state_of(line, env, **popen):
    folder = tt.scratch(0o777)
    path = os.path.join(folder, "state")
    subprocess.run([*line, PROBE, "state", path], env=env, timeout=30, **popen)
    return [x for x in tt.read(path).decode("utf-8", "surrogateescape").splitlines()
            if "/memfd:telltale-ring" not in x]


def inheritance():
    def ignoring(*signals):
        def go():
            for s in signals:
                signal.signal(s, signal.SIG_IGN)
        return go

    def blocking():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGCHLD, signal.SIGRTMIN + 3])

    def limits():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 50))
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 4 << 20))

    def manners():
        os.umask(0o027)
        os.nice(5)
        os.chdir("/usr")

    def few_fds():
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

    ways = [
        ("plainly", {}),
        ("with SIGINT and SIGQUIT ignored", {"preexec_fn": ignoring(signal.SIGINT, signal.SIGQUIT)}),
        ("with SIGPIPE ignored", {"preexec_fn": ignoring(signal.SIGPIPE), "restore_signals": False}),
        ("with SIGCHLD ignored", {"preexec_fn": ignoring(signal.SIGCHLD)}),
        ("with SIGHUP, SIGTERM and SIGTSTP ignored",
         {"preexec_fn": ignoring(signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP)}),
        ("with signals blocked", {"preexec_fn": blocking}),
        ("under limits", {"preexec_fn": limits}),
        ("with 24 fds", {"preexec_fn": few_fds}),
        ("with umask, nice and cwd set", {"preexec_fn": manners}),
        ("with fds that the caller left open", {"close_fds": False}),
    ]
    r, w = os.pipe()
    os.set_inheritable(r, True)
    for name, popen in ways:
        popen.setdefault("stdin", subprocess.DEVNULL)
        env = tt.clean_env(ODD="x=y\nz")
        bare = state_of([], env, **popen)
        check(f"started {name}: the probe says something", len(bare) > 30, bare)
        for profile in ("OFF", "STRICT"):
            out = tt.scratch(0o777)
            if profile == "STRICT":
                # what is written below /tmp there stays there: STRICT's state comes out through stdout
                continue
            line = [tt.TELLTALE, "run", "--no-kernel", "--profile", profile, "--output-dir", out, "--"]
            got = state_of(line, env, **popen)
            none(f"started {name}: the command's state is as it was",
                 sorted(f"{sign} {x}" for sign, x in [("-", x) for x in set(bare) - set(got)] +
                        [("+", x) for x in set(got) - set(bare)]))
            runs = glob.glob(os.path.join(out, "run_*.json"))
            same("... and there is a record", len(runs), 1)
    os.close(r)
    os.close(w)


def closed_fds():
    for closed in itertools.chain.from_iterable(itertools.combinations((0, 1, 2), n) for n in (1, 2, 3)):
        def close_them(which=closed):
            for fd in which:
                os.close(fd)

        env = tt.clean_env()
        folder = tt.scratch()
        out = os.path.join(folder, "out")
        with open(out, "wb") as f:
            popen = {"stdin": subprocess.DEVNULL, "stdout": f, "stderr": f, "preexec_fn": close_them}
            bare = state_of([], env, **popen)
            for profile in ("OFF", "STRICT"):
                if profile == "OFF":
                    record = tt.scratch(0o777)
                    got = state_of([tt.TELLTALE, "run", "--no-kernel", "--output-dir", record, "--"], env, **popen)
                    same(f"{closed} closed: the command's fds are as they were",
                         [x for x in got if x.startswith("fd ")], [x for x in bare if x.startswith("fd ")])
                    trace = tt.read(tt.one(os.path.join(record, "trace_*.jsonl")))
                    events, problems = tt.parse_trace(trace)
                    none("... and the trace is whole", problems)
                # messages must go nowhere, least of all into the record
                record = tt.scratch(0o777)
                done = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--profile", profile, "--output-dir", record, "--",
                                       "no-such-command"], env=env, timeout=30, **popen)
                trace = tt.read(tt.one(os.path.join(record, "trace_*.jsonl")))
                same(f"{closed} closed, {profile}: a message does not end in the record",
                     (done.returncode, tt.parse_trace(trace)[1]), (127, []))
        if 0 in closed and 1 in closed and 2 in closed:
            same("nothing of ours came out", tt.read(out), b"")


def own_fds():
    """What telltale itself has on 0 to 2 while it runs, started with all three closed."""
    folder = tt.scratch(0o777)
    flag = os.path.join(folder, "flag")
    p = subprocess.Popen([tt.TELLTALE, "run", "--no-kernel", "--output-dir", folder, "--", "sh", "-c", f">'{flag}'; sleep 5"],
                         env=tt.clean_env(), preexec_fn=lambda: [os.close(fd) for fd in (0, 1, 2)])
    tt.wait_for(lambda: os.path.exists(flag))
    try:
        held = [os.readlink(f"/proc/{p.pid}/fd/{fd}") for fd in (0, 1, 2)]
        same("with 0, 1 and 2 closed, telltale holds /dev/null there", held, ["/dev/null"] * 3)
    finally:
        p.terminate()
        p.wait(20)


def output_is_untouched():
    blob = bytes(range(256)) * 300
    code = "cat; printf 'err\\000\\033[1m\\377' >&2; ls -la / >/dev/null; echo done; exit 3"
    bare = subprocess.run(["sh", "-c", code], input=blob, capture_output=True, timeout=30, env=tt.clean_env())
    for profile in ("OFF", "STRICT"):
        folder = tt.scratch(0o777)
        text = code if profile == "OFF" else "while :; do exit 3; done"
        want = bare if profile == "OFF" else subprocess.CompletedProcess([], 3, b"", b"")
        got = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--profile", profile, "--output-dir", folder, "--", "sh", "-c", text],
                             input=blob, capture_output=True, timeout=30, env=tt.clean_env())
        same(f"{profile}: status, stdout and stderr are byte for byte the command's",
             (got.returncode, got.stdout, got.stderr), (want.returncode, want.stdout, want.stderr))


def hostile_names():
    folder = tt.scratch()
    names = [b"quote\"s'", b"new\nline", b"esc\033[2J\007", b"not-\xff\xfe-utf8", b"back\\slash\\u0041", b"\xe2\x80\xae",
             b"  sp ", b"-dash", b"{\"ts\":1}\n{\"ts\":"]
    env = tt.clean_env()
    for name in names:
        path = os.path.join(folder.encode(), name)
        os.symlink("/bin/true", path)
        record = tt.scratch(0o777)
        done = subprocess.run([tt.TELLTALE.encode(), b"run", b"--output-dir", record.encode(), b"--", path,
                               b"arg " + name, name], env=env, timeout=30, stdin=subprocess.DEVNULL,
                              capture_output=True)
        events, problems = tt.parse_trace(tt.read(tt.one(os.path.join(record, "trace_*.jsonl"))))
        doc = document(record)
        same(f"a program called {name!r}: status, and every line is valid JSON",
             (done.returncode, done.stderr, problems), (0, b"", []))
        shown = path.decode("utf-8", "replace")
        same("... its name as it is", (doc["program"], events[0]["program"]), (shown, shown))
        same("... and its argv", (doc["argv"][2], events[0]["argv"][2]), (name.decode("utf-8", "replace"),) * 2)
        started = [e for e in events if e["syscall"] == "start" and e.get("how") == "exec"]
        same("... and the image's own", [e["argv"][2] for e in started], [name.decode("utf-8", "replace")])
        missing = subprocess.run([tt.TELLTALE.encode(), b"run", b"--output-dir", tt.scratch().encode(), b"--",
                                  path + b".missing"], env=env, timeout=30, stdin=subprocess.DEVNULL,
                                 capture_output=True)
        check("... a message about it is one line without control characters",
              missing.stderr.count(b"\n") == 1 and b"\033" not in missing.stderr and b"\007" not in missing.stderr,
              missing.stderr)


def words():
    for line, want in ((["sh", "-c", "exit 5"], 5), (["--", "sh", "-c", "exit 5"], 5),
                       (["--profile", "OFF", "sh", "-c", "exit 5"], 5), (["--profile=OFF", "sh", "-c", "exit 5"], 5),
                       (["sh", "-c", "exit $#", "--", "--profile", "a b"], 2),
                       (["--", "sh", "-c", "exit $#", "--", "--"], 1), (["--quiet", "env", "--", "true"], 0)):
        same(f"run {' '.join(line)}: the command begins where it should", run(*line)[0], want)
    status, err, _ = run("--", "--", "true")
    check("a second -- is the command's name", status == 127 and "'--'" in err, err)
    big = ["x" * 100000] * 10
    rec = tt.record("recorder", ["sh", "-c", "exit $#", "sh", *big])
    same("a megabyte of arguments goes through, and the trace is whole", (rec.status, rec.problems), (10, []))
    same("... and all are in run.json", len(rec.run["argv"]), 14)


def ids():
    rec = tt.record("recorder", ["true"])
    check("a session is made", rec.run["session_id"].startswith("ses_"), rec.run["session_id"])
    env = tt.clean_env(SUBSTRATE_SESSION_ID="from-env", SUBSTRATE_PARENT_SPAN="outer span \"x\"",
                       SUBSTRATE_WORLD_ID="w", SUBSTRATE_AGENT_ID="a", SUBSTRATE_POLICY_ID="p")
    seen = "env | grep -E '^(SUBSTRATE|TELLTALE|LD_PRE)' | sort"
    bare = subprocess.run(["sh", "-c", seen], env=env, capture_output=True, timeout=30).stdout
    rec = tt.record("recorder", ["sh", "-c", seen], env=env)
    same("the environment's session and ids are taken",
         sorted({(e["session_id"], e.get("world_id"), e.get("agent_id"), e.get("policy_id")) for e in rec.events}),
         [("from-env", "w", "a", "p")])
    same("... run.json too", rec.run["session_id"], "from-env")
    same("... the command sees its own names and nothing of ours", rec.stdout, bare)
    launch = [e for e in rec.events if e["syscall"] == "start" and e["how"] == "launch"]
    same("... and the run hangs below the outer span",
         [(e["parent_span"], e["span_id"]) for e in launch], [('outer span "x"', rec.run["span_id"])])
    rec = tt.record("recorder", ["true"], env=env, options=["--session", "from-option"])
    same("--session goes before the environment", {e["session_id"] for e in rec.events}, {"from-option"})


def nested():
    inner = tt.scratch(0o777)
    line = [tt.TELLTALE, "run", "--no-kernel", "--output-dir", inner, "--", "sh", "-c", "ls / >/dev/null; exit 9"]
    rec = tt.record("recorder", line)
    same("a nested run: the status goes through both", (rec.status, rec.stderr), (9, b""))
    doc = document(inner)
    events, problems = tt.parse_trace(tt.read(tt.one(os.path.join(inner, "trace_*.jsonl"))))
    none("... both traces are whole", problems + rec.problems)
    same("... the inner one keeps the outer session", doc["session_id"], rec.run["session_id"])
    outer_spans = {e["span_id"] for e in rec.events}
    check("... and hangs below a span of the outer one", events[0]["parent_span"] in outer_spans,
          (events[0]["parent_span"], outer_spans))
    starts = [e for e in events if e["syscall"] == "start" and e.get("exe", "").endswith("/ls")]
    same("... the inner run records what is inside", len(starts), 1)
    for name, one in (("outer", rec.events), ("inner", events)):
        none(f"... every span of the {name} trace ends once",
             [s for s in {e["span_id"] for e in one if e["event_type"] == "process"} if
              sum(e["span_id"] == s and e["syscall"] in ("exit", "replaced") for e in one) != 1])


status_of_commands()
refusals()
folders_that_fail()
full_disk()
words()
ids()
nested()
hostile_names()
output_is_untouched()
inheritance()
closed_fds()
own_fds()
time_outs()
tt.done()
