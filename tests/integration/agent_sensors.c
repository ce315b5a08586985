/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sensor of the agent in a cell of its own, with a sink that prints:
 *
 *	agent_sensors [-s] [-f] [-w MS] [-i PATH]... [-u UID] OUT SENSOR COMMAND...
 *
 * The cell is a PID namespace, made here: a first process that reaps, this program as the second,
 * the command as the third. Each frame is a line of JSON on fd OUT, then the sums. -s: not read
 * before the command has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sensor.h"
#include "base/out.h"

#define QUIET_LOOKS 3 /* without anything new, and all is told */

struct how {
	uid_t uid;     /* of the command; 0: ours */
	bool is_late;  /* nothing is read before it has ended */
	bool is_first; /* it runs before the sensor is opened, */
	unsigned ms;   /* for so long */
};

struct agent_sink {
	FILE *out;
	unsigned long told, lost, losses;
};

static void put_text(FILE *out, struct wire_text text)
{
	char buf[8192];
	struct tt_out o;

	tt_out_init(&o, buf, sizeof(buf));
	tt_out_json(&o, text.data, text.len, 1);
	fprintf(out, "\"%.*s\"", (int)o.len, buf);
}

void agent_tell(struct agent_sink *sink, struct wire_frame *f)
{
	unsigned char encoded[1 << 16];

	sink->told++;
	f->content_version = 2;
	f->has |= WIRE_HAS(seq);
	fprintf(sink->out, "{\"probe_source\": \"%s\", \"encoded\": %d",
		wire_source_name(f->source), wire_encode(f, encoded, sizeof(encoded)));
	for (int i = WIRE_FIELD_guest_pid; i < WIRE_FIELD_COUNT; i++) {
		const struct wire_field_info *info = &wire_fields[i];
		const char *value = (const char *)f + info->offset;

		if (i >= WIRE_FIELD_FIRST_OPTIONAL && !(f->has >> i & 1))
			continue;
		fprintf(sink->out, ", \"%s\": ", info->name);
		if (info->kind == WIRE_KIND_UINT) {
			fprintf(sink->out, "%llu", (unsigned long long)*(const uint64_t *)value);
		} else if (info->kind == WIRE_KIND_TEXT) {
			put_text(sink->out, *(const struct wire_text *)value);
		} else {
			const struct wire_list *list = (const struct wire_list *)value;

			for (size_t k = 0; k < list->count; k++) {
				fputs(k ? ", " : "[", sink->out);
				put_text(sink->out, list->items[k]);
			}
			fputs(list->count ? "]" : "[]", sink->out);
		}
	}
	fputs("}\n", sink->out);
}

void agent_lost(struct agent_sink *sink, enum agent_cause cause, uint64_t count)
{
	sink->losses++;
	sink->lost += count;
	if (cause != AGENT_SENSOR_FULL)
		abort();
}

static int (*opener(const char *name))(struct agent_sensor *, const struct agent_watch *,
				       const char **)
{
	static const struct {
		const char *name;
		int (*open)(struct agent_sensor *, const struct agent_watch *, const char **);
	} all[] = {
		{"ebpf", agent_ebpf_open},
		{"connector", agent_connector_open},
		{"walk", agent_walk_open},
		{"inotify", agent_inotify_open},
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(all); i++)
		if (strcmp(name, all[i].name) == 0)
			return all[i].open;
	return NULL;
}

/* Subscribed outside, before there is a cell; -1: the kernel does not let us. */
static int connector_open(int bytes)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
	_Alignas(struct nlmsghdr) char ask[NLMSG_LENGTH(sizeof(struct cn_msg) + sizeof(uint32_t))] =
		"";
	struct nlmsghdr *h = (struct nlmsghdr *)ask;
	struct cn_msg *m = NLMSG_DATA(h);
	uint32_t op = PROC_CN_MCAST_LISTEN;
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);

	*h = (struct nlmsghdr){.nlmsg_len = sizeof(ask), .nlmsg_type = NLMSG_DONE};
	m->id = (struct cb_id){CN_IDX_PROC, CN_VAL_PROC};
	m->len = sizeof(op);
	memcpy(m->data, &op, sizeof(op));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || send(fd, ask, sizeof(ask), 0) < 0) {
		perror("the proc connector");
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	return fd;
}

