/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall(2): calls by number. Some return twice on one stack (vfork, many a clone) and most are
 * none of our business, so the entry looks the number up in a table and, unless it is there, jumps
 * to libc's function with everything as it was. Known numbers are recorded under the names they
 * have in the kernel, and made as asked: with the same number, past the functions of these names.
 * A clone goes through us only where it is a fork: the child has memory and stack of its own.
 */
#include "preload/preload.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DIR_KEPT 768 /* two of them: stack is short in signal handlers */

struct known {
	char spec[7]; /* as in numbers.def; "": not known */
	uint8_t call;
};
_Static_assert(sizeof(struct known) == 8 && offsetof(struct known, spec) == 0,
	       "as the entry reads it");

extern const struct known pl_syscalls[];
__attribute__((__used__)) const struct known pl_syscalls[512] = {
#define EVENT_NUMBER(name, spec) [SYS_##name] = {spec, EVENT_CALL_##name},
#define EVENT_NUMBER_KERNEL(name, call, spec)
#include "event/numbers.def"
#undef EVENT_NUMBER
#undef EVENT_NUMBER_KERNEL
};

/* Where an unknown number goes: libc's function, NULL before the first call. */
__attribute__((__used__)) void *pl_syscall_next;

/* clang-format off */
__asm__(".text\n"
	".globl syscall\n"
	".type syscall, %function\n"
	"syscall:\n"
#if defined(__x86_64__)
	"	cmpq $512, %rdi\n"
	"	jae 1f\n"
	"	leaq pl_syscalls(%rip), %r11\n"
	"	cmpb $0, (%r11,%rdi,8)\n"
	"	je 1f\n"
	"	cmpq $56, %rdi\n" /* SYS_clone */
	"	jne pl_syscall_known\n" /* the seventh argument lies where it is looked for */
	"	testl $0x90100, %esi\n" /* CLONE_VM | CLONE_THREAD | CLONE_SETTLS */
	"	jnz 1f\n"
	"	testq %rdx, %rdx\n"
	"	jz pl_syscall_known\n"
	"1:	movq pl_syscall_next(%rip), %r11\n"
	"	testq %r11, %r11\n"
	"	jz 2f\n"
	"	jmp *%r11\n"
	"2:	pushq %rdi\n"
	"	pushq %rsi\n"
	"	pushq %rdx\n"
	"	pushq %rcx\n"
	"	pushq %r8\n"
	"	pushq %r9\n"
	"	subq $8, %rsp\n"
	"	call pl_syscall_find\n"
	"	addq $8, %rsp\n"
	"	popq %r9\n"
	"	popq %r8\n"
	"	popq %rcx\n"
	"	popq %rdx\n"
	"	popq %rsi\n"
	"	popq %rdi\n"
	"	jmp *%rax\n"
#else
	"	cmp x0, #512\n"
	"	b.hs 1f\n"
	"	adrp x16, pl_syscalls\n"
	"	add x16, x16, :lo12:pl_syscalls\n"
	"	add x16, x16, x0, lsl #3\n"
	"	ldrb w16, [x16]\n"
	"	cbz w16, 1f\n"
	"	cmp x0, #220\n" /* SYS_clone */
	"	b.ne pl_syscall_known\n"
	"	mov w17, #0x100\n"
	"	movk w17, #0x9, lsl #16\n" /* CLONE_VM | CLONE_THREAD | CLONE_SETTLS */
	"	tst w1, w17\n"
	"	b.ne 1f\n"
	"	cbz x2, pl_syscall_known\n"
	"1:	adrp x16, pl_syscall_next\n"
	"	ldr x16, [x16, :lo12:pl_syscall_next]\n"
	"	cbz x16, 2f\n"
	"	br x16\n"
	"2:	stp x29, x30, [sp, #-80]!\n"
	"	mov x29, sp\n"
	"	stp x0, x1, [sp, #16]\n"
	"	stp x2, x3, [sp, #32]\n"
	"	stp x4, x5, [sp, #48]\n"
	"	str x6, [sp, #64]\n"
	"	bl pl_syscall_find\n"
	"	mov x16, x0\n"
	"	ldp x0, x1, [sp, #16]\n"
	"	ldp x2, x3, [sp, #32]\n"
	"	ldp x4, x5, [sp, #48]\n"
	"	ldr x6, [sp, #64]\n"
	"	ldp x29, x30, [sp], #80\n"
	"	br x16\n"
#endif
	".size syscall, .-syscall\n");
/* clang-format on */

void *pl_syscall_find(void);
__attribute__((__used__)) void *pl_syscall_find(void)
{
	void *next = (void *)PL_NEXT(syscall);

	__atomic_store_n(&pl_syscall_next, next, __ATOMIC_RELAXED);
	return next;
}

/* openat2's flags and mode, from as much of the struct as every kernel knows. */
static void put_how(struct pl_call *c, unsigned i, const void *how, size_t size)
{
	struct {
		uint64_t flags, mode, resolve;
	} own = {0};

	if (size >= sizeof(own) && pl_can_read(how, sizeof(own)))
		memcpy(&own, how, sizeof(own));
	pl_arg_num(c, i, (int64_t)own.flags);
	pl_arg_mode(c, i + 1, (int)own.flags, (unsigned)own.mode);
}

