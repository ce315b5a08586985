#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real programs that must run under each profile as if there were none: the same output, the same status, nothing
refused but quietly. As root, as a user, as root of a user namespace.

profile_works.py [MODE|PROFILE]...    those alone
"""
import json
import os
import shutil
import subprocess
import sys

import acts
import tt

LIMIT = 120
HELLO = '#include <stdio.h>\nint main(void) { puts("hello from C"); return 3; }\n'
PARTS = 6

THREADS = r"""
import concurrent.futures, multiprocessing, subprocess, sys, threading, queue
def work(n): return sum(i * i for i in range(n))
if __name__ == "__main__":
    q = queue.Queue()
    ts = [threading.Thread(target=lambda n=n: q.put(work(1000 * n))) for n in range(8)]
    [t.start() for t in ts]; [t.join() for t in ts]
    print(sorted(q.get() for _ in ts))
    print(subprocess.run(["sort", "-r"], input="a\nb\n", text=True, capture_output=True).stdout)
    with concurrent.futures.ProcessPoolExecutor(2) as p: print(list(p.map(work, [10, 20, 30])))
    with multiprocessing.Pool(2) as p: print(p.map(work, [10, 20]))
    with multiprocessing.Manager() as m:
        d = m.dict(a=1); print(d["a"])
    sys.exit(4)
"""

SERVER = r"""
import http.server, threading, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b"served " + self.path.encode())
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
threading.Thread(target=s.serve_forever, daemon=True).start()
print(urllib.request.urlopen("http://127.0.0.1:%d/x" % s.server_port).read())
s.shutdown()
"""

TREE = r"""
import ctypes, hashlib, os, shutil, tempfile
libc = ctypes.CDLL(None, use_errno=True)
watch = libc.inotify_init1(os.O_NONBLOCK)
assert watch >= 0
os.makedirs("node_modules/.bin")
assert libc.inotify_add_watch(watch, b"node_modules", 0xfff) >= 0
for p in range(60):
    d = f"node_modules/pkg-{p}"
    tmp = tempfile.mkdtemp(prefix=".tmp-", dir="node_modules")
    for n in range(40):
        with open(f"{tmp}/file-{n}.js", "w") as f:
            f.write(f"module.exports = {p * n};\n"); f.flush()
            if n == 0: os.fsync(f.fileno())
        os.chmod(f"{tmp}/file-{n}.js", 0o755 if n % 2 else 0o644)
    os.rename(tmp, d)
    os.symlink(f"../pkg-{p}/file-1.js", f"node_modules/.bin/pkg-{p}")
    os.link(f"{d}/file-0.js", f"{d}/linked.js")
    os.utime(f"{d}/file-0.js", (1, 1))
    os.truncate(f"{d}/file-3.js", 0)
    shutil.copy2(f"{d}/file-2.js", f"{d}/copy.js")
for p in range(0, 60, 3): shutil.rmtree(f"node_modules/pkg-{p}")
assert len(os.read(watch, 4096)) > 100
h = hashlib.sha256()
for base, dirs, files in sorted(os.walk("node_modules")):
    for f in sorted(files):
        path = os.path.join(base, f); st = os.lstat(path)
        h.update(repr((path, oct(st.st_mode), st.st_nlink, st.st_size, os.path.islink(path) and os.readlink(path))).encode())
print(h.hexdigest(), sum(len(f) for _, _, f in os.walk("node_modules")))
with tempfile.NamedTemporaryFile("w+") as f: f.write("t"); print(os.path.dirname(f.name))
"""

NODE = r"""
const fs = require("fs"), cp = require("child_process"), os = require("os"), net = require("net"),
      { Worker } = require("worker_threads"), http = require("http");
