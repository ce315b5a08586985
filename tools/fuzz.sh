#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make fuzz`: run every fuzz target for FUZZ_SECONDS (default 60) under ASan and UBSan.
#
# What libFuzzer finds grows in build-fuzz/corpus/NAME; the committed seeds are only read. A crash ends the
# target, its input is in build-fuzz/crashes: fix the bug, then add the input to tests/fuzz/corpus/NAME.
set -eu

cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}

if [ ! -f build-fuzz/build.ninja ]; then
	CC=clang meson setup build-fuzz -Dfuzzing=true -Db_sanitize=address,undefined -Db_lundef=false \
		'-Dc_args=-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined'
fi
ninja -C build-fuzz fuzzers

mkdir -p build-fuzz/crashes
ran=0
failed=
for target in build-fuzz/tests/fuzz/fuzz_*; do
	[ -f "$target" ] && [ -x "$target" ] || continue
	name=${target##*/fuzz_}
	echo "== fuzz $name for $seconds s"
	mkdir -p "build-fuzz/corpus/$name"
	"$target" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 \
		-artifact_prefix="build-fuzz/crashes/$name-" \
		"build-fuzz/corpus/$name" "tests/fuzz/corpus/$name" || failed="$failed $name"
	ran=$((ran + 1))
done

if [ $ran -eq 0 ]; then
	echo "fuzz: no target in build-fuzz/tests/fuzz" >&2
	exit 1
fi
if [ -n "$failed" ]; then
	echo "fuzz: failed:$failed; inputs are in build-fuzz/crashes" >&2
	exit 1
fi
echo "fuzz: $ran targets, nothing found"
