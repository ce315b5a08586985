#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent's sensors under Debian's kernel, which lets its functions be watched: refused calls, too, are told there."""
import guest
import tt

BIRTHS = 2000  # software emulation


def main():
    why = guest.why_not()
    if why:
        tt.skip_all(why)
    image = guest.Image()
    image.python()
    image.tests("agent_sensors", "agent_probe")
    image.program("/bin/true")  # busybox takes a program's name for one of its own
    with guest.boot(image) as vm:
        vm.test("agent_sensors.py", str(BIRTHS), seconds=300)
        tt.same("the kernel complains of nothing", vm.shell("dmesg | grep 'BUG:\\|WARNING:'").stdout, "")
    tt.done()


main()
