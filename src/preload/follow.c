/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking the next program along: what environment does it get.
 *
 * A program that cannot load this library must get exactly what the caller passes: ld.so would
 * complain about our library on its stderr, or musl's refuse to start.
 */
#include "preload/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/program.h"

static const char *path_variable(void)
{
	extern char **environ;

	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, "PATH=", 5) == 0)
			return *e + 5;
	return NULL;
}

/* @ret_file: the path that will be exec'd; @found: room for it, EVENT_PATH_MAX / 4 bytes */
static bool can_follow(int dirfd, const char *file, bool search, char *found,
		       struct tt_program *ret, const char **ret_file)
{
	if (pl_process.inherit_only || !pl_can_read_text(file))
		return false;
	if (search && !strchr(file, '/')) {
		if (!tt_program_search(file, path_variable(), found, EVENT_PATH_MAX / 4))
			return false;
		file = found;
	}
	pl_program_look(dirfd, file, ret);
	/*
	 * A script without "#!": the functions that search PATH hand it to /bin/sh when the kernel
	 * will not have it.
	 */
	if (search && ret->kind == TT_PROGRAM_OTHER) {
		file = "/bin/sh";
		pl_program_look(dirfd, file, ret);
	}
	*ret_file = file;
	return ret->libc != TT_PROGRAM_FOREIGN;
}

/* In a vfork child it is noted: where the exec works out, only the parent can give it back. */
static void *scratch_map(size_t size)
{
	unsigned i = 0;
	long map;

	while (pl_thread.in_vfork && pl_thread.scratch[i].at)
		if (++i == sizeof(pl_thread.scratch) / sizeof(pl_thread.scratch[0]))
			return NULL; /* a signal handler that execs while this child does */
	map = tt_sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (map < 0 && map > -4096)
		return NULL;
	if (pl_thread.in_vfork) {
		pl_thread.scratch[i].at = (void *)map;
		pl_thread.scratch[i].size = size;
	}
	return (void *)map;
}

static void scratch_unmap(void *at, size_t size)
{
	if (!at)
		return;
	(void)tt_sys2(SYS_munmap, at, size);
	for (unsigned i = 0; i < sizeof(pl_thread.scratch) / sizeof(pl_thread.scratch[0]); i++)
		if (pl_thread.scratch[i].at == at)
			pl_thread.scratch[i].at = NULL;
}

void pl_scratch_free(void)
{
	for (unsigned i = 0; i < sizeof(pl_thread.scratch) / sizeof(pl_thread.scratch[0]); i++)
		scratch_unmap(pl_thread.scratch[i].at, pl_thread.scratch[i].size);
}

/*
 * Most processes start one program at a time: a room that stays spares them mapping one, and its
 * pages. A vfork child goes without: it would never give it back. Nor does one whom a signal
 * handler jumps out of.
 */
static struct pl_room usual_room;
static uint32_t usual_room_taken;

static struct pl_room *take_room(void)
{
	if (!pl_thread.in_vfork && !__atomic_exchange_n(&usual_room_taken, 1, __ATOMIC_ACQUIRE))
		return &usual_room;
	return scratch_map(sizeof(struct pl_room));
}

static void give_room(struct pl_room *r)
{
	if (r == &usual_room)
		__atomic_store_n(&usual_room_taken, 0, __ATOMIC_RELEASE);
	else
		scratch_unmap(r, sizeof(*r));
}

