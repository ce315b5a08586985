/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path as the kernel's own tree of names has it, up to the root of the mount namespace. Put
 * together from its end, name by name; bpf_d_path() is not for tracepoints.
 */
#ifndef TT_BPF_PATH_H
#define TT_BPF_PATH_H

#include "bpf/state.h"
#include "bpf/walk.h"

/*
 * path_put - a path behind what lies in a room
 * @mount, @dentry: of a struct path of the kernel's
 * Returns its length; 0 if it could not be told whole: in part it would be another path. So it is
 * with what has no name any more. Not static: the verifier looks at it once and not where it is
 * called.
 */
__noinline int path_put(__u32 which, __u64 mount, __u64 dentry)
{
	struct room *room = room_of(which);
	struct walk w = {.at = PATH_ROOM - 1, .root_dentry = root_dentry, .root_mount = root_mount};
	struct dentry *last = (struct dentry *)dentry;
	struct mount *from;
	__u32 len, to;

	if (!room || !mount || !dentry || room->at > DATA_ROOM - SENSOR_TEXT_MAX)
		return 0;
	from = (struct mount *)(mount - bpf_core_field_offset(struct mount, mnt));
	w.dentry = dentry;
	w.mount = (__u64)from;
	w.mount_root = (__u64)BPF_CORE_READ(from, mnt.mnt_root);
	w.buf = room->path;
	if (dentry != w.mount_root && !BPF_CORE_READ(last, d_hash.pprev))
		return 0;
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

/* The file behind an fd of the calling task, or NULL. */
static __always_inline struct file *file_of(struct task_struct *t, long fd)
{
	struct fdtable table, *from = NULL;
	struct file *f = NULL;

	bpf_probe_read_kernel(&from, sizeof(from), (void *)BPF_CORE_READ(t, files) + fdt_at);
	if (bpf_probe_read_kernel(&table, sizeof(table), from) < 0 || fd < 0 || fd >= table.max_fds)
		return NULL;
	bpf_probe_read_kernel(&f, sizeof(f), table.fd + fd);
	return f;
}

#endif
