/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines into tables. A process is its pid until a line shows that the number is another's: its row
 * then stays as it is, and a new one begins.
 */
#include "store/busiest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "store/view.h"

#define NAME_MAX_LEN (STORE_TALLY_TEXT_MAX + 32)

int store_busiest_init(struct store_busiest *b)
{
	memset(b, 0, sizeof(*b));
	b->cpu_percent = -1;
	b->memory_kb = b->processes = -1;
	for (size_t i = 0; i < STORE_BUSIEST_KINDS; i++) {
		b->tables[i] = store_tally_new(STORE_BUSIEST_ROOM);
		if (!b->tables[i]) {
			store_busiest_done(b);
			return -ENOMEM;
		}
	}
	return 0;
}

void store_busiest_done(struct store_busiest *b)
{
	for (size_t i = 0; i < STORE_BUSIEST_KINDS; i++)
		store_tally_free(b->tables[i]);
	json_decref(b->opening);
	json_decref(b->closing);
	memset(b, 0, sizeof(*b));
}

void store_busiest_tick(struct store_busiest *b)
{
	for (size_t i = 0; i < STORE_BUSIEST_KINDS; i++)
		store_tally_tick(b->tables[i]);
}

static bool makes_process(struct store_text how)
{
	return store_text_is(how, "launch") || store_text_is(how, "fork") ||
	       store_text_is(how, "vfork") || store_text_is(how, "spawn");
}

static struct store_tally_row *process_of(struct store_busiest *b, const json_t *line,
					  bool is_start)
{
	static const uint8_t no_key[16]; /* a span that is mistaken for another costs one row */
	struct store_tally *t = b->tables[STORE_BUSIEST_PROCESSES];
	struct store_text id = store_get_text(line, "span_id"), name = id;
	bool made = is_start && makes_process(store_get_text(line, "how"));
	int64_t pid = store_get_int(line, "pid", 0);
	struct store_tally_row *p;
	char number[24];
	uint64_t span;

	if (pid)
		name = (struct store_text){
			number, (size_t)snprintf(number, sizeof(number), "%lld", (long long)pid)};
	if (!name.data)
		return NULL;
	p = store_tally_get(t, name);
	if (made && p) {
		span = id.data ? store_text_hash(no_key, id) : 1;
		/*
		 * Only this says that the number is another's now: other lines of an image may come
		 * after the end of its process.
		 */
		if (p->made && p->made != span) {
			store_tally_retire(t, p);
			p = store_tally_get(t, name);
		}
		if (p)
			p->made = span;
	}
	if (p)
		p->pid = pid;
	return p;
}

/* The command line; without one the program, else the name that the process goes by. */
static void set_words(struct store_tally_row *p, const json_t *line, bool is_exec)
{
	const json_t *argv = json_object_get(line, "argv");
	struct store_text one = store_get_text(line, "exe");
	size_t count = is_exec ? json_array_size(argv) : 0, len = 0;
	char text[STORE_TALLY_TEXT_MAX];
	char *copy;

	if (!one.data)
		one = store_get_text(line, "comm");
	for (size_t i = 0; i < (count ? count : 1) && len + 1 < sizeof(text); i++) {
		struct store_text word = count ? store_text_of(json_array_get(argv, i)) : one;
		size_t room = sizeof(text) - 1 - len, n = word.len < room ? word.len : room;

		if (!word.data)
			continue;
		memcpy(text + len, word.data, n);
		text[len + n] = '\0';
		len += n + 1;
	}
	copy = len ? malloc(len) : NULL;
	if (!copy)
		return;
	memcpy(copy, text, len);
	free(p->words);
	p->words = copy;
	p->words_len = len;
}

static uint64_t bytes_of(const json_t *object, const char *key)
{
	int64_t n = store_get_int(object, key, 0);

	return n > 0 ? (uint64_t)n : 0;
}

/*
 * What an image moved is told fd by fd as they are closed, and at its end of those that were left
 * open; the sum of both that stands there, too, would count it twice.
 */
