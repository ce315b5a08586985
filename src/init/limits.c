/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups, found by what /proc says of this process and of the mounts. */
#include "init/limits.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "base/file.h"
#include "base/out.h"
#include "init/say.h"
#include "init/spawn.h"

#define MOUNTS_MAX  (256 << 10)
#define NAMES       16
#define RESERVE_MIN (16ull << 20) /* of memory, for the kernel, init and the agent */

static const char *const names[INIT_CONTROLLERS] = {"memory", "pids", "cpu"};

/* Whether @word is one of the texts that commas, blanks or the end of the line part. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list && *list != '\n') {
		size_t n = strcspn(list, ", \n");

		if (n == len && memcmp(list, word, len) == 0)
			return true;
		list += n + (list[n] == ',' || list[n] == ' ');
	}
	return false;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : "";
}

/* Field number @n of a line, from 0; "" if it has less. */
static const char *field(const char *line, unsigned n)
{
	for (; n && *line && *line != '\n'; line++)
		n -= *line == ' ';
	return n ? "" : line;
}

static bool is_prefix(const char *text, const char *prefix, size_t len)
{
	return strncmp(text, prefix, len) == 0;
}

/*
 * The folder of this process's group in a hierarchy: of v2 if @controller is NULL, else of v1 with
 * that controller.
 * @self: /proc/self/cgroup. @mounts: /proc/self/mountinfo: "id parent dev root where options [more]
 * - type source words"
 */
static bool find_own(const char *self, const char *mounts, const char *controller, char *path)
{
	const char *group = NULL, *type = controller ? "cgroup " : "cgroup2 ";
	struct tt_out o;

	for (; *self && !group; self = next_line(self)) {
		const char *list = strchr(self, ':'), *colon = list ? strchr(++list, ':') : NULL;
		char text[256] = "";

		if (!colon)
			break; /* the file is longer than what was read */
		if (colon - list < (long)sizeof(text))
			memcpy(text, list, (size_t)(colon - list));
		if (controller ? has_word(text, controller) : colon == list)
			group = colon + 1;
	}
	for (; group && *mounts; mounts = next_line(mounts)) {
		const char *dash = strstr(mounts, " - "), *root = field(mounts, 3),
			   *where = field(mounts, 4);
		size_t root_len = strcspn(root, " "), where_len = strcspn(where, " ");

		if (!dash || !is_prefix(dash + 3, type, strlen(type)) ||
		    (controller && !has_word(field(dash + 3, 2), controller)))
			continue;
		/* only a part of the hierarchy may be mounted there */
		root_len = root_len == 1 ? 0 : root_len;
		if (!is_prefix(group, root, root_len))
			continue;
		tt_out_init(&o, path, PATH_MAX - 1);
		tt_out_mem(&o, where, where_len);
		tt_out_mem(&o, group + root_len, strcspn(group + root_len, "\n"));
		path[o.len] = '\0';
		return !tt_out_is_full(&o);
	}
	return false;
}

static int open_folder(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static long read_text(int dirfd, const char *name, char *text, size_t cap)
{
	TT_CLEANUP(tt_closep) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, cap - 1);

	text[n > 0 ? n : 0] = '\0';
	return n;
}

static int switch_controller(int dirfd, char sign, enum init_controller which)
{
	char text[16] = {sign};

	memcpy(text + 1, names[which], strlen(names[which]) + 1);
	return init_write_text(dirfd, "cgroup.subtree_control", text);
}

/*
 * Controllers for the groups below. A group of v2 that holds processes lends none, but for the
 * first of all: so init is in the agent's by now.
 */
static void lend(struct init_tree *t)
{
	char lent[512];

	(void)read_text(t->own, "cgroup.subtree_control", lent, sizeof(lent));
	for (enum init_controller c = 0; c < INIT_CONTROLLERS; c++) {
		if (!(t->has & 1u << c))
			continue;
		/* in any case: another one that ends now may take it back */
		if (switch_controller(t->own, '+', c) == 0 && !has_word(lent, names[c]))
			t->lent |= 1u << c;
		(void)switch_controller(t->top, '+', c);
	}
}

static int make_folder(int dirfd, const char *name, int *ret)
{
	if (mkdirat(dirfd, name, 0755) < 0)
		return -errno;
	*ret = open_folder(dirfd, name);
	return *ret < 0 ? -errno : 0;
}

static void close_tree(struct init_tree *t)
{
	tt_closep(&t->own);
	tt_closep(&t->top);
	tt_closep(&t->agent);
	tt_closep(&t->workload);
}

/* Folders that nobody is in any more. */
static void remove_folders(int own, const char *name)
{
	TT_CLEANUP(tt_closep) int top = open_folder(own, name);

	if (top >= 0) {
		(void)unlinkat(top, "workload", AT_REMOVEDIR);
		(void)unlinkat(top, "agent", AT_REMOVEDIR);
	}
	(void)unlinkat(own, name, AT_REMOVEDIR);
}

