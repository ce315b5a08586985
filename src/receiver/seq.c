/* SPDX-License-Identifier: Apache-2.0 */
/* Holes in a short list. Nearly always there is none, and a frame is one comparison. */
#include "receiver/seq.h"

#include <string.h>

#include "base/compiler.h"

/* What a hostile agent counts can be any number. */
static void add(uint64_t *sum, uint64_t n)
{
	if (__builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

static void remove_hole(struct receiver_seq *s, unsigned i)
{
	s->hole_count--;
	memmove(&s->holes[i], &s->holes[i + 1], (s->hole_count - i) * sizeof(s->holes[0]));
}

static void close_hole(struct receiver_seq *s, unsigned i, struct receiver_loss *ret)
{
	const struct receiver_hole *h = &s->holes[i];
	uint64_t refused = s->rejects < h->missing ? s->rejects : h->missing;

	*ret = (struct receiver_loss){h->from, h->to, h->missing - refused};
	s->rejects -= refused;
	add(&s->rejected, refused);
	add(&s->lost, ret->lost);
	remove_hole(s, i);
}

static void add_hole(struct receiver_seq *s, unsigned at, struct receiver_hole hole,
		     struct receiver_loss *ret_loss)
{
	if (s->hole_count == RECEIVER_HOLES_MAX) {
		close_hole(s, 0, ret_loss);
		at -= at > 0;
	}
	memmove(&s->holes[at + 1], &s->holes[at], (s->hole_count - at) * sizeof(s->holes[0]));
	s->holes[at] = hole;
	s->hole_count++;
	s->has_unproven |= !hole.proven;
}

/* What lies below @seq and has not come does not come any more. */
static void prove(struct receiver_seq *s, uint64_t seq)
{
	s->has_unproven = false;
	for (unsigned i = 0; i < s->hole_count; i++) {
		struct receiver_hole *h = &s->holes[i];

		if (!h->proven && h->to < seq)
			h->proven = s->received + 1;
		s->has_unproven |= !h->proven;
	}
}

/* A number that was passed over arrives after all. */
static bool fill(struct receiver_seq *s, uint64_t seq, bool overtakes,
		 struct receiver_loss *ret_loss)
{
	for (unsigned i = 0; i < s->hole_count; i++) {
		struct receiver_hole *h = &s->holes[i], rest;

		if (seq < h->from || seq > h->to)
			continue;
		s->received++;
		h->missing--;
		if (!h->missing) {
			remove_hole(s, i);
		} else if (h->missing != h->to - h->from) {
			/* partly explained: which numbers those were nobody said */
		} else if (seq == h->from) {
			h->from++;
		} else if (seq == h->to) {
			h->to--;
		} else {
			rest = *h;
			h->to = seq - 1;
			h->missing = h->to - h->from + 1;
			rest.from = seq + 1;
			rest.missing = rest.to - rest.from + 1;
			add_hole(s, i + 1, rest, ret_loss);
		}
		if (!overtakes)
			prove(s, seq);
		return true;
	}
	return false;
}

bool receiver_seq_take(struct receiver_seq *s, uint64_t seq, bool overtakes,
		       struct receiver_loss *ret_loss)
{
	ret_loss->lost = 0;
	if (TT_UNLIKELY(seq < s->next)) {
		return fill(s, seq, overtakes, ret_loss);
	}
	s->received++;
	if (TT_UNLIKELY(seq > s->next))
		add_hole(s, s->hole_count,
			 (struct receiver_hole){s->next, seq - 1, seq - s->next,
						overtakes ? 0 : s->received},
			 ret_loss);
	add(&s->numbers, seq + 1 - s->next);
	s->next = seq + 1;
	if (TT_UNLIKELY(s->has_unproven && !overtakes))
		prove(s, seq);
	return true;
}

uint64_t receiver_seq_dropped(struct receiver_seq *s, uint64_t count, uint64_t first, uint64_t last)
{
	uint64_t explained = 0;

	for (unsigned i = 0; i < s->hole_count && explained < count;) {
		struct receiver_hole *h = &s->holes[i];
		uint64_t from = h->from > first ? h->from : first, to = h->to < last ? h->to : last,
			 n;

		if (from > to) {
			i++;
			continue;
		}
		n = to - from + 1;
		n = n < h->missing ? n : h->missing;
		n = n < count - explained ? n : count - explained;
		explained += n;
		h->missing -= n;
		if (!h->missing)
			remove_hole(s, i);
		else
			i++;
	}
	add(&s->dropped, explained);
	return explained;
}

void receiver_seq_reject(struct receiver_seq *s)
{
	s->rejects++;
}

bool receiver_seq_settle(struct receiver_seq *s, bool all, struct receiver_loss *ret)
{
	for (unsigned i = 0; i < s->hole_count; i++) {
		const struct receiver_hole *h = &s->holes[i];

		if (!all && (!h->proven || s->received - h->proven < RECEIVER_HOLE_WAIT))
			continue;
		close_hole(s, i, ret);
		return true;
	}
	return false;
}

void receiver_seq_close(struct receiver_seq *s, const struct receiver_loss *loss)
{
	for (unsigned i = 0; i < s->hole_count; i++) {
		const struct receiver_hole *h = &s->holes[i];
		uint64_t lost = loss->lost < h->missing ? loss->lost : h->missing,
			 refused = h->missing - lost;

		if (h->from > loss->to || h->to < loss->from)
			continue;
		add(&s->lost, lost);
		s->rejected += refused;
		s->rejects -= refused < s->rejects ? refused : s->rejects;
		remove_hole(s, i);
		return;
	}
}

void receiver_seq_restart(struct receiver_seq *s, uint64_t first)
{
	s->next = first;
	s->rejects = 0;
}

bool receiver_seq_awaits(const struct receiver_seq *s, uint64_t seq)
{
	if (seq >= s->next)
		return true;
	for (unsigned i = 0; i < s->hole_count; i++)
		if (seq >= s->holes[i].from && seq <= s->holes[i].to)
			return !s->holes[i].proven;
	return false;
}

uint64_t receiver_seq_open(const struct receiver_seq *s)
{
	uint64_t open = 0;

	for (unsigned i = 0; i < s->hole_count; i++)
		open += s->holes[i].missing;
	return open;
}
