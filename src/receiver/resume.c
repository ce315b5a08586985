/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record that is there already is read once from its first line to its last, and what it says is
 * counted again as it was counted when it was written: the trace is the only state that outlives a
 * receiver. A key with its quotes stands in a line as a key only, since quotes inside of texts are
 * escaped. What a kill tore off is passed over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "receiver/receiver_internal.h"

struct scan {
	struct receiver_cell *c;
	const char *line;
	size_t len;
	uint64_t seq; /* of the frame that the last line is of; UINT64_MAX: none */
};

static const char *find(const struct scan *s, const char *key)
{
	const char *at = memmem(s->line, s->len, key, strlen(key));

	return at ? at + strlen(key) : NULL;
}

static bool take_u64(const struct scan *s, const char *key, uint64_t *ret)
{
	const char *p = find(s, key), *end = s->line + s->len;
	uint64_t v = 0;

	if (!p || p == end || *p < '0' || *p > '9')
		return false;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	*ret = v;
	return true;
}

/* The bytes between quotes, as they stand there. */
static bool take_text(const struct scan *s, const char *key, struct wire_text *ret)
{
	const char *p = find(s, key), *end = s->line + s->len, *q;

	if (!p)
		return false;
	for (q = p; q < end && *q != '"'; q++)
		if (*q == '\\')
			q++;
	if (q >= end)
		return false;
	*ret = (struct wire_text){p, (size_t)(q - p)};
	return true;
}

/* A JSON array, its brackets included, into @buf; "" where it is too long. */
static bool take_array(const struct scan *s, const char *key, char *buf, size_t cap)
{
	const char *p = find(s, key), *end = s->line + s->len, *q;
	bool quoted = false;

	buf[0] = '\0';
	if (!p || p == end || *p != '[')
		return false;
	for (q = p; q < end && (quoted || *q != ']'); q++) {
		if (*q == '\\')
			q++;
		else
			quoted ^= *q == '"';
	}
	if (q >= end || (size_t)(q + 1 - p) >= cap)
		return false;
	memcpy(buf, p, (size_t)(q + 1 - p));
	buf[q + 1 - p] = '\0';
	return true;
}

/* Since the epoch, as tt_time_text() wrote it; 0: it did not. */
static uint64_t take_time(const struct scan *s)
{
	struct wire_text text;
	char copy[TT_TIME_TEXT_LEN + 1];
	struct tm tm = {0};
	const char *rest;

	if (!take_text(s, "{\"ts\": \"", &text) || text.len != TT_TIME_TEXT_LEN)
		return 0;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest || *rest != '.')
		return 0;
	return (uint64_t)timegm(&tm) * TT_NS_PER_SEC + strtoull(rest + 1, NULL, 10);
}

