/* SPDX-License-Identifier: Apache-2.0 */
/* Who a process is and where it stands: identities, roots, mounts, namespaces. */
#include "preload/preload.h"
#include "preload/shapes.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <unistd.h>

#define CWD_KEPT 1024
#define DATA_MAX 4096 /* bytes of mount data that the kernel looks at */

/* Not in any header. */
int pivot_root(const char *new_root, const char *put_old);

#define DEFINE_ID(name, type)                         \
	TT_PUBLIC int name(type id)                   \
	{                                             \
		struct pl_call c;                     \
		int r;                                \
                                                      \
		if (!pl_enter(&c, EVENT_CALL_##name)) \
			return PL_NEXT(name)(id);     \
		pl_arg_num(&c, 0, id);                \
		pl_begin(&c);                         \
		r = PL_NEXT(name)(id);                \
		pl_end(&c, r, r < 0);                 \
		return r;                             \
	}

#define DEFINE_TWO_IDS(name, type)                             \
	TT_PUBLIC int name(type real, type effective)          \
	{                                                      \
		struct pl_call c;                              \
		int r;                                         \
                                                               \
		if (!pl_enter(&c, EVENT_CALL_##name))          \
			return PL_NEXT(name)(real, effective); \
		pl_arg_num(&c, 0, real);                       \
		pl_arg_num(&c, 1, effective);                  \
		pl_begin(&c);                                  \
		r = PL_NEXT(name)(real, effective);            \
		pl_end(&c, r, r < 0);                          \
		return r;                                      \
	}

#define DEFINE_THREE_IDS(name, type)                                  \
	TT_PUBLIC int name(type real, type effective, type saved)     \
	{                                                             \
		struct pl_call c;                                     \
		int r;                                                \
                                                                      \
		if (!pl_enter(&c, EVENT_CALL_##name))                 \
			return PL_NEXT(name)(real, effective, saved); \
		pl_arg_num(&c, 0, real);                              \
		pl_arg_num(&c, 1, effective);                         \
		pl_arg_num(&c, 2, saved);                             \
		pl_begin(&c);                                         \
		r = PL_NEXT(name)(real, effective, saved);            \
		pl_end(&c, r, r < 0);                                 \
		return r;                                             \
	}

/* They tell the id of before and never fail: -1 is an id here. */
#define DEFINE_FS_ID(name, type)                      \
	TT_PUBLIC int name(type id)                   \
	{                                             \
		struct pl_call c;                     \
		int r;                                \
                                                      \
		if (!pl_enter(&c, EVENT_CALL_##name)) \
			return PL_NEXT(name)(id);     \
		pl_arg_num(&c, 0, id);                \
		pl_begin(&c);                         \
		r = PL_NEXT(name)(id);                \
		pl_end(&c, (type)r, false);           \
		return r;                             \
	}

DEFINE_ID(setuid, uid_t)
DEFINE_ID(seteuid, uid_t)
DEFINE_ID(setgid, gid_t)
DEFINE_ID(setegid, gid_t)
DEFINE_TWO_IDS(setreuid, uid_t)
DEFINE_TWO_IDS(setregid, gid_t)
DEFINE_THREE_IDS(setresuid, uid_t)
DEFINE_THREE_IDS(setresgid, gid_t)
DEFINE_FS_ID(setfsuid, uid_t)
DEFINE_FS_ID(setfsgid, gid_t)

/* What paths mean depends on these calls: they are recorded with the files, too. */
static bool enter_root(struct pl_call *c, enum event_call call)
{
	if (pl_enter(c, call))
		return true;
	if (!(pl_process.families & 1u << EVENT_FAMILY_FILE))
		return false;
	c->call = (uint8_t)call;
	c->argc = (uint8_t)event_call_argc(call);
	c->depth = PL_OPEN_MAX;
	c->rec = NULL;
	c->flags = 0;
	c->quiet = false;
	return true;
}

/*
 * A root that moves takes the cwd along, at times: where nobody follows it, it is looked up before.
 */
static size_t look_up_cwd(struct pl_call *c, unsigned i, char cwd[CWD_KEPT])
{
	bool looks = pl_process.mode == PL_DIRECT && !pl_image_now()->other_root;
	long n = looks ? tt_sys2(SYS_getcwd, cwd, CWD_KEPT) : 0;

	pl_arg_room(c, i, looks ? CWD_KEPT : 0);
	return n > 1 && cwd[0] == '/' ? (size_t)n - 1 : 0;
}

static int end_root(struct pl_call *c, unsigned i, const char *cwd, size_t len, int r)
{
	if (len)
		pl_out(c, i, cwd, len);
	pl_end(c, r, r < 0);
	return r;
}

int pl_chroot(const char *path, bool raw)
{
	char cwd[CWD_KEPT];
	struct pl_call c;
	size_t len;
	int r;

	if (!enter_root(&c, EVENT_CALL_chroot))
		return PL_NEXT(chroot)(path);
	pl_arg_text(&c, 0, path);
	len = look_up_cwd(&c, 1, cwd);
	pl_begin(&c);
	pl_mark_raw(&c, raw);
	r = end_root(&c, 1, cwd, len, PL_NEXT(chroot)(path));
	if (r == 0 && strcmp(path, "/") != 0)
		pl_image_now()->other_root = true;
	return r;
}

TT_PUBLIC int chroot(const char *path)
{
	return pl_chroot(path, false);
}

int pl_pivot_root(const char *new_root, const char *put_old, bool raw)
{
	char cwd[CWD_KEPT];
	struct pl_call c;
	size_t len;
	int r;

	if (!enter_root(&c, EVENT_CALL_pivot_root))
		return PL_NEXT(pivot_root)(new_root, put_old);
	pl_arg_text(&c, 0, new_root);
	pl_arg_text(&c, 1, put_old);
	len = look_up_cwd(&c, 2, cwd);
	pl_begin(&c);
	pl_mark_raw(&c, raw);
	r = end_root(&c, 2, cwd, len, PL_NEXT(pivot_root)(new_root, put_old));
	if (r == 0)
		pl_image_now()->other_root = true;
	return r;
}

TT_PUBLIC int pivot_root(const char *new_root, const char *put_old)
{
	return pl_pivot_root(new_root, put_old, false);
}

int pl_setns(int fd, int type, bool raw)
{
	struct pl_call c;
	int r;

	if (!enter_root(&c, EVENT_CALL_setns))
		return PL_NEXT(setns)(fd, type);
	pl_arg_fd(&c, 0, fd);
	pl_arg_num(&c, 1, type);
	pl_begin(&c);
	pl_mark_raw(&c, raw);
	r = PL_NEXT(setns)(fd, type);
	pl_end(&c, r, r < 0);
	/* type 0 takes any namespace, and one of mounts has its own root */
	if (r == 0 && (!type || (type & CLONE_NEWNS)))
		pl_image_now()->other_root = true;
	return r;
}

TT_PUBLIC int setns(int fd, int type)
{
	return pl_setns(fd, type, false);
}

/* Of the data no more than its length: there are passwords in it. */
TT_PUBLIC int mount(const char *source, const char *target, const char *type, unsigned long flags,
		    const void *data)
{
	struct pl_call c;
	bool ends;
	int r;

	if (!pl_enter(&c, EVENT_CALL_mount))
		return PL_NEXT(mount)(source, target, type, flags, data);
	pl_arg_text(&c, 0, source);
	pl_arg_text(&c, 1, target);
	pl_arg_text(&c, 2, type);
	pl_arg_num(&c, 3, (int64_t)flags);
	pl_arg_num(&c, 4, (int64_t)pl_text_len(data, DATA_MAX, &ends));
	pl_begin(&c);
	r = PL_NEXT(mount)(source, target, type, flags, data);
	pl_end(&c, r, r < 0);
	return r;
}

DEFINE_PATH(umount)

TT_PUBLIC int umount2(const char *target, int flags)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_umount2))
		return PL_NEXT(umount2)(target, flags);
	pl_arg_text(&c, 0, target);
	pl_arg_num(&c, 1, flags);
	pl_begin(&c);
	r = PL_NEXT(umount2)(target, flags);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int unshare(int flags)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_unshare))
		return PL_NEXT(unshare)(flags);
	pl_arg_num(&c, 0, flags);
	pl_begin(&c);
	r = PL_NEXT(unshare)(flags);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int setgroups(size_t count, const gid_t *groups)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_setgroups))
		return PL_NEXT(setgroups)(count, groups);
	pl_arg_num(&c, 0, (int64_t)count);
	pl_begin(&c);
	r = PL_NEXT(setgroups)(count, groups);
	pl_end(&c, r, r < 0);
	return r;
}

TT_PUBLIC int initgroups(const char *user, gid_t gid)
{
	struct pl_call c;
	int r;

	if (!pl_enter(&c, EVENT_CALL_initgroups))
		return PL_NEXT(initgroups)(user, gid);
	pl_arg_text(&c, 0, user);
	pl_arg_num(&c, 1, gid);
	pl_begin(&c);
	r = PL_NEXT(initgroups)(user, gid);
	pl_end(&c, r, r < 0);
	return r;
}
