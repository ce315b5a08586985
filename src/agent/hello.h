/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent says of itself: agent.hello and agent.heartbeat. */
#ifndef TT_AGENT_HELLO_H
#define TT_AGENT_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/queue.h"
#include "agent/sensor.h"

enum { AGENT_HELLO_MAX = 1024, AGENT_SENSOR_TEXT_MAX = 48 };

struct agent_hello {
	char boot_id[40];
	char kernel[65];
	uint32_t restarts;
	unsigned count; /* of the sources: what each is called, and which sensor tells it */
	struct wire_text surface[WIRE_SOURCE_END];
	struct wire_text sensors[WIRE_SOURCE_END];
	char texts[WIRE_SOURCE_END][AGENT_SENSOR_TEXT_MAX];
};

/*
 * agent_hello_init - what does not change
 * @sensors: of two that tell the same source the first counts
 * A boot id that cannot be read is an empty one.
 */
void agent_hello_init(struct agent_hello *h, const struct agent_sensor *sensors, unsigned count,
		      const char *proc, unsigned restarts);

/*
 * agent_hello_frame - encoded, with the number that the queue has for it; its size or what
 * wire_encode() says
 */
int agent_hello_frame(const struct agent_hello *h, const struct agent_sink *q,
		      uint8_t ret[AGENT_HELLO_MAX]) TT_MUST_CHECK;

/* agent_hello_beat - agent.heartbeat into the queue */
void agent_hello_beat(struct agent_sink *q);

#endif
