/* SPDX-License-Identifier: Apache-2.0 */
/* The readable report: files, network, acts on the system, failures. */
#include "cli/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/figures.h"
#include "store/trace.h"

#define WRITTEN_MAX 8
#define FOLDERS_MAX 5
#define NETWORK_MAX 8
#define ACTS_MAX    6
#define ERRORS_MAX  6
#define MADE        (STORE_FILE_WRITTEN | STORE_FILE_MADE | STORE_FILE_ARRIVED)

static void put_more(const struct cli_report *r, size_t left)
{
	struct cli_line l;

	if (!left)
		return;
	cli_line_begin(&l, r->width);
	cli_line_color(&l, CLI_DIM);
	cli_line_fmt(&l, "  + %zu more: telltale show --all", left);
	cli_line_end(&l);
}

static void put_times(struct cli_line *l, uint64_t n)
{
	char buf[CLI_FIGURE_MAX];

	if (n < 2)
		return;
	cli_line_color(l, CLI_DIM);
	cli_line_fmt(l, "%s%s", cli_uni(" ×", " x"), cli_count(buf, n));
	cli_line_color(l, CLI_PLAIN);
}

/* The kernel alone told of it: whoever did it, the library did not say so. */
static void put_told(struct cli_line *l, unsigned told)
{
	if (!told || (told & (STORE_TOLD_LIBRARY | STORE_TOLD_GUEST)))
		return;
	cli_line_color(l, CLI_ACCENT);
	cli_line_str(l, told & STORE_TOLD_KERNEL ? "  [kernel]" : "  [seccomp]");
	cli_line_color(l, CLI_PLAIN);
}

static void put_written(const struct cli_report *r, uint32_t i)
{
	const struct store_view *v = r->view;
	const struct store_file *f = &v->files[i];
	struct cli_line l;

	cli_line_begin(&l, r->width);
	cli_line_str(&l, "  ");
	cli_line_path(&l, r, v->file_names.items[i]);
	if (f->what & STORE_FILE_MADE)
		cli_line_str(&l, "  (folder or link)");
	put_times(&l, f->writes);
	if ((f->what & STORE_FILE_ARRIVED) && f->other != STORE_NONE) {
		cli_line_color(&l, CLI_DIM);
		cli_line_fmt(&l, "  %s ", cli_uni("←", "<-"));
		cli_line_path(&l, r, v->file_names.items[f->other]);
	}
	if (f->what & STORE_FILE_GONE) {
		cli_line_color(&l, CLI_DIM);
		cli_line_str(&l,
			     f->what & STORE_FILE_DELETED ? "  deleted again" : "  renamed again");
	}
	if (f->unresolved) {
		cli_line_color(&l, CLI_WARN);
		cli_line_str(&l, "  (folder unknown)");
	}
	put_told(&l, f->told);
	cli_line_end(&l);
}

struct ranked {
	uint32_t file;
	uint32_t rank;
};

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->file < y->file ? -1 : x->file > y->file;
}

static bool is_below(struct store_text path, const char *folder, size_t n)
{
	return n > 1 && path.len > n && memcmp(path.data, folder, n) == 0 && path.data[n] == '/';
}

/* Columns of a path as cli_line_path() puts it, quotes left out. */
static int shown_width(const struct cli_report *r, struct store_text path)
{
	if (r->cwd.data && is_below(path, r->cwd.data, r->cwd.len)) {
		path.data += r->cwd.len + 1;
		path.len -= r->cwd.len + 1;
	}
	return cli_text_width(path.data, path.len);
}

/*
 * How soon a reader wants to see it, 0 first: what lies outside the run's folder and /tmp, then
 * what lies near the top, files before folders; what the run made and took away again comes last.
 */
static uint32_t rank_of(const struct cli_report *r, uint32_t i, unsigned mask)
{
	const struct store_file *f = &r->view->files[i];
	struct store_text path = r->view->file_names.items[i];
	uint32_t depth = 0;

	if ((f->what & MADE) && (f->what & STORE_FILE_GONE) && (mask & (MADE | STORE_FILE_DELETED)))
		return UINT32_MAX;
	if (path.len && path.data[0] == '/' && !is_below(path, "/tmp", 4) &&
	    !is_below(path, r->cwd.data, r->cwd.data ? r->cwd.len : 0))
		return 0;
	for (size_t at = 0; at < path.len; at++)
		depth += path.data[at] == '/';
	return 1 + 2 * depth + ((f->what & MADE) == STORE_FILE_MADE);
}

