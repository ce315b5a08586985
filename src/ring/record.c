/* SPDX-License-Identifier: Apache-2.0 */
/* A copied record as an event: every length is checked against the copy. */
#include "ring/consumer.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* The argument at @at; false if it does not lie within @end. */
static bool take_arg(const char **at, const char *end, struct event_arg *ret, bool *ret_is_one)
{
	struct ring_arg a;

	if ((size_t)(end - *at) < sizeof(a))
		return false;
	memcpy(&a, *at, sizeof(a));
	*at += sizeof(a);
	if ((size_t)(end - *at) < (size_t)a.room * 8 || a.len > (size_t)a.room * 8)
		return false;
	ret->data = a.len && !(a.flags & RING_ARG_ABSENT) ? *at : NULL;
	ret->len = ret->data ? a.len : 0;
	ret->num = a.num;
	ret->absent = a.flags & RING_ARG_ABSENT;
	ret->cut = a.flags & RING_ARG_CUT;
	if (!ret->data && !ret->absent)
		ret->data = "";
	*ret_is_one = a.num == 1;
	*at += (size_t)a.room * 8;
	return true;
}

static struct event_text text_of(const struct event_arg *arg)
{
	return (struct event_text){arg->len ? arg->data : NULL, arg->len};
}

static int call_event(const struct ring_record *r, struct event *ev)
{
	const char *at = (const char *)(r + 1), *end = (const char *)r + r->size;
	const char *layout;
	unsigned argc;
	bool unused;

	if (r->call >= EVENT_CALL_COUNT)
		return -EBADMSG;
	ev->type = EVENT_SYSCALL;
	ev->call = (enum event_call)r->call;
	layout = event_call_info(ev->call)->layout;
	for (argc = 0; layout[argc]; argc++) {
		unsigned i = argc;

		if (!take_arg(&at, end, &ev->args[i], &unused))
			return -EBADMSG;
		/* an fd has a path only if the sensor looked one up */
		if (!ev->args[i].len && (layout[i] == 'd' || layout[i] == 'f'))
			ev->args[i].data = NULL;
	}
	/* who looks at an fd looks at the path behind it */
	if (argc < EVENT_ARGS_MAX)
		ev->args[argc] = (struct event_arg){.data = NULL};
	/* a close has counts only where there are any */
	if (event_call_has_extra(ev->call) && !(event_call_closes(ev->call) && r->argc == argc)) {
		struct event_arg extra;

		if (!take_arg(&at, end, &extra, &unused))
			return -EBADMSG;
		/* room that was never filled stays marked absent */
		if (!extra.absent)
			ev->extra = text_of(&extra);
	}
	ev->raw = r->flags & RING_FLAG_RAW;
	ev->in_flight = r->state != RING_DONE || (r->flags & RING_FLAG_ABANDONED);
	ev->has_result = !ev->in_flight && !(r->flags & RING_FLAG_NO_RESULT);
	ev->result = r->result;
	ev->error = r->error;
	if (ev->in_flight)
		ev->result = ev->error = 0, ev->elapsed_ns = 0;
	return 0;
}

static int start_event(const struct ring_record *r, struct event *ev)
{
	const char *at = (const char *)(r + 1), *end = (const char *)r + r->size;
	struct event_arg args[RING_START_ARGC];
	bool is_uuid = false, unused;

	if (r->call > EVENT_HOW_EXEC)
		return -EBADMSG;
	for (unsigned i = 0; i < RING_START_ARGC; i++)
		if (!take_arg(&at, end, &args[i], i == RING_START_PARENT ? &is_uuid : &unused))
			return -EBADMSG;
	ev->type = EVENT_PROCESS;
	ev->act = EVENT_ACT_START;
	ev->how = (enum event_how)r->call;
	if (is_uuid && args[RING_START_PARENT].len == sizeof(ev->parent.id))
		memcpy(&ev->parent.id, args[RING_START_PARENT].data, sizeof(ev->parent.id));
	else if (!is_uuid)
		ev->parent.text = text_of(&args[RING_START_PARENT]);
	ev->exe = text_of(&args[RING_START_EXE]);
	ev->argv = text_of(&args[RING_START_ARGV]);
	ev->cwd = text_of(&args[RING_START_CWD]);
	ev->comm = text_of(&args[RING_START_COMM]);
	return 0;
}

static int exit_event(const struct ring_record *r, struct event *ev)
{
	const char *at = (const char *)(r + 1), *end = (const char *)r + r->size;
	struct event_arg open_fds;
	bool unused;

	ev->type = EVENT_PROCESS;
	ev->act = EVENT_ACT_EXIT;
	ev->exit_code = (int)(r->result & 0xff);
	if (!r->argc)
		return 0;
	if (!take_arg(&at, end, &open_fds, &unused))
		return -EBADMSG;
	ev->extra = text_of(&open_fds);
	return 0;
}

int ring_record_event(const struct ring_consumer *c, const struct ring_taken *t, struct event *ret)
{
	const struct ring_record *r = &t->record;

	/* a call's arguments are written one by one: nobody looks at others */
	memset(ret, 0, offsetof(struct event, args));
	memset(&ret->result, 0, sizeof(*ret) - offsetof(struct event, result));
	ret->source = EVENT_FROM_PRELOAD;
	ring_record_times(c, r, &ret->ts_ns, &ret->elapsed_ns);
	ret->pid = t->who.pid;
	ret->ppid = t->who.ppid;
	ret->tid = t->who.tid;
	ret->span.id = t->who.span;
	switch ((enum ring_kind)r->kind) {
	case RING_CALL:
		return call_event(r, ret);
	case RING_START:
		return start_event(r, ret);
	case RING_EXIT:
		return exit_event(r, ret);
	case RING_PAD:
	case RING_NOTE: /* expanded when it was taken */
	default:
		return -EBADMSG;
	}
}
