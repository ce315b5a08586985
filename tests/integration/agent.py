#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale-agent and its host: order, hello, heartbeats, stalls, broken connections, ends; what it says of bad options."""
import os
import re
import resource
import signal
import socket
import subprocess

import agent_host
import tt
from agent_host import AGENT, FIVE, Agent, Host, account

ROOT = os.geteuid() == 0
PLAIN = AGENT + "-plain"


def run(*args, env=None, **more):
    done = subprocess.run([AGENT, *args], env=env or tt.clean_env(), stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=tt.SECONDS, **more)
    # who may not be the last one killed says so: that is the machine's matter
    err = "".join(line for line in done.stderr.decode().splitlines(True) if "oom_score_adj" not in line)
    return done.returncode, done.stdout.decode(), err


def options():
    endpoint = ["--endpoint", "unix:/nowhere"]
    long = "unix:/" + "x" * 108
    cases = [
        (["--endpoint", "vsock:2"], "endpoint 'vsock:2': not vsock:CID:PORT or unix:PATH"),
        (["--endpoint=" + long], f"endpoint '{long}': the path is too long for a socket"),
        (["--proc", "/nowhere"], "no endpoint: give --endpoint, or telltale.endpoint= on the kernel's command line"),
        (endpoint + ["--uid", "0"], "'--uid 0': the agent does not stay root"),
        (endpoint + ["--gid", "0"], "'--gid 0': the agent does not stay root"),
        (endpoint + ["--uid", "4294967295"], "'--uid 4294967295': not a number from 1 to 4294967294"),
        (endpoint + ["--uid="], "'--uid ': not a number from 1 to 4294967294"),
        (endpoint + ["--major", "3"], "'--major 3': not a number from 1 to 2"),
        (endpoint + ["--walk-ms", "0"], "'--walk-ms 0': not a number from 1 to 3600000"),
        (endpoint + ["--heartbeat-ms", "9"], "'--heartbeat-ms 9': not a number from 10 to 3600000"),
        (endpoint + ["--flush-ms", "-1"], "'--flush-ms -1': not a number from 0 to 3600000"),
        (endpoint + ["--restarts", "4294967296"], "'--restarts 4294967296': not a number from 0 to 4294967295"),
        (endpoint + ["--sensor", "best"], "'--sensor best': not auto, ebpf, connector or walk"),
        (endpoint + ["--queue-fd", "99"], "'--queue-fd 99': not an open fd"),
        (endpoint + ["--proc", "proc"], "'--proc proc': not a short path that begins with /"),
        (endpoint + ["--inotify", "here"], "'--inotify here': not a path that begins with /"),
        (endpoint + ["--inotify", "/a"] * 33, "'--inotify /a': more than 32 paths"),
        (endpoint + ["--uid"], "'--uid' needs a value"),
        (endpoint + ["--none"], "'--none': no such option; see --help"),
        (endpoint + ["--fork=1"], "'--fork=1': no such option; see --help"),
        (endpoint + ["--" + "x" * 99], f"'--{'x' * 99}': no such option; see --help"),
        (endpoint + ["more"], "'more': not an option; see --help"),
        (endpoint + ["--"], "'--': not an option; see --help"),
    ]
    complaints = []
    for args, words in cases:
        got = run(*args)
        if got != (2, "", f"telltale-agent: {words}\n"):
            complaints.append(f"{args}: {got}")
    env = tt.clean_env(CELLOS_TELEMETRY_INOTIFY_PATH="here")
    got = run(*endpoint, env=env)
    if got != (2, "", "telltale-agent: '--inotify here': not a path that begins with /\n"):
        complaints.append(f"environment: {got}")
    tt.none("each bad option has its own message, and status 2", complaints)
    status, out, err = run("--help")
    tt.check("--help", status == 0 and out.startswith("usage: telltale-agent") and not err, (status, out, err))
    status, out, err = run("--version")
    tt.check("--version", status == 0 and out.startswith("telltale-agent ") and not err, (status, out, err))


def endpoint_of_the_kernel():
    proc = tt.scratch(0o755)
    host = Host().listen()
    with open(os.path.join(proc, "cmdline"), "w", encoding="ascii") as f:
        f.write(f"quiet telltale.endpoint=unix:/nowhere \"telltale.endpoint={host.endpoint}\" root=/dev/vda\n")
    p = subprocess.Popen([AGENT, "--proc", proc, "--sensor", "walk"], stdin=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, env=tt.clean_env())
    try:
        c = host.accept()
        tt.check("the endpoint of the kernel's command line, the last one", c.until(lambda f: True) is not None)
    finally:
        p.terminate()
        p.wait(tt.SECONDS)


