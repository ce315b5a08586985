/* SPDX-License-Identifier: Apache-2.0 */
/* A policy of the test's own, from words on the command line of sandbox_driver. */
#ifndef TT_TESTS_SANDBOX_RULES_H
#define TT_TESTS_SANDBOX_RULES_H

#include "policy/policy.h"

/*
 * sandbox_rules_begin - sandboxed, and asking for nothing else: all capabilities, no filter
 */
void sandbox_rules_begin(struct policy *ret);

/*
 * sandbox_rules_add - one rule, as "mount read /usr"; sandbox_rules.c lists them
 * Returns false for what is none.
 */
bool sandbox_rules_add(struct policy *p, char *text);

#endif
