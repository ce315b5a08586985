#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input: profiles that are wrong, commands that end too early, groups that may not be made. One clear error that
names the thing, exit 125, nothing ran; where a run was begun, a record that says LAUNCH_FAILED."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import acts
import tt

LIMIT = 20
BIG = 10 << 20


class Bench:
    def __init__(self, mode, prefix):
        self.mode, self.prefix = mode, prefix
        self.root = tt.find_scratch()
        if not self.root:
            tt.skip_all("no place that programs may lie in and that the profiles do not hide")
        os.chmod(self.root, 0o777)
        for name in ("telltale", "libtelltale.so"):
            if os.path.exists(os.path.join(tt.BUILD, name)):
                shutil.copy(os.path.join(tt.BUILD, name), self.root)
        self.telltale = os.path.join(self.root, "telltale")
        self.ran = os.path.join(self.root, "ran")

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        with open(self.path(name), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(self.path(name), 0o644)
        return self.path(name)

    def run(self, options, cmd, before=(), **more):
        records = self.path("records")
        shutil.rmtree(records, ignore_errors=True)
        os.mkdir(records)
        os.chmod(records, 0o777)
        env = tt.clean_env(HOME=self.root, LC_ALL="C", PATH="/usr/bin:/bin:/usr/sbin:/sbin", **more)
        line = [*self.prefix, *before, self.telltale, "run", "--no-kernel", *options, "--output-dir", records, "--", *cmd]
        p = subprocess.Popen(line, env=env, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, errors="replace")
        try:
            out, err = p.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            return "never ended", out, err, []
        return p.returncode, out, err, [json.loads(tt.read(n)) for n in glob.glob(records + "/run_*.json")]

    def refused(self, name, profile, words, begun=None, options=(), before=(), lines=1):
        """@begun: whether there must be a record; None where either will do."""
        start = time.monotonic()
        status, out, err, runs = self.run([f"--profile={profile}", *options], ["touch", self.ran], before)
        good = (status == 125 and not out and re.search(words, err) and 1 <= len(err.splitlines()) <= lines
                and err.startswith("telltale") and len(err) < 2000 and not os.path.exists(self.ran))
        if begun is not None:
            good = good and len(runs) == begun
        good = good and all(r["summary"]["exit_reason"] == "LAUNCH_FAILED" for r in runs)
        tt.check(f"{self.mode}: {name}", good, f"status {status}, stdout {out[:200]!r}, stderr {err[:1500]!r}, "
                 f"{len(runs)} records, {os.path.exists(self.ran)=}, {time.monotonic() - start:.1f} s")
        if os.path.exists(self.ran):
            os.unlink(self.ran)


def texts(b):
    for name, text, words in (
            ("an unknown key", "include STRICT\nfrobnicate yes\n", r"bad\.profile:2:1: .*frobnicate"),
            ("an unknown call", "include STRICT\nallow opne\n", r"bad\.profile:2:\d+: .*opne"),
            ("an unknown group", "allow @no-such\n", r"bad\.profile:1:\d+: .*no-such"),
            ("an unknown errno", "deny EWHAT open\n", r"bad\.profile:1:\d+: .*EWHAT"),
            ("an unknown namespace", "namespaces mount moon\n", r"bad\.profile:1:\d+: .*moon"),
            ("a predicate on no argument", "deny open when colour == 3\n", r"bad\.profile:1:\d+: .*colour"),
            ("a number that is none", "limit pids many\n", r"bad\.profile:1:\d+: .*many"),
            ("a number past all numbers", "limit pids 99999999999999999999999\n", r"bad\.profile:1:\d+: "),
            ("a negative one", "limit memory -5M\n", r"bad\.profile:1:\d+: "),
            ("no processes at all", "limit pids 0\n", r"bad\.profile:1:\d+: "),
            ("a soft limit above its hard one", "rlimit nofile 100 10\n", r"bad\.profile:1:\d+: "),
            ("a profile that includes itself", "include ./bad.profile\n", r"bad\.profile"),
            ("an include that is not there", "include ./no-such.profile\n", r"no-such\.profile"),
            ("NUL bytes", b"include STRICT\0\nallow open\n", r"bad\.profile:1:\d+: "),
            ("bytes that are no text", bytes(range(1, 256)) * 40, r"bad\.profile:\d+:\d+: "),
            ("a line without end", b"allow " + b"open " * 100000, r"bad\.profile:\d+:\d+: |bad\.profile.*(line|large|long)"),
            ("10 MB of comments", b"# nothing at all\n" * (BIG // 17), r"bad\.profile.*(large|long|MiB|KiB|bytes)"),
            ("10 MB of rules", b"allow open\n" * (BIG // 11), r"bad\.profile.*(large|long|MiB|KiB|bytes)"),
            ("10 MB of one word", b"a" * BIG, r"bad\.profile.*(large|long|MiB|KiB|bytes)")):
        b.refused(name, b.write("bad.profile", text), words, 0)
    b.write("a.profile", "include ./b.profile\n")
    b.write("b.profile", "include ./a.profile\n")
    b.refused("a loop of includes", b.path("a.profile"), r"[ab]\.profile:1:\d+: ", 0)
    for n in range(40):
        b.write(f"deep{n}.profile", f"include ./deep{n + 1}.profile\n")
    b.write("deep40.profile", "include STRICT\n")
    b.refused("includes without end", b.path("deep0.profile"), r"deep\d+\.profile", 0)


def files(b):
    b.refused("a file that is missing", b.path("no-such.profile"), "no-such.profile", 0)
    b.refused("a name that is none", "NO-SUCH", "NO-SUCH", 0, lines=3)
    b.refused("an empty name", "", "profile|''", 0, lines=3)
    os.makedirs(b.path("folder.profile"), exist_ok=True)
    b.refused("a folder", b.path("folder.profile"), "folder.profile", 0)
    if not os.path.exists(b.path("fifo.profile")):
        os.mkfifo(b.path("fifo.profile"))
        os.chmod(b.path("fifo.profile"), 0o644)
    b.refused("a FIFO, which nobody writes", b.path("fifo.profile"), "fifo.profile", 0)
    b.refused("a device without end", "/dev/zero", "/dev/zero", 0)
    if os.geteuid() == 0 and b.prefix:
        path = b.write("closed.profile", "include STRICT\n")
        os.chmod(path, 0)
        if b.mode == "user":
            b.refused("a file that may not be read", path, "closed.profile", 0)


def setups(b):
    """What cannot be set up: found out when a run has begun."""
    for name, text, words in (
            ("a mount of what is not there", "include STRICT\nmount read /no/such\n", "/no/such"),
            ("a mount where no place is", "include STRICT\nmount tmpfs /no/such size=1M\n", "/no/such"),
            ("Landlock for what is not there", "include STRICT\nlandlock write /no/such\n", "/no/such"),
            ("the whole system as the project", "include STRICT\nmount write /\n", "'/'"),
            ("mounts without their namespace", "mount tmpfs /tmp size=1M\n", "namespace"),
            ("a filter without no_new_privs", "no-new-privs no\ndefault deny EPERM\nallow @basic\n", "no_new_privs|no-new-privs")):
        b.refused(name, b.write("bad.profile", text), words)


def groups(b):
    """Limits for which a control group is needed, where none may be made."""
    if b.mode == "root":
        hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none /sys/fs/cgroup && exec "$@"', "sh"]
        b.refused("a limit on pids, cgroups out of reach", b.write("bad.profile", "include STRICT\nlimit pids 5\n"),
                  "limit 'pids' cannot be enforced", 1, before=hide)
    b.refused("a limit on swap, without a group", b.write("bad.profile", "include STRICT\nlimit swap 1M\n"),
              "limit 'swap' cannot be enforced", 1, options=["--no-cgroup"])


def early(b):
    """Commands that end at once, and targets of the notifier that are gone before the answer."""
    def ends(name, want, options, cmd, reason):
        status, out, err, runs = b.run(options, cmd)
        tt.check(f"{b.mode}: {name}", status == want and len(runs) == 1 and runs[0]["summary"]["exit_reason"] == reason,
                 f"{status} {out[:200]} {err[:500]} {[r['summary'] for r in runs]}")
    for profile in acts.ALL:
        ends(f"{profile}: a program that is not there", 127, [f"--profile={profile}"], ["/no/such/program"], "LAUNCH_FAILED")
        ends(f"{profile}: one that may not be run", 126, [f"--profile={profile}"], ["/etc/passwd"], "LAUNCH_FAILED")
        ends(f"{profile}: one that kills itself at once", 137, [f"--profile={profile}"],
             ["sh", "-c", "kill -9 $$"], "SIGNALED")
    # children end in the middle of their refused calls, by tens; numbers are used again
    dying = ("import os, signal, threading, ctypes, time\n"
             "libc = ctypes.CDLL(None)\n"
             "for n in range(60):\n"
             "    pid = os.fork()\n"
             "    if pid == 0:\n"
             "        while True: libc.mount(None, None, None, 0, None)\n"
             "    time.sleep(0.002); os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)\n"
             "print('done')\n")
    status, out, err, runs = b.run(["--profile=RESOURCE-AWARE"], ["python3", "-c", dying])
    told = {x["syscall"] for r in runs for x in r["blocked"]}
    tt.check(f"{b.mode}: targets that die while their call is held", status == 0 and out == "done\n" and told == {"mount"}
             and runs[0]["summary"]["exit_reason"] == "EXITED(0)", f"{status} {out} {err} {told}")
    flood = "import ctypes\nlibc = ctypes.CDLL(None)\nfor n in range(30000): libc.mount(None, None, None, 0, None)\nprint(n)\n"
    status, out, err, runs = b.run(["--profile=AGENT"], ["python3", "-c", flood])
    s = runs[0]["summary"] if runs else {}
    events = len(glob.glob(b.path("records") + "/trace_*")) and tt.read(tt.one(b.path("records") + "/trace_*")).count(b'"denied"')
    tt.check(f"{b.mode}: a flood is counted to the last call, and told in few lines", status == 0 and out == "29999\n"
             and s.get("blocked_syscalls") == 30000 and 0 < events < 3000, f"{status} {out} {err} {s} {events}")


def killed(b):
    """The launcher is killed while it sets up, again and again: the command does not run without its walls."""
    probe = 'touch "$0" 2>/dev/null'
    for n in range(20):
        p = subprocess.Popen([*b.prefix, b.telltale, "run", "--no-kernel", "--profile=STRICT", "--output-dir", b.path("records"), "--",
                              "sh", "-c", probe, b.ran], env=tt.clean_env(HOME=b.root, PATH="/usr/bin:/bin"), cwd=b.root,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(n * 0.0007)
        p.send_signal(signal.SIGKILL)
        p.wait(LIMIT)
    time.sleep(0.2)
    tt.check(f"{b.mode}: SIGKILL during the set-up lets nothing run free", not os.path.exists(b.ran))


def main():
    for mode, prefix, _ in acts.modes():
        if mode not in ("root", "user") or (sys.argv[1:] and mode not in sys.argv[1:]):
            continue
        why = acts.unable(prefix)
        if why:
            tt.skip(mode, why)
            continue
        b = Bench(mode, prefix)
        for part in (texts, files, setups, groups, early, killed):
            part(b)
    tt.done()


main()
