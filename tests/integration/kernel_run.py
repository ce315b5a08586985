# SPDX-License-Identifier: Apache-2.0
"""What the tests of the kernel sensor share: runs with it, acts as both sides name them, what the record says of itself."""
import collections
import errno
import json
import os
import re
import subprocess

import tt

# Every form of an act under one name: the program asks libc, the kernel is asked by another name.
KINDS = {name: kind for kind, names in {
    "open": "open open64 openat openat64 openat2 creat creat64 __open_2 __open64_2 __openat_2 __openat64_2",
    "mkdir": "mkdir mkdirat",
    "symlink": "symlink symlinkat",
    "link": "link linkat",
    "rename": "rename renameat renameat2",
    "unlink": "unlink unlinkat remove",
    "rmdir": "rmdir",
    "chmod": "chmod fchmodat fchmodat2",
    "chown": "chown lchown fchownat",
    "truncate": "truncate truncate64",
    "mknod": "mkfifo mkfifoat mknod mknodat",
    "connect": "connect",
    "bind": "bind",
    "accept": "accept accept4",
    "sendto": "sendto",
    "memfd": "memfd_create",
    "exec": "execve execveat execv execvp execvpe execl execlp execle fexecve",
    "unshare": "unshare",
    "mount": "mount",
    "umount": "umount umount2",
    "setresuid": "setresuid",
    "ptrace": "ptrace",
    "kill": "kill",
}.items() for name in names.split()}

WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


def need_sensor():
    """Skip the whole test where the kernel sensor cannot be had."""
    if "recorder" not in tt.modes():
        tt.skip_all("telltale is not built")
    line = [tt.TELLTALE, "run", "--kernel", "--output-dir", tt.scratch(), "--", "/bin/true"]
    p = subprocess.run(line, env=tt.clean_env(), stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    if p.returncode != 0:
        tt.skip_all("no kernel sensor here: " + p.stderr.decode(errors="replace").strip())


def record(cmd, options=(), **more):
    """A run with both sensors; it fails where the kernel's cannot be had."""
    return tt.record("recorder", cmd, options=["--kernel", *options], kernel=True, **more)


def plain(path):
    """One spelling of a path, with one slash in front."""
    return os.path.normpath(path).replace("//", "/")


def kind_of(e):
    kind = KINDS.get(e["syscall"])
    if kind == "unlink" and "AT_REMOVEDIR" in e["args"][-1]:
        return "rmdir"
    return kind


def said(rec):
    """The lines of JSON that a program printed."""
    return [json.loads(line) for line in rec.stdout.splitlines() if line.startswith(b"{")]


def error_of(act):
    return errno.errorcode.get(act["errno"], str(act["errno"])) if "errno" in act else None


def findings(rec, *kinds):
    """What the record finds wrong with itself, all kinds or those named."""
    return [f for f in rec.run["coverage"].get("findings", []) if not kinds or f["kind"] in kinds]


def ends(rec):
    """The last line of each span, by span."""
    return {e["span_id"]: e for e in rec.events if e["event_type"] == "process" and e["syscall"] != "start"}


def starts(rec):
    """The first line of each span, by span."""
    return {e["span_id"]: e for e in rec.events if e["event_type"] == "process" and e["syscall"] == "start"}


def images(rec, exe):
    """The ends of the spans that run the program @exe."""
    return [e for span, e in ends(rec).items() if starts(rec).get(span, {}).get("exe") == exe]


def sound(name, rec, may_stay_open=()):
    """What holds for every record: lines, spans, numbers of each sensor, nothing lost, figures that agree."""
    tt.none(f"{name}: every line is valid", rec.problems)
    tt.none(f"{name}: spans begin and end once", tt.span_problems(rec.events, may_stay_open))
    numbers = collections.defaultdict(list)
    for e in rec.events:
        if e.get("sensor") == "kernel" and "seq" in e:
            numbers[e["span_id"]].append(e["seq"])
    tt.none(f"{name}: the kernel's lines are numbered without holes",
            [f"{span}: {sorted(found)[:20]}" for span, found in numbers.items()
             if sorted(found) != list(range(len(found)))])
    c = rec.run["coverage"]
    tt.same(f"{name}: nothing is lost", (c["lost"], c["gaps"]), (0, []))
    made = {e["span_id"] for e in rec.events if e["syscall"] == "start" and e.get("how") != "exec"}
    tt.same(f"{name}: the number of processes is that of the spans that began one", rec.run["summary"]["processes"],
            len(made))
    tt.same(f"{name}: each span is counted once", c["full"] + c["kernel_only"] + c["declared_only"] + c["none"],
            c["spans"])
