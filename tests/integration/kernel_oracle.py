#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What programs say they did is what the record says, with libc and without; strace and bpftrace see the same."""
import collections
import os
import re
import shutil
import subprocess

import kernel_run
import tt

SOURCE = os.path.join(os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "..", "..")), "src")
RAW = ["-static", "-nostartfiles", "-ffreestanding", "-fno-stack-protector", "-DORACLE_RAW"]
# name: compiler and options; None: the one that the build made
BUILDS = {"glibc": None, "static glibc": ["cc", "-static"], "musl": ["musl-gcc"], "static musl": ["musl-gcc", "-static"],
          "no libc": ["cc", *RAW]}
QUIET = {"static glibc", "static musl", "no libc"}  # no library can be loaded into these


def build(folder):
    """The programs that can be built here, by name."""
    found = {}
    for name, line in BUILDS.items():
        out = os.path.join(folder, name.replace(" ", "-"))
        if line is None:
            found[name] = shutil.copy(tt.program("kernel_oracle"), out)
        elif not shutil.which(line[0]):
            tt.skip(name, f"no {line[0]}")
        else:
            made = subprocess.run([*line, "-std=gnu17", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-O2", "-w",
                                   "-I", SOURCE, "-o", out, os.path.join(SOURCE, "../tests/integration/kernel_oracle.c")],
                                  capture_output=True, check=False)
            if made.returncode:
                tt.skip(name, made.stderr.decode(errors="replace")[:200])
            else:
                found[name] = out
    return found


def key(pid, kind, result, error, *names):
    return (pid, kind, result, error, *[kernel_run.plain(n) if n.startswith("/") else n for n in names])


def wanted(acts):
    """What the program printed, as comparable tuples; long paths without their text."""
    out = collections.Counter()
    for a in acts:
        kind, error = a["act"], kernel_run.error_of(a)
        if kind == "deep":
            kind, a["path"] = "open", "deep"
        if kind.startswith("exec") and a["result"] == 0:
            continue
        names = [a[k] for k in ("path", "path2", "addr") if k in a]
        if error == "ENAMETOOLONG":
            names = ["too long"]
        out[key(a["pid"], kind, a["result"], error, *names)] += 1
    return out


NAMELESS = {"ptrace", "kill", "memfd", "accept", "unshare", "setresuid", "bind", "connect", "sendto"}


def recorded(rec, folder, pids, real):
    """The same of the trace: below @folder, or of no file."""
    out, lines = collections.Counter(), {}
    for e in rec.calls():
        kind = kernel_run.kind_of(e)
        if not kind or e["pid"] not in pids or (kind == "exec" and e["result"] is None):
            continue
        path, addr = e.get("path"), e.get("addr")
        if e.get("error") == "EFAULT":
            continue
        names = [n for n in (path, e.get("path2")) if n]
        if kind in NAMELESS:
            names = [addr] if addr and kind != "accept" else []
        elif e.get("error") == "ENAMETOOLONG":
            names = ["too long"]
        elif kind == "open" and "deep" in e["args"]:
            names = ["deep"]
        elif "/ddddd" in str(names) or any("ddddd" in a for a in e["args"]) or "deep" in e["args"]:
            continue  # the way there and back
        elif not path or not kernel_run.plain(path).startswith(folder + "/"):
            continue
        names = [real.get(n, n) if kind == "open" else n for n in names]
        made = key(e["pid"], kind, e["result"] if e["result"] is not None else 0, e.get("error"), *names)
        out[made] += 1
        lines.setdefault(made, []).append(e)
    return out, lines


def pids_of(acts):
    return {a["pid"] for a in acts}


