#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""--observe: what the seccomp notifier sees of programs that no library can be loaded into, and what it breaks:
nothing but set-user-id programs of users without root."""
import json
import os
import shutil
import signal
import subprocess
import time

import tt
from tt import check, none, same

PROBE = tt.program("observe_probe")
EVERYTHING = "--observe=exec,net,files"
NOBODY = 65534

GO = r"""
package main

import (
	"net"
	"os"
	"os/exec"
)

func main() {
	if c, err := net.Dial("udp", "127.0.0.1:9"); err == nil {
		c.Close()
	}
	os.WriteFile("go-made", []byte("x"), 0600)
	os.Remove("go-made")
	exec.Command("/bin/true", "from go").Run()
}
"""


def seen(rec):
    """The observer's lines."""
    return [e for e in rec.calls() if e["component"] == "kernel"]


def words(rec):
    return [(e["syscall"], e["args"], e.get("path"), e.get("addr")) for e in seen(rec)]


def as_user(uid, cwd, command, options=()):
    """Recorded by that user, in a folder of its own."""
    env = tt.clean_env(HOME=cwd)
    folder = tt.scratch(0o777)
    line = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
            *tt.command_of("recorder", command, folder, env, options)]
    done = subprocess.run(line, env=env, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, timeout=tt.SECONDS)
    raw = tt.read(tt.one(os.path.join(folder, "trace_*.jsonl")))
    run = json.loads(tt.read(tt.one(os.path.join(folder, "run_*.json"))))
    return tt.Recording("recorder", done, folder, raw, run)


def expected(cwd):
    return [
        ("connect", ["fd:3", "127.0.0.1:9"], None, "127.0.0.1:9"),
        ("connect", ["fd:4", "unix:no-socket"], None, "unix:no-socket"),
        ("sendto", ["fd:3", "1", "0", "127.0.0.1:9"], None, "127.0.0.1:9"),
        ("openat", ["fd:5", "made", "O_RDWR|O_CREAT", "0640"], f"{cwd}/made", None),
        ("openat2", ["fd:5", "made2", "O_WRONLY|O_CREAT", "0644"], f"{cwd}/made2", None),
        ("renameat2", ["fd:5", "made", "AT_FDCWD", "moved", "0"], f"{cwd}/made", None),
        ("mkdirat", ["fd:5", "sub", "0700"], f"{cwd}/sub", None),
        ("unlinkat", ["AT_FDCWD", "sub", "AT_REMOVEDIR"], f"{cwd}/sub", None),
        ("execveat", ["fd:5", "missing", '["probe", "two words"]', "0"], f"{cwd}/missing", None),
    ]


def acts(name, rec, cwd):
    same(f"{name}: the command ends as it would", (rec.status, rec.problems), (7, []))
    same("... each act is told, with its whole path, in order", words(rec), expected(cwd))
    none("... as observed, by seccomp, with arguments as seen and no result", [
        e for e in seen(rec) if (e["sensor"], e["standing"], e.get("args_as_seen"), e["result"]) !=
        ("seccomp", "observed", True, None)])
    same("... numbered without a hole", [e["seq"] for e in seen(rec)], list(range(len(seen(rec)))))
    check("... run.json says so", "seccomp" in rec.run["coverage"]["sensors"] and
          rec.run["sources"]["observer"].startswith("the seccomp notifier"), rec.run["sources"])
    coverage = rec.run["coverage"]
    same("... no image went unseen", (coverage["kernel_only"], coverage["none"]), (coverage["spans"], 0))


def each_act():
    cwd = tt.scratch(0o777)
    acts("a static program", tt.record("recorder", [PROBE, "acts"], options=[EVERYTHING], cwd=cwd), cwd)
    if os.geteuid() == 0:
        cwd = tt.scratch(0o777)
        acts("the same without root", as_user(NOBODY, cwd, [PROBE, "acts"], [EVERYTHING]), cwd)
    rec = tt.record("recorder", [PROBE, "acts"], options=["--observe=net"], cwd=tt.scratch(0o777))
    same("only what is asked for is told", {e["syscall"] for e in seen(rec)}, {"connect", "sendto"})
    rec = tt.record("recorder", [PROBE, "acts"], cwd=tt.scratch(0o777))
    same("without the option nothing is", (seen(rec), rec.run["sources"].get("observer")), ([], None))


