#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TELLTALE_CONFIG: what it leaves out is left out in both modes, what it counts is said, mistakes are said once."""
import os
import subprocess

import tt

SCRIPT = r"""
import os, socket, sys
for i in range(40):
    for folder in ("kept", "left", "left/but"):
        try:
            os.open(f"/nowhere/{folder}/{i}", os.O_RDONLY)
        except FileNotFoundError:
            pass
    try:
        os.unlink(f"/nowhere/kept/{i}")
    except FileNotFoundError:
        pass
with socket.socket() as s:
    try:
        s.connect(("127.0.0.1", 1))
    except OSError:
        pass
print(os.environ.get("TELLTALE_CONFIG"), flush=True)
os.chdir("/")
os.execve("/bin/sh", ["sh", "-c", "rm -f etc/" + "y" * 200 + " pin=geheim; exit 7"], {} if sys.argv[1] == "-i" else os.environ)
"""


def configured(mode, text, env_i=False, name="telltale.conf", cwd=None):
    cwd = cwd or tt.scratch(0o777)
    if text is not None:
        with open(os.path.join(cwd, name), "w", encoding="utf-8") as f:
            f.write(text)
    rec = tt.record(mode, ["/usr/bin/python3", "-ISB", "-c", SCRIPT, "-i" if env_i else "-"], cwd=cwd,
                    env=tt.clean_env(TELLTALE_CONFIG=name))
    rec.span_problems = tt.span_problems([e for e in rec.events if e["event_type"] != "syscall"])
    tt.same(f"{mode}: the program", (rec.status, rec.stdout, rec.stderr), (7, name.encode() + b"\n", b""))
    tt.none(f"{mode}: every line is whole", rec.problems + rec.span_problems)
    return rec


def below(rec, folder, *calls):
    return [e for e in rec.calls(*calls) if e.get("path", "").startswith(folder)]


def notices(rec):
    return [e for e in rec.events if e["event_type"] == "notice"]


def families(mode):
    rec = configured(mode, "families = net , exec\n")
    tt.same(f"{mode}: families: those named", {e["syscall"] for e in rec.calls()} - {"fork", "vfork", "execve"},
            {"socket", "connect"})
    tt.check(f"{mode}: families: programs", bool(rec.calls("execve")))
    rec = configured(mode, "families = file\n")
    tt.same(f"{mode}: families: no other", rec.calls("connect", "execve", "fork", "vfork"), [])
    tt.same(f"{mode}: families: programs are followed all the same",
            [e for e in rec.calls("unlinkat") if e.get("path", "").startswith("/etc/yyy")] != [], True)
    rec = configured(mode, "families = net,exec\n", env_i=True)
    tt.same(f"{mode}: families: in a cleared environment, too", rec.calls("unlinkat", "open64", "open"), [])


def rules(mode):
    rec = configured(mode, "exclude = /nowhere/left/**\ninclude = **/but/*\nexclude = /nowhere/left/but/1?\n"
                           "exclude = /etc/y*\n")
    tt.same(f"{mode}: rules: what none matches", len(below(rec, "/nowhere/kept/", "open64")), 40)
    tt.same(f"{mode}: rules: the last that matches", sorted(
        int(e["path"].rsplit("/", 1)[1]) for e in below(rec, "/nowhere/left/")),
        [i for i in range(40) if not 10 <= i < 20])
    tt.same(f"{mode}: rules: a relative path where it leads", below(rec, "/etc/y"), [])
    for span in {e["span_id"] for e in rec.events}:
        numbers = sorted(e["seq"] for e in rec.calls() if e["span_id"] == span)
        tt.same(f"{mode}: rules: what is left out has no number", numbers, list(range(len(numbers))))


def sampling(mode):
    rec = configured(mode, "sample = 1/7\n")
    every = configured(mode, "sample = 1/1\n")
    calls = every.calls()
    gaps = [e for e in rec.events if e["event_type"] == "gap"]
    tt.same(f"{mode}: sampling: the reason", {e["reason"] for e in gaps}, {"sampled"})
    tt.same(f"{mode}: sampling: recorded + left out == made", len(rec.calls()) + sum(e["count"] for e in gaps),
            len(calls))
    tt.check(f"{mode}: sampling: a seventh", 20 <= len(below(rec, "/nowhere/")) <= 25, len(below(rec, "/nowhere/")))
    programs = [sorted(e["syscall"] for e in r.events if e["event_type"] == "process" or e["syscall"] == "execve")
                for r in (rec, every)]
    tt.same(f"{mode}: sampling: programs are all there", *programs)
    if mode == "recorder":
        coverage = rec.run["coverage"]
        tt.same("recorder: sampling: run.json", (coverage["lost"], [g["reason"] for g in coverage["gaps"]]),
                (0, ["sampled"]))


