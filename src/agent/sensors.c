/* SPDX-License-Identifier: Apache-2.0 */
/* Sensors are chosen by trying, never by version. */
#include "agent/sensors.h"

#include <string.h>

static const struct {
	const char *name;
	enum agent_choice choice;
	int (*open)(struct agent_sensor *s, const struct agent_watch *w, const char **ret_why);
} kinds[] = {
	/* best first */
	{"ebpf", AGENT_CHOOSE_EBPF, agent_ebpf_open},
	{"connector", AGENT_CHOOSE_CONNECTOR, agent_connector_open},
	{"walk", AGENT_CHOOSE_WALK, agent_walk_open},
};

static void note(struct agent_sensors *s, const char *name, const char *why, int error)
{
	char before[sizeof(s->tried)];

	memcpy(before, s->tried, sizeof(before));
	(void)agent_join(s->tried, sizeof(s->tried), before, *before ? "; " : "", name, ": ", why,
			 " (", strerror(error), ")", NULL);
}

int agent_sensors_open(struct agent_sensors *s, const struct agent_options *o)
{
	/* the sensors keep looking at it */
	static struct agent_watch watch;
	const char *why = "";
	int r = -ENOENT;

	watch = (struct agent_watch){
		.connector_fd = o->connector_fd,
		.outer_proc_fd = o->outer_proc_fd,
		.proc = o->proc,
		.inotify_paths = o->inotify,
		.inotify_count = o->inotify_count,
		.walk_ms = o->walk_ms,
	};
	*s = (struct agent_sensors){0};
	for (size_t i = 0; i < TT_ARRAY_SIZE(kinds) && r; i++) {
		if (o->sensor != AGENT_CHOOSE_AUTO && o->sensor != kinds[i].choice)
			continue;
		why = "";
		r = kinds[i].open(&s->each[0], &watch, &why);
		if (r)
			note(s, kinds[i].name, why, -r);
		else
			s->processes = kinds[i].choice;
	}
	if (r)
		return r;
	s->count = 1;
	if (!o->inotify_count)
		return 0;
	why = "";
	r = agent_inotify_open(&s->each[1], &watch, &why);
	if (r)
		note(s, "inotify", why, -r);
	else
		s->count = 2;
	return 0;
}

void agent_sensors_close(struct agent_sensors *s)
{
	for (; s->count; s->count--)
		s->each[s->count - 1].close(&s->each[s->count - 1]);
}
