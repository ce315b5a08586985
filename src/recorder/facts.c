/* SPDX-License-Identifier: Apache-2.0 */
/* Facts in, processes and lines out. */
#include "recorder/facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/time.h"
#include "recorder/held.h"
#include "recorder/kinds.h"
#include "recorder/look.h"
#include "recorder/track_internal.h"

static void know(struct recorder_facts *f, uint64_t dev, uint64_t ino, enum recorder_origin origin)
{
	for (size_t i = 0; i < f->library_count; i++)
		if (f->libraries[i].file.ino == ino && f->libraries[i].file.dev == dev)
			return;
	if (f->library_count == RECORDER_LIBRARIES)
		return;
	f->libraries[f->library_count].file = (struct kernel_file){dev, ino};
	f->libraries[f->library_count++].origin = (uint8_t)origin;
}

/* Those of this machine; a command that brings others is seen to open them. */
static void know_libraries(struct recorder_facts *f)
{
	static const struct {
		const char *path;
		enum recorder_origin origin;
	} files[] = {
		{"/lib64/ld-linux-x86-64.so.2", RECORDER_ORIGIN_LOADER},
		{"/lib/ld-linux-aarch64.so.1", RECORDER_ORIGIN_LOADER},
		{"/lib/ld-musl-x86_64.so.1", RECORDER_ORIGIN_LIBC}, /* both in one */
		{"/lib/ld-musl-aarch64.so.1", RECORDER_ORIGIN_LIBC},
		{"/lib/x86_64-linux-gnu/libc.so.6", RECORDER_ORIGIN_LIBC},
		{"/lib/aarch64-linux-gnu/libc.so.6", RECORDER_ORIGIN_LIBC},
		{"/lib64/libc.so.6", RECORDER_ORIGIN_LIBC},
	};
	struct stat st;

	for (size_t i = 0; i < TT_ARRAY_SIZE(files); i++)
		if (stat(files[i].path, &st) == 0)
			know(f, st.st_dev, st.st_ino, files[i].origin);
}

enum recorder_origin recorder_facts_origin(const struct recorder_facts *facts,
					   const struct kernel_fact *f)
{
	if (f->origin == KERNEL_ORIGIN_ANONYMOUS)
		return RECORDER_ORIGIN_OTHER;
	if (f->origin != KERNEL_ORIGIN_FILE || !f->origin_file.ino)
		return RECORDER_ORIGIN_UNKNOWN;
	for (size_t i = 0; i < facts->library_count; i++)
		if (facts->libraries[i].file.ino == f->origin_file.ino &&
		    facts->libraries[i].file.dev == f->origin_file.dev)
			return (enum recorder_origin)facts->libraries[i].origin;
	return RECORDER_ORIGIN_OTHER;
}

/*
 * Whether a file that is named like a part of libc is one: not if somebody other than root may have
 * made it, or if it was made after the run began. Where nobody can look, the name has to do.
 */
static bool is_installed(const struct recorder_facts *facts, struct event_text path,
			 const struct kernel_file *file)
{
	struct recorder_sight at;

	if (recorder_look(path, &at) < 0 || at.dev != file->dev || at.ino != file->ino)
		return true;
	return at.uid == 0 && at.changed_ns < facts->began_ns;
}

/* A file that is opened under the name of a part of libc. */
static void learn_library(struct recorder_facts *facts, const struct kernel_fact *f,
			  struct recorder_span *s)
{
	static const char *const names[] = {"libc.so", "libc-",  "libpthread", "libresolv",
					    "libnss_", "libanl", "librt."};
	struct event_text path;
	const char *base;
	size_t len;

	s->has_loader |= recorder_facts_origin(facts, f) == RECORDER_ORIGIN_LOADER;
	if (!f->file.ino || recorder_kind_of(f->call) != RECORDER_KIND_OPEN)
		return;
	path = recorder_kind_path(f);
	if (!path.len)
		return;
	base = memrchr(path.data, '/', path.len);
	base = base ? base + 1 : path.data;
	len = (size_t)(path.data + path.len - base);
	if (len < 4 || (memcmp(base, "lib", 3) != 0 && memcmp(base, "ld-", 3) != 0))
		return;
	if (len > 11 && memcmp(base, "libtelltale", 11) == 0) {
		s->loads = true;
		know(facts, f->file.dev, f->file.ino, RECORDER_ORIGIN_OURS);
	}
	if (memcmp(base, "ld-", 3) == 0 && is_installed(facts, path, &f->file))
		know(facts, f->file.dev, f->file.ino, RECORDER_ORIGIN_LOADER);
	for (size_t i = 0; i < TT_ARRAY_SIZE(names); i++)
		if (len > strlen(names[i]) && memcmp(base, names[i], strlen(names[i])) == 0 &&
		    is_installed(facts, path, &f->file))
			know(facts, f->file.dev, f->file.ino, RECORDER_ORIGIN_LIBC);
}

struct recorder_facts *recorder_facts_new(void)
{
	struct recorder_facts *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->began_ns = tt_clock_ns(CLOCK_REALTIME);
	recorder_images_init(&f->images);
	f->early_end = &f->early;
	f->holders.prev_holder = f->holders.next_holder = &f->holders;
	know_libraries(f);
	return f;
}

void recorder_facts_free(struct recorder_facts *f)
{
	if (!f)
		return;
	kernel_sensor_close(f->sensor);
	recorder_causes_done(&f->causes);
	recorder_capabilities_done(&f->capabilities);
	for (struct recorder_held *h; (h = f->early);) {
		f->early = h->next;
		free(h);
	}
	for (struct recorder_put_off *p; (p = f->put_off);) {
		f->put_off = p->next;
		free(p);
	}
	free(f);
}

