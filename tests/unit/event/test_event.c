/* SPDX-License-Identifier: Apache-2.0 */
/* What an event says: its paths, whether it writes, whether it is noise. */
#include <fcntl.h>
#include <stdlib.h>

#include "event/event.h"
#include "tap.h"

#define TEXT(s)                                   \
	{                                         \
		.data = (s), .len = sizeof(s) - 1 \
	}
#define NUMBER(n)          \
	{                  \
		.num = (n) \
	}

static void table(void)
{
	for (int i = 0; i < EVENT_CALL_COUNT; i++) {
		const struct event_call_info *info = event_call_info((enum event_call)i);

		CHECK(info->name[0] && info->name[sizeof(info->name) - 1] == '\0');
		CHECK(strlen(info->layout) < EVENT_ARGS_MAX);
		CHECK_INT(strspn(info->layout, "pqxdfsvFomARKaiuOgnkBtVEMUNcSDTPWJXLC"),
			  strlen(info->layout));
		CHECK(info->family < EVENT_FAMILY_COUNT);
	}
	CHECK_STR(event_call_info(EVENT_CALL_execve)->name, "execve");
	CHECK_STR(event_call_info(EVENT_CALL_getaddrinfo)->name, "getaddrinfo");
	CHECK_INT(EVENT_CALL_COUNT, 208);
}

static const char *path_of(const struct event *ev, int which)
{
	static char buf[8192];
	struct tt_out o;

	tt_out_init(&o, buf, sizeof(buf) - 1);
	if (!event_put_path(ev, which, &o)) {
		CHECK_INT(o.len, 0);
		return "(none)";
	}
	buf[o.len] = '\0';
	return buf;
}

static void paths(void)
{
	struct event ev = {.call = EVENT_CALL_renameat,
			   .args = {{.num = 7, .data = "/seven", .len = 6},
				    TEXT("a"),
				    NUMBER(AT_FDCWD),
				    TEXT("b")},
			   .cwd = {"/cwd", 4}};

	CHECK_STR(path_of(&ev, 0), "/seven/a");
	CHECK_STR(path_of(&ev, 1), "/cwd/b");
	ev.cwd.data = NULL;
	CHECK_STR(path_of(&ev, 1), "(none)");
	ev.args[0].data = NULL; /* a dirfd nobody looked up is not the cwd */
	CHECK_STR(path_of(&ev, 0), "(none)");
	ev = (struct event){.call = EVENT_CALL_open, .args = {TEXT("")}, .cwd = {"/cwd", 4}};
	CHECK_STR(path_of(&ev, 0), "(none)");
	ev.args[0] = (struct event_arg){.absent = true};
	CHECK_STR(path_of(&ev, 0), "(none)");
	ev = (struct event){.call = EVENT_CALL_execveat,
			    .args = {{.num = 3, .data = "/bin/x", .len = 6}, TEXT("")}};
	CHECK_STR(path_of(&ev, 0), "/bin/x"); /* AT_EMPTY_PATH */
	ev = (struct event){.call = EVENT_CALL_execvp, .args = {TEXT("ls")}, .cwd = {"/cwd", 4}};
	CHECK_STR(path_of(&ev, 0), "(none)");
	ev.args[0] = (struct event_arg)TEXT("./ls");
	CHECK_STR(path_of(&ev, 0), "/cwd/ls");
	ev = (struct event){.call = EVENT_CALL_fexecve,
			    .args = {{.num = 3, .data = "/bin/y", .len = 6}}};
	CHECK_STR(path_of(&ev, 0), "/bin/y");
	CHECK_STR(path_of(&ev, 1), "(none)");
	ev = (struct event){
		.call = EVENT_CALL_symlink, .args = {TEXT("../t"), TEXT("l")}, .cwd = {"/cwd", 4}};
	CHECK_STR(path_of(&ev, 0), "/cwd/l");
	ev = (struct event){.call = EVENT_CALL_chdir,
			    .args = {TEXT("l")},
			    .cwd = {"/cwd", 4},
			    .extra = {"/real", 5}};
	CHECK_STR(path_of(&ev, 0), "/real");
	ev = (struct event){.call = EVENT_CALL_fchdir, .args = {NUMBER(4)}, .extra = {"/real", 5}};
	CHECK_STR(path_of(&ev, 0), "/real");
	ev.type = EVENT_PROCESS;
	CHECK_STR(path_of(&ev, 0), "(none)");
}

/* What a process with another "/" names, seen from where the recorder stands. */
static const char *rooted(const char *root, const char *cwd, const char *path)
{
	struct event ev = {.call = EVENT_CALL_unlink,
			   .args = {{.data = path, .len = strlen(path)}},
			   .cwd = {cwd, cwd ? strlen(cwd) : 0},
			   .root = {root, strlen(root)}};

	return path_of(&ev, 0);
}

