#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Commands that want another record than the true one: what they did is there, and what they made up is found out."""
import collections
import os
import shutil
import subprocess

import kernel_run
import tt

PROBE = tt.program("kernel_attack")
USER = 1000


def attack(act, program=PROBE, **more):
    folder = tt.scratch(0o777)
    rec = kernel_run.record([program, act, folder], cwd=folder, **more)
    if rec.status == 77:
        tt.skip(act, f"cannot be tried here: {rec.stderr.decode(errors='replace').strip()}")
        return None, folder, []
    tt.same(f"{act}: the program runs", (rec.status, rec.stderr), (0, b""))
    tt.none(f"{act}: every line is valid", rec.problems)
    return rec, folder, kernel_run.said(rec)


def seen(rec, path, kind="open"):
    """The lines of an act that succeeded, as the kernel has it: its own lines, and what it confirms."""
    return [e for e in rec.calls() if e.get("path") == path and kernel_run.kind_of(e) == kind and
            (e["result"] or 0) >= 0 and (e["sensor"] == "kernel" or e.get("confirmed_by") == "kernel")]


def done(name, rec, acts):
    """What was really done is in the trace, as the kernel has it."""
    missing = [a for a in acts if a["act"] in ("open", "unlink", "change", "deny", "hide") and a["result"] >= 0 and
               not seen(rec, a["path"], "unlink" if a["act"] == "unlink" else "open")]
    tt.none(f"{name}: what it did is told by the kernel", missing)


def named(rec, paths):
    """The paths that findings of evasion name, and what they name besides."""
    texts = [text for f in kernel_run.findings(rec, "evasion") for text in f["events"]]
    return ({p for p in paths if any(p in t for t in texts)}, [t for t in texts if not any(p in t for p in paths)])


def direct():
    rec, _, acts = attack("direct")
    if not rec:
        return
    done("direct", rec, acts)
    tt.same("direct: system calls past libc are no evasion, but they are found",
            (kernel_run.findings(rec, "evasion"), len(kernel_run.findings(rec, "direct_calls"))), ([], 1))
    end = kernel_run.images(rec, os.path.realpath(PROBE))
    tt.same("direct: the span says so", [(e["coverage"], e.get("cause"), e["lines_kernel"] >= 20) for e in end],
            [("kernel-only", "direct", True)])
    kernel_run.sound("direct", rec)


def unset():
    rec, _, acts = attack("unset")
    if not rec:
        return
    done("unset", rec, acts)
    end = {e.get("coverage"): e.get("cause") for e in kernel_run.images(rec, os.path.realpath(PROBE))}
    tt.same("unset: the image without the library is named, with the reason", end.get("kernel-only"), "environment")
    tt.same("unset: no evasion", kernel_run.findings(rec, "evasion"), [])
    kernel_run.sound("unset", rec)


def uring():
    rec, folder, acts = attack("uring")
    if not rec:
        return
    lines = [e for e in rec.calls() if e["sensor"] == "kernel"]
    tt.check("uring: the file that was made is named", [e for e in lines if e.get("path") == folder + "/by-uring" and
                                                       kernel_run.kind_of(e) == "open"], lines)
    tt.check("uring: its removal, too", [e for e in lines if e.get("path") == folder + "/by-uring" and
                                         kernel_run.kind_of(e) == "unlink"], lines)
    tt.check("uring: and the connection", [e for e in lines if e.get("addr") == "127.0.0.1:9"], lines)
    tt.same("uring: no evasion", kernel_run.findings(rec, "evasion"), [])
    tt.check("uring: the program said so, too", len(acts) == 3, acts)


