#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""agent_sensors.py [BIRTHS]: each sensor of the agent by itself, in a cell made for it: what happens there is told once,
rightly, and to the end; what could not be told is counted; what happens elsewhere is nobody's business."""
import collections
import json
import os
import re
import subprocess
import sys
import threading

import tt
from tt import check, same

SOURCE = os.environ.get("TELLTALE_SOURCE", "")
DRIVER, PROBE = tt.program("agent_sensors"), tt.program("agent_probe")
BIRTHS = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
SECONDS = 100
SPAWNED, EXITED, DENIED = "process.spawned", "process.exited", "capability.denied"
CONNECT, INOTIFY, GATE = "net.connect_attempted", "fs.inotify_fired", "gate.denied"
CAP_CHOWN, CAP_SYS_ADMIN = 0, 21
IN_ACCESS, IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_DELETE = 1, 2, 0x80, 0x100, 0x200
FIRST = 3  # the command's number in the cell: init is 1, the agent 2


def cell(sensor, *command, options=()):
    """What one sensor told of a command: frames and sums; (None, why) where it cannot be had."""
    read, write = os.pipe()
    p = subprocess.Popen([DRIVER, *options, str(write), sensor, *command], pass_fds=[write], env=tt.clean_env(),
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.close(write)
    raw = []
    reader = threading.Thread(target=lambda: raw.extend(os.fdopen(read, "rb").read().splitlines()))
    reader.start()
    try:
        _, err = p.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        err = b"its time was over"
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
    reader.join(20)
    lines = [json.loads(line) for line in raw]
    if lines and "failed" in lines[-1]:
        return None, lines[-1]
    if not lines or "sums" not in lines[-1]:
        check(f"{sensor}: {' '.join(command)[-60:]}", False, [p.returncode, err, *raw[-3:]])
        return [], collections.defaultdict(int)
    return lines[:-1], lines[-1]


def of(frames, source, **more):
    return [f for f in frames if f["probe_source"] == source and all(f.get(k) == v for k, v in more.items())]


def births(sensor, how):
    """Processes that live less than a millisecond."""
    outside = threading.Thread(target=lambda: [subprocess.run(["true"], check=False) for _ in range(30)])
    outside.start()
    frames, sums = cell(sensor, PROBE, "births", str(BIRTHS), how)
    outside.join()
    execs = BIRTHS + 1 if how == "spawn" else 1
    born = [f for f in of(frames, SPAWNED) if "exe" not in f]
    same(f"{sensor}: {BIRTHS} processes by {how}, none missed, none of elsewhere",
         (len(of(frames, SPAWNED)), len(of(frames, EXITED)), sums["lost"], sums["losses"]),
         (BIRTHS + 1 + execs, BIRTHS + 1, 0, 0))
    if sensor == "ebpf":
        same(f"{sensor}: by {how}, each program with its path", len(of(frames, SPAWNED)) - len(born), execs)
    early = [f for f in frames if f["start_ns"] > f["guest_monotonic_ns"]]
    same(f"{sensor}: nothing by {how} is told of before it began", early, [])
    ids = [f["start_ns"] for f in of(frames, SPAWNED)]
    same(f"{sensor}: each has an identity that its end has, too", (len(set(ids)), set(ids)),
         (BIRTHS + 1, {f["start_ns"] for f in of(frames, EXITED)}))
    codes = collections.Counter(f.get("exit_code") for f in of(frames, EXITED))
    same(f"{sensor}: with its code", codes, {0: BIRTHS + 1} if how == "spawn" else {7: BIRTHS, 0: 1})
    unknown = sum(not f["guest_pid"] for f in born)
    print(f"# {sensor}, {how}: {sums['told']} acts, {sums['cpu_us'] * 10000 // max(sums['told'], 1)} us of CPU per 10,000 "
          f"with printing them; number in the cell unknown of {unknown}")
    if sensor == "ebpf":
        same("ebpf: every number in the cell is known", unknown, 0)
    check(f"{sensor}: every frame fits the wire", all(0 < f["encoded"] <= 4100 for f in frames))


def ends(sensor):
    frames, _ = cell(sensor, PROBE, "ends")
    told = sorted((f.get("exit_code", -1), f.get("signal", -1)) for f in of(frames, EXITED))
    same(f"{sensor}: codes and signals", told,
         sorted([(0, -1), (85, -1), (170, -1), (255, -1), (-1, 9), (-1, 15), (-1, 11), (0, -1)]))


def threads(sensor):
    frames, sums = cell(sensor, PROBE, "threads", "20")
    born, over = of(frames, SPAWNED), of(frames, EXITED)
    same(f"{sensor}: threads are not processes", (len({f["start_ns"] for f in born}), len(over)), (3, 3))
    same(f"{sensor}: a process ends with its last thread", sorted(f.get("exit_code", -1) for f in over), [0, 0, 9])
    told = [f["argv"] for f in born if f.get("exe", "").endswith("/true")]
    if told or sensor == "ebpf":  # to the connector it may be over before its name is read
        same(f"{sensor}: a thread's exec is its process's", told, [["from", "a", "thread"]])
    same(f"{sensor}: with threads, nothing is lost", sums["losses"], 0)
    frames, sums = cell(sensor, PROBE, "crowds", "200")
    same(f"{sensor}: a process whose threads end together ends once", (sorted(f["exit_code"] for f in of(frames, EXITED)),
                                                                       len({f["start_ns"] for f in of(frames, EXITED)})),
         ([0] + [6] * 200, 201))


def twice(sensor):
    frames, _ = cell(sensor, PROBE, "twice", "1", PROBE)
    images = of(frames, SPAWNED)[1:]
    same(f"{sensor}: each program of a process is of that process", (len(images), len({f["start_ns"] for f in images})), (3, 1))
    if sensor != "ebpf":
        return  # by the time it looks, another program may run, or none
    same(f"{sensor}: by its path", [os.path.basename(f["exe"]) for f in images], ["agent_probe", "agent_probe", "true"])
    same(f"{sensor}: with its arguments", images[0]["argv"], [PROBE, "twice", "1", PROBE])
    whole = [PROBE, "twice", "1", "-", *(f"{i:06}" for i in range(4, 399))]
    cut, text = images[1]["argv"], "".join(f"{word}\0" for word in whole)
    had = "\0".join(cut)
    check(f"{sensor}: as many as there is room for", len(cut) > 50 and text.startswith(had), cut[-3:])
    check(f"{sensor}: and how much is not there", 0 <= len(text) - len(had) - images[1].get("truncated", 0) <= 1,
          [len(text), len(had), images[1].get("truncated")])
    same(f"{sensor}: bytes that are no text stay apart", images[2]["argv"][:3], ["true", "at", "last"])
    same(f"{sensor}: all have the number of the command", {f["guest_pid"] for f in images}, {FIRST})
    same(f"{sensor}: and its user", {f.get("uid") for f in images}, {0})


def refusals():
    frames, sums = cell("ebpf", PROBE, "refusals", "0", "/etc/passwd", options=["-u", "1000"])
    if DENIED not in sums["surface"]:
        tt.skip("refused capabilities", "this kernel shows them nowhere that a program may be")
        return
    told = of(frames, DENIED)
    pids = sorted({f["guest_pid"] for f in told})
    same("ebpf: a refused capability is of the one who asked", [sorted(f["capability"] for f in told if f["guest_pid"] == p)
                                                                for p in pids[:2]], [[CAP_CHOWN], [CAP_SYS_ADMIN]])
    same("ebpf: with its user", {f["uid"] for f in told}, {1000})
    frames, _ = cell("ebpf", PROBE, "births", "50", "spawn", options=["-u", "1000"])
    same("ebpf: what is asked just in case is not told", of(frames, DENIED), [])


def connects():
    frames, sums = cell("ebpf", PROBE, "connects")
    if CONNECT not in sums["surface"]:
        tt.skip("addresses", "not in the surface")
        return
    same("ebpf: every way to name an address, in order", [(f["addr"], f.get("port")) for f in of(frames, CONNECT)],
         [("127.0.0.1", 9), ("::1", 99), ("unix:/no/such/socket", None), ("unix:@no such\nname", None), ("127.0.0.1", 10),
          ("127.0.0.1", 11), ("127.0.0.1", 12), ("127.0.0.1", 14), ("127.0.0.1", 13)])
    same("ebpf: who asked for it", {f["guest_pid"] for f in of(frames, CONNECT)}, {FIRST})


def gate():
    rules = os.path.join(SOURCE, "src", "init", "gate_rules.def")
    if os.path.exists(rules):  # not in the guest
        quiet = re.findall(r"^GATE\(\w+, (\d+), \d+, ENOSYS, QUIET", tt.read(rules).decode(), re.M)
        line = re.search(r"#define GATE_QUIET.*", tt.read(os.path.join(SOURCE, "src", "bpf", "guest_acts.bpf.c")).decode())
        same("what the gate has no note taken of is what is not told", sorted(re.findall(r"== (\d+)", line[0])), sorted(quiet))
    frames, sums = cell("ebpf", PROBE, "gate", "5")
    if GATE not in sums["surface"]:
        tt.skip("calls that seccomp refused", "functions of this kernel cannot be watched: not in the surface")
        return
    quiet = of(cell("ebpf", PROBE, "gate", "5", "quiet")[0], GATE)
    same("ebpf: but not what programs try at each start", quiet, [])
    same("ebpf: each call that seccomp refused", [(f["syscall"], f["guest_pid"]) for f in of(frames, GATE)], [(110, FIRST)] * 5)


def overflow():
    frames, sums = cell("ebpf", PROBE, "births", "5000", "vfork", options=["-s"])
    same("ebpf: what its ring had no room for is counted to the last", sums["told"] + sums["lost"], 10003)
    check("ebpf: and it had no room for all", sums["lost"] > 0 and sums["losses"] == 1, sums)
    frames, sums = cell("ebpf", "sh", "-c", f"{PROBE} flood 50000 & {PROBE} births 500 vfork; wait", options=["-s"])
    if CONNECT in sums["surface"]:
        same("ebpf: a flood of addresses takes no process away", len(of(frames, EXITED)), 503)
        same("ebpf: and is counted", sums["told"] + sums["lost"], 50000 + 2 * 503 + 3)
    frames, sums = cell("connector", PROBE, "births", "2000", "vfork", options=["-s", "-b", "4096"])
    if frames is not None:
        check("connector: what its socket had no room for is counted, on every CPU", sums["lost"] > 3900 and sums["losses"],
              sums)


def nested(sensor):
    frames, _ = cell(sensor, PROBE, "nested")
    same(f"{sensor}: processes of a namespace below are the cell's, too", [f["exit_code"] for f in of(frames, EXITED)], [7, 0])


def before(sensor):
    """As after an agent that died: what runs already."""
    frames, sums = cell(sensor, "sleep", "2", options=["-f"])
    told = [(f["guest_pid"], os.path.basename(f.get("exe", "?")), f.get("argv")) for f in of(frames, SPAWNED)]
    same(f"{sensor}: a program that ran before it, once", told, [(FIRST, "sleep", ["sleep", "2"])])
    check(f"{sensor}: nothing is told of before it began", all(f["start_ns"] <= f["guest_monotonic_ns"] for f in frames), frames)
    same(f"{sensor}: is the one that ends", [(f["guest_pid"], f["start_ns"]) for f in of(frames, EXITED)],
         [(f["guest_pid"], f["start_ns"]) for f in of(frames, SPAWNED)])
    code = "import threading, time, os\n" \
           "for n in range(8): threading.Thread(target=time.sleep, args=[1]).start()\n" \
           "time.sleep(1.5)\n" \
           "os._exit(os.spawnlp(os.P_WAIT, 'sh', 'sh', '-c', 'exit 5') + 1)"
    frames, _ = cell(sensor, sys.executable, "-c", code, options=["-f", "-l", "600"])
    over = of(frames, EXITED) if sensor != "walk" else of(frames, EXITED, guest_pid=FIRST)
    same(f"{sensor}: one that had threads ends with the last of them", [f.get("exit_code") for f in over], [5, 6] if sensor != "walk" else [6])


def walk():
    frames, _ = cell("walk", "sh", "-c", "(sleep 1; exit 5) & exec sleep 2", options=["-w", "20"])
    images = [f["argv"] for f in of(frames, SPAWNED, guest_pid=FIRST)]
    same("walk: that a process runs another program", images[-1:], [["sleep", "2"]])
    same("walk: it is the same one", len({f["start_ns"] for f in of(frames, SPAWNED, guest_pid=FIRST)}), 1)
    codes = {f["guest_pid"]: f.get("exit_code") for f in of(frames, EXITED)}
    same("walk: the code of a zombie", codes.get(FIRST + 1), 5)
    same("walk: none is told twice", len(of(frames, EXITED)), len(codes))
    same("walk: what began has an end", {(f["guest_pid"], f["start_ns"]) for f in of(frames, EXITED)},
         {(f["guest_pid"], f["start_ns"]) for f in of(frames, SPAWNED)})
    frames, sums = cell("walk", "sh", "-c", "i=0; while [ $i -lt 1100 ]; do sleep 4 & i=$((i + 1)); done; wait",
                        options=["-w", "50"])
    seen = len({f["guest_pid"] for f in of(frames, SPAWNED) if f["guest_pid"] != FIRST})
    check("walk: those beyond its table are counted", seen >= 1000 and sums["lost"] >= 1100 - seen, [seen, sums])
    frames, sums = cell("walk", PROBE, "births", str(BIRTHS), "vfork")
    seen = len({f["guest_pid"] for f in of(frames, SPAWNED)} - {FIRST})
    print(f"# walk: of {BIRTHS} processes by vfork {BIRTHS - seen} were missed: {100 - 100 * seen / BIRTHS:.2f} %")
    check("walk: it says no more than there were", seen <= BIRTHS)


def masks(frames, path):
    return {f["mask"] for f in of(frames, INOTIFY, path=path)}


def again(path):
    """Writes to a file for as long as a watch may take to come."""
    return f"i=0; while [ $i -lt 20 ]; do echo >>{path}; sleep 0.05; i=$((i + 1)); done"


def inotify():
    top = tt.scratch()
    late, folder = f"{top}/not/yet/there", f"{top}/folder"
    os.mkdir(folder)
    script = (f"mkdir -p {top}/not/yet; sleep 0.3; {again(late)}; echo >{top}/other; cat {late} >{folder}/name; "
              f"touch {folder}/$(printf 'caf\\351')")
    frames, sums = cell("inotify", "sh", "-c", script, options=["-i", late, "-i", folder + "/"])
    check("inotify: a file that comes later", {IN_CREATE, IN_MODIFY, IN_ACCESS} <= masks(frames, late), frames[:5])
    check("inotify: files of a folder, by name", {IN_CREATE, IN_MODIFY} <= masks(frames, f"{folder}/name"), frames[-5:])
    check("inotify: names that are no text", masks(frames, f"{folder}/caf\ufffd"), frames[-5:])
    same("inotify: and no other", {f["path"] for f in frames} - {late, f"{folder}/name", f"{folder}/caf\ufffd"}, set())
    same("inotify: nobody is named who it may not have been", {(f["guest_pid"], f["guest_comm"]) for f in frames}, {(0, "")})

    path = f"{folder}/name"
    script = f"echo >{top}/new; mv {top}/new {path}; {again(path)}"
    frames, _ = cell("inotify", "sh", "-c", script, options=["-i", path])
    check("inotify: another file of that name", {IN_MOVED_TO, IN_MODIFY} <= masks(frames, path), frames)
    script = f"mv {folder} {top}/away; echo >{top}/away/name; mkdir {folder}; sleep 0.3; {again(path)}"
    frames, _ = cell("inotify", "sh", "-c", script, options=["-i", path])
    check("inotify: a folder on the way that was replaced", {IN_CREATE, IN_MODIFY} <= masks(frames, path), frames)
    script = f"rm -r {folder}; sleep 0.3; mkdir {folder}; sleep 0.3; {again(path)}"
    frames, _ = cell("inotify", "sh", "-c", script, options=["-i", path, "-i", folder])
    check("inotify: two paths that share a folder", {IN_DELETE, IN_CREATE, IN_MODIFY} <= masks(frames, path), frames)

    script = f"i=0; while [ $i -lt 9000 ]; do : >{folder}/a; : >{folder}/b; i=$((i + 1)); done"
    frames, sums = cell("inotify", "sh", "-c", script, options=["-s", "-i", folder])
    check("inotify: a queue that was full is said", sums["losses"] == 1 and sums["told"] > 1000, sums)


def main():
    if os.getuid() != 0:
        tt.skip_all("a cell needs root")
    inotify()
    before("walk")
    walk()
    for sensor in ("ebpf", "connector"):
        frames, sums = cell(sensor, "true")
        if frames is None:
            tt.skip(sensor, f"{sums['failed']}: {sums['error']}")
            continue
        for how in ("vfork", "fork", "spawn"):
            births(sensor, how)
        ends(sensor)
        before(sensor)
        threads(sensor)
        twice(sensor)
        nested(sensor)
        if sensor == "ebpf":
            print(f"# ebpf tells {' '.join(sums['surface'][1:])}; resident with the rings mapped: {sums['VmRSS']} KiB")
            refusals()
            connects()
            gate()
            overflow()
    tt.done()


main()