def one(name, program):
    folder = tt.scratch(0o777)
    rec = kernel_run.record([program, "acts"], cwd=folder, timeout=120)
    if not tt.same(f"{name}: the program runs", (rec.status, rec.stderr), (0, b"")):
        return
    acts = kernel_run.said(rec)
    quiet = name in QUIET
    # the library says what was asked for, the kernel where it led
    real = {a["path"]: a["real"] for a in acts if "real" in a}
    for a in acts:
        if "real" in a:
            a["path"] = a["real"]
    want = wanted(acts)
    got, lines = recorded(rec, folder, pids_of(acts), real)
    tt.none(f"{name}: every act is in the trace", sorted(f"{n} x {act}" for act, n in (want - got).items()))
    tt.none(f"{name}: and none besides", sorted(f"{n} x {act}: {lines[act][0]}" for act, n in (got - want).items()))
    sensors = collections.Counter(e["sensor"] for found in lines.values() for e in found)
    if quiet:
        tt.same(f"{name}: all by the kernel", set(sensors), {"kernel"})
    else:
        wrong = [e for found in lines.values() for e in found
                 if e["sensor"] == "preload" and e.get("confirmed_by") != "kernel"]
        tt.none(f"{name}: what the library tells the kernel confirms", wrong)
    # what was executed: by its name, deleted, and never named
    exes = [e for e in kernel_run.starts(rec).values() if e.get("how") == "exec" and e.get("argv") and
            e["argv"][:2] == ["oracle", "noop"]]
    tt.same(f"{name}: programs that were executed", len(exes), 3)
    tt.same(f"{name}: their arguments", {tuple(e["argv"]) for e in exes}, {("oracle", "noop", "an argument")})
    tt.check(f"{name}: one of them by its name", any(e.get("exe") == folder + "/copy" for e in exes), exes)
    kernel_run.sound(name, rec)
    tt.same(f"{name}: no evasion", kernel_run.findings(rec, "evasion"), [])
    if quiet:
        found = {(e.get("coverage"), e.get("cause")) for span, e in kernel_run.ends(rec).items()
                 if kernel_run.starts(rec)[span]["how"] != "launch"}
        tt.same(f"{name}: coverage and its reason", found, {("kernel-only", "static")})


LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<.*>)?(?: (\w+) \(.*)?$")
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
SEEN = ("open openat openat2 creat mkdir mkdirat symlink symlinkat link linkat rename renameat renameat2 unlink unlinkat "
        "rmdir chmod fchmodat fchownat truncate mknod mknodat connect bind accept4 sendto").split()


def last_name(text):
    return text.rstrip("/").rsplit("/", 1)[-1]


def strace(name, program):
    """Every call of these by kind, result and last name, of all processes, startup included."""
    folder, out = tt.scratch(0o777), os.path.join(tt.scratch(0o777), "strace")
    rec = kernel_run.record(["strace", "-f", "-qq", "-s", "8192", "-e", "trace=" + ",".join(SEEN), "-e", "signal=none",
                             "-o", out, program, "acts"], cwd=folder, timeout=120)
    if not tt.same(f"strace, {name}: runs", rec.status, 0):
        return
    acts = kernel_run.said(rec)
    pids, want = pids_of(acts), collections.Counter()
    for line in tt.read(out).decode(errors="replace").splitlines():
        m = LINE.match(line)
        if not m or int(m[1]) not in pids:
            continue
        call, args, texts = m[2], m[3], TEXT.findall(m[3])
        kind = "rmdir" if "AT_REMOVEDIR" in args else kernel_run.KINDS[call]
        if m[5] == "EFAULT" or any(t.startswith(("/proc/", "/sys/", "/dev/")) for t in texts[:1]):
            continue
        names = [last_name(t) for t in texts] if kind not in ("connect", "bind", "sendto", "accept") else []
        if call in ("symlink", "symlinkat"):
            names = names[1:]
        want[(int(m[1]), kind, int(m[4]), m[5], *[n[:200] for n in names])] += 1
    got = collections.Counter()
    for e in rec.calls():
        kind = kernel_run.kind_of(e)
        if e["pid"] not in pids or e.get("error") == "EFAULT" or kind not in {kernel_run.KINDS[c] for c in SEEN} | {"rmdir"}:
            continue
        names = []
        if kind not in ("connect", "bind", "sendto", "accept"):
            if any(a.startswith(("/proc/", "/sys/", "/dev/")) for a in texts_of(e)):
                continue
            names = [last_name(a)[:200] for a in texts_of(e)]
        got[(e["pid"], kind, e["result"], e.get("error"), *names)] += 1
    tt.check(f"strace, {name}: it saw the acts", sum(want.values()) >= len(acts), sum(want.values()))
    tt.none(f"strace, {name}: all that it saw is in the trace", sorted(f"{n} x {act}" for act, n in (want - got).items()))
    tt.none(f"strace, {name}: and nothing else is", sorted(f"{n} x {act}" for act, n in (got - want).items()))


LAYOUTS = dict(tt.function_layouts())


def texts_of(e):
    """The paths among the arguments of a line."""
    out, layout = [], LAYOUTS[e["syscall"]]
    for letter, arg in zip(layout, e["args"]):
        if letter in "pq":
            out.append(arg)
    return out


BPFTRACE = r"""
tracepoint:sched:sched_process_fork /@in[args->parent_pid]/ { @in[args->child_pid] = 1; }
tracepoint:sched:sched_process_exec /comm == "wanted"/ { @in[pid] = 1; }
tracepoint:syscalls:sys_exit_openat /@in[pid]/ { @c["open", args->ret < 0 ? args->ret : 0] = count(); }
tracepoint:syscalls:sys_exit_open /@in[pid]/ { @c["open", args->ret < 0 ? args->ret : 0] = count(); }
tracepoint:syscalls:sys_exit_openat2 /@in[pid]/ { @c["open", args->ret < 0 ? args->ret : 0] = count(); }
tracepoint:syscalls:sys_exit_creat /@in[pid]/ { @c["open", args->ret < 0 ? args->ret : 0] = count(); }
tracepoint:syscalls:sys_exit_connect /@in[pid]/ { @c["connect", args->ret < 0 ? args->ret : 0] = count(); }
tracepoint:syscalls:sys_exit_unlink /@in[pid]/ { @c["unlink", args->ret < 0 ? args->ret : 0] = count(); }
tracepoint:syscalls:sys_exit_mkdir /@in[pid]/ { @c["mkdir", args->ret < 0 ? args->ret : 0] = count(); }
END { clear(@in); }
"""


def bpftrace(name, program):
    """How often each call was made with each result, by another eBPF program."""
    folder, out = tt.scratch(0o777), tt.scratch(0o777)
    script, wanted_program = os.path.join(out, "script.bt"), os.path.join(out, "wanted")
    shutil.copy(program, wanted_program)
    with open(script, "w", encoding="ascii") as f:
        f.write(BPFTRACE)
    got_folder = tt.scratch(0o777)
    line = f"{tt.TELLTALE} run --kernel --output-dir {got_folder} -- {wanted_program} acts"
    # where nobody has mounted it: in a namespace of its own
    own = ["unshare", "-m", "sh", "-c", 'test -e /sys/kernel/tracing/events || mount -t tracefs none /sys/kernel/tracing; '
           'exec "$@"', "sh"]
    p = subprocess.run([*own, "bpftrace", "-f", "json", "-c", line, script], cwd=folder, env=tt.clean_env(), timeout=120,
                       stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if p.returncode or b'"@c"' not in p.stdout:
        tt.skip(f"bpftrace, {name}", "it does not work here: " + " ".join(p.stderr.decode(errors="replace").split())[:300])
        return
    want = collections.Counter()
    for m in re.finditer(rb'"(\w+),(-?\d+)": (\d+)', p.stdout):
        want[(m[1].decode(), -int(m[2]))] += int(m[3])
    events, problems = tt.parse_trace(tt.read(tt.one(got_folder + "/trace_*.jsonl")))
    tt.none(f"bpftrace, {name}: every line is valid", problems)
    got = collections.Counter()
    for e in events:
        if e["event_type"] != "syscall" or e["syscall"] not in KERNEL_NAMES:
            continue
        error = getattr(kernel_run.errno, e["error"]) if "error" in e else 0
        got[(KERNEL_NAMES[e["syscall"]], error)] += 1
    unseen = {k: n - got[k] for k, n in want.items()}
    # reads below /proc may be left out, by the default filter
    own = sum(1 for e in events if e["event_type"] == "syscall" and "/proc/self/exe" in e["args"])
    unseen[("open", 0)] -= 3 - own
    tt.none(f"bpftrace, {name}: it counted the same", [f"{k}: {n} more" for k, n in unseen.items() if n])
    tt.none(f"bpftrace, {name}: and nothing else is there", [f"{k}: {n}" for k, n in got.items() if k not in want])


KERNEL_NAMES = {"open": "open", "openat": "open", "openat2": "open", "creat": "open", "connect": "connect",
                "unlink": "unlink", "mkdir": "mkdir"}


def main():
    kernel_run.need_sensor()
    programs = build(tt.scratch())
    for name, program in programs.items():
        one(name, program)
    for name in ("static glibc", "no libc"):
        if name not in programs:
            continue
        if shutil.which("strace"):
            strace(name, programs[name])
        else:
            tt.skip(f"strace, {name}", "no strace")
        if shutil.which("bpftrace"):
            bpftrace(name, programs[name])
        else:
            tt.skip(f"bpftrace, {name}", "no bpftrace")
    tt.done()


main()
