/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as an event: type, call and numbers from the front, texts from the rest. Whatever they are,
 * the line is one line of UTF-8 that parses, or it does not fit; in a full buffer it always fits.
 */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "event/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	const uint8_t *at;
	size_t left;
};

static uint8_t take_byte(struct source *s)
{
	if (!s->left)
		return 0;
	s->left--;
	return *s->at++;
}

/* A text: length, times it is repeated, then its bytes. In a buffer of its own, in exact room. */
static struct event_text take_text(struct source *s, char **ret)
{
	size_t len = take_byte(s), times = 1 + (size_t)take_byte(s) * 8;
	struct event_text t = {NULL, 0};

	*ret = NULL;
	if (len == 255)
		return t;
	if (len > s->left)
		len = s->left;
	*ret = malloc(len * times);
	if (!*ret && len)
		abort();
	for (size_t i = 0; len && i < times; i++)
		memcpy(*ret + i * len, s->at, len);
	s->at += len;
	s->left -= len;
	t.data = *ret ? *ret : "";
	t.len = len * times;
	return t;
}

static void check(const struct event *ev, size_t cap)
{
	char *buf = malloc(cap);
	int n = event_format(ev, buf, cap);
	json_t *json;

	if (n < 0) {
		if (n != -ENOBUFS || cap >= EVENT_BUF_MAX)
			abort();
		free(buf);
		return;
	}
	if (n == 0 || (size_t)n > cap || n > EVENT_LINE_MAX || buf[n - 1] != '\n' ||
	    memchr(buf, '\n', (size_t)n - 1) || !tt_utf8_is_valid(buf, (size_t)n))
		abort();
	json = json_loadb(buf, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json))
		abort();
	json_decref(json);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source s = {data, size};
	uint8_t kind = take_byte(&s), bits = take_byte(&s);
	struct event ev = {.type = (enum event_type)(kind % 6),
			   .source = (enum event_source)(kind / 6 % 3)};
	struct event_ids ids = {.session = {"s", 1}};
	char *own[EVENT_ARGS_MAX + 12];
	size_t n = 0;

	ev.ids = &ids;
	/* gaps carry their own sensor, and only the recorder makes them */
	if (ev.type == EVENT_GAP || ev.type == EVENT_RUN)
		ev.source = EVENT_FROM_RECORDER;
	ev.call = (enum event_call)(take_byte(&s) % EVENT_CALL_COUNT);
	ev.act = (enum event_act)(take_byte(&s) % 3);
	ev.how = (enum event_how)(take_byte(&s) % 5);
	ev.has_seq = ev.has_result = ev.gap_has_range = bits & 1;
	ev.in_flight = ev.gap_at_least = bits & 2;
	ev.gap_count_known = bits & 4;
	ev.basis = (enum event_basis)(bits >> 3 & 1);
	ev.ts_ns = ev.seq = ev.elapsed_ns = take_byte(&s) * 0x0123456789abcdefull;
	ev.pid = ev.error = (int8_t)take_byte(&s);
	ev.result = ev.exit_code = (int8_t)take_byte(&s);
	ev.signal = take_byte(&s);
	for (unsigned i = 0; event_call_info(ev.call)->layout[i]; i++) {
		struct event_text t = take_text(&s, &own[n++]);

		ev.args[i] = (struct event_arg){
			.data = t.data, .len = t.len, .absent = !t.data, .cut = bits >> 5 & 1};
		ev.args[i].num = (int8_t)take_byte(&s) * 0x01010101ll;
		/* fds without a path are not absent */
		if (!t.data && strchr("df", event_call_info(ev.call)->layout[i]))
			ev.args[i].absent = false;
	}
	ev.cwd = take_text(&s, &own[n++]);
	ev.extra = take_text(&s, &own[n++]);
	ev.parent.text = take_text(&s, &own[n++]);
	ev.exe = take_text(&s, &own[n++]);
	if (bits & 0x40)
		ev.root = ev.exe;
	ev.root_unknown = bits & 0x80;
	ev.argv = take_text(&s, &own[n++]);
	ev.comm = take_text(&s, &own[n++]);
	ev.reason = ev.program = take_text(&s, &own[n++]);
	ev.phase = ev.exit_reason = take_text(&s, &own[n++]);
	ids.world = ids.traceparent = take_text(&s, &own[n++]);
	check(&ev, EVENT_BUF_MAX);
	check(&ev, EVENT_LINE_MAX);
	check(&ev, 4096);
	check(&ev, 700);
	check(&ev, 3);
	check(&ev, 0);
	while (n--)
		free(own[n]);
	return 0;
}
