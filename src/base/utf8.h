/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing past U+10FFFF. */
#ifndef TT_BASE_UTF8_H
#define TT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * tt_utf8_len - length (1-4) of the valid sequence that @p (@n >= 1 bytes) begins with, or 0.
 * Signal-safe.
 */
size_t tt_utf8_len(const unsigned char *p, size_t n);

/* tt_utf8_is_valid - whether all @n bytes are UTF-8. Signal-safe. */
bool tt_utf8_is_valid(const void *bytes, size_t n);

#endif
