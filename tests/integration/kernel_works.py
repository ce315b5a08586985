# SPDX-License-Identifier: Apache-2.0
"""Real programs, run with both sensors: what kernel_programs.py tests and tools/coverage_table.py counts."""
import json
import os
import shutil
import subprocess

import kernel_run
import tt

ALL = ("OFF", "LEARNING", "AGENT", "RESOURCE-AWARE")
OFF = ("OFF",)
STRICT = (*ALL, "STRICT")
LIMIT = 240

C_FILE = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
MAKE = "all: a.o b.o c.o d.o\n\t$(CC) -o prog $^\n\t./prog\n%.o: %.c\n\t$(CC) -O1 -c -o $@ $<\n"

GIT = """set -e
git init -q -b main repo; cd repo; mkdir -p src/deep
for i in 1 2 3 4 5 6 7 8 9; do echo "line $i" >src/deep/f$i; done
git add .; git commit -q -m first
git checkout -q -b side; echo more >>src/deep/f1; git commit -q -am second
git checkout -q main; git merge -q -m merged side; git mv src/deep/f2 src/moved; git commit -q -m third
git log --format='%H %s'; git status --short; git gc -q; git clone -q . ../copy
"""

PYTHON = r"""
import asyncio, concurrent.futures, ctypes, decimal, email.mime.text, glob, hashlib, json, logging, os, random, shutil
import socket, sqlite3, ssl, subprocess, sys, tempfile, threading, unittest, urllib.request, xml.etree.ElementTree, zipfile
import multiprocessing
def work(n):
    with tempfile.NamedTemporaryFile("w", dir=".") as f:
        f.write(str(n)); f.flush(); os.fsync(f.fileno())
        return sum(range(n))
if __name__ == "__main__":
    print(subprocess.run(["sort", "-r"], input="a\nb\n", text=True, capture_output=True).stdout)
    subprocess.run("echo shell; exit 3", shell=True); os.system("true"); os.popen("echo popen").read()
    os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
    ts = [threading.Thread(target=work, args=(1000 * n,)) for n in range(8)]
    [t.start() for t in ts]; [t.join() for t in ts]
    with multiprocessing.Pool(2) as p: print(p.map(work, [10, 20, 30]))
    asyncio.run(asyncio.sleep(0.01))
    os.makedirs("x/y"); shutil.copytree("x", "z"); shutil.rmtree("z"); os.rename("x", "w")
    with zipfile.ZipFile("a.zip", "w") as z: z.writestr("a", "b")
    db = sqlite3.connect("db"); db.execute("create table t(a)"); db.execute("insert into t values(1)"); db.commit()
    open("missing") if os.path.exists("missing") else None
    try: open("/etc/shadow-not-there")
    except OSError: pass
"""

SERVER = r"""
import http.server, subprocess, sys, threading, urllib.request
class H(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
threading.Thread(target=s.serve_forever, daemon=True).start()
url = "http://localhost:%d/" % s.server_port
open("page", "w").write("x" * 100000)
for i in range(5): assert len(urllib.request.urlopen(url + "page").read()) == 100000
if len(sys.argv) > 1:
    for i in range(3): subprocess.run(["curl", "-s", "-o", "got%d" % i, url + "page"], check=True)
s.shutdown()
"""

NODE = r"""
const fs = require("fs"), cp = require("child_process"), http = require("http"), { Worker } = require("worker_threads");
fs.mkdirSync("nm/.bin", { recursive: true });
for (let i = 0; i < 200; i++) fs.writeFileSync(`nm/f${i}.js`, `module.exports=${i}`);
fs.symlinkSync("../f1.js", "nm/.bin/f1"); fs.renameSync("nm/f2.js", "nm/g2.js"); fs.linkSync("nm/f3.js", "nm/l3.js");
console.log(fs.readdirSync("nm").length, require(process.cwd() + "/nm/.bin/f1"));
console.log(cp.execFileSync("sh", ["-c", "echo from $(echo child)"]).toString().trim());
fs.promises.readFile("nm/f7.js").then(() => fs.promises.unlink("nm/f7.js"));
new Worker("require('worker_threads').parentPort.postMessage(6*7)", { eval: true }).on("message", (m) => {
  const s = http.createServer((q, r) => r.end("ok " + q.url)).listen(0, "127.0.0.1", () =>
    http.get({ port: s.address().port, host: "127.0.0.1", path: "/p" }, (r) => r.on("data", (d) => {
      console.log(d.toString()); s.close(); fs.rmSync("nm", { recursive: true });
    })));
});
"""

