#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Telemetry never changes the command: the same programs with and without Telltale, compared byte for byte.

Allowed to differ: one high CLOEXEC fd, and /proc/PID/environ, which nothing here reads.
"""
import base64
import json
import os
import re
import shutil
import subprocess

import tt

PROBE = tt.program("env_probe")
LAUNCH = ["env", "-u", "LD_PRELOAD", "-u", "LD_AUDIT", "-u", "SUBSTRATE_TRACE_LOG"]
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
USER = 1000
HIGH_FD = 100


def base_env(**more):
    return {"PATH": PATH, "HOME": "/", "LC_ALL": "C.UTF-8", "KEPT": "as it was", **more}


def without_own_fd(stdout):
    """The probe's report without the one fd that may be there, and complaints about it."""
    out, own = [], []
    for line in stdout.split(b"\n"):
        m = re.match(rb"fd (\d+) cloexec ", line)
        if m and int(m.group(1)) >= HIGH_FD:
            own.append(line)
        else:
            out.append(line)
    return b"\n".join(out), own if len(set(own)) > 1 else []


def status_for(mode, status):
    """The recorder says a signal as shells do."""
    return 128 - status if mode in ("recorder", "audit") and status < 0 else status


def compare(name, cmd, env=None, launch=True, status=0, **more):
    """Run @cmd natively and in each mode.

    @launch: by way of env(1), so that it starts as a child. Without, under the recorder only: in direct mode the
    first program got its LD_PRELOAD from the user, in the open.
    @status: what it must end with natively, or the comparison says nothing.
    """
    env = base_env() if env is None else env
    folder = more.pop("cwd", None)
    results = {}
    for mode in ["native"] + [m for m in tt.modes(audit=True) if launch or m in ("recorder", "audit")]:
        cwd = folder or os.path.join(tt.scratch(0o777), "d")
        if not folder:
            cwd = fresh("/tmp/telltale-test-env-" + str(os.getpid()))
        try:
            rec = tt.record(mode, (LAUNCH if launch else []) + list(cmd), env=env, cwd=cwd, **more)
        finally:
            if not folder:
                shutil.rmtree(cwd)
        results[mode] = rec
        if mode == "native":
            native = rec
            if rec.status != status:
                tt.check(f"native: {name}: status {status}", False, (rec.status, rec.stderr))
            continue
        out, complaints = without_own_fd(rec.stdout)
        want = (status_for(mode, native.status), native.stdout, native.stderr)
        got = (rec.status, out, rec.stderr)
        tt.check(f"{mode}: {name}: as without", got == want and not complaints,
                 [f"got  {got}", f"want {want}", *complaints])
        tt.none(f"{mode}: {name}: every line is valid", rec.problems)
    return results


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    os.chmod(path, 0o777)
    return path


def recorded(results):
    return [(mode, rec) for mode, rec in results.items() if mode != "native"]


def starts_of(rec, exe):
    return [e for e in rec.events if e["syscall"] == "start" and e.get("exe") == exe]


def environments():
    probe = os.path.realpath(PROBE)
    found = compare("a plain child", [PROBE, "show", "one", ""])
    for mode, rec in recorded(found):
        tt.same(f"{mode}: a plain child: recorded", len(starts_of(rec, probe)), 1)
    found = compare("env -i", ["env", "-i", "A=1", PROBE, "show"])
    for mode, rec in recorded(found):
        tt.same(f"{mode}: env -i: recorded all the same", len(starts_of(rec, probe)), 1)
        tt.same(f"{mode}: env -i: one session", len({e["session_id"] for e in rec.events}), 1)
    compare("env -i, nothing at all", ["env", "-i", PROBE, "show"])
    compare("no HOME, odd entries", ["env", "-i", "=odd", "LD_PRELOADX=1", "TELLTALE=1", "S=", PROBE, "show"])
    found = compare("TELLTALE_ENV=inherit", ["env", "-i", PROBE, "show"], base_env(TELLTALE_ENV="inherit"))
    for mode, rec in recorded(found):
        tt.same(f"{mode}: TELLTALE_ENV=inherit: turned off", len(starts_of(rec, probe)), 0)

    given = base_env(SUBSTRATE_AGENT_ID="agent 1", SUBSTRATE_PARENT_SPAN="from outside",
                     SUBSTRATE_SESSION_ID="ses_mine")
    found = compare("SUBSTRATE_* partly set", [PROBE, "show"], given)
    for mode, rec in recorded(found):
        lib = [e for e in rec.events if e.get("sensor") == "preload"]
        tt.same(f"{mode}: SUBSTRATE_*: session and agent",
                {(e["session_id"], e.get("agent_id")) for e in lib}, {("ses_mine", "agent 1")})
        tops = [e for e in rec.events if e["syscall"] == "start" and e["parent_span"] == "from outside"]
        tt.same(f"{mode}: SUBSTRATE_PARENT_SPAN is above one span, the first", len(tops), 1)
    compare("SUBSTRATE_* set on the way", ["env", "SUBSTRATE_WORLD_ID=w", "SUBSTRATE_PARENT_SPAN=" + "long" * 20,
                                           "sh", "-c", f"'{PROBE}' show; exec '{PROBE}' show again"])
    compare("SUBSTRATE_* taken away", ["env", "-u", "SUBSTRATE_AGENT_ID", PROBE, "show"], given)


