/* SPDX-License-Identifier: Apache-2.0 */
/* Run folders by name. What is in them is looked at only when a run was chosen. */
#include "store/runs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/uuid.h"

#define CANDIDATES_MAX 4 /* run ids named in one message */

static void freep(char **p)
{
	free(*p);
}

static void closedirp(DIR **p)
{
	if (*p)
		(void)closedir(*p);
}

void store_run_done(struct store_run *run)
{
	free(run->id);
	free(run->json_path);
	free(run->trace_path);
	memset(run, 0, sizeof(*run));
}

void store_runs_done(struct store_runs *runs)
{
	for (size_t i = 0; i < runs->count; i++)
		store_run_done(&runs->items[i]);
	free(runs->items);
	memset(runs, 0, sizeof(*runs));
}

int store_state_folder(char **ret, struct tt_err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path;
	int n;

	if (state && state[0] == '/')
		n = asprintf(&path, "%s/telltale", state);
	else if (home && home[0] == '/')
		n = asprintf(&path, "%s/.local/state/telltale", home);
	else
		return tt_fail_text(
			err, ENOENT,
			"find the state folder: set XDG_STATE_HOME or HOME to an absolute path");
	if (n < 0)
		return tt_fail(err, ENOMEM, "find the state folder");
	*ret = path;
	return 0;
}

