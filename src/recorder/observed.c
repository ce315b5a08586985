/* SPDX-License-Identifier: Apache-2.0 */
/* A fact of the kernel as a line of the trace. */
#include <fcntl.h>
#include <string.h>

#include "recorder/facts.h"
#include "recorder/track_internal.h"

/* Where relative paths start from, in the places where the event model looks for it. */
static void put_base(struct event *ev, const struct kernel_fact *f)
{
	const char *layout = event_call_info(ev->call)->layout;
	unsigned relative = 0;
	int dir = -1;

	for (int i = 0; layout[i] && relative < 2; i++) {
		const struct event_text *base = relative ? &f->where2 : &f->where;
		const struct event_arg *arg = &ev->args[i];

		if (layout[i] == 'd')
			dir = i;
		if ((layout[i] != 'p' && layout[i] != 'q') || !arg->data)
			continue;
		if (!arg->len || *(const char *)arg->data != '/') {
			relative++;
			if (dir < 0 || ev->args[dir].num == AT_FDCWD) {
				if (base->data)
					ev->cwd = *base;
			} else {
				ev->args[dir].data = base->data;
				ev->args[dir].len = base->len;
			}
		}
		dir = -1;
	}
	/* no path, but an fd: what it leads to */
	if (!relative && layout[0] == 'f') {
		ev->args[0].data = f->where.data;
		ev->args[0].len = f->where.len;
	}
}

static void put_call(struct event *ev, const struct kernel_fact *f)
{
	ev->call = f->call;
	memcpy(ev->args, f->args, sizeof(ev->args));
	ev->result = f->result;
	ev->has_result = f->has_result;
	ev->error = f->error;
	if (f->where.len && f->where_is_file)
		ev->joined = f->where;
	else if (f->where.len || f->where2.len)
		put_base(ev, f);
}

static void put_exec(struct event *ev, const struct kernel_fact *f)
{
	ev->call = EVENT_CALL_execve;
	ev->args[0] = (struct event_arg){.data = f->path.data, .len = f->path.len};
	ev->args[1] = (struct event_arg){
		.data = f->argv.data ? f->argv.data : "", .len = f->argv.len, .cut = f->argv_cut};
	if (f->path.len)
		ev->joined = f->path;
}

bool recorder_observed_is_quiet(const struct kernel_fact *f)
{
	struct event ev = {.type = EVENT_SYSCALL};

	if (f->kind == KERNEL_FACT_EXEC)
		return false;
	put_call(&ev, f);
	return event_is_quiet(&ev);
}

bool recorder_observed_put(struct recorder_track *t, struct recorder_span *s,
			   const struct kernel_fact *f)
{
	struct event ev = {
		.type = EVENT_SYSCALL,
		.source = f->by == KERNEL_BY_SECCOMP ? EVENT_FROM_OBSERVER : EVENT_FROM_KERNEL,
		.ts_ns = f->ts_ns + t->realtime_offset,
		.tid = f->tid,
		.ppid = s->ppid,
	};

	if (f->kind == KERNEL_FACT_EXEC)
		put_exec(&ev, f);
	else
		put_call(&ev, f);
	ev.uring = f->kind == KERNEL_FACT_URING;
	if (!recorder_track_wants(t, s, &ev))
		return false;
	recorder_hosts_find(&t->tree.hosts, s, &ev);
	ev.seq = s->kernel_seq++;
	ev.has_seq = true;
	s->lines_kernel++;
	t->events++;
	recorder_track_put(t, &ev, s);
	return true;
}