def other_preloads():
    folder = tt.scratch()
    source, other = os.path.join(folder, "other.c"), os.path.join(folder, "other.so")
    with open(source, "w", encoding="ascii") as f:
        f.write("""
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>
int getppid(void) { return 4242; }
int open(const char *path, int flags, ...)
{
	int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
	va_list ap;
	va_start(ap, flags);
	int mode = va_arg(ap, int);
	va_end(ap);
	return next(path, flags, mode);
}
__attribute__((constructor)) static void before_all(void)
{
	close(open("/etc/passwd", O_RDONLY));
}
""")
    if not works(["cc", "-shared", "-fPIC", "-O1", "-o", other, source]):
        tt.skip("other libraries preloaded", "cc does not build one")
        return
    show = [PROBE, "show"]
    compare("a preload of the user's own", ["env", "LD_PRELOAD=" + other, *show])
    compare("two of them", ["env", "LD_PRELOAD=" + other + ":" + other, *show])
    found = compare("a preload that calls hooks in its constructor",
                    ["env", "LD_PRELOAD=" + other, "python3", "-IS", "-c", "import os; print(os.getppid())"])
    for mode, rec in recorded(found):
        opens = [e for e in rec.calls("open") if e["path"] == "/etc/passwd"]
        tt.check(f"{mode}: opens of other constructors are recorded", len(opens) >= 1, f"{len(opens)}")
    for order in ([other, tt.LIBRARY], [tt.LIBRARY, other]):
        log = os.path.join(tt.scratch(), "trace.jsonl")
        env = base_env(LD_PRELOAD=":".join(order), SUBSTRATE_TRACE_LOG=log)
        line = [PROBE, "args", "x"]
        r = subprocess.run(line, env=env, capture_output=True, timeout=60)
        name = "direct: ours " + ("first" if order[0] == tt.LIBRARY else "last")
        native = subprocess.run(line, env=base_env(LD_PRELOAD=other), capture_output=True, timeout=60)
        tt.same(f"{name}: as without", (r.returncode, r.stdout, r.stderr),
                (native.returncode, native.stdout, native.stderr))
        events, problems = tt.parse_trace(tt.read(log))
        tt.none(f"{name}: every line is valid", problems)
        tt.same(f"{name}: the constructor's open once",
                [e["path"] for e in events if e["syscall"] == "open"], ["/etc/passwd"])
        tt.none(f"{name}: one span", tt.span_problems(events))


def works(line):
    try:
        return subprocess.run(line, capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def foreign_programs():
    """Programs that cannot load the library get exactly the caller's environment."""
    folder = tt.scratch()
    source = os.path.join(os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "..", "..")),
                          "tests", "integration", "env_probe.c")
    kinds = [
        ("a static program", ["cc", "-static", "-D_GNU_SOURCE", "-O1"]),
        ("a static-pie program", ["cc", "-static-pie", "-D_GNU_SOURCE", "-O1"]),
        ("a program of musl", ["musl-gcc", "-D_GNU_SOURCE", "-O1"]),
        ("a 32-bit program", ["cc", "-m32", "-D_GNU_SOURCE", "-O1"]),
    ]
    for name, line in kinds:
        path = os.path.join(folder, re.sub(r"\W", "_", name))
        if not works([*line, "-o", path, source]):
            tt.skip(name, f"'{' '.join(line)}' does not build it")
            continue
        compare(name, [path, "show"])
        compare(name + " by env -i", ["env", "-i", "A=1", path, "show"])
        compare(name + " with children", [path, "shells"])
        compare(name + " at the top", [path, "show"], launch=False)
    busybox = shutil.which("busybox", path=PATH)
    if not busybox or b"INTERP" in subprocess.run(["readelf", "-lW", busybox], capture_output=True,
                                                  check=False).stdout:
        tt.skip("busybox", "no static busybox")
        return
    compare("busybox", ["env", "-i", "B=2", "A=1", busybox, "env"])
    compare("busybox sh", [busybox, "sh", "-c", "env | sort; exit 5"], status=5)


