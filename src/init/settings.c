/* SPDX-License-Identifier: Apache-2.0 */
/* One table of settings, for both ways to say them. */
#include "init/settings.h"

#include <errno.h>
#include <string.h>

#include "base/cmdline.h"
#include "init/list.h"

#define ID_MAX (UINT32_MAX - 1) /* the greatest one means "none" */

/* Digits up to the end. */
static bool read_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
	}
	if (v < min || v > max)
		return false;
	*ret = v;
	return true;
}

static const char *set_id(uint32_t *id, const char *value)
{
	uint64_t v;

	if (!read_number(value, 1, ID_MAX, &v))
		return "not a number from 1 to 4294967294";
	*id = (uint32_t)v;
	return NULL;
}

static const char *set_path(const char **path, const char *value)
{
	if (*value != '/')
		return "not a path that begins with '/'";
	*path = value;
	return NULL;
}

static const char *set_number_text(const char **text, const char *value, uint64_t min, uint64_t max,
				   const char *why)
{
	uint64_t v;

	if (!read_number(value, min, max, &v))
		return why;
	*text = value;
	return NULL;
}

static const char *set_argv(struct init_settings *s, char *value)
{
	const char *why = NULL;
	int n = init_list_decode(value, s->words, INIT_WORDS_MAX, &why);

	if (n < 0)
		return why;
	if (n == 0 || !s->words[0][0])
		return "it names no program";
	s->argv = s->words;
	return NULL;
}

static const char *set_env(struct init_settings *s, char *value)
{
	const char *why = NULL;
	int n = init_list_decode(value, s->env, INIT_WORDS_MAX, &why);

	for (int i = 0; i < n; i++) {
		if (s->env[i][0] == '=' || !strchr(s->env[i], '=')) {
			n = -1;
			why = "a text in it is not NAME=VALUE";
		}
	}
	if (n < 0)
		s->env[0] = NULL;
	return why;
}

static const char *set_endpoint(struct init_settings *s, char *value)
{
	struct tt_endpoint e;

	if (tt_endpoint_parse(value, &e) < 0)
		return "not " TT_ENDPOINT_FORMS;
	s->endpoint = value;
	return NULL;
}

static const char *set_exit(struct init_settings *s, char *value)
{
	struct tt_endpoint e;

	if (tt_endpoint_parse(value, &e) < 0)
		return "not " TT_ENDPOINT_FORMS;
	s->exit = e;
	return NULL;
}

static const char *set_uid(struct init_settings *s, char *value)
{
	return set_id(&s->uid, value);
}

static const char *set_gid(struct init_settings *s, char *value)
{
	return set_id(&s->gid, value);
}

static const char *set_agent_uid(struct init_settings *s, char *value)
{
	return set_id(&s->agent_uid, value);
}

static const char *set_cwd(struct init_settings *s, char *value)
{
	return set_path(&s->cwd, value);
}

static const char *set_agent(struct init_settings *s, char *value)
{
	return set_path(&s->agent, value);
}

static const char *set_hostname(struct init_settings *s, char *value)
{
	if (!*value || strlen(value) > 64)
		return "not 1 to 64 bytes";
	s->hostname = value;
	return NULL;
}

static const char *set_inotify(struct init_settings *s, char *value)
{
	const char *why;

	if (s->inotify_count == INIT_PATHS_MAX)
		return "more than 16 paths";
	why = set_path(&s->inotify[s->inotify_count], value);
	if (!why)
		s->inotify_count++;
	return why;
}

static const char *set_modules(struct init_settings *s, char *value)
{
	return set_path(&s->modules, value);
}

static const char *set_sensor(struct init_settings *s, char *value)
{
	static const char *const names[] = {"auto", "ebpf", "connector", "walk"};

	for (unsigned i = 0; i < TT_ARRAY_SIZE(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			s->sensor = names[i];
			return NULL;
		}
	}
	return "not auto, ebpf, connector or walk";
}

static const char *set_walk(struct init_settings *s, char *value)
{
	return set_number_text(&s->walk_ms, value, 1, 60000, "not milliseconds from 1 to 60000");
}

static const char *set_flush(struct init_settings *s, char *value)
{
	return set_number_text(&s->flush_ms, value, 0, 60000, "not milliseconds from 0 to 60000");
}

static const char *set_heartbeat(struct init_settings *s, char *value)
{
	return set_number_text(&s->heartbeat_ms, value, 10, 3600000,
			       "not milliseconds from 10 to 3600000");
}

static const char *set_major(struct init_settings *s, char *value)
{
	return set_number_text(&s->major, value, 1, 2, "not 1 or 2");
}

static const char *set_memory(struct init_settings *s, char *value)
{
	static const char units[] = "KMG";
	size_t len = strlen(value);
	const char *unit = len ? memchr(units, value[len - 1], sizeof(units) - 1) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	uint64_t v;

	if (strcmp(value, "max") == 0) {
		s->memory = INIT_UNLIMITED;
		return NULL;
	}
	if (unit)
		value[len - 1] = '\0';
	if (!read_number(value, 1, (uint64_t)INT64_MAX >> shift, &v))
		return "not bytes, with K, M or G behind them, nor max";
	s->memory = v << shift;
	return NULL;
}

static const char *set_pids(struct init_settings *s, char *value)
{
	if (strcmp(value, "max") == 0) {
		s->pids = INIT_UNLIMITED;
		return NULL;
	}
	return read_number(value, 1, 1u << 22, &s->pids)
		       ? NULL
		       : "not a number from 1 to 4194304, nor max";
}