def limits(mode):
    rec = configured(mode, "argument_max = 64\nredact = pin\n")
    cut = [e for e in rec.calls("unlinkat") if e.get("path", "").startswith("/etc/yy")]
    tt.same(f"{mode}: argument_max", [(len(e["args"][1]), e["truncated"]) for e in cut], [(64, True)])
    tt.check(f"{mode}: redact", b"geheim" not in rec.raw and b"pin=***" in rec.raw)
    plain = configured(mode, "")
    tt.check(f"{mode}: ... and without it", b"geheim" in plain.raw)


def mistakes(mode):
    cases = [("colour = red\n", "telltale.conf:1: unknown key"), ("io = off\n\nfamilies = all\n", "telltale.conf:3: families"),
             ("#" * 20000, "telltale.conf: longer than"), (None, "telltale.conf: no such file")]
    for text, said in cases:
        rec = configured(mode, text)
        found = notices(rec)
        tt.same(f"{mode}: a mistake ({said}): said once", len(found), 1)
        tt.check(f"{mode}: a mistake ({said}): where and what",
                 found and found[0]["reason"] == "config_error" and said in found[0]["message"], found)
        tt.check(f"{mode}: a mistake ({said}): the defaults", len(below(rec, "/nowhere/kept/")) == 80 and
                 bool(rec.calls("connect")), len(rec.calls()))
    cwd = tt.scratch(0o777)
    os.mkfifo(os.path.join(cwd, "telltale.conf"))
    found = notices(configured(mode, None, cwd=cwd))
    tt.check(f"{mode}: a FIFO is no file", len(found) == 1 and "no regular file" in found[0]["message"], found)


def option():
    """--config goes before the variable; the command sees neither of them."""
    folder, out = tt.scratch(), tt.scratch()
    path = os.path.join(folder, "c")
    with open(path, "w", encoding="utf-8") as f:
        f.write("families = net\n")
    r = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--config", path, "--output-dir", out, "--", "sh", "-c",
                        "env | grep TELLTALE_C; cat /etc/hostname >/dev/null"],
                       env=tt.clean_env(TELLTALE_CONFIG="/nowhere"), capture_output=True, timeout=60, check=False)
    tt.same("--config: the command", r.stdout, b"TELLTALE_CONFIG=/nowhere\n")
    events, problems = tt.parse_trace(tt.read(tt.one(out + "/trace_*")))
    tt.none("--config: every line is whole", problems)
    tt.same("--config: it counts", [e for e in events if e["event_type"] in ("syscall", "notice")], [])


def log_limits():
    conf = os.path.join(tt.scratch(), "c")
    with open(conf, "w", encoding="utf-8") as f:
        f.write("log_max = 128K\nlog_keep = 1\n")
    script = "import os\nfor i in range(1500):\n  try: os.open('/nowhere/x', 0)\n  except OSError: pass"
    for more, kept, wrong in (({}, 1, []), ({"TELLTALE_LOG_KEEP": "2"}, 2, []), ({"TELLTALE_LOG_MAX": "256K"}, 1, []),
                              ({"TELLTALE_LOG_KEEP": "0", "TELLTALE_LOG_MAX": "400M"}, 0,
                               ["TELLTALE_LOG_KEEP: log_keep is from 1 to 99"])):
        log = os.path.join(tt.scratch(), "trace.jsonl")
        env = tt.clean_env(LD_PRELOAD=tt.LIBRARY, SUBSTRATE_TRACE_LOG=log, TELLTALE_CONFIG=conf, **more)
        r = subprocess.run(["/usr/bin/python3", "-ISB", "-c", script], env=env, capture_output=True, timeout=60,
                           check=False)
        names = sorted(os.listdir(os.path.dirname(log)))
        tt.same(f"log_max, log_keep {more}", (r.returncode, names),
                (0, ["trace.jsonl", "trace.jsonl.1", "trace.jsonl.2"][:kept + 1]))
        if wrong:
            events, _ = tt.parse_trace(tt.read(log))
            tt.same(f"... {more} is said", [e["message"] for e in events if e["event_type"] == "notice"], wrong)


def main():
    modes = tt.modes()
    for mode in modes:
        families(mode)
        rules(mode)
        sampling(mode)
        limits(mode)
        mistakes(mode)
    if "recorder" in modes:
        option()
    log_limits()
    tt.done()


main()
