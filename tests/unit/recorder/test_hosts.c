/* SPDX-License-Identifier: Apache-2.0 */
/* Which name an address has: of whom, since when, and after which forks. */
#include "recorder/hosts.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "recorder/tree.h"
#include "tap.h"

static struct recorder_tree tree;
static struct recorder_span *spans[400];
static unsigned span_count;

static struct recorder_span *span(void)
{
	struct tt_uuid id = {{(uint8_t)(span_count >> 8), (uint8_t)span_count, 7}};
	struct event_span none = {0};

	return spans[span_count++] = recorder_span_add(&tree, &id, &none, EVENT_HOW_FORK);
}

static void begin(void)
{
	memset(&tree, 0, sizeof(tree));
	recorder_tree_init(&tree);
	span_count = 0;
}

static void end(void)
{
	for (unsigned i = 0; i < span_count; i++)
		recorder_span_remove(&tree, spans[i]);
	CHECK_INT(tree.hosts.count, 0);
	recorder_tree_done(&tree);
}

static size_t put_addr(char *to, const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(to, &in, sizeof(in));
		return sizeof(in);
	}
	(void)inet_pton(AF_INET6, text, &six.sin6_addr);
	memcpy(to, &six, sizeof(six));
	return sizeof(six);
}

/* The library tells at @ts that @name was looked up and is @addr. */
static void told(struct recorder_span *s, const char *name, const char *addr, uint64_t ts)
{
	char block[64];
	size_t len = put_addr(block + 1, addr);
	struct event ev = {.type = EVENT_SYSCALL,
			   .call = EVENT_CALL_getaddrinfo,
			   .ts_ns = ts,
			   .args = {{.data = name, .len = strlen(name)}, {.absent = true}},
			   .extra = {block, len + 1}};

	block[0] = (char)len;
	recorder_hosts_told(&tree.hosts, s, &ev);
}

static const char *name_at(struct recorder_span *s, const char *addr, uint64_t ts)
{
	static char text[300];
	char sa[64];
	struct event ev = {.type = EVENT_SYSCALL,
			   .call = EVENT_CALL_connect,
			   .ts_ns = ts,
			   .args = {{.num = 3}, {.data = sa, .len = put_addr(sa, addr)}}};

	recorder_hosts_find(&tree.hosts, s, &ev);
	(void)snprintf(text, sizeof(text), "%.*s%s", (int)ev.host.len,
		       ev.host.data ? ev.host.data : "", ev.host_observed ? " (seen)" : "");
	return text;
}

static void what_was_looked_up(void)
{
	struct recorder_span *s, *other;

	begin();
	s = span();
	other = span();
	told(s, "One.example.", "192.0.2.1", 100);
	CHECK_STR(name_at(s, "192.0.2.1", 200), "one.example");
	CHECK_STR(name_at(s, "192.0.2.2", 200), "");
	/* before anybody knew, and by somebody who never asked */
	CHECK_STR(name_at(s, "192.0.2.1", 99), "");
	CHECK_STR(name_at(other, "192.0.2.1", 200), "");
	/* the same address in the other family */
	CHECK_STR(name_at(s, "::ffff:192.0.2.1", 200), "one.example");
	told(s, "six.example", "2001:db8::1", 100);
	CHECK_STR(name_at(s, "2001:db8::1", 200), "six.example");
	/* an address is no name of another, nor is what no host can be called */
	told(s, "192.0.2.9", "192.0.2.9", 100);
	CHECK_STR(name_at(s, "192.0.2.9", 200), "");
	told(s, "a\nb", "192.0.2.9", 100);
	CHECK_STR(name_at(s, "192.0.2.9", 200), "");
	end();
}

static void the_last_name_counts(void)
{
	struct recorder_span *s;

	begin();
	s = span();
	told(s, "one.example", "192.0.2.1", 100);
	told(s, "two.example", "192.0.2.1", 200);
	CHECK_STR(name_at(s, "192.0.2.1", 150), "one.example");
	CHECK_STR(name_at(s, "192.0.2.1", 250), "two.example");
	told(s, "one.example", "192.0.2.1", 300);
	CHECK_STR(name_at(s, "192.0.2.1", 350), "one.example");
	CHECK_INT(tree.hosts.count, 3);
	/* again and again: nothing grows */
	for (uint64_t i = 0; i < 1000; i++)
		told(s, "one.example", "192.0.2.1", 400 + i);
	CHECK_INT(tree.hosts.count, 3);
	end();
}