def setuid_program():
    if os.geteuid() != 0:
        tt.skip("a setuid program", "needs root")
        return
    folder = tt.scratch()
    library = shutil.copy(tt.LIBRARY, folder)
    copy = shutil.copy(PROBE, os.path.join(folder, "setuid_probe"))
    os.chmod(copy, 0o4755)
    os.chmod(library, 0o755)
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    native = subprocess.run([*drop, copy, "show"], env=base_env(), capture_output=True, timeout=60, cwd="/")
    if b"secure 1" not in native.stdout:
        tt.skip("a setuid program", "the file system of the scratch folder ignores the bit")
        return
    compare("a setuid program", [*drop, copy, "show"], cwd="/")
    compare("a setuid program by env -i", [*drop, "env", "-i", "A=1", copy, "show"], cwd="/")
    compare("a program of another user", [*drop, PROBE, "show"], cwd="/")


def in_chroot():
    if os.geteuid() != 0:
        tt.skip("chroot", "needs root")
        return
    root = tt.scratch()
    shutil.copy(PROBE, os.path.join(root, "probe"))
    listed = subprocess.run(["ldd", PROBE], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"(/\S+)", listed):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    os.mkdir(os.path.join(root, "proc"))
    native = subprocess.run(["chroot", root, "/probe", "args", "a"], capture_output=True, timeout=60)
    if native.returncode != 0:
        tt.skip("chroot", native.stderr.decode(errors="replace").strip())
        return
    compare("a chroot without the library", ["chroot", root, "/probe", "args", "a", "b"], cwd="/")
    compare("a chroot without the library, spawned", ["chroot", root, "/probe", "spawn"], cwd="/")


def in_namespaces():
    for name, line in (("network", ["unshare", "-n"]), ("mount", ["unshare", "-m"]),
                       ("pid", ["unshare", "-p", "-f"]), ("user", ["unshare", "-U", "-r"])):
        if not works([*line, "true"]):
            tt.skip(f"a new {name} namespace", f"'{' '.join(line)}' does not work here")
            continue
        found = compare(f"a new {name} namespace", [*line, PROBE, "show"])
        for mode, rec in recorded(found):
            tt.same(f"{mode}: a new {name} namespace: recorded", len(starts_of(rec, os.path.realpath(PROBE))), 1)


def edges():
    for how in ("execve", "vfork", "posix_spawn", "system", "popen"):
        compare(f"the largest environment, {how}", [PROBE, "edge", how])


def children():
    compare("posix_spawn with file actions", [PROBE, "spawn"])
    found = compare("how PATH is searched", [PROBE, "search"])
    for mode, rec in recorded(found):
        shells = [e for e in rec.events if e["syscall"] == "start" and image_name(e) == "sh"]
        tt.check(f"{mode}: scripts, with and without '#!', run in recorded shells",
                 any("two/plain" in e["argv"] for e in shells) and any("two/tool" in e["argv"] for e in shells),
                 [e.get("argv") for e in rec.events if e["syscall"] == "start"])
    compare("system and popen", [PROBE, "shells"])
    compare("a shell script", ["sh", "-c", 'echo "$0 $@ $KEPT"; (exit 3); echo $?; trap "echo bye" EXIT; kill -TERM $$',
                               "name with blanks", "a", ""], status=-15)
    many = ["x" * (1 + i % 5) for i in range(100000)]
    compare("100,000 arguments", [PROBE, "args", *many])
    found = compare("2 MB of arguments", [PROBE, "args", *["y" * 100000] * 18])
    for mode, rec in recorded(found):
        cut = [e for e in rec.calls("execvp") if e.get("truncated")]
        tt.check(f"{mode}: 2 MB of arguments: said to be cut", len(cut) >= 1)
    compare("a low limit on fds", ["sh", "-c", 'ulimit -n 200; exec "$0" show', PROBE])
    compare("no fd to be had", ["sh", "-c", 'ulimit -n 4; exec "$0" args a', PROBE])


def bytes_and_quotes():
    for name in (b"\xff\xfe", b"caf\xc3\xa9", b"a\"b\\c\nd\x1b[31m\x01\x7f", b"\xed\xa0\x80 \xc3"):
        shown = ascii(name)
        found = compare(f"the name {shown}", [PROBE, "bytes", name])
        for mode, rec in recorded(found):
            calls = [e for e in rec.calls("open", "open64") if e["result"] == -1 and e.get("error") == "ENOENT"]
            if not tt.same(f"{mode}: the name {shown}: its open", len(calls), 1):
                continue
            want = name.decode("utf-8", errors="replace")
            if calls[0]["args"][0] == name.decode("utf-8", errors="ignore"):
                tt.check(f"{mode}: the name {shown}: as text", "args_raw" not in calls[0], calls[0])
            else:
                tt.check(f"{mode}: the name {shown}: U+FFFD shown", "\ufffd" in calls[0]["args"][0] and
                         "\ufffd" in want, calls[0]["args"])
                raw = calls[0]["args_raw"]
                tt.same(f"{mode}: the name {shown}: nothing lost", [base64.b64decode(raw[0]), raw[1]], [name, None])
            argv = [json.loads(e["args"][1])[-1] for e in rec.calls("execv")]
            tt.check(f"{mode}: the name {shown}: in argv", argv and argv[0].startswith(calls[0]["args"][0][:1]), argv)


