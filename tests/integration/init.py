#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale-init --cell: the cell without a machine around it, with an agent that only says how it was started."""
import base64
import ctypes
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import tt
from tt import check, none, same

INIT = os.path.join(tt.BUILD, "telltale-init")
SECONDS = 60
UID = 1000

if os.geteuid() != 0:
    tt.skip_all("a cell needs root")
if not os.access(INIT, os.X_OK):
    tt.skip_all(f"no '{INIT}'")

SCRATCH = tt.scratch(0o777)
AGENTS, STARTED = {}, []
for kind in ("ready", "silent", "failed", "dies", "once", "stubborn", "connector"):
    AGENTS[kind] = shutil.copy(tt.program("init_agent"), os.path.join(SCRATCH, kind))


class Host:
    """What listens on the host's side. @lines: what agents said; @codes: what came on the exit channel."""

    def __init__(self, listen=True, refuse=0, linger=0):
        self.linger = linger  # seconds between the four bytes and the end of their connection
        self.folder = tt.scratch(0o777)
        self.lines, self.codes, self.refuse, self.readers = [], [], refuse, []
        self.agent_path, self.exit_path = (os.path.join(self.folder, n) for n in ("agent", "exit"))
        self.sockets, self.lock = [], threading.Lock()
        self.listen(self.agent_path, self.read_agent)
        if listen:
            self.listen_exit()

    def listen_exit(self):
        self.listen(self.exit_path, self.read_code)

    def listen(self, path, read):
        s = socket.socket(socket.AF_UNIX)
        s.bind(path)
        s.listen(16)
        os.chmod(path, 0o777)
        self.sockets.append(s)
        threading.Thread(target=self.accept, args=(s, read), daemon=True).start()

    def accept(self, s, read):
        while True:
            select.select([s], [], [])
            with self.lock:
                connection = s.accept()[0]
                reader = threading.Thread(target=read, args=(connection,), daemon=True)
                self.readers.append(reader)
                reader.start()

    def is_quiet(self):
        with self.lock:
            return not select.select(self.sockets, [], [], 0)[0] and not any(r.is_alive() for r in self.readers)

    def settle(self):
        """Everything that was sent has been read."""
        tt.wait_for(self.is_quiet)

    def read_agent(self, connection):
        with connection, connection.makefile("r", errors="replace") as f:
            for line in f:
                self.lines.append(line.rstrip("\n"))

    def read_code(self, connection):
        with connection:
            if self.refuse:
                self.refuse -= 1
                time.sleep(0.1)  # the bytes are there, and nobody has read them
                return
            data = b""
            while True:
                got = connection.recv(64)
                if not got:
                    break
                data += got
                if len(data) == 4 and self.linger:
                    time.sleep(self.linger)
                    break
            self.codes.append(data)

    def starts(self):
        return [line for line in self.lines if line.startswith("start ")]


def byes(host):
    """What agents said when they were asked to end: how often there was a new one, and whom they saw as their own user."""
    return [line for line in host.lines if line.startswith("bye")]


def field(line, name):
    found = re.search(rf" {name}=(\S*)", line)
    return found.group(1) if found else None


def options(host, agent="ready", exit_channel=True, endpoint=True):
    line = ["--agent", AGENTS.get(agent, agent)]
    if endpoint:
        line += ["--endpoint", f"unix:{host.agent_path}"]
    if exit_channel:
        line += ["--exit", f"unix:{host.exit_path}"]
    return line


class Done:
    def __init__(self, p, host, out, err):
        self.status, self.host, self.out, self.err = p.returncode, host, out, err


def env_for(**more):
    return tt.clean_env(**more)


def start(command, *more, agent="ready", host=None, before=(), **popen):
    host = host or Host()
    popen.setdefault("stdin", subprocess.DEVNULL)
    popen.setdefault("env", env_for())
    line = [*before, INIT, "--cell", *options(host, agent), *more, "--", *command]
    p = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **popen)
    STARTED.append(p.pid)
    return p, host


def finish(p, host):
    try:
        out, err = p.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
        err += "\nNOT IN TIME"
    host.settle()
    return Done(p, host, out, err)


def run(command, *more, **how):
    return finish(*start(command, *more, **how))


def inside_of(p):
    """The cell's PID 1, by the number that we see."""
    children = [c for c in tt.read(f"/proc/{p.pid}/task/{p.pid}/children").split()]
    return int(children[0]) if children else 0


