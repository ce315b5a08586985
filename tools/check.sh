#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make check`: builds with gcc, clang and sanitizers, runs the tests, ends with a summary.
#
# Each step leaves a line "NAME<tab>ok|failed<tab>TESTLOG" in build-check/steps.tsv, which tools/summary.py
# reads. A build that fails is counted as one failed test and the other steps go on.
set -u

cd "$(dirname "$0")/.." || exit 1
steps=build-check/steps.tsv
jobs=$(nproc 2>/dev/null || echo 2)
rm -rf build-check
mkdir build-check || exit 1
: >"$steps"

# record STEP STATUS [TESTLOG]
record() {
	if [ "$2" -eq 0 ]; then
		printf '%s\tok\t%s\n' "$1" "${3-}" >>"$steps"
	else
		printf '%s\tfailed\t%s\n' "$1" "${3-}" >>"$steps"
	fi
}

# build NAME CC [meson option...]: everything; what fails does not keep the rest from being built
build() {
	name=$1 cc=$2
	shift 2
	printf '\n== build with %s\n' "$name"
	if [ ! -f "build-$name/build.ninja" ]; then
		rm -rf "build-$name"
		if ! CC=$cc meson setup "build-$name" "$@" >"build-check/$name.setup" 2>&1; then
			cat "build-check/$name.setup"
			record "build with $name" 1
			return 1
		fi
	fi
	ninja -C "build-$name" -j "$jobs" -k 0
	status=$?
	record "build with $name" $status
	return $status
}

# run_tests NAME [meson test option...]
run_tests() {
	name=$1
	shift
	printf '\n== tests, built with %s\n' "$name"
	rm -f "build-$name/meson-logs/check.json"
	# --logbase: a run by hand must not be taken for ours
	meson test -C "build-$name" --no-rebuild --num-processes "$jobs" --logbase check "$@"
	status=$?
	record "tests with $name" $status "build-$name/meson-logs/check.json"
	return $status
}

tools/install-packages.sh demo check
record 'packages' $?
# Without it the suite "guest" says why it is skipped.
tools/guest-kernel.py

if build gcc gcc -Dwerror=true; then
	run_tests gcc
fi
if build clang clang -Dwerror=true; then
	run_tests clang --suite unit
fi
# Sanitizers make gcc warn of things that are not so: no -Dwerror here.
# Undefined behaviour ends the program: a message alone would pass unseen.
if build asan gcc -Db_sanitize=address,undefined -Dc_args=-fno-sanitize-recover=undefined; then
	run_tests asan --suite unit --suite replay
fi

echo
exec tools/summary.py "$steps"
