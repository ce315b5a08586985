#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each thing that a policy can ask for, seen from inside: as root, as a user and in a namespace.

The policies are made of rules on the command line of sandbox_driver (sandbox_rules.c); the last part runs telltale.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tt

PROGRAMS = os.path.join(tt.BUILD, "tests", "integration")
NOBODY = 65534
LIMIT = 30
KINDS = {"mount": "mnt", "pid": "pid", "ipc": "ipc", "uts": "uts", "net": "net", "cgroup": "cgroup",
         "time": "time", "user": "user"}
CAP_CHOWN, CAP_SYS_CHROOT = 1 << 0, 1 << 18
RLIMIT_FSIZE, RLIMIT_NOFILE = 1, 7
SYSTEM = ["mount read /usr", "mount read /bin", "mount read /lib", "mount optional read /lib64"]
EMPTY = ["namespaces mount pid", "root empty", *SYSTEM]


class Mode:
    """One way to be: a prefix for every command line, and a home."""

    def __init__(self, name, prefix, scratch):
        self.name, self.prefix = name, prefix
        self.home = os.path.join(scratch, name)
        os.mkdir(self.home)
        os.chmod(self.home, 0o777)
        self.driver = os.path.join(scratch, "sandbox_driver")
        self.refuse = os.path.join(scratch, "sandbox_refuse")
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.home, "LC_ALL": "C"}

    def line(self, rules, cmd, options=(), before=()):
        if isinstance(cmd, str):
            cmd = ["sh", "-c", cmd]
        return [*self.prefix, *before, self.driver, *("--rule=" + r for r in rules), *options, "--", *cmd]

    def run(self, rules, cmd, options=(), before=(), **more):
        more.setdefault("cwd", self.home)
        more.setdefault("env", self.env)
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.line(rules or ["root keep"], cmd, options, before), timeout=LIMIT,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **more)

    def same(self, what, rules, cmd, want, **more):
        r = self.run(rules, cmd, **more)
        tt.check(f"{self.name}: {what}", r.returncode == 0 and r.stdout == want,
                 f"{r.returncode} {r.stdout!r} {r.stderr!r}, wanted {want!r}")

    def has(self, what, rules, cmd, text, **more):
        r = self.run(rules, cmd, **more)
        tt.check(f"{self.name}: {what}", text in r.stdout + r.stderr, f"{r.returncode} {r.stdout!r} {r.stderr!r}")

    def refused(self, what, rules, text, options=(), **more):
        r = self.run(rules, "echo ran", options, **more)
        tt.check(f"{self.name}: {what}", r.returncode == 125 and not r.stdout and text in r.stderr,
                 f"{r.returncode} {r.stdout!r} {r.stderr!r}")
        return r


def namespaces(m):
    """Each alone: its own, and no other."""
    show = "for k in mnt pid ipc uts net cgroup time user; do readlink /proc/self/ns/$k; done"
    outside = subprocess.run([*m.prefix, "sh", "-c", show], env=m.env, stdout=subprocess.PIPE, text=True,
                             check=True).stdout.split()
    anew = m.name == "namespace"  # each run has another one around it
    for kind in KINDS:
        inside = m.run(["namespaces " + kind], show).stdout.split()
        changed = {a.partition(":")[0] for a, b in zip(inside, outside) if a != b}
        want = {KINDS[kind]} | ({"user"} if m.name == "user" else set())
        if anew and kind != "user":
            changed.discard("user")
        tt.check(f"{m.name}: the namespace {kind} alone is made", len(inside) == 8 and (changed == want or
                 (anew and kind == "user")), f"{inside} {outside}")
    inside = m.run([], show).stdout.split()
    tt.check(f"{m.name}: none is made that nobody asked for",
             inside and {a.partition(":")[0] for a, b in zip(inside, outside) if a != b} <= ({"user"} if anew else set()),
             f"{inside} {outside}")
    m.same("in a PID namespace the command is 2", ["namespaces pid"], "echo $$", "2\n")
    m.same("hostname", ["namespaces uts", "hostname box"], ["uname", "-n"], "box\n")
    m.refused("a hostname needs a namespace", ["hostname box"], "hostname needs the namespace uts")
    m.refused("so do mounts", ["mount tmpfs /tmp 1000"], "root and mounts need the namespace mount")


