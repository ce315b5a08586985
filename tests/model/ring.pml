/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of one lane of the ring (src/ring/layout.h), small: a lane of four units, records of
 * one or two, positions that only grow.
 *
 * Level 0 is the thread. Level 1 is a signal handler that interrupts it between any two steps, or a
 * vfork child that uses its lane while it waits; level 2 a handler that interrupts those. A handler
 * may siglongjmp out of what it interrupted. A vfork child may die by itself, the whole process may
 * be killed, between any two steps. The consumer reads meanwhile, as fast or slow as it pleases.
 *
 * What holds, in every order of steps:
 *	- a record is read once it is published, once, and with what was written into it
 *	- no record in flight is passed while its owner lives
 *	- nothing is written where the consumer has been already, abandoned calls included
 *	- every record published is recorded, even behind one that a death cut off
 *	- recorded + counted as lost = made, but for calls cut off before they were published; if one
 *	  of those had its place already, the consumer says that something was torn
 *	- nobody waits for ever
 *
 * KILL: SIGKILL may come. WAIT: a full lane is waited for. MUT_*: a mistake that must be found.
 */
#ifndef CALLS
#define CALLS 2 /* of level 0 */
#endif
#ifndef SIGNALS
#define SIGNALS 1
#endif
#ifndef VFORKS
#define VFORKS 1
#endif
#define UNITS 4
#define IDS   (CALLS + SIGNALS + VFORKS + 1) /* 0 is nobody */

#define LEVELS 3
#define EMPTY  255
#define UNDONE 0 /* never made */
#define MADE   1
#define PLACED 2 /* reserved */
#define SHOWN  3 /* published */
#define TAKEN  4 /* recorded */
#define LOST   5 /* counted */

/* shared memory */
byte head, tail;
byte tag[UNITS], size[UNITS], id[UNITS];
bit done[UNITS], pad[UNITS];
byte lost; /* in the image's slot */

/* the thread's own */
byte tail_seen;
byte open_pos[LEVELS] = EMPTY, open_level[LEVELS], depth;

/* who runs */
bool alive = true, vfork_child, vfork_dies, jump, finished;
byte top, signals = SIGNALS, vforks = VFORKS, jumps = 1;

/* what really happened */
byte fate[IDS], next_id = 1, current[LEVELS], torn;
bool cut[IDS];

#define AT(pos) ((pos) % UNITS)

/*
 * Drop the topmost call noted, which nobody will return from: forget it, then complete it. Another
 * handler may come in between and do the same: the depth is looked at once (was), and the new one
 * stored, not counted down; and what is complete may be behind the consumer already.
 */
inline abandon()
{
	left = open_pos[was - 1];
	open_pos[was - 1] = EMPTY;
#ifdef MUT_COUNT_DOWN
	depth--;
#else
	depth = was - 1;
#endif
	atomic {
		if
#ifdef MUT_ABANDON_COMPLETE
		:: left != EMPTY ->
#else
		:: left != EMPTY && tag[AT(left)] == left + 1 && !done[AT(left)] ->
#endif
			assert(tail <= left);
			done[AT(left)] = 1
		:: else
		fi
	}
}

/* those of this level and above; of lower ones what was jumped out of, if it lay deeper */
#define IS_STALE (open_pos[depth - 1] != EMPTY && cut[id[AT(open_pos[depth - 1])]])
#ifdef MUT_ABANDON_INTERRUPTED
#define IS_LEFT(level) (open_level[depth - 1] + 1 >= level)
#else
#define IS_LEFT(level) (open_level[depth - 1] >= level || IS_STALE)
#endif

#ifdef MUT_WAIT_FOR_OWN
#define CAN_BE_TAKEN true
#else
#define CAN_BE_TAKEN (tag[AT(tail)] == tail + 1 && (pad[AT(tail)] || done[AT(tail)]))
#endif

