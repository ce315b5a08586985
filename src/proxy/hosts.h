/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hosts a sandboxed command may reach: rules as the user writes them, names and addresses as
 * the command asks for them. Pure; nothing allocates; signal- and thread-safe.
 */
#ifndef TT_PROXY_HOSTS_H
#define TT_PROXY_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

#define PROXY_NAME_MAX      254 /* 253 bytes of a host name, and a NUL */
#define PROXY_ADDR_TEXT_MAX 48

struct proxy_addr {
	bool six;
	uint8_t bytes[16]; /* network order; the first 4 of an IPv4 address, the rest zero */
};

/* What a request names. */
struct proxy_host {
	bool literal;              /* @addr, not @name */
	struct proxy_addr addr;    /* never an IPv4 address in the clothes of an IPv6 one */
	char name[PROXY_NAME_MAX]; /* lower case, no dot at the end */
};

enum proxy_rule_kind {
	PROXY_RULE_NAME,   /* example.org */
	PROXY_RULE_SUFFIX, /* *.example.org: what ends in .example.org */
	PROXY_RULE_NET,    /* 192.0.2.1, 192.0.2.0/24, 2001:db8::/32 */
};

struct proxy_rule {
	enum proxy_rule_kind kind;
	char name[PROXY_NAME_MAX];
	struct proxy_addr net;
	uint8_t bits;
	uint16_t port; /* 0: 80 and 443 */
};

/*
 * proxy_rule_parse - "HOST", "HOST:PORT", "*.SUFFIX[:PORT]", "ADDR[/BITS]", "[ADDR6[/BITS]]:PORT"
 * @why: set to what is wrong with it, static
 * Returns 0 or -EINVAL.
 */
int proxy_rule_parse(const char *text, struct proxy_rule *ret, const char **why) TT_MUST_CHECK;

/*
 * proxy_host_parse - the host of a request, without its port; an IPv6 address stands in brackets
 * Strict, where resolvers are not: addresses have their one usual spelling, names consist of
 * letters, digits, "-" and "_", and none of them ends in a number, which inet_aton(3) would take
 * for an address. Returns 0 or -EINVAL.
 */
int proxy_host_parse(const char *text, size_t len, struct proxy_host *ret) TT_MUST_CHECK;

/* proxy_port_parse - 1 to 65535 in decimal, no sign, no zero in front. Returns 0 or -EINVAL. */
int proxy_port_parse(const char *text, size_t len, uint16_t *ret) TT_MUST_CHECK;

/* proxy_rules_allow - whether a rule names @host and @port */
bool proxy_rules_allow(const struct proxy_rule *rules, size_t count, const struct proxy_host *host,
		       uint16_t port);

/*
 * proxy_addr_is_inner - whether it is an address of this machine, of a local network or otherwise
 * not of the public Internet: loopback, private, link-local, multicast, and those that carry an
 * IPv4 address of these kinds in them
 */
bool proxy_addr_is_inner(const struct proxy_addr *addr);

bool proxy_addr_equal(const struct proxy_addr *a, const struct proxy_addr *b);

/* proxy_addr_text - "192.0.2.1", "2001:db8::1" */
void proxy_addr_text(char buf[PROXY_ADDR_TEXT_MAX], const struct proxy_addr *addr);

#endif
