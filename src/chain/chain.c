/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain as it grows.
 *
 *	record  record  ..  chain line 0  record  ..  chain line 1
 *	`---- hash 0 ----'  `---------- hash 1 ------'
 *
 * hash N = SHA-256(hash N-1, the bytes of chain line N-1, the bytes of the records): all that
 * stands before the last chain line is covered, chain lines too.
 */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "chain/chain_internal.h"

#define READ_BYTES ((size_t)64 * 1024)

struct chain {
	const struct chain_key *key;
	struct sha256_ctx sha;          /* of the open block */
	uint64_t due_ms;                /* UINT64_MAX: nothing is open */
	uint64_t covered;               /* records that stand before the open block */
	uint64_t count;                 /* records in it */
	uint64_t lines;                 /* chain lines so far */
	uint8_t hash[CHAIN_HASH_BYTES]; /* of the block before */
	uint32_t crcs[CHAIN_RECORDS_MAX];
	struct chain_text head, ids;
	char names[];
};

/* The block that follows a chain line begins with its bytes; the first one begins with nothing. */
static void begin_block(struct chain *c, const char *line, size_t len)
{
	sha256_init(&c->sha);
	sha256_update(&c->sha, sizeof(c->hash), c->hash);
	sha256_update(&c->sha, len, (const uint8_t *)line);
	c->count = 0;
	c->due_ms = UINT64_MAX;
}

static void begin_file(struct chain *c)
{
	c->covered = c->lines = 0;
	chain_genesis(c->head, c->ids, c->hash);
	begin_block(c, "", 0);
}

/* Names that a line would not give back were no JSON, or too long. */
static int check_names(const struct chain *c)
{
	struct chain_fields f = {.head = c->head, .ids = c->ids}, again;
	char buf[CHAIN_LINE_MAX];
	struct tt_out o;

	tt_out_init(&o, buf, sizeof(buf));
	chain_line_put(&o, &f, 0);
	chain_line_end(&o, &f);
	if (tt_out_is_full(&o) || chain_line_parse(buf, o.len - 1, &again) < 0)
		return -EINVAL;
	return again.head.len == c->head.len && again.ids.len == c->ids.len ? 0 : -EINVAL;
}

int chain_new(struct chain **ret, const char *head, const char *ids, const struct chain_key *key,
	      struct tt_err *err)
{
	size_t head_len = strlen(head), ids_len = strlen(ids);
	TT_CLEANUP(chain_freep) struct chain *c = NULL;

	if (head_len + ids_len > CHAIN_NAMES_MAX)
		return tt_fail_text(err, E2BIG,
				    "the names in a chain line are longer than %d bytes",
				    CHAIN_NAMES_MAX);
	c = calloc(1, sizeof(*c) + head_len + ids_len);
	if (!c)
		return tt_fail(err, ENOMEM, "begin a chain");
	memcpy(c->names, head, head_len);
	memcpy(c->names + head_len, ids, ids_len);
	c->head = (struct chain_text){c->names, head_len};
	c->ids = (struct chain_text){c->names + head_len, ids_len};
	c->key = key;
	if (!head_len || !ids_len || memchr(c->names, '\n', head_len + ids_len) ||
	    check_names(c) < 0)
		return tt_fail_text(err, EINVAL, "no names for a chain line: %s, %s", head, ids);
	begin_file(c);
	*ret = TT_TAKE(c);
	return 0;
}

void chain_free(struct chain *c)
{
	free(c);
}

/* A record whose bytes are hashed already. */
static void add_crc(struct chain *c, uint32_t crc)
{
	if (c->count < CHAIN_RECORDS_MAX)
		c->crcs[c->count] = crc;
	c->count++;
}

void chain_add(struct chain *c, const void *line, size_t len, uint64_t now_ms)
{
	sha256_update(&c->sha, len, line);
	add_crc(c, chain_crc(0, line, len));
	if (c->due_ms == UINT64_MAX)
		c->due_ms = now_ms + CHAIN_WAIT_MS;
}