#ifdef MUT_FULL_IGNORES_PAD
#define NO_ROOM(limit) (at + want - (limit) > UNITS)
#else
#define NO_ROOM(limit) (at + before + want - (limit) > UNITS)
#endif

inline store_tag()
{
	atomic {
		tag[AT(at)] = at + 1;
		fate[me] = SHOWN
	}
}

inline fill()
{
	atomic {
		size[AT(at)] = want;
		id[AT(at)] = me;
		pad[AT(at)] = 0;
		done[AT(at)] = 0;
		if
		:: want == 2 -> tag[AT(at + 1)] = 0 /* an argument lies there now */
		:: else
		fi
	}
}

/* reserve(): a place, or none */
inline reserve()
{
	do
	:: atomic {
		at = head;
		before = (AT(at) + want > UNITS -> UNITS - AT(at) : 0);
		placed = false
	   };
	   if
	   :: atomic { NO_ROOM(tail_seen) -> seen = tail };
		tail_seen = seen; /* perhaps older than what a handler has seen meanwhile */
		if
		:: !NO_ROOM(seen) || head != at -> skip /* again */
		:: else ->
#ifdef WAIT
			if
			:: tail == seen && CAN_BE_TAKEN -> tail != seen
			:: tail != seen
			:: tail == seen && !CAN_BE_TAKEN -> break
			fi
#else
			break
#endif
		fi
	   :: else ->
#ifndef MUT_NO_CAS
		atomic {
			if
			:: head == at ->
#endif
				head = at + before + want;
				assert(head - tail <= UNITS);
				fate[me] = PLACED;
				placed = true
#ifndef MUT_NO_CAS
			:: else
			fi
		}
#endif
		;
		if
		:: placed -> break
		:: else
		fi
	   fi
	od
}

/* write it, show it, make the call, complete it */
inline record(level)
{
	if
	:: atomic { before ->
		size[AT(at)] = before;
		pad[AT(at)] = 1;
		tag[AT(at)] = at + 1;
		at = at + before
	   }
	:: else
	fi;
#ifdef MUT_PUBLISH_EARLY
	store_tag();
	fill();
#else
	fill();
	store_tag();
#endif
	/* the place is taken while it is empty: a handler would take the same, and give it back */
	atomic {
		place = depth;
		open_level[place] = level;
		depth++
	};
	open_pos[place] = at;
	/* the real call */
	if
	:: level == 0 && vforks ->
		atomic {
			vforks--;
			vfork_child = true;
			top = 1
		};
		/* the child is gone: pl_vfork_over() */
		do
		:: atomic { depth > place + 1 -> was = depth }; abandon()
		:: else -> break
		od
	:: true
	fi;
	/* is it still this call's to complete? */
	atomic {
		assert(depth == place + 1 && open_pos[place] == at);
		open_pos[place] = EMPTY
	};
	depth = place;
	atomic {
		assert(tag[AT(at)] == at + 1);
		assert(tail <= at);
		done[AT(at)] = 1
	}
}

/* one recorded call, from entry to return */
inline call(level)
{
	atomic {
		me = next_id;
		next_id++;
		current[level] = me;
		fate[me] = MADE;
		if
		:: want = 1
		:: want = 2
		fi
	};
	/* drop_abandoned() */
	do
	:: atomic { depth > 0 && IS_LEFT(level) -> was = depth }; abandon()
	:: else -> break
	od;
	reserve();
	if
	:: !placed ->
#ifndef MUT_LOST_UNCOUNTED
		atomic {
			lost++;
			fate[me] = LOST
		}
#else
		skip
#endif
	:: else -> record(level)
	fi;
	current[level] = 0
}

/* the call in progress will never go on */
inline cut_off(level)
{
	cut[current[level]] = true;
	current[level] = 0
}

