/* SPDX-License-Identifier: Apache-2.0 */
/* Symbolic flags and socket addresses. */
#include "event/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/compiler.h"
#include "event/flags.h"

static void put_bits(struct tt_out *o, int64_t left, bool begun, const struct flag *flags, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((left & flags[i].bit) != flags[i].bit)
			continue;
		if (begun)
			tt_out_char(o, '|');
		tt_out_str(o, flags[i].name);
		left &= ~flags[i].bit;
		begun = true;
	}
	if (left || !begun) {
		if (begun)
			tt_out_char(o, '|');
		if (left)
			tt_out_hex(o, (uint64_t)left & 0xffffffffu);
		else
			tt_out_char(o, '0');
	}
}

void event_put_flags(struct tt_out *o, int64_t left, bool begun, const struct flag *flags, size_t n)
{
	put_bits(o, left, begun, flags, n);
}

/* Compound flags before their parts: O_TMPFILE holds O_DIRECTORY, O_SYNC holds O_DSYNC. */
static const struct flag open_flags[] = {
	FLAG(O_CREAT),
	FLAG(O_EXCL),
	FLAG(O_NOCTTY),
	FLAG(O_TRUNC),
	FLAG(O_APPEND),
	FLAG(O_NONBLOCK),
	FLAG(O_SYNC),
	FLAG(O_DSYNC),
	FLAG(O_ASYNC),
	FLAG(O_DIRECT),
	FLAG(O_TMPFILE),
	FLAG(O_PATH),
	FLAG(O_DIRECTORY),
	FLAG(O_NOFOLLOW),
	FLAG(O_NOATIME),
	FLAG(O_CLOEXEC),
#ifdef __x86_64__
	{0100000, "O_LARGEFILE"}, /* the libc constant is 0 where files are always large */
#else
	{0400000, "O_LARGEFILE"},
#endif
};

void event_put_open_flags(struct tt_out *o, int64_t flags)
{
	static const char access[][10] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};

	if ((flags & O_PATH) && (flags & O_ACCMODE) == 0) {
		put_bits(o, flags, false, open_flags, TT_ARRAY_SIZE(open_flags));
		return;
	}
	tt_out_str(o, access[flags & O_ACCMODE]);
	if (flags & ~(int64_t)O_ACCMODE)
		put_bits(o, flags & ~(int64_t)O_ACCMODE, true, open_flags,
			 TT_ARRAY_SIZE(open_flags));
}

void event_put_more_open_flags(struct tt_out *o, int64_t flags)
{
	put_bits(o, flags, false, open_flags, TT_ARRAY_SIZE(open_flags));
}

void event_put_at_flags(struct tt_out *o, int64_t flags, int is_unlink)
{
	static const struct flag at_flags[] = {
		FLAG(AT_SYMLINK_NOFOLLOW),
		FLAG(AT_SYMLINK_FOLLOW),
		FLAG(AT_EMPTY_PATH),
		FLAG(AT_NO_AUTOMOUNT),
	};
	static const struct flag remove_dir[] = {FLAG(AT_REMOVEDIR)};

	if (is_unlink)
		put_bits(o, flags, false, remove_dir, 1);
	else
		put_bits(o, flags, false, at_flags, TT_ARRAY_SIZE(at_flags));
}

void event_put_rename_flags(struct tt_out *o, int64_t flags)
{
	static const struct flag rename_flags[] = {
		FLAG(RENAME_NOREPLACE),
		FLAG(RENAME_EXCHANGE),
		FLAG(RENAME_WHITEOUT),
	};

	put_bits(o, flags, false, rename_flags, TT_ARRAY_SIZE(rename_flags));
}

void event_put_accept_flags(struct tt_out *o, int64_t flags)
{
	static const struct flag accept_flags[] = {FLAG(SOCK_NONBLOCK), FLAG(SOCK_CLOEXEC)};

	put_bits(o, flags, false, accept_flags, TT_ARRAY_SIZE(accept_flags));
}

void event_put_fcntl_command(struct tt_out *o, int64_t command)
{
	switch (command) {
	case F_DUPFD:
		tt_out_str(o, "F_DUPFD");
		break;
	case F_DUPFD_CLOEXEC:
		tt_out_str(o, "F_DUPFD_CLOEXEC");
		break;
	default:
		tt_out_i64(o, command);
	}
}

static void put_ipv4(struct tt_out *o, const uint8_t a[4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			tt_out_char(o, '.');
		tt_out_u64(o, a[i]);
	}
}

static void put_group(struct tt_out *o, unsigned v)
{
	static const char digit[] = "0123456789abcdef";
	bool begun = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned d = v >> shift & 15;

		begun = begun || d || shift == 0;
		if (begun)
			tt_out_char(o, digit[d]);
	}
}

/* RFC 5952: lower case, the first longest run of two or more zero groups becomes "::". */
static void put_ipv6(struct tt_out *o, const uint8_t a[16])
{
	unsigned group[8];
	int best = -1, best_len = 1;

	for (int i = 0; i < 8; i++)
		group[i] = (unsigned)a[2 * i] << 8 | a[2 * i + 1];
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && group[i + n] == 0)
			n++;
		if (n > best_len) {
			best = i;
			best_len = n;
		}
	}
	if (best == 0 && best_len == 5 && group[5] == 0xffff) {
		tt_out_str(o, "::ffff:");
		put_ipv4(o, a + 12);
		return;
	}
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			tt_out_str(o, "::");
			i += best_len - 1;
			continue;
		}
		if (i && !(best >= 0 && i == best + best_len))
			tt_out_char(o, ':');
		put_group(o, group[i]);
	}
}

static void put_unix(struct tt_out *o, const char *path, size_t len)
{
	tt_out_str(o, "unix:");
	if (len && path[0] == '\0') {
		tt_out_char(o, '@');
		for (size_t i = 1; i < len; i++)
			tt_out_char(o, path[i] ? path[i] : '@');
	} else {
		tt_out_mem(o, path, strnlen(path, len));
	}
}

void event_put_addr(struct tt_out *o, const void *sa, size_t len)
{
	uint16_t family = 0, port;
	uint32_t scope;

	if (!len)
		return;
	if (len < sizeof(family)) {
		tt_out_str(o, "short");
		return;
	}
	memcpy(&family, sa, sizeof(family));
	if (family == AF_UNIX) {
		size_t at = offsetof(struct sockaddr_un, sun_path);

		put_unix(o, (const char *)sa + at, len - at);
	} else if (family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		memcpy(&port, (const char *)sa + offsetof(struct sockaddr_in, sin_port), 2);
		put_ipv4(o, (const uint8_t *)sa + offsetof(struct sockaddr_in, sin_addr));
		tt_out_char(o, ':');
		tt_out_u64(o, ntohs(port));
	} else if (family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		memcpy(&port, (const char *)sa + offsetof(struct sockaddr_in6, sin6_port), 2);
		tt_out_char(o, '[');
		put_ipv6(o, (const uint8_t *)sa + offsetof(struct sockaddr_in6, sin6_addr));
		if (len >= sizeof(struct sockaddr_in6)) {
			memcpy(&scope,
			       (const char *)sa + offsetof(struct sockaddr_in6, sin6_scope_id), 4);
			if (scope) {
				tt_out_char(o, '%');
				tt_out_u64(o, scope);
			}
		}
		tt_out_str(o, "]:");
		tt_out_u64(o, ntohs(port));
	} else {
		tt_out_str(o, "family:");
		tt_out_u64(o, family);
	}
}
