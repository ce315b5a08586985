/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder's end of the proxy. */
#include "recorder/connections.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/time.h"

#define SITES_MAX   256
#define EVENTS_EACH 32 /* of one refused site; then one whenever their number has doubled */
#define FINISH_MS   3000

/* Attempts of one kind: same host, port and outcome. */
struct site {
	char host[256];
	uint16_t port;
	uint8_t outcome, protocol;
	uint64_t count, told, bytes_sent, bytes_received, first_ns;
};

struct recorder_connections {
	struct proxy *proxy;
	int fd; /* the proxy's */
	struct proxy_rule *rules;
	size_t rule_count;
	struct site sites[SITES_MAX]; /* the last one is for all that found no place */
	size_t site_count;
};

static const char *const outcomes[] = {
	[PROXY_CLOSED] = "closed",       [PROXY_FAILED] = "failed",
	[PROXY_TIMED_OUT] = "timeout",   [PROXY_CUT] = "cut",
	[PROXY_NOT_NAMED] = "not_named", [PROXY_INNER_ADDR] = "inner_address",
	[PROXY_MALFORMED] = "malformed",
};
static const char *const protocols[] = {
	[PROXY_HTTP] = "http",
	[PROXY_CONNECT] = "connect",
	[PROXY_SOCKS] = "socks5",
};

static struct event_text text_of(const char *s)
{
	return (struct event_text){s, strlen(s)};
}

static int add_rules(struct recorder_connections *c, const char *const *hosts, size_t count,
		     struct tt_err *err)
{
	const char *why = "";

	for (size_t i = 0; i < count; i++)
		if (proxy_rule_parse(hosts[i], &c->rules[c->rule_count++], &why) < 0)
			return tt_fail_text(err, EINVAL, "allow host '%s': %s", hosts[i], why);
	return 0;
}

int recorder_connections_open(struct recorder_connections **ret, const struct policy *p,
			      const char *const *hosts, size_t host_count, struct tt_err *err)
{
	static const uint64_t tcp[6] = {AF_INET, SOCK_STREAM | SOCK_CLOEXEC};
	struct recorder_connections *c;
	struct proxy_options opts = {0};
	int r;

	if (!host_count && !p->allow_host_count)
		return 0;
	if (!p->sandboxed || p->network == POLICY_NET_HOST)
		return tt_fail_text(err, EINVAL,
				    "allow host '%s': profile %s leaves the whole network open",
				    host_count ? hosts[0] : p->allow_hosts[0], p->name);
	if (p->filter && policy_decide(p, SYS_socket, tcp).action > POLICY_LOG)
		return tt_fail_text(err, EINVAL,
				    "allow host '%s': profile %s refuses sockets, with which the "
				    "command would ask for it",
				    host_count ? hosts[0] : p->allow_hosts[0], p->name);
	c = calloc(1, sizeof(*c));
	if (c)
		c->rules = calloc(host_count + p->allow_host_count, sizeof(*c->rules));
	if (!c || !c->rules) {
		free(c);
		return tt_fail(err, ENOMEM, "allow hosts");
	}
	r = add_rules(c, p->allow_hosts, p->allow_host_count, err);
	if (r == 0)
		r = add_rules(c, hosts, host_count, err);
	opts.rules = c->rules;
	opts.rule_count = c->rule_count;
	if (r == 0)
		r = proxy_start(&opts, &c->proxy, err);
	if (r < 0) {
		recorder_connections_free(c);
		return r;
	}
	c->fd = proxy_fd(c->proxy);
	*ret = c;
	return 0;
}

void recorder_connections_free(struct recorder_connections *c)
{
	if (!c)
		return;
	proxy_free(c->proxy);
	free(c->rules);
	free(c);
}

struct proxy *recorder_connections_proxy(const struct recorder_connections *c)
{
	return c ? c->proxy : NULL;
}

int *recorder_connections_fd(struct recorder_connections *c)
{
	return &c->fd;
}

static struct site *find_site(struct recorder_connections *c, const struct proxy_report *r)
{
	struct site *s;

	for (size_t i = 0; i < c->site_count; i++) {
		s = &c->sites[i];
		if (s->port == r->port && s->outcome == r->outcome && s->protocol == r->protocol &&
		    strcmp(s->host, r->host) == 0)
			return s;
	}
	s = &c->sites[c->site_count < SITES_MAX - 1 ? c->site_count++ : SITES_MAX - 1];
	if (s == &c->sites[SITES_MAX - 1]) {
		c->site_count = SITES_MAX;
		return s;
	}
	(void)snprintf(s->host, sizeof(s->host), "%s", r->host);
	s->port = r->port;
	s->outcome = r->outcome;
	s->protocol = r->protocol;
	s->first_ns = r->started_ns;
	return s;
}

/* For how many attempts the line of this one stands; 0: it gets none. */
static uint64_t lines_due(struct site *s, const struct proxy_report *r)
{
	bool doubled = !(s->count & (s->count - 1));
	uint64_t due;

	if (!proxy_is_refused(r))
		return 1;
	if (s->count > EVENTS_EACH && !doubled)
		return 0;
	if (!s->first_ns)
		return 1; /* of the others there only run.json tells */
	due = s->count - s->told;
	s->told = s->count;
	return due;
}