static bool is_file(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Takes over the three strings; fails if one that was wanted could not be made. */
static int make_run(struct store_run *ret, char *id, char *json_path, char *trace_path)
{
	struct store_run run = {.id = id, .json_path = json_path, .trace_path = trace_path};

	if (!id || (!json_path && !trace_path)) {
		store_run_done(&run);
		return -ENOMEM;
	}
	run.has_json = is_file(json_path);
	run.has_trace = is_file(trace_path);
	*ret = run;
	return 0;
}

static char *join(const char *folder, const char *prefix, const char *name, const char *suffix)
{
	size_t n = strlen(folder);
	char *path;

	if (asprintf(&path, "%s%s%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", prefix,
		     name, suffix) < 0)
		return NULL;
	return path;
}

/* A run in a folder of its own. */
static int run_in_folder(struct store_run *ret, const char *folder, const char *id)
{
	char *json_path = join(folder, "run.json", "", ""),
	     *trace_path = join(folder, "trace.jsonl", "", "");

	if (!json_path || !trace_path) {
		free(json_path);
		free(trace_path);
		return -ENOMEM;
	}
	return make_run(ret, strdup(id), json_path, trace_path);
}

static bool is_run_id(const char *name)
{
	struct tt_uuid u;

	return strlen(name) == TT_UUID_TEXT_LEN && tt_uuid_parse(&u, name, TT_UUID_TEXT_LEN);
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(((const struct store_run *)b)->id, ((const struct store_run *)a)->id);
}

static int add_run(struct store_runs *runs, size_t *room, const char *folder, const char *id)
{
	TT_CLEANUP(freep) char *path = join(folder, id, "", "");

	if (!path)
		return -ENOMEM;
	if (runs->count == *room) {
		size_t wanted = *room ? *room * 2 : 64;
		struct store_run *items = realloc(runs->items, wanted * sizeof(*items));

		if (!items)
			return -ENOMEM;
		runs->items = items;
		*room = wanted;
	}
	if (run_in_folder(&runs->items[runs->count], path, id) < 0)
		return -ENOMEM;
	if (!runs->items[runs->count].has_json && !runs->items[runs->count].has_trace)
		store_run_done(&runs->items[runs->count]); /* an empty folder is no run */
	else
		runs->count++;
	return 0;
}

int store_runs_find(struct store_runs *ret, struct tt_err *err)
{
	TT_CLEANUP(freep) char *state = NULL;
	TT_CLEANUP(freep) char *folder = NULL;
	TT_CLEANUP(closedirp) DIR *dir = NULL;
	TT_CLEANUP(store_runs_done) struct store_runs runs = {0};
	struct dirent *entry;
	size_t room = 0;
	int r = store_state_folder(&state, err);

	if (r < 0)
		return r;
	folder = join(state, "runs", "", "");
	if (!folder)
		return tt_fail(err, ENOMEM, "list the runs");
	dir = opendir(folder);
	if (!dir && errno != ENOENT)
		return tt_fail(err, errno, "open the run folder '%s'", folder);
	for (;;) {
		errno = 0;
		entry = dir ? readdir(dir) : NULL;
		if (!entry && errno)
			return tt_fail(err, errno, "read the run folder '%s'", folder);
		if (!entry)
			break;
		if (!is_run_id(entry->d_name))
			continue;
		r = add_run(&runs, &room, folder, entry->d_name);
		if (r < 0)
			return tt_fail(err, -r, "list the runs");
	}
	if (runs.count)
		qsort(runs.items, runs.count, sizeof(*runs.items), newest_first);
	*ret = runs;
	memset(&runs, 0, sizeof(runs));
	return 0;
}

/* The run id at the end of "run_<utc>_<id>", or "". */
static const char *id_in_name(const char *name, size_t len)
{
	static char id[TT_UUID_TEXT_LEN + 1];
	struct tt_uuid u;

	if (len <= TT_UUID_TEXT_LEN || name[len - TT_UUID_TEXT_LEN - 1] != '_' ||
	    !tt_uuid_parse(&u, name + len - TT_UUID_TEXT_LEN, TT_UUID_TEXT_LEN))
		return "";
	memcpy(id, name + len - TT_UUID_TEXT_LEN, TT_UUID_TEXT_LEN);
	return id;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n >= s && strcmp(name + n - s, suffix) == 0;
}

/* run.json and trace.jsonl lie side by side, as do run_X.json and trace_X.jsonl. */
static int run_by_file(struct store_run *ret, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *id = "";
	TT_CLEANUP(freep)
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
	TT_CLEANUP(freep) char *middle = NULL;
	char *json_path = NULL, *trace_path = NULL;
	bool is_json = has_suffix(name, ".json");

	if (!folder)
		return -ENOMEM;
	if (strcmp(name, "run.json") == 0 || strcmp(name, "trace.jsonl") == 0)
		return run_in_folder(ret, folder, "");
	if (is_json && strncmp(name, "run_", 4) == 0)
		middle = strndup(name + 4, strlen(name) - strlen("run_.json"));
	else if (has_suffix(name, ".jsonl") && strncmp(name, "trace_", 6) == 0)
		middle = strndup(name + 6, strlen(name) - strlen("trace_.jsonl"));
	if (middle) {
		id = id_in_name(middle, strlen(middle));
		json_path = join(folder, "run_", middle, ".json");
		trace_path = join(folder, "trace_", middle, ".jsonl");
		if (!json_path || !trace_path) {
			free(json_path);
			free(trace_path);
			return -ENOMEM;
		}
	} else if (is_json) {
		json_path = strdup(path);
	} else {
		trace_path = strdup(path);
	}
	return make_run(ret, strdup(id), json_path, trace_path);
}

/* A folder with one run in it, or an --output-dir with just one. */
static int run_by_folder(struct store_run *ret, const char *folder, struct tt_err *err)
{
	TT_CLEANUP(closedirp) DIR *dir = NULL;
	TT_CLEANUP(freep) char *only = NULL;
	struct dirent *entry;
	size_t found = 0;
	int r = run_in_folder(ret, folder, "");

	if (r < 0)
		return tt_fail(err, -r, "look into '%s'", folder);
	if (ret->has_json || ret->has_trace)
		return 0;
	store_run_done(ret);
	dir = opendir(folder);
	if (!dir)
		return tt_fail(err, errno, "open '%s'", folder);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "trace_", 6) != 0 ||
		    !has_suffix(entry->d_name, ".jsonl"))
			continue;
		found++;
		free(only);
		only = join(folder, entry->d_name, "", "");
		if (!only)
			return tt_fail(err, ENOMEM, "look into '%s'", folder);
	}
	if (!found)
		return tt_fail_text(err, ENOENT, "no run in '%s': neither run.json nor trace.jsonl",
				    folder);
	if (found > 1)
		return tt_fail_text(err, ENOTUNIQ, "%zu runs in '%s': name one of its files", found,
				    folder);
	r = run_by_file(ret, only);
	return r < 0 ? tt_fail(err, -r, "look into '%s'", folder) : 0;
}

