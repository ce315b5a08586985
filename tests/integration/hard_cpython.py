#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPython's own tests of the operating system, with and without Telltale: each case ends the same way.

test_socket runs without its cases for AF_VSOCK, which would leave the machine. No Debian package carries the tests
of git or of busybox.
"""
import glob
import os
import re
import subprocess
import xml.etree.ElementTree as ET

import hard
import tt

PYTHON = "/usr/bin/python3"
MODULES = ["test_signal", "test_posix", "test_os", "test_threading", "test_subprocess", "test_socket"]
SECONDS = 500
AGAIN = 3  # a case that differs is run alone this often, in both ways

# Cases that list every fd of a child, and find the one that a recorded program may have more.
LISTS_FDS = {
    "test.test_subprocess.POSIXProcessTestCase.test_pass_fds_redirected":
        r"Items in the first set but not the second:\s+(\d+) ",
    "test.test_subprocess.POSIXProcessTestCase.test_close_fds_when_max_fd_is_lowered":
        r"AssertionError: \{(\d+)\} is not false : Some fds were left open",
}


class Side:
    """The test programs running in one mode."""

    def __init__(self, mode, *options):
        self.mode, self.folder, self.record = mode, tt.scratch(0o777), tt.scratch(0o777)
        self.report = os.path.join(self.folder, "report.xml")
        env = hard.env(TMPDIR=self.folder, PYTHONDONTWRITEBYTECODE="1")
        line = [PYTHON, "-m", "test", "--junit-xml", self.report, "-i", "*VSOCK*", *options]
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(tt.command_of(mode, line, self.record, env), env=env, cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def wait(self):
        """How each case ended, by name: a word, and what was said about it."""
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return {}
        if not os.path.exists(self.report):
            return {}
        cases = {}
        for case in ET.parse(self.report).iter("testcase"):
            ends = [(part.tag, part.text or "") for part in case if part.tag in ("failure", "error", "skipped")]
            cases[case.get("name")] = ends[0] if ends else ("passed", case.get("result"))
        return cases

    def trace(self):
        return tt.one(os.path.join(self.record, "trace*.jsonl"))


def outcome(ends):
    """What is compared: the reason of a skip counts, the traceback of a failure does not."""
    return ends if ends and ends[0] == "skipped" else ends and ends[0]


def is_own_fd(name, ends):
    """Whether the case complains about one fd and nothing else, and one of ours."""
    if name not in LISTS_FDS or ends is None or ends[0] != "failure":
        return False
    found = re.findall(LISTS_FDS[name], ends[1])
    # where RLIMIT_NOFILE is 29, ours is the last below it
    return len(found) == 1 and (int(found[0]) >= hard.HIGH_FD or int(found[0]) == 28)


def again(mode, name):
    """The ways in which one case ends when it runs alone."""
    out = set()
    for _ in range(AGAIN):
        module = name.split(".")[1]
        out.add(outcome(Side(mode, "-m", name.removeprefix("test."), module).wait().get(name)))
    return out


def judge(mode, native, cases):
    complaints, unsteady, own_fd = [], [], []
    for name in sorted(set(native) | set(cases)):
        want, got = native.get(name), cases.get(name)
        if outcome(want) == outcome(got):
            continue
        if is_own_fd(name, got):
            own_fd.append(name)
            continue
        ways = again("native", name)
        if again(mode, name) <= ways:
            unsteady.append(name)
        else:
            complaints.append(f"{name}: {got}, natively {want}")
    for name in own_fd:
        print(f"# {mode}: {name} found the one fd more")
    for name in unsteady:
        print(f"# {mode}: {name} differed once, and alone no more")
    tt.none(f"{mode}: every case ends as without", complaints)
    tt.check(f"{mode}: few cases are unsteady", len(unsteady) <= 5, unsteady)


def main():
    modes = tt.modes()
    if not glob.glob("/usr/lib/python3*/test/test_subprocess.py"):
        tt.skip_all("the package libpython3.11-testsuite is not installed")
    sides = [Side(mode, *MODULES) for mode in ["native", *modes]]
    results = {side.mode: side.wait() for side in sides}
    native = results["native"]
    passed = [name for name, ends in native.items() if ends[0] == "passed"]
    tt.check("native: the tests run", len(passed) > 1000, f"{len(passed)} of {len(native)} cases passed")
    for side in sides[1:]:
        cases = results[side.mode]
        if not tt.check(f"{side.mode}: the tests run to their end", len(cases) > 1000,
                        tt.read(side.log).decode(errors="replace")[-2000:]):
            continue
        judge(side.mode, native, cases)
        problems, events = [], 0
        for event in tt.each_event(side.trace(), problems):
            events += event["event_type"] == "syscall"
        tt.none(f"{side.mode}: every line is valid", problems)
        tt.check(f"{side.mode}: they were recorded", events > 5000, events)
    tt.done()


main()