/* It was ours a moment ago where it is lent; much may have happened until it is taken back. */
static void set_inherited(bool inherited)
{
	if (inherited || pl_ring_is_ours())
		(void)tt_sys3(SYS_fcntl, pl_process.ring_fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

/* false: held for too long, by the very thread that a signal handler interrupted */
static bool lock_spawning(void)
{
	for (int i = 0; i < 1000; i++) {
		if (!__atomic_exchange_n(&pl_process.spawning_lock, 1, __ATOMIC_ACQUIRE))
			return true;
		(void)tt_sys0(SYS_sched_yield);
	}
	return false;
}

static void unlock_spawning(bool locked)
{
	if (locked)
		__atomic_store_n(&pl_process.spawning_lock, 0, __ATOMIC_RELEASE);
}

/* A vfork child of our making, or one made past us: it has another pid than this image. */
static bool counts_spawning(void)
{
	return !pl_thread.in_vfork && (int32_t)tt_sys0(SYS_getpid) == pl_process.image.pid;
}

/*
 * The ring fd is inherited by the program about to start. Threads that start programs at the same
 * time share one fd table, so they are counted, and count and flag change together; a vfork child
 * has a table of its own, but its parent's memory: it must not count.
 */
static void lend_ring_fd(struct pl_follow *f)
{
	bool locked;

	f->counted = counts_spawning();
	if (!f->counted) {
		set_inherited(true);
		return;
	}
	locked = lock_spawning();
	if (__atomic_fetch_add(&pl_process.spawning, 1, __ATOMIC_ACQ_REL) == 0 || !locked)
		set_inherited(true);
	unlock_spawning(locked);
}

static void take_ring_fd_back(const struct pl_follow *f)
{
	bool locked;

	if (!f->counted) {
		set_inherited(false);
		return;
	}
	locked = lock_spawning();
	if (__atomic_sub_fetch(&pl_process.spawning, 1, __ATOMIC_ACQ_REL) == 0)
		set_inherited(false);
	unlock_spawning(locked);
}

/* @room: where the environment is put if not in @f */
static void prepare(struct pl_follow *f, int dirfd, const char *file, bool search,
		    char *const *envp, const struct tt_uuid *parent, void *(*room)(size_t size))
{
	struct contract c = pl_process.contract;
	struct pl_room *r = take_room();
	void *buf;
	size_t size;

	envp = pl_shell_environ(envp);
	f->envp = envp;
	f->follows = f->lent = false;
	f->env = NULL;
	f->room = r;
	if (!r)
		return;
	/* the program may have closed it without asking libc: the recorder has another */
	if (pl_process.mode == PL_RING && !pl_ring_is_ours())
		c.ring_fd = -1;
	if (pl_process.mode == PL_RING && c.ring_fd < 0 && !c.ring_socket[0])
		return;
	/* what cannot be read is the kernel's to refuse */
	if (!can_follow(dirfd, file, search, r->found, &r->program, &file) ||
	    (envp && !pl_can_read_texts(envp)) ||
	    !event_contract_for_program(&c, &r->program, r->library, sizeof(r->library)))
		return;
	/* a relative path may be meant from elsewhere: posix_spawn can change the folder */
	if (file[0] == '/' && r->program.exe[0]) {
		c.exe = r->program.exe;
		c.exe_of = event_contract_hash(file);
	}
	pl_span_text(f->parent, parent);
	c.value[CONTRACT_PARENT_SPAN] = f->parent;
	c.other_root = pl_image_now()->other_root;
	/* an exec takes the counts along; a child leaves them to its parent */
	if (pl_process.mode == PL_DIRECT && parent == &pl_process.image.span)
		c.log_mark |= pl_log_unsaid();
	size = event_contract_env_size(&c, envp);
	if (room) {
		buf = room(size);
	} else if (size > sizeof(r->env)) {
		buf = f->env = scratch_map(size);
		f->env_size = size;
	} else {
		buf = r->env;
	}
	if (!buf)
		return;
	f->envp = event_contract_env_build(&c, envp, buf);
	f->follows = f->envp != envp;
	f->lent = f->follows && pl_process.mode == PL_RING && c.ring_fd >= 0;
	if (f->lent)
		lend_ring_fd(f);
}

void pl_follow_prepare(struct pl_follow *f, int dirfd, const char *file, bool search,
		       char *const *envp, const struct tt_uuid *parent)
{
	prepare(f, dirfd, file, search, envp, parent, NULL);
}

void pl_follow_prepare_shell(struct pl_follow *f, char *const *envp, const struct tt_uuid *parent,
			     void *(*room)(size_t size))
{
	prepare(f, AT_FDCWD, "/bin/sh", false, envp, parent, room);
}

void pl_follow_withdraw(struct pl_follow *f)
{
	if (f->lent)
		take_ring_fd_back(f);
	f->lent = f->follows = false;
}

void pl_follow_done(struct pl_follow *f)
{
	pl_follow_withdraw(f);
	scratch_unmap(f->env, f->env_size);
	give_room(f->room);
	f->env = NULL;
	f->room = NULL;
}

void pl_follow_argv(struct pl_call *c, unsigned i, char *const *argv, struct pl_follow *f)
{
	pl_arg_argv(c, i, argv, f->room ? f->room->argv : NULL,
		    f->room ? sizeof(f->room->argv) : 0);
}
