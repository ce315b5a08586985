/* SPDX-License-Identifier: Apache-2.0 */
/* An effective policy as JSON: the keys are the words of the profile's language. */
#include "cli/policy_json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/compiler.h"
#include "base/out.h"
#include "base/utf8.h"

json_t *cli_policy_text_json(const char *text)
{
	char buf[8192];
	struct tt_out o;

	if (!text)
		return json_null();
	tt_out_init(&o, buf, sizeof(buf) - 1);
	for (const unsigned char *c = (const unsigned char *)text; *c;) {
		size_t n = tt_utf8_len(c, strlen((const char *)c));

		if (n)
			tt_out_mem(&o, c, n);
		else
			tt_out_str(&o, "\xef\xbf\xbd");
		c += n ? n : 1;
	}
	buf[o.len] = '\0';
	return json_string(buf);
}

/* Functions of jansson that steal take NULL for a failure: the whole is then NULL or shorter. */
static json_t *texts(const char *const *list, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(a, cli_policy_text_json(list[i]));
	return a;
}

static json_t *bits(uint32_t set, const char *const *words)
{
	json_t *a = json_array();

	for (size_t i = 0; words[i]; i++)
		if (set >> i & 1)
			(void)json_array_append_new(a, json_string(words[i]));
	return a;
}

static json_t *number_or_null(uint64_t v, uint64_t none)
{
	return v == none ? json_null() : json_integer((json_int_t)v);
}

json_t *cli_policy_verdict_json(struct policy_verdict v)
{
	char text[POLICY_VERDICT_TEXT], *err;

	policy_verdict_text(v, text);
	err = strchr(text, ' ');
	if (err)
		*err++ = '\0';
	return json_pack("{s:s, s:s?}", "action", text, "errno", err);
}

static json_t *mounts_json(const struct policy *p)
{
	static const char *const kinds[] = {"read", "write", "tmpfs", "proc", "dev", "hide"};
	json_t *a = json_array();

	for (size_t i = 0; i < p->mount_count; i++) {
		const struct policy_mount *m = &p->mounts[i];

		(void)json_array_append_new(
			a,
			json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "kind", kinds[m->kind], "from",
				  cli_policy_text_json(m->from), "to", cli_policy_text_json(m->to),
				  "size", number_or_null(m->bytes, 0), "mode",
				  m->kind == POLICY_MOUNT_TMPFS ? json_integer(m->mode)
								: json_null(),
				  "optional", m->optional));
	}
	return a;
}

static json_t *maps_json(const struct policy_id_map *maps, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(a, json_pack("{s:I, s:I, s:I}", "inside",
							 (json_int_t)maps[i].inside, "outside",
							 (json_int_t)maps[i].outside, "count",
							 (json_int_t)maps[i].count));
	return a;
}

static json_t *landlock_json(const struct policy_landlock *l)
{
	static const char *const rights[] = {"read",    "write", "execute", "bind",
					     "connect", "scope", NULL};
	uint32_t set = l->handled | (uint32_t)l->bind << 3 | (uint32_t)l->connect << 4 |
		       (uint32_t)l->scope << 5;
	json_t *paths = json_array(), *bind = json_array(), *connect = json_array();

	for (size_t i = 0; i < l->path_count; i++)
		(void)json_array_append_new(paths,
					    json_pack("{s:o, s:o, s:b}", "path",
						      cli_policy_text_json(l->paths[i].path),
						      "rights", bits(l->paths[i].rights, rights),
						      "optional", l->paths[i].optional));
	for (size_t i = 0; i < l->port_count; i++)
		(void)json_array_append_new(l->ports[i].bind ? bind : connect,
					    json_integer(l->ports[i].port));
	return json_pack("{s:o, s:o, s:o, s:o}", "handle", bits(set, rights), "paths", paths,
			 "bind", bind, "connect", connect);
}

static json_t *limits_json(const struct policy_limits *l)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "memory_bytes",
			 number_or_null(l->memory_bytes, POLICY_NO_LIMIT), "swap_bytes",
			 number_or_null(l->swap_bytes, POLICY_NO_LIMIT), "cpu_percent",
			 number_or_null(l->cpu_percent, POLICY_NO_LIMIT), "pids",
			 number_or_null(l->pids, POLICY_NO_LIMIT), "read_bytes_per_s",
			 number_or_null(l->read_bytes_per_s, POLICY_NO_LIMIT), "write_bytes_per_s",
			 number_or_null(l->write_bytes_per_s, POLICY_NO_LIMIT), "wall_ms",
			 number_or_null(l->wall_ms, POLICY_NO_LIMIT), "cpu_time_ms",
			 number_or_null(l->cpu_ms, POLICY_NO_LIMIT), "major_faults",
			 number_or_null(l->major_faults, POLICY_NO_LIMIT));
}

