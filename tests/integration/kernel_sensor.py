#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The kernel sensor by itself: nothing invented, nothing lost uncounted, nothing left attached."""
import collections
import errno
import json
import os
import struct
import subprocess
import threading
import time

import tt

DRIVER = tt.program("kernel_driver")
PROBE = tt.program("kernel_probe")


def facts(command, options=(), check_status=True, prefix=(), **popen):
    """What the driver printed about a command: its facts, then the sums."""
    read, write = os.pipe()
    folder = popen.pop("cwd", None)
    # in which the dynamic linker looks for libc at more places than a small ring has room for
    env = {k: v for k, v in tt.clean_env().items() if k != "LD_LIBRARY_PATH"}
    p = subprocess.Popen([*prefix, DRIVER, "-o", str(write), *options, *command], pass_fds=[write],
                         env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, cwd=folder, **popen)
    os.close(write)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(os.fdopen(read, "rb").read().splitlines()))
    reader.start()
    try:
        out, err = p.communicate(timeout=120)
    finally:
        if p.poll() is None:
            p.kill()
    reader.join(20)
    got = [json.loads(line) for line in lines]
    if check_status:
        tt.check(f"the driver sees {os.path.basename(command[0])} {' '.join(command[1:3])}",
                 p.returncode == 0 and got and got[-1]["kind"] == "sums", (p.returncode, err[-500:], got[-1:]))
    return got[:-1], got[-1], out


def calls(got, name):
    return [f for f in got if f["kind"] == "call" and f["call"] == name]


def lives():
    got, sums, _ = facts(["sh", "-c", "(exit 3); sh -c 'kill -9 $$'; true"])
    by_kind = collections.Counter(f["kind"] for f in got)
    tt.same("births, programs, deaths", (by_kind["fork"], by_kind["exec"], by_kind["exit"], sums["lost"]), (2, 2, 3, 0))
    tt.same("how each ended", sorted(f["status"] for f in got if f["kind"] == "exit"), [0, 9, 3 << 8])
    starts = {(f["pid"], f["start"]) for f in got}
    tt.same("a process keeps its identity", len(starts), 3)
    tt.check("time goes forward", [f["ts"] for f in got] == sorted(f["ts"] for f in got))
    images = collections.defaultdict(list)
    for f in got:
        images[f["pid"]].append(f["image"])
    tt.check("an image is told from the one before", all(v == sorted(v) for v in images.values()) and
             any(len(set(v)) > 1 for v in images.values()), dict(images))


def paths():
    folder = tt.scratch()
    os.symlink("/etc/hostname", os.path.join(folder, "link"))
    got, _, _ = facts([PROBE, "paths", folder], cwd="/usr")
    opened = calls(got, "openat")
    by_text = {f.get("arg1", ""): f for f in opened}
    tt.same("a link leads where the kernel went", by_text[folder + "/link"].get("file"), os.path.realpath("/etc/hostname"))
    tt.same("... the file by its number", by_text[folder + "/link"]["ino"], os.stat("/etc/hostname").st_ino)
    tt.same("a relative path from the cwd", by_text["bin/../../etc/passwd"].get("file"), "/etc/passwd")
    tt.same("from a folder that is open", (by_text["hostname"].get("file"), by_text["hostname"]["args"][0] >= 0), ("/etc/hostname", True))
    tt.same("one that is not there: the folder it starts from", (by_text["nothing-here"].get("base"), by_text["nothing-here"]["error"]),
            ("/usr", 2))
    tt.same("across a mount", by_text["self/stat"].get("file", "").endswith("/stat") and by_text["self/stat"]["file"].startswith("/proc/"), True)
    deep = [f for f in opened if len(f.get("arg1", "")) > 3000]
    tt.same("a path of 4095 bytes is whole, of a longer one as much is kept", [(len(f["arg1"]), f["error"]) for f in deep],
            [(4095, errno.ENOENT), (4095, errno.ENAMETOOLONG)])
    tt.check("plain paths are taken as they are", "file" not in by_text["/etc/passwd"] and by_text["/etc/passwd"]["own"])


