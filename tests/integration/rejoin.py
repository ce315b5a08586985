#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A program closes the ring's fd past libc: the next image finds the ring again, or its coverage says that it did not."""
import array
import os
import re
import shutil
import socket
import subprocess

import tt
from tt import check, none, same

PROBE = tt.program("rejoin")
MARK = "/etc/hostname"


def run(*words):
    return tt.record("recorder", [PROBE, *words, "mark", MARK])


def marks(rec):
    return [e for e in rec.calls("open", "open64", "openat") if e["args"][0] == MARK]


def followed(name, *words):
    """The last image is on record, and so is everything else."""
    rec = run(*words)
    if rec.status == 77:
        return tt.skip(name, "no new namespace for this user")
    found = marks(rec)
    same(name + ": status and output", (rec.status, rec.stdout), (0, (MARK + "\n").encode()))
    check(name + ": the new image is recorded", len(found) == 1, f"{len(found)} events; {rec.run['coverage']}")
    same(name + ": nothing is without coverage", (rec.run["coverage"]["none"], rec.run["coverage"]["lost"]), (0, 0))
    return none(name + ": spans", rec.problems + tt.span_problems(rec.events))


def unfollowed(name, *words, images=1):
    """The command goes its way, and each image that could not be followed counts as such."""
    rec = run(*words)
    if rec.status == 77:
        return tt.skip(name, "no new namespace for this user")
    same(name + ": status and output", (rec.status, rec.stdout), (0, (MARK + "\n").encode()))
    same(name + ": no event of the new image", marks(rec), [])
    same(name + ": its coverage is none", rec.run["coverage"]["none"], images)
    seen = [e for e in rec.events if e["event_type"] == "process" and e["syscall"] == "start" and e["sensor"] == "proc"
            and e["how"] == "exec"]
    same(name + ": it has a span that /proc tells of", len(seen), images)
    return none(name + ": spans", rec.problems + tt.span_problems(rec.events))


def ctx(*options):
    """The socket that a run tells its command of."""
    rec = tt.record("recorder", [PROBE, "env"], options=options)
    found = re.search(rb"TELLTALE_CTX=2;\d+;\d+;([0-9a-f]*);", rec.stdout)
    return found and found.group(1).decode()


def given(name):
    """How many fds somebody who connects to @name gets."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(20)
        s.connect("\0" + name)
        fds = array.array("i")
        data, more, _, _ = s.recvmsg(1, socket.CMSG_LEN(4 * fds.itemsize))
        for level, kind, text in more:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(text[:len(text) - len(text) % fds.itemsize])
        for fd in fds:
            os.close(fd)
        return len(fds), data


def names_of(pid):
    """The abstract names that process @pid listens at."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            continue
        if found:
            inodes.add(found.group(1))
    with open("/proc/net/unix", encoding="ascii", errors="replace") as f:
        rows = [line.split() for line in f]
    return [r[7][1:] for r in rows if len(r) > 7 and r[6] in inodes and r[7].startswith("@telltale-")]


def strangers():
    """Whoever does not run below the recorder gets nothing."""
    p, _ = tt.start(["/bin/sleep", "60"], stderr=subprocess.DEVNULL)
    try:
        tt.wait_for(lambda: names_of(p.pid))
        names = names_of(p.pid)
        same("the recorder listens at one name", len(names), 1)
        same("a stranger gets nothing", [given(names[0]) for _ in range(3)], [(0, b"")] * 3)
    finally:
        p.terminate()
        p.wait(20)


def hoarders():
    """Connections that nobody reads from do not keep the recorder from serving the next image."""
    script = f"""name=$(tr '\\0' '\\n' < /proc/$$/environ | sed -n 's/^TELLTALE_CTX=2;[0-9]*;[0-9]*;\\([0-9a-f]*\\);.*/telltale-\\1/p')
exec {PROBE} hold "$name" 300 lose mark {MARK}"""
    rec = tt.record("recorder", ["/bin/sh", "-c", script])
    same("300 connections held open: status", (rec.status, rec.stdout), (0, (MARK + "\n").encode()))
    check("300 connections held open: the new image is recorded", len(marks(rec)) == 1, str(rec.run["coverage"]))


def killed():
    """A recorder that is gone costs the command nothing but its record."""
    folder = tt.scratch()
    out = os.path.join(folder, "out")
    script = f"kill -9 $PPID; while [ -e /proc/$PPID/exe ]; do :; done; exec {PROBE} lose mark {MARK} > {out}"
    p, _ = tt.start(["/bin/sh", "-c", script], stderr=subprocess.DEVNULL)
    p.wait(20)
    check("a recorder that was killed: the command goes on",
          tt.wait_for(lambda: os.path.exists(out) and tt.read(out) == (MARK + "\n").encode()))


def main():
    followed("nothing lost")
    followed("raw close, exec", "lose")
    followed("raw close, exec, twice", "lose", "lose")
    followed("raw close and reuse of the numbers", "reuse")
    followed("raw close, posix_spawn", "lose", "spawn")
    followed("raw close, posix_spawn in the image that lost it", "losing-spawn", "losing-spawn", "fork")
    followed("fork, raw close in the child", "fork", "lose")
    followed("raw close, limit below the high numbers", "few")
    followed("raw close in a PID namespace of its own", "newpid", "lose")
    followed("a network namespace of its own, fd inherited", "newnet")
    unfollowed("raw close in a network namespace of its own", "newnet", "lose")
    unfollowed("posix_spawn there", "newnet", "losing-spawn")
    unfollowed("raw close, recorder stopped", "stop", "lose", "cont")
    strangers()
    hoarders()
    killed()
    socket_name = ctx()
    check("the next image is told the socket", socket_name is not None and len(socket_name) == 16, repr(socket_name))
    same("a sandbox without network is told none", ctx("--profile=STRICT"), "")
    if shutil.which("strace"):
        strict = subprocess.run(["strace", "-f", "-e", "trace=socket,connect", tt.TELLTALE, "run", "--no-kernel", "-q", "--output-dir",
                                 tt.scratch(0o777), "--profile=STRICT", "--", PROBE, "lose", "mark", MARK],
                                env=tt.clean_env(), capture_output=True, text=True, timeout=tt.SECONDS, check=False)
        same("a sandbox without network is not tried", re.findall(r"AF_UNIX.*", strict.stderr), [])
    else:
        tt.skip("a sandbox without network is not tried", "no strace")
    tt.done()


main()
