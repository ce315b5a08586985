/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the kernel's programs as facts, and the table of what they are to tell. */
#include "kernel/records.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "tap.h"

struct call_bytes {
	struct sensor_call call;
	char data[64];
};

static struct call_bytes make_call(long nr, long result, const char *text)
{
	struct call_bytes b = {.call = {.head = {.ts_ns = 5,
						 .start_ns = 3,
						 .pid = 10,
						 .tid = 11,
						 .kind = SENSOR_CALL,
						 .comm = "sh"}}};

	b.call.nr = (uint16_t)nr;
	b.call.result = result;
	b.call.flags = SENSOR_CALL_HAS(0);
	b.call.text_len[0] = (uint16_t)strlen(text);
	memcpy(b.data, text, strlen(text));
	return b;
}

static size_t call_size(const struct call_bytes *b)
{
	return sizeof(b->call) + b->call.text_len[0] + b->call.text_len[1] + b->call.text_len[2] +
	       b->call.addr_len + b->call.where_len[0] + b->call.where_len[1];
}

static void test_open(void)
{
	struct call_bytes b = make_call(SYS_openat, 4, "f");
	struct kernel_fact f;

	b.call.args[0] = (uint64_t)AT_FDCWD;
	b.call.args[2] = O_RDWR | O_CREAT;
	b.call.args[3] = 0644;
	b.call.flags |= SENSOR_CALL_FILE | SENSOR_CALL_OWN_MEMORY;
	b.call.where_len[0] = 6;
	memcpy(b.data + 1, "/tmp/f", 6);
	b.call.file = (struct sensor_file){.ino = 77, .dev = 254u << 20 | 3};
	b.call.origin = SENSOR_ORIGIN_FILE;
	b.call.origin_file = (struct sensor_file){.ino = 78, .dev = 254u << 20 | 3};
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK_INT(f.kind, KERNEL_FACT_CALL);
	CHECK_INT(f.call, EVENT_CALL_openat);
	CHECK_INT(f.nr, SYS_openat);
	CHECK_INT(f.pid, 10);
	CHECK_INT(f.tid, 11);
	CHECK_INT(f.args[0].num, AT_FDCWD);
	CHECK_INT(f.args[1].len, 1);
	CHECK_INT(f.args[2].num, O_RDWR | O_CREAT);
	CHECK_INT(f.args[3].num, 0644);
	CHECK(!f.args[3].absent);
	CHECK_INT(f.result, 4);
	CHECK_INT(f.error, 0);
	CHECK(f.where_is_file && f.own_memory);
	CHECK(f.where.len == 6 && memcmp(f.where.data, "/tmp/f", 6) == 0);
	CHECK_INT(f.file.dev, makedev(254, 3));
	CHECK_INT(f.file.ino, 77);
	CHECK_INT(f.origin, KERNEL_ORIGIN_FILE);
	CHECK_INT(f.origin_file.ino, 78);
	/* without O_CREAT the mode is whatever lay there */
	b.call.args[2] = O_RDONLY;
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK(f.args[3].absent);
}

static void test_errors(void)
{
	static const struct {
		long result;
		int error;
	} cases[] = {{-2, ENOENT},  {-4095, 4095}, {-512, EINTR},
		     {-514, EINTR}, {-516, EINTR}, {-4, EINTR}};
	struct kernel_fact f;

	for (size_t i = 0; i < TT_ARRAY_SIZE(cases); i++) {
		struct call_bytes b = make_call(SYS_unlink, cases[i].result, "/x");

		CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
		CHECK_INT(f.result, -1);
		CHECK_INT(f.error, cases[i].error);
	}
}

static void test_addresses(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(53)};
	static const struct {
		long nr;
		unsigned arg;
	} cases[] = {{SYS_connect, 1},
		     {SYS_bind, 1},
		     {SYS_accept4, 1},
		     {SYS_sendto, 3},
		     {SYS_sendmsg, 1}};
	struct kernel_fact f;

	for (size_t i = 0; i < TT_ARRAY_SIZE(cases); i++) {
		struct call_bytes b = make_call(cases[i].nr, 0, "");
		const char *layout;

		b.call.flags = 0;
		b.call.addr_len = sizeof(in);
		memcpy(b.data, &in, sizeof(in));
		CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
		layout = event_call_info(f.call)->layout;
		CHECK_INT(layout[cases[i].arg], 'a');
		CHECK_INT(f.args[cases[i].arg].len, sizeof(in));
	}
}

