/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The learnt profile's view: what is mounted writable, what network there is, and limits. All that
 * is not written is read-only.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "policy/learn_internal.h"

#define FOLDERS_MAX 900 /* less than a profile takes mounts and Landlock paths */

struct view {
	const struct policy_evidence *e;
	struct policy_learn_path *paths; /* sorted, each once */
	size_t path_count;
	char **folders; /* to be written; sorted, none below another */
	size_t folder_count;
	bool root;        /* "/" itself is written */
	bool tmpfs[2];    /* private_folders are: nothing that was there was used, nothing stays */
	const char *proc; /* something below /proc or /sys is written: no mount gives that */
	const char *dev;  /* a device that a private /dev has not */
};

static const char *const private_folders[2] = {"/tmp", "/var/tmp"};

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && (path[n] == '/' || !path[n]);
}

static int compare_paths(const void *a, const void *b)
{
	const struct policy_learn_path *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/*
 * The same path of several runs becomes one. What was made or gone must have been so whenever it
 * was met at all.
 */
static void merge_paths(struct view *v)
{
	const unsigned always = POLICY_LEARN_MADE | POLICY_LEARN_GONE;
	size_t n = 0;

	qsort(v->paths, v->path_count, sizeof(*v->paths), compare_paths);
	for (size_t i = 0; i < v->path_count; i++) {
		struct policy_learn_path *p = &v->paths[i], *last = n ? &v->paths[n - 1] : NULL;

		if (last && strcmp(last->path, p->path) == 0)
			last->what = ((last->what | p->what) & ~always) |
				     (last->what & p->what & always);
		else
			v->paths[n++] = *p;
	}
	v->path_count = n;
}

static const struct policy_learn_path *find_path(const struct view *v, const char *path)
{
	const struct policy_learn_path key = {.path = path};

	return v->path_count ? bsearch(&key, v->paths, v->path_count, sizeof(key), compare_paths)
			     : NULL;
}

/* "/a/b" becomes "/a"; "/a" becomes "/". */
static void go_up(char *path)
{
	char *slash = strrchr(path, '/');

	slash[slash == path] = '\0';
}

/*
 * Whether a name looks as if the next run will have another: a number or version, or letters of
 * both cases and digits in a wild mix, as mkstemp(3) makes them.
 */
static bool is_random(const char *name, size_t n)
{
	size_t digits = 0, dots = 0, turns = 0;

	if (n == 11 && strncmp(name, "tmp", 3) == 0)
		return true; /* Python's */
	for (size_t i = 0; i < n; i++) {
		bool digit = isdigit((unsigned char)name[i]);

		digits += digit;
		dots += name[i] == '.' || name[i] == '-';
		if (!i || !isalnum((unsigned char)name[i - 1]) || !isalnum((unsigned char)name[i]))
			continue;
		turns += digit != !!isdigit((unsigned char)name[i - 1]) ||
			 (isupper((unsigned char)name[i]) && islower((unsigned char)name[i - 1]));
	}
	return (digits && digits + dots == n) || turns >= 3;
}

static void cut_random(char *folder)
{
	char *name = folder + 1;

	while (*name) {
		size_t n = strcspn(name, "/");

		if (is_random(name, n)) {
			name[-1] = '\0';
			if (!*folder)
				(void)strcpy(folder, "/");
			return;
		}
		name += n + (name[n] == '/');
	}
}

/* The folder that must be writable for @path to be changed, as it is before the run begins. */
static char *folder_of(const struct view *v, const char *path)
{
	char *folder = strdup(path);
	const struct policy_learn_path *p;

	if (!folder)
		return NULL;
	do {
		go_up(folder);
		p = find_path(v, folder);
	} while (p && p->what & POLICY_LEARN_MADE && folder[1]);
	if (v->e->generalise == POLICY_GENERALISE_DIRS)
		cut_random(folder);
	return folder;
}

/* Those that `mount dev` gives, and what it leads to. */
static bool is_own_device(const char *path)
{
	static const char *const there[] = {
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
		"/dev/pts",  "/dev/shm",  "/dev/fd",   "/dev/stdin",  "/dev/stdout",  "/dev/stderr",
	};

	for (size_t i = 0; i < TT_ARRAY_SIZE(there); i++)
		if (is_below(path, there[i]))
			return true;
	return false;
}

/* Whether all that was used below @folder was made by the run itself and is gone again. */
static bool can_be_private(const struct view *v, const char *folder)
{
	const unsigned both = POLICY_LEARN_MADE | POLICY_LEARN_GONE;
	bool used = false;

	for (size_t i = 0; i < v->path_count; i++) {
		const struct policy_learn_path *p = &v->paths[i];

		if (!is_below(p->path, folder) || strcmp(p->path, folder) == 0)
			continue;
		if ((p->what & both) != both)
			return false;
		used = true;
	}
	return used;
}

static bool is_private(const struct view *v, const char *path)
{
	for (size_t i = 0; i < TT_ARRAY_SIZE(private_folders); i++)
		if (v->tmpfs[i] && is_below(path, private_folders[i]))
			return true;
	return false;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted by bytes, "/a-b" stands between "/a" and "/a/b": each is held against all kept ones. */
static void drop_nested(struct view *v)
{
	size_t n = 0;

	qsort(v->folders, v->folder_count, sizeof(*v->folders), compare_texts);
	for (size_t i = 0; i < v->folder_count; i++) {
		bool nested = false;

		for (size_t k = 0; k < n && !nested; k++)
			nested = is_below(v->folders[i], v->folders[k]);
		if (nested)
			free(v->folders[i]);
		else
			v->folders[n++] = v->folders[i];
	}
	v->folder_count = n;
}

static int add_folder(struct view *v, const char *path)
{
	char *folder = folder_of(v, path);

	if (!folder)
		return -ENOMEM;
	if (!folder[1]) {
		v->root = true;
		free(folder);
		return 0;
	}
	for (size_t i = 0; i < v->folder_count; i++) {
		if (strcmp(v->folders[i], folder) != 0)
			continue;
		free(folder);
		return 0;
	}
	if (v->folder_count == FOLDERS_MAX)
		drop_nested(v);
	if (v->folder_count == FOLDERS_MAX) {
		free(folder);
		return -E2BIG;
	}
	v->folders[v->folder_count++] = folder;
	return 0;
}

static int find_folders(struct view *v)
{
	int r = 0;

	for (size_t i = 0; i < TT_ARRAY_SIZE(private_folders); i++)
		v->tmpfs[i] = can_be_private(v, private_folders[i]);
	for (size_t i = 0; r == 0 && i < v->path_count; i++) {
		const struct policy_learn_path *p = &v->paths[i];

		if (!(p->what & POLICY_LEARN_WRITTEN) || is_private(v, p->path))
			continue;
		if (is_below(p->path, "/dev")) {
			if (!is_own_device(p->path))
				v->dev = p->path;
		} else if (is_below(p->path, "/proc") || is_below(p->path, "/sys")) {
			v->proc = p->path;
		} else {
			r = add_folder(v, p->path);
		}
	}
	drop_nested(v);
	return r;
}

static bool is_control(unsigned char c)
{
	return c < ' ' || c == 127;
}

/* As a word of a profile: what is between quotes can be any byte. */
static void put_path(FILE *out, const char *path)
{
	bool quote = strpbrk(path, " \"\\#") || !*path;

	for (const char *c = path; *c; c++)
		quote |= is_control((unsigned char)*c);
	if (quote)
		(void)fputc('"', out);
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c == '"' || c == '\\')
			(void)fprintf(out, "\\%c", c);
		else if (is_control(c))
			(void)fprintf(out, "\\x%02x", c);
		else
			(void)fputc(c, out);
	}
	if (quote)
		(void)fputc('"', out);
}