def ids(m):
    if m.name != "namespace":  # which knows nobody but 0
        m.same("uid and gid inside", ["uid 1000", "gid 1001"], "id -u; id -g; id -G", "1000\n1001\n1001\n")
    m.same("uid and gid of a user namespace", ["namespaces user", "uid 1000", "gid 1001"], "id -u; id -g",
           "1000\n1001\n")
    own = {"root": 0, "user": NOBODY, "namespace": 0}[m.name]
    m.same("a map of oneself alone", ["namespaces user", f"uid-map 7 {own} 1", f"gid-map 8 {own} 1", "uid 7", "gid 8"],
           "id -u; id -g", "7\n8\n")
    maps = ["namespaces user mount", "uid-map 0 100000 65536", "gid-map 0 200000 65536", "uid 0", "gid 0",
            "mount tmpfs /tmp 100000 1777"]
    if m.name != "root":
        m.refused("ids of others need a privilege", maps, "CAP_SETUID")
        return
    m.same("maps of many ids", maps, "id -u; id -G; cut -c1-40 /proc/self/uid_map | tr -s ' '; touch /tmp/a && "
           "chown 7:8 /tmp/a && stat -c %u:%g /tmp/a", "0\n0\n 0 100000 65536\n7:8\n")
    groups = ["setpriv", "--groups", "5,6"]
    m.same("groups are left with the maps", maps, "id -G", "0\n", before=groups)
    m.same("groups are left with the user", ["uid 1000", "gid 1001"], "id -G", "1001\n", before=groups)
    m.same("and kept where nobody asked", [], "id -G", "0 5 6\n", before=groups)
    m.same("a user among them", maps[:3] + ["uid 1000", "gid 1000"], "id -u; id -G", "1000\n1000\n")
    m.has("its files are closed to it", maps, "cat /etc/shadow", "Permission denied")


def roots(m):
    home = m.home
    m.same("root keep", ["namespaces mount", "root keep"], f"echo a >{home}/kept && cat {home}/kept", "a\n")
    for cmd in (f"echo a >{home}/new", "echo a >/tmp/new"):
        m.has(f"root read-only: {cmd.replace(home, 'HOME')}", ["namespaces mount", "root read-only"], cmd,
              "Read-only file system")
    m.same("root empty shows what is bound alone", EMPTY + ["mount proc /proc"], "cd / && echo *",
           "bin lib lib64 proc usr\n" if os.path.isdir("/lib64") else "bin lib proc usr\n")
    m.has("it is read-only itself", EMPTY, "echo a >/new", "Read-only file system")
    m.has("and so is what is bound", EMPTY, "echo a >/usr/new", "Read-only file system")
    r = m.run(EMPTY + ["mount proc /proc"], "cat /proc/self/mountinfo")
    points = sorted(line.split()[4] for line in r.stdout.splitlines())
    wanted = sorted(["/", "/usr", "/bin", "/lib", "/proc"] + ["/lib64"] * os.path.isdir("/lib64"))
    tt.same(f"{m.name}: nothing of the old root is mounted", points, wanted)
    flags = [line.split()[5].split(",") for line in r.stdout.splitlines()]
    tt.check(f"{m.name}: all of it read-only, nosuid, nodev",
             flags and all({"ro", "nosuid", "nodev"} <= set(f) for f in flags), r.stdout)
    m.same("the working folder that is not there becomes /", EMPTY, "pwd", "/\n")
    m.same("an exposed file is there", EMPTY, f"cat {home}/kept", "a\n", options=[f"--expose={home}/kept"])
    m.has("and nothing beside it", EMPTY, f"ls {home}; cat /etc/passwd", "kept\n", options=[f"--expose={home}/kept"])