static void add_open_fds(struct store_busiest *b, struct store_tally_row *p, const json_t *line)
{
	const json_t *fds = json_object_get(line, "open_fds");

	for (size_t i = 0; i < json_array_size(fds); i++) {
		const json_t *fd = json_array_get(fds, i);
		uint64_t in = bytes_of(fd, "bytes_read"), out = bytes_of(fd, "bytes_written");
		struct store_text path = store_get_text(fd, "path");
		struct store_tally_row *f;

		p->bytes_read += in;
		p->bytes_written += out;
		f = path.data ? store_tally_get(b->tables[STORE_BUSIEST_FILES], path) : NULL;
		if (!f)
			continue;
		f->bytes_read += in;
		f->bytes_written += out;
	}
}

static void add_process(struct store_busiest *b, const json_t *line)
{
	struct store_text act = store_get_text(line, "syscall"), how = store_get_text(line, "how");
	bool is_start = store_text_is(act, "start"), is_exec = store_text_is(how, "exec");
	struct store_tally_row *p = process_of(b, line, is_start);

	if (!p)
		return;
	if (is_start) {
		if (!p->started)
			b->started++;
		p->started = true;
		if (is_exec || !p->words)
			set_words(p, line, is_exec);
		return;
	}
	add_open_fds(b, p, line);
	if (!store_text_is(act, "exit"))
		return;
	if (p->end == STORE_TALLY_RUNNING)
		b->ended++;
	p->end = json_is_string(json_object_get(line, "signal")) ? STORE_TALLY_KILLED
								 : STORE_TALLY_EXITED;
	p->exit_code = store_get_int(line, "exit_code", -1);
}

/* What all tables count of a call. */
static void count(struct store_busiest *b, enum store_busiest_kind kind,
		  struct store_tally_row *row, const json_t *line, bool failed)
{
	if (!row)
		return;
	store_tally_count(b->tables[kind], row);
	row->failed += failed;
	row->elapsed_us += bytes_of(line, "elapsed_us");
}

static struct store_tally_row *host_row(struct store_busiest *b, const char *word,
					struct store_text name)
{
	char text[NAME_MAX_LEN];
	size_t n = strlen(word), rest;

	if (!name.data)
		return NULL;
	memcpy(text, word, n);
	text[n++] = ' ';
	rest = name.len < sizeof(text) - n ? name.len : sizeof(text) - n;
	memcpy(text + n, name.data, rest);
	for (size_t i = 0; i < rest; i++)
		if (!text[n + i])
			text[n + i] = '@'; /* abstract sockets, as in /proc/net/unix */
	return store_tally_get(b->tables[STORE_BUSIEST_HOSTS], (struct store_text){text, n + rest});
}

static struct store_tally_row *host_of(struct store_busiest *b, const json_t *line,
				       enum event_call call)
{
	if (event_call_looks_up(call))
		return host_row(b, "look up",
				store_text_of(json_array_get(json_object_get(line, "args"), 0)));
	return host_row(b, event_call_info(call)->name, store_get_text(line, "addr"));
}

static bool has_failed(const json_t *line, bool known, int number)
{
	int64_t result = store_get_int(line, "result", 0);

	if (store_text_is(store_get_text(line, "error"), "EINPROGRESS"))
		return false; /* it was begun */
	return json_is_string(json_object_get(line, "error")) || result < 0 ||
	       (known && result != 0 && event_call_looks_up((enum event_call)number));
}

