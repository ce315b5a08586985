/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching path globs: all ways through the pattern at once, as a set of places in it. A matcher
 * that tries one way after the other takes exponential time for patterns made to that end.
 */
#include "event/glob.h"

#include <stdint.h>
#include <string.h>

#define WORDS ((EVENT_GLOB_MAX + 1 + 63) / 64)

struct places {
	uint64_t bits[WORDS];
};

/* Where the set that begins at @at ends (behind its bracket), or 0. */
static size_t set_end(const char *glob, size_t len, size_t at)
{
	size_t i = at + 1;

	if (i < len && glob[i] == '!')
		i++;
	/* a bracket that stands first is one of the set */
	for (size_t first = i; i < len; i++) {
		if (glob[i] == '/')
			return 0;
		if (glob[i] == ']' && i > first)
			return i + 1;
	}
	return 0;
}

static bool in_set(const char *glob, size_t at, size_t end, unsigned char c)
{
	size_t i = at + 1, last = end - 1;
	bool negated = glob[i] == '!', found = false;

	if (c == '/')
		return false;
	for (i += negated; i < last; i++) {
		unsigned char low = (unsigned char)glob[i], high = low;

		if (i + 2 < last && glob[i + 1] == '-') {
			high = (unsigned char)glob[i + 2];
			i += 2;
		}
		found |= low <= c && c <= high;
	}
	return found != negated;
}

bool event_glob_is_valid(const char *glob, size_t len)
{
	if (!len || len > EVENT_GLOB_MAX ||
	    (glob[0] != '/' && (len < 2 || memcmp(glob, "**", 2) != 0)))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (glob[i] == '[') {
			i = set_end(glob, len, i);
			if (!i)
				return false;
			i--;
		} else if (glob[i] == '\\' && ++i == len) {
			return false;
		}
	}
	return true;
}

static bool has(const struct places *p, size_t at)
{
	return p->bits[at / 64] >> (at % 64) & 1;
}

static void add(struct places *p, size_t at)
{
	p->bits[at / 64] |= 1ull << (at % 64);
}

/* The first place at or behind @at; EVENT_GLOB_MAX + 1 if there is none. */
static size_t next_place(const struct places *p, size_t at)
{
	for (size_t w = at / 64; w < WORDS; w++, at = w * 64) {
		uint64_t bits = p->bits[w] >> (at % 64);

		if (bits)
			return at + (size_t)__builtin_ctzll(bits);
	}
	return EVENT_GLOB_MAX + 1;
}

/*
 * The places that stars which stand for nothing lead on to: all of them further on. Behind a slash
 * of the path "**" and the slash that follows it may both stand for nothing.
 */
static void pass_stars(struct places *p, const char *glob, size_t len, bool behind_slash)
{
	for (size_t at = next_place(p, 0); at < len; at = next_place(p, at + 1)) {
		if (glob[at] != '*')
			continue;
		if (at + 1 == len || glob[at + 1] != '*') {
			add(p, at + 1);
			continue;
		}
		add(p, at + 2);
		if (behind_slash && at > 0 && glob[at - 1] == '/' && at + 2 < len &&
		    glob[at + 2] == '/')
			add(p, at + 3);
	}
}

/* What the byte @c makes of the place @at. */
static void step(struct places *next, const char *glob, size_t len, size_t at, char c)
{
	size_t end;

	switch (glob[at]) {
	case '*':
		if (c != '/' || (at + 1 < len && glob[at + 1] == '*'))
			add(next, at);
		return;
	case '?':
		if (c != '/')
			add(next, at + 1);
		return;
	case '[':
		end = set_end(glob, len, at);
		if (end && in_set(glob, at, end, (unsigned char)c))
			add(next, end);
		return;
	case '\\':
		if (at + 1 < len && glob[at + 1] == c)
			add(next, at + 2);
		return;
	default:
		if (glob[at] == c)
			add(next, at + 1);
		return;
	}
}

bool event_glob_match(const char *glob, size_t glob_len, const char *path, size_t len)
{
	struct places now = {{0}}, next;

	if (glob_len > EVENT_GLOB_MAX)
		return false;
	add(&now, 0);
	pass_stars(&now, glob, glob_len, false);
	for (size_t i = 0; i < len; i++) {
		size_t at = next_place(&now, 0);

		if (at >= glob_len)
			return false;
		memset(&next, 0, sizeof(next));
		for (; at < glob_len; at = next_place(&now, at + 1))
			step(&next, glob, glob_len, at, path[i]);
		pass_stars(&next, glob, glob_len, path[i] == '/');
		now = next;
	}
	return has(&now, glob_len);
}