def order():
    host = Host().listen()
    other = tt.scratch(0o755)
    agent = Agent(host.endpoint, "--restarts", "0", "--heartbeat-ms", "3600000", files=50,
                  more_env={"CELLOS_TELEMETRY_INOTIFY_PATH": other})
    tt.same("it is ready, and says with what", agent.ready, "ready proc-walk inotify")
    c = host.accept()
    done = agent.act(500)
    done.append(agent.mark())
    os.mkdir(os.path.join(other, "x"))
    done.append(os.path.join(other, "x"))
    c.until_path(done[-1])
    hello = c.frames[0]
    tt.same("the first frame is agent.hello, number 0", (hello["probe_source"], hello["seq"]), ("agent.hello", 0))
    tt.same("it says who it is", (hello["guest_pid"], hello["guest_comm"], hello["restarts"],
                                  hello["kernel_version"]), (agent.pid, "telltale-agent", 0, os.uname().release))
    tt.same("its surface is what its sensors tell", (hello["surface"], hello["sensors"]), (
        ["process.spawned", "process.exited", "fs.inotify_fired"],
        ["process.spawned=proc-walk", "process.exited=proc-walk", "fs.inotify_fired=inotify"]))
    tt.same("acts in their order, those of the path in the environment as well",
            [f["path"] for f in c.frames[1:]], done)
    tt.same("numbers without a hole", [f["seq"] for f in c.frames], list(range(len(c.frames))))
    tt.none("times do not go back", [f for f, g in zip(c.frames[1:], c.frames[2:])
                                     if f["guest_monotonic_ns"] > g["guest_monotonic_ns"]])
    tt.same("SIGTERM: it ends with 0", agent.end(), 0)
    c.until_end()
    tt.same("and nothing is left over", (c.rest, account([c])), (b"", []))


def confined():
    if not ROOT:
        tt.skip("what the agent gives up", "needs root")
        return
    host = Host().listen()
    agent = Agent(host.endpoint, "--uid", "991", "--gid", "992", files=1, preexec_fn=lambda: os.setgroups([4, 24]))
    host.accept().until(lambda f: True)
    fields = dict(line.split(":\t", 1) for line in tt.read(f"/proc/{agent.pid}/status").decode().splitlines()
                  if ":\t" in line)
    tt.same("another user, in no group", (fields["Uid"], fields["Gid"], fields["Groups"].strip()),
            ("991\t991\t991\t991", "992\t992\t992\t992", ""))
    # CAP_DAC_READ_SEARCH (2) and CAP_SYS_PTRACE (19); CAP_DAC_OVERRIDE (1) for its host's socket, never in force here
    tt.same("few capabilities", [fields["Cap" + n] for n in ("Eff", "Prm", "Inh", "Bnd", "Amb")],
            [f"{n:016x}" for n in (1 << 2 | 1 << 19, 1 << 1 | 1 << 2 | 1 << 19, 0, 0, 0)])
    tt.same("no new privileges, one thread", (fields["NoNewPrivs"], fields["Threads"]), ("1", "1"))
    tt.same("only root can look into it", os.stat(f"/proc/{agent.pid}/environ").st_uid, 0)
    agent.end()


def no_host_at_first():
    host = Host()
    agent = Agent(host.endpoint, files=20)
    done = agent.act(20)
    tt.check("without a host it is ready", agent.ready.startswith("ready "), agent.ready)
    tt.check("and says why there is none", tt.wait_for(lambda: "No such file or directory; trying again" in agent.said()))
    host.listen()
    c = host.accept()
    c.until_path(agent.mark())
    tt.same("all that happened before is there", [f["path"] for f in c.frames[1:-1] if "path" in f], done)
    tt.same("the hello is first, with the first number", (c.frames[0]["probe_source"], c.frames[0]["seq"]),
            ("agent.hello", 0))
    tt.none("every number is there", account([c]))
    tt.check("how often it failed is said, with the reason", tt.wait_for(
        lambda: f"connected to {host.endpoint} after: " in agent.said() and " times No such file" in agent.said()),
        agent.said())
    agent.end()


