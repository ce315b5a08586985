/* SPDX-License-Identifier: Apache-2.0 */
/* Prototypes of the system calls that profiles refuse, and their arguments as text. */
#include "recorder/denials_words.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "base/out.h"
#include "event/event.h"
#include "event/redact.h"
#include "event/text.h"

/*
 * One letter per argument, in the kernel's order:
 *
 *   d dirfd   f fd    p path or other text    a socket address, its size in the next argument
 *   i int     l long  u unsigned  x bits      * pointer to something that is not looked at
 *   q a number that chooses what the call does            Q ioctl request
 *   o open flags      m mode                  A AT_* flags      r renameat2 flags
 *   D socket domain   T socket type           P protocol, behind D and T
 *   C clone flags     N namespaces            M mount flags     U umount flags
 *   E memfd flags     S signal                X ptrace request  K accept4 flags
 *   J MSG_* flags     g uid or gid            c fcntl command   k device number
 */
#define CALL(name, layout) [SYS_##name] = (layout)
static const char layouts[KERNEL_CALLS_MAX][RECORDER_WORDS_MAX + 1] = {
	CALL(read, "f*u"),
	CALL(write, "f*u"),
	CALL(close, "f"),
	CALL(lseek, "fli"),
	CALL(openat, "dpom"),
	CALL(mkdirat, "dpm"),
	CALL(mknodat, "dpmk"),
	CALL(unlinkat, "dpA"),
	CALL(renameat2, "dpd*r"),
	CALL(linkat, "dpd*A"),
	CALL(symlinkat, "pd*"),
	CALL(readlinkat, "dp*u"),
	CALL(fchmodat, "dpm"),
	CALL(fchmod, "fm"),
	CALL(fchownat, "dpggA"),
	CALL(fchown, "fgg"),
	CALL(faccessat, "dpi"),
	CALL(faccessat2, "dpiA"),
	CALL(utimensat, "dp*A"),
	CALL(truncate, "pl"),
	CALL(ftruncate, "fl"),
	CALL(fallocate, "fill"),
	CALL(statx, "dpAx*"),
	CALL(chdir, "p"),
	CALL(fchdir, "f"),
	CALL(chroot, "p"),
	CALL(execve, "p**"),
	CALL(execveat, "dp**A"),
	CALL(socket, "DTP"),
	CALL(socketpair, "DTP*"),
	CALL(connect, "fau"),
	CALL(bind, "fau"),
	CALL(listen, "fi"),
	CALL(accept, "f**"),
	CALL(accept4, "f**K"),
	CALL(sendto, "f*uJ*u"),
	CALL(recvfrom, "f*uJ**"),
	CALL(sendmsg, "f*J"),
	CALL(recvmsg, "f*J"),
	CALL(sendmmsg, "f*uJ"),
	CALL(recvmmsg, "f*uJ*"),
	CALL(shutdown, "fi"),
	CALL(setsockopt, "fqq*u"),
	CALL(getsockopt, "fqq**"),
	CALL(clone, "C"),
	CALL(clone3, "*u"),
	CALL(unshare, "N"),
	CALL(setns, "fN"),
	CALL(mount, "*ppM*"),
	CALL(umount2, "pU"),
	CALL(pivot_root, "p*"),
	CALL(kill, "iS"),
	CALL(tkill, "iS"),
	CALL(tgkill, "iiS"),
	CALL(rt_sigqueueinfo, "iS*"),
	CALL(rt_tgsigqueueinfo, "iiS*"),
	CALL(ptrace, "Xi**"),
	CALL(process_vm_readv, "i*u*ux"),
	CALL(process_vm_writev, "i*u*ux"),
	CALL(pidfd_open, "ix"),
	CALL(pidfd_getfd, "ffx"),
	CALL(pidfd_send_signal, "fS*x"),
	CALL(process_madvise, "f*uqx"),
	CALL(process_mrelease, "fx"),
	CALL(kcmp, "iiqll"),
	CALL(prctl, "qxxxx"),
	CALL(seccomp, "qx*"),
	CALL(bpf, "q*u"),
	CALL(perf_event_open, "*iifx"),
	CALL(userfaultfd, "x"),
	CALL(io_uring_setup, "u*"),
	CALL(io_uring_enter, "fuux*u"),
	CALL(io_uring_register, "fq*u"),
	CALL(keyctl, "qxxxx"),
	CALL(add_key, "pp*ui"),
	CALL(request_key, "pp*i"),
	CALL(memfd_create, "pE"),
	CALL(memfd_secret, "x"),
	CALL(mmap, "*uxxfl"),
	CALL(mprotect, "*ux"),
	CALL(pkey_mprotect, "*uxi"),
	CALL(mremap, "*uux*"),
	CALL(madvise, "*uq"),
	CALL(munmap, "*u"),
	CALL(brk, "*"),
	CALL(shmget, "iux"),
	CALL(shmat, "i*x"),
	CALL(semget, "iix"),
	CALL(msgget, "ix"),
	CALL(mq_open, "pom*"),
	CALL(ioctl, "fQx"),
	CALL(fcntl, "fcx"),
	CALL(flock, "fi"),
	CALL(setuid, "g"),
	CALL(setgid, "g"),
	CALL(setreuid, "gg"),
	CALL(setregid, "gg"),
	CALL(setresuid, "ggg"),
	CALL(setresgid, "ggg"),
	CALL(setfsuid, "g"),
	CALL(setfsgid, "g"),
	CALL(setgroups, "i*"),
	CALL(capset, "**"),
	CALL(personality, "x"),
	CALL(setpriority, "qii"),
	CALL(getpriority, "qi"),
	CALL(ioprio_set, "qii"),
	CALL(sched_setscheduler, "iq*"),
	CALL(sched_setaffinity, "iu*"),
	CALL(sched_setattr, "i*x"),
	CALL(setpgid, "ii"),
	CALL(setsid, ""),
	CALL(prlimit64, "iq**"),
	CALL(setrlimit, "q*"),
	CALL(sethostname, "pu"),
	CALL(setdomainname, "pu"),
	CALL(settimeofday, "**"),
	CALL(clock_settime, "q*"),
	CALL(clock_adjtime, "q*"),
	CALL(adjtimex, "*"),
	CALL(init_module, "*up"),
	CALL(finit_module, "fpx"),
	CALL(delete_module, "px"),
	CALL(kexec_load, "uu*x"),
	CALL(kexec_file_load, "ffu*x"),
	CALL(reboot, "xxq*"),
	CALL(swapon, "px"),
	CALL(swapoff, "p"),
	CALL(acct, "p"),
	CALL(quotactl, "x*i*"),
	CALL(quotactl_fd, "fxi*"),
	CALL(syslog, "q*i"),
	CALL(vhangup, ""),
	CALL(open_tree, "dpx"),
	CALL(move_mount, "dpd*x"),
	CALL(fsopen, "px"),
	CALL(fsconfig, "fqp*i"),
	CALL(fsmount, "fxx"),
	CALL(fspick, "dpx"),
	CALL(mount_setattr, "dpx*u"),
	CALL(open_by_handle_at, "f*o"),
	CALL(name_to_handle_at, "dp**x"),
	CALL(fanotify_init, "xx"),
	CALL(fanotify_mark, "fxxdp"),
	CALL(inotify_init1, "x"),
	CALL(inotify_add_watch, "fpx"),
	CALL(move_pages, "iu***x"),
	CALL(migrate_pages, "iu**"),
	CALL(mbind, "*uq*ux"),
	CALL(set_mempolicy, "q*u"),
	CALL(get_mempolicy, "**u*x"),
	CALL(openat2, "dp*u"),
	CALL(close_range, "uux"),
	CALL(setxattr, "pp*ux"),
	CALL(lsetxattr, "pp*ux"),
	CALL(fsetxattr, "fp*ux"),
	CALL(removexattr, "pp"),
	CALL(lremovexattr, "pp"),
	CALL(fremovexattr, "fp"),
	CALL(getxattr, "pp*u"),
	CALL(landlock_create_ruleset, "*ux"),
	CALL(landlock_add_rule, "fq*x"),
	CALL(landlock_restrict_self, "fx"),
	CALL(dup, "f"),
	CALL(dup3, "ffo"),
	CALL(pipe2, "*o"),
	CALL(eventfd2, "ux"),
	CALL(epoll_create1, "x"),
	CALL(timerfd_create, "qx"),
	CALL(signalfd4, "f*ux"),
	CALL(splice, "f*f*ux"),
	CALL(sendfile, "ff*u"),
	CALL(copy_file_range, "f*f*ux"),
	CALL(getpid, ""),
	CALL(getppid, ""),
	CALL(getuid, ""),
	CALL(geteuid, ""),
	CALL(getgid, ""),
	CALL(getegid, ""),
	CALL(gettid, ""),
	CALL(sync, ""),
	CALL(sched_yield, ""),
	CALL(munlockall, ""),
	CALL(mlockall, "x"),
	CALL(mlock, "*u"),
	CALL(umask, "m"),
	CALL(uname, "*"),
	CALL(sysinfo, "*"),
	CALL(getrandom, "*ux"),
	CALL(membarrier, "qxi"),
	CALL(rseq, "*uxx"),
	CALL(set_robust_list, "*u"),
	CALL(futex, "*qx***"),
	CALL(getcwd, "*u"),
	CALL(fstatfs, "f*"),
	CALL(statfs, "p*"),
#ifdef SYS_open
	CALL(open, "pom"),
	CALL(creat, "pm"),
	CALL(unlink, "p"),
	CALL(rename, "p*"),
	CALL(mkdir, "pm"),
	CALL(rmdir, "p"),
	CALL(link, "p*"),
	CALL(symlink, "p*"),
	CALL(mknod, "pmk"),
	CALL(chmod, "pm"),
	CALL(chown, "pgg"),
	CALL(lchown, "pgg"),
	CALL(access, "pi"),
	CALL(readlink, "p*u"),
	CALL(stat, "p*"),
	CALL(lstat, "p*"),
	CALL(fork, ""),
	CALL(vfork, ""),
	CALL(dup2, "ff"),
	CALL(pipe, "*"),
	CALL(utime, "p*"),
	CALL(utimes, "p*"),
	CALL(uselib, "p"),
	CALL(modify_ldt, "q*u"),
	CALL(iopl, "i"),
	CALL(ioperm, "uui"),
	CALL(arch_prctl, "qx"),
	CALL(inotify_init, ""),
	CALL(eventfd, "u"),
	CALL(getpgrp, ""),
	CALL(pause, ""),
	CALL(alarm, "u"),
#endif
#ifdef SYS_renameat
	CALL(renameat, "dpd*"),
#endif
};
#undef CALL

