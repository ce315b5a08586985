/* SPDX-License-Identifier: Apache-2.0 */
/* Cells and the loop that serves them, inside this folder. */
#ifndef TT_RECEIVER_RECEIVER_INTERNAL_H
#define TT_RECEIVER_RECEIVER_INTERNAL_H

#include "base/out.h"
#include "base/time.h"
#include "base/uuid.h"
#include "receiver/bind.h"
#include "receiver/file.h"
#include "receiver/procs.h"
#include "receiver/receiver.h"
#include "receiver/seq.h"
#include "receiver/spec.h"

enum {
	RECEIVER_READ = 64 * 1024,   /* bytes of one read: then the next cell has its turn */
	RECEIVER_FLUSH = 256 * 1024, /* what is collected before it is written */
	/*
	 * the lines of one frame: texts of 4096 bytes, each of which becomes seven at most, twice
	 */
	RECEIVER_FRAME_ROOM = 128 * 1024,
	RECEIVER_OUT = RECEIVER_FLUSH + RECEIVER_FRAME_ROOM,
	RECEIVER_HEAD_MAX = 640,
	RECEIVER_COMMAND_MAX = 2048, /* of the command's text in run.json */
	RECEIVER_TICK_MS = 100,
	RECEIVER_END_MS = 1000, /* a closed connection may be followed by another one this long */
};

/* Behind the errors of the wire two of ours: seq_out_of_range, version_changed. */
#define RECEIVER_SEQ_RANGE ((unsigned)(WIRE_E_END - WIRE_E_FIRST))
#define RECEIVER_VERSION   (RECEIVER_SEQ_RANGE + 1)
#define RECEIVER_REJECTS   (RECEIVER_VERSION + 1)

enum receiver_state {
	RECEIVER_NEVER, /* nobody has connected so far */
	RECEIVER_LIVE,
	RECEIVER_IDLE,   /* heartbeats and nothing else */
	RECEIVER_SILENT, /* not even these */
	RECEIVER_RECOVERED,
	RECEIVER_CLOSED,
	RECEIVER_STATES,
};

enum receiver_finding {
	RECEIVER_UNDECLARED,     /* declaration_violated */
	RECEIVER_WENT_SILENT,    /* agent_silenced */
	RECEIVER_REPEATED,       /* seq_repeated */
	RECEIVER_WENT_BACK,      /* seq_went_back */
	RECEIVER_OVERCLAIMED,    /* drop_overclaimed */
	RECEIVER_NO_HELLO,       /* hello_missing */
	RECEIVER_AGENT_CHANGED,  /* agent_restarted */
	RECEIVER_REFUSED_SECOND, /* second_connection */
	RECEIVER_BOOTED,         /* boot_changed */
	RECEIVER_FULL,           /* record_full */
	RECEIVER_FINDINGS,
};

enum receiver_socket {
	RECEIVER_LISTENER,
	RECEIVER_EXIT_LISTENER,
	RECEIVER_CONNECTION,
	RECEIVER_EXIT_CONNECTION,
	RECEIVER_VSOCK,
	RECEIVER_EXIT_VSOCK,
	RECEIVER_SIGNALS,
	RECEIVER_CELLS,
};

struct receiver_cell;

/* What epoll hands back. */
struct receiver_handle {
	enum receiver_socket kind;
	int fd; /* -1: none */
	struct receiver_cell *cell;
	bool is_deaf; /* a listener that is out of the set for a while */
};

/* Of the agent, from its last hello. */
struct receiver_agent {
	char boot_id[48], version[64], kernel[128]; /* safe in JSON; "" not known */
	char sensors[512];                          /* a JSON array, "" not known or too long */
	uint64_t restarts;
	bool known;
};

/* Why an agent dropped something, as it says itself; whatever else it says is "other", the last. */
#define RECEIVER_CAUSES 5
extern const char *const receiver_drop_causes[RECEIVER_CAUSES];

struct receiver_cell {
	struct receiver *r;
	struct receiver_cell *next;       /* in the list of all */
	struct receiver_cell *dirty_next; /* its chain has something open, the oldest first */
	bool is_dirty, gone;
	bool was_heard; /* since it was opened */
	char id[RECEIVER_ID_MAX + 1];
	char run_id[TT_UUID_TEXT_LEN + 1];
	struct tt_uuid span; /* of the cell as a whole */
	struct receiver_spec spec;
	uint32_t cid;
	bool has_cid;

