#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Help, manual pages and README name the same verbs and keys; links in the documents lead somewhere."""

import os
import re
import shutil
import subprocess

import lint

MAN = "man/telltale.1"
MAN_PRELOAD = "man/telltale-preload.5"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def anchors(text):
    """The names that GitHub gives to headings."""
    heads = re.findall(r"^#+\s+(.*)$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in heads}


def check_verbs(names):
    verbs = sorted(
        os.path.basename(n)[4:-2].replace("_", "-")
        for n in names
        if re.match(r"src/cli/cmd_\w+\.c$", n)
    )
    program = os.path.join(lint.BUILD, "telltale")
    places = {}
    if os.path.exists(program):
        run = subprocess.run(
            [program, "--help"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20
        )
        places["telltale --help"] = run.stdout if run.returncode == 0 else ""
    else:
        lint.skip("telltale --help names every verb", "no telltale in the build folder")
    for name in (MAN, "README.md"):
        if name in names:
            places[name] = lint.read(name)
        else:
            lint.skip(f"{name} names every verb", f"no {name}")
    for place, text in places.items():
        if place == MAN:
            # Verbs stand in macro lines; \- is roff for a hyphen.
            lines = [line for line in text.replace("\\-", "-").splitlines() if line[:1] == "."]
            has = lambda verb: any(re.search(rf"(?<![\w-]){verb}(?![\w-])", x) for x in lines)
        elif place == "README.md":
            has = lambda verb: re.search(rf"`(?:telltale )?{verb}\b|telltale {verb}\b", text)
        else:
            has = lambda verb: re.search(rf"^  {verb}\s", text, re.M)
        complaints = [f"{place}: no '{verb}'" for verb in verbs if not has(verb)]
        lint.point(f"{place} names every verb", complaints, len(verbs))


def check_keys():
    """Each key of the configuration file has its paragraph in the manual, and each paragraph its key."""
    table = re.search(r"keys\[KEY_COUNT\]\[\d+\] = \{(.*?)\};", lint.read("src/event/config.c"), re.S)
    keys = set(re.findall(r'"(\w+)"', table.group(1)))
    said = set(re.findall(r"^\.It Cm (\w+) No = ", lint.read(MAN_PRELOAD), re.M))
    complaints = [f"{MAN_PRELOAD}: no '{key}'" for key in sorted(keys - said)]
    complaints += [f"{MAN_PRELOAD}: '{key}' is no key" for key in sorted(said - keys)]
    lint.point(f"{MAN_PRELOAD} names every key", complaints, len(keys))


def check_links(names):
    documents = [n for n in names if n.endswith(".md")]
    complaints = []
    for name in documents:
        text = FENCE.sub("", lint.read(name))
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            full = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if not os.path.exists(os.path.join(lint.SOURCE, full)):
                complaints.append(f"{name}: '{target}': no such file")
            elif anchor and full.endswith(".md") and anchor not in anchors(lint.read(full)):
                complaints.append(f"{name}: '{target}': no such heading")
    lint.point("links lead somewhere", complaints, len(documents))


def check_man():
    if not os.path.exists(os.path.join(lint.SOURCE, MAN)):
        return
    if not shutil.which("mandoc"):
        lint.skip("mandoc has nothing to say", "no mandoc")
        return
    run = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", MAN, MAN_PRELOAD],
        cwd=lint.SOURCE,
        capture_output=True,
        text=True,
    )
    lint.point("mandoc has nothing to say", (run.stdout + run.stderr).splitlines())


def main():
    names = lint.tree()
    check_verbs(names)
    check_keys()
    check_links(names)
    check_man()
    lint.done()


main()
