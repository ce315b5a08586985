/* SPDX-License-Identifier: Apache-2.0 */
/* Times, sizes and limits as people type them. */
#ifndef TT_CLI_AMOUNT_H
#define TT_CLI_AMOUNT_H

#include <stdint.h>

#include "base/compiler.h"
#include "policy/policy.h"

/* cli_duration_parse - "5s", "250ms", "1.5m", "2h"; a bare number is seconds. 0 or -EINVAL. */
int cli_duration_parse(const char *text, uint64_t *ret_ms) TT_MUST_CHECK;

/*
 * cli_limit_parse - "memory=512M", "cpu=150%", "pids=64", "wall=10s", ..., "NAME=none"
 * Returns 0 and sets that field of @ret; -ENOENT for a name that there is not, -EINVAL for its
 * value.
 */
int cli_limit_parse(const char *text, struct policy_limits *ret) TT_MUST_CHECK;

#endif