def pids_inside(p):
    """Number in the cell -> number that we see."""
    found = {}
    top = inside_of(p)
    for pid in [top] + tt.descendants(top) if top else []:
        try:
            numbers = re.search(rb"^NSpid:\s+(.*)$", tt.read(f"/proc/{pid}/status"), re.M).group(1).split()
        except (OSError, AttributeError):
            continue
        found[int(numbers[-1])] = pid
    return found


def exit_codes():
    for code in (0, 7, 255):
        done = run(["sh", "-c", f"exit {code}"])
        same(f"exit {code}", (done.status, done.host.codes), (code, [code.to_bytes(4, "little")]))
    for sig in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
        done = run(["sh", "-c", f"kill -{int(sig)} $$"])
        same(f"ended by {sig.name}", (done.status, done.host.codes), (128 + sig, [(128 + sig).to_bytes(4, "little")]))
    plain = os.path.join(SCRATCH, "plain")
    script = os.path.join(SCRATCH, "script")
    for path, mode, text in ((plain, 0o644, "x"), (script, 0o755, "#!/nonexistent/interpreter\n")):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
    for command, status, why in ((["no-such-program"], 127, "cannot run 'no-such-program': No such file"),
                                 (["/no/such/program"], 127, "cannot run '/no/such/program': No such file"),
                                 ([plain], 126, f"cannot run '{plain}': Permission denied"),
                                 ([script], 126, f"cannot run '{script}': Exec format error"),
                                 (["/tmp"], 126, "cannot run '/tmp': Permission denied")):
        done = run(command)
        same(f"{command[0].replace(SCRATCH, '')} cannot be run: {status}", (done.status, why in done.err), (status, True))
    done = run(["true"], "--cwd", "/no/such/folder")
    check("a folder that cannot be entered", done.status == 125 and "cannot enter '/no/such/folder'" in done.err, done.err)


def exit_channel():
    host = Host(listen=False)
    p, _ = start(["sh", "-c", "exit 9"], host=host)
    time.sleep(0.5)
    host.listen_exit()
    done = finish(p, host)
    same("the exit channel opens late", (done.status, host.codes), (9, [b"\x09\0\0\0"]))
    host = Host(refuse=2)
    done = run(["sh", "-c", "exit 9"], host=host)
    same("who closes without reading is told again", (done.status, host.codes), (9, [b"\x09\0\0\0"]))
    host = Host(linger=6)
    started = time.monotonic()
    p, _ = start(["sh", "-c", "exit 9"], host=host)
    out, err = p.communicate(timeout=SECONDS)
    check("who reads and does not close is not waited for", p.returncode == 9 and "cannot be told" not in err and time.monotonic() - started < 5,
          err)
    host.settle()
    same("... and has the code", host.codes, [b"\x09\0\0\0"])
    started = time.monotonic()
    done = run(["sh", "-c", "exit 9"], host=Host(listen=False))
    check("nobody listens: said, bounded, and the status is the command's",
          done.status == 9 and "the exit code cannot be told: " in done.err and time.monotonic() - started < 20, done.err)


