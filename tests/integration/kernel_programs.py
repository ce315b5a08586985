#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real programs under each profile that they can run in: no evasion is found, no process is missed, nothing is lost.

kernel_programs.py [PROFILE|PROGRAM]...    those alone
"""
import sys

import kernel_run
import kernel_works
import tt


def try_one(place, work, profile):
    name = f"{profile}: {work.name}"
    missing = work.missing()
    if missing:
        tt.skip(name, f"no {missing}")
        return
    rec = place.run(work, profile)
    print(f"# {name}: {kernel_works.describe(rec)}")
    if work.status is not None:
        tt.check(f"{name}: runs", rec.status == work.status, (rec.status, rec.stdout[-300:], rec.stderr[-600:]))
    tt.same(f"{name}: no evasion", kernel_run.findings(rec, "evasion"), [])
    kernel_run.sound(name, rec)
    c = rec.run["coverage"]
    tt.same(f"{name}: every image was seen by the kernel", (c["declared_only"], c["none"]), (0, 0))


def main():
    only = set(sys.argv[1:])
    kernel_run.need_sensor()
    place = kernel_works.Place()
    for work in kernel_works.WORKS:
        for profile in work.under:
            if not only or profile in only or work.name in only:
                try_one(place, work, profile)
    tt.done()


main()
