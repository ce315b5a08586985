/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop. A cell has its turn when its connection can be read: one read, its frames, one write
 * per file. What waits for a clock (chain lines, states, full disks, the rate) is looked at every
 * 100 ms, and only while there is something of that.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver/receiver_internal.h"

void receiver_say(struct receiver *r, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	r->settings.complain(text);
}

void receiver_look_at_clock(struct receiver *r)
{
	r->now_ns = tt_clock_ns(CLOCK_REALTIME);
	r->now_ms = tt_clock_ns(CLOCK_MONOTONIC) / TT_NS_PER_MS;
	tt_time_text(r->time, r->now_ns);
}

void receiver_watch(struct receiver *r, struct receiver_handle *h, enum receiver_socket kind,
		    int fd, struct receiver_cell *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = h};

	*h = (struct receiver_handle){kind, fd, c, false};
	/*
	 * it fails only without memory, or past max_user_watches: then nothing comes from there, as
	 * told
	 */
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		receiver_say(r, "watch fd %d: %s", fd, strerror(errno));
}

/* Twenty thousand cells need more than the 1,024 fds that programs begin with. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* what is missing shows when a cell is added */
}

static int watch_signals(struct receiver *r, struct tt_err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return tt_fail(err, errno, "block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return tt_fail(err, errno, "take signals");
	receiver_watch(r, &r->signals, RECEIVER_SIGNALS, fd, NULL);
	return 0;
}

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int receiver_new(struct receiver **ret, const struct receiver_settings *settings,
		 struct tt_err *err)
{
	TT_CLEANUP(receiver_freep) struct receiver *r = calloc(1, sizeof(*r));
	int n;

	if (!r)
		return tt_fail(err, ENOMEM, "begin to receive");
	r->settings = *settings;
	r->signals.fd = r->lines.fd = r->vsock.fd = r->exit_vsock.fd = -1;
	tt_out_init(&r->trace, r->trace_buf, sizeof(r->trace_buf));
	tt_out_init(&r->events, r->events_buf, sizeof(r->events_buf));
	receiver_look_at_clock(r);
	if (getrandom(r->random, sizeof(r->random), GRND_NONBLOCK) != sizeof(r->random))
		r->random[0] = r->now_ns; /* early at boot */
	r->random[1] |= 1;
	raise_fd_limit();
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		return tt_fail(err, errno, "make an epoll fd");
	n = watch_signals(r, err);
	if (n < 0)
		return n;
	r->lines.fd = settings->cells_fd;
	/* a file can always be read: epoll takes none */
	if (settings->cells_fd >= 0 && !is_file(settings->cells_fd))
		receiver_watch(r, &r->lines, RECEIVER_CELLS, settings->cells_fd, NULL);
	*ret = TT_TAKE(r);
	return 0;
}

void receiver_free(struct receiver *r)
{
	if (!r)
		return;
	for (struct receiver_cell *c = r->cells, *next; c; c = next) {
		next = c->next;
		receiver_cell_free(c);
	}
	tt_closep(&r->signals.fd);
	tt_closep(&r->vsock.fd);
	tt_closep(&r->exit_vsock.fd);
	tt_closep(&r->epoll);
	free(r);
}

static int listen_vsock(struct receiver *r, struct tt_err *err)
{
	int fd;

	if (r->vsock.fd >= 0)
		return 0;
	fd = receiver_bind_vsock(r->settings.port, err);
	if (fd < 0)
		return fd;
	receiver_watch(r, &r->vsock, RECEIVER_VSOCK, fd, NULL);
	if (!r->settings.exit_port)
		return 0;
	fd = receiver_bind_vsock(r->settings.exit_port, err);
	if (fd < 0)
		return fd;
	receiver_watch(r, &r->exit_vsock, RECEIVER_EXIT_VSOCK, fd, NULL);
	return 0;
}

static struct receiver_cell *find_cell(const struct receiver *r, const char *id)
{
	for (struct receiver_cell *c = r->cells; c; c = c->next)
		if (!c->gone && strcmp(c->id, id) == 0)
			return c;
	return NULL;
}

int receiver_add(struct receiver *r, const struct receiver_cell_spec *spec, struct tt_err *err)
{
	struct receiver_cell *c;
	int n;

	if (r->cell_count == RECEIVER_CELLS_MAX)
		return tt_fail_text(err, ENOSPC, "%d cells are there already", RECEIVER_CELLS_MAX);
	if (spec->cell_id && find_cell(r, spec->cell_id))
		return tt_fail_text(err, EEXIST, "cell '%.60s' is there already", spec->cell_id);
	for (c = r->cells; c && spec->has_cid; c = c->next)
		if (!c->gone && c->has_cid && c->cid == spec->cid)
			return tt_fail_text(err, EEXIST, "CID %u is that of cell '%s'", spec->cid,
					    c->id);
	n = spec->has_cid ? listen_vsock(r, err) : 0;
	if (n == 0)
		n = receiver_cell_open(&c, r, spec, err);
	if (n < 0)
		return tt_wrap(err, n, "cell '%.60s'", spec->cell_id ? spec->cell_id : "");
	c->next = r->cells;
	r->cells = c;
	r->cell_count++;
	r->had_cells = true;
	return 0;
}

static void end_cell(struct receiver_cell *c, const char *why)
{
	if (c->gone)
		return;
	c->gone = true; /* freed when no event of this round can mean it any more */
	receiver_cell_end(c, why);
}

static void drop_from_dirty(struct receiver *r, struct receiver_cell *c)
{
	struct receiver_cell **at = &r->dirty, *before = NULL;

	if (!c->is_dirty)
		return;
	while (*at != c) {
		before = *at;
		at = &before->dirty_next;
	}
	*at = c->dirty_next;
	if (r->dirty_last == c)
		r->dirty_last = before;
}

static void free_gone(struct receiver *r)
{
	for (struct receiver_cell **at = &r->cells; *at;) {
		struct receiver_cell *c = *at;

		if (!c->gone) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		drop_from_dirty(r, c);
		receiver_cell_free(c);
		r->cell_count--;
	}
}

static void close_connection(struct receiver_cell *c)
{
	receiver_take_end(c, c->partial, c->partial_len);
	(void)close(c->connection.fd); /* leaves the epoll set, too: nobody else has it */
	c->connection.fd = -1;
	free(c->partial);
	c->partial = NULL;
	c->partial_len = 0;
	c->left_ms = c->r->now_ms;
	c->paused = c->trace.held_len || c->events.held_len;
	receiver_state_set(c, RECEIVER_CLOSED, "the agent's connection ended");
}

/* Out of the set: a peer that hangs up would wake us without end where nothing is read. */
static void pause_reading(struct receiver_cell *c)
{
	(void)epoll_ctl(c->r->epoll, EPOLL_CTL_DEL, c->connection.fd, NULL);
}

/* The rate is a bucket of one second: what is over it waits, in the guest. */
void receiver_spend(struct receiver_cell *c, uint64_t frames)
{
	struct receiver *r = c->r;
	double rate = (double)r->settings.rate;

	if (!r->settings.rate)
		return;
	c->tokens += rate * (double)(r->now_ms - c->tokens_at_ms) / 1000;
	c->tokens_at_ms = r->now_ms;
	if (c->tokens > rate)
		c->tokens = rate;
	c->tokens -= (double)frames;
	if (c->tokens < 0)
		c->paused = true;
}

/* A guest that talks without end fills no disk: what it has to say after that waits there. */
static void check_size(struct receiver_cell *c)
{
	uint64_t max = c->r->settings.max_bytes;

	if (!max || c->written < max || c->is_full)
		return;
	c->is_full = c->paused = true;
	receiver_find(c, RECEIVER_FULL, NULL,
		      "the record is as large as it may be: nothing more is taken");
	receiver_flush(c);
}

/* One read. Returns false where the connection is over. */
static bool read_connection(struct receiver_cell *c)
{
	struct receiver *r = c->r;
	uint64_t seen = c->seen;
	size_t have = c->partial_len;
	ssize_t n;
	long used;

	memcpy(r->input, c->partial, have);
	do
		n = read(c->connection.fd, r->input + have, RECEIVER_READ);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0) {
		close_connection(c);
		receiver_flush(c);
		return false;
	}
	have += (size_t)n;
	used = receiver_take_bytes(c, r->input, have);
	if (used < 0) {
		c->partial_len = 0;
		close_connection(c);
		receiver_flush(c);
		return false;
	}
	/* less than a frame: its length was looked at */
	c->partial_len = have - (size_t)used;
	memcpy(c->partial, r->input + used, c->partial_len);
	receiver_flush(c);
	receiver_spend(c, c->seen - seen);
	check_size(c);
	if (c->paused)
		pause_reading(c);
	return true;
}

