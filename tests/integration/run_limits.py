#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Limits of a run: each really run into, by group and without one, and those that nothing enforces refused by name."""
import json
import os
import pwd
import shutil
import signal
import subprocess
import time

import tt
from tt import check, none, same

PROBE = tt.program("run_probe")
HIDDEN = tt.BUILD.startswith(("/tmp/", "/var/tmp/", "/dev/"))
seen = []


def run(*command, limits=(), options=(), words=(), timeout=60):
    folder = tt.scratch(0o777)
    line = [*words, tt.TELLTALE, "run", "--no-kernel", *[f"--limit={x}" for x in limits], *options, "--output-dir", folder, "--", *command]
    done = subprocess.run(line, env=tt.clean_env(HOME=folder), timeout=timeout, stdin=subprocess.DEVNULL,
                          capture_output=True, cwd=folder)
    paths = [p for p in os.listdir(folder) if p.startswith("run_")]
    doc = json.loads(tt.read(os.path.join(folder, paths[0]))) if paths else None
    seen.append(doc)
    return done, doc


def asked(doc, name):
    return next((x for x in doc["limits"]["asked"] if x["name"] == name), None)


def ends(doc):
    return doc["summary"]["exit_reason"], doc["limits"]["hit"]


def controllers():
    """What groups can be made with here, as the program itself sees it."""
    found = set()
    for name, value in (("memory", "64M"), ("pids", "50"), ("cpu", "100%"), ("read", "1G"), ("write", "1G")):
        done, doc = run("true", limits=[f"{name}={value}"])
        if done.returncode == 0 and not asked(doc, name)["enforced"].startswith("the recorder"):
            found.add(name)
    return found


def user_words():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return None
    nobody = pwd.getpwnam("nobody")
    words = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return words if subprocess.run([*words, tt.TELLTALE, "--version"], capture_output=True,
                                   timeout=20).returncode == 0 else None


def memory(have):
    for name, options in [("OFF", [])] + ([] if HIDDEN else [("STRICT", ["--profile=STRICT"])]):
        if "memory" not in have:
            tt.skip(f"{name}: memory by group", "no memory controller for a group here")
            continue
        done, doc = run(PROBE, "memory", "200", "1", limits=["memory=50M"], options=options)
        same(f"{name}: more than the limit on memory is OOM_KILLED, and says by which limit",
             (done.returncode, ends(doc)), (137, ("OOM_KILLED", ["memory"])))
        check("... the group's peak is the limit", 49 << 10 <= doc["summary"]["peak_memory_kb"] <= 50 << 10, doc["summary"])
        same("... what was asked is told", (asked(doc, "memory")["memory_bytes"], asked(doc, "memory")["hit"]),
             (50 << 20, True))
        done, doc = run(PROBE, "touch", "30", limits=["memory=50M"], options=options)
        same("... less than it is not", (done.returncode, ends(doc)), (0, ("EXITED(0)", [])))
    if "memory" in have:
        _, doc = run("sh", "-c", f"'{PROBE}' memory 200 1; exit $?", limits=["memory=50M"])
        same("a shell that passes its child's end on", (ends(doc), doc["summary"]["exit_code"]),
             (("OOM_KILLED", ["memory"]), 137))
        _, doc = run("sh", "-c", f"'{PROBE}' memory 200 1; exit 0", limits=["memory=50M"])
        same("... and one that gets over it", ends(doc), ("EXITED(0)", ["memory"]))
    done, doc = run(PROBE, "memory", "200", "1", limits=["memory=50M"], options=["--no-cgroup"])
    same("without a group the recorder sees to it", (done.returncode, ends(doc)), (137, ("OOM_KILLED", ["memory"])))
    done, doc = run(PROBE, "share", "30", "6", limits=["memory=50M"], options=["--no-cgroup"])
    same("... what processes share counts once", (done.returncode, ends(doc)), (0, ("EXITED(0)", [])))
    check("... and it is said who", asked(doc, "memory")["enforced"].startswith("the recorder"), asked(doc, "memory"))


