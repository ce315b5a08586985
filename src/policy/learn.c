/* SPDX-License-Identifier: Apache-2.0 */
/* The learnt profile as text: system calls, sorted into families. learn_paths.c has the rest. */
#include "policy/learn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "policy/learn_internal.h"

/*
 * Which of these a program calls changes from run to run with the timing, the addresses it was
 * given and the terminal it has: they are allowed whether they were seen or not. None of them
 * reaches beyond the process.
 */
static const char base[] =
	" brk clock_gettime clock_nanosleep close exit exit_group futex getpid getrandom gettid "
	"gettimeofday madvise mremap munmap nanosleep restart_syscall rt_sigaction rt_sigprocmask "
	"rt_sigreturn sched_yield set_robust_list sigaltstack time ";

/* A call stands in the first family that has it. */
static const struct {
	const char *title, *calls;
} families[] = {
	{"always: which of these a run needs changes with its timing", base},
	{"programs and threads",
	 " execve execveat fork vfork clone wait4 waitid set_tid_address rseq arch_prctl prctl "
	 "getppid getpgrp getpgid getsid setsid setpgid prlimit64 getrlimit setrlimit getrusage "
	 "get_robust_list membarrier pidfd_open pidfd_send_signal pidfd_getfd personality "
	 "sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler "
	 "sched_setscheduler sched_get_priority_max sched_get_priority_min getpriority setpriority "
	 "ioprio_get ioprio_set getcpu "},
	{"signals",
	 " kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo rt_sigpending rt_sigsuspend "
	 "rt_sigtimedwait pause alarm signalfd signalfd4 "},
	{"memory",
	 " mmap mprotect pkey_mprotect pkey_alloc pkey_free mincore mlock mlock2 mlockall munlock "
	 "munlockall msync memfd_create memfd_secret shmget shmat shmctl shmdt mbind "
	 "set_mempolicy get_mempolicy "},
	{"identity",
	 " getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid "
	 "setregid setresuid setresgid setgroups setfsuid setfsgid capget capset umask "},
	{"time",
	 " clock_getres clock_settime clock_adjtime getitimer setitimer timer_create "
	 "timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime "
	 "timerfd_gettime times settimeofday adjtimex "},
	{"network",
	 " socket socketpair bind listen accept accept4 connect getsockname getpeername sendto "
	 "recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown getsockopt setsockopt "},
	{"the system", " uname sysinfo syslog sethostname setdomainname getcpu "},
};

static const char files_title[] = "files";

static bool is_in(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; (p = strstr(p, name)); p += n)
		if (p > list && p[-1] == ' ' && p[n] == ' ')
			return true;
	return false;
}

/* Most that is in no family reads and writes through fds and names. */
static size_t family_of(const char *name)
{
	size_t i = 0;

	while (i < TT_ARRAY_SIZE(families) && !is_in(families[i].calls, name))
		i++;
	return i;
}

static int compare_calls(const void *a, const void *b)
{
	const struct policy_learn_call *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r)
		return r;
	r = x->condition_count - y->condition_count; /* the widest first */
	for (uint8_t i = 0; r == 0 && i < x->condition_count; i++) {
		const struct policy_condition *c = &x->conditions[i], *d = &y->conditions[i];

		r = c->arg != d->arg     ? (c->arg > d->arg) - (c->arg < d->arg)
		    : c->mask != d->mask ? (c->mask > d->mask) - (c->mask < d->mask)
					 : (c->value > d->value) - (c->value < d->value);
	}
	return r;
}