JAVA = r"""
import java.nio.file.*; import java.net.*;
public class Hello {
  public static void main(String[] a) throws Exception {
    Path d = Files.createDirectory(Path.of("jd"));
    for (int i = 0; i < 50; i++) Files.writeString(d.resolve("f" + i), "x".repeat(i));
    for (int i = 0; i < 50; i += 2) Files.delete(d.resolve("f" + i));
    Files.move(d.resolve("f1"), d.resolve("moved"));
    Process p = new ProcessBuilder("sort", "-r").redirectInput(new java.io.File("Hello.java")).start();
    p.getInputStream().readAllBytes(); p.waitFor();
    ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    Thread t = new Thread(() -> { try { s.accept().close(); } catch (Exception e) {} }); t.start();
    new Socket(s.getInetAddress(), s.getLocalPort()).close(); t.join();
    System.out.println("hello");
  }
}
"""

GO = r"""
package main
import ("fmt"; "net"; "os"; "os/exec")
func main() {
	for i := 0; i < 50; i++ { os.WriteFile(fmt.Sprintf("go-%d", i), []byte("x"), 0600) }
	os.Rename("go-0", "go-moved"); os.Remove("go-1"); os.Open("go-missing")
	out, _ := exec.Command("sh", "-c", "echo child").Output()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { panic(err) }
	go func() { c, _ := l.Accept(); c.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil { panic(err) }
	c.Close()
	fmt.Print("hello ", string(out))
}
"""

PIPES = ("seq 1000 | grep 1 | sort -rn | head -3 >out; (exit 4) || echo $?; for i in 1 2 3 4 5; do echo $i >f$i; cat f$i; done;"
         " x=$(ls | wc -l); mkdir d && mv f1 d/ && rm f2 && ln -s f3 l; cat missing 2>/dev/null; rm -r d; wait")
JOBS = ("set -m; sleep 0.1 & sleep 0.2 & jobs; wait; (sleep 0.1; echo sub) & fg >/dev/null 2>&1; coproc cat; echo x >&${COPROC[1]};"
        " read -r y <&${COPROC[0]}; kill %1 2>/dev/null; cat <(echo a) <(echo b); mapfile -t z < <(seq 5); true")
PERL = ("for (1..20) { open(my $f, '>', \"p$_\") or die; print $f $_; close $f; } rename 'p1','q1'; unlink 'p2'; "
        "print `echo back`; system('true'); my $p = fork; if (!$p) { exit 2 } waitpid $p, 0; use Socket; use POSIX; "
        "mkdir 'pd'; rmdir 'pd'; print join ',', map { $_ * 2 } 1..5")
TAR = ("mkdir t; for i in $(seq 60); do echo $i >t/f$i; done; tar czf t.tar.gz t; mkdir u; tar xzf t.tar.gz -C u;"
       " find u -type f -print0 | xargs -0 -n5 -P2 rm; find u -delete; gzip -dc t.tar.gz | tar tf - | wc -l")
SQLITE = ("create table t(a, b); insert into t values(1, 'x'); pragma journal_mode=wal; insert into t select a + 1, b from t;"
          " vacuum; select count(*) from t;")
SUBPROCESS = ["python3", "-m", "unittest", "-q", "test.test_subprocess.ProcessTestCase", "test.test_subprocess.RunFuncTestCase"]


def write(name, text):
    return lambda folder: put(folder, name, text)


