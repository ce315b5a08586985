/* SPDX-License-Identifier: Apache-2.0 */
/* telltale receive: the host's end of the guest wire, for one cell or for many. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "receiver/receiver.h"

#define WAIT_MAX_S 86400

struct receive {
	struct receiver_settings settings;
	struct receiver_cell_spec cell;
	const char *key, *cells;
};

/* What files and guests are called does not drive the terminal: cli_fail() makes it visible. */
static void complain(const char *text)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	struct tt_err err;

	/* nobody who does not read it holds up the cells */
	if (poll(&p, 1, 0) != 1)
		return;
	(void)snprintf(err.text, sizeof(err.text), "%s", text);
	(void)cli_fail("receive", &err);
}

static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

static bool parse_fd(const char *text, int *ret)
{
	uint64_t n;

	if (!parse_number(text, 0, INT32_MAX, &n) || fcntl((int)n, F_GETFD) < 0)
		return false;
	*ret = (int)n;
	return true;
}

enum {
	OPT_BASE = 256,
	OPT_PORT,
	OPT_CID,
	OPT_CELL,
	OPT_RUN,
	OPT_SPEC,
	OPT_DECLARED,
	OPT_EXIT_PORT,
	OPT_DIR,
	OPT_SILENCE,
	OPT_WAIT,
	OPT_RATE,
	OPT_MAX,
	OPT_LENIENT,
	OPT_KEY,
	OPT_HEAD,
	OPT_STATUS,
	OPT_ONCE,
	OPT_CELLS,
};

static const struct option options[] = {
	{"vsock-base", required_argument, NULL, OPT_BASE},
	{"vsock-port", required_argument, NULL, OPT_PORT},
	{"cid", required_argument, NULL, OPT_CID},
	{"cell-id", required_argument, NULL, OPT_CELL},
	{"run-id", required_argument, NULL, OPT_RUN},
	{"spec", required_argument, NULL, OPT_SPEC},
	{"declared", required_argument, NULL, OPT_DECLARED},
	{"exit-port", required_argument, NULL, OPT_EXIT_PORT},
	{"output-dir", required_argument, NULL, OPT_DIR},
	{"silence", required_argument, NULL, OPT_SILENCE},
	{"wait", required_argument, NULL, OPT_WAIT},
	{"rate", required_argument, NULL, OPT_RATE},
	{"max-bytes", required_argument, NULL, OPT_MAX},
	{"lenient", no_argument, NULL, OPT_LENIENT},
	{"key", required_argument, NULL, OPT_KEY},
	{"chain-head", required_argument, NULL, OPT_HEAD},
	{"status", required_argument, NULL, OPT_STATUS},
	{"once", no_argument, NULL, OPT_ONCE},
	{"cells", required_argument, NULL, OPT_CELLS},
	{0},
};

/* Texts are taken as they are. Returns whether @c is one of them. */
static bool take_text(struct receive *o, int c)
{
	const struct {
		int option;
		const char **slot;
	} texts[] = {
		{OPT_BASE, &o->cell.vsock_base},
		{OPT_CELL, &o->cell.cell_id},
		{OPT_RUN, &o->cell.run_id},
		{OPT_SPEC, &o->cell.spec},
		{OPT_DECLARED, &o->cell.declared},
		{OPT_DIR, &o->cell.output_dir},
		{OPT_KEY, &o->key},
		{OPT_CELLS, &o->cells},
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(texts); i++)
		if (texts[i].option == c) {
			*texts[i].slot = optarg;
			return true;
		}
	return false;
}

