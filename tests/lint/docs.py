#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Help, manual pages and documents name the same verbs, keys, calls and variables; links lead somewhere."""

import json
import os
import re
import shutil
import subprocess

import lint

MAN = "man/telltale.1"
MAN_PRELOAD = "man/telltale-preload.5"
MAN_AGENT = "man/telltale-agent.8"
MAN_PROFILE = "man/telltale-profile.5"
MAN_INIT = "man/telltale-init.8"
PRELOAD = "docs/preload.md"
TRACE = "docs/trace-format.md"
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


def check_directives():
    """Each word that begins a line of a profile has its paragraph in the manual, each profile its name there."""
    keys = set(re.findall(r'^\t\{"([a-z-]+)",\s', lint.read("src/policy/read.c"), re.M))
    text = lint.read(MAN_PROFILE)
    said = set(re.findall(r"[a-z-]+", " ".join(re.findall(r"^\.It Cm (.*)$", text, re.M))))
    complaints = [f"{MAN_PROFILE}: no '{key}'" for key in sorted(keys - said)]
    shipped = {os.path.basename(n)[:-8] for n in lint.tree() if re.match(r"data/profiles/[^/]+\.profile$", n)}
    complaints += [f"{MAN_PROFILE}: no '{n}'" for n in sorted(shipped) if f".It Cm {n}\n" not in text]
    lint.point(f"{MAN_PROFILE} names every key and profile", complaints, len(keys) + len(shipped))


def check_settings():
    """Each setting of telltale-init has its paragraph in the manual, and its line in the usage."""
    keys = set(re.findall(r'^\t\{"([a-z-]+)", set_', lint.read("src/init/settings.c"), re.M))
    said = set(re.findall(r"[a-z-]+", " ".join(re.findall(r"^\.It Cm (.*)$", lint.read(MAN_INIT), re.M))))
    usage = lint.read("src/init/start.c")
    complaints = [f"{MAN_INIT}: no '{key}'" for key in sorted(keys - said)]
    complaints += [f"{MAN_INIT}: '{key}' is no setting" for key in sorted(said - keys)]
    complaints += [f"src/init/start.c: no '{key}' in its usage" for key in sorted(keys)
                   if f"--{key} " not in usage and f"telltale.{key}=" not in usage]
    lint.point(f"{MAN_INIT} names every setting", complaints, len(keys))


def words_of(text):
    """Every word in the `code` of a document, without its fences."""
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", FENCE.sub("", text)))))


def check_calls():
    """What the library stands in front of, and what it records, is what its page says."""
    section = re.search(r"^## What is recorded\n(.*?)^## ", lint.read(PRELOAD), re.M | re.S).group(1)
    exported = {line.split("#")[0].strip() for line in lint.read("tests/data/preload.exports").splitlines()} - {""}
    recorded = set(re.findall(r"^EVENT_CALL\((\w+),", lint.read("src/event/calls.def"), re.M))
    said = words_of(section)
    complaints = [f"{PRELOAD}: no '{name}'" for name in sorted((exported | recorded) - said)]
    # other code is flags, paths and `via`: the lists are code of several words
    lists = re.findall(r"`(\w+(?:\s+\w+)+)`", section)
    listed = set(" ".join(lists).split())
    complaints += [f"{PRELOAD}: '{name}' is not recorded" for name in sorted(listed - exported - recorded)]
    lint.point(f"{PRELOAD} names every call, and no other", complaints, len(exported | recorded))
    said = words_of(lint.read(TRACE))
    recorded |= set(re.findall(r"^EVENT_CALL_KERNEL\((\w+),", lint.read("src/event/calls.def"), re.M))
    lint.point(f"{TRACE} names every call", [f"no '{name}'" for name in sorted(recorded - said)], len(recorded))


def properties(schema, found):
    if isinstance(schema, dict):
        found |= set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
        for value in schema.values():
            properties(value, found)
    elif isinstance(schema, list):
        for value in schema:
            properties(value, found)
    return found


def check_formats():
    """The keys of the formats. What nothing writes yet is not described yet."""
    for name, reserved in (("event", {"bytes"}), ("run", set())):
        keys = properties(json.loads(lint.read(f"data/schema/{name}.schema.json")), set()) - reserved
        document = TRACE if name == "event" else "docs/run-format.md"
        complaints = [f"no '{key}'" for key in sorted(keys - words_of(lint.read(document)))]
        lint.point(f"{document} names every key", complaints, len(keys))


def check_variables(names):
    """What programs read of their environment stands in both manuals and on the library's page; for those of a guest, in
    the agent's manual."""
    ours = re.compile(r'"((?:TELLTALE|SUBSTRATE|CELLOS)_[A-Z_]+)(?:=[a-z]*)?"')
    of_guest = re.compile(r"src/(agent|init)/")
    for place in (MAN, MAN_PRELOAD, PRELOAD, MAN_AGENT):
        sources = [n for n in names if re.match(r"src/.*\.[ch]$", n) and bool(of_guest.match(n)) == (place == MAN_AGENT)]
        found = {v for n in sources for v in ours.findall(lint.read(n))}
        found.discard("TELLTALE_CTX")  # from one image to the next, not for people
        text = lint.read(place)
        complaints = [f"no '{v}'" for v in sorted(found) if not re.search(rf"(?<![A-Z_]){v}(?![A-Z_])", text)]
        lint.point(f"{place} names every variable", complaints, len(found))


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
        ["mandoc", "-T", "lint", "-W", "warning", MAN, MAN_PRELOAD, MAN_PROFILE, MAN_INIT],
        cwd=lint.SOURCE,
        capture_output=True,
        text=True,
    )
    lint.point("mandoc has nothing to say", (run.stdout + run.stderr).splitlines())


def main():
    names = lint.tree()
    check_verbs(names)
    check_keys()
    check_directives()
    check_settings()
    check_calls()
    check_formats()
    check_variables(names)
    check_links(names)
    check_man()
    lint.done()


main()
