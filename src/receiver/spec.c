/* SPDX-License-Identifier: Apache-2.0 */
/* Specs and lines that describe cells: parsed with a library, looked through by hand. */
#include "receiver/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/out.h"
#include "event/redact.h"

static void freep(char **p)
{
	free(*p);
}

static void json_decrefpp(json_t **p)
{
	json_decref(*p);
}

uint32_t receiver_own_sources(void)
{
	return 1u << WIRE_AGENT_HELLO | 1u << WIRE_AGENT_HEARTBEAT | 1u << WIRE_TELEMETRY_DROPPED;
}

static int parse_json(json_t **ret, const char *text, size_t len, const char *what,
		      struct tt_err *err)
{
	json_error_t why;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

	if (!json)
		return tt_fail_text(err, EINVAL, "%s is no JSON: line %d: %s", what, why.line,
				    why.text);
	*ret = json;
	return 0;
}

static int parse_sources(uint32_t *ret, const json_t *array, const char *what, struct tt_err *err)
{
	uint32_t bits = 0;

	if (!json_is_array(array))
		return tt_fail_text(err, EINVAL, "%s is no array of sources", what);
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *name = json_string_value(json_array_get(array, i));
		enum wire_source source =
			name ? wire_source_find(name, strlen(name), 2) : WIRE_NO_SOURCE;

		if (source == WIRE_NO_SOURCE)
			return tt_fail_text(err, EINVAL, "%s names '%.60s', which is no source",
					    what, name ? name : "something else than a text");
		bits |= 1u << source;
	}
	*ret = bits;
	return 0;
}

static int check_subset(const struct receiver_spec *s, struct tt_err *err)
{
	uint32_t outside = s->declared & ~s->authorized & ~receiver_own_sources();

	if (!outside)
		return 0;
	return tt_fail_text(err, EINVAL, "'%s' is declared but not authorized",
			    wire_source_name((enum wire_source)__builtin_ctz(outside)));
}

/* The command, for people: an array of texts, or nothing. */
static char *take_argv(const json_t *spec)
{
	const json_t *argv = json_object_get(spec, "argv");
	TT_CLEANUP(json_decrefpp) json_t *clean = json_array();
	bool secret = false;

	if (!json_array_size(argv))
		return NULL;
	for (size_t i = 0; i < json_array_size(argv); i++) {
		const json_t *word = json_array_get(argv, i);
		const char *text = json_string_value(word);
		TT_CLEANUP(freep) char *buf = NULL;
		size_t len = json_string_length(word);
		struct tt_out o;

		buf = text ? malloc(3 * len + 4) : NULL;
		if (!buf)
			return NULL;
		tt_out_init(&o, buf, 3 * len + 4);
		if (secret)
			tt_out_str(&o, "***");
		else
			event_redact_text(&o, text, len);
		secret = event_redact_is_flag(text, len);
		(void)json_array_append_new(clean, json_stringn(buf, o.len));
	}
	return json_dumps(clean, 0);
}

