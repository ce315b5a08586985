/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one redactor: finds secrets in texts, so that they never reach the disk. Signal-safe but for
 * configure.
 */
#ifndef TT_EVENT_REDACT_H
#define TT_EVENT_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/out.h"

/*
 * event_redact_configure - extend or switch off
 * @spec: NULL or "": the defaults; "off": nothing is redacted; else further secret names, comma
 *        separated, not case-sensitive ("PIN,x-my-key"). Kept by reference: must outlive all
 *        formatting. Call before threads start.
 */
void event_redact_configure(const char *spec);

/*
 * event_redact_extend - names besides those of event_redact_configure(), by the same rules; "" for
 * none
 */
void event_redact_extend(const char *names);

/*
 * event_redact_next - the next secret of @text that begins at or after @from
 * Secrets: the value after a --password-like flag or a NAME=value or "name: value" whose name ends
 * in token, password, secret, api_key, ...; what follows Bearer or Basic; the password of
 * user:password@ in a URL; tokens that tell themselves by their prefix (ghp_, glpat-, xoxb-,
 * AKIA...). Returns true and sets [*ret_start, *ret_end), never empty; false if there is none.
 */
bool event_redact_next(const char *text, size_t len, size_t from, size_t *ret_start,
		       size_t *ret_end);

/*
 * event_redact_text - what somebody else wrote as valid UTF-8 without secrets: these become ***,
 * and each byte that is no UTF-8 becomes U+FFFD, at most three times as long
 */
void event_redact_text(struct tt_out *o, const char *text, size_t len);

/*
 * event_redact_is_flag - whether an argument is a flag whose value, the next argument, is a secret
 * (--token)
 */
bool event_redact_is_flag(const char *arg, size_t len);

/*
 * event_redact_flag_value - where the secret begins in an argument that is nothing but --name=VALUE
 * or NAME=VALUE
 * There the value goes to the end of the argument, blanks and quotes included. 0: it is no such
 * argument.
 */
size_t event_redact_flag_value(const char *arg, size_t len);

#endif
