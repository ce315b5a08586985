#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`telltale run` under Debian's kernel with control groups v2 alone: as root, as a user, with a profile, with limits; and
every function that the library tells of."""
import guest
import tt
from tt import check, done, none, same, skip_all

WORK = "echo hello >/tmp/made; cat /etc/passwd >/dev/null; rm /tmp/made; cat /no/such/file; exit 3"


def made_image():
    image = guest.Image()
    image.python()
    image.tests("oracle", "oracle_part.so")
    image.program(tt.program("run_probe"), "/usr/bin/run_probe")
    for name in ("cat", "rm"):
        image.program(f"/bin/{name}")
    return image


def acts(recording, *names):
    """Path and errno of each call of @names that a process made itself."""
    return [(e["args"][0], e.get("error")) for e in recording.calls(*names) if e["component"] == "telemetry"]


def works(vm):
    for who, words, options in (("root", (), ()), ("root, AGENT", (), ("--profile=AGENT",)),
                                ("a user", guest.AS_USER, ()), ("a user, AGENT", guest.AS_USER, ("--profile=AGENT",))):
        r = vm.record("sh", "-c", WORK, words=words, options=options)
        same(f"{who}: the command's own status", r.status, 3)
        none("... a trace whose spans add up", r.problems + tt.span_problems(r.events))
        opened = acts(r, "open", "open64", "openat", "openat64")
        check("... with what was read, made and not found", {"/etc/passwd", "/tmp/made", "/no/such/file"} <=
              {path for path, _ in opened}, opened)
        check("... why not", ("/no/such/file", "ENOENT") in opened, opened)
        check("... and deleted", "/tmp/made" in [x for e in r.calls("unlink", "unlinkat") for x in e["args"]],
              r.calls("unlink", "unlinkat"))
        same("... and nothing lost", (r.gaps(), r.run["coverage"]["lost"]), (0, 0))


def limits(vm):
    r = vm.record("run_probe", "memory", "200", "1", options=["--limit=memory=50M"])
    same("more memory than the limit, held by a group", (r.status, r.run["summary"]["exit_reason"], r.run["limits"]["hit"]),
         (137, "OOM_KILLED", ["memory"]))
    asked = [x["enforced"] for x in r.run["limits"]["asked"]]
    check("... of version 2", len(asked) == 1 and "recorder" not in asked[0], asked)
    peak = r.run["summary"]["peak_memory_kb"]
    check("... and its peak is the limit", 49 << 10 <= peak <= 50 << 10, peak)
    r = vm.record("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done; wait", options=["--limit=pids=5"])
    same("more processes than the limit", r.run["limits"]["hit"], ["pids"])
    r = vm.record("run_probe", "memory", "200", "1", options=["--limit=memory=50M"], words=guest.AS_USER)
    same("a user has no group: the recorder sees to it", (r.status, r.run["limits"]["hit"]), (137, ["memory"]))
    left = vm.shell("find /sys/fs/cgroup -name 'telltale-*'")
    same("no group is left behind", (left.status, left.stdout), (0, ""))


def main():
    why = guest.why_not()
    if why:
        skip_all(why)
    with guest.boot(made_image()) as vm:
        works(vm)
        limits(vm)
        vm.test("oracle.py")
    done()


main()