def workload():
    ask = "import os,sys,json,signal\n" \
          "s = dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines())\n" \
          "print(json.dumps(dict(pid=os.getpid(), ppid=os.getppid(), sid=os.getsid(0), pgid=os.getpgid(0), ids=os.getresuid() +" \
          " os.getresgid(), groups=os.getgroups(), env=dict(os.environ), cwd=os.getcwd(), fds=os.listdir('/proc/self/fd')," \
          " umask=os.umask(0), blocked=s['SigBlk'], ignored=s['SigIgn'], caps=s['CapEff'], bound=s['CapBnd']," \
          " nnp=s['NoNewPrivs'], filters=s['Seccomp'], host=os.uname().nodename," \
          " pids=[p for p in os.listdir('/proc') if p.isdigit()], nice=os.getpriority(0, 0), argv=sys.argv)))\n"
    blocked = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}

    def spoil():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # Signal 32 is one that libc keeps for itself. What make starts has it ignored.
        ctypes.CDLL(None).syscall({"x86_64": 13, "aarch64": 134}[os.uname().machine], 32, struct.pack("4Q", 1, 0, 0, 0), None, 8)
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        os.umask(0o77)
        os.dup2(2, 77)
    encoded = base64.b64encode(json.dumps(["A=b c", "PATH=/usr/bin:/bin", "U=\u00e9\u20ac\U0001f600"]).encode()).decode()
    done = run([sys.executable, "-c", ask, "x y", ""], "--cwd", "/usr", "--env", encoded, "--uid", "1234", "--gid=1235",
               "--hostname", "in-here", preexec_fn=spoil, close_fds=False, env=env_for(TERM="vt100", SECRET="1"))
    if not check("a command that tells how it was started", done.status == 0, done.err):
        return
    got = json.loads(done.out)
    same("... PID 3 of the cell, child of 1, with a session of its own", [got[k] for k in ("pid", "ppid", "sid", "pgid")], [3, 1, 3, 3])
    same("... its own ids, no groups", (got["ids"], got["groups"]), ([1234] * 3 + [1235] * 3, []))
    same("... a clean environment", got["env"], {"A": "b c", "PATH": "/usr/bin:/bin", "U": "\u00e9\u20ac\U0001f600", "HOME": "/",
                                                 "TERM": "vt100", "LC_CTYPE": "C.UTF-8"})
    same("... its folder, its arguments, its umask", (got["cwd"], got["argv"], got["umask"]), ("/usr", ["-c", "x y", ""], 0o22))
    same("... no fd but the first three (and the list's own)", len(got["fds"]), 4)
    # Python itself ignores SIGPIPE and SIGXFSZ
    same("... no signal blocked or ignored", (int(got["blocked"], 16), int(got["ignored"], 16)), (0, 1 << 12 | 1 << 24))
    same("... no capabilities, none to be had, no way to get any", (int(got["caps"], 16), int(got["bound"], 16), got["nnp"]), (0, 0, "1"))
    same("... a filter", got["filters"], "2")
    same("... it sees itself alone", got["pids"], ["3"])
    same("... the machine's name is the cell's", (got["host"], os.uname().nodename != "in-here"), ("in-here", True))
    same("... neither faster nor slower than others", got["nice"], os.getpriority(os.PRIO_PROCESS, 0))
    done = run(["sh", "-c", 'echo "$PATH:$HOME"; cat; pwd'], stdin=subprocess.DEVNULL, cwd="/var")
    same("what is usual", done.out, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/\n/var\n")
    command = base64.b64encode(json.dumps(["sh", "-c", "echo \"$0\" '\\'", "a\n\u20ac"]).encode()).decode()
    host = Host()
    p = subprocess.run([INIT, "--cell", *options(host), "--argv", command], env=env_for(), capture_output=True, text=True,
                       timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    same("the command as base64 of JSON", (p.returncode, p.stdout), (0, "a\n\u20ac \\\n"))


def orphans():
    done_file = os.path.join(tt.scratch(0o777), "done")
    code = f"i=0; while [ $i -lt 100 ]; do (true & ) ; i=$((i+1)); done; sleep 0.3; >'{done_file}'; sleep 3; exit 4"
    p, host = start(["sh", "-c", code])
    tt.wait_for(lambda: os.path.exists(done_file), 20)
    states = {n: tt.state_of(pid) for n, pid in pids_inside(p).items()}
    same("100 orphans: none of them is left as a zombie", [n for n, s in states.items() if s == "Z"], [])
    same("... and nobody is there but init, agent, shell and sleep", len(states), 4)
    same("... the status", finish(p, host).status, 4)
    mark = f"3{os.getpid()}"
    done = run(["sh", "-c", f"for i in 1 2 3 4 5; do sleep {mark} & setsid sleep {mark} & done; (sh -c 'trap \"\" TERM HUP; sleep {mark}' &);"
                            f" (sh -c 'kill -STOP $$; sleep {mark}' &) ; sleep 0.2; exit 6"])
    same("what the command leaves behind is ended", (done.status, subprocess.run(["pgrep", "-f", f"sleep {mark}"], capture_output=True,
                                                                                  text=True, check=False).stdout), (6, ""))
    same("... and then the agent is told to end", byes(done.host), ["bye 0 pids=1,2,"])


def bomb():
    """Processes that have children as fast as they can while they are killed: at most 200 at a time."""
    code = "import os,sys\n" \
           "if os.fork() == 0:\n" \
           "    os.setsid()\n" \
           "    while True:\n" \
           "        try:\n" \
           "            os.fork()\n" \
           "        except OSError: pass\n" \
           "        if os.getpid() % 3 == 0: os._exit(0)\n" \
           "import time; time.sleep(0.5); sys.exit(8)\n"
    started = time.monotonic()
    done = run([sys.executable, "-c", code, "telltale-bomb"], "--pids", "200")
    same("processes that go on forking are ended, too", (done.status, subprocess.run(["pgrep", "-f", "telltale-bomb"], capture_output=True,
                                                                                      text=True, check=False).stdout), (8, ""))
    check("... without the end of patience", "do not end" not in done.err and "agent" in done.err and time.monotonic() - started < 30, done.err)
    check("... and the limit is told", "the limit on pids was hit" in done.err, done.err)
    same("... and the agent was asked to end in time", byes(done.host), ["bye 0 pids=1,2,"])


def signals():
    ready = os.path.join(tt.scratch(0o777), "ready")
    names = ("TERM", "INT", "HUP", "USR1", "USR2", "QUIT", "WINCH")
    for number, name in enumerate(names):
        if os.path.exists(ready):
            os.unlink(ready)
        p, host = start(["sh", "-c", f"trap 'exit {40 + number}' {name}; >'{ready}'; while :; do sleep 0.05; done"])
        tt.wait_for(lambda: os.path.exists(ready))
        p.send_signal(getattr(signal, f"SIG{name}"))
        same(f"SIG{name} goes to the command", finish(p, host).status, 40 + number)
    p, host = start(["sleep", "100"])
    tt.wait_for(lambda: len(pids_inside(p)) == 3)
    p.terminate()
    same("a command that does not handle SIGTERM", finish(p, host).status, 143)
    p, host = start(["sleep", "100"])
    tt.wait_for(lambda: len(pids_inside(p)) == 3)
    pids = pids_inside(p)
    p.kill()
    check("init is killed: the whole cell goes with it", tt.wait_for(lambda: not any(map(tt.is_alive, pids.values()))), pids)
    for pid in filter(tt.is_alive, pids.values()):
        os.kill(pid, signal.SIGKILL)
    finish(p, host)
    host = Host()
    p, _ = start(["sh", "-c", "exit 0"], agent="silent", host=host)
    tt.wait_for(host.starts)
    p.terminate()
    done = finish(p, host)
    same("SIGTERM while the agent is awaited: the command does not start", (done.status, done.host.codes), (143, [b"\x8f\0\0\0"]))


def agent_facts():
    done = run(["sleep", "0.2"], "--inotify", "/a", "--inotify=/b", "--major", "1", "--heartbeat-ms", "77", "--agent-uid", "991",
               env=env_for(CELLOS_TELEMETRY_INOTIFY_PATH="/watched", SECRET="1"))
    lines = done.host.starts()
    if not check("the agent has told how it was started", len(lines) == 1, done.err + str(done.host.lines)):
        return
    line = lines[0]
    same("... PID 2 of the cell, in a session of its own, before all others",
         [field(line, k) for k in ("pid", "ppid", "sid", "pids")], ["2", "1", "2", "1,2,"])
    same("... its arguments", re.sub(r"-fd \d+", "-fd N", line.partition("args=")[2]).split(),
         ["--endpoint", f"unix:{done.host.agent_path}", "--uid", "991", "--gid", "991", "--restarts", "0", "--ready-fd", "N", "--queue-fd", "N",
          *(["--connector-fd", "N"] if field(line, "connector") != "0" else []), "--outer-proc-fd", "N", "--heartbeat-ms", "77",
          "--major", "1", "--inotify", "/a", "--inotify", "/b"])
    fds = set(re.findall(r"-fd (\d+)", line))
    same("... it has these fds and no other", set(field(line, "fds").strip(",").split(",")) - {"0", "1", "2"}, fds)
    same("... the outer /proc is another than its own", field(line, "outer"), "1")
    same("... the variable that names a path to watch", field(line, "watch"), "/watched")
    same("... it comes before the workload when both want to run", field(line, "nice"), "-20")
    if field(line, "connector") == "0":
        tt.skip("... a socket of the proc connector", "this kernel has none, or not here")
    else:
        same("... a socket of the proc connector", field(line, "connector"), "11")
    done = run(["true"], "--sensor", "walk")
    check("a sensor that needs no connector gets none", "--connector-fd" not in done.host.starts()[0] and
          "--sensor walk" in done.host.starts()[0], done.host.lines)


def connectors(pid):
    """How many sockets of the proc connector a process has."""
    with open("/proc/net/netlink", encoding="ascii") as f:
        inodes = {line.split()[9] for line in f.readlines()[1:] if line.split()[1] == "11"}
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    return sum(link in {f"socket:[{inode}]" for inode in inodes} for link in links)


def agent_and_connector():
    for agent, want in (("connector", [1, 1, 1]), ("ready", [0, 0, 1])):
        p, host = start(["sleep", "100"], agent=agent)
        tt.wait_for(lambda: 3 in pids_inside(p) and host.starts())
        if field(host.starts()[0], "connector") == "0":
            tt.skip(f"agent '{agent}' and the proc connector", "this kernel has none, or not here")
        else:
            # the fake one keeps what it was given
            pids = pids_inside(p)
            tt.wait_for(lambda: [connectors(x) for x in (p.pid, pids[1], pids[2])] == want, 5)
            same(f"agent '{agent}': who keeps listening to the proc connector", [connectors(x) for x in (p.pid, pids[1], pids[2])], want)
            os.kill(pids[2], signal.SIGKILL)
            tt.wait_for(lambda: len(host.starts()) == 2)
            same("... and the next one", ["--connector-fd" in line for line in host.starts()], [True, agent == "connector"])
        p.terminate()
        finish(p, host)


def no_memfd():
    done = run(["sh", "-c", "exit 14"], before=[tt.program("sandbox_refuse"), "memfd_create", "38", "--"])
    same("a kernel without memfd_create: there is a cell", done.status, 14)
    check("... whose agent has no queue of another, and that is said",
          "no memory that outlives the agent" in done.err and "--queue-fd" not in " ".join(done.host.starts()), done.err)


def agent_killed():
    p, host = start(["sh", "-c", "trap 'exit 21' TERM; while :; do sleep 0.05; done"])
    tt.wait_for(lambda: 3 in pids_inside(p))
    command = pids_inside(p).get(3)
    same("the agent's console never makes it wait, and the command has another",
         [bool(int(re.search(r"flags:\s+(\d+)", tt.read(f"/proc/{pids_inside(p)[n]}/fdinfo/2").decode()).group(1), 8) & os.O_NONBLOCK)
          for n in (2, 3)], [True, False])
    for n in range(1, 6):
        os.kill(pids_inside(p)[2], signal.SIGKILL)
        if not tt.wait_for(lambda: len(host.starts()) == n + 1 and 2 in pids_inside(p), 15):
            break
    lines = host.starts()
    same("an agent that is killed five times is started again five times", len(lines), 6)
    same("... each time as PID 2 of the cell", [field(line, "pid") for line in lines], ["2"] * 6)
    same("... it knows how often", [re.search(r"--restarts (\d+)", line).group(1) for line in lines], list("012345"))
    same("... with the queue of the one before", [field(line, "queue") for line in lines], list("012345"))
    check("... it sees the workload, which does not see it", "3," in field(lines[-1], "pids"), lines[-1])
    same("... and the command was not disturbed", pids_inside(p).get(3), command)
    p.terminate()
    done = finish(p, host)
    same("... whose status it is", done.status, 21)
    same("... each death is said", done.err.count("agent: ended by signal 9"), 5)
    same("... the last one was told to end", byes(host), ["bye 5 pids=1,2,"])


def agent_killed_at_end():
    """Dead when the command ends, and its next start not due yet: what is in the queue still goes out."""
    p, host = start(["sh", "-c", "trap 'exit 22' TERM; while :; do sleep 0.01; done"])
    for n in range(1, 7):
        tt.wait_for(lambda: len(host.starts()) == n and 2 in pids_inside(p), 15)
        os.kill(pids_inside(p)[2], signal.SIGKILL)
    p.terminate()
    done = finish(p, host)
    check("an agent that is dead at the end is started once more", done.status == 22 and byes(host) == ["bye 6 pids=1,2,"],
          done.err + str(host.lines))
    p, host = start(["sh", "-c", "trap 'exit 22' TERM; while :; do sleep 0.01; done"])
    tt.wait_for(lambda: 4 in pids_inside(p))
    agent = pids_inside(p)[2]
    p.terminate()
    os.kill(agent, signal.SIGKILL)
    done = finish(p, host)
    check("one that dies while the command does, too", done.status == 22 and len(byes(host)) == 1, done.err + str(host.lines))


def agent_fails():
    ran = os.path.join(tt.scratch(0o777), "ran")
    missing = os.path.join(SCRATCH, "missing")
    for agent, said in (("silent", "agent: not ready after 5 seconds"), ("failed", "agent: failed no sensor? can be had"),
                        ("dies", "agent: not ready: exited with 3"), (missing, f"agent: failed {missing}: No such file or directory")):
        title = os.path.basename(agent)
        done = run(["sh", "-c", f">'{ran}'; exit 3"], agent=agent)
        same(f"agent '{title}': the command never starts", (done.status, os.path.exists(ran), done.host.codes), (125, False, [b"\x7d\0\0\0"]))
        check("... and why is said", said in done.err and "no agent: the workload does not start" in done.err, done.err)
        same("... in one line", len([x for x in done.err.splitlines() if "agent: " in x]), 2)
        done = run(["sh", "-c", f"test $$ -eq 3 && kill -URG $$ && >'{ran}'; exit 3"], "--on-agent-failure", "degrade", agent=agent)
        same(f"agent '{title}', degrade: it does, as process 3", (done.status, os.path.exists(ran)), (3, True))
        check("... and that is said", said in done.err and "no agent: the workload runs unseen" in done.err, done.err)
        os.unlink(ran)
    for degrade, status, said in ((False, 125, "the agent does not start again: the cell ends"),
                                  (True, 23, "the agent does not start again: the workload goes on unseen")):
        p, host = start(["sh", "-c", "trap 'exit 23' TERM; while :; do sleep 0.05; done"],
                        *(["--on-agent-failure", "degrade"] if degrade else []), agent="once", stdin=subprocess.PIPE)
        tt.wait_for(lambda: 3 in pids_inside(p))
        os.kill(pids_inside(p)[2], signal.SIGKILL)
        if degrade:
            tt.wait_for(lambda: len(host.starts()) == 11, 30)
            time.sleep(0.2)
            p.terminate()
        done = finish(p, host)
        same(f"an agent that never gets ready again, {'degrade' if degrade else 'fail-cell'}", (done.status, len(host.starts())), (status, 11))
        check("... said", said in done.err, done.err)
    started = time.monotonic()
    done = run(["sh", "-c", "exit 24"], "--flush-ms", "300", agent="stubborn")
    same("an agent that does not end is ended", (done.status, "agent: does not end" in done.err), (24, True))
    check("... soon after its time", time.monotonic() - started < 20, done.err)
    done = run(["true"], agent="ready", before=["setpriv", f"--reuid={UID}", "--clear-groups"])
    same("without root there is no cell", (done.status, "a cell needs root" in done.err), (125, True))


def limits():
    done = run([sys.executable, "-c", "x = bytearray(300 << 20)"], "--memory", "48M", "--pids", "30")
    if "cannot be set" in done.err:
        tt.skip("limits", done.err.splitlines()[0])
        return
    same("too much memory: killed by the kernel", done.status, 137)
    check("... and said", "the limit on memory was hit: the kernel killed 1 process" in done.err, done.err)
    same("... the agent is alive to the end", byes(done.host), ["bye 0 pids=1,2,"])
    done = run([sys.executable, "-c", "x = bytearray(20 << 20)"], "--memory", "48M")
    same("less than that", (done.status, "was hit" in done.err), (0, False))
    code = "import os,time\nn=0\ntry:\n while n < 100:\n  if os.fork() == 0: time.sleep(100)\n  n += 1\nexcept BlockingIOError: pass\nprint(n)"
    done = run([sys.executable, "-c", code], "--pids", "20")
    same("as many processes as are allowed", (done.status, done.out), (0, "19\n"))
    check("... and said", re.search("the limit on pids was hit: 1 process was refused", done.err), done.err)
    p, host = start(["sleep", "100"], "--memory", "48M")
    tt.wait_for(lambda: 3 in pids_inside(p))
    pids = pids_inside(p)
    tt.wait_for(lambda: b"/workload" in tt.read(f"/proc/{pids[3]}/cgroup"))
    groups = [tt.read(f"/proc/{pids[n]}/cgroup").decode() for n in (1, 2, 3)]
    check("the agent is in a group of its own", groups[0] == groups[1] != groups[2] and "/agent" in groups[1] and "/workload" in groups[2], groups)
    swap = {name: tt.read(os.path.join(path, name)).strip() for path, _, files in os.walk("/sys/fs/cgroup") for name in files
            if path.endswith(f"telltale-init-{p.pid}/workload") and name in ("memory.memsw.limit_in_bytes", "memory.swap.max")}
    if swap:
        check("... no swap in place of memory", set(swap.items()) <= {("memory.memsw.limit_in_bytes", b"50331648"), ("memory.swap.max", b"0")}, swap)
    else:
        tt.skip("... no swap in place of memory", "this kernel does not count swap")
    p.terminate()
    finish(p, host)
    same("no limit is one, too", run(["true"], "--memory=max", "--pids=max").status, 0)
    none("no group is left", left_groups())
    bare = ["unshare", "-m", "sh", "-c", 'umount -R /sys/fs/cgroup && exec "$@"', "sh"]
    if subprocess.run([*bare, "true"], capture_output=True, check=False).returncode:
        tt.skip("a machine without control groups", "they cannot be unmounted")
        return
    done = run(["true"], "--pids", "9", before=bare)
    same("a limit that cannot be set fails the cell", (done.status, "the limit on pids cannot be set: there is no control group for it" in done.err), (125, True))
    done = run(["sh", "-c", "exit 5"], "--pids", "9", "--on-limit-failure", "degrade", before=bare)
    same("... or not, if that is asked for", (done.status, "cannot be set" in done.err), (5, True))


def left_groups():
    ours = {f"telltale-init-{pid}" for pid in STARTED}
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path) in ours]