static void put_args(struct pl_call *c, const char *spec, const long a[6], char dirs[2][DIR_KEPT])
{
	unsigned i = 0, dir = 0;

	for (unsigned n = 0; spec[n]; n++) {
		switch (spec[n]) {
		case '-':
			continue;
		case 'p':
		case 'q':
		case 's':
			pl_arg_text(c, i, (const char *)a[n]);
			break;
		case 'd':
			pl_arg_dirfd(c, i, (int)a[n], (const char *)a[n + 1], dirs[dir++],
				     DIR_KEPT);
			break;
		case 'm':
			if (n && spec[n - 1] == 'o')
				pl_arg_mode(c, i, (int)a[n - 1], (unsigned)a[n]);
			else
				pl_arg_num(c, i, (unsigned)a[n]);
			break;
		case 'a':
			pl_arg_addr(c, i, (const void *)a[n], (socklen_t)a[n + 1]);
			break;
		case 'r':
			pl_arg_room(c, i, sizeof(struct sockaddr_storage));
			break;
		case 'h':
			put_how(c, i++, (const void *)a[n], (size_t)a[n + 1]);
			break;
		case 'u':
		case 'M':
			pl_arg_num(c, i, a[n]);
			break;
		case 'z':
			pl_arg_num(c, i,
				   pl_can_read_text((char *)a[n])
					   ? (int64_t)strnlen((char *)a[n], 4096)
					   : 0);
			break;
		default: /* the kernel looks at 32 bits of these */
			pl_arg_num(c, i, (int)a[n]);
			break;
		}
		i++;
	}
}

/* Signals to oneself, and questions whether a process is there, are left out: hooks_proc.c. */
static bool is_of_note(enum event_call call, const long a[6])
{
	int signal = (int)(call == EVENT_CALL_tgkill ? a[2] : a[1]);

	if (call != EVENT_CALL_kill && call != EVENT_CALL_tgkill &&
	    call != EVENT_CALL_pidfd_send_signal)
		return true;
	return signal != 0 &&
	       (call == EVENT_CALL_pidfd_send_signal || (int)a[0] != tt_sys0(SYS_getpid));
}

/* accept: the peer, where the caller asked for it. @had: the room it gave. */
static void put_peer(struct pl_call *c, const long a[6], socklen_t had)
{
	const socklen_t *len = (const socklen_t *)a[2];

	if (had)
		pl_out(c, 1, (const void *)a[1], *len < had ? *len : had);
}

/* fork and clone, with the child's copy of this very stack */
static long make_child(struct pl_call *c, long nr, const long a[6])
{
	long r;

	pl_fork_hold();
	r = PL_NEXT(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r == 0) {
		pl_fork_child();
		return 0;
	}
	pl_fork_release();
	pl_end(c, r, r == -1);
	return r;
}

static bool makes_child(enum event_call call)
{
	return call == EVENT_CALL_fork || call == EVENT_CALL_clone;
}

long pl_syscall_known(long nr, long a1, long a2, long a3, long a4, long a5, long a6);
__attribute__((__used__)) long pl_syscall_known(long nr, long a1, long a2, long a3, long a4,
						long a5, long a6)
{
	const struct known *k = &pl_syscalls[nr];
	const long a[6] = {a1, a2, a3, a4, a5, a6};
	char dirs[2][DIR_KEPT];
	socklen_t had = 0;
	struct pl_call c;
	long r;

	if (k->call == EVENT_CALL_execve)
		return pl_exec_raw((const char *)a1, (char *const *)a2, (char *const *)a3);
	if (k->call == EVENT_CALL_execveat)
		return pl_execveat_raw((int)a1, (const char *)a2, (char *const *)a3,
				       (char *const *)a4, (int)a5);
	if (k->call == EVENT_CALL_chroot)
		return pl_chroot((const char *)a1, true);
	if (k->call == EVENT_CALL_pivot_root)
		return pl_pivot_root((const char *)a1, (const char *)a2, true);
	if (k->call == EVENT_CALL_setns)
		return pl_setns((int)a1, (int)a2, true);
	if (!is_of_note((enum event_call)k->call, a) || !pl_enter(&c, (enum event_call)k->call))
		return PL_NEXT(syscall)(nr, a1, a2, a3, a4, a5, a6);
	put_args(&c, k->spec, a, dirs);
	if (k->spec[1] == 'r' && a2 && pl_can_read((const void *)a3, sizeof(had)))
		had = *(const socklen_t *)a3;
	pl_begin(&c);
	pl_mark_raw(&c, true);
	if (makes_child((enum event_call)k->call))
		return make_child(&c, nr, a);
	r = PL_NEXT(syscall)(nr, a1, a2, a3, a4, a5, a6);
	if (r >= 0)
		put_peer(&c, a, had);
	pl_end(&c, r, r == -1);
	return r;
}
