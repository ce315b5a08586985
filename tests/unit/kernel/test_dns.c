/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the domain name system: what they say, and what they may not make us do. */
#include "kernel/dns.h"

#include <errno.h>

#include "tap.h"

/* A message as it grows. */
struct message {
	uint8_t data[2048];
	size_t len;
};

static void put(struct message *m, const void *data, size_t len)
{
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

static void put_u16(struct message *m, unsigned v)
{
	put(m, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

/* "a.b" as labels; a pointer to @to where that is not 0, behind them. */
static void put_name(struct message *m, const char *name, unsigned to)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		put(m, (uint8_t[]){(uint8_t)n}, 1);
		put(m, name, n);
		name += n + (name[n] == '.');
	}
	if (to)
		put_u16(m, 0xc000 | to);
	else
		put(m, "", 1);
}

static void begin(struct message *m, unsigned flags, unsigned answers)
{
	m->len = 0;
	put_u16(m, 0x1234);
	put_u16(m, flags);
	put_u16(m, 1);
	put_u16(m, answers);
	put_u16(m, 0);
	put_u16(m, 0);
}

static void ask(struct message *m, const char *name, unsigned type)
{
	put_name(m, name, 0);
	put_u16(m, type);
	put_u16(m, 1);
}

static void put_record(struct message *m, const char *owner, unsigned to, unsigned type,
		       const void *data, size_t len)
{
	put_name(m, owner, to);
	put_u16(m, type);
	put_u16(m, 1);
	put_u16(m, 0);
	put_u16(m, 60);
	put_u16(m, (unsigned)len);
	put(m, data, len);
}

static void put_alias(struct message *m, const char *owner, unsigned to, const char *target)
{
	struct message data = {.len = 0};

	put_name(&data, target, 0);
	put_record(m, owner, to, 5, data.data, data.len);
}

static const uint8_t one[] = {192, 0, 2, 1}, two[] = {198, 51, 100, 2};

static void addresses_of_the_name_asked_for(void)
{
	static const uint8_t six[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
	struct kernel_dns d;
	struct message m;

	begin(&m, 0x8180, 3);
	ask(&m, "WWW.Example.org", 1);
	put_record(&m, "", 12, 1, one, 4);
	put_record(&m, "", 12, 28, six, 16);
	/* of somebody else: nobody asked for it */
	put_record(&m, "other.example", 0, 1, two, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), 0);
	CHECK_STR(d.name, "www.example.org");
	CHECK_INT(d.addr_count, 2);
	CHECK(d.addrs[0].len == 4 && memcmp(d.addrs[0].bytes, one, 4) == 0);
	CHECK(d.addrs[1].len == 16 && memcmp(d.addrs[1].bytes, six, 16) == 0);
	CHECK(!d.cut);
}

static void aliases_are_followed_in_any_order(void)
{
	struct kernel_dns d;
	struct message m;

	begin(&m, 0x8180, 4);
	ask(&m, "www.example.org", 1);
	put_record(&m, "cdn.example.net", 0, 1, one, 4);
	put_alias(&m, "edge.example.org", 0, "CDN.example.net");
	/* the rest of the name is that of the question */
	put_alias(&m, "", 12, "edge.example.org");
	put_record(&m, "stray.example.net", 0, 1, two, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), 0);
	CHECK_STR(d.name, "www.example.org");
	CHECK_INT(d.addr_count, 1);
	CHECK(memcmp(d.addrs[0].bytes, one, 4) == 0);
}

static void circles_end(void)
{
	struct kernel_dns d;
	struct message m;

	begin(&m, 0x8180, 3);
	ask(&m, "a.b", 1);
	put_alias(&m, "", 12, "c.d");
	put_alias(&m, "c.d", 0, "a.b");
	put_record(&m, "c.d", 0, 1, one, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), 0);
	CHECK_INT(d.addr_count, 1);
	CHECK(!d.cut);
	/* a name that points at itself, and one that points forwards */
	begin(&m, 0x8180, 0);
	put_name(&m, "", 12);
	put_u16(&m, 1);
	put_u16(&m, 1);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
	begin(&m, 0x8180, 0);
	put_name(&m, "a", 20);
	put_u16(&m, 1);
	put_u16(&m, 1);
	put_name(&m, "b", 0);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
	/* into the header, where no name is */
	begin(&m, 0x8180, 0);
	put_name(&m, "a", 4);
	put_u16(&m, 1);
	put_u16(&m, 1);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
}

