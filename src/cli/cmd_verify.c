/* SPDX-License-Identifier: Apache-2.0 */
/* telltale verify: whether a chained trace is what was written, and how much of that is proven. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/out.h"
#include "chain/verify.h"
#include "cli/cli.h"
#include "cli/style.h"
#include "store/runs.h"

enum { OPT_JSON = 1, OPT_LAST };

#define HASH_DIGITS ((size_t)2 * CHAIN_HASH_BYTES)
#define KEY_TEXT    48 /* base64 of 32 bytes, and a NUL */

/* The trace itself, or the one in a run's folder. Regular files alone: they are read twice. */
static int open_trace(const char *path, int *ret_fd, struct tt_err *err)
{
	TT_CLEANUP(tt_closep) int fd = -1, dir = -1;
	struct stat st;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return tt_fail(err, errno, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return tt_fail(err, errno, "look at '%s'", path);
	if (S_ISDIR(st.st_mode)) {
		dir = tt_take_fd(&fd);
		fd = openat(dir, "trace.jsonl", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			return tt_fail(err, errno, "open '%s/trace.jsonl'", path);
		if (fstat(fd, &st) < 0)
			return tt_fail(err, errno, "look at '%s/trace.jsonl'", path);
	}
	if (!S_ISREG(st.st_mode))
		return tt_fail_text(err, EINVAL, "'%s' is no regular file", path);
	*ret_fd = tt_take_fd(&fd);
	return 0;
}

/* What is no file can be a run's id. @name: or NULL, the last run. *ret_path may lie in @run. */
static int find_trace(const char *name, struct store_run *run, const char **ret_path,
		      struct tt_err *err)
{
	int r;

	*ret_path = name;
	if (name && (strchr(name, '/') || access(name, F_OK) == 0))
		return 0;
	r = store_run_resolve(run, name, err);
	if (r < 0)
		return r;
	if (!run->has_trace)
		return tt_fail_text(err, ENOENT, "run '%s' has no trace", run->id);
	*ret_path = run->trace_path;
	return 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* HASH or HASH:RECORDS */
static bool parse_head(const char *text, struct chain_known *known)
{
	char *end;

	if (strnlen(text, HASH_DIGITS) < HASH_DIGITS)
		return false;
	for (size_t i = 0; i < CHAIN_HASH_BYTES; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		known->head[i] = (uint8_t)(high << 4 | low);
	}
	known->has_head = true;
	text += HASH_DIGITS;
	if (!*text)
		return true;
	if (text[0] != ':' || digit(text[1]) < 0 || digit(text[1]) > 9)
		return false;
	errno = 0;
	known->records = strtoull(text + 1, &end, 10);
	known->has_records = true;
	return !*end && !errno;
}

static void key_text(char *text, const uint8_t key[CHAIN_PUBLIC_BYTES])
{
	struct tt_b64 b64 = {0};
	struct tt_out o;

	tt_out_init(&o, text, KEY_TEXT - 1);
	tt_b64_put(&b64, &o, key, CHAIN_PUBLIC_BYTES);
	tt_b64_end(&b64, &o);
	text[o.len] = '\0';
}

static void hash_text(char *text, const uint8_t hash[CHAIN_HASH_BYTES])
{
	for (size_t i = 0; i < CHAIN_HASH_BYTES; i++)
		(void)sprintf(text + 2 * i, "%02x", hash[i]);
}

/* 0 where nothing is wrong, so that scripts can ask. */
static int status_of(const struct chain_verdict *v)
{
	return v->problem == CHAIN_SOUND ? CLI_OK : CLI_FAILED;
}

/* What the chain lines call the record: by the file alone nobody knows which cell's it is. */
static json_t *ids_json(const struct chain_verdict *v)
{
	json_t *ids = v->ids[0] ? json_loads(v->ids, 0, NULL) : NULL;

	return ids ? ids : json_null();
}

static int print_json(const char *verb, const char *path, const struct chain_verdict *v)
{
	char key[KEY_TEXT], head[HASH_DIGITS + 1];
	struct tt_err err;
	json_t *doc, *problem = json_null();
	json_t *file = json_string(path); /* NULL: not UTF-8 */
	int r = -1;

	key_text(key, v->key);
	hash_text(head, v->head);
	if (v->problem != CHAIN_SOUND)
		problem = json_pack("{ss so ss}", "kind", chain_problem_name(v->problem), "line",
				    v->line ? json_integer((json_int_t)v->line) : json_null(),
				    "text", v->said);
	doc = json_pack(
		"{ss so so sI sI sI sI so so sb sb sb so}", "schema", "telltale.verify/1", "file",
		file ? file : json_null(), "ids", ids_json(v), "records", (json_int_t)v->records,
		"chain_lines", (json_int_t)v->chain_lines, "uncovered", (json_int_t)v->uncovered,
		"torn", (json_int_t)v->torn, "key", v->is_signed ? json_string(key) : json_null(),
		"sha256", v->chain_lines ? json_string(head) : json_null(), "closed", v->is_closed,
		"head_found", v->head_found, "end_proven", v->end_proven, "problem", problem);
	if (doc)
		r = json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	json_decref(doc);
	if (r < 0 && !ferror(stdout)) {
		(void)tt_fail_text(&err, EINVAL, "print what '%s' proves", path);
		return cli_fail(verb, &err);
	}
	putchar('\n');
	return status_of(v);
}

static void print_ids(const struct chain_verdict *v)
{
	static const char *const keys[][2] = {{"run_id", "run"}, {"cell_id", "cell"}};
	json_t *ids = ids_json(v);
	const char *before = "  of ";

	for (size_t i = 0; i < TT_ARRAY_SIZE(keys); i++) {
		const char *id = json_string_value(json_object_get(ids, keys[i][0]));

		if (!id)
			continue;
		printf("%s%s ", before, keys[i][1]);
		cli_put_text(stdout, id, strlen(id));
		before = ", ";
	}
	if (before[0] == ',')
		putchar('\n');
	json_decref(ids);
}

static void print_notes(const struct chain_verdict *v, const struct chain_known *known)
{
	char key[KEY_TEXT];

	key_text(key, v->key);
	if (v->is_signed && !known->has_key)
		printf("  signed by %s: whose key that is, --key can tell\n", key);
	if (v->head_found && !v->end_proven)
		printf("  the head proves %" PRIu64 " records; what follows can have been cut\n",
		       v->head_records);
	if (v->uncovered && v->problem != CHAIN_NONE)
		printf("  %" PRIu64 " lines at the end are not covered\n", v->uncovered);
	if (v->torn)
		printf("  %" PRIu64
		       " torn lines, as their writer was killed: the first is line %" PRIu64 "\n",
		       v->torn, v->first_torn);
}

static int print_text(const char *path, const struct chain_verdict *v,
		      const struct chain_known *known, const char *key_path)
{
	cli_put_text(stdout, path, strlen(path));
	if (v->problem != CHAIN_SOUND) {
		if (v->line)
			printf(": line %" PRIu64, v->line);
		printf(": %s\n", v->said);
		if (v->chain_lines)
			printf("  before it: %" PRIu64 " records, chain consistent\n", v->records);
	} else {
		printf(": %" PRIu64 " records, chain consistent", v->records);
		if (known->has_key) {
			printf(", signed by ");
			cli_put_text(stdout, key_path, strlen(key_path));
		}
		printf("%s%s\n", v->is_closed ? ", closed" : "",
		       v->end_proven ? "" : ", end unproven");
	}
	print_ids(v);
	print_notes(v, known);
	return status_of(v);
}

int cli_cmd_verify(int argc, char **argv)
{
	static const struct option options[] = {
		{"key", required_argument, NULL, 'k'},
		{"head", required_argument, NULL, 'H'},
		{"json", no_argument, NULL, OPT_JSON},
		{"last", no_argument, NULL, OPT_LAST},
		{0},
	};
	TT_CLEANUP(store_run_done) struct store_run run = {0};
	struct chain_known known = {0};
	const char *key_path = NULL, *path;
	TT_CLEANUP(tt_closep) int fd = -1;
	struct chain_verdict verdict;
	bool json = false, last = false;
	struct tt_err err;
	int c, status = -1;

	cli_begin();
	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1) {
		if (c == 'k')
			key_path = optarg;
		else if (c == 'H' && !parse_head(optarg, &known))
			return cli_usage(argv[0],
					 "--head is 64 digits, and may have :RECORDS: '%s'",
					 optarg);
		else if (c == OPT_JSON)
			json = true;
		else if (c == OPT_LAST)
			last = true;
	}
	if (status >= 0)
		return cli_end(status);
	if (argc - optind != !last)
		return cli_usage(argv[0], "name one trace, the folder of one, or a run");
	known.has_key = key_path;
	if ((key_path && chain_key_load_public(known.key, key_path, &err) < 0) ||
	    find_trace(argv[optind], &run, &path, &err) < 0 || open_trace(path, &fd, &err) < 0 ||
	    chain_verify(fd, &known, &verdict, &err) < 0)
		return cli_end(cli_fail(argv[0], &err));
	status = json ? print_json(argv[0], path, &verdict)
		      : print_text(path, &verdict, &known, key_path);
	return cli_end(status);
}
