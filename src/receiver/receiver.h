/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of the guest wire: takes what the agents of any number of cells send, stamps it,
 * chains it and writes one folder per cell (docs/receiver.md). One thread; nothing of a guest is
 * believed but what it says it saw.
 */
#ifndef TT_RECEIVER_RECEIVER_H
#define TT_RECEIVER_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "chain/chain.h"
#include "util/err.h"
#include "wire/frame.h"

#define RECEIVER_PORT      9001
#define RECEIVER_EXIT_PORT 9000

enum {
	RECEIVER_ID_MAX = 50,      /* of a cell id: letters, digits, '.', '_', '-' */
	RECEIVER_LINE_MAX = 16384, /* of a line that describes a cell */
	RECEIVER_CELLS_MAX = 20000,
	RECEIVER_CID_MIN = 1, /* this machine itself; 0 is the hypervisor */
};

struct receiver;

struct receiver_settings {
	uint64_t silence_ms; /* without a word this long a cell is silent */
	uint64_t wait_ms;    /* without a frame by then a cell is over; 0: it may come whenever */
	uint64_t rate;       /* frames a second of one cell; 0: no limit */
	uint64_t max_bytes;  /* of one cell's two files; 0: no limit */
	enum wire_mode mode;
	unsigned port, exit_port; /* exit_port 0: nobody listens for the exit code */
	bool once;                /* end when the last cell is closed */
	const struct chain_key *key;
	int head_fd, status_fd; /* -1: none */
	int cells_fd;           /* a line of JSON for each cell that comes or goes; -1: none */
	const char *version;
	/* a line for people; what guests said is not in it raw */
	void (*complain)(const char *text);
};

/* A cell, as options and lines of --cells have it. NULL: not given. */
struct receiver_cell_spec {
	const char *cell_id, *run_id, *vsock_base, *spec, *declared, *output_dir;
	uint32_t cid;
	bool has_cid;
};

/*
 * receiver_new - without cells. SIGTERM and SIGINT are blocked from here on and end receiver_run().
 */
int receiver_new(struct receiver **ret, const struct receiver_settings *settings,
		 struct tt_err *err) TT_MUST_CHECK;
void receiver_free(struct receiver *r);
TT_DEFINE_FREEP(struct receiver *, receiver_free)

/*
 * receiver_add - take in a cell: its spec is read, its sockets are bound, its record is opened. All
 * or nothing.
 */
int receiver_add(struct receiver *r, const struct receiver_cell_spec *spec,
		 struct tt_err *err) TT_MUST_CHECK;

/* receiver_remove - end a cell's record; -ENOENT */
int receiver_remove(struct receiver *r, const char *cell_id, struct tt_err *err) TT_MUST_CHECK;

/*
 * receiver_run - receive until a signal, the end of --once, or the end of cells_fd without cells
 * All records are ended. Returns 0; -EIO if something could not be written; -ETIMEDOUT if from a
 * cell nothing came in time.
 */
int receiver_run(struct receiver *r, struct tt_err *err) TT_MUST_CHECK;

#endif
