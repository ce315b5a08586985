/* SPDX-License-Identifier: Apache-2.0 */
/* Flags and socket addresses as text. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "event/text.h"
#include "tap.h"

static char buf[512];
static struct tt_out o;

static const char *done(void)
{
	buf[o.len] = '\0';
	tt_out_init(&o, buf, sizeof(buf) - 1);
	return buf;
}
#define FLAGS(call, want)                              \
	do {                                           \
		tt_out_init(&o, buf, sizeof(buf) - 1); \
		call;                                  \
		CHECK_STR(done(), want);               \
	} while (0)

static void open_flags(void)
{
	FLAGS(event_put_open_flags(&o, O_RDONLY), "O_RDONLY");
	FLAGS(event_put_open_flags(&o, O_WRONLY | O_CREAT | O_TRUNC), "O_WRONLY|O_CREAT|O_TRUNC");
	FLAGS(event_put_open_flags(&o, O_RDWR | O_EXCL | O_NOCTTY | O_APPEND | O_NONBLOCK |
					       O_ASYNC | O_DIRECT),
	      "O_RDWR|O_EXCL|O_NOCTTY|O_APPEND|O_NONBLOCK|O_ASYNC|O_DIRECT");
	FLAGS(event_put_open_flags(&o, 3), "O_ACCMODE");
	FLAGS(event_put_open_flags(&o, O_SYNC), "O_RDONLY|O_SYNC");
	FLAGS(event_put_open_flags(&o, O_DSYNC), "O_RDONLY|O_DSYNC");
	FLAGS(event_put_open_flags(&o, O_RDWR | O_TMPFILE), "O_RDWR|O_TMPFILE");
	FLAGS(event_put_open_flags(&o, O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC),
	      "O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_NOATIME|O_CLOEXEC");
	FLAGS(event_put_open_flags(&o, O_PATH), "O_PATH");
	FLAGS(event_put_open_flags(&o, O_PATH | O_CLOEXEC), "O_PATH|O_CLOEXEC");
	FLAGS(event_put_open_flags(&o, 0x40000000), "O_RDONLY|0x40000000");
#ifdef __x86_64__
	FLAGS(event_put_open_flags(&o, 0100000), "O_RDONLY|O_LARGEFILE");
#endif
	tt_out_init(&o, buf, sizeof(buf) - 1);
	event_put_open_flags(&o, INT64_MIN | 1);
	event_put_open_flags(&o, -1);
	CHECK(strstr(done(), "O_WRONLY|0x0O_ACCMODE|O_CREAT") == buf);
}

static void other_flags(void)
{
	FLAGS(event_put_at_flags(&o, 0, 0), "0");
	FLAGS(event_put_at_flags(&o, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, 0),
	      "AT_SYMLINK_NOFOLLOW|AT_EMPTY_PATH");
	FLAGS(event_put_at_flags(&o, AT_REMOVEDIR, 1), "AT_REMOVEDIR");
	FLAGS(event_put_at_flags(&o, AT_REMOVEDIR | 1, 1), "AT_REMOVEDIR|0x1");
	FLAGS(event_put_at_flags(&o, -1, 1), "AT_REMOVEDIR|0xfffffdff");
	FLAGS(event_put_rename_flags(&o, 0), "0");
	FLAGS(event_put_rename_flags(&o, 7), "RENAME_NOREPLACE|RENAME_EXCHANGE|RENAME_WHITEOUT");
	FLAGS(event_put_rename_flags(&o, 9), "RENAME_NOREPLACE|0x8");
	FLAGS(event_put_accept_flags(&o, SOCK_CLOEXEC | SOCK_NONBLOCK),
	      "SOCK_NONBLOCK|SOCK_CLOEXEC");
	FLAGS(event_put_accept_flags(&o, 0), "0");
}

/* Each address in exact room at an odd place. */
static const char *addr(const void *sa, size_t len)
{
	char *exact = malloc(len + 1);

	memcpy(exact + 1, sa, len);
	tt_out_init(&o, buf, sizeof(buf) - 1);
	event_put_addr(&o, exact + 1, len);
	free(exact);
	return done();
}

static const char *v6(const char *text, unsigned port, uint32_t scope, size_t len)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)port),
				   .sin6_scope_id = scope};

	CHECK_INT(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return addr(&in6, len);
}