fs.mkdirSync("nm/.bin", { recursive: true });
let seen = 0; const w = fs.watch("nm", () => seen++);
for (let i = 0; i < 500; i++) fs.writeFileSync(`nm/f${i}.js`, `module.exports=${i}`);
fs.symlinkSync("../f1.js", "nm/.bin/f1"); fs.renameSync("nm/f2.js", "nm/g2.js"); fs.linkSync("nm/f3.js", "nm/l3.js");
console.log(fs.readdirSync("nm").length, require(process.cwd() + "/nm/.bin/f1"));
console.log(cp.execFileSync("sh", ["-c", "echo from $(echo child)"]).toString().trim());
new Worker("require('worker_threads').parentPort.postMessage(6*7)", { eval: true }).on("message", (m) => {
  console.log("worker", m);
  const s = http.createServer((q, r) => r.end("ok " + q.url)).listen(0, "127.0.0.1", () =>
    http.get({ port: s.address().port, host: "127.0.0.1", path: "/p" }, (r) => r.on("data", (d) => {
      console.log(d.toString()); s.close(); w.close(); fs.rmSync("nm", { recursive: true });
      console.log("watched", seen > 0); process.exitCode = 5;
    })));
});
"""

GIT = """set -e
git init -q -b main repo; cd repo; mkdir -p src/deep
for i in 1 2 3 4 5 6 7 8 9; do echo "line $i" >src/deep/f$i; done
git add .; git commit -q -m first
git checkout -q -b side; echo more >>src/deep/f1; git commit -q -am second
git checkout -q main; echo other >>src/deep/f2; git commit -q -am third; git merge -q -m merged side
git log --format='%H %s'; git status --short; git diff HEAD~1 --stat; git gc -q; git fsck --no-progress; git stash list
git clone -q . ../copy; git -C ../copy log --oneline | wc -l; git grep -c line
"""


def makefile(folder):
    with open(os.path.join(folder, "Makefile"), "w", encoding="utf-8") as f:
        names = [f"part{n}" for n in range(PARTS)]
        f.write(f"all: {' '.join(n + '.o' for n in names)} prog\n\t@./prog\n"
                f"prog: {' '.join(n + '.o' for n in names)} main.o\n\t@$(CC) -o $@ $^\n"
                "%.o: %.c\n\t@$(CC) -O1 -c -o $@ $<\n")
    for n in range(PARTS):
        with open(os.path.join(folder, f"part{n}.c"), "w", encoding="utf-8") as f:
            f.write(f"int part{n}(void) {{ return {n}; }}\n")
    with open(os.path.join(folder, "main.c"), "w", encoding="utf-8") as f:
        f.write("#include <stdio.h>\n" + "".join(f"int part{n}(void);\n" for n in range(PARTS)) +
                "int main(void) { printf(\"%d\\n\", " + " + ".join(f"part{n}()" for n in range(PARTS)) + "); return 0; }\n")


def npm(folder):
    os.makedirs(os.path.join(folder, "dep"))
    for where, text in (("package.json", {"name": "app", "version": "1.0.0", "scripts": {"hi": "node -e 'console.log(require(\"dep\"))'"},
                                          "dependencies": {"dep": "file:dep"}}),
                        ("dep/package.json", {"name": "dep", "version": "1.0.0", "main": "i.js"})):
        with open(os.path.join(folder, where), "w", encoding="utf-8") as f:
            json.dump(text, f)
    with open(os.path.join(folder, "dep", "i.js"), "w", encoding="utf-8") as f:
        f.write("module.exports = 'from dep';\n")


def tree(folder):
    os.makedirs(os.path.join(folder, "tree", "inner"))
    for name in ("b", "a", "c"):
        with open(os.path.join(folder, "tree", "inner", name), "w", encoding="utf-8") as f:
            f.write(name * 3 + "\n")
    os.symlink("a", os.path.join(folder, "tree", "inner", "link"))


def source(folder):
    with open(os.path.join(folder, "hello.c"), "w", encoding="utf-8") as f:
        f.write(HELLO)


def script(text, name="script.py"):
    def prepare(folder):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    return prepare


class Work:
    """@cmd: what must run; @status: how it ends; @needs: programs; @prepare(folder): files it starts with."""

    def __init__(self, name, cmd, status=0, needs=(), prepare=tree):
        self.name, self.cmd, self.status, self.prepare = name, cmd, status, prepare
        self.needs = [cmd[0], *needs]


def pure(scratch):
    yield Work("echo", ["echo", "hello", "world"])
    yield Work("ls -la", ["ls", "-la", "tree/inner"])
    yield Work("ls /", ["ls", "/"])
    yield Work("cat", ["cat", "tree/inner/a", "/etc/passwd"])
    yield Work("cat of a missing file", ["cat", "no-such"], 1)
    yield Work("sort", ["sort", "-r", "/etc/passwd"])
    yield Work("sed", ["sed", "s/a/b/g", "tree/inner/a"])
    yield Work("awk", ["awk", "-F:", "{n += $3} END {print NR, n}", "/etc/passwd"])
    yield Work("python3 -c", ["python3", "-c", "import json, sys; print(json.dumps([6 * 7])); sys.exit(7)"], 7)
    yield Work("sleep 0.5", ["sleep", "0.5"])
    yield Work("id", ["id", "-u"])
    yield Work("date", ["date", "-u", "-d", "@0"])
    yield Work("grep -r", ["grep", "-r", "aaa", "tree"])
    yield Work("sha256sum", ["sha256sum", "/etc/passwd"])
    yield Work("find", ["find", "tree", "-type", "f", "-newermt", "1990-01-01"])
    yield Work("sh without children", ["sh", "-c", "read a <tree/inner/a; f=/tmp/telltale-test-$$; echo $a >$f; read b <$f; echo $b;"
                                        " exec rm $f"])
    yield Work("perl", ["perl", "-e", "print join(',', sort map { $_ * 2 } 1..5), qq(\\n)"])
    for applet in (["echo", "busy"], ["ls", "-l", "tree/inner/a"], ["sort", "tree/inner/b"], ["awk", "BEGIN {print 6 * 7}"],
                   ["sleep", "0.1"]):
        yield Work(f"static busybox {applet[0]}", ["busybox", *applet])
    for kind in ("static", "musl", "musl-static"):
        yield Work(f"a {kind} program", [os.path.join(scratch, kind)], 3)


def builds():
    yield Work("a shell with pipes", ["sh", "-c", "seq 100 | grep 1 | sort -rn | head -3; (exit 4) || echo $?; wait"])
    yield Work("gcc, and what it made", ["sh", "-c", "gcc -O2 -o hello hello.c && ./hello"], 3, ["gcc"], source)
    yield Work("make -j2", ["make", "-s", "-j2"], 0, ["gcc"], makefile)
    yield Work("git", ["sh", "-c", GIT], 0, ["git"])
    yield Work("python3 with threads and processes", ["python3", "script.py"], 4, [], script(THREADS))
    yield Work("a server on 127.0.0.1", ["python3", "script.py"], 0, [], script(SERVER))
    yield Work("node", ["node", "script.js"], 5, [], script(NODE, "script.js"))
    yield Work("tar and xargs", ["sh", "-c", "d=$(mktemp -d) && tar cf - tree | gzip -n | tar xzf - -C $d --no-same-owner &&"
                                    " find $d -type f | sort | xargs -P2 -n1 cat | sort; rm -r $d"], 0, ["tar"])
    yield Work("a busybox shell", ["busybox", "sh", "-c", "busybox ls tree/inner | busybox sort"])


def agents():
    yield Work("a tree of thousands of files", ["python3", "script.py"], 0, [], script(TREE))
    yield Work("npm install and run", ["sh", "-c", "npm install --offline --no-audit --no-fund --silent && npm run -s hi"
                                       " && ls node_modules"], 0, ["npm", "node"], npm)
    yield Work("gcc, git commit", ["sh", "-c", "git init -q . && gcc -c hello.c && git add hello.c && git commit -q -m x"
                                   " && git show --stat --format=%H"], 0, ["gcc", "git"], source)


def works(profile, scratch):
    yield from pure(scratch)
    if profile in acts.BUILDS:
        yield from builds()
    if profile in acts.AGENT:
        yield from agents()


class Place:
    """Where the commands run: the same folder each time, made anew."""

    def __init__(self):
        self.root = tt.find_scratch()
        if not self.root:
            tt.skip_all("no place that programs may lie in and that the profiles do not hide")
        for name in ("telltale", "libtelltale.so", "libtelltale-musl.so"):
            if os.path.exists(os.path.join(tt.BUILD, name)):
                shutil.copy(os.path.join(tt.BUILD, name), self.root)
        hello = os.path.join(self.root, "hello.c")
        with open(hello, "w", encoding="utf-8") as f:
            f.write(HELLO)
        for name, line in (("static", ["gcc", "-static"]), ("musl", ["musl-gcc"]), ("musl-static", ["musl-gcc", "-static"])):
            if shutil.which(line[0]):
                subprocess.run([*line, "-o", os.path.join(self.root, name), hello], stderr=subprocess.DEVNULL, check=False)
        self.records = os.path.join(self.root, "records")
        self.folder = os.path.join(self.root, "project")

    def fresh(self, work, uid):
        for path in (self.records, self.folder):
            shutil.rmtree(path, ignore_errors=True)
            os.mkdir(path)
        work.prepare(self.folder)
        if os.geteuid() == 0:
            for base, _, names in os.walk(self.folder):
                for name in [base, *(os.path.join(base, n) for n in names)]:
                    os.chown(name, uid, uid, follow_symlinks=False)
            os.chown(self.records, uid, uid)
        # one second for all: ls prints it
        for base, folders, names in os.walk(self.folder):
            for name in [base, *(os.path.join(base, n) for n in folders + names)]:
                os.utime(name, (1e9, 1e9), follow_symlinks=False)

    def run(self, line):
        env = tt.clean_env(HOME=self.folder, LC_ALL="C.UTF-8", TZ="UTC", XDG_STATE_HOME=self.records,
                           PATH="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                           GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@example.org", GIT_AUTHOR_DATE="@1000000000 +0000",
                           GIT_COMMITTER_NAME="A", GIT_COMMITTER_EMAIL="a@example.org",
                           GIT_COMMITTER_DATE="@1000000000 +0000", GIT_CONFIG_NOSYSTEM="1")
        return subprocess.run(line, env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", timeout=LIMIT, check=False)


def quarrels(run):
    """What a run's document says against it."""
    s = run["summary"]
    if s["exit_reason"] in ("SECURITY_VIOLATION", "OOM_KILLED", "TIMEOUT", "KILLED_BY_OS"):
        yield s["exit_reason"]
    if s["blocked_syscalls"] != 0:  # null would say nothing
        yield f"{s['blocked_syscalls']} calls refused"
    for b in run["blocked"]:
        yield f"refused: {b['syscall']} {b.get('args')} of {b.get('comm')}"
    if s["blocked_syscall"]:
        yield f"the first was {s['blocked_syscall']}"
    if run["limits"]["degraded"]:
        yield f"degraded: {run['limits']['degraded']}"


