/* SPDX-License-Identifier: Apache-2.0 */
/* The directive that names hosts. */
#include "policy/policy_internal.h"
#include "proxy/hosts.h"

int policy_take_allow_host(struct policy_reader *r)
{
	struct policy *p = r->p;
	struct proxy_rule rule;
	const char *why = "", **hosts;
	int ret;

	policy_note(r, POLICY_KEY_ALLOW_HOST, &r->words[0]);
	for (size_t i = 1; i < r->count; i++) {
		const struct policy_word *w = &r->words[i];

		if (proxy_rule_parse(w->text, &rule, &why) < 0)
			return policy_complain(r, w, "host '%.80s': %s", w->text, why);
		ret = policy_grow(r, w, &p->allow_hosts, p->allow_host_count, POLICY_LIST_MAX,
				  sizeof(*p->allow_hosts), "hosts");
		if (ret < 0)
			return ret;
		hosts = (const char **)(uintptr_t)p->allow_hosts;
		hosts[p->allow_host_count++] = w->text;
	}
	return 0;
}
