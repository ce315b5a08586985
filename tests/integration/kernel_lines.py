#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kernel sensor in the record: one line per act, who told it, whose it was, and figures that it makes exact."""
import collections
import ctypes
import json
import os
import pwd
import shutil
import subprocess

import tt
from tt import check, none, same

PROBE = tt.program("kernel_lines")
STATIC = tt.program("kernel_lines_static")


def record(*words, probe=PROBE, options=(), **more):
    return tt.record("recorder", [probe, *words], options=["--kernel", *options], kernel=True, **more)


def place(name):
    return os.path.join(tt.scratch(), name)


def lines_of(rec, path):
    """The lines of calls about @path, by who told them and whether the other one agreed."""
    return [(e["sensor"], e.get("confirmed_by"), e["standing"], e["component"]) for e in rec.calls() if e.get("path") == path
            and "close" not in e["syscall"]]


BOTH = ("preload", "kernel", "observed", "telemetry")
KERNEL = ("kernel", None, "observed", "kernel")


def ends(rec, **want):
    return [e for e in rec.events if e["event_type"] == "process" and e["syscall"] != "start"
            and all(e.get(k) == v for k, v in want.items())]


def sound(rec, name):
    """What holds of every record: spans, seq of each sensor, the certificate adds up."""
    none(f"{name}: spans are sound", tt.span_problems(rec.events))
    seqs = collections.defaultdict(list)
    for e in rec.calls():
        seqs[e["span_id"], e["sensor"]].append(e["seq"])
    none(f"{name}: seq has no holes", [f"{k}: {sorted(v)[:9]}" for k, v in seqs.items() if sorted(v) != list(range(len(v)))])
    c = rec.run["coverage"]
    same(f"{name}: each span is counted once", c["full"] + c["kernel_only"] + c["declared_only"] + c["none"], c["spans"])
    same(f"{name}: ... and its end says so", collections.Counter(e["coverage"] for e in ends(rec)),
         collections.Counter({k: n for k, n in (("full", c["full"]), ("kernel-only", c["kernel_only"]),
                                                ("declared-only", c["declared_only"]), ("none", c["none"])) if n}))
    same(f"{name}: lines are counted", [c["confirmed"], c["declared_lines"], c["kernel_lines"]],
         [sum(1 for e in rec.calls() if e["sensor"] == "preload" and e.get("confirmed_by")),
          sum(1 for e in rec.calls() if e["sensor"] == "preload" and not e.get("confirmed_by")),
          sum(1 for e in rec.calls() if e["sensor"] == "kernel")])
    same(f"{name}: nothing is lost", [c["lost"], c["gaps"]], [0, []])
    none(f"{name}: no evasion", [f for f in c["findings"] if f["kind"] == "evasion"])


def one_line_per_act():
    lib, raw, number, missing = place("lib"), place("raw"), place("number"), place("missing")
    rec = record("lib", lib, "raw", raw, "number", number, "fail", missing)
    same("an act by libc is one line, that both tell", lines_of(rec, lib), [BOTH])
    same("... also by number", lines_of(rec, number), [BOTH])
    same("... also one that fails", lines_of(rec, missing), [BOTH])
    same("an act past libc is one line, of the kernel", lines_of(rec, raw), [KERNEL])
    same("... which is a finding, and no evasion", [(f["kind"], f["count"]) for f in rec.run["coverage"]["findings"]],
         [("direct_calls", 1)])
    same("... and the span's cause", [(e["coverage"], e["cause"]) for e in ends(rec, syscall="exit")], [("kernel-only", "direct")])
    e = [e for e in rec.calls() if e["sensor"] == "kernel"][0]
    same("... with arguments like any other", [e["syscall"], e["args"], e["elapsed_us"]],
         ["openat", ["AT_FDCWD", raw, "O_RDWR|O_CREAT", "0600"], 0])
    check("... and the number it returned", e["result"] >= 3, e)
    sound(rec, "acts")


def programs_without_the_library():
    path = place("static")
    if not os.path.exists(STATIC):
        tt.skip("a static program", "no static libc")
        return
    rec = record("lib", path, probe=STATIC)
    same("a static program's act is a line", lines_of(rec, path), [KERNEL])
    same("... it begins and ends by the kernel's word",
         [(e["syscall"], e["sensor"], e.get("exe")) for e in rec.events if e["event_type"] == "process" and e["component"] == "kernel"],
         [("start", "kernel", STATIC), ("exit", "kernel", None)])
    same("... the cause is said", [(e["coverage"], e["cause"]) for e in ends(rec, syscall="exit")], [("kernel-only", "static")])
    sound(rec, "static")
    path = place("scrubbed")
    rec = record("raw-exec", shutil.which("true"))
    same("an exec past libc with an empty environment",
         [(e["coverage"], e["cause"]) for e in ends(rec, syscall="exit")], [("kernel-only", "environment")])
    sound(rec, "scrubbed")
    rec = record("lib", path, options=["--no-preload"])
    same("without the library", lines_of(rec, path), [KERNEL])
    same("... the cause is that", [e.get("cause") for e in ends(rec, syscall="exit")], ["off"])
    sound(rec, "no library")


