# SPDX-License-Identifier: Apache-2.0
# For a pure computation. Any program of glibc or musl runs, static or dynamic; it has no network, makes no
# processes or threads, and what it writes is gone at its end.

summary "a pure computation: no network, no new processes, read-only root, private /tmp"

namespaces mount pid ipc uts net cgroup
network off
root read-only
mount dev /dev size=256M
mount tmpfs /tmp size=256M mode=1777 optional
mount tmpfs /var/tmp size=256M mode=1777 optional
mount proc /proc
# Root of a user namespace, and root itself, could read these.
mount hide /etc/shadow optional
mount hide /etc/shadow- optional
mount hide /etc/gshadow optional
mount hide /etc/gshadow- optional
no-new-privs yes

# Behind the read-only mounts, which leave devices, FIFOs and files opened before.
landlock handle write scope
landlock write /dev optional
landlock write /tmp optional
landlock write /var/tmp optional

# Numbers that nobody here knows: as a kernel would answer that does not know them either.
default deny ENOSYS

allow @basic @file @identity @session @resources @ipc @aio @watch @xattr-write @socket-io @sandbox
allow personality pidfd_open

deny ENOSYS @obsolete

# Known, and nobody's business here.
deny EPERM @mount @namespace @debug @ptrace @module @kexec @reboot @swap @clock-set @host-name @raw-io
deny EPERM @accounting @terminal @keyring @bpf @userfault @io-uring @file-handle
deny EPERM modify_ldt uselib migrate_pages move_pages fanotify_init fanotify_mark

# Processes and threads. clone3 passes its flags in memory, where no rule can see them; ENOSYS makes every libc
# fall back to clone. EPERM and not EAGAIN: shells retry EAGAIN for half a minute.
deny EPERM fork vfork clone
deny-quiet ENOSYS clone3

# No sockets, AF_UNIX included: a read-only mount does not stop connect(2) to a daemon's socket. glibc takes the
# refusal of a stream socket for "no nscd here" and reads /etc/passwd, so that one is quiet. A connected pair
# inside the process is harmless, but not the datagram kinds, which can be pointed elsewhere afterwards.
deny EPERM socket connect bind listen accept accept4
deny-quiet EPERM socket when domain == AF_UNIX
allow socketpair
deny EPERM socketpair when domain != AF_UNIX
deny EPERM socketpair when type & SOCK_TYPE_MASK == SOCK_DGRAM
deny EPERM socketpair when type & SOCK_TYPE_MASK == SOCK_RAW

# A file that the caller has open, as by ">out", lies on the caller's own mount, where its mode can be changed: with
# these bits it would be a program that lends the caller's rights to whoever starts it.
deny EPERM chmod fchmod fchmodat fchmodat2 when mode & S_ISUID|S_ISGID != 0

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
deny EPERM personality when persona & ADDR_NO_RANDOMIZE != 0 and persona != 0xffffffff
deny EPERM personality when persona & READ_IMPLIES_EXEC != 0 and persona != 0xffffffff