int recorder_facts_open(struct recorder_facts **ret, const struct event_config *config, bool count,
			bool latency, struct tt_err *err)
{
	TT_CLEANUP(recorder_facts_freep) struct recorder_facts *f = recorder_facts_new();
	struct kernel_sensor_options opts = {
		.families = event_config_families(config),
		.no_counts = !count,
		.latency = latency,
	};
	int n, pidfd;

	if (!f)
		return tt_fail(err, ENOMEM, "open the kernel sensor");
	f->counting = count;
	n = kernel_sensor_open(&f->sensor, &opts, err);
	if (n < 0)
		return n;
	/* nothing of ours is told but that we fork the command */
	pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	n = pidfd < 0 ? -errno : kernel_sensor_follow(f->sensor, pidfd);
	tt_closep(&pidfd);
	if (n < 0)
		return tt_fail(err, -n, "follow the command with the kernel sensor");
	f->tells_all = true;
	*ret = TT_TAKE(f);
	return 0;
}

static void add_figures(struct recorder_facts_figures *to, const struct kernel_fact *f)
{
	to->processes++;
	to->user_ns += f->user_ns;
	to->system_ns += f->system_ns;
	to->minor_faults += f->minor_faults;
	to->major_faults += f->major_faults;
	to->voluntary += f->voluntary;
	to->involuntary += f->involuntary;
	to->read_calls += f->read_calls;
	to->write_calls += f->write_calls;
	to->bytes_read += f->bytes_read;
	to->bytes_written += f->bytes_written;
	if (f->max_rss_kb > to->max_rss_kb)
		to->max_rss_kb = f->max_rss_kb;
}

static void add_call(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_span *s = recorder_images_of(t, f);

	if (!s)
		return;
	learn_library(t->facts, f, s);
	recorder_held_add(t, s, f);
}

/*
 * Calls come through another ring than beginnings, a moment later: one may be there of an image
 * whose own beginning is not. It waits for that, or for the next take but one.
 */
static bool comes_early(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_held *h;

	if (!t->facts->tells_all || recorder_images_knows(t, f))
		return false;
	h = recorder_held_keep(f);
	if (!h)
		return false;
	h->take = t->facts->takes;
	*t->facts->early_end = h;
	t->facts->early_end = &h->next;
	return true;
}

/* Those whose time has come; @old: and those whose time does not come. */
static void add_early(struct recorder_track *t, bool old)
{
	struct recorder_held **at = &t->facts->early, *h;

	while ((h = *at)) {
		if (!(old && t->facts->takes > h->take + 1) &&
		    !recorder_images_knows(t, &h->fact)) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		if (!*at)
			t->facts->early_end = at;
		t->facts->last = NULL;
		add_call(t, &h->fact);
		free(h);
	}
}

static void note_lost(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_process *p = recorder_process_find_real(&t->tree, f->pid);

	if (!p || p->start_ns != f->start_ns || f->lost <= p->lost)
		return;
	p->lost = f->lost;
	/* an exec's own fact comes while the image before it is the process's */
	if (p->span)
		p->span->lost_facts = true;
}

void recorder_facts_add(struct recorder_track *t, const struct kernel_fact *f)
{
	struct recorder_span *s;

	t->facts->taken++;
	if (f->lost)
		note_lost(t, f);
	switch (f->kind) {
	case KERNEL_FACT_FORK:
		recorder_images_fork(t, f);
		add_early(t, false);
		break;
	case KERNEL_FACT_EXEC:
		recorder_images_exec(t, f);
		add_early(t, false);
		break;
	case KERNEL_FACT_EXIT:
		if (f->pid != t->init && f->pid != t->root)
			add_figures(&t->facts->ended, f);
		recorder_images_exit(t, f);
		break;
	case KERNEL_FACT_CALL:
	case KERNEL_FACT_URING:
	case KERNEL_FACT_CAPABILITY:
	case KERNEL_FACT_FOREIGN:
		if (!comes_early(t, f))
			add_call(t, f);
		break;
	case KERNEL_FACT_DNS:
		s = recorder_images_of(t, f);
		if (s)
			recorder_hosts_answer(&t->tree.hosts, s, f, f->ts_ns + t->realtime_offset);
		break;
	}
}

void recorder_facts_take(struct recorder_track *t)
{
	struct recorder_facts *facts = t->facts;
	struct kernel_fact f;

	facts->last = NULL;
	if (!facts->sensor)
		return;
	facts->takes++;
	facts->pass_ns = tt_clock_ns(CLOCK_MONOTONIC);
	kernel_sensor_take(facts->sensor);
	facts->is_lossy = facts->let_go || kernel_sensor_lost(facts->sensor);
	facts->fill = kernel_sensor_fill(facts->sensor);
	while (kernel_sensor_next(facts->sensor, &f) > 0)
		recorder_facts_add(t, &f);
	add_early(t, true);
	facts->last = NULL;
}

bool recorder_facts_are_whole(const struct recorder_facts *f)
{
	return f && f->ended.processes && !f->images.living && !f->strays &&
	       !(f->sensor ? kernel_sensor_lost(f->sensor) : f->lost);
}

void recorder_facts_close(struct recorder_track *t)
{
	struct recorder_facts *f = t->facts;

	if (!f->sensor)
		return;
	f->has_counts = f->counting && kernel_sensor_counts(f->sensor, &f->counts) == 0;
	f->lost = kernel_sensor_lost(f->sensor);
	(void)snprintf(f->parts, sizeof(f->parts), "%s", kernel_sensor_parts(f->sensor));
	kernel_sensor_close(f->sensor);
	f->sensor = NULL;
}
