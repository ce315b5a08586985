/* SPDX-License-Identifier: Apache-2.0 */
/* A policy as the text of a profile, which loads to the same policy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/utf8.h"
#include "policy/policy_internal.h"

#define COLUMNS 100

/* Bytes of the character at @c; 0: it has to be written as an escape. */
static size_t is_printable(const unsigned char *c)
{
	if (*c < ' ' || *c == '"' || *c == '\\' || *c == 0x7f)
		return 0;
	return tt_utf8_len(c, strlen((const char *)c));
}

static bool is_plain(const unsigned char *c)
{
	size_t n;

	if (!*c || *c == '#')
		return false;
	for (; *c; c += n) {
		n = is_printable(c);
		if (!n || *c == ' ')
			return false;
	}
	return true;
}

static void put_word(FILE *f, const char *word)
{
	const unsigned char *c = (const unsigned char *)word;
	size_t n;

	if (is_plain(c)) {
		(void)fputs(word, f);
		return;
	}
	(void)fputc('"', f);
	for (; *c; c += n ? n : 1) {
		n = is_printable(c);
		if (n)
			(void)fwrite(c, 1, n, f);
		else if (*c == '"' || *c == '\\')
			(void)fprintf(f, "\\%c", *c);
		else
			(void)fprintf(f, "\\x%02x", *c);
	}
	(void)fputc('"', f);
}

static void put_line(FILE *f, const char *key, const char *word)
{
	(void)fprintf(f, "%s ", key);
	put_word(f, word);
	(void)fputc('\n', f);
}

static void put_size(FILE *f, uint64_t v)
{
	static const char units[] = {'K', 'M', 'G', 'T'};
	int unit = -1;

	while (v && v % 1024 == 0 && unit < 3) {
		v /= 1024;
		unit++;
	}
	(void)fprintf(f, "%llu", (unsigned long long)v);
	if (unit >= 0)
		(void)fputc(units[unit], f);
}

static void put_time(FILE *f, uint64_t ms)
{
	if (ms % 3600000 == 0)
		(void)fprintf(f, "%lluh", (unsigned long long)(ms / 3600000));
	else if (ms % 1000 == 0)
		(void)fprintf(f, "%llus", (unsigned long long)(ms / 1000));
	else
		(void)fprintf(f, "%llums", (unsigned long long)ms);
}

static void put_percent(FILE *f, uint64_t v)
{
	(void)fprintf(f, "%llu%%", (unsigned long long)v);
}

static void put_number(FILE *f, uint64_t v)
{
	(void)fprintf(f, "%llu", (unsigned long long)v);
}

/* Below @before, the bits of @set as words. */
static void put_set(FILE *f, const char *before, uint32_t set, const char *const *words)
{
	(void)fputs(before, f);
	for (size_t i = 0; words[i]; i++)
		if (set >> i & 1)
			(void)fprintf(f, " %s", words[i]);
	(void)fputs(set ? "\n" : " none\n", f);
}

static void put_walls(FILE *f, const struct policy *p)
{
	static const char *const namespaces[] = {"mount",  "pid",  "ipc",  "uts", "net",
						 "cgroup", "time", "user", NULL};
	static const char *const networks[] = {"host", "loopback", "off"};
	static const char *const roots[] = {"keep", "read-only", "empty"};

	put_line(f, "network", networks[p->network]);
	for (size_t i = 0; i < p->allow_host_count; i++)
		put_line(f, "allow-host", p->allow_hosts[i]);
	put_set(f, "namespaces", p->namespaces, namespaces);
	(void)fprintf(f, "no-new-privs %s\n", p->no_new_privs ? "yes" : "no");
	if (p->hostname)
		put_line(f, "hostname", p->hostname);
	for (size_t i = 0; i < p->uid_map_count; i++)
		(void)fprintf(f, "map-uid %u %u %u\n", p->uid_map[i].inside, p->uid_map[i].outside,
			      p->uid_map[i].count);
	for (size_t i = 0; i < p->gid_map_count; i++)
		(void)fprintf(f, "map-gid %u %u %u\n", p->gid_map[i].inside, p->gid_map[i].outside,
			      p->gid_map[i].count);
	if (p->uid >= 0)
		(void)fprintf(f, "uid %lld\n", (long long)p->uid);
	if (p->gid >= 0)
		(void)fprintf(f, "gid %lld\n", (long long)p->gid);
	if (p->keep_caps) {
		(void)fputs("keep-capability", f);
		for (int i = 0; i < 64; i++)
			if (p->keep_caps >> i & 1)
				(void)fprintf(f, " %s", policy_cap_name(i));
		(void)fputc('\n', f);
	}
	put_line(f, "root", roots[p->root]);
}

