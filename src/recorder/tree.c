/* SPDX-License-Identifier: Apache-2.0 */
/* Span and process tables. */
#include "recorder/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/time.h"

void recorder_tree_init(struct recorder_tree *t)
{
	t->live.prev_live = t->live.next_live = &t->live;
	if (getrandom(t->hash_key, sizeof(t->hash_key), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(t->hash_key)) {
		t->hash_key[0] = tt_clock_ns(CLOCK_REALTIME);
		t->hash_key[1] = (uintptr_t)t;
	}
}

void recorder_tree_done(struct recorder_tree *t)
{
	while (t->live.next_live != &t->live)
		recorder_process_remove(t, t->live.next_live);
	for (size_t i = 0; t->span_count && i < TT_ARRAY_SIZE(t->spans); i++)
		while (t->spans[i])
			recorder_span_remove(t, t->spans[i]);
}

/* The workload chooses ids and pids: without the key it could put all of them into one chain. */
static uint64_t hash(const struct recorder_tree *t, uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)(a ^ t->hash_key[0]) * (b ^ t->hash_key[1]);

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static struct recorder_span **span_chain(struct recorder_tree *t, const struct tt_uuid *id)
{
	uint64_t half[2];

	memcpy(half, id->b, sizeof(half));
	return &t->spans[hash(t, half[0], half[1]) % TT_ARRAY_SIZE(t->spans)];
}

struct recorder_span *recorder_span_find(struct recorder_tree *t, const struct tt_uuid *id)
{
	if (t->last && tt_uuid_equal(&t->last->id, id))
		return t->last;
	for (struct recorder_span *s = *span_chain(t, id); s; s = s->next)
		if (tt_uuid_equal(&s->id, id))
			return t->last = s;
	return NULL;
}

void recorder_text_set(char **field, const char *text, size_t len)
{
	char *copy = text ? strndup(text, len) : NULL;

	free(*field);
	*field = copy;
}

struct recorder_span *recorder_span_add(struct recorder_tree *t, const struct tt_uuid *id,
					const struct event_span *parent, enum event_how how)
{
	struct recorder_span *s, **chain = span_chain(t, id);

	if (t->span_count >= RECORDER_SPANS_MAX)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	t->span_count++;
	s->id = s->told = *id;
	s->parent.id = parent->id;
	if (parent->text.data) {
		recorder_text_set(&s->parent_text, parent->text.data, parent->text.len);
		s->parent.text = (struct event_text){s->parent_text,
						     s->parent_text ? strlen(s->parent_text) : 0};
	}
	s->how = how;
	s->slot = -1;
	recorder_fds_init(&s->fds, &t->fds_room);
	s->next = *chain;
	*chain = s;
	return s;
}

static void unchain_span(struct recorder_tree *t, struct recorder_span *s)
{
	struct recorder_span **at = span_chain(t, &s->id);

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	if (t->last == s)
		t->last = NULL;
}

void recorder_span_rekey(struct recorder_tree *t, struct recorder_span *s, const struct tt_uuid *id)
{
	struct recorder_span **chain;

	unchain_span(t, s);
	s->id = *id;
	chain = span_chain(t, id);
	s->next = *chain;
	*chain = s;
}

void recorder_span_remove(struct recorder_tree *t, struct recorder_span *s)
{
	unchain_span(t, s);
	t->span_count--;
	if (s->pending) {
		s->prev_pending->next_pending = s->next_pending;
		s->next_pending->prev_pending = s->prev_pending;
	}
	free(s->argv);
	free(s->parent_text);
	free(s->cwd);
	free(s->root);
	free(s->exe);
	free(s->exec_path);
	free(s->open_fds);
	recorder_fds_done(&s->fds);
	recorder_hosts_forget(&t->hosts, s);
	free(s);
}

static struct recorder_process **process_chain(struct recorder_tree *t, int32_t own_pid)
{
	return &t->processes[hash(t, (uint32_t)own_pid, 0) % TT_ARRAY_SIZE(t->processes)];
}

struct recorder_process *recorder_process_find(struct recorder_tree *t, int32_t own_pid)
{
	for (struct recorder_process *p = *process_chain(t, own_pid); p; p = p->next)
		if (p->own_pid == own_pid)
			return p;
	return NULL;
}

struct recorder_process *recorder_process_find_real(struct recorder_tree *t, int32_t pid)
{
	struct recorder_process *p = recorder_process_find(t, pid);

	if (p && p->pid == pid)
		return p;
	/* only processes in a PID namespace of their own are filed under another number */
	for (p = t->live.next_live; p != &t->live; p = p->next_live)
		if (p->pid == pid)
			return p;
	return NULL;
}

struct recorder_process *recorder_process_add(struct recorder_tree *t, int32_t pid, int32_t own_pid)
{
	struct recorder_process *p = calloc(1, sizeof(*p)), **chain = process_chain(t, own_pid);

	if (!p)
		return NULL;
	p->pid = pid;
	p->own_pid = own_pid;
	p->pidfd = -1;
	p->next = *chain;
	*chain = p;
	p->next_live = &t->live;
	p->prev_live = t->live.prev_live;
	p->prev_live->next_live = p->next_live->prev_live = p;
	return p;
}

static void close_pidfd(struct recorder_process *p)
{
	tt_closep(&p->pidfd);
	p->pidfd = -1;
}

static void unchain(struct recorder_tree *t, struct recorder_process *p)
{
	struct recorder_process **at = process_chain(t, p->own_pid);

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

bool recorder_process_is_gone(const struct recorder_process *p)
{
	if (p->observed)
		return p->dead;
	return p->pidfd < 0 ||
	       (syscall(SYS_pidfd_send_signal, p->pidfd, 0, NULL, 0) < 0 && errno == ESRCH);
}

void recorder_process_retire(struct recorder_tree *t, struct recorder_process *p)
{
	struct recorder_process **chain;

	unchain(t, p);
	p->own_pid = -p->own_pid;
	chain = process_chain(t, p->own_pid);
	p->next = *chain;
	*chain = p;
	p->pid = 0;
	p->dead = true;
	/*
	 * opened by number, it may be the other's: then what the image said of its end is nearer
	 * the truth
	 */
	close_pidfd(p);
	if (p->span && p->span->has_exit)
		p->status_known = false;
}

void recorder_process_remove(struct recorder_tree *t, struct recorder_process *p)
{
	unchain(t, p);
	p->prev_live->next_live = p->next_live;
	p->next_live->prev_live = p->prev_live;
	tt_closep(&p->pidfd);
	if (p->span)
		p->span->process = NULL;
	free(p);
}