def heartbeat():
    host = Host().listen()
    # watching no folder: others make files in /tmp, which is on the way to ours
    agent = Agent(host.endpoint, "--heartbeat-ms", "50", watched=False)
    c = host.accept()
    beats = lambda f: f["probe_source"] == "agent.heartbeat"
    for _ in range(3):
        c.until(beats)
        c.frames = [f for f in c.frames if not beats(f)]
    tt.check("signs of life when nothing happens", not c.ended)
    switches = lambda: int(tt.read(f"/proc/{agent.pid}/status").decode().split("\nvoluntary_ctxt_switches:")[1].split()[0])
    before, first = switches(), c.until(beats)["seq"]
    while c.frames[-1]["seq"] < first + 10:
        c.read()
    os.kill(agent.pid, signal.SIGSTOP)
    tt.wait_for(lambda: tt.state_of(agent.pid) == "T")
    woken = switches() - before
    c.sock.settimeout(0.1)
    try:
        c.read()
    except TimeoutError:
        pass
    os.kill(agent.pid, signal.SIGCONT)
    # one wake-up each, and those around the first and the last
    tt.check("it wakes up for them alone", woken <= c.frames[-1]["seq"] - first + 4, (woken, c.frames[-1]["seq"] - first))
    agent.end()


def stalled():
    host = Host().listen()
    agent = Agent(host.endpoint, "--heartbeat-ms", "50", files=64)
    c = host.accept()
    c.until(lambda f: True)
    done = []
    for _ in range(100):
        done += agent.act(100)
    agent.settled()
    tt.check("with a host that does not read the agent goes on", agent.process.poll() is None)
    # a heartbeat comes when nothing is left
    c.until(lambda f: f["probe_source"] == "agent.heartbeat")
    c.until_path(agent.mark())
    acts = [f for f in c.frames if f["probe_source"] == "fs.inotify_fired"]
    dropped = [f for f in c.frames if f["probe_source"] == "telemetry.dropped"]
    tt.check("more than the queue's 1024 came, and some did not", 1024 < len(acts) < len(done), len(acts))
    tt.same("the only cause is queue_full", {f["cause"] for f in dropped}, {"queue_full"})
    tt.same("what came and what was counted is what happened", len(acts) - 1 + sum(f["count"] for f in dropped),
            len(done))
    tt.none("each number is there or counted", account([c]))
    bad = [f for f in dropped if f["last_seq"] - f["first_seq"] + 1 < f["count"] or f["last_seq"] >= f["seq"]]
    tt.none("ranges hold what they count", bad)
    # the first to be dropped were the newest
    first = min(f["first_seq"] for f in dropped)
    tt.same("what was queued before is whole", [f["seq"] for f in c.frames if f["seq"] < first], list(range(first)))
    agent.end()


def at_once(agent, count):
    """So many acts that the agent sees together, and sends in one go."""
    os.kill(agent.pid, signal.SIGSTOP)
    agent.act(count)
    os.kill(agent.pid, signal.SIGCONT)
    agent.settled()


def closed_in_a_frame():
    host = Host().listen()
    agent = Agent(host.endpoint, files=64)
    a = host.accept()
    a.until(lambda f: True)
    # the first leaves room in the socket, but not for all of the second: a send ends where the room does
    at_once(agent, 850)
    at_once(agent, 850)
    os.kill(agent.pid, signal.SIGSTOP)
    a.drain()
    if a.rest:
        print(f"# {len(a.rest)} bytes of a frame are there")
    else:
        tt.skip("a frame is cut", "this kernel sent whole frames")
    a.close()
    os.kill(agent.pid, signal.SIGCONT)
    b = host.accept()
    b.until(lambda f: f["probe_source"] == "agent.heartbeat")
    b.until_path(agent.mark())
    tt.same("a new connection begins with a hello", b.frames[0]["probe_source"], "agent.hello")
    acts = [f["seq"] for f in b.frames if f["probe_source"] != "agent.hello"]
    tt.same("the others come in their order", acts, sorted(acts))
    tt.check("none comes twice", not {f["seq"] for f in a.frames} & {f["seq"] for f in b.frames})
    tt.none("the frame that was cut is there, whole, and so are all others", account([a, b]))
    # many times more: every connection is cut somewhere, none begins in the middle of a frame
    complaints = []
    for i in range(12):
        agent.act(300)
        c = b
        c.read(331 * (i + 1))
        c.close()
        b = host.accept()
        b.until(lambda f: True)
        if b.frames[0]["probe_source"] != "agent.hello":
            complaints.append(b.frames[0])
    tt.none("cut 12 times, each connection begins with a hello", complaints)
    b.until(lambda f: f["probe_source"] == "agent.heartbeat")
    b.until_path(agent.mark())
    agent.end()


