/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many frames the receiver takes: receive_rate FOLDER FRAMES WHAT... says for each WHAT the
 * nanoseconds of CPU time that a frame took. decode: decoded alone; chain: decoded, stamped and
 * chained, not written; trace: trace.jsonl written as well; both: and cloudevents.jsonl; with
 * "-signed" behind it chain lines are signed. The frames are encoded before, the mix of a shell at
 * work, and come in reads of 64 KiB. "send:PATH" sends them to a receiver that listens there
 * instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "receiver/receiver_internal.h"

static uint8_t *frames;
static size_t frames_len, frames_cap;
static uint64_t seq, clock_ns = UINT64_C(5000000000);

static TT_NORETURN void fail(const char *what)
{
	fprintf(stderr, "receive_rate: %s\n", what);
	exit(1);
}

static void put(struct wire_frame *f, const char *comm)
{
	int n;

	f->content_version = 2;
	f->guest_comm = (struct wire_text){comm, strlen(comm)};
	f->guest_monotonic_ns = clock_ns += 7919;
	f->seq = seq++;
	f->has |= WIRE_HAS(seq);
	n = frames_len + WIRE_FRAME_MAX <= frames_cap
		    ? wire_encode(f, frames + frames_len, frames_cap - frames_len)
		    : -1;
	if (n < 0)
		fail("encode");
	frames_len += (size_t)n;
}

static struct wire_frame act(enum wire_source source, uint32_t pid, uint64_t start)
{
	return (struct wire_frame){.source = source,
				   .guest_pid = pid,
				   .ppid = 3,
				   .start_ns = start,
				   .uid = 1000,
				   .has = WIRE_HAS(ppid) | WIRE_HAS(start_ns) | WIRE_HAS(uid)};
}

#define TEXT(s) ((struct wire_text){s, sizeof(s) - 1})

/* Birth, exec, end; every other one connects, and writes a file that is watched. */
static void put_process(uint32_t pid)
{
	static const struct wire_text argv[] = {TEXT("cc"),     TEXT("-O2"), TEXT("-c"),
						TEXT("main.c"), TEXT("-o"),  TEXT("main.o")};
	uint64_t start = clock_ns / 10000000 * 10000000;
	struct wire_frame f = act(WIRE_PROCESS_SPAWNED, pid, start);

	put(&f, "sh");
	f = act(WIRE_PROCESS_SPAWNED, pid, start);
	f.exe = TEXT("/usr/bin/cc");
	f.argv = (struct wire_list){.count = TT_ARRAY_SIZE(argv), .items = argv};
	f.has |= WIRE_HAS(exe) | WIRE_HAS(argv);
	put(&f, "cc");
	if (pid & 1) {
		f = act(WIRE_NET_CONNECT_ATTEMPTED, pid, start);
		f.addr = TEXT("192.0.2.17");
		f.port = 443;
		f.has |= WIRE_HAS(addr) | WIRE_HAS(port);
		put(&f, "cc");
		f = (struct wire_frame){.source = WIRE_FS_INOTIFY_FIRED,
					.path = TEXT("/srv/project/src/main.o"),
					.mask = 8,
					.has = WIRE_HAS(path) | WIRE_HAS(mask)};
		put(&f, "");
	}
	f = act(WIRE_PROCESS_EXITED, pid, start);
	f.has |= WIRE_HAS(exit_code);
	put(&f, "cc");
}

static void make_frames(uint64_t count)
{
	static const struct wire_text surface[] = {
		TEXT("process.spawned"), TEXT("process.exited"), TEXT("capability.denied"),
		TEXT("net.connect_attempted"), TEXT("fs.inotify_fired")};
	struct wire_frame hello = {.source = WIRE_AGENT_HELLO,
				   .guest_pid = 2,
				   .boot_id = TEXT("7d6c7a4e-52a5-4d5f-8d5c-6cf0a0f2d9c1"),
				   .agent_version = TEXT("0.1.0"),
				   .surface = {.count = TT_ARRAY_SIZE(surface), .items = surface},
				   .has = WIRE_HAS(boot_id) | WIRE_HAS(agent_version) |
					  WIRE_HAS(surface)};

	frames_cap = (size_t)count * 256 + 16 * (size_t)WIRE_FRAME_MAX;
	frames = malloc(frames_cap);
	if (!frames)
		fail("no memory");
	put(&hello, "telltale-agent");
	for (uint32_t pid = 4; seq < count; pid = pid % 30000 + 4)
		put_process(pid);
}

static void complain(const char *text)
{
	fail(text);
}