static const char *layout_of(int nr)
{
	return nr >= 0 && nr < KERNEL_CALLS_MAX ? layouts[nr] : "";
}

struct kernel_pointer recorder_words_pointer(int nr)
{
	const char *layout = layout_of(nr);

	for (int8_t i = 0; layout[i]; i++) {
		if (layout[i] == 'p')
			return (struct kernel_pointer){i, -1};
		if (layout[i] == 'a')
			return (struct kernel_pointer){i, (int8_t)(i + 1)};
	}
	return (struct kernel_pointer){-1, -1};
}

void recorder_words_keys(const struct kernel_denial *d, uint64_t ret[6])
{
	const char *layout = layout_of(d->nr);

	memset(ret, 0, 6 * sizeof(*ret));
	for (unsigned i = 0; layout[i]; i++)
		if (strchr("qQoDTPCNMUESXKJcr", layout[i]))
			ret[i] = d->args[i];
}

bool recorder_words_is_family(int nr, unsigned arg)
{
	const char *layout = layout_of(nr);

	return arg < strlen(layout) && layout[arg] == 'D';
}

const char *recorder_words_request(int nr, unsigned arg, uint64_t value)
{
	const char *layout = layout_of(nr);

	if (arg >= strlen(layout) || layout[arg] != 'Q')
		return NULL;
	switch ((uint32_t)value) {
	case TIOCSTI:
		return "TIOCSTI";
	case TIOCLINUX:
		return "TIOCLINUX";
	case TIOCSETD:
		return "TIOCSETD";
	default:
		return NULL;
	}
}