static int take_option(struct receive *o, int c)
{
	struct receiver_settings *s = &o->settings;
	uint64_t n = 0;
	bool good = true;

	if (take_text(o, c))
		return CLI_OK;
	switch (c) {
	case OPT_PORT:
		good = parse_number(optarg, 1, UINT32_MAX - 1, &n);
		s->port = (unsigned)n;
		break;
	case OPT_EXIT_PORT:
		good = parse_number(optarg, 0, UINT32_MAX - 1, &n);
		s->exit_port = (unsigned)n;
		break;
	case OPT_CID:
		good = parse_number(optarg, RECEIVER_CID_MIN, UINT32_MAX - 1, &n);
		o->cell.cid = (uint32_t)n;
		o->cell.has_cid = true;
		break;
	case OPT_SILENCE:
		good = parse_number(optarg, 1, WAIT_MAX_S, &n);
		s->silence_ms = n * 1000;
		break;
	case OPT_WAIT:
		good = parse_number(optarg, 1, WAIT_MAX_S, &n);
		s->wait_ms = n * 1000;
		break;
	case OPT_RATE:
		good = parse_number(optarg, 1, 1000000000, &s->rate);
		break;
	case OPT_MAX:
		good = parse_number(optarg, 65536, INT64_MAX, &s->max_bytes);
		break;
	case OPT_HEAD:
		good = parse_fd(optarg, &s->head_fd);
		break;
	case OPT_STATUS:
		good = parse_fd(optarg, &s->status_fd);
		break;
	case OPT_LENIENT:
		s->mode = WIRE_LENIENT;
		break;
	case OPT_ONCE:
		s->once = true;
		break;
	default:
		break;
	}
	if (good)
		return CLI_OK;
	for (const struct option *p = options; p->name; p++)
		if (p->val == c)
			return cli_usage("receive", "--%s: '%s' is not right", p->name, optarg);
	return CLI_USAGE;
}

static int check(const struct receive *o)
{
	const struct receiver_cell_spec *cell = &o->cell;
	bool one = cell->cell_id || cell->spec || cell->vsock_base || cell->has_cid ||
		   cell->run_id || cell->declared || cell->output_dir;

	if (o->cells && one)
		return cli_usage("receive", "--cells says all that there is to say of cells");
	if (o->cells)
		return CLI_OK;
	if (!cell->cell_id || !cell->spec)
		return cli_usage("receive", "--cell-id and --spec are needed, or --cells");
	if (!cell->vsock_base == !cell->has_cid)
		return cli_usage("receive", "either --vsock-base or --cid is needed");
	return CLI_OK;
}

static int receive(struct receive *o)
{
	TT_CLEANUP(chain_key_freep) struct chain_key *key = NULL;
	TT_CLEANUP(receiver_freep) struct receiver *r = NULL;
	TT_CLEANUP(tt_closep) int fd = -1;
	struct tt_err err;

	if (o->key && chain_key_load(&key, o->key, &err) < 0)
		return cli_fail("receive", &err);
	o->settings.key = key;
	if (o->cells) {
		fd = strcmp(o->cells, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
						: open(o->cells, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			(void)tt_fail(&err, errno, "open '%s'", o->cells);
			return cli_fail("receive", &err);
		}
	}
	o->settings.cells_fd = fd;
	if (receiver_new(&r, &o->settings, &err) < 0)
		return cli_fail("receive", &err);
	if (!o->cells && receiver_add(r, &o->cell, &err) < 0)
		return cli_fail("receive", &err);
	return receiver_run(r, &err) < 0 ? cli_fail("receive", &err) : CLI_OK;
}

int cli_cmd_receive(int argc, char **argv)
{
	struct receive o = {
		.settings = {.silence_ms = 10000,
			     .port = RECEIVER_PORT,
			     .exit_port = RECEIVER_EXIT_PORT,
			     .head_fd = -1,
			     .status_fd = -1,
			     .version = cli_version,
			     .complain = complain},
	};
	int c, status = -1;

	cli_begin();
	optind = 0;
	while ((c = cli_next_option(argc, argv, options, &status)) != -1) {
		int r = take_option(&o, c);

		if (r != CLI_OK)
			return r;
	}
	if (status >= 0)
		return cli_end(status);
	if (optind < argc)
		return cli_usage("receive", "unexpected '%s'", argv[optind]);
	status = check(&o);
	return status == CLI_OK ? cli_end(receive(&o)) : status;
}