def image_name(e):
    return os.path.basename((e.get("argv") or ["?"])[0])


def spans():
    script = ("/bin/echo a | tr a b | cat; (/bin/true; exec /bin/false); env -i /bin/true; "
              "sh -c '/bin/true; sh -c \"exec /bin/true\"'")
    for mode in tt.modes(audit=True):
        rec = tt.record(mode, ["sh", "-c", script], env=base_env())
        name = f"{mode}: the tree of a pipeline"
        tt.same(f"{name}: output", (rec.status, rec.stdout), (0, b"b\n"))
        tt.none(f"{name}: spans begin and end once", tt.span_problems(rec.events))
        starts = {e["span_id"]: e for e in rec.events if e["syscall"] == "start"}
        images = [e for e in starts.values() if e["how"] == "exec"]
        tt.same(f"{name}: its images", sorted(image_name(e) for e in images),
                sorted("sh echo tr cat true false env true sh true sh true".split()))
        complaints = []
        for e in starts.values():
            up = starts.get(e["parent_span"])
            if up is None:
                if e["parent_span"] is not None:
                    complaints.append(f"unknown parent: {e}")
            elif e["how"] == "exec" and up.get("pid") != e.get("pid"):
                complaints.append(f"exec from another process: {e}")
            elif e["how"] != "exec" and up.get("pid") != e.get("ppid"):
                complaints.append(f"not forked by its parent: {e}")
        tt.none(f"{name}: each parent is the span that forked or exec'd", complaints)
        tt.same(f"{name}: one root", len([e for e in starts.values() if e["parent_span"] is None]), 1)

        def chain(e):
            out = []
            while e:
                if e["how"] == "exec":
                    out.append(image_name(e))
                e = starts.get(e["parent_span"])
            return out

        chains = sorted(chain(e) for e in images)
        tt.same(f"{name}: each program below those that started it", chains, sorted([
            ["sh"], ["echo", "sh"], ["tr", "sh"], ["cat", "sh"], ["true", "sh"], ["false", "sh"], ["env", "sh"],
            ["true", "env", "sh"], ["sh", "sh"], ["true", "sh", "sh"], ["sh", "sh", "sh"],
            ["true", "sh", "sh", "sh"]]))
        ends = {e["span_id"]: e for e in rec.events if e["syscall"] in ("exit", "replaced")}
        codes = sorted((image_name(e), ends[e["span_id"]].get("exit_code"))
                       for e in images if e["span_id"] in ends and ends[e["span_id"]]["syscall"] == "exit")
        tt.same(f"{name}: exit codes", codes, sorted([
            ("sh", 0), ("echo", 0), ("tr", 0), ("cat", 0), ("true", 0), ("false", 1), ("true", 0), ("sh", 0),
            ("true", 0), ("true", 0)]))


def nested():
    """A run inside a run: a trace of its own, the outer session, hooked below an outer span."""
    if "recorder" not in tt.modes():
        tt.skip("a nested run", "no telltale in this build folder")
        return
    for options, session in ((["--session", "ses_outer"], "ses_outer"), ([], None)):
        inner = tt.scratch()
        rec = tt.record("recorder", [tt.TELLTALE, "run", "--no-kernel", "--output-dir", inner, "--", "sh", "-c", "exit 9"],
                        env=base_env(), options=options)
        name = f"a nested run, session {session}"
        tt.same(f"{name}: status", rec.status, 9)
        events, problems = tt.parse_trace(tt.read(tt.one(os.path.join(inner, "trace_*.jsonl"))))
        tt.none(f"{name}: every line is valid", problems)
        tt.none(f"{name}: spans of the inner", tt.span_problems(events))
        want = {session or rec.run["session_id"]}
        tt.same(f"{name}: one session", ({e["session_id"] for e in events}, {e["session_id"] for e in rec.events}),
                (want, want))
        own = {e["span_id"] for e in events}
        outside = {e["parent_span"] for e in events if e["syscall"] == "start"} - own
        outer = {e["span_id"] for e in rec.events}
        tt.check(f"{name}: hangs below a span of the outer", len(outside) == 1 and outside <= outer, outside)


def main():
    environments()
    other_preloads()
    foreign_programs()
    setuid_program()
    in_chroot()
    in_namespaces()
    edges()
    children()
    bytes_and_quotes()
    spans()
    nested()
    tt.done()


main()
