#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The verbs that look at a run, on recorded runs in tests/golden: what they print, refuse and survive."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.environ["TELLTALE_BUILD"]
SOURCE = os.environ["TELLTALE_SOURCE"]
TELLTALE = os.path.join(BUILD, "telltale")
GOLDEN = os.path.join(SOURCE, "tests/golden")
RUN = "01990f2a-7c11-7a3e-8b52-6f1d0c9e4a70"
LIMIT = 20

points = failures = 0
state = None


def point(name, good, *details):
    global points, failures
    points += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {points} - {name}")
    if not good:
        for detail in details:
            for line in str(detail).splitlines():
                print(f"# {line}")
    sys.stdout.flush()


def skip(name, why):
    global points
    points += 1
    print(f"ok {points} - {name} # SKIP {why}")


def environment(**more):
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "XDG_STATE_HOME": state}
    env.update(more)
    return env


def telltale(*args, env=None, **more):
    return subprocess.run(
        [TELLTALE, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT,
        env=env or environment(),
        **more,
    )


def golden(name):
    return os.path.join(GOLDEN, name)


def has(name, run, *wanted, status=0):
    text = run.stdout.decode("utf-8", "surrogateescape")
    missing = [w for w in wanted if w not in text]
    point(name, run.returncode == status and not missing, f"status {run.returncode}", *missing, run.stderr)
    return text


def show_normal():
    text = has(
        "show: the report of a normal run",
        telltale("show", golden("normal")),
        "$ sh -c 'make; ./publish'",
        "exited 3 after 1.32 s, started 2025-09-03 13:55:14 UTC",
        "910 ms (720 ms user, 190 ms system)",
        "≥ 48 MiB peak, 31 MiB in the largest process",
        "5, at most 4 at once",
        "Wrote or made 5, of which 2 are gone again",
        "  obj/hello.o  ← obj/hello.o.tmp\n",
        "Deleted 1  /tmp/ccX1.s",
        "Read 4 files in 3 folders",
        "localhost → [::1]:80, 127.0.0.1:80",
        "tried      127.0.0.1:80  ECONNREFUSED",
        "busybox true (pid 4005) killed by SIGSEGV",
        "open /etc/shadow  EACCES",
        "lost 7: events came faster than they could be stored",
        "peak_memory_kb: sampled RSS; lower_bound: peaks between two samples are not seen\n",
        "total_syscalls: unavailable",
    )
    lines = text.splitlines()
    # Some more than a screen, not two.
    point("show: a page, not more", 30 <= len(lines) <= 60, len(lines))
    point("show: no line past 100 columns", max(map(len, lines)) <= 100, max(lines, key=len))
    point("show: no colour on a pipe", "\033" not in text)
    every = telltale("show", "--all", golden("normal")).stdout.decode()
    point("show --all: the files that are gone again, too", "/tmp/ccX1.s" in every and "deleted again" in every)


def remarks():
    folder = os.path.join(state, "remarks")
    shutil.copytree(golden("normal"), folder)
    with open(os.path.join(folder, "run.json"), encoding="utf-8") as f:
        doc = json.load(f)
    # every place that a word can end at
    doc["sources"] = {figure: "lower_bound: " + "w" * (n + 40 - len(figure)) + " word" * 40
                      for n, figure in enumerate(list(doc["summary"])[:6])}
    want = doc["sources"].values()
    doc["limits"]["degraded"] = ["mount proc on '/proc': Operation not permitted"]
    with open(os.path.join(folder, "run.json"), "w", encoding="utf-8") as f:
        json.dump(doc, f)
    lines = telltale("show", "--all", folder).stdout.decode().splitlines()
    text = " ".join(line.strip() for line in lines)
    point("show: what was left out of the sandbox",
          "the sandbox was without: mount proc on '/proc': Operation not permitted" in text, text)
    point("show: a remark on a figure is told to its end", all(w in text for w in want) and max(map(len, lines)) <= 100, text)


def show_json():
    run = telltale("show", "--json", golden("normal"))
    doc = json.loads(run.stdout)
    files = {f["path"]: f for f in doc["files"]}
    point(
        "show --json: one document with the same facts",
        doc["schema"] == "telltale.report/1"
        and doc["run_id"] == RUN
        and doc["summary"]["exit_code"] == 3
        and files["/srv/demo/out.txt"]["what"] == ["written"]
        and files["/srv/demo/obj/hello.o"]["was"] == "/srv/demo/obj/hello.o.tmp"
        and files["/tmp/ccX1.s"]["what"] == ["written", "deleted", "gone"]
        and doc["trace"]["gaps"][0]["count"] == 7
        and [h["name"] for h in doc["hosts"] if h["kind"] == "lookup"] == ["localhost"],
        run.stdout.decode(),
    )


def tree():
    text = has("tree: one line per process", telltale("tree", golden("normal")))
    want = (
        "sh -c 'make; ./publish'  4001, 39 ms, exited 3\n"
        "├─ make  4002, 14 ms, exited 0\n"
        "│  └─ cc -o hello hello.c  4003, 8.0 ms, exited 0\n"
        "└─ python3 ./publish --password '***'  4004, 12 ms, exited 3, events lost\n"
        "   └─ busybox true  4005, 2.0 ms, killed by SIGSEGV, not watched\n"
    )
    point("tree: the shape", text == want, text)
    plain = telltale("tree", golden("normal"), env=environment(LC_ALL="C")).stdout
    point("tree: ASCII where the locale is", b"`- busybox" in plain and max(plain) < 128, plain)
    doc = json.loads(telltale("tree", "--json", golden("normal")).stdout)
    point(
        "tree --json: parents and images",
        [p["parent"] for p in doc["processes"]] == [None, 0, 1, 0, 3]
        and [len(p["images"]) for p in doc["processes"]] == [2] * 5,
        doc,
    )


def events():
    trace = os.path.join(golden("normal"), "trace.jsonl")
    with open(trace, "rb") as f:
        lines = f.read().splitlines(keepends=True)
    run = telltale("events", golden("normal"), "--json", "--kind", "all")
    point("events --json: the lines as they are", run.stdout == b"".join(lines), run.stderr)
    run = telltale("events", golden("normal"), "--json")
    samples = [l for l in lines if b'"event_type": "sample"' in l]
    point("events: samples only if all is asked for", len(run.stdout.splitlines()) == len(lines) - len(samples) < len(lines))
    for kind, wanted, unwanted in (
        ("exec", b"execvp(", b"open("),
        ("file", b"rename(", b"connect("),
        ("net", b"getaddrinfo(", b"rename("),
        ("process", b"start by vfork", b"execvp("),
    ):
        run = telltale("events", golden("normal"), "--kind", kind)
        good = wanted in run.stdout and unwanted not in run.stdout and b"GAP 7 events lost" in run.stdout
        point(f"events --kind {kind}: these and the gaps", good, run.stdout.decode())
    # The examples of the documentation have every call once, which makes them a trace for this.
    with open(os.path.join(SOURCE, "src/event/calls.def"), encoding="utf-8") as f:
        family = dict(re.findall(r'^EVENT_CALL\((\w+), +(\w+),', f.read(), re.M))
    examples = [line for fence in fences("trace-format.md") for line in fence.splitlines()]
    folder = os.path.join(state, "examples")
    os.mkdir(folder)
    with open(os.path.join(folder, "trace.jsonl"), "w", encoding="utf-8") as f:
        sampled = [line.replace('"ring_full"', '"sampled"') for line in examples if '"ring_full"' in line]
        f.write("\n".join(examples + sampled) + "\n")
    for kind in sorted(set(family.values())):
        run = telltale("events", os.path.join(folder, "trace.jsonl"), "--json", "--kind", kind.lower())
        got = sorted(e["syscall"] for e in map(json.loads, run.stdout.splitlines()) if e["event_type"] == "syscall")
        names = [e["syscall"] for e in map(json.loads, examples) if e["event_type"] == "syscall"]
        want = sorted(n for n in names if family[n] == kind)
        point(f"events --kind {kind.lower()}: the whole family, and no other", want and got == want, got, want, run.stderr)
    run = telltale("events", os.path.join(folder, "trace.jsonl"))
    for wanted in (b"close(fd:3</tmp/f>) = 0, 80 KiB written <3 us>", b"exit 0, 1.8 KiB read, 1.8 KiB written",
                   b"GAP 7 events lost: ring_full\n", b"GAP 7 events left out: sampled\n"):
        point("events: bytes of fds, and what is missing", wanted in run.stdout, wanted, run.stdout.decode())
    run = telltale("events", golden("normal"), "--failed")
    good = b"EACCES" in run.stdout and b"SIGSEGV" in run.stdout and b"rename(" not in run.stdout
    point("events --failed: failures alone", good and b"exit 0" not in run.stdout, run.stdout.decode())


def kernel():
    """A run that the kernel sensor watched, too: who saw what, and where the two do not go together."""
    run = golden("kernel")
    text = has(
        "show: who saw each process",
        telltale("show", run),
        "  5 processes: 3 full, 1 kernel-only (direct system calls), 1 kernel-only (static); 48 events, 7\n  lost; 1 finding of evasion\n",
        "  1 static: /bin/busybox\n    a static program loads no library\n",
        "18 were told alike by the library and the kernel, 4 by the kernel alone, 2 by the\n  library alone (1 of a kind that is not compared,",
        "  hidden  [kernel]\n",
        "Deleted 2  evidence  [kernel], /tmp/ccX1.s\n",
        "192.0.2.7:443  [kernel]  ENETUNREACH",
        "Read 5 files in 3 folders, 1 of them told by the kernel alone",
        "Made 4,211 system calls\n  read ×1,204, mmap ×901,",
        "Findings 1\n",
        "  evasion\n    python3 (4004): told by the library as done, but the kernel saw nothing of it\n      open(\"/etc/hosts\", O_RDONLY)\n",
        "no innocent cause explains it",
    )
    point("show: what the library told is not called declared as a whole", "are declared: the library said so" not in text, text)
    point("show: no line past 100 columns", max(map(len, text.splitlines())) <= 100, text)
    every = telltale("show", "--all", run).stdout.decode()
    point("show --all: why the kernel alone saw an act", "    812 while programs started, before the library could speak\n" in every
          and "    3 by programs without the library\n" in every, every)
    doc = json.loads(telltale("show", "--json", run).stdout)
    files = {f["path"]: f["told"] for f in doc["files"]}
    point("show --json: who told of a file", (files["/srv/demo/hidden"], files["/srv/demo/out.txt"], files["/etc/hosts"])
          == (["kernel"], ["library", "confirmed"], ["library"]), files)
    point("show --json: the certificate as it is", doc["coverage"]["findings"][0]["kind"] == "evasion"
          and (doc["trace"]["confirmed"], doc["trace"]["by_kernel"]) == (18, 4), doc["coverage"], doc["trace"])
    point("show --json: processes by who saw them", doc["certificate"] == {"processes": 5, "seen": [
        {"coverage": "full", "processes": 3, "cause": None}, {"coverage": "kernel-only", "processes": 1, "cause": "direct"},
        {"coverage": "kernel-only", "processes": 1, "cause": "static"}]}, doc["certificate"])
    text = has("tree: marks", telltale("tree", run), "python3 ./publish --password '***'  4004, 12 ms, exited 3, kernel-only (direct system calls), events lost, evasion\n",
               "busybox true  4005, 2.0 ms, killed by SIGSEGV, kernel-only (static)\n", "make  4002, 14 ms, exited 0\n")
    doc = json.loads(telltale("tree", "--json", run).stdout)
    marks = {p["pid"]: (p["coverage"], p["cause"]) for p in doc["processes"]}
    point("tree --json: marks", marks == {4001: ("full", None), 4002: ("full", None), 4003: ("full", None),
                                          4004: ("kernel-only", "direct"), 4005: ("kernel-only", "static")}, marks)
    last = [p for p in doc["processes"] if p["pid"] == 4005][0]["images"][-1]
    point("tree --json: lines of an image", [last[k] for k in ("lines_confirmed", "lines_kernel", "lines_declared")] == [0, 3, 0], last)
    with open(os.path.join(run, "trace.jsonl"), encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    for args, want in (
        (["--sensor", "kernel"], lambda e: e.get("sensor") == "kernel"),
        (["--standing", "declared"], lambda e: e.get("standing") == "declared"),
        (["--confirmed"], lambda e: "confirmed_by" in e),
        (["--sensor", "preload", "--standing", "observed", "--kind", "net"],
         lambda e: e.get("sensor") == "preload" and e.get("standing") == "observed" and e["syscall"] in ("connect", "bind")),
    ):
        got = [json.loads(line) for line in telltale("events", "--json", *args, run).stdout.splitlines()]
        wanted = [e for e in lines if want(e) or e["event_type"] == "gap"]
        point(f"events {' '.join(args)}: these and the gaps", got == wanted and len(wanted) > 1, got)
    has("events: what the kernel alone told is marked", telltale("events", run),
        'openat(AT_FDCWD, "/srv/demo/hidden", O_WRONLY|O_CREAT, 0600) = 3 [kernel]\n', '3 <9 us>\n')


def capabilities():
    """Capabilities that the kernel refused are no violation of a profile, and told apart."""
    folder = os.path.join(state, "capabilities")
    shutil.copytree(golden("kernel"), folder)
    with open(os.path.join(folder, "trace.jsonl"), encoding="utf-8") as f:
        lines = f.read().splitlines()
    like = json.loads(next(line for line in lines if '"sensor": "kernel"' in line))
    for i, line in enumerate(lines):
        if '"192.0.2.7:443"' in line:
            lines[i] = json.dumps(dict(json.loads(line), host="example.org", host_basis="declared"))
    denied = [dict(like, event_type="denied", syscall="setsockopt", args=[], result=None, action="capability",
                   capability="CAP_NET_ADMIN", count=n) for n in (1, 2)]
    with open(os.path.join(folder, "trace.jsonl"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines[:-1] + [json.dumps(d) for d in denied] + lines[-1:]) + "\n")
    text = has("show: capabilities that were lacking", telltale("show", folder),
               "tried      192.0.2.7:443 (example.org)  [kernel]  ENETUNREACH",
               "Lacked a capability 3 times\n  CAP_NET_ADMIN in setsockopt ×3  by cc\n")
    point("show: ... are no refused calls", "Refused" not in text, text)
    has("events: ... and are named", telltale("events", "--kind", "denied", folder), "capability CAP_NET_ADMIN in setsockopt() ×2\n")
    has("events: the name that an address was looked up by", telltale("events", "--sensor", "kernel", folder),
        "connect(fd:4, 192.0.2.7:443<example.org>) = -1 ENETUNREACH [kernel]\n")
    doc = json.loads(telltale("show", "--json", folder).stdout)
    point("show --json: ... and have their name", [(d["action"], d["capability"], d["count"]) for d in doc["denied"]]
          == [("capability", "CAP_NET_ADMIN", 3)], doc["denied"])
    point("tree: ... and are no refusal", "refused" not in telltale("tree", folder).stdout.decode())


def observer():
    """What the rootless observer saw: it is told apart, and believed no further than it reaches."""
    folder = os.path.join(state, "observer")
    os.mkdir(folder)
    with open(os.path.join(golden("kernel"), "trace.jsonl"), encoding="utf-8") as f, \
            open(os.path.join(folder, "trace.jsonl"), "w", encoding="utf-8") as out:
        for e in map(json.loads, f):
            for key in ("confirmed_by", "coverage", "cause", "lines_confirmed", "lines_kernel", "lines_declared"):
                e.pop(key, None)
            if e["event_type"] == "syscall" and e["sensor"] == "kernel":
                e.update(sensor="seccomp", result=None, args_as_seen=True)
            out.write(json.dumps(e) + "\n")
    has("show: what the observer saw", telltale("show", folder), "  hidden  [seccomp]\n", "Deleted 2  evidence  [seccomp], /tmp/ccX1.s\n",
        "  4 calls were seen from outside as they were about to be made [seccomp]:")
    has("tree: a process that the observer alone saw", telltale("tree", folder),
        "busybox true  4005, 2.0 ms, killed by SIGSEGV, watched from outside alone\n")
    has("events: what the observer saw", telltale("events", "--sensor", "seccomp", folder),
        "O_WRONLY|O_CREAT, 0600) [seccomp, as seen before]\n")


def torn():
    run = telltale("show", golden("torn"))
    has(
        "show: a torn trace says so",
        run,
        "end unproven",
        "damaged lines in the trace (4 stretches)",
        "There is no run.json",
        "The trace has no end",
    )
    run = telltale("events", golden("torn"), "--json")
    docs = [json.loads(line) for line in run.stdout.splitlines()]
    gaps = [d for d in docs if d["event_type"] == "gap"]
    point(
        "events --json: damage is a gap, every line is JSON",
        run.returncode == 0 and len(gaps) == 4 and all(g["reason"] == "unreadable" for g in gaps),
        run.stdout.decode(),
    )
    point("events: a trace without its end says so", b"no end" in run.stderr, run.stderr)
    schema = json.loads(telltale("schema", "event").stdout)
    try:
        import jsonschema
    except ImportError:
        skip("events --json: gaps made up for damage fit the schema", "no python3-jsonschema")
        return
    check = jsonschema.Draft202012Validator(schema)
    bad = [e.message for d in docs for e in check.iter_errors(d)]
    point("events --json: gaps made up for damage fit the schema", not bad, *bad)


def fences(name):
    """The lines inside the ```json fences of a document."""
    with open(os.path.join(SOURCE, "docs", name), encoding="utf-8") as f:
        return re.findall(r"^```json\n(.*?)^```", f.read(), re.M | re.S)


def schemas():
    try:
        import jsonschema
    except ImportError:
        skip("schemas: recorded runs and the examples of docs/ fit", "no python3-jsonschema")
        return
    event, run = (
        jsonschema.Draft202012Validator(json.loads(telltale("schema", name).stdout)) for name in ("event", "run")
    )
    lines = [line for fence in fences("trace-format.md") for line in fence.splitlines()]
    for name in ("normal", "kernel", "killed", "hostile"):
        with open(os.path.join(golden(name), "trace.jsonl"), "rb") as f:
            lines += f.read().decode("utf-8").strip("\n").split("\n")
    bad = [f"{e.message[:300]} in {line[:300]}" for line in lines for e in event.iter_errors(json.loads(line))]
    point("schema event: recorded runs and the examples of docs/ fit", len(lines) > 60 and not bad, *bad)
    described = {json.loads(l)["event_type"] for fence in fences("trace-format.md") for l in fence.splitlines()}
    point("trace-format.md: an example of every type that is written",
          described == {"syscall", "process", "gap", "sample", "run", "notice", "denied", "connection", "chain",
                        "inotify"}, described)
    documents = [json.loads(fence) for fence in fences("run-format.md")]
    for name in ("normal", "kernel"):
        with open(os.path.join(golden(name), "run.json"), encoding="utf-8") as f:
            documents.append(json.load(f))
    bad = [e.message[:300] for d in documents for e in run.iter_errors(d)]
    point("schema run: recorded runs and the examples of docs/ fit", len(documents) == 3 and not bad, *bad)
    # What must not pass: a schema that takes everything proves nothing.
    first = json.loads(lines[0])
    for what, wrong in (
        ("a key of another type", dict(first, exit_reason="EXITED(0)", exit_code=0)),
        ("an unknown key", dict(first, colour="red")),
        ("a missing key", {k: v for k, v in first.items() if k != "result"}),
        ("a time without nine digits", dict(first, ts="2025-09-03T13:55:14.0+00:00")),
        ("an unknown type", dict(first, event_type="noise")),
    ):
        point(f"schema event: {what} is refused", not event.is_valid(wrong), wrong)
    wrong = json.loads(json.dumps(documents[0]))
    del wrong["summary"]["peak_rss_kb"]
    point("schema run: a missing figure is refused", not run.is_valid(wrong))


def killed():
    has(
        "show: a run without run.json is told from the trace",
        telltale("show", golden("killed")),
        "end unproven, 15 ms recorded",
        "out.txt",
        "the run is still going, or its recorder was killed",
    )
    doc = json.loads(telltale("show", "--json", golden("killed")).stdout)
    good = doc["summary"] is None and doc["trace"]["has_end"] is False and doc["success"] is False
    point("show --json: no figures are made up", good, doc)


def hostile():
    for verb in ("show", "tree", "events"):
        out = telltale(verb, golden("hostile")).stdout
        text = out.decode("utf-8")
        bad = re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
        point(f"{verb}: nothing of a hostile name drives the terminal", not bad and "\\x1b]0;owned\\x07" in text, bad, text)
        ascii_only = telltale(verb, golden("hostile"), env=environment(LC_ALL="C")).stdout
        point(f"{verb}: ASCII alone in the C locale", all(b == 10 or 32 <= b < 127 for b in ascii_only), ascii_only)
    for verb in ("show", "tree"):
        out = telltale(verb, "--json", golden("hostile")).stdout
        json.loads(out)
        point(f"{verb} --json: ASCII alone", all(b == 10 or 32 <= b < 127 for b in out), out)
    events_text = telltale("events", golden("hostile")).stdout.decode()
    point("events: one line per event", len(events_text.splitlines()) == 12, events_text)


def listing():
    text = has("list: newest first", telltale("list"), "exited 3", "end unproven", "sh -c 'make; ./publish'")
    ids = [line.split()[0] for line in text.splitlines()]
    # The two youngest differ in the last digit alone: their ids are shown as far as that.
    point("list: ids that tell runs apart", ids == [RUN[:-1] + "1", RUN, "01980f2a-7c11-7a3e-8b52-6f1d0c9e4a70"], ids)
    doc = json.loads(telltale("list", "--json", "--limit", "1").stdout)
    point("list --json --limit", doc["total"] == 3 and len(doc["runs"]) == 1 and doc["runs"][0]["ended"] is False, doc)
    marked = os.path.join(state, "marked")
    os.makedirs(os.path.join(marked, "telltale/runs"))
    shutil.copytree(golden("kernel"), os.path.join(marked, "telltale/runs", RUN))
    run = telltale("list", env=environment(XDG_STATE_HOME=marked))
    doc = json.loads(telltale("list", "--json", env=environment(XDG_STATE_HOME=marked)).stdout)
    point("list: a run with an evasion says so", b"exited 3, evasion  " in run.stdout and doc["runs"][0]["evasions"] == 1, run, doc)
    empty = telltale("list", env=environment(XDG_STATE_HOME="/nonexistent"))
    point("list: no runs is no failure", empty.returncode == 0 and b"telltale run" in empty.stdout, empty)


def naming():
    for what, args, status, wanted in (
        ("a run id", ["show", RUN], 0, ""),
        ("a unique prefix", ["show", "01980"], 0, ""),
        ("an ambiguous prefix lists the candidates", ["show", "0199"], 1, f"'0199' fits 2 runs: {RUN[:-1]}1, {RUN}"),
        ("no such run", ["show", "7"], 1, "no run '7'"),
        ("an empty name", ["show", ""], 1, "empty"),
        ("two runs", ["show", RUN, RUN], 2, "one run at a time"),
        ("--last and a run", ["show", "--last", RUN], 2, "not both"),
        ("an unknown option", ["tree", "--frob"], 2, "unknown option '--frob'"),
        ("an unknown short option", ["tree", "-z"], 2, "unknown option '-z'"),
        ("a missing value", ["events", "--kind"], 2, "needs a value"),
        ("an unknown kind", ["events", "--kind", "x"], 2, "unknown kind 'x'"),
        ("an unknown sensor", ["events", "--sensor", "x"], 2, "unknown sensor 'x'"),
        ("an unknown standing", ["events", "--standing", "x"], 2, "unknown standing 'x'"),
        ("an unknown verb", ["shwo"], 2, "did you mean 'show'"),
        ("a hostile verb", ["\033[31m"], 2, "unknown verb '\\x1b[31m'"),
        ("no verb", [], 2, "no verb given"),
        ("a bad limit", ["list", "--limit", "-1"], 2, "no number of runs"),
        ("an unknown schema", ["schema", "x"], 2, "unknown schema 'x'"),
        ("no schema", ["schema"], 2, "event or run"),
        ("a FIFO instead of a run", ["show", os.path.join(state, "fifo")], 1, "neither a regular file"),
    ):
        run = telltale(*args)
        text = run.stderr.decode()
        good = run.returncode == status and wanted in text and bool(text) == bool(status)
        point(f"naming: {what}", good, run.returncode, text)


def output():
    for verb in ("run", "list", "show", "tree", "events", "top", "doctor", "schema"):
        one = telltale(verb, "--help")
        two = telltale("help", verb)
        good = one.returncode == 0 and one.stdout.startswith(b"usage: telltale " + verb.encode()) and one.stdout == two.stdout
        point(f"{verb} --help", good, one)
    point("--version", re.fullmatch(rb"telltale \d+\.\d+\.\d+\n", telltale("--version").stdout) is not None)
    for name in ("event", "run"):
        doc = json.loads(telltale("schema", name).stdout)
        point(f"schema {name}", doc["$schema"] == "https://json-schema.org/draft/2020-12/schema", doc)
    with open("/dev/full", "wb") as full:
        run = subprocess.run([TELLTALE, "show", golden("normal")], stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=LIMIT)
    point("a full disk is a failure", run.returncode == 1 and b"No space left" in run.stderr, run)
    run = subprocess.run(["/bin/sh", "-c", '"$0" show "$1" >&-', TELLTALE, golden("normal")], stderr=subprocess.PIPE, env=environment(), timeout=LIMIT)
    point("a closed stdout is a failure", run.returncode == 1 and b"standard output" in run.stderr, run)
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run([TELLTALE, "events", golden("normal")], stdout=writer, stderr=subprocess.PIPE, env=environment(), timeout=LIMIT)
    os.close(writer)
    point("a broken pipe ends quietly", run.returncode == 0 and not run.stderr, run)
    # More than any buffer holds, read by something that takes one line.
    long = os.path.join(state, "long.jsonl")
    with open(os.path.join(golden("normal"), "trace.jsonl"), "rb") as f:
        text = f.read()
    with open(long, "wb") as f:
        f.write(text * 100)
    child = subprocess.Popen([TELLTALE, "events", long], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    child.stdout.readline()
    child.stdout.close()
    err = child.stderr.read()
    child.stderr.close()
    point("a pipe that breaks on the way ends quietly", child.wait(LIMIT) == 0 and not err, child.returncode, err)


def on_terminal(**env):
    main, other = pty.openpty()
    child = subprocess.Popen(
        [TELLTALE, "tree", golden("normal")], stdin=subprocess.DEVNULL, stdout=other, stderr=other, env=environment(**env)
    )
    os.close(other)
    out = b""
    while select.select([main], [], [], LIMIT)[0]:
        try:
            data = os.read(main, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not data:
            break
        out += data
    os.close(main)
    child.wait(LIMIT)
    return out


def colour():
    point("colour on a terminal", b"\033[" in on_terminal(TERM="xterm"))
    point("NO_COLOR", b"\033" not in on_terminal(TERM="xterm", NO_COLOR="1"))
    point("no colour on a dumb terminal", b"\033" not in on_terminal(TERM="dumb"))


def follow():
    folder = os.path.join(state, "going")
    os.mkdir(folder)
    trace = os.path.join(folder, "trace.jsonl")
    with open(os.path.join(golden("normal"), "trace.jsonl"), "rb") as f:
        lines = f.read().splitlines(keepends=True)
    with open(trace, "wb") as f:
        f.write(b"".join(lines[:5]) + lines[5][:40])
    child = subprocess.Popen(
        [TELLTALE, "events", "--follow", "--json", "--kind", "all", folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    try:
        first = [child.stdout.readline() for _ in range(5)]
        time.sleep(0.2)  # long enough to see whether it takes half a line, or gives up
        point("events --follow: what is there, and then it waits", first == lines[:5] and child.poll() is None)
        with open(trace, "ab") as f:
            f.write(lines[5][40:] + b"".join(lines[6:]))
        out, err = child.communicate(timeout=LIMIT)
        point("events --follow: the rest, until the run ends", out == b"".join(lines[5:]) and child.returncode == 0, out, err)
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            child.wait()


def doctor():
    run = telltale("doctor", "--json")
    doc = json.loads(run.stdout)
    names = {c["name"] for c in doc["checks"]}
    good = {"libtelltale.so", "user namespaces", "seccomp notifier", "Landlock", "cgroup", "counting by ptrace", "BTF", "eBPF sensor",
            "refused capabilities", "io_uring operations", "proc connector"} <= names
    good = good and all(c["state"] in ("ok", "limited", "missing") for c in doc["checks"])
    good = good and all((c["consequence"] is None) == (c["state"] == "ok") for c in doc["checks"])
    point("doctor --json", good and run.returncode == (0 if doc["works"] else 1), doc)
    text = telltale("doctor").stdout.decode()
    point("doctor: one line per check", all(name in text for name in names), text)
    blind = json.loads(telltale("doctor", "--json", env=environment(XDG_STATE_HOME="/proc")).stdout)
    states = {c["name"]: c["state"] for c in blind["checks"]}
    refuse = os.path.join(BUILD, "tests/integration/sandbox_refuse")
    for call, name in (("ptrace", "counting by ptrace"), ("seccomp", "seccomp notifier"), ("mkdirat", "cgroup")):
        run = subprocess.run([refuse, call, "1", "--", TELLTALE, "doctor", "--json"], stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=LIMIT, env=environment(), check=False)
        found = {c["name"]: c["state"] for c in json.loads(run.stdout)["checks"]}
        point(f"doctor: {name} without {call}(2)", found[name] in ("missing", "limited"), found)
    point("doctor: a state folder that cannot be written", states["state folder"] == "missing" and not blind["works"], blind)


def main():
    global state
    state = tempfile.mkdtemp(prefix="views.")
    try:
        runs = os.path.join(state, "telltale/runs")
        os.makedirs(runs)
        shutil.copytree(golden("normal"), os.path.join(runs, RUN))
        shutil.copytree(golden("killed"), os.path.join(runs, RUN[:-1] + "1"))
        shutil.copytree(golden("normal"), os.path.join(runs, "01980f2a-7c11-7a3e-8b52-6f1d0c9e4a70"))
        os.mkfifo(os.path.join(state, "fifo"))
        for part in (show_normal, remarks, show_json, tree, events, kernel, capabilities, observer, torn, schemas, killed, hostile, listing, naming, output, colour, follow, doctor):
            part()
    finally:
        shutil.rmtree(state)
    print(f"1..{points}")
    return 1 if failures else 0


sys.exit(main())
