/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking the next program along: what environment does it get.
 *
 * A program that cannot load this library must get exactly what the caller passes: ld.so would complain about our
 * library on its stderr, or musl's refuse to start.
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

/* A script without "#!": the functions that search PATH hand it to /bin/sh when the kernel will not have it. */
static bool is_for_shell(const char *file)
{
	char head[4] = {0};
	long fd = tt_sys4(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0), n;

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

	if ((uintptr_t)file < 4096 || pl_process.inherit_only || !lib)
		return false;
	if (search && !strchr(file, '/')) {
		if (!tt_program_search(file, path_variable(), found, sizeof(found)))
			return false;
		file = found;
	}
	if (search && is_for_shell(file))
		file = "/bin/sh";
	/* chroot, another mount namespace, a uid that may not read our folder */
	return tt_program_loads(dirfd, file) && tt_sys3(SYS_faccessat, AT_FDCWD, lib, 4 /* R_OK */) == 0;
}

static void *scratch_map(size_t size)
{
	long map = tt_sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

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

/*
 * The ring fd is inherited by the program about to start. Threads that start programs at the same time share one fd
 * table, so they are counted; a vfork child has a table of its own, but its parent's memory: it must not count.
 */
static void lend_ring_fd(void)
{
	if (!pl_thread.in_vfork && __atomic_fetch_add(&pl_process.spawning, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (pl_ring_is_ours())
		(void)tt_sys3(SYS_fcntl, pl_process.ring_fd, F_SETFD, 0);
}

static void take_ring_fd_back(void)
{
	if (!pl_thread.in_vfork && __atomic_sub_fetch(&pl_process.spawning, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (pl_ring_is_ours())
		(void)tt_sys3(SYS_fcntl, pl_process.ring_fd, F_SETFD, FD_CLOEXEC);
}

void pl_follow_prepare(struct pl_follow *f, int dirfd, const char *file, bool search, char *const *envp,
		       const struct tt_uuid *parent)
{
	struct contract c = pl_process.contract;
	void *buf = f->buf;
	size_t size;

	f->envp = envp;
	f->follows = f->mapped = false;
	if (!can_follow(dirfd, file, search))
		return;
	pl_span_text(f->parent, parent);
	c.value[CONTRACT_PARENT_SPAN] = f->parent;
	size = event_contract_env_size(&c, envp);
	if (size > sizeof(f->buf)) {
		buf = pl_thread.scratch ? NULL : scratch_map(size);
		f->mapped = buf != NULL;
	}
	if (!buf)
		return; /* a signal handler that execs while this thread does, with a vast environment */
	f->envp = event_contract_env_build(&c, envp, buf);
	f->follows = f->envp != envp;
	if (f->follows && pl_process.mode == PL_RING)
		lend_ring_fd();
}

void pl_follow_done(struct pl_follow *f)
{
	if (f->follows && pl_process.mode == PL_RING)
		take_ring_fd_back();
	if (f->mapped)
		pl_scratch_free();
}