	struct receiver_bound bound, exit_bound;
	struct receiver_handle listener, exit_listener, connection, exit_connection;
	bool paused;      /* nothing is read: rate, or a disk that is full */
	uint8_t *partial; /* the beginning of a frame; there while there is a connection */
	size_t partial_len;
	uint8_t exit_bytes[4];
	unsigned exit_len;
	bool has_exit;
	uint32_t exit_status;
	double tokens;
	uint64_t tokens_at_ms;

	int folder;
	char *folder_path;
	struct receiver_file trace, events;
	struct chain *chain;
	size_t id_len, head_len, ids_len, adg_len;
	char head[RECEIVER_HEAD_MAX]; /* from "session_id" up to the value of span_id */
	char ids[RECEIVER_HEAD_MAX];  /* from "run_id" to "cell_id" */
	char adg[RECEIVER_HEAD_MAX];  /* the block that the host vouches for, up to the time */
	uint64_t event_number, event_epoch;

	struct receiver_procs procs;
	struct receiver_seq seq;
	struct receiver_agent agent;
	bool hello_here, respawned_here; /* on this connection */
	uint64_t hello_seq; /* its hello had a number that was there before; else UINT64_MAX */
	uint64_t newest_ns; /* of all acts of this boot, by the guest's clock */
	uint64_t repeated;
	unsigned major; /* of the last frame; 0: none yet */
	enum receiver_state state;
	uint64_t state_count[RECEIVER_STATES];
	char *command;                /* the workload's first exec, a JSON array; NULL: not seen */
	uint64_t first_ns, exit_ns;   /* the first frame, the exit code; 0: none */
	uint64_t opened_ns, ended_ns; /* since the epoch */
	uint64_t heard_ms, act_ms, left_ms,
		state_ms; /* CLOCK_MONOTONIC; left: the connection ended */
	uint64_t opened_ms;

	uint64_t seen;    /* frames, those that were refused included */
	uint64_t written; /* bytes of both files */
	bool is_full;     /* as much as max_bytes allows */
	uint64_t frames, acts, heartbeats, undeclared, attribution, connections, refused;
	uint64_t dropped_unknown;                 /* times that the agent could not say how many */
	uint64_t drops_by_cause[RECEIVER_CAUSES]; /* of receiver_drop_causes */
	uint64_t rejects[RECEIVER_REJECTS], rejects_told[RECEIVER_REJECTS];
	uint64_t findings[RECEIVER_FINDINGS];
	/* sources outside the declaration, told already; bit 0: one that nobody knows */
	uint32_t violated, violated_surface;
	bool untold_rejects;
	uint64_t lines, executions, spans, denied;
	bool resumed, run_id_given;
};

/* What came on the exit port is what a process can exit with. */
static inline bool receiver_has_exit_code(const struct receiver_cell *c)
{
	return c->has_exit && c->exit_status <= UINT8_MAX;
}

struct receiver {
	struct receiver_settings settings;
	int epoll;
	struct receiver_cell *cells;
	size_t cell_count;
	struct receiver_cell *dirty, *dirty_last;
	struct receiver_handle signals, lines, vsock, exit_vsock;
	struct receiver_bound none;
	uint64_t now_ns, now_ms; /* the epoch; CLOCK_MONOTONIC: of this batch */
	uint64_t second;         /* that @time speaks of */
	char time[TT_TIME_TEXT_LEN + 1];
	uint64_t random[2];
	uint64_t strangers; /* connections of CIDs that are no cell's */
	uint64_t status_lost, heads_lost, deaf;
	bool stop, failed, had_cells, unheard;
	char line[RECEIVER_LINE_MAX];
	size_t line_len;
	bool line_skipped;
	struct tt_out trace, events; /* of the cell whose turn it is */
	uint8_t input[RECEIVER_READ + WIRE_FRAME_MAX];
	char trace_buf[RECEIVER_OUT], events_buf[RECEIVER_OUT];
};

extern const char *const receiver_state_names[RECEIVER_STATES];
extern const char *const receiver_finding_names[RECEIVER_FINDINGS];

/* time.c of sorts: the clock of this batch */
void receiver_look_at_clock(struct receiver *r);

/* line.c: lines of the trace */

/*
 * receiver_line_frame - the lines of an act that was accepted
 * @f: not one of the agent's own sources, but for hello, heartbeat and dropped
 */
void receiver_line_frame(struct receiver_cell *c, const struct wire_frame *f);
/* receiver_put_list - texts of a frame, as JSON without the brackets */
void receiver_put_list(struct tt_out *o, const struct wire_list *list);
void receiver_line_run_start(struct receiver_cell *c);
void receiver_line_run_end(struct receiver_cell *c, const char *reason);
void receiver_line_state(struct receiver_cell *c, const char *why);
void receiver_line_exit(struct receiver_cell *c);
/* @source: or NULL */
void receiver_line_finding(struct receiver_cell *c, enum receiver_finding kind, const char *source,
			   const char *text);