uint64_t chain_due_ms(const struct chain *c)
{
	return c->count >= CHAIN_RECORDS_MAX ? 0 : c->due_ms;
}

size_t chain_line(struct chain *c, bool final, char *buf)
{
	struct chain_fields f;
	struct tt_out o;

	if (!c->count && !final)
		return 0;
	f.head = c->head;
	f.ids = c->ids;
	f.chain_seq = c->lines;
	f.records = c->count;
	f.first_record = c->covered;
	f.final = final;
	f.has_signature = c->key;
	memcpy(f.previous, c->hash, sizeof(f.previous));
	memcpy(f.crcs, c->crcs, chain_crc_count(c->count) * sizeof(f.crcs[0]));
	sha256_digest(&c->sha, sizeof(c->hash), c->hash);
	memcpy(f.hash, c->hash, sizeof(f.hash));
	tt_out_init(&o, buf, CHAIN_LINE_MAX);
	chain_line_put(&o, &f, tt_clock_ns(CLOCK_REALTIME));
	if (c->key) {
		memcpy(f.key, chain_key_public(c->key), sizeof(f.key));
		chain_key_sign(c->key, buf, o.len, f.signature);
	}
	chain_line_end(&o, &f);
	c->covered += c->count;
	c->lines++;
	begin_block(c, buf, o.len);
	return o.len;
}

void chain_head(const struct chain *c, uint8_t ret_hash[CHAIN_HASH_BYTES], uint64_t *ret_records)
{
	memcpy(ret_hash, c->hash, CHAIN_HASH_BYTES);
	*ret_records = c->covered;
}

size_t chain_head_line(const struct chain *c, const char *cell_id, char *buf)
{
	struct tt_out o;

	if (!c->lines)
		return 0;
	tt_out_init(&o, buf, CHAIN_HEAD_MAX);
	tt_out_str(&o, "{\"cell_id\": \"");
	tt_out_json(&o, cell_id, strlen(cell_id), 1);
	tt_out_str(&o, "\", \"chain_seq\": ");
	tt_out_u64(&o, c->lines - 1);
	tt_out_str(&o, ", \"records\": ");
	tt_out_u64(&o, c->covered);
	tt_out_str(&o, ", \"sha256\": \"");
	chain_put_hex(&o, c->hash);
	tt_out_str(&o, "\"}\n");
	return tt_out_is_full(&o) ? 0 : o.len;
}

