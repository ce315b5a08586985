#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bench.py [--only NAME]... [--rounds N] BUILD: what recording costs, next to nothing at all and next to other tools.

Machines are noisy, so nothing is compared across runs: in each round every variant runs once, in a new order, and its
time is divided by that of the round's baseline. The table shows the median over the rounds. Writes bench/RESULTS.md;
with --only it prints the tables named and writes nothing.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time

import bench_agent
import bench_calls
import bench_costs
import bench_count
import bench_kernel
import bench_observe
import bench_receive
import bench_work
from bench_lib import ROUNDS, SOURCE, Bench

TABLES = {
    "pair": bench_calls.pair,
    "spawn": bench_calls.spawn,
    "sandbox": bench_calls.sandbox,
    "denied": bench_calls.denied,
    "work": bench_work.work,
    "build": bench_work.build,
    "memory": bench_costs.memory,
    "recorder": bench_costs.recorder,
    "instructions": bench_costs.instructions,
    "count": bench_count.count,
    "observe": bench_observe.observe,
    "kernel_pair": bench_kernel.pair,
    "kernel_tax": bench_kernel.tax,
    "kernel_spawn": bench_kernel.spawn,
    "kernel_attach": bench_kernel.attach,
    "noise": bench_kernel.noise,
    "agent_size": bench_agent.size,
    "agent_cpu": bench_agent.cpu,
    "agent_missed": bench_agent.missed,
    "agent_workload": bench_agent.workload,
    "receive_rate": bench_receive.rate,
    "receive_memory": bench_receive.memory,
}
# what --only also takes
GROUPS = {
    "kernel": ["kernel_pair", "kernel_tax", "kernel_spawn", "kernel_attach", "work", "recorder", "observe", "noise"],
    "agent": ["agent_size", "agent_cpu", "agent_missed", "agent_workload"],
    "receive": ["receive_rate", "receive_memory"],
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", choices=[*GROUPS, *TABLES], metavar="NAME",
                        help=", ".join([*GROUPS, *TABLES]))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("build")
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    # configured before the headers came
    if not os.path.exists(os.path.join(build, "bench", "liblttng_open.so")) and \
            subprocess.run(["pkg-config", "--exists", "lttng-ust"], check=False).returncode == 0:
        subprocess.run(["meson", "setup", "--reconfigure", build], cwd=SOURCE, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "bench-programs", "telltale", "telltale-agent", "telltale-init", "libtelltale.so",
                    "libtelltale-audit.so", "tests/integration/count_probe", "tests/integration/kernel_driver"], check=True,
                   stdout=subprocess.DEVNULL)
    parts = []
    with tempfile.TemporaryDirectory(dir=build) as folder:
        bench = Bench(build, folder, args.rounds)
        for name in [n for only in args.only for n in GROUPS.get(only, [only])] if args.only else TABLES:
            started = time.monotonic()
            parts.append(TABLES[name](bench))
            print("bench: %s, %.0f s" % (name, time.monotonic() - started), file=sys.stderr, flush=True)
    text = "\n".join([
        "# Results",
        "",
        "Made by `make bench` on Linux %s, %s, %d CPUs. Unless it says otherwise a figure is the median of %d rounds; "
        "differences and ratios are taken within a round." % (
            ".".join(platform.release().split(".")[:2]), platform.machine(), os.cpu_count(), args.rounds),
        "",
    ] + parts + ["Left out: %s.\n" % s for s in bench.skipped])
    if not args.only:
        with open(os.path.join(SOURCE, "bench", "RESULTS.md"), "w", encoding="utf-8") as f:
            f.write(text)
    print(text)


if __name__ == "__main__":
    main()