def forged(act, kinds):
    """Records that do not tell what was done: each is found, and the finding names lines of the trace."""
    rec, _, acts = attack(act)
    if not rec:
        return
    name = act
    done(name, rec, acts)
    lies = [a["path"] for a in acts if a["act"] in kinds]
    tt.check(f"{name}: the attack itself worked", len(lies) * 2 > len(acts) - 2 and lies, acts)
    found = kernel_run.findings(rec, "evasion")
    tt.check(f"{name}: it is an evasion", found, rec.run["coverage"])
    tt.same(f"{name}: of that process", {f["pid"] for f in found}, {a["pid"] for a in acts})
    tt.check(f"{name}: which counts them", sum(f["count"] for f in found) >= (len(lies) * 3 + 3) // 4, found)
    right, wrong = named(rec, lies + [p.replace("secret", "public") for p in lies])
    tt.check(f"{name}: and names events", right, found)
    tt.none(f"{name}: none of them an honest one", wrong)
    honest = [e for e in rec.calls() if e.get("path", "").endswith("/plain") and e.get("confirmed_by") != "kernel"]
    tt.none(f"{name}: what was told as it was is confirmed", honest)
    end = kernel_run.images(rec, os.path.realpath(PROBE))
    tt.same(f"{name}: nobody else is suspected", len(end), 1)


def cover():
    """Records that could be of any act: none of them stands in for what the kernel saw."""
    rec, _, acts = attack("cover")
    if not rec:
        return
    lines = [e for e in rec.calls() if e["sensor"] == "kernel"]
    for i, a in enumerate(a for a in acts if a["act"] in ("cover", "unlink") and "covered-" in a["path"]):
        kind = "unlink" if a["act"] == "unlink" else "open"
        tt.check(f"cover: {kind} {i} succeeded, and the kernel's line tells of it", a["result"] >= 0 and
                 [e for e in lines if e.get("path") == a["path"] and kernel_run.kind_of(e) == kind], (a, lines))
    shams = [e for e in rec.calls() if e["syscall"] in ("shm_open", "tmpfile", "shm_unlink") and e.get("confirmed_by")]
    tt.none("cover: what was made up is not confirmed", shams)


def foreign():
    """A call of another ABI is in neither account: nothing is said to be full."""
    rec, _, acts = attack("foreign")
    if not rec:
        return
    tt.same("foreign: the call was made", [a["result"] for a in acts if a["act"] == "foreign"], [0])
    tt.same("foreign: it is found", [f["pid"] for f in kernel_run.findings(rec, "foreign_abi")], [acts[0]["pid"]])
    end = kernel_run.images(rec, os.path.realpath(PROBE))
    tt.same("foreign: its image is not full", [(e["coverage"], e.get("cause")) for e in end], [("none", "foreign_abi")])
    tt.same("foreign: no evasion", kernel_run.findings(rec, "evasion"), [])


def namespaces():
    """Who makes a process in namespaces of its own does more than fork."""
    rec, _, acts = attack("namespaces")
    if not rec:
        return
    for a in acts:
        if a["act"] == "clone":
            want = a["result"] if a["result"] >= 0 else -1
            tt.check(f"namespaces: {a['path']} is told", [e for e in rec.calls() if e["syscall"] == "clone" and
                                                         a["path"] in e["args"][0] and e["result"] == want], rec.calls())
    tt.same("namespaces: no evasion", kernel_run.findings(rec, "evasion"), [])


def signals():
    """Each call that signals another process."""
    rec, _, acts = attack("signals")
    if not rec:
        return
    lines = [(e["syscall"], e["args"][-1], e["result"]) for e in rec.calls() if e["sensor"] == "kernel"]
    tt.none("signals: each is told", [a for a in acts if (a["act"], a["path"], a["result"]) not in lines])
    tt.same("signals: all succeeded", [a["result"] for a in acts], [0, 0, 0])


def hidden():
    """Records that vanish: the kernel's lines stand in for them, and nothing is called confirmed."""
    rec, _, acts = attack("hide")
    if not rec:
        return
    done("hide", rec, acts)
    lost = [a for a in acts if a["act"] == "hide"]
    tt.check("hide: the attack itself worked", len(lost) > 10, acts)
    by_kernel = [a for a in lost if [e for e in seen(rec, a["path"]) if e["sensor"] == "kernel"]]
    tt.check("hide: those that the library does not tell of the kernel does", len(by_kernel) > 10, len(by_kernel))
    tt.check("hide: it is found", kernel_run.findings(rec), rec.run["coverage"])


def garbage():
    rec, _, acts = attack("garbage")
    if not rec:
        return
    done("garbage", rec, acts)
    found = kernel_run.findings(rec, "evasion")
    tt.check("garbage: it is an evasion", found, rec.run["coverage"])
    right, _ = named(rec, [a["path"] for a in acts])
    tt.check("garbage: which names events", right, found)


def race():
    """Which file it was is told by the file, not by the text: of the program with the library, and of one without."""
    folder = tt.scratch()
    static = os.path.join(folder, "static")
    source = os.path.dirname(os.path.abspath(__file__))
    made = shutil.which("cc") and subprocess.run(
        ["cc", "-std=gnu17", "-pthread", "-D_GNU_SOURCE", "-O2", "-w", "-static", "-I", source + "/../../src", "-o", static,
         source + "/kernel_attack.c", source + "/../../src/ring/producer.c"], capture_output=True, check=False).returncode == 0
    for name, program in (("with the library", PROBE), ("static", static if made else None)):
        if not program:
            tt.skip(f"race, {name}", "cannot be built here")
            continue
        rec, _, acts = attack("race", program)
        if not rec:
            continue
        want = [a["path"] for a in acts if a["act"] == "flip"]
        tt.check(f"race, {name}: both names were opened", len(set(want)) == 2, set(want))
        kernel = [e for e in sorted(rec.calls(), key=lambda e: (e["ts"], e["seq"])) if kernel_run.kind_of(e) == "open" and
                  "/flip-" in e.get("path", "") and "O_RDWR" in e["args"][-1] + e["args"][-2]]
        told = [e.get("path") for e in kernel if e["sensor"] == "kernel" or e.get("confirmed_by") == "kernel"]
        if name == "static":
            tt.same(f"race, {name}: each open is told", len(told), len(want))
            tt.none(f"race, {name}: as the file that it was", [(i, w, t) for i, (w, t) in enumerate(zip(want, told)) if w != t])
        else:
            # what the library read may differ from what the kernel read: then it is not confirmed
            count = collections.Counter(told)
            wrong = [p for p in count if count[p] > collections.Counter(want)[p]]
            tt.none(f"race, {name}: no name is confirmed more often than it was opened", wrong)


def setuid():
    """ld.so leaves the library out of it: the kernel tells of it, and why it is alone."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        tt.skip("set-user-id", "needs root and setpriv")
        return
    folder = tt.scratch(0o777)
    program = shutil.copy(PROBE, os.path.join(folder, "raised"))
    os.chmod(program, 0o4755)
    rec = kernel_run.record(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", program, "open", folder])
    tt.same("set-user-id: the program runs", (rec.status, rec.stderr), (0, b""))
    done("set-user-id", rec, kernel_run.said(rec))
    end = kernel_run.images(rec, program)
    tt.same("set-user-id: kernel alone, and why", [(e.get("coverage"), e.get("cause")) for e in end],
            [("kernel-only", "secure")])
    tt.same("set-user-id: no evasion", kernel_run.findings(rec, "evasion"), [])
    kernel_run.sound("set-user-id", rec)


def main():
    kernel_run.need_sensor()
    direct()
    unset()
    uring()
    for act, kinds in (("claim", {"claim"}), ("claim-connect", {"claim"}), ("change", {"change"}), ("deny", {"deny"}),
                       ("readdress", {"readdress"})):
        forged(act, kinds)
    cover()
    foreign()
    namespaces()
    signals()
    hidden()
    garbage()
    race()
    setuid()
    tt.done()


main()
