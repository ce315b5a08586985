/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order has reasons: what needs root comes before the gate, what the workload itself may do
 * behind it.
 */
#include "init/workload.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/out.h"
#include "init/say.h"
#include "init/spawn.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_HOME "HOME=/"
#define DEFAULT_TERM "TERM=linux"
#define DEFAULTS     3

static const char *find(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env;
	return NULL;
}

/* The settings' variables, and PATH, HOME and TERM where they do not have them. */
static char **make_environment(const struct init_settings *s)
{
	static char *env[INIT_WORDS_MAX + DEFAULTS + 1];
	extern char **environ;
	const char *term = environ ? find(environ, "TERM") : NULL;
	const char *const more[DEFAULTS] = {DEFAULT_PATH, DEFAULT_HOME, term ? term : DEFAULT_TERM};
	static const char *const names[DEFAULTS] = {"PATH", "HOME", "TERM"};
	unsigned count = 0;

	for (; s->env[count]; count++)
		env[count] = s->env[count];
	for (unsigned i = 0; i < DEFAULTS; i++)
		if (!find(s->env, names[i]))
			env[count++] = (char *)more[i];
	return env;
}

/* As execve(2); a file that is there, but not its interpreter, is no file that is missing. */
static int try_exec(const char *path, char **argv, char **env)
{
	struct stat st;
	int err;

	(void)execve(path, argv, env);
	err = errno;
	if (err == ENOENT && stat(path, &st) == 0)
		return ENOEXEC;
	/* a folder of PATH that is none */
	return err == ENOTDIR ? ENOENT : err;
}

/* Returns the errno of the refusal: ENOENT only if there is no such program at all. */
static int exec_by_path(char **argv, char **env)
{
	const char *path = find(env, "PATH") + strlen("PATH="), *file = argv[0];
	int worst = ENOENT, err;

	if (strchr(file, '/'))
		return try_exec(file, argv, env);
	for (;;) {
		char full[PATH_MAX];
		size_t len = strcspn(path, ":");
		struct tt_out o;

		tt_out_init(&o, full, sizeof(full) - 1);
		tt_out_mem(&o, len ? path : ".", len ? len : 1);
		tt_out_char(&o, '/');
		tt_out_str(&o, file);
		full[o.len] = '\0';
		err = tt_out_is_full(&o) ? ENAMETOOLONG : try_exec(full, argv, env);
		if (err != ENOENT)
			worst = err;
		/* further on there may be one that can be run */
		if ((err != ENOENT && err != EACCES && err != ENAMETOOLONG) || !path[len])
			return worst;
		path += len + 1;
	}
}

static TT_NORETURN void fail(const char *what, const char *object, int err, int code)
{
	init_say_error(what, object, err);
	_exit(code);
}

static void pass_gate(const struct init_workload *w)
{
	enum gate_step step = GATE_STEPS;
	int landlock = 0, r = init_gate_pass(&w->gate, &landlock, &step);

	if (r < 0)
		fail("the gate cannot be closed", init_gate_step_name(step), -r, 125);
}

void init_workload_run(const struct init_workload *w)
{
	char **env = make_environment(w->s);
	int r = init_limits_enter(w->limits), err;

	if (r < 0)
		fail("workload", "cgroup.procs", -r, 125);
	r = init_write_text(AT_FDCWD, "/proc/self/oom_score_adj", w->oom_score);
	if (r < 0)
		fail("workload", "oom_score_adj", -r, 125);
	(void)umask(022);
	(void)setsid();
	/* EPERM: it is another session's; the workload can use it, without job control */
	if (w->terminal)
		(void)ioctl(STDIN_FILENO, TIOCSCTTY, 0);
	r = init_close_from(3, 1);
	if (r < 0)
		fail("workload", "close_range", -r, 125);
	init_default_signals();
	pass_gate(w);
	/* with its own rights */
	if (w->s->cwd && chdir(w->s->cwd) < 0)
		fail("cannot enter", w->s->cwd, errno, 125);
	err = exec_by_path(w->s->argv, env);
	fail("cannot run", w->s->argv[0], err, err == ENOENT ? 127 : 126);
}
