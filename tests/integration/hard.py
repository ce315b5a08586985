# SPDX-License-Identifier: Apache-2.0
"""One command in three ways, compared byte for byte: what the tests of the hard cases share."""
import os
import re
import shutil

import tt

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
HIGH_FD = 100  # below are the program's fds


def env(**more):
    return {"PATH": PATH, "HOME": "/", "LC_ALL": "C.UTF-8", **more}


def without_own_fds(output):
    """A report of env_probe without the one fd that each program may have more, and complaints about it."""
    out, complaints = [], []
    for line in output.split(b"\n"):
        m = re.match(rb"fd (\d+) (\w+) ", line)
        if not m or int(m.group(1)) < HIGH_FD:
            out.append(line)
        elif m.group(2) != b"cloexec":
            complaints.append(line)
    return b"\n".join(out), complaints


def status_for(mode, status):
    """The recorder says a signal as shells do."""
    return 128 - status if mode == "recorder" and status < 0 else status


def fresh(name):
    """The same path for every mode: programs print where they are."""
    path = f"/tmp/telltale-test-{name}-{os.getpid()}"
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    os.chmod(path, 0o777)
    return path


def compare(name, cmd, status=0, given=None, only=None, **more):
    """Run @cmd natively and in each mode; the recordings by mode.

    @status: what it must end with natively, or the comparison says nothing; None for any.
    @only: modes, where not all.
    """
    found = {}
    for mode in ["native"] + [m for m in tt.modes() if not only or m in only]:
        cwd = fresh("hard")
        try:
            # by way of env(1): in direct mode a first program was given LD_PRELOAD by the user, in the open
            rec = tt.record(mode, ["env", "-u", "LD_PRELOAD", "-u", "SUBSTRATE_TRACE_LOG", *cmd],
                            env=env() if given is None else given, cwd=cwd, **more)
        finally:
            shutil.rmtree(cwd)
        out, complaints = without_own_fds(rec.stdout)
        if mode == "native":
            want = rec
            native = complaints, out
            tt.check(f"native: {name}: works", status in (None, rec.status), (rec.status, rec.stdout, rec.stderr))
        else:
            tt.none(f"{mode}: {name}: as without",
                    native[0] + complaints + differences(status_for(mode, want.status), rec.status, "status") +
                    differences(native[1], out, "stdout") + differences(want.stderr, rec.stderr, "stderr"))
            tt.none(f"{mode}: {name}: every line is valid", rec.problems)
        found[mode] = rec
    return found


def differences(want, got, what):
    """The first lines that are not the same."""
    if want == got:
        return []
    if not isinstance(want, bytes):
        return [f"{what}: got {got!r}, want {want!r}"]
    want, got = want.split(b"\n"), got.split(b"\n")
    at = next((i for i, pair in enumerate(zip(want, got)) if pair[0] != pair[1]), min(len(want), len(got)))
    return [f"{what}, line {at + 1}: got {got[at:at + 3]!r}", f"{what}, line {at + 1}: want {want[at:at + 3]!r}"]


def recorded(found):
    return [(mode, rec) for mode, rec in found.items() if mode != "native"]


def made_by(line):
    """Whether @line, a compiler's, builds something."""
    try:
        return tt.subprocess.run(line, capture_output=True, timeout=120, check=False).returncode == 0
    except OSError:
        return False
