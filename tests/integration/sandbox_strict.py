#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Profile STRICT: what must run, what must be refused, and how runs end; as root, user and in a namespace.

sandbox_strict.py [DRIVER]    without DRIVER, the launcher under test is `telltale run`

Reads TELLTALE_BUILD (telltale, libtelltale.so and tests/integration/sandbox_probe lie there).
"""
import ctypes
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tt

DRIVER = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
LIMIT = 30

class Mode:
    """One way to be: a prefix for every command line, and how the launcher is called."""

    def __init__(self, name, prefix, scratch):
        self.name, self.prefix, self.scratch = name, prefix, scratch
        self.state = os.path.join(scratch, "state-" + name)
        os.mkdir(self.state)
        os.chmod(self.state, 0o777)
        self.env = dict(os.environ, XDG_STATE_HOME=self.state, HOME=self.state, LC_ALL="C",
                        PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        self.probe = os.path.join(scratch, "sandbox_probe")

    def line(self, cmd, profile="STRICT", options=()):
        if DRIVER:
            head = [os.path.join(self.scratch, "sandbox_driver")]
        else:
            head = [os.path.join(self.scratch, "telltale"), "run", "--no-kernel"]
        return self.prefix + head + [f"--profile={profile}", *options, "--", *cmd]

    def run(self, *cmd, profile="STRICT", options=(), **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("cwd", "/")
        return subprocess.run(self.line(cmd, profile, options), env=self.env, timeout=LIMIT,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, **more)

    def said(self, act, argument="", **more):
        """What the probe said of one act, or its exit status."""
        r = self.run(self.probe, act, argument, **more)
        last = r.stdout.strip().splitlines()[-1:] or [""]
        return last[0].partition(" ")[2] if r.returncode == 0 else f"status {r.returncode} {r.stderr}"


def must_run(m):
    def case(name, cmd, want, **more):
        r = m.run(*cmd, **more)
        tt.check(f"{m.name}: runs {name}", r.returncode == 0 and want in r.stdout,
              f"{r.returncode} {r.stdout[-300:]} {r.stderr[-300:]}")

    case("/bin/echo", ["/bin/echo", "hello"], "hello\n")
    case("ls -la", ["ls", "-la", "/"], " etc\n")
    case("cat", ["cat", "/etc/hostname"], open("/etc/hostname").read())
    case("sleep 0.5", ["sleep", "0.5"], "")
    case("python3 -c", ["/usr/bin/python3", "-c", "print(6 * 7)"], "42\n")
    case("sh with a redirection", ["sh", "-c", "echo a >/dev/null; echo b"], "b\n")
    case("a write to private /tmp", ["sh", "-c", "echo in >/tmp/f && read a </tmp/f && echo $a"], "in\n")
    case("a write to private /dev/shm", ["sh", "-c", "echo in >/dev/shm/f && echo done"], "done\n")
    if os.path.exists("/bin/busybox"):
        case("static busybox", ["/bin/busybox", "echo", "busy"], "busy\n")
    else:
        tt.skip(f"{m.name}: runs static busybox", "no /bin/busybox")
    for kind in ("static", "musl"):
        path = os.path.join(m.scratch, kind)
        if os.path.exists(path):
            case(f"a {kind} program", [path], f"hello from {kind}\n")
        else:
            tt.skip(f"{m.name}: runs a {kind} program", "its compiler is not installed")


def must_fail(m):
    wants = [("inet", "EPERM"), ("unix", "EPERM"), ("pair-dgram", "EPERM"), ("pair-inet", "EPERM"),
             ("pair-stream", "ok"), ("fork", "EPERM"), ("vfork", "EPERM"), ("clone3", "ENOSYS"),
             ("thread", "EPERM"), ("mount", "EPERM"), ("remount", "EPERM"), ("umount", "EPERM"),
             ("unshare", "EPERM"), ("traceme", "EPERM"), ("kill-group", "EPERM"),
             ("nice-group", "EPERM"), ("tiocsti", "EPERM"), ("tiocsti-high", "EPERM"),
             ("persona-ask", "ok"), ("persona-set", "EPERM"), ("keyctl", "EPERM"), ("io-uring", "EPERM")]
    for act, want in wants:
        got = m.said(act)
        tt.check(f"{m.name}: {act} gives {want}", got == want, got)
    for act in ("int80", "x32"):
        control = m.said(act, profile="OFF")
        if os.uname().machine != "x86_64" or "status" in control:
            tt.skip(f"{m.name}: {act} kills", "this kernel has no such calls")
            continue
        got = m.said(act)
        tt.check(f"{m.name}: {act} kills", got.startswith("status 159"), got)
    for pid in (1, os.getpid(), os.getppid()):
        got = m.said("ptrace", str(pid))
        tt.check(f"{m.name}: ptrace of {'init' if pid == 1 else 'a process outside'}", got == "EPERM", got)
    got = m.said("kill", str(os.getpid()))
    tt.check(f"{m.name}: kill of a process outside", got == "ESRCH", got)
    m.said("kill", "1")
    r = m.run("sh", "-c", "kill -9 1; echo alive")
    tt.check(f"{m.name}: init outlives kill -9 from inside", r.stdout == "alive\n", r.stdout + r.stderr)
    for what in ("mem", "environ", "maps"):
        got = m.said("open-rw" if what == "mem" else "write", f"/proc/1/{what}")
        tt.check(f"{m.name}: /proc/1/{what} is closed", got in ("EACCES", "EROFS", "EPERM"), got)
    r = m.run("cat", "/proc/1/environ")
    tt.check(f"{m.name}: init's environment cannot be read", r.returncode == 1 and not r.stdout, r.stderr)
    no_effect(m)


def no_effect(m):
    for path in (m.state + "/new", "/etc/telltale-test", "/usr/telltale-test", "/telltale-test",
                 "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/dev/telltale-test",
                 "/sys/kernel/profiling", os.path.join(m.scratch, "open-to-all")):
        got = m.said("write", path)
        tt.check(f"{m.name}: write to {path.replace(m.scratch, 'SCRATCH')}",
              got in ("EROFS", "EACCES", "ENOENT"), got)
    if DRIVER or not m.prefix:
        got = m.said("write", os.path.join(m.scratch, "open-to-all"))
        tt.check(f"{m.name}: it is the mount that refuses, not the file mode", got == "EROFS", got)
    r = m.run("sh", "-c", "echo x >here", cwd=m.state)
    tt.check(f"{m.name}: write to the working folder", r.returncode != 0 and "Read-only" in r.stderr, r.stderr)
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        path = f"{folder}/telltale-test-{os.getpid()}"
        got = m.said("write", path) if os.path.isdir(folder) else None
        tt.check(f"{m.name}: write to {folder} is not seen outside", got == "ok" and not os.path.exists(path), got)
    disks = [p for p in ("/dev/vda", "/dev/sda", "/dev/mem", "/dev/kmsg", "/dev/kvm") if os.path.exists(p)]
    for path in disks:
        got = m.said("open-rw", path)
        tt.check(f"{m.name}: {path} is not there", got == "ENOENT", got)
    node = os.path.join(m.scratch, "device")
    if os.path.exists(node):
        got = m.said("open-rw", node)
        tt.check(f"{m.name}: a device node elsewhere does not open", got == "EACCES", got)
    for key in ("CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb"):
        r = m.run("grep", key, "/proc/self/status")
        tt.check(f"{m.name}: {key} is empty", r.stdout.split()[1:] == ["0" * 16], r.stdout + r.stderr)
    r = m.run("ls", "/proc")
    pids = [n for n in r.stdout.split() if n.isdigit()]
    tt.check(f"{m.name}: /proc shows init and the command alone", pids == ["1", "2"], pids)


def setuid(m):
    path = os.path.join(m.scratch, "setuid")
    if not os.path.exists(path):
        tt.skip(f"{m.name}: a setuid program gains nothing", "only root can make one")
        return
    if m.name == "namespace":
        return  # its owner is not mapped there
    r = m.run(path, "ids")
    free = m.run(path, "ids", profile="OFF")
    tt.check(f"{m.name}: a setuid program works under OFF", free.stdout != r.stdout, free.stdout)
    ids = r.stdout.split()[1:5]
    tt.check(f"{m.name}: a setuid program gains nothing", len(ids) == 4 and ids[0] == ids[1], r.stdout + r.stderr)


def controls(m):
    """The same acts are possible without the sandbox, or the cases above would prove nothing."""
    for act in ("inet", "unix", "pair-dgram", "fork", "vfork", "clone3", "thread", "kill-group", "persona-set",
                "nice-group"):
        got = m.said(act, profile="OFF", start_new_session=True)
        tt.check(f"{m.name}: OFF allows {act}", got == "ok", got)


def surroundings(m):
    r = m.run(m.probe, "cwd", cwd=m.state, umask=0o027)
    tt.check(f"{m.name}: the working folder and umask stay", f"cwd {m.state} umask 027" in r.stdout, r.stdout)
    here = tempfile.mkdtemp(dir="/tmp")
    os.chmod(here, 0o755)
    r = m.run(m.probe, "cwd", cwd=here)
    os.rmdir(here)
    tt.check(f"{m.name}: a hidden working folder becomes /", r.stdout.startswith("cwd / "), r.stdout)
    read_end, write_end = os.pipe()
    os.dup2(write_end, 9, inheritable=True)
    low = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    r = m.run(m.probe, "fds", pass_fds=(9, *low))
    tt.check(f"{m.name}: other fds are closed", "fd 2\n" in r.stdout
          and not any(f"fd {n}\n" in r.stdout for n in (9, *low)), r.stdout)
    for fd in low:
        os.close(fd)
    if DRIVER:
        r = m.run(m.probe, "fds", pass_fds=(9,), options=["--keep=9"])
        tt.check(f"{m.name}: kept fds stay, nothing else", r.stdout == "fd 0\nfd 1\nfd 2\nfd 9\nfds ok\n", r.stdout)
    for fd in (9, read_end, write_end):
        os.close(fd)
    folder = os.open("/", os.O_RDONLY)
    r = m.run("/bin/echo", "ran", stdin=folder)
    os.close(folder)
    tt.check(f"{m.name}: a folder as stdin is refused", r.returncode == 125 and not r.stdout, r.stdout + r.stderr)
    base = m.run(m.probe, "signals").stdout
    plain = subprocess.run(m.prefix + [m.probe, "signals"], env=m.env, stdout=subprocess.PIPE, text=True,
                           check=True).stdout
    tt.check(f"{m.name}: signal mask and dispositions as without a launcher", base == plain, base + "/" + plain)
    r = subprocess.run(["sh", "-c", 'trap "" HUP PIPE; exec "$@"', "sh", *m.line([m.probe, "signals"])],
                       env=m.env, stdout=subprocess.PIPE, text=True, check=False, timeout=LIMIT)
    tt.check(f"{m.name}: ignored signals stay ignored", "ignored 1\n" in r.stdout and "ignored 13\n" in r.stdout,
          r.stdout)


def landlock_is_here():
    libc = ctypes.CDLL(None)
    return libc.syscall(444, None, ctypes.c_size_t(0), 1) > 0


def second_wall(m):
    """What read-only mounts leave open."""
    if not landlock_is_here():
        tt.skip(f"{m.name}: nothing opens for writing through /proc/self/fd", "this kernel has no Landlock")
        return
    path = os.path.join(m.state, "input")
    with open(path, "w") as f:
        f.write("x")
    os.chmod(path, 0o666)
    fifo = os.path.join(m.state, "fifo")
    os.mkfifo(fifo)
    os.chmod(fifo, 0o666)
    for profile, want in (("OFF", "ok"), ("STRICT", "EACCES")):
        for act in ("open-rw", "truncate"):
            with open(path) as f:
                got = m.said(act, "/proc/self/fd/0", profile=profile, stdin=f)
            tt.check(f"{m.name}: {profile}: {act} of the file that is stdin gives {want}", got == want, got)
        got = m.said("open-rw", fifo, profile=profile)
        tt.check(f"{m.name}: {profile}: a FIFO for writing gives {want}", got == want, got)
    with open(path, "w+") as f:
        subprocess.run(m.line(["sh", "-c", "echo again >>/dev/stderr"]), env=m.env, stderr=f, check=False,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=LIMIT)
        f.seek(0)
        got = f.read()
    tt.check(f"{m.name}: /dev/stderr opens where stderr is a file", got == "again\n", got)
    script = ("import os; os.makedirs('/tmp/a'); os.makedirs('/tmp/b'); open('/tmp/a/f', 'w').write('x'); "
              "os.rename('/tmp/a/f', '/tmp/b/f'); os.truncate('/tmp/b/f', 0); print(os.listdir('/tmp/b'))")
    r = m.run("/usr/bin/python3", "-c", script)
    tt.check(f"{m.name}: in /tmp files can be written, moved and cut", r.stdout == "['f']\n", r.stderr)


def namespaces(m):
    for kind in ("mnt", "pid", "net", "ipc", "uts", "cgroup", "user"):
        inside = m.run("readlink", f"/proc/self/ns/{kind}").stdout
        off = m.run("readlink", f"/proc/self/ns/{kind}", profile="OFF").stdout
        if kind == "user" and m.name == "namespace":
            continue  # each run has another one around it
        own = kind != "user" or m.name == "user"
        tt.check(f"{m.name}: {kind} namespace is {'its own' if own else 'the same'}",
              inside and off and (inside != off) == own, inside + off)


def failures(m):
    for name, cmd, status in (("missing", "no-such-program-here", 127), ("missing path", "/no/such", 127),
                              ("not executable", "/etc/hostname", 126),
                              ("script without #!", os.path.join(m.scratch, "no-shebang"), 126),
                              ("script with a missing interpreter", os.path.join(m.scratch, "bad-shebang"), 126),
                              ("empty name", "", 127)):
        for profile in ("OFF", "STRICT"):
            r = m.run(cmd, profile=profile)
            tt.check(f"{m.name}: {profile}: {name} is {status}",
                  r.returncode == status and not r.stdout and r.stderr.count("\n") >= 1,
                  f"{r.returncode} {r.stdout} {r.stderr}")
    r = m.run("sh", "-c", "exit 7")
    tt.check(f"{m.name}: exit status", r.returncode == 7, r.returncode)
    r = m.run("sh", "-c", "kill -SEGV $$")
    tt.check(f"{m.name}: death by signal", r.returncode == 128 + signal.SIGSEGV, r.returncode)
    r = m.run(*m.line(["/bin/true"])[len(m.prefix):])
    tt.check(f"{m.name}: STRICT inside STRICT is refused with 125", r.returncode == 125, f"{r.returncode} {r.stderr}")


def read_until(fd, text, limit=10):
    """Bytes of fd up to text. Returns all that came."""
    got, end = b"", time.monotonic() + limit
    while text not in got and time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                more = os.read(fd, 1000)
            except OSError:
                break
            if not more:
                break
            got += more
    return got


def forwarding(m):
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGQUIT):
        p = subprocess.Popen(m.line([m.probe, "await"]), env=m.env, stdout=subprocess.PIPE,
                             stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        got = read_until(p.stdout.fileno(), b"ready\n")
        p.send_signal(sig)
        got += read_until(p.stdout.fileno(), b"ok\n")
        p.stdout.close()
        p.wait(LIMIT)
        tt.check(f"{m.name}: {sig.name} is handed on", f"await signal {int(sig)}\n".encode() in got, got)


def caller_dies(m):
    p = subprocess.Popen(m.line([m.probe, "await"]), env=m.env, stdout=subprocess.PIPE,
                         stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    read_until(p.stdout.fileno(), b"ready\n")
    below = tt.descendants(p.pid)
    p.kill()
    p.wait(LIMIT)
    end = time.monotonic() + 5
    while any(map(tt.is_alive, below)) and time.monotonic() < end:
        time.sleep(0.02)
    left = [q for q in below if tt.is_alive(q)]
    tt.check(f"{m.name}: SIGKILL of the caller takes init and command down", len(below) >= 2 and not left,
          f"{below} left {left}")
    p.stdout.close()
    for q in left:
        os.kill(q, signal.SIGKILL)


def job_shell(line, env, tell):
    """A shell of one job: puts it in front, tells of its stop, continues it, tells of its end."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvpe(line[0], line, env)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            os.write(tell, b"ended %d\n" % os.waitstatus_to_exitcode(status))
            os._exit(0)
        os.tcsetpgrp(0, os.getpgrp())
        os.write(tell, b"stopped\n")
        time.sleep(0.2)
        os.tcsetpgrp(0, job)
        os.write(tell, b"continuing\n")
        os.killpg(job, signal.SIGCONT)


