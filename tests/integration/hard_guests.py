#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Beside others: libraries that want the same functions, other run times, programs that ld.so keeps us out of."""
import glob
import os
import shutil
import subprocess
import time

import hard
import tt

SHOW = tt.program("env_probe")
THREADS = tt.program("threads")
USER = 1000

PYTHON = """
import os, subprocess, sys, threading, time
def work(i):
    data = [bytes(n) for n in range(0, 20000, 7)]
    os.close(os.open(f"file{i}", os.O_WRONLY | os.O_CREAT))
    assert sum(map(len, data)) > 0
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(os.listdir(".")), time.gmtime().tm_year, os.getuid())
print(subprocess.run(["sh", "-c", "echo child; id -u; date +%Y; exit 3"], capture_output=True))
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    os.close(os.open("by-child", os.O_WRONLY | os.O_CREAT))
    os._exit(4)
print(os.waitpid(pid, 0)[1])
"""


def beside(name, library, env, opened="open64"):
    """A library that the user preloads: ours in front of it, behind it, and put there by the recorder."""
    script = os.path.join(tt.scratch(), "work.py")
    with open(script, "w", encoding="ascii") as f:
        f.write(PYTHON)
    line = ["/usr/bin/python3", "-IS", script]
    native = run(line, hard.env(LD_PRELOAD=library, **env))
    if not tt.check(f"native: {name}: works", native.returncode == 0, native):
        return
    for order, preload in (("ours first", [tt.LIBRARY, library]), ("ours last", [library, tt.LIBRARY])):
        log = os.path.join(tt.scratch(), "trace.jsonl")
        got = run(line, hard.env(LD_PRELOAD=":".join(preload), SUBSTRATE_TRACE_LOG=log, **env))
        judge(f"direct: {name}, {order}", native, got, tt.read(log), opened)
    if "recorder" in tt.modes():
        # env puts the library in for the command: ours goes in front when it execs
        folder = tt.scratch(0o777)
        got = run([tt.TELLTALE, "run", "--no-kernel", "--output-dir", folder, "--", "env", "LD_PRELOAD=" + library,
                   *[f"{k}={v}" for k, v in env.items()], *line], hard.env())
        judge(f"recorder: {name}, in the command", native, got, tt.read(tt.one(folder + "/trace_*.jsonl")), opened)
        # and here the recorder runs with it as well
        folder = tt.scratch(0o777)
        got = run([tt.TELLTALE, "run", "--no-kernel", "--output-dir", folder, "--", *line], hard.env(LD_PRELOAD=library, **env))
        judge(f"recorder: {name}, around it all", native, got, tt.read(tt.one(folder + "/trace_*.jsonl")), opened)


def run(line, env):
    cwd = hard.fresh("guests")
    try:
        return subprocess.run(line, env=env, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                              check=False)
    finally:
        shutil.rmtree(cwd)


def judge(name, native, got, raw, opened, may_stay_open=()):
    tt.none(f"{name}: as without", hard.differences(native.returncode, got.returncode, "status") +
            hard.differences(native.stdout, got.stdout, "stdout") +
            hard.differences(native.stderr, got.stderr, "stderr"))
    events, problems = tt.parse_trace(raw)
    tt.none(f"{name}: every line is valid", problems)
    names = sorted(os.path.basename(e["path"]) for e in events if e["syscall"] == opened and
                   "O_CREAT" in e["args"][1])
    tt.same(f"{name}: its files are recorded, each once", names, ["by-child"] + [f"file{i}" for i in range(8)])
    tt.none(f"{name}: spans", tt.span_problems(events, may_stay_open))


def installed(pattern):
    return next(iter(sorted(glob.glob(pattern))), None)


def jemalloc():
    library = installed("/usr/lib/*/libjemalloc.so.2")
    if library:
        beside("jemalloc", library, {})
    else:
        tt.skip("jemalloc", "libjemalloc2 is not installed")