/* Constants by the names that telltale-profile(5) has for them. */
static const struct {
	const char *call;
	uint8_t arg;
	uint64_t value;
	const char *name;
} constants[] = {
	{"socket", 0, AF_UNIX, "AF_UNIX"},
	{"socket", 0, AF_INET, "AF_INET"},
	{"socket", 0, AF_INET6, "AF_INET6"},
	{"socket", 0, AF_NETLINK, "AF_NETLINK"},
	{"socket", 0, AF_PACKET, "AF_PACKET"},
	{"socket", 1, SOCK_STREAM, "SOCK_STREAM"},
	{"socket", 1, SOCK_DGRAM, "SOCK_DGRAM"},
	{"socket", 1, SOCK_RAW, "SOCK_RAW"},
	{"socket", 1, SOCK_SEQPACKET, "SOCK_SEQPACKET"},
	{"socketpair", 0, AF_UNIX, "AF_UNIX"},
	{"socketpair", 1, SOCK_STREAM, "SOCK_STREAM"},
	{"socketpair", 1, SOCK_DGRAM, "SOCK_DGRAM"},
	{"socketpair", 1, SOCK_SEQPACKET, "SOCK_SEQPACKET"},
	{"mmap", 2, PROT_EXEC, "PROT_EXEC"},
	{"mmap", 3, MAP_ANONYMOUS, "MAP_ANONYMOUS"},
	{"mprotect", 2, PROT_EXEC, "PROT_EXEC"},
};

static void put_argument(FILE *out, const char *call, uint8_t arg)
{
	const char *name = policy_argument(policy_call_number(call), arg);

	if (name)
		(void)fputs(name, out);
	else
		(void)fprintf(out, "arg%u", arg);
}

static void put_value(FILE *out, const char *call, uint8_t arg, uint64_t value)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(constants); i++) {
		if (constants[i].arg != arg || constants[i].value != value ||
		    strcmp(constants[i].call, call) != 0)
			continue;
		(void)fputs(constants[i].name, out);
		return;
	}
	(void)fprintf(out, value < 10 ? "%llu" : "0x%llx", (unsigned long long)value);
}

static void put_call(FILE *out, const struct policy_learn_call *c)
{
	(void)fprintf(out, "allow %s", c->name);
	for (uint8_t i = 0; i < c->condition_count; i++) {
		const struct policy_condition *k = &c->conditions[i];

		(void)fputs(i ? " and " : " when ", out);
		put_argument(out, c->name, k->arg);
		if ((uint32_t)k->mask != UINT32_MAX) {
			(void)fputs(" & ", out);
			put_value(out, c->name, k->arg, k->mask);
		}
		(void)fputs(" == ", out);
		put_value(out, c->name, k->arg, k->value);
	}
	(void)fputc('\n', out);
}

struct words {
	FILE *out;
	size_t column; /* 0: no line has begun */
};

#define LINE_MAX_COLUMN 100

static void put_word(struct words *w, const char *name)
{
	if (w->column && w->column + 1 + strlen(name) > LINE_MAX_COLUMN) {
		(void)fputc('\n', w->out);
		w->column = 0;
	}
	w->column += (size_t)fprintf(w->out, "%s%s", w->column ? " " : "allow ", name);
}

static void put_base(struct words *w)
{
	char text[sizeof(base)], *save = NULL;

	memcpy(text, base, sizeof(text));
	for (char *name = strtok_r(text, " ", &save); name; name = strtok_r(NULL, " ", &save))
		if (policy_call_number(name) >= 0)
			put_word(w, name);
}

/*
 * Lines that hold for a process with and without a terminal, and for memory however malloc(3) gets
 * it.
 */
static void put_base_conditions(FILE *out)
{
	(void)fputs("allow ioctl when request == TCGETS\n"
		    "allow ioctl when request == TIOCGWINSZ\n"
		    "allow mmap when prot & PROT_EXEC == 0\n"
		    "allow mprotect when prot & PROT_EXEC == 0\n",
		    out);
}

static bool is_base_condition(const struct policy_learn_call *c)
{
	const struct policy_condition *k = c->conditions;

	if (!c->condition_count)
		return false;
	if (strcmp(c->name, "ioctl") == 0)
		return k->value == 0x5401 || k->value == 0x5413;
	return (strcmp(c->name, "mmap") == 0 || strcmp(c->name, "mprotect") == 0) &&
	       k->mask == PROT_EXEC && k->value == 0;
}

