/* SPDX-License-Identifier: Apache-2.0 */
/* The files of data/schema, put into the program at build time by embed.py. */
#ifndef TT_CLI_SCHEMAS_H
#define TT_CLI_SCHEMAS_H

#include <stddef.h>

extern const char cli_schema_event[];
extern const size_t cli_schema_event_len;
extern const char cli_schema_run[];
extern const size_t cli_schema_run_len;

#endif
