# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: finding the programs, recording in both modes, reading traces, TAP.

A test runs a command in a mode: "native" (no Telltale at all), "direct" (the library alone, with LD_PRELOAD and
SUBSTRATE_TRACE_LOG) or "recorder" (under `telltale run`). "audit-direct" and "audit" are the same with LD_AUDIT.
"""
import atexit
import fcntl
import glob
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tempfile

BUILD = os.path.abspath(os.environ.get("TELLTALE_BUILD", "build"))
LIBRARY = os.path.join(BUILD, "libtelltale.so")
AUDIT_LIBRARY = os.path.join(BUILD, "libtelltale-audit.so")
TELLTALE = os.path.join(BUILD, "telltale")
SECONDS = 60  # no command of a test takes longer
NOBODY = 65534
DROP = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
HIDDEN = ("/tmp", "/var/tmp", "/dev", "/proc", "/run")  # by every profile that confines

FIRST_KEYS = ["ts", "event_type", "session_id", "span_id", "parent_span", "component", "syscall", "args",
              "result", "elapsed_us"]
# Every variable that Telltale reads or sets: a test starts without them.
OURS = re.compile(r"(SUBSTRATE_|TELLTALE_(?!BUILD|SOURCE)|CELLOS_|LD_PRELOAD$|LD_AUDIT$|TRACEPARENT$)")

count = failed = 0
scratch_folders = []


def check(name, good, detail=""):
    """One TAP point; @detail (text, or a list of complaints) is shown where it fails."""
    global count, failed
    count += 1
    if not good:
        failed += 1
        lines = detail if isinstance(detail, list) else str(detail).splitlines()
        for line in lines[:40]:
            print("# " + str(line)[:2000])
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    return good


def same(name, got, want):
    return check(name, got == want, [f"got  {got!r}", f"want {want!r}"])


def none(name, complaints):
    return check(name, not complaints, list(complaints))


def skip(name, why):
    global count
    count += 1
    print(f"ok {count} - {name} # SKIP {why}", flush=True)


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


@atexit.register
def clean_up():
    for path in scratch_folders:
        shutil.rmtree(path, ignore_errors=True)


def done():
    print(f"1..{count}")
    sys.exit(1 if failed else 0)


def scratch(mode=0o755):
    """A folder of its own below /tmp, gone when the test is done."""
    path = os.path.realpath(tempfile.mkdtemp(prefix="telltale-test-"))
    os.chmod(path, mode)
    scratch_folders.append(path)
    return path


def find_scratch():
    """A new folder that no profile hides, that may hold programs and that everyone can enter."""
    for base in (BUILD, os.path.expanduser("~"), "/srv", "/opt", "/var/lib", os.getcwd()):
        base = os.path.realpath(base)
        if any((base + "/").startswith(h + "/") for h in HIDDEN):
            continue
        try:
            path = tempfile.mkdtemp(prefix="telltale-test-", dir=base)
        except OSError:
            continue
        scratch_folders.append(path)
        os.chmod(path, 0o755)
        true = shutil.copy("/bin/true", path)
        # by way of sh: setpriv still holds root's capabilities when it looks the program up
        drop = DROP if os.geteuid() == 0 else []
        if subprocess.run(drop + ["sh", "-c", 'exec "$0"', true], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return path
    return None


def descendants(pid):
    found = []
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            for child in f.read().split():
                found += [int(child)] + descendants(int(child))
    except OSError:
        pass
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def program(name):
    return os.path.join(BUILD, "tests", "integration", name)


# What ends and copies fds: like what moves bytes, it makes events only of some fds, or on request.
FD_FUNCTIONS = {"close", "fclose", "closedir", "pclose", "close_range", "dup", "dup2", "dup3", "fcntl", "fcntl64"}


def recorded_functions():
    """Every name of src/event/calls.def, but for those that io_counts.py tests."""
    return [name for name, family in function_families() if family != "IO" and name not in FD_FUNCTIONS]


def function_layouts():
    """Name and layout of every row of src/event/calls.def."""
    return [(name, layout) for name, _, layout in function_rows()]


def function_families():
    """Name and family of every row."""
    return [(name, family) for name, family, _ in function_rows()]


def function_rows():
    """Name, family and layout."""
    source = os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
    with open(os.path.join(source, "src", "event", "calls.def"), encoding="utf-8") as f:
        return re.findall(r"^EVENT_CALL\((\w+),\s*(\w+),\s*\"(\w*)\"", f.read(), re.M)


def modes(audit=False):
    """The modes that can be tested in this build folder, @audit: those with LD_AUDIT, too."""
    if not os.path.exists(LIBRARY):
        skip_all(f"no '{LIBRARY}'")
    direct, recorder = ["direct"], ["recorder"]
    if audit:
        direct, recorder = ["direct", "audit-direct"], ["recorder", "audit"]
    return direct + recorder if os.access(TELLTALE, os.X_OK) else direct


def clean_env(**more):
    env = {k: v for k, v in os.environ.items() if not OURS.match(k)}
    env.update(more)
    return env


class Recording:
    """What a command did: status, stdout, stderr; @events: its trace; @raw: the trace's bytes; @run: run.json."""

    def __init__(self, mode, done_process, path, raw, run):
        self.mode, self.path, self.raw, self.run = mode, path, raw, run
        self.status, self.stdout, self.stderr = done_process.returncode, done_process.stdout, done_process.stderr
        self.events, self.problems = parse_trace(raw)

    def calls(self, *names):
        """The events of calls, all or those named."""
        return [e for e in self.events if e["event_type"] == "syscall" and (not names or e["syscall"] in names)]

    def gaps(self):
        """Events known to be lost; None if some gap does not know how many."""
        counts = [e["count"] for e in self.events if e["event_type"] == "gap"]
        return None if None in counts else sum(counts)


