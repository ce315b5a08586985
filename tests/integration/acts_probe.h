/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of acts_probe share: the shape of an act and the tables of them. */
#ifndef TT_TESTS_ACTS_PROBE_H
#define TT_TESTS_ACTS_PROBE_H

#define ACT_ARGS 4

struct act {
	const char *name;
	/* 0 if it was done, -1 with errno if not; @arg: texts, "" where none was given */
	int (*attempt)(const char *const arg[ACT_ARGS]);
};

extern const struct act acts_files[], acts_kernel[], acts_processes[], acts_sockets[];

#endif
