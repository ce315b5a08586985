/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to start a child that are not exec: fork, vfork, clone, posix_spawn. And the ends that skip
 * exit(3).
 */
#include "preload/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ring/clock.h"

extern char **environ;

TT_PUBLIC pid_t fork(void)
{
	struct pl_call c;
	pid_t pid;

	if (!pl_enter(&c, EVENT_CALL_fork))
		return PL_NEXT(fork)();
	pl_begin(&c);
	pid = PL_NEXT(fork)();
	/*
	 * the child got its own span in pl_fork_child(), which also serves daemon(3) and forkpty(3)
	 */
	if (pid != 0)
		pl_end(&c, pid, pid < 0);
	return pid;
}

/* No handlers of pthread_atfork(3) run in this child: it is told here that it is a new process. */
TT_PUBLIC pid_t _Fork(void)
{
	struct pl_call c;
	bool recorded = pl_enter(&c, EVENT_CALL__Fork);
	pid_t pid;

	if (recorded)
		pl_begin(&c);
	pl_fork_hold();
	pid = PL_NEXT(_Fork)();
	if (pid == 0) {
		pl_fork_child();
		return 0;
	}
	pl_fork_release();
	if (recorded)
		pl_end(&c, pid, pid < 0);
	return pid;
}

/*
 * vfork returns twice on one stack, so no C function can wrap it: the child would run on, call
 * others and overwrite the frame the parent returns through. Our entry point keeps its return
 * address in a register across the system call and has no frame while the call is made: vfork(2).
 */
/* clang-format off */
__asm__(".text\n"
	".globl vfork\n"
	".type vfork, %function\n"
	"vfork:\n"
#if defined(__x86_64__)
	"	subq $8, %rsp\n"
	"	call pl_vfork_before\n"
	"	addq $8, %rsp\n"
	"	popq %rdi\n"
	"	movl $58, %eax\n" /* SYS_vfork */
	"	syscall\n"
	"	pushq %rdi\n"
	"	movq %rax, %rdi\n"
	"	jmp pl_vfork_after\n" /* returns for us, in each of the two processes */
#else
	"	stp x29, x30, [sp, #-16]!\n"
	"	bl pl_vfork_before\n"
	"	ldp x29, x30, [sp], #16\n"
	"	mov x0, #0x4111\n" /* CLONE_VFORK | CLONE_VM | SIGCHLD */
	"	mov x1, #0\n"
	"	mov x2, #0\n"
	"	mov x3, #0\n"
	"	mov x4, #0\n"
	"	mov x8, #220\n" /* SYS_clone */
	"	svc #0\n"
	"	b pl_vfork_after\n"
#endif
	".size vfork, .-vfork\n");
/* clang-format on */

/* Where vfork was called: the thread waits inside it, so one place per thread is enough. */
static __thread uint64_t vfork_began __attribute__((__tls_model__("initial-exec")));

void pl_vfork_before(void);
__attribute__((__used__)) void pl_vfork_before(void)
{
	int saved = errno;

	if (!pl_process.image.pid)
		pl_init();
	pl_thread_ready();
	vfork_began = ring_ticks(pl_process.clock);
	if (!pl_thread.in_vfork)
		pl_thread.vfork_depth = pl_thread.depth;
	errno = saved;
}

/* The child shares our memory: its span lives in the thread that waits for it. */
static void vfork_child(void)
{
	struct pl_image *image = &pl_thread.vfork_image;

	image->parent = (struct event_span){.id = pl_process.image.span};
	image->span = tt_uuid_make();
	image->pid = (int32_t)tt_sys0(SYS_getpid);
	image->ppid = pl_process.image.pid;
	image->next_seq = 0;
	image->ended = false;
	image->other_root = pl_process.image.other_root;
	image->slot = pl_process.mode == PL_RING
			      ? ring_slot_claim(&pl_process.ring, image->pid, &image->span)
			      : NULL;
	pl_thread.vfork_ring_fd = pl_process.ring_fd;
	pl_thread.in_vfork = true;
	pl_start_event(image, EVENT_HOW_VFORK, NULL, NULL, 0, NULL);
}

/* The child is another program now, or gone: the thread is its own again. */
static void vfork_over(void)
{
	if (pl_thread.in_vfork && pl_process.mode == PL_RING) {
		/* the child may have made way for a file of its own, in its own fd table */
		pl_process.ring_fd = pl_thread.vfork_ring_fd;
		pl_process.contract.ring_fd = pl_thread.vfork_ring_fd;
	}
	pl_thread.in_vfork = false;
	pl_vfork_over();
	pl_scratch_free();
}

