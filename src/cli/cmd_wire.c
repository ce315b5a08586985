/* SPDX-License-Identifier: Apache-2.0 */
/* telltale wire: frames of the guest wire to JSON lines, and back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/wire_json.h"
#include "wire/frame.h"

/* The longest line of an input: a frame as JSON is at most six times as long (control bytes). */
#define LINE_MAX_BYTES ((size_t)64 * 1024)

static char input[LINE_MAX_BYTES];

static int fail_frame(const char *verb, uint64_t offset, int error)
{
	struct tt_err err;

	(void)tt_fail_text(&err, EBADMSG, "offset %llu: %s: %s", (unsigned long long)offset,
			   wire_error_name(error), wire_error_words(error));
	return cli_fail(verb, &err);
}

static int print_frame(const char *verb, const struct wire_frame *frame)
{
	json_t *json = cli_wire_to_json(frame);
	struct tt_err err;
	/* what a guest wrote does not drive the terminal */
	size_t flags = isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0;
	int r = json ? json_dumpf(json, stdout, flags) : -1;

	json_decref(json);
	if (r < 0 && !ferror(stdout)) {
		(void)tt_fail(&err, ENOMEM, "print a frame");
		return cli_fail(verb, &err);
	}
	putchar('\n');
	return CLI_OK;
}

/* Frames of the first @n bytes of the input. @ret_used: how many bytes they were. */
static int decode_frames(const char *verb, size_t n, uint64_t base, enum wire_mode mode,
			 size_t *ret_used)
{
	size_t used = 0;
	int status = CLI_OK;

	while (status == CLI_OK && !cli_is_gone()) {
		struct wire_frame frame;
		size_t offset = 0;
		int size = wire_decode(input + used, n - used, mode, &frame, &offset);

		if (size == -EAGAIN)
			break;
		if (size < 0)
			return fail_frame(verb, base + used + offset, -size);
		status = print_frame(verb, &frame);
		used += (size_t)size;
	}
	*ret_used = used;
	return status;
}

static int decode(const char *verb, int fd, const char *name, enum wire_mode mode)
{
	uint64_t base = 0; /* of the input in the stream */
	size_t have = 0;
	struct tt_err err;

	for (;;) {
		ssize_t n = read(fd, input + have, sizeof(input) - have);
		size_t used = 0;
		int status;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			(void)tt_fail(&err, errno, "read '%s'", name);
			return cli_fail(verb, &err);
		}
		if (!n)
			break;
		have += (size_t)n;
		status = decode_frames(verb, have, base, mode, &used);
		if (status != CLI_OK || cli_is_gone())
			return status;
		memmove(input, input + used, have - used);
		have -= used;
		base += used;
		(void)fflush(
			stdout); /* a live stream is shown as it comes; cli_end() sees errors */
	}
	/* What is left is less than a frame: there was room for more. */
	int left = wire_stream_end(input, have);

	return left ? fail_frame(verb, base, -left) : CLI_OK;
}

static int encode_line(const char *line, size_t len, struct tt_err *err)
{
	static struct cli_wire_frame frame;
	static uint8_t out[WIRE_FRAME_MAX];
	json_error_t why;
	json_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	int r;

	if (!json)
		return tt_fail_text(err, EINVAL, "not JSON: %s", why.text);
	r = cli_wire_from_json(json, &frame, err);
	if (r == 0) {
		r = wire_encode(&frame.frame, out, sizeof(out));
		if (r < 0)
			(void)tt_fail(err, -r, "encode the frame");
		else
			fwrite(out, 1, (size_t)r, stdout);
	}
	json_decref(json);
	return r < 0 ? r : 0;
}

static int encode(const char *verb, int fd, const char *name)
{
	unsigned long long number = 0;
	struct tt_err err;
	FILE *f = fdopen(fd, "r");
	int r = 0;

	if (!f) {
		(void)tt_fail(&err, errno, "read '%s'", name);
		return cli_fail(verb, &err);
	}
	while (r == 0 && !cli_is_gone()) {
		size_t len = 0;
		int c;

		while ((c = getc(f)) != EOF && c != '\n' && len < sizeof(input))
			input[len++] = (char)c;
		if (c == EOF && !len)
			break;
		number++;
		if (len == sizeof(input))
			r = tt_fail_text(&err, EMSGSIZE, "longer than %zu bytes", sizeof(input));
		else
			r = encode_line(input, len, &err);
		if (r < 0)
			r = tt_wrap(&err, r, "line %llu", number);
		else
			(void)fflush(stdout); /* as above */
	}
	if (r == 0 && ferror(f))
		r = tt_fail(&err, EIO, "read '%s'", name);
	return r < 0 ? cli_fail(verb, &err) : CLI_OK;
}

int cli_cmd_wire(int argc, char **argv)
{
	static const struct option options[] = {{"lenient", no_argument, NULL, 'l'}, {0}};
	enum wire_mode mode = WIRE_STRICT;
	const char *act, *name;
	struct tt_err err;
	int status = -1, fd = STDIN_FILENO;

	cli_begin();
	optind = 0;
	while (cli_next_option(argc, argv, options, &status) != -1)
		mode = WIRE_LENIENT;
	if (status >= 0)
		return cli_end(status);
	if (argc - optind < 1 || argc - optind > 2)
		return cli_usage(argv[0], "say decode or encode, and one file at most");
	act = argv[optind];
	name = argc - optind == 2 ? argv[optind + 1] : "-";
	if (strcmp(act, "decode") != 0 && strcmp(act, "encode") != 0)
		return cli_usage(argv[0], "decode or encode, not '%s'", act);
	if (mode == WIRE_LENIENT && strcmp(act, "encode") == 0)
		return cli_usage(argv[0], "--lenient is for decode");
	if (strcmp(name, "-") != 0) {
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0) {
			(void)tt_fail(&err, errno, "open '%s'", name);
			return cli_end(cli_fail(argv[0], &err));
		}
	}
	status = strcmp(act, "decode") == 0 ? decode(argv[0], fd, name, mode)
					    : encode(argv[0], fd, name);
	return cli_end(status);
}