/* Who makes a file or takes it away may change its mode, too: nothing to tell once more. */
static bool is_told(const struct store_file *f, unsigned mask)
{
	return mask == STORE_FILE_CHANGED && (f->what & (MADE | STORE_FILE_DELETED));
}

/* The files that have some of @mask set, the most interesting first: an array to free, or NULL. */
static struct ranked *rank_files(const struct cli_report *r, unsigned mask, size_t *ret_count)
{
	struct ranked *list = calloc(r->view->file_names.count + 1, sizeof(*list));

	*ret_count = 0;
	if (!list)
		return NULL;
	for (uint32_t i = 0; i < r->view->file_names.count; i++)
		if ((r->view->files[i].what & mask) && !is_told(&r->view->files[i], mask))
			list[(*ret_count)++] = (struct ranked){i, rank_of(r, i, mask)};
	qsort(list, *ret_count, sizeof(*list), by_rank);
	return list;
}

/* Files that have some of @mask set, listed in one go: "Deleted 5  a, b, c + 2". */
static void put_inline(const struct cli_report *r, const char *word, unsigned mask)
{
	const struct store_view *v = r->view;
	size_t count, shown = 0;
	struct ranked *list = rank_files(r, mask, &count);
	int lines = 1, need;
	char buf[CLI_FIGURE_MAX];
	struct cli_line l;

	if (!count) {
		free(list);
		return;
	}
	cli_report_heading(&l, r, "%s %s", word, cli_count(buf, count));
	cli_line_str(&l, "  ");
	for (size_t at = 0; at < count; at++) {
		uint32_t i = list[at].file;
		struct store_text path = v->file_names.items[i];

		need = shown_width(r, path) + (v->files[i].told & STORE_TOLD_LIBRARY ? 8 : 19);
		if ((mask & STORE_FILE_RENAMED) && v->files[i].other != STORE_NONE) {
			struct store_text other = v->file_names.items[v->files[i].other];

			need += shown_width(r, other) + 4;
		}
		if (shown && l.col + need > r->width) {
			if (!r->all && lines++ == 2)
				break;
			cli_line_end(&l);
			cli_line_begin(&l, r->width);
			cli_line_str(&l, "  ");
		}
		if (shown && l.col > 2)
			cli_line_str(&l, " ");
		cli_line_path(&l, r, path);
		if ((mask & STORE_FILE_RENAMED) && v->files[i].other != STORE_NONE) {
			cli_line_color(&l, CLI_DIM);
			cli_line_fmt(&l, " %s ", cli_uni("→", "->"));
			cli_line_color(&l, CLI_PLAIN);
			cli_line_path(&l, r, v->file_names.items[v->files[i].other]);
		}
		put_told(&l, v->files[i].told);
		if (++shown < count)
			cli_line_str(&l, ",");
	}
	if (shown < count)
		cli_line_fmt(&l, " + %zu", count - shown);
	cli_line_end(&l);
	free(list);
}

struct folder {
	struct store_text path;
	uint64_t files;
};

static int by_files(const void *a, const void *b)
{
	const struct folder *x = a, *y = b;
	size_t n = x->path.len < y->path.len ? x->path.len : y->path.len;
	int r;

	if (x->files != y->files)
		return x->files < y->files ? 1 : -1;
	r = memcmp(x->path.data, y->path.data, n);
	return r ? r : (x->path.len > y->path.len) - (x->path.len < y->path.len);
}

static struct store_text folder_of(struct store_text path)
{
	const char *slash = memrchr(path.data, '/', path.len);

	if (!slash)
		return (struct store_text){".", 1};
	return (struct store_text){path.data, slash == path.data ? 1 : (size_t)(slash - path.data)};
}

