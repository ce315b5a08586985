/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as text: against inet_ntop(3), and as bytes that are too few. */
#include "agent/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tap.h"

static struct wire_frame frame;
static char text[AGENT_ADDRESS_MAX + 1];

/* From a buffer of exact size: a sanitizer sees the first byte too many. */
static bool put(const void *addr, size_t len)
{
	void *exact = malloc(len + !len);
	bool r;

	memcpy(exact, addr, len);
	frame = (struct wire_frame){0};
	r = agent_address_put(&frame, text, exact, len);
	free(exact);
	if (r)
		text[frame.addr.len] = '\0';
	return r;
}

static void as_everybody_writes_them(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(443)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(65535)};
	char want[INET6_ADDRSTRLEN];

	srandom(7);
	for (int i = 0; i < 200000; i++) {
		in.sin_addr.s_addr = (uint32_t)random();
		CHECK(put(&in, sizeof(in)));
		CHECK_STR(text, inet_ntop(AF_INET, &in.sin_addr, want, sizeof(want)));
		/* groups of zeros at every place, in every length */
		for (int k = 0; k < 8; k++)
			in6.sin6_addr.s6_addr16[k] =
				random() % 3 ? 0 : htons((uint16_t)(random() >> random() % 20));
		/* an IPv4 address inside, written by others as such, is a number to us */
		if (!in6.sin6_addr.s6_addr32[0] && !in6.sin6_addr.s6_addr32[1] &&
		    !in6.sin6_addr.s6_addr16[4] && !in6.sin6_addr.s6_addr16[5])
			in6.sin6_addr.s6_addr16[0] = 1;
		CHECK(put(&in6, sizeof(in6)));
		CHECK_STR(text, inet_ntop(AF_INET6, &in6.sin6_addr, want, sizeof(want)));
	}
	CHECK(frame.port == 65535 && frame.has == (WIRE_HAS(addr) | WIRE_HAS(port)));
}

static void those_that_are_special(void)
{
	static const char *const same[] = {"::",      "::1",   "1::",      "::ffff:192.0.2.1",
					   "1:0:2::", "0:1::", "::1:0:0:1"};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		CHECK_INT(inet_pton(AF_INET6, same[i], &in6.sin6_addr), 1);
		CHECK(put(&in6, 24));
		CHECK_INT(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
		CHECK(i == 5 || i == 6 || strcmp(text, same[i]) == 0);
	}
}

static void names_of_unix_sockets(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t base = offsetof(struct sockaddr_un, sun_path);

	memcpy(un.sun_path, "/a\0b", 4);
	CHECK(put(&un, base + 4));
	CHECK_STR(text, "unix:/a");
	CHECK_INT(frame.has, WIRE_HAS(addr));
	memcpy(un.sun_path, "\0a\0b", 4);
	CHECK(put(&un, base + 4));
	CHECK(frame.addr.len == 9 && memcmp(text, "unix:@a\0b", 9) == 0);
	CHECK(put(&un, base));
	CHECK_STR(text, "unix:");
	memset(un.sun_path, 'x', sizeof(un.sun_path));
	CHECK(put(&un, sizeof(un)));
	CHECK_INT(frame.addr.len, 5 + sizeof(un.sun_path));
}

static void what_is_none(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr other = {.sa_family = AF_NETLINK};

	for (size_t len = 0; len < sizeof(in); len++)
		CHECK(!put(&in, len));
	for (size_t len = 0; len < 24; len++)
		CHECK(!put(&in6, len));
	CHECK(!put(&other, sizeof(other)));
}

int main(void)
{
	TAP_RUN(as_everybody_writes_them);
	TAP_RUN(those_that_are_special);
	TAP_RUN(names_of_unix_sockets);
	TAP_RUN(what_is_none);
	return tap_done();
}
