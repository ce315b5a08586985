/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes chained files as the receiver does, for verify.py: the lines of standard input go to FILE,
 * a chain line after each BLOCK of them (0: none but the last). Goes on in a file that has
 * something in it.
 *
 *	chain_probe [-k KEY] [-b BLOCK] [-o] [-n] [-i RUN_ID] FILE <LINES
 *
 * -o: the last line is not final; -n: no chain line at the end. Prints a line for --chain-head
 * behind each chain line.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/chain.h"

static int out;
static struct chain *chain;

static TT_NORETURN void fail(const char *what)
{
	fprintf(stderr, "chain_probe: %s\n", what);
	exit(1);
}

static void put(const char *text, size_t len)
{
	if (write(out, text, len) != (ssize_t)len)
		fail("write");
}

static void close_block(bool final)
{
	char line[CHAIN_LINE_MAX], head[CHAIN_HEAD_MAX];
	size_t n = chain_line(chain, final, line);

	put(line, n);
	if (!n)
		return;
	n = chain_head_line(chain, "cell-1", head);
	if (!n || fwrite(head, 1, n, stdout) != n)
		fail("head");
}

int main(int argc, char **argv)
{
	const char *run_id = "01990f2a-7c11-7a3e-8b52-6f1d0c9e4a70";
	unsigned long block = CHAIN_RECORDS_MAX, count = 0;
	bool final = true, last = true;
	struct chain_key *key = NULL;
	char *line = NULL, ids[200];
	uint64_t torn;
	struct tt_err err;
	size_t cap = 0;
	ssize_t n;
	int c;

	while ((c = getopt(argc, argv, "k:b:oni:")) != -1) {
		if (c == 'k' && chain_key_load(&key, optarg, &err) < 0)
			fail(err.text);
		else if (c == 'b')
			block = strtoul(optarg, NULL, 10);
		else if (c == 'o')
			final = false;
		else if (c == 'n')
			last = false;
		else if (c == 'i')
			run_id = optarg;
	}
	out = open(argv[optind], O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (out < 0)
		fail("open");
	(void)snprintf(ids, sizeof(ids),
		       "\"run_id\": \"%s\", \"sensor\": \"guest\", \"standing\": \"attested\"",
		       run_id);
	if (chain_new(
		    &chain,
		    "\"session_id\": \"ses_01990f2a-7c11-7a3e-8b52-000000000001\", \"span_id\": null, "
		    "\"parent_span\": null, \"component\": \"guest\"",
		    ids, key, &err) < 0 ||
	    chain_resume(chain, out, &torn, &err) < 0)
		fail(err.text);
	if (torn != UINT64_MAX)
		put("\n", 1);
	if (chain_due_ms(chain) == 0 && block)
		close_block(false);
	while ((n = getline(&line, &cap, stdin)) > 0) {
		put(line, (size_t)n);
		chain_add(chain, line, (size_t)n, 0);
		if (++count == block) {
			close_block(false);
			count = 0;
		}
	}
	if (last)
		close_block(final);
	free(line);
	chain_free(chain);
	chain_key_free(key);
	return 0;
}