def put(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(text)


def project(folder):
    put(folder, "Makefile", MAKE)
    put(folder, "a.c", C_FILE)
    for name in "bcd":
        put(folder, name + ".c", f"#include <stdlib.h>\nint f{name}(void) {{ return abs(-1); }}\n")


def static(folder):
    put(folder, "static.c", C_FILE)
    subprocess.run(["cc", "-static", "-o", "static", "static.c"], cwd=folder, check=False)


class Work:
    """@cmd: what runs, in an empty folder that @prepare filled; @needs: programs; @under: profiles in which it can run."""

    def __init__(self, name, cmd, under=ALL, needs=(), prepare=lambda folder: None, status=0):
        self.name, self.cmd, self.under, self.needs, self.prepare = name, cmd, under, [cmd[0], *needs], prepare
        self.status = status

    def missing(self):
        return next((n for n in self.needs if not n.startswith("./") and not shutil.which(n)), None)


WORKS = [
    Work("git", ["sh", "-c", GIT], needs=["git"]),
    Work("python3", ["python3", "w.py"], prepare=write("w.py", PYTHON)),
    Work("python3, a server", ["python3", "w.py"], prepare=write("w.py", SERVER)),
    Work("curl", ["python3", "w.py", "curl"], needs=["curl"], prepare=write("w.py", SERVER)),
    Work("CPython's tests of subprocess", SUBPROCESS, OFF, status=None),
    Work("gcc and make -j2", ["make", "-s", "-j2"], needs=["gcc"], prepare=project),
    Work("tar, find and xargs", ["sh", "-c", TAR]),
    Work("sh", ["sh", "-c", PIPES]),
    Work("bash with jobs", ["bash", "-c", JOBS]),
    Work("perl", ["perl", "-e", PERL]),
    Work("sqlite3", ["sqlite3", "db", SQLITE]),
    Work("node", ["node", "w.js"], prepare=write("w.js", NODE)),
    Work("java", ["java", "Hello.java"], prepare=write("Hello.java", JAVA)),
    Work("javac", ["sh", "-c", "javac Hello.java && java Hello"], ALL, ["javac"], write("Hello.java", JAVA)),
    Work("go", ["./go-hello"], ALL, ["go"], lambda folder: go(folder)),
    Work("go build", ["sh", "-c", "GOFLAGS=-mod=mod GOCACHE=$PWD/cache CGO_ENABLED=0 go build w.go && ./w"], OFF,
         ["go"], write("w.go", GO.replace('; "net"', "").split("\tl, err")[0] + "\tfmt.Print(string(out))\n}\n")),
    Work("rustc", ["sh", "-c", "rustc w.rs && ./w"], OFF, ["rustc"], write("w.rs", 'fn main() { println!("hello"); }\n')),
    Work("busybox, static", ["busybox", "sh", "-c", "busybox seq 9 >f; for i in 1 2 3; do busybox cp f g$i; done; "
                             "busybox ls | busybox sort; busybox rm g1"]),
    Work("a static program", ["./static"], STRICT, ["cc"], static),
    Work("ls", ["ls", "-la", "/usr/bin"], STRICT),
    Work("find", ["find", "/usr/include", "-name", "*.h", "-newermt", "1990-01-01"], STRICT),
    Work("ssh-keygen", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"]),
    Work("man", ["sh", "-c", "man ls | head -5"], ALL, ["man"]),
    Work("apt-cache", ["apt-cache", "policy", "gcc"]),
    Work("tmux", ["sh", "-c", "tmux -L telltale-test -f /dev/null new-session -d 'sleep 0.3'; sleep 0.6; "
                  "tmux -L telltale-test kill-server 2>/dev/null; true"], OFF, ["tmux"]),
    Work("fakeroot", ["fakeroot", "sh", "-c", "touch f; chown 12:34 f; mknod d c 1 3; stat -c %u f d; tar cf f.tar f d; chown 0 f"], OFF),
    Work("faketime", ["faketime", "2001-02-03 04:05:06", "sh", "-c", "date +%Y; touch f; cat f"], OFF),
    Work("stdbuf", ["stdbuf", "-oL", "sh", "-c", "seq 20 >f; cat f"]),
    Work("strace", ["strace", "-f", "-o", "log", "sh", "-c", "wc -l </etc/passwd; touch f; rm f"], OFF),
    Work("namespaces", ["unshare", "-pfm", "--mount-proc", "sh", "-c", "touch f; mount -t tmpfs none /mnt; touch /mnt/x; cat f; rm f"],
         OFF),
    Work("another root", ["sh", "-c", "mkdir -p root/bin && cp static root/bin/true && chroot root /bin/true"], OFF, prepare=static),
    Work("setpriv", ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "sh", "-c", "cat missing; touch /etc/x; id"],
         OFF, status=0),
    Work("env -i", ["env", "-i", "/bin/sh", "-c", "echo $PATH >f; exec cat f"]),
]


def go(folder):
    """Built once beside the folder: it takes longer than all the rest."""
    root = os.path.dirname(folder)
    if not os.path.exists(os.path.join(root, "go-hello")):
        put(root, "w.go", GO)
        subprocess.run(["go", "build", "-o", "go-hello", "w.go"], cwd=root, check=False, capture_output=True,
                       env=dict(os.environ, CGO_ENABLED="0", GOCACHE=os.path.join(root, "cache"), GOFLAGS="-mod=mod"))
    shutil.copy(os.path.join(root, "go-hello"), folder)


class Place:
    """A folder that the profiles do not hide, made anew for each program."""

    def __init__(self):
        self.root = tt.find_scratch()
        if not self.root:
            tt.skip_all("no place that programs may lie in and that the profiles do not hide")

    def run(self, work, profile):
        """With --on-full=block: on a busy machine, too, the library loses nothing."""
        folder = os.path.join(self.root, "project")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        work.prepare(folder)
        env = tt.clean_env(HOME=folder, LC_ALL="C.UTF-8", GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@example.org",
                           GIT_COMMITTER_NAME="A", GIT_COMMITTER_EMAIL="a@example.org", GIT_CONFIG_NOSYSTEM="1",
                           TMPDIR="/tmp", CARGO_HOME=os.path.expanduser("~/.cargo"),
                           RUSTUP_HOME=os.environ.get("RUSTUP_HOME", os.path.expanduser("~/.rustup")))
        return kernel_run.record(work.cmd, options=[f"--profile={profile}", "--on-full=block"], env=env, cwd=folder, timeout=LIMIT)


def describe(rec):
    """What was counted of a run, as one line."""
    c = rec.run["coverage"]
    return json.dumps({k: c.get(k) for k in ("spans", "full", "kernel_only", "declared_only", "none", "causes", "unmatched",
                                             "events", "lost", "findings")})
