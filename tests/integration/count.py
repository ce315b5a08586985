#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale run --count: every system call of every process, exactly, and a command that does not notice."""
import json
import os
import pwd
import re
import shutil
import signal
import subprocess

import tt
from tt import check, none, same

PROBE = tt.program("count_probe")
COUNT = ["--no-preload", "--count=ptrace"]
N = 200


KERNEL = ["--no-preload", "--count=kernel"]


def record(*command, options=(), **more):
    return tt.record("recorder", list(command), options=COUNT + list(options), **more)


def known(name, words=(), count=("--no-kernel", *COUNT), **more):
    """The counts of the probe, run by telltale behind @words."""
    folder = tt.scratch(0o777)
    done = subprocess.run([*words, tt.TELLTALE, "run", *count, "--output-dir", folder, "--", PROBE, "known", str(N)],
                          env=tt.clean_env(HOME=folder), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, **more)
    if not check(f"{name}: the command runs", done.returncode == 0, done.stdout + done.stderr):
        return
    total, foreign = map(int, done.stdout.split())
    run = json.loads(tt.read(tt.one(os.path.join(folder, "run_*.json"))))
    calls = run["syscalls"]
    same(f"{name}: each call of threads, children, grandchildren, after vfork and after a thread's exec, once",
         calls["getppid"], total)
    same("... those of another ABI apart", calls.get("foreign_abi", 0), foreign)
    same("... the sum is theirs", run["summary"]["total_syscalls"], sum(calls.values()))
    same("... programs that were executed", calls["execve"], 3)
    source = run["sources"]["syscalls"]
    check("... no lower bound, and the source is said",
          re.search(r"each took about \d+\.\d us more|kernel sensor", source) and "lower_bound" not in source, source)