def mounts(m):
    home = m.home
    for name in ("in", "out", "secret"):
        os.mkdir(f"{home}/{name}")
        os.chmod(f"{home}/{name}", 0o777)
        with open(f"{home}/{name}/file", "w") as f:
            f.write(name + "\n")
        os.chmod(f"{home}/{name}/file", 0o666)
    base = ["namespaces mount", "root read-only"]
    m.same("mount write", base + [f"mount write {home}/out"], f"echo a >{home}/out/new && cat {home}/out/new", "a\n")
    tt.check(f"{m.name}: what is written is there outside", os.path.exists(f"{home}/out/new"))
    os.unlink(f"{home}/out/new")
    m.same("mount read elsewhere", base + [f"mount read {home}/in {home}/out"], f"cat {home}/out/file", "in\n")
    m.has("it is read-only", ["namespaces mount", f"mount read {home}/in {home}/out"], f"echo a >{home}/out/file",
          "Read-only file system")
    m.same("mounts in order: the later one lies on top",
           base + [f"mount read {home}/in {home}/out", f"mount write {home}/secret {home}/out"],
           f"cat {home}/out/file", "secret\n")
    m.same("what is bound is what was there before any mount",
           base + ["mount tmpfs /tmp 100000 0755", f"mount read {home}/in"], f"cat {home}/in/file", "in\n")
    m.same(". and ~", base + ["mount write .", "mount write ~/in"],
           "echo a >here && cat here && echo b >../in/here && cat ../in/here", "a\nb\n", cwd=home + "/out")
    os.unlink(home + "/out/here")
    os.unlink(home + "/in/here")
    m.refused(". is not /", base + ["mount write ."], "the whole system", cwd="/")
    m.refused("nor is ~", base + ["mount write ~"], "the whole system", env={**m.env, "HOME": "/"})
    m.same("optional passes over what is missing", base + [f"mount optional read {home}/none", "mount optional hide /no"],
           "echo ran", "ran\n")
    m.refused("what is missing is named", base + [f"mount read {home}/none"],
              f"mount read on '{home}/none': No such file or directory")
    m.refused("a place that is missing is named", ["namespaces mount", f"mount read {home}/in {home}/none"],
              f"mount read '{home}/in' on '{home}/none': No such file")
    tt.check(f"{m.name}: and not made in the caller's folder", not os.path.exists(home + "/none"))
    m.same("a place on a tmpfs is made", base + ["mount tmpfs /tmp 100000 0755", f"mount read {home}/in /tmp/a/b"],
           "cat /tmp/a/b/file", "in\n")
    m.same("tmpfs: mode and size", base + ["mount tmpfs /tmp 40960 0710"],
           "stat -c %a /tmp; cat /bin/bash >/tmp/f; stat -c %s /tmp/f", "710\n40960\n")
    fill = "n = 0\ntry:\n  while n < 3000: open(f'/tmp/{n}', 'w').close(); n += 1\nexcept OSError: pass\nprint(n)"
    r = m.run(base + ["mount tmpfs /tmp 40960 1777"], ["/usr/bin/python3", "-c", fill])
    tt.check(f"{m.name}: tmpfs: empty files have a limit, too", r.stdout.strip().isdigit()
             and 500 < int(r.stdout) < 1100, r.stdout)
    hidden = base + [f"mount hide {home}/secret", f"mount hide {home}/in/file"]
    for cmd in (f"ls {home}/secret", f"cat {home}/secret/file", f"cat {home}/in/file", f"chmod 777 {home}/in/file",
                f"echo a >{home}/in/file"):
        r = m.run(hidden + ["keep-caps 0"], cmd)
        tt.check(f"{m.name}: hide: {cmd.replace(home, 'HOME')}", r.returncode != 0 and not r.stdout
                 and ("denied" in r.stderr or "Read-only" in r.stderr), r.stdout + r.stderr)
    m.same("hide under an empty root", EMPTY + [f"mount read {home}", f"mount hide {home}/secret",
           f"mount hide {home}/in/file", "keep-caps 0"], f"cat {home}/out/file; cat {home}/in/file 2>&1 | grep -c denied",
           "out\n1\n")
    m.has("hide: not even with every capability", hidden + ["namespaces user"], f"cat {home}/in/file",
          "Permission denied")
    m.same("hide two files", base + [f"mount hide {home}/in/file", f"mount hide {home}/out/file"],
           f"cat {home}/in/file {home}/out/file 2>&1 | grep -c denied; cat {home}/secret/file", "2\nsecret\n")
    if m.name == "user":  # the others walk anywhere
        os.mkdir(f"{home}/closed", 0o700)
        m.same("hide, optional: what the command may not reach needs no cover",
               base + [f"mount optional hide {home}/closed/in"], f"ls {home}/closed/in 2>&1 | grep -c denied", "1\n")
        m.refused("hide: it is named where it is not optional", base + [f"mount hide {home}/closed/in"],
                  f"mount hide on '{home}/closed/in': Permission denied")
    m.same("dev", ["namespaces mount", "mount dev /dev 1000000"],
           "ls /dev | tr '\\n' ' '; echo a >/dev/shm/f && cat /dev/shm/f; echo b >/dev/null",
           "fd full null random shm stderr stdin stdout tty urandom zero a\n")
    m.refused("dev elsewhere", ["namespaces mount", "mount dev /mnt 10"], "its place is /dev")
    m.same("proc", ["namespaces mount pid", "mount proc /proc"], "echo /proc/[0-9]*", "/proc/1 /proc/2\n")
    m.has("proc is read-only", ["namespaces mount pid", "mount proc /proc"], "echo a >/proc/sys/kernel/domainname",
          "Read-only file system")


