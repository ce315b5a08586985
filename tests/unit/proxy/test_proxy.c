/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy's process: real connections over loopback, names from a resolver of the test's own. */
#include "proxy/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tap.h"

#define WAIT_MS 10000

static uint16_t server_port, closed_port, way_in;
static int server_fd, listen_fd;
static struct proxy *proxy;
static struct proxy_rule rules[8];
static size_t rule_count;

static int socket_on(uint16_t *ret_port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_ANY)}};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 512) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		abort();
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

static int call(uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		abort();
	return fd;
}

/* What comes until @want bytes, the end or the time is over. */
static size_t hear(int fd, char *buf, size_t cap, size_t want)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t got = 0;
	ssize_t n;

	while (got < want && got < cap && poll(&p, 1, WAIT_MS) == 1) {
		n = recv(fd, buf + got, cap - got, 0);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

static const char *hear_text(int fd, size_t want)
{
	static char text[8192];

	text[hear(fd, text, sizeof(text) - 1, want)] = '\0';
	return text;
}

static bool tell(int fd, const char *text, size_t len)
{
	return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static int resolve(const char *name, struct proxy_answer ret[PROXY_ADDRS_MAX])
{
	struct proxy_addr home = {false, {127, 0, 0, 1}};

	if (strcmp(name, "slow.test") == 0)
		sleep(3);
	if (strcmp(name, "two.test") == 0) {
		ret[0] = (struct proxy_answer){.addr = {false, {10, 0, 0, 1}}, .inner = true};
		ret[1] = (struct proxy_answer){.addr = home, .inner = false};
		return 2;
	}
	if (strcmp(name, "public.test") && strcmp(name, "rebound.test"))
		return -ENOENT;
	ret[0] = (struct proxy_answer){.addr = home, .inner = strcmp(name, "rebound.test") == 0};
	return 1;
}

static struct proxy_report report(void)
{
	struct pollfd p = {.fd = proxy_fd(proxy), .events = POLLIN};
	struct proxy_report r = {.outcome = 255};

	if (poll(&p, 1, WAIT_MS) != 1 || proxy_read(proxy, &r) != 1)
		r.outcome = 254;
	return r;
}

static int through(const char *text)
{
	int fd = call(way_in);

	if (!tell(fd, text, strlen(text)))
		abort();
	return fd;
}

static const char *request(const char *before, const char *host, uint16_t port, const char *after)
{
	static char text[1024];

	(void)snprintf(text, sizeof(text), "%s%s:%u%s", before, host, port, after);
	return text;
}

static const char *connect_to(const char *host, uint16_t port)
{
	return request("CONNECT ", host, port, " HTTP/1.1\r\n\r\n");
}

static void tunnels_carry_bytes_and_ends(void)
{
	int fd =
		through(request("CONNECT ", "Public.TEST.", server_port, " HTTP/1.1\r\n\r\nearly"));
	int far = accept(server_fd, NULL, NULL);
	struct proxy_report r;

	CHECK_STR(hear_text(fd, 39), "HTTP/1.1 200 Connection established\r\n\r\n");
	CHECK_STR(hear_text(far, 5), "early");
	CHECK(tell(fd, " and late", 9));
	CHECK_STR(hear_text(far, 9), " and late");
	/* half-closed: the other direction goes on */
	CHECK_INT(shutdown(fd, SHUT_WR), 0);
	CHECK_STR(hear_text(far, 1), "");
	CHECK(tell(far, "answer", 6));
	CHECK_STR(hear_text(fd, 6), "answer");
	CHECK_INT(close(far), 0);
	CHECK_STR(hear_text(fd, 1), "");
	CHECK_INT(close(fd), 0);
	r = report();
	CHECK_INT(r.outcome, PROXY_CLOSED);
	CHECK_INT(r.error, 0);
	CHECK_INT(r.protocol, PROXY_CONNECT);
	CHECK_STR(r.host, "public.test");
	CHECK_INT(r.port, server_port);
	CHECK_INT(r.bytes_sent, 14);
	CHECK_INT(r.bytes_received, 6);
	CHECK(r.has_addr && r.addr.bytes[0] == 127);
}

static void much_goes_through_both_ways(void)
{
	static char out[1 << 20], in[1 << 20];
	int fd = through(connect_to("public.test", server_port));
	int far = accept(server_fd, NULL, NULL), status;
	pid_t echo = fork();
	size_t got = 0;
	struct proxy_report r;

	if (echo == 0) {
		ssize_t n;

		while ((n = recv(far, in, sizeof(in), 0)) > 0)
			for (ssize_t at = 0; at < n;)
				at += send(far, in + at, (size_t)(n - at), 0);
		_exit(0);
	}
	(void)close(far);
	(void)hear_text(fd, 39);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 251);
	pid_t writer = fork();
	if (writer == 0) {
		for (size_t at = 0; at < sizeof(out);)
			at += (size_t)send(fd, out + at, sizeof(out) - at, 0);
		(void)shutdown(fd, SHUT_WR);
		_exit(0);
	}
	got = hear(fd, in, sizeof(in), sizeof(in));
	CHECK_INT(got, sizeof(out));
	CHECK(memcmp(in, out, sizeof(out)) == 0);
	(void)close(fd);
	CHECK_INT(waitpid(echo, &status, 0), echo);
	CHECK_INT(waitpid(writer, &status, 0), writer);
	r = report();
	CHECK_INT(r.bytes_sent, sizeof(out));
	CHECK_INT(r.bytes_received, sizeof(out));
}

static void plain_requests_end_with_their_body(void)
{
	char want[512];
	int fd = through(request("POST http://", "public.test", server_port,
				 "/p HTTP/1.1\r\nHost: other\r\nContent-Length: 4\r\n\r\n"
				 "bodyGET http://secret/ HTTP/1.1\r\n\r\n"));
	int far = accept(server_fd, NULL, NULL);
	struct proxy_report r;
	int n = snprintf(want, sizeof(want),
			 "POST /p HTTP/1.1\r\nHost: public.test:%u\r\nContent-Length: 4\r\n"
			 "Via: 1.1 telltale\r\nConnection: close\r\n\r\nbody",
			 server_port);

	CHECK_STR(hear_text(far, (size_t)n), want);
	CHECK(tell(fd, "more", 4));
	CHECK(tell(far, "HTTP/1.1 204 No\r\n\r\n", 19));
	CHECK_INT(shutdown(far, SHUT_WR), 0);
	CHECK_STR(hear_text(fd, 8191), "HTTP/1.1 204 No\r\n\r\n");
	(void)close(fd);
	CHECK_STR(hear_text(far, 1), "");
	(void)close(far);
	r = report();
	CHECK_INT(r.outcome, PROXY_CLOSED);
	CHECK_INT(r.protocol, PROXY_HTTP);
	CHECK_INT(r.bytes_sent, n);
}

static void refused(const char *text, const char *start, enum proxy_outcome outcome,
		    const char *host)
{
	int fd = through(text);
	const char *got = hear_text(fd, 8191);
	struct proxy_report r;

	if (strncmp(got, start, strlen(start)) != 0)
		TAP_FAIL_AT("%s: got %s", text, got);
	(void)close(fd);
	r = report();
	CHECK_INT(r.outcome, outcome);
	CHECK_STR(r.host, host);
}

static void what_is_not_named_is_refused(void)
{
	refused(connect_to("evil.test", server_port), "HTTP/1.1 403 ", PROXY_NOT_NAMED,
		"evil.test");
	refused(connect_to("public.test", 1), "HTTP/1.1 403 ", PROXY_NOT_NAMED, "public.test");
	refused(request("GET http://", "public.test.evil", server_port, "/ HTTP/1.1\r\n\r\n"),
		"HTTP/1.1 403 ", PROXY_NOT_NAMED, "public.test.evil");
	refused(connect_to("127.0.0.1", server_port), "HTTP/1.1 403 ", PROXY_NOT_NAMED,
		"127.0.0.1");
	refused(connect_to("2130706433", server_port), "HTTP/1.1 400 ", PROXY_MALFORMED,
		"2130706433");
	refused(connect_to("[::ffff:127.0.0.1]", server_port), "HTTP/1.1 400 ", PROXY_MALFORMED,
		"[::ffff:127.0.0.1]");
	refused("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", PROXY_MALFORMED, "");
	refused(connect_to("rebound.test", server_port), "HTTP/1.1 403 ", PROXY_INNER_ADDR,
		"rebound.test");
	/* of two addresses the inner one is passed over */
	int fd = through(connect_to("two.test", server_port));
	int far = accept(server_fd, NULL, NULL);

	CHECK_STR(hear_text(fd, 12), "HTTP/1.1 200 Connection established\r\n\r\n");
	(void)close(fd);
	(void)close(far);
	CHECK_INT(report().outcome, PROXY_CLOSED);
}

static void failures_are_told(void)
{
	refused(connect_to("gone.test", server_port), "HTTP/1.1 502 ", PROXY_FAILED, "gone.test");
	refused(connect_to("public.test", closed_port), "HTTP/1.1 502 ", PROXY_FAILED,
		"public.test");
}

static int socks(const char *name, uint16_t port)
{
	char text[300] = "\5\1\0\5\1\0\3";
	size_t len = strlen(name);

	text[7] = (char)len;
	memcpy(text + 8, name, len);
	text[8 + len] = (char)(port >> 8);
	text[9 + len] = (char)port;
	int fd = call(way_in);

	CHECK(tell(fd, text, 10 + len));
	return fd;
}

static void socks_is_spoken(void)
{
	char got[12];
	int fd = socks("public.test", server_port), far = accept(server_fd, NULL, NULL);

	CHECK_INT(hear(fd, got, sizeof(got), 12), 12);
	CHECK(memcmp(got, "\5\0\5\0\0\1\0\0\0\0\0\0", 12) == 0);
	CHECK(tell(far, "hi", 2));
	CHECK_STR(hear_text(fd, 2), "hi");
	(void)close(far);
	(void)close(fd);
	CHECK_INT(report().protocol, PROXY_SOCKS);
	fd = socks("evil.test", server_port);
	CHECK_INT(hear(fd, got, sizeof(got), 12), 12);
	CHECK_INT(got[3], 2);
	(void)close(fd);
	CHECK_INT(report().outcome, PROXY_NOT_NAMED);
}

/* Names that nobody answers hold up nobody else. */
static void slow_names_block_nobody(void)
{
	int slow[20], fd, far;

	for (size_t i = 0; i < TT_ARRAY_SIZE(slow); i++)
		slow[i] = through(connect_to("slow.test", 443));
	/* an address needs no helper */
	fd = through(connect_to("127.0.0.2", server_port));
	far = accept(server_fd, NULL, NULL);
	CHECK(far >= 0);
	(void)close(far);
	(void)close(fd);
	CHECK_INT(report().outcome, PROXY_CLOSED);
	for (size_t i = 0; i < TT_ARRAY_SIZE(slow); i++)
		(void)close(slow[i]);
}

/* More than it takes at a time wait; none is lost. Reports are read as they come, as they must. */
static void many_at_a_time(void)
{
	int fds[300], status = -1;
	size_t told = 0, good = 0;
	pid_t clients = fork();

	if (clients == 0) {
		for (size_t i = 0; i < TT_ARRAY_SIZE(fds); i++)
			fds[i] = through(connect_to("evil.test", 443));
		for (size_t i = 0; i < TT_ARRAY_SIZE(fds); i++) {
			good += strncmp(hear_text(fds[i], 12), "HTTP/1.1 403", 12) == 0;
			(void)close(fds[i]);
		}
		_exit(good != TT_ARRAY_SIZE(fds));
	}
	for (size_t i = 0; i < TT_ARRAY_SIZE(fds); i++)
		told += report().outcome == PROXY_NOT_NAMED;
	CHECK_INT(told, TT_ARRAY_SIZE(fds));
	CHECK_INT(waitpid(clients, &status, 0), clients);
	CHECK_INT(status, 0);
}

static void what_is_open_at_the_end_is_told(void)
{
	int fd = through(connect_to("public.test", server_port));
	int far = accept(server_fd, NULL, NULL);
	struct proxy_report r;
	unsigned cut = 0;

	(void)hear_text(fd, 39);
	proxy_finish(proxy);
	while ((r = report()).outcome < 254)
		cut += r.outcome == PROXY_CUT && strcmp(r.host, "public.test") == 0;
	CHECK_INT(cut, 1);
	CHECK_INT(proxy_read(proxy, &r), -EPIPE);
	CHECK_STR(hear_text(far, 1), "");
	(void)close(fd);
	(void)close(far);
	pid_t pid = proxy_pid(proxy);

	proxy_free(proxy);
	CHECK(kill(pid, 0) < 0);
}

static void add(const char *host, uint16_t port)
{
	char text[64];
	const char *why = "";

	(void)snprintf(text, sizeof(text), "%s:%u", host, port);
	if (proxy_rule_parse(text, &rules[rule_count++], &why) < 0)
		abort();
}

int main(void)
{
	struct proxy_options opts = {.rules = rules, .resolve = resolve};
	struct tt_err err;

	server_fd = socket_on(&server_port);
	(void)close(socket_on(&closed_port));
	listen_fd = socket_on(&way_in);
	add("public.test", server_port);
	add("public.test", closed_port);
	add("rebound.test", server_port);
	add("gone.test", server_port);
	add("two.test", server_port);
	add("127.0.0.2", server_port);
	add("slow.test", 443);
	opts.rule_count = rule_count;
	if (proxy_start(&opts, &proxy, &err) < 0 || proxy_give(proxy, listen_fd, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		return 1;
	}
	TAP_RUN(tunnels_carry_bytes_and_ends);
	TAP_RUN(much_goes_through_both_ways);
	TAP_RUN(plain_requests_end_with_their_body);
	TAP_RUN(what_is_not_named_is_refused);
	TAP_RUN(failures_are_told);
	TAP_RUN(socks_is_spoken);
	TAP_RUN(many_at_a_time);
	TAP_RUN(slow_names_block_nobody);
	TAP_RUN(what_is_open_at_the_end_is_told);
	return tap_done();
}
