#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The gate: every road to the agent tried behind all of it and behind each layer alone; what a workload needs works.

gate.py [NAME]...    only the programs of that name
"""
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys

import cells
import kernel_works
import tt

DRIVER = tt.program("gate_driver")
ATTACK = tt.program("gate_attack")
HERE = os.path.dirname(os.path.abspath(__file__))
WORK_UID = 1000
SECONDS = 120
PATH = "/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin"
# They are about rights that no workload has.
NEED_ROOT = {"namespaces", "another root", "setpriv"}


def cell(cmd, layer="all", options=(), before=(), **more):
    """A command in the driver's cell: its status, output, and what the driver says of the victim."""
    run = subprocess.run([*before, DRIVER, "-l", layer, *options, "--", *cmd], capture_output=True, text=True, timeout=SECONDS,
                         stdin=subprocess.DEVNULL, check=False, **more)
    run.victim = re.findall(r"^victim: (.*)$", run.stderr, re.M)
    run.landlock = next((int(n) for n in re.findall(r"^landlock: (\d+)$", run.stderr, re.M)), None)
    return run


def points(where, text):
    """The points of gate_attack are points of this test; how many of them are bad."""
    found = re.findall(r"^(ok|not ok) \d+ - (.*)$", text, re.M)
    for good, name in found:
        tt.check(f"{where}: {name}", good == "ok")
    tt.check(f"{where}: all roads were tried", len(found) > 100 and f"1..{len(found)}" in text, text[-1000:])
    return sum(good != "ok" for good, _ in found)


def attacks():
    for layer in ("all", "ids", "filter", "landlock"):
        run = cell([ATTACK, "-l", layer, "-t", "3"], layer)
        if layer == "landlock" and not run.landlock:
            tt.skip("landlock alone", "this kernel has none that serves")
            continue
        if layer == "landlock" and run.landlock < 6:
            tt.skip("landlock alone", "this kernel's has no scopes")
            continue
        bad = points(layer, run.stdout)
        tt.same(f"{layer}: status", run.returncode, int(bad > 0))
        tt.same(f"{layer}: the victim", run.victim, ["untouched"])


def real_cell():
    """Init and a real agent in the victim's place."""
    base = os.path.join(tt.scratch(), "v")
    host = cells.Host(base)
    ended = cells.Local(base).run([ATTACK], host)
    points("a cell", ended.said)
    tt.same("a cell: the command's status", (ended.code, ended.status), (0, 0))
    hello = cells.of(host.frames(), "agent.hello")
    tt.same("a cell: the agent was never started again", [f.get("restarts", 0) for f in hello], [0])


def without_gate():
    """A test that cannot fail proves nothing: the same victim with nothing in between."""
    for what, script, said in (
        ("a signal", "kill -USR1 2", r"signal 10 to its process"),
        ("a signal to its thread", "kill -USR1 3", r"signal 10 to its"),
        ("a group's signal", "/bin/kill -USR2 -- -2", r"signal 12 to its process"),
        ("a kill", "kill -KILL 2; sleep 5", r"killed"),
        ("a stop", "kill -STOP 2; sleep 5", r"stopped"),
        ("a nicer value", "renice -n 19 -p 2", r"changed: nice 19"),
        ("a limit", "prlimit --pid 2 --nofile=20:20", r"changed:.* files 20,"),
        ("a policy", "chrt -i -p 0 2", r"changed:.* policy 5"),
        ("an io class", "ionice -c 3 -p 2", r"changed:.* ioprio 24583"),
        ("the score of an oom", "echo 100 >/proc/2/oom_score_adj", r"changed"),
    ):
        run = cell(["sh", "-c", script], "none")
        tt.check(f"without a gate {what} is seen", run.returncode == 124 and re.search(said, "\n".join(run.victim)),
                 [run.returncode, run.victim, run.stderr[-500:]])


def jobs():
    for shell in (["bash", "--norc", "--noprofile", "--noediting", "-i"], ["dash", "-i"]):
        if not shutil.which(shell[0]):
            tt.skip(f"jobs of {shell[0]}", f"no {shell[0]}")
            continue
        run = cell(["/usr/bin/python3", os.path.join(HERE, "gate_jobs.py"), *shell])
        tt.check(f"jobs of {shell[0]} are controlled", run.returncode == 0 and run.victim == ["untouched"],
                 run.stdout + run.stderr)


