/* SPDX-License-Identifier: Apache-2.0 */
/* The agent as a whole: its sensors, its queue, its link and the loop that turns them. */
#ifndef TT_AGENT_AGENT_H
#define TT_AGENT_AGENT_H

/*
 * agent_main - the program. Returns its exit status: 0, 1 could not start, 2 usage or no fork, 3
 * the loop failed
 */
int agent_main(int argc, char **argv);

#endif
