/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers: each is in one place, whatever comes; against a model of an agent that drops, loses and
 * greets.
 */
#include "../tap.h"

#include <stdlib.h>

#include "receiver/seq.h"

static struct receiver_loss loss;

static bool take(struct receiver_seq *s, uint64_t seq)
{
	return receiver_seq_take(s, seq, false, &loss);
}

static uint64_t settle(struct receiver_seq *s, bool all)
{
	uint64_t sum = 0;

	while (receiver_seq_settle(s, all, &loss))
		sum += loss.lost;
	return sum;
}

static void check_sums(const struct receiver_seq *s)
{
	CHECK_INT(s->received + s->dropped + s->rejected + s->lost + receiver_seq_open(s),
		  s->numbers);
}

static void test_in_order(void)
{
	struct receiver_seq s = {0};

	for (uint64_t i = 0; i < 1000; i++)
		CHECK(take(&s, i));
	CHECK_INT(s.received, 1000);
	CHECK_INT(s.numbers, 1000);
	CHECK(!take(&s, 0));
	CHECK(!take(&s, 999));
	CHECK_INT(s.received, 1000);
	CHECK_INT(settle(&s, true), 0);
	check_sums(&s);
}

static void test_dropped(void)
{
	struct receiver_seq s = {0};

	CHECK(take(&s, 0));
	CHECK(take(&s, 9)); /* the record that explains it */
	CHECK_INT(receiver_seq_open(&s), 8);
	CHECK_INT(receiver_seq_dropped(&s, 8, 1, 8), 8);
	CHECK_INT(receiver_seq_open(&s), 0);
	CHECK_INT(receiver_seq_dropped(&s, 5, 1, 8), 0); /* said again */
	CHECK_INT(s.dropped, 8);
	/* two causes in one hole, and one number that nobody explains */
	CHECK(take(&s, 20));
	CHECK_INT(receiver_seq_dropped(&s, 6, 10, 19), 6);
	CHECK_INT(receiver_seq_dropped(&s, 3, 12, 15), 3);
	CHECK_INT(settle(&s, false), 0);
	CHECK_INT(settle(&s, true), 1);
	CHECK_INT(loss.from, 10);
	CHECK_INT(loss.to, 19);
	check_sums(&s);
	CHECK_INT(receiver_seq_dropped(&s, UINT64_MAX, 0, UINT64_MAX), 0);
	/* more is said than is left */
	CHECK(take(&s, 30));
	CHECK_INT(receiver_seq_dropped(&s, 5, 21, 29), 5);
	CHECK_INT(receiver_seq_dropped(&s, 9, 21, 29), 4);
	CHECK_INT(receiver_seq_open(&s), 0);
	check_sums(&s);
}

static void test_hello_overtakes(void)
{
	struct receiver_seq s = {0};

	CHECK(take(&s, 0));
	CHECK(receiver_seq_take(&s, 8, true, &loss));
	CHECK(receiver_seq_awaits(&s, 5));
	for (int i = 0; i < 200; i++)
		CHECK_INT(settle(&s, false), 0);
	for (uint64_t i = 1; i < 8; i++)
		CHECK(take(&s, i));
	CHECK_INT(s.hole_count, 0);
	CHECK(!receiver_seq_take(&s, 8, true, &loss));
	CHECK(receiver_seq_take(&s, 20, true, &loss));
	CHECK(take(&s, 12)); /* 9 to 11 do not come any more, 13 to 19 may */
	CHECK(!receiver_seq_awaits(&s, 10));
	CHECK(receiver_seq_awaits(&s, 13));
	CHECK_INT(s.hole_count, 2);
	for (uint64_t i = 13; i < 20; i++)
		CHECK(take(&s, i));
	CHECK_INT(settle(&s, false), 0);
	for (uint64_t i = 21; i < 21 + RECEIVER_HOLE_WAIT; i++)
		CHECK(take(&s, i));
	CHECK_INT(settle(&s, false), 3);
	check_sums(&s);
}

static void test_rejects(void)
{
	struct receiver_seq s = {0};

	CHECK(take(&s, 0));
	receiver_seq_reject(&s);
	receiver_seq_reject(&s);
	CHECK(take(&s, 6));
	CHECK_INT(settle(&s, true), 3);
	CHECK_INT(s.rejected, 2);
	CHECK_INT(s.lost, 3);
	check_sums(&s);
	/* each explains one number, once */
	receiver_seq_reject(&s);
	CHECK(take(&s, 8));
	CHECK(take(&s, 10));
	CHECK_INT(settle(&s, true), 1);
	CHECK_INT(s.rejected, 3);
	CHECK_INT(s.lost, 4);
	check_sums(&s);
}

static void test_restart(void)
{
	struct receiver_seq s = {0};

	CHECK(take(&s, 5));
	CHECK_INT(settle(&s, true), 5);
	receiver_seq_restart(&s, 0);
	CHECK(take(&s, 0));
	CHECK(take(&s, 1));
	CHECK_INT(s.numbers, 8);
	check_sums(&s);
}

