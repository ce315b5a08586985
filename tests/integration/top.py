#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""telltale top: one table, one document, and the screen while a trace grows."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import tt

SOURCE = os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
GOLDEN = os.path.join(SOURCE, "tests", "golden")
LIMIT = 20


def env(**more):
    return tt.clean_env(**{"LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm", **more})


def top(*args, **more):
    return subprocess.run([tt.TELLTALE, "top", *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT,
                          env=env(**more), check=False)


def golden(name):
    return os.path.join(GOLDEN, name)


def once():
    run = top(golden("normal"))
    text = run.stdout.decode()
    lines = [re.sub(" +", " ", line.strip()) for line in text.splitlines()]
    wanted = ["$ sh -c 'make; ./publish'", "exited 3 after 41 ms: 20 calls, 4 failed, 7 lost",
              "8 3 411 us 4004 exited 3 python3 ./publish --password '***'", "0 4005 killed busybox true",
              "4 1 21 us open", "2 35 us /srv/demo/obj/hello.o.tmp", "1 310 us look up localhost"]
    tt.none("one table where there is no terminal", [w for w in wanted if w not in lines] + lines * (run.returncode != 0))
    tt.check("no more than a hundred and twenty columns, no escapes",
             max(map(len, text.splitlines())) <= 120 and "\033" not in text, text)
    tt.same("the same with --once", top("--once", golden("normal")).stdout.decode(), text)
    # a table is four lines of 2: its gap, its heading, its rows
    tt.same("--lines", len(top("--lines", "2", golden("normal")).stdout.splitlines()), 2 + 4 * 4)
    tt.check("a run without its end says so", b"not ended after" in top(golden("killed")).stdout)


def document():
    doc = json.loads(top("--json", "--lines", "3", golden("normal")).stdout)
    tt.same("--json: what it is", [doc["schema"], doc["ended"], doc["total_calls"], doc["total_failed"], doc["lost"]],
            ["telltale.top/1", True, 20, 4, 7])
    tt.same("--json: processes", [(r["pid"], r["count"], r["end"], r["exit_code"]) for r in doc["processes"]["rows"]],
            [(4004, 8, "exited", 3), (4003, 6, "exited", 0), (4002, 5, "exited", 0)])
    tt.same("--json: calls", [(r["name"], r["count"], r["failed"]) for r in doc["calls"]["rows"]],
            [("open", 4, 1), ("connect", 3, 2), ("execve", 2, 0)])
    tt.same("--json: what is in the tables", [doc[k]["kept"] for k in ("processes", "calls", "files", "hosts")], [5, 13, 13, 5])
    tt.check("--json: exact as long as all fits", all(doc[k]["exact"] for k in ("processes", "calls", "files", "hosts")))
    by_time = json.loads(top("--json", "--sort", "time", golden("normal")).stdout)["calls"]["rows"]
    tt.same("--sort time", [r["elapsed_us"] for r in by_time], sorted((r["elapsed_us"] for r in by_time), reverse=True))
    failed = json.loads(top("--json", "--sort", "failed", golden("normal")).stdout)["calls"]["rows"]
    tt.same("--sort failed", [r["failed"] for r in failed[:4]], [2, 1, 1, 0])


def many():
    """More files than are told apart: the busy one is found, and the count says how sure it is."""
    folder = tt.scratch()
    with open(os.path.join(golden("normal"), "trace.jsonl"), encoding="utf-8") as f:
        opening, call = [line for i, line in enumerate(f) if i in (0, 4)]
    call = json.loads(call)
    with open(os.path.join(folder, "trace.jsonl"), "w", encoding="utf-8") as f:
        f.write(opening)
        for i in range(20000):
            f.write(json.dumps({**call, "path": "/busy" if i % 4 == 0 else f"/{i}"}) + "\n")
    doc = json.loads(top("--json", folder).stdout)
    first = doc["files"]["rows"][0]
    tt.check("a table that is too small says so", not doc["files"]["exact"] and doc["calls"]["exact"], doc["files"])
    tt.check("what is busy is found all the same",
             first["name"] == "/busy" and first["count"] <= 5000 <= first["count_at_most"], first)
    tt.check("and people are told", b"FILES more than 8,192: counts are at least" in top(folder).stdout)


def hostile():
    text = top(golden("hostile")).stdout.decode()
    bad = re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    tt.check("nothing of a hostile name drives the terminal", not bad and "\\x1b]0;owned\\x07" in text, text)
    ascii_only = top(golden("hostile"), LC_ALL="C").stdout
    tt.check("ASCII alone in the C locale", all(b == 10 or 32 <= b < 127 for b in ascii_only), ascii_only)


def usage():
    for what, args, status, wanted in (
        ("an unknown order", ["--sort", "x"], 2, "unknown order 'x'"),
        ("no line", ["--lines", "0"], 2, "'0' is no number of lines"),
        ("two runs", [golden("normal"), golden("normal")], 2, "one run at a time"),
        ("no such run", ["7"], 1, "no run '7'"),
    ):
        run = top(*args, XDG_STATE_HOME=tt.scratch())
        tt.check(f"usage: {what}", run.returncode == status and wanted in run.stderr.decode(), run)


class Screen:
    """`telltale top` on a terminal of its own."""

    def __init__(self, folder, rows=30, columns=100):
        self.main, other = pty.openpty()
        self.other = os.open(os.ttyname(other), os.O_RDWR | os.O_NOCTTY)
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.other)
        self.out = b""
        self.child = subprocess.Popen([tt.TELLTALE, "top", folder], stdin=other, stdout=other, stderr=other, env=env())
        os.close(other)

    def resize(self, rows, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(self, pattern):
        """Until what was put out since the last call has it; None if that does not happen."""
        end = time.monotonic() + LIMIT
        while not re.search(pattern, self.out, re.S):
            ready = select.select([self.main], [], [], max(0, end - time.monotonic()))[0]
            if not ready:
                return None
            try:
                self.out += os.read(self.main, 65536)
            except OSError:
                return None
        seen, self.out = self.out, b""
        return seen

    def frame(self, pattern):
        """One whole frame that has @pattern."""
        return self.wait_for(pattern + rb"(?:(?!\033\[H).)*sorted by \w+")

    def key(self, key):
        os.write(self.main, key)

    def end(self):
        try:
            status = self.child.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.child.kill()
            status = self.child.wait()
        restored = termios.tcgetattr(self.other) == self.before
        while select.select([self.main], [], [], 0)[0]:
            self.out += os.read(self.main, 65536)
        os.close(self.other)
        os.close(self.main)
        return status, restored, self.out


def going(name, count):
    """A folder with the first lines of a trace, and those that are to come."""
    folder = os.path.join(tt.scratch(), name)
    os.mkdir(folder)
    with open(os.path.join(golden("normal"), "trace.jsonl"), "rb") as f:
        lines = f.read().splitlines(keepends=True)
    path = os.path.join(folder, "trace.jsonl")
    with open(path, "wb") as f:
        f.write(b"".join(lines[:count]))
    return folder, path, lines[count:]


def screen():
    folder, path, rest = going("going", 12)
    s = Screen(folder)
    seen = s.frame(rb"\033\[\?1049h.*not ended")
    tt.check("a screen of its own, with what is there so far", seen and b"make" in seen and b"ccX1" not in seen, seen)
    tt.check("keys come without Enter, and are not shown", not termios.tcgetattr(s.other)[3] & (termios.ICANON | termios.ECHO))
    with open(path, "ab") as f:
        f.write(b"".join(rest[:12]))
    seen = s.frame(rb"ccX1")
    tt.check("it follows the trace", seen is not None)
    s.key(b"s")
    tt.check("s sorts by the next column", s.frame(rb"") is not None and s.wait_for(rb"sorted by recent|$") is not None)
    s.resize(12, 70)
    s.child.send_signal(signal.SIGWINCH)
    seen = None
    for _ in range(5):  # a frame may have been on its way
        seen = (s.wait_for(rb"\033\[H.*?sorted by \w+") or b"").rsplit(b"\033[H", 1)[-1]
        if seen.count(b"\n") <= 11:
            break
    text = re.sub(rb"\033\[[?0-9;]*[A-Za-z]", b"", seen).decode().replace("\r", "")
    tt.check("another size of the terminal", len(text.splitlines()) <= 12 and max(map(len, text.splitlines())) <= 70, text)
    with open(path, "ab") as f:
        f.write(b"".join(rest[12:]))
    status, restored, out = s.end()
    out = s.out if not out else out
    tt.check("it ends with the run, and says how it ended", status == 0 and b"\033[?1049l" in out
             and b"exited 3" in out.rsplit(b"\033[?1049l", 1)[-1], [status, out])
    tt.check("and the terminal is as it was", restored)


def leaving():
    folder, _, _ = going("leaving", 12)
    for name, leave, status in (
        ("q", lambda s: s.key(b"q"), 0),
        ("INT", lambda s: s.child.send_signal(signal.SIGINT), -signal.SIGINT),
        ("TERM", lambda s: s.child.send_signal(signal.SIGTERM), -signal.SIGTERM),
    ):
        s = Screen(folder)
        seen = s.frame(rb"not ended")
        leave(s)
        got, restored, out = s.end()
        tt.check(f"{name}: quits, and puts the terminal back",
                 seen and got == status and restored and out.count(b"\033[?25h\033[?1049l") == 1, [got, restored, out])


def live():
    """The last second of a run that goes on, and its recorder's end."""
    folder = tt.scratch()
    command = "while [ ! -e stop ]; do : < /etc/passwd; sleep 0.05; done; exit 7"
    run = subprocess.Popen([tt.TELLTALE, "run", "-q", "--output-dir", os.path.join(folder, "out"), "--", "sh", "-c", command],
                           cwd=folder, env=env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + LIMIT
        while not (os.path.isdir(folder + "/out") and os.listdir(folder + "/out")) and time.monotonic() < end:
            time.sleep(0.01)
        s = Screen(os.path.join(folder, "out"), rows=40, columns=120)
        seen = s.frame(rb"LAST S.*/etc/passwd")
        tt.check("a live run", seen is not None, s.out)
        with open(os.path.join(folder, "stop"), "w", encoding="utf-8"):
            status, restored, out = s.end()
        tt.check("a live run that ends", status == 0 and restored and b"exited 7" in out, [status, out])
    finally:
        with open(os.path.join(folder, "stop"), "w", encoding="utf-8"):
            run.wait(LIMIT)


def main():
    if not os.access(tt.TELLTALE, os.X_OK):
        tt.skip_all("no telltale in the build folder")
    for part in (once, document, many, hostile, usage, screen, leaving, live):
        part()
    tt.done()


sys.exit(main())
