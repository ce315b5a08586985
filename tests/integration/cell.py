#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A whole cell in a PID namespace of this machine: init, agent, gate and a workload that does a bit of everything, over
unix sockets; hosts with bad habits; agents that fail. tests/guest/guest_cell.py does the same in a microVM."""
import os
import signal

import cells
import tt
from cells import Host, Local, of
from tt import check, done, none, same, skip_all

# On kernels that let eBPF attach to functions it tells of the gate, too.
EBPF = [x for x in cells.EVERYTHING if x != "gate.denied"]


def new_base():
    return os.path.join(tt.scratch(), "v")


def new_gate():
    """A file that is not there yet: until=PATH waits for it."""
    return os.path.join(tt.scratch(0o777), "go")


def go(path):
    with open(path, "w", encoding="utf-8"):
        pass


def everything():
    watched, base = tt.scratch(0o777), new_base()
    host = Host(base)
    ended = Local(base, inotify=watched).run(
        [cells.WORK, "crowd=1000", "fork=10", "connect=7100", "denied", f"touch={watched}", "attack", "42"], host)
    frames = host.frames()
    hello = frames[0] if frames else {}
    told = EBPF + (["gate.denied"] if "gate.denied" in hello.get("surface", []) else [])
    cells.check_hello("a cell", frames, {**{x: "ebpf" for x in told}, "fs.inotify_fired": "inotify"})
    same("a cell: init's own exit status is the command's", ended.status, 42)
    cells.check_everything("a cell", frames, ended, 1000, 7100, watched, told)


def ends():
    for name, argv, want in (("killed", ["/bin/sh", "-c", "kill -9 $$"], 137), ("no such program", ["/no/such"], 127),
                             ("not a program", ["/etc/passwd"], 126), ("0", ["/bin/true"], 0)):
        base = new_base()
        host = Host(base)
        ended = Local(base).run(argv, host)
        same(f"the end of a command: {name}", (ended.code, ended.status), (want, want)) or none("...", ended.lines())


def heartbeats():
    base, gate = new_base(), new_gate()
    host = Host(base)
    cell = Local(base, heartbeat_ms=50).start([cells.WORK, f"until={gate}", "0"])
    check("an agent with nothing to say says so, again and again",
          host.wait_for(lambda frames: len(of(frames, "agent.heartbeat")) >= 3), cell.said)
    go(gate)
    cell.wait(host)
    cells.check_account("heartbeats", host.frames())


def stalled():
    base, gate = new_base(), new_gate()
    host = Host(base)
    host.stall()
    cell = Local(base).start([cells.WORK, "spin=10000", f"until={gate}", "5"])
    check("a host that does not read: the command is done all the same", cell.says("spin 10000 ended 10000"), cell.said)
    host.go_on()
    check("... and when it reads, it is told what was dropped",
          host.wait_for(lambda frames: of(frames, "telemetry.dropped")), cell.said)
    go(gate)
    ended = cell.wait(host)
    same("... and how the command ended", ended.code, 5)
    found = cells.check_account("a host that did not read", host.frames())
    check("... some were dropped, each of them counted", found["dropped"] > 0, found)
    same("... as what the queue had no room for", {f["cause"] for f in of(host.frames(), "telemetry.dropped")}, {"queue_full"})
    # The command's own three, and what its launch was refused.
    same("... all of 20,000 acts are there or counted", found["received"] + found["dropped"] -
         len(of(host.frames(), "capability.denied", *cells.OWN)), 20003)


def cut():
    for size in (1, 3, 700, 5000, 40000):
        base, gate = new_base(), new_gate()
        host = Host(base, cut=size)
        cell = Local(base).start([cells.WORK, "crowd=300", f"until={gate}", "0"])
        cell.says("crowd 300")
        check(f"a host that closes after {size} bytes: the agent comes again",
              host.wait_for(lambda frames: len(of(frames, "agent.hello")) >= (2 if size > 700 else 1) and len(host.connections) == 2),
              cell.said)
        go(gate)
        cell.wait(host)
        connections = host.split()
        cells.check_account(f"... after {size} bytes", host.frames(), lost=None)
        same("... and begins with a whole frame, a hello",
             [x["probe_source"] for x in host.frames() if x["connection"] == 1][:1], ["agent.hello"])
        same("... nothing is left over at its end", [len(rest) for _, rest in connections[1:]], [0])


def late():
    base, gate = new_base(), new_gate()
    host = Host(base, deaf=True)
    cell = Local(base).start([cells.WORK, "crowd=100", f"until={gate}", "0"])
    cell.says("crowd 100")
    host.listen()
    go(gate)
    ended = cell.wait(host)
    frames = host.frames()
    same("a host that comes late: nothing is lost", cells.account(frames)["lost"], 0)
    cells.check_account("a late host", frames)
    cells.check_crowd("a late host", frames, 100)
    same("... nor the exit code", ended.code, 0)


def killed_host():
    base, gate, second = new_base(), new_gate(), new_gate()
    host = Host(base)
    cell = Local(base).start([cells.WORK, "crowd=50", f"until={gate}", "crowd=50", f"until={second}", "0"])
    host.wait_for(lambda frames: len(of(frames, "process.exited")) >= 50)
    host.gone()
    go(gate)
    tt.wait_for(lambda: cell.said.count(b"crowd 50") == 2)
    host.listen()
    check("a host that is killed and comes again", host.wait_for(lambda frames: len(of(frames, "process.exited")) >= 100), cell.said)
    go(second)
    cell.wait(host)
    cells.check_account("a killed host", host.frames(), lost=None)
    same("... hears a hello again", len(of(host.frames(), "agent.hello")), 2)


def killed_agent():
    base, gate, second = new_base(), new_gate(), new_gate()
    host = Host(base)
    cell = Local(base).start([cells.WORK, "crowd=50", f"until={gate}", "crowd=50", f"until={second}", "6"])
    # What it had not read yet would be gone with it.
    host.wait_for(lambda frames: len(of(frames, "process.exited")) == 50)
    os.kill(cell.agent(), signal.SIGKILL)
    tt.wait_for(lambda: cell.said.count(b"ready") == 2)
    go(gate)
    check("an agent that is killed comes again, as PID 2",
          host.wait_for(lambda frames: [f["guest_pid"] for f in of(frames, "agent.hello") if f.get("restarts")] == [2]),
          [cell.said.decode(), *(str(f) for f in of(host.frames(), *cells.OWN))])
    tt.wait_for(lambda: cell.said.count(b"crowd 50") == 2)
    go(second)
    ended = cell.wait(host)
    frames = host.frames()
    same("... the command has seen nothing of that", ended.code, 6)
    check("... the host is told that something may be missing",
          [(f["cause"], f["count"]) for f in of(frames, "telemetry.dropped")] == [("agent_died", 0)], of(frames, "telemetry.dropped"))
    numbers = [int(f["argv"][2]) for f in of(frames, "process.spawned") if f.get("argv", ["", ""])[1] == "end"]
    same("... and what happened before and after is there, once", sorted(numbers), sorted(2 * list(range(50))))


def failures():
    work = [cells.WORK, "fork=2", "42"]
    for name, settings, want, ran in (
            ("an agent that ends at once, fail-cell", {"agent": "/bin/false"}, 125, False),
            ("an agent that is not there, fail-cell", {"agent": "/no/such/agent"}, 125, False),
            ("... degrade", {"agent": "/no/such/agent", "on_agent_failure": "degrade"}, 42, True),
            ("an agent that ends at once, degrade", {"agent": "/bin/false", "on_agent_failure": "degrade"}, 42, True),
            ("an agent that is a folder, fail-cell", {"agent": "/tmp"}, 125, False)):
        base = new_base()
        host = Host(base)
        ended = Local(base, **settings).run(work, host)
        same(f"{name}: exit code, and whether the command ran", (ended.code, "fork 2" in ended.said), (want, ran)) or \
            none("...", ended.lines())
        check("... and says why", "agent" in ended.said, ended.lines())
    ended = Local(new_base(), endpoint=None).run(work)
    same("no endpoint: nothing begins", (ended.status, "fork 2" in ended.said), (2, False))


def sensors():
    base = new_base()
    host = Host(base)
    Local(base, sensor="connector").run([cells.WORK, "crowd=1000", "fork=10", "0"], host)
    frames = host.frames()
    cells.check_hello("proc connector", frames, {"process.spawned": "proc-connector", "process.exited": "proc-connector"})
    cells.check_account("proc connector", frames)
    # Those that are gone when they are looked up have no number, but their end is known.
    ended = of(frames, "process.exited")
    same("proc connector: each of 1,011 processes ends", len(ended), 1011)
    same("... as it did", sorted(f.get("exit_code", -f.get("signal", 0)) for f in ended),
         sorted([i % 200 for i in range(1000)] + [7, -9] * 5 + [0]))

    base = new_base()
    host = Host(base)
    Local(base, sensor="walk", walk_ms=10).run([cells.WORK, "fork=10", "hold=300", "0"], host)
    frames = host.frames()
    cells.check_hello("walk", frames, {"process.spawned": "proc-walk", "process.exited": "proc-walk"})
    cells.check_account("walk", frames)
    check("walk: the command itself", any(f.get("exe") == cells.WORK for f in of(frames, "process.spawned")), frames)


def major_one():
    base = new_base()
    host = Host(base)
    ended = Local(base, major=1).run([cells.WORK, "crowd=100", "fork=10", "connect=7100", "9"], host)
    frames = host.frames()
    five = {"content_version", "probe_source", "guest_pid", "guest_comm", "guest_monotonic_ns", "connection"}
    same("major 1: five keys and no other", {tuple(sorted(set(f) - five)) for f in frames}, {()})
    same("... of version 1", {f["content_version"] for f in frames}, {1})
    same("... nothing of the agent's own", of(frames, *cells.OWN), [])
    same("... all ends", (len(of(frames, "process.exited")), ended.code), (111, 9))


def main():
    if os.geteuid() != 0:
        skip_all("a cell is made by root")
    everything()
    ends()
    heartbeats()
    stalled()
    cut()
    late()
    killed_host()
    killed_agent()
    failures()
    sensors()
    major_one()
    done()


main()
