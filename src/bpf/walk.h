/* SPDX-License-Identifier: Apache-2.0 */
/* From a name of the kernel's tree up to its root, one step of bpf_loop() for each name. */
#ifndef TT_BPF_WALK_H
#define TT_BPF_WALK_H

#include "bpf/core_types.h"

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define PATH_ROOM  4096
#define NAMES_MAX  2112 /* of one path: as many as fit; each crossing of a mount is a step, too */
#define LAST_ERROR ((__u64)-4096)

struct walk {
	__u64 dentry, mount, mount_root;
	__u64 root_dentry, root_mount; /* the end; 0: the root of the mount namespace is */
	char *buf;                     /* of PATH_ROOM + 256 bytes */
	__u32 at;                      /* where the path begins in buf */
	__u32 whole;
};

/* At the root of a mount: on from where it is mounted, if it is. */
static __always_inline long walk_up(struct walk *w)
{
	struct mount *mount = (struct mount *)w->mount;
	struct mount *up = BPF_CORE_READ(mount, mnt_parent);
	__u64 ns;

	if (up == mount) {
		/* of no namespace: the kernel's own, or taken away meanwhile */
		ns = (__u64)BPF_CORE_READ(mount, mnt_ns);
		w->whole = ns && ns < LAST_ERROR;
		return 1;
	}
	w->dentry = (__u64)BPF_CORE_READ(mount, mnt_mountpoint);
	w->mount = (__u64)up;
	w->mount_root = (__u64)BPF_CORE_READ(up, mnt.mnt_root);
	return 0;
}

static long walk_step(__u32 i, void *arg)
{
	struct walk *w = arg;
	struct dentry *dentry = (struct dentry *)w->dentry, *parent;
	struct qstr name;

	if (w->dentry == w->root_dentry && w->mount == w->root_mount) {
		w->whole = 1;
		return 1;
	}
	if (w->dentry == w->mount_root)
		return walk_up(w);
	parent = BPF_CORE_READ(dentry, d_parent);
	if (parent == dentry || bpf_core_read(&name, sizeof(name), &dentry->d_name) < 0 ||
	    name.len > 255 || w->at < name.len + 1 || w->at > PATH_ROOM)
		return 1;
	w->at -= name.len;
	if (bpf_probe_read_kernel(w->buf + (w->at & (PATH_ROOM - 1)), name.len & 255, name.name) <
	    0)
		return 1;
	w->at -= 1;
	w->buf[w->at & (PATH_ROOM - 1)] = '/';
	w->dentry = (__u64)parent;
	return 0;
}

#endif
