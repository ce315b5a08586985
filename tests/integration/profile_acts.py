#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What each profile must refuse, really tried: as root, as a user, as root of a user namespace.

profile_acts.py [MODE|PROFILE]...    those alone
"""
import os
import shutil
import sys

import acts
import tt

REFUSED = ("EPERM", "EACCES", "ENOSYS")


def control(world, name, prefix):
    """Without a sandbox the acts work, or the test would show nothing."""
    tried = [a for a in acts.every_act(name) if a.bare]
    results = acts.Trial(world, acts.bare(), prefix).all(tried)
    held = [f"{a.what}: {r}" for a, r in results.items() if r in REFUSED or r.startswith("status")]
    for line in held:
        print(f"# {name}: not possible without a sandbox, either: {line}")
    tt.check(f"{name}: without a sandbox most acts are possible", len(held) < len(tried) / (2 if name == "root" else 1.3),
             held)


def main():
    only = sys.argv[1:]
    world = acts.World()
    for name, prefix, owner in acts.modes():
        if only and name not in only and not set(acts.ALL) & set(only):
            continue
        why = acts.unable(prefix)
        if why:
            tt.skip(name, why)
            continue
        world.own(owner)
        world.start_canary(prefix[:len(tt.DROP)] if prefix[:1] == tt.DROP[:1] else [])
        control(world, name, prefix)
        for profile in acts.ALL:
            if set(acts.ALL) & set(only) and profile not in only:
                continue
            trial = acts.Trial(world, acts.telltale(world, profile), prefix)
            name_, out, err = f"{name}: {profile}", *trial.run([world.probe, "sleep=0"])[1:]
            # a command that never ran has refused nothing
            if not tt.same(f"{name_}: runs", out, "sleep ok\n"):
                print("# " + err)
                continue
            for act, result in trial.all([a for a in acts.every_act(name) if profile in a.on]).items():
                is_held = result != "ok" and (result != "status 125" or act.how == "folder-stdin")
                tt.check(f"{name_}: {act.what} ({result})", is_held)
    world.close()
    tt.done()


main()
