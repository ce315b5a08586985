/* SPDX-License-Identifier: Apache-2.0 */
/* The frames that tell of no act. */
#include "agent/hello.h"

#include <string.h>
#include <sys/utsname.h>

#include "agent/say.h"
#include "base/file.h"
#include "base/time.h"

static const char comm[] = "telltale-agent";

static struct wire_text text_of(const char *s)
{
	return (struct wire_text){s, strlen(s)};
}

static void read_boot_id(struct agent_hello *h, const char *proc)
{
	char path[256];
	long n = tt_file_read(
		agent_join(path, sizeof(path), proc, "/sys/kernel/random/boot_id", NULL),
		h->boot_id, sizeof(h->boot_id) - 1);

	h->boot_id[n > 0 ? n : 0] = '\0';
	h->boot_id[strcspn(h->boot_id, "\n")] = '\0';
}

static void add_source(struct agent_hello *h, enum wire_source source, const char *sensor)
{
	const char *name = wire_source_name(source);
	char *text = h->texts[h->count];

	h->surface[h->count] = text_of(name);
	h->sensors[h->count] =
		text_of(agent_join(text, AGENT_SENSOR_TEXT_MAX, name, "=", sensor, NULL));
	h->count++;
}

void agent_hello_init(struct agent_hello *h, const struct agent_sensor *sensors, unsigned count,
		      const char *proc, unsigned restarts)
{
	struct utsname name;

	*h = (struct agent_hello){.restarts = restarts};
	read_boot_id(h, proc);
	if (uname(&name) == 0)
		(void)agent_join(h->kernel, sizeof(h->kernel), name.release, NULL);
	for (unsigned source = WIRE_NO_SOURCE + 1; source < WIRE_SOURCE_END; source++)
		for (unsigned i = 0; i < count; i++)
			if (sensors[i].surface & 1u << source) {
				add_source(h, (enum wire_source)source, sensors[i].name);
				break;
			}
}

int agent_hello_frame(const struct agent_hello *h, const struct agent_sink *q,
		      uint8_t ret[AGENT_HELLO_MAX])
{
	struct wire_frame frame = {
		.content_version = q->major,
		.source = WIRE_AGENT_HELLO,
		.has = WIRE_HAS(seq) | WIRE_HAS(boot_id) | WIRE_HAS(agent_version) |
		       WIRE_HAS(kernel_version) | WIRE_HAS(surface) | WIRE_HAS(sensors) |
		       WIRE_HAS(restarts),
		.guest_pid = q->pid,
		.guest_comm = {comm, sizeof(comm) - 1},
		.guest_monotonic_ns = tt_clock_ns(CLOCK_MONOTONIC),
		.seq = agent_queue_state(q)->hello_seq,
		.boot_id = text_of(h->boot_id),
		.agent_version = text_of(TT_VERSION),
		.kernel_version = text_of(h->kernel),
		.surface = {.count = h->count, .items = h->surface},
		.sensors = {.count = h->count, .items = h->sensors},
		.restarts = h->restarts,
	};

	return wire_encode(&frame, ret, AGENT_HELLO_MAX);
}

void agent_hello_beat(struct agent_sink *q)
{
	struct wire_frame frame = {
		.source = WIRE_AGENT_HEARTBEAT,
		.guest_pid = q->pid,
		.guest_comm = {comm, sizeof(comm) - 1},
		.guest_monotonic_ns = tt_clock_ns(CLOCK_MONOTONIC),
	};

	/* no room: then there is enough on its way that shows life */
	(void)!agent_queue_put(q, &frame);
}