/* Puts back what was there. A folder that somebody is in stays. */
static void undo_tree(struct init_tree *t)
{
	for (enum init_controller c = 0; t->v2 && c < INIT_CONTROLLERS; c++) {
		if (t->top >= 0)
			(void)switch_controller(t->top, '-', c);
		if (!t->is_root && t->lent & 1u << c)
			(void)switch_controller(t->own, '-', c);
	}
	(void)init_write_text(t->own, "cgroup.procs", "0");
	if (t->top >= 0)
		remove_folders(t->own, t->name);
	close_tree(t);
}

/*
 * The folder of ours. Another process may have our number in its own namespace, and one that was
 * killed may have left its folder.
 */
static int make_top(struct init_tree *t)
{
	int r = -EEXIST;

	for (unsigned n = 0; r == -EEXIST && n < NAMES; n++) {
		struct tt_out o;

		tt_out_init(&o, t->name, sizeof(t->name) - 1);
		tt_out_str(&o, "telltale-init-");
		tt_out_i64(&o, getpid());
		if (n) {
			tt_out_char(&o, '-');
			tt_out_u64(&o, n);
		}
		t->name[o.len] = '\0';
		remove_folders(t->own, t->name);
		r = make_folder(t->own, t->name, &t->top);
	}
	return r;
}

static int make_tree(struct init_tree *t)
{
	int r = make_top(t);

	if (r == 0)
		r = make_folder(t->top, "agent", &t->agent);
	if (r == 0)
		r = make_folder(t->top, "workload", &t->workload);
	if (r == 0)
		r = init_write_text(t->agent, "cgroup.procs", "0");
	if (r == 0 && t->v2)
		lend(t);
	/* if the workload keeps all CPUs busy the agent still gets its turn */
	if (r == 0 && t->v2)
		(void)init_write_text(t->agent, "cpu.weight", "10000");
	return r;
}

static uint32_t controllers(const struct init_tree *t)
{
	char text[512];
	uint32_t has = 0;

	(void)read_text(t->own, "cgroup.controllers", text, sizeof(text));
	for (enum init_controller c = 0; c < INIT_CONTROLLERS; c++)
		has |= has_word(text, names[c]) ? 1u << c : 0;
	return has;
}

static bool is_wanted(uint32_t has)
{
	return has & (1u << INIT_MEMORY | 1u << INIT_PIDS);
}

/* Groups in one hierarchy, if it has what is needed. @has: of v1, what it has; 0: v2 */
static void add_tree(struct init_limits *l, const char *path, uint32_t has)
{
	struct init_tree t = {.top = -1, .agent = -1, .workload = -1, .v2 = !has, .has = has};
	int r;

	t.own = open_folder(AT_FDCWD, path);
	if (t.own < 0)
		return;
	t.is_root = faccessat(t.own, "cgroup.type", F_OK, 0) < 0;
	if (t.v2)
		t.has = controllers(&t);
	r = is_wanted(t.has) ? make_tree(&t) : -ENOENT;
	if (r == 0) {
		l->trees[l->count++] = t;
		return;
	}
	if (r != -ENOENT)
		init_say_error("cannot make a control group below", path, -r);
	undo_tree(&t);
}

static void make_trees(struct init_limits *l)
{
	static char mounts[MOUNTS_MAX], self[8192], path[PATH_MAX], other[PATH_MAX];
	long n = tt_file_read("/proc/self/mountinfo", mounts, sizeof(mounts) - 1);
	long m = tt_file_read("/proc/self/cgroup", self, sizeof(self) - 1);
	uint32_t has = 0;

	if (n < 0 || m < 0)
		return;
	mounts[n] = self[m] = '\0';
	if (find_own(self, mounts, NULL, path))
		add_tree(l, path, 0);
	if (l->count)
		has = l->trees[0].has;
	for (enum init_controller c = INIT_MEMORY; c <= INIT_PIDS; c++) {
		uint32_t these = 1u << c;

		if (has & these || !find_own(self, mounts, names[c], path))
			continue;
		/* both may be in one hierarchy */
		if (c == INIT_MEMORY && !(has & 1u << INIT_PIDS) &&
		    find_own(self, mounts, names[INIT_PIDS], other) && strcmp(path, other) == 0)
			these |= 1u << INIT_PIDS;
		add_tree(l, path, these);
		has |= these;
	}
}

static const struct init_tree *tree_with(const struct init_limits *l, enum init_controller which)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->trees[i].has & 1u << which)
			return &l->trees[i];
	return NULL;
}