static void put_event(const struct recorder_connections_run *run, const struct proxy_report *r,
		      uint64_t count)
{
	char addr[PROXY_ADDR_TEXT_MAX], text[PROXY_ADDR_TEXT_MAX + 16];
	struct event_connection link = {
		.host = text_of(r->host),
		.outcome = text_of(outcomes[r->outcome]),
		.protocol = text_of(protocols[r->protocol]),
		.port = r->port,
		.bytes_sent = r->bytes_sent,
		.bytes_received = r->bytes_received,
		.refused = proxy_is_refused(r),
		.count = count,
	};
	struct event ev = {
		.type = EVENT_CONNECTION,
		.source = EVENT_FROM_PROXY,
		.ts_ns = r->started_ns,
		.ids = run->ids,
		.span = run->span,
		.parent = run->parent,
		.elapsed_ns = r->elapsed_ns,
		.error = r->error,
		.connection = &link,
	};

	if (r->has_addr) {
		proxy_addr_text(addr, &r->addr);
		(void)snprintf(text, sizeof(text), r->addr.six ? "[%s]:%u" : "%s:%u", addr,
			       r->port);
		link.addr = text_of(text);
	}
	recorder_output_event(run->out, &ev);
}

static void take(struct recorder_connections *c, const struct recorder_connections_run *run,
		 struct proxy_report *r)
{
	struct site *s;
	uint64_t due;

	if (r->outcome >= TT_ARRAY_SIZE(outcomes) || r->protocol >= TT_ARRAY_SIZE(protocols) ||
	    !memchr(r->host, 0, sizeof(r->host)))
		return;
	/* what is no host may be any bytes */
	for (char *at = r->host; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	s = find_site(c, r);
	s->count++;
	s->bytes_sent += r->bytes_sent;
	s->bytes_received += r->bytes_received;
	due = lines_due(s, r);
	if (due)
		put_event(run, r, due);
}

bool recorder_connections_take(struct recorder_connections *c,
			       const struct recorder_connections_run *run)
{
	struct proxy_report r;
	int n;

	while ((n = proxy_read(c->proxy, &r)) > 0)
		take(c, run, &r);
	return n == 0;
}

void recorder_connections_finish(struct recorder_connections *c,
				 const struct recorder_connections_run *run)
{
	uint64_t end_ns = tt_clock_ns(CLOCK_MONOTONIC) + FINISH_MS * TT_NS_PER_MS, now_ns;
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	if (!c->proxy)
		return;
	proxy_finish(c->proxy);
	while (recorder_connections_take(c, run)) {
		now_ns = tt_clock_ns(CLOCK_MONOTONIC);
		if (now_ns >= end_ns)
			break;
		(void)poll(&p, 1, (int)((end_ns - now_ns) / TT_NS_PER_MS) + 1);
	}
	proxy_free(c->proxy);
	c->proxy = NULL;
	c->fd = -1;
}

int recorder_connections_env(char ***envp, struct tt_err *err)
{
	static char vars[][48] = {
#define URL "http://127.0.0.1:" PROXY_PORT_TEXT
		"http_proxy=" URL,
		"HTTP_PROXY=" URL,
		"https_proxy=" URL,
		"HTTPS_PROXY=" URL,
		"all_proxy=" URL,
		"ALL_PROXY=" URL,
		"no_proxy=localhost,127.0.0.1,::1",
		"NO_PROXY=localhost,127.0.0.1,::1",
#undef URL
	};
	size_t n = 0;
	char **list;

	while ((*envp)[n])
		n++;
	list = malloc((n + TT_ARRAY_SIZE(vars) + 1) * sizeof(*list));
	if (!list)
		return tt_fail(err, ENOMEM, "name the proxy in the environment");
	n = 0;
	for (char **e = *envp; *e; e++) {
		bool ours = false;

		for (size_t i = 0; i < TT_ARRAY_SIZE(vars); i++)
			ours |= strncmp(*e, vars[i], strcspn(vars[i], "=") + 1) == 0;
		if (!ours)
			list[n++] = *e;
	}
	for (size_t i = 0; i < TT_ARRAY_SIZE(vars); i++)
		list[n++] = vars[i];
	list[n] = NULL;
	free(*envp);
	*envp = list;
	return 0;
}

static json_t *site_json(const struct site *s)
{
	char ts[TT_TIME_TEXT_LEN + 1];
	json_t *j;

	/* what found no place of its own */
	if (!s->first_ns)
		return json_pack("{s:n, s:I, s:I, s:I}", "host", "count", (json_int_t)s->count,
				 "bytes_sent", (json_int_t)s->bytes_sent, "bytes_received",
				 (json_int_t)s->bytes_received);
	tt_time_text(ts, s->first_ns);
	j = json_pack("{s:s, s:i, s:s, s:s, s:b, s:I, s:I, s:I, s:s}", "host", s->host, "port",
		      s->port, "protocol", protocols[s->protocol], "outcome", outcomes[s->outcome],
		      "allowed", s->outcome < PROXY_NOT_NAMED, "count", (json_int_t)s->count,
		      "bytes_sent", (json_int_t)s->bytes_sent, "bytes_received",
		      (json_int_t)s->bytes_received, "first_at", ts);
	return j;
}

json_t *recorder_connections_list(const struct recorder_connections *c)
{
	json_t *list = json_array();

	for (size_t i = 0; c && i < c->site_count; i++)
		(void)json_array_append_new(list, site_json(&c->sites[i]));
	return list;
}
