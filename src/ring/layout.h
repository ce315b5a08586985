/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared memory between the preload library (producers) and the recorder (the one consumer).
 *
 *   0             struct ring_header          sizes, hints, counters
 *   +header       struct ring_lane  x lanes   one per thread: indices, and whose it is
 *   +lanes        struct ring_slot  x slots   one per process image: what it lost
 *   +slots        lane data x lanes           records, lane_bytes each
 *
 * The first lanes share a page with the header, so that a program with a thread or two pays for one
 * page fault less.
 *
 * One memfd per run, sealed against resizing (memfd_create(2), F_SEAL_SHRINK|F_SEAL_GROW). Both
 * sides map it; the workload can write all of it, so the consumer believes no byte: it keeps its
 * own copy of every size and index, copies a record out before it looks at it, and checks each
 * length against what it copied.
 *
 * A record lies at a lane position that only grows (position modulo lane_bytes is its place). A
 * producer reserves with one compare-and-swap on `head`, which makes the lane safe for a signal
 * handler that interrupts its own thread in the middle, for a vfork child on its parent's lane, and
 * for a raw clone that never heard of us. It fills the record in and then stores `tag` = position +
 * 1 (release): from there on the consumer sees the call as in flight. Completion stores `state`
 * (release). A tag that does not fit the position is a record not yet written, or one cut off by
 * SIGKILL.
 *
 * Every event either has its record in a lane or is counted in its image's slot: that is why what
 * was recorded and what the gaps say add up to what was made.
 */
#ifndef TT_RING_LAYOUT_H
#define TT_RING_LAYOUT_H

#include <stdint.h>

#include "base/uuid.h"

#define RING_MAGIC       0x676e6972746c6574ull /* "teltring", little-endian */
#define RING_VERSION     2u
#define RING_HEADER_SIZE 512u
#define RING_ALIGN       16u /* records start and end on it */
#define RING_RECORD_MAX  (64u << 10)
#define RING_SLOTS       4096u
#define RING_LANES       1024u
#define RING_LANE_BYTES  (512u << 10)

/* What `entered` and `elapsed` of a record count. */
enum ring_clock {
	RING_CLOCK_MONOTONIC, /* nanoseconds of CLOCK_MONOTONIC */
	RING_CLOCK_TSC, /* ticks of the time stamp counter, where it is the kernel's clock, too */
};

enum ring_on_full {
	RING_FULL_COUNT, /* the event is lost and counted; the program goes on */
	RING_FULL_WAIT,  /* the program waits, as long as the recorder lives */
};

struct ring_header {
	uint64_t magic;
	uint32_t version;
	uint32_t slots, lanes, lane_bytes;
	uint32_t recorder_pid; /* in the recorder's namespace: for humans */
	uint32_t attached;     /* processes that mapped the ring */
	uint64_t slot_hint;    /* where the next search for a free slot starts */
	/* lanes are claimed from below; none at or above this was ever claimed */
	uint64_t lane_high;
	uint64_t refused; /* reservations that a lane or the want of one refused, of all images */
	uint64_t lost_no_slot; /* images that found no slot: their losses are not counted */
	uint32_t alive;        /* goes up with each pass of the recorder */
	/* what the recorder asks for, set before the first producer comes: struct ring_options */
	uint32_t clock, on_full, families, argument_max, io_mode;
};
_Static_assert(sizeof(struct ring_header) <= RING_HEADER_SIZE, "lanes follow");

enum ring_state { RING_FREE, RING_CLAIMED, RING_CLOSED };

/* A process image. What it lost is counted here, so that the numbers survive SIGKILL. */
struct ring_slot {
	uint32_t state; /* enum ring_state; CLOSED: the recorder may free it */
	int32_t pid;    /* the image's own getpid() */
	struct tt_uuid span;
	uint64_t lost_full;    /* events that a full lane refused */
	uint64_t lost_no_lane; /* events that found no lane */
	uint64_t lost_silent;  /* words that make no event; see RING_FLAG_SILENT */
	uint64_t pad[2];
};
_Static_assert(sizeof(struct ring_slot) == 64, "one cache line");

/* Who a record speaks of: the process's own view of its ids. */
struct ring_who {
	struct tt_uuid span;
	int32_t pid, ppid, tid, pad;
};
_Static_assert(sizeof(struct ring_who) == 32, "a multiple of RING_ALIGN");