static void children_know_what_was_known_before(void)
{
	struct recorder_span *s, *child, *grandchild, *image;

	begin();
	s = span();
	child = span();
	grandchild = span();
	image = span();
	told(s, "one.example", "192.0.2.1", 100);
	recorder_hosts_fork(child, s, 200);
	told(s, "late.example", "192.0.2.2", 300);
	CHECK_STR(name_at(child, "192.0.2.1", 400), "one.example");
	CHECK_STR(name_at(child, "192.0.2.2", 400), "");
	CHECK_STR(name_at(s, "192.0.2.2", 400), "late.example");
	/* what the child learns is its own, and its children's */
	told(child, "mine.example", "192.0.2.1", 400);
	recorder_hosts_fork(grandchild, child, 500);
	CHECK_STR(name_at(child, "192.0.2.1", 600), "mine.example");
	CHECK_STR(name_at(s, "192.0.2.1", 600), "one.example");
	CHECK_STR(name_at(grandchild, "192.0.2.1", 600), "mine.example");
	/* told late, but looked up before the fork */
	told(s, "early.example", "192.0.2.3", 150);
	CHECK_STR(name_at(grandchild, "192.0.2.3", 600), "early.example");
	/* another image is the same process */
	recorder_hosts_exec(image, child);
	CHECK_STR(name_at(image, "192.0.2.1", 600), "mine.example");
	told(image, "next.example", "192.0.2.4", 700);
	CHECK_STR(name_at(child, "192.0.2.4", 800), "next.example");
	end();
}

static void much_is_bounded(void)
{
	struct recorder_span *s[100];
	char addr[32];

	begin();
	for (unsigned i = 0; i < 100; i++)
		s[i] = span();
	for (unsigned i = 0; i < 100; i++) {
		if (i)
			recorder_hosts_fork(s[i], s[i - 1], 1);
		for (unsigned k = 0; k < 300; k++) {
			(void)snprintf(addr, sizeof(addr), "10.%u.%u.%u", i, k >> 8, k & 255);
			told(s[i], "many.example", addr, k);
		}
	}
	CHECK_INT(tree.hosts.count, RECORDER_HOSTS_ALL_MAX);
	/* the last ones of a process are kept */
	CHECK_STR(name_at(s[0], "10.0.1.43", 1000), "many.example");
	CHECK_STR(name_at(s[0], "10.0.0.1", 1000), "");
	CHECK_STR(name_at(s[99], "10.99.0.0", 1000), "");
	end();
}

static void answers_of_a_server(void)
{
	static const char answer[] = "\0\0\x81\x80\0\1\0\1\0\0\0\0\1a\1b\0\0\1\0\1"
				     "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xc0\0\2\1";
	struct kernel_fact f = {.kind = KERNEL_FACT_DNS, .datagram = {answer, sizeof(answer) - 1}};
	struct recorder_span *s;

	begin();
	s = span();
	recorder_hosts_answer(&tree.hosts, s, &f, 100);
	CHECK_STR(name_at(s, "192.0.2.1", 200), "a.b (seen)");
	/* that the library says the same takes nothing from it */
	told(s, "a.b", "192.0.2.1", 150);
	CHECK_STR(name_at(s, "192.0.2.1", 200), "a.b (seen)");
	f.datagram.len = 5;
	recorder_hosts_answer(&tree.hosts, s, &f, 300);
	CHECK_INT(tree.hosts.count, 1);
	end();
}

int main(void)
{
	TAP_RUN(what_was_looked_up);
	TAP_RUN(the_last_name_counts);
	TAP_RUN(children_know_what_was_known_before);
	TAP_RUN(much_is_bounded);
	TAP_RUN(answers_of_a_server);
	return tap_done();
}