static uint64_t decode_all(void)
{
	struct wire_frame f;
	uint64_t sum = 0;

	for (size_t at = 0; at < frames_len;) {
		int n = wire_decode(frames + at, frames_len - at, WIRE_STRICT, &f, NULL);

		if (n < 0)
			fail("decode");
		at += (size_t)n;
		sum += f.seq;
	}
	return sum;
}

static struct receiver_cell *open_cell(struct receiver *r, const char *folder)
{
	static unsigned number;
	char id[64], base[256], spec[256], out[256];
	struct tt_err err;
	FILE *f;

	(void)snprintf(id, sizeof(id), "cell-%u", number++);
	(void)snprintf(base, sizeof(base), "%s/%s.sock", folder, id);
	(void)snprintf(out, sizeof(out), "%s/%s", folder, id);
	(void)snprintf(spec, sizeof(spec), "%s/spec.json", folder);
	f = fopen(spec, "we");
	if (!f ||
	    fprintf(f,
		    "{\"telemetry\": {\"authorized\": [\"process.spawned\", \"process.exited\", "
		    "\"capability.denied\", \"net.connect_attempted\", \"fs.inotify_fired\"]}}") <
		    0 ||
	    fclose(f) != 0)
		fail("write a spec");
	if (receiver_add(
		    r,
		    &(struct receiver_cell_spec){
			    .cell_id = id, .vsock_base = base, .spec = spec, .output_dir = out},
		    &err) < 0)
		fail(err.text);
	return r->cells;
}

/* As the loop does with what it reads. */
static void receive_all(struct receiver *r, struct receiver_cell *c)
{
	size_t at = 0;

	while (at < frames_len) {
		size_t n = frames_len - at < RECEIVER_READ ? frames_len - at : RECEIVER_READ;
		long used;

		memcpy(r->input, frames + at, n);
		receiver_look_at_clock(r);
		used = receiver_take_bytes(c, r->input, n);
		if (used <= 0)
			fail("frames were refused");
		at += (size_t)used;
		receiver_flush(c);
		(void)receiver_chain_due(r);
	}
	receiver_close_chain(c);
	if (c->frames != seq || c->acts != seq - 1)
		fail("frames were not counted");
}

static void send_all(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		fail("a long path");
	strcpy(addr.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		fail("connect");
	for (size_t at = 0; at < frames_len;) {
		ssize_t n = send(fd, frames + at, frames_len - at, MSG_NOSIGNAL);

		if (n < 0)
			fail("send");
		at += (size_t)n;
	}
	(void)close(fd);
}

static void measure(const char *folder, const char *what)
{
	struct receiver_settings settings = {.silence_ms = 10000,
					     .mode = WIRE_STRICT,
					     .port = 9001,
					     .head_fd = -1,
					     .status_fd = -1,
					     .cells_fd = -1,
					     .version = "0",
					     .complain = complain};
	bool is_signed = strstr(what, "-signed"), is_decode = strcmp(what, "decode") == 0;
	struct chain_key *key = NULL;
	struct receiver_cell *c = NULL;
	struct receiver *r = NULL;
	struct stat st = {0};
	struct tt_err err;
	char path[256];
	double ns;

	(void)snprintf(path, sizeof(path), "%s/host.key", folder);
	if (is_signed && chain_key_load(&key, path, &err) < 0)
		fail(err.text);
	settings.key = key;
	if (!is_decode) {
		if (receiver_new(&r, &settings, &err) < 0)
			fail(err.text);
		c = open_cell(r, folder);
		if (strncmp(what, "both", 4) != 0)
			receiver_file_close(&c->events);
		if (strncmp(what, "chain", 5) == 0)
			receiver_file_close(&c->trace);
	}
	ns = (double)tt_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (is_decode)
		(void)decode_all();
	else
		receive_all(r, c);
	ns = (double)tt_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - ns;
	if (c && c->trace.fd >= 0)
		(void)fstat(c->trace.fd, &st);
	printf("%s %.1f ns %.0f frames/s, %.0f bytes a frame, ", what, ns / (double)seq,
	       (double)seq * 1e9 / ns, (double)frames_len / (double)seq);
	printf("%.0f of the trace, %.2f lines\n", (double)st.st_size / (double)seq,
	       c ? (double)c->lines / (double)seq : 0.0);
	receiver_free(r);
	chain_key_free(key);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 3 ? strtoull(argv[2], NULL, 10) : 0;

	if (!count)
		fail("receive_rate FOLDER FRAMES WHAT...");
	make_frames(count);
	for (int i = 3; i < argc; i++) {
		if (strncmp(argv[i], "send:", 5) == 0)
			send_all(argv[i] + 5);
		else
			measure(argv[1], argv[i]);
	}
	free(frames);
	return 0;
}