def host_comes_back():
    host = Host().listen()
    agent = Agent(host.endpoint, files=64)
    a = host.accept()
    done = agent.act(100)
    a.until_path(agent.mark())
    host.close()
    a.close()
    # while nobody is there
    done = agent.act(300)
    tt.check("it says that the host has gone", tt.wait_for(lambda: "the host closed the connection" in agent.said()),
             agent.said())
    host.listen()
    b = host.accept()
    b.until_path(agent.mark())
    tt.same("what happened meanwhile is there, in its order", [f["path"] for f in b.frames if "path" in f][:-1], done)
    tt.none("every number came once", account([a, b]))
    numbers = [f["seq"] for f in a.frames + b.frames]
    tt.same("the second hello took its number when the connection broke", numbers, sorted(numbers))
    agent.end()


def talking_host():
    host = Host().listen()
    agent = Agent(host.endpoint, files=4)
    c = host.accept()
    c.sock.sendall(b"\xff" * 50000)
    c.until_path(agent.mark())
    tt.check("what a host sends is thrown away", not c.ended)
    agent.end()


def major_one():
    host = Host()
    agent = Agent(host.endpoint, "--major", "1", "--heartbeat-ms", "10", "--flush-ms", "30000", files=64)
    tt.check("a host that is missing is told of", tt.wait_for(lambda: "trying again" in agent.said()))
    host.listen()
    c = host.accept()
    agent.act(6000)
    agent.settled()
    agent.process.send_signal(signal.SIGTERM)
    c.until_end()
    c.close()
    tt.same("SIGTERM ends it", agent.process.wait(tt.SECONDS), 0)
    tt.none("the five keys of major 1 alone", [f for f in c.frames if list(f) != FIVE or f["content_version"] != 1])
    tt.check("and that it is there", f"connected to {host.endpoint} after: " in agent.said(), agent.said())
    tt.same("no source of major 2", {f["probe_source"] for f in c.frames}, {"fs.inotify_fired"})
    lost = 6000 - len(c.frames)
    tt.check("of what is lost the host knows nothing", 0 < lost, lost)
    tt.check("the console knows", f"ends with {lost} acts dropped and not told: queue_full" in agent.said(), agent.said())


def forks():
    import ctypes
    host = Host().listen()
    # so that the child of the agent that leaves becomes ours
    tt.check("subreaper", ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0)
    common = ["--endpoint", host.endpoint, "--sensor", "walk", "--walk-ms", "3600000", "--proc", tt.scratch(0o755)]
    started = subprocess.Popen([AGENT, "--fork", *common], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=tt.clean_env())
    tt.same("--fork: the parent returns 0", started.wait(tt.SECONDS), 0)
    c = host.accept()
    child = c.until(lambda f: True)["guest_pid"]
    tt.check("the child is another process, in its own session", child != started.pid and os.getsid(child) == child)
    os.kill(child, signal.SIGTERM)
    c.until_end()
    tt.same("it ends with 0", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))

    status, _, err = run(*common, preexec_fn=few_files)
    tt.check("3 if the loop fails", status == 3 and err.startswith("telltale-agent: epoll: "), (status, err))
    with subprocess.Popen([AGENT, "--fork", *common], preexec_fn=few_files, stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, env=tt.clean_env()) as p:
        p.stderr.read()
        tt.same("the parent has returned 0 by then", p.wait(tt.SECONDS), 0)
        tt.same("the child returns 3", os.waitstatus_to_exitcode(os.wait()[1]), 3)
    if not ROOT:
        tt.skip("2 if the fork fails", "needs root to become a user without processes")
        return

    def no_processes():
        os.setgroups([])
        os.setgid(tt.NOBODY)
        os.setuid(tt.NOBODY)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

    reachable = tt.find_scratch()
    if not reachable:
        tt.skip("2 if the fork fails", "no folder where another user may run a program")
        return
    program = os.path.join(reachable, "agent")
    with open(program, "wb") as f:
        f.write(tt.read(AGENT))
    os.chmod(program, 0o755)
    done = subprocess.run([program, "--fork", *common], preexec_fn=no_processes, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=tt.SECONDS, env=tt.clean_env())
    tt.check("2 if the fork fails", done.returncode == 2 and b"telltale-agent: fork: " in done.stderr, done)


