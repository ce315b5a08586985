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

/*
 * A script without "#!": the functions that search PATH hand it to /bin/sh when the kernel will not
 * have it.
 */
static bool is_for_shell(const char *file)
{
	char head[4] = {0};
	long fd = tt_sys4(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			  0),
	     n;

	if (fd < 0)
		return false;
	n = tt_sys4(SYS_pread64, fd, head, sizeof(head), 0);
	(void)tt_sys1(SYS_close, fd);
	return n >= 0 && memcmp(head, "#!", 2) != 0 && memcmp(head, "\177ELF", 4) != 0;
}

static bool can_follow(int dirfd, const char *file, bool search)
{
	const char *lib = pl_process.contract.value[CONTRACT_LD_PRELOAD];
	char found[EVENT_PATH_MAX / 4];

	if (pl_process.inherit_only || !lib || !pl_can_read_text(file))
		return false;
	if (search && !strchr(file, '/')) {
		if (!tt_program_search(file, path_variable(), found, sizeof(found)))
			return false;
		file = found;
	}
	if (search && is_for_shell(file))
		file = "/bin/sh";
	/* chroot, another mount namespace, a uid that may not read our folder */
	return tt_program_loads(dirfd, file) &&
	       tt_sys3(SYS_faccessat, AT_FDCWD, lib, 4 /* R_OK */) == 0;
}

static void *scratch_map(size_t size)
{
	long map = tt_sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map < 0 && map > -4096)
		return NULL;
	pl_thread.scratch = (void *)map;
	pl_thread.scratch_size = size;
	return (void *)map;
}

void pl_scratch_free(void)
{
	if (pl_thread.scratch)
		(void)tt_sys2(SYS_munmap, pl_thread.scratch, pl_thread.scratch_size);
	pl_thread.scratch = NULL;
}

static void set_inherited(bool inherited)
{
	if (pl_ring_is_ours())
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

/*
 * The ring fd is inherited by the program about to start. Threads that start programs at the same
 * time share one fd table, so they are counted, and count and flag change together; a vfork child
 * has a table of its own, but its parent's memory: it must not count.
 */
static void lend_ring_fd(void)
{
	bool locked;

	if (pl_thread.in_vfork) {
		set_inherited(true);
		return;
	}
	locked = lock_spawning();
	if (__atomic_fetch_add(&pl_process.spawning, 1, __ATOMIC_ACQ_REL) == 0 || !locked)
		set_inherited(true);
	unlock_spawning(locked);
}

static void take_ring_fd_back(void)
{
	bool locked;

	if (pl_thread.in_vfork) {
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
	void *buf = f->buf;
	size_t size;

	envp = pl_shell_environ(envp);
	f->envp = envp;
	f->follows = f->mapped = false;
	/* what cannot be read is the kernel's to refuse */
	if (!can_follow(dirfd, file, search) || (envp && !pl_can_read_texts(envp)))
		return;
	pl_span_text(f->parent, parent);
	c.value[CONTRACT_PARENT_SPAN] = f->parent;
	size = event_contract_env_size(&c, envp);
	if (room) {
		buf = room(size);
	} else if (size > sizeof(f->buf)) {
		buf = pl_thread.scratch ? NULL : scratch_map(size);
		f->mapped = buf != NULL;
	}
	if (!buf)
		/* a signal handler that execs while this thread does, with a vast environment */
		return;
	f->envp = event_contract_env_build(&c, envp, buf);
	f->follows = f->envp != envp;
	if (f->follows && pl_process.mode == PL_RING)
		lend_ring_fd();
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

void pl_follow_done(struct pl_follow *f)
{
	if (f->follows && pl_process.mode == PL_RING)
		take_ring_fd_back();
	if (f->mapped)
		pl_scratch_free();
}
