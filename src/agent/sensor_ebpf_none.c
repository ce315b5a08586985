/* SPDX-License-Identifier: Apache-2.0 */
/* Where Telltale was built without eBPF. */
#include "agent/sensor.h"

#include <errno.h>

int agent_ebpf_open(struct agent_sensor *s, const struct agent_watch *w, const char **ret_why)
{
	(void)s;
	(void)w;
	*ret_why = "built without eBPF";
	return -EOPNOTSUPP;
}
