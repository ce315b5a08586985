/* SPDX-License-Identifier: Apache-2.0 */
/* What every verb does at its start and end, and how it complains. */
#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/style.h"

#define OPTIONS_MAX 40 /* of one verb */

const char cli_version[] = TT_VERSION;

void cli_begin(void)
{
	/* The stand-in for a closed stdout refuses writes, so that cli_end() sees it. */
	static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", modes[fd]); /* takes the lowest free number: fd */
	signal(SIGPIPE, SIG_IGN);
	setlocale(LC_CTYPE, "");
	cli_style_begin();
}

/*
 * Whether the reading end of stdout was closed: asked of the fd, since errno of a failed write is
 * long gone.
 */
static bool reader_left(void)
{
	struct pollfd p = {.fd = STDOUT_FILENO};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

int cli_end(int status)
{
	int r = fflush(stdout);
	int err = r ? errno : EIO;

	if ((!r && !ferror(stdout)) || err == EPIPE || reader_left())
		return status;
	fprintf(stderr, "telltale: write to standard output: %s\n", strerror(err));
	return CLI_FAILED;
}

bool cli_is_gone(void)
{
	return ferror(stdout) || reader_left();
}

int cli_fail(const char *verb, const struct tt_err *err)
{
	(void)fflush(stdout);
	fprintf(stderr, "telltale %s: ", verb);
	cli_put_text(stderr, err->text, strlen(err->text));
	fputc('\n', stderr);
	return CLI_FAILED;
}

int cli_usage(const char *verb, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut is fine: it is for people */
	va_end(ap);
	fprintf(stderr, "telltale%s%s: ", verb ? " " : "", verb ? verb : "");
	cli_put_text(stderr, text, strlen(text));
	fprintf(stderr, "\nsee 'telltale %s%s--help'\n", verb ? verb : "", verb ? " " : "");
	return CLI_USAGE;
}

int cli_next_option(int argc, char **argv, const struct option *options, int *ret_status)
{
	struct option all[OPTIONS_MAX] = {{"help", no_argument, NULL, 'h'}};
	const struct cli_verb *verb = cli_verb_find(argv[0]);
	char shorts[2 * OPTIONS_MAX + 4];
	size_t n = 1, s;
	int c;

	s = (size_t)(stpcpy(shorts, verb && verb->takes_command ? "+:h" : ":h") - shorts);

	for (; options->name && n + 1 < TT_ARRAY_SIZE(all); options++) {
		all[n++] = *options;
		if (options->val > ' ' && options->val < 127) {
			shorts[s++] = (char)options->val;
			if (options->has_arg == required_argument)
				shorts[s++] = ':';
		}
	}
	assert(!options->name);
	shorts[s] = '\0';
	opterr = 0;
	c = getopt_long(argc, argv, shorts, all, NULL);
	switch (c) {
	case 'h':
		cli_verb_help(cli_verb_find(argv[0]));
		*ret_status = CLI_OK;
		return -1;
	case ':':
		*ret_status = cli_usage(argv[0], "option '%s' needs a value", argv[optind - 1]);
		return -1;
	case '?':
		if (optopt > ' ' && optopt < 127 && argv[optind - 1][1] != '-')
			*ret_status = cli_usage(argv[0], "unknown option '-%c'", optopt);
		else
			*ret_status = cli_usage(argv[0], "unknown option '%s'", argv[optind - 1]);
		return -1;
	default:
		return c;
	}
}