def with_the_library():
    """What both could tell is told once: by the library, which knows the result."""
    cwd = tt.scratch(0o777)
    shell = f"echo x >out; '{PROBE}' acts; cat out; rm out; '{PROBE}' then /bin/true 'last one'"
    rec = tt.record("recorder", ["sh", "-c", shell], options=[EVERYTHING], cwd=cwd)
    same("below a shell that loads the library: status and output", (rec.status, rec.stdout), (0, b"x\n"))
    same("... the static program's acts are told", words(rec)[:9], expected(cwd))
    own = {e["span_id"] for e in seen(rec)}
    none("... no span has both accounts", [e for e in rec.events if e.get("sensor") == "preload" and
                                           e["event_type"] == "syscall" and e["span_id"] in own])
    starts = {e["span_id"]: e for e in rec.events if e["event_type"] == "process" and e["syscall"] == "start"}
    none("... each hangs below an image that is known", [e for e in seen(rec) if e["span_id"] not in starts])
    last = [e for e in seen(rec) if e["syscall"] == "execve"]
    same("... its exec is told", [e["args"] for e in last], [["/bin/true", '["/bin/true", "last one"]']])
    none("... spans", tt.span_problems(rec.events))


def go():
    if not shutil.which("go"):
        tt.skip("a Go program", "no go here")
        return
    cwd = tt.scratch(0o777)
    with open(os.path.join(cwd, "main.go"), "w", encoding="utf-8") as f:
        f.write(GO)
    env = tt.clean_env(CGO_ENABLED="0", GOCACHE=os.path.join(cwd, "cache"), GOFLAGS="-mod=mod", GO111MODULE="off",
                       HOME=cwd, GOTOOLCHAIN="local")
    made = subprocess.run(["go", "build", "-o", "gone", "main.go"], cwd=cwd, env=env, capture_output=True, timeout=240)
    if made.returncode:
        tt.skip("a Go program", made.stderr.decode()[:200].replace("\n", " "))
        return
    rec = tt.record("recorder", [os.path.join(cwd, "gone")], options=[EVERYTHING], cwd=cwd)
    told = words(rec)
    check("a Go program: its connect is told", ("connect", "127.0.0.1:9") in [(w[0], w[3]) for w in told], told)
    check("... its file", any(w[0] == "openat" and w[2] == f"{cwd}/go-made" for w in told), told)
    check("... that it goes again", any(w[0] == "unlinkat" and w[2] == f"{cwd}/go-made" for w in told), told)
    check("... and what it executes", ("execve", ["/bin/true", '["/bin/true", "from go"]']) in
          [w[:2] for w in told], told)


def set_user_id():
    if os.geteuid() != 0:
        tt.skip("set-user-id programs", "only root can make them")
        return
    folder = tt.scratch(0o755)
    theirs = os.path.join(folder, "theirs")
    shutil.copy(PROBE, theirs)
    os.chown(theirs, 12345, 12345)
    os.chmod(theirs, 0o4755)
    plain = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", theirs, "euid"],
                           capture_output=True, check=False).stdout
    if plain != b"12345\n":
        tt.skip("set-user-id programs", "they do not work in this folder anyway")
        return
    cwd = tt.scratch(0o777)
    rec = as_user(NOBODY, cwd, ["sh", "-c", f"{theirs} euid"])
    same("without --observe a set-user-id program gets its rights", rec.stdout, b"12345\n")
    rec = as_user(NOBODY, cwd, ["sh", "-c", f"{theirs} euid"], ["--observe=exec"])
    same("with it, and without root, it does not: as documented", (rec.status, rec.stdout), (0, b"65534\n"))
    check("... run.json says why", "no_new_privs" in rec.run["sources"]["observer"], rec.run["sources"])
    rec = tt.record("recorder", ["sh", "-c", f"{theirs} euid"], options=["--observe=exec"])
    same("root needs no no_new_privs: there it goes on working", (rec.status, rec.stdout), (0, b"12345\n"))
    check("... run.json does not say otherwise", "no_new_privs" not in rec.run["sources"]["observer"])