def small_things():
    """What the workload keeps: its own groups, its own files, its own fds and no others."""
    folder = tt.scratch()
    os.chown(folder, WORK_UID, WORK_UID)
    fd = fcntl.fcntl(0, fcntl.F_DUPFD, 77)
    run = cell(["ls", "/proc/self/fd"], pass_fds=[fd])
    os.close(fd)
    tt.same("an fd that was not CLOEXEC stays behind", run.stdout.split(), ["0", "1", "2", "3"])
    run = cell(["sh", "-c", "cut -d' ' -f1,5,6 /proc/$$/stat; grep ^CapInh /proc/self/status"],
               before=["setpriv", "--inh-caps=+kill"])
    numbers, inherited = run.stdout.splitlines() or ("", "")
    tt.same("a session and a group of its own", len(set(numbers.split())), 1)
    tt.same("capabilities that could be inherited are gone", inherited.split()[-1:], ["0" * 16])
    run = cell(["bash", "-c", "set -m; sleep 1000 & kill -TERM -- -$!; wait $!; echo $?"])
    tt.same("its own group by number", run.stdout.split(), ["143"])
    run = cell(["sh", "-c", "trap 'echo got' USR1; kill -USR1 0"])
    tt.same("its own group by 0", (run.stdout.split(), run.victim), (["got"], ["untouched"]))
    run = cell(["sh", "-c", f"exec >{folder}/out; echo 1; echo 2 >/dev/stdout; echo 3 >/proc/self/fd/1"])
    with open(os.path.join(folder, "out"), encoding="ascii") as f:
        tt.same("what is open may be opened again", f.read(), "3\n")
    run = cell(["sh", "-c", f"cd {folder}; mkdir -p a b; echo x >a/f; mv a/f b/g; ln b/g a/h; cat a/h; rm -r a b"])
    tt.same("files go from folder to folder", run.stdout, "x\n")


# Files that tell too much or steer, folders of the kernel's own: gone, or covered.
COVERED = """acpi asound iomem ioports kallsyms kcore key-users keys kmsg kpagecgroup kpagecount kpageflags latency_stats mtrr
sched_debug scsi slabinfo sysrq-trigger timer_list timer_stats vmallocinfo""".split()
COVERED_SYS = ["firmware", "fs/pstore", "kernel/debug", "kernel/tracing", "kernel/security", "fs/bpf", "fs/cgroup",
               "devices/virtual/powercap"]
READ_ONLY = ["/sys", "/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/driver", "/dev"]
KERNEL_TYPES = {"cgroup", "cgroup2", "tracefs", "debugfs", "bpf", "securityfs", "configfs", "pstore", "efivarfs"}
# More of it, where nobody expects it. In a mount namespace that ends with the cell.
ODD = """set -e; mount --make-rprivate /; cd "$0"; mkdir "a b" s t e; mount -t proc none "a b"; mount -t sysfs none s
mount -t tmpfs -o suid,dev,exec none t; chmod 755 t; mount -t tracefs none e 2>/dev/null || true; exec "$@" """
LOOK = r"""
import json, os, stat, sys
def what(path):
    try: st = os.lstat(path)
    except OSError as e: return e.strerror
    if stat.S_ISDIR(st.st_mode):
        try: return sorted(os.listdir(path))[:3]
        except OSError as e: return e.strerror
    return "null" if st.st_rdev == os.makedev(1, 3) else "a file"
print(json.dumps({p: what(p) for p in sys.argv[1:]}))
print(open("/proc/self/mountinfo").read())
"""


class Mount:
    """A line of mountinfo; @top: nothing lies over it."""

    def __init__(self, line):
        words = line.split()
        self.path, self.options, self.type = words[4], words[5].split(","), words[words.index("-") + 1]

    def lies_under(self, other):
        return (self.path + "/").startswith(other.path.rstrip("/") + "/")


