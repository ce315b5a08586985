/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path as the kernel's own tree of names has it, up to the root of the mount namespace. Put
 * together from its end, name by name; bpf_d_path() is not for tracepoints.
 */
#ifndef TT_BPF_PATH_H
#define TT_BPF_PATH_H

#include "bpf/state.h"

#define NAMES_MAX 512 /* of one path; each crossing of a mount takes a step, too */

struct walk {
	struct dentry *dentry;
	struct mount *mount;
	char *buf;
	__u32 at; /* where the path begins in buf */
	__u32 whole;
};

static long walk_step(__u32 i, void *arg)
{
	struct walk *w = arg;
	struct dentry *dentry = w->dentry, *parent = BPF_CORE_READ(dentry, d_parent);
	struct mount *mount = w->mount;
	const unsigned char *name;
	__u32 len;

	if (dentry == parent || dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
		struct mount *up = BPF_CORE_READ(mount, mnt_parent);

		if (up == mount || !up) {
			w->whole = 1;
			return 1;
		}
		w->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		w->mount = up;
		return 0;
	}
	len = BPF_CORE_READ(dentry, d_name.len);
	name = BPF_CORE_READ(dentry, d_name.name);
	if (len > 255 || w->at < len + 1 || w->at > PATH_ROOM)
		return 1;
	w->at -= len;
	if (bpf_probe_read_kernel(w->buf + (w->at & (PATH_ROOM - 1)), len & 255, name) < 0)
		return 1;
	w->at -= 1;
	w->buf[w->at & (PATH_ROOM - 1)] = '/';
	w->dentry = parent;
	return 0;
}

/*
 * path_put - a path behind what lies in a room
 * @mount, @dentry: of a struct path of the kernel's
 * Returns its length; 0 if it could not be told whole: in part it would be another path. Not
 * static: the verifier looks at it once, and not where it is called.
 */
__noinline int path_put(__u32 which, __u64 mount, __u64 dentry)
{
	struct room *room = room_of(which);
	struct walk w = {.at = PATH_ROOM - 1};
	__u32 len, to;

	if (!room || !mount || !dentry)
		return 0;
	w.dentry = (struct dentry *)dentry;
	w.mount = (struct mount *)(mount - bpf_core_field_offset(struct mount, mnt));
	w.buf = room->path;
	bpf_loop(NAMES_MAX, walk_step, &w, 0);
	if (!w.whole)
		return 0;
	if (w.at == PATH_ROOM - 1) {
		w.at--;
		room->path[PATH_ROOM - 2] = '/';
	}
	len = (PATH_ROOM - 1 - w.at) & (PATH_ROOM - 1);
	to = room->at & (DATA_ROOM - 1);
	if (bpf_probe_read_kernel(room->data + to, len, room->path + (w.at & (PATH_ROOM - 1))) < 0)
		return 0;
	room->at = to + len;
	return len;
}

#endif