def acts():
    """What other calls than open start from and lead to."""
    folder = tt.scratch()
    sub = os.path.join(folder, "sub")
    os.mkdir(sub)
    for name in ("samename-file", "from"):
        open(os.path.join(sub, name), "w", encoding="utf-8").close()
    got, _, _ = facts([PROBE, "acts", folder])

    def only(name, **more):
        found = [f for f in calls(got, name) if all(f.get(k) == v for k, v in more.items())]
        return found[0] if len(found) == 1 else {"args": [], "found": found}
    tt.same("a name of the same length and the same beginning is another", only("openat", arg1=sub + "/samename-link").get("file"),
            sub + "/samename-file")
    f = only("renameat", arg1="from")
    tt.same("two folders: an fd's and the cwd", (f.get("arg0"), f.get("base"), f.get("base2"), f.get("arg3")), (sub, sub, folder, "to"))
    f = only("linkat", arg3="again")
    tt.same("... the cwd and an fd's", (f.get("arg1"), f.get("base"), f.get("arg2"), f.get("base2")), ("to", folder, sub, sub))
    f = only("symlinkat", arg2="new")
    tt.same("what a link says is no path, where it lies is", (f.get("arg0"), f.get("arg1"), f.get("base")), ("anywhere", sub, sub))
    tt.same("a length past 32 bits", only("truncate", arg0="to")["args"][1:], [1 << 33])
    tt.same("times as they were passed", only("utimensat", arg1="again").get("arg2"), struct.pack("=4q", 7, 0, 8, 0).decode())
    tt.same("an fd leads to its file, while it has a name", [f.get("file") for f in calls(got, "fchmod")], [folder + "/to", None, None])
    f = only("mount")
    tt.same("three texts", (f.get("arg0"), f.get("arg1"), f.get("arg2"), f.get("base")), ("source", "sub/no-such-folder", "no-such-type", folder))
    f = [f for f in calls(got, "openat") if f.get("arg1", "").startswith("/proc/self/fd/")]
    tt.same("memory has a number and no path", [("file" in f, f["ino"] > 0) for f in f], [(False, True)])


def code():
    """Whose code made a call is asked again where other code has taken its place."""
    folder = tt.scratch()
    got, _, _ = facts([PROBE, "code", folder])
    ino = os.stat(folder + "/code").st_ino
    first, second, libc = [(f["origin"], f["origin_ino"]) for f in calls(got, "chdir")]
    tt.same("from a file, from none, from libc", (first, second, libc[0], libc[1] not in (0, ino)), ((1, ino), (2, 0), 1, True))


def sums_of_threads():
    """Threads that are there when their process ends are in its figures."""
    seen = []
    for _ in range(5):
        got, _, _ = facts([PROBE, "threads", "30"], check_status=False)
        seen += [f["writes"] for f in got if f["kind"] == "exit"]
    tt.same("what each of 30 threads wrote is in the process's figures", seen, [3000] * 5)


def flips():
    """While a thread changes the text, the file that was opened is told."""
    folder = tt.scratch()
    for name in ("good", "evil"):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(name)
    got, _, out = facts([PROBE, "flip", folder, "500"])
    good, evil = map(int, out.split())
    seen = collections.Counter(os.path.basename(f.get("file", "?")) for f in calls(got, "openat")
                               if f["result"] >= 0 and f.get("arg1", "").startswith(folder + "/"))
    tt.check("the text changes between opens", good > 20 and evil > 20, out)
    tt.same("of each open the file is known that it led to", (seen["good"], seen["evil"]), (good, evil))
    wrong = [f for f in calls(got, "openat") if f.get("file", "").startswith(folder) and f["file"] != f["arg1"]]
    print(f"# {len(wrong)} of {good + evil} had another text when the call returned")


