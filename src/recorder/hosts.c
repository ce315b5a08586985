/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of addresses: a list for each process, and behind it that of the process that forked it, as
 * far as it went at that moment.
 */
#include "recorder/hosts.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/dns.h"
#include "recorder/tree.h"

struct name {
	uint64_t ts_ns;
	struct in6_addr addr; /* IPv4: mapped */
	bool observed;
	char text[]; /* with its NUL */
};

struct recorder_names {
	unsigned refs;
	struct recorder_names *base; /* of who forked this process ... */
	uint64_t forked_ns;          /* ... and when */
	struct name **list;          /* NULL: it never looked one up */
	unsigned count, next;        /* @next: the oldest, once the list is full */
};

static struct recorder_names *names_new(struct recorder_names *base, uint64_t forked_ns)
{
	struct recorder_names *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->refs = 1;
	n->base = base;
	n->forked_ns = forked_ns;
	if (base)
		base->refs++;
	return n;
}

static void names_unref(struct recorder_hosts *h, struct recorder_names *n)
{
	while (n && --n->refs == 0) {
		struct recorder_names *base = n->base;

		for (unsigned i = 0; i < n->count; i++)
			free(n->list[i]);
		h->count -= n->count;
		free(n->list);
		free(n);
		n = base;
	}
}

void recorder_hosts_fork(struct recorder_span *child, struct recorder_span *from, uint64_t ts_ns)
{
	/* it may look names up in the moment before its child is known of */
	if (!from->names)
		from->names = names_new(NULL, 0);
	if (!child->names)
		child->names = names_new(from->names, ts_ns);
}

void recorder_hosts_exec(struct recorder_span *next, struct recorder_span *from)
{
	if (!from->names)
		from->names = names_new(NULL, 0);
	if (next->names || !from->names)
		return;
	next->names = from->names;
	next->names->refs++;
}

void recorder_hosts_forget(struct recorder_hosts *h, struct recorder_span *s)
{
	names_unref(h, s->names);
	s->names = NULL;
}

static const struct name *newest(const struct recorder_names *n, const struct in6_addr *addr,
				 uint64_t until)
{
	const struct name *found = NULL;

	for (unsigned i = 0; i < n->count; i++) {
		const struct name *x = n->list[i];

		if (x->ts_ns <= until && (!found || x->ts_ns >= found->ts_ns) &&
		    memcmp(&x->addr, addr, sizeof(*addr)) == 0)
			found = x;
	}
	return found;
}

static void learn(struct recorder_hosts *h, struct recorder_span *s, const char *text,
		  const struct in6_addr *addr, uint64_t ts_ns, bool observed)
{
	const struct name *known;
	struct recorder_names *n;
	struct name *x;

	if (!s->names)
		s->names = names_new(NULL, 0);
	n = s->names;
	if (!n)
		return;
	known = newest(n, addr, UINT64_MAX);
	if (known && known->ts_ns <= ts_ns && strcmp(known->text, text) == 0)
		return;
	if (!n->list)
		n->list = calloc(RECORDER_HOSTS_MAX, sizeof(struct name *));
	if (!n->list || (h->count >= RECORDER_HOSTS_ALL_MAX && !n->count))
		return;
	x = malloc(sizeof(*x) + strlen(text) + 1);
	if (!x)
		return;
	*x = (struct name){.ts_ns = ts_ns, .addr = *addr, .observed = observed};
	memcpy(x->text, text, strlen(text) + 1);
	if (n->count == RECORDER_HOSTS_MAX || h->count >= RECORDER_HOSTS_ALL_MAX) {
		n->next %= n->count;
		free(n->list[n->next]);
		n->list[n->next++] = x;
		return;
	}
	n->list[n->count++] = x;
	h->count++;
}

static void map_four(struct in6_addr *to, const void *four)
{
	memset(to, 0, sizeof(*to));
	to->s6_addr[10] = to->s6_addr[11] = 0xff;
	memcpy(to->s6_addr + 12, four, 4);
}

/* The address inside of a socket address of any alignment; false: it has none. */
static bool addr_of(const void *data, size_t len, struct in6_addr *ret)
{
	sa_family_t family;

	if (len < sizeof(family))
		return false;
	memcpy(&family, data, sizeof(family));
	if (family == AF_INET && len >= offsetof(struct sockaddr_in, sin_addr) + 4)
		map_four(ret, (const char *)data + offsetof(struct sockaddr_in, sin_addr));
	else if (family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_addr) + 16)
		memcpy(ret, (const char *)data + offsetof(struct sockaddr_in6, sin6_addr), 16);
	else
		return false;
	return true;
}

void recorder_hosts_told(struct recorder_hosts *h, struct recorder_span *s, const struct event *ev)
{
	char name[KERNEL_DNS_NAME_MAX];
	struct in6_addr addr;

	if (!event_call_looks_up(ev->call) || !ev->extra.len || !ev->args[0].data ||
	    ev->args[0].cut || kernel_dns_name(ev->args[0].data, ev->args[0].len, name) < 0)
		return;
	for (size_t at = 0, len; at < ev->extra.len; at += 1 + len) {
		len = (unsigned char)ev->extra.data[at];
		if (!len || len > ev->extra.len - at - 1)
			return;
		if (addr_of(ev->extra.data + at + 1, len, &addr))
			learn(h, s, name, &addr, ev->ts_ns + ev->elapsed_ns, false);
	}
}

void recorder_hosts_answer(struct recorder_hosts *h, struct recorder_span *s,
			   const struct kernel_fact *f, uint64_t ts_ns)
{
	struct kernel_dns d;
	struct in6_addr addr;

	if (!f->datagram.data || kernel_dns_parse(f->datagram.data, f->datagram.len, &d) < 0)
		return;
	for (unsigned i = 0; i < d.addr_count; i++) {
		if (d.addrs[i].len == 4)
			map_four(&addr, d.addrs[i].bytes);
		else
			memcpy(&addr, d.addrs[i].bytes, sizeof(addr));
		learn(h, s, d.name, &addr, ts_ns, true);
	}
}

void recorder_hosts_find(const struct recorder_hosts *h, const struct recorder_span *s,
			 struct event *ev)
{
	const char *layout = event_call_info(ev->call)->layout, *a = strchr(layout, 'a');
	const struct recorder_names *n = s->names;
	const struct event_arg *arg;
	uint64_t until = ev->ts_ns;
	struct in6_addr addr;

	if (!h->count || !a)
		return;
	arg = &ev->args[a - layout];
	if (arg->absent || !arg->data || !addr_of(arg->data, arg->len, &addr))
		return;
	for (unsigned i = 0; n && i < RECORDER_HOSTS_DEPTH; i++) {
		const struct name *x = newest(n, &addr, until);

		if (x) {
			ev->host = (struct event_text){x->text, strlen(x->text)};
			ev->host_observed = x->observed;
			return;
		}
		until = n->forked_ns < until ? n->forked_ns : until;
		n = n->base;
	}
}
