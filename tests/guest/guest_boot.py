#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The guest itself: it boots Debian's kernel, runs commands, hands over what they wrote, ends what takes too long."""
import guest
from tt import check, done, same, skip_all


def main():
    why = guest.why_not()
    if why:
        skip_all(why)
    image = guest.Image()
    image.module("vmw_vsock_virtio_transport")
    with guest.boot(image) as vm:
        same("the kernel is the one that was fetched", vm.run("uname", "-r").stdout.strip(), guest.release())
        result = vm.run("sh", "-c", "echo out; echo err >&2; exit 7")
        same("status, stdout and stderr come back", (result.status, result.stdout, result.stderr), (7, "out\n", "err\n"))
        same("a signal is told as one", vm.run("sh", "-c", "kill -USR1 $$").status, -10)
        same("a command that is not there", vm.run("no-such-command").status, 127)
        same("time that is over", vm.run("sleep", "60", seconds=1).status, None)
        same("... takes nobody else's", vm.run("true").status, 0)
        every = bytes(range(256)) * 300
        vm.write("/tmp/every", every)
        check("every byte there and back", vm.read("/tmp/every") == every)
        mounts = vm.read("/proc/mounts").decode()
        same("the usual file systems are there", [x for x in ("proc", "sysfs", "devtmpfs", "devpts", "tmpfs", "cgroup2")
                                                  if f" {x} " not in mounts], [])
        same("the loopback is up", vm.run("ping", "-c", "1", "127.0.0.1").status, 0)
        same("no other network", vm.shell("ls /sys/class/net").stdout.split(), ["lo"])
        same("... and no disk", vm.shell("ls /sys/block").stdout.split(), [])
        check("BTF of the kernel is there", vm.run("test", "-r", "/sys/kernel/btf/vmlinux").status == 0)
        same("modules are loaded, with those that they need", [x for x in ("vmw_vsock_virtio_transport", "vsock", "virtio_ring")
                                                               if f"\n{x} " not in "\n" + vm.read("/proc/modules").decode()], [])
    done()


main()