static void put_mount(FILE *f, const struct policy_mount *m)
{
	static const char *const kinds[] = {"read", "write", "tmpfs", "proc", "dev", "hide"};

	(void)fprintf(f, "mount %s ", kinds[m->kind]);
	if (m->from) {
		put_word(f, m->from);
		if (strcmp(m->from, m->to) != 0) {
			(void)fputc(' ', f);
			put_word(f, m->to);
		}
	} else {
		put_word(f, m->to);
	}
	if (m->bytes) {
		(void)fputs(" size=", f);
		put_size(f, m->bytes);
	}
	if (m->kind == POLICY_MOUNT_TMPFS)
		(void)fprintf(f, " mode=%04o", m->mode);
	(void)fputs(m->optional ? " optional\n" : "\n", f);
}

static void put_landlock(FILE *f, const struct policy_landlock *l)
{
	static const char *const words[] = {"read",    "write", "execute", "bind",
					    "connect", "scope", NULL};
	uint32_t set = l->handled | (uint32_t)l->bind << 3 | (uint32_t)l->connect << 4 |
		       (uint32_t)l->scope << 5;

	if (!set)
		return;
	put_set(f, "landlock handle", set, words);
	for (size_t i = 0; i < l->path_count; i++) {
		const char *comma = "";

		(void)fputs("landlock ", f);
		for (int bit = 0; bit < 3; bit++) {
			if (!(l->paths[i].rights >> bit & 1))
				continue;
			(void)fprintf(f, "%s%s", comma, words[bit]);
			comma = ",";
		}
		(void)fputc(' ', f);
		put_word(f, l->paths[i].path);
		(void)fputs(l->paths[i].optional ? " optional\n" : "\n", f);
	}
	for (size_t i = 0; i < l->port_count; i++)
		(void)fprintf(f, "landlock %s %u\n", l->ports[i].bind ? "bind" : "connect",
			      l->ports[i].port);
}

static void put_limits(FILE *f, const struct policy *p)
{
	const struct policy_limits *l = &p->limits;
	const struct {
		const char *name;
		uint64_t value;
		void (*put)(FILE *f, uint64_t v);
	} rows[] = {
		{"memory", l->memory_bytes, put_size},
		{"swap", l->swap_bytes, put_size},
		{"cpu", l->cpu_percent, put_percent},
		{"pids", l->pids, put_number},
		{"read", l->read_bytes_per_s, put_size},
		{"write", l->write_bytes_per_s, put_size},
		{"wall", l->wall_ms, put_time},
		{"cpu-time", l->cpu_ms, put_time},
		{"major-faults", l->major_faults, put_number},
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(rows); i++) {
		if (rows[i].value == POLICY_NO_LIMIT)
			continue;
		(void)fprintf(f, "limit %s ", rows[i].name);
		rows[i].put(f, rows[i].value);
		(void)fputc('\n', f);
	}
	for (size_t i = 0; i < p->rlimit_count; i++) {
		uint64_t v[2] = {p->rlimits[i].soft, p->rlimits[i].hard};

		(void)fprintf(f, "rlimit %s", policy_rlimit_name(p->rlimits[i].resource));
		for (int k = 0; k < 2; k++) {
			(void)fputc(' ', f);
			if (v[k] == RLIM_INFINITY)
				(void)fputs("unlimited", f);
			else
				put_size(f, v[k]);
		}
		(void)fputc('\n', f);
	}
}

static void put_environment(FILE *f, const struct policy_env *e)
{
	if (e->mode == POLICY_ENV_LISTED)
		(void)fputs("environment listed\n", f);
	for (size_t i = 0; i < e->pass_count; i++)
		put_line(f, "environment pass", e->pass[i]);
	for (size_t i = 0; i < e->drop_count; i++)
		put_line(f, "environment drop", e->drop[i]);
	for (size_t i = 0; i < e->set_count; i++)
		put_line(f, "environment set", e->set[i]);
}

static void verdict_text(struct policy_verdict v, char buf[48])
{
	static const char *const words[] = {"allow", "log", "deny", "deny-quiet", "kill"};
	const char *err = policy_errno_name(v.err);

	(void)snprintf(buf, 48, "%s%s%s", words[v.action], err && v.err ? " " : "",
		       err && v.err ? err : "");
}

