# SPDX-License-Identifier: Apache-2.0
"""The acts that a sandbox must not let through, and the world that they are tried in.

profile_acts.py tries them under each profile, tools/compare_sandboxes.py under other launchers, too. An act is held if
the program that tries it is refused, or if what it did is not seen outside.
"""
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile

import tt

SECONDS = 60
ALL = ("STRICT", "RESOURCE-AWARE", "AGENT")
STRICT = ("STRICT",)
BUILDS = ("RESOURCE-AWARE", "AGENT")
AGENT = ("AGENT",)
NAMESPACES = ("user", "mount", "pid", "net", "ipc", "uts", "cgroup")


class Act:
    """@text: as acts_probe takes it; @on: the profiles that must refuse it; @effect(world): whether it was done;
    @how: stdin, pty, folder or setuid, else together with others; @bare: False where it is not for trying unconfined; @modes: where not all."""

    def __init__(self, what, text, on=ALL, effect=None, how="", bare=True, modes=None):
        self.what, self.text, self.on, self.effect, self.how, self.bare = what, text, on, effect, how, bare
        self.modes = modes

    @property
    def alone(self):
        return bool(self.how or self.effect)


def modes():
    """Name, prefix, and whose the files outside are."""
    root = os.geteuid() == 0
    if root:
        yield "root", [], 0
    yield "user", tt.DROP if root else [], tt.NOBODY if root else os.geteuid()
    # its root is the owner of the files outside
    yield "namespace", ["unshare", "-Ur"], os.geteuid()
    if root:
        yield "user's namespace", [*tt.DROP, "unshare", "-Ur"], tt.NOBODY


def unable(prefix):
    """Why nothing can be tried in this way here, or None: no such namespace, or no group for a profile's limits."""
    able = subprocess.run(prefix + ["/bin/true"], stderr=subprocess.PIPE, text=True, check=False)
    if able.returncode:
        return "this machine does not let us: " + able.stderr.strip()
    with tempfile.TemporaryDirectory(dir=tt.find_scratch()) as folder:
        os.chmod(folder, 0o777)
        line = [shutil.copy(tt.TELLTALE, folder), "run", "--no-kernel", "--no-preload", "--profile=RESOURCE-AWARE", "--output-dir", folder + "/rec", "--", "true"]
        able = subprocess.run(prefix + line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              cwd=folder, env=tt.clean_env(HOME=folder), text=True, timeout=60, check=False)
    return able.stderr.strip() or "RESOURCE-AWARE does not start" if able.returncode else None


