/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path globs. Matching takes time in proportion to pattern times path, whatever both are, and needs
 * no memory but a few words of stack: it is done inside of untrusted programs, in signal handlers,
 * too.
 *
 *	?       one byte, but no slash
 *	*       any bytes, but no slash
 *	**      any bytes; between two slashes also nothing, not even the second slash
 *	[a-z]   one byte of the set; [!a-z] one that is not of it; never a slash
 *	\x      x itself
 */
#ifndef TT_EVENT_GLOB_H
#define TT_EVENT_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#define EVENT_GLOB_MAX 255 /* bytes of a pattern */

/* event_glob_is_valid - whether @glob is well formed, not too long, and begins with / or ** */
bool event_glob_is_valid(const char *glob, size_t len);

/* event_glob_match - whether a valid @glob matches all of @path */
bool event_glob_match(const char *glob, size_t glob_len, const char *path, size_t len);

#endif
