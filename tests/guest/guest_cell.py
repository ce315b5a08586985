#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A whole cell in a microVM: Debian's kernel, telltale-init as its first process, the agent, the gate, and a workload that
does a bit of everything; its frames come over a real AF_VSOCK. tests/integration/cell.py does the same without a machine."""
import os
import re

import guest
import cells  # after guest, which knows where it is
import tt
from cells import Host, of
from tt import check, done, none, same, skip_all

EBPF = {**{x: "ebpf" for x in cells.EVERYTHING}, "fs.inotify_fired": "inotify"}
LIVES = ("process.spawned", "process.exited")


def new_base():
    return os.path.join(tt.scratch(), "v")


def new_image():
    image = guest.Image()
    image.folder("/watched", 0o777)
    return image


def started(host_options, argv, **settings):
    base = new_base()
    host = Host(base, **host_options)
    return host, guest.Cell(new_image(), ["/cell_work", *argv], base, **settings)


def run(argv, **settings):
    host, cell = started({}, argv, **settings)
    return host.frames, cell.wait(host)


def everything(name, **settings):
    work = ["crowd=1000", "fork=10", "connect=7100", "denied", "touch=/watched", "attack", "hold=1000", "42"]
    frames, ended = run(work, inotify="/watched", heartbeat_ms=100, **settings)
    frames = frames()
    hello = cells.check_hello(name, frames, EBPF)
    same(f"{name}: the kernel is the one that was fetched", hello.get("kernel_version"), guest.release())
    cells.check_everything(name, frames, ended, 1000, 7100, "/watched")
    check(f"{name}: heartbeats while nothing happens", len(of(frames, "agent.heartbeat")) >= 2, len(frames))
    same(f"{name}: the machine was switched off", ended.status, 0) or none("...", ended.lines())
    none(f"{name}: its kernel has nothing to complain of", re.findall(r".*(?:BUG:|WARNING:|Oops).*", ended.said))


def attacked():
    """By all that gate_attack knows; and by hunger."""
    base = new_base()
    host, image = Host(base), new_image()
    image.copy(tt.program("gate_attack"), "/gate_attack")
    ended = guest.Cell(image, ["/gate_attack", "-v"], base).wait(host)
    frames = host.frames()
    tried = re.findall(r"^((?:not )?ok \d+ - .*?)\r?$", ended.said, re.M)
    check("every road to init and agent is tried", len(tried) >= 150 and ended.code == 0, [ended.code, len(tried)])
    none("... and none is open", [line for line in tried if line.startswith("not")])
    same("... the agent was never started anew", [f.get("restarts") for f in of(frames, "agent.hello")], [0])
    check("... and the host was told", len(of(frames, "gate.denied")) >= 150, len(frames))
    cells.check_account("... an attack", frames)

    frames, ended = run(["many=100", "crowd=10", "eat=200", "3"], memory="64M", pids=40)
    frames = frames()
    made = re.search(r"^many (\d+) EAGAIN", ended.said, re.M)
    check("more processes than there may be: fewer can be had", made and 30 <= int(made[1]) <= 40, ended.lines())
    same("more memory than there may be ends the command", ended.code, 137) or none("...", ended.lines())
    check("... and the console says what was hit", "memory" in ended.said and "pids" in ended.said, ended.lines())
    same("... not the agent", [f.get("restarts") for f in of(frames, "agent.hello")], [0])
    cells.check_processes("a hungry command", frames)
    cells.check_account("a hungry command", frames)
    same("... its end is told as it was", [f.get("signal") for f in of(frames, "process.exited") if f["guest_pid"] == 3], [9])


def stalled():
    host, cell = started({}, ["spin=4000", "hold=3000", "5"], flush_ms=30000)
    host.stall()
    check("a host that does not read: the command is done all the same", cell.says("spin 4000 ended 4000"), cell.console())
    host.go_on()
    ended = cell.wait(host)
    frames = host.frames()
    same("... how it ended is known", ended.code, 5) or none("...", ended.lines())
    found = cells.check_account("a host that did not read", frames)
    check("... some were dropped, each of them counted", found["dropped"] > 0, found)
    same("... all of 8,000 acts are there or counted",
         found["received"] + found["dropped"] - len(of(frames, "capability.denied", *cells.OWN)), 8003)


def broken():
    host, cell = started({"cut": 30001}, ["crowd=300", "hold=2000", "crowd=20", "6"], flush_ms=30000)
    ended = cell.wait(host)
    frames = host.frames()
    same("a host that closes amid a frame: two connections, each with a hello",
         [f["connection"] for f in of(frames, "agent.hello")], [0, 1])
    check("... the first ends amid a frame, the second whole", host.split()[0][1] and not host.split()[1][1], host.split()[0][1])
    cells.check_account("... and then", frames, lost=None)
    same("... how it ended is known", ended.code, 6) or none("...", ended.lines())
    host, cell = started({"deaf": True}, ["crowd=100", "hold=2000", "7"], flush_ms=30000)
    cell.says("crowd 100")
    host.listen()
    ended = cell.wait(host)
    cells.check_account("a host that comes late", host.frames())
    cells.check_crowd("a host that comes late", host.frames(), 100)


def failures():
    for name, settings, want, ran in (("no endpoint", {"endpoint": None}, 125, False),
                                      ("an agent that is not there, degrade", {"agent": "/no/such", "on_agent_failure": "degrade"}, 42, True)):
        frames, ended = run(["fork=2", "42"], **settings)
        same(f"{name}: exit code, whether the command ran, what the host heard",
             (ended.code, "fork 2" in ended.said, frames()), (want, ran, []))
        check("... and the console says why", "agent" in ended.said, ended.lines())


def lesser():
    """What is left where the kernel does not let eBPF look at it."""
    frames, ended = run(["crowd=300", "fork=10", "7"], words=["lockdown=confidentiality"])
    frames = frames()
    cells.check_hello("eBPF is locked away", frames, {x: "proc-connector" for x in LIVES})
    cells.check_account("... and then", frames)
    gone = of(frames, "process.exited")
    same("... each process ends as it did", sorted(f.get("exit_code", -f.get("signal", 0)) for f in gone),
         sorted([i % 200 for i in range(300)] + [7, -9] * 5 + [7]))
    frames, ended = run(["fork=10", "hold=500", "7"], sensor="walk", walk_ms=20)
    frames = frames()
    cells.check_hello("a walk over /proc", frames, {x: "proc-walk" for x in LIVES})
    check("... sees the command itself", any(f.get("exe") == "/cell_work" for f in of(frames, *LIVES)), frames)
    cells.check_account("... and then", frames)
    frames, ended = run(["crowd=100", "8"], major=1)
    frames = frames()
    same("major 1: what it can tell", ({f["content_version"] for f in frames}, of(frames, *cells.OWN), {len(f) for f in frames},
                                       len(of(frames, "process.exited"))), ({1}, [], {6}, 101))


def main():
    why = guest.why_not()
    if why:
        skip_all(why)
    everything("a cell")
    everything("two CPUs", cpus="2", half_close=True)
    attacked()
    stalled()
    broken()
    failures()
    lesser()
    done()


main()