def terminal(m, cmd):
    """Returns (pid of the shell, terminal, pipe on which the shell tells)."""
    told, tell = os.pipe()
    pid, master = pty.fork()
    if pid == 0:
        try:
            os.chdir("/")
            signal.alarm(LIMIT)
            job_shell(m.line(cmd), m.env, tell)
        finally:
            os._exit(99)
    os.close(tell)
    return pid, master, told


def end_terminal(pid, master, told):
    os.close(master)
    os.close(told)
    os.waitpid(pid, 0)


def job_control(m):
    pid, master, told = terminal(m, [m.probe, "line"])
    got = read_until(master, b"ready")
    os.write(master, b"\x1a")
    stopped = read_until(told, b"continuing\n")
    tt.check(f"{m.name}: Ctrl-Z stops the job", b"stopped" in stopped, got + stopped)
    os.write(master, b"hello\n")
    got = read_until(master, b"got hello")
    end = read_until(told, b"ended 7\n")
    tt.check(f"{m.name}: it goes on when continued", b"got hello" in got and b"ended 7" in end, got + end)
    end_terminal(pid, master, told)

    pid, master, told = terminal(m, [m.probe, "line"])
    read_until(master, b"ready")
    os.write(master, b"\x03")
    end = read_until(told, b"ended")
    tt.check(f"{m.name}: Ctrl-C ends the job with 130", b"ended 130" in end, end)
    end_terminal(pid, master, told)

    pid, master, told = terminal(m, [m.probe, "tty"])
    got = read_until(master, b"tty ok")
    tt.check(f"{m.name}: the terminal has its name and /dev/tty opens", b"tty /dev/pts/" in got and b"tty ok" in got,
          got)
    end_terminal(pid, master, told)

    pid, master, told = terminal(m, [m.probe, "tiocsti"])
    got = read_until(master, b"tiocsti E")
    tt.check(f"{m.name}: TIOCSTI on the real terminal is refused", b"tiocsti EPERM" in got, got)
    end_terminal(pid, master, told)


