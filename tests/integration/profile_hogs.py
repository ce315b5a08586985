#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who takes too much, and who turns against his record: acts that take more than one call, under each profile.

profile_hogs.py [MODE]...    those alone

The limits are those of the profiles made small, so that even a wall with a hole costs this machine little.
"""
import glob
import json
import os
import subprocess
import sys

import acts
import tt

PIDS = 24
MEMORY = 64
TMPFS = 8
SMALL = f"""forget limits
limit memory {MEMORY}M
limit pids {PIDS}
limit cpu-time 1s
limit wall 30s
mount tmpfs /tmp size={TMPFS}M mode=1777
"""

# tries to forge, to cut, to replace and to lose the record that is being written, and an older one
AGAINST_RECORD = r"""
import glob, os
def tries(f, *a):
    try: f(*a)
    except OSError: pass
def append(p):
    with open(p, "a") as f: f.write("forged\n")
old, names = os.environ["OLD"], glob.glob("**/trace*.jsonl", recursive=True) + glob.glob(".*/**/trace*.jsonl", recursive=True)
assert names, "no record in sight"
for p in names + [old]:
    run = p.replace("trace", "run").replace(".jsonl", ".json")
    for f, a in ((append, p), (os.truncate, (p, 0)), (os.unlink, p), (os.rename, (p, "x")), (os.chmod, (p, 0o666)),
                 (os.link, (p, "y")), (append, "y"), (os.symlink, ("/etc/hostname", run + ".tmp")), (os.mkdir, run)):
        tries(f, *(a if isinstance(a, tuple) else (a,)))
for d in ("rec", ".local/state/telltale/runs", ".local/state/telltale", ".local/state", ".local"):
    tries(os.rename, d, "moved-" + d.replace("/", "-"))
print("tried")
"""


class Case:
    def __init__(self, world, mode, prefix):
        self.world, self.mode, self.prefix = world, mode, prefix

    def run(self, profile, *cmd, more="", options=()):
        """Status, stdout, stderr and run.json of a command under a profile of its own."""
        w = self.world
        path = os.path.join(w.root, "small.profile")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"include {profile}\n{more}")
        records = os.path.join(w.root, "records")
        for name in os.listdir(records) if os.path.isdir(records) else ():
            os.unlink(os.path.join(records, name))
        launcher = acts.telltale(w, path, *options)
        status, out, err = acts.Trial(w, launcher, self.prefix).run(cmd, group=False)
        names = glob.glob(records + "/run_*.json")
        return status, out, err, json.loads(tt.read(names[0])) if len(names) == 1 else None

    def check(self, name, good, detail=""):
        return tt.check(f"{self.mode}: {name}", good, detail)


def is_running(path):
    """Pids of processes of the program @path."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.readlink(f"/proc/{name}/exe") == path:
                found.append(int(name))
        except OSError:
            pass
    return found


def hogs(c):
    """@act: what hogs; @hit: the limit that ends it."""
    probe = c.world.probe
    for profile in acts.BUILDS:
        for act, what in ((f"many-processes={3 * PIDS}", "more processes than there may be"),
                          (f"fork-bomb={6 * PIDS}", "a fork bomb")):
            status, out, err, run = c.run(profile, probe, act, more=SMALL)
            made = [int(line.split()[1]) for line in err.splitlines() if line.startswith("children ")]
            c.check(f"{profile}: {what} is held at the limit", status == 0 and out.endswith(" EAGAIN\n")
                    and made and 0 < made[0] <= PIDS, f"{status} {out} {err} {run and run['limits']}")
            c.check(f"{profile}: and nothing of it is left", not is_running(probe), is_running(probe))
        status, out, err, run = c.run(profile, probe, "hog-memory=256", more=SMALL)
        c.check(f"{profile}: a memory hog is ended by the limit", status == 137 and run
                and run["summary"]["exit_reason"] == "OOM_KILLED" and run["limits"]["hit"] == ["memory"],
                f"{status} {out} {err} {run and run['limits']}")
        status, out, err, run = c.run(profile, probe, "hog-cpu=20", more=SMALL)
        c.check(f"{profile}: so is a CPU hog", status == 137 and run
                and run["summary"]["exit_reason"] == "POLICY_ADAPTATION_KILL" and run["limits"]["hit"] == ["cpu_time"],
                f"{status} {out} {err} {run and run['limits']}")
    for profile in acts.ALL:
        status, out, err, run = c.run(profile, probe, f"fill=/tmp/f,{TMPFS * 2}", "fill=/tmp/g,1",
                                      more="mount tmpfs /tmp size=8M mode=1777\n")
        c.check(f"{profile}: /tmp is full at its size, and empty again", status == 0
                and out == "fill ENOSPC\nfill ok\n", f"{status} {out} {err}")
        status, out, err, run = c.run(profile, probe, f"fill-with-names=/tmp,{TMPFS * 1024}",
                                      more="mount tmpfs /tmp size=8M mode=1777\n")
        c.check(f"{profile}: nor do empty files take more", status == 0 and out == "fill-with-names ENOSPC\n",
                f"{status} {out} {err}")
        status, out, err, run = c.run(profile, probe, "sleep=20", options=["--timeout", "1s"])
        c.check(f"{profile}: who waits for ever is timed out", status == 124 and run
                and run["summary"]["exit_reason"] == "TIMEOUT", f"{status} {out} {err}")
    status, out, err, run = c.run("STRICT", probe, "fill=/tmp/f,300", "fill=/dev/shm/f,300")
    c.check("STRICT as it is: /tmp and /dev/shm hold 256 MiB", out == "fill ENOSPC\nfill ENOSPC\n", f"{status} {out} {err}")
    status, out, err, run = c.run("STRICT", probe, "many-processes=3", "fork-bomb=3")
    c.check("STRICT: not one process", out == "many-processes EPERM\nfork-bomb EPERM\n", f"{status} {out} {err}")
    c.check("STRICT: these count as refused", run and run["summary"]["blocked_syscalls"] > 1
            and run["summary"]["blocked_syscall"] in ("clone", "fork"), run and run["summary"])


