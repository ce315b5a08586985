/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a chain again: every bit of a file altered, every cut of it, every cut gone on with. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chain/verify.h"
#include "tap.h"

#define HEAD                                                                                   \
	"\"session_id\": \"ses_1\", \"span_id\": null, \"parent_span\": null, \"component\": " \
	"\"guest\""
#define IDS    "\"run_id\": \"r\", \"sensor\": \"guest\", \"cell_id\": \"c-1\""
#define RECORD "{\"ts\": \"2025-09-03T13:55:14.018517011+00:00\", \"guest_pid\": 3}\n"

static const struct chain_known nothing;
static struct chain_key *key;
static struct chain_known signer = {.has_key = true};
static char file[16384];
static size_t file_len;

/* What "openssl genpkey" makes of the private key of RFC 8032, section 7.1, test 1. */
static const char private_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
	"-----END PRIVATE KEY-----\n";
static const char public_pem[] = "-----BEGIN PUBLIC KEY-----\n"
				 "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
				 "-----END PUBLIC KEY-----\n";

/* A file that has that text, for functions that want its name. */
static int open_text(const char *text, size_t len, char path[64])
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	(void)snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static void load_keys(void)
{
	char path[64];
	struct tt_err err;
	int fd = open_text(private_pem, strlen(private_pem), path);

	if (chain_key_load(&key, path, &err) < 0)
		abort();
	(void)close(fd);
	fd = open_text(public_pem, strlen(public_pem), path);
	if (chain_key_load_public(signer.key, path, &err) < 0)
		abort();
	(void)close(fd);
}

static struct chain *new_chain(void)
{
	struct chain *c = NULL;

	if (chain_new(&c, HEAD, IDS, key, NULL) < 0)
		abort();
	return c;
}

static void put(const char *text, size_t len)
{
	memcpy(file + file_len, text, len);
	file_len += len;
}

/* Three blocks of two records, and the end. */
static void make_file(void)
{
	TT_CLEANUP(chain_freep) struct chain *c = new_chain();
	char line[CHAIN_LINE_MAX];

	file_len = 0;
	for (int block = 0; block < 4; block++) {
		for (int i = 0; i < 2 && block < 3; i++) {
			put(RECORD, strlen(RECORD));
			chain_add(c, RECORD, strlen(RECORD), 0);
		}
		put(line, chain_line(c, block == 3, line));
	}
}

static struct chain_verdict verdict(const char *text, size_t len, const struct chain_known *known)
{
	char path[64];
	struct chain_verdict v = {.problem = CHAIN_CUT};
	struct tt_err err;
	int fd = open_text(text, len, path);

	if (chain_verify(fd, known, &v, &err) < 0)
		abort();
	(void)close(fd);
	return v;
}

static void test_sound(void)
{
	struct chain_verdict v = verdict(file, file_len, &signer);

	CHECK_INT(v.problem, CHAIN_SOUND);
	CHECK_INT(v.records, 6);
	CHECK_INT(v.chain_lines, 4);
	CHECK(v.is_signed && v.is_closed && v.end_proven && !v.torn && !v.uncovered);
	v = verdict(file, file_len, &nothing);
	CHECK(v.problem == CHAIN_SOUND && v.is_closed && !v.end_proven);
}

/* The line that a byte stands in, from 1. */
static uint64_t line_of(size_t at)
{
	uint64_t line = 1;

	for (size_t i = 0; i < at; i++)
		line += file[i] == '\n';
	return line;
}

static void test_altered(void)
{
	size_t missed = 0, elsewhere = 0;

	for (size_t at = 0; at < file_len; at++) {
		char was = file[at];
		struct chain_verdict v;

		for (int bit = 0; bit < 8; bit += 3) {
			file[at] = (char)(was ^ 1 << bit);
			v = verdict(file, file_len, &signer);
			missed += v.problem == CHAIN_SOUND;
			/* a newline that comes or goes makes other lines */
			elsewhere += was != '\n' && file[at] != '\n' && v.line != line_of(at);
		}
		file[at] = was;
	}
	CHECK_INT(missed, 0);
	CHECK_INT(elsewhere, 0);
}

static void test_cut(void)
{
	size_t missed = 0;

	for (size_t len = 0; len < file_len; len++)
		missed += verdict(file, len, &signer).problem == CHAIN_SOUND;
	CHECK_INT(missed, 0);
}

/* A writer was killed behind @len bytes; another one goes on, writes a record and closes. */
static bool goes_on(size_t len)
{
	TT_CLEANUP(chain_freep) struct chain *c = new_chain();
	char line[CHAIN_LINE_MAX], path[64], *more = malloc(len + 2 * sizeof(line));
	bool torn_line = len && file[len - 1] != '\n', whole = file[len] == '\n', good;
	struct chain_known known = signer;
	struct chain_verdict v;
	uint64_t torn, lines = line_of(len) - 1 + torn_line;
	size_t n = len;
	int fd = open_text(file, len, path);

	memcpy(more, file, len);
	good = chain_resume(c, fd, &torn, NULL) == 0 && (torn != UINT64_MAX) == torn_line;
	(void)close(fd);
	if (torn_line)
		more[n++] = '\n';
	memcpy(more + n, RECORD, strlen(RECORD));
	chain_add(c, RECORD, strlen(RECORD), 0);
	n += strlen(RECORD);
	n += chain_line(c, true, more + n);
	known.has_head = known.has_records = true;
	chain_head(c, known.head, &known.records);
	v = verdict(more, n, &known);
	free(more);
	return good && v.problem == CHAIN_SOUND && v.end_proven && v.is_closed &&
	       v.torn == (torn_line && !whole) && (!v.torn || v.first_torn == lines) &&
	       v.records + v.chain_lines == lines + 2 && v.head_records == known.records;
}

static void test_killed(void)
{
	size_t bad = 0;

	for (size_t len = 0; len < file_len; len++)
		bad += !goes_on(len);
	CHECK_INT(bad, 0);
}

static void test_names(void)
{
	for (int p = CHAIN_SOUND; p <= CHAIN_OPEN; p++)
		CHECK(chain_problem_name((enum chain_problem)p) != NULL);
}

int main(void)
{
	load_keys();
	make_file();
	TAP_RUN(test_sound);
	TAP_RUN(test_altered);
	TAP_RUN(test_cut);
	TAP_RUN(test_killed);
	TAP_RUN(test_names);
	chain_key_free(key);
	return tap_done();
}