def flush():
    host = Host().listen()
    agent = Agent(host.endpoint, "--flush-ms", "30000", files=64)
    c = host.accept()
    c.until(lambda f: True)
    done = agent.act(1000)
    # its end: what the sensors still hold is told, too
    agent.process.send_signal(signal.SIGTERM)
    c.until_end()
    came = [f["path"] for f in c.frames if "path" in f]
    tt.check("after SIGTERM all comes, then the end", came == done, (len(came), agent.said(), account([c])))
    tt.none("every number", account([c]))
    tt.check("it waits for the host to end, too", agent.process.poll() is None or agent.process.returncode == 0)
    c.close()
    tt.same("then it ends with 0", agent.process.wait(tt.SECONDS), 0)

    agent = Agent(host.endpoint, "--flush-ms", "100", files=64)
    c = host.accept()
    agent.act(6000)
    agent.settled()
    tt.same("a host that does not read cannot keep it", agent.end(), 0)
    tt.check("what could not be sent is said", " frames not sent" in agent.said(), agent.said())
    c.close()

    agent = Agent("unix:" + os.path.join(tt.scratch(), "nobody"), "--flush-ms", "100", files=2)
    agent.act(2)
    tt.same("nor can one that is not there", agent.end(), 0)
    tt.check("and that is said", "ends with 2 frames not sent" in agent.said(), agent.said())


def killed():
    host = Host().listen()
    memory = os.memfd_create("queue")
    agent = Agent(host.endpoint, "--queue-fd", str(memory), files=64, pass_fds=[memory])
    a = host.accept()
    a.until(lambda f: True)
    agent.act(8000)
    agent.settled()
    tt.same("killed", agent.end(signal.SIGKILL), -signal.SIGKILL)
    after = Agent(host.endpoint, "--queue-fd", str(memory), "--restarts", "1", files=64, pass_fds=[memory])
    b = host.accept()
    # what the first one had sent is still in its socket
    a.until_end()
    b.until(lambda f: f["probe_source"] == "agent.heartbeat")
    b.until_path(after.mark())
    tt.same("the next one says that it is not the first", b.frames[0]["restarts"], 1)
    died = [f for f in b.frames if f.get("cause") == "agent_died"]
    tt.same("one record that it died, without a number", [f["count"] for f in died], [0])
    # the number that the first hello of the second agent has was taken when it began
    tt.none("nothing that was queued is lost: each number is there once, or counted", account([a, b]))
    acts = [f for f in a.frames + b.frames if "path" in f]
    counted = sum(f["count"] for f in b.frames if f["probe_source"] == "telemetry.dropped")
    tt.same("what came and what was counted is what happened", len(acts) - 1 + counted, 8000)
    after.end()
    os.close(memory)
    b.close()
    # without that memory all is lost, and that is said
    after = Agent(host.endpoint, "--restarts", "2", files=1)
    c = host.accept()
    died = c.until(lambda f: f.get("cause") == "agent_died")
    tt.same("an agent that took over nothing says that one died", died and died["count"], 0)
    after.end()


def without_a_sensor():
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    status, _, err = run("--endpoint", "unix:/nowhere", "--sensor", "connector", "--ready-fd", str(theirs.fileno()),
                         pass_fds=[theirs.fileno()])
    theirs.close()
    mine.settimeout(tt.SECONDS)
    said = mine.recv(4096).decode()
    tt.same("what cannot start says so, to init as well", (status, err), (1, f"telltale-agent: {said[7:]}\n"))
    tt.check("with what was tried, and why not", said.startswith("failed no sensor tells of processes: connector: "), said)
    tt.same("then nothing more", mine.recv(4096), b"")


def processes(count):
    """A folder that looks like the /proc of so many processes."""
    proc = tt.scratch(0o755)
    for pid in range(10, 10 + count):
        os.mkdir(os.path.join(proc, str(pid)))
        for name in ("stat", "status", "cmdline"):
            text = tt.read(f"/proc/self/{name}").replace(str(os.getpid()).encode(), str(pid).encode())
            with open(os.path.join(proc, str(pid), name), "wb") as f:
                f.write(text)
        os.symlink("/bin/sh", os.path.join(proc, str(pid), "exe"))
    return proc