static void test_two_texts(void)
{
	struct call_bytes b = make_call(SYS_renameat2, 0, "ab");
	struct kernel_fact f;

	b.call.flags |= SENSOR_CALL_HAS(1) | SENSOR_CALL_CUT(1);
	b.call.text_len[1] = 3;
	memcpy(b.data + 2, "cde", 3);
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK(f.args[1].len == 2 && memcmp(f.args[1].data, "ab", 2) == 0 && !f.args[1].cut);
	CHECK(f.args[3].len == 3 && memcmp(f.args[3].data, "cde", 3) == 0 && f.args[3].cut);
	/* what could not be read is absent, and not the empty path */
	b.call.flags = 0;
	b.call.text_len[0] = b.call.text_len[1] = 0;
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK(f.args[1].absent && f.args[3].absent);
	CHECK(!f.args[1].cut && !f.args[3].cut);
	b.call.args[3] = 8;
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK(!f.args[1].cut && f.args[3].absent && f.args[3].cut);
}

static void test_two_folders(void)
{
	struct call_bytes b = make_call(SYS_renameat2, 0, "a");
	struct kernel_fact f;

	b.call.args[0] = 7;
	b.call.args[2] = (uint64_t)AT_FDCWD;
	b.call.flags |= SENSOR_CALL_HAS(1);
	b.call.text_len[1] = 1;
	b.call.where_len[0] = 4;
	b.call.where_len[1] = 3;
	memcpy(b.data, "ab/one/2x", 9);
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK(f.where.len == 4 && memcmp(f.where.data, "/one", 4) == 0);
	CHECK(f.where2.len == 3 && memcmp(f.where2.data, "/2x", 3) == 0);
	/* an fd leads there; the cwd is nobody's path */
	CHECK_INT(f.args[0].num, 7);
	CHECK(f.args[0].data == f.where.data && f.args[0].len == 4);
	CHECK_INT(f.args[2].num, AT_FDCWD);
	CHECK(!f.args[2].data);
	/* where the first is absolute, it is that of the second */
	b.call.text_len[0] = 2;
	b.call.where_len[0] = 0;
	b.call.args[2] = 8;
	memcpy(b.data, "/ab/2x", 6);
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK(f.where.len == 3 && memcmp(f.where.data, "/2x", 3) == 0 && !f.where2.data);
	CHECK(!f.args[0].data && f.args[2].data == f.where.data && f.args[2].len == 3);
}

static void test_three_texts(void)
{
	struct call_bytes b = make_call(SYS_mount, 0, "src");
	struct kernel_fact f;

	b.call.flags |= SENSOR_CALL_HAS(1) | SENSOR_CALL_HAS(2);
	b.call.text_len[1] = 2;
	b.call.text_len[2] = 5;
	memcpy(b.data + 3, "/mtmpfs", 7);
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK(f.args[1].len == 2 && memcmp(f.args[1].data, "/m", 2) == 0);
	CHECK(f.args[2].len == 5 && memcmp(f.args[2].data, "tmpfs", 5) == 0);
	CHECK(f.args[4].absent);
	CHECK_INT(kernel_record_fact(&b, call_size(&b) - 1, &f), -EBADMSG);
}

static void test_fd_and_numbers(void)
{
	struct call_bytes b = make_call(SYS_ftruncate, 0, "");
	struct kernel_fact f;

	b.call.flags = SENSOR_CALL_FILE;
	b.call.args[0] = 3;
	b.call.args[1] = 1ull << 33;
	b.call.where_len[0] = 2;
	memcpy(b.data, "/f", 2);
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK(f.args[0].num == 3 && f.args[0].len == 2 && f.args[0].data == f.where.data);
	CHECK_INT(f.args[1].num, 1ll << 33);
	b = make_call(SYS_utimensat, 0, "f");
	b.call.addr_len = 32;
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	CHECK_INT(f.args[2].len, 32);
	CHECK(!f.args[2].absent);
}

static void test_signals_to_oneself(void)
{
	struct call_bytes b = make_call(SYS_kill, 0, "");
	struct kernel_fact f;

	b.call.args[0] = 10;
	b.call.args[1] = 9;
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 0);
	b.call.args[0] = 12;
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 1);
	b.call.args[1] = 0;
	CHECK_INT(kernel_record_fact(&b, call_size(&b), &f), 0);
}