static void put_mounts(FILE *out, const struct view *v)
{
	(void)fprintf(out, "\nroot %s\nmount dev\nmount proc\n", v->root ? "keep" : "read-only");
	if (v->root)
		(void)fputs("# files of '/' itself are written: it cannot be read-only\n", out);
	if (v->dev) {
		(void)fputs("# not in the /dev of its own that the command gets: ", out);
		policy_learn_put_text(out, v->dev);
		(void)fputc('\n', out);
	}
	if (v->proc) {
		(void)fputs("# was written, and is read-only here: ", out);
		policy_learn_put_text(out, v->proc);
		(void)fputc('\n', out);
	}
	for (size_t i = 0; i < TT_ARRAY_SIZE(private_folders); i++)
		if (v->tmpfs[i])
			(void)fprintf(out, "mount tmpfs %s\n", private_folders[i]);
	for (size_t i = 0; i < v->folder_count && !v->root; i++) {
		(void)fputs("mount write ", out);
		put_path(out, v->folders[i]);
		(void)fputc('\n', out);
	}
	if (v->root)
		return;
	(void)fputs("\nlandlock handle write\nlandlock write /dev optional\n", out);
	for (size_t i = 0; i < TT_ARRAY_SIZE(private_folders); i++)
		if (v->tmpfs[i])
			(void)fprintf(out, "landlock write %s\n", private_folders[i]);
	for (size_t i = 0; i < v->folder_count; i++) {
		(void)fputs("landlock write ", out);
		put_path(out, v->folders[i]);
		(void)fputc('\n', out);
	}
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool is_loopback(const char *address)
{
	return starts(address, "127.") || starts(address, "[::1]") ||
	       starts(address, "[::ffff:127.") || starts(address, "localhost");
}

/* The sockets of other families than these reach the machine itself. */
static bool makes_sockets(const struct policy_evidence *e, bool *ret_odd)
{
	bool inet = false;

	for (size_t i = 0; i < e->call_count; i++) {
		const struct policy_learn_call *c = &e->calls[i];
		uint64_t domain;

		if (strcmp(c->name, "socket") != 0)
			continue;
		domain = c->condition_count ? c->conditions[0].value : AF_INET;
		inet |= domain == AF_INET || domain == AF_INET6;
		*ret_odd |= domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX &&
			    domain != AF_NETLINK;
	}
	return inet;
}

static bool calls_any(const struct policy_evidence *e, const char *const *names, size_t n)
{
	for (size_t i = 0; i < e->call_count; i++)
		for (size_t k = 0; k < n; k++)
			if (strcmp(e->calls[i].name, names[k]) == 0)
				return true;
	return false;
}

static bool is_own(const struct policy_evidence *e, const char *address)
{
	for (size_t i = 0; i < e->own_address_count; i++)
		if (strcmp(e->own_addresses[i], address) == 0)
			return true;
	return false;
}

/*
 * Less than the caller's network only where it is known to be enough: addresses are known of
 * programs that load the library, calls of all.
 */
static const char *network_of(const struct policy_evidence *e)
{
	static const char *const speaking[] = {"connect", "bind",     "sendto",
					       "sendmsg", "sendmmsg", "listen"};
	bool odd = false, inet = makes_sockets(e, &odd), listens = false;

	for (size_t i = 0; i < e->own_address_count; i++)
		listens |= !starts(e->own_addresses[i], "unix:");
	for (size_t i = 0; i < e->address_count; i++) {
		const char *a = e->addresses[i];

		if (starts(a, "unix:@") ? !is_own(e, a)
					: !starts(a, "unix:") && !(is_loopback(a) && listens))
			return "host";
	}
	if (odd)
		return "host";
	if (!inet || !calls_any(e, speaking, TT_ARRAY_SIZE(speaking)))
		return "off";
	return e->address_count ? "loopback" : "host";
}

static uint64_t round_up(uint64_t v, uint64_t step)
{
	return (v + step - 1) / step * step;
}

/*
 * Time limits can be kept everywhere; the others need a cgroup, and a profile that asks for what
 * cannot be had does not run at all: those are left to the reader.
 */
static void put_limits(FILE *out, const struct policy_evidence *e)
{
	uint64_t mb = e->memory_kb / 1024 + 1;

	(void)fputs("\n# ten times what the longest run took, and no less than a minute\n", out);
	(void)fprintf(out, "limit wall %llus\nlimit cpu-time %llus\n",
		      (unsigned long long)round_up(e->wall_ms < 6000 ? 60 : e->wall_ms / 100, 10),
		      (unsigned long long)round_up(e->cpu_ms < 6000 ? 60 : e->cpu_ms / 100, 10));
	(void)fprintf(out,
		      "# where cgroups can be made; the peak was %llu MB, and %llu processes and "
		      "threads were made:\n# limit memory %lluM\n# limit pids %llu\n",
		      (unsigned long long)mb, (unsigned long long)e->tasks,
		      (unsigned long long)round_up(2 * mb + 32, 32),
		      (unsigned long long)round_up(2 * e->tasks + 16, 16));
}

int policy_learn_put_view(FILE *out, const struct policy_evidence *e, struct tt_err *err)
{
	struct view v = {.e = e, .path_count = e->path_count};
	int r = -ENOMEM;

	v.paths = calloc(e->path_count + 1, sizeof(*v.paths));
	v.folders = calloc(FOLDERS_MAX, sizeof(*v.folders));
	if (v.paths && v.folders) {
		if (e->path_count)
			memcpy(v.paths, e->paths, e->path_count * sizeof(*v.paths));
		merge_paths(&v);
		r = find_folders(&v);
	}
	(void)fprintf(out,
		      "\nsummary \"learnt from runs\"\nnamespaces mount pid ipc uts cgroup\n"
		      "network %s\nno-new-privs yes\nenvironment all\n",
		      network_of(e));
	if (r == 0) {
		put_mounts(out, &v);
		put_limits(out, e);
	}
	for (size_t i = 0; v.folders && i < v.folder_count; i++)
		free(v.folders[i]);
	free(v.folders);
	free(v.paths);
	if (r == -E2BIG)
		return tt_fail_text(err, E2BIG,
				    "more than %d folders were written: try --generalise=dirs",
				    FOLDERS_MAX);
	return r < 0 ? tt_fail(err, -r, "write the profile") : 0;
}
