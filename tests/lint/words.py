#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No file of the tree names a place that exists on one machine only, or a package host."""

import re

import lint

# Written in pieces, or this file would name them.
PLACES = re.compile(r"(?<![\w.~-])/(?:wo" r"rk|ro" r"ot)(?![\w-])|/tm" r"p/b-")
HOSTS = re.compile(
    r"(?:deb|security|ftp|snapshot)\.deb" r"ian\.org|registry\.np" r"mjs|py" r"pi\.org"
    r"|pythonhos" r"ted\.org|crates\.io|proxy\.gol" r"ang\.org|nodeso" r"urce\.com"
)


def main():
    names = lint.tree()
    places, hosts, seen = [], [], 0
    for name in names:
        content = lint.read(name)
        if "\0" in content or name.startswith("tests/fuzz/corpus/"):
            continue
        seen += 1
        for number, line in enumerate(content.splitlines(), 1):
            for complaints, pattern in ((places, PLACES), (hosts, HOSTS)):
                match = pattern.search(line)
                if match:
                    complaints.append(f"{name}:{number}: '{match.group(0)}'")
    lint.point("no path of one machine", places, seen)
    lint.point("no host of a package archive", hosts, seen)
    lint.done()


main()
