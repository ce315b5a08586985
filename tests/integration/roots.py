#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""After chroot(2) and the like "/" is another folder: no path is said to be what it is not."""
import os
import subprocess

import tt

CALLS = ("open", "openat", "rename", "symlink", "chdir", "chroot", "pivot_root", "setns")
NONE = (None, "unresolved")


def folder():
    path = tt.scratch(0o777)
    os.makedirs(path + "/jail/in")
    return path


def shown(e, base):
    def name(key):
        path = e.get(key)
        return None if path is None else path.replace(base, "@", 1)

    paths = (name("path"), e.get("path_basis"))
    return paths + (name("path2"),) if "path2" in e else paths


def run(mode, what):
    base = folder()
    # not as it lies in the jail, but as the first program of the run sees it
    rec = tt.record(mode, [tt.program("roots_probe"), what], cwd=base)
    calls = [e for e in rec.calls(*CALLS) if e["syscall"] != "open" or not e["args"][0].startswith("/proc/self")]
    name = f"{mode}: {what}"
    tt.same(f"{name}: it does what it should", (rec.status, rec.stderr), (0, b""))
    tt.none(f"{name}: every line is valid", rec.problems)
    return base, rec, {" ".join([e["syscall"]] + e["args"][:2]): shown(e, base) for e in calls}


def expect(name, got, want):
    tt.none(name, [f"{call}: got {got.get(call)}, want {paths}" for call, paths in want.items()
                   if got.get(call) != paths])


def at(path):
    return ("@/" + path if path else "@", "tracked")


def check_recorder(mode):
    base, rec, got = run(mode, "chroot")
    flags = " O_WRONLY|O_CREAT"
    expect(f"{mode}: names in a chroot are said from the run's own root", got, {
        "chroot jail": at("jail"),
        "open /one" + flags: at("jail/one"),
        "open jail/two" + flags: at("jail/two"),
        "chdir /": at("jail"),
        "open three" + flags: at("jail/three"),
        "open ../../four" + flags: at("jail/four"),
        "open /../in/five" + flags: at("jail/in/five"),
        "open in/../six" + flags: at("jail/in/../six"),
        "open in/../../seven" + flags: NONE,
        "rename /one in/one": at("jail/one") + ("@/jail/in/one",),
        "symlink /in /eight": at("jail/eight"),
        "open /proc/none O_RDONLY": at("jail/proc/none"),
        "open /nine" + flags: at("jail/nine"),
        "chdir in": at("jail/in"),
        "chroot .": at("jail/in"),
        "open /ten" + flags: at("jail/in/ten"),
        "open eleven" + flags: at("jail/in/eleven"),
    })
    tt.none(f"{mode}: and no number is missing", tt.span_problems(rec.events))
    document = tt.one(os.path.join(os.path.dirname(rec.path), "run_*.json"))
    for words, wanted in (["show", document], "Identity, mounts, other processes, loaded code\n  chroot jail\n  chroot .\n"), \
            (["events", "--kind", "priv", document], 'chroot("jail") = 0'):
        text = subprocess.run([tt.TELLTALE, *words], capture_output=True, timeout=tt.SECONDS).stdout.decode()
        tt.check(f"{mode}: telltale {words[0]} tells of it", wanted in text, text)
    # by the number of its fd it may be known where it lies
    dirs = [shown(e, base) for e in rec.calls("openat")]
    tt.check(f"{mode}: a folder opened before is not said from the wrong root", dirs in ([NONE], [at("jail/in/five")]),
             dirs)
    base, _, got = run(mode, "lost")
    expect(f"{mode}: where nobody knows the root there is no path", got, {
        "chdir jail": at("jail"),
        "chroot in": at("jail/in"),
        "chdir .": at("jail"),
        "open one" + flags: NONE,
        "chroot .": NONE,
        "open /two" + flags: NONE,
        "chdir /": NONE,
        "open three" + flags: NONE,
    })
    for f in ("one", "two", "three"):
        tt.check(f"{mode}: (the file '{f}' is in the jail)", os.path.exists(f"{base}/jail/{f}"))


def check_direct(mode):
    flags = " O_WRONLY|O_CREAT"
    _, _, got = run(mode, "chroot")
    expect(f"{mode}: the folder itself is said from the run's own root", got,
           {"chroot jail": (got["chroot jail"][0], None)})
    tt.same(f"{mode}: and is the right one", got["chroot jail"][0], "@/jail")
    after = {call: paths for call, paths in got.items() if call not in ("chroot jail", "open jail/in O_RDONLY|O_DIRECTORY")}
    tt.check(f"{mode}: names in a chroot are left unresolved", len(after) >= 15 and
             all(paths[:2] == NONE for paths in after.values()), [f"{c}: {p}" for c, p in after.items()])
    tt.check(f"{mode}: those of its children, too", f"open /nine{flags}" in after)


def main():
    modes = tt.modes()
    native = subprocess.run([tt.program("roots_probe"), "exec"], cwd=folder(), capture_output=True, timeout=tt.SECONDS)
    if native.returncode == 77:
        tt.skip_all("not allowed to change roots: " + native.stderr.decode().strip())
    for mode in modes:
        (check_recorder if mode == "recorder" else check_direct)(mode)
        tracked = mode == "recorder"
        _, _, got = run(mode, "pivot")
        expect(f"{mode}: pivot_root", got, {
            "pivot_root . old": ("@/jail", "tracked" if tracked else None, "@/jail/old"),
            "open /one O_WRONLY|O_CREAT": at("jail/one") if tracked else NONE,
            "open two O_WRONLY|O_CREAT": at("jail/two") if tracked else NONE,
        })
        _, _, got = run(mode, "setns")
        expect(f"{mode}: a mount namespace has a root of its own", got, {
            "open /roots-probe O_RDONLY": NONE,
            "open roots-probe O_RDONLY": NONE,
            "chdir /tmp": NONE,
        })
        base, rec, got = run(mode, "exec")
        expect(f"{mode}: an executed program keeps the root", got, {
            "open /roots-probe O_RDONLY": at("jail/roots-probe") if tracked else NONE,
            "open roots-probe O_RDONLY": at("jail/tmp/roots-probe") if tracked else NONE,
        })
        dirs = [shown(e, base) for e in rec.calls("openat")]
        tt.check(f"{mode}: what /proc says of a folder is not taken for more than it is",
                 dirs in ([NONE], [at("jail/tmp/roots-probe")]), dirs)
        start = [e for e in rec.events if e["syscall"] == "start" and e.get("argv", [])[1:] == ["file"]]
        tt.same(f"{mode}: its start says so", [(e.get("path_basis"), e.get("cwd")) for e in start],
                [("tracked", base + "/jail/tmp") if tracked else ("unresolved", "/tmp")])
    tt.done()


main()
