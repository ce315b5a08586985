#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Run by the build: groups.def as tables of C, or the shipped profiles as texts in C.

policy-tables.py calls groups.def OUT
policy-tables.py profiles OUT NAME.profile...
"""

import os
import re
import sys

# Calls that are newer than the kernel headers we may be built with; the same numbers on x86_64 and aarch64.
NEW = {
    "set_mempolicy_home_node": 450,
    "cachestat": 451,
    "fchmodat2": 452,
    "map_shadow_stack": 453,
    "futex_wake": 454,
    "futex_wait": 455,
    "futex_requeue": 456,
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
    "mseal": 462,
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_getattr": 468,
    "file_setattr": 469,
}
# These of x86_64 alone.
NEW_X86 = {"uretprobe": 335, "uprobe": 336}


def read_groups(path):
    """[(name, summary, members in order)], groups within groups resolved."""
    groups, current = {}, None
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if not words:
                continue
            if not line[0].isspace():
                current = words[0][1:]
                assert words[0][0] == "@" and current not in groups and len(words) > 1, line
                groups[current] = (" ".join(words[1:]), [])
            else:
                groups[current][1].extend(words)

    def members(name, above):
        assert name in groups and name not in above, f"{name} in {above}"
        found = set()
        for word in groups[name][1]:
            found |= members(word[1:], above + [name]) if word[0] == "@" else {word}
        return found

    return [(name, groups[name][0], members(name, [])) for name in sorted(groups)]


def calls(groups_path, out):
    groups = read_groups(groups_path)
    names = sorted(set().union(*(m for _, _, m in groups)))
    assert len(groups) <= 64
    text = "/* Made by policy-tables.py of groups.def. */\n"
    for new, condition in ((NEW, ""), (NEW_X86, " && defined(__x86_64__)")):
        for name, number in new.items():
            text += f"#if !defined(__NR_{name}){condition}\n#define __NR_{name} {number}\n#endif\n"
    text += "static const struct group groups[] = {\n"
    for name, summary, _ in groups:
        text += f'\t{{"{name}", "{summary}"}},\n'
    text += "};\n/* Sorted. */\nstatic const struct call calls[] = {\n"
    for name in names:
        mask = sum(1 << i for i, (_, _, m) in enumerate(groups) if name in m)
        text += f'#ifdef __NR_{name}\n\t{{"{name}", __NR_{name}, {mask:#x}}},\n'
        text += f'#else\n\t{{"{name}", -1, {mask:#x}}},\n#endif\n'
    text += "};\nstatic const char *const names[] = {\n"
    for name in names:
        text += f'#ifdef __NR_{name}\n\t[__NR_{name}] = "{name}",\n#endif\n'
    text += "};\n"
    with open(out, "w", encoding="ascii") as f:
        f.write(text)


def profiles(out, paths):
    text = "/* Made by policy-tables.py. */\n#include \"policy/policy_internal.h\"\n\n"
    rows = ""
    for i, path in enumerate(paths):
        name = re.fullmatch(r"(.+)\.profile", os.path.basename(path)).group(1)
        with open(path, "rb") as f:
            data = f.read()
        body = "\n".join(
            "\t" + ", ".join(str(b) for b in data[at : at + 16]) + "," for at in range(0, len(data), 16)
        )
        text += f"static const char text{i}[] = {{\n{body}\n}};\n"
        rows += f'\t{{"{name}", text{i}, sizeof(text{i})}},\n'
    text += f"const struct policy_shipped policy_shipped[] = {{\n{rows}\t{{NULL, NULL, 0}},\n}};\n"
    with open(out, "w", encoding="ascii") as f:
        f.write(text)


if sys.argv[1] == "calls":
    calls(sys.argv[2], sys.argv[3])
else:
    profiles(sys.argv[2], sys.argv[3:])
