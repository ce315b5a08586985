#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""compare_sandboxes.py BUILD: the acts of tests/integration/acts.py under Telltale's profiles and under bubblewrap.

Writes docs/sandbox-compare.md from what was seen. As root it tries them as root and as an ordinary user.
"""
import os
import platform
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
os.environ["TELLTALE_BUILD"] = os.path.abspath(sys.argv[1] if len(sys.argv) == 2 else "build")

import acts  # noqa: E402
import tt  # noqa: E402

HEADS = ("nothing", "STRICT", "RESOURCE-AWARE", "AGENT", "bwrap")


def said(result):
    if result == "ok":
        return "**done**"
    if result == "status 159":
        return "killed"
    if result == "status 125":
        return "not started"
    return {"private": "held (its own)"}.get(result, "held " + result)


def section(world, mode, prefix):
    tried = acts.every_act(mode)
    columns = []
    for launcher in (acts.bare(), *(acts.telltale(world, p) for p in acts.ALL), acts.bwrap(world)):
        some = tried if launcher.name != "bare" else [a for a in tried if a.bare]
        columns.append(acts.Trial(world, launcher, prefix).all(some))
    lines = []
    for act in tried:
        cells = []
        for head, results in zip(HEADS, columns):
            text = said(results[act]) if act in results else "not tried"
            if text == "**done**" and head in acts.ALL and head not in act.on:
                text = "allowed"
            cells.append(text)
        lines.append(f"| {act.what} | " + " | ".join(cells) + " |")
    counts = [sum(1 for a in tried if results.get(a) == "ok") for results in columns]
    return [f"## As {mode}", "", f"Done of {len(tried)} acts: " + ", ".join(f"{n} under {h}" for h, n in zip(HEADS, counts)) + ".",
            "", "| act | " + " | ".join(HEADS) + " |", "|---" * (len(HEADS) + 1) + "|", *lines, ""]


def main():
    version = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    world = acts.World()
    text = [
        "# The same acts under several sandboxes",
        "",
        f"Made by `tools/compare_sandboxes.py` on Linux {'.'.join(platform.release().split('.')[:2])}, with {version}. Each act is "
        "really tried, by `tests/integration/acts_probe`; it is *done* if it succeeded and what it did was seen outside. "
        "*Allowed*: done, and the profile does not claim to prevent it; of these, connecting to a unix socket that lies in a "
        "folder the command can see reaches out of the sandbox (no kernel of today can forbid it by path; `/run`, `/tmp` "
        "and `/var/tmp`, where daemons have theirs, are private). The errno is what the act was told; `ENOSYS`, `ENOENT` "
        "and their like may come from the machine, which has not everything that is tried: the first column shows what "
        "happens without any sandbox.",
        "",
        "bwrap has the command line `bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --bind "
        "PROJECT PROJECT --die-with-parent --new-session`: no seccomp filter, which it leaves to its caller to write. Much of what it lets be done ends with its own "
        "namespaces; what counts there is that so much more of the kernel is within reach.",
        "",
    ]
    for mode, prefix, owner in acts.modes():
        if mode in ("root", "user"):
            world.own(owner)
            world.start_canary(prefix)
            text += section(world, mode, prefix)
    world.close()
    with open(os.path.join(SOURCE, "docs", "sandbox-compare.md"), "w", encoding="utf-8") as f:
        f.write("\n".join(text))


main()
