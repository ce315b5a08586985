/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent says to people: whole lines on stderr, the console of a guest. A line that nobody
 * has room for is left out: a console that stands still must not stop the agent. No allocation;
 * signal-safe.
 */
#ifndef TT_AGENT_SAY_H
#define TT_AGENT_SAY_H

#include <stddef.h>
#include <stdint.h>

enum { AGENT_LINE_MAX = 512 };

/*
 * agent_join - the texts up to NULL, one behind the other, in @buf; what does not fit is left out
 * Returns @buf.
 */
const char *agent_join(char *buf, size_t cap, ...) __attribute__((__sentinel__));

/* agent_number - decimal, in @buf, which it returns */
enum { AGENT_NUMBER_MAX = 24 };
const char *agent_number(char buf[AGENT_NUMBER_MAX], uint64_t v);

/* agent_say - "telltale-agent: ", the texts up to NULL, a newline */
void agent_say(const char *first, ...) __attribute__((__sentinel__));

#endif
