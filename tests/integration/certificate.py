#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The certificate of a run that library and kernel sensor watched: run.json, the trace, and what the readers make of it."""

import json
import os
import re
import subprocess
import sys

import tt


def verb(*args):
    run = subprocess.run([tt.TELLTALE, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=tt.SECONDS,
                         env=tt.clean_env(LC_ALL="C.UTF-8"), check=False)
    return run.stdout.decode()


def schemas(run):
    try:
        import jsonschema
    except ImportError:
        tt.skip("run.json and each line fit their schemas", "no python3-jsonschema")
        return
    event, document = (jsonschema.Draft202012Validator(json.loads(verb("schema", name))) for name in ("event", "run"))
    bad = [f"{e.message[:200]} in {line}" for line in run.events for e in event.iter_errors(line)]
    bad += [e.message[:300] for e in document.iter_errors(run.run)]
    tt.none("run.json and each line fit their schemas", bad)


def watched():
    made = os.path.join(tt.scratch(), "made")
    command = f"cat /etc/hostname; {tt.program('certificate_static')} {made}; env -i /bin/true; exit 5"
    run = tt.record("recorder", ["sh", "-c", command], kernel=True)
    pids = {e["args"][0]: e["pid"] for e in run.calls("unlink")}
    coverage = run.run["coverage"]
    tt.same("the command's status is its own", run.status, 5)
    tt.check("both sensors took part", {"preload", "kernel"} <= set(coverage["sensors"]), coverage)
    tt.same("nothing lost, nothing found", (coverage["lost"], coverage["findings"]), (0, []))
    tt.same("spans add up", coverage["full"] + coverage["kernel_only"] + coverage["declared_only"] + coverage["none"],
            coverage["spans"])
    tt.same("one image is static, and nothing else is missing", coverage["causes"], {"static": 1})
    tt.same("every process is counted", run.run["summary"]["processes"], 4)

    acts = [(e["sensor"], e["syscall"], e.get("path"), e["result"], e.get("error")) for e in run.calls()
            if e["pid"] == pids.get(made)]
    acts = [(sensor, "open" if "open" in call else call, *rest) for sensor, call, *rest in acts if sensor == "kernel"]
    tt.same("what the static program did is told by the kernel",
            [a for a in acts if a[2] in (made, "/nonexistent")],
            [("kernel", "open", made, 3, None), ("kernel", "open", "/nonexistent", -1, "ENOENT"),
             ("kernel", "unlink", made, 0, None)])
    ends = {e["pid"]: e for e in run.events if e["event_type"] == "process" and e["syscall"] == "exit"}
    end = ends.get(pids.get(made), {})
    tt.same("its end says who saw it", (end.get("coverage"), end.get("cause"), end.get("exit_code"), end.get("lines_declared")),
            ("kernel-only", "static", 3, 0))
    tt.check("what the library told is confirmed", any(e.get("path") == "/etc/hostname" and e.get("confirmed_by") == "kernel"
                                                       and e["sensor"] == "preload" for e in run.calls()), run.calls())
    schemas(run)

    text = verb("show", run.path)
    tt.check("show: one line", re.search(r"^  4 processes: 3 full, 1 kernel-only \(static\); [\d,]+ events, 0 lost$", text, re.M), text)
    tt.check("show: why", "    a static program loads no library\n" in text and "certificate_static" in text, text)
    tt.check("show: what was made and is gone, by whom it is told", f"Deleted 1  {made}  [kernel]\n" in text, text)
    text = verb("tree", run.path)
    tt.check("tree: marks", len(re.findall(r"exited 3, kernel-only \(static\)$", text, re.M)) == 1
             and text.count("kernel-only") == 1, text)
    told = [json.loads(line) for line in verb("events", "--json", "--confirmed", run.path).splitlines()]
    tt.check("events --confirmed", told and all(e["standing"] == "observed" for e in told), told)


def absent():
    run = tt.record("recorder", ["true"])
    coverage = run.run["coverage"]
    tt.check("without the kernel sensor nothing is said of it", "kernel" not in coverage["sensors"]
             and not any(e.get("sensor") == "kernel" or "confirmed_by" in e for e in run.events), coverage)
    tt.check("and show does not compare", "watched from inside" in verb("show", run.path))


def main():
    if not os.access(tt.TELLTALE, os.X_OK):
        tt.skip_all("no telltale in the build folder")
    absent()
    doctor = {c["name"]: c for c in json.loads(verb("doctor", "--json"))["checks"]}
    if doctor["eBPF sensor"]["state"] != "ok":
        tt.skip("a run that both watched", doctor["eBPF sensor"]["finding"])
    else:
        watched()
    tt.done()


sys.exit(main())