static void more_than_there_is_room_for(void)
{
	struct kernel_dns d;
	struct message m;
	size_t whole;

	begin(&m, 0x8180, 17);
	ask(&m, "a.b", 1);
	for (uint8_t i = 0; i < 17; i++)
		put_record(&m, "", 12, 1, (uint8_t[]){10, 0, 0, i}, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), 0);
	CHECK_INT(d.addr_count, KERNEL_DNS_ADDRS_MAX);
	CHECK(d.cut);
	/* every beginning of it: what is whole is taken, and said to be a part */
	whole = m.len;
	for (size_t len = 0; len < whole; len++) {
		int r = kernel_dns_parse(m.data, len, &d);

		if (len < 12 + 5 + 4)
			CHECK_INT(r, -EBADMSG);
		else
			CHECK(r == 0 && d.cut && d.addr_count == (len - 21) / 16);
	}
}

static void what_is_no_answer(void)
{
	struct kernel_dns d;
	struct message m;

	begin(&m, 0x0100, 1); /* a question */
	ask(&m, "a.b", 1);
	put_record(&m, "", 12, 1, one, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
	begin(&m, 0x8183, 1); /* no such name */
	ask(&m, "a.b", 1);
	put_record(&m, "", 12, 1, one, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
	begin(&m, 0x8180, 1);
	ask(&m, "a.b", 16); /* texts */
	put_record(&m, "", 12, 1, one, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
	begin(&m, 0x8180, 1);
	ask(&m, "", 1); /* the root */
	put_record(&m, "", 12, 1, one, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
	begin(&m, 0x8180, 1);
	ask(&m, "a.b", 1);
	put_record(&m, "", 12, 1, one, 3); /* no address has three bytes */
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), 0);
	CHECK_INT(d.addr_count, 0);
}

static void hostile_names(void)
{
	static const char *const bad[] = {"a\nb.c", "a\"b.c", "a b.c", "\x1b[31m.c", "\xc3\xa9.c"};
	struct kernel_dns d;
	struct message m;
	char name[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(&m, 0x8180, 1);
		ask(&m, bad[i], 1);
		put_record(&m, "", 12, 1, one, 4);
		CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
	}
	/* a dot inside of a label would show "a.b" for what is one label */
	begin(&m, 0x8180, 1);
	put(&m, "\3a.b\0\0\1\0\1", 9);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
	/* 253 is the longest */
	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0';
	begin(&m, 0x8180, 1);
	ask(&m, name, 1);
	put_record(&m, "", 12, 1, one, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), 0);
	CHECK_STR(d.name, name);
	CHECK_INT(d.addr_count, 1);
	name[253] = 'a';
	name[254] = '\0';
	begin(&m, 0x8180, 1);
	ask(&m, name, 1);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), -EBADMSG);
	/* an alias that no host can have leads nowhere */
	begin(&m, 0x8180, 2);
	ask(&m, "a.b", 1);
	put_alias(&m, "", 12, "x y");
	put_record(&m, "x y", 0, 1, one, 4);
	CHECK_INT(kernel_dns_parse(m.data, m.len, &d), 0);
	CHECK_INT(d.addr_count, 0);
}

static void names_as_programs_pass_them(void)
{
	char name[KERNEL_DNS_NAME_MAX];

	CHECK_INT(kernel_dns_name("Example.ORG.", 12, name), 0);
	CHECK_STR(name, "example.org");
	CHECK_INT(kernel_dns_name("localhost", 9, name), 0);
	CHECK_STR(name, "localhost");
	CHECK_INT(kernel_dns_name("_x-1.a", 6, name), 0);
	CHECK_INT(kernel_dns_name("", 0, name), -EINVAL);
	CHECK_INT(kernel_dns_name(".", 1, name), -EINVAL);
	CHECK_INT(kernel_dns_name("a..b", 4, name), -EINVAL);
	CHECK_INT(kernel_dns_name("a b", 3, name), -EINVAL);
	/* addresses are no names */
	CHECK_INT(kernel_dns_name("127.0.0.1", 9, name), -EINVAL);
	CHECK_INT(kernel_dns_name("0x7f.1", 6, name), -EINVAL);
	CHECK_INT(kernel_dns_name("::1", 3, name), -EINVAL);
}

int main(void)
{
	TAP_RUN(addresses_of_the_name_asked_for);
	TAP_RUN(aliases_are_followed_in_any_order);
	TAP_RUN(circles_end);
	TAP_RUN(more_than_there_is_room_for);
	TAP_RUN(what_is_no_answer);
	TAP_RUN(hostile_names);
	TAP_RUN(names_as_programs_pass_them);
	return tap_done();
}