static const char *set_failure(bool *degrade, const char *value, const char *fail, const char *why)
{
	if (strcmp(value, "degrade") != 0 && strcmp(value, fail) != 0)
		return why;
	*degrade = *value == 'd';
	return NULL;
}

static const char *set_agent_failure(struct init_settings *s, char *value)
{
	return set_failure(&s->agent_degrade, value, "fail-cell", "not fail-cell or degrade");
}

static const char *set_limit_failure(struct init_settings *s, char *value)
{
	return set_failure(&s->limit_degrade, value, "fail-cell", "not fail-cell or degrade");
}

static const char *set_at_end(struct init_settings *s, char *value)
{
	s->restart = strcmp(value, "restart") == 0;
	if (!s->restart && strcmp(value, "power-off") != 0)
		return "not power-off or restart";
	s->at_end_set = true;
	return NULL;
}

enum {
	MANY = 1,
	BOOT = 2
}; /* may stand there more than once; of a machine's first process alone */

static const struct {
	const char *name;
	const char *(*set)(struct init_settings *s, char *value); /* NULL, or what is wrong */
	unsigned flags;
} settings[] = {
	{"argv", set_argv, 0},
	{"endpoint", set_endpoint, 0},
	{"exit", set_exit, 0},
	{"uid", set_uid, 0},
	{"gid", set_gid, 0},
	{"agent-uid", set_agent_uid, 0},
	{"cwd", set_cwd, 0},
	{"env", set_env, 0},
	{"agent", set_agent, 0},
	{"hostname", set_hostname, 0},
	{"inotify", set_inotify, MANY},
	{"sensor", set_sensor, 0},
	{"walk-ms", set_walk, 0},
	{"flush-ms", set_flush, 0},
	{"heartbeat-ms", set_heartbeat, 0},
	{"major", set_major, 0},
	{"memory", set_memory, 0},
	{"pids", set_pids, 0},
	{"on-agent-failure", set_agent_failure, 0},
	{"on-limit-failure", set_limit_failure, 0},
	{"modules", set_modules, BOOT},
	{"at-end", set_at_end, BOOT},
};
_Static_assert(TT_ARRAY_SIZE(settings) <= 32, "a bit each in init_settings.given");

static unsigned find(const char *name, size_t len)
{
	unsigned i = 0;

	while (i < TT_ARRAY_SIZE(settings) &&
	       (strncmp(settings[i].name, name, len) != 0 || settings[i].name[len]))
		i++;
	return i;
}

static const char *set(struct init_settings *s, unsigned which, char *value)
{
	uint32_t bit = which < 32 ? UINT32_C(1) << which : 0;

	if (which == TT_ARRAY_SIZE(settings) || (s->cell && settings[which].flags & BOOT))
		return "there is no such setting";
	if (!value)
		return "it has no value";
	if (s->given & bit && !(settings[which].flags & MANY))
		return "it stands there twice";
	s->given |= bit;
	return settings[which].set(s, value);
}

static int first_problem(struct init_problem *ret, int r, const char *name, const char *why)
{
	if (why && r == 0)
		*ret = (struct init_problem){.name = name, .why = why};
	return why ? -EINVAL : r;
}

void init_settings_defaults(struct init_settings *s)
{
	memset(s, 0, sizeof(*s));
	s->uid = s->gid = 1000;
	s->agent_uid = 990;
	s->memory = s->pids = INIT_UNSET;
}

int init_settings_cmdline(struct init_settings *s, char *line, struct init_problem *ret)
{
	char *name, *value;
	unsigned which;
	int r = 0;

	while ((name = tt_cmdline_next(&line, &value))) {
		if (strcmp(name, "--") == 0)
			break;
		if (strcmp(name, "cellos.argv") == 0) {
			which = find("argv", 4);
		} else if (strncmp(name, "telltale.", 9) == 0) {
			/* one name for one thing */
			which = find(name + 9, strlen(name + 9));
			if (which == find("argv", 4))
				which = TT_ARRAY_SIZE(settings);
		} else {
			continue;
		}
		r = first_problem(ret, r, name, set(s, which, value));
	}
	return r;
}

int init_settings_options(struct init_settings *s, char **args, struct init_problem *ret)
{
	int r = 0;

	for (; *args && strcmp(*args, "--") != 0; args++) {
		char *name = *args, *value = strchr(name, '=');
		size_t len = value ? (size_t)(value - name) : strlen(name);

		if (strncmp(name, "--", 2) != 0)
			return first_problem(ret, r, name,
					     "no option; the command stands behind '--'");
		if (value)
			*value++ = '\0';
		else if (args[1] && strcmp(args[1], "--") != 0)
			value = *++args;
		r = first_problem(ret, r, name, set(s, find(name + 2, len - 2), value));
	}
	if (!*args)
		return r;
	if (s->argv)
		r = first_problem(ret, r, "--argv", "the command stands behind '--' as well");
	else if (!args[1])
		r = first_problem(ret, r, NULL, "no command behind '--'");
	else
		s->argv = args + 1;
	return r;
}

int init_settings_check(const struct init_settings *s, struct init_problem *ret)
{
	const char *why = NULL, *name = NULL;

	if (!s->argv) {
		name = s->cell ? NULL : "cellos.argv";
		why = s->cell ? "no command" : "it is missing: there is nothing to run";
	} else if (!s->endpoint && !s->agent_degrade) {
		name = s->cell ? "--endpoint" : "telltale.endpoint";
		why = "it is missing: the agent has nobody to tell";
	} else if (s->uid == s->agent_uid) {
		name = s->cell ? "--uid" : "telltale.uid";
		why = "the agent has that one";
	}
	return first_problem(ret, 0, name, why);
}