static bool has_swap(void)
{
	char text[4096];
	long n = tt_file_read("/proc/swaps", text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return n < 0 ? n != -ENOENT : *next_line(text) != '\0';
}

static int limit_memory(const struct init_tree *t, const char *text)
{
	int r;

	if (!t->v2) {
		r = init_write_text(t->workload, "memory.limit_in_bytes", text);
		if (r == 0)
			r = init_write_text(t->workload, "memory.memsw.limit_in_bytes", text);
	} else {
		r = init_write_text(t->workload, "memory.max", text);
		if (r == 0)
			r = init_write_text(t->workload, "memory.swap.max", "0");
	}
	/* kernels that do not count swap lack that file */
	return r == -ENOENT && !has_swap() &&
			       faccessat(t->workload,
					 t->v2 ? "memory.max" : "memory.limit_in_bytes", F_OK,
					 0) == 0
		       ? 0
		       : r;
}

static int limit(const struct init_limits *l, enum init_controller which, uint64_t v)
{
	const struct init_tree *t = tree_with(l, which);

	if (!t)
		return -EOPNOTSUPP;
	return which == INIT_MEMORY
		       ? limit_memory(t, init_digits((int64_t)v))
		       : init_write_text(t->workload, "pids.max", init_digits((int64_t)v));
}

/*
 * In a guest some memory and some process numbers are kept from the workload, unless told
 * otherwise.
 */
static uint64_t usual_memory(void)
{
	struct sysinfo si;
	uint64_t all, reserve;

	if (sysinfo(&si) < 0)
		return INIT_UNLIMITED;
	all = (uint64_t)si.totalram * si.mem_unit;
	reserve = all / 16 < RESERVE_MIN ? RESERVE_MIN : all / 16;
	return all > 2 * reserve ? all - reserve : all / 2;
}

static uint64_t read_sysctl(const char *path)
{
	char text[32];
	long n = tt_file_read(path, text, sizeof(text));
	uint64_t v = 0;

	for (long i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(text[i] - '0');
	return v ? v : UINT64_MAX;
}

static uint64_t usual_pids(void)
{
	uint64_t threads = read_sysctl("/proc/sys/kernel/threads-max"),
		 pids = read_sysctl("/proc/sys/kernel/pid_max");
	uint64_t least = threads < pids ? threads : pids;

	return least == UINT64_MAX ? INIT_UNLIMITED : least / 2;
}

int init_limits_make(struct init_limits *l, const struct init_settings *s)
{
	uint64_t limits[] = {[INIT_MEMORY] = s->memory, [INIT_PIDS] = s->pids};
	int r;

	memset(l, 0, sizeof(*l));
	if (limits[INIT_MEMORY] == INIT_UNSET)
		limits[INIT_MEMORY] = s->cell ? INIT_UNLIMITED : usual_memory();
	if (limits[INIT_PIDS] == INIT_UNSET)
		limits[INIT_PIDS] = s->cell ? INIT_UNLIMITED : usual_pids();
	if (limits[INIT_MEMORY] == INIT_UNLIMITED && limits[INIT_PIDS] == INIT_UNLIMITED)
		return 0;
	make_trees(l);
	for (enum init_controller c = INIT_MEMORY; c <= INIT_PIDS; c++) {
		bool asked = (c == INIT_MEMORY ? s->memory : s->pids) != INIT_UNSET;

		r = limits[c] == INIT_UNLIMITED ? 0 : limit(l, c, limits[c]);
		if (r == 0)
			continue;
		init_say("the limit on ", names[c], " cannot be set: ",
			 r == -EOPNOTSUPP ? "there is no control group for it" : strerror(-r),
			 NULL);
		if (asked && !s->limit_degrade) {
			init_limits_remove(l);
			return -1;
		}
	}
	return 0;
}

int init_limits_enter(const struct init_limits *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		int r = init_write_text(l->trees[i].workload, "cgroup.procs", "0");

		if (r < 0)
			return r;
	}
	return 0;
}

/* The number behind a name at the beginning of a line. */
static uint64_t read_count(const struct init_tree *t, const char *file, const char *name)
{
	char text[1024];
	size_t len = strlen(name);
	uint64_t v = 0;

	if (!t || read_text(t->workload, file, text, sizeof(text)) < 0)
		return 0;
	for (const char *line = text; *line; line = next_line(line))
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			for (line += len + 1; *line >= '0' && *line <= '9'; line++)
				v = v * 10 + (uint64_t)(*line - '0');
	return v;
}

void init_limits_report(const struct init_limits *l)
{
	const struct init_tree *memory = tree_with(l, INIT_MEMORY), *pids = tree_with(l, INIT_PIDS);
	uint64_t kills = read_count(
		memory, memory && memory->v2 ? "memory.events" : "memory.oom_control", "oom_kill");
	uint64_t refused = read_count(pids, "pids.events", "max");

	if (kills)
		init_say("the limit on memory was hit: the kernel killed ",
			 init_digits((int64_t)kills), kills == 1 ? " process" : " processes", NULL);
	if (refused)
		init_say("the limit on pids was hit: ", init_digits((int64_t)refused),
			 refused == 1 ? " process was" : " processes were", " refused", NULL);
}

void init_limits_remove(struct init_limits *l)
{
	while (l->count)
		undo_tree(&l->trees[--l->count]);
}
