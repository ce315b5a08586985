/* SPDX-License-Identifier: Apache-2.0 */
/* Settings, then the machine around the cell if there is one to make, then the cell. */
#include "init/start.h"

#include <stdbool.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "base/file.h"
#include "init/agent.h"
#include "init/boot.h"
#include "init/cell.h"
#include "init/exit.h"
#include "init/say.h"
#include "init/settings.h"
#include "init/spawn.h"

#define CMDLINE_MAX 16384

static struct init_settings settings;

static const char usage[] =
	"usage: telltale-init --cell --endpoint unix:PATH [OPTION...] -- COMMAND...\n"
	"or, as the first process of a guest: cellos.argv=BASE64 telltale.NAME=VALUE... on the kernel command line\n"
	"\n"
	"  --endpoint E             where the agent sends to: vsock:CID:PORT or unix:PATH\n"
	"  --exit E                 where the exit code goes to: 4 bytes, little-endian\n"
	"  --argv BASE64            the command: base64 of a JSON array of strings\n"
	"  --env BASE64             its variables NAME=VALUE, in the same way\n"
	"  --uid N, --gid N         who it runs as (1000)\n"
	"  --cwd PATH               where it starts\n"
	"  --hostname NAME          what the machine is called in it\n"
	"  --memory BYTES[K|M|G]    what it may have\n"
	"  --pids N                 processes and threads that it may have\n"
	"  --on-limit-failure W     fail-cell (default), or degrade: go on without a limit\n"
	"  --agent PATH             the agent's program (beside this one, or /sbin/telltale-agent)\n"
	"  --agent-uid N            who that runs as (990)\n"
	"  --on-agent-failure W     fail-cell (default), or degrade: go on without it\n"
	"  --inotify PATH           watch this; may stand there again\n"
	"  --sensor NAME            auto, ebpf, connector, walk\n"
	"  --major 1|2  --walk-ms N  --flush-ms N  --heartbeat-ms N   as the agent takes them\n"
	"\n"
	"Of a guest alone: telltale.modules=PATH:PATH... telltale.at-end=power-off|restart\n";

static void say_problem(const struct init_problem *p)
{
	init_say(p->name ? p->name : "", p->name ? ": " : "", p->why, NULL);
}

static void tell_exit(int code)
{
	int r;

	if (!settings.exit.len)
		return;
	r = init_exit_send(&settings.exit, (uint32_t)code);
	if (r < 0)
		init_say_error("the exit code cannot be told", NULL, -r);
}

static int run_cell(void)
{
	if (!settings.agent)
		settings.agent = init_agent_default();
	return init_cell(&settings);
}

static int start_alone(char **args)
{
	struct init_problem problem;
	int code;

	if (geteuid() != 0) {
		init_say("a cell needs root", NULL);
		return INIT_FAILED;
	}
	settings.cell = true;
	if (init_settings_options(&settings, args, &problem) < 0 ||
	    init_settings_check(&settings, &problem) < 0) {
		say_problem(&problem);
		return 2;
	}
	(void)init_close_from(3, 0);
	init_say_open();
	code = run_cell();
	tell_exit(code);
	return code;
}

static int read_settings(void)
{
	static char line[CMDLINE_MAX + 1];
	long n = tt_file_read("/proc/cmdline", line, CMDLINE_MAX);
	struct init_problem problem;

	if (n < 0) {
		init_say_error("cannot read", "/proc/cmdline", (int)-n);
		return -1;
	}
	if (init_settings_cmdline(&settings, line, &problem) < 0 ||
	    init_settings_check(&settings, &problem) < 0) {
		say_problem(&problem);
		return -1;
	}
	return 0;
}

static int start_machine(void)
{
	int code = INIT_FAILED;
	bool good;

	if (!init_boot_proc())
		return 2;
	/* Ctrl-Alt-Del is a signal to us, no sudden end */
	(void)reboot(RB_DISABLE_CAD);
	init_boot_mounts();
	init_say_open();
	init_boot_loopback();
	good = read_settings() == 0;
	/* even if there will be no cell: the way to the host may need them */
	if (settings.modules && init_boot_modules(settings.modules) < 0)
		good = false;
	if (good)
		code = run_cell();
	init_say("exit code ", init_digits(code), NULL);
	tell_exit(code);
	init_boot_end(!settings.at_end_set, settings.restart);
}

int init_start(char **args)
{
	init_settings_defaults(&settings);
	if (args[0] && strcmp(args[0], "--cell") == 0)
		return start_alone(args + 1);
	if (args[0] && strcmp(args[0], "--version") == 0) {
		init_say(TT_VERSION, NULL);
		return 0;
	}
	if (getpid() != 1 || (args[0] && strcmp(args[0], "--help") == 0)) {
		bool help = args[0] && strcmp(args[0], "--help") == 0;

		if (write(help ? STDOUT_FILENO : STDERR_FILENO, usage, sizeof(usage) - 1) < 0)
			return 2;
		return help ? 0 : 2;
	}
	return start_machine();
}
