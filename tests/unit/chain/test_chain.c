/* SPDX-License-Identifier: Apache-2.0 */
/* The chain as it is written: what a line says, when it is due, and how it goes on in a file. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chain/chain_internal.h"
#include "tap.h"

#define HEAD \
	"\"session_id\": \"ses_1\", \"span_id\": null, \"parent_span\": null, \"component\": \"recorder\""
#define IDS "\"run_id\": \"r\", \"sensor\": \"guest\", \"cell_id\": \"c-1\""

static struct chain *new_chain(void)
{
	struct chain *c = NULL;
	struct tt_err err;

	if (chain_new(&c, HEAD, IDS, NULL, &err) < 0)
		abort();
	return c;
}

static void add(struct chain *c, const char *line, uint64_t now)
{
	chain_add(c, line, strlen(line), now);
}

static void test_crc(void)
{
	uint32_t crc = 0;
	char zeros[32] = {0};

	/* RFC 3720, appendix B.4, and the check value of everybody */
	CHECK_INT(chain_crc(0, "123456789", 9), 0xe3069283);
	CHECK_INT(chain_crc(0, zeros, 32), 0x8a9136aa);
	for (const char *p = "123456789"; *p; p++)
		crc = chain_crc(crc, p, 1);
	CHECK_INT(crc, 0xe3069283);
	CHECK_INT(chain_crc(chain_crc(0, zeros, 17), zeros, 15), 0x8a9136aa);
	CHECK_INT(chain_crc(0, "", 0), 0);
}

static void test_due(void)
{
	TT_CLEANUP(chain_freep) struct chain *c = new_chain();
	char buf[CHAIN_LINE_MAX];

	CHECK(chain_due_ms(c) == UINT64_MAX);
	CHECK_INT(chain_line(c, false, buf), 0);
	add(c, "{}\n", 1000);
	add(c, "{}\n", 1050);
	CHECK_INT(chain_due_ms(c), 1000 + CHAIN_WAIT_MS);
	for (int i = 2; i < CHAIN_RECORDS_MAX - 1; i++)
		add(c, "{}\n", 1050);
	CHECK_INT(chain_due_ms(c), 1000 + CHAIN_WAIT_MS);
	add(c, "{}\n", 1050);
	CHECK_INT(chain_due_ms(c), 0);
	CHECK(chain_line(c, false, buf) > 0);
	CHECK(chain_due_ms(c) == UINT64_MAX);
	CHECK_INT(chain_line(c, false, buf), 0);
	CHECK(chain_line(c, true, buf) > 0);
}

static void test_line(void)
{
	TT_CLEANUP(chain_freep) struct chain *c = new_chain();
	uint8_t hash[CHAIN_HASH_BYTES];
	struct chain_fields f;
	char buf[CHAIN_LINE_MAX], next[CHAIN_LINE_MAX];
	uint64_t records = 0;
	size_t n;

	add(c, "{\"a\": 1}\n", 0);
	add(c, "{\"a\": 2}\n", 0);
	n = chain_line(c, false, buf);
	CHECK(n > 0 && buf[n - 1] == '\n');
	CHECK_INT(chain_line_parse(buf, n - 1, &f), 0);
	CHECK(f.head.len == strlen(HEAD) && memcmp(f.head.data, HEAD, f.head.len) == 0);
	CHECK(f.ids.len == strlen(IDS) && memcmp(f.ids.data, IDS, f.ids.len) == 0);
	CHECK_INT(f.chain_seq, 0);
	CHECK_INT(f.records, 2);
	CHECK_INT(f.first_record, 0);
	CHECK(!f.final && !f.has_signature);
	CHECK_INT(f.crcs[0], chain_crc(0, "{\"a\": 1}\n", 9));
	CHECK_INT(f.crcs[1], chain_crc(0, "{\"a\": 2}\n", 9));
	chain_head(c, hash, &records);
	CHECK_INT(records, 2);
	CHECK(memcmp(hash, f.hash, sizeof(hash)) == 0);

	n = chain_line(c, true, next);
	CHECK_INT(chain_line_parse(next, n - 1, &f), 0);
	CHECK(f.final);
	CHECK_INT(f.chain_seq, 1);
	CHECK_INT(f.records, 0);
	CHECK_INT(f.first_record, 2);
	CHECK(memcmp(hash, f.previous, sizeof(hash)) == 0);
}

