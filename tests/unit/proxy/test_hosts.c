/* SPDX-License-Identifier: Apache-2.0 */
/* Host rules: what they take, what they name, which addresses are inner ones. */
#include "proxy/hosts.h"

#include "tap.h"

static bool rule_ok(const char *text)
{
	struct proxy_rule r;
	const char *why = NULL;
	bool good = proxy_rule_parse(text, &r, &why) == 0;

	if (!good && !why)
		printf("# '%s' is refused without a reason\n", text);
	return good || !why;
}

static bool host(const char *text, struct proxy_host *ret)
{
	return proxy_host_parse(text, strlen(text), ret) == 0;
}

/* Whether the rule @text names @asked. */
static bool names(const char *text, const char *asked, uint16_t port)
{
	struct proxy_rule r;
	struct proxy_host h;
	const char *why;

	return proxy_rule_parse(text, &r, &why) == 0 && host(asked, &h) &&
	       proxy_rules_allow(&r, 1, &h, port);
}

static void rules_are_read(void)
{
	static const char *const good[] = {
		"example.org",      "example.org:8443",  "*.example.org",    "*.example.org:1",
		"localhost",        "EXAMPLE.org.",      "192.0.2.1",        "192.0.2.1:65535",
		"192.0.2.0/24",     "192.0.2.0/24:8080", "2001:db8::1",      "2001:db8::/32",
		"[2001:db8::1]:80", "[2001:db8::/32]",   "xn--bcher-kva.de", "a_b.example",
	};
	static const char *const bad[] = {
		"",
		"*",
		"*.",
		"a..b",
		".a",
		"-a",
		"a-",
		"a b",
		"a:0",
		"a:65536",
		"a:",
		"a:080",
		"a:+1",
		"*.*.org",
		"a.*.org",
		"*a.org",
		"1.2.3",
		"1.2.3.4.5",
		"0x7f.1",
		"127.1",
		"2130706433",
		"192.0.2.0/33",
		"192.0.2.0/",
		"192.0.2.0/0",
		"2001:db8::/129",
		"[2001:db8::1",
		"[2001:db8::1]x",
		"[2001:db8::1]:",
		"[192.0.2.1]",
		"::ffff:192.0.2.1",
		"fe80::1%eth0",
		"user@example.org",
		"http://a.org",
		("b\xc3\xbc"
		 "cher.de"),
		"a.org/24",
		"010.0.0.1",
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(good); i++)
		if (!rule_ok(good[i]))
			TAP_FAIL_AT("refused: %s", good[i]);
	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++)
		if (rule_ok(bad[i]))
			TAP_FAIL_AT("taken: %s", bad[i]);
	CHECK(true);
}

static void names_match_whole(void)
{
	CHECK(names("example.org", "example.org", 443));
	CHECK(names("example.org", "example.org", 80));
	CHECK(!names("example.org", "example.org", 8080));
	CHECK(names("example.org:8080", "example.org", 8080));
	CHECK(!names("example.org:8080", "example.org", 443));
	CHECK(names("example.org", "EXAMPLE.ORG.", 443));
	CHECK(!names("example.org", "www.example.org", 443));
	CHECK(!names("example.org", "example.org.evil.test", 443));
	CHECK(!names("example.org", "notexample.org", 443));
	CHECK(!names("example.org", "example.or", 443));
	CHECK(names("*.example.org", "www.example.org", 443));
	CHECK(names("*.example.org", "a.b.example.org", 443));
	CHECK(!names("*.example.org", "example.org", 443));
	CHECK(!names("*.example.org", "notexample.org", 443));
	CHECK(!names("*.example.org", ".example.org", 443));
}

