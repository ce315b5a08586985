/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain as it is read again. Two passes: the first one looks for a chain line, whose names the
 * first hash begins with. Of a block no more is kept than one checksum for each record, and of
 * lines no more than a buffer.
 */
#include "chain/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain_internal.h"

#define BUF_BYTES ((size_t)128 * 1024) /* the longest line of a trace has 64 KiB */
#define GOT_MAX   (2 * CHAIN_RECORDS_MAX)
_Static_assert(CHAIN_IDS_MAX == CHAIN_NAMES_MAX + 2, "all names have room");

#define RECORD "{\"ts\": \""

struct verify {
	const struct chain_known *known;
	struct chain_verdict *out;
	struct sha256_ctx sha;
	uint64_t line;       /* the one being read, from 1 */
	uint64_t block_line; /* where the open block begins */
	uint64_t count;      /* records in it */
	uint64_t suspect;    /* a line that begins as chain lines do, and is none; or 0 */
	bool suspect_whole;  /* it has an end: nobody tore it */
	bool last_final, last_newline;
	uint32_t got[GOT_MAX]; /* checksums of its records */
	uint32_t crc;          /* of the line being read, and whether it begins as records do */
	bool crc_good;
	size_t head_len, ids_len;
	char names[CHAIN_NAMES_MAX];
};

static const char *const problem_names[] = {
	[CHAIN_SOUND] = "none",
	[CHAIN_NONE] = "no_chain",
	[CHAIN_ALTERED] = "altered",
	[CHAIN_REMOVED] = "removed",
	[CHAIN_INSERTED] = "inserted",
	[CHAIN_MOVED] = "moved",
	[CHAIN_LINE_GONE] = "chain_line_missing",
	[CHAIN_FOREIGN] = "foreign",
	[CHAIN_UNSIGNED] = "unsigned",
	[CHAIN_WRONG_KEY] = "wrong_key",
	[CHAIN_FORGED] = "forged",
	[CHAIN_CUT] = "cut",
	[CHAIN_OPEN] = "not_closed",
};

const char *chain_problem_name(enum chain_problem problem)
{
	return problem_names[problem];
}

static void say(struct verify *v, enum chain_problem problem, uint64_t line, const char *fmt, ...)
	TT_PRINTF(4, 5);

static void say(struct verify *v, enum chain_problem problem, uint64_t line, const char *fmt, ...)
{
	va_list args;

	v->out->problem = problem;
	v->out->line = line;
	va_start(args, fmt);
	(void)vsnprintf(v->out->said, sizeof(v->out->said), fmt, args);
	va_end(args);
}

static void begin_block(struct verify *v, const char *line, size_t len)
{
	sha256_init(&v->sha);
	sha256_update(&v->sha, sizeof(v->out->head), v->out->head);
	sha256_update(&v->sha, len, (const uint8_t *)line);
	v->block_line = v->line + 1;
	v->count = v->suspect = 0;
	v->suspect_whole = false;
}

/* The chain line itself fits the file; who says so? */
static void check_signature(struct verify *v, const struct chain_fields *f, const char *line)
{
	const uint8_t *want = v->known->has_key ? v->known->key : v->out->key;
	bool wanted = v->known->has_key || (v->out->chain_lines && v->out->is_signed);

	if (!f->has_signature) {
		if (wanted)
			say(v, CHAIN_UNSIGNED, v->line, "the chain line has no signature");
		return;
	}
	if (v->out->chain_lines && !v->out->is_signed)
		say(v, CHAIN_WRONG_KEY, v->line, "the chain line is signed, those before are not");
	else if (wanted && memcmp(want, f->key, sizeof(f->key)) != 0)
		say(v, CHAIN_WRONG_KEY, v->line, "the chain line is signed by another key");
	else if (!chain_key_check(f->key, line, f->signed_len, f->signature))
		say(v, CHAIN_FORGED, v->line,
		    "the signature does not fit: the chain line is altered, or not of this key");
	if (v->out->problem != CHAIN_SOUND)
		return;
	memcpy(v->out->key, f->key, sizeof(f->key));
	v->out->is_signed = true;
}