/*
 * What has arrived already. Bounded by what a socket holds, so that nobody who goes on sending
 * keeps us.
 */
static void drain(struct receiver_cell *c)
{
	char byte;

	for (unsigned i = 0; i < 64 && c->connection.fd >= 0 && !c->paused && !c->gone; i++) {
		ssize_t n = recv(c->connection.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		(void)read_connection(c);
	}
}

/*
 * A new connection of a cell that has one. An agent that was started anew connects while the end of
 * the old connection may not have been read: that is looked for. Otherwise the first one stays.
 */
static bool has_room(struct receiver_cell *c)
{
	drain(c);
	return c->connection.fd < 0;
}

static void take_connection(struct receiver_cell *c, int fd)
{
	TT_CLEANUP(tt_closep) int own = fd;

	if (!has_room(c)) {
		c->refused++;
		receiver_find(c, RECEIVER_REFUSED_SECOND, NULL,
			      "somebody connected beside the agent, and was refused");
		receiver_flush(c);
		return;
	}
	c->partial = malloc(WIRE_FRAME_MAX);
	if (!c->partial)
		return; /* the agent tries again */
	c->partial_len = 0;
	c->connections++;
	if (c->state == RECEIVER_NEVER)
		c->heard_ms = c->r->now_ms; /* how long a guest boots is no silence */
	receiver_watch(c->r, &c->connection, RECEIVER_CONNECTION, tt_take_fd(&own), c);
	if (c->paused)
		pause_reading(c);
}

static void read_exit(struct receiver_cell *c)
{
	const uint8_t *b = c->exit_bytes;
	ssize_t n = read(c->exit_connection.fd, c->exit_bytes + c->exit_len,
			 sizeof(c->exit_bytes) - c->exit_len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	c->exit_len += n > 0 ? (unsigned)n : 0;
	if (n > 0 && c->exit_len < sizeof(c->exit_bytes))
		return;
	(void)close(c->exit_connection.fd);
	c->exit_connection.fd = -1;
	if (c->exit_len < sizeof(c->exit_bytes))
		return; /* not all of it came */
	c->has_exit = true;
	c->exit_status =
		(uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
	c->left_ms = c->r->now_ms;
	c->exit_ns = c->r->now_ns;
	receiver_line_exit(c);
	if (c->connection.fd < 0 && c->state != RECEIVER_CLOSED)
		receiver_state_set(c, RECEIVER_CLOSED, "the exit code came");
	receiver_flush(c);
}

/* The newest one counts: who connects and says nothing is not in the way. */
static void take_exit_connection(struct receiver_cell *c, int fd)
{
	if (c->has_exit) {
		c->refused++;
		(void)close(fd);
		return;
	}
	if (c->exit_connection.fd >= 0) {
		read_exit(c);
		if (c->exit_connection.fd >= 0) {
			c->refused++;
			(void)close(c->exit_connection.fd);
		}
		if (c->has_exit) {
			(void)close(fd);
			return;
		}
	}
	c->exit_len = 0;
	receiver_watch(c->r, &c->exit_connection, RECEIVER_EXIT_CONNECTION, fd, c);
}

/* The end: what had come by then is taken, connections that wait to be accepted included. */
static void take_rest(struct receiver_cell *c)
{
	uint32_t cid;
	int fd;

	for (unsigned i = 0; i < 64 && c->listener.fd >= 0 && !c->gone; i++) {
		fd = receiver_accept(c->listener.fd, &cid);
		if (fd < 0)
			break;
		take_connection(c, fd);
	}
	drain(c);
	if (c->exit_listener.fd >= 0 && !c->gone) {
		fd = receiver_accept(c->exit_listener.fd, &cid);
		if (fd >= 0)
			take_exit_connection(c, fd);
	}
	if (c->exit_connection.fd >= 0)
		read_exit(c);
}

/*
 * Nobody can be let in: mostly for want of file descriptors. The listener would wake us without
 * end, so it is left alone until the next look.
 */
static void turn_deaf(struct receiver *r, struct receiver_handle *h, int error)
{
	if (error == -EAGAIN || error == -ECONNABORTED)
		return;
	if (!r->deaf++)
		receiver_say(r, "cannot accept a connection: %s", strerror(-error));
	(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, h->fd, NULL);
	h->is_deaf = true;
}

static void listen_again(struct receiver *r, struct receiver_handle *h)
{
	if (h->fd < 0 || !h->is_deaf)
		return;
	receiver_watch(r, h, h->kind, h->fd, h->cell);
}

int receiver_remove(struct receiver *r, const char *cell_id, struct tt_err *err)
{
	struct receiver_cell *c = find_cell(r, cell_id);

	if (!c)
		return tt_fail_text(err, ENOENT, "there is no cell '%.60s'", cell_id);
	take_rest(c);
	end_cell(c, "removed");
	return 0;
}

static void take_vsock(struct receiver *r, struct receiver_handle *h)
{
	uint32_t cid;
	int fd = receiver_accept(h->fd, &cid);

	if (fd < 0) {
		turn_deaf(r, h, fd);
		return;
	}
	for (struct receiver_cell *c = r->cells; c; c = c->next) {
		if (c->gone || !c->has_cid || c->cid != cid)
			continue;
		if (h->kind == RECEIVER_VSOCK)
			take_connection(c, fd);
		else
			take_exit_connection(c, fd);
		return;
	}
	r->strangers++;
	if ((r->strangers & (r->strangers - 1)) == 0)
		receiver_say(r, "CID %u is no cell's: refused (%llu so far)", cid,
			     (unsigned long long)r->strangers);
	(void)close(fd);
}

static void take_request(struct receiver *r, const char *line, size_t len)
{
	struct receiver_request q;
	struct tt_err err;
	int n;

	if (!len)
		return;
	n = receiver_request_parse(&q, line, len, &err);
	if (n == 0) {
		n = q.remove ? receiver_remove(r, q.remove, &err) : receiver_add(r, &q.cell, &err);
		receiver_request_done(&q);
	}
	if (n < 0)
		receiver_say(r, "refused: %s", err.text);
}

/* Lines that describe cells, as they come. */
static void read_lines(struct receiver *r)
{
	ssize_t n = read(r->lines.fd, r->line + r->line_len, sizeof(r->line) - r->line_len);
	size_t have, at = 0;
	char *nl;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		if (r->line_len && !r->line_skipped)
			take_request(r, r->line, r->line_len);
		(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, r->lines.fd, NULL);
		r->lines.fd = -1;
		return;
	}
	have = r->line_len + (size_t)n;
	while ((nl = memchr(r->line + at, '\n', have - at))) {
		size_t len = (size_t)(nl - r->line) - at;

		if (!r->line_skipped)
			take_request(r, r->line + at, len);
		r->line_skipped = false;
		at += len + 1;
	}
	r->line_len = have - at;
	memmove(r->line, r->line + at, r->line_len);
	if (r->line_len == sizeof(r->line)) {
		receiver_say(r, "refused: a line of more than %d bytes", RECEIVER_LINE_MAX);
		r->line_skipped = true;
		r->line_len = 0;
	}
}

static void take_event(struct receiver *r, struct receiver_handle *h)
{
	struct receiver_cell *c = h->cell;
	uint32_t cid;
	int fd;

	if (h->fd < 0 || (c && c->gone))
		return;
	switch (h->kind) {
	case RECEIVER_LISTENER:
	case RECEIVER_EXIT_LISTENER:
		fd = receiver_accept(h->fd, &cid);
		if (fd < 0)
			turn_deaf(r, h, fd);
		if (fd >= 0 && h->kind == RECEIVER_LISTENER)
			take_connection(c, fd);
		else if (fd >= 0)
			take_exit_connection(c, fd);
		break;
	case RECEIVER_CONNECTION:
		if (c->paused)
			pause_reading(c); /* a write failed that was not of its own turn */
		else
			(void)read_connection(c);
		break;
	case RECEIVER_EXIT_CONNECTION:
		read_exit(c);
		break;
	case RECEIVER_VSOCK:
	case RECEIVER_EXIT_VSOCK:
		take_vsock(r, h);
		break;
	case RECEIVER_SIGNALS:
		r->stop = true;
		break;
	case RECEIVER_CELLS:
		read_lines(r);
		break;
	}
}

/* A disk that was full, a rate that was reached. */
static void try_again(struct receiver_cell *c)
{
	bool trace = receiver_file_retry(&c->trace), events = receiver_file_retry(&c->events);

	if (!trace || !events || c->is_full)
		return;
	c->paused = false;
	receiver_spend(c, 0);
	if (c->paused || c->connection.fd < 0)
		return;
	pause_reading(c); /* it may not be out yet */
	receiver_watch(c->r, &c->connection, RECEIVER_CONNECTION, c->connection.fd, c);
}

static bool is_over(const struct receiver_cell *c)
{
	bool done = c->connection.fd < 0 && (c->has_exit || c->connections) && !c->paused;

	/* a guest that has told how it ended and then hangs is over, too */
	return (done || (c->has_exit && (c->is_full || c->state == RECEIVER_SILENT))) &&
	       c->r->now_ms - c->left_ms >= RECEIVER_END_MS;
}

/* A guest that did not boot, or whose agent is mute from the beginning. */
static bool is_unheard(const struct receiver_cell *c)
{
	uint64_t wait = c->r->settings.wait_ms;

	return wait && !c->was_heard && !c->has_exit && c->r->now_ms - c->opened_ms >= wait;
}

static void look_at_cells(struct receiver *r)
{
	bool once = r->settings.once && r->had_cells, all_over = true;

	listen_again(r, &r->vsock);
	listen_again(r, &r->exit_vsock);
	for (struct receiver_cell *c = r->cells; c; c = c->next) {
		if (c->gone)
			continue;
		if (c->paused)
			try_again(c);
		listen_again(r, &c->listener);
		listen_again(r, &c->exit_listener);
		receiver_state_look(c);
		receiver_flush(c);
		if (is_unheard(c)) {
			receiver_say(r, "cell '%s': no frame came within %llu s", c->id,
				     (unsigned long long)(r->settings.wait_ms / 1000));
			r->unheard = true;
			end_cell(c, "no frame came in time");
		} else if (once && is_over(c)) {
			end_cell(c, c->has_exit ? "the exit code came" : "the connection ended");
		}
		all_over &= c->gone;
	}
	if (once && all_over && r->lines.fd < 0)
		r->stop = true;
}

int receiver_run(struct receiver *r, struct tt_err *err)
{
	struct epoll_event events[64];
	uint64_t looked = 0;

	while (r->lines.fd >= 0 && is_file(r->lines.fd))
		read_lines(r);
	while (!r->stop && (r->cells || r->lines.fd >= 0)) {
		int n = epoll_wait(r->epoll, events, (int)TT_ARRAY_SIZE(events),
				   r->cells ? RECEIVER_TICK_MS : -1);

		if (n < 0 && errno != EINTR)
			return tt_fail(err, errno, "wait for guests");
		receiver_look_at_clock(r);
		for (int i = 0; i < n; i++)
			take_event(r, events[i].data.ptr);
		(void)receiver_chain_due(r);
		if (r->now_ms - looked >= RECEIVER_TICK_MS) {
			looked = r->now_ms;
			look_at_cells(r);
		}
		free_gone(r);
	}
	receiver_look_at_clock(r);
	for (struct receiver_cell *c = r->cells; c; c = c->next) {
		take_rest(c);
		end_cell(c, "the receiver was ended");
	}
	free_gone(r);
	if (r->failed)
		return tt_fail_text(err, EIO, "something could not be written");
	if (r->unheard)
		return tt_fail_text(err, ETIMEDOUT, "of some cells nothing was heard");
	return 0;
}