static void add_call(struct store_busiest *b, const json_t *line)
{
	struct store_text name = store_get_text(line, "syscall"),
			  path = store_get_text(line, "path"),
			  path2 = store_get_text(line, "path2");
	uint64_t in = bytes_of(line, "bytes_read"), out = bytes_of(line, "bytes_written");
	struct store_tally_row *p = process_of(b, line, false), *f = NULL;
	int number = 0;
	bool known = store_call_find(name, &number), failed = has_failed(line, known, number);

	b->calls++;
	b->failed += failed;
	count(b, STORE_BUSIEST_PROCESSES, p, line, failed);
	if (p) {
		p->bytes_read += in;
		p->bytes_written += out;
		if (!p->words)
			set_words(p, line, false);
	}
	if (name.data)
		count(b, STORE_BUSIEST_CALLS, store_tally_get(b->tables[STORE_BUSIEST_CALLS], name),
		      line, failed);
	if (path.data && known) {
		f = store_tally_get(b->tables[STORE_BUSIEST_FILES], path);
		if (!event_call_keeps_fds((enum event_call)number) &&
		    event_call_info((enum event_call)number)->family != EVENT_FAMILY_IO)
			count(b, STORE_BUSIEST_FILES, f, line, failed);
	}
	if (f) {
		f->bytes_read += in;
		f->bytes_written += out;
	}
	if (path2.data)
		count(b, STORE_BUSIEST_FILES,
		      store_tally_get(b->tables[STORE_BUSIEST_FILES], path2), line, failed);
	if (known && event_call_info((enum event_call)number)->family == EVENT_FAMILY_NET)
		count(b, STORE_BUSIEST_HOSTS, host_of(b, line, (enum event_call)number), line,
		      failed);
}

/* A host asked for through the way out of a sandbox. */
static void add_connection(struct store_busiest *b, const json_t *line)
{
	struct store_text host = store_get_text(line, "host"),
			  outcome = store_get_text(line, "outcome");
	struct store_tally_row *row;
	char name[NAME_MAX_LEN];
	int n;

	if (!host.data)
		return;
	n = snprintf(name, sizeof(name), "%.*s:%lld",
		     (int)(host.len < STORE_TALLY_TEXT_MAX ? host.len : STORE_TALLY_TEXT_MAX),
		     host.data, (long long)store_get_int(line, "port", 0));
	row = host_row(b, "proxy", (struct store_text){name, (size_t)n});
	count(b, STORE_BUSIEST_HOSTS, row, line,
	      !store_text_is(outcome, "closed") && !store_text_is(outcome, "cut"));
	if (row) {
		row->bytes_read += bytes_of(line, "bytes_received");
		row->bytes_written += bytes_of(line, "bytes_sent");
	}
}

static void add_run(struct store_busiest *b, json_t *line)
{
	bool is_end = store_text_is(store_get_text(line, "phase"), "end");
	json_t **slot = is_end ? &b->closing : &b->opening;

	if (!*slot)
		*slot = json_incref(line);
}

void store_busiest_add(struct store_busiest *b, const struct store_item *item)
{
	const json_t *line = item->json;
	struct store_text type, action;
	int64_t n;

	if (item->kind == STORE_ITEM_UNREADABLE) {
		b->lost_unknown = true;
		return;
	}
	type = store_get_text(line, "event_type");
	if (store_text_is(type, "chain"))
		return;
	b->events++;
	if (!b->first_ns || item->ts_ns < b->first_ns)
		b->first_ns = item->ts_ns;
	if (item->ts_ns > b->last_ns)
		b->last_ns = item->ts_ns;
	if (store_text_is(type, "syscall")) {
		add_call(b, line);
	} else if (store_text_is(type, "process")) {
		add_process(b, line);
	} else if (store_text_is(type, "run")) {
		add_run(b, item->json);
	} else if (store_text_is(type, "connection")) {
		add_connection(b, line);
	} else if (store_text_is(type, "sample")) {
		b->cpu_percent = json_number_value(json_object_get(line, "cpu_percent"));
		b->memory_kb = store_get_int(line, "memory_kb", -1);
		b->processes = store_get_int(line, "processes", -1);
	} else if (store_text_is(type, "denied")) {
		action = store_get_text(line, "action");
		n = store_get_int(line, "count", 1);
		if (store_text_is(action, "deny") || store_text_is(action, "kill"))
			b->denied += n > 0 ? (uint64_t)n : 1;
	} else if (store_text_is(type, "gap") &&
		   !store_text_is(store_get_text(line, "reason"), "sampled")) {
		n = store_get_int(line, "count", -1);
		b->lost += n > 0 ? (uint64_t)n : 0;
		b->lost_unknown |= n < 0 || json_is_true(json_object_get(line, "at_least"));
	}
}