static json_t *rlimits_json(const struct policy *p)
{
	json_t *a = json_array();

	for (size_t i = 0; i < p->rlimit_count; i++)
		(void)json_array_append_new(
			a, json_pack("{s:s?, s:o, s:o}", "name",
				     policy_rlimit_name(p->rlimits[i].resource), "soft",
				     number_or_null(p->rlimits[i].soft, RLIM_INFINITY), "hard",
				     number_or_null(p->rlimits[i].hard, RLIM_INFINITY)));
	return a;
}

static json_t *caps_json(uint64_t caps)
{
	json_t *a = json_array();

	for (int i = 0; i < 64; i++)
		if (caps >> i & 1)
			(void)json_array_append_new(a, json_string(policy_cap_name(i)));
	return a;
}

static json_t *rules_json(const struct policy *p)
{
	json_t *a = json_array();

	for (size_t i = 0; i < p->rule_count; i++) {
		const struct policy_place *at = &p->rule_places[i];
		json_t *rule = cli_policy_verdict_json(p->rules[i].verdict);
		char *text = NULL;

		if (policy_rule_text(p, i, &text) < 0)
			text = NULL;
		(void)json_object_set_new(rule, "number", json_integer(p->rules[i].nr));
		(void)json_object_set_new(rule, "call",
					  cli_policy_text_json(policy_call_name(p->rules[i].nr)));
		(void)json_object_set_new(rule, "rule", cli_policy_text_json(text));
		(void)json_object_set_new(rule, "file", cli_policy_text_json(at->file));
		(void)json_object_set_new(rule, "line", json_integer(at->line));
		(void)json_array_append_new(a, rule);
		free(text);
	}
	return a;
}

json_t *cli_policy_json(const struct policy *p)
{
	static const char *const namespaces[] = {"mount",  "pid",  "ipc",  "uts", "net",
						 "cgroup", "time", "user", NULL};
	static const char *const networks[] = {"host", "loopback", "off"};
	static const char *const roots[] = {"keep", "read-only", "empty"};
	static const char *const counts[] = {"auto", "off", "ptrace"};
	json_t *j;

	j = json_pack("{s:o, s:o, s:b, s:o, s:s, s:s, s:o, s:o, s:b, s:b, s:s}", "name",
		      cli_policy_text_json(p->name), "summary", cli_policy_text_json(p->summary),
		      "sandboxed", p->sandboxed, "namespaces", bits(p->namespaces, namespaces),
		      "network", networks[p->network], "root", roots[p->root], "mounts",
		      mounts_json(p), "hostname", cli_policy_text_json(p->hostname), "no_new_privs",
		      p->no_new_privs, "learn", p->learn, "count", counts[p->count]);
	if (!j)
		return NULL;
	(void)json_object_set_new(j, "allow_hosts", texts(p->allow_hosts, p->allow_host_count));
	(void)json_object_set_new(j, "uid", p->uid < 0 ? json_null() : json_integer(p->uid));
	(void)json_object_set_new(j, "gid", p->gid < 0 ? json_null() : json_integer(p->gid));
	(void)json_object_set_new(j, "uid_map", maps_json(p->uid_map, p->uid_map_count));
	(void)json_object_set_new(j, "gid_map", maps_json(p->gid_map, p->gid_map_count));
	(void)json_object_set_new(j, "keep_capabilities", caps_json(p->keep_caps));
	(void)json_object_set_new(j, "rlimits", rlimits_json(p));
	(void)json_object_set_new(j, "limits", limits_json(&p->limits));
	(void)json_object_set_new(j, "landlock", landlock_json(&p->landlock));
	(void)json_object_set_new(j, "environment",
				  json_pack("{s:s, s:o, s:o, s:o}", "mode",
					    p->env.mode == POLICY_ENV_ALL ? "all" : "listed",
					    "pass", texts(p->env.pass, p->env.pass_count), "drop",
					    texts(p->env.drop, p->env.drop_count), "set",
					    texts(p->env.set, p->env.set_count)));
	(void)json_object_set_new(j, "filter", json_boolean(p->filter));
	(void)json_object_set_new(j, "default", cli_policy_verdict_json(p->fallback));
	(void)json_object_set_new(j, "rules", rules_json(p));
	return j;
}
