/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as text: IPv6 as RFC 5952 wants it. */
#include "agent/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/out.h"

#define INET6_LEAST 24 /* without the scope, which old programs do not know */
#define GROUPS      8

static void put_ip4(struct tt_out *o, const uint8_t *ip)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			tt_out_char(o, '.');
		tt_out_u64(o, ip[i]);
	}
}

static void put_group(struct tt_out *o, unsigned v)
{
	bool begun = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned digit = v >> shift & 15;

		begun = begun || digit || shift == 0;
		if (begun)
			tt_out_char(o, "0123456789abcdef"[digit]);
	}
}

/* The longest run of two groups or more that are 0, the first of several: what "::" stands for. */
static int longest_run(const unsigned *groups, int *ret_len)
{
	int best = -1, len = 1;

	for (int i = 0; i < GROUPS; i++) {
		int n = 0;

		while (i + n < GROUPS && !groups[i + n])
			n++;
		if (n > len) {
			best = i;
			len = n;
		}
		i += n;
	}
	*ret_len = best < 0 ? 0 : len;
	return best;
}

static void put_ip6(struct tt_out *o, const uint8_t *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	unsigned groups[GROUPS];
	int run, len;

	if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
		tt_out_str(o, "::ffff:");
		put_ip4(o, ip + sizeof(mapped));
		return;
	}
	for (int i = 0; i < GROUPS; i++)
		groups[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
	run = longest_run(groups, &len);
	for (int i = 0; i < GROUPS;) {
		if (i == run) {
			tt_out_str(o, "::");
			i += len;
			continue;
		}
		if (i && i != run + len)
			tt_out_char(o, ':');
		put_group(o, groups[i++]);
	}
}

static void put_unix(struct tt_out *o, const struct sockaddr_un *un, size_t len)
{
	size_t n = len - offsetof(struct sockaddr_un, sun_path);

	if (n > sizeof(un->sun_path))
		n = sizeof(un->sun_path);
	tt_out_str(o, "unix:");
	/* an abstract name has a length, a path ends at its NUL */
	if (n && !un->sun_path[0]) {
		tt_out_char(o, '@');
		tt_out_mem(o, un->sun_path + 1, n - 1);
	} else {
		tt_out_mem(o, un->sun_path, strnlen(un->sun_path, n));
	}
}

bool agent_address_put(struct wire_frame *f, char *buf, const void *addr, size_t len)
{
	union {
		sa_family_t family;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u = {0};
	struct tt_out o;

	tt_out_init(&o, buf, AGENT_ADDRESS_MAX);
	memcpy(&u, addr, len < sizeof(u) ? len : sizeof(u));
	if (u.family == AF_INET && len >= sizeof(u.in)) {
		put_ip4(&o, (const uint8_t *)&u.in.sin_addr);
		f->port = ntohs(u.in.sin_port);
	} else if (u.family == AF_INET6 && len >= INET6_LEAST) {
		put_ip6(&o, (const uint8_t *)&u.in6.sin6_addr);
		f->port = ntohs(u.in6.sin6_port);
	} else if (u.family == AF_UNIX && len >= sizeof(u.family)) {
		put_unix(&o, &u.un, len);
	} else {
		return false;
	}
	f->addr = (struct wire_text){buf, o.len};
	f->has |= WIRE_HAS(addr) | (u.family == AF_UNIX ? 0 : WIRE_HAS(port));
	return true;
}
