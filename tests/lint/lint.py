# SPDX-License-Identifier: Apache-2.0
"""What the lint tests share: the files of the tree, and one TAP point per rule."""

import os
import subprocess
import sys

SOURCE = os.environ.get("TELLTALE_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
)
BUILD = os.environ.get("TELLTALE_BUILD") or os.path.join(SOURCE, "build")

_points = 0
_failed = 0


def tree():
    """Every file of the project, as a path below SOURCE: what git tracks or would track."""
    git = ["git", "-c", "safe.directory=*", "-C", SOURCE, "ls-files", "-z"]
    try:
        listed = subprocess.run(
            git + ["-co", "--exclude-standard"], capture_output=True, check=True
        ).stdout
        names = [os.fsdecode(name) for name in listed.split(b"\0") if name]
    except (OSError, subprocess.CalledProcessError):
        # A tarball: everything but what was built.
        names = []
        for folder, folders, files in os.walk(SOURCE):
            folders[:] = [
                f
                for f in folders
                if f not in (".git", "__pycache__")
                and not (folder == SOURCE and (f == "build" or f.startswith("build-")))
            ]
            names += [os.path.relpath(os.path.join(folder, f), SOURCE) for f in files]
    return sorted({n for n in names if os.path.isfile(os.path.join(SOURCE, n))})


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def point(name, complaints, checked=None):
    """One rule: it holds if nobody complains, and if there was something to look at."""
    global _points, _failed
    _points += 1
    complaints = list(complaints)
    if checked is not None and checked == 0:
        complaints.append("nothing to look at")
    if complaints:
        _failed += 1
    print(f"{'not ok' if complaints else 'ok'} {_points} - {name}")
    for complaint in complaints:
        for line in str(complaint).splitlines():
            print(f"# {line}")


def skip(name, why):
    global _points
    _points += 1
    print(f"ok {_points} - {name} # SKIP {why}")


def done():
    print(f"1..{_points}")
    sys.exit(1 if _failed else 0)
