/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel sensor by itself: kernel_driver [-o FD] [-r RING_BYTES] [-l] [-q] COMMAND... runs the
 * command and prints its facts as JSON lines on fd 3 or FD (or stderr), then one line of sums.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "event/event.h"
#include "kernel/sensor.h"

static FILE *out;
static unsigned long told[8];
static int quiet;

static void put_text(const char *key, const char *text, size_t len)
{
	fprintf(out, ", \"%s\": \"", key);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 32 || c == '"' || c == '\\' || c > 126)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void put_call(const struct kernel_fact *f)
{
	const char *layout = event_call_info(f->call)->layout;

	fprintf(out, ", \"call\": \"%s\", \"result\": %lld, \"error\": %d, \"args\": [",
		event_call_info(f->call)->name, (long long)f->result, f->error);
	for (unsigned i = 0; layout[i]; i++)
		fprintf(out, "%s%lld", i ? ", " : "", (long long)f->args[i].num);
	fprintf(out, "]");
	for (unsigned i = 0; layout[i]; i++)
		if (f->args[i].data)
			put_text(
				(const char *[]){"arg0", "arg1", "arg2", "arg3", "arg4", "arg5"}[i],
				f->args[i].data, f->args[i].len);
	if (f->where.data)
		put_text(f->where_is_file ? "file" : "base", f->where.data, f->where.len);
	if (f->where2.data)
		put_text("base2", f->where2.data, f->where2.len);
	fprintf(out,
		", \"dev\": %llu, \"ino\": %llu, \"origin\": %d, \"origin_ino\": %llu, \"own\": %s",
		(unsigned long long)f->file.dev, (unsigned long long)f->file.ino, f->origin,
		(unsigned long long)f->origin_file.ino, f->own_memory ? "true" : "false");
}

static void put_fact(const struct kernel_fact *f)
{
	static const char *const kinds[] = {"fork",       "exec",  "exit", "call",
					    "capability", "uring", "dns"};

	told[f->kind]++;
	if (quiet)
		return;
	fprintf(out,
		"{\"kind\": \"%s\", \"ts\": %llu, \"pid\": %d, \"tid\": %d, \"ppid\": %d, \"ns_pid\": "
		"%d, \"start\": %llu, \"image\": %u, \"lost\": %llu",
		kinds[f->kind], (unsigned long long)f->ts_ns, f->pid, f->tid, f->ppid, f->ns_pid,
		(unsigned long long)f->start_ns, f->image, (unsigned long long)f->lost);
	put_text("comm", f->comm, strnlen(f->comm, sizeof(f->comm)));
	if (f->kind == KERNEL_FACT_CALL || f->kind == KERNEL_FACT_URING) {
		put_call(f);
	} else if (f->kind == KERNEL_FACT_EXEC) {
		put_text("path", f->path.data, f->path.len);
		put_text("argv", f->argv.data, f->argv.len);
		put_text("cwd", f->cwd.data, f->cwd.len);
		put_text("file", f->where.data, f->where.len);
		fprintf(out,
			", \"ino\": %llu, \"uid\": %u, \"euid\": %u, \"secure\": %s, \"anonymous\": %s",
			(unsigned long long)f->exe.ino, f->uid, f->euid,
			f->secure ? "true" : "false", f->anonymous ? "true" : "false");
	} else if (f->kind == KERNEL_FACT_EXIT) {
		fprintf(out,
			", \"status\": %d, \"user_ns\": %llu, \"system_ns\": %llu, \"rss\": %llu, "
			"\"minor\": %llu, \"reads\": %llu, \"writes\": %llu, \"bytes_read\": %llu, "
			"\"bytes_written\": %llu",
			f->status, (unsigned long long)f->user_ns, (unsigned long long)f->system_ns,
			(unsigned long long)f->max_rss_kb, (unsigned long long)f->minor_faults,
			(unsigned long long)f->read_calls, (unsigned long long)f->write_calls,
			(unsigned long long)f->bytes_read, (unsigned long long)f->bytes_written);
	}
	fprintf(out, "}\n");
}

static void drain(struct kernel_sensor *s)
{
	struct kernel_fact f;

	kernel_sensor_take(s);
	while (kernel_sensor_next(s, &f))
		put_fact(&f);
}

static void put_sums(const struct kernel_sensor *s, double open_ms)
{
	struct kernel_counts *c = malloc(sizeof(*c));

	if (!c || kernel_sensor_counts(s, c) < 0)
		exit(3);
	fprintf(out,
		"{\"kind\": \"sums\", \"forks\": %lu, \"execs\": %lu, \"exits\": %lu, \"calls\": %lu, "
		"\"lost\": %llu, \"open_ms\": %.3f, \"other\": %llu, \"foreign\": %llu, \"counts\": {",
		told[0], told[1], told[2], told[3], (unsigned long long)kernel_sensor_lost(s),
		open_ms, (unsigned long long)c->other, (unsigned long long)c->foreign);
	for (int nr = 0, any = 0; nr < KERNEL_COUNTED; nr++)
		if (c->calls[nr])
			fprintf(out, "%s\"%d\": [%llu, %llu]", any++ ? ", " : "", nr,
				(unsigned long long)c->calls[nr], (unsigned long long)c->ns[nr]);
	fprintf(out, "}}\n");
	free(c);
}

int main(int argc, char **argv)
{
	struct kernel_sensor_options opts = {0};
	struct kernel_sensor *s = NULL;
	int gate[2], status = 0, fd, opt, slow = 0, told_fd = 3;
	struct tt_err err;
	uint64_t began;
	double open_ms;
	pid_t pid;

	while ((opt = getopt(argc, argv, "+o:r:lqs")) != -1) {
		if (opt == 'r')
			opts.ring_bytes = (uint32_t)atoi(optarg);
		if (opt == 'o')
			told_fd = atoi(optarg);
		opts.latency |= opt == 'l';
		quiet |= opt == 'q';
		slow |= opt == 's';
	}
	if (optind == argc)
		return 2;
	out = fcntl(told_fd, F_GETFD) >= 0 ? fdopen(told_fd, "w") : stderr;
	began = tt_clock_ns(CLOCK_MONOTONIC);
	if (kernel_sensor_open(&s, &opts, &err) < 0) {
		fprintf(out, "{\"kind\": \"failed\"");
		put_text("why", err.text, strlen(err.text));
		fprintf(out, "}\n");
		return 77;
	}
	open_ms = (double)(tt_clock_ns(CLOCK_MONOTONIC) - began) / 1e6;
	if (pipe(gate) < 0)
		return 3;
	pid = fork();
	if (pid == 0) {
		char c;

		(void)close(gate[1]);
		if (out != stderr)
			(void)close(fileno(out));
		(void)!read(gate[0], &c, 1);
		(void)close(gate[0]);
		(void)execvp(argv[optind], argv + optind);
		_exit(127);
	}
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 || kernel_sensor_follow(s, fd) < 0)
		return 3;
	(void)close(gate[0]);
	(void)close(gate[1]);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (!slow)
			drain(s);
		usleep(1000);
	}
	do
		drain(s);
	while (kernel_sensor_fill(s) > 0);
	put_sums(s, open_ms);
	kernel_sensor_close(s);
	return fflush(out) == 0 ? 0 : 3;
}
