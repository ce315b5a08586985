#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the record says of a program's file and name is what /proc says, however the program was started."""
import os
import shutil
import subprocess
import sys
import time

import tt
from tt import check

PROBE = tt.program("rejoin")


def put(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path, 0o755)
    return path


def prepare(folder):
    """Programs by many names, and older than a moment: only what is settled is remembered."""
    for name in ("a", "b"):
        os.mkdir(os.path.join(folder, name))
        shutil.copy(PROBE, os.path.join(folder, name, "probe"))
    os.symlink("a/probe", os.path.join(folder, "link"))
    os.symlink("a", os.path.join(folder, "dir"))
    put(os.path.join(folder, "script"), f"#!{folder}/link who\n")
    put(os.path.join(folder, "bare"), f"exec {folder}/link who\n")
    time.sleep(1.2)


def workload(folder):
    os.chdir(folder)
    link, script = os.path.join(folder, "link"), os.path.join(folder, "script")
    runs = [[link, "who"]] * 3 + [["./link", "who"]] * 2 + [[os.path.join(folder, "dir", "probe"), "who"]] * 2
    runs += [[script], [script], [os.path.join(folder, "a", "..", "b", "probe"), "who"]]
    for argv in runs:
        subprocess.run(argv, check=True)
        subprocess.run(argv, check=True, preexec_fn=lambda: None)
    os.environ["PATH"] = folder + ":/usr/bin:/bin"
    for _ in range(2):
        os.waitpid(os.posix_spawn(link, ["other", "who"], os.environ), 0)
        os.waitpid(os.posix_spawnp("link", ["other", "who"], os.environ), 0)
        subprocess.run(["env", "bare"], check=True)
        if os.fork() == 0:
            fd = os.open(link, os.O_RDONLY)
            os.execve(fd, ["link", "who"], os.environ)
        os.wait()
        os.system("link who")
    # another file behind the same path: the memory of it must not outlive it
    os.unlink("link")
    os.symlink("b/probe", "link")
    subprocess.run([link, "who"], check=True)
    shutil.copy(PROBE, os.path.join(folder, "new"))
    os.rename("new", os.path.join("b", "probe"))
    subprocess.run([link, "who"], check=True)
    # a program that cannot be followed, where one was that could
    os.unlink("link")
    shutil.copy("/bin/true", "link")
    subprocess.run([link, "who"], check=True)
    put("link", "#!/no/such/interpreter\n")
    subprocess.run(["/bin/sh", "-c", f"{link} who 2>/dev/null"], check=False)


def main():
    if len(sys.argv) > 1:
        return workload(sys.argv[1])
    for mode in tt.modes():
        folder = tt.scratch()
        prepare(folder)
        rec = tt.record(mode, [sys.executable, os.path.abspath(__file__), folder])
        want = [line.split("\t") for line in rec.stdout.decode().splitlines()]
        starts = {}
        for e in rec.events:
            if e["event_type"] == "process" and e["syscall"] == "start" and e.get("how") == "exec":
                starts.setdefault(e["pid"], []).append((e.get("exe"), e.get("comm")))
        check(f"{mode}: the workload ran", rec.status == 0 and len(want) >= 30, f"{rec.status} {len(want)} {rec.stderr!r}")
        wrong = [(pid, exe, comm, starts.get(int(pid))) for pid, exe, comm in want
                 if (exe, comm) not in starts.get(int(pid), [])]
        tt.none(f"{mode}: file and name of {len(want)} programs", wrong)
        tt.none(f"{mode}: spans", rec.problems + tt.span_problems(rec.events))
    return tt.done()


main()