static bool is_word(struct wire_text text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

static bool take_span(const struct scan *s, const char *key, struct tt_uuid *ret)
{
	const char *p = find(s, key);

	return p && s->line + s->len - p >= TT_UUID_TEXT_LEN &&
	       tt_uuid_parse(ret, p, TT_UUID_TEXT_LEN);
}

static void keep(char *buf, size_t cap, struct wire_text text)
{
	size_t n = text.len < cap ? text.len : 0;

	memcpy(buf, text.data, n);
	buf[n] = '\0';
}

static void again_hello(struct scan *s)
{
	struct receiver_cell *c = s->c;
	struct receiver_agent now = {.known = true};
	struct receiver_loss loss;
	struct wire_text text;

	if (take_text(s, "\"boot_id\": \"", &text))
		keep(now.boot_id, sizeof(now.boot_id), text);
	if (take_text(s, "\"agent_version\": \"", &text))
		keep(now.version, sizeof(now.version), text);
	if (take_text(s, "\"kernel_version\": \"", &text))
		keep(now.kernel, sizeof(now.kernel), text);
	(void)take_array(s, ", \"sensors\": ", now.sensors, sizeof(now.sensors));
	(void)take_u64(s, "\"restarts\": ", &now.restarts);
	if (c->agent.known && strcmp(now.boot_id, c->agent.boot_id) != 0) {
		while (receiver_seq_settle(&c->seq, true, &loss))
			;
		receiver_seq_restart(&c->seq, 0);
		receiver_procs_done(&c->procs);
		c->newest_ns = 0;
	}
	c->agent = now;
}

static void again_process(struct scan *s)
{
	struct receiver_cell *c = s->c;
	struct receiver_proc *p, found = {.born = true};
	char text[RECEIVER_COMMAND_MAX];
	struct wire_text act;
	uint64_t pid = 0;

	if (!take_text(s, "\"syscall\": \"", &act))
		return;
	(void)take_u64(s, ", \"pid\": ", &pid);
	if (is_word(act, "exit")) {
		receiver_procs_remove(&c->procs, (uint32_t)pid);
		return;
	}
	if (!is_word(act, "start") || !take_span(s, "\"span_id\": \"spn_", &found.span))
		return;
	c->spans++;
	c->executions += find(s, "\"how\": \"exec\"") != NULL;
	if (!c->command && find(s, "\"how\": \"exec\"") &&
	    take_array(s, ", \"argv\": ", text, sizeof(text)))
		c->command = strdup(text);
	(void)take_span(s, "\"parent_span\": \"spn_", &found.parent);
	(void)take_u64(s, ", \"guest_start_ns\": ", &found.start_ns);
	p = pid ? receiver_procs_add(&c->procs, (uint32_t)pid) : NULL;
	if (p) {
		found.pid = (uint32_t)pid;
		*p = found;
	}
}

static void again_gap(struct scan *s)
{
	struct receiver_cell *c = s->c;
	struct receiver_loss loss = {0};
	struct wire_text reason, what;
	uint64_t count = 0;
	bool known, range;

	if (!take_text(s, "\"reason\": \"", &reason))
		return;
	known = take_u64(s, ", \"count\": ", &count);
	range = take_u64(s, ", \"seq_from\": ", &loss.from) &&
		take_u64(s, ", \"seq_to\": ", &loss.to);
	loss.lost = count;
	if (is_word(reason, "transport")) {
		receiver_seq_close(&c->seq, &loss);
	} else if (is_word(reason, "undeclared")) {
		c->undeclared++;
		if (take_text(s, "\"what\": \"", &what))
			c->violated |= 1u << wire_source_find(what.data, what.len, 2);
	} else if (is_word(reason, "rejected")) {
		for (unsigned i = 0; i < RECEIVER_REJECTS; i++)
			if (take_text(s, "\"what\": \"", &what) &&
			    is_word(what, receiver_reject_name(i))) {
				c->rejects[i] += count;
				c->rejects_told[i] += count;
				if (i != WIRE_E_FRAME_TRUNCATED - WIRE_E_FIRST &&
				    i != WIRE_E_SHORT_HEADER - WIRE_E_FIRST &&
				    i < RECEIVER_SEQ_RANGE)
					c->seq.rejects += count;
			}
	} else {
		c->dropped_unknown += !known;
		for (size_t i = 0; i < RECEIVER_CAUSES && range; i++)
			if (is_word(reason, receiver_drop_causes[i]))
				c->drops_by_cause[i] +=
					receiver_seq_dropped(&c->seq, count, loss.from, loss.to);
	}
}

static void again_notice(struct scan *s)
{
	struct receiver_cell *c = s->c;
	struct wire_text word;
	uint64_t count;

	if (take_text(s, ", \"state\": \"", &word)) {
		for (unsigned i = 0; i < RECEIVER_STATES; i++)
			if (is_word(word, receiver_state_names[i])) {
				c->state = (enum receiver_state)i;
				c->state_count[i]++;
				if ((i == RECEIVER_LIVE || i == RECEIVER_RECOVERED) && !c->first_ns)
					c->first_ns = take_time(s);
			}
	} else if (take_text(s, ", \"finding\": \"", &word) &&
		   take_u64(s, ", \"count\": ", &count)) {
		for (unsigned i = 0; i < RECEIVER_FINDINGS; i++)
			if (is_word(word, receiver_finding_names[i]))
				c->findings[i] = count; /* at least: not each one is told */
	} else if (take_text(s, ", \"reason\": \"", &word) && is_word(word, "heartbeat")) {
		c->heartbeats++;
	} else if (is_word(word, "exit") && take_u64(s, ", \"exit_status\": ", &count)) {
		c->has_exit = true;
		c->exit_status = (uint32_t)count;
		c->exit_ns = take_time(s);
	}
}

/*
 * As accept.c has it: a frame whose number cannot come any more is of an agent whose numbers begin
 * anew.
 */
static void again_number(struct scan *s, uint64_t seq)
{
	struct receiver_cell *c = s->c;
	struct receiver_loss loss;
	uint64_t ns = 0;

	(void)take_u64(s, ", \"guest_monotonic_ns\": ", &ns);
	if (ns > c->newest_ns && !receiver_seq_awaits(&c->seq, seq)) {
		while (receiver_seq_settle(&c->seq, true, &loss))
			;
		receiver_seq_restart(&c->seq, c->hello_seq < seq ? c->hello_seq : seq);
		if (c->hello_seq < seq)
			(void)receiver_seq_take(&c->seq, c->hello_seq, true, &loss);
	}
	if (ns > c->newest_ns)
		c->newest_ns = ns;
	(void)receiver_seq_take(&c->seq, seq, false, &loss);
}

/* What was said by the guest, in the order in which it came. */
static void again(struct scan *s)
{
	struct receiver_cell *c = s->c;
	struct receiver_loss loss;
	struct wire_text type, reason;
	uint64_t seq;
	bool is_frame, is_new = false;

	if (!take_text(s, "\"event_type\": \"", &type) || is_word(type, "chain") ||
	    is_word(type, "run"))
		return;
	c->lines++;
	is_frame = find(s, "\"component\": \"guest\"") != NULL;
	if (is_frame && take_u64(s, ", \"seq\": ", &seq)) {
		c->major = 2;
		is_new = seq != s->seq; /* lines of one frame have one number */
		s->seq = seq;
		if (is_word(type, "notice") && take_text(s, "\"reason\": \"", &reason) &&
		    is_word(reason, "agent_hello")) {
			again_hello(s);
			c->hello_seq =
				receiver_seq_take(&c->seq, seq, true, &loss) ? UINT64_MAX : seq;
		} else if (is_new) {
			again_number(s, seq);
		}
	} else if (is_frame) {
		c->major = 1;
		is_new = !find(s, "\"syscall\": \"replaced\"");
	}
	c->frames += is_new;
	if (is_word(type, "gap"))
		again_gap(s);
	else if (is_word(type, "notice"))
		again_notice(s);
	else
		c->acts += is_new;
	c->denied += is_word(type, "denied") && find(s, "\"action\": \"deny\"");
	if (is_word(type, "process"))
		again_process(s);
}

static int check_first(struct scan *s, struct tt_err *err)
{
	struct receiver_cell *c = s->c;
	struct tt_uuid run;
	struct wire_text text;

	if (!take_text(s, "\"cell_id\": \"", &text) || !is_word(text, c->id) ||
	    !find(s, "\"phase\": \"start\"") || !take_text(s, "\"run_id\": \"", &text) ||
	    !tt_uuid_parse(&run, text.data, text.len))
		return tt_fail_text(err, EEXIST, "the folder holds the record of something else");
	if (!tt_uuid_equal(&run, &c->span)) {
		if (c->run_id_given)
			return tt_fail_text(err, EEXIST,
					    "the folder holds another run of the cell");
		c->span = run;
		tt_uuid_text(c->run_id, &run);
	}
	c->opened_ns = take_time(s);
	if (!take_text(s, "\"spec_signature_hash\": \"", &text) || !is_word(text, c->spec.hash))
		return tt_fail_text(err, EEXIST,
				    "the folder holds a record made under another spec");
	return 0;
}

static int scan_all(struct receiver_cell *c, const char *text, size_t len, struct tt_err *err)
{
	struct scan s = {.c = c, .seq = UINT64_MAX};
	size_t at = 0;
	int r;

	for (bool first = true; at < len; first = false) {
		const char *nl = memchr(text + at, '\n', len - at);

		s.line = text + at;
		s.len = nl ? (size_t)(nl - s.line) : len - at;
		at += s.len + 1;
		if (first) {
			r = check_first(&s, err);
			if (r < 0)
				return r;
		} else if (s.len && s.line[s.len - 1] == '}') {
			again(&s); /* else it is torn; one that lacks its newline alone gets that */
		}
	}
	return 0;
}

int receiver_resume(struct receiver_cell *c, bool *ret_found, struct tt_err *err)
{
	struct stat st;
	void *map;
	int r;

	if (fstat(c->trace.fd, &st) < 0)
		return tt_fail(err, errno, "look at the trace");
	*ret_found = st.st_size > 0;
	c->written = (uint64_t)st.st_size;
	if (!*ret_found)
		return 0;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, c->trace.fd, 0);
	if (map == MAP_FAILED)
		return tt_fail(err, errno, "read the trace");
	(void)madvise(map, (size_t)st.st_size, MADV_SEQUENTIAL);
	r = scan_all(c, map, (size_t)st.st_size, err);
	(void)munmap(map, (size_t)st.st_size);
	return r;
}
