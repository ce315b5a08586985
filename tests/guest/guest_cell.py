#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A whole cell in a microVM: Debian's kernel, telltale-init as its first process, the agent, the gate, and a workload that
does a bit of everything; its frames come over a real AF_VSOCK. tests/integration/cell.py does the same without a machine."""
import os

import guest
import cells  # after guest, which knows where it is
import tt
from tt import check, done, same, skip_all


def main():
    why = guest.why_not()
    if why:
        skip_all(why)
    base = os.path.join(tt.scratch(), "v")
    host = cells.Host(base)
    image = guest.Image()
    image.folder("/watched", 0o777)
    work = ["/cell_work", "crowd=1000", "fork=10", "connect=7100", "denied", "touch=/watched", "attack", "42"]
    ended = guest.Cell(image, work, base, inotify="/watched").wait(host)
    print(ended.said, ended.seconds)
    frames = host.frames()
    for f in frames[:5]: print(f)
    cells.check_everything("a cell", frames, ended, 1000, 7100, "/watched", cells.EVERYTHING)
    done()


main()
