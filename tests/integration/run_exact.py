#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each final figure against the one who knows it best: time(1), wait4, the control group's own counter, /proc."""
import json
import os
import pwd
import re
import shutil
import subprocess

import tt
from tt import check, none, same

PROBE = tt.program("run_probe")
TIME = "/usr/bin/time"
# STRICT hides a build folder below /tmp
HIDDEN = tt.BUILD.startswith(("/tmp/", "/var/tmp/", "/dev/"))


def ways():
    """(name, words before telltale, options) of every way to run."""
    yield "OFF", [], []
    yield "OFF without a control group", [], ["--no-cgroup"]
    if not HIDDEN:
        yield "STRICT", [], ["--profile=STRICT"]
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    words = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    if not shutil.which("setpriv") or subprocess.run([*words, tt.TELLTALE, "--version"], capture_output=True,
                                                     timeout=20).returncode:
        tt.skip("as an ordinary user", "no way to become one who can reach the build folder")
        return
    yield "as nobody, OFF", words, []
    if not HIDDEN:
        yield "as nobody, STRICT", words, ["--profile=STRICT"]


def run(way, *command, options=(), timeout=60):
    _, words, more = way
    folder = tt.scratch(0o777)
    done = subprocess.run([*words, tt.TELLTALE, "run", "--no-kernel", *more, *options, "--output-dir", folder, "--", *command],
                          env=tt.clean_env(HOME=folder), timeout=timeout, stdin=subprocess.DEVNULL,
                          capture_output=True, cwd="/")
    return done, json.loads(tt.read(tt.one(os.path.join(folder, "run_*.json"))))


def bare(*command):
    """What time(1) and wait4 say of the same command."""
    out = os.path.join(tt.scratch(), "time")
    subprocess.run([TIME, "-v", "-o", out, *command], timeout=60, stdin=subprocess.DEVNULL, capture_output=True, cwd="/")
    text = tt.read(out).decode()
    pid = os.posix_spawn(command[0], command, os.environ)
    ru = os.wait4(pid, 0)[2]
    return {"rss": int(re.search(r"Maximum resident set size \(kbytes\): (\d+)", text)[1]),
            "minor": int(re.search(r"Minor \(reclaiming a frame\) page faults: (\d+)", text)[1]),
            "cpu_ms": 1000 * (ru.ru_utime + ru.ru_stime)}


def near(got, want, slack=0):
    """Within 1 %, or @slack."""
    return got is not None and abs(got - want) <= max(want * 0.01, slack)


def has_group(doc):
    return "control group" in doc["sources"]["peak_memory_kb"]


def work(way):
    done, doc = run(way, PROBE, "work", "200", "500")
    s = doc["summary"]
    want = bare(PROBE, "work", "200", "500")
    name = way[0]
    same(f"{name}: 200 MB touched and 0.5 s of CPU: it ran", (done.returncode, done.stderr), (0, b""))
    check("... peak_rss_kb is what time(1) says", near(s["peak_rss_kb"], want["rss"]), (s["peak_rss_kb"], want))
    check("... CPU time is the half second", near(s["user_ms"] + s["system_ms"], want["cpu_ms"], 60) and
          s["user_ms"] + s["system_ms"] >= 500, (s["user_ms"], s["system_ms"], want))
    check("... the tree's peak is as much", 200 << 10 <= s["peak_memory_kb"] <= (200 << 10) * 1.05, s["peak_memory_kb"])
    check("... page_faults_minor is what time(1) says", near(s["page_faults_minor"], want["minor"], 150),
          (s["page_faults_minor"], want))
    _, doc = run(way, PROBE, "memory", "100", "0")
    s = doc["summary"]
    check("... 100 MB mapped and not touched are in no figure", s["peak_rss_kb"] < 8 << 10 and
          s["peak_memory_kb"] < 8 << 10, s)
    _, doc = run(way, PROBE, "touch", "60")
    want = bare(PROBE, "touch", "60")
    s = doc["summary"]
    check("... 60 MB for some 20 ms are seen", near(s["peak_rss_kb"], want["rss"]) and
          s["peak_memory_kb"] >= 60 << 10, (s["peak_rss_kb"], s["peak_memory_kb"], want))
    if has_group(doc):
        check("... and no more than they are", s["peak_memory_kb"] <= 64 << 10, s["peak_memory_kb"])


def below(way):
    if way[2] == ["--profile=STRICT"]:
        return  # it is to make no processes
    name = way[0]
    _, doc = run(way, "sh", "-c", f"(('{PROBE}' work 50 300; exit 3); exit 4); exit 5")
    s = doc["summary"]
    check(f"{name}: a grandchild with all the work", 300 <= s["user_ms"] + s["system_ms"] <= 600 and
          50 << 10 <= s["peak_rss_kb"] <= 54 << 10 and s["exit_code"] == 5, s)
    done, doc = run(way, PROBE, "forks", "1000")
    s = doc["summary"]
    same("... 1000 forked children", (done.returncode, s["exit_reason"]), (0, "EXITED(0)"))
    check("... each is counted", s["processes"] == 1001 or "lower_bound" in doc["sources"]["processes"], s["processes"])
    check("... and their faults", s["page_faults_minor"] > 1000, s["page_faults_minor"])
    marker = os.path.join(tt.scratch(0o777), "daemon")
    _, doc = run(way, "sh", "-c", f"'{PROBE}' daemon 100 {marker} 0; '{PROBE}' burn 100")
    s = doc["summary"]
    # of a zombie that is not its own child only root may read the figures
    check("... a daemon that forks twice is counted with the rest", (s["read_syscalls"] >= 300 or
          "lower_bound" in doc["sources"]["read_syscalls"]) and s["user_ms"] + s["system_ms"] >= 100, s)