static void put_pointer(struct tt_out *o, const struct kernel_denial *d, unsigned i, char letter)
{
	char addr[EVENT_ADDR_MAX + 16];
	struct tt_out a;

	if (d->text_arg != (int)i) {
		if (d->args[i])
			tt_out_hex(o, d->args[i]);
		else
			tt_out_str(o, "NULL");
		return;
	}
	if (letter == 'p') {
		event_redact_text(o, d->text, d->text_len);
		if (d->text_cut)
			tt_out_str(o, "...");
		return;
	}
	tt_out_init(&a, addr, sizeof(addr));
	event_put_addr(&a, d->text, d->text_len < EVENT_ADDR_MAX ? d->text_len : EVENT_ADDR_MAX);
	event_redact_text(o, addr, a.len);
}

static void put_word(struct tt_out *o, const struct kernel_denial *d, unsigned i, char letter)
{
	uint64_t v = d->args[i];
	int32_t low = (int32_t)v;

	switch (letter) {
	case 'd':
		if (low == AT_FDCWD) {
			tt_out_str(o, "AT_FDCWD");
			break;
		}
		/* fallthrough */
	case 'f':
		tt_out_str(o, "fd:");
		tt_out_i64(o, low);
		break;
	case 'p':
	case 'a':
	case '*':
		put_pointer(o, d, i, letter);
		break;
	case 'i':
		tt_out_i64(o, low);
		break;
	case 'l':
		tt_out_i64(o, (int64_t)v);
		break;
	case 'u':
		tt_out_u64(o, v);
		break;
	case 'o':
		event_put_open_flags(o, low);
		break;
	case 'm':
		tt_out_octal(o, v & 07777);
		break;
	case 'A':
		event_put_at_flags(o, low, d->nr == SYS_unlinkat);
		break;
	case 'r':
		event_put_rename_flags(o, low);
		break;
	case 'D':
		event_put_domain(o, low);
		break;
	case 'T':
		event_put_socket_type(o, low);
		break;
	case 'P':
		event_put_protocol(o, (int32_t)d->args[0], low);
		break;
	case 'C':
		event_put_clone_flags(o, (int64_t)v);
		break;
	case 'N':
	case 'M':
	case 'U':
	case 'E':
		event_put_file_flags(o, letter, letter == 'M' ? (int64_t)v : (uint32_t)v);
		break;
	case 'S':
		event_put_signal(o, low);
		break;
	case 'X':
		event_put_ptrace(o, (int64_t)v);
		break;
	case 'K':
		event_put_accept_flags(o, low);
		break;
	case 'J':
		event_put_msg_flags(o, low);
		break;
	case 'g':
		event_put_owner(o, low);
		break;
	case 'c':
		event_put_fcntl_command(o, low);
		break;
	case 'k':
		event_put_device(o, v);
		break;
	case 'Q':
		if (recorder_words_request(d->nr, i, v)) {
			tt_out_str(o, recorder_words_request(d->nr, i, v));
			break;
		}
		/* fallthrough */
	case 'q':
		if (v < 4096)
			tt_out_u64(o, v);
		else
			tt_out_hex(o, (uint32_t)v);
		break;
	default:
		tt_out_hex(o, v);
	}
}

/* What an open-like call that creates nothing leaves in the register of its mode means nothing. */
static bool is_unused(const char *layout, unsigned i, const struct kernel_denial *d)
{
	return i && layout[i] == 'm' && layout[i - 1] == 'o' &&
	       !(d->args[i - 1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)));
}

void recorder_words_make(struct recorder_words *ret, const struct kernel_denial *d)
{
	const char *layout = layout_of(d->nr);
	struct tt_out o;

	ret->count = 0;
	tt_out_init(&o, ret->text, sizeof(ret->text));
	for (unsigned i = 0; layout[i] && !is_unused(layout, i, d); i++) {
		size_t before = o.len;

		put_word(&o, d, i, layout[i]);
		ret->len[i] = (uint16_t)(o.len - before);
		ret->count++;
	}
}