def view():
    folder = tt.scratch()
    paths = [f"/proc/{n}" for n in COVERED] + [f"/sys/{n}" for n in COVERED_SYS]
    paths += [os.path.join(folder, n) for n in ("a b", "s", "t", "e")]
    run = subprocess.run(["unshare", "-m", "sh", "-c", ODD, folder, DRIVER, "--", "/usr/bin/python3", "-c", LOOK, *paths],
                         capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    if not tt.check("the view can be looked at", run.returncode == 0, run.stderr):
        return
    seen, _, lines = run.stdout.partition("\n")
    tt.none("what tells too much is covered",
            [f"{p}: {w}" for p, w in json.loads(seen).items() if w not in ("null", [], "No such file or directory")])
    mounts = [Mount(line) for line in lines.splitlines() if line]
    # the namespace lists them in the order in which they were made
    top = [m for i, m in enumerate(mounts) if not any(m.lies_under(later) for later in mounts[i + 1:])]
    tt.check("there are mounts to judge", len(top) > 10 and any("a\\040b" in m.path for m in top), lines)
    tt.none("no file system of the kernel's is left open",
            [f"{m.path}: {m.type}" for m in top if m.type in KERNEL_TYPES or (m.type in ("proc", "sysfs") and
             not m.path.startswith(("/proc", "/sys")))])
    tt.none("nosuid on all that can be written to",
            [m.path for m in top if "rw" in m.options and "nosuid" not in m.options])
    tt.none("nodev on all but what has the devices",
            [m.path for m in top if "nodev" not in m.options and not m.path.startswith(("/dev", "/proc/"))])
    # /sys/... and /proc/sys/... may have mounts of their own
    tt.same("read-only", [p for p in READ_ONLY if os.path.exists(p) and not any(m.path == p and "ro" in m.options for m in mounts)],
            [])
    run = cell(["sh", "-c", "ls -d /proc/[0-9]*; ls /dev"])
    tt.check("no process but its own", "/proc/1\n" not in run.stdout and "/proc/2\n" not in run.stdout, run.stdout)
    tt.same("no device but a few", sorted(w for w in run.stdout.split() if not w.startswith("/")),
            sorted("fd full null ptmx pts random shm stderr stdin stdout tty urandom zero".split()))


WRITES = """cd {given} && echo x >f && mkdir d && mv f d/g && cat d/g; echo x >/dev/null && echo null
echo x >{other}/f || echo not written; mkdir {other}/d || echo not made; rm {other}/there || echo not removed
echo x >/tmp/gate-$$ || echo not written; echo y >/dev/stderr
/usr/bin/python3 -c 'import os; os.truncate("{other}/there", 0)' || echo not cut"""


def writable():
    folder = tt.scratch()
    given, other = os.path.join(folder, "given"), os.path.join(folder, "other")
    there = os.path.join(other, "there")
    for path in (given, other):
        os.mkdir(path)
    with open(there, "w", encoding="ascii") as f:
        f.write("there")
    for path in (given, other, there):
        os.chown(path, WORK_UID, WORK_UID)
    script = WRITES.format(given=given, other=other)
    run = cell(["sh", "-c", script], options=["-w", given])
    if not run.landlock:
        tt.skip("only the folders that are given", "no Landlock that serves")
        return
    want = ["x", "null", "not written", "not made", "not removed", "not written", "not cut"]
    tt.same("only the folders that are given", run.stdout.splitlines(), want[: None if run.landlock >= 3 else -1])
    out = os.path.join(other, "out")
    with open(out, "w", encoding="ascii") as f:
        os.chown(out, WORK_UID, WORK_UID)
        subprocess.run([DRIVER, "-w", given, "--", "sh", "-c", "echo again >/dev/stdout"], stdout=f, timeout=SECONDS,
                       stdin=subprocess.DEVNULL, check=False)
    with open(out, encoding="ascii") as f:
        tt.same("what is open may be opened again, wherever it lies", f.read(), "again\n")
    run = cell(["true"], options=["-w", os.path.join(folder, "missing")])
    tt.check("a folder that is not there closes the gate", run.returncode == 125 and "landlock" in run.stderr, run.stderr)


def programs(only):
    """Each in an empty folder of its own that is the workload's, with loopback as the only network it needs."""
    root = tt.find_scratch()
    if not root:
        tt.skip("programs", "no place that programs may lie in")
        return
    folder = os.path.join(root, "project")
    os.environ["PATH"] = PATH
    for work in kernel_works.WORKS:
        if work.name in NEED_ROOT or (only and work.name not in only):
            continue
        missing = work.missing()
        if missing:
            tt.skip(f"{work.name} works", f"no {missing}")
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        work.prepare(folder)
        subprocess.run(["chown", "-R", f"{WORK_UID}:{WORK_UID}", folder], check=True)
        env = tt.clean_env(PATH=PATH, HOME=folder, LC_ALL="C.UTF-8", GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@example.org",
                           GIT_COMMITTER_NAME="A", GIT_COMMITTER_EMAIL="a@example.org", GIT_CONFIG_NOSYSTEM="1", TMPDIR="/tmp")
        run = cell(work.cmd, cwd=folder, env=env)
        good = run.victim == ["untouched"] and (work.status is None or run.returncode == work.status)
        tt.check(f"{work.name} works", good, [run.returncode, run.stdout[-600:], run.stderr[-1500:]])


def main():
    if os.geteuid() != 0:
        tt.skip_all("needs root")
    probe = cell(["true"], "none")
    if probe.returncode != 0:
        tt.skip_all("no namespaces here: " + probe.stderr.strip())
    only = set(sys.argv[1:])
    if not only:
        without_gate()
        attacks()
        real_cell()
        small_things()
        view()
        writable()
        jobs()
    programs(only)
    tt.done()


main()
