/* SPDX-License-Identifier: Apache-2.0 */
/* A cell's record from its first line to its last, and the sockets it listens on. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receiver/receiver_internal.h"

static void close_handle(struct receiver_handle *h)
{
	if (h->fd >= 0)
		(void)close(h->fd);
	h->fd = -1;
}

static void close_sockets(struct receiver_cell *c)
{
	close_handle(&c->connection);
	close_handle(&c->exit_connection);
	receiver_unbind(&c->bound);
	receiver_unbind(&c->exit_bound);
	free(c->partial);
	c->partial = NULL;
}

void receiver_cell_free(struct receiver_cell *c)
{
	close_sockets(c);
	receiver_file_close(&c->trace);
	receiver_file_close(&c->events);
	tt_closep(&c->folder);
	chain_free(c->chain);
	receiver_procs_done(&c->procs);
	receiver_spec_done(&c->spec);
	free(c->folder_path);
	free(c->command);
	free(c);
}

static void cell_freep(struct receiver_cell **c)
{
	if (*c)
		receiver_cell_free(*c);
}

static int take_ids(struct receiver_cell *c, const struct receiver_cell_spec *spec,
		    struct tt_err *err)
{
	struct tt_uuid run;

	if (!spec->cell_id || !receiver_id_is_valid(spec->cell_id))
		return tt_fail_text(err, EINVAL,
				    "a cell id has 1 to %d letters, digits, '.', '_' or '-'",
				    RECEIVER_ID_MAX);
	if (!spec->spec)
		return tt_fail_text(err, EINVAL, "a spec is needed");
	if (!spec->vsock_base == !spec->has_cid)
		return tt_fail_text(err, EINVAL, "either a vsock base or a CID is needed");
	if (spec->run_id && !tt_uuid_parse(&run, spec->run_id, strlen(spec->run_id)))
		return tt_fail_text(err, EINVAL, "'%.60s' is no UUID for a run", spec->run_id);
	if (!spec->run_id)
		run = tt_uuid_make();
	c->run_id_given = spec->run_id != NULL;
	strcpy(c->id, spec->cell_id);
	tt_uuid_text(c->run_id, &run);
	c->span = run; /* the cell is one image: it has the run's number */
	c->cid = spec->cid;
	c->has_cid = spec->has_cid;
	return 0;
}

static int open_folder(struct receiver_cell *c, const char *dir, struct tt_err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int n;

	if (dir)
		n = asprintf(&path, "%s", dir);
	else if (state && state[0] == '/')
		n = asprintf(&path, "%s/telltale/runs/%s", state, c->run_id);
	else if (home && home[0] == '/')
		n = asprintf(&path, "%s/.local/state/telltale/runs/%s", home, c->run_id);
	else
		return tt_fail_text(err, ENOENT,
				    "find a folder for the record: set HOME, or use --output-dir");
	if (n < 0)
		return tt_fail(err, ENOMEM, "open the record");
	c->folder_path = path;
	c->folder = receiver_folder_open(path, err);
	return c->folder < 0 ? c->folder : 0;
}

static void make_texts(struct receiver_cell *c)
{
	(void)snprintf(c->head, sizeof(c->head),
		       "\", \"session_id\": \"ses_%s\", \"span_id\": ", c->run_id);
	(void)snprintf(c->ids, sizeof(c->ids),
		       ", \"run_id\": \"%s\", \"sensor\": \"guest\", \"standing\": \"attested\", "
		       "\"cell_id\": \"%s\"",
		       c->run_id, c->id);
	(void)snprintf(
		c->adg, sizeof(c->adg),
		",\"adg\":{\"cell_id\":\"%s\",\"run_id\":\"%s\",\"spec_signature_hash\":\"%s\","
		"\"host_received_at\":\"",
		c->id, c->run_id, c->spec.hash);
	c->id_len = strlen(c->id);
	c->head_len = strlen(c->head);
	c->ids_len = strlen(c->ids);
	c->adg_len = strlen(c->adg);
}

static int open_chain(struct receiver_cell *c, struct tt_err *err)
{
	char head[RECEIVER_HEAD_MAX], ids[RECEIVER_HEAD_MAX];
	uint64_t torn = UINT64_MAX;
	int r;

	(void)snprintf(head, sizeof(head),
		       "\"session_id\": \"ses_%s\", \"span_id\": null, \"parent_span\": null, "
		       "\"component\": \"recorder\"",
		       c->run_id);
	(void)snprintf(ids, sizeof(ids),
		       "\"run_id\": \"%s\", \"sensor\": \"guest\", \"standing\": \"attested\", "
		       "\"cell_id\": \"%s\"",
		       c->run_id, c->id);
	r = chain_new(&c->chain, head, ids, c->r->settings.key, err);
	if (r == 0 && c->resumed)
		r = chain_resume(c->chain, c->trace.fd, &torn, err);
	if (r == 0 && torn != UINT64_MAX && write(c->trace.fd, "\n", 1) != 1)
		r = tt_fail(err, errno, "write the trace");
	return r;
}