def many():
    rec = tt.record("recorder", [PROBE, "connects", "10000"], options=["--observe=net"])
    same("10,000 connects: none fails", (rec.status, rec.stdout), (0, b"0\n"))
    lost = rec.run["coverage"]["lost"]
    same("... each is told or counted", len(seen(rec)) + lost, 10000)
    rec = tt.record("recorder", [PROBE, "execs", "1000"], options=["--observe=exec"])
    same("1,000 programs: none fails", (rec.status, rec.stdout), (0, b"0\n"))
    same("... each is told or counted", len(seen(rec)) + rec.run["coverage"]["lost"], 1000)
    none("... each has one end", [p for p in tt.span_problems(rec.events)])


def changed_text():
    """The observer decides nothing, and says that it does not know better than what it saw."""
    cwd = tt.scratch(0o777)
    rec = tt.record("recorder", [PROBE, "race", "2000"], options=["--observe=files"], cwd=cwd)
    same("a thread that changes the path: no call fails", rec.status, 0)
    removed = [int(n) for n in rec.stdout.split()]
    told = [e for e in seen(rec) if e["syscall"] == "unlinkat"]
    same("... each is told", (len(told), sum(removed)), (2000, 2000))
    none("... as one of the two, and marked", [e for e in told if e["path"] not in (f"{cwd}/a-file", f"{cwd}/b-file")
                                             or not e["args_as_seen"]])


def killed_recorder():
    for round_ in range(4):
        folder = tt.scratch(0o777)
        path = os.path.join(folder, "counts")
        p, _ = tt.start([PROBE, "on", "1200", path], ["--observe=net"])
        time.sleep(0.15 + 0.1 * round_)
        p.kill()
        p.wait()
        check("the recorder is killed: the command goes on", tt.wait_for(lambda: os.path.exists(path) and
                                                                         len(tt.read(path).split()) == 2))
        count, wrong = (tt.read(path).split() + [b"0", b"1"])[:2]
        same("... no call of it fails", (int(count) > 100, int(wrong)), (True, 0))


def left_alone():
    path = os.path.join(tt.scratch(0o777), "counts")
    rec = tt.record("recorder", ["sh", "-c", f"'{PROBE}' on 700 '{path}' >/dev/null 2>&1 & exit 3"],
                    options=["--observe=net", "--orphans=leave"])
    same("what outlives a recorder that leaves", rec.status, 3)
    check("... goes on", tt.wait_for(lambda: os.path.exists(path) and len(tt.read(path).split()) == 2))
    same("... and no call of it fails", tt.read(path).split()[1:], [b"0"])


