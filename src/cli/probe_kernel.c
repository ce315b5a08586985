/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of what the kernel tells: the eBPF sensor by its parts, the proc connector. */
#include "cli/probe_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "kernel/procconn.h"
#include "kernel/sensor.h"

#define TELL_MS 1000 /* within which the proc connector tells of a child, if it tells at all */

void cli_probe_sensor(struct cli_finding *f)
{
	TT_CLEANUP(kernel_sensor_closep) struct kernel_sensor *s = NULL;
	static const struct kernel_sensor_options opts = {0};
	uint64_t begin = tt_clock_ns(CLOCK_MONOTONIC), ns;
	struct tt_err err;

	if (kernel_sensor_open(&s, &opts, &err) < 0) {
		cli_probe_found(f, CLI_PROBE_MISSING, "%s", err.text);
		return;
	}
	ns = tt_clock_ns(CLOCK_MONOTONIC) - begin;
	cli_probe_found(f, CLI_PROBE_OK, "programs load and attach, in %.1f ms", (double)ns / 1e6);
}

/* What the sensor says of those of its parts whose names have @word. */
static void try_part(struct cli_finding *f, const char *word)
{
	TT_CLEANUP(kernel_sensor_closep) struct kernel_sensor *s = NULL;
	static const struct kernel_sensor_options opts = {0};
	const char *line, *tab, *end;
	struct tt_err err;

	if (kernel_sensor_open(&s, &opts, &err) < 0) {
		cli_probe_found(f, CLI_PROBE_MISSING, "there is no eBPF sensor");
		return;
	}
	cli_probe_found(f, CLI_PROBE_MISSING, "the sensor has no such part");
	for (line = kernel_sensor_parts(s); line && *line; line = *end ? end + 1 : end) {
		const char *at = strstr(line, word);

		end = strchrnul(line, '\n');
		tab = memchr(line, '\t', (size_t)(end - line));
		if (!tab || !at || at > tab)
			continue;
		if ((size_t)(end - tab) == 3 && memcmp(tab, "\tok", 3) == 0) {
			cli_probe_found(f, CLI_PROBE_OK, "the sensor's part '%.*s' attaches",
					(int)(tab - line), line);
			return; /* one way is enough */
		}
		cli_probe_found(f, CLI_PROBE_MISSING, "%.*s: %.*s", (int)(tab - line), line,
				(int)(end - tab - 1), tab + 1);
	}
}

void cli_probe_capabilities(struct cli_finding *f)
{
	try_part(f, "capab");
}

void cli_probe_uring(struct cli_finding *f)
{
	try_part(f, "uring");
}

/* Whether the connector tells of the end of a child within a second. */
static bool is_told_of(struct kernel_procconn *c, pid_t pid)
{
	uint64_t end = tt_clock_ns(CLOCK_MONOTONIC) + TELL_MS * TT_NS_PER_MS;
	struct kernel_fact fact;

	do {
		while (kernel_procconn_next(c, &fact) > 0)
			if (fact.kind == KERNEL_FACT_EXIT && fact.pid == pid)
				return true;
		(void)poll(NULL, 0, 10); /* only to wait */
	} while (tt_clock_ns(CLOCK_MONOTONIC) < end);
	return false;
}

void cli_probe_procconn(struct cli_finding *f)
{
	TT_CLEANUP(kernel_procconn_closep) struct kernel_procconn *c = NULL;
	struct tt_err err;
	pid_t pid;

	if (kernel_procconn_open(&c, &err) < 0) {
		cli_probe_found(f, CLI_PROBE_MISSING, "%s", err.text);
		return;
	}
	if (kernel_procconn_follow(c, getpid()) < 0) {
		cli_probe_found(f, CLI_PROBE_MISSING, "out of memory");
		return;
	}
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0) {
		cli_probe_found(f, CLI_PROBE_MISSING, "fork: %s", strerror(errno));
		return;
	}
	(void)waitpid(pid, NULL, 0); /* a child of our own that ends at once */
	if (is_told_of(c, pid))
		cli_probe_found(f, CLI_PROBE_OK, "forks, execs and ends are told");
	else
		cli_probe_found(
			f, CLI_PROBE_LIMITED,
			"it listens, but nothing is told: switched off by another process?");
}
