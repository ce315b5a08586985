#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A whole cell in a PID namespace of this machine: init, agent, gate and a workload that does a bit of everything, over
unix sockets. tests/guest/guest_cell.py does the same in a microVM."""
import os

import cells
import tt
from tt import check, done, same, skip_all


def main():
    if os.geteuid() != 0:
        skip_all("a cell is made by root")
    folder = tt.scratch()
    watched = tt.scratch(0o777)
    base = os.path.join(folder, "v")
    host = cells.Host(base)
    work = ["crowd=1000", "fork=10", "connect=7100", "denied", f"touch={watched}", "attack", "42"]
    ended = cells.Local(base, inotify=watched).run([cells.WORK, *work], host)
    print(ended.said)
    frames = host.frames()
    for f in frames[:5]: print(f)
    cells.check_everything("a cell", frames, ended, 1000, 7100, watched, cells.EVERYTHING)
    done()


main()
