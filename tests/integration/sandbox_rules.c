/* SPDX-License-Identifier: Apache-2.0 */
/* Words to a struct policy: every field, nothing checked. Not the language of profiles. */
#include "sandbox_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RULES 32
#define MAX_WORDS 8

static struct policy_mount mounts[MAX_RULES];
static struct policy_id_map uid_map[MAX_RULES], gid_map[MAX_RULES];
static struct policy_rlimit rlimits[MAX_RULES];
static struct policy_landlock_path paths[MAX_RULES];
static struct policy_landlock_port ports[MAX_RULES];
static const char *pass[MAX_RULES], *drop[MAX_RULES], *set[MAX_RULES];

static int find(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return (int)i;
	(void)fprintf(stderr, "sandbox_driver: no such word: %s\n", word);
	exit(2);
}

#define FIND(word, ...)                                \
	find(word, (const char *const[]){__VA_ARGS__}, \
	     TT_ARRAY_SIZE(((const char *const[]){__VA_ARGS__})))

static uint64_t number(const char *word)
{
	return word ? strtoull(word, NULL, 0) : 0;
}

/* mount [optional] KIND [FROM] TO, mount tmpfs TO BYTES MODE, mount dev TO BYTES */
static void add_mount(struct policy *p, char **w, size_t n)
{
	struct policy_mount *m = &mounts[p->mount_count++];

	m->optional = strcmp(w[0], "optional") == 0;
	w += m->optional;
	n -= m->optional;
	m->kind =
		(enum policy_mount_kind)FIND(w[0], "read", "write", "tmpfs", "proc", "dev", "hide");
	m->to = w[1];
	if (m->kind <= POLICY_MOUNT_WRITE && n > 2) {
		m->from = w[1];
		m->to = w[2];
	} else if (n > 2) {
		m->bytes = number(w[2]);
		m->mode = n > 3 ? (uint32_t)strtoul(w[3], NULL, 8) : 0755;
	}
}

static void add_map(struct policy_id_map *map, size_t *count, char **w)
{
	map[(*count)++] = (struct policy_id_map){(uint32_t)number(w[0]), (uint32_t)number(w[1]),
						 (uint32_t)number(w[2])};
}

/* landlock handle RIGHTS, landlock allow RIGHTS PATH [optional], landlock bind|connect [PORT] */
static void add_landlock(struct policy *p, char **w, size_t n)
{
	static const char letters[] = "rwx";
	struct policy_landlock *k = &p->landlock;
	int what = FIND(w[0], "handle", "allow", "bind", "connect", "scope");
	uint8_t rights = 0;

	for (size_t i = 0; what < 2 && i < 3; i++)
		if (strchr(w[1], letters[i]))
			rights |= (uint8_t)(1 << i);
	if (what == 0)
		k->handled = rights;
	else if (what == 1)
		paths[k->path_count++] = (struct policy_landlock_path){w[2], rights, n > 3};
	else if (what == 4)
		k->scope = true;
	else
		*(what == 2 ? &k->bind : &k->connect) = true;
	if ((what == 2 || what == 3) && n > 1)
		ports[k->port_count++] =
			(struct policy_landlock_port){(uint16_t)number(w[1]), what == 2};
}

static void add_namespaces(struct policy *p, char **w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p->namespaces |= 1U << FIND(w[i], "mount", "pid", "ipc", "uts", "net", "cgroup",
					    "time", "user");
}

static void add(struct policy *p, char **w, size_t n)
{
	char **rest = w + 1;

	switch (FIND(w[0], "namespaces", "root", "mount", "hostname", "uid", "gid", "uid-map",
		     "gid-map", "keep-caps", "privileges", "rlimit", "network", "landlock",
		     "env-listed", "pass", "drop", "set")) {
	case 0:
		add_namespaces(p, rest, n - 1);
		return;
	case 1:
		p->root = (enum policy_root)FIND(w[1], "keep", "read-only", "empty");
		return;
	case 2:
		add_mount(p, rest, n - 1);
		return;
	case 3:
		p->hostname = w[1];
		return;
	case 4:
		p->uid = (int64_t)number(w[1]);
		return;
	case 5:
		p->gid = (int64_t)number(w[1]);
		return;
	case 6:
		add_map(uid_map, &p->uid_map_count, rest);
		return;
	case 7:
		add_map(gid_map, &p->gid_map_count, rest);
		return;
	case 8:
		p->keep_caps = number(w[1]);
		return;
	case 9:
		p->no_new_privs = false;
		return;
	case 10:
		rlimits[p->rlimit_count++] =
			(struct policy_rlimit){(int)number(w[1]), number(w[2]), number(w[3])};
		return;
	case 11:
		p->network = (enum policy_network)FIND(w[1], "host", "loopback", "off");
		return;
	case 12:
		add_landlock(p, rest, n - 1);
		return;
	case 13:
		p->env.mode = POLICY_ENV_LISTED;
		return;
	case 14:
		pass[p->env.pass_count++] = w[1];
		return;
	case 15:
		drop[p->env.drop_count++] = w[1];
		return;
	default:
		set[p->env.set_count++] = w[1];
		return;
	}
}

void sandbox_rules_begin(struct policy *ret)
{
	*ret = (struct policy){
		.name = "RULES",
		.sandboxed = true,
		.network = POLICY_NET_HOST,
		.mounts = mounts,
		.uid = -1,
		.gid = -1,
		.uid_map = uid_map,
		.gid_map = gid_map,
		.keep_caps = UINT64_MAX,
		.no_new_privs = true,
		.rlimits = rlimits,
		.landlock = {.paths = paths, .ports = ports},
		.env = {.pass = pass, .drop = drop, .set = set},
	};
}

bool sandbox_rules_add(struct policy *p, char *text)
{
	char *words[MAX_WORDS + 1] = {NULL}, *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(text, " ", &save); w && n < MAX_WORDS;
	     w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	if (n)
		add(p, words, n);
	return n > 0;
}