class World:
    """Files, listeners and a process outside, all of which an act may reach for."""

    def __init__(self):
        self.root = tt.find_scratch()
        if not self.root:
            tt.skip_all("no place that programs may lie in and that the profiles do not hide")
        for name in ("telltale", "libtelltale.so", "libtelltale-musl.so", "libtelltale-audit.so"):
            if os.path.exists(os.path.join(tt.BUILD, name)):
                shutil.copy(os.path.join(tt.BUILD, name), self.root)
        self.telltale = os.path.join(self.root, "telltale")
        self.probe = shutil.copy(tt.program("acts_probe"), self.root)
        self.suid = shutil.copy(self.probe, os.path.join(self.root, "suid_probe"))
        os.chmod(self.suid, 0o4755)
        self.out, self.project, self.home = (self.folder(n) for n in ("outside", "project", "home"))
        self.victim = os.path.join(self.out, "victim")
        self.fifo = os.path.join(self.out, "fifo")
        os.mkfifo(self.fifo)
        os.chmod(self.fifo, 0o666)
        self.reader = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.secret = os.path.join(self.home, ".ssh", "id_test")
        os.mkdir(os.path.dirname(self.secret))
        with open(self.secret, "w", encoding="utf-8") as f:
            f.write("secret\n")
        os.chmod(self.secret, 0o644)
        self.tag = f"telltale-act-{os.getpid()}"
        self.listen()
        self.canary = None
        self.reset()

    def folder(self, name):
        path = os.path.join(self.root, name)
        os.mkdir(path)
        os.chmod(path, 0o777)
        return path

    def listen(self):
        self.sockets = []

        def one(family, kind, address):
            s = socket.socket(family, kind)
            s.bind(address)
            if kind == socket.SOCK_STREAM:
                s.listen(64)
            s.setblocking(False)
            self.sockets.append(s)
            return s
        self.tcp = one(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)).getsockname()[1]
        self.udp_socket = one(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self.udp = self.udp_socket.getsockname()[1]
        try:
            self.tcp6 = one(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)).getsockname()[1]
        except OSError:
            self.tcp6 = 9
        # short: an address has room for 107 bytes
        self.socket_folder = os.path.realpath(tempfile.mkdtemp(prefix="tta-", dir="/srv" if os.access("/srv", os.W_OK)
                                                               else self.root))
        tt.scratch_folders.append(self.socket_folder)
        os.chmod(self.socket_folder, 0o777)
        self.unix = os.path.join(self.socket_folder, "s")
        self.dgram = os.path.join(self.socket_folder, "d")
        one(socket.AF_UNIX, socket.SOCK_STREAM, self.unix)
        one(socket.AF_UNIX, socket.SOCK_DGRAM, self.dgram)
        for path in (self.unix, self.dgram):
            os.chmod(path, 0o777)
        self.abstract = "@" + self.tag
        one(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.tag)

    def close(self):
        self.end_canary()
        for s in self.sockets:
            s.close()
        os.close(self.reader)

    def reset(self):
        """The victim as it was; whatever acts left is gone."""
        for folder in (self.out, self.project):
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if path in (self.fifo, self.victim):
                    continue
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        with open(self.victim, "w", encoding="utf-8") as f:
            f.write("untouched\n")
        os.chmod(self.victim, 0o666)
        if os.geteuid() == 0:
            os.chown(self.victim, self.owner, self.owner)
        self.before = self.picture()

    def sweep(self):
        """What acts left in folders that are everybody's, those of the control run among them, says nothing of the next."""
        for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/dev"):
            try:
                os.unlink(os.path.join(folder, self.tag))
            except OSError:
                pass

    owner = 0

    def own(self, uid):
        """From now on the victim and the folders belong to whom the acts are tried as: only walls protect them."""
        self.owner = uid
        for path in (self.out, self.project, self.home, self.fifo, self.secret, os.path.dirname(self.secret),
                     self.socket_folder):
            if os.geteuid() == 0:
                os.chown(path, uid, uid)
        self.reset()

    def picture(self):
        """All that can be seen of the folder outside."""
        found = {}
        for name in [".", *os.listdir(self.out)]:
            path = os.path.join(self.out, name)
            st = os.lstat(path)
            text = tt.read(path) if name == "victim" else b""
            found[name] = (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns if name != "." else 0, st.st_size, text,
                           tuple(os.listxattr(path, follow_symlinks=False)))
        return found

    def is_touched(self):
        return self.picture() != self.before

    def start_canary(self, prefix=()):
        """A process of the caller, leader of a group that the launchers join."""
        self.end_canary()
        self.canary = subprocess.Popen([*prefix, self.probe, "canary"], process_group=0, stdout=subprocess.PIPE,
                                       stdin=subprocess.DEVNULL)
        self.canary.stdout.readline()
        os.set_blocking(self.canary.stdout.fileno(), False)

    def end_canary(self):
        if self.canary:
            self.canary.kill()
            self.canary.wait()
            self.canary.stdout.close()
            self.canary = None

    def was_signalled(self):
        readable, _, _ = select.select([self.canary.stdout], [], [], 0.05)
        return bool(readable and self.canary.stdout.read())

    def was_sent(self):
        try:
            return bool(self.udp_socket.recv(10))
        except OSError:
            return False


class Launcher:
    """Something that runs a command: @make(command) gives the whole line, without the prefix of the mode."""

    def __init__(self, name, make):
        self.name, self.make = name, make


def telltale(world, profile, *options):
    records = os.path.join(world.root, "records")
    os.makedirs(records, exist_ok=True)
    os.chmod(records, 0o777)
    return Launcher(profile, lambda cmd: [world.telltale, "run", "--no-kernel", f"--profile={profile}", "--output-dir", records,
                                          *options, "--", *cmd])


def bare():
    return Launcher("bare", list)


def bwrap(world, *options):
    return Launcher("bwrap", lambda cmd: [
        "bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
        "--bind", world.project, world.project, "--die-with-parent", "--new-session", *options, "--", *cmd])


