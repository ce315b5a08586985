/* SPDX-License-Identifier: Apache-2.0 */
/* telltale-agent: sees what the workload of a cell does and tells the host. */
#include "agent/agent.h"

int main(int argc, char **argv)
{
	return agent_main(argc, argv);
}
