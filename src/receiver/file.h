/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that grows by whole lines. What cannot be written is kept until it can; the caller takes
 * no more meanwhile, so that the wait reaches the guest's agent, who counts what it drops.
 */
#ifndef TT_RECEIVER_FILE_H
#define TT_RECEIVER_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "util/err.h"

struct receiver_file {
	int fd;    /* -1: none */
	int error; /* errno of the last failure, 0: none so far */
	char *held;
	size_t held_len;
	uint64_t failures; /* writes that failed */
	uint64_t lost;     /* lines that never reached it */
};

/*
 * receiver_file_open - create or go on with a file of a folder: 0600, ours alone while it is open
 */
int receiver_file_open(struct receiver_file *ret, int folder, const char *name,
		       struct tt_err *err) TT_MUST_CHECK;

/* receiver_file_end_line - end a line that a kill left without its end: the next one is whole */
int receiver_file_end_line(struct receiver_file *f) TT_MUST_CHECK;

/* receiver_file_put - true: written; false: held, all of it or its rest */
bool receiver_file_put(struct receiver_file *f, const char *text, size_t len);

/* receiver_file_retry - write what is held; true: nothing is any more */
bool receiver_file_retry(struct receiver_file *f);

/* receiver_file_close - what is still held is lost, and counted */
void receiver_file_close(struct receiver_file *f);

/*
 * receiver_folder_open - the fd of a folder, made with those above it (0700) where it is not there
 */
int receiver_folder_open(const char *path, struct tt_err *err) TT_MUST_CHECK;

/* receiver_file_replace - a whole file of a folder, by rename */
int receiver_file_replace(int folder, const char *name, const char *text, size_t len,
			  struct tt_err *err) TT_MUST_CHECK;

#endif