class Trial:
    """Acts tried by one launcher in one mode: a prefix for every line."""

    def __init__(self, world, launcher, prefix=()):
        self.world, self.launcher, self.prefix = world, launcher, list(prefix)

    def run(self, cmd, how="", stdin=subprocess.DEVNULL, pass_fds=(), group=True):
        """Status, stdout, stderr. RECORDER in the command becomes the pid of the launcher."""
        w = self.world
        words = ('"$$"'.join(shlex.quote(part) for part in word.split("RECORDER")) for word in self.launcher.make(cmd))
        line = [*self.prefix, "sh", "-c", "exec " + " ".join(words)]
        env = tt.clean_env(HOME=w.home, LC_ALL="C", XDG_STATE_HOME=os.path.join(w.root, "records"),
                           PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        if how == "pty":
            return in_terminal(line, env, w.project)
        p = subprocess.Popen(line, env=env, cwd=w.project, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             pass_fds=pass_fds, text=True, errors="replace",
                             process_group=w.canary.pid if group and w.canary else None)
        try:
            out, err = p.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate(timeout=SECONDS)
        return p.returncode, out, err

    def one(self, act):
        """What became of an act alone: "ok", the name of the errno, or how the program ended."""
        w = self.world
        w.sweep()
        text = act.text(w) if callable(act.text) else act.text
        program = w.suid if act.how == "setuid" else w.probe
        if act.how == "stdin":
            with open(w.victim, "rb") as f:
                status, out, err = self.run([program, text], stdin=f)
        elif act.how in ("folder", "folder-stdin"):
            fd = os.open(w.out, os.O_RDONLY | os.O_DIRECTORY)
            if act.how == "folder":
                status, out, err = self.run([program, text], pass_fds=(fd,))
            else:
                status, out, err = self.run([program, text], stdin=fd)
            os.close(fd)
        else:
            status, out, err = self.run([program, text], act.how)
        # in a terminal what is typed may stand before it
        said = re.findall(re.escape(text.partition("=")[0]) + r" (\w+)$", out, re.M)
        result = said[-1] if said else f"status {status}"
        self.last = f"{status} {out[-300:]} {err[-300:]}"
        if result == "ok" and act.effect:
            result = "ok" if act.effect(w) else "private"
        return result

    def all(self, acts):
        """{act: result}; those that need nothing of their own in one process, as far as it comes."""
        w, results = self.world, {}
        w.sweep()
        together = [a for a in acts if not a.alone]
        texts = [a.text(w) if callable(a.text) else a.text for a in together]
        _, out, err = self.run([w.probe, *texts])
        said = [line.split() for line in out.splitlines() if " " in line]
        for act, text, words in zip(together, texts, said):
            if words[0] == text.partition("=")[0] and len(words) == 2:
                results[act] = words[1]
        self.first_error = err
        w.reset()
        for act in acts:
            if act not in results:
                results[act] = self.one(act)
                w.reset()
        return results


def in_terminal(line, env, cwd):
    """In a session of its own with a terminal."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe(line[0], line, env)
    out = b""
    while True:
        readable, _, _ = select.select([master], [], [], SECONDS)
        if not readable:
            os.kill(pid, signal.SIGKILL)
            break
        try:
            more = os.read(master, 4096)
        except OSError:
            break
        if not more:
            break
        out += more
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.decode(errors="replace").replace("\r", ""), ""


def is_there(path):
    """An effect: the file @path(world) is there; it is removed."""
    def effect(w):
        try:
            os.unlink(path(w))
            return True
        except OSError:
            return False
    return effect


def first_of(*patterns):
    for p in patterns:
        if os.path.exists(p):
            return p
    return patterns[0]


def files():
    yield Act("read /etc/shadow", "read=/etc/shadow")
    yield Act("read /etc/shadow through /proc/self/root", "read-through-root=/etc/shadow")
    yield Act("read a key in ~/.ssh", lambda w: f"read={w.secret}", AGENT)
    for folder in ("/etc", "/usr", "/opt", "/var/lib"):
        yield Act(f"make a file in {folder}", lambda w, f=folder: f"create={f}/{w.tag}", bare=False)
    yield Act("make a file in the home", lambda w: f"create={w.home}/new", effect=is_there(lambda w: w.home + "/new"))
    for verb in ("create", "mkdir", "symlink", "mkfifo"):
        yield Act(f"{verb} in a folder for all", lambda w, v=verb: f"{v}={w.out}/new-{v}")
    yield Act("bind a unix socket in a folder for all", lambda w: f"bind-unix={w.socket_folder}/new",
              effect=is_there(lambda w: w.socket_folder + "/new"))
    for verb, what in (("write", "write a file outside"), ("write-through-root", "... through /proc/self/root"),
                       ("write-path-only", "... through an fd of O_PATH"),
                       ("write-read-only", "... through an fd opened for reading"), ("truncate", "truncate it"),
                       ("open-truncate", "open it with O_TRUNC"), ("chmod", "change its mode"),
                       ("chown", "change its owner"), ("utimes", "change its times"),
                       ("setxattr", "change its attributes"), ("open-by-handle", "open it by handle"),
                       ("unlink", "remove it")):
        yield Act(what, lambda w, v=verb: f"{v}={w.victim}", effect=World.is_touched)
    for folder in ("project", "tmp"):
        where = (lambda w: w.project) if folder == "project" else (lambda w: "/tmp")
        for verb, what in (("write-through-link", "write through a symbolic link in"),
                           ("write-through-hard-link", "write through a hard link in")):
            yield Act(f"{what} {folder}", lambda w, v=verb, p=where: f"{v}={w.victim},{p(w)}/{w.tag}",
                      effect=World.is_touched)
        yield Act(f"move it to {folder}", lambda w, p=where: f"rename={w.victim},{p(w)}/moved",
                  effect=World.is_touched)
        yield Act(f"move a file of {folder} over it", lambda w, p=where: f"rename-over={p(w)}/{w.tag},{w.victim}",
                  effect=World.is_touched)
    yield Act("write to a FIFO that somebody reads", lambda w: f"open-write={w.fifo}")
    for verb, what in (("write-stdin", "write to what was opened for reading as fd 0"),
                       ("truncate-stdin", "truncate it"), ("map-stdin", "map it for writing"),
                       ("set-user-id-stdin", "make it set-user-id")):
        yield Act(what, verb, how="stdin")
    yield Act("use a folder that the caller had open", "inherited-folder=victim", how="folder")
    yield Act("use a folder that is fd 0", "inherited-folder=victim", how="folder-stdin")
    for path in ("/dev/shm", "/tmp", "/var/tmp", "/run", "/dev"):
        yield Act(f"make a file in {path} that others see", lambda w, p=path: f"create={p}/{w.tag}", ALL,
                  is_there(lambda w, p=path: f"{p}/{w.tag}"))
    yield Act("make a device", lambda w: f"mknod-device=/tmp/{w.tag}")
    yield Act("make a device in the project", lambda w: f"mknod-device={w.project}/device")
    yield Act("leave a set-user-id file in the project", lambda w: f"set-user-id={w.project}/s")
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches",
                 "/proc/sysrq-trigger", "/proc/1/oom_score_adj", "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run",
                 first_of("/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/pids/release_agent",
                          "/sys/fs/cgroup/cgroup.subtree_control"),
                 first_of("/sys/fs/cgroup/pids/cgroup.procs", "/sys/fs/cgroup/cgroup.procs"), "/dev/kmsg"):
        yield Act(f"open {path} for writing", f"open-write={path}")
    for path in ("/dev/mem", "/dev/vda", "/dev/sda", "/dev/loop-control", "/dev/fuse", "/dev/kvm", "/dev/net/tun"):
        if os.path.exists(path):
            yield Act(f"open {path}", f"open-both={path}")
    yield Act("read /proc/kcore", "read=/proc/kcore")
    yield Act("read the memory of init", "read=/proc/1/mem")
    yield Act("write the memory of init", "open-both=/proc/1/mem")
    yield Act("read the environment of init", "read=/proc/1/environ")
    yield Act("read the environment of the launcher", "read=/proc/RECORDER/environ")
    yield Act("write the memory of the launcher", "open-both=/proc/RECORDER/mem")
    yield Act("leave by the launcher's root", lambda w: f"write=/proc/RECORDER/root{w.victim}")
    yield Act("leave by init's root", lambda w: f"write=/proc/1/root{w.victim}")
    yield Act("open the launcher's program for writing", lambda w: f"open-write={w.telltale}")
    yield Act("open init's program for writing", "open-write=/proc/1/exe")
    yield Act("make a file among the records", lambda w: f"create={w.root}/records/new",
              effect=is_there(lambda w: w.root + "/records/new"))
    yield Act("shrink memory that is shared with the launcher", "shrink-memfds")
    yield Act("truncate it by opening it again", "reopen-memfds")
    yield Act("find a file of the launcher open", "foreign-fds", how="alone")


def kernel():
    for text in ("mount=/tmp", "bind-mount=/,/tmp", "remount=/", "umount=/proc", "open-tree=/", "fsopen",
                 "mount-setattr=/", "move-mount=/", "pivot-root=/", "chroot"):
        yield Act(text.partition("=")[0], text, bare=text in ("open-tree=/", "fsopen", "chroot"))
    for kind in NAMESPACES:
        yield Act(f"unshare: a new {kind} namespace", f"unshare={kind}", bare=False)
        yield Act(f"clone: a new {kind} namespace", f"clone={kind}")
        yield Act(f"clone3: a new {kind} namespace", f"clone3={kind}")
    yield Act("setns: the namespace of init", "setns=/proc/1/ns/mnt", bare=False)
    yield Act("setns: its own", "setns-own")
    for text in ("kexec", "kexec-file", "bpf", "perf-event", "keyctl", "add-key", "request-key", "init-module",
                 "finit-module", "delete-module", "swapon", "reboot", "clock-settime", "settimeofday", "sethostname",
                 "setdomainname", "iopl", "acct", "quotactl", "syslog", "fanotify", "userfaultfd", "io-uring",
                 "modify-ldt", "set-mm", "move-pages"):
        yield Act(text, text)
    yield Act("personality: READ_IMPLIES_EXEC", "personality=0x0400000")
    yield Act("personality: MMAP_PAGE_ZERO", "personality=0x0100000")
    yield Act("personality: ADDR_NO_RANDOMIZE", "personality=0x0040000", STRICT)
    if os.uname().machine == "x86_64":
        yield Act("a call by int 0x80", "int80", how="alone")
        yield Act("a call of x32", "x32", how="alone")
    for text in ("tiocsti", "tiocsti-high", "tioclinux"):
        yield Act(f"{text}: into the caller's terminal", text, how="pty")


def processes():
    signalled = World.was_signalled
    for text in ("trace-me", "seize-child"):
        yield Act(f"ptrace: {text}", text, how="alone")
    for verb in ("seize", "vm-write", "vm-read", "kcmp", "pidfd-getfd", "set-limits"):
        for who in ("1", "RECORDER", "CANARY"):
            if who != "1" or verb != "set-limits":
                yield Act(f"{verb}: {dict(RECORDER='the launcher', CANARY='a process outside').get(who, 'init')}",
                          lambda w, v=verb, p=who: f"{v}={w.canary.pid if p == 'CANARY' else p}", bare=who == "CANARY")
    for verb in ("kill", "tgkill", "sigqueue", "pidfd-signal", "set-owner", "kill-group", "group-owner"):
        yield Act(f"{verb}: a process outside", lambda w, v=verb: f"{v}={w.canary.pid}", effect=signalled)
    yield Act("kill: one's own group, the caller's", "kill=0", effect=signalled)
    yield Act("kill: all there are", "kill-all", effect=signalled, bare=False)
    yield Act("kill: the launcher", "kill=RECORDER", bare=False)
    yield Act("join a group outside", lambda w: f"join-group={w.canary.pid}", how="alone", bare=False)
    yield Act("change the priority of the caller's group", "nice-group", how="alone")
    yield Act("become root by a set-user-id program", "be-root", how="setuid", modes=("user",))


def network():
    for text, what, on in (("2,1,0", "a TCP socket", STRICT), ("2,2,0", "a UDP socket", STRICT),
                           ("10,1,0", "an IPv6 socket", STRICT), ("1,1,0", "a unix socket", STRICT),
                           ("16,3,0", "a netlink socket", STRICT), ("16,3,15", "a netlink socket for kernel events", ALL),
                           ("17,3,0", "a packet socket", ALL), ("2,3,1", "a raw socket", ALL),
                           ("38,5,0", "a socket of kernel ciphers", ALL)):
        yield Act("open " + what, "socket=" + text, on)
    yield Act("connect to a listener on 127.0.0.1", lambda w: f"connect={w.tcp}")
    yield Act("connect to a listener on ::1", lambda w: f"connect6={w.tcp6}")
    yield Act("send to a port on 127.0.0.1", lambda w: f"send={w.udp}", effect=World.was_sent)
    yield Act("connect to an abstract unix socket", lambda w: f"connect-unix={w.abstract}")
    yield Act("connect to a unix socket in a folder", lambda w: f"connect-unix={w.unix}", STRICT)
    yield Act("send to one from a pair", lambda w: f"pair-send={w.dgram}", STRICT)


def every_act(mode):
    acts = (*files(), *kernel(), *processes(), *network())
    return [a for a in acts if not a.modes or mode in a.modes]


def last_run(world):
    """The newest run.json of the records."""
    folder = os.path.join(world.root, "records")
    names = sorted(n for n in os.listdir(folder) if n.startswith("run_"))
    return json.loads(tt.read(os.path.join(folder, names[-1]))) if names else None
