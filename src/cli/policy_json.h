/* SPDX-License-Identifier: Apache-2.0 */
/* An effective policy as JSON. */
#ifndef TT_CLI_POLICY_JSON_H
#define TT_CLI_POLICY_JSON_H

#include <jansson.h>

#include "policy/policy.h"

/* cli_policy_json - a new reference, NULL without memory */
json_t *cli_policy_json(const struct policy *p);

/*
 * cli_policy_text_json - a string: paths and values need not be UTF-8, JSON must; what is not
 * becomes U+FFFD. null for NULL.
 */
json_t *cli_policy_text_json(const char *text);

/* cli_policy_verdict_json - { "action", "errno" }, a new reference */
json_t *cli_policy_verdict_json(struct policy_verdict v);

#endif