def loud(trace):
    """Events of refusals that are not quiet."""
    events, problems = tt.parse_trace(trace)
    yield from problems
    for e in events:
        if e["event_type"] == "denied" and e.get("action") not in ("deny-quiet", "log"):
            yield f"denied: {e['syscall']} {e['args']} {e.get('action')}"


def try_one(place, mode, prefix, uid, profile, work):
    name = f"{mode}: {profile}: {work.name}"
    missing = [n for n in work.needs if not shutil.which(n)]
    if missing:
        tt.skip(name, f"no {missing[0]}")
        return
    place.fresh(work, uid)
    want = place.run([*prefix, *work.cmd])
    place.fresh(work, uid)
    head = [os.path.join(place.root, "telltale"), "run", "--no-kernel", f"--profile={profile}", "--output-dir", place.records, "--"]
    got = place.run([*prefix, *head, *work.cmd])
    complaints = []
    if want.returncode != work.status:
        complaints.append(f"without a sandbox it ends with {want.returncode}: {want.stdout[-300:]} {want.stderr[-300:]}")
    if (got.returncode, got.stdout) != (want.returncode, want.stdout):
        complaints.append(f"got  {got.returncode} {got.stdout[-600:]!r}")
        complaints.append(f"want {want.returncode} {want.stdout[-600:]!r}")
    if complaints or got.stderr != want.stderr:
        complaints += [f"stderr {got.stderr[-600:]!r}", f"want   {want.stderr[-600:]!r}"]
    names = sorted(os.listdir(place.records))
    runs = [n for n in names if n.startswith("run_")]
    if len(runs) != 1:
        complaints.append(f"records {names}")
    else:
        complaints += quarrels(json.loads(tt.read(os.path.join(place.records, runs[0]))))
        complaints += loud(tt.read(os.path.join(place.records, runs[0].replace("run_", "trace_").replace(".json", ".jsonl"))))
    tt.none(name, complaints)


def main():
    only = sys.argv[1:]
    place = Place()
    for mode, prefix, uid in acts.modes():
        if only and mode not in only and not set(acts.ALL) & set(only):
            continue
        why = acts.unable(prefix)
        if why:
            tt.skip(mode, why)
            continue
        for profile in acts.ALL:
            if set(acts.ALL) & set(only) and profile not in only:
                continue
            for work in works(profile, place.root):
                try_one(place, mode, prefix, uid, profile, work)
    tt.done()


main()