SERVER = """
import socket
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.socket(family) as a, socket.socket(family) as b:
        try:
            a.bind((host, 0)); a.listen(); b.connect(a.getsockname()); print("reached")
        except OSError as e:
            print(e.errno)
"""


def network(m):
    python = ["/usr/bin/python3", "-c", SERVER]
    m.same("network loopback", ["network loopback"], python, "reached\nreached\n")
    r = m.run(["network off"], python)
    tt.check(f"{m.name}: network off", r.returncode == 0 and "reached" not in r.stdout, r.stdout + r.stderr)
    for how in ("loopback", "off"):
        m.same(f"network {how}: nothing but lo", ["network " + how], "grep -c : /proc/net/dev", "1\n")


def limits(m):
    m.same("rlimits", [f"rlimit {RLIMIT_NOFILE} 33 44"], "ulimit -Sn; ulimit -Hn", "33\n44\n")
    m.same("a limit is a ceiling", [f"rlimit {RLIMIT_NOFILE} 0xffffffffffffffff 0xffffffffffffffff"],
           "ulimit -Hn", "50\n", before=["prlimit", "--nofile=40:50"])
    m.has("and holds", [f"rlimit {RLIMIT_FSIZE} 1024 1024"], "trap '' XFSZ; head -c 5000 /dev/zero >big", "File too large")


def capabilities(m):
    show = "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2 | sort -u"
    full = [] if m.name == "root" else ["namespaces user"]
    m.same("no capability is kept", full + ["keep-caps 0"], show, "0" * 16 + "\n")
    kept = CAP_CHOWN | CAP_SYS_CHROOT
    m.same("those kept survive exec, alone", full + [f"keep-caps {kept}"], show, f"{kept:016x}\n")
    m.same("they are for use", full + [f"keep-caps {kept}", "uid 0"], "chroot / echo in", "in\n")
    m.has("the others are not there", full + [f"keep-caps {CAP_CHOWN}", "uid 0"], "chroot / echo in",
          "Operation not permitted")
    show = "grep NoNewPrivs /proc/self/status | cut -f2"
    m.same("no_new_privs", [], show, "1\n")
    m.same("none where nobody asked", ["privileges"], show, "0\n")
    for rules in (["namespaces pid", "keep-caps 0"], ["namespaces pid user", "keep-caps 32"]):
        m.has("init is closed to the command", rules, "cat /proc/$PPID/maps /proc/$PPID/environ",
              "Permission denied")