/* Recorded after the child is done: a record in flight would hold up the child's in this lane. */
static void vfork_parent(struct pl_call *c, uint64_t began, long pid)
{
	pl_begin(c);
	/* the call was entered before the child ran */
	if (c->rec)
		c->rec->entered = began;
	else
		c->ts_ns -= c->ticks - began;
	c->ticks = began;
	pl_end_error(c, pid < 0 ? -1 : pid, pid < 0 ? (int)-pid : 0);
}

pid_t pl_vfork_after(long pid);
__attribute__((__used__)) pid_t pl_vfork_after(long pid)
{
	uint64_t began = vfork_began;
	struct pl_call c;

	if (pl_process.mode != PL_OFF && pid == 0 && !pl_thread.in_vfork) {
		vfork_child();
	} else if (pl_process.mode != PL_OFF && pid != 0) {
		/* a vfork child that made another is still what it was */
		if (!pl_thread.in_vfork ||
		    pl_thread.vfork_image.pid != (int32_t)tt_sys0(SYS_getpid))
			vfork_over();
		if (pl_enter(&c, EVENT_CALL_vfork))
			vfork_parent(&c, began, pid);
	}
	if (pid < 0) {
		errno = (int)-pid;
		return -1;
	}
	return (pid_t)pid;
}

/*
 * clone(2) as libc has it: the child begins in a function, on a stack of its own. Ours comes first.
 * What it needs lies on the child's stack, as libc's own words do: there the child can read it
 * whatever it shares. Its own stack may be small; our part is done on that of the thread that
 * called clone, which the child has a copy of or which waits for it.
 */
struct clone_start {
	int (*fn)(void *);
	void *arg;
	void *stack; /* free from here downwards */
	void (*announce)(void);
	int status;
};

#define CLONE_GAP 1024 /* what libc may have on the caller's stack meanwhile */

/* pl_call_on - call @f(@arg) on the stack that ends at @stack */
void pl_call_on(void (*f)(void *), void *arg, void *stack);
/* clang-format off */
__asm__(".text\n"
	".type pl_call_on, %function\n"
	"pl_call_on:\n"
#if defined(__x86_64__)
	"	pushq %rbp\n"
	"	movq %rsp, %rbp\n"
	"	movq %rdx, %rsp\n"
	"	movq %rdi, %rax\n"
	"	movq %rsi, %rdi\n"
	"	call *%rax\n"
	"	movq %rbp, %rsp\n"
	"	popq %rbp\n"
	"	ret\n"
#else
	"	stp x29, x30, [sp, #-16]!\n"
	"	mov x29, sp\n"
	"	mov sp, x2\n"
	"	mov x9, x0\n"
	"	mov x0, x1\n"
	"	blr x9\n"
	"	mov sp, x29\n"
	"	ldp x29, x30, [sp], #16\n"
	"	ret\n"
#endif
	".size pl_call_on, .-pl_call_on\n");
/* clang-format on */

static void clone_begins(void *arg)
{
	struct clone_start *start = arg;

	start->announce();
}

static void clone_ends(void *arg)
{
	struct clone_start *start = arg;

	pl_exit_event(start->status);
}

static int clone_child(void *arg)
{
	struct clone_start start = *(struct clone_start *)arg;

	pl_call_on(clone_begins, &start, start.stack);
	start.status = start.fn(start.arg);
	pl_call_on(clone_ends, &start, start.stack);
	return start.status;
}

enum clone_kind { CLONE_UNTOUCHED, CLONE_AS_FORK, CLONE_AS_VFORK };

/*
 * A thread is no span; what shares memory without its parent waiting, or has a thread pointer of
 * its own, has no place where a span could be kept.
 */
static enum clone_kind clone_kind(int flags)
{
	if (flags & (CLONE_SETTLS | CLONE_THREAD))
		return CLONE_UNTOUCHED;
	if (!(flags & CLONE_VM))
		return CLONE_AS_FORK;
	return (flags & CLONE_VFORK) && !pl_thread.in_vfork ? CLONE_AS_VFORK : CLONE_UNTOUCHED;
}

/* Have clone_child() come first in the child. @here: the caller's frame. */
static void begin_in(struct clone_start *start, enum clone_kind kind, int (**fn)(void *),
		     void **stack, void **arg, uintptr_t here)
{
	*start = (struct clone_start){
		.fn = *fn,
		.arg = *arg,
		.stack = (void *)((here - sizeof(struct pl_call) - CLONE_GAP) & ~(uintptr_t)15),
		.announce = kind == CLONE_AS_VFORK ? vfork_child : pl_fork_child,
	};
	*fn = clone_child;
	*arg = start;
	*stack = start;
}