/* It does not follow what was accepted so far. */
static void say_unchained(struct verify *v, const struct chain_fields *f)
{
	uint64_t records = v->out->records, lines = v->out->chain_lines;
	uint64_t missing = f->first_record > records ? f->first_record - records : 0;

	if (v->suspect)
		say(v, CHAIN_ALTERED, v->suspect, "chain line %" PRIu64 " is altered", lines);
	else if (f->chain_seq < lines)
		say(v, CHAIN_MOVED, v->line, "chain line %" PRIu64 " stands here, behind %" PRIu64,
		    f->chain_seq, lines - 1);
	else if (f->chain_seq == lines)
		say(v, CHAIN_ALTERED, v->line,
		    "chain line %" PRIu64 " does not follow the one before it", lines);
	else if (v->count == f->records && missing)
		say(v, CHAIN_REMOVED, v->block_line,
		    "records %" PRIu64 " to %" PRIu64 " are missing, with their chain lines",
		    records, f->first_record - 1);
	else if (v->count == f->records + missing)
		say(v, CHAIN_LINE_GONE, v->block_line + (f->chain_seq == lines + 1 ? missing : 0),
		    "chain line %" PRIu64 " is missing, its records are there", lines);
	else if (f->chain_seq == lines + 1 && v->count == f->records + missing + 1)
		say(v, CHAIN_ALTERED, v->block_line + missing, "chain line %" PRIu64 " is altered",
		    lines);
	else
		say(v, CHAIN_REMOVED, v->block_line,
		    "chain line %" PRIu64 " is missing, and some of the records beside it", lines);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The same records in another order? */
static bool is_shuffled(const struct verify *v, const struct chain_fields *f, size_t n)
{
	uint32_t got[CHAIN_RECORDS_MAX], want[CHAIN_RECORDS_MAX];

	memcpy(got, v->got, n * sizeof(got[0]));
	memcpy(want, f->crcs, n * sizeof(want[0]));
	qsort(got, n, sizeof(got[0]), compare);
	qsort(want, n, sizeof(want[0]), compare);
	return memcmp(got, want, n * sizeof(got[0])) == 0;
}

/* The hash is another one, and all checksums fit. */
static void say_hidden(struct verify *v, const struct chain_fields *f, const char *text)
{
	uint64_t first = v->out->records;

	if (f->has_signature && !chain_key_check(f->key, text, f->signed_len, f->signature))
		say(v, CHAIN_ALTERED, v->line, "chain line %" PRIu64 " is altered", f->chain_seq);
	else if (!f->records)
		say(v, CHAIN_ALTERED, v->line,
		    "chain line %" PRIu64 " or the one before it is altered", f->chain_seq);
	else
		say(v, CHAIN_ALTERED, v->block_line,
		    "one of records %" PRIu64 " to %" PRIu64
		    " or a chain line beside them is altered, which one is not known",
		    first, first + f->records - 1);
}

/*
 * Behind @at the records are the same as they were, but for @came that were not there, or @gone
 * that are not.
 */
static bool is_shifted(const struct verify *v, const struct chain_fields *f, size_t at,
		       uint64_t came, uint64_t gone)
{
	size_t want = chain_crc_count(f->records);

	if (came > GOT_MAX - want || gone > want - at)
		return at == want;
	return memcmp(f->crcs + at + gone, v->got + at + came,
		      (want - at - (size_t)gone) * sizeof(v->got[0])) == 0;
}

static void say_longer(struct verify *v, const struct chain_fields *f, size_t at)
{
	uint64_t came = v->count - f->records, record = v->out->records + at;

	if (is_shifted(v, f, at, came, 0))
		say(v, CHAIN_INSERTED, v->block_line + at,
		    "%" PRIu64 " lines that did not stand here", came);
	else
		say(v, CHAIN_ALTERED, v->block_line + at,
		    "record %" PRIu64 " is altered, and there are %" PRIu64 " lines too many",
		    record, came);
}

static void say_shorter(struct verify *v, const struct chain_fields *f, size_t at)
{
	uint64_t gone = f->records - v->count, record = v->out->records + at;

	if (is_shifted(v, f, at, 0, gone))
		say(v, CHAIN_REMOVED, v->block_line + at,
		    "record %" PRIu64 " is missing: %" PRIu64 " in this block", record, gone);
	else
		say(v, CHAIN_ALTERED, v->block_line + at,
		    "record %" PRIu64 " is altered, and %" PRIu64 " are missing", record, gone);
}

/* The hash is another one: the checksums may tell where. */
static void say_different(struct verify *v, const struct chain_fields *f, const char *text)
{
	size_t want = chain_crc_count(f->records), at = 0;
	size_t got = v->count < GOT_MAX ? (size_t)v->count : GOT_MAX;
	uint64_t record;

	while (at < want && at < got && f->crcs[at] == v->got[at])
		at++;
	record = v->out->records + at;
	if (v->count > f->records)
		say_longer(v, f, at);
	else if (v->count < f->records)
		say_shorter(v, f, at);
	else if (at == want)
		say_hidden(v, f, text);
	else if (f->records == want && is_shuffled(v, f, want))
		say(v, CHAIN_MOVED, v->block_line + at, "record %" PRIu64 " stood elsewhere",
		    record);
	else
		say(v, CHAIN_ALTERED, v->block_line + at, "record %" PRIu64 " is altered", record);
}

static bool is_named_alike(const struct verify *v, const struct chain_fields *f)
{
	return f->head.len == v->head_len && f->ids.len == v->ids_len &&
	       memcmp(f->head.data, v->names, v->head_len) == 0 &&
	       memcmp(f->ids.data, v->names + v->head_len, v->ids_len) == 0;
}

/* Its numbers are those of the block that it closes. */
static bool is_told_right(const struct verify *v, const struct chain_fields *f)
{
	return f->chain_seq == v->out->chain_lines && f->first_record == v->out->records &&
	       f->records == v->count &&
	       memcmp(f->crcs, v->got, chain_crc_count(v->count) * sizeof(v->got[0])) == 0;
}

/* @line: with its newline if @newline */
static void close_block(struct verify *v, const struct chain_fields *f, const char *line,
			size_t len, bool newline)
{
	struct sha256_ctx sha = v->sha;
	uint8_t hash[CHAIN_HASH_BYTES];

	sha256_digest(&sha, sizeof(hash), hash);
	if (!is_named_alike(v, f))
		say(v, CHAIN_FOREIGN, v->line, "the chain line is of another run");
	else if (memcmp(f->previous, v->out->head, sizeof(hash)) != 0)
		say_unchained(v, f);
	else if (memcmp(f->hash, hash, sizeof(hash)) != 0)
		say_different(v, f, line);
	else if (!is_told_right(v, f))
		say(v, CHAIN_ALTERED, v->line, "chain line %" PRIu64 " is altered",
		    v->out->chain_lines);
	else if (v->suspect_whole)
		say(v, CHAIN_ALTERED, v->suspect,
		    "a chain line was altered here, and the chain went on behind it");
	else
		check_signature(v, f, line);
	if (v->out->problem != CHAIN_SOUND)
		return;
	if (!v->out->chain_lines)
		(void)snprintf(v->out->ids, sizeof(v->out->ids), "{%.*s}", (int)f->ids.len,
			       f->ids.data);
	v->out->records += f->records;
	v->out->chain_lines++;
	memcpy(v->out->head, hash, sizeof(hash));
	v->last_final = f->final;
	v->last_newline = newline;
	if (v->known->has_head && memcmp(hash, v->known->head, sizeof(hash)) == 0) {
		v->out->head_found = true;
		v->out->head_records = v->out->records;
	}
	begin_block(v, line, len);
}

/* A piece of a line that is no chain line. @ends: with its newline */
static void add_piece(struct verify *v, const char *piece, size_t len, bool begins, bool ends)
{
	if (begins) {
		v->crc = 0;
		v->crc_good =
			len > sizeof(RECORD) && memcmp(piece, RECORD, sizeof(RECORD) - 1) == 0;
	}
	sha256_update(&v->sha, len, (const uint8_t *)piece);
	v->crc = chain_crc(v->crc, piece, len);
	if (!ends)
		return;
	if (v->count < GOT_MAX)
		v->got[v->count] = v->crc;
	v->count++;
	if (!v->crc_good || len < 2 || piece[len - 2] != '}') {
		if (!v->out->torn++)
			v->out->first_torn = v->line;
	}
}

/* A whole line, or the rest of the file, which may lack a newline. */
static void add_line(struct verify *v, const char *line, size_t len)
{
	bool newline = line[len - 1] == '\n';
	size_t text = newline ? len - 1 : len;
	struct chain_fields f;

	if (chain_line_parse(line, text, &f) == 0) {
		close_block(v, &f, line, len, newline);
		return;
	}
	if (chain_line_is(line, text) && !v->suspect_whole) {
		v->suspect = v->line;
		v->suspect_whole = line[text - 1] == '}';
	}
	add_piece(v, line, len, true, newline);
	if (newline)
		return;
	v->count++;
	if (!v->out->torn++)
		v->out->first_torn = v->line;
}

/* Looking for names: the first whole chain line ends the pass. */
static bool take_names(struct verify *v, const char *line, size_t len)
{
	struct chain_fields f;

	if (chain_line_parse(line, line[len - 1] == '\n' ? len - 1 : len, &f) < 0)
		return false;
	v->head_len = f.head.len;
	v->ids_len = f.ids.len;
	memcpy(v->names, f.head.data, f.head.len);
	memcpy(v->names + f.head.len, f.ids.data, f.ids.len);
	chain_genesis(f.head, f.ids, v->out->head);
	return true;
}

static ssize_t read_more(int fd, char *buf, size_t len)
{
	ssize_t n;

	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/*
 * All lines, from the beginning of the file. @names: only until a chain line is found
 * Returns 1 if one was, or if a problem was; 0 at the end of the file; -errno.
 */
static int read_lines(struct verify *v, int fd, char *buf, bool names)
{
	size_t len = 0;
	bool inside = false; /* of a line longer than the buffer */

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (v->line = 1;;) {
		ssize_t n = read_more(fd, buf + len, BUF_BYTES - len);
		char *p = buf, *end;

		if (n < 0)
			return (int)n;
		len += (size_t)n;
		for (; (end = memchr(p, '\n', (size_t)(buf + len - p))); p = end + 1, v->line++) {
			size_t size = (size_t)(end + 1 - p);

			if (!names && inside)
				add_piece(v, p, size, false, true);
			else if (!names)
				add_line(v, p, size);
			else if (!inside && take_names(v, p, size))
				return 1;
			if (v->out->problem != CHAIN_SOUND)
				return 1;
			inside = false;
		}
		len -= (size_t)(p - buf);
		memmove(buf, p, len);
		if (n == 0)
			break;
		if (len == BUF_BYTES) {
			if (!names)
				add_piece(v, buf, len, !inside, false);
			inside = true;
			len = 0;
		}
	}
	if (names)
		return len && !inside && take_names(v, buf, len);
	if (len && !inside)
		add_line(v, buf, len);
	else if (inside)
		v->count++;
	return v->out->problem != CHAIN_SOUND;
}

/* The whole file is consistent: what does that prove? */
static void judge_end(struct verify *v)
{
	struct chain_verdict *out = v->out;
	const struct chain_known *known = v->known;

	out->uncovered = v->count;
	out->is_closed = v->last_final && v->last_newline && !v->count;
	out->end_proven = (known->has_key && out->is_closed) ||
			  (out->head_found && out->head_records == out->records && !v->count &&
			   memcmp(out->head, known->head, sizeof(out->head)) == 0);
	if (v->suspect_whole)
		say(v, CHAIN_ALTERED, v->suspect, "chain line %" PRIu64 " is altered",
		    out->chain_lines);
	else if (known->has_head && !out->head_found && known->has_records &&
		 known->records > out->records)
		say(v, CHAIN_CUT, v->block_line,
		    "the head that is known covers %" PRIu64 " records, the chain %" PRIu64,
		    known->records, out->records);
	else if (known->has_head && !out->head_found)
		say(v, CHAIN_CUT, 0,
		    "the head that is known is not in the chain: cut, or another file");
	else if (out->head_found && known->has_records && known->records != out->head_records)
		say(v, CHAIN_CUT, 0,
		    "the head that is known covers %" PRIu64 " records here, not %" PRIu64,
		    out->head_records, known->records);
	else if (v->last_final && !v->last_newline)
		say(v, CHAIN_OPEN, v->line, "the last line has no newline");
	else if (v->last_final && v->count)
		say(v, CHAIN_OPEN, v->block_line,
		    "%" PRIu64 " lines behind the closing line, covered by none", v->count);
	else if (known->has_key && !out->end_proven && !out->head_found)
		say(v, CHAIN_OPEN, v->block_line,
		    "not closed: it may go on, its writer was killed, or its end was cut off");
}

int chain_verify(int fd, const struct chain_known *known, struct chain_verdict *ret,
		 struct tt_err *err)
{
	struct verify *v = calloc(1, sizeof(*v));
	char *buf = malloc(BUF_BYTES);
	int r = -ENOMEM;

	if (v && buf) {
		memset(ret, 0, sizeof(*ret));
		v->known = known;
		v->out = ret;
		r = read_lines(v, fd, buf, true);
		if (r == 0) {
			ret->uncovered = v->line - 1;
			say(v, CHAIN_NONE, 0, "there is no chain in it");
		}
	}
	if (r == 1) {
		v->line = 0;
		begin_block(v, "", 0);
		r = read_lines(v, fd, buf, false);
		if (r == 0)
			judge_end(v);
	}
	free(v);
	free(buf);
	return r < 0 ? tt_fail(err, -r, "read the chain") : 0;
}