static void put_read(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	struct folder *folders = calloc(v->file_names.count + 1, sizeof(*folders));
	char a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX];
	struct store_names names;
	size_t files = 0, by_kernel = 0, limit;
	struct cli_line l;

	if (!folders)
		return;
	store_names_init(&names, v->file_names.count + 1);
	for (uint32_t i = 0; i < v->file_names.count; i++) {
		struct store_text folder = folder_of(v->file_names.items[i]);
		bool is_new;
		uint32_t n;

		if (!(v->files[i].what & STORE_FILE_READ))
			continue;
		files++;
		by_kernel += v->files[i].told &&
			     !(v->files[i].told & (STORE_TOLD_LIBRARY | STORE_TOLD_GUEST));
		n = store_names_add(&names, folder, &is_new);
		if (n == STORE_NONE)
			continue;
		folders[n].path = folder;
		folders[n].files++;
	}
	if (files) {
		qsort(folders, names.count, sizeof(*folders), by_files);
		cli_report_heading(&l, r, "Read %s file%s", cli_count(a, files),
				   files == 1 ? "" : "s");
		cli_line_fmt(&l, " in %s folder%s", cli_count(b, names.count),
			     names.count == 1 ? "" : "s");
		if (by_kernel)
			cli_line_fmt(&l, ", %s of them told by the kernel alone",
				     cli_count(a, by_kernel));
		cli_line_end(&l);
		limit = r->all || names.count <= FOLDERS_MAX + 1 ? names.count : FOLDERS_MAX;
		for (size_t i = 0; i < limit; i++) {
			cli_line_begin(&l, r->width);
			cli_line_fmt(&l, "%5s  ", cli_count(a, folders[i].files));
			cli_line_path(&l, r, folders[i].path);
			cli_line_end(&l);
		}
		put_more(r, names.count - limit);
	}
	store_names_done(&names);
	free(folders);
}

static void put_made(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	size_t made, gone = 0, shown = 0, limit;
	struct ranked *list = rank_files(r, MADE, &made);
	char a[CLI_FIGURE_MAX], b[CLI_FIGURE_MAX];
	struct cli_line l;

	for (size_t i = 0; i < made; i++)
		gone += (v->files[list[i].file].what & STORE_FILE_GONE) != 0;
	if (made) {
		cli_report_heading(&l, r, "Wrote or made %s", cli_count(a, made));
		if (gone)
			cli_line_fmt(&l, ", of which %s %s gone again", cli_count(b, gone),
				     gone == 1 ? "is" : "are");
		cli_line_end(&l);
		/* what is gone stands at the end of the list, and is shown only if all is wanted */
		limit = r->all ? made : made - gone <= WRITTEN_MAX + 1 ? made - gone : WRITTEN_MAX;
		for (; shown < limit; shown++)
			put_written(r, list[shown].file);
		put_more(r, r->all ? 0 : made - gone - shown);
	}
	free(list);
}

void cli_report_files(const struct cli_report *r)
{
	put_made(r);
	put_inline(r, "Renamed", STORE_FILE_RENAMED);
	put_inline(r, "Deleted", STORE_FILE_DELETED);
	put_inline(r, "Changed mode, owner or times of", STORE_FILE_CHANGED);
	put_read(r);
}

/* An agent tells that a connection was asked for, not what became of it. */
static bool is_attempt(const struct store_host *h)
{
	return h->told == STORE_TOLD_GUEST;
}

static void put_host(const struct cli_report *r, const struct store_host *h)
{
	static const char *const words[] = {
		[STORE_HOST_CONNECT] = "connected", [STORE_HOST_BIND] = "bound",
		[STORE_HOST_ACCEPT] = "accepted",   [STORE_HOST_LOOKUP] = "looked up",
		[STORE_HOST_SEND] = "sent to",
	};
	struct store_text error = store_text_of(h->error), host = store_text_of(h->host);
	struct cli_line l;

	cli_report_label(&l, r,
			 h->kind == STORE_HOST_CONNECT && (h->failed == h->tries || is_attempt(h))
				 ? "tried"
				 : words[h->kind]);
	cli_line_word(&l, h->name.data, h->name.len);
	if (host.data) {
		cli_line_str(&l, " (");
		cli_line_text(&l, host.data, host.len);
		cli_line_str(&l, ")");
	}
	put_times(&l, h->tries);
	put_told(&l, h->told);
	for (size_t i = 0; i < json_array_size(h->answers); i++) {
		struct store_text answer = store_text_of(json_array_get(h->answers, i));

		if (i == 0)
			cli_line_fmt(&l, " %s ", cli_uni("→", "->"));
		else
			cli_line_str(&l, ", ");
		if (answer.data)
			cli_line_text(&l, answer.data, answer.len);
	}
	if (h->begun && h->begun + h->failed == h->tries && !is_attempt(h)) {
		cli_line_color(&l, CLI_DIM);
		cli_line_str(&l, "  (begun without waiting)");
	}
	if (h->failed) {
		cli_line_color(&l, CLI_BAD);
		if (h->failed < h->tries)
			cli_line_fmt(&l, "  %llu failed:", (unsigned long long)h->failed);
		cli_line_str(&l, "  ");
		if (error.data)
			cli_line_text(&l, error.data, error.len);
		else
			cli_line_str(&l, "failed");
	}
	cli_line_end(&l);
}

