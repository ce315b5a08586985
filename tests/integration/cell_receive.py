#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A cell and its receiver: what `telltale receive` knows of a real cell; stopped, killed and begun again meanwhile."""
import os
import signal
import uuid

import cells
import tt
from cells import Local, Receiver
from tt import check, done, same, skip_all


def begin(*argv):
    """A cell that waits for a file at the end; what makes the file."""
    base, gate = os.path.join(tt.scratch(), "v"), os.path.join(tt.scratch(0o777), "go")
    receiver = Receiver(base)
    return receiver, Local(base).start([cells.WORK, *argv, f"until={gate}", "5"]), lambda: open(gate, "w", encoding="utf-8").close()


def whole():
    receiver, cell, go = begin("crowd=300", "fork=10", "connect=7100", "denied", "attack")
    go()
    ended = cell.wait()
    same("a cell and its receiver both end", (ended.status, receiver.wait()), (5, 0)) or check("...", False, [ended.said, receiver.said])
    document = cells.check_record("a cell", receiver, 5, 300)
    same("a cell: nothing was lost", (document["guest"]["seq"]["dropped"], document["guest"]["seq"]["transport"],
                                      document["coverage"]["lost"]), (0, 0, 0))
    same("a cell: the sockets are gone", [x for x in ("9000", "9001") if os.path.exists(f"{receiver.base}_{x}")], [])
    tried = {e["addr"] for e in receiver.lines() if e["syscall"] == "connect"}
    check("a cell: where it connected to", {"127.0.0.1:7100", "127.0.0.1:7101", "[::1]:7102"} <= tried, tried)


def stopped():
    receiver, cell, go = begin("spin=10000")
    receiver.has(20000)
    receiver.signal(signal.SIGSTOP)
    check("a receiver that is stopped: the command goes on", cell.says("spin 10000 ended 10000"), cell.said)
    receiver.signal(signal.SIGCONT)
    go()
    same("... both end", (cell.wait().status, receiver.wait()), (5, 0))
    document = cells.check_record("a stopped receiver", receiver, 5)
    check("... what was dropped is counted, nothing was lost on the way",
          document["guest"]["seq"]["dropped"] > 0 and document["guest"]["seq"]["transport"] == 0, document["guest"]["seq"])
    same("... and stands in the record as a gap", document["coverage"]["lost"], document["guest"]["seq"]["dropped"])


def killed():
    receiver, cell, go = begin("spin=10000")
    receiver.has(20000)
    receiver.signal(signal.SIGKILL)
    receiver.wait()
    check("a receiver that is killed: the command goes on", cell.says("spin 10000 ended 10000"), cell.said)
    with open(os.path.join(receiver.folder, "cloudevents.jsonl"), "r+b") as f:
        f.truncate(f.seek(0, os.SEEK_END) - 20)  # as a kill can leave it
    receiver.start()
    go()
    same("... begun again: both end", (cell.wait().status, receiver.wait()), (5, 0))
    document = cells.check_record("a killed receiver", receiver, 5, kills=1)
    check("... all of 20,000 acts and the command's own are numbered", document["guest"]["seq"]["numbers"] >= 20003, document["guest"])
    check("... it knows that it went on", document["guest"]["resumed"], document["guest"])
    same("... what was lost stands in the record", document["coverage"]["lost"],
         document["guest"]["seq"]["dropped"] + document["guest"]["seq"]["transport"])


def together():
    """Many cells, one receiver: to each what is its own."""
    records = [cells.Record(os.path.join(tt.scratch(), "v"), f"cell-{i + 2}", str(uuid.uuid4())) for i in range(7)]
    receiver = Receiver(os.path.join(tt.scratch(), "v"), records)
    records.insert(0, receiver)
    check("eight cells, one receiver", tt.wait_for(lambda: all(os.path.exists(f"{x.base}_9000") for x in records)))
    running = [Local(x.base).start([cells.WORK, f"crowd={10 * (i + 1)}", str(i + 10)]) for i, x in enumerate(records)]
    same("... all end, and so does it", ([x.wait().status for x in running], receiver.wait()), ([i + 10 for i in range(8)], 0))
    for i, record in enumerate(records):
        cells.check_record(f"... {record.cell_id}", record, i + 10, 10 * (i + 1))


def main():
    if os.geteuid() != 0:
        skip_all("a cell is made by root")
    whole()
    stopped()
    killed()
    together()
    done()


main()