def each_line(lines, problems):
    """The events of an iterable of lines; what is wrong goes to @problems."""
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            problems.append(f"line {number} has no end")
        try:
            event = json.loads(line.decode("utf-8"))
        except ValueError as e:
            problems.append(f"line {number}: {e}: {line[:300]!r}")
            continue
        if list(event)[:10] != FIRST_KEYS:
            problems.append(f"line {number}: first keys {list(event)[:10]}")
        if len(line) > 65536:
            problems.append(f"line {number}: {len(line)} bytes")
        yield event


def parse_trace(raw):
    """All events, and what is wrong with the lines."""
    problems = []
    return list(each_line(io.BytesIO(raw), problems)), problems


def each_event(path, problems):
    """As parse_trace, one at a time: for traces too large for memory."""
    with open(path, "rb") as f:
        yield from each_line(f, problems)


def span_problems(events, may_stay_open=()):
    """Each span starts once, ends at most once; each parent is known; seq has no holes.

    @may_stay_open: False in place of a list lets any span stay open (programs killed, or without the library).
    """
    out, spans, starts, ends, seqs = [], set(), {}, {}, {}
    for e in events:
        if e["span_id"] is not None:
            spans.add(e["span_id"])
        if e["event_type"] == "process":
            where = starts if e["syscall"] == "start" else ends
            where.setdefault(e["span_id"], []).append(e)
        if e.get("sensor") == "preload" and "seq" in e:
            seqs.setdefault(e["span_id"], []).append(e["seq"])
    for span, found in starts.items():
        if len(found) > 1:
            out.append(f"{span} starts {len(found)} times: {[e['how'] for e in found]}")
    for span, found in ends.items():
        if len(found) > 1:
            out.append(f"{span} ends {len(found)} times: {[e['syscall'] for e in found]}")
    if may_stay_open is not False:
        for span in starts:
            if span not in ends and span not in may_stay_open:
                e = starts[span][0]
                out.append(f"{span} never ends ({e['how']}, pid {e.get('pid')}, {e.get('exe')})")
    for span, found in seqs.items():
        if sorted(found) != list(range(len(found))):
            out.append(f"{span}: seq {sorted(found)[:20]}")
    return out


def one(pattern):
    found = glob.glob(pattern)
    if len(found) != 1:
        raise RuntimeError(f"'{pattern}' names {len(found)} files")
    return found[0]


def read(path):
    with open(path, "rb") as f:
        return f.read()


def command_of(mode, cmd, folder, env, options=(), kernel=False):
    """The command line for @mode, after putting what it needs in @env. @kernel: with the kernel sensor, if it can be had."""
    if mode == "direct":
        env["LD_PRELOAD"] = " ".join(filter(None, [LIBRARY, env.get("LD_PRELOAD")]))
        env["SUBSTRATE_TRACE_LOG"] = os.path.join(folder, "trace.jsonl")
    elif mode == "audit-direct":
        env["LD_AUDIT"] = AUDIT_LIBRARY
        env["SUBSTRATE_TRACE_LOG"] = os.path.join(folder, "trace.jsonl")
    elif mode in ("recorder", "audit"):
        options = list(options) + (["--sensor=audit"] if mode == "audit" else [])
        return [TELLTALE, "run", *([] if kernel else ["--no-kernel"]), *options, "--output-dir", folder, "--", *cmd]
    return list(cmd)


def record(mode, cmd, env=None, options=(), timeout=SECONDS, parse=True, kernel=False, **popen):
    """Run @cmd in @mode and read what was recorded. Both streams are captured unless told otherwise.

    @parse: False leaves the trace in its file, @path: see each_event(). @kernel: with the kernel sensor, too: most
    tests compare what the library tells, line by line.
    """
    folder = scratch(0o777)
    env = dict(clean_env() if env is None else env)
    line = command_of(mode, cmd, folder, env, options, kernel)
    popen.setdefault("stdin", subprocess.DEVNULL)
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.PIPE)
    result = subprocess.run(line, env=env, timeout=timeout, **popen)
    path, raw, run = os.path.join(folder, "trace.jsonl"), b"", None
    if mode in ("recorder", "audit"):
        path = one(os.path.join(folder, "trace_*.jsonl"))
        run = json.loads(read(one(os.path.join(folder, "run_*.json"))))
    if parse and os.path.exists(path):
        raw = read(path)
    return Recording(mode, result, path, raw, run)


def wait_for(what, seconds=10):
    """Until @what() is true; False if it never was."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


def left_groups():
    """Control groups of runs whose recorder is gone; those of other runs that go on are held."""
    left = set()
    for path in [p for p, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(p).startswith("telltale-")]:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.add(path)
        except OSError:
            pass
        finally:
            os.close(fd)
    return left


def state_of(pid):
    """The letter in /proc/PID/stat, None for a process that is gone."""
    try:
        return read(f"/proc/{pid}/stat").rsplit(b")", 1)[1].split()[0].decode()
    except OSError:
        return None


def start(command, options=(), kernel=False, **popen):
    """Begin to record @command; the process of telltale and the folder of the record."""
    folder = scratch(0o777)
    p = subprocess.Popen(command_of("recorder", command, folder, {}, options, kernel), env=clean_env(),
                         stdin=subprocess.DEVNULL, **popen)
    return p, folder
