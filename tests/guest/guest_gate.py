#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The gate under Debian's own kernel: every road to the agent, sockets of AF_VSOCK with them, in the cell of gate_driver
and in that of telltale-init with a real agent. What of it needs no such kernel is in tests/integration/gate.py."""
import os
import re

import guest
import cells  # after guest, which knows where it is
import tt
from tt import check, done, same, skip_all

DRIVER, ATTACK = "/usr/bin/gate_driver", "/usr/bin/gate_attack"
POINT = re.compile(r"^(ok|not ok) \d+ - (.*?)\r?$", re.M)
POINTS = 100  # there are more


def points(where, text):
    """The points of gate_attack are points of this test."""
    found = POINT.findall(text)
    for good, name in found:
        check(f"{where}: {name}", good == "ok")
    check(f"{where}: all roads were tried", len(found) > POINTS and f"1..{len(found)}" in text, text[-1000:])


def layers():
    image = guest.Image()
    image.vsock()
    image.program(tt.program("gate_driver"), DRIVER)
    image.program(tt.program("gate_attack"), ATTACK)
    with guest.boot(image) as vm:
        # this kernel's Landlock knows no scopes: alone it is no layer against signals
        for layer in ("all", "ids", "filter"):
            ran = vm.run(DRIVER, "-l", layer, "--", ATTACK, "-l", layer, "-t", "3", "-v")
            points(layer, ran.stdout)
            same(f"{layer}: the victim", re.findall(r"^victim: (.*)$", ran.stderr, re.M), ["untouched"])
            if layer == "all":
                check("all: Landlock is there", re.search(r"^landlock: [1-9]", ran.stderr, re.M), ran.stderr)
        ran = vm.run(DRIVER, "-l", "none", "--", "sh", "-c", "kill -USR1 2")
        check("without a gate a signal is seen", ran.status == 124 and "signal 10" in ran.stderr, ran)


def cell():
    base = os.path.join(tt.scratch(), "v")
    host = cells.Host(base)
    image = guest.Image()
    image.copy(tt.program("gate_attack"), ATTACK)
    ended = guest.Cell(image, [ATTACK, "-v"], base).wait(host)
    points("a cell", str(ended.said))
    same("a cell: the command's status", ended.code, 0)
    hello = cells.of(host.frames(), "agent.hello")
    same("a cell: the agent was never started again", [f.get("restarts", 0) for f in hello], [0])


def main():
    why = guest.why_not()
    if why:
        skip_all(why)
    layers()
    cell()
    done()


main()
