#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ways round the shipped profiles that lie in how a run is started: folders, names, HOME, files given open."""
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import time

import tt

LIMIT = 60
RENAME_EXCHANGE = 2
AT_FDCWD = -100
ROUNDS = 40
DEATHS = 60


def run(profile, cmd, cwd, **more):
    env = tt.clean_env(HOME=cwd, PATH="/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C")
    env.update(more.pop("env", {}))
    for name in more.pop("unset", ()):
        env.pop(name, None)
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.PIPE)
    line = [*more.pop("before", ()), tt.TELLTALE, "run", "--no-kernel", "--output-dir=" + OUT, "--profile=" + profile, "--", *cmd]
    return subprocess.run(line, cwd=cwd, env=env, stderr=subprocess.PIPE, text=True, timeout=LIMIT, check=False,
                          **more)


def kernel_folders(scratch):
    """A run started in /proc would write the caller's /proc: the folder it is started in is its to write."""
    for place in "/proc", "/proc/self", "/sys":
        if not os.path.isdir(place):
            tt.skip(f"started in {place}", "it is not there")
            continue
        r = run("AGENT", ["echo", "ran"], place)
        tt.check(f"started in {place}: refused by name",
                 r.returncode == 125 and not r.stdout and "kernel's interface" in r.stderr, f"{r}")
    project = os.path.join(scratch, "a chroot")
    os.makedirs(os.path.join(project, "proc"))
    r = run("AGENT", ["echo", "ran"], project)
    tt.same("a project with an empty folder proc", (r.returncode, r.stdout), (0, "ran\n"))
    if os.geteuid() != 0:
        tt.skip("a project with a /proc mounted in it", "needs root to mount it")
        return
    mounted = ["unshare", "-m", "sh", "-c", 'mount -t proc proc "$1" && shift && exec "$@"', "sh",
               os.path.join(project, "proc")]
    r = run("AGENT", ["echo", "ran"], project, before=mounted)
    tt.check("a project with a /proc mounted in it: refused by name",
             r.returncode == 125 and not r.stdout and "a chroot/proc" in r.stderr, f"{r}")


def no_home(scratch):
    """What is hidden in the home is hidden where the environment does not say where that is."""
    if os.geteuid() != 0:
        tt.skip("no HOME: keys are hidden all the same", "needs root to put a home in place")
        return
    home, own = os.path.join(scratch, "home"), pwd.getpwuid(0).pw_dir
    os.makedirs(os.path.join(home, ".ssh"))
    with open(os.path.join(home, ".ssh", "key"), "w", encoding="utf-8") as f:
        f.write("SECRET\n")
    moved = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh", home, own]
    for what, more in ("no HOME", {"unset": ["HOME"]}), ("an empty HOME", {"env": {"HOME": ""}}), \
                      ("HOME", {"env": {"HOME": own}}):
        r = run("AGENT", ["cat", own + "/.ssh/key"], scratch, before=moved, **more)
        tt.check(f"{what}: keys are hidden all the same",
                 r.returncode == 1 and not r.stdout and "Permission denied" in r.stderr, f"{r}")
    nobody = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    r = run("AGENT", ["echo", "ran"], "/usr", before=nobody, unset=["HOME"])
    tt.check("no home at all: refused", r.returncode == 125 and not r.stdout and "HOME" in r.stderr, f"{r}")


def exchange(pid_of_test, a, b):
    libc = ctypes.CDLL(None)
    end = time.monotonic() + LIMIT
    while time.monotonic() < end and os.getppid() == pid_of_test:
        libc.renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE)
        time.sleep(0.002)
    os._exit(0)


def folder_exchanged(scratch):
    """Another run may put a link in the place of a folder above the present one while this one starts."""
    project, victim = os.path.join(scratch, "project"), os.path.join(scratch, "victim")
    sub, link = os.path.join(project, "sub"), os.path.join(project, "link")
    os.makedirs(os.path.join(sub, "inner"))
    os.makedirs(os.path.join(victim, "inner"))
    os.symlink(victim, link)
    here = os.open(os.path.join(sub, "inner"), os.O_RDONLY | os.O_DIRECTORY)
    me = os.getpid()
    pid = os.fork()
    if pid == 0:
        exchange(me, sub.encode(), link.encode())
    try:
        for _ in range(ROUNDS):
            run("AGENT", ["touch", os.path.join(victim, "inner", "new")], f"/proc/self/fd/{here}", pass_fds=[here],
                env={"HOME": "/nonexistent"})
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(here)
    tt.same("a folder above the project exchanged for a link: nothing is written there",
            os.listdir(os.path.join(victim, "inner")), [])


def given_open(scratch):
    """The file that takes the output stays the caller's: it does not become a program with the caller's rights."""
    path = os.path.join(scratch, "out")
    for profile in "STRICT", "AGENT":
        for mode in "4755", "u+s":
            with open(path, "w", encoding="utf-8") as f:
                os.fchmod(f.fileno(), 0o644)
                r = run(profile, ["chmod", mode, "/proc/self/fd/1"], scratch, stdout=f)
            tt.check(f"{profile}: chmod {mode} of the output", r.returncode != 0 and not os.stat(path).st_mode & 0o6000,
                     f"{r} {os.stat(path).st_mode:o}")


def named(mark):
    """Processes whose command line has that word."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                text = f.read()
        except OSError:
            continue
        if mark.encode() in text and int(pid) != os.getpid():
            found.append(int(pid))
    return found


def recorder_dies(scratch):
    """Without a PID namespace init ends what the command started; the recorder dies thread by thread."""
    profile, mark, left = os.path.join(scratch, "open.profile"), f"around-{os.getpid()}", set()
    with open(profile, "w", encoding="utf-8") as f:
        f.write("include RESOURCE-AWARE\nforget mounts\nforget landlock\nforget limits\nroot keep\n"
                "namespaces none\nnetwork host\n")
    script = f"setsid sh -c 'while :; do sleep 1; done' {mark} & echo up; sleep 60"
    line = [tt.TELLTALE, "run", "--no-kernel", "--output-dir=" + OUT, "--profile=" + profile, "--", "sh", "-c", script]
    for _ in range(DEATHS):
        with subprocess.Popen(line, cwd=scratch, env=tt.clean_env(HOME=scratch), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
            p.stdout.readline()
            p.kill()
            p.wait()
        for _ in range(500):
            pids = named(mark)
            if not pids:
                break
            time.sleep(0.01)
        left.update(pids)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    tt.same(f"the recorder killed {DEATHS} times: nothing is left", left, set())


def main():
    global OUT
    if tt.BUILD.startswith(("/tmp/", "/var/tmp/", "/dev/")):
        tt.skip_all("the sandbox hides the build folder")
    scratch = os.path.join(tt.BUILD, "sandbox_around.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    OUT = os.path.join(scratch, "runs")
    os.mkdir(OUT)
    os.chmod(OUT, 0o777)
    r = run("AGENT", ["true"], scratch)
    if r.returncode != 0:
        shutil.rmtree(scratch)
        tt.skip_all("no sandbox here: " + r.stderr[:300])
    try:
        kernel_folders(scratch)
        no_home(scratch)
        folder_exchanged(scratch)
        given_open(scratch)
        recorder_dies(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


OUT = ""
main()
tt.done()