TT_PUBLIC int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	enum clone_kind kind = clone_kind(flags);
	void *parent_tid, *tls, *child_tid;
	uint64_t began;
	struct pl_call c;
	va_list ap;
	int r, saved;

	va_start(ap, arg);
	parent_tid = va_arg(ap, void *);
	tls = va_arg(ap, void *);
	child_tid = va_arg(ap, void *);
	va_end(ap);
	if (!pl_enter(&c, EVENT_CALL_clone))
		return PL_NEXT(clone)(fn, stack, flags, arg, parent_tid, tls, child_tid);
	pl_arg_num(&c, 0, flags);
	if (fn && stack && kind != CLONE_UNTOUCHED)
		begin_in((struct clone_start *)((uintptr_t)stack & ~(uintptr_t)15) - 1, kind, &fn,
			 &stack, &arg, (uintptr_t)__builtin_frame_address(0));
	if (kind != CLONE_AS_VFORK) {
		pl_begin(&c);
		if (kind == CLONE_AS_FORK)
			pl_fork_hold();
		r = PL_NEXT(clone)(fn, stack, flags, arg, parent_tid, tls, child_tid);
		pl_fork_release();
		pl_end(&c, r, r < 0);
		return r;
	}
	pl_thread_ready();
	began = ring_ticks(pl_process.clock);
	pl_thread.vfork_depth = pl_thread.depth;
	r = PL_NEXT(clone)(fn, stack, flags, arg, parent_tid, tls, child_tid);
	saved = errno;
	vfork_over();
	/* the child had lent the ring's fd in a table of both */
	if ((flags & CLONE_FILES) && pl_ring_is_ours())
		(void)tt_sys3(SYS_fcntl, pl_process.ring_fd, F_SETFD, FD_CLOEXEC);
	vfork_parent(&c, began, r < 0 ? -saved : r);
	errno = saved;
	return r;
}

/* A spawned child is two spans: the fork that nobody sees from inside, and the image it becomes. */
void pl_spawn_start(const struct tt_uuid *span, int32_t pid)
{
	struct pl_image child = {
		.span = *span,
		.parent = {.id = pl_image_now()->span},
		.pid = pid,
		.ppid = pl_image_now()->pid,
	};

	pl_start_event(&child, EVENT_HOW_SPAWN, NULL, NULL, 0, NULL);
}

static int do_spawn(enum event_call call, pid_t *pid, const char *file,
		    const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
		    char *const argv[], char *const envp[])
{
	int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *,
		    const posix_spawnattr_t *, char *const[], char *const[]) =
		call == EVENT_CALL_posix_spawn ? PL_NEXT(posix_spawn) : PL_NEXT(posix_spawnp);
	struct pl_follow follow;
	struct tt_uuid span;
	struct pl_call c;
	pid_t child = 0;
	int r;

	if (!pl_enter(&c, call))
		return real(pid, file, actions, attr, argv, envp);
	span = tt_uuid_make();
	pl_follow_prepare(&follow, AT_FDCWD, file, call == EVENT_CALL_posix_spawnp, envp, &span);
	pl_arg_text(&c, 0, file);
	pl_follow_argv(&c, 1, argv, &follow);
	pl_begin(&c);
	r = real(&child, file, actions, attr, argv, follow.envp);
	if (r == E2BIG && follow.follows)
		r = real(&child, file, actions, attr, argv, envp);
	pl_end_error(&c, r, r);
	c.saved_errno = errno; /* libc leaves the child's error there too */
	if (r == 0) {
		pl_spawn_start(&span, child);
		if (pid)
			*pid = child;
	}
	pl_follow_done(&follow);
	errno = c.saved_errno;
	return r;
}

TT_PUBLIC int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			  const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return do_spawn(EVENT_CALL_posix_spawn, pid, path, actions, attr, argv, envp);
}

TT_PUBLIC int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return do_spawn(EVENT_CALL_posix_spawnp, pid, file, actions, attr, argv, envp);
}

TT_PUBLIC void _exit(int status)
{
	pl_exit_event(status);
	PL_NEXT(_exit)(status);
	__builtin_unreachable();
}

TT_PUBLIC void _Exit(int status)
{
	pl_exit_event(status);
	PL_NEXT(_Exit)(status);
	__builtin_unreachable();
}