static void call_text(int nr, char buf[32])
{
	const char *name = policy_call_name(nr);

	if (name)
		(void)snprintf(buf, 32, "%s", name);
	else
		(void)snprintf(buf, 32, "%d", nr);
}

static void put_value(FILE *f, uint64_t v)
{
	(void)fprintf(f, v < 10 ? "%llu" : "0x%llx", (unsigned long long)v);
}

static void put_rule(FILE *f, const struct policy_rule *r)
{
	static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">="};
	char verdict[48], call[32];

	verdict_text(r->verdict, verdict);
	call_text(r->nr, call);
	(void)fprintf(f, "%s %s", verdict, call);
	for (size_t i = 0; i < r->condition_count; i++) {
		const struct policy_condition *c = &r->conditions[i];
		const char *name = policy_argument(r->nr, c->arg);

		(void)fputs(i ? " and " : " when ", f);
		if (name)
			(void)fputs(name, f);
		else
			(void)fprintf(f, "arg%u", c->arg);
		if (c->wide)
			(void)fputs(":64", f);
		if (c->mask != (c->wide ? UINT64_MAX : UINT32_MAX)) {
			(void)fputs(" & ", f);
			put_value(f, c->mask);
		}
		(void)fprintf(f, " %s ", operators[c->compare]);
		put_value(f, c->value);
	}
}

/* All calls that end alike whatever their arguments, as few lines as they fit on. */
static void put_calls(FILE *f, const struct policy *p, struct policy_verdict v)
{
	size_t column = 0;
	char verdict[48], call[32];

	verdict_text(v, verdict);
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct policy_rule *r = &p->rules[i];

		if (r->condition_count || r->verdict.action != v.action || r->verdict.err != v.err)
			continue;
		call_text(r->nr, call);
		if (column && column + 1 + strlen(call) > COLUMNS) {
			(void)fputc('\n', f);
			column = 0;
		}
		if (!column)
			column = (size_t)fprintf(f, "%s", verdict);
		column += (size_t)fprintf(f, " %s", call);
	}
	if (column)
		(void)fputc('\n', f);
}

static bool is_first_of_its_verdict(const struct policy *p, size_t i)
{
	const struct policy_rule *r = &p->rules[i];

	if (r->condition_count)
		return false;
	for (size_t k = 0; k < i; k++)
		if (!p->rules[k].condition_count &&
		    p->rules[k].verdict.action == r->verdict.action &&
		    p->rules[k].verdict.err == r->verdict.err)
			return false;
	return true;
}

/* Rules of one call stay in order: those with conditions come after the one without. */
static void put_rules(FILE *f, const struct policy *p)
{
	char verdict[48];

	if (!p->filter)
		return;
	verdict_text(p->fallback, verdict);
	(void)fprintf(f, "default %s\n", verdict);
	for (size_t i = 0; i < p->rule_count; i++)
		if (is_first_of_its_verdict(p, i))
			put_calls(f, p, p->rules[i].verdict);
	for (size_t i = 0; i < p->rule_count; i++) {
		if (!p->rules[i].condition_count)
			continue;
		put_rule(f, &p->rules[i]);
		(void)fputc('\n', f);
	}
}

int policy_text(const struct policy *p, char **ret, size_t *ret_len)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return -ENOMEM;
	put_line(f, "summary", p->summary);
	if (p->learn)
		(void)fputs("learn yes\n", f);
	if (p->count != POLICY_COUNT_AUTO)
		put_line(f, "count", p->count == POLICY_COUNT_OFF ? "off" : "ptrace");
	if (p->sandboxed)
		put_walls(f, p);
	for (size_t i = 0; i < p->mount_count; i++)
		put_mount(f, &p->mounts[i]);
	put_landlock(f, &p->landlock);
	put_limits(f, p);
	put_environment(f, &p->env);
	put_rules(f, p);
	if (ferror(f) || fclose(f) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

int policy_rule_text(const struct policy *p, size_t i, char **ret)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return -ENOMEM;
	put_rule(f, &p->rules[i]);
	if (ferror(f) || fclose(f) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	return 0;
}

void policy_verdict_text(struct policy_verdict v, char buf[POLICY_VERDICT_TEXT])
{
	verdict_text(v, buf);
}
