#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""strace as oracle: what five real programs did, as the kernel saw it, is in the trace, and nothing else is.

Compared are successful execs, opens for writing, unlinks, renames and connects, per process. The library is in the
traced processes, so both look at the same run. Calls that libc makes for itself pass no function that a library can
stand in front of: what posix_spawn, system and popen execute is all there is of these here.
"""
import collections
import os
import re
import shutil

import tt

CALLS = "execve,execveat,open,openat,creat,unlink,unlinkat,rmdir,rename,renameat,renameat2,connect"
STATE = "clone,clone3,fork,vfork,chdir,fchdir"

# Opens of these for writing are left out by the default filter (DESIGN: terminals and /dev/null).
SINKS = re.compile(r"/dev/(null|tty\w*|console|ptmx|pts/\d+)$")

LINE = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+|\?)(.*)$")
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


def plain(path):
    """One spelling for a path: the library leaves '..' behind a name as it is, the kernel's view has none."""
    return os.path.normpath(path).replace("//", "/")


class Strace:
    """What one strace -ff run left behind, as {pid: Counter of (kind, path...)}."""

    def __init__(self, prefix, root_cwd):
        folder, base = os.path.split(prefix)
        self.files = {int(n.rsplit(".", 1)[1]): os.path.join(folder, n) for n in os.listdir(folder)
                      if n.startswith(base + ".")}
        self.acts = {pid: collections.Counter() for pid in self.files}
        self.program = {}  # pid: last image
        self.parent = {}
        self.maker = {}  # (pid, act): the image that did it
        lines = {pid: tt.read(path).decode(errors="replace").splitlines() for pid, path in self.files.items()}
        parsed = {pid: [m for m in map(LINE.match, text) if m] for pid, text in lines.items()}
        children = {int(m.group(3)) for found in parsed.values() for m in found
                    if m.group(1) in ("clone", "clone3", "fork", "vfork") and int(m.group(3)) > 0}
        queue = [(pid, root_cwd, None) for pid in self.files if pid not in children]
        while queue:
            pid, cwd, program = queue.pop()
            self.program[pid] = program
            for m in parsed.get(pid, ()):
                cwd = self.one(pid, m, cwd, queue)

    def one(self, pid, m, cwd, queue):
        call, args, result = m.group(1), m.group(2), m.group(3)
        texts = TEXT.findall(args)
        if result == "?" or (result.startswith("-") and not (call == "connect" and "EINPROGRESS" in m.group(4))):
            return cwd
        if call in ("clone", "clone3", "fork", "vfork"):
            child = int(result)
            self.parent[child] = pid
            queue.append((child, cwd, self.program[pid]))
        elif call == "chdir":
            return plain(os.path.join(cwd, texts[0]))
        elif call == "fchdir":
            return re.match(r"\d+<(.*)>$", args).group(1)
        elif call in ("execve", "execveat"):
            self.program[pid] = os.path.basename(texts[0])
            self.add(pid, ("exec", self.program[pid]))
        elif call == "connect":
            self.add(pid, ("connect", address(args)))
        elif call in ("open", "openat", "creat"):
            if call == "creat" or WRITES.search(args[args.rindex('"'):]):
                self.add(pid, ("write", self.path(args, 0, cwd)))
        elif call in ("unlink", "unlinkat", "rmdir"):
            self.add(pid, ("unlink", self.path(args, 0, cwd)))
        elif call in ("rename", "renameat", "renameat2"):
            self.add(pid, ("rename", self.path(args, 0, cwd), self.path(args, 1, cwd)))
        return cwd

    def add(self, pid, act):
        self.acts[pid][act] += 1
        self.maker.setdefault((pid, act), self.program[pid] or "?")

    @staticmethod
    def path(args, which, cwd):
        found = list(re.finditer(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', args))[which]
        base = found.group(1) if found.group(1) else cwd
        return plain(os.path.join(base, found.group(2)))


def address(args):
    m = re.search(r"sin_port=htons\((\d+)\), sin_addr=inet_addr\(\"([\d.]+)\"\)", args)
    if m:
        return f"{m.group(2)}:{m.group(1)}"
    m = re.search(r"sin6_port=htons\((\d+)\).*inet_pton\(AF_INET6, \"([^\"]+)\"", args)
    if m:
        return f"[{m.group(2)}]:{m.group(1)}"
    m = re.search(r'sun_path=(@?)"([^"]*)"', args)
    return f"unix:{m.group(1)}{m.group(2)}" if m else args


def kind_of(e):
    """The acts of one event, in the words of class Strace; None: not compared."""
    call, good = e["syscall"], e["result"] is not None and e["result"] >= 0
    if call == "connect" and (good or e.get("error") == "EINPROGRESS"):
        return ("connect", e["addr"])
    if not good:
        return None
    if call in ("open", "open64", "openat", "openat64", "creat", "creat64") or call.startswith("__open"):
        flags = e["args"][2 if "openat" in call else 1]
        if "creat" in call or WRITES.search(flags):
            return ("write", plain(e["path"]))
    elif call.startswith(("mkstemp", "mkostemp")):
        return ("write", plain(e["path"]))
    elif call.startswith(("fopen", "freopen")) and re.search("[wa+]", e["args"][1]):
        return ("write", plain(e["path"]))
    elif call in ("unlink", "unlinkat", "rmdir", "remove"):
        return ("unlink", plain(e["path"]))
    elif call.startswith("rename"):
        return ("rename", plain(e["path"]), plain(e["path2"]))
    return None


def recorded_acts(rec, pids):
    acts = {pid: collections.Counter() for pid in pids}
    pending = {}  # pid: an exec that has not failed yet
    for e in sorted(rec.calls(), key=lambda e: e["ts"]):
        pid = e["pid"]
        if pid not in acts:
            continue
        act = kind_of(e)
        if act:
            acts[pid][act] += 1
        if e["syscall"] in ("execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "execveat", "fexecve"):
            key = (pid, e["span_id"])
            if e["result"] is None:
                pending[key] = e
            else:
                pending.pop(key, None)
    for (pid, _), e in pending.items():
        acts[pid][("exec", os.path.basename(e["args"][0]))] += 1
    return acts


def is_explained(seen, pid, act, spawned):
    if act[0] == "write" and SINKS.match(act[1]):
        return True
    # posix_spawn, system and popen exec inside libc, in the child: the call itself is in the parent's trace
    if act[0] == "exec" and spawned.get(seen.parent.get(pid), 0) > 0:
        spawned[seen.parent[pid]] -= 1
        return True
    return False


def compare(name, mode, cmd, cwd, env):
    prefix = os.path.join(tt.scratch(0o777), "strace")
    line = ["strace", "-ff", "-y", "-s", "4096", "-qq", "-o", prefix, "-e", f"trace={CALLS},{STATE}",
            "-e", "signal=none", *cmd]
    rec = tt.record(mode, line, cwd=cwd, env=env)
    name = f"{mode}: {name}"
    tt.same(f"{name}: runs", (rec.status, rec.stderr), (0, b""))
    tt.none(f"{name}: every line is valid", rec.problems)
    seen = Strace(prefix, cwd)
    got = recorded_acts(rec, seen.files)
    spawned = collections.Counter()
    for e in rec.calls("posix_spawn", "posix_spawnp", "system", "popen"):
        if "error" not in e:
            spawned[e["pid"]] += 1
    # strace's own child execs the program before it is traced as such: that exec belongs to strace
    missing, extra, total = [], [], 0
    for pid, acts in seen.acts.items():
        own = got.get(pid, collections.Counter())
        for act, n in (acts - own).items():
            if act[0] == "write" and act[1] == rec.path and mode == "direct":
                continue  # the library's log
            if not is_explained(seen, pid, act, spawned):
                missing.append(f"pid {pid} {seen.maker[(pid, act)]}: {n} x {act}")
        for act, n in (own - acts).items():
            extra.append(f"pid {pid}: {n} x {act}")
        total += sum(acts.values())
    tt.none(f"{name}: all that strace saw is in the trace", missing)
    tt.none(f"{name}: and nothing else is", extra)
    starts = collections.Counter(e["pid"] for e in rec.events if e["syscall"] == "start" and e["how"] == "exec" and
                                 e.get("sensor") == "preload")
    images = {pid: sum(n for act, n in acts.items() if act[0] == "exec") for pid, acts in seen.acts.items()}
    tt.same(f"{name}: each image announced itself", {p: starts[p] for p, n in images.items() if n},
            {p: n for p, n in images.items() if n})
    return total, {act[0] for acts in seen.acts.values() for act in acts}


PYTHON = r"""
import os, socket, subprocess, tempfile, threading
server = socket.create_server(("127.0.0.1", 0))
def serve():
    peer, _ = server.accept()
    peer.sendall(b"hello")
    peer.close()
t = threading.Thread(target=serve)
t.start()
with socket.create_connection(server.getsockname()) as s:
    assert s.recv(10) == b"hello"
t.join()
path = os.path.join(os.getcwd(), "unix")
u = socket.socket(socket.AF_UNIX)
u.bind(path)
u.listen()
socket.socket(socket.AF_UNIX).connect(path)
os.remove(path)
os.makedirs("a/b/c")
for i in range(10):
    with open(f"a/b/{i}", "w") as f:
        f.write(str(i))
os.rename("a/b/1", "a/one")
os.replace("a/b/2", "a/one")
for i in (3, 4, 5):
    os.unlink(f"a/b/{i}")
os.rmdir("a/b/c")
out = subprocess.run(["sort", "-r"], input=b"1\n2\n", capture_output=True, check=True).stdout
assert out == b"2\n1\n"
assert subprocess.call("exit 3", shell=True) == 3
pid = os.posix_spawn("/bin/true", ["true"], os.environ)
os.waitpid(pid, 0)
if os.fork() == 0:
    os.execvp("true", ["true"])
os.wait()
assert os.system("exit 0") == 0
with tempfile.TemporaryDirectory(dir=".") as d:
    open(d + "/x", "x").close()
"""

BASH = r"""
set -e
mkdir sub
for i in 1 2 3; do echo $i > sub/$i; done
cat sub/* | sort -r | tee all > /dev/null
while read -r line; do echo "got $line" >> log; done < all
(cd sub; mv 1 one; echo more >> one; rm 2)
x=$(wc -l < log); test "$x" = 3
ls | grep -c . > count
cat <<END > here
$(date +%Y)
END
rm -f all log count here
exec rm -r sub
"""

C_FILE = r"""
#include <stdio.h>
int main(void) { puts("made"); return 0; }
"""


def programs(folder):
    with open(os.path.join(folder, "made.c"), "w", encoding="ascii") as f:
        f.write(C_FILE)
    git = "git -c init.defaultBranch=main -c gc.auto=0 -c maintenance.auto=false"
    yield "git", ["sh", "-c", f"set -e; {git} init -q r; cd r; cp ../made.c .; {git} add .; {git} commit -qm first; "
                              f"{git} mv made.c moved.c; {git} commit -qm second; {git} status -s"]
    yield "python3", ["python3", "-I", "-c", PYTHON]
    yield "gcc", ["gcc", "-O1", "-o", "made", "made.c"]
    yield "bash", ["bash", "-c", BASH]
    yield "tar and find", ["sh", "-c", "set -e; mkdir x; cp made.c x/a; cp made.c x/b; ln -s a x/l; tar cf x.tar x; "
                                       "mkdir y; tar xf x.tar -C y; find y -type f -print0 | xargs -0 -n1 rm; "
                                       "find y -delete; rm -r x x.tar"]


def main():
    modes = tt.modes()
    if not shutil.which("strace"):
        tt.skip_all("no strace")
    probe = tt.record("native", ["strace", "-f", "-o", "/dev/null", "true"])
    if probe.status != 0:
        tt.skip_all("strace cannot trace here: " + probe.stderr.decode(errors="replace").strip())
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "HOME": "/nonexistent", "TMPDIR": "/tmp",
           "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@b"}
    for mode in modes:
        kinds, total = set(), 0
        folder = tt.scratch()
        for name, cmd in programs(folder):
            if not shutil.which(cmd[0]) or (name == "git" and not shutil.which("git")):
                tt.skip(f"{mode}: {name}", f"no {name}")
                continue
            n, found = compare(name, mode, cmd, folder, env)
            kinds |= found
            total += n
        tt.check(f"{mode}: the five programs did something of every kind", total > 100 and
                 kinds == {"exec", "write", "unlink", "rename", "connect"}, f"{total} {kinds}")
    tt.done()


main()