static bool is_said(const struct policy_learn_call *calls, size_t i)
{
	size_t first = i;

	while (first && strcmp(calls[first - 1].name, calls[i].name) == 0)
		first--;
	/* the widest comes first: behind it nothing is left to be said */
	return is_base_condition(&calls[i]) ||
	       (i > first &&
		(!calls[first].condition_count || compare_calls(&calls[i - 1], &calls[i]) == 0));
}

static bool is_there(const struct policy_learn_call *calls, size_t n, size_t family)
{
	for (size_t i = 0; i < n; i++)
		if (!is_said(calls, i) && family_of(calls[i].name) == family)
			return true;
	return family == 0;
}

static void put_family(FILE *out, const struct policy_learn_call *calls, size_t n, size_t family)
{
	const char *title = family < TT_ARRAY_SIZE(families) ? families[family].title : files_title;
	struct words w = {.out = out};

	if (!is_there(calls, n, family))
		return;
	(void)fprintf(out, "\n# %s\n", title);
	if (family == 0)
		put_base(&w);
	for (size_t i = 0; family && i < n; i++)
		if (!calls[i].condition_count && !is_said(calls, i) &&
		    family_of(calls[i].name) == family)
			put_word(&w, calls[i].name);
	if (w.column)
		(void)fputc('\n', out);
	if (family == 0)
		put_base_conditions(out);
	for (size_t i = 0; family && i < n; i++)
		if (calls[i].condition_count && !is_said(calls, i) &&
		    family_of(calls[i].name) == family)
			put_call(out, &calls[i]);
}

/*
 * clone3(2) has its flags in memory, where no filter can look. The evidence has it as the clone(2)
 * that every libc falls back to when it is told that there is no clone3.
 */
static void put_clone3(FILE *out)
{
	(void)fputs(
		"# its flags lie in memory, where no filter sees them: programs then use clone\n"
		"deny-quiet ENOSYS clone3\n",
		out);
}

static bool is_called(const struct policy_learn_call *calls, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(calls[i].name, name) == 0)
			return true;
	return false;
}

static void put_calls(FILE *out, const struct policy_learn_call *calls, size_t n)
{
	(void)fputs("\ndefault deny EPERM\n", out);
	for (size_t family = 0; family <= TT_ARRAY_SIZE(families); family++) {
		put_family(out, calls, n, family);
		if (family == 1)
			put_clone3(out);
	}
	if (is_called(calls, n, "kill"))
		(void)fputs(
			"\n# the command shares its caller's process group, for the terminal's sake\n"
			"deny EPERM kill when pid == 0\n",
			out);
}

void policy_learn_put_text(FILE *out, const char *text)
{
	for (; *text; text++)
		(void)fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, out);
}

static void put_notes(FILE *out, const struct policy_evidence *e)
{
	if (e->name) {
		(void)fputs("# ", out);
		policy_learn_put_text(out, e->name);
		(void)fputc('\n', out);
	}
	for (size_t i = 0; i < e->note_count; i++) {
		(void)fputs("# ", out);
		policy_learn_put_text(out, e->notes[i]);
		(void)fputc('\n', out);
	}
}

int policy_learn(const struct policy_evidence *e, char **ret, struct tt_err *err)
{
	struct policy_learn_call *calls = calloc(e->call_count + 1, sizeof(*calls));
	size_t size = 0;
	FILE *out = open_memstream(ret, &size);
	int r;

	if (!calls || !out) {
		free(calls);
		if (out)
			(void)fclose(out);
		return tt_fail(err, ENOMEM, "write the profile");
	}
	if (e->call_count)
		memcpy(calls, e->calls, e->call_count * sizeof(*calls));
	qsort(calls, e->call_count, sizeof(*calls), compare_calls);
	put_notes(out, e);
	r = policy_learn_put_view(out, e, err);
	put_calls(out, calls, e->call_count);
	free(calls);
	if (fclose(out) != 0 && r == 0)
		r = tt_fail(err, ENOMEM, "write the profile");
	if (r < 0) {
		free(*ret);
		*ret = NULL;
	}
	return r;
}
