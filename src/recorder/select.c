/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration leaves out: judged here, off the command's time. */
#include <string.h>

#include "recorder/track_internal.h"

bool recorder_track_wants(struct recorder_track *t, struct recorder_span *s, const struct event *ev)
{
	char path[2 * EVENT_PATH_MAX];

	if (!t->config)
		return true;
	if (!event_config_selects(t->config, ev, path))
		return false;
	if (!event_config_samples(t->config, ev) || s->chosen++ % t->config->sample == 0)
		return true;
	s->next_seq++;
	s->sampled++;
	return false;
}

void recorder_track_put_sampled(struct recorder_track *t, struct recorder_span *s)
{
	struct recorder_gap *g = &t->gaps[RECORDER_GAP_SAMPLED];
	struct event ev = {
		.type = EVENT_GAP,
		.source = EVENT_FROM_RECORDER,
		.ts_ns = recorder_track_now(),
		.reason = {g->reason, strlen(g->reason)},
		.gap_count = s->sampled,
		.gap_count_known = true,
	};

	if (!s->sampled)
		return;
	g->count += s->sampled;
	g->spans++;
	s->sampled = 0;
	recorder_track_put(t, &ev, s);
}