static bool is_unix(const struct store_host *h)
{
	return h->name.len >= 5 && memcmp(h->name.data, "unix:", 5) == 0;
}

#define HOST_KINDS 5

/*
 * Where a line of the network part comes: look-ups, connections, messages, bindings, peers; unix
 * sockets behind each.
 */
static int host_rank(const struct store_host *h)
{
	static const int ranks[] = {
		[STORE_HOST_LOOKUP] = 0, [STORE_HOST_CONNECT] = 1, [STORE_HOST_SEND] = 2,
		[STORE_HOST_BIND] = 3,   [STORE_HOST_ACCEPT] = 4,
	};

	return ranks[h->kind] + (is_unix(h) ? HOST_KINDS : 0);
}

void cli_report_network(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	uint32_t count = v->host_names.count;
	size_t shown = 0, limit = r->all || count <= NETWORK_MAX + 1 ? count : NETWORK_MAX;
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	if (!count && !v->listens)
		return;
	cli_report_heading(&l, r, "Network");
	cli_line_end(&l);
	for (int rank = 0; rank < 2 * HOST_KINDS; rank++)
		for (uint32_t i = 0; i < count && shown < limit; i++)
			if (host_rank(&v->hosts[i]) == rank) {
				put_host(r, &v->hosts[i]);
				shown++;
			}
	if (v->listens) {
		cli_report_label(&l, r, "listened");
		cli_line_fmt(&l, "on %s socket%s", cli_count(a, v->listens),
			     v->listens == 1 ? "" : "s");
		cli_line_end(&l);
	}
	put_more(r, count - shown);
}

void cli_report_acts(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	uint32_t count = v->act_names.count;
	uint32_t limit = r->all || count <= ACTS_MAX + 1 ? count : ACTS_MAX;
	struct cli_line l;

	if (!count)
		return;
	cli_report_heading(&l, r, "Identity, mounts, other processes, loaded code");
	cli_line_end(&l);
	for (uint32_t i = 0; i < limit; i++) {
		cli_line_begin(&l, r->width);
		cli_line_str(&l, "  ");
		cli_line_text(&l, v->acts[i].call.data, v->acts[i].call.len);
		cli_line_str(&l, " ");
		cli_line_text(&l, v->acts[i].what.data, v->acts[i].what.len);
		put_times(&l, v->acts[i].count);
		put_told(&l, v->acts[i].told);
		cli_line_end(&l);
	}
	put_more(r, count - limit);
}

/* What the network part has shown, and searches that went on elsewhere, are not told again. */
static bool is_of_note(const struct cli_report *r, const struct store_error *e)
{
	bool missing = store_text_is(e->name, "ENOENT") || store_text_is(e->name, "ENOTDIR");

	if (r->all)
		return true;
	if (e->is_net && !store_text_is(e->name, "EACCES") && !store_text_is(e->name, "EPERM"))
		return store_text_is(e->call, "bind");
	if (missing && !e->writes)
		return false;
	/* mkdir -p, ln -f, rm -f and lock files ask and look at the answer */
	return !store_text_is(e->name, "EEXIST") &&
	       !(missing && e->writes && !store_text_is(e->call, "open") &&
		 !store_text_is(e->call, "openat") && !store_text_is(e->call, "fopen"));
}

static void put_error(const struct cli_report *r, const struct store_error *e)
{
	struct cli_line l;

	cli_line_begin(&l, r->width);
	cli_line_str(&l, "  ");
	cli_line_text(&l, e->call.data, e->call.len);
	cli_line_str(&l, " ");
	cli_line_path(&l, r, e->object);
	cli_line_color(&l, CLI_BAD);
	cli_line_str(&l, "  ");
	if (e->name.len)
		cli_line_text(&l, e->name.data, e->name.len);
	else
		cli_line_str(&l, "failed");
	cli_line_color(&l, CLI_PLAIN);
	put_times(&l, e->count);
	cli_line_end(&l);
}

static bool was_killed(const struct store_span *s)
{
	return s->end == STORE_END_EXITED && s->signal;
}

/* An exit status says "no" as often as "it went wrong": told in one line unless all is wanted. */
static bool said_no(const struct store_span *s)
{
	return s->end == STORE_END_EXITED && !s->signal && s->exit_code > 0;
}

