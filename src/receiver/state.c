/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cell's silence means. Agents of major 2 send heartbeats, so that idle and dead can be told
 * apart.
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "receiver/receiver_internal.h"

bool receiver_write_now(int fd, const char *text, size_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	/*
	 * a pipe that can be written has room for PIPE_BUF bytes, which no line of ours is longer
	 * than
	 */
	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(fd, text, len) == (ssize_t)len;
}

const char *const receiver_state_names[RECEIVER_STATES] = {
	"never-connected", "live", "idle", "silent", "recovered", "closed",
};

/* For who started us: a line, or nothing where it does not read. */
static void put_status(struct receiver_cell *c, const char *why)
{
	struct receiver *r = c->r;
	char line[512];
	int n;

	if (r->settings.status_fd < 0)
		return;
	n = snprintf(line, sizeof(line),
		     "{\"ts\": \"%s\", \"cell_id\": \"%s\", \"run_id\": \"%s\", \"state\": \"%s\", "
		     "\"reason\": \"%s\", \"frames\": %llu, \"missed\": %llu}\n",
		     r->time, c->id, c->run_id, receiver_state_names[c->state], why,
		     (unsigned long long)c->frames, (unsigned long long)r->status_lost);
	if (!receiver_write_now(r->settings.status_fd, line, (size_t)n))
		r->status_lost++;
	else
		r->status_lost = 0;
}

void receiver_state_set(struct receiver_cell *c, enum receiver_state state, const char *why)
{
	c->state = state;
	c->state_ms = c->r->now_ms;
	c->state_count[state]++;
	receiver_line_state(c, why);
	put_status(c, why);
}

void receiver_state_heard(struct receiver_cell *c, bool act)
{
	uint64_t now = c->r->now_ms;

	c->heard_ms = now;
	c->was_heard = true;
	if (!c->first_ns)
		c->first_ns = c->r->now_ns;
	if (act)
		c->act_ms = now;
	switch (c->state) {
	case RECEIVER_NEVER:
		receiver_state_set(c, RECEIVER_LIVE, "the first frame");
		break;
	case RECEIVER_SILENT:
		receiver_state_set(c, RECEIVER_RECOVERED, "a frame after silence");
		break;
	case RECEIVER_CLOSED:
		receiver_state_set(c, RECEIVER_LIVE, "connected again");
		break;
	case RECEIVER_IDLE:
		if (act)
			receiver_state_set(c, RECEIVER_LIVE, "an act after heartbeats alone");
		break;
	case RECEIVER_RECOVERED:
		if (act)
			receiver_state_set(c, RECEIVER_LIVE, "acts again");
		break;
	case RECEIVER_LIVE:
	case RECEIVER_STATES:
		break;
	}
}

void receiver_state_look(struct receiver_cell *c)
{
	uint64_t now = c->r->now_ms, window = c->r->settings.silence_ms;
	bool connected = c->connection.fd >= 0;

	if (c->state == RECEIVER_SILENT || c->paused)
		return;
	/* an exit code alone ends nothing: who says one and goes on is looked after as before */
	if (c->has_exit && !connected)
		return;
	if (c->state == RECEIVER_NEVER && !connected)
		return;
	if (now - c->heard_ms >= window) {
		if (c->major == 1 && connected) {
			if (c->state != RECEIVER_IDLE)
				receiver_state_set(c, RECEIVER_IDLE,
						   "nothing comes, and major 1 has no heartbeats: "
						   "idle and dead look alike");
			return;
		}
		receiver_state_set(c, RECEIVER_SILENT,
				   connected ? "connected, and not even a heartbeat"
					     : "the connection ended, and no other came");
		receiver_find(c, RECEIVER_WENT_SILENT, NULL,
			      "the agent sends nothing any more, and the cell did not end");
		return;
	}
	if (c->state != RECEIVER_LIVE && c->state != RECEIVER_RECOVERED)
		return;
	if (connected && now - c->act_ms >= window && now - c->state_ms >= window)
		receiver_state_set(c, RECEIVER_IDLE, "heartbeats and nothing else");
}