def driver_only(m):
    hidden = tempfile.mkdtemp(dir="/tmp")
    os.chmod(hidden, 0o755)
    name = os.path.join(hidden, "a", "b")
    os.mkdir(os.path.dirname(name))
    with open(name, "w") as f:
        f.write("exposed\n")
    link = os.path.join(m.scratch, "link-" + m.name)
    os.symlink(name, link)
    r = m.run("cat", name)
    tt.check(f"{m.name}: a file below /tmp is hidden", r.returncode == 1, r.stdout)
    for path in (name, link):
        r = m.run("cat", path, options=["--expose=" + path])
        tt.check(f"{m.name}: an exposed file is visible", r.stdout == "exposed\n", r.stderr)
    r = m.run(m.probe, "write", name, options=["--expose=" + name])
    tt.check(f"{m.name}: an exposed file is read-only", "EROFS" in r.stdout or "EACCES" in r.stdout, r.stdout)
    r = m.run("/bin/echo", "ran", options=["--expose=/tmp/no/such/file"])
    tt.check(f"{m.name}: what cannot be exposed stops the launch",
          r.returncode == 125 and "show '/tmp/no/such/file' in the sandbox: No such file" in r.stderr
          and not r.stdout, r.stderr)
    shutil.rmtree(hidden)

    r = m.run(m.probe, "io", options=["--tell=2"])
    told = dict(line.split(":") for line in r.stderr.splitlines() if line.startswith("sysc"))
    off = m.run(m.probe, "io", options=["--tell=2"], profile="OFF")
    bare = dict(line.split(":") for line in off.stderr.splitlines() if line.startswith("sysc"))
    tt.check(f"{m.name}: init's figures are the command's and nothing else",
          told == bare and int(told.get("syscr", 0)) >= 500 and int(told.get("syscw", 0)) >= 500,
          f"{r.stderr} {off.stderr}")
    tt.check(f"{m.name}: the end is reported", "ended 0\n" in r.stderr, r.stderr)


