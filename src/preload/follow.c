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
	if (f->follows && pl_process.mode == PL_RING &&
	    __atomic_fetch_add(&pl_process.spawning, 1, __ATOMIC_ACQ_REL) == 0 && pl_ring_is_ours())
		(void)tt_sys3(SYS_fcntl, pl_process.ring_fd, F_SETFD, 0);
}

void pl_follow_done(struct pl_follow *f)
{
	if (f->follows && pl_process.mode == PL_RING &&
	    __atomic_sub_fetch(&pl_process.spawning, 1, __ATOMIC_ACQ_REL) == 0 && pl_ring_is_ours())
		(void)tt_sys3(SYS_fcntl, pl_process.ring_fd, F_SETFD, FD_CLOEXEC);
	if (f->mapped)
		pl_scratch_free();
}