def user_words():
    """What makes a command run as an ordinary user who can reach the programs, or None."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return None
    nobody = pwd.getpwnam("nobody")
    words = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    reach = subprocess.run([*words, tt.TELLTALE, "--version"], capture_output=True, timeout=20, check=False)
    return words if reach.returncode == 0 else None


def counts_of_strace(command):
    """What strace(1) counts, by name, or None."""
    out = os.path.join(tt.scratch(0o777), "strace")
    done = subprocess.run(["strace", "-f", "-o", out, "-qq", *command], env=tt.clean_env(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
    if not os.path.exists(out) or done.returncode != 0:
        return None
    counts = {}
    for line in tt.read(out).decode(errors="replace").splitlines():
        found = re.match(r"\d+ +(\w+)\(", line)  # "<... x resumed>" and "+++" and "---" are none
        if found:
            counts[found.group(1)] = counts.get(found.group(1), 0) + 1
    return counts


# How often these are called depends on timing and on addresses; clone is called again after a signal.
UNSTEADY = {"clone", "futex", "sched_yield", "restart_syscall", "brk", "munmap", "rt_sigreturn", "wait4", "madvise"}
# Names that strace has for calls that the kernel's headers call otherwise.
STRACE_NAMES = {"umount": "umount2", "pread": "pread64"}


def against_strace():
    if not shutil.which("strace"):
        tt.skip("the counts of strace", "no strace")
        return
    env = tt.scratch()
    with open(os.path.join(env, "text"), "w", encoding="utf-8") as f:
        f.write("b\na\n" * 100)
    for command in (["true"], ["ls", "-la", "/etc"], ["sh", "-c", "for i in 1 2 3; do cat /dev/null; done"],
                    ["sort", os.path.join(env, "text")], ["awk", "BEGIN { for (i = 0; i < 9; i++) print i }"],
                    ["sh", "-c", f"cat {env}/text | sort | uniq -c | wc -l"]):
        theirs = counts_of_strace(command)
        if theirs is None:
            tt.skip(f"{command[0]} as strace counts it", "strace cannot trace here")
            continue
        theirs = {STRACE_NAMES.get(k, k): v for k, v in theirs.items()}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        ours = {"ptrace": record(*command, **quiet).run["syscalls"]}
        if KERNEL_WORKS:
            ours["kernel"] = tt.record("recorder", command, options=KERNEL, kernel=True, **quiet).run["syscalls"]
        for way, counts in ours.items():
            # inherited signals differ between the two launchers, not in what the command calls
            none(f"{' '.join(command)[:50]}: as strace counts it, by {way}",
                 [f"{k}: {counts.get(k)}, strace {theirs.get(k)}" for k in sorted(set(counts) | set(theirs))
                  if k not in UNSTEADY and counts.get(k) != theirs.get(k)])


def not_noticed():
    rec = record(PROBE, "signals")
    same("signals keep their order and what they carry; stops and ends are told as ever",
         (rec.status, rec.stdout, rec.stderr), (0, b"fine\n", b""))
    for command, status in ((["sh", "-c", "exit 9"], 9), (["sh", "-c", "kill -9 $$"], 137), (["sh", "-c", "kill -TERM $$"], 143),
                            (["no-such-command-here"], 127), (["/etc"], 126)):
        same(f"{' '.join(command)}: {status}", record(*command).status, status)
    rec = record("sh", "-c", "sleep 0.2 & exit 4", options=["--orphans=wait:5s"])
    same("what outlives the command is counted, too", (rec.status, rec.run["syscalls"].get("clock_nanosleep")), (4, 1))
    plain = tt.record("recorder", ["sh", "-c", "cat /proc/self/stat"], options=["--no-preload"]).stdout.split()
    traced = record("sh", "-c", "cat /proc/self/stat").stdout.split()
    same("group and session are as ever", plain[4:6], traced[4:6])


def limits():
    rec = record(PROBE, "untraced")
    check("a child that cannot be traced: the counts are a lower bound", rec.status == 0 and
          "lower_bound" in rec.run["sources"]["syscalls"], (rec.status, rec.run["sources"]["syscalls"]))
    rec = record(PROBE, "ptrace")
    same("a program that wants to be traced by its parent is told EPERM", rec.stdout, b"Operation not permitted\n")
    check("... and the record says so", "ptrace itself" in rec.run["sources"]["syscalls"], rec.run["sources"]["syscalls"])
    for options, word in ((["--count=off"], "--count=off"), ([], "--count=ptrace"), (["--count=auto"], "--count=ptrace")):
        rec = tt.record("recorder", ["true"], options=options)
        same(f"{options}: no counts", (rec.run["syscalls"], rec.run["summary"]["total_syscalls"]), (None, None))
        check("... and the reason", word in rec.run["sources"]["syscalls"], rec.run["sources"]["syscalls"])
    bad = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--count=maybe", "--", "true"], env=tt.clean_env(), capture_output=True,
                         timeout=20, check=False)
    same("another word is refused: 125", bad.returncode, 125)
    words = user_words()
    if words is None:
        tt.skip("a set-user-ID program of an ordinary user", "needs root and setpriv")
        return
    folder = tt.scratch(0o755)
    program = os.path.join(folder, "setuid")
    shutil.copy(PROBE, program)
    os.chmod(program, 0o4755)
    plain = subprocess.run([*words, program, "setuid"], capture_output=True, timeout=20, check=False).stdout
    out = tt.scratch(0o777)
    counted = subprocess.run([*words, tt.TELLTALE, "run", "--no-kernel", *COUNT, "--output-dir", out, "--", program, "setuid"],
                             env=tt.clean_env(HOME=out), capture_output=True, timeout=20, check=False).stdout
    if plain.split()[1:] != [b"0"]:
        tt.skip("a set-user-ID program runs without its rights while it is counted", "no set-user-ID here")
        return
    same("a set-user-ID program runs without its rights while it is counted", counted.split()[0], counted.split()[1])


def counter_of(pid):
    """The counter among the children of a telltale."""
    for child in tt.read(f"/proc/{pid}/task/{pid}/children").split():
        if tt.read(f"/proc/{child.decode()}/comm") == b"telltale-count\n":
            return int(child)
    return None


def counter_dies():
    ready = os.path.join(tt.scratch(), "ready")
    p, folder = tt.start(["sh", "-c", f": >{ready}; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done; exit 6"], COUNT)
    check("a command is up", tt.wait_for(lambda: os.path.exists(ready)))
    counter = counter_of(p.pid)
    check("... and its counter", counter is not None)
    if counter is not None:
        os.kill(counter, signal.SIGKILL)
    same("the counter is killed: the command goes on to its end", p.wait(20), 6)
    run = json.loads(tt.read(tt.one(os.path.join(folder, "run_*.json"))))
    check("... the counts are a lower bound", run["syscalls"]["execve"] >= 1 and "lower_bound" in run["sources"]["syscalls"],
          run["sources"]["syscalls"])
    p, folder = tt.start(["sh", "-c", f": >{ready}2; sleep 0.3; : >{ready}3"], COUNT)
    check("a command is up", tt.wait_for(lambda: os.path.exists(ready + "2")))
    counter = counter_of(p.pid)
    p.kill()
    p.wait(10)
    check("telltale is killed: the command goes on without it", tt.wait_for(lambda: os.path.exists(ready + "3")))
    check("... and the counter is gone", tt.wait_for(lambda: tt.state_of(counter) in (None, "Z")))
    p, folder = tt.start([PROBE, "forever"], COUNT + ["--timeout=0.3s"])
    same("a time-out ends a counted command", p.wait(20), 124)


def job_control():
    folder = tt.scratch(0o777)
    p = subprocess.Popen([tt.TELLTALE, "run", "--no-kernel", *COUNT, "--output-dir", folder, "--", "sh", "-c", "kill -TSTP $$; exit 5"],
                         env=tt.clean_env(), stdin=subprocess.DEVNULL, process_group=0)
    stopped = tt.wait_for(lambda: tt.state_of(p.pid) == "T")
    check("a command that stops stops its job", stopped)
    os.killpg(p.pid, signal.SIGCONT)
    same("... and goes on with it", p.wait(20), 5)


def shape_of(run, name):
    return {tuple(w["value"] for w in s["where"]): s["count"] for s in run["syscall_arguments"] if s["syscall"] == name}


def arguments():
    run = record(PROBE, "shapes").run
    same("sockets by family, type and protocol", shape_of(run, "socket"), {(2, 1, 0): 3, (1, 2, 0): 2})
    same("... pairs", shape_of(run, "socketpair"), {(1, 1): 1})
    same("... fcntl by its command", shape_of(run, "fcntl").get((1032,)), 5)
    for name in ("socket", "socketpair", "fcntl", "mmap", "mprotect"):
        same(f"... the counts of {name} add up", sum(shape_of(run, name).values()), run["syscalls"].get(name, 0))
    run = record(PROBE, "many", "5000").run
    shapes = shape_of(run, "ioctl")
    check("5000 kinds of one call: few are told apart, all are counted",
          len(shapes) < 100 and sum(shapes.values()) == run["syscalls"]["ioctl"] >= 5000 and shapes[()] > 4000, shapes)
    run = record(PROBE, "known", str(N)).run
    threads = sum(n for (flags,), n in shape_of(run, "clone").items() if flags & 0x10000)
    same("threads, however they were made", threads, 5)


def adaptive_limits():
    """LEARNING ends what uses more than 2 s of CPU time or 1000 major faults."""
    if "--no-cgroup" not in subprocess.run([tt.TELLTALE, "run", "--help"], capture_output=True, text=True, timeout=20,
                                           check=False).stdout:
        tt.skip("LEARNING ends what uses too much", "limits of a profile are not kept by this version")
        return
    rec = tt.record("recorder", ["sh", "-c", "(while :; do :; done) & (while :; do :; done)"],
                    options=["--profile=LEARNING", "--timeout=20s"])
    same("LEARNING ends a tree that used 2 s of CPU time", rec.run["summary"]["exit_reason"], "POLICY_ADAPTATION_KILL")
    check("... no sooner and not much later", 2000 <= rec.run["summary"]["user_ms"] + rec.run["summary"]["system_ms"] < 6000,
          rec.run["summary"])
    check("... with what was counted until then", rec.run["syscalls"]["execve"] >= 1)


def schema():
    try:
        import jsonschema  # pylint: disable=import-outside-toplevel
    except ImportError:
        tt.skip("the schema", "no jsonschema")
        return
    source = os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
    rule = json.loads(tt.read(os.path.join(source, "data", "schema", "run.schema.json")))
    none("what is written fits the schema", [e.message for e in jsonschema.Draft202012Validator(rule).iter_errors(
        record(PROBE, "shapes").run)])


first = subprocess.run([tt.TELLTALE, "run", "--no-kernel", *COUNT, "--output-dir", tt.scratch(), "--", "true"], env=tt.clean_env(),
                       capture_output=True, timeout=20, check=False)
if first.returncode == 125 and b"with ptrace" in first.stderr:
    tt.skip_all("ptrace(2) is not allowed here")
KERNEL_WORKS = subprocess.run([tt.TELLTALE, "run", "--kernel", "--output-dir", tt.scratch(), "--", "true"], env=tt.clean_env(),
                              capture_output=True, timeout=20, check=False).returncode == 0
known("as it is")
if KERNEL_WORKS:
    known("by the kernel sensor", count=KERNEL)
    known("by the kernel sensor, with their time", count=["--no-preload", "--count=latency"])
else:
    tt.skip("by the kernel sensor", "it cannot be had here")
WORDS = user_words()
if WORDS is None:
    tt.skip("as an ordinary user", "needs root, setpriv, and programs that others can reach")
else:
    known("as an ordinary user", WORDS)
if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode == 0:
    known("in a user namespace", ["unshare", "-Ur"])
else:
    tt.skip("in a user namespace", "none can be made here")
against_strace()
not_noticed()
limits()
counter_dies()
job_control()
arguments()
adaptive_limits()
schema()
tt.done()