static void nets_match_addresses_only(void)
{
	CHECK(names("192.0.2.0/24", "192.0.2.255", 443));
	CHECK(!names("192.0.2.0/24", "192.0.3.0", 443));
	CHECK(names("192.0.2.128/25", "192.0.2.200", 443));
	CHECK(!names("192.0.2.128/25", "192.0.2.100", 443));
	CHECK(!names("192.0.2.0/24", "example.org", 443));
	CHECK(!names("0.0.0.0/8", "example.org", 443));
	CHECK(names("2001:db8::/33", "[2001:db8:7fff::1]", 80));
	CHECK(!names("2001:db8::/33", "[2001:db8:8000::1]", 80));
	CHECK(names("127.0.0.1:8080", "127.0.0.1", 8080));
	CHECK(!names("127.0.0.1:8080", "[::ffff:127.0.0.1]", 8080));
	CHECK(!names("127.0.0.1:8080", "2130706433", 8080));
	CHECK(!names("127.0.0.1:8080", "127.1", 8080));
	CHECK(!names("127.0.0.1:8080", "0177.0.0.1", 8080));
}

static void hosts_are_strict(void)
{
	static const char *const bad[] = {
		"",
		".",
		"a..b",
		"127.1",
		"0x7f000001",
		"a.0x1",
		"a.1",
		"1.2.3.4.",
		"a@b",
		"a b",
		"a\tb",
		"a%2eb",
		"[::1%lo]",
		"[::1",
		"::1",
		"[1.2.3.4]",
		"[::ffff:1.2.3.4]",
		"[::1.2.3.4]",
		"a/b",
		"[]",
	};
	char longest[400];
	struct proxy_host h;

	for (size_t i = 0; i < TT_ARRAY_SIZE(bad); i++)
		if (host(bad[i], &h))
			TAP_FAIL_AT("taken: '%s'", bad[i]);
	CHECK(proxy_host_parse("a\0b", 3, &h) < 0);
	CHECK(proxy_host_parse("1.2.3.4\0", 8, &h) < 0);
	CHECK(host("[::1]", &h) && h.literal && h.addr.six);
	for (size_t n = 1; n < sizeof(longest); n++) {
		memset(longest, 'a', n);
		for (size_t i = 50; i < n; i += 50)
			longest[i] = '.';
		bool dot = longest[n - 1] == '.';

		if ((proxy_host_parse(longest, n, &h) == 0) != (n - dot <= 253))
			TAP_FAIL_AT("a name of %zu bytes", n);
	}
	memset(longest, 'a', sizeof(longest));
	CHECK(proxy_host_parse(longest, 63, &h) == 0);
	CHECK(proxy_host_parse(longest, 64, &h) < 0);
}

static bool inner(const char *text)
{
	struct proxy_host h;
	struct proxy_rule r;
	const char *why;

	if (host(text, &h))
		return proxy_addr_is_inner(&h.addr);
	return proxy_rule_parse(text, &r, &why) == 0 && proxy_addr_is_inner(&r.net);
}

static void inner_addresses(void)
{
	static const char *const in[] = {
		"0.0.0.0",
		"10.1.2.3",
		"100.64.0.1",
		"127.255.0.1",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.1",
		"192.168.1.1",
		"198.19.0.1",
		"224.0.0.1",
		"240.0.0.1",
		"255.255.255.255",
		"[::]",
		"[::1]",
		"[fe80::1]",
		"[fec0::1]",
		"[fd00::1]",
		"[ff02::1]",
		"[64:ff9b::7f00:1]",
		"[2002:7f00:1::]",
		"[2001::1]",
	};
	static const char *const out[] = {
		"1.1.1.1",       "100.128.0.1",        "126.255.255.255",  "128.0.0.1",
		"172.32.0.1",    "192.0.2.1",          "192.167.0.1",      "223.255.255.255",
		"[2001:db8::1]", "[64:ff9b::101:101]", "[2002:101:101::]", "[2606:4700::1111]",
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(in); i++)
		if (!inner(in[i]))
			TAP_FAIL_AT("public: %s", in[i]);
	for (size_t i = 0; i < TT_ARRAY_SIZE(out); i++)
		if (inner(out[i]))
			TAP_FAIL_AT("inner: %s", out[i]);
	struct proxy_addr mapped = {true, {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
	CHECK(proxy_addr_is_inner(&mapped));
	mapped.bytes[12] = 1;
	CHECK(!proxy_addr_is_inner(&mapped));
}

int main(void)
{
	TAP_RUN(rules_are_read);
	TAP_RUN(names_match_whole);
	TAP_RUN(nets_match_addresses_only);
	TAP_RUN(hosts_are_strict);
	TAP_RUN(inner_addresses);
	return tap_done();
}
