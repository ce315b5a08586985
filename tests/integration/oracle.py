#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every recorded function, success and failure, against what the oracle program says it did."""
import json
import os
import re

import tt

# May be different from run to run: who ran, which port the kernel gave, what mkstemp made of a template.
PORT = re.compile(r'(127\.0\.0\.1|\[::1\]):\d+')
NAME = re.compile(r'(?<=[/"])([tm])[A-Za-z0-9]{6}(?=(\.c)?")')
SHOWN = ("syscall", "args", "result", "error", "path", "path2", "addr", "via")
FORKS = ("fork", "vfork", "_Fork", "clone")
# Their numbers are pids: of the oracle's children, but for this one.
NAME_PIDS = ("kill", "killpg", "tgkill", "sigqueue", "ptrace", "process_vm_readv", "process_vm_writev")
NOBODYS_PID = str(0x7ffffff0)


def oracle(mode, folder):
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    # a PATH that anyone may search: a folder that may not be entered makes EACCES of ENOENT
    env = tt.clean_env(PATH="/usr/bin:/bin")
    rec = tt.record(mode, [tt.program("oracle"), "calls"], cwd=folder, env=env)
    left = os.listdir(folder)
    os.rmdir(folder)
    return rec, left


def lines_of(rec):
    return [json.loads(line) for line in rec.stdout.splitlines()]


def anonymous(lines):
    """The oracle's own view without what differs between two runs; process by process, each in its order."""
    pids = {}
    text = []
    for line in lines:
        pids.setdefault(line["pid"], len(pids))
    for line in sorted(lines, key=lambda line: pids[line["pid"]]):
        line = dict(line, pid=pids[line["pid"]])
        if line["syscall"] in FORKS and line["result"] > 0:
            line["result"] = "pid"
        if line["syscall"] in NAME_PIDS:
            line["args"] = ["pid" if a.lstrip("-").isdigit() and a != NOBODYS_PID else a for a in line["args"]]
        text.append(NAME.sub(r"\1NAME", PORT.sub(r"\1:PORT", json.dumps(line))))
    return text


# Only a recorder knows the path of an fd: io_counts.py tests that.
WITH_FD = {name for name, layout in tt.function_layouts() if layout[:1] == "f"} - {"fexecve", "fchdir"}


def recorded(event):
    return {key: event[key] for key in SHOWN
            if key in event and not (key == "path" and event["syscall"] in WITH_FD)}


def diff(name, want, got):
    out = []
    for i in range(max(len(want), len(got))):
        w = want[i] if i < len(want) else None
        g = got[i] if i < len(got) else None
        if w != g:
            out += [f"{name} #{i}: want {w}", f"{name} #{i}: got  {g}"]
            break
    return out


def check_mode(mode, folder, native):
    rec, left = oracle(mode, folder)
    tt.check(f"{mode}: the oracle runs to its end", rec.status == 0, rec.stderr.decode(errors="replace"))
    tt.same(f"{mode}: and leaves nothing behind", left, [])
    lines = lines_of(rec)
    tt.none(f"{mode}: results and errno as without the library",
            diff("line", anonymous(native), anonymous(lines)))
    tt.none(f"{mode}: every line is valid", rec.problems)
    want, got = {}, {}
    for line in lines:
        line.pop("errno")
        want.setdefault(line.pop("pid"), []).append(line)
    for event in rec.calls():
        if event["syscall"] in tt.FD_FUNCTIONS:
            continue
        got.setdefault(event["pid"], []).append(event)
    complaints = []
    for pid, expected in want.items():
        complaints += diff(f"pid {pid}", expected, [recorded(e) for e in got.pop(pid, [])])
    tt.none(f"{mode}: each call once, in order, with its arguments, result and error", complaints)
    tt.same(f"{mode}: and nothing else", [recorded(e) for events in got.values() for e in events], [])

    names = {e["syscall"] for e in rec.calls()}
    missing = [n for n in tt.recorded_functions() if n not in names]
    tt.none(f"{mode}: no function of calls.def was left out by this test", missing)
    answers = [e["answers"] for e in rec.calls("getaddrinfo")]
    tt.same(f"{mode}: the answers of getaddrinfo", answers, [["127.0.0.1:80"], ["127.0.0.1:0"], []])
    answers = [e["answers"] for e in rec.calls() if e["syscall"].startswith("gethostbyname")]
    tt.same(f"{mode}: the answers of gethostbyname and its kin", answers,
            [["127.0.0.1:0"], [], ["[::1]:0"], [], ["127.0.0.1:0"], [], ["[::1]:0"], []])
    tt.none(f"{mode}: an io_uring that is there is said to hide things",
            [e for e in rec.calls() if ("coverage" in e) != (e["syscall"] == "io_uring_setup" and e["result"] >= 0)])
    if mode == "recorder":
        tt.same(f"{mode}: ... and run.json counts such images", rec.run["coverage"]["io_uring"],
                len({e["span_id"] for e in rec.calls() if "coverage" in e}))
    wrong = [e for e in rec.calls() if e["component"] != "telemetry" or e["sensor"] != "preload" or
             e["standing"] != "declared" or e["elapsed_us"] < 0 or e["tid"] != e["pid"]]
    tt.none(f"{mode}: component, sensor, standing and tid", wrong)
    tt.none(f"{mode}: spans begin and end once, numbers have no holes", tt.span_problems(rec.events))


def main():
    modes = tt.modes(audit=True)
    folder = os.path.join(tt.scratch(0o777), "here")
    rec, _ = oracle("native", folder)
    if not tt.check("native: the oracle runs to its end", rec.status == 0, rec.stderr.decode(errors="replace")):
        tt.done()
    native = lines_of(rec)
    # getaddrinfo, fork, popen and the like may leave any errno: there only "as without the library" counts
    loose = ("getaddrinfo", "system", "popen", "fopen", "fopen64", "freopen", "freopen64", "vfork",
             "gethostbyname", "gethostbyname2", "gethostbyname_r", "gethostbyname2_r",
             "dlopen", "dlmopen", "ptrace")
    tt.none("native: success leaves errno alone, so the comparison means something",
            [line for line in native if "error" not in line and line["result"] is not None and
             line["syscall"] not in loose and line["errno"] != 12345])
    for mode in modes:
        check_mode(mode, folder, native)
    tt.done()


main()