def small():
    size = os.path.getsize(PLAIN)
    print(f"# without eBPF {size} bytes on disk, with it {os.path.getsize(AGENT)}")
    tt.check("at most 128 KiB on disk without eBPF", size <= 128 * 1024, size)
    host = Host().listen()
    for count in (30, 0):
        proc = processes(count)
        agent = Agent(host.endpoint, "--sensor", "walk", "--proc", proc, files=64, quiet=False, program=PLAIN)
        c = host.accept()
        c.until_path(agent.mark())
        births = {f["guest_pid"] for f in c.frames if f["probe_source"] == "process.spawned"}
        tt.same(f"{count} processes are told", len(births), count)
        empty = agent.resident()
        # nobody reads: the socket is full, then the queue
        agent.act(6000)
        agent.settled()
        full = agent.resident()
        print(f"# {agent.ready}, {count} processes: resident {empty} bytes with an empty queue, {full} with a full one")
        tt.check("at most 256 KiB of memory", empty < full <= 256 * 1024, (empty, full))
        agent.end(signal.SIGKILL)
        c.close()


def mapped(pid):
    """What a process has mapped, and how large that is."""
    return [line.split()[0] for line in tt.read(f"/proc/{pid}/maps").decode().splitlines() if "[stack]" not in line]


def nothing_grows():
    host = Host().listen()
    agent = Agent(host.endpoint, "--sensor", "auto", files=64, quiet=False)
    print(f"# {agent.ready}")
    c = host.accept()
    c.until(lambda f: True)
    before = mapped(agent.pid)
    agent.act(6000)
    for _ in range(200):
        subprocess.run(["/bin/true"], check=False)
    c.close()
    c = host.accept()
    c.until(lambda f: f["probe_source"] == "telemetry.dropped")
    tt.same("no memory is mapped after it is ready", mapped(agent.pid), before)
    agent.end(signal.SIGKILL)


def linked():
    for program in (AGENT, PLAIN):
        name = os.path.basename(program)
        headers = subprocess.run(["readelf", "-ld", program], capture_output=True, text=True, check=True,
                                 timeout=tt.SECONDS).stdout
        tt.check(f"{name} is static", "INTERP" not in headers and "DYNAMIC" not in headers, headers)
        tt.check(f"{name} holds no private key", b"PRIVATE KEY" not in tt.read(program))
        text = tt.read(program + ".map").decode()
        text = text[:text.index("Discarded input sections")] + text[text.index("Linker script and memory map"):]
        members = set(re.findall(r"\((\w+)\.l?o\)$", text, re.M))
        ours = set(re.findall(r"telltale-agent(?:-plain)?\.p/(\w+)/\w+\.o$", text, re.M))
        names = members | set(re.findall(r"^ \.(?:text|rodata|data|bss)\.([\w.]+)", text, re.M)) | set(
            re.findall(r"^ +0x[0-9a-f]+ +(\w+)$", text, re.M))
        tt.same(f"{name}: our folders in it", ours, {"agent", "base", "wire"})
        crypto = [n for n in names if re.search(r"sha(1|2|3|256|512)|md5|aes|rsa|ecdsa|25519|chacha|poly|hmac|crypt|ssl", n, re.I)]
        tt.same(f"{name}: no crypto in it", crypto, [])
        if "libc.a(vfprintf.o)" in text or "musl" not in text:
            tt.skip(f"{name}: which functions of libc allocate", "not linked with musl")
            continue
        stdio = sorted(members & {"printf", "fprintf", "vfprintf", "fopen", "fwrite", "puts", "snprintf", "vsnprintf"})
        tt.same(f"{name}: no stdio in it", stdio, [])
        heap = sorted(m for m in members if re.search(r"^(aligned_|posix_mem|memalign|lite_malloc|.*alloc$|free|sbrk|brk)", m))
        print(f"# {name}: of the heap there is {heap}")
        if program == PLAIN:
            tt.same("without eBPF there is no heap", [m for m in heap if m not in ("free", "libc_calloc")], [])


def main():
    if not agent_host.is_available():
        tt.skip_all("no telltale-agent, or no readelf")
    for case in (options, endpoint_of_the_kernel, order, confined, no_host_at_first, heartbeat, stalled,
                 closed_in_a_frame, host_comes_back, talking_host, major_one, forks, flush, killed, without_a_sensor,
                 small, nothing_grows, linked):
        print(f"# {case.__name__}")
        case()
    tt.done()


main()
