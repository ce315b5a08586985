/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be recorded: from the configuration file, or from the recorder that has read it. */
#include <fcntl.h>
#include <string.h>

#include "base/time.h"
#include "event/redact.h"
#include "preload/log.h"

struct event_config pl_config;

static struct event_config_error wrong; /* text NULL: nothing is */
static const char *wrong_where;

static void complain(const char *where, const char *text)
{
	wrong = (struct event_config_error){0, text};
	wrong_where = where;
}

static void read_limits(const char *const values[CONTRACT_NAMES])
{
	const char *max = values[CONTRACT_LOG_MAX], *keep = values[CONTRACT_LOG_KEEP], *text;

	text = max ? event_config_set(&pl_config, "log_max", max) : NULL;
	if (text)
		complain(event_contract_name_text(CONTRACT_LOG_MAX), text);
	text = keep ? event_config_set(&pl_config, "log_keep", keep) : NULL;
	if (text)
		complain(event_contract_name_text(CONTRACT_LOG_KEEP), text);
}

/* A relative name is meant from the folder that the first program started in. */
static const char *keep_absolute(const char *path)
{
	char *at = pl_process.kept + pl_process.kept_len;
	size_t room = sizeof(pl_process.kept) - pl_process.kept_len, len = strlen(path);
	long n = path[0] == '/' ? 0 : tt_sys2(SYS_getcwd, at, room);

	if (n <= 1 || at[0] != '/' || (size_t)n + len + 1 > room)
		return pl_keep(path, len);
	at[n - 1] = '/';
	memcpy(at + n, path, len + 1);
	pl_process.kept_len += (size_t)n + len + 1;
	return at;
}

void pl_config_read(const char *const values[CONTRACT_NAMES])
{
	struct pl_work *w;
	const char *path = values[CONTRACT_CONFIG];

	if (path && *path)
		path = pl_process.contract.value[CONTRACT_CONFIG] = keep_absolute(path);
	w = path && *path ? pl_work_take() : NULL;
	if (w) {
		if (event_config_load(&pl_config, path, w->line, sizeof(w->line), &wrong) < 0)
			wrong_where = path;
		pl_work_give(w);
	}
	read_limits(values);
	event_format_configure(pl_config.argument_max, pl_config.line_max);
	event_redact_extend(pl_config.redact);
	pl_log.max = pl_config.log_max;
	pl_log.keep = pl_config.log_keep ? pl_config.log_keep : PL_LOG_KEEP;
}

void pl_config_complain(void)
{
	struct pl_work *w = wrong.text ? pl_work_take() : NULL;
	struct event ev = {
		.type = EVENT_NOTICE,
		.source = EVENT_FROM_PRELOAD,
		.ts_ns = tt_clock_ns(CLOCK_REALTIME),
		.span = {.id = pl_process.image.span},
		.parent = pl_process.image.parent,
		.pid = pl_process.image.pid,
		.ppid = pl_process.image.ppid,
		.reason = {"config_error", 12},
	};

	if (!w)
		return;
	ev.message.data = w->path;
	ev.message.len = event_config_message(w->path, wrong_where, &wrong);
	pl_log_line(&ev);
	pl_work_give(w);
}