def landlock(m):
    home = m.home
    walls = ["landlock handle rwx", "landlock allow rx /", f"landlock allow w {home}/out", "landlock allow w /dev/null"]
    m.same("landlock: writing where it is allowed", walls, f"echo a >{home}/out/ll && cat {home}/out/ll && rm {home}/out/ll"
           " && mkdir out/d && rmdir out/d", "a\n")
    for cmd in (f"echo a >>{home}/in/file", f"echo a >{home}/in/new", f"rm {home}/in/file", f"mkdir {home}/in/d",
                f"mv {home}/in/file {home}/out/", f"ln -s a {home}/in/l", f"truncate -s 0 {home}/in/file"):
        r = m.run(walls, cmd)
        tt.check(f"{m.name}: landlock: {cmd.replace(home, 'HOME')}", r.returncode != 0
                 and ("denied" in r.stderr or "cross-device" in r.stderr), r.stdout + r.stderr)
    read = ["landlock handle rx", "landlock allow rx /usr", "landlock allow rx /lib optional", "landlock allow rx /bin"
            " optional", "landlock allow rx /lib64 optional", f"landlock allow r {home}/in/file"]
    m.same("landlock: reading one file", read, f"cat {home}/in/file", "in\n")
    m.has("landlock: and no other", read, f"cat {home}/out/file", "Permission denied")
    with open(home + "/out/file") as f:
        m.same("landlock: what is open for reading may be opened again", read + ["landlock allow r /proc"],
               "cat /proc/self/fd/0", "out\n", stdin=f)
    shutil.copy("/bin/true", home + "/true")
    m.has("landlock: not executing", ["landlock handle x", "landlock allow x /usr"], home + "/true", "Permission denied")
    m.refused("landlock: a path that is missing is named", ["landlock handle w", "landlock allow w /no/such"],
              "landlock: look at '/no/such'")
    code = ("import socket,sys\ns = socket.socket()\ntry:\n s.bind(('127.0.0.1', 0)); s.listen(); p = s.getsockname()[1]; "
            "c = socket.socket(); c.connect(('127.0.0.1', p)); print('ok')\nexcept OSError as e: print(e.errno)")
    python = ["/usr/bin/python3", "-c", code]
    m.same("landlock: TCP unhandled", ["network loopback", "landlock handle w", "landlock allow w /"], python, "ok\n")
    m.same("landlock: no binding", ["network loopback", "landlock bind"], python, "13\n")
    m.same("landlock: binding to the port that is named, no connecting",
           ["network loopback", "landlock bind 0", "landlock connect 1"], python, "13\n")
    m.same("landlock: both where they are named", ["network loopback", "landlock bind 0"], python, "ok\n")
    outside = subprocess.Popen(["sleep", "30"], user=NOBODY if m.name == "user" and os.geteuid() == 0 else None)
    m.same("signals go out", [], f"kill -0 {outside.pid} && echo sent", "sent\n")
    m.has("landlock: scope", ["landlock scope"], f"kill -0 {outside.pid}", "Operation not permitted")
    outside.kill()
    outside.wait()


def environment(m):
    env = dict(m.env, AB="1", ABC="2", X="3", SECRET="4")
    show = ["env"]

    def case(what, rules, want):
        r = m.run(rules, show, env=env)
        tt.same(f"{m.name}: {what}", sorted(r.stdout.split()), sorted(want))
    everything = [f"{k}={v}" for k, v in env.items()]
    case("the whole environment", [], everything)
    case("what is listed", ["env-listed", "pass PATH", "pass AB*"], ["PATH=" + env["PATH"], "AB=1", "ABC=2"])
    case("drop comes after", ["env-listed", "pass PATH", "pass A*", "drop ABC"], ["PATH=" + env["PATH"], "AB=1"])
    case("drop from all", ["drop SECRET"], [e for e in everything if e != "SECRET=4"])
    case("set", ["env-listed", "pass PATH", "pass X", "set X=new", "set Y="], ["PATH=" + env["PATH"], "X=new", "Y="])
    r = m.run(["set PATH=/no/such"], ["env"])
    tt.check(f"{m.name}: the search goes by the resulting PATH", r.returncode == 127, f"{r.returncode} {r.stdout}")


def descriptors(m):
    fd = os.open("/dev/null", os.O_RDONLY)
    folder = os.open("/", os.O_RDONLY)
    os.dup2(fd, 30, inheritable=True)
    os.dup2(fd, 31, inheritable=True)
    m.same("fds", [], "ls /proc/self/fd | grep -E '^3[01]$'", "30\n", pass_fds=(30, 31), options=["--keep=30"])
    m.refused("a folder does not lead round a root", ["namespaces mount", "root read-only"], "is a folder",
              options=[f"--keep={folder}"], pass_fds=(folder,))
    m.same("and is harmless where the root is kept", [], f"test -d /proc/self/fd/{folder}/etc && echo seen", "seen\n",
           options=[f"--keep={folder}"], pass_fds=(folder,))
    for n in (fd, folder, 30, 31):
        os.close(n)


