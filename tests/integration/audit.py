#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The flavour for LD_AUDIT: sees what evades symbol interposition, and is noticed no more than the other.

oracle.py and env.py run under it, too.
"""

import os
import re
import shutil
import subprocess

import tt

PROBE, LIBRARY, MODULE = tt.program("audit_probe"), tt.program("audit_lib.so"), tt.program("audit_module.so")
ENV = {"PATH": "/usr/bin:/bin", "HOME": "/"}
BOTH = ["child", "constant", "constructor", "data", "dlsym", "thread"]


def seen(rec):
    """The places of the probe that were recorded, with their errors."""
    found = [(e["args"][0].removeprefix("/no/such/"), e.get("error")) for e in rec.calls("open")]
    return sorted(f for f in found if not f[0].startswith("/"))


def exits(events, exe):
    spans = {e["span_id"] for e in events if e.get("exe") == exe}
    return [e["exit_code"] for e in events if e["event_type"] == "process" and e["syscall"] == "exit"
            and e["span_id"] in spans]


def check_probe():
    native = tt.record("native", [PROBE, LIBRARY], env=ENV)
    tt.same("native: it gets ENOENT, but where errno is another", len(re.findall(rb" 2$", native.stdout, re.M)), 7)
    for mode in tt.modes(audit=True):
        rec = tt.record(mode, [PROBE, LIBRARY], env=ENV)
        audit = mode.startswith("audit")
        tt.same(f"{mode}: as without", (rec.status, rec.stdout, rec.stderr), (6, native.stdout, native.stderr))
        tt.none(f"{mode}: lines are valid", rec.problems)
        tt.none(f"{mode}: spans are whole", tt.span_problems(rec.events))
        want = sorted((name, "ENOENT") for name in BOTH + (["deepbind"] if audit else []))
        tt.same(f"{mode}: a library with RTLD_DEEPBIND is {'seen' if audit else 'not seen'}", seen(rec), want)
        tt.same(f"{mode}: its end", exits(rec.events, PROBE), [6])
        tt.check(f"{mode}: the shell of system() is followed",
                 [e for e in rec.events if (e.get("exe") or "").endswith("sh") and e["sensor"] == "preload"])


def check_bindings(folder):
    """However a program is linked, each of its calls is recorded once."""
    source = os.path.join(folder, "b.c")
    with open(source, "w", encoding="utf-8") as f:
        f.write('#include <fcntl.h>\n#include <stdio.h>\nint main(void) { open("/no/such/file", O_RDONLY); '
                'return fopen("/no/such/stream", "r") != 0; }\n')
    for name, flags in {"lazy": ["-Wl,-z,lazy"], "now": ["-Wl,-z,now"], "no PLT": ["-fno-plt"],
                        "not PIE": ["-no-pie"], "DT_HASH": ["-Wl,--hash-style=sysv"]}.items():
        out = os.path.join(folder, re.sub(r"\W", "_", name))
        subprocess.run(["gcc", "-w", *flags, "-o", out, source], check=True)
        rec = tt.record("audit", [out], env=ENV)
        tt.same(f"bound {name}", [(e["syscall"], e.get("error")) for e in rec.calls()],
                [("open", "ENOENT"), ("fopen", "ENOENT")])


def check_others():
    """What else stands between a program and libc stays there."""
    native = tt.record("native", ["env", "LD_AUDIT=" + MODULE, "/bin/echo", "hi"], env=ENV)
    rec = tt.record("audit", ["env", "LD_AUDIT=" + MODULE, "/bin/echo", "hi"], env=ENV)
    tt.same("a module of the user's own", (rec.status, rec.stdout, rec.stderr),
            (native.status, native.stdout, native.stderr))
    tt.check("... and ours", [e for e in rec.events if e.get("argv", [""])[0] == "/bin/echo" and
                              e["sensor"] == "preload"], rec.raw[:2000])
    if shutil.which("fakeroot"):
        command = ["fakeroot", "sh", "-c", "touch f; chown 1:1 f; stat -c %u f; rm f; id -u"]
        native = tt.record("native", command, env=ENV, cwd=tt.scratch())
        rec = tt.record("audit", command, env=ENV, cwd=tt.scratch())
        tt.same("fakeroot", (rec.status, rec.stdout), (native.status, native.stdout))
    else:
        tt.skip("fakeroot", "it is not installed")
    if shutil.which("musl-gcc") and os.path.exists(os.path.join(tt.BUILD, "libtelltale-musl.so")):
        check_musl(tt.scratch())
    else:
        tt.skip("a musl program in between", "no musl-gcc")


def check_musl(folder):
    source, out = os.path.join(folder, "m.c"), os.path.join(folder, "m")
    with open(source, "w", encoding="utf-8") as f:
        f.write('#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\nextern char **environ;\n'
                'int main(void) { for (char **e = environ; *e; e++) puts(*e); fflush(stdout); '
                'return execl("/bin/cat", "cat", "/etc/hostname", (char *)0); }\n')
    subprocess.run(["musl-gcc", "-w", "-o", out, source], check=True)
    command = ["env", "-i", "A=1", out]
    native = tt.record("native", command, env=ENV)
    rec = tt.record("audit", command, env=ENV)
    tt.same("a musl program in between: as without", (rec.status, rec.stdout, rec.stderr),
            (native.status, native.stdout, native.stderr))
    tt.same("... and all are recorded", [os.path.basename(e["exe"]) for e in rec.events
                                         if e.get("exe") and e["sensor"] == "preload"], ["env", "m", "cat"])
    tt.check("... what comes after it, too", [e for e in rec.calls("open", "openat") if "/etc/hostname" in e["args"]])


def main():
    tt.modes()
    check_probe()
    check_bindings(tt.scratch())
    check_others()
    rec = tt.record("audit", ["python3", "-c", "import threading, os\n"
                              "def f():\n for i in range(50): os.path.exists('/'); open('/etc/passwd').close()\n"
                              "for n in range(10):\n"
                              " ts = [threading.Thread(target=f) for i in range(64)]\n"
                              " [t.start() for t in ts]; [t.join() for t in ts]\n"], env=ENV)
    got = [e for e in rec.calls("open", "open64", "openat") if "/etc/passwd" in e["args"]]
    tt.same("640 threads, 64 at a time: status, events and gaps", (rec.status, len(got) + (rec.gaps() or 0)), (0, 32000))
    tt.none("640 threads: spans are whole", tt.span_problems(rec.events) if not rec.gaps() else [])
    tt.done()


main()