/* Every bit and every byte of a line counts: another line is another one, or none. */
static void test_parse(void)
{
	TT_CLEANUP(chain_freep) struct chain *c = new_chain();
	char buf[CHAIN_LINE_MAX], again[CHAIN_LINE_MAX];
	struct chain_fields f;
	size_t n, bad = 0, taken = 0;

	add(c, "{\"a\": 1}\n", 0);
	n = chain_line(c, true, buf) - 1;
	for (size_t i = 0; i < n; i++)
		bad += chain_line_parse(buf, i, &f) == 0;
	CHECK_INT(bad, 0);
	for (size_t i = 0; i < 8 * n; i++) {
		struct tt_out o;

		buf[i / 8] = (char)(buf[i / 8] ^ 1 << i % 8);
		if (chain_line_parse(buf, n, &f) == 0) {
			/* all but the time comes back as it was read */
			tt_out_init(&o, again, sizeof(again));
			chain_line_put(&o, &f, 0);
			chain_line_end(&o, &f);
			bad += o.len != n + 1 || memcmp(again + 50, buf + 50, n - 50) != 0;
			taken++;
		}
		buf[i / 8] = (char)(buf[i / 8] ^ 1 << i % 8);
	}
	CHECK_INT(bad, 0);
	CHECK(taken > 0); /* times, names, digits */
}

static void test_names(void)
{
	static const char *const bad[][2] = {
		{HEAD, ""},
		{"", IDS},
		{HEAD, "\"run_id\": \"r\", \"chain_seq\": 1"},
		{HEAD
		 ", \"syscall\": \"\", \"args\": [], \"result\": null, \"elapsed_us\": 0, \"a\": 1",
		 IDS},
		{HEAD, "\"run_id\":\n\"r\""},
	};
	char longest[CHAIN_NAMES_MAX + 1] = "";
	struct chain *c = NULL;
	struct tt_err err;

	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++)
		CHECK_INT(chain_new(&c, bad[i][0], bad[i][1], NULL, &err), -EINVAL);
	memset(longest, 'x', sizeof(longest) - 1);
	CHECK_INT(chain_new(&c, HEAD, longest, NULL, &err), -E2BIG);
	CHECK(!c);
}

/* A block of 256 records, with the longest names and a signature, has room in a line. */
static void test_room(void)
{
	static char ids[CHAIN_NAMES_MAX] = "\"run_id\": \"";
	TT_CLEANUP(chain_freep) struct chain *c = NULL;
	char buf[CHAIN_LINE_MAX];
	struct chain_fields f;
	struct tt_err err;
	struct tt_out o;
	size_t n;

	memset(ids + strlen(ids), 'x', CHAIN_NAMES_MAX - strlen(HEAD) - strlen(ids) - 1);
	strcat(ids, "\"");
	CHECK_INT(strlen(HEAD) + strlen(ids), CHAIN_NAMES_MAX);
	CHECK_INT(chain_new(&c, HEAD, ids, NULL, &err), 0);
	for (int i = 0; i < CHAIN_RECORDS_MAX + 44; i++)
		add(c, "{}\n", 0);
	n = chain_line(c, true, buf);
	CHECK_INT(chain_line_parse(buf, n - 1, &f), 0);
	CHECK_INT(f.records, 300);
	f.has_signature = true;
	f.chain_seq = f.records = f.first_record = UINT64_MAX;
	tt_out_init(&o, buf, sizeof(buf));
	chain_line_put(&o, &f, 0);
	chain_line_end(&o, &f);
	CHECK(!tt_out_is_full(&o));
}

static void test_head_line(void)
{
	TT_CLEANUP(chain_freep) struct chain *c = new_chain();
	char buf[CHAIN_HEAD_MAX], line[CHAIN_LINE_MAX], want[CHAIN_HEAD_MAX], *name;
	struct chain_fields f;
	struct tt_out o;
	size_t n;

	CHECK_INT(chain_head_line(c, "c-1", buf), 0);
	add(c, "{}\n", 0);
	n = chain_line(c, false, line);
	CHECK_INT(chain_line_parse(line, n - 1, &f), 0);
	n = chain_head_line(c, "c\"1", buf);
	tt_out_init(&o, want, sizeof(want));
	tt_out_str(&o,
		   "{\"cell_id\": \"c\\\"1\", \"chain_seq\": 0, \"records\": 1, \"sha256\": \"");
	chain_put_hex(&o, f.hash);
	tt_out_str(&o, "\"}\n");
	CHECK_INT(n, o.len);
	CHECK(memcmp(buf, want, n) == 0);
	name = calloc(1, CHAIN_HEAD_MAX + 1);
	memset(name, 'n', CHAIN_HEAD_MAX);
	CHECK_INT(chain_head_line(c, name, buf), 0);
	free(name);
}

