#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No test lies about unlisted: each file of a suite has its row, each row its file."""

import os
import re

import lint


def compare(rule, files, rows, what):
    """@files and @rows: sets of the same kind of name."""
    complaints = [f"{name}: no row in {what}" for name in sorted(files - rows)]
    complaints += [f"{what}: '{name}': no such file" for name in sorted(rows - files)]
    lint.point(rule, complaints)


def main():
    names = lint.tree()

    table = "tests/unit/meson.build"
    rows = re.findall(r"^\t\['(\w+)', '(\w+)',", lint.read(table), re.M)
    compare(
        "unit tests are listed",
        {n for n in names if re.match(r"tests/unit/\w+/test_\w+\.c$", n)},
        {f"tests/unit/{folder}/test_{noun}.c" for folder, noun in rows},
        table,
    )

    table = "tests/integration/meson.build"
    scripts, programs = set(), set()
    for name in names:
        if os.path.dirname(name) == "tests/integration":
            if name.endswith(".c"):
                programs.add(name)
            elif os.access(os.path.join(lint.SOURCE, name), os.X_OK):
                scripts.add(name)
    quoted = re.findall(r"^\t\['([^']+)',(?!.*'source':)", lint.read(table), re.M)
    for more in re.findall(r"'more': \[([^\]]*)\]", lint.read(table)):
        quoted += [name.removesuffix(".c") for name in re.findall(r"'([^']+)'", more) if "/" not in name]
    rows = {f"tests/integration/{n}" if "." in n else f"tests/integration/{n}.c" for n in quoted}
    compare("integration tests are listed", scripts | programs, rows, table)

    table = "tests/fuzz/meson.build"
    rows = re.findall(r"^\t\['(\w+)',", lint.read(table), re.M)
    compare(
        "fuzz targets are listed",
        {n for n in names if re.match(r"tests/fuzz/fuzz_\w+\.c$", n)},
        {f"tests/fuzz/fuzz_{noun}.c" for noun in rows},
        table,
    )
    compare(
        "every fuzz target has a corpus",
        {n.split("/")[3] for n in names if n.startswith("tests/fuzz/corpus/")},
        set(rows),
        table,
    )

    table = "tests/guest/meson.build"
    scripts = {n for n in names if re.match(r"tests/guest/guest_\w+\.(?:c|py)$", n)}
    quoted = re.findall(r"^\t\['([^']+)'", lint.read(table), re.M)
    rows = {f"tests/guest/{n}" if "." in n else f"tests/guest/{n}.c" for n in quoted}
    compare("guest tests are listed", scripts, rows, table)

    table = "tests/lint/meson.build"
    rows = set(re.findall(r"^\t'([\w.]+)',", lint.read(table), re.M))
    scripts = {os.path.basename(n) for n in names if re.match(r"tests/lint/\w+\.py$", n)}
    compare("lint tests are listed", scripts - {"lint.py"}, rows, table)
    lint.done()


main()
