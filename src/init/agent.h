/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's process, as init sees it: started as PID 2 of the cell, awaited, started again when
 * it dies.
 *
 *	OFF ──start──► STARTING ──"ready"──► READY ──dies──► WAITING ──► STARTING ...
 *	                  └─"failed", dies, silence──► OFF, or WAITING if one was ready before
 *
 * Nothing here waits: the loop of cell.c does.
 */
#ifndef TT_INIT_AGENT_H
#define TT_INIT_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/settings.h"

enum { INIT_AGENT_PID = 2 }; /* in the cell, always */

enum init_agent_state {
	INIT_AGENT_OFF,
	INIT_AGENT_STARTING,
	INIT_AGENT_READY,
	INIT_AGENT_WAITING,
	INIT_AGENT_STOPPING,
};

struct init_agent {
	const struct init_settings *s;
	int queue_fd;      /* its queue: outlives it */
	int connector_fd;  /* or -1 */
	int outer_proc_fd; /* or -1 */
	enum init_agent_state state;
	pid_t pid;    /* while STARTING, READY or STOPPING; else 0 */
	int ready_fd; /* our end while STARTING, else -1 */
	/* STARTING, STOPPING: until then it must be done; WAITING: then it is started */
	uint64_t due_ms;
	uint64_t ready_ms; /* since when it was */
	unsigned pause_ms; /* before the next start */
	unsigned restarts; /* so far */
	unsigned failures; /* starts in a row that did not get ready */
	bool was_ready;    /* one of them was */
	bool spare;        /* it is, and does not need connector_fd */
	bool killed;       /* it was sent SIGKILL: that is the end, be it awaited or not */
	bool done;         /* it was stopped, and has ended */
	bool told;         /* why this one ends was said */
};

/* init_agent_start - at once. OFF or STARTING afterwards; why not is said. */
void init_agent_start(struct init_agent *a);

/* init_agent_hear - ready_fd is readable */
void init_agent_hear(struct init_agent *a);

/* init_agent_ended - @pid has ended and was waited for. False: it was not the agent. */
bool init_agent_ended(struct init_agent *a, pid_t pid, int status);

/*
 * init_agent_stop - it is to send what it has and end, at the latest after its flush_ms; nothing is
 * started any more, unless it dies of something else before it is done
 */
void init_agent_stop(struct init_agent *a);

/* init_agent_due - due_ms has come */
void init_agent_due(struct init_agent *a);

/* init_agent_default - the program where none is named: beside this one, or /sbin/telltale-agent */
const char *init_agent_default(void);

#endif
