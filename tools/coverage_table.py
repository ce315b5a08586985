#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""coverage_table.py BUILD: how the two accounts of real programs agree, as seen.

Writes docs/coverage.md. Needs what the kernel sensor needs.
"""
import collections
import os
import platform
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
os.environ["TELLTALE_BUILD"] = os.path.abspath(sys.argv[1] if len(sys.argv) == 2 else "build")

import kernel_run  # noqa: E402
import kernel_works  # noqa: E402

# columns of run.json's coverage.unmatched; what the table does not show is summed up as "other"
SHOWN = ("startup", "inside", "libc", "direct")

TEXT = """\
# How the two accounts agree

Made by `tools/coverage_table.py` on Linux {release}: the programs of `tests/integration/kernel_works.py` under profile
`OFF`, with the library and the kernel sensor. What the columns mean is in [run-format.md](run-format.md).

*Images*: program images, forks included. *Full*: seen by both sensors; the others by the kernel alone, with the reason.
*Confirmed*: calls that both told alike. *By the kernel alone*: what it told that no line of the library tells, by cause:
before the library could speak (*startup*), part of a call that the library told (*inside*), made by libc or the dynamic
linker for itself (*libc*), a system call of other code (*direct*), of an image that the library was not in or any other
cause (*other*). *By the library alone*: calls that the kernel has no row for, or was never asked; none of them is an act
that must have been seen. *Evasion*: findings, each of them false here.

| program | images | full | kernel-only | confirmed | startup | inside | libc | direct | other | library alone | evasion | lost |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
{rows}

In all {evasions} false findings of evasion in {confirmed} calls that both told, {images} images.
"""


def row(work, rec, total):
    c = rec.run["coverage"]
    unmatched = dict(c.get("unmatched") or {})
    shown = [unmatched.pop(k, 0) for k in SHOWN]
    sums = collections.Counter()
    for e in kernel_run.ends(rec).values():
        for k in ("lines_confirmed", "lines_kernel", "lines_declared"):
            sums[k] += e.get(k, 0)
    evasions = len(kernel_run.findings(rec, "evasion"))
    total["images"] += c["spans"]
    total["confirmed"] += sums["lines_confirmed"]
    total["evasions"] += evasions
    causes = ", ".join(f"{k} {v}" for k, v in (c.get("causes") or {}).items() if v)
    kernel_only = str(c["kernel_only"]) + (f" ({causes})" if causes else "")
    cells = [work.name, c["spans"], c["full"], kernel_only, sums["lines_confirmed"], *shown, sum(unmatched.values()),
             sums["lines_declared"], evasions, c["lost"]]
    return "| " + " | ".join(f"{n:,}" if isinstance(n, int) else str(n) for n in cells) + " |"


def main():
    kernel_run.need_sensor()
    place = kernel_works.Place()
    rows, total = [], collections.Counter()
    for work in kernel_works.WORKS:
        if work.missing():
            print(f"{work.name}: no {work.missing()}")
            continue
        rows.append(row(work, place.run(work, "OFF"), total))
        print(rows[-1], flush=True)
    with open(os.path.join(SOURCE, "docs", "coverage.md"), "w", encoding="utf-8") as f:
        f.write(TEXT.format(release=".".join(platform.release().split(".")[:2]), rows="\n".join(rows),
                            **{k: f"{total[k]:,}" for k in ("images", "confirmed", "evasions")}))


main()