def cannot_sandbox(scratch):
    """A machine without unprivileged namespaces: the launch fails, says why and runs nothing."""
    if os.geteuid() != 0:
        tt.skip("no namespaces: fails closed", "needs root to set the limit")
        return
    # Namespaces of a fresh user namespace count against its own limits, which its root may set to 0.
    script = 'echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"'
    m = Mode("limit", ["unshare", "-Ur", "sh", "-c", script, "sh"], scratch)
    r = m.run("/bin/echo", "ran")
    if "max_net_namespaces" in r.stderr:
        tt.skip("no namespaces: fails closed", "cannot set the limit: " + r.stderr.strip())
        return
    tt.check("no namespaces: fails closed", r.returncode == 125 and "ran" not in r.stdout
          and "make namespaces" in r.stderr, f"{r.returncode} {r.stdout} {r.stderr}")


def build_helpers(scratch):
    probe = os.path.join(tt.BUILD, "tests", "integration", "sandbox_probe")
    shutil.copy(probe, scratch)
    if DRIVER:
        shutil.copy(DRIVER, os.path.join(scratch, "sandbox_driver"))
    else:
        for name in ("telltale", "libtelltale.so"):
            shutil.copy(os.path.join(tt.BUILD, name), scratch)
    for kind, cc in (("static", ["gcc", "-static"]), ("musl", ["musl-gcc"])):
        if shutil.which(cc[0]):
            subprocess.run([*cc, "-o", os.path.join(scratch, kind), "-x", "c", "-"], check=False, text=True,
                           input=f'#include <stdio.h>\nint main(void) {{ return puts("hello from {kind}") < 0; }}\n')
    for name, text in (("no-shebang", "echo ran\n"), ("bad-shebang", "#!/no/such/interpreter\n")):
        path = os.path.join(scratch, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o755)
    path = os.path.join(scratch, "open-to-all")
    open(path, "w").close()
    os.chmod(path, 0o666)
    if os.geteuid() == 0:
        path = shutil.copy(probe, os.path.join(scratch, "setuid"))
        os.chown(path, 1234, -1)
        os.chmod(path, 0o4755)
        path = os.path.join(scratch, "device")
        os.mknod(path, 0o666 | 0o020000, os.makedev(1, 3))
        os.chmod(path, 0o666)


