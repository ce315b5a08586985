# SPDX-License-Identifier: Apache-2.0
# For builds and tests. They may make processes and threads, write the folder they are started in, and talk among
# themselves over 127.0.0.1; memory, processes and time are limited.

summary "builds and tests: limited memory, processes and time, writes its folder only, no network"

namespaces mount pid ipc uts net cgroup
network loopback
no-new-privs yes

root read-only
mount dev /dev size=1G
mount proc /proc
mount tmpfs /tmp size=2G mode=1777 optional
mount tmpfs /var/tmp size=2G mode=1777 optional
# Sockets of daemons: a read-only mount does not stop connect(2) to /run/docker.sock.
mount tmpfs /run size=16M mode=0755 optional
mount write .
# Root of a user namespace, and root itself, could read these.
mount hide /etc/shadow optional
mount hide /etc/shadow- optional
mount hide /etc/gshadow optional
mount hide /etc/gshadow- optional
# More sockets of daemons that do as root what they are told.
mount hide /var/lib/lxd optional
mount hide /var/lib/incus optional
mount hide /var/snap/lxd optional

# Behind the mounts, which leave devices, FIFOs and files opened before.
landlock handle write scope
landlock write .
landlock write /dev optional
landlock write /tmp optional
landlock write /var/tmp optional
landlock write /run optional

limit memory 4G
limit pids 1024
limit wall 1h
limit cpu-time 1h

# Numbers that nobody here knows: as a kernel would answer that does not know them either.
default deny ENOSYS

allow @basic @file @process @identity @session @resources @network @ipc @aio @watch @sandbox
allow name_to_handle_at personality

# Known, and nobody's business here.
deny ENOSYS @obsolete
deny EPERM @mount @namespace @debug @ptrace @module @kexec @reboot @swap @clock-set @host-name @raw-io
deny EPERM @accounting @terminal @keyring @bpf @userfault
deny EPERM open_by_handle_at modify_ldt uselib migrate_pages move_pages fanotify_init fanotify_mark

# Run-time libraries try these and do without. What io_uring does passes by all rules. clone3 and openat2 have
# their flags in memory, where no rule can see them; ENOSYS makes every libc use clone and openat.
deny-quiet ENOSYS @io-uring clone3 openat2

# No namespaces within this one: they lend rights over much of the kernel.
deny EPERM clone when flags & \
	CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET != 0

# Sockets of files and of the internet's protocols, and asking for the addresses of one's own network (protocol 0).
deny EPERM socket
allow socket when domain == AF_UNIX
allow socket when domain == AF_INET
allow socket when domain == AF_INET6
allow socket when domain == AF_NETLINK and protocol == 0
deny EPERM socket when type & SOCK_TYPE_MASK == SOCK_RAW and domain != AF_NETLINK
deny EPERM socket when type & SOCK_TYPE_MASK == SOCK_PACKET
deny EPERM socketpair when domain != AF_UNIX

# Nothing that is set-user-id is left behind in the folder, which others may share.
deny EPERM chmod fchmod fchmodat fchmodat2 when mode & S_ISUID != 0
deny EPERM open openat when mode & S_ISUID != 0 and flags & O_CREAT != 0
deny EPERM open openat when mode & S_ISUID != 0 and flags & O_TMPFILE == O_TMPFILE
deny EPERM mknod mknodat when mode & S_ISUID != 0
deny EPERM creat when mode & S_ISUID != 0

# The command shares the caller's process group, for the terminal's sake: kill(0) and its like would reach out of
# the PID namespace to the recorder and the rest of a pipeline.
deny EPERM kill when pid == 0
deny EPERM setpriority when which == PRIO_PGRP
deny EPERM ioprio_set when which == IOPRIO_WHO_PGRP

# Typing into the caller's terminal.
deny EPERM ioctl when request == TIOCSTI
deny EPERM ioctl when request == TIOCLINUX
deny EPERM ioctl when request == TIOCSETD

# Weaker protections of memory. 0xffffffff only asks.
deny EPERM personality when persona & MMAP_PAGE_ZERO != 0 and persona != 0xffffffff
deny EPERM personality when persona & READ_IMPLIES_EXEC != 0 and persona != 0xffffffff