def denials(c):
    """Acts that are refused are told, by name."""
    status, out, err, run = c.run("AGENT", c.world.probe, "mount=/tmp", "bpf", "bpf", "io-uring", "kill=0")
    told = {b["syscall"]: b["count"] for b in run["blocked"]} if run else {}
    c.check("AGENT: what was refused is told", told == {"mount": 1, "bpf": 2, "kill": 1}
            and run["summary"]["blocked_syscalls"] == 4 and run["summary"]["blocked_syscall"] == "mount"
            and run["summary"]["exit_reason"] == "EXITED(0)", f"{status} {out} {err} {told}")


def record(c):
    """A project that holds the records: they can be neither forged nor cut."""
    w = c.world
    for profile in acts.BUILDS:
        for where, options in (("rec", ["--output-dir", "rec"]), (".", ["--output-dir", "."]), (".local", [])):
            w.reset()
            old_folder = os.path.join(w.project, {"rec": "rec", ".": "."}.get(where, ".local/state/telltale/runs/old"))
            # by the one who is to try
            subprocess.run([*c.prefix, "mkdir", "-p", old_folder], check=True)
            old = os.path.join(old_folder, "old.jsonl")
            subprocess.run([*c.prefix, "sh", "-c", 'echo whole >"$0"', old], check=True)
            script = os.path.join(w.root, "against.py")
            with open(script, "w", encoding="utf-8") as f:
                f.write(AGAINST_RECORD)
            env = tt.clean_env(HOME=w.project, OLD=old)
            env.pop("XDG_STATE_HOME", None)
            r = subprocess.run([*c.prefix, w.telltale, "run", "--no-kernel", f"--profile={profile}", *options, "--", "python3", script],
                               cwd=w.project, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               timeout=acts.SECONDS, check=False)
            name = f"{profile}: records in {where}"
            c.check(f"{name}: the command runs", r.returncode == 0 and r.stdout == "tried\n", f"{r.returncode} {r.stderr}")
            found = [os.path.join(b, n) for b, _, names in os.walk(w.project) for n in names]
            traces = [n for n in found if n.endswith(".jsonl") and "trace" in n]
            runs = [n for n in found if n.endswith(".json") and os.path.basename(n).startswith("run")]
            if not c.check(f"{name}: trace and document are there", len(traces) == len(runs) == 1, found):
                continue
            events, problems = tt.parse_trace(tt.read(traces[0]))
            c.check(f"{name}: whole", not problems and events[0]["event_type"] == events[-1]["event_type"] == "run"
                    and events[-1]["phase"] == "end", problems)
            run = json.loads(tt.read(runs[0]))
            c.check(f"{name}: and true", run["summary"]["exit_reason"] == "EXITED(0)" and run["coverage"]["lost"] == 0,
                    run["summary"])
            if where != ".":
                left = [n for n in found if n.endswith("old.jsonl")]
                c.check(f"{name}: so are older ones", len(left) == 1 and tt.read(left[0]) == b"whole\n", found)
    w.reset()


def scribble(c):
    """Rubbish in the memory shared with the recorder is the command's own loss."""
    if not os.path.exists(tt.LIBRARY):
        tt.skip(f"{c.mode}: scribbling", f"no '{tt.LIBRARY}'")
        return
    for profile in acts.ALL:
        status, out, err, run = c.run(profile, "python3", "-c", "import subprocess, os\n"
                                      f"os.execv('{c.world.probe}', ['acts_probe', 'scribble', 'bpf'])")
        c.check(f"{profile}: rubbish in the ring does not stop the recorder", status in (0, 1) and run
                and run["summary"]["exit_reason"].startswith("EXITED(") and run["summary"]["blocked_syscalls"] >= 1,
                f"{status} {out} {err} {run and run['summary']}")


def main():
    world = acts.World()
    for mode, prefix, owner in acts.modes():
        if sys.argv[1:] and mode not in sys.argv[1:]:
            continue
        why = acts.unable(prefix)
        if why:
            tt.skip(mode, why)
            continue
        world.own(owner)
        case = Case(world, mode, prefix)
        for part in (hogs, denials, record, scribble):
            part(case)
    world.close()
    tt.done()


main()