def pids(have):
    if "pids" not in have:
        tt.skip("pids by group", "no pids controller for a group here")
        return
    many = "n=0; for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & n=$((n+1)); done; wait; echo $n"
    done, doc = run("sh", "-c", many, limits=["pids=4"])
    one = asked(doc, "pids")
    check("no more processes than allowed", doc["limits"]["hit"] == ["pids"] and one["refused"] >= 1, doc["limits"])
    check("... and not fewer", doc["summary"]["peak_processes"] <= 4 and doc["summary"]["processes"] == 4, doc["summary"])
    done, doc = run("sh", "-c", "sleep 0.1 & sleep 0.1 & sleep 0.1 & wait", limits=["pids=4"])
    same("as many as allowed", (done.returncode, ends(doc), asked(doc, "pids")["refused"]), (0, ("EXITED(0)", []), 0))
    # each makes two, seven times over: were it not held, it would end by itself
    bomb = "f() { if [ $1 -gt 0 ]; then f $(($1-1)) & f $(($1-1)) & fi; sleep 0.3; }; f 7; sleep 1"
    started = time.monotonic()
    done, doc = run("sh", "-c", bomb, limits=["pids=20", "wall=3s"], options=["--orphans=wait:0.1s"])
    check("a fork bomb is held", "pids" in doc["limits"]["hit"] and doc["summary"]["peak_processes"] <= 20 and
          time.monotonic() - started < 20, (doc["limits"], doc["summary"]["peak_processes"]))


def cpu(have):
    if "cpu" not in have:
        tt.skip("cpu by group", "no cpu controller for a group here")
        return
    _, doc = run(PROBE, "burn", "400", limits=["cpu=50%"])
    s = doc["summary"]
    check("half a CPU takes twice as long", s["runtime_ms"] >= 650 and s["exit_reason"] == "EXITED(0)", s)


def watched(options, name):
    done, doc = run(PROBE, "burn", "20000", limits=["cpu-time=300ms"], options=options)
    s = doc["summary"]
    same(f"{name}: CPU time is up", (done.returncode, ends(doc)), (137, ("POLICY_ADAPTATION_KILL", ["cpu_time"])))
    check("... soon after", 300 <= s["user_ms"] + s["system_ms"] <= 1000, (s["user_ms"], s["system_ms"]))
    _, doc = run("sh", "-c", f"for i in $(seq 99); do '{PROBE}' burn 60; done & sleep 9",
                 limits=["cpu-time=300ms"], options=options)
    s = doc["summary"]
    same("... of short children together", ends(doc), ("POLICY_ADAPTATION_KILL", ["cpu_time"]))
    check("... all of whom are ended", 300 <= s["user_ms"] + s["system_ms"] <= 1500 and s["runtime_ms"] < 8000, s)
    done, doc = run("sh", "-c", f"'{PROBE}' burn 20000 & exit 3", limits=["cpu-time=300ms"], options=options)
    same("... what the command left behind is not the command", (done.returncode, ends(doc)), (3, ("EXITED(3)", ["cpu_time"])))
    done, doc = run(PROBE, "burn", "100", limits=["cpu-time=2s", "major-faults=100000"], options=options)
    same("... less of it is fine", (done.returncode, ends(doc)), (0, ("EXITED(0)", [])))
    file = os.path.join(tt.scratch(0o777), "file")
    want = subprocess.run(["/usr/bin/time", "-f", "%F", PROBE, "faults", "3000", file], capture_output=True, timeout=60,
                          check=False).stderr.split()
    if not want or int(want[-1]) < 2000:
        tt.skip("major faults", f"none can be made in '{file}'")
        return
    done, doc = run("sh", "-c", f"'{PROBE}' faults 3000 {file}; exec '{PROBE}' sleep 9000", limits=["major-faults=1000"],
                    options=options)
    same("major faults are too many", (done.returncode, ends(doc)), (137, ("POLICY_ADAPTATION_KILL", ["major_faults"])))


