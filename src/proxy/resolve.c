/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are looked up by a short process each: getaddrinfo(3) blocks, runs code of others and
 * cannot be stopped, a process can.
 */
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "proxy/proxy_internal.h"

static bool take_sockaddr(const struct sockaddr *sa, struct proxy_addr *ret)
{
	*ret = (struct proxy_addr){.six = sa && sa->sa_family == AF_INET6};
	if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return false;
	if (ret->six)
		memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	else
		memcpy(ret->bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	return true;
}

/* A public address of this very machine leads to what listens on it, too. */
static void mark_own(struct proxy_answer *answers, size_t count)
{
	struct ifaddrs *all, *i;
	struct proxy_addr own;

	if (getifaddrs(&all) < 0)
		return;
	for (i = all; i; i = i->ifa_next)
		for (size_t k = 0; take_sockaddr(i->ifa_addr, &own) && k < count; k++)
			answers[k].inner |= proxy_addr_equal(&answers[k].addr, &own);
	freeifaddrs(all);
}

static int error_of(int gai)
{
	switch (gai) {
	case EAI_SYSTEM:
		return errno ? errno : EIO;
	case EAI_AGAIN:
		return EAGAIN;
	case EAI_MEMORY:
		return ENOMEM;
	default:
		return ENOENT;
	}
}

static int look_up(const char *name, struct proxy_answer ret[PROXY_ADDRS_MAX])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *all;
	int gai = getaddrinfo(name, NULL, &hints, &all), n = 0;

	if (gai)
		return -error_of(gai);
	for (const struct addrinfo *a = all; a && n < PROXY_ADDRS_MAX; a = a->ai_next) {
		if (!take_sockaddr(a->ai_addr, &ret[n].addr))
			continue;
		ret[n].inner = proxy_addr_is_inner(&ret[n].addr);
		n++;
	}
	freeaddrinfo(all);
	mark_own(ret, (size_t)n);
	return n;
}

static void help(const struct proxy_options *opts, const char *name, int fd) TT_NORETURN;
static void help(const struct proxy_options *opts, const char *name, int fd)
{
	struct proxy_answers out = {0};
	int n;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(fd, 3) == 3 && close_range(4, UINT_MAX, 0) == 0) {
		n = (opts->resolve ? opts->resolve : look_up)(name, out.answers);
		out.error = n < 0 ? -n : 0;
		out.count = n < 0 ? 0 : (uint32_t)n;
		(void)!write(3, &out, sizeof(out)); /* less than PIPE_BUF: at once or not at all */
	}
	_exit(0);
}

int proxy_helper_start(const struct proxy_options *opts, const char *name, int *ret_fd,
		       pid_t *ret_pid)
{
	int pair[2], r = 0;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	*ret_pid = fork();
	if (*ret_pid == 0)
		help(opts, name, pair[1]);
	if (*ret_pid < 0)
		r = -errno;
	(void)close(pair[1]);
	if (r < 0) {
		(void)close(pair[0]);
		return r;
	}
	*ret_fd = pair[0];
	return 0;
}
_Static_assert(sizeof(struct proxy_answers) <= PIPE_BUF, "written in one piece");
