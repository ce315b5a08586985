#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write C arrays of files: embed.py HEADER OUT.c SYMBOL=FILE..."""

import json
import sys


def main():
    header, out, pairs = sys.argv[1], sys.argv[2], sys.argv[3:]
    text = f'/* Made by embed.py. */\n#include "{header}"\n'
    for pair in pairs:
        symbol, _, name = pair.partition("=")
        with open(name, "rb") as f:
            data = f.read()
        json.loads(data)  # a broken schema stops the build, not the user
        rows = [data[i : i + 16] for i in range(0, len(data), 16)]
        body = "\n".join("\t" + ", ".join(str(b) for b in row) + "," for row in rows)
        text += f"\nconst char {symbol}[] = {{\n{body}\n}};\n"
        text += f"const size_t {symbol}_len = sizeof({symbol});\n"
    with open(out, "w", encoding="ascii") as f:
        f.write(text)


main()