static void test_exec_and_exit(void)
{
	struct {
		struct sensor_exec exec;
		char data[32];
	} e = {.exec = {.head = {.kind = SENSOR_EXEC, .image = 2}}};
	struct sensor_exit x = {.head = {.kind = SENSOR_EXIT},
				.status = 9,
				.run_ns = 1000,
				.user_ns = 3,
				.system_ns = 1,
				.max_rss_pages = 2};
	struct kernel_fact f;

	e.exec.path_len = 4;
	e.exec.argv_len = 5;
	e.exec.cwd_len = 1;
	e.exec.exe_len = 8;
	e.exec.flags = SENSOR_EXEC_SECURE | SENSOR_EXEC_ARGV_CUT;
	memcpy(e.data,
	       "./cccc\0-x/"
	       "/bin/cat",
	       18);
	CHECK_INT(kernel_record_fact(&e, sizeof(e.exec) + 18, &f), 1);
	CHECK(f.path.len == 4 && f.argv.len == 5 && f.cwd.len == 1 && f.cwd.data[0] == '/');
	CHECK(f.where.len == 8 && memcmp(f.where.data, "/bin/cat", 8) == 0);
	CHECK(f.secure && f.argv_cut && !f.anonymous);
	CHECK_INT(f.image, 2);
	CHECK_INT(kernel_record_fact(&e, sizeof(e.exec) + 17, &f), -EBADMSG);
	CHECK_INT(kernel_record_fact(&x, sizeof(x), &f), 1);
	CHECK_INT(f.status, 9);
	CHECK_INT(f.user_ns, 750);
	CHECK_INT(f.system_ns, 250);
	CHECK_INT(f.max_rss_kb, 8);
	CHECK_INT(kernel_record_fact(&x, sizeof(x) - 1, &f), -EBADMSG);
}

static void test_every_prefix(void)
{
	struct call_bytes b = make_call(SYS_openat, 4, "/etc/hostname");
	struct kernel_fact f;
	size_t size = call_size(&b);

	for (size_t len = 0; len < size; len++) {
		void *exact = malloc(len ? len : 1);

		memcpy(exact, &b, len);
		CHECK_INT(kernel_record_fact(exact, len, &f), -EBADMSG);
		free(exact);
	}
	b.call.nr = SENSOR_NUMBERS;
	CHECK_INT(kernel_record_fact(&b, size, &f), -EBADMSG);
	b.call.nr = SYS_getpid; /* no row */
	CHECK_INT(kernel_record_fact(&b, size, &f), -EBADMSG);
	b.call.head.kind = 99;
	CHECK_INT(kernel_record_fact(&b, size, &f), -EBADMSG);
}

static void test_shapes(void)
{
	struct sensor_shape s[SENSOR_NUMBERS];

	kernel_record_shapes(s, 0);
	CHECK(s[SYS_openat].told && s[SYS_openat].text[0] == 2 && s[SYS_openat].dir[0] == 1);
	CHECK_INT(s[SYS_openat].special, SENSOR_OPENS);
	CHECK_INT(s[SYS_openat].path[0], 1);
	CHECK_INT(s[SYS_openat2].special, SENSOR_HOW);
	CHECK_INT(s[SYS_memfd_create].special, SENSOR_OPENS_FD);
	CHECK(s[SYS_renameat2].text[1] == 4 && s[SYS_renameat2].dir[1] == 3);
	CHECK(s[SYS_symlinkat].text[0] == 1 && s[SYS_symlinkat].path[0] == 2 &&
	      s[SYS_symlinkat].dir[0] == 2);
	CHECK(s[SYS_mount].text[2] == 3 && s[SYS_mount].path[0] == 2 && !s[SYS_mount].path[1]);
	CHECK(s[SYS_fchmod].fd && !s[SYS_connect].fd && !s[SYS_open_by_handle_at].fd);
	CHECK(s[SYS_mprotect].told == SENSOR_MAPS && s[SYS_mprotect].special);
	CHECK(s[SYS_mremap].told == SENSOR_MAPS && !s[SYS_mremap].special);
	CHECK_INT(s[SYS_connect].addr, 2);
	CHECK_INT(s[SYS_accept].special, SENSOR_PEER);
	CHECK_INT(s[SYS_sendto].special, SENSOR_DEST);
	CHECK_INT(s[SYS_sendmsg].special, SENSOR_MSG);
	/* births are facts of their own; what moves bytes is counted only */
	CHECK(!s[SYS_read].told && !s[SYS_close].told);
	CHECK_INT(s[SYS_clone].told, SENSOR_BIRTH);
	CHECK_INT(s[SYS_clone3].told, SENSOR_BIRTH);
	kernel_record_shapes(s, 1u << EVENT_FAMILY_NET);
	CHECK(s[SYS_connect].told && !s[SYS_openat].told);
}

int main(void)
{
	TAP_RUN(test_open);
	TAP_RUN(test_errors);
	TAP_RUN(test_addresses);
	TAP_RUN(test_two_texts);
	TAP_RUN(test_two_folders);
	TAP_RUN(test_three_texts);
	TAP_RUN(test_fd_and_numbers);
	TAP_RUN(test_signals_to_oneself);
	TAP_RUN(test_exec_and_exit);
	TAP_RUN(test_every_prefix);
	TAP_RUN(test_shapes);
	return tap_done();
}