static void test_far(void)
{
	struct receiver_seq s = {0};

	CHECK(take(&s, RECEIVER_SEQ_MAX));
	CHECK_INT(settle(&s, true), RECEIVER_SEQ_MAX);
	CHECK_INT(s.lost, RECEIVER_SEQ_MAX);
	check_sums(&s);
}

static void test_many_holes(void)
{
	struct receiver_seq s = {0};
	uint64_t closed = 0;

	for (uint64_t i = 0; i < 200; i += 2) {
		CHECK(take(&s, i));
		closed += loss.lost;
	}
	CHECK(s.hole_count <= RECEIVER_HOLES_MAX);
	closed += settle(&s, true);
	CHECK_INT(closed, 99);
	check_sums(&s);
}

static void test_closed_again(void)
{
	struct receiver_seq s = {0};

	CHECK(take(&s, 9));
	receiver_seq_close(&s, &(struct receiver_loss){0, 8, 9});
	CHECK_INT(s.lost, 9);
	CHECK_INT(s.hole_count, 0);
	receiver_seq_close(&s, &(struct receiver_loss){0, 8, 9});
	CHECK_INT(s.lost, 9);
	check_sums(&s);
}

/*
 * What an agent's queue does: FIFO, drops with a record behind them; connections that end,
 * greetings in front.
 */
struct model {
	uint64_t next, sent, dropped, lost;
	uint64_t queue[64];
	bool record[64]; /* a telemetry.dropped */
	uint64_t count[64], first[64], last[64];
	unsigned len;
	uint64_t drop_count, drop_first, drop_last;
};

static void model_put(struct model *m, bool record)
{
	m->queue[m->len] = m->next++;
	m->record[m->len] = record;
	m->count[m->len] = m->drop_count;
	m->first[m->len] = m->drop_first;
	m->last[m->len] = m->drop_last;
	m->len++;
}

static void model_act(struct model *m)
{
	if (m->drop_count && m->len < 64) {
		model_put(m, true);
		m->drop_count = 0;
	}
	if (m->len < 64) {
		model_put(m, false);
		return;
	}
	if (!m->drop_count++)
		m->drop_first = m->next;
	m->drop_last = m->next++;
	m->dropped++;
}

/* One leaves the queue: to us, or nowhere. */
static void model_send(struct model *m, struct receiver_seq *s, bool arrives)
{
	if (!m->len)
		return;
	if (arrives) {
		CHECK(take(s, m->queue[0]));
		if (m->record[0])
			(void)receiver_seq_dropped(s, m->count[0], m->first[0], m->last[0]);
		m->sent++;
	} else {
		m->lost++;
		if (m->record[0]) { /* what it says is lost with it */
			m->lost += m->count[0];
			m->dropped -= m->count[0];
		}
	}
	m->len--;
	memmove(m->queue, m->queue + 1, m->len * sizeof(m->queue[0]));
	memmove(m->record, m->record + 1, m->len * sizeof(m->record[0]));
	memmove(m->count, m->count + 1, m->len * sizeof(m->count[0]));
	memmove(m->first, m->first + 1, m->len * sizeof(m->first[0]));
	memmove(m->last, m->last + 1, m->len * sizeof(m->last[0]));
}

static void test_model(void)
{
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct receiver_seq s = {0};
		struct model m = {0};
		uint64_t closed = 0;

		srand(seed);
		for (int step = 0; step < 3000; step++) {
			int what = rand() % 100;

			if (what < 55) {
				model_act(&m);
			} else if (what < 97) {
				model_send(&m, &s, true);
			} else if (what < 98) {
				for (int i = rand() % 8; i > 0; i--)
					model_send(&m, &s, false);
			} else {
				/* a new connection: the greeting overtakes the queue */
				CHECK(receiver_seq_take(&s, m.next++, true, &loss));
				m.sent++;
			}
			closed += settle(&s, false);
		}
		while (m.len || m.drop_count) {
			model_act(&m);
			model_send(&m, &s, true);
			model_send(&m, &s, true);
		}
		closed += settle(&s, true);
		CHECK_INT(s.received, m.sent);
		CHECK_INT(s.dropped, m.dropped);
		CHECK_INT(s.lost, m.lost);
		CHECK_INT(closed, m.lost);
		CHECK_INT(s.numbers, m.next);
		check_sums(&s);
		if (tap_bad) {
			printf("# seed %u\n", seed);
			return;
		}
	}
}

int main(void)
{
	TAP_RUN(test_in_order);
	TAP_RUN(test_dropped);
	TAP_RUN(test_hello_overtakes);
	TAP_RUN(test_rejects);
	TAP_RUN(test_restart);
	TAP_RUN(test_far);
	TAP_RUN(test_many_holes);
	TAP_RUN(test_closed_again);
	TAP_RUN(test_model);
	return tap_done();
}
