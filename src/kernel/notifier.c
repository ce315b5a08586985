/* SPDX-License-Identifier: Apache-2.0 */
/* Receive, decide, look, answer, tell: see notifier.h. */
#include "kernel/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/time.h"
#include "kernel/caller.h"
#include "kernel/keeper.h"
#include "kernel/observer_internal.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#else
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

/* Linux 6.6: the caller's CPU runs us at once, and goes on with the caller when we have answered */
#define NOTIF_SET_FLAGS  _IOW('!', 4, uint64_t)
#define NOTIF_SYNC_AWAKE 1UL

#define QUEUE_LEN  1024 /* a power of two */
#define STACK_SIZE (128 * 1024)
#define NOTIF_ROOM KERNEL_KEEPER_ROOM /* of a notification or an answer */
#define ACTIONS    (POLICY_KILL + 1)

struct kernel_notifier {
	struct kernel_notifier_options opts;
	pthread_t thread;
	int listener, stop_fd;
	pid_t top;
	struct kernel_callers *callers;
	void *room; /* where calls are received: NOTIF_ROOM bytes */
	char own_room[NOTIF_ROOM];
	_Alignas(64) _Atomic uint32_t head; /* next to be written */
	_Alignas(64) _Atomic uint32_t tail; /* next to be read */
	_Atomic bool has_missed;            /* some of the next, since it was asked last */
	_Atomic uint64_t missed[KERNEL_CALLS_MAX][ACTIONS];
	struct kernel_denial queue[QUEUE_LEN];
};

static void count_missed(struct kernel_notifier *n, const struct kernel_denial *d)
{
	unsigned nr =
		(unsigned)d->nr < KERNEL_CALLS_MAX - 1 ? (unsigned)d->nr : KERNEL_CALLS_MAX - 1;

	atomic_fetch_add_explicit(&n->missed[nr][d->verdict.action], 1, memory_order_relaxed);
	atomic_store_explicit(&n->has_missed, true, memory_order_release);
}

/* The slot that the next denial goes to, or NULL: the reader is behind. */
static struct kernel_denial *queue_slot(struct kernel_notifier *n)
{
	uint32_t head = atomic_load_explicit(&n->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&n->tail, memory_order_acquire) == QUEUE_LEN)
		return NULL;
	return &n->queue[head % QUEUE_LEN];
}

static void queue_push(struct kernel_notifier *n)
{
	(void)atomic_fetch_add_explicit(&n->head, 1, memory_order_release);
}

bool kernel_notifier_next(struct kernel_notifier *n, struct kernel_denial *ret)
{
	uint32_t tail = atomic_load_explicit(&n->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&n->head, memory_order_acquire))
		return false;
	*ret = n->queue[tail % QUEUE_LEN];
	atomic_store_explicit(&n->tail, tail + 1, memory_order_release);
	return true;
}

bool kernel_notifier_has_missed(struct kernel_notifier *n)
{
	return atomic_exchange_explicit(&n->has_missed, false, memory_order_acquire);
}

uint64_t kernel_notifier_missed(struct kernel_notifier *n, unsigned nr, enum policy_action action)
{
	return atomic_exchange_explicit(&n->missed[nr][action], 0, memory_order_relaxed);
}

/* What an argument points to now. It may be another thing by the time the kernel looks. */
static void read_text(const struct kernel_notifier *n, struct kernel_denial *d)
{
	struct kernel_pointer p =
		n->opts.pointer_of ? n->opts.pointer_of(d->nr) : (struct kernel_pointer){-1, -1};
	size_t want = sizeof(d->text), page, got = 0;
	struct iovec to, from;
	uint64_t at;

	d->text_arg = -1;
	if (p.arg < 0 || d->args[p.arg] < 4096)
		return;
	at = d->args[p.arg];
	if (p.size >= 0 && d->args[p.size] < want)
		want = (size_t)d->args[p.size];
	/* page by page: text that ends before the end of the last mapped page is readable, too */
	while (got < want) {
		page = 4096 - ((at + got) & 4095);
		to.iov_base = d->text + got;
		to.iov_len = want - got < page ? want - got : page;
		from = (struct iovec){(void *)(uintptr_t)(at + got), to.iov_len};
		if (process_vm_readv(d->tid, &to, 1, &from, 1, 0) != (ssize_t)to.iov_len)
			break;
		got += to.iov_len;
		if (p.size < 0 && memchr(to.iov_base, 0, to.iov_len))
			break;
	}
	if (!got)
		return;
	d->text_arg = p.arg;
	d->text_len = (uint16_t)(p.size < 0 ? strnlen(d->text, got) : got);
	d->text_cut = p.size < 0 ? d->text_len == got : d->args[p.size] > got;
}