def many():
    path = place("many")
    rec = record("lib", path, "thread", "400", "on", path)
    same("four threads, each act once", collections.Counter(lines_of(rec, path)), collections.Counter({BOTH: 1601}))
    sound(rec, "threads")
    rec = record("spawn", "spawn", "spawn")
    same("posix_spawn is confirmed", [e.get("confirmed_by") for e in rec.calls("posix_spawnp")], ["kernel"] * 3)
    same("... all are seen by both", rec.run["coverage"]["full"], rec.run["coverage"]["spans"])
    none("... and what libc does in the child is part of it", [e for e in rec.calls() if e["sensor"] == "kernel"])
    sound(rec, "spawn")
    rec = tt.record("recorder", ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do (true; :) & done; wait; cat /dev/null | cat; exec true"],
                    options=["--kernel"], kernel=True)
    same("a shell: all are seen by both", rec.run["coverage"]["full"], rec.run["coverage"]["spans"])
    same("... forks and execs are confirmed", {e.get("confirmed_by") for e in rec.calls("fork", "vfork", "execve")}, {"kernel"})
    sound(rec, "shell")


def profiles():
    for profile in ("STRICT", "RESOURCE-AWARE", "AGENT"):
        rec = tt.record("recorder", ["cat", "/etc/hostname"], options=["--kernel", f"--profile={profile}"], kernel=True)
        if rec.status == 125:
            tt.skip(f"{profile}", rec.stderr.decode(errors="replace").strip())
            continue
        same(f"{profile}: what it opened is told by both", lines_of(rec, "/etc/hostname"), [BOTH])
        same(f"{profile}: one process", [rec.run["summary"]["processes"], rec.run["summary"]["peak_processes"]], [1, 1])
        sound(rec, profile)


def cover_sys():
    """A mount namespace of its own, in which nothing is below /sys."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) or libc.mount(None, b"/", None, 0x44000, None) or libc.mount(b"none", b"/sys", b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "cover /sys")


def figures():
    rec = record("calls", "5000")
    same("system calls are counted", rec.run["syscalls"]["times"], 5000)
    same("... in all", rec.run["summary"]["total_syscalls"], sum(rec.run["syscalls"].values()))
    rec = record("calls", "5000", preexec_fn=cover_sys)
    same("... each under its name where /sys is not mounted, too", rec.run["syscalls"].get("times"), 5000)
    rec = record("calls", "10", options=["--count=off"])
    same("--count=off: not counted", [rec.run["syscalls"], rec.run["summary"]["total_syscalls"]], [None, None])
    rec = record("calls", "1000", options=["--count=latency"])
    check("--count=latency: how long they took", rec.run.get("syscall_ns", {}).get("times", 0) > 0, rec.run.get("syscall_ns"))
    rec = record("vanish", "10", options=["--no-cgroup"])
    s, where = rec.run["summary"], rec.run["sources"]
    check("children that nobody reaps are in the figures", s["user_ms"] + s["system_ms"] >= 10 * 25, s)
    none("... which are exact", [f"{k}: {v}" for k, v in where.items() if "lower_bound" in v and k not in ("peak_memory_kb",)])
    same("... and all are counted", s["processes"], 11)


def options():
    nobody = pwd.getpwnam("nobody")
    folder = tt.scratch(0o777)
    program = shutil.copy(tt.TELLTALE, folder)
    os.chmod(program, 0o755)

    def drop():
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)

    rec = subprocess.run([program, "run", "--no-preload", "--kernel", "--output-dir", folder, "--", "true"], env=tt.clean_env(),
                         capture_output=True, timeout=30, check=False, preexec_fn=drop, cwd="/")
    check("--kernel without the privileges fails", rec.returncode == 125 and b"CAP_BPF" in rec.stderr, rec)
    out = tt.scratch(0o777)
    rec = subprocess.run([program, "run", "--no-preload", "--output-dir", out, "--", "true"], env=tt.clean_env(),
                         capture_output=True, timeout=30, check=False, preexec_fn=drop, cwd="/")
    run = json.loads(tt.read(tt.one(out + "/run_*.json")))
    check("without --kernel the run goes on, and says why", rec.returncode == 0 and "CAP_BPF" in run["sources"].get("kernel", ""), (rec, run["sources"]))
    rec = tt.record("recorder", ["true"])
    check("--no-kernel: that is the reason", "--no-kernel" in rec.run["sources"]["kernel"], rec.run["sources"])
    none("... nobody compared", [e for e in rec.events if "coverage" in e])


def schemas():
    try:
        import jsonschema  # pylint: disable=import-outside-toplevel
    except ImportError:
        tt.skip("schemas", "no python3-jsonschema")
        return
    rec = record("lib", place("a"), "raw", place("b"), "spawn", options=["--count=latency"])
    for kind, objects in (("event", rec.events), ("run", [rec.run])):
        printed = subprocess.run([tt.TELLTALE, "schema", kind], capture_output=True, timeout=20, check=True)
        validator = jsonschema.Draft202012Validator(json.loads(printed.stdout))
        none(f"{kind}: fits its schema", [f"{e.message}: {o}"[:300] for o in objects for e in validator.iter_errors(o)])


if "recorder" not in tt.modes():
    tt.skip_all("telltale is not built")
first = record()
if first.status != 0:
    tt.skip_all("no kernel sensor here: " + first.stderr.decode(errors="replace").strip())
one_line_per_act()
programs_without_the_library()
many()
profiles()
figures()
options()
schemas()
tt.done()