/* Producer and consumer indices lie on cache lines of their own. */
struct ring_lane {
	uint64_t head;       /* end of what is reserved */
	uint32_t state;      /* enum ring_state */
	uint32_t waiting;    /* RING_FULL_WAIT: somebody sleeps on `tail` */
	struct ring_who who; /* the owner; pid is signed last */
	uint64_t pad1[2];
	uint64_t tail; /* end of what is consumed: written by the recorder alone */
	uint64_t pad2[7];
};
_Static_assert(sizeof(struct ring_lane) == 128, "two cache lines");

static inline uint64_t ring_lanes_offset(void)
{
	return RING_HEADER_SIZE;
}

static inline uint64_t ring_slots_offset(uint32_t lanes)
{
	return ring_lanes_offset() + (uint64_t)lanes * sizeof(struct ring_lane);
}

/* Header, lanes and slots. */
static inline uint64_t ring_directory_size(uint32_t slots, uint32_t lanes)
{
	return (ring_slots_offset(lanes) + (uint64_t)slots * sizeof(struct ring_slot) + 4095) &
	       ~4095ull;
}

/*
 * What a producer maps at its start: the directory and, behind it, the data of as many lanes as
 * most runs have threads at a time. Any other lane's is mapped when a thread claims it.
 */
#define RING_LANES_NEAR 16u

static inline uint64_t ring_near_size(uint32_t slots, uint32_t lanes, uint32_t lane_bytes)
{
	return ring_directory_size(slots, lanes) + (uint64_t)RING_LANES_NEAR * lane_bytes;
}

static inline uint64_t ring_total_size(uint32_t slots, uint32_t lanes, uint32_t lane_bytes)
{
	return ring_directory_size(slots, lanes) + (uint64_t)lanes * lane_bytes;
}

enum ring_kind { RING_PAD, RING_CALL, RING_START, RING_EXIT, RING_NOTE };
enum ring_progress { RING_IN_FLIGHT, RING_DONE };

#define RING_FLAG_NO_ROOM    1u /* exec: our variables did not fit, the caller's own went through */
#define RING_FLAG_NOCLDWAIT  2u /* the process lets its children vanish unreaped */
#define RING_FLAG_UNFOLLOWED 4u /* exec, spawn: the program cannot load the library */
#define RING_FLAG_NO_RESULT  8u /* exec: recorded before the attempt, which did not return */
#define RING_FLAG_WHO        16u /* not the lane's owner: a struct ring_who follows at once */
#define RING_FLAG_ABANDONED  32u /* a signal handler jumped out of the call: it never returned */
#define RING_FLAG_RAW        64u /* made through syscall(2) */
#define RING_FLAG_INTERPOSED \
	256u /* START: other libraries are preloaded, too, which may answer calls */
#define RING_FLAG_SILENT 128u /* makes no line: for the recorder's table of fds only */

/* The fixed part; ring_arg records follow, then padding to RING_ALIGN. */
struct ring_record {
	uint64_t tag;  /* position + 1, stored last at entry */
	uint32_t size; /* of the whole record */
	uint8_t kind;  /* enum ring_kind */
	uint8_t call;  /* RING_CALL: enum event_call; RING_START: enum event_how */
	uint8_t argc;
	uint8_t pad0;
	uint32_t state; /* enum ring_progress, stored last on return */
	uint32_t flags;
	uint64_t entered; /* by ring_header.clock */
	uint64_t elapsed; /* in the same unit */
	int64_t result;   /* RING_EXIT: the status */
	int32_t error;
	uint32_t pad1;
	uint64_t pad2;
};
_Static_assert(sizeof(struct ring_record) == 64, "one cache line");

/*
 * RING_NOTE, whole: an fd that nothing went through is closed. It makes no line; the consumer turns
 * it into a close() with RING_FLAG_SILENT, at the time of the record before it in its lane.
 */
struct ring_note {
	uint64_t tag;
	uint32_t size;
	uint8_t kind;
	uint8_t fd[3]; /* little-endian */
};
_Static_assert(sizeof(struct ring_note) == RING_ALIGN, "the smallest record");
#define RING_NOTE_FD_MAX 0xffffff

#define RING_ARG_ABSENT 1u
#define RING_ARG_CUT    2u

struct ring_arg {
	uint32_t len; /* bytes that count */
	uint16_t flags;
	uint16_t room; /* where the next argument begins, in units of 8 bytes */
	int64_t num;
};
_Static_assert(sizeof(struct ring_arg) == 16, "no padding");

/* Arguments of RING_START, by index. */
enum ring_start_arg {
	/* num 1: 16 bytes of span UUID; num 0: text from outside; absent: none */
	RING_START_PARENT,
	RING_START_EXE,
	RING_START_ARGV,
	RING_START_CWD,
	RING_START_COMM,
	RING_START_ARGC,
};

#endif