static void look(struct kernel_notifier *n, struct kernel_denial *d)
{
	const struct kernel_caller *c = kernel_caller_find(n->callers, d->tid, n->top);

	d->pid = c ? c->pid : d->tid;
	d->ppid = c ? c->ppid : 0;
	d->ns_pid = c ? c->ns_pid : 0;
	d->chain_len = c ? c->chain_len : 0;
	d->comm[0] = '\0';
	if (c) {
		memcpy(d->comm, c->comm, sizeof(d->comm));
		memcpy(d->chain, c->chain, c->chain_len * sizeof(d->chain[0]));
	}
	read_text(n, d);
}

/*
 * End the caller's process while its call is held. The pidfd may have been opened for a later
 * process of that number: only if the call is still held, it was not.
 */
static void kill_caller(const struct kernel_notifier *n, uint64_t id, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int err = errno;
	bool held = ioctl(n->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;

	if (held && fd >= 0)
		(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	else if (held && err != ESRCH)
		(void)kill(pid, SIGKILL); /* no fd to be had: better than letting it live */
	if (fd >= 0)
		(void)close(fd);
}

/* Never an answer that lets a call go on but for LOG. */
static void answer(const struct kernel_notifier *n, uint64_t id, const struct kernel_denial *d)
{
	union {
		struct seccomp_notif_resp r;
		char room[NOTIF_ROOM];
	} to = {.room = {0}};

	to.r.id = id;
	if (d->verdict.action == POLICY_KILL) {
		kill_caller(n, id, d->pid);
		return;
	}
	if (d->verdict.action == POLICY_LOG)
		to.r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else
		to.r.error = -(int)d->verdict.err;
	/* ENOENT: it was killed while it waited. It asked, and it did not get: that counts. */
	(void)ioctl(n->listener, SECCOMP_IOCTL_NOTIF_SEND, &to);
}

static void go_on(const struct kernel_notifier *n, uint64_t id)
{
	const struct kernel_denial d = {.verdict = {.action = POLICY_LOG}};

	answer(n, id, &d);
}

/* A call that the policy allows: whether it was let go on. */
static bool observe(struct kernel_notifier *n, const struct seccomp_notif *from)
{
	struct kernel_observer *o = n->opts.observer;
	bool watched =
		o && from->data.arch == NATIVE_ARCH && kernel_observer_hold(o, from, n->callers);

	if (!watched && (n->opts.policy->filter || !o))
		return false;
	go_on(n, from->id);
	if (watched)
		kernel_observer_told(o, n->callers, n->top);
	return true;
}

static void serve_one(struct kernel_notifier *n)
{
	const struct seccomp_notif *from = n->room;
	struct policy_verdict verdict;
	struct kernel_denial *d, spare;
	bool queued;

	memset(n->room, 0, NOTIF_ROOM);
	if (ioctl(n->listener, SECCOMP_IOCTL_NOTIF_RECV, n->room) < 0)
		return; /* gone meanwhile, or a signal came first: then it asks again */
	memcpy(spare.args, from->data.args, sizeof(spare.args));
	verdict = policy_decide(n->opts.policy, from->data.nr, spare.args);
	if (verdict.action == POLICY_ALLOW && observe(n, from))
		return;
	d = queue_slot(n);
	queued = d != NULL;
	if (!d)
		d = &spare;
	d->ts_ns = tt_clock_ns(CLOCK_REALTIME);
	d->nr = from->data.nr;
	d->pid = d->tid = (int32_t)from->pid;
	memcpy(d->args, from->data.args, sizeof(d->args));
	d->verdict = verdict;
	/* the filter asked, so it is not allowed, whatever is thought of it here */
	if (from->data.arch != NATIVE_ARCH || d->verdict.action == POLICY_ALLOW ||
	    d->verdict.action > POLICY_KILL)
		d->verdict = (struct policy_verdict){POLICY_DENY, EPERM};
	if (queued || d->verdict.action == POLICY_KILL)
		look(n, d);
	answer(n, from->id, d);
	if (queued)
		queue_push(n);
	else
		count_missed(n, d);
}

static void serve(struct kernel_notifier *n)
{
	struct pollfd p[2] = {{.fd = n->listener, .events = POLLIN},
			      {.fd = n->stop_fd, .events = POLLIN}};

	int wait_ms = -1;

	for (;;) {
		int got = poll(p, 2, wait_ms);

		if (got < 0 || p[1].revents)
			return;
		wait_ms = -1;
		if (p[0].revents & POLLIN)
			serve_one(n);
		else if (p[0].revents)
			return; /* nobody is left who could ask */
		if (n->opts.observer)
			wait_ms = kernel_observer_settle(n->opts.observer, got == 0);
	}
}

static void *run(void *arg)
{
	struct kernel_notifier *n = arg;
	uint64_t word;

	(void)pthread_setname_np(pthread_self(), "notifier");
	if (read(n->stop_fd, &word, sizeof(word)) == (ssize_t)sizeof(word) && n->listener >= 0) {
		(void)ioctl(n->listener, NOTIF_SET_FLAGS, NOTIF_SYNC_AWAKE);
		serve(n);
		tt_closep(&n->listener);
	}
	return NULL;
}

int kernel_notifier_new(struct kernel_notifier **ret, const struct kernel_notifier_options *opts,
			struct tt_err *err)
{
	/* zeroed by the kernel, and only what is used takes memory */
	struct kernel_notifier *n =
		mmap(NULL, sizeof(*n), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigset_t all, old;
	pthread_attr_t attr;
	int r;

	if (n == MAP_FAILED)
		return tt_fail(err, ENOMEM, "make the notifier of the syscall filter");
	n->opts = *opts;
	n->listener = -1;
	n->stop_fd = eventfd(0, EFD_CLOEXEC);
	n->callers = kernel_callers_new(opts->chains, opts->observer,
					opts->policy->namespaces & POLICY_NS_PID);
	n->room = opts->keeper ? kernel_keeper_room(opts->keeper) : n->own_room;
	if (n->stop_fd < 0 || !n->callers) {
		r = tt_fail(err, n->callers ? errno : ENOMEM,
			    "make the notifier of the syscall filter");
		goto fail;
	}
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = pthread_create(&n->thread, &attr, run, n);
	(void)pthread_attr_destroy(&attr);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0) {
		r = tt_fail(err, r, "start the notifier of the syscall filter");
		goto fail;
	}
	*ret = n;
	return 0;
fail:
	tt_closep(&n->stop_fd);
	kernel_callers_free(n->callers);
	(void)munmap(n, sizeof(*n));
	return r;
}

static void ring(const struct kernel_notifier *n)
{
	uint64_t one = 1;

	(void)!write(n->stop_fd, &one, sizeof(one));
}

void kernel_notifier_serve(struct kernel_notifier *n, int listener, pid_t top)
{
	n->listener = listener;
	n->top = top;
	ring(n);
}

void kernel_notifier_stop(struct kernel_notifier *n)
{
	if (!n || n->stop_fd < 0)
		return;
	ring(n);
	(void)pthread_join(n->thread, NULL);
	tt_closep(&n->stop_fd);
	n->stop_fd = -1;
}

void kernel_notifier_free(struct kernel_notifier *n)
{
	if (!n)
		return;
	kernel_notifier_stop(n);
	kernel_callers_free(n->callers);
	(void)munmap(n, sizeof(*n));
}