def wall():
    started = time.monotonic()
    done, doc = run("sleep", "30", limits=["wall=300ms"])
    same("the time on the wall", (done.returncode, ends(doc)), (124, ("TIMEOUT", ["wall"])))
    check("... at once", time.monotonic() - started < 4)
    done, doc = run("sh", "-c", "sleep 30 & exit 3", limits=["wall=300ms"], options=["--orphans=wait:50s"], timeout=20)
    same("... is up for what outlives the command, too", (done.returncode, ends(doc), doc["limits"]["orphans_ended"]),
         (3, ("EXITED(3)", ["wall"]), True))
    done, doc = run("sleep", "30", limits=["wall=20s"], options=["--timeout=300ms"])
    same("... and a shorter time-out", (done.returncode, ends(doc)), (124, ("TIMEOUT", ["timeout"])))


def without(words):
    """What nothing here can enforce is refused by name."""
    for name, value in (("cpu", "50%"), ("pids", "5"), ("read", "1M"), ("write", "1M")):
        marker = os.path.join(tt.scratch(0o777), "ran")
        done, doc = run("touch", marker, limits=[f"{name}={value}"], options=["--no-cgroup"], words=words)
        check(f"limit '{name}' that nothing enforces: refused by name", done.returncode == 125 and
              f"limit '{name}'".encode() in done.stderr and not os.path.exists(marker), (done.returncode, done.stderr))
        same("... run.json says so", (doc["summary"]["exit_reason"], asked(doc, name)["enforced"]), ("LAUNCH_FAILED", None))
        done, doc = run("true", limits=[f"{name}={value}", f"{name}=none"], options=["--no-cgroup"], words=words)
        same("... and with =none it runs", (done.returncode, doc["limits"]["asked"]), (0, []))


def as_user(words):
    if not words:
        tt.skip("as an ordinary user", "no way to become one who can reach the build folder")
        return
    without(words)
    done, doc = run(PROBE, "memory", "200", "1", limits=["memory=50M"], words=words)
    same("an ordinary user's limit on memory", (done.returncode, ends(doc)), (137, ("OOM_KILLED", ["memory"])))
    done, doc = run(PROBE, "burn", "9000", limits=["cpu-time=200ms"], words=words)
    same("... and on CPU time", (done.returncode, ends(doc)), (137, ("POLICY_ADAPTATION_KILL", ["cpu_time"])))


def confined(words, have):
    """A profile that confines: by group as root, by RLIMIT_NPROC in the user namespace as an ordinary user."""
    ways = [("root", [], "pids.max")] if "pids" in have and os.geteuid() == 0 else []
    ways += [("nobody", words, "RLIMIT_NPROC in the user namespace")] if words else []
    for name, before_it, how in ways:
        options = ["--profile=RESOURCE-AWARE"]
        done, doc = run("sh", "-c", "for i in 1 2 3 4; do sleep 0.1 & done; wait; echo four", limits=["pids=5"],
                        options=options, words=before_it)
        if done.returncode == 125:
            tt.skip(f"RESOURCE-AWARE as {name}", done.stderr.decode()[:200])
            continue
        same(f"RESOURCE-AWARE as {name}: as many processes as allowed", (done.stdout, asked(doc, "pids")["enforced"]),
             (b"four\n", how))
        done, doc = run("sh", "-c", "for i in 1 2 3 4 5; do sleep 0.1 & done; wait; echo five", limits=["pids=5"],
                        options=options, words=before_it)
        check("... and not one more", b"five" not in done.stdout and b"ork" in done.stderr and
              doc["summary"]["peak_processes"] <= 5, (done.stdout, done.stderr, doc["summary"]["processes"]))