def caller_dies(m):
    """Without a PID namespace, too, nothing is left: not even what has left the session and lost its parent."""
    for rules in ([], ["namespaces pid"]):
        p = subprocess.Popen(m.line(rules or ["root keep"], "(setsid sleep 60 & setsid sh -c 'sleep 60; true' &); "
                                    "sleep 0.3; echo ready; sleep 60; true"), env=m.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        p.stdout.readline()
        below = tt.descendants(p.pid)
        p.kill()
        p.wait(LIMIT)
        end = time.monotonic() + 10
        while any(map(tt.is_alive, below)) and time.monotonic() < end:
            time.sleep(0.02)
        left = [q for q in below if tt.is_alive(q)]
        tt.check(f"{m.name}: SIGKILL of the caller ends all ({rules or 'no PID namespace'})",
                 len(below) >= 5 and not left, f"{below} left {left}")
        p.stdout.close()
        for q in left:
            os.kill(q, signal.SIGKILL)


EVERYTHING = ["namespaces mount pid ipc uts cgroup", "network loopback", "hostname box", "root read-only",
              "mount tmpfs /tmp 100000 1777", "mount read /usr", "mount proc /proc", "mount dev /dev 1000",
              "mount hide /etc/passwd", "keep-caps 0", f"rlimit {RLIMIT_NOFILE} 50 50", "landlock handle w",
              "landlock allow w /tmp", "landlock bind"]
# every call of the set-up, and what it is refused with; CAPBSET_DROP 24, NO_NEW_PRIVS 38, AMBIENT 47, PDEATHSIG 1
STEPS = [("unshare", 1), ("mount", 1), ("mount_setattr", 38), ("open_tree", 38), ("move_mount", 22),
         ("prctl:0=24", 1), ("prctl:0=38", 22), ("prctl:0=47", 1),
         ("prctl:0=1", 22), ("capset", 1), ("capget", 14), ("landlock_create_ruleset", 38),
         ("landlock_add_rule", 22), ("landlock_restrict_self", 1), ("close_range", 22),
         ("ioctl:1=0x8914", 1), ("sethostname", 1), ("symlink", 28), ("mkdir", 28), ("mknodat", 28), ("clone", 11)]


def sweep(m):
    """Each step of the set-up fails in turn: the command never runs."""
    r = m.run(EVERYTHING, "echo ran")
    tt.check(f"{m.name}: with all its walls the command runs", r.stdout == "ran\n", r.stderr)
    for call, err in STEPS:
        # mkdir and symlink have other names on some machines
        r = m.run(EVERYTHING, "echo ran", before=[m.refuse, call, str(err), "--"])
        if r.returncode == 99:
            r = m.run(EVERYTHING, "echo ran", before=[m.refuse, call + "at", str(err), "--"])
        tt.check(f"{m.name}: without {call} nothing runs", r.returncode == 125 and "ran" not in r.stdout
                 and "launch '" in r.stderr, f"{r.returncode} {r.stdout} {r.stderr}")
    empty = EMPTY + ["keep-caps 0"]
    for call, err in (("fsopen", 38), ("fsconfig", 22), ("fsmount", 1), ("pivot_root", 22), ("fchdir", 13),
                      ("umount2", 22), ("chdir", 13)):
        r = m.run(empty, "echo ran", before=[m.refuse, call, str(err), "--"])
        tt.check(f"{m.name}: root empty: without {call} nothing runs", r.returncode == 125 and not r.stdout,
                 f"{r.returncode} {r.stdout} {r.stderr}")
    for call in ("setresuid", "setresgid", "setgroups"):
        if m.name == "root":
            r = m.run(["uid 1000", "gid 1000"], "echo ran", before=[m.refuse, call, "1", "--"])
            tt.check(f"{m.name}: uid: without {call} nothing runs", r.returncode == 125 and not r.stdout, r.stderr)


def degrade(m):
    """What this machine does not allow is left out, by name, and the rest still holds."""
    def case(what, call, err, rules, cmd, want, lines):
        before = [m.refuse, call, str(err), "--"]
        m.refused(f"{what}: refused without --degrade", rules, "--degrade runs without it", before=before)
        r = m.run(rules, cmd, ["--degrade"], before=before)
        tt.check(f"{m.name}: {what}: left out with it", r.returncode == 0 and r.stdout == want
                 and len(r.stderr.splitlines()) == len(lines)
                 and all(a in b for a, b in zip(lines, r.stderr.splitlines())),
                 f"{r.returncode} {r.stdout!r} {r.stderr!r}")
    case("Landlock", "landlock_create_ruleset", 38, EVERYTHING, "echo a >/tmp/a && cat /tmp/a; uname -n", "a\nbox\n",
         ["confine the command with Landlock (this kernel has it not, or switched off): Function not implemented"])
    case("hostname", "sethostname", 1, ["namespaces uts", "hostname box", "keep-caps 0"],
         "grep CapEff /proc/self/status | cut -f2", "0" * 16 + "\n", ["set the host's name: Operation not permitted"])
    case("mount_setattr", "mount_setattr", 38, ["namespaces mount", "root read-only", "mount tmpfs /tmp 10000 0755"],
         "echo /tmp/*", "/tmp/*\n", ["make every mount read-only (needs Linux 5.12 or newer)"])
    case("a namespace", "unshare:0=0x40000000", 28, ["namespaces net", "network off", "keep-caps 0"],
         "test $(grep -c : /proc/net/dev) -ge 1 && echo ran", "ran\n", ["make namespaces net: No space left on device"])
    if m.name == "root":
        case("the PID namespace", "clone:0=0x20000011", 28, ["namespaces pid uts", "hostname box"], "uname -n", "box\n",
             ["make namespaces pid: No space left on device"])
    if m.name == "user":
        case("the PID namespace", "clone:0=0x30000011", 28, ["namespaces pid uts", "hostname box"], "uname -n", "box\n",
             ["make namespaces pid: No space left on device"])


def recorded(m, profile, cmd, options=(), before=(), **more):
    """The command under `telltale run` and a profile of that text: what came of it, and its run.json."""
    path = os.path.join(m.home, "test.profile")
    with open(path, "w") as f:
        f.write(profile)
    out = tempfile.mkdtemp(dir=m.home)
    os.chmod(out, 0o777)
    r = subprocess.run([*m.prefix, *before, os.path.join(os.path.dirname(m.home), "telltale"), "run", "--no-kernel", "--quiet",
                        "--profile=" + path, "--output-dir", out, *options, "--", *cmd], env=m.env, cwd=m.home,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                       timeout=LIMIT, **more)
    found = [n for n in os.listdir(out) if n.startswith("run_")]
    doc = {}
    if found:
        with open(os.path.join(out, found[0])) as f:
            doc = json.load(f)
    return r, doc


def command_line(m):
    """What telltale itself adds: options, the record, the library."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    r, doc = recorded(m, "landlock handle write\n", ["sh", "-c", f"echo kept >&{write}"],
                      [f"--keep-fd={write}"], pass_fds=(write,))
    os.close(write)
    got = os.read(read, 100)
    os.close(read)
    tt.check(f"{m.name}: --keep-fd", r.returncode == 0 and got == b"kept\n", f"{got} {r.stderr}")
    for bad in ("99", "x", "-1"):
        r, doc = recorded(m, "", ["true"], ["--keep-fd=" + bad])
        tt.check(f"{m.name}: --keep-fd {bad} is refused", r.returncode == 125 and "--keep-fd" in r.stderr, r.stderr)
    text = "environment listed\nenvironment pass PATH\nenvironment set A=b\n"
    r, doc = recorded(m, text, ["sh", "-c", "env | grep -v -E '^(PWD|OLDPWD|SHLVL|_)=' | sort"])
    tt.check(f"{m.name}: the environment of the profile, and nothing of the library",
             r.stdout == f"A=b\nPATH={m.env['PATH']}\n", r.stdout + r.stderr)
    tt.check(f"{m.name}: the library was there all the same", doc.get("coverage", {}).get("declared_only", 0) >= 4,
             doc.get("coverage"))
    tt.same(f"{m.name}: nothing is left out", doc.get("limits", {}).get("degraded"), [])
    text = "namespaces uts\nhostname box\nenvironment drop X\n"
    refuse = [m.refuse, "sethostname", "1", "--"]
    r, doc = recorded(m, text, ["uname", "-n"], before=refuse)
    tt.check(f"{m.name}: what cannot be had ends the run", r.returncode == 125 and not r.stdout
             and doc["summary"]["exit_reason"] == "LAUNCH_FAILED", r.stdout + r.stderr)
    r, doc = recorded(m, text, ["echo", "ran"], ["--degrade"], before=refuse)
    line = "set the host's name: Operation not permitted"
    tt.check(f"{m.name}: --degrade says what is left out", r.returncode == 0 and r.stdout == "ran\n"
             and r.stderr == f"telltale: run: left out: {line}\n", f"{r.stdout} {r.stderr}")
    tt.same(f"{m.name}: so does run.json", doc.get("limits", {}).get("degraded"), [line])
    r, doc = recorded(m, "include STRICT\n", ["echo", "ran"], ["--degrade"], before=[m.refuse, "unshare", "1", "--"])
    tt.check(f"{m.name}: as in a container whose filter refuses unshare(2)", r.returncode == 0 and r.stdout == "ran\n"
             and "left out: make namespaces mount" in r.stderr, f"{r.stdout} {r.stderr}")
    r, doc = recorded(m, "landlock handle write\n", ["sh", "-c", "sleep 0.1 & true; echo $$; exit 3"])
    tt.check(f"{m.name}: a sandbox without a PID namespace: status, processes, no init among them",
             r.returncode == 3 and doc["summary"]["exit_reason"] == "EXITED(3)" and doc["summary"]["processes"] == 2,
             f"{r.returncode} {r.stderr} {doc.get('summary')}")


def no_user_namespaces(scratch):
    """As in a container: an ordinary user, and no way to a namespace."""
    if os.geteuid() != 0:
        tt.skip("no user namespaces", "needs root to set the limit")
        return
    script = ('echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all '
              '--no-new-privs "$@"')
    m = Mode("container", ["unshare", "-Ur", "sh", "-c", script, "sh"], scratch)
    rules = ["namespaces mount pid net", "root read-only", "mount tmpfs /tmp 1000 1777", "mount proc /proc",
             "landlock handle w", "landlock allow w /dev", "keep-caps 0", f"rlimit {RLIMIT_NOFILE} 40 40"]
    r = m.refused("nothing runs where namespaces are off", rules, "make namespaces user pid (unprivileged user")
    if "max_user_namespaces" in r.stderr:
        tt.skip("no user namespaces", "cannot set the limit: " + r.stderr.strip())
        return
    r = m.run(rules, f"echo a 2>/dev/null >{m.home}/x || echo walled; ulimit -n; grep NoNew /proc/self/status | cut -f2",
              ["--degrade"])
    tt.same("container: what needs none of them holds with --degrade", r.stdout, "walled\n40\n1\n")
    tt.check("container: the rest is named", [line.partition(" (")[0].partition(": ")[0] for line in r.stderr.splitlines()]
             == ["make namespaces user pid mount net", "make every mount read-only", "mount tmpfs on '/tmp'",
                 "mount proc on '/proc'"], r.stderr)


def modes(scratch):
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if os.geteuid() == 0:
        yield Mode("root", [], scratch)
    yield Mode("user", user if os.geteuid() == 0 else [], scratch)
    yield Mode("namespace", ["unshare", "-Ur"], scratch)


def main():
    scratch = tt.scratch()
    for name in ("sandbox_driver", "sandbox_refuse"):
        if not os.path.exists(os.path.join(PROGRAMS, name)):
            tt.skip_all(f"{name} is not built")
        shutil.copy(os.path.join(PROGRAMS, name), scratch)
    for name in ("telltale", "libtelltale.so"):
        shutil.copy(os.path.join(tt.BUILD, name), scratch)
    only = sys.argv[1:]
    for m in modes(scratch):
        able = subprocess.run(m.prefix + ["/bin/true"], stderr=subprocess.PIPE, text=True, check=False)
        if able.returncode:
            tt.skip(m.name, "this machine does not let us: " + able.stderr.strip())
            continue
        for part in (namespaces, ids, roots, mounts, network, limits, capabilities, landlock, environment, descriptors,
                     caller_dies, sweep, degrade, command_line):
            if not only or part.__name__ in only:
                part(m)
    no_user_namespaces(scratch)
    tt.done()


main()