def b64(value):
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


def bad_settings():
    ran = os.path.join(tt.scratch(0o777), "ran")
    for words, why in ((["--uid", "0"], "--uid: not a number from 1 to 4294967294"),
                       (["--uid", "990"], "--uid: the agent has that one"),
                       (["--uid"], "--uid: it has no value"),
                       (["--uid=1", "--uid=1"], "--uid: it stands there twice"),
                       (["--memory", "1T"], "--memory: not bytes, with K, M or G behind them, nor max"),
                       (["--cwd", "x"], "--cwd: not a path that begins with '/'"),
                       (["--endpoint", "tcp:1"], "--endpoint: it stands there twice"),
                       (["--exit", "tcp:1"], "--exit: it stands there twice"),
                       (["--wrong", "x"], "--wrong: there is no such setting"),
                       (["--modules", "/x"], "--modules: there is no such setting"),
                       (["--env", "###"], "--env: it is no base64"),
                       (["--env", b64(["A"])], "--env: a text in it is not NAME=VALUE"),
                       (["--argv", b64(["x"])], "--argv: the command stands behind '--' as well"),
                       (["x"], "x: no option; the command stands behind '--'")):
        done = run(["sh", "-c", f">'{ran}'"], *words)
        same(f"{' '.join(words)[:40]}", (done.status, done.err), (2, f"telltale-init: {why}\n"))
    host = Host()
    for words, why in (([], "no command"), (["--"], "no command behind '--'")):
        p = subprocess.run([INIT, "--cell", *options(host), *words], env=env_for(), capture_output=True, text=True, timeout=SECONDS, check=False)
        same(f"{words}: no command", (p.returncode, p.stderr), (2, f"telltale-init: {why}\n"))
    p = subprocess.run([INIT, "--cell", *options(host, endpoint=False), "--", "true"], env=env_for(), capture_output=True, text=True,
                       timeout=SECONDS, check=False)
    same("no endpoint", (p.returncode, p.stderr), (2, "telltale-init: --endpoint: it is missing: the agent has nobody to tell\n"))
    check("nothing of that ran", not os.path.exists(ran))
    p = subprocess.run([INIT], env=env_for(), capture_output=True, text=True, timeout=SECONDS, check=False)
    check("neither PID 1 nor --cell: how it is used", p.returncode == 2 and p.stderr.startswith("usage: ") and not p.stdout, p)
    p = subprocess.run([INIT, "--help"], env=env_for(), capture_output=True, text=True, timeout=SECONDS, check=False)
    check("--help", p.returncode == 0 and p.stdout.startswith("usage: ") and not p.stderr, p)
    p = subprocess.run(["unshare", "-mpf", INIT], env=env_for(), capture_output=True, text=True, timeout=SECONDS, check=False)
    same("PID 1 of a container is no machine's first process", (p.returncode, "not a machine's first process: see --cell" in p.stderr), (2, True))


