#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The kernel sensor under Debian's kernel: its verifier takes every program, what they tell is right, and where they
cannot be had, the run goes on and says why."""
import glob
import json
import os
import shutil
import subprocess

import guest
import tt
from tt import check, done, none, same, skip_all

DRIVER, ORACLE = "/usr/bin/kernel_driver", "kernel_oracle"
# The compilers that kernel_oracle.py asks for, and what it asks of them: built here, handed out in the guest.
BUILDS = {"cc-static": ["cc", "-static"], "musl-gcc": ["musl-gcc"], "musl-gcc-static": ["musl-gcc", "-static"],
          "cc-static-raw": ["cc", "-static", "-nostartfiles", "-ffreestanding", "-fno-stack-protector", "-DORACLE_RAW"]}
COMPILER = """#!/bin/sh
# Hands out what was built outside the guest, by the options that it is asked for; builds nothing else.
name=${0##*/} static= raw= known=
while [ $# -gt 0 ]; do
	case $1 in
	-static) static=-static ;;
	-DORACLE_RAW) raw=-raw ;;
	-o) out=$2 && shift ;;
	*/kernel_oracle.c) known=1 ;;
	esac
	shift
done
[ -n "$known" ] && exec cp "/usr/local/build/$name$static$raw" "$out"
"""
PARTS = ("exec", "fork", "exit", "call")


def add_builds(image):
    """Each compiler all of whose programs can be built."""
    source = os.path.join(guest.SOURCE, "tests", "integration", f"{ORACLE}.c")
    for compiler in ("cc", "musl-gcc"):
        made = {}
        for name, line in BUILDS.items():
            if line[0] == compiler and shutil.which(compiler):
                out = os.path.join(tt.scratch(), name)
                subprocess.run([*line, "-std=gnu17", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-O2", "-w", "-I",
                                os.path.join(guest.SOURCE, "src"), "-o", out, source], check=False, timeout=60)
                made[name] = out
        if made and all(os.path.exists(out) for out in made.values()):
            for name, out in made.items():
                image.program(out, f"{guest.GUEST_BUILD}/{name}")
            image.write(f"/usr/bin/{compiler}", COMPILER, 0o755)
    for loader in glob.glob("/lib/ld-musl-*"):
        image.copy(loader)


def made_image():
    image = guest.Image()
    image.python()
    image.tests(ORACLE, "kernel_crowd", "kernel_attack", "run_probe", "kernel_uring", "kernel_dns", "kernel_dns_static")
    image.program(tt.program("kernel_driver"), DRIVER)
    add_builds(image)
    for name in ("cat", "rm", "true"):
        image.program(f"/bin/{name}")
    for name in ("bpftool", "strace", "setpriv", "unshare", "ip", "mount", "ls", "id"):
        path = shutil.which(name, path="/usr/sbin:/usr/bin")
        if path:
            image.program(path)
    return image


def facts(vm, *command):
    """What the sensor told of a command, by kind, and its sums."""
    ran = vm.run("sh", "-c", 'exec 3>/tmp/facts; exec "$@"', "sh", DRIVER, *command)
    found = [json.loads(line) for line in vm.read("/tmp/facts").decode().splitlines()]
    return ran, {kind: [f for f in found if f["kind"] == kind] for kind in (*PARTS, "sums", "failed")}


def driver(vm):
    script = "cat /etc/passwd >/tmp/made; cd /etc; cat hostname /no/such; rm /tmp/made; exit 3"
    ran, told = facts(vm, "sh", "-c", script)
    if not same("the verifier takes the programs, which are attached and read", (ran.status, told["failed"]), (0, [])):
        return
    sums = told["sums"][0]
    same("nothing is lost", sums["lost"], 0)
    same("who ran", [f["path"] for f in told["exec"]], ["/usr/bin/sh", "/usr/bin/cat", "/usr/bin/cat", "/usr/bin/rm"])
    same("... with what", [f["argv"].split("\0")[:-1] for f in told["exec"]][1:],
         [["cat", "/etc/passwd"], ["cat", "hostname", "/no/such"], ["rm", "/tmp/made"]])
    same("... and where", [f["cwd"] for f in told["exec"]][1:], ["/home/admin", "/etc", "/etc"])
    same("each made by the first", {f["ppid"] for f in told["fork"]}, {told["exec"][0]["pid"]})
    same("who ended, and how", sorted((f["pid"], f["status"]) for f in told["exit"]),
         sorted(zip([f["pid"] for f in told["exec"]], [3 << 8, 0, 1 << 8, 0])))
    opened = [(f["arg1"], f.get("file") or f.get("base"), f["error"]) for f in told["call"]
              if f["call"] == "openat" and f["arg1"] in ("/etc/passwd", "/tmp/made", "hostname", "/no/such")]
    same("what was opened, by its text and errno", [(text, error) for text, _, error in opened],
         [("/tmp/made", 0), ("/etc/passwd", 0), ("hostname", 0), ("/no/such", 2)])
    same("... and where a relative name led", [where for text, where, _ in opened if text == "hostname"], ["/etc/hostname"])
    same("what was deleted", [f["arg1"] for f in told["call"] if f["call"] == "unlinkat"], ["/tmp/made"])
    numbers = {int(nr): n for nr, (n, _) in sums["counts"].items()}
    same("calls are counted: execve, exit_group, wait4", (numbers[59], numbers[231], numbers[61] >= 3), (4, 4, True))
    if vm.run("which", "bpftool").status == 0:
        left = [vm.run("bpftool", what, "list").stdout for what in ("prog", "link", "map")]
        same("nothing stays in the kernel", left, ["", "", ""])
    else:
        tt.skip("nothing stays in the kernel", "no bpftool")


def run(vm):
    r = vm.record("sh", "-c", "busybox cat /etc/passwd >/tmp/made; cat /no/such; rm /tmp/made; exit 3", options=["--kernel"])
    same("telltale run with the library and the kernel: the status", r.status, 3)
    none("... the trace", r.problems + tt.span_problems(r.events))
    lines = {(e["sensor"], e.get("confirmed_by"), e["path"]) for e in r.calls("open", "open64", "unlinkat")
             if e.get("path") in ("/tmp/made", "/no/such")}
    check("... what the library told is confirmed", lines == {("preload", "kernel", "/tmp/made"),
                                                              ("preload", "kernel", "/no/such")}, lines)
    silent = [e for e in r.calls() if e["sensor"] == "kernel" and e.get("path") == "/etc/passwd"]
    same("... and a static program, which has no library, is seen", [e["comm"] for e in silent], ["busybox"])
    c = r.run["coverage"]
    same("... nothing is lost, nobody evades", (c["lost"], c["gaps"], c["findings"]), (0, [], []))
    same("... coverage", (c["kernel_only"], c["declared_only"], c["none"]), (1, 0, 0))
    same("... processes", r.run["summary"]["processes"], 4)
    check("... calls are counted", r.run["summary"]["total_syscalls"] > 100, r.run["summary"]["total_syscalls"])
    r = vm.record("sh", "-c", "busybox cat /etc/passwd; true", options=["--kernel", "--profile=AGENT"])
    same("behind walls, in namespaces of its own", (r.status, r.run["coverage"]["findings"]), (0, []))
    same("... the static program is seen", [e["comm"] for e in r.calls() if e["sensor"] == "kernel" and
                                            e.get("path") == "/etc/passwd"], ["busybox"])


def no_sensor(vm, who, words, why):
    r = vm.record("true", words=words)
    same(f"{who}: the run goes on", r.status, 0)
    check("... and says why it has no sensor in the kernel", why in r.run["sources"].get("kernel", ""), r.run["sources"])
    ran = vm.run(*words, "telltale", "run", "--kernel", "--", "true")
    same("... --kernel insists", ran.status, 125)
    check("... and says the same in one line", why in ran.stderr and ran.stderr.count("\n") == 1, ran.stderr)


def main():
    why = guest.why_not()
    if why:
        skip_all(why)
    with guest.boot(made_image()) as vm:
        driver(vm)
        run(vm)
        vm.test(f"{ORACLE}.py")
        vm.test("kernel_attack.py")
        vm.test("kernel_net.py")
        no_sensor(vm, "a user", guest.AS_USER, "needs root, or CAP_BPF and CAP_PERFMON")
        same("locked down for integrity", vm.shell("echo integrity >/sys/kernel/security/lockdown").status, 0)
        same("... the sensor works", facts(vm, "true")[0].status, 0)
        same("locked down for confidentiality", vm.shell("echo confidentiality >/sys/kernel/security/lockdown").status, 0)
        no_sensor(vm, "then", (), "locked down")
    # More CPUs may come than there are: values of maps that have one for each are larger.
    with guest.boot(made_image(), cpus="2,maxcpus=64") as vm:
        vm.shell("umount -l /sys")
        ran, told = facts(vm, "true")
        same("without /sys, and with room for 64 CPUs", (ran.status, len(told["exec"]), len(told["sums"])), (0, 1, 1))
        same("... calls are counted", told["sums"][0]["counts"]["59"][0] if told["sums"] else None, 1)
    done()


main()
