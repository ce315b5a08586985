/* SPDX-License-Identifier: Apache-2.0 */
/* The options of telltale-agent, and where its endpoint comes from if there is none. */
#include "agent/options.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/cmdline.h"
#include "base/file.h"

const char agent_help[] =
	"usage: telltale-agent --endpoint ENDPOINT [options]\n"
	"Sees what the workload of a cell does and tells the host. Started by telltale-init.\n"
	"\n"
	"  --endpoint ENDPOINT   " TT_ENDPOINT_FORMS ";\n"
	"                        else telltale.endpoint= of the kernel's command line\n"
	"  --uid N, --gid N      run as these (990), not as root\n"
	"  --inotify PATH        tell changes of this file or folder; may repeat;\n"
	"                        also the path in CELLOS_TELEMETRY_INOTIFY_PATH\n"
	"  --sensor NAME         auto (the best that opens), ebpf, connector or walk\n"
	"  --walk-ms N           time between two walks over /proc (100)\n"
	"  --major 1|2           version of the wire (2)\n"
	"  --heartbeat-ms N      a sign of life when nothing else was told (1000)\n"
	"  --flush-ms N          time to send what is queued after SIGTERM (2000)\n"
	"  --fork                go to the background: 0 at once, 2 if the fork fails\n"
	"  --proc PATH           /proc of the cell (/proc)\n"
	"  --ready-fd N          socket for one datagram: \"ready SENSOR...\" or \"failed TEXT\"\n"
	"  --queue-fd N          memfd that keeps the queue if the agent dies\n"
	"  --connector-fd N      socket that the proc connector's events come from\n"
	"  --outer-proc-fd N     /proc whose numbers it tells\n"
	"  --restarts N          how often the agent was started anew\n"
	"  --help, --version\n";

static int fail(struct agent_options *o, const char *a, const char *b, const char *c, const char *d)
{
	(void)agent_join(o->why, sizeof(o->why), a, b, c, d, NULL);
	return -EINVAL;
}

/* "'--major 3': neither 1 nor 2" */
static int fail_value(struct agent_options *o, const char *name, const char *value,
		      const char *words)
{
	(void)agent_join(o->why, sizeof(o->why), "'--", name, " ", value, "': ", words, NULL);
	return -EINVAL;
}

static bool read_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
		if (v > max)
			return false;
	}
	*ret = v;
	return true;
}

static int take_number(struct agent_options *o, const char *name, const char *value, uint64_t min,
		       uint64_t max, uint64_t *ret)
{
	char words[64], low[AGENT_NUMBER_MAX], high[AGENT_NUMBER_MAX];
	uint64_t v = 0;

	if (read_number(value, max, &v) && v >= min) {
		*ret = v;
		return 0;
	}
	return fail_value(o, name, value,
			  agent_join(words, sizeof(words), "not a number from ",
				     agent_number(low, min), " to ", agent_number(high, max),
				     NULL));
}

static int take_unsigned(struct agent_options *o, const char *name, const char *value, uint64_t min,
			 uint64_t max, unsigned *ret)
{
	uint64_t v;
	int r = take_number(o, name, value, min, max, &v);

	if (!r)
		*ret = (unsigned)v;
	return r;
}

static int take_fd(struct agent_options *o, const char *name, const char *value, int *ret)
{
	uint64_t v;
	int r = take_number(o, name, value, 0, 1 << 20, &v);

	if (r)
		return r;
	if (fcntl((int)v, F_SETFD, FD_CLOEXEC) < 0)
		return fail_value(o, name, value, "not an open fd");
	*ret = (int)v;
	return 0;
}

static int take_endpoint(struct agent_options *o, const char *text)
{
	int r = tt_endpoint_parse(text, &o->endpoint);

	if (r == -ENAMETOOLONG)
		return fail(o, "endpoint '", text, "': the path is too long for a socket", "");
	if (r)
		return fail(o, "endpoint '", text, "': not " TT_ENDPOINT_FORMS, "");
	o->endpoint_text = text;
	return 0;
}

static int take_inotify(struct agent_options *o, const char *path)
{
	if (*path != '/')
		return fail_value(o, "inotify", path, "not a path that begins with /");
	if (o->inotify_count == AGENT_INOTIFY_MAX)
		return fail_value(o, "inotify", path, "more than 32 paths");
	o->inotify[o->inotify_count++] = path;
	return 0;
}

static int take_sensor(struct agent_options *o, const char *value)
{
	static const char *const names[] = {"auto", "ebpf", "connector", "walk"};

	for (unsigned i = 0; i < TT_ARRAY_SIZE(names); i++)
		if (strcmp(value, names[i]) == 0) {
			o->sensor = (enum agent_choice)i;
			return 0;
		}
	return fail_value(o, "sensor", value, "not auto, ebpf, connector or walk");
}

static int take_id(struct agent_options *o, const char *name, const char *value, uint64_t *ret)
{
	if (strcmp(value, "0") == 0)
		return fail_value(o, name, value, "the agent does not stay root");
	return take_number(o, name, value, 1, UINT32_MAX - 1, ret);
}

static int take_proc(struct agent_options *o, const char *value)
{
	if (*value != '/' || strlen(value) > 200)
		return fail_value(o, "proc", value, "not a short path that begins with /");
	o->proc = value;
	return 0;
}

enum { HOUR_MS = 3600 * 1000 };

