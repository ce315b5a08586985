/* SPDX-License-Identifier: Apache-2.0 */
/* Host rules, and what they are held against. */
#include "proxy/hosts.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_MAX 63

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_byte(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

int proxy_port_parse(const char *text, size_t len, uint16_t *ret)
{
	unsigned v = 0;

	if (!len || len > 5 || text[0] == '0')
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return -EINVAL;
		v = v * 10 + (unsigned)(text[i] - '0');
	}
	if (v > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

/* "7", "0x7f": what inet_aton(3) takes for a part of an address. */
static bool is_number(const char *label, size_t len)
{
	size_t i = len > 1 && label[0] == '0' && lower(label[1]) == 'x' ? 2 : 0;
	bool hex = i == 2;

	for (; i < len; i++)
		if (!is_digit(label[i]) &&
		    !(hex && lower(label[i]) >= 'a' && lower(label[i]) <= 'f'))
			return false;
	return true;
}

static int parse_name(const char *text, size_t len, char ret[PROXY_NAME_MAX])
{
	size_t start = 0;

	if (len && text[len - 1] == '.')
		len--;
	if (!len || len >= PROXY_NAME_MAX)
		return -EINVAL;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] != '.') {
			if (!is_name_byte(text[i]))
				return -EINVAL;
			ret[i] = lower(text[i]);
			continue;
		}
		if (i == start || i - start > LABEL_MAX || text[start] == '-' || text[i - 1] == '-')
			return -EINVAL;
		if (i == len && is_number(text + start, i - start))
			return -EINVAL;
		ret[i] = i < len ? '.' : '\0';
		start = i + 1;
	}
	return 0;
}

/* The one usual spelling: inet_pton(3) takes no octal, no hex and no short forms. */
static int parse_addr(const char *text, size_t len, bool six, struct proxy_addr *ret)
{
	char copy[INET6_ADDRSTRLEN];

	if (!len || len >= sizeof(copy) || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*ret = (struct proxy_addr){.six = six};
	return inet_pton(six ? AF_INET6 : AF_INET, copy, ret->bytes) == 1 ? 0 : -EINVAL;
}

static bool has_prefix(const struct proxy_addr *addr, const struct proxy_addr *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (addr->six != net->six || memcmp(addr->bytes, net->bytes, whole) != 0)
		return false;
	return !rest || (addr->bytes[whole] ^ net->bytes[whole]) >> (8 - rest) == 0;
}

/* ::a.b.c.d and ::ffff:a.b.c.d */
static bool wears_six(const struct proxy_addr *addr)
{
	static const struct proxy_addr mapped = {true, {[10] = 0xff, [11] = 0xff}};
	static const struct proxy_addr compatible = {true, {0}};
	static const struct proxy_addr loopback = {true, {[15] = 1}};

	return has_prefix(addr, &mapped, 96) ||
	       (has_prefix(addr, &compatible, 96) && !proxy_addr_equal(addr, &compatible) &&
		!proxy_addr_equal(addr, &loopback));
}

int proxy_host_parse(const char *text, size_t len, struct proxy_host *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		ret->literal = true;
		if (parse_addr(text + 1, len - 2, true, &ret->addr) < 0 || wears_six(&ret->addr))
			return -EINVAL;
		return 0;
	}
	ret->literal = parse_addr(text, len, false, &ret->addr) == 0;
	return ret->literal ? 0 : parse_name(text, len, ret->name);
}

static int parse_net(const char *text, size_t len, bool six, struct proxy_rule *ret,
		     const char **why)
{
	const char *slash = memchr(text, '/', len);
	uint16_t bits = six ? 128 : 32;
	size_t addr_len = slash ? (size_t)(slash - text) : len;

	*why = "no address";
	if (parse_addr(text, addr_len, six, &ret->net) < 0)
		return -EINVAL;
	*why = "an IPv4 address is written as one";
	if (six && wears_six(&ret->net))
		return -EINVAL;
	*why = "the length of a network prefix is 1 to 32, with IPv6 to 128";
	if (slash &&
	    (proxy_port_parse(slash + 1, len - addr_len - 1, &bits) < 0 || bits > (six ? 128 : 32)))
		return -EINVAL;
	ret->kind = PROXY_RULE_NET;
	ret->bits = (uint8_t)bits;
	return 0;
}

static int parse_rule_host(const char *text, size_t len, struct proxy_rule *ret, const char **why)
{
	struct proxy_addr addr;

	if (memchr(text, ':', len))
		return parse_net(text, len, true, ret, why);
	if (memchr(text, '/', len) || parse_addr(text, len, false, &addr) == 0)
		return parse_net(text, len, false, ret, why);
	*why = "neither a host name nor an address";
	ret->kind = PROXY_RULE_NAME;
	if (len > 2 && text[0] == '*' && text[1] == '.') {
		ret->kind = PROXY_RULE_SUFFIX;
		text += 2;
		len -= 2;
	}
	return parse_name(text, len, ret->name);
}