def faketime():
    """The program's clock is another; the record's is not."""
    library = installed("/usr/lib/*/faketime/libfaketime.so.1")
    if not library:
        tt.skip("libfaketime", "it is not installed")
        return
    fake = {"FAKETIME": "@2001-02-03 04:05:06", "TZ": "UTC"}
    beside("libfaketime", library, fake)
    for order, preload in (("ours first", [tt.LIBRARY, library]), ("ours last", [library, tt.LIBRARY])):
        log = os.path.join(tt.scratch(), "trace.jsonl")
        run([THREADS, "noop"], hard.env(LD_PRELOAD=":".join(preload), SUBSTRATE_TRACE_LOG=log, **fake))
        events, _ = tt.parse_trace(tt.read(log))
        tt.same(f"direct: libfaketime, {order}: times of the record", sorted({e["ts"][:4] for e in events}),
                [time.strftime("%Y", time.gmtime())])


def fakeroot():
    library = installed("/usr/lib/*/libfakeroot/libfakeroot-sysv.so")
    if not library or not shutil.which("fakeroot", path=hard.PATH):
        tt.skip("fakeroot", "it is not installed")
        return
    script = ('touch f; chown 12:34 f; chmod 4755 f; mknod device c 1 3; stat -c "%u %g %a %F" f device; id -u; '
              '"$0" -IS "$1"')
    work = os.path.join(tt.scratch(), "work.py")
    with open(work, "w", encoding="ascii") as f:
        f.write(PYTHON)
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
    inner = ["sh", "-c", script, "/usr/bin/python3", work]
    native = run([*drop, "fakeroot", *inner], hard.env())
    if native.returncode != 0 or b"12 34 4755 regular" not in native.stdout:
        tt.skip("fakeroot", f"does not work here: {native.stderr.decode(errors='replace').strip()[:200]}")
        return
    ours = shutil.copy(tt.LIBRARY, tt.scratch())
    os.chmod(ours, 0o755)
    for order in ("ours last", "ours first"):
        log = os.path.join(tt.scratch(0o777), "trace.jsonl")
        env = hard.env(SUBSTRATE_TRACE_LOG=log)
        if order == "ours last":
            # fakeroot puts its own in front of what is there
            line = [*drop, "env", "LD_PRELOAD=" + ours, "fakeroot", *inner]
        else:
            line = [*drop, "fakeroot", "env", f"LD_PRELOAD={ours}:{library}", *inner]
        got = run(line, env)
        # its daemon is killed, which nobody is there to record
        judge(f"direct: fakeroot, {order}", native, got, tt.read(log), "open64", False)
    if "recorder" in tt.modes():
        folder = tt.scratch(0o777)
        got = run([tt.TELLTALE, "run", "--no-kernel", "--output-dir", folder, "--", *drop, "fakeroot", *inner], hard.env())
        judge("recorder: fakeroot", native, got, tt.read(tt.one(folder + "/trace_*.jsonl")), "open64")


def setuid():
    """ld.so leaves preloads out of a setuid program: its parent's record says that it was run, and that is all."""
    if os.geteuid() != 0:
        tt.skip("setuid programs", "making one needs root")
        return
    folder = tt.scratch()
    copy = shutil.copy(THREADS, os.path.join(folder, "setuid_threads"))
    os.chmod(copy, 0o4755)
    library = shutil.copy(tt.LIBRARY, folder)
    os.chmod(library, 0o755)
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    if subprocess.run([*drop, copy, "noop"], check=False).returncode != 0:
        tt.skip("setuid programs", "none can be run in the scratch folder")
        return
    # one that makes events, and after it a plain one
    plain = shutil.copy(THREADS, os.path.join(folder, "plain"))
    script = 'mkdir sub && "$0" open 1 2 && cd sub && "$1" open 1 3'
    line = ["sh", "-c", script, copy, plain]
    tt.LIBRARY, library = library, tt.LIBRARY
    # alone, the first program makes the log: it must belong to the user as well
    found = hard.compare("a setuid program", line, only=["direct"], user=USER, group=USER, extra_groups=[])
    tt.LIBRARY = library
    found.update(hard.compare("a setuid program", [*drop, *line], only=["recorder"]))
    for mode, rec in hard.recorded(found):
        name = f"{mode}: a setuid program"
        execs = [e for e in rec.calls("execve") if e["args"][0] == copy]
        tt.same(f"{name}: its exec is in the parent's span", len(execs), 1)
        starts = [e for e in rec.events if e["syscall"] == "start" and e.get("exe") == copy and
                  e.get("sensor") == "preload"]
        tt.same(f"{name}: nothing from inside", starts, [])
        tt.same(f"{name}: what comes after it is recorded", len(rec.calls("open")), 3)
        if mode == "recorder":
            coverage = rec.run["coverage"]
            tt.check(f"{name}: counted as not seen from inside", coverage["kernel_only"] + coverage["none"] >= 1,
                     coverage)
            own = [e for e in rec.events if e["syscall"] == "start" and e.get("exe") == copy]
            tt.same(f"{name}: a span of its own from the recorder", len(own), 1)


