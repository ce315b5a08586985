#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`telltale policy`, and profiles of one's own under `telltale run`: names, files, errors, what they change."""
import json
import os
import shutil
import subprocess
import tempfile

import tt

SOURCE = os.path.abspath(os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "..", "..")))
SHIPPED = ["OFF", "STRICT", "RESOURCE-AWARE", "LEARNING", "AGENT"]
# Not below /tmp: sandboxes have one of their own.
work = None


def telltale(*args, **more):
    env = {k: v for k, v in os.environ.items() if not tt.OURS.match(k)}
    env.update(XDG_CONFIG_HOME=os.path.join(work, "config"), XDG_STATE_HOME=os.path.join(work, "state"), LC_ALL="C.UTF-8")
    return subprocess.run([tt.TELLTALE, *args], env=env, cwd=work, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=tt.SECONDS, check=False, **more)


def put(name, text):
    path = os.path.join(work, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def lists():
    put("config/telltale/profiles/mine.profile", 'summary "my own"\ninclude OFF\n')
    put("config/telltale/profiles/broken.profile", "nonsense\n")
    put("config/telltale/profiles/OFF.profile", "default kill\n")
    rows = json.loads(telltale("policy", "list", "--json").stdout)
    names = [row["name"] for row in rows]
    tt.same("the shipped profiles are listed first, in order", names[:5], SHIPPED)
    tt.same("then the user's, without one of a shipped name", names[5:], ["broken", "mine"])
    tt.same("each shipped one loads and has a summary", [r["name"] for r in rows[:5] if r["error"] or not r["summary"]], [])
    mine = rows[-1]
    tt.same("the summary is that of the file", (mine["summary"], mine["error"]), ("my own", None))
    tt.check("a broken one says what is wrong", "unknown key 'nonsense'" in rows[5]["error"], rows[5])
    text = telltale("policy", "list").stdout
    tt.same("for people, a line each", len(text.splitlines()), 7)
    groups = json.loads(telltale("policy", "list", "--groups", "--json").stdout)
    tt.check("groups have calls", "socket" in groups["network"]["calls"] and "read" in groups["fd"]["calls"], groups.keys())
    tt.check("groups for people", "\n@network: sockets\n" in telltale("policy", "list", "--groups").stdout)


def shows():
    for name in SHIPPED:
        shown = telltale("policy", "show", name)
        path = put(f"shown-{name}", shown.stdout)
        again = telltale("policy", "show", path)
        tt.same(f"{name}: what is shown is a profile that shows the same", again.stdout, shown.stdout)
        document = json.loads(telltale("policy", "show", name, "--json").stdout)
        other = json.loads(telltale("policy", "show", path, "--json").stdout)
        for d in (document, other):
            d["name"] = ""
            for rule in d["rules"]:
                rule["file"] = rule["line"] = None
        tt.check(f"{name}: and the same as JSON", document == other, [document, other])
        source = telltale("policy", "show", name, "--source").stdout
        with open(os.path.join(SOURCE, "data/profiles", name + ".profile"), encoding="utf-8") as f:
            tt.check(f"{name}: its source is the file", source == f.read())


def checks():
    good = [os.path.join(SOURCE, "data/profiles", n + ".profile") for n in SHIPPED]
    r = telltale("policy", "check", *good)
    tt.same("the shipped files are right", (r.returncode, r.stderr, r.stdout.count(": ok, ")), (0, "", 5))
    put("bad.profile", "netwrok off\n\nlimit pids 0\n  deny EPREM @file\n")
    r = telltale("policy", "check", "bad.profile")
    tt.same("all errors of a file, by line and column", (r.returncode, r.stdout, r.stderr.splitlines()), (1, "", [
        "telltale policy: ./bad.profile:1:1: unknown key 'netwrok': did you mean 'network'?",
        "telltale policy: ./bad.profile:3:12: a limit of 0: nothing could run ('none': no limit)",
        "telltale policy: ./bad.profile:4:8: no error 'EPREM': did you mean 'EPERM'?",
    ]))
    put("long.profile", "".join(f"deny ioctl when request == {i} and arg2 == {i}\n" for i in range(2000)))
    r = telltale("policy", "check", "long.profile", "mine")
    tt.check("a filter that is too long", r.returncode == 1 and "4096" in r.stderr, r.stderr)
    tt.check("and the next one is checked all the same", "mine: ok" in r.stdout, r.stdout)
    r = telltale("policy", "check", "nowhere")
    tt.check("a name that is none", r.returncode == 1 and "unknown profile 'nowhere'" in r.stderr, r.stderr)


def explains():
    r = telltale("policy", "explain", "STRICT", "ptrace")
    tt.check("the deciding rule and its place", r.stdout.startswith("deny EPERM\n  deny EPERM ptrace  (STRICT:"), r.stdout)
    for args, action in ((["pid=0"], "deny"), (["5"], "allow"), (["pid=5", "SIGTERM"], "allow"), (["arg0=0"], "deny")):
        got = json.loads(telltale("policy", "explain", "STRICT", "kill", *args, "--json").stdout)
        tt.same(f"kill {args}", got["action"], action)
    r = telltale("policy", "explain", "STRICT", "99999")
    tt.check("an unknown number: the default", "deny ENOSYS\n  no rule holds" in r.stdout, r.stdout)
    tt.same("a call that is none", telltale("policy", "explain", "OFF", "nonesuch").returncode, 1)
    tt.same("an argument that is none", telltale("policy", "explain", "OFF", "read", "x").returncode, 2)


def usage():
    for args in (["policy"], ["policy", "shw"], ["policy", "show"], ["policy", "check"], ["policy", "list", "x"],
                 ["policy", "explain", "OFF"], ["policy", "show", "mine", "--source"], ["policy", "--nonsense"]):
        r = telltale(*args)
        tt.check(f"{args}: a usage error, on stderr alone", r.returncode == 2 and not r.stdout and r.stderr, r)


def runs():
    marker = os.path.join(work, "ran")
    for name, text in (("unknown", "strickt"), ("wrong", put("wrong.profile", "limit pids 0\n")),
                       ("long", os.path.join(work, "long.profile")), ("missing", "./no/such")):
        r = telltale("run", "--no-kernel", f"--profile={text}", "--", "touch", marker)
        tt.check(f"a profile that is {name}: 125, a reason, nothing runs",
                 r.returncode == 125 and r.stderr and not os.path.exists(marker), r)
    r = telltale("run", "--no-kernel", "--profile=./wrong.profile", "--", "true")
    tt.same("the error of a file has its place", r.stderr,
            "telltale run: ./wrong.profile:1:12: a limit of 0: nothing could run ('none': no limit)\n")
    r = telltale("run", "--no-kernel", "--profile=mine", "--", "touch", marker)
    tt.check("a profile of the user's folder", r.returncode == 0 and os.path.exists(marker), r)
    put("quiet.profile", "include STRICT\ndeny-quiet ENOTTY uname\n")
    r = telltale("run", "--no-kernel", "--profile=./quiet.profile", "--no-preload", "--", "uname")
    if r.returncode == 125:
        tt.skip("a file's own rule holds", r.stderr.strip())
        return
    tt.check("a file's own rule holds", r.returncode == 1 and "Inappropriate ioctl" in r.stderr, r)
    r = telltale("run", "--no-kernel", "--profile=STRICT", "--no-preload", "--", "uname")
    tt.same("and without it the call works", (r.returncode, r.stdout), (0, "Linux\n"))


def main():
    global work
    work = tempfile.mkdtemp(prefix="telltale-policy-", dir=tt.BUILD)
    try:
        for part in (lists, shows, checks, explains, usage, runs):
            part()
    finally:
        shutil.rmtree(work)
    tt.done()


main()
