/* SPDX-License-Identifier: Apache-2.0 */
/* Who this run is: ids from the options, the environment, or made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event/contract.h"
#include "recorder/run_internal.h"

/*
 * Under another recorder its library has taken the names out of our environ, but the kernel's copy
 * still has
 * them: a nested run keeps the outer session and hangs below the outer span.
 */
static char *read_own_environ(void)
{
	TT_CLEANUP(tt_closep) int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	size_t cap = 1 << 16, len = 0;
	char *buf = malloc(cap);

	while (fd >= 0 && buf && cap < (8u << 20)) {
		ssize_t n = read(fd, buf + len, cap - len - 1);

		if (n <= 0)
			break;
		len += (size_t)n;
		if (len == cap - 1) {
			char *grown = realloc(buf, cap *= 2);

			if (!grown)
				break;
			buf = grown;
		}
	}
	if (buf)
		buf[len] = buf[len ? len - 1 : 0] = '\0';
	return buf;
}

static const char *find_own(const char *own, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = own; p && *p; p += strlen(p) + 1)
		if (strncmp(p, name, n) == 0 && p[n] == '=')
			return p + n + 1;
	return NULL;
}

/* The environment as the user set it counts first; then what an outer recorder passed. */
static void take_id(char *to, size_t cap, const char *own, const char *name)
{
	const char *value = getenv(name);

	if (!value || !*value)
		value = find_own(own, name);
	(void)snprintf(to, cap, "%s", value ? value : "");
}

static struct event_text text_or_none(const char *s)
{
	return (struct event_text){*s ? s : NULL, strlen(s)};
}

void recorder_run_identify(struct recorder_run_state *r)
{
	struct tt_uuid run = tt_uuid_make(), session = tt_uuid_make();
	struct event_ids *ids = &r->track.ids;
	char *own = read_own_environ();

	tt_uuid_text(r->run_id, &run);
	r->span = tt_uuid_make();
	take_id(r->session, sizeof(r->session), own, event_contract_name_text(CONTRACT_SESSION));
	take_id(r->world, sizeof(r->world), own, event_contract_name_text(CONTRACT_WORLD));
	take_id(r->agent, sizeof(r->agent), own, event_contract_name_text(CONTRACT_AGENT));
	take_id(r->policy_id, sizeof(r->policy_id), own, event_contract_name_text(CONTRACT_POLICY));
	take_id(r->parent_text, sizeof(r->parent_text), own,
		event_contract_name_text(CONTRACT_PARENT_SPAN));
	take_id(r->traceparent, sizeof(r->traceparent), own, "TRACEPARENT");
	free(own);
	if (r->opts->session)
		(void)snprintf(r->session, sizeof(r->session), "%s", r->opts->session);
	if (!r->session[0]) {
		memcpy(r->session, "ses_", 4);
		tt_uuid_text(r->session + 4, &session);
	}
	if (r->parent_text[0])
		r->parent.text = text_or_none(r->parent_text);
	ids->session = text_or_none(r->session);
	ids->run = text_or_none(r->run_id);
	ids->world = text_or_none(r->world);
	ids->agent = text_or_none(r->agent);
	ids->policy = text_or_none(r->policy_id);
	if (!getcwd(r->cwd, sizeof(r->cwd)))
		r->cwd[0] = '\0'; /* removed, or deeper than PATH_MAX */
}