def go():
    """No libc inside: seen from outside alone, and never disturbed."""
    compiler = shutil.which("go", path=hard.PATH + ":/usr/local/go/bin:/usr/lib/go/bin")
    if not compiler:
        tt.skip("a Go program", "no Go here")
        return
    # the Go tool is a Go program that starts others
    env = hard.env(GOFLAGS="-mod=mod", GOCACHE=tt.scratch(), GOPATH=tt.scratch(), GOTOOLCHAIN="local", GOPROXY="off",
                   GOTELEMETRY="off", PATH=os.path.dirname(compiler) + ":" + hard.PATH)
    hard.compare("a Go program", [compiler, "version"], given=env)
    found = hard.compare("a Go program that starts others", [compiler, "tool", "compile", "-V=full"], given=env)
    for mode, rec in hard.recorded(found):
        tt.check(f"{mode}: a Go program: its exec is recorded",
                 any(e["args"][0] == compiler for e in rec.calls("execvp", "execve")), rec.calls())


JAVA = """
import java.io.*; import java.net.*; import java.nio.file.*; import java.util.*;
public class Work {
    public static void main(String[] args) throws Exception {
        Files.writeString(Path.of("made"), "text");
        System.out.println(Files.readString(Path.of("made")) + new TreeMap<>(System.getenv()));
        Process p = new ProcessBuilder("sh", "-c", "echo $0 $KEPT; exit 5", "child").start();
        System.out.print(new String(p.getInputStream().readAllBytes()));
        System.out.println(p.waitFor());
        try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
             Socket c = new Socket(s.getInetAddress(), s.getLocalPort()); Socket a = s.accept()) {
            c.getOutputStream().write(42);
            System.out.println(a.getInputStream().read());
        }
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            int n = i;
            threads.add(new Thread(() -> new File("folder" + n).mkdir()));
            threads.get(i).start();
        }
        for (Thread t : threads) t.join();
        System.gc();
        System.out.println(new File(".").list().length);
        try { new FileInputStream("none"); } catch (IOException e) { System.out.println(e.getMessage()); }
        System.exit(6);
    }
}
"""


def java():
    """A run time with handlers of its own for SIGSEGV, threads and a helper that spawns."""
    if not shutil.which("javac", path=hard.PATH):
        tt.skip("a Java program", "no Java compiler here")
        return
    folder = tt.scratch()
    with open(os.path.join(folder, "Work.java"), "w", encoding="ascii") as f:
        f.write(JAVA)
    subprocess.run(["javac", "-d", folder, os.path.join(folder, "Work.java")], check=True, timeout=120)
    found = hard.compare("a Java program", ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                                            "-cp", folder, "Work"], status=6, given=hard.env(KEPT="as it was"))
    for mode, rec in hard.recorded(found):
        name = f"{mode}: a Java program"
        made = {os.path.basename(e["path"]) for e in rec.calls("mkdir")}
        tt.check(f"{name}: its folders", {f"folder{i}" for i in range(20)} <= made, made)
        starts = [e for e in rec.events if e["syscall"] == "start" and e["how"] == "exec"]
        tt.check(f"{name}: its child, by way of its helper",
                 any((e.get("argv") or [""])[0] == "sh" and "child" in e["argv"] for e in starts), starts)


def main():
    tt.modes()
    jemalloc()
    faketime()
    fakeroot()
    setuid()
    go()
    java()
    tt.done()


main()
