/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the kernel's types that the programs read, by name: where each field lies is found
 * when they are loaded, from the running kernel's BTF (CO-RE). No other field is here, and no order
 * is meant.
 */
#ifndef TT_BPF_CORE_TYPES_H
#define TT_BPF_CORE_TYPES_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef signed short __s16;
typedef signed int __s32;
typedef signed long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

/*
 * Fixed: as every kernel lays them out that we know, and each is read whole. A type that is looked
 * up costs each start of the sensor a search through all the kernel's types, or many: the kernel
 * remembers what it found in 31 places by a hash of the name, and two that share a place push each
 * other out.
 */
struct qstr {
	__u32 hash, len;
	const unsigned char *name;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	__u64 regs[31];
	__u64 sp, pc, pstate;
	__u64 orig_x0;
	int syscallno;
};
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	unsigned int val;
} kuid_t;

typedef struct {
	unsigned int val;
} kgid_t;

struct super_block {
	__u32 s_dev;
};

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	void *mnt_ns;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};

struct files_struct {
	struct fdtable *fdt;
};

struct fs_struct {
	struct path root, pwd;
};

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct file *vm_file;
};

struct mm_struct {
	unsigned long arg_start, arg_end;
	struct file *exe_file;
};

struct upid {
	int nr;
	void *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct task_io_accounting {
	__u64 rchar, wchar, syscr, syscw;
};

struct cred {
	kuid_t uid, euid;
	kgid_t gid, egid;
};

struct signal_struct {
	atomic_t live;
	int group_exit_code, nr_threads;
	unsigned int flags;
	__u64 utime, stime;
	unsigned long nvcsw, nivcsw, min_flt, maj_flt, maxrss;
	struct task_io_accounting ioac;
	unsigned long long sum_sched_runtime;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct thread_info {
	__u32 status;
};

struct seccomp {
	int mode;
};

struct bpf_local_storage;

struct task_struct {
	struct thread_info thread_info;
	struct sched_entity se;
	struct mm_struct *mm;
	int exit_code;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	struct pid *thread_pid;
	__u64 utime, stime;
	unsigned long nvcsw, nivcsw;
	__u64 start_time, start_boottime;
	unsigned long min_flt, maj_flt;
	const struct cred *cred;
	char comm[16];
	struct fs_struct *fs;
	struct files_struct *files;
	struct signal_struct *signal;
	struct task_io_accounting ioac;
	struct seccomp seccomp;
	struct bpf_local_storage *bpf_storage;
};

struct pid_namespace {
	struct task_struct *child_reaper;
};

struct bpf_iter__task {
	struct task_struct *task;
};

struct linux_binprm {
	unsigned int secureexec : 1;
	struct file *file;
	const char *filename;
};

struct user_namespace;

struct sock_common {
	__be16 skc_dport;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
};

struct socket {
	struct sock *sk;
};

struct io_cqe {
	__s32 res;
	int fd;
};

struct io_kiocb {
	__u8 opcode;
	__u32 flags; /* the lower half, where it has two */
	struct io_cqe cqe;
	void *async_data;
};

struct sockaddr_storage {
	unsigned short ss_family;
};

struct msghdr {
	void *msg_name;
	int msg_namelen;
};

struct io_async_msghdr {
	struct msghdr msg;
	struct sockaddr_storage addr;
};

struct io_sr_msg {
	int len;
	unsigned int msg_flags;
};

#pragma clang attribute pop

/* Not of the kernel's memory: as user space lays them out. */
struct user_iovec {
	void *base;
	unsigned long len;
};

struct user_msghdr {
	void *msg_name;
	int msg_namelen;
	struct user_iovec *msg_iov;
	unsigned long msg_iovlen;
	void *msg_control;
	unsigned long msg_controllen;
	unsigned int msg_flags;
};

struct user_mmsghdr {
	struct user_msghdr msg;
	unsigned int len;
};

#endif