/* @count: UINT64_MAX: not known. @to 0 with @from 1: no range. */
struct receiver_gap {
	const char *reason, *name; /* name: of the error or source; NULL: none */
	uint64_t count, from, to;
	bool has_range, has_seq;
	uint64_t seq;
};
void receiver_line_gap(struct receiver_cell *c, const struct receiver_gap *g);

/* Inside a line. */
void receiver_put_text(struct tt_out *o, struct wire_text text);
/* receiver_put_key - @key: a literal with everything around it, so that its length is known */
#define receiver_put_key(o, key) tt_out_mem(o, ", \"" key "\": ", sizeof(", \"" key "\": ") - 1)
/* receiver_put_u64 - at most what readers have: a signed number */
void receiver_put_u64(struct tt_out *o, uint64_t v);
#define receiver_put_number(o, key, v) (receiver_put_key(o, key), receiver_put_u64(o, v))
/*
 * receiver_put_argv - the inside of a JSON array, secrets taken out; @depth as tt_out_json() has it
 */
void receiver_put_argv(struct tt_out *o, const struct wire_list *argv, int depth);
/* receiver_put_address - 192.0.2.1:9, [::1]:80, unix:/path */
void receiver_put_address(struct tt_out *o, const struct wire_frame *f);

/* spans.c */
struct receiver_proc *receiver_span_of(struct receiver_cell *c, uint32_t pid,
				       struct receiver_proc *fallback);
struct tt_uuid receiver_span_make(struct receiver_cell *c);

/* cloud.c: the same act as a CloudEvent */
void receiver_cloud_frame(struct receiver_cell *c, const struct wire_frame *f);

/* cell.c */
int receiver_cell_open(struct receiver_cell **ret, struct receiver *r,
		       const struct receiver_cell_spec *spec, struct tt_err *err) TT_MUST_CHECK;
/* receiver_cell_end - close the record: last lines, last chain line, run.json */
void receiver_cell_end(struct receiver_cell *c, const char *why);
void receiver_cell_free(struct receiver_cell *c);

/* accept.c: what becomes of what was received */
/*
 * receiver_take_bytes - frames of @bytes; returns how many were used, or -EPROTO: close the
 * connection
 */
long receiver_take_bytes(struct receiver_cell *c, const uint8_t *bytes, size_t n);
void receiver_take_end(struct receiver_cell *c, const uint8_t *rest, size_t n);
void receiver_take_reject(struct receiver_cell *c, unsigned index);
void receiver_find(struct receiver_cell *c, enum receiver_finding kind, const char *source,
		   const char *text);
void receiver_settle(struct receiver_cell *c, bool all);
const char *receiver_reject_name(unsigned index);

/* state.c */
/*
 * receiver_write_now - a line for somebody who may not read; false: it did not go out. Never waits.
 */
bool receiver_write_now(int fd, const char *text, size_t len);
void receiver_state_set(struct receiver_cell *c, enum receiver_state state, const char *why);
/* receiver_state_heard - a frame came; @act: it was no heartbeat */
void receiver_state_heard(struct receiver_cell *c, bool act);
void receiver_state_look(struct receiver_cell *c);

/* output.c */
/* receiver_add_line - the line that was put into r->trace from @from on is whole */
void receiver_add_line(struct receiver_cell *c, size_t from);
void receiver_flush(struct receiver_cell *c);
/*
 * receiver_chain_due - write chain lines that waited long enough; the time of the next one,
 * UINT64_MAX: none
 */
uint64_t receiver_chain_due(struct receiver *r);

/* receiver_close_chain - nothing follows */
void receiver_close_chain(struct receiver_cell *c);

/* resume.c */
/* receiver_resume - take up a record that is there already; *ret_found: whether there was one */
int receiver_resume(struct receiver_cell *c, bool *ret_found, struct tt_err *err) TT_MUST_CHECK;

/* document.c */
int receiver_document(struct receiver_cell *c, struct tt_err *err) TT_MUST_CHECK;

/* receiver.c */
void receiver_watch(struct receiver *r, struct receiver_handle *h, enum receiver_socket kind,
		    int fd, struct receiver_cell *c);
/* receiver_spend - @frames came: those of a second that are past the rate pause the cell */
void receiver_spend(struct receiver_cell *c, uint64_t frames);
void receiver_say(struct receiver *r, const char *fmt, ...) TT_PRINTF(2, 3);

#endif
