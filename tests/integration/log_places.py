#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Direct mode and logs in odd places: another root, user or mount, a folder that goes, a FIFO whose reader does.

The programs are driven line by line, so that each test knows what was called when. What is counted as lost is exact.
"""
import json
import os
import socket
import subprocess

import tt

# Takes orders: "open NAME" makes one call that fails, the rest is Python.
SCRIPT = r"""
import os, resource, signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
for line in sys.stdin:
    if line.startswith("open "):
        for name in line.split()[1:]:
            try:
                os.open("/nowhere/" + name, os.O_RDONLY)
                print("wrong", flush=True)
            except FileNotFoundError:
                pass
    else:
        exec(line)
    print("done", flush=True)
"""


class Driven:
    def __init__(self, log, **env):
        env = tt.clean_env(LD_PRELOAD=tt.LIBRARY, SUBSTRATE_TRACE_LOG=log, **env)
        self.p = subprocess.Popen(["/usr/bin/python3", "-ISB", "-c", SCRIPT], env=env, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.answers = []

    def do(self, order):
        self.p.stdin.write(order + "\n")
        self.p.stdin.flush()
        self.answers.append(self.p.stdout.readline().strip())

    def end(self, name):
        out, err = self.p.communicate(timeout=60)
        tt.same(f"{name}: the program", (self.p.returncode, set(self.answers), out, err), (0, {"done"}, "", ""))


def events_of(raw):
    """Events of a log that may be torn, and how many lines are damaged."""
    good, bad = [], 0
    for line in raw.split(b"\n"):
        try:
            good.append(json.loads(line))
        except ValueError:
            bad += bool(line)
    return good, bad


def names(events):
    return [e["args"][0][9:] for e in events if e["syscall"] == "open64" and e["args"][0].startswith("/nowhere/")]


def lost(events):
    return sum(e["count"] for e in events if e["event_type"] == "gap" and e["reason"] == "log_error")


def exact(name, events):
    """Calls recorded and calls lost are the calls made; start and end of the span were recorded, too."""
    numbers = [e["seq"] for e in events if "seq" in e]
    tt.same(f"{name}: recorded + lost == made", len(set(numbers)) + lost(events), max(numbers) + 1)
    tt.same(f"{name}: beginning and end", [e["syscall"] for e in events if e["event_type"] == "process"],
            ["start", "exit"])


def is_root(name):
    if os.geteuid() == 0:
        return True
    tt.skip(name, "needs root")
    return False


def chroot():
    if not is_root("chroot"):
        return
    folder = tt.scratch()
    root = tt.scratch()
    os.makedirs(root + folder)
    log = os.path.join(folder, "trace.jsonl")
    d = Driven(log)
    d.do("open a")
    d.do(f"os.chroot({root!r}); os.chdir('/')")
    d.do("open b c")
    d.end("chroot")
    events, bad = events_of(tt.read(log))
    tt.same("chroot: all there, in the log outside", (names(events), bad), (["a", "b", "c"], 0))
    tt.same("chroot: no log inside", os.listdir(root + folder), [])
    exact("chroot", events)


def other_user():
    if not is_root("another user"):
        return
    folder = tt.scratch(0o700)
    log = os.path.join(folder, "trace.jsonl")
    d = Driven(log)
    d.do("open a")
    d.do("os.setresuid(65534, 65534, 65534)")
    d.do("open b")
    d.end("another user")
    events, bad = events_of(tt.read(log))
    tt.same("another user: all there", (names(events), bad), (["a", "b"], 0))
    exact("another user", events)


def other_mount():
    """A private mount over the log's folder: what runs on writes on, what starts there makes no log of its own."""
    if not is_root("a private mount"):
        return
    folder = tt.scratch()
    log = os.path.join(folder, "trace.jsonl")
    script = ('mount -t tmpfs tmpfs "$1" || exit 9; true > /nowhere/a; cat /nowhere/b; ls -A "$1"; '
              "true > /nowhere/c; "
              "exit 3")
    env = tt.clean_env(LD_PRELOAD=tt.LIBRARY, SUBSTRATE_TRACE_LOG=log)
    r = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", folder], env=env, capture_output=True, timeout=60,
                       check=False)
    if r.returncode != 3:
        tt.skip("a private mount", f"status {r.returncode}: {r.stderr!r}")
        return
    tt.same("a private mount: nothing comes into being there", r.stdout, b"")
    events, bad = events_of(tt.read(log))
    paths = [e["path"] for e in events if e.get("path", "").startswith("/nowhere/")]
    tt.same("a private mount: the shell's own calls go on in the log outside", (paths, bad),
            (["/nowhere/a", "/nowhere/c"], 0))


def folder_gone():
    """Nobody can read a file without a name: what is written then is lost, and said to be once there is a place."""
    folder = os.path.join(tt.scratch(), "inner")
    os.mkdir(folder)
    log = os.path.join(folder, "trace.jsonl")
    d = Driven(log)
    d.do("open a")
    os.rename(folder, folder + ".away")
    d.do("open b")
    os.rename(folder + ".away", folder)
    os.unlink(log)
    os.rename(folder, folder + ".away")
    d.do("open c d e")
    os.rename(folder + ".away", folder)
    d.do("open f")
    d.end("a folder that goes")
    events, bad = events_of(tt.read(log))
    tt.same("a folder that goes: back again", (names(events), lost(events), bad), (["f"], 3, 0))