static int open_files(struct receiver_cell *c, const char *dir, struct tt_err *err)
{
	int r = open_folder(c, dir, err);

	if (r == 0)
		r = receiver_file_open(&c->trace, c->folder, "trace.jsonl", err);
	if (r == 0)
		r = receiver_resume(c, &c->resumed, err);
	if (r == 0)
		r = receiver_file_open(&c->events, c->folder, "cloudevents.jsonl", err);
	if (r == 0 && receiver_file_end_line(&c->events) < 0)
		r = tt_fail(err, errno, "end a line of 'cloudevents.jsonl'");
	make_texts(c);
	if (r == 0)
		r = open_chain(c, err);
	return r < 0 ? tt_wrap(err, r, "record '%.80s'", c->folder_path ? c->folder_path : "") : 0;
}

static int open_sockets(struct receiver_cell *c, const char *base, struct tt_err *err)
{
	const struct receiver_settings *s = &c->r->settings;
	int r;

	if (!base)
		return 0; /* of AF_VSOCK there is one listener for all cells */
	r = receiver_bind(&c->bound, base, s->port, err);
	if (r == 0 && s->exit_port)
		r = receiver_bind(&c->exit_bound, base, s->exit_port, err);
	if (r < 0)
		return r;
	receiver_watch(c->r, &c->listener, RECEIVER_LISTENER, c->bound.fd, c);
	if (s->exit_port)
		receiver_watch(c->r, &c->exit_listener, RECEIVER_EXIT_LISTENER, c->exit_bound.fd,
			       c);
	return 0;
}

int receiver_cell_open(struct receiver_cell **ret, struct receiver *r,
		       const struct receiver_cell_spec *spec, struct tt_err *err)
{
	TT_CLEANUP(cell_freep) struct receiver_cell *c = calloc(1, sizeof(*c));
	int n;

	if (!c)
		return tt_fail(err, ENOMEM, "open a cell");
	c->r = r;
	c->folder = c->trace.fd = c->events.fd = -1;
	c->bound.fd = c->exit_bound.fd = -1;
	c->listener.fd = c->exit_listener.fd = c->connection.fd = c->exit_connection.fd = -1;
	c->procs.key = (uint32_t)r->random[0];
	c->hello_seq = UINT64_MAX;
	receiver_look_at_clock(r);
	c->opened_ns = r->now_ns;
	c->event_epoch = r->now_ns / TT_NS_PER_MS;
	c->opened_ms = c->heard_ms = c->act_ms = r->now_ms;
	c->tokens = (double)r->settings.rate;
	c->tokens_at_ms = r->now_ms;
	n = take_ids(c, spec, err);
	if (n == 0)
		n = receiver_spec_read(&c->spec, spec->spec, spec->declared, err);
	if (n == 0)
		n = open_files(c, spec->output_dir, err);
	if (n == 0)
		n = open_sockets(c, spec->vsock_base, err);
	/* a run that goes on has none: what an end before this one wrote is not the end */
	if (n == 0 && c->resumed && unlinkat(c->folder, "run.json", 0) < 0 && errno != ENOENT)
		n = tt_fail(err, errno, "remove 'run.json' of a record that goes on");
	if (n < 0)
		return n;
	if (!c->resumed)
		receiver_line_run_start(c);
	receiver_state_set(
		c, c->resumed && c->state != RECEIVER_NEVER ? RECEIVER_CLOSED : RECEIVER_NEVER,
		c->resumed ? "the receiver was started anew" : "bound");
	receiver_flush(c);
	*ret = TT_TAKE(c);
	return 0;
}

static void exit_reason(const struct receiver_cell *c, char *buf, size_t cap)
{
	if (receiver_has_exit_code(c))
		(void)snprintf(buf, cap, "EXITED(%u)", c->exit_status);
	else
		(void)snprintf(buf, cap, "UNKNOWN");
}

void receiver_cell_end(struct receiver_cell *c, const char *why)
{
	char reason[32];
	struct tt_err err;

	receiver_look_at_clock(c->r);
	c->ended_ns = c->r->now_ns;
	if (c->connection.fd >= 0)
		receiver_take_end(c, c->partial, c->partial_len);
	receiver_settle(c, true);
	if (c->state != RECEIVER_CLOSED)
		receiver_state_set(c, c->state == RECEIVER_NEVER ? RECEIVER_NEVER : RECEIVER_CLOSED,
				   why);
	exit_reason(c, reason, sizeof(reason));
	receiver_line_run_end(c, reason);
	receiver_close_chain(c);
	close_sockets(c);
	receiver_file_close(&c->trace);
	receiver_file_close(&c->events);
	if (c->trace.lost || c->events.lost) {
		receiver_say(c->r, "cell '%s': %llu lines could not be written: %s", c->id,
			     (unsigned long long)(c->trace.lost + c->events.lost),
			     strerror(c->trace.error ? c->trace.error : c->events.error));
		c->r->failed = true;
	}
	if (receiver_document(c, &err) < 0) {
		receiver_say(c->r, "cell '%s': %s", c->id, err.text);
		c->r->failed = true;
	}
}
