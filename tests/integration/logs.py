#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Direct mode with logs that do not work out: the program never notices, and what is lost is counted."""
import json
import os
import resource
import signal
import subprocess
import threading

import tt

THREADS = tt.program("threads")
FULL = "/dev/full"


def run(log, cmd, cwd=None, env=None, **popen):
    env = tt.clean_env(LD_PRELOAD=tt.LIBRARY, **(env or {}))
    if log is not None:
        env["SUBSTRATE_TRACE_LOG"] = log
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.PIPE)
    return subprocess.run(cmd, env=env, cwd=cwd or tt.scratch(0o777), timeout=60, **popen)


def unharmed(name, log, **more):
    """errno, results and output are checked by the workload itself."""
    r = run(log, [THREADS, "storm", "300"], **more)
    tt.check(f"{name}: the program is unharmed", r.returncode == 0 and r.stdout.startswith(b"made "), r)
    r = run(log, [THREADS, "long", "3", "Q"], **more)
    tt.same(f"{name}: errno and output", (r.returncode, r.stdout, r.stderr), (0, b"made 3\n", b""))


def unwritable():
    folder = tt.scratch()
    unharmed(FULL, FULL)
    unharmed("a log in no folder", "/nowhere/at/all/trace.jsonl")
    unharmed("a log that is a folder", folder)
    unharmed("an empty name", "", env={"XDG_STATE_HOME": folder})
    os.symlink(os.path.join(folder, "target"), os.path.join(folder, "link"))
    unharmed("a symbolic link", os.path.join(folder, "link"))
    tt.check("a symbolic link: is not followed", not os.path.exists(os.path.join(folder, "target")))
    if os.geteuid() == 0:
        os.chmod(folder, 0o700)
        nobody = {"preexec_fn": lambda: os.setresuid(65534, 65534, 65534)}
        unharmed("a log in a folder that may not be entered", os.path.join(folder, "x.jsonl"), **nobody)
        os.chmod(folder, 0o755)
    else:
        tt.skip("a log in a folder that may not be entered", "root may enter all and another user needs root")


def streams():
    """Nothing of ours goes to stderr, so its state does not matter."""
    for name, stderr in (("full", os.open(FULL, os.O_WRONLY)), ("closed", None), ("a broken pipe", -1)):
        close = None
        if stderr == -1:
            reader, stderr = os.pipe()
            os.close(reader)
        if stderr is None:
            close, stderr = (lambda: os.close(2)), subprocess.DEVNULL
        for log in (FULL, "/nowhere/x"):
            r = run(log, [THREADS, "long", "3", "Q"], stderr=stderr, preexec_fn=close)
            tt.same(f"stderr {name}, log {log}", (r.returncode, r.stdout), (0, b"made 3\n"))


def fifo():
    path = os.path.join(tt.scratch(), "fifo")
    os.mkfifo(path)
    unharmed("a FIFO that nobody reads", path)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    unharmed("a FIFO that is full", path)
    os.close(fd)
    got = []

    def reader():
        with open(path, "rb") as f:
            got.append(f.read())

    t = threading.Thread(target=reader)
    t.start()
    keep = os.open(path, os.O_WRONLY)
    r = run(path, [THREADS, "long", "3", "Q"])
    os.close(keep)
    t.join(30)
    events, problems = tt.parse_trace(got[0])
    tt.same("a FIFO that is read: the program", r.stdout, b"made 3\n")
    tt.none("a FIFO that is read: every line is valid", problems)
    tt.same("a FIFO that is read: all there", len([e for e in events if e["syscall"] == "open"]), 3)


MOVING = r"""
import os, sys
log, how = sys.argv[1:]
for i in range(20):
    try:
        os.close(os.open(f"f{i}", os.O_WRONLY | os.O_CREAT))
    finally:
        pass
    if i == 9:
        if how == "removed":
            os.unlink(log)
        elif how == "renamed":
            os.rename(log, log + ".1")
        elif how == "truncated":
            os.truncate(log, 0)
"""


def moved():
    """Nothing is lost while the name stands for another file: what is open goes on being written."""
    for how in ("renamed", "truncated", "removed"):
        log = os.path.join(tt.scratch(), "trace.jsonl")
        r = run(log, ["/usr/bin/python3", "-IS", "-c", MOVING, log, how])
        tt.same(f"{how} log: the program", (r.returncode, r.stderr), (0, b""))
        raw = b"".join(tt.read(p) for p in (log + ".1", log) if os.path.exists(p))
        events, problems = tt.parse_trace(raw)
        tt.none(f"{how} log: every line is valid", problems)
        names = [os.path.basename(e["path"]) for e in events
                 if e["syscall"] == "open64" and os.path.basename(e.get("path", "")).startswith("f")]
        if how == "renamed":
            tt.same("renamed log: all there", names, [f"f{i}" for i in range(20)])
        elif how == "truncated":
            tt.same("truncated log: all that came after", names, [f"f{i}" for i in range(10, 20)])