static void put(int fd, const char *text, size_t n)
{
	if (write(fd, text, n) != (ssize_t)n)
		abort();
}

/* As one chain would have gone on, so does one that reads what the first has written. */
static void test_resume(void)
{
	static const char *const records[] = {"{\"ts\": \"1\"}\n", "{}\n", "x\n"};

	for (int lines = 0; lines < 3; lines++) {
		TT_CLEANUP(chain_freep) struct chain *a = new_chain(), *b = new_chain();
		TT_CLEANUP(tt_closep) int fd = memfd_create("trace", MFD_CLOEXEC);
		char one[CHAIN_LINE_MAX], two[CHAIN_LINE_MAX];
		struct chain_fields f, g;
		uint64_t torn = 0;
		struct tt_err err;
		size_t n, m;

		for (int i = 0; i < lines; i++) {
			add(a, records[0], 0);
			put(fd, records[0], strlen(records[0]));
			n = chain_line(a, false, one);
			put(fd, one, n);
		}
		for (int i = 0; i < 3; i++) {
			add(a, records[i], 0);
			put(fd, records[i], strlen(records[i]));
		}
		CHECK_INT(chain_resume(b, fd, &torn, &err), 0);
		CHECK(torn == UINT64_MAX);
		CHECK_INT(chain_due_ms(b), 0);
		n = chain_line(a, true, one);
		m = chain_line(b, true, two);
		CHECK_INT(n, m);
		CHECK(chain_line_parse(one, n - 1, &f) == 0 &&
		      chain_line_parse(two, m - 1, &g) == 0);
		/* all but the time */
		CHECK(n > 50 && memcmp(one + 50, two + 50, n - 50) == 0);
	}
}

static void test_resume_others(void)
{
	TT_CLEANUP(chain_freep) struct chain *a = new_chain(), *b = NULL;
	TT_CLEANUP(tt_closep) int fd = memfd_create("trace", MFD_CLOEXEC);
	TT_CLEANUP(tt_closep) int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char line[CHAIN_LINE_MAX];
	uint64_t torn = 7;
	struct tt_err err;
	size_t n;

	CHECK_INT(chain_new(&b, HEAD, "\"run_id\": \"other\"", NULL, &err), 0);
	CHECK_INT(chain_resume(b, fd, &torn, &err), 0);
	CHECK(torn == UINT64_MAX && chain_due_ms(b) == UINT64_MAX);
	add(a, "{}\n", 0);
	n = chain_line(a, true, line);
	put(fd, "{}\n", 3);
	put(fd, line, n);
	CHECK_INT(chain_resume(b, fd, &torn, &err), -EINVAL);
	CHECK_INT(chain_resume(b, nothing, &torn, &err), -EBADF);
}

/* Lines longer than what is read at a time, and chain lines across its borders. */
static void test_resume_long(void)
{
	enum { LONG = 200000 };
	char *record = malloc(LONG);
	size_t bad = 0;

	memset(record, 'r', LONG);
	record[LONG - 1] = '\n';
	for (int gap = 65536 - 900; gap < 65536 + 900; gap += 7) {
		TT_CLEANUP(chain_freep) struct chain *a = new_chain(), *b = new_chain();
		TT_CLEANUP(tt_closep) int fd = memfd_create("trace", MFD_CLOEXEC);
		uint8_t one[CHAIN_HASH_BYTES], two[CHAIN_HASH_BYTES];
		char line[CHAIN_LINE_MAX];
		uint64_t torn, n = 0, m = 0;
		struct tt_err err;
		size_t len;

		chain_add(a, record, LONG, 0);
		put(fd, record, LONG);
		len = chain_line(a, false, line);
		put(fd, line, len);
		chain_add(a, record + LONG - gap, (size_t)gap, 0);
		put(fd, record + LONG - gap, (size_t)gap);
		bad += chain_resume(b, fd, &torn, &err) < 0 || torn != UINT64_MAX;
		(void)chain_line(a, false, line);
		(void)chain_line(b, false, line);
		chain_head(a, one, &n);
		chain_head(b, two, &m);
		bad += n != 2 || m != 2 || memcmp(one, two, sizeof(one)) != 0;
	}
	CHECK_INT(bad, 0);
	free(record);
}

int main(void)
{
	TAP_RUN(test_crc);
	TAP_RUN(test_due);
	TAP_RUN(test_line);
	TAP_RUN(test_parse);
	TAP_RUN(test_names);
	TAP_RUN(test_room);
	TAP_RUN(test_head_line);
	TAP_RUN(test_resume);
	TAP_RUN(test_resume_others);
	TAP_RUN(test_resume_long);
	return tap_done();
}