static void hash_text(char ret[2 * SHA256_DIGEST_SIZE + 1], const char *text, size_t len)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, (const uint8_t *)text);
	sha256_digest(&ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		ret[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		ret[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	ret[2 * SHA256_DIGEST_SIZE] = '\0';
}

int receiver_spec_parse(struct receiver_spec *ret, const char *text, size_t len,
			const char *declared, size_t declared_len, struct tt_err *err)
{
	TT_CLEANUP(json_decrefpp) json_t *json = NULL;
	TT_CLEANUP(json_decrefpp) json_t *list = NULL;
	const json_t *telemetry, *own;
	struct receiver_spec s = {.argv = NULL};
	int r = parse_json(&json, text, len, "the spec", err);

	if (r < 0)
		return r;
	telemetry = json_object_get(json, "telemetry");
	r = parse_sources(&s.authorized, json_object_get(telemetry, "authorized"),
			  "'telemetry.authorized' of the spec", err);
	if (r < 0)
		return r;
	own = json_object_get(telemetry, "declared");
	s.declared = s.authorized;
	if (own)
		r = parse_sources(&s.declared, own, "'telemetry.declared' of the spec", err);
	if (r < 0)
		return r;
	if (declared) {
		r = parse_json(&list, declared, declared_len, "the declaration", err);
		if (r == 0)
			r = parse_sources(&s.declared, list, "the declaration", err);
	}
	if (r == 0)
		r = check_subset(&s, err);
	if (r < 0)
		return r;
	s.argv = take_argv(json);
	if (s.argv && strlen(s.argv) > RECEIVER_ARGV_MAX) { /* it stands in one line of the trace */
		receiver_spec_done(&s);
		return tt_fail_text(err, E2BIG, "'argv' of the spec is longer than %d bytes",
				    RECEIVER_ARGV_MAX);
	}
	hash_text(s.hash, text, len);
	*ret = s;
	return 0;
}

void receiver_spec_done(struct receiver_spec *s)
{
	free(s->argv);
	s->argv = NULL;
}

static int read_file(char **ret, size_t *ret_len, const char *path, struct tt_err *err)
{
	TT_CLEANUP(tt_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	TT_CLEANUP(freep) char *text = NULL;
	size_t len = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return tt_fail(err, errno, "open '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)RECEIVER_SPEC_MAX)
		return tt_fail_text(err, EINVAL, "read '%s': no regular file, or past 1 MiB", path);
	text = malloc(RECEIVER_SPEC_MAX + 1);
	if (!text)
		return tt_fail(err, ENOMEM, "read '%s'", path);
	while (len <= RECEIVER_SPEC_MAX) {
		ssize_t n = read(fd, text + len, RECEIVER_SPEC_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return tt_fail(err, errno, "read '%s'", path);
		if (!n)
			break;
		len += (size_t)n;
	}
	*ret = TT_TAKE(text);
	*ret_len = len;
	return 0;
}

int receiver_spec_read(struct receiver_spec *ret, const char *path, const char *declared_path,
		       struct tt_err *err)
{
	TT_CLEANUP(freep) char *text = NULL;
	TT_CLEANUP(freep) char *declared = NULL;
	size_t len = 0, declared_len = 0;
	int r = read_file(&text, &len, path, err);

	if (r == 0 && declared_path)
		r = read_file(&declared, &declared_len, declared_path, err);
	if (r < 0)
		return r;
	r = receiver_spec_parse(ret, text, len, declared, declared_len, err);
	return r < 0 ? tt_wrap(err, r, "spec '%.80s'", path) : 0;
}

bool receiver_id_is_valid(const char *id)
{
	size_t n = strlen(id);

	if (!n || n > RECEIVER_ID_MAX || id[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!(id[i] >= 'a' && id[i] <= 'z') && !(id[i] >= 'A' && id[i] <= 'Z') &&
		    !(id[i] >= '0' && id[i] <= '9') && !strchr("._-", id[i]))
			return false;
	return true;
}

static int take_text(const char **slot, const char *key, const json_t *value, struct tt_err *err)
{
	/* jansson refuses texts with a NUL in them unless it is asked to take them */
	if (!json_is_string(value) || !json_string_length(value))
		return tt_fail_text(err, EINVAL, "'%s' is no text", key);
	*slot = json_string_value(value);
	return 0;
}

static int take_cid(struct receiver_cell_spec *cell, const json_t *value, struct tt_err *err)
{
	if (!json_is_integer(value) || json_integer_value(value) < RECEIVER_CID_MIN ||
	    json_integer_value(value) >= UINT32_MAX)
		return tt_fail_text(err, EINVAL, "'cid' is no CID");
	cell->cid = (uint32_t)json_integer_value(value);
	cell->has_cid = true;
	return 0;
}

int receiver_request_parse(struct receiver_request *ret, const char *line, size_t len,
			   struct tt_err *err)
{
	TT_CLEANUP(json_decrefpp) json_t *json = NULL;
	struct receiver_request q = {.json = NULL};
	const struct {
		const char *key, **slot;
	} texts[] = {
		{"cell_id", &q.cell.cell_id},
		{"run_id", &q.cell.run_id},
		{"spec", &q.cell.spec},
		{"vsock_base", &q.cell.vsock_base},
		{"remove", &q.remove},
		{"declared", &q.cell.declared},
		{"output_dir", &q.cell.output_dir},
	};
	const char *key;
	json_t *value;
	int r = parse_json(&json, line, len, "the line", err);

	if (r < 0)
		return r;
	if (!json_is_object(json))
		return tt_fail_text(err, EINVAL, "the line is no object");
	json_object_foreach(json, key, value)
	{
		size_t i = 0;

		if (strcmp(key, "cid") == 0) {
			r = take_cid(&q.cell, value, err);
			if (r < 0)
				return r;
			continue;
		}
		while (i < TT_ARRAY_SIZE(texts) && strcmp(key, texts[i].key) != 0)
			i++;
		if (i == TT_ARRAY_SIZE(texts))
			return tt_fail_text(err, EINVAL, "unknown key '%.60s'", key);
		r = take_text(texts[i].slot, key, value, err);
		if (r < 0)
			return r;
	}
	if (q.remove && json_object_size(json) > 1)
		return tt_fail_text(err, EINVAL, "'remove' stands alone");
	q.json = TT_TAKE(json);
	*ret = q;
	return 0;
}

void receiver_request_done(struct receiver_request *q)
{
	json_decref(q->json);
	q->json = NULL;
}
