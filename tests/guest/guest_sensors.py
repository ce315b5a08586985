#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent's sensors under Debian's kernel, which lets its functions be watched: refused calls, too, are told there."""
import os
import shutil

import guest
import tt

OBJECTS = ("guest_lives", "guest_acts", "guest_acts_entry", "guest_acts_gate")
BIRTHS = 1000  # software emulation


def main():
    why = guest.why_not()
    if why:
        tt.skip_all(why)
    if not os.path.exists(os.path.join(tt.BUILD, "src", "bpf", "guest_lives.bpf.o")):
        tt.skip_all("built without eBPF")
    image = guest.Image()
    image.python()
    image.tests("agent_sensors", "agent_probe")
    for name in ("true", "sleep"):  # busybox takes a program's name for one of its own
        image.program(f"/bin/{name}")
    bpftool = shutil.which("bpftool", path="/usr/sbin:/usr/bin")
    image.program(bpftool, "/usr/bin/bpftool")
    for name in OBJECTS:
        image.copy(os.path.join(tt.BUILD, "src", "bpf", f"{name}.bpf.o"), f"/objects/{name}")
    with guest.boot(image) as vm:
        vm.shell("mount -t bpf bpf /sys/fs/bpf")
        for name in OBJECTS:
            done = vm.run("bpftool", "prog", "loadall", f"/objects/{name}", f"/sys/fs/bpf/{name}")
            tt.check(f"the verifier takes {name}", done.status == 0, done)
            vm.run("rm", "-r", f"/sys/fs/bpf/{name}")
        vm.test("agent_sensors.py", str(BIRTHS), seconds=300)
        tt.same("the kernel complains of nothing", vm.shell("dmesg | grep 'BUG:\\|WARNING:'").stdout, "")
    tt.done()


main()