class Terminal:
    """A shell in a cell, on a pseudo-terminal of its own."""

    def __init__(self, command, *more):
        self.host = Host()
        self.pid, self.fd = os.forkpty()
        if self.pid == 0:
            os.execve(INIT, [INIT, "--cell", *options(self.host, exit_channel=False), *more, "--", *command],
                      env_for(TERM="dumb", PS1="", ENV=""))
        self.text = ""

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def read(self):
        if not select.select([self.fd], [], [], 0.05)[0]:
            return False
        try:
            got = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += got.decode(errors="replace")
        return bool(got)

    def expect(self, pattern, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return True
            self.read()
        return False

    def end(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            got, status = os.waitpid(self.pid, os.WNOHANG)
            if got:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            self.read()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return None


def job_control():
    for shell in (["bash", "--norc", "--noprofile", "-i"], ["dash", "-i"]):
        if not shutil.which(shell[0]):
            tt.skip(f"job control: {shell[0]}", "not installed")
            continue
        t = Terminal(shell)
        t.type("stty -echo; PS1=; echo is-$((40+2)) $(id -u)\n")
        check(f"{shell[0]} on a terminal, as the workload's user", t.expect(rf"is-42 {UID}"), t.text)
        check("... it has job control", not re.search("no job control|can't access tty|cannot set terminal", t.text), t.text)
        t.type("sleep 100\n")
        time.sleep(0.3)
        t.type("\x1a")
        check("... ^Z stops a job", t.expect("Stopped"), t.text)
        t.type("bg; jobs; echo back-$((1+1))\n")
        check("... bg lets it go on", t.expect("Running") and t.expect("back-2"), t.text)
        t.type("fg; echo status-$?\n")
        time.sleep(0.3)
        t.type("\x03")
        check("... fg and ^C end it", t.expect("status-130|\n"), t.text)
        t.type("echo alive-$((2+1))\n")
        check("... and not the shell", t.expect("alive-3"), t.text)
        t.type("trap 'echo winch-$((1+0))' WINCH; (sleep 0.2; kill -STOP $$) & sleep 0.1; exit 31\n")
        same("... the status", t.end(), 31)


def stalled():
    """Nobody reads what init says: it is not said, and nothing waits."""
    hog = "import os,sys,termios\n" \
          "os.set_blocking(1, False)\n" \
          "try: termios.tcflow(0, termios.TCOOFF)\n" \
          "except termios.error: pass\n" \
          "try:\n  while True: os.write(1, b'x' * 512)\n" \
          "except BlockingIOError: pass\n" \
          "try:\n  while True: os.write(1, b'x')\n" \
          "except BlockingIOError: pass\n" \
          "os.set_blocking(1, True)\n" \
          "x = bytearray(200 << 20)\n"
    line = [sys.executable, "-c", hog]
    t = Terminal(line, "--memory", "48M")
    end = time.monotonic() + 30
    status = None
    while time.monotonic() < end and status is None:
        got, code = os.waitpid(t.pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if got else None
        time.sleep(0.02)
    if status is None:
        os.kill(t.pid, signal.SIGKILL)
        os.waitpid(t.pid, 0)
    os.close(t.fd)
    STARTED.append(t.pid)
    same("a terminal that nobody reads, stopped if that can be, and full", status, 137)
    host = Host()
    read_end, write_end = os.pipe()
    p = subprocess.Popen([INIT, "--cell", *options(host), "--memory", "48M", "--", *line], stdin=subprocess.DEVNULL, stdout=write_end,
                         stderr=write_end, env=env_for())
    STARTED.append(p.pid)
    os.close(write_end)
    try:
        status = p.wait(30)
    except subprocess.TimeoutExpired:
        p.kill()
        status = p.wait()
    host.settle()
    same("a pipe that nobody reads", (status, host.codes), (137, [b"\x89\0\0\0"]))
    os.close(read_end)
    read_end, write_end = os.pipe()
    os.close(read_end)
    p = subprocess.run([INIT, "--cell", *options(Host()), "--", "sh", "-c", "exit 8"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=write_end, env=env_for(), timeout=SECONDS, check=False)
    os.close(write_end)
    same("a pipe that nobody has open", p.returncode, 8)


def nothing_left(before):
    same("no mount is left", len(tt.read("/proc/self/mountinfo").splitlines()), before)
    none("no group is left", left_groups())
    none("no process is left", [line for line in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout.splitlines()
                                if line.startswith((INIT, SCRATCH)) or SCRATCH in line.split(" ")[0]])


mounts = len(tt.read("/proc/self/mountinfo").splitlines())
exit_codes()
exit_channel()
workload()
orphans()
bomb()
signals()
agent_facts()
agent_and_connector()
no_memfd()
agent_killed()
agent_killed_at_end()
agent_fails()
limits()
bad_settings()
job_control()
stalled()
nothing_left(mounts)
tt.done()