static void process_flags(void)
{
	FLAGS(event_put_clone_flags(&o, 0), "0");
	FLAGS(event_put_clone_flags(&o, SIGCHLD), "SIGCHLD");
	FLAGS(event_put_clone_flags(&o, CLONE_NEWUSER | CLONE_NEWPID),
	      "CLONE_NEWUSER|CLONE_NEWPID");
	FLAGS(event_put_clone_flags(&o, (int)(CLONE_IO | 77)), "CLONE_IO|77");
	FLAGS(event_put_signal(&o, 0), "0");
	FLAGS(event_put_signal(&o, 34), "34");
	FLAGS(event_put_signal(&o, INT64_MIN), "-9223372036854775808");
	FLAGS(event_put_ptrace(&o, PTRACE_TRACEME), "PTRACE_TRACEME");
	FLAGS(event_put_ptrace(&o, 0x420e), "PTRACE_GET_SYSCALL_INFO");
	FLAGS(event_put_ptrace(&o, 99), "99");
	FLAGS(event_put_dlopen_flags(&o, 0), "0");
	FLAGS(event_put_dlopen_flags(&o, RTLD_NOW | RTLD_NODELETE | 0x40),
	      "RTLD_NOW|RTLD_NODELETE|0x40");
}

static void socket_words(void)
{
	FLAGS(event_put_domain(&o, AF_VSOCK), "AF_VSOCK");
	FLAGS(event_put_domain(&o, -1), "-1");
	FLAGS(event_put_socket_type(&o, SOCK_RAW), "SOCK_RAW");
	FLAGS(event_put_socket_type(&o, SOCK_DGRAM | SOCK_NONBLOCK), "SOCK_DGRAM|SOCK_NONBLOCK");
	FLAGS(event_put_socket_type(&o, 9 | SOCK_CLOEXEC), "9|SOCK_CLOEXEC");
	FLAGS(event_put_protocol(&o, AF_INET6, IPPROTO_ICMPV6), "IPPROTO_ICMPV6");
	FLAGS(event_put_protocol(&o, AF_INET, 0), "0");
	FLAGS(event_put_protocol(&o, AF_NETLINK, 6), "6");
	FLAGS(event_put_shutdown(&o, SHUT_RDWR), "SHUT_RDWR");
	FLAGS(event_put_shutdown(&o, 3), "3");
	FLAGS(event_put_msg_flags(&o, MSG_OOB | MSG_MORE), "MSG_OOB|MSG_MORE");
}

static void ip(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};
	static const char *const same[] = {"::",
					   "::1",
					   "1::",
					   "2001:db8::1",
					   "2001:db8::1:0:0:1",
					   "1:2:3:4:5:6:7:8",
					   "1:0:3:4:5:6:7:8",
					   "::ffff:192.0.2.1",
					   "0:2:3:4:5:6:7:8",
					   "1:2:3:4:5:6:7:0",
					   "fe80::a"};

	CHECK_INT(inet_pton(AF_INET, "192.0.2.1", &in.sin_addr), 1);
	CHECK_STR(addr(&in, sizeof(in)), "192.0.2.1:9");
	CHECK_STR(addr(&in, sizeof(in) + 0), "192.0.2.1:9");
	CHECK_STR(addr(&in, sizeof(in) - 1), "family:2");
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		char want[80];

		snprintf(want, sizeof(want), "[%s]:80", same[i]);
		CHECK_STR(v6(same[i], 80, 0, sizeof(struct sockaddr_in6)), want);
	}
	CHECK_STR(v6("1:0:0:2:0:0:0:3", 65535, 0, sizeof(struct sockaddr_in6)),
		  "[1:0:0:2::3]:65535");
	CHECK_STR(v6("fe80::1", 1, 7, sizeof(struct sockaddr_in6)), "[fe80::1%7]:1");
	CHECK_STR(v6("fe80::1", 1, 7, 24), "[fe80::1]:1");
	CHECK_STR(v6("fe80::1", 1, 7, 23), "family:10");
}

static void unix_sockets(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};

	CHECK_STR(addr(&un, sizeof(un)), "unix:/run/x");
	CHECK_STR(addr(&un, 2 + 6), "unix:/run/x");
	CHECK_STR(addr(&un, 2 + 3), "unix:/ru");
	CHECK_STR(addr(&un, 2), "unix:");
	memcpy(un.sun_path, "\0ab\0c", 5);
	CHECK_STR(addr(&un, 2 + 5), "unix:@ab@c");
	CHECK_STR(addr(&un, 2 + 1), "unix:@");
}

static void odd(void)
{
	static const uint8_t netlink[] = {16, 0, 1, 2, 3, 4};

	CHECK_STR(addr(netlink, sizeof(netlink)), "family:16");
	CHECK_STR(addr(netlink, 2), "family:16");
	CHECK_STR(addr(netlink, 1), "short");
	CHECK_STR(addr(netlink, 0), "");
}

int main(void)
{
	TAP_RUN(open_flags);
	TAP_RUN(other_flags);
	TAP_RUN(process_flags);
	TAP_RUN(socket_words);
	TAP_RUN(ip);
	TAP_RUN(unix_sockets);
	TAP_RUN(odd);
	return tap_done();
}