/* All of [at, at + len), fewer bytes only at the end of the file. Returns how many, or -errno. */
static ssize_t read_at(int fd, char *buf, size_t len, uint64_t at)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, buf + got, len - got, (off_t)(at + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/*
 * The chain line that begins at @at, if one does.
 * @line: CHAIN_LINE_MAX bytes; it stands there with its newline, which may be missing in the file
 * Returns its length, 0 if there is none, or -errno.
 */
static ssize_t line_at(int fd, uint64_t at, char *line, struct chain_fields *ret)
{
	ssize_t n = read_at(fd, line, CHAIN_LINE_MAX - 1, at);
	size_t len;
	char *end;

	if (n <= 0)
		return n;
	end = memchr(line, '\n', (size_t)n);
	len = end ? (size_t)(end - line) : (size_t)n;
	if (chain_line_parse(line, len, ret) < 0)
		return 0;
	line[len] = '\n';
	return (ssize_t)len + 1;
}

/*
 * The last chain line before @size.
 * @ret_at: where it begins; untouched if there is none
 * Returns its length, 0 if there is none, or -errno.
 */
static ssize_t find_last(int fd, uint64_t size, char *buf, char *line, struct chain_fields *f,
			 uint64_t *ret_at)
{
	uint64_t to = size; /* lines that begin here or later were looked at */

	while (to > 0) {
		uint64_t from = to > READ_BYTES ? to - READ_BYTES : 0;
		/* with the newline before the first line, and what the last one begins with */
		uint64_t base = from ? from - 1 : 0;
		ssize_t n = read_at(fd, buf, (size_t)(to - base) + CHAIN_LINE_PROBE, base);

		if (n < 0)
			return n;
		for (uint64_t at = to; at-- > from;) {
			size_t i = (size_t)(at - base);
			ssize_t len;

			if (i >= (size_t)n || (at && buf[i - 1] != '\n') ||
			    !chain_line_is(buf + i, (size_t)n - i))
				continue;
			len = line_at(fd, at, line, f);
			if (len != 0) {
				*ret_at = at;
				return len;
			}
		}
		to = from;
	}
	return 0;
}

/*
 * The records from @at on. Returns where a line begins that has no newline, UINT64_MAX if none
 * does, by @ret_torn.
 */
static int add_rest(struct chain *c, int fd, uint64_t at, char *buf, uint64_t *ret_torn)
{
	uint64_t line_begin = at;
	uint32_t crc = 0;

	for (;;) {
		ssize_t n = read_at(fd, buf, READ_BYTES, at);
		char *p = buf, *end;

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		sha256_update(&c->sha, (size_t)n, (uint8_t *)buf);
		while ((end = memchr(p, '\n', (size_t)(buf + n - p)))) {
			add_crc(c, chain_crc(crc, p, (size_t)(end + 1 - p)));
			crc = 0;
			p = end + 1;
			line_begin = at + (uint64_t)(p - buf);
		}
		crc = chain_crc(crc, p, (size_t)(buf + n - p));
		at += (uint64_t)n;
	}
	*ret_torn = line_begin < at ? line_begin : UINT64_MAX;
	if (line_begin < at) { /* with the newline that the caller writes it is a record */
		sha256_update(&c->sha, 1, (const uint8_t *)"\n");
		add_crc(c, chain_crc(crc, "\n", 1));
	}
	if (c->count)
		c->due_ms = 0;
	return 0;
}

static bool text_is(struct chain_text a, struct chain_text b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* What one file has in all its chain lines: who it is of, and who signs. */
static int check_same(const struct chain *c, const struct chain_fields *f, struct tt_err *err)
{
	if (!text_is(f->head, c->head) || !text_is(f->ids, c->ids))
		return tt_fail_text(err, EINVAL, "the chain in the file is of another run");
	if (f->has_signature && !c->key)
		return tt_fail_text(err, EINVAL,
				    "the chain in the file is signed: its key is needed");
	if (!f->has_signature && c->key)
		return tt_fail_text(err, EINVAL,
				    "the chain in the file is not signed: it cannot become so");
	if (c->key && memcmp(f->key, chain_key_public(c->key), sizeof(f->key)) != 0)
		return tt_fail_text(err, EINVAL, "the chain in the file is signed by another key");
	return 0;
}

int chain_resume(struct chain *c, int fd, uint64_t *ret_torn, struct tt_err *err)
{
	char line[CHAIN_LINE_MAX], *buf = NULL;
	uint64_t at = 0, torn = UINT64_MAX;
	struct chain_fields f;
	struct stat st;
	ssize_t len = 0;
	int r = 0;

	begin_file(c);
	if (fstat(fd, &st) < 0)
		return tt_fail(err, errno, "read the chain again");
	buf = malloc(READ_BYTES + 1 + CHAIN_LINE_PROBE);
	if (!buf)
		return tt_fail(err, ENOMEM, "read the chain again");
	len = find_last(fd, (uint64_t)st.st_size, buf, line, &f, &at);
	r = len > 0 ? check_same(c, &f, err) : 0;
	if (r < 0) {
		free(buf);
		return r;
	}
	if (len > 0) {
		c->lines = f.chain_seq + 1;
		c->covered = f.first_record + f.records;
		memcpy(c->hash, f.hash, sizeof(c->hash));
		begin_block(c, line, (size_t)len);
	}
	if (len > 0 && at + (uint64_t)len > (uint64_t)st.st_size)
		torn = at; /* whole, but for its newline */
	else if (len >= 0)
		r = add_rest(c, fd, at + (uint64_t)len, buf, &torn);
	free(buf);
	if (len < 0 || r < 0)
		return tt_fail(err, len < 0 ? (int)-len : -r, "read the chain again");
	*ret_torn = torn;
	return 0;
}
