#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A log that grows and one that others move: rotation by size, by many processes at once, and by logrotate(8)."""
import collections
import glob
import os
import subprocess

import tt

PROCESSES = 16
CALLS = 400
PYTHON = ["/usr/bin/python3", "-IS", "-c"]

# Calls that leave nothing behind, each with a name of its own.
HAMMER = r"""
import os, sys
who, n = sys.argv[1], int(sys.argv[2])
for i in range(n):
    try:
        os.open(f"/nowhere/{who}_{i}" + "." * 100, os.O_RDONLY)
    except FileNotFoundError:
        pass
"""
UNSEEN = r"""
import os
assert not set(os.environ) - {"LC_CTYPE"}, os.environ  # Python itself sets that one
"""
EVERY = r"""
import os, shutil, sys
log, how, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
def opens(i):
    try:
        os.open(f"/nowhere/x_{i}", os.O_RDONLY)
    except FileNotFoundError:
        pass
for i in range(n):
    opens(i)
    if i % 10 == 9:
        if how == "create":
            os.rename(log, f"{log}.{i}")
            fd = os.open(log, os.O_WRONLY | os.O_CREAT, 0o640)
            os.fchmod(fd, 0o640)
            os.close(fd)
        elif how == "renamed":
            os.rename(log, f"{log}.{i}")
        elif how == "copytruncate":
            shutil.copyfile(log, f"{log}.{i}")
            os.truncate(log, 0)
        elif how == "removed":
            os.link(log, f"{log}.{i}")
            os.unlink(log)
"""


def start(log, script, *args, **more):
    env = tt.clean_env(LD_PRELOAD=tt.LIBRARY, SUBSTRATE_TRACE_LOG=log, **more)
    return subprocess.Popen(PYTHON + [script, *map(str, args)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end(p):
    out, err = p.communicate(timeout=120)
    return p.returncode, out, err


def names_in(files):
    """How often each name was seen, and what is wrong with the lines."""
    seen, problems = collections.Counter(), []
    for path in files:
        events, wrong = tt.parse_trace(tt.read(path))
        problems += [f"{os.path.basename(path)}: {p}" for p in wrong]
        problems += [f"a gap: {e}" for e in events if e["event_type"] == "gap"]
        seen.update(e["path"].rstrip(".").rsplit("/", 1)[1] for e in events
                    if e["syscall"] == "open64" and e.get("path", "").startswith("/nowhere/"))
    return seen, problems


def many():
    """No line is lost, torn or written twice while sixteen processes write and rotate."""
    log = os.path.join(tt.scratch(), "trace.jsonl")
    running = [start(log, HAMMER, f"p{p}", CALLS, TELLTALE_LOG_MAX="128K", TELLTALE_LOG_KEEP="99")
               for p in range(PROCESSES)]
    tt.same("sixteen processes: all go well", [end(p) for p in running], [(0, b"", b"")] * PROCESSES)
    files = glob.glob(log + "*")
    seen, problems = names_in(files)
    tt.none("sixteen processes: every line is whole, nothing counted as lost", problems)
    tt.same("sixteen processes: each call once", seen,
            collections.Counter(f"p{p}_{i}" for p in range(PROCESSES) for i in range(CALLS)))
    tt.check("sixteen processes: it was rotated", len(files) > 10, sorted(files))
    tt.same("sixteen processes: numbers without a hole", sorted(files),
            sorted([log] + [f"{log}.{n}" for n in range(1, len(files))]))
    tt.same("sixteen processes: modes", {os.stat(f).st_mode & 0o777 for f in files}, {0o600})


def kept():
    for keep, options in ((3, {}), (1, {"TELLTALE_LOG_KEEP": "1"})):
        folder = tt.scratch()
        log = os.path.join(folder, "trace.jsonl")
        tt.same(f"keep {keep}: the program", end(start(log, HAMMER, "x", 2000, TELLTALE_LOG_MAX="128K", **options)),
                (0, b"", b""))
        tt.same(f"keep {keep}: so many are kept", sorted(os.listdir(folder)),
                sorted(["trace.jsonl"] + [f"trace.jsonl.{n + 1}" for n in range(keep)]))
        seen, problems = names_in(glob.glob(log + "*"))
        tt.none(f"keep {keep}: every line is whole", problems)
        tt.none(f"keep {keep}: no file is larger than it may be",
                [f for f in glob.glob(log + "*") if os.path.getsize(f) > 128 << 10])
        tt.check(f"keep {keep}: the newest are there", seen["x_1999"] == 1 and seen["x_0"] == 0, len(seen))
    folder = tt.scratch()
    log = os.path.join(folder, "trace.jsonl")
    end(start(log, HAMMER, "x", 1000))
    tt.same("no limit by default", os.listdir(folder), ["trace.jsonl"])


def children():
    """The limits go on to children, even where the environment is cleared; the program does not see them."""
    folder = tt.scratch()
    log = os.path.join(folder, "trace.jsonl")
    script = ("import os, sys; assert 'TELLTALE_LOG_KEEP' in os.environ; "
              "os.execve('/usr/bin/python3', ['python3', '-IS', '-c', sys.argv[1], 'x', '2000'], {})")
    tt.same("env -i: the program", end(start(log, script, UNSEEN + HAMMER,
                                             TELLTALE_LOG_MAX="128K", TELLTALE_LOG_KEEP="1")), (0, b"", b""))
    tt.same("env -i: still rotated", sorted(os.listdir(folder)), ["trace.jsonl", "trace.jsonl.1"])


def by_others():
    """Whoever moves the log: the next line goes where the name leads, and none is lost."""
    for how in ("create", "renamed", "copytruncate", "removed"):
        log = os.path.join(tt.scratch(), "trace.jsonl")
        tt.same(f"{how}: the program", end(start(log, EVERY, log, how, 40)), (0, b"", b""))
        files = sorted(glob.glob(log + "*"))
        seen, problems = names_in(files)
        tt.none(f"{how}: every line is whole", problems)
        tt.same(f"{how}: each call once", seen, collections.Counter(f"x_{i}" for i in range(40)))
        # what came after the last move is in the new file, and what came before is not
        last, _ = names_in([f"{log}.39"])
        tt.check(f"{how}: at once", last["x_39"] == 1 and sum(last.values()) == 10, last)
        events, _ = tt.parse_trace(tt.read(log))
        tt.same(f"{how}: the name leads to the newest", events[-1]["syscall"], "exit")
        tt.same(f"{how}: the mode is left alone", os.stat(log).st_mode & 0o777, 0o640 if how == "create" else 0o600)


def main():
    tt.modes()
    many()
    kept()
    children()
    by_others()
    tt.done()


main()