active proctype Thread() provided (alive && top == 0)
{
	byte me, at, want, before, place, was, seen, left, calls = CALLS;
	bool placed;

	do
	:: calls > 0 ->
		calls--;
		{
			call(0)
		} unless {
			atomic {
				jump ->
				jump = false;
				cut_off(0)
			}
		}
	:: else -> break
	od;
	alive = false
}

active proctype Level1() provided (alive && top == 1)
{
	byte me, at, want, before, place, was, seen, left;
	bool placed;

	do
	:: {
		call(1);
		atomic {
			if
			:: !vfork_child && jumps && current[0] ->
				jumps--;
				jump = true
			:: true
			fi;
			vfork_child = false;
			top = 0
		}
	   } unless {
		atomic {
			vfork_dies ->
			vfork_dies = false;
			cut_off(1);
			vfork_child = false;
			top = 0
		}
	   }
	od
}

active proctype Level2() provided (alive && top == 2)
{
	byte me, at, want, before, place, was, seen, left;
	bool placed;

	do
	:: call(2);
	   top = 1
	od
}

active proctype World()
{
	do
	:: atomic { alive && signals && top < 2 && !jump && !vfork_dies ->
		signals--;
		top++
	   }
	:: atomic { alive && top == 1 && vfork_child && !vfork_dies -> vfork_dies = true }
#ifdef KILL
	:: atomic { alive ->
		alive = false;
		cut_off(0);
		cut_off(1);
		cut_off(2)
	   }
#endif
	:: !alive -> break
	od
}

#define ANYTHING_NEW                                                               \
	(!alive || (head != tail && tag[AT(tail)] == tail + 1 &&                   \
		    (pad[AT(tail)] || done[AT(tail)])))

active proctype Consumer()
{
	byte end, x, next;
	bool dead;

	do
	:: finished -> break
	:: else ->
#if defined(MUT_NO_TAG_CHECK) || defined(MUT_NO_STATE_CHECK)
		!alive || head != tail;
#else
		ANYTHING_NEW;
#endif
		atomic {
			dead = !alive;
			end = head
		};
		if
		:: end == tail && dead -> finished = true
		:: end == tail && !dead
#ifndef MUT_NO_TAG_CHECK
		:: end != tail && tag[AT(tail)] != tail + 1 && !dead
		:: end != tail && tag[AT(tail)] != tail + 1 && dead ->
			atomic {
				torn++;
#ifdef MUT_NO_RESYNC
				tail = end
#else
				x = tail + 1;
				do
				:: x != end && tag[AT(x)] != x + 1 -> x++
				:: else -> break
				od;
				tail = x
#endif
			}
		:: end != tail && tag[AT(tail)] == tail + 1 ->
#else
		:: end != tail ->
#endif
			next = tail + size[AT(tail)];
			if
			:: pad[AT(tail)] -> tail = next
#ifndef MUT_NO_STATE_CHECK
			:: !pad[AT(tail)] && !done[AT(tail)] && !dead
			:: !pad[AT(tail)] && (done[AT(tail)] || dead) ->
#else
			:: !pad[AT(tail)] ->
#endif
				assert(done[AT(tail)] || !alive);
#ifdef MUT_TAIL_EARLY
				x = tail;
				tail = next;
				x = id[AT(x)];
#else
				x = id[AT(tail)];
#endif
				atomic {
					assert(fate[x] == SHOWN);
					fate[x] = TAKEN
				};
#ifndef MUT_TAIL_EARLY
				assert(x == id[AT(tail)]);
				tail = next
#endif
			fi
		fi
	od;
	atomic {
		x = 1;
		next = 0;
		do
		:: x < next_id ->
			assert(fate[x] == TAKEN || fate[x] == LOST ||
			       (cut[x] && fate[x] != SHOWN));
			assert(fate[x] != PLACED || torn > 0);
			next = next + (fate[x] == LOST);
			x++
		:: else -> break
		od;
		assert(next == lost)
	}
}

/* Nothing can go on: then all is done. */
active proctype Watch()
{
	timeout;
	assert(finished)
}