/* Options with a value: what kind, where it goes if that is a number. */
static const struct option {
	char name[16];
	enum { ENDPOINT, PROC, INOTIFY, SENSOR, ID, FD, NUMBER } kind;
	size_t offset;
	unsigned min, max;
} options[] = {
	{"endpoint", ENDPOINT},
	{"proc", PROC},
	{"inotify", INOTIFY},
	{"sensor", SENSOR},
	{"uid", ID, offsetof(struct agent_options, uid)},
	{"gid", ID, offsetof(struct agent_options, gid)},
	{"ready-fd", FD, offsetof(struct agent_options, ready_fd)},
	{"queue-fd", FD, offsetof(struct agent_options, queue_fd)},
	{"connector-fd", FD, offsetof(struct agent_options, connector_fd)},
	{"outer-proc-fd", FD, offsetof(struct agent_options, outer_proc_fd)},
	{"walk-ms", NUMBER, offsetof(struct agent_options, walk_ms), 1, HOUR_MS},
	{"heartbeat-ms", NUMBER, offsetof(struct agent_options, heartbeat_ms), 10, HOUR_MS},
	{"flush-ms", NUMBER, offsetof(struct agent_options, flush_ms), 0, HOUR_MS},
	{"restarts", NUMBER, offsetof(struct agent_options, restarts), 0, UINT32_MAX},
	{"major", NUMBER, offsetof(struct agent_options, major), 1, 2},
};

static int take_value(struct agent_options *o, const struct option *option, const char *value)
{
	void *to = (char *)o + option->offset;

	switch (option->kind) {
	case ENDPOINT:
		return take_endpoint(o, value);
	case PROC:
		return take_proc(o, value);
	case INOTIFY:
		return take_inotify(o, value);
	case SENSOR:
		return take_sensor(o, value);
	case ID:
		return take_id(o, option->name, value, to);
	case FD:
		return take_fd(o, option->name, value, to);
	case NUMBER:
		return take_unsigned(o, option->name, value, option->min, option->max, to);
	}
	return -EINVAL;
}

/* Options without a value. */
static bool take_flag(struct agent_options *o, const char *name)
{
	if (strcmp(name, "fork") == 0)
		o->does_fork = true;
	else if (strcmp(name, "help") == 0)
		o->wants_help = true;
	else if (strcmp(name, "version") == 0)
		o->wants_version = true;
	else
		return false;
	return true;
}

static const struct option *find_option(const char *name)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(options); i++)
		if (strcmp(name, options[i].name) == 0)
			return &options[i];
	return NULL;
}

/* The option at argv[*i], and the argument behind it if that is its value. */
static int take_option(struct agent_options *o, int argc, char **argv, int *i)
{
	char name[32];
	const char *arg = argv[*i], *equals = strchr(arg, '=');
	const struct option *option;
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);

	if (strncmp(arg, "--", 2) != 0 || len == 2)
		return fail(o, "'", arg, "': not an option", "; see --help");
	if (len - 2 >= sizeof(name))
		return fail(o, "'", arg, "': no such option", "; see --help");
	memcpy(name, arg + 2, len - 2);
	name[len - 2] = '\0';
	if (!equals && take_flag(o, name))
		return 0;
	option = find_option(name);
	if (!option)
		return fail(o, "'", arg, "': no such option", "; see --help");
	if (equals)
		return take_value(o, option, equals + 1);
	if (*i + 1 == argc)
		return fail(o, "'", arg, "' needs a value", "");
	return take_value(o, option, argv[++*i]);
}

/* What whoever boots the guest has set; of several the last one counts. */
static const char *find_endpoint(const struct agent_options *o)
{
	/* apart: where there is an option it takes no memory */
	static char cmdline[4096];
	char path[256], *line = cmdline, *word, *value;
	const char *found = NULL;
	long n;

	n = tt_file_read(agent_join(path, sizeof(path), o->proc, "/cmdline", NULL), cmdline,
			 sizeof(cmdline) - 1);
	if (n <= 0)
		return NULL;
	cmdline[n] = '\0';
	while ((word = tt_cmdline_next(&line, &value)))
		if (value && strcmp(word, "telltale.endpoint") == 0)
			found = value;
	return found;
}

int agent_options_parse(struct agent_options *o, int argc, char **argv, const char *env_inotify)
{
	const char *text;
	int r;

	*o = (struct agent_options){
		.uid = 990,
		.gid = 990,
		.ready_fd = -1,
		.queue_fd = -1,
		.connector_fd = -1,
		.outer_proc_fd = -1,
		.proc = "/proc",
		.walk_ms = 100,
		.heartbeat_ms = 1000,
		.flush_ms = 2000,
		.major = 2,
	};
	for (int i = 1; i < argc; i++) {
		r = take_option(o, argc, argv, &i);
		if (r)
			return r;
	}
	if (o->wants_help || o->wants_version)
		return 0;
	if (env_inotify && *env_inotify) {
		r = take_inotify(o, env_inotify);
		if (r)
			return r;
	}
	if (o->endpoint_text)
		return 0;
	text = find_endpoint(o);
	/* never a guess: who is at CID 2 is not for us to say */
	if (!text)
		return fail(o, "no endpoint: give --endpoint, ",
			    "or telltale.endpoint= on the kernel's command line", "", "");
	return take_endpoint(o, text);
}
