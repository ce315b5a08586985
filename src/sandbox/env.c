/* SPDX-License-Identifier: Apache-2.0 */
/* The environment that a policy lets through. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/sandbox.h"

/* Whether "NAME=value" bears one of @names, of which each may end in "*". */
static bool is_named(const char *entry, const char *const *names, size_t n)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < n; i++) {
		size_t want = strlen(names[i]);
		bool rest = want && names[i][want - 1] == '*';

		want -= rest;
		if ((rest ? len >= want : len == want) && strncmp(entry, names[i], want) == 0)
			return true;
	}
	return false;
}

static bool is_set(const char *entry, const struct policy_env *e)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < e->set_count; i++)
		if (strncmp(entry, e->set[i], len) == 0 && e->set[i][len] == '=')
			return true;
	return false;
}

int sandbox_env_make(const struct policy *p, char *const *envp, char ***ret, struct tt_err *err)
{
	const struct policy_env *e = &p->env;
	size_t n = 0, all = 0;
	char **env;

	while (envp[all])
		all++;
	env = calloc(all + e->set_count + 1, sizeof(*env));
	if (!env)
		return tt_fail(err, ENOMEM, "make the environment");
	for (; *envp; envp++)
		if ((e->mode == POLICY_ENV_ALL || is_named(*envp, e->pass, e->pass_count)) &&
		    !is_named(*envp, e->drop, e->drop_count) && !is_set(*envp, e))
			env[n++] = *envp;
	for (size_t i = 0; i < e->set_count; i++)
		env[n++] =
			(char *)(uintptr_t)e->set[i]; /* exec(2) takes no const, and writes not */
	*ret = env;
	return 0;
}
