#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`telltale receive` and a real guest: over the guest's AF_VSOCK and the host's unix sockets; stopped and killed meanwhile;
and on AF_VSOCK itself, host and cell in one guest."""
import json
import os
import signal

import guest
import cells  # after guest, which knows where it is
import tt
from tt import check, done, same, skip_all


def begin(argv, **settings):
    receiver = cells.Receiver(os.path.join(tt.scratch(), "v"))
    return receiver, guest.Cell(guest.Image(), ["/cell_work", *argv], receiver.base, **settings)


def whole():
    receiver, cell = begin(["crowd=300", "fork=10", "connect=7100", "denied", "attack", "42"])
    ended = cell.wait()
    same("a guest and its receiver both end", (ended.status, receiver.wait()), (0, 0)) or check("...", False, [*ended.lines(), receiver.said])
    document = cells.check_record("a guest", receiver, 42, 300)
    same("a guest: nothing was lost", (document["guest"]["seq"]["dropped"], document["guest"]["seq"]["transport"]), (0, 0))
    same("a guest: its kernel", document["guest"]["agent"]["kernel_version"], guest.release())


def disturbed():
    receiver, cell = begin(["spin=4000", "hold=6000", "spin=20", "5"], flush_ms=30000)
    receiver.has(20000)
    receiver.signal(signal.SIGSTOP)
    check("a receiver that is stopped: the command goes on", cell.says("spin 4000 ended 4000"), cell.console())
    receiver.signal(signal.SIGCONT)
    receiver.has(400000)
    receiver.signal(signal.SIGKILL)
    receiver.wait()
    receiver.start()
    ended = cell.wait()
    same("... then killed, and begun again: both end", (ended.status, receiver.wait()), (0, 0)) or check("...", False, ended.lines())
    document = cells.check_record("a stopped and killed receiver", receiver, 5, kills=1)
    check("... all of 8,040 acts and the command's own are numbered", document["guest"]["seq"]["numbers"] >= 8043, document["guest"])
    same("... what was dropped and lost stands in the record", document["coverage"]["lost"],
         document["guest"]["seq"]["dropped"] + document["guest"]["seq"]["transport"])


def inside():
    """The receiver takes AF_VSOCK connections by the CID they come from: here its own, by the loopback."""
    image = guest.Image()
    image.vsock()
    image.module("vsock_loopback")
    image.telltale()
    for source, path in ((cells.INIT, "/usr/bin/telltale-init"), (cells.AGENT, "/usr/bin/telltale-agent"), (cells.WORK, "/cell_work")):
        image.copy(source, path)
    image.write("/spec.json", json.dumps({"telemetry": {"authorized": cells.EVERYTHING}}))
    with guest.boot(image) as vm:
        script = "telltale receive --vsock-port 9001 --cid 1 --cell-id cell-1 --spec /spec.json --output-dir /tmp/out --once & sleep 1; " \
                 "telltale-init --cell --endpoint vsock:1:9001 --exit vsock:1:9000 -- /cell_work crowd=100 7; echo status $?; wait"
        result = vm.shell(script)
        check("a receiver on AF_VSOCK: the cell ends", "status 7" in result.stdout, result)
        document = json.loads(vm.read("/tmp/out/run.json"))
        same("... the receiver knows how", document["summary"]["exit_code"], 7)
        seq = document["guest"]["seq"]
        same("... and all that happened", (seq["numbers"], seq["dropped"], seq["transport"], document["summary"]["processes"]),
             (seq["received"], 0, 0, 101))
        verified = vm.run("telltale", "verify", "/tmp/out")
        check("... its chain holds", verified.status == 0, verified)


def main():
    why = guest.why_not()
    if why:
        skip_all(why)
    whole()
    disturbed()
    inside()
    done()


main()