static struct store_text span_name(const struct store_span *s)
{
	struct store_text name = store_text_of(s->exe);
	const char *slash;

	if (!name.data)
		name = store_text_of(s->comm);
	if (!name.data)
		return (struct store_text){"?", 1};
	slash = memrchr(name.data, '/', name.len);
	if (slash && slash + 1 < name.data + name.len)
		return (struct store_text){slash + 1, name.len - (size_t)(slash + 1 - name.data)};
	return name;
}

struct refusal {
	struct store_text name;
	int64_t code;
	uint64_t count;
};

#define REFUSALS_MAX 64 /* programs told apart in one line; the line is cut long before */

static void put_refusals(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	struct refusal list[REFUSALS_MAX];
	size_t count = 0;
	struct cli_line l;

	for (uint32_t i = 0; i < v->span_names.count; i++) {
		const struct store_span *s = &v->spans[i];
		struct store_text name;
		size_t k = 0;

		if (!said_no(s))
			continue;
		name = span_name(s);
		while (k < count &&
		       !(list[k].code == s->exit_code && list[k].name.len == name.len &&
			 memcmp(list[k].name.data, name.data, name.len) == 0))
			k++;
		if (k == REFUSALS_MAX)
			continue;
		if (k == count)
			list[count++] = (struct refusal){name, s->exit_code, 0};
		list[k].count++;
	}
	if (!count)
		return;
	cli_line_begin(&l, r->width);
	cli_line_str(&l, "  not 0:");
	for (size_t k = 0; k < count; k++) {
		cli_line_str(&l, k ? ", " : " ");
		cli_line_word(&l, list[k].name.data, list[k].name.len);
		cli_line_color(&l, CLI_BAD);
		cli_line_fmt(&l, " exited %lld", (long long)list[k].code);
		cli_line_color(&l, CLI_PLAIN);
		put_times(&l, list[k].count);
	}
	cli_line_end(&l);
}

static void put_ended(const struct cli_report *r, const struct store_span *s)
{
	struct store_text signal = store_text_of(s->signal), comm = store_text_of(s->comm);
	struct cli_line l;

	cli_line_begin(&l, r->width);
	cli_line_str(&l, "  ");
	if (json_array_size(s->argv))
		cli_line_argv(&l, s->argv);
	else if (comm.data)
		cli_line_text(&l, comm.data, comm.len);
	else
		cli_line_str(&l, "process");
	cli_line_fmt(&l, " (pid %lld) ", (long long)s->pid);
	cli_line_color(&l, CLI_BAD);
	if (signal.data) {
		cli_line_str(&l, "killed by ");
		cli_line_text(&l, signal.data, signal.len);
	} else {
		cli_line_fmt(&l, "exited %lld", (long long)s->exit_code);
	}
	cli_line_end(&l);
}

void cli_report_failures(const struct cli_report *r)
{
	const struct store_view *v = r->view;
	size_t count = 0, shown = 0, refusals = 0, limit;
	char a[CLI_FIGURE_MAX];
	struct cli_line l;

	for (uint32_t i = 0; i < v->span_names.count; i++) {
		count += was_killed(&v->spans[i]) || (r->all && said_no(&v->spans[i]));
		refusals += said_no(&v->spans[i]);
	}
	for (uint32_t i = 0; i < v->error_names.count; i++)
		count += is_of_note(r, &v->errors[i]);
	if (!count && !refusals && !v->not_found)
		return;
	cli_report_heading(&l, r, count || refusals ? "Failures" : "Failures: none of note");
	cli_line_end(&l);
	limit = r->all || count <= ERRORS_MAX + 1 ? count : ERRORS_MAX;
	for (uint32_t i = 0; i < v->span_names.count && shown < limit; i++)
		if (was_killed(&v->spans[i]) || (r->all && said_no(&v->spans[i]))) {
			put_ended(r, &v->spans[i]);
			shown++;
		}
	for (uint32_t i = 0; i < v->error_names.count && shown < limit; i++)
		if (is_of_note(r, &v->errors[i])) {
			put_error(r, &v->errors[i]);
			shown++;
		}
	put_more(r, count - shown);
	if (!r->all)
		put_refusals(r);
	if (v->not_found && !r->all) {
		cli_line_begin(&l, r->width);
		cli_line_color(&l, CLI_DIM);
		cli_line_fmt(&l, "  %s look%s for a file or program that is not there",
			     cli_count(a, v->not_found), v->not_found == 1 ? "" : "s");
		cli_line_end(&l);
	}
}
