#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hook takes less than 4 KiB of stack more than the function itself: it may run in a handler on a small stack."""
import os

import tt

MORE = 4096


def depths(mode):
    """By function: bytes at the first call and at later ones."""
    rec = tt.record(mode, [tt.program("hard_stack")], cwd=tt.scratch(), parse=False)
    if not tt.check(f"{mode}: the calls are made", rec.status == 0, (rec.status, rec.stderr)):
        return {}
    out = {}
    for line in rec.stdout.decode().splitlines():
        name, first, later = line.split()
        out[name] = int(first), int(later)
    return out


def main():
    modes = tt.modes()
    native = depths("native")
    for mode in modes:
        found = depths(mode)
        if not found:
            continue
        for i, when in enumerate(("at the first call", "later")):
            more = {name: both[i] - native[name][i] for name, both in found.items()}
            worst = sorted(more, key=more.get)[-5:]
            print(f"# {mode}, {when}, the most: " + ", ".join(f"{name} {more[name]}" for name in reversed(worst)))
            tt.none(f"{mode}: {when} no hook takes more than {MORE} bytes",
                    [f"{name}: {n} more than {native[name][i]}" for name, n in more.items() if n > MORE])
    exports = os.path.join(os.environ.get("TELLTALE_SOURCE", os.path.join(os.path.dirname(__file__), "..", "..")),
                           "tests", "data", "preload.exports")
    with open(exports, encoding="ascii") as f:
        names = {line.strip() for line in f if line.strip() and not line.startswith("#")}
    tt.none("every exported function is measured", sorted(names - set(native)))
    tt.done()


main()