static unsigned long cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (unsigned long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (unsigned long)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void put_sums(FILE *out, const struct agent_sensor *s, const struct agent_sink *sink,
		     int status, unsigned long us)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	fprintf(out,
		"{\"sums\": true, \"sensor\": \"%s\", \"told\": %lu, \"lost\": %lu, \"losses\": %lu, "
		"\"status\": %d, \"cpu_us\": %lu, \"surface\": [\"\"",
		s->name, sink->told, sink->lost, sink->losses, status, us);
	for (int i = 1; i < WIRE_SOURCE_END; i++)
		if (s->surface >> i & 1)
			fprintf(out, ", \"%s\"", wire_source_name(i));
	fputs("]", out);
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "VmRSS:", 6) == 0 || strncmp(line, "RssFile:", 8) == 0)
			fprintf(out, ", \"%.*s\": %lu", (int)strcspn(line, ":"), line,
				strtoul(strchr(line, ':') + 1, NULL, 10));
	if (f)
		(void)fclose(f);
	fputs("}\n", out);
	(void)fflush(out);
}

/* Until the command has ended and nothing comes any more. */
static int follow(struct agent_sensor *s, struct agent_sink *sink, pid_t command, bool is_late)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	unsigned long before;
	bool is_over = false;
	int status = 0;

	for (int quiet = 0; quiet < QUIET_LOOKS;) {
		if (!is_over)
			is_over = waitpid(command, &status, WNOHANG) == command;
		if (!is_over && is_late) {
			(void)usleep(1000);
			continue;
		}
		before = sink->told + sink->losses;
		if (poll(&p, 1, s->period_ms ? (int)s->period_ms : 30) > 0 || is_over ||
		    s->period_ms)
			s->run(s, sink);
		quiet = is_over && before == sink->told + sink->losses ? quiet + 1 : 0;
	}
	return status;
}

/* Returns when the command runs; -1: it does not. */
static pid_t start(char **command, uid_t uid)
{
	int run[2];
	char byte;
	pid_t pid;

	if (pipe2(run, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (uid && (setgid(uid) < 0 || setuid(uid) < 0))
			_exit(126);
		execvp(command[0], command);
		_exit(127);
	}
	(void)close(run[1]);
	(void)!read(run[0], &byte, 1);
	(void)close(run[0]);
	return pid;
}

static int agent(struct agent_watch *w, const char *name, char **command, FILE *out,
		 const struct how *how)
{
	struct agent_sink sink = {.out = out};
	pid_t pid = how->is_first ? start(command, how->uid) : 0;
	struct agent_sensor s;
	const char *why = "";
	char read[4096];
	int n, status;
	unsigned long us;

	(void)usleep(how->ms * 1000);
	/* what an agent before this one has read */
	while (how->ms && recv(w->connector_fd, read, sizeof(read), MSG_DONTWAIT) > 0)
		;
	n = opener(name)(&s, w, &why);
	if (n < 0) {
		fprintf(out, "{\"failed\": \"%s\", \"error\": \"%s\"}\n", why, strerror(-n));
		(void)fflush(out);
		return 3;
	}
	if (s.period_ms || strcmp(name, "connector") == 0)
		s.run(&s, &sink);
	us = cpu_us();
	if (!how->is_first)
		pid = start(command, how->uid);
	if (pid < 0)
		return 2;
	status = follow(&s, &sink, pid, how->is_late);
	put_sums(out, &s, &sink, status, cpu_us() - us);
	s.close(&s);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *paths[64];
	struct agent_watch w = {
		.connector_fd = -1, .outer_proc_fd = -1, .proc = "/proc", .inotify_paths = paths};
	struct how how = {0};
	int option, status, bytes = 8 << 20;
	pid_t pid;
	FILE *out;

	while ((option = getopt(argc, argv, "+sfw:i:u:b:l:")) != -1) {
		if (option == 's')
			how.is_late = true;
		else if (option == 'f')
			how.is_first = true;
		else if (option == 'l')
			how.ms = (unsigned)atoi(optarg);
		else if (option == 'w')
			w.walk_ms = (unsigned)atoi(optarg);
		else if (option == 'u')
			how.uid = (uid_t)atoi(optarg);
		else if (option == 'b')
			bytes = atoi(optarg);
		else if (option == 'i' && w.inotify_count < TT_ARRAY_SIZE(paths))
			paths[w.inotify_count++] = optarg;
		else
			return 2;
	}
	if (argc - optind < 3 || !opener(argv[optind + 1]))
		return 2;
	out = fdopen(fcntl(atoi(argv[optind]), F_DUPFD_CLOEXEC, 3), "w");
	(void)close(atoi(argv[optind]));
	if (strcmp(argv[optind + 1], "connector") == 0) {
		w.connector_fd = connector_open(bytes);
		w.outer_proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (!out || unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return 2;
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("proc", "/proc", "proc", 0, NULL) < 0)
			_exit(2);
		pid = fork();
		if (pid == 0)
			exit(agent(&w, argv[optind + 1], argv + optind + 2, out, &how));
		while (wait(&status) != pid)
			;
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