def losses():
    """Made = told + lost, whatever has no room."""
    got, sums, _ = facts([PROBE, "opens", "20000"], ["-r", "16384", "-s"])
    told = [f for f in calls(got, "openat") if f.get("arg1", "") == "/etc/hostname"]
    everything = [f for f in got if f["kind"] == "call"]
    made = sums["counts"]["257"][0]
    others = sum(v[0] for k, v in sums["counts"].items() if k in TOLD and k != "257")
    tt.check("a small ring loses most", 0 < len(told) < 20000 and sums["lost"] > 0, (len(told), sums["lost"]))
    tt.same("... each of them is counted", len(everything) + sums["lost"], made + others)
    last = [f for f in got if f["kind"] == "exit"][-1]
    tt.same("... and the process's own count says the same", last["lost"], sums["lost"])
    _, sums, _ = facts([PROBE, "opens", "20000"], ["-q"])
    tt.same("with the ordinary ring none is", (sums["lost"], sums["counts"]["257"][0] >= 20000), (0, True))


# numbers with a row besides openat that the probe may call on x86_64: none of the loader's others is told
TOLD = {"2", "41", "42", "80", "82", "83", "84", "85", "86", "87", "88", "90"}


def apart():
    """Two sensors at once, and a process that belongs to neither."""
    folder = tt.scratch()
    names = [os.path.join(folder, n) for n in ("one", "two", "nobody")]
    results = {}

    def run(name):
        results[name] = facts(["sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9; do : > {name}; sleep 0.02; done"], check_status=False)[0]
    threads = [threading.Thread(target=run, args=(n,)) for n in names[:2]]
    for t in threads:
        t.start()
    for _ in range(20):
        with open(names[2], "w", encoding="utf-8"):
            time.sleep(0.01)
    for t in threads:
        t.join(60)
    for mine in names[:2]:
        made = [f["arg1"] for f in calls(results[mine], "openat") if f.get("arg1", "").startswith(folder)]
        tt.same(f"only its own: {os.path.basename(mine)}", made, [mine] * 9)


def attached():
    def ids():
        out = subprocess.run(["/usr/sbin/bpftool", "-j", "link", "list"], capture_output=True, check=False).stdout
        return len(json.loads(out or b"[]"))
    if not os.path.exists("/usr/sbin/bpftool"):
        tt.skip("nothing stays attached", "no bpftool")
        return
    before = ids()
    facts(["true"])
    end = time.monotonic() + 10
    while ids() > before and time.monotonic() < end:
        time.sleep(0.05)
    tt.check("nothing stays attached", ids() <= before, (ids(), before))


def namespaces():
    """Numbers are those of whoever looks: in a namespace of its own, and from outside it."""
    if subprocess.run(["unshare", "-pf", "true"], capture_output=True, check=False).returncode:
        tt.skip("namespaces of processes", "none can be made here")
        return
    got, _, _ = facts(["unshare", "-pf", "--mount-proc", "sh", "-c", "sh -c true; :"])
    inner = {f["ns_pid"]: f["pid"] for f in got if f["kind"] == "exec" and f["pid"] != f["ns_pid"]}
    tt.check("seen from outside", set(inner) >= {1} and all(v > 100 for v in inner.values()), inner)
    got, _, out = facts(["sh", "-c", "echo $$; sh -c true; :"], prefix=["unshare", "-pf", "--mount-proc"])
    pids = {f["pid"] for f in got}
    tt.check("a sensor inside counts as its own namespace does", int(out) in pids and max(pids) < 100, (out, pids))


def unprivileged():
    if os.geteuid() != 0:
        return
    done = subprocess.run([*tt.DROP, DRIVER, "true"], capture_output=True, check=False, cwd="/")
    why = json.loads(done.stderr or b"{}").get("why", "") if done.returncode == 77 else ""
    if done.returncode == 126 or b"ermission denied" in done.stderr and not why:
        tt.skip("an ordinary user", "the build lies where others cannot reach it")
    else:
        tt.check("an ordinary user is told what is missing", "needs root" in why, (done.returncode, done.stderr))


first, last, _ = facts(["true"], check_status=False)
if last["kind"] != "sums":
    tt.skip_all(last.get("why", "the kernel sensor cannot be had here"))
lives()
paths()
acts()
code()
sums_of_threads()
flips()
losses()
apart()
attached()
namespaces()
unprivileged()
tt.done()