def vanished(way):
    """SIGCHLD ignored: the child is in nobody's rusage. The group knows it, or the figure says that it may be too low."""
    if way[2] == ["--profile=STRICT"]:
        return
    name = way[0]
    _, doc = run(way, PROBE, "lost", "30", "300")
    s, sources = doc["summary"], doc["sources"]
    cpu = s["user_ms"] + s["system_ms"]
    if has_group(doc):
        check(f"{name}: CPU time of a child that nobody reaps", 300 <= cpu <= 450 and
              "lower_bound" not in sources["user_ms"], (cpu, sources["user_ms"]))
        check("... and its memory", 30 << 10 <= s["peak_memory_kb"] <= 34 << 10, s["peak_memory_kb"])
    else:
        check(f"{name}: without a group the figure of a child that nobody reaps is a lower bound", cpu <= 350 and
              "lower_bound" in sources["user_ms"], (cpu, sources["user_ms"]))
    check("... what no group counts says so", all("lower_bound" in sources[k] for k in
                                                   ("page_faults_minor", "read_syscalls")), sources)
    if has_group(doc):
        _, doc = run(way, PROBE, "lost", "30", "300", options=["--no-preload"])
        s, sources = doc["summary"], doc["sources"]
        check("... also where no library tells of it", 300 <= s["user_ms"] + s["system_ms"] <= 450 and
              "lower_bound" in sources["page_faults_minor"], (s, sources["user_ms"]))
    else:
        _, doc = run(way, PROBE, "lost", "30", "300", options=["--no-preload"])
        check("... also where no library tells of it", all("lower_bound" in doc["sources"][k] for k in
              ("user_ms", "page_faults_minor", "read_syscalls")), doc["sources"])


def page_cache(way):
    if way[2] == ["--profile=STRICT"]:
        return
    name, file = way[0], os.path.join(tt.scratch(0o777), "file")
    own = "m=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup); cat /sys/fs/cgroup/memory$m/memory.max_usage_in_bytes"
    done, doc = run(way, "sh", "-c", f"dd if=/dev/zero of='{file}' bs=1M count=150 2>/dev/null; {own}")
    s = doc["summary"]
    check(f"{name}: 150 MB written: each byte and call", near(s["bytes_written"], 150 << 20) and
          150 <= s["write_syscalls"] <= 160 and near(s["bytes_read"], 150 << 20), s)
    check("... page cache is not in peak_rss_kb", s["peak_rss_kb"] < 8 << 10, s["peak_rss_kb"])
    if not has_group(doc):
        check("... nor in a tree's peak that is only sampled, and said to be", s["peak_memory_kb"] < 8 << 10 and
              "lower_bound" in doc["sources"]["peak_memory_kb"], (s["peak_memory_kb"], doc["sources"]))
    else:
        check("... but in peak_memory_kb", s["peak_memory_kb"] >= 150 << 10, s["peak_memory_kb"])
        if done.stdout.strip().isdigit():
            check("... which is the group's own counter", near(s["peak_memory_kb"], int(done.stdout) / 1024),
                  (s["peak_memory_kb"], done.stdout))


def time_out(way):
    done, doc = run(way, PROBE, "burn", "9000", options=["--timeout", "300ms"])
    s = doc["summary"]
    same(f"{way[0]}: a time-out", (done.returncode, s["exit_reason"], doc["limits"]["hit"]),
         (124, "TIMEOUT", ["timeout"]))
    check("... its CPU time up to then", 10 <= s["user_ms"] + s["system_ms"] <= 400, s)


def resolution():
    way = ("OFF", [], [])
    _, doc = run(way, PROBE, "sleep", "600", options=["--sample=10ms"])
    n = len(doc["timeline"]["time_ms"])
    check("--sample=10ms: some 60 samples of 0.6 s", 12 <= n <= 66, doc["timeline"]["time_ms"])
    _, doc = run(way, PROBE, "sleep", "600", options=["--sample=300ms"])
    n = len(doc["timeline"]["time_ms"])
    check("--sample=300ms: few", 2 <= n <= 5, doc["timeline"]["time_ms"])
    _, doc = run(way, "true")
    check("a short run has a sample, its last", len(doc["timeline"]["time_ms"]) >= 1, doc["timeline"])
    for word in ("9ms", "0", "2h", "fast", ""):
        done = subprocess.run([tt.TELLTALE, "run", "--no-kernel", "--sample", word, "--", "true"], capture_output=True, timeout=20)
        check(f"--sample '{word}' is refused", done.returncode == 125 and b"10ms" in done.stderr, done)


if not os.path.exists(TIME):
    tt.skip_all("no /usr/bin/time")
before = tt.left_groups()
for each in list(ways()):
    work(each)
    below(each)
    vanished(each)
    page_cache(each)
    time_out(each)
resolution()
none("no control group is left", tt.left_groups() - before)
tt.done()
