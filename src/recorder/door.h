/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket at which a process of the run that lost the ring's fd gets another: an abstract
 * AF_UNIX name of random digits, see event/contract.h. Whoever else comes is turned away. Internal
 * to the recorder.
 */
#ifndef TT_RECORDER_DOOR_H
#define TT_RECORDER_DOOR_H

#include "event/contract.h"
#include "recorder/track.h"

struct recorder_door {
	int fd;                               /* -1: closed */
	char digits[CONTRACT_SOCKET_LEN + 1]; /* "" while it is closed */
	uint64_t served, refused;
};

/* recorder_door_open - 0 or -errno; @d is then closed, which recorder_door_close() may be told */
int recorder_door_open(struct recorder_door *d);
void recorder_door_close(struct recorder_door *d);

/*
 * recorder_door_serve - answer those who wait, some of them
 * Each gets @ring_fd or nothing, and is hung up on at once: nobody can make the recorder wait, or
 * hold one of its fds.
 */
void recorder_door_serve(struct recorder_door *d, struct recorder_track *t, int ring_fd);

#endif