static void roots(void)
{
	struct event ev = {.call = EVENT_CALL_openat,
			   .args = {{.num = 7, .data = "/seven", .len = 6}, TEXT("a")},
			   .cwd = {"/cwd", 4},
			   .root_unknown = true};

	CHECK_STR(rooted("/j", NULL, "/a/b"), "/j/a/b");
	CHECK_STR(rooted("/j", NULL, "/"), "/j");
	CHECK_STR(rooted("/j", NULL, "//.."), "/j");
	CHECK_STR(rooted("/j", NULL, "/../../a/./b"), "/j/a/b");
	CHECK_STR(rooted("/j", NULL, "/a/../b"), "/j/a/../b");
	CHECK_STR(rooted("/j", NULL, "/a/../../b"), "(none)");
	CHECK_STR(rooted("/j", NULL, "a"), "(none)");
	CHECK_STR(rooted("/j", "/j", "a"), "/j/a");
	CHECK_STR(rooted("/j", "/j", "."), "/j");
	CHECK_STR(rooted("/j", "/j", "../../a"), "/j/a");
	CHECK_STR(rooted("/j", "/j/k/l", "../a"), "/j/k/a");
	CHECK_STR(rooted("/j", "/j/k/l", "../../../../a"), "/j/a");
	CHECK_STR(rooted("/j", "/j/k", "a/../../b"), "(none)");
	/* outside of it: ".." is what it always was */
	CHECK_STR(rooted("/j/k", "/j", "../a"), "/a");
	CHECK_STR(rooted("/j", "/jar", "../a"), "/a");
	CHECK_STR(path_of(&ev, 0), "(none)");
	ev.args[1] = (struct event_arg)TEXT("/a");
	CHECK_STR(path_of(&ev, 0), "(none)");
	ev = (struct event){.call = EVENT_CALL_chdir,
			    .args = {TEXT("l")},
			    .root = {"/j", 2},
			    .extra = {"/", 1}};
	CHECK_STR(path_of(&ev, 0), "/j");
	ev.extra = (struct event_text){"/real", 5};
	CHECK_STR(path_of(&ev, 0), "/j/real");
	ev.root_unknown = true;
	CHECK_STR(path_of(&ev, 0), "(none)");
	ev = (struct event){.call = EVENT_CALL_open, .args = {TEXT("/proc/stat"), NUMBER(0)}};
	CHECK(event_is_quiet(&ev));
	ev.root = (struct event_text){"/j", 2};
	CHECK(!event_is_quiet(&ev));
	ev.root = (struct event_text){"/dev", 4};
	CHECK(event_is_quiet(&ev));
	ev.root_unknown = true;
	CHECK(!event_is_quiet(&ev));
}

static void templates(void)
{
	struct event ev = {
		.call = EVENT_CALL_mkstemp, .args = {TEXT("t150150")}, .cwd = {"/cwd", 4}};

	CHECK_STR(path_of(&ev, 0), "/cwd/t150150"); /* it failed */
	ev.extra = (struct event_text){"tabcdef", 7};
	CHECK_STR(path_of(&ev, 0), "/cwd/tabcdef");
	ev.root = (struct event_text){"/cwd", 4};
	CHECK_STR(path_of(&ev, 0), "/cwd/tabcdef");
	ev.cwd.data = NULL;
	CHECK_STR(path_of(&ev, 0), "(none)");
}

static void writes(void)
{
	struct event ev = {.call = EVENT_CALL_open,
			   .args = {TEXT("/x"), NUMBER(O_RDONLY | O_CLOEXEC)}};
	static const struct {
		const char *mode;
		bool writes;
	} modes[] = {{"r", false}, {"rb", false}, {"re", false}, {"w", true},
		     {"a", true},  {"r+", true},  {"", false}};

	CHECK(!event_writes(&ev));
	ev.args[1].num = O_WRONLY;
	CHECK(event_writes(&ev));
	ev.args[1].num = O_RDWR;
	CHECK(event_writes(&ev));
	ev.args[1].num = O_RDONLY | O_CREAT;
	CHECK(event_writes(&ev));
	ev.args[1].num = O_RDONLY | O_TRUNC;
	CHECK(event_writes(&ev));
	ev.call = EVENT_CALL_creat;
	ev.args[1].num = 0;
	CHECK(event_writes(&ev));
	ev.call = EVENT_CALL_openat;
	ev.args[2].num = O_WRONLY;
	CHECK(event_writes(&ev));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		ev = (struct event){.call = EVENT_CALL_fopen,
				    .args = {TEXT("/x"), {.data = modes[i].mode}}};
		ev.args[1].len = strlen(modes[i].mode);
		CHECK_INT(event_writes(&ev), modes[i].writes);
	}
	ev.args[1].data = NULL;
	CHECK(!event_writes(&ev));
	ev.call = EVENT_CALL_unlink;
	CHECK(!event_writes(&ev));
}

