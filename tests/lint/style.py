#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What clang-format does not see: licence lines, widths, blanks, lengths, promises without a number."""

import os
import re

import lint

COLUMNS = 100
LINES = 800
SPDX = "SPDX-License-Identifier: Apache-2.0"
# Inputs and outputs kept as they came, byte for byte.
VERBATIM = ("tests/data/", "tests/golden/", "tests/fuzz/corpus/", "LICENSE")
# Text that people search for is not broken: a line that is one string may be longer.
STRING = re.compile(r'^\s*"(?:[^"\\]|\\.)*"[,;)]*(?:\s*\\)?$')
PROMISE = re.compile(r"\b(?:TO" r"DO|FIX" r"ME)\b(?!\(#\d+\))")


def is_code(name):
    if name.endswith((".c", ".h", ".def", ".py", ".sh")):
        return True
    path = os.path.join(lint.SOURCE, name)
    return "." not in os.path.basename(name) and os.access(path, os.X_OK)


def main():
    names = [n for n in lint.tree() if not n.startswith(VERBATIM)]
    text = {}
    for name in names:
        content = lint.read(name)
        if "\0" not in content:
            text[name] = content
    code = [n for n in text if is_code(n)]

    # After a "#!" line and nothing else.
    complaints = []
    for name in code:
        lines = text[name].splitlines()
        first = lines[1:2] if lines and lines[0].startswith("#!") else lines[:1]
        if not first or SPDX not in first[0]:
            complaints.append(f"{name}: no '{SPDX}' at the top")
    lint.point("code files begin with their licence", complaints, len(code))

    complaints = []
    c_files = [n for n in text if n.endswith((".c", ".h"))]
    for name in c_files:
        for number, line in enumerate(text[name].splitlines(), 1):
            width = len(line.expandtabs(8))
            if width > COLUMNS and not STRING.match(line):
                complaints.append(f"{name}:{number}: {width} columns")
    lint.point(f"no line of C past {COLUMNS} columns", complaints, len(c_files))

    complaints = []
    for name, content in text.items():
        for number, line in enumerate(content.split("\n"), 1):
            if line != line.rstrip():
                complaints.append(f"{name}:{number}: trailing blank")
        if content and not content.endswith("\n"):
            complaints.append(f"{name}: the last line has no end")
    lint.point("no trailing blanks, every line ended", complaints, len(text))

    complaints = []
    for name in code:
        length = text[name].count("\n")
        if length > LINES:
            complaints.append(f"{name}: {length} lines, split it")
    lint.point(f"no code file past {LINES} lines", complaints, len(code))

    complaints = []
    for name in code:
        for number, line in enumerate(text[name].splitlines(), 1):
            match = PROMISE.search(line)
            if match:
                complaints.append(f"{name}:{number}: write '{match.group(0)}(#N)', N the issue")
    lint.point("promises carry an issue number", complaints, len(code))
    lint.done()


main()