static int run_by_path(struct store_run *ret, const char *path, struct tt_err *err)
{
	int r;

	if (is_folder(path))
		return run_by_folder(ret, path, err);
	if (access(path, F_OK) < 0)
		return tt_fail(err, errno, "open run '%s'", path);
	if (!is_file(path))
		return tt_fail_text(err, EINVAL,
				    "open run '%s': neither a regular file nor a folder", path);
	r = run_by_file(ret, path);
	return r < 0 ? tt_fail(err, -r, "open run '%s'", path) : 0;
}

static int take_run(struct store_run *ret, struct store_runs *runs, size_t i)
{
	*ret = runs->items[i];
	memset(&runs->items[i], 0, sizeof(runs->items[i]));
	return 0;
}

static int fail_ambiguous(const struct store_runs *runs, const char *prefix, size_t found,
			  struct tt_err *err)
{
	char list[CANDIDATES_MAX * (TT_UUID_TEXT_LEN + 2) + 8];
	size_t at = 0, listed = 0;

	list[0] = '\0';
	for (size_t i = 0; i < runs->count && listed < CANDIDATES_MAX; i++) {
		if (strncmp(runs->items[i].id, prefix, strlen(prefix)) != 0)
			continue;
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", listed ? ", " : "",
				       runs->items[i].id);
		listed++;
	}
	if (found > listed)
		(void)snprintf(list + at, sizeof(list) - at, ", ...");
	return tt_fail_text(err, ENOTUNIQ, "'%s' fits %zu runs: %s", prefix, found, list);
}

int store_run_resolve(struct store_run *ret, const char *name, struct tt_err *err)
{
	TT_CLEANUP(store_runs_done) struct store_runs runs = {0};
	size_t found = 0, which = 0;
	int r;

	if (name && !*name)
		return tt_fail_text(err, EINVAL, "the name of the run is empty");
	if (name && strchr(name, '/'))
		return run_by_path(ret, name, err);
	r = store_runs_find(&runs, err);
	if (r < 0 && (!name || access(name, F_OK) < 0))
		return r;
	if (!name && !runs.count)
		return tt_fail_text(err, ENOENT,
				    "no runs yet: record one with 'telltale run -- COMMAND'");
	if (!name)
		return take_run(ret, &runs, 0);
	for (size_t i = 0; i < runs.count; i++) {
		if (strncmp(runs.items[i].id, name, strlen(name)) != 0)
			continue;
		if (!found++)
			which = i;
	}
	if (found == 1)
		return take_run(ret, &runs, which);
	if (found > 1)
		return fail_ambiguous(&runs, name, found, err);
	if (access(name, F_OK) == 0)
		return run_by_path(ret, name, err);
	return tt_fail_text(err, ENOENT, "no run '%.100s': see 'telltale list'", name);
}

int store_run_load(const struct store_run *run, json_t **ret, struct tt_err *err)
{
	TT_CLEANUP(tt_closep) int fd = -1;
	json_error_t problem;
	struct stat st;
	json_t *doc;

	if (!run->json_path)
		return tt_fail_text(err, ENOENT, "the run has no run.json");
	fd = open(run->json_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return tt_fail(err, errno, "open '%s'", run->json_path);
	if (fstat(fd, &st) < 0)
		return tt_fail(err, errno, "look at '%s'", run->json_path);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)STORE_RUN_JSON_MAX)
		return tt_fail_text(err, EBADMSG, "open '%s': no regular file, or past 64 MiB",
				    run->json_path);
	doc = json_loadfd(fd, JSON_ALLOW_NUL, &problem);
	if (!doc)
		return tt_fail_text(err, EBADMSG, "read '%s': line %d: %s", run->json_path,
				    problem.line, problem.text);
	if (!json_is_string(json_object_get(doc, "run_id"))) {
		json_decref(doc);
		return tt_fail_text(err, EBADMSG, "read '%s': it is no run document",
				    run->json_path);
	}
	*ret = doc;
	return 0;
}