def file_size_limit():
    """A tiny RLIMIT_FSIZE: no SIGXFSZ for the program because of our lines."""
    for limit in (0, 1, 4096, 200000):
        log = os.path.join(tt.scratch(), "trace.jsonl")
        name = f"RLIMIT_FSIZE {limit}"

        def lower(size=limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

        r = run(log, [THREADS, "long", "100", "Q"], preexec_fn=lower)
        tt.same(f"{name}: the program", (r.returncode, r.stdout), (0, b"made 100\n"))
        events, problems = tt.parse_trace(tt.read(log))
        tt.none(f"{name}: every line is valid", problems)
        tt.check(f"{name}: within it", os.path.getsize(log) <= limit)


def no_space():
    """A full disk, then space again: it goes on and says how many were lost."""
    folder = tt.scratch()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False).returncode == 0
    if not mounted:
        tt.skip("a full disk", "no tmpfs can be mounted here")
        return
    try:
        log = os.path.join(folder, "trace.jsonl")
        script = r"""
import os, sys
filler = sys.argv[1]
def opens(name):
    for i in range(20):
        try:
            os.open(f"/nowhere/{name}{i}", os.O_RDONLY)
        except FileNotFoundError:
            pass
opens("before")
fd = os.open(filler, os.O_WRONLY | os.O_CREAT)
try:
    while True:
        os.write(fd, b"x" * 512)
except OSError:
    pass
opens("full" + "y" * 3000)
os.ftruncate(fd, 0)
opens("after")
"""
        r = run(log, ["/usr/bin/python3", "-IS", "-c", script, os.path.join(folder, "filler")])
        tt.same("a full disk: the program", (r.returncode, r.stderr), (0, b""))
        raw = tt.read(log)
        good, bad = [], 0
        for line in raw.split(b"\n"):
            try:
                good.append(json.loads(line))
            except ValueError:
                bad += bool(line)
        gaps = [e for e in good if e["event_type"] == "gap"]
        tt.check("a full disk: at most one line torn", bad <= 1, f"{bad}")
        numbers = [e["seq"] for e in good if "seq" in e]
        lost = sum(e["count"] for e in gaps)
        tt.check("a full disk: something was lost", lost > 10, f"{lost}")
        tt.same("a full disk: events + gaps == events made", len(numbers) + lost, max(numbers) + 1)
        tt.same("a full disk: it goes on", len([e for e in good if e["syscall"] == "open64" and
                                                "/nowhere/after" in e["path"]]), 20)
        tt.same("a full disk: the reason", {e["reason"] for e in gaps}, {"log_error"})
    finally:
        subprocess.run(["umount", folder], check=True)


def places():
    folder = tt.scratch(0o777)
    r = run("rel.jsonl", ["sh", "-c", 'mkdir sub; cd sub; "$0" long 2 Q; rm -d ../sub/nothing 2>/dev/null; cd ..; '
                                      "rmdir sub; exit 7", THREADS], cwd=folder)
    tt.same("a relative log: the program", (r.returncode, r.stdout), (7, b"made 2\n"))
    tt.same("a relative log: one file", sorted(os.listdir(folder)), ["rel.jsonl"])
    events, problems = tt.parse_trace(tt.read(os.path.join(folder, "rel.jsonl")))
    tt.none("a relative log: every line is valid", problems)
    tt.same("a relative log: children write to the same", len([e for e in events if e["syscall"] == "open"]), 2)
    tt.none("a relative log: spans", tt.span_problems(events))
    tt.same("a relative log: its mode", os.stat(os.path.join(folder, "rel.jsonl")).st_mode & 0o777, 0o600)

    state = tt.scratch()
    r = run(None, [THREADS, "noop"], env={"XDG_STATE_HOME": state})
    path = os.path.join(state, "telltale", "trace.jsonl")
    tt.check("no log named: the state folder", r.returncode == 0 and os.path.exists(path), r)
    tt.same("no log named: folder and file modes",
            [os.stat(p).st_mode & 0o777 for p in (os.path.dirname(path), path)], [0o700, 0o600])
    events, _ = tt.parse_trace(tt.read(path))
    tt.same("no log named: recorded", [e["syscall"] for e in events if e["event_type"] == "process"],
            ["start", "exit"])


def secrets():
    """None on disk: the bytes of the file are searched."""
    hidden = ["hunter2aa", "hunter2bb", "hunter2cc", "hunter2dd", "hunter2ee"]
    script = ('true --password hunter2aa --token=hunter2bb; env API_TOKEN=hunter2cc true; '
              'true -H "Authorization: Bearer hunter2dd"; true https://user:hunter2ee@example.org/x; '
              '/bin/true --password hunter2aa --token=hunter2bb; /bin/true -H "Authorization: Bearer hunter2dd"; '
              '/bin/true https://user:hunter2ee@example.org/x')
    for mode in tt.modes():
        rec = tt.record(mode, ["sh", "-c", script])
        text = rec.raw + json.dumps(rec.run).encode()
        tt.none(f"{mode}: no secret is in the trace", [s for s in hidden if s.encode() in text])
        tt.check(f"{mode}: but stars are", text.count(b"***") >= 5, f"{text.count(b'***')}")


def main():
    tt.modes()
    unwritable()
    streams()
    fifo()
    moved()
    file_size_limit()
    no_space()
    places()
    secrets()
    tt.done()


main()
