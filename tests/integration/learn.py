#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale policy learn: a profile under which the same commands pass with no violation and a new call is denied."""
import errno
import glob
import json
import os
import pwd
import shutil
import subprocess

import tt
from tt import check, same

PROBE = tt.program("count_probe")


class Place:
    """A state folder of its own, and telltale run by whoever @words make of us."""

    def __init__(self, name, words=()):
        self.name, self.words = name, list(words)
        self.home = tt.scratch(0o777)
        self.work = os.path.join(self.home, "work")
        os.mkdir(self.work)
        os.chmod(self.work, 0o777)
        self.env = tt.clean_env(HOME=self.home, XDG_STATE_HOME=os.path.join(self.home, "state"))

    def telltale(self, *args, cwd=None):
        return subprocess.run([*self.words, tt.TELLTALE, *args], env=self.env, cwd=cwd or self.work,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=tt.SECONDS, check=False)

    def last(self):
        """run.json of the last run."""
        return json.loads(tt.read(sorted(glob.glob(os.path.join(self.home, "state/telltale/runs/*/run.json")))[-1]))

    def record(self, *command, options=("--profile=LEARNING",), cwd=None):
        """Run and recorded: what it printed, and the run's id."""
        done = self.telltale("run", "--no-kernel", "-q", *options, "--", *command, cwd=cwd)
        return done, self.last()["run_id"]

    def learn(self, *args):
        """The profile in a file, None where there is none."""
        done = self.telltale("policy", "learn", *args)
        path = os.path.join(self.home, "learnt.profile")
        with open(path, "wb") as f:
            f.write(done.stdout)
        if not check(f"{self.name}: a profile is learnt", done.returncode == 0, done.stderr):
            return None
        said = self.telltale("policy", "check", path)
        check("... and is right", said.returncode == 0, said.stdout + said.stderr)
        return path

    def confined(self, profile, *command, cwd=None):
        return self.telltale("run", "--no-kernel", "-q", f"--profile={profile}", "--", *command, cwd=cwd)


def violations(run):
    return [b["syscall"] for b in run["blocked"]]


def passes(p, name, *command):
    """Learnt from one run, the same command does the same."""
    plain, run = p.record(*command)
    profile = p.learn(run)
    if not profile:
        return None
    again = p.confined(profile, *command)
    same(f"{p.name}: {name} passes under what was learnt from it", (again.returncode, again.stdout, again.stderr),
         (plain.returncode, plain.stdout, plain.stderr))
    same("... with no violation", violations(p.last()), [])
    return profile


def commands(p):
    passes(p, "true", "true")
    passes(p, "ls", "ls", "-i", "/etc")
    passes(p, "a pipeline", "sh", "-c", "cat /etc/passwd | sort | wc -l >out; cat out; exit 3")
    check("... what it writes stays", os.path.getsize(os.path.join(p.work, "out")) > 0)
    passes(p, "a thread and a child", "python3", "-c", "import subprocess, threading\nt = threading.Thread(target=print, "
           "args=('thread',))\nt.start(); t.join(); print(subprocess.check_output(['echo', 'child']))")
    passes(p, "a folder that it makes", "sh", "-c", "mkdir -p made/deep; echo x >made/deep/file; ls made/deep; rm -r made")
    passes(p, "a temporary folder", "sh", "-c", "d=$(mktemp -d); echo x >$d/f; cat $d/f; rm -r $d")
    passes(p, "a server and its client", "python3", "-c", "import socket\ns = socket.create_server(('127.0.0.1', 0))\n"
           "c = socket.create_connection(s.getsockname()); a = s.accept()[0]; c.send(b'hello'); print(a.recv(9))")


def new_calls(p):
    profile = passes(p, "a probe", PROBE, "leaf", "3")
    if profile:
        done = p.confined(profile, PROBE, "socket", "1", "1")
        same("a call that was not seen is denied", done.returncode, errno.EPERM)
        same("... and named", (violations(p.last()), p.last()["summary"]["blocked_syscalls"]), (["socket"], 1))
    profile = passes(p, "a probe with a socket", PROBE, "socket", "1", "1")
    if profile:
        for domain, kind, want in ((1, 1, 0), (1, 2, errno.EPERM), (2, 1, errno.EPERM), (16, 3, errno.EPERM)):
            same(f"socket({domain}, {kind}) when only (1, 1) was seen",
                 p.confined(profile, PROBE, "socket", str(domain), str(kind)).returncode, want)
        done = p.confined(profile, "sh", "-c", "echo x >elsewhere; mkdir new")
        check("a folder that was not written cannot be", done.returncode != 0 and
              not os.path.exists(os.path.join(p.work, "elsewhere")), done.stderr)
    first = p.record(PROBE, "socket", "1", "1")[1]
    second = p.record(PROBE, "socket", "1", "2")[1]
    profile = p.learn(first, second, "--name", "BOTH")
    if profile:
        same("two runs: what either did passes", [p.confined(profile, PROBE, "socket", "1", k).returncode for k in "125"],
             [0, 0, errno.EPERM])
        text = tt.read(profile).decode()
        check("... and the comment names both", text.startswith("# BOTH\n") and first in text and second in text, text[:500])