int proxy_rule_parse(const char *text, struct proxy_rule *ret, const char **why)
{
	size_t len = strlen(text), host_len = len;
	const char *colon = strrchr(text, ':'), *end;

	memset(ret, 0, sizeof(*ret));
	if (text[0] == '[') {
		end = strchr(text, ']');
		*why = "the ']' is missing";
		if (!end)
			return -EINVAL;
		*why = "only ':PORT' may follow the ']'";
		if (end[1] && end[1] != ':')
			return -EINVAL;
		colon = end[1] ? end + 1 : NULL;
		*why = "no port after the ':'";
		if (colon && proxy_port_parse(colon + 1, strlen(colon + 1), &ret->port) < 0)
			return -EINVAL;
		return parse_net(text + 1, (size_t)(end - text - 1), true, ret, why);
	}
	/* more than one colon: an IPv6 address without a port */
	if (colon && colon == strchr(text, ':')) {
		*why = "a port is 1 to 65535";
		if (proxy_port_parse(colon + 1, strlen(colon + 1), &ret->port) < 0)
			return -EINVAL;
		host_len = (size_t)(colon - text);
	}
	return parse_rule_host(text, host_len, ret, why);
}

static bool rule_names(const struct proxy_rule *r, const struct proxy_host *host)
{
	size_t len = strlen(host->name), tail = strlen(r->name);

	if ((r->kind == PROXY_RULE_NET) != host->literal)
		return false;
	switch (r->kind) {
	case PROXY_RULE_NET:
		return has_prefix(&host->addr, &r->net, r->bits);
	case PROXY_RULE_NAME:
		return strcmp(host->name, r->name) == 0;
	case PROXY_RULE_SUFFIX:
		return len > tail + 1 && host->name[len - tail - 1] == '.' &&
		       strcmp(host->name + len - tail, r->name) == 0;
	}
	return false;
}

bool proxy_rules_allow(const struct proxy_rule *rules, size_t count, const struct proxy_host *host,
		       uint16_t port)
{
	for (size_t i = 0; i < count; i++) {
		bool fits = rules[i].port ? port == rules[i].port : port == 80 || port == 443;

		if (fits && rule_names(&rules[i], host))
			return true;
	}
	return false;
}

/* The IPv4 address that an IPv6 address leads to, at byte @at of it. */
static bool carries_inner(const struct proxy_addr *addr, size_t at)
{
	struct proxy_addr four = {.six = false};

	memcpy(four.bytes, addr->bytes + at, 4);
	return proxy_addr_is_inner(&four);
}

bool proxy_addr_is_inner(const struct proxy_addr *addr)
{
	/* The registries of special-purpose addresses, RFC 6890. */
	static const struct {
		struct proxy_addr net;
		uint8_t bits;
	} inner[] = {
		{{false, {0}}, 8},
		{{false, {10}}, 8},
		{{false, {100, 64}}, 10},
		{{false, {127}}, 8},
		{{false, {169, 254}}, 16},
		{{false, {172, 16}}, 12},
		{{false, {192, 0, 0}}, 24},
		{{false, {192, 88, 99}}, 24},
		{{false, {192, 168}}, 16},
		{{false, {198, 18}}, 15},
		{{false, {224}}, 3}, /* multicast, reserved, broadcast */
		{{true, {0}}, 96},   /* ::, ::1 and IPv4-compatible ones */
		{{true, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}}, 48},
		{{true, {0x01}}, 64},
		{{true, {0x20, 0x01, 0x00, 0x00}}, 32}, /* Teredo */
		{{true, {0xfc}}, 7},
		{{true, {0xfe, 0x80}}, 9}, /* link-local, site-local */
		{{true, {0xff}}, 8},
	};
	static const struct proxy_addr mapped = {true, {[10] = 0xff, [11] = 0xff}};
	static const struct proxy_addr nat64 = {true, {0x00, 0x64, 0xff, 0x9b}};
	static const struct proxy_addr six_to_four = {true, {0x20, 0x02}};

	for (size_t i = 0; i < TT_ARRAY_SIZE(inner); i++)
		if (has_prefix(addr, &inner[i].net, inner[i].bits))
			return true;
	if (has_prefix(addr, &mapped, 96) || has_prefix(addr, &nat64, 96))
		return carries_inner(addr, 12);
	return has_prefix(addr, &six_to_four, 16) && carries_inner(addr, 2);
}

bool proxy_addr_equal(const struct proxy_addr *a, const struct proxy_addr *b)
{
	return a->six == b->six && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void proxy_addr_text(char buf[PROXY_ADDR_TEXT_MAX], const struct proxy_addr *addr)
{
	(void)inet_ntop(addr->six ? AF_INET6 : AF_INET, addr->bytes, buf, PROXY_ADDR_TEXT_MAX);
}