def modes(scratch):
    if os.geteuid() == 0:
        yield Mode("root", [], scratch)
    yield Mode("user", tt.DROP if os.geteuid() == 0 else [], scratch)
    yield Mode("namespace", ["unshare", "-Ur"], scratch)


def main():
    needed = [DRIVER] if DRIVER else [os.path.join(tt.BUILD, n) for n in ("telltale", "libtelltale.so")]
    needed.append(os.path.join(tt.BUILD, "tests", "integration", "sandbox_probe"))
    for path in needed:
        if not os.path.exists(path):
            tt.skip_all(os.path.basename(path) + " is not built")
    # A shell's background job is started with these ignored, and so would be all that we run.
    for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(sig, signal.SIG_DFL)
    scratch = tt.find_scratch()
    if not scratch:
        tt.skip_all("no folder outside /tmp that may hold programs")
    try:
        build_helpers(scratch)
        for m in modes(scratch):
            if m.prefix:
                able = subprocess.run(m.prefix + ["/bin/true"], stderr=subprocess.PIPE, text=True, check=False)
                if able.returncode:
                    tt.skip(m.name, "this machine does not let us: " + able.stderr.strip())
                    continue
            for part in (must_run, must_fail, setuid, controls, surroundings, second_wall, namespaces, failures, forwarding, caller_dies,
                         job_control):
                part(m)
            if DRIVER:
                driver_only(m)
        cannot_sandbox(scratch)
    finally:
        shutil.rmtree(scratch)
    tt.done()


main()