def read_some(fd):
    raw = b""
    try:
        while True:
            more = os.read(fd, 1 << 16)
            if not more:
                return raw
            raw += more
    except BlockingIOError:
        return raw


def fifo():
    path = os.path.join(tt.scratch(), "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    d = Driven(path)
    d.do("open a")
    raw = read_some(reader)
    os.close(reader)
    d.do("signal.signal(signal.SIGPIPE, signal.SIG_DFL)")  # Python ignores it
    d.do("open b c")  # EPIPE, and no SIGPIPE for the program
    d.do("assert signal.SIGPIPE not in signal.sigpending()")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    d.do("open d")
    for i in range(300):  # nobody reads: full after some 64 KiB
        d.do(f"open e{i}{'x' * 200}")
    raw += read_some(reader)
    d.do("open f")
    raw += read_some(reader)
    d.end("a FIFO whose reader leaves and stops")
    raw += read_some(reader)
    os.close(reader)
    events, bad = events_of(raw)
    got = [n for n in names(events) if n[0] != "e"]
    tt.same("a FIFO: what had a reader is there", (got, bad), (["a", "d", "f"], 0))
    tt.check("a FIFO: some were lost while it was full", lost(events) > 100, lost(events))
    exact("a FIFO", events)


def blocked_sigpipe():
    """A SIGPIPE that waits for the program already is still there afterwards."""
    path = os.path.join(tt.scratch(), "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    d = Driven(path)
    d.do("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE]); signal.raise_signal(signal.SIGPIPE)")
    os.close(reader)
    d.do("open a b")
    d.do("assert signal.SIGPIPE in signal.sigpending()")
    d.do("signal.signal(signal.SIGPIPE, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPIPE])")
    d.do("open c")
    d.end("a SIGPIPE of its own")


def size_limit():
    """RLIMIT_FSIZE closes the log and opens it again; the signal never comes."""
    log = os.path.join(tt.scratch(), "trace.jsonl")
    d = Driven(log)
    d.do("open a")
    d.do("old = resource.getrlimit(resource.RLIMIT_FSIZE); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))")
    d.do("open b c d")
    d.do("resource.setrlimit(resource.RLIMIT_FSIZE, old)")
    d.do("open e")
    d.end("RLIMIT_FSIZE")
    events, bad = events_of(tt.read(log))
    tt.same("RLIMIT_FSIZE: lost and said", (names(events), lost(events), bad), (["a", "e"], 3, 0))
    exact("RLIMIT_FSIZE", events)


def handed_over():
    """What an image lost and could not say is said by the one that replaces it."""
    log = os.path.join(tt.scratch(), "trace.jsonl")
    d = Driven(log)
    d.do("open a")
    d.do("old = resource.getrlimit(resource.RLIMIT_FSIZE); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))")
    d.do("open b c d")
    d.do("pid = os.fork(); pid or os._exit(0)")
    d.do("os.waitpid(pid, 0)")
    again = "print('done', flush=True)\n" + SCRIPT
    d.do(f"os.execv('/usr/bin/python3', ['python3', '-ISB', '-c', {again!r}])")
    d.do("resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)")
    d.do("open e")
    d.end("an exec")
    events, bad = events_of(tt.read(log))
    tt.same("an exec: what could be written", (names(events), bad), (["a", "e"], 0))
    first = next(e["seq"] for e in events if names([e]) == ["e"])
    # b, c, d and the fork, but not the exec's own line; "replaced" and "start"; what the new image called before
    tt.same("an exec: lost by both", lost(events), 4 + 2 + first)


def full_at_exit():
    """A disk that is full to the end: the last line says how many were lost, if it finds room."""
    if not is_root("full to the end"):
        return
    folder = tt.scratch()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode:
        tt.skip("full to the end", "no tmpfs can be mounted here")
        return
    try:
        log = os.path.join(folder, "trace.jsonl")
        d = Driven(log)
        d.do("open a")
        d.do(f"fd = os.open({folder + '/filler'!r}, os.O_WRONLY | os.O_CREAT)")
        d.do("exec('for i in range(20):\\n  try: os.write(fd, b\"x\" * 65536)\\n  except OSError: pass')")
        d.do("open " + " ".join("b" * 100 + str(i) for i in range(60)))
        d.do("pid = os.fork(); pid or os._exit(0)")  # the child has lost nothing, and says nothing
        d.do("os.waitpid(pid, 0)")
        d.do("os.ftruncate(fd, 0)")
        d.do("open c")
        d.end("full to the end")
        events, bad = events_of(tt.read(log))
        tt.check("full to the end: some were lost", lost(events) > 50, lost(events))
        tt.check("full to the end: at most one line torn", bad <= 1, bad)
        span = next(e["span_id"] for e in events if e["syscall"] == "start")
        exact("full to the end", [e for e in events if e["span_id"] == span])
    finally:
        subprocess.run(["umount", folder], check=True)


def sockets_and_devices():
    folder = tt.scratch()
    path = os.path.join(folder, "socket")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        for log in (path, "/dev/full", "/dev/null", "/dev/tty", "/proc/self/mem", "/dev/fd/2"):
            d = Driven(log)
            d.do("open a")
            d.end(log)


def main():
    tt.modes()
    chroot()
    other_user()
    other_mount()
    folder_gone()
    fifo()
    blocked_sigpipe()
    size_limit()
    handed_over()
    full_at_exit()
    sockets_and_devices()
    tt.done()


main()