def generalised(p):
    os.mkdir(os.path.join(p.work, "v"))
    os.chmod(os.path.join(p.work, "v"), 0o777)
    for number in ("101", "202"):
        os.makedirs(os.path.join(p.work, "v", number))
        os.chmod(os.path.join(p.work, "v", number), 0o777)
    run = p.record("sh", "-c", "echo x >v/101/f")[1]
    profile = p.learn(run)
    check("exactly: another folder cannot be written", profile and p.confined(profile, "sh", "-c", "echo x >v/101/f").returncode == 0
          and p.confined(profile, "sh", "-c", "echo x >v/202/f").returncode != 0)
    profile = p.learn(run, "--generalise=dirs")
    check("generalised: what is named by number can", profile and
          p.confined(profile, "sh", "-c", "echo x >v/202/f").returncode == 0)


def refused(p):
    run = p.record("true", options=["--profile=OFF"])[1]
    done = p.telltale("policy", "learn", run)
    check("a run without counts: 1, and what to do", done.returncode == 1 and b"--count=ptrace" in done.stderr and
          not done.stdout, done.stderr)
    for args in ([], ["--last", run], ["--generalise=some", run], ["--what", run]):
        done = p.telltale("policy", "learn", *args)
        check(f"policy learn {' '.join(args)[:24]}: usage", done.returncode == 2 and not done.stdout, done.stderr)
    done = p.telltale("policy", "learn", "no-such-run")
    check("a run that is not there: 1", done.returncode == 1 and done.stderr.startswith(b"telltale policy learn: "), done.stderr)
    done = p.telltale("policy", "learn", "--help")
    check("--help", done.returncode == 0 and b"learn RUN" in done.stdout, done.stdout + done.stderr)
    # a run.json that was tampered with
    path = sorted(glob.glob(os.path.join(p.home, "state/telltale/runs/*/run.json")))[-1]
    doc = json.loads(tt.read(path))
    for calls, shapes in (({"read": 1, "no_such_call": 2, "x\nallow bpf": 1}, "text"),
                          ({"socket": 1}, [{"syscall": "socket", "where": [{"arg": 9, "mask": -1, "value": -1}] * 9}, 7, {}]),
                          ({"socket": 1}, [{"syscall": "bad\nname", "where": [{"arg": 1, "mask": 0, "value": 5}]}])):
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**doc, "syscalls": calls, "syscall_arguments": shapes}, f)
        done = p.telltale("policy", "learn", "--last")
        out = os.path.join(p.home, "hostile.profile")
        with open(out, "wb") as f:
            f.write(done.stdout)
        said = p.telltale("policy", "check", out)
        check("a document with odd counts makes a right profile", done.returncode == 0 and said.returncode == 0 and
              b"\nallow bpf" not in done.stdout, done.stderr + said.stdout + said.stderr)


def places():
    yield Place("as it is")
    if os.geteuid() == 0 and shutil.which("setpriv"):
        nobody = pwd.getpwnam("nobody")
        words = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        if subprocess.run([*words, tt.TELLTALE, "--version"], capture_output=True, timeout=20, check=False).returncode == 0:
            yield Place("as an ordinary user", words)
            return
    tt.skip("as an ordinary user", "needs root, setpriv, and programs that others can reach")


if tt.BUILD.startswith(("/tmp/", "/var/tmp/", "/dev/")):
    tt.skip_all("the programs of a build folder there are hidden in a sandbox")
FIRST = Place("first")
if FIRST.telltale("run", "--no-kernel", "-q", "--count=ptrace", "--", "true").returncode == 125:
    tt.skip_all("ptrace(2) is not allowed here")
if FIRST.telltale("run", "--no-kernel", "-q", "--profile=STRICT", "--", "true").returncode == 125:
    tt.skip_all("no sandbox can be made here")
for place in places():
    commands(place)
    new_calls(place)
generalised(FIRST)
refused(FIRST)
tt.done()