/* Texts in exact room: neither path nor cwd ends in a NUL. */
static bool quiet(const char *cwd, const char *path, int flags)
{
	size_t cl = strlen(cwd), pl = strlen(path);
	char *c = malloc(cl), *p = malloc(pl);
	struct event ev = {.call = EVENT_CALL_open,
			   .args = {{.data = p, .len = pl}, NUMBER(flags)}};
	bool r;

	memcpy(c, cwd, cl);
	memcpy(p, path, pl);
	ev.cwd = (struct event_text){c, cl};
	r = event_is_quiet(&ev);
	free(c);
	free(p);
	return r;
}

static void noise(void)
{
	struct event ev = {.call = EVENT_CALL_unlink, .args = {TEXT("/proc/x")}};

	CHECK(quiet("/", "/proc/self/status", O_RDONLY));
	CHECK(!quiet("/", "/proc/self/root/etc/shadow", O_RDONLY));
	CHECK(!quiet("/", "/proc/self/status", O_WRONLY));
	CHECK(!quiet("/", "/proc/sys/kernel/x", O_RDONLY | O_CREAT));
	CHECK(quiet("/", "/dev/null", O_WRONLY));
	CHECK(quiet("/", "/dev/null", O_RDWR | O_CREAT | O_TRUNC));
	CHECK(quiet("/", "/dev/tty", O_RDWR));
	CHECK(!quiet("/", "/dev/shm/x", O_RDONLY));
	CHECK(!quiet("/", "/dev/shm/x", O_RDWR));
	CHECK(!quiet("/", "/dev/sda", O_WRONLY));
	CHECK(!quiet("/", "/etc/passwd", O_RDONLY));
	/* judged where it leads, not as it is written */
	CHECK(quiet("/proc", "self/status", O_RDONLY));
	CHECK(quiet("/proc/self", "status", O_RDONLY));
	CHECK(!quiet("/proc/self", "root/etc/shadow", O_RDONLY));
	CHECK(!quiet("/proc/self", "cwd", O_RDONLY));
	CHECK(quiet("/", "proc/cpuinfo", O_RDONLY));
	CHECK(quiet("/", "dev/null", O_WRONLY));
	CHECK(quiet("/home/x", "../../proc/cpuinfo", O_RDONLY));
	CHECK(!quiet("/proc", "../etc/shadow", O_RDONLY));
	CHECK(!quiet("/sys/x", "../../etc/shadow", O_RDONLY));
	CHECK(!quiet("/proc/1/root/etc", "shadow", O_RDONLY));
	CHECK(!quiet("/process", "x", O_RDONLY));
	CHECK(!quiet("/home", "proc", O_RDONLY));
	CHECK(!quiet("", "proc", O_RDONLY));
	CHECK(!quiet("/p", "x", O_RDONLY));
	CHECK(!quiet("/proc", "", O_RDONLY));
	CHECK(!event_is_quiet(&ev)); /* only opening can be noise */
	ev.call = EVENT_CALL_open;
	ev.args[0] = (struct event_arg){.absent = true};
	CHECK(!event_is_quiet(&ev));
	ev = (struct event){.call = EVENT_CALL_openat,
			    .args = {{.num = 3, .data = "/proc/self", .len = 10}, TEXT("status")},
			    .cwd = {"/", 1}};
	CHECK(event_is_quiet(&ev));
	ev.args[0].data = NULL;
	CHECK(!event_is_quiet(&ev)); /* nobody knows where it leads */
	ev = (struct event){.call = EVENT_CALL_fopen, .args = {TEXT("/proc/stat"), TEXT("r")}};
	CHECK(event_is_quiet(&ev));
	ev.args[1] = (struct event_arg)TEXT("r+");
	CHECK(!event_is_quiet(&ev));
	/* a path that no buffer takes is not noise */
	{
		char *longest = malloc(EVENT_PATH_MAX * 2);

		memset(longest, 'a', EVENT_PATH_MAX * 2);
		ev = (struct event){.call = EVENT_CALL_open,
				    .args = {{.data = longest, .len = EVENT_PATH_MAX * 2}},
				    .cwd = {"/proc", 5}};
		CHECK(!event_is_quiet(&ev));
		free(longest);
	}
}

int main(void)
{
	TAP_RUN(table);
	TAP_RUN(paths);
	TAP_RUN(roots);
	TAP_RUN(templates);
	TAP_RUN(writes);
	TAP_RUN(noise);
	return tap_done();
}