def keepers():
    """Processes called so that are left."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if tt.read(f"/proc/{pid}/comm") == b"telltale-keeper\n" and tt.state_of(pid) != "Z":
                found.append(pid)
        except OSError:
            pass
    return found


def below_an_outer_listener():
    """One listener per tree: an inner run says what it uses instead, and works."""
    cwd, inner = tt.scratch(0o777), tt.scratch(0o777)
    rec = tt.record("recorder", [tt.TELLTALE, "run", "--no-kernel", EVERYTHING, "--output-dir", inner, "--", PROBE,
                                 "acts"], options=[EVERYTHING, "--no-preload"], cwd=cwd)
    run = json.loads(tt.read(tt.one(os.path.join(inner, "run_*.json"))))
    same("an inner run with --observe: the command's status", rec.status, 7)
    check("... names what it does without", "left out: watch system calls" in rec.stderr.decode() and
          "outer sandbox" in rec.stderr.decode(), rec.stderr)
    check("... and what it uses instead", run["sources"]["observer"].startswith(("the proc connector", "/proc,")),
          run["sources"]["observer"])
    same("... the outer run's observer sees the command all the same",
         [w for w in words(rec) if w[0] == "mkdirat"][-1:], [expected(cwd)[6]])


def under_a_profile():
    """One listener for both: refused calls stay refused, allowed ones are told."""
    cwd = tt.scratch(0o777)
    profile = os.path.join(tt.scratch(), "some.profile")
    with open(profile, "w", encoding="utf-8") as f:
        f.write("default allow\nno-new-privs yes\nroot keep\nnamespaces mount\ndeny EXDEV mkdirat\n")
    rec = tt.record("recorder", [PROBE, "acts"], options=["--profile", profile, EVERYTHING], cwd=cwd)
    same("under a profile: the command ends as it would", rec.status, 7)
    told = [w for w in words(rec)]
    same("... what is allowed is told", told, [w for w in expected(cwd) if w[0] != "mkdirat"])
    same("... what is refused is refused, and told as that",
         [(e["syscall"], e["error"], e["count"]) for e in rec.events if e["event_type"] == "denied"],
         [("mkdirat", "EXDEV", 1)])


def past_the_library():
    """In a program that loads the library: what it tells is told once, what goes past it is told all the same."""
    for name, options in (("", []), ("... under a profile with a PID namespace", ["--profile=RESOURCE-AWARE"])):
        if options and os.geteuid() != 0:
            continue
        cwd = tt.scratch(0o777)
        rec = tt.record("recorder", [tt.program("observe_raw"), "4"], options=[EVERYTHING, *options], cwd=cwd)
        told = seen(rec)
        same(name or "past the library: status", rec.status, 0)
        if options:
            # nobody may write there
            told = [e for e in told if e["syscall"] == "connect"]
        calls = {}
        for e in told:
            key = (e["syscall"], e["args"][1])
            calls[key] = calls.get(key, 0) + 1
        want = {("connect", "127.0.0.1:10"): 80, ("connect", "127.0.0.1:9"): 80}
        if not options:
            want[("unlinkat", "renamed")] = 1
        same("... every call past it, and no other", calls, want)
        same("... the library's own, once each", len(rec.calls("connect")) - 160, 800)
        spans = {e["span_id"] for e in rec.events if e.get("sensor") == "preload"}
        none("... in the image that made it", [e for e in told if e["span_id"] not in spans])


def ordinary_programs():
    """What real programs do, the library tells: no line twice."""
    cwd = tt.scratch(0o777)
    shell = ("for i in 1 2 3 4; do ls / | sort | cat >f$i; done; python3 -c 'import subprocess, tempfile; "
             "subprocess.run([\"true\"]); tempfile.NamedTemporaryFile().close()'; mkdir d && mv f1 d && rm -r d f2")
    for options in ([], ["--profile=RESOURCE-AWARE"]):
        rec = tt.record("recorder", ["sh", "-c", shell], options=[EVERYTHING, *options], cwd=cwd,
                        env=tt.clean_env(PATH="/usr/bin:/bin"))
        # libc asks nscd behind the library's back
        none(f"ordinary programs {options}: nothing is told twice",
             [e for e in seen(rec) if "nscd" not in str(e["args"])])


def beside_the_kernel_sensor():
    """What sees more makes it unnecessary: then no filter is installed, and run.json says so."""
    rec = tt.record("recorder", ["grep", "Seccomp:", "/proc/self/status"], options=[EVERYTHING], kernel=True)
    if "kernel" not in rec.run["coverage"]["sensors"]:
        tt.skip("beside the kernel sensor", rec.run["sources"].get("kernel", "none here"))
        return
    check("beside the kernel sensor it is not used", rec.run["sources"]["observer"].startswith("not used"),
          rec.run["sources"])
    plain = subprocess.run(["grep", "Seccomp:", "/proc/self/status"], capture_output=True, check=False)
    same("... and there is no filter", rec.stdout, plain.stdout)


each_act()
beside_the_kernel_sensor()
past_the_library()
ordinary_programs()
with_the_library()
go()
set_user_id()
many()
changed_text()
killed_recorder()
left_alone()
below_an_outer_listener()
under_a_profile()
check("no keeper is left", tt.wait_for(lambda: not keepers()), keepers())
tt.done()