def delegated(words):
    """Groups that were given to an ordinary user: a run of his has its own below them."""
    made, uid = [], pwd.getpwnam("nobody").pw_uid
    name = f"test-delegated-{os.getpid()}"
    for line in tt.read("/proc/self/cgroup").decode().splitlines():
        _, which, path = line.split(":", 2)
        mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] if not which else [f"/sys/fs/cgroup/{which}"]
        for mount in mounts if which in ("", "memory", "pids") else []:
            folder = os.path.join(mount + path, name)
            try:
                os.mkdir(folder)
            except OSError:
                continue
            if not os.path.exists(os.path.join(folder, "cgroup.procs")):
                os.rmdir(folder)
                continue
            made.append(folder)
            for file in ("", "cgroup.procs", "tasks", "cgroup.subtree_control", "cgroup.threads"):
                if os.path.exists(os.path.join(folder, file)):
                    os.chown(os.path.join(folder, file), uid, -1)
    if not words or not any("/memory/" in x for x in made) or not any("/pids/" in x for x in made):
        tt.skip("delegated groups", "none can be made here")
    else:
        inside = ["sh", "-c", "for d in $0; do echo $$ >$d/cgroup.procs || exit 99; done; exec \"$@\"", " ".join(made)]
        done, doc = run(PROBE, "memory", "200", "1", limits=["memory=50M", "pids=9"], words=[*inside, *words])
        same("delegated groups: an ordinary user's limit on memory", (done.returncode, ends(doc)),
             (137, ("OOM_KILLED", ["memory"])))
        same("... by the kernel", [x["enforced"] for x in doc["limits"]["asked"]], ["memory.limit_in_bytes", "pids.max"])
        check("... and exact figures", doc["sources"]["peak_memory_kb"].startswith("memory.max_usage_in_bytes"), doc["sources"])
        none("... and nothing left", [x for d in made for x in os.listdir(d) if x.startswith("telltale-")])
    for folder in made:
        tt.wait_for(lambda: not tt.read(os.path.join(folder, "cgroup.procs")), 5)
        os.rmdir(folder)


def words_that_are_none():
    for word in ("memory", "memory=", "memory=-1", "memory=1X", "memory=99999999T", "cpu=0", "pids=0", "pids=1.5",
                 "memory=0", "read=0", "write=0K", "wall=0", "cpu-time=x", "colour=red", "=5", ""):
        done = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--limit", word, "--", "true"], capture_output=True, timeout=20)
        check(f"--limit '{word}' is refused", done.returncode == 125 and b"limit" in done.stderr, done)


def killed_recorder():
    """Its group outlives it with the command; the next run clears it away when that is gone."""
    p, folder = tt.start([PROBE, "sleep", "1000"])
    tt.wait_for(lambda: any(x.startswith("trace_") for x in os.listdir(folder)))
    run_id = os.listdir(folder)[0].split("_")[2].removesuffix(".jsonl")
    tt.wait_for(lambda: tt.read(f"/proc/{p.pid}/task/{p.pid}/children"))
    child = int(tt.read(f"/proc/{p.pid}/task/{p.pid}/children").split()[0])
    os.kill(p.pid, signal.SIGKILL)
    p.wait(20)
    mine = lambda: {g for g in tt.left_groups() if run_id in g}
    first = mine()
    run("true")
    if not first:
        tt.skip("a recorder that is killed", "no group can be made here")
        return
    same("another run leaves a group alone that has processes", mine(), first)
    tt.wait_for(lambda: tt.state_of(child) in (None, "Z"))
    run("true")
    check("... and clears it away when it is empty", tt.wait_for(lambda: not mine(), 1) or (run("true") and not mine()),
          mine())


before = tt.left_groups()
have = controllers()
memory(have)
pids(have)
cpu(have)
watched([], "by group")
watched(["--no-cgroup"], "by /proc")
wall()
without([])
as_user(user_words())
confined(user_words(), have)
if os.geteuid() == 0:
    delegated(user_words())
words_that_are_none()
killed_recorder()
none("no group is left", tt.left_groups() - before)
tt.done()
