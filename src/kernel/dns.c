/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the domain name system, RFC 1035 section 4: see dns.h. */
#include "kernel/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define HEADER_BYTES 12
#define LABEL_MAX    63
#define ALIASES_MAX  16 /* CNAMEs followed one after the other */
#define JUMPS_MAX    32 /* pointers followed in one name */

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28, CLASS_IN = 1 };

struct message {
	const uint8_t *data;
	size_t len;
};

struct record {
	char owner[KERNEL_DNS_NAME_MAX];
	unsigned type, class;
	size_t data_at, data_len;
};

static unsigned u16_at(const struct message *m, size_t at)
{
	return (unsigned)m->data[at] << 8 | m->data[at + 1];
}

/* The byte as a name shows it, 0: a host's name cannot have it. */
static char letter_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ? (char)c
											: '\0';
}

static int put_label(char *name, size_t *len, const uint8_t *label, size_t n)
{
	if (*len + (*len != 0) + n >= KERNEL_DNS_NAME_MAX)
		return -EBADMSG;
	if (*len)
		name[(*len)++] = '.';
	for (size_t i = 0; i < n; i++) {
		name[*len] = letter_of(label[i]);
		if (!name[(*len)++])
			return -EBADMSG;
	}
	return 0;
}

/*
 * The name at *@at, which moves past it. A pointer leads backwards only, so no name has a loop; the
 * limit of jumps bounds the work that a message can ask for. @name NULL: any bytes will do.
 */
static int read_name(const struct message *m, size_t *at, char *name)
{
	size_t here = *at, len = 0, back = here, next = 0;
	unsigned jumps = 0;

	for (;;) {
		unsigned n;

		if (here >= m->len)
			return -EBADMSG;
		n = m->data[here];
		if (n == 0)
			break;
		if (n <= LABEL_MAX) {
			if (m->len - here - 1 < n ||
			    (name && put_label(name, &len, m->data + here + 1, n) < 0))
				return -EBADMSG;
			here += 1 + n;
			continue;
		}
		if ((n & 0xc0) != 0xc0 || m->len - here < 2)
			return -EBADMSG;
		next = next ? next : here + 2;
		here = u16_at(m, here) & 0x3fff;
		if (here >= back || here < HEADER_BYTES || ++jumps > JUMPS_MAX)
			return -EBADMSG;
		back = here;
	}
	if (name)
		name[len] = '\0';
	*at = next ? next : here + 1;
	return 0;
}

/*
 * The record at *@at. 1 and a record; 0 past the end of what is there, or one that is no host's.
 * Its owner is "" where it can be none that is looked for.
 */
static int read_record(const struct message *m, size_t *at, struct record *r)
{
	size_t owner = *at;

	if (read_name(m, at, NULL) < 0 || m->len - *at < 10)
		return 0;
	r->type = u16_at(m, *at);
	r->class = u16_at(m, *at + 2);
	r->data_len = u16_at(m, *at + 8);
	r->data_at = *at + 10;
	if (m->len - r->data_at < r->data_len)
		return 0;
	*at = r->data_at + r->data_len;
	if (read_name(m, &owner, r->owner) < 0)
		r->owner[0] = '\0';
	return 1;
}

static void keep_addr(struct kernel_dns *d, const uint8_t *bytes, size_t len)
{
	struct kernel_dns_addr *a;

	for (unsigned i = 0; i < d->addr_count; i++)
		if (d->addrs[i].len == len && memcmp(d->addrs[i].bytes, bytes, len) == 0)
			return; /* said twice, or aliases that turn in a circle */
	if (d->addr_count == KERNEL_DNS_ADDRS_MAX) {
		d->cut = true;
		return;
	}
	a = &d->addrs[d->addr_count++];
	a->len = (uint8_t)len;
	memcpy(a->bytes, bytes, len);
}

/*
 * The records of @name: addresses are kept; *@ret_alias: what it is an alias of, "": nothing else.
 */
static void take_records(const struct message *m, size_t at, unsigned count, const char *name,
			 struct kernel_dns *d, char ret_alias[KERNEL_DNS_NAME_MAX])
{
	struct record r;

	ret_alias[0] = '\0';
	for (; count; count--) {
		if (!read_record(m, &at, &r)) {
			d->cut = true;
			return;
		}
		if (r.class != CLASS_IN || strcmp(r.owner, name) != 0)
			continue;
		if ((r.type == TYPE_A && r.data_len == 4) ||
		    (r.type == TYPE_AAAA && r.data_len == 16)) {
			keep_addr(d, m->data + r.data_at, r.data_len);
		} else if (r.type == TYPE_CNAME && !ret_alias[0]) {
			size_t name_at = r.data_at;

			if (read_name(m, &name_at, ret_alias) < 0)
				ret_alias[0] = '\0';
		}
	}
}

int kernel_dns_parse(const void *data, size_t len, struct kernel_dns *ret)
{
	const struct message m = {data, len};
	char name[KERNEL_DNS_NAME_MAX], alias[KERNEL_DNS_NAME_MAX];
	struct kernel_dns d = {0};
	size_t at = HEADER_BYTES;
	unsigned type;

	/* an answer (QR) to a standard query, without an error; as a rule there is one question */
	if (len < HEADER_BYTES || (m.data[2] & 0xf8) != 0x80 || (m.data[3] & 0x0f) != 0 ||
	    u16_at(&m, 4) != 1)
		return -EBADMSG;
	if (read_name(&m, &at, d.name) < 0 || !d.name[0] || m.len - at < 4)
		return -EBADMSG;
	type = u16_at(&m, at);
	if ((type != TYPE_A && type != TYPE_AAAA) || u16_at(&m, at + 2) != CLASS_IN)
		return -EBADMSG;
	at += 4;
	d.cut = m.data[2] & 0x02;
	memcpy(name, d.name, sizeof(name));
	for (int i = 0; i < ALIASES_MAX && name[0]; i++) {
		take_records(&m, at, u16_at(&m, 6), name, &d, alias);
		memcpy(name, alias, sizeof(name));
	}
	*ret = d;
	return 0;
}

int kernel_dns_name(const char *text, size_t len, char ret[KERNEL_DNS_NAME_MAX])
{
	char name[KERNEL_DNS_NAME_MAX];
	struct in_addr in;
	size_t n = 0;

	if (len && text[len - 1] == '.')
		len--;
	for (size_t at = 0, end; at <= len; at = end + 1) {
		const char *dot = at < len ? memchr(text + at, '.', len - at) : NULL;

		end = dot ? (size_t)(dot - text) : len;
		if (end == at || end - at > LABEL_MAX ||
		    put_label(name, &n, (const uint8_t *)text + at, end - at) < 0)
			return -EINVAL;
	}
	name[n] = '\0';
	if (inet_aton(name, &in))
		return -EINVAL;
	memcpy(ret, name, n + 1);
	return 0;
}
