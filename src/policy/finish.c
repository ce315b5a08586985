/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from all lines together: the order of the rules, and contradictions. */
#include <stdlib.h>
#include <string.h>

#include "policy/policy_internal.h"

#define WRITABLE(type, list) ((type *)(uintptr_t)(list))

/* Where something was said; the last file read if it never was. */
static const struct policy_place *place_of(const struct policy_reader *r, enum policy_key key)
{
	static const struct policy_place nowhere = {"profile", 1, 1};

	return r->places[key].file ? &r->places[key] : &nowhere;
}

#define REFUSE(r, key, ...)                                                         \
	do {                                                                        \
		int refuse_ = policy_complain_at(r, place_of(r, key), __VA_ARGS__); \
		if (!(r)->tell)                                                     \
			return refuse_;                                             \
	} while (0)

/* Merge sort from pairs upwards: each run does this, and qsort(3) makes a call for each pair. */
static const uint64_t *sort_keys(uint64_t *keys, uint64_t *other, size_t n)
{
	for (size_t width = 1; width < n; width *= 2) {
		uint64_t *swap = keys;

		for (size_t at = 0; at < n; at += 2 * width) {
			size_t middle = at + width < n ? at + width : n;
			size_t end = at + 2 * width < n ? at + 2 * width : n;
			size_t a = at, b = middle;

			for (size_t i = at; i < end; i++) {
				bool left = b == end || (a < middle && keys[a] < keys[b]);

				other[i] = left ? keys[a++] : keys[b++];
			}
		}
		keys = other;
		other = swap;
	}
	return keys;
}

/*
 * By number, else in the order they were given; without those that a later one always overrides.
 * Keys are sorted and not the rules, which are large.
 */
static int sort_rules(struct policy_reader *r)
{
	struct policy *p = r->p;
	size_t n = p->rule_count, kept = 0;
	uint64_t *keys = malloc((2 * n + 1) * sizeof(*keys));
	const uint64_t *sorted;
	struct policy_rule *rules = malloc((n + 1) * sizeof(*rules));
	struct policy_place *places = malloc((n + 1) * sizeof(*places));

	if (!keys || !rules || !places) {
		free(keys);
		free(rules);
		free(places);
		return tt_fail(r->err, ENOMEM, "sort the rules of a profile");
	}
	for (size_t i = 0; i < n; i++)
		keys[i] = (uint64_t)(uint32_t)p->rules[i].nr << 32 | i;
	sorted = sort_keys(keys, keys + n, n);
	for (size_t i = 0; i < n; i++) {
		const struct policy_rule *rule = &p->rules[sorted[i] & UINT32_MAX];

		if (rule->condition_count == 0)
			while (kept && rules[kept - 1].nr == rule->nr)
				kept--;
		rules[kept] = *rule;
		places[kept++] = p->rule_places[sorted[i] & UINT32_MAX];
	}
	free(keys);
	free(WRITABLE(void, p->rules));
	free(WRITABLE(void, p->rule_places));
	p->rules = rules;
	p->rule_places = places;
	p->rule_count = kept;
	return 0;
}

static bool covers(const struct policy_id_map *map, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= map[i].inside && id < (int64_t)map[i].inside + map[i].count)
			return true;
	return false;
}

static int check_ids(struct policy_reader *r)
{
	const struct policy *p = r->p;
	bool user = p->namespaces & POLICY_NS_USER;

	if (p->uid >= 0 && !covers(p->uid_map, p->uid_map_count, p->uid))
		REFUSE(r, POLICY_KEY_UID, "uid %lld is in no map: 'map-uid %lld OUTSIDE 1'",
		       (long long)p->uid, (long long)p->uid);
	if (p->gid >= 0 && !covers(p->gid_map, p->gid_map_count, p->gid))
		REFUSE(r, POLICY_KEY_GID, "gid %lld is in no map: 'map-gid %lld OUTSIDE 1'",
		       (long long)p->gid, (long long)p->gid);
	if (p->uid_map_count && !user)
		REFUSE(r, POLICY_KEY_UID_MAP, "map-uid needs 'namespaces +user'");
	if (p->gid_map_count && !user)
		REFUSE(r, POLICY_KEY_GID_MAP, "map-gid needs 'namespaces +user'");
	return 0;
}

/*
 * /proc/PID/root of a process outside leads to the caller's files as they are, and such a process
 * can be made to open them: what the root and mounts refuse holds only where there is none.
 */
static bool sees_outside(const struct policy *p)
{
	bool ret = p->root != POLICY_ROOT_EMPTY;

	for (size_t i = 0; i < p->mount_count; i++)
		if (strcmp(p->mounts[i].to ? p->mounts[i].to : p->mounts[i].from, "/proc") == 0)
			ret = p->mounts[i].kind == POLICY_MOUNT_READ ||
			      p->mounts[i].kind == POLICY_MOUNT_WRITE || p->mounts[i].optional;
	return ret || !(p->namespaces & POLICY_NS_PID);
}

static int check_walls(struct policy_reader *r)
{
	const struct policy *p = r->p;

	if (p->root != POLICY_ROOT_KEEP && sees_outside(p))
		REFUSE(r, POLICY_KEY_ROOT,
		       "/proc/PID/root of other processes leads round this root: 'namespaces +pid' "
		       "and 'mount proc /proc'");
	for (size_t i = 0; p->root == POLICY_ROOT_KEEP && i < p->mount_count; i++)
		if ((p->mounts[i].kind == POLICY_MOUNT_READ ||
		     p->mounts[i].kind == POLICY_MOUNT_HIDE) &&
		    sees_outside(p))
			REFUSE(r, POLICY_KEY_MOUNT,
			       "/proc/PID/root of other processes leads round 'mount read' and "
			       "'mount hide': 'namespaces +pid' and 'mount proc /proc'");
	return 0;
}

static int check_namespaces(struct policy_reader *r)
{
	const struct policy *p = r->p;
	bool net = p->namespaces & POLICY_NS_NET;

	if (p->network == POLICY_NET_HOST && net)
		REFUSE(r, POLICY_KEY_NAMESPACES,
		       "namespace 'net', but the network is the host's: 'network off' or "
		       "'network loopback'");
	if (p->network != POLICY_NET_HOST && !net)
		REFUSE(r, POLICY_KEY_NAMESPACES,
		       "no namespace 'net', but the network is not the host's: 'network host'");
	if (p->allow_host_count && p->network == POLICY_NET_HOST)
		REFUSE(r, POLICY_KEY_ALLOW_HOST,
		       "allow-host goes with 'network loopback' or 'network off': the host's reaches "
		       "every host");
	if (p->hostname && !(p->namespaces & POLICY_NS_UTS))
		REFUSE(r, POLICY_KEY_HOSTNAME, "hostname needs 'namespaces +uts'");
	if (p->root != POLICY_ROOT_KEEP && !(p->namespaces & POLICY_NS_MOUNT))
		REFUSE(r, POLICY_KEY_ROOT, "root needs 'namespaces +mount'");
	if (p->mount_count && !(p->namespaces & POLICY_NS_MOUNT))
		REFUSE(r, r->places[POLICY_KEY_MOUNT].file ? POLICY_KEY_MOUNT : POLICY_KEY_PROC,
		       "mount needs 'namespaces +mount'");
	if (p->root == POLICY_ROOT_EMPTY && !p->mount_count)
		REFUSE(r, POLICY_KEY_ROOT, "an empty root without mounts: nothing to execute");
	for (size_t i = 0; i < p->mount_count; i++)
		if (p->mounts[i].kind == POLICY_MOUNT_PROC && !(p->namespaces & POLICY_NS_PID))
			REFUSE(r, POLICY_KEY_PROC, "mount proc needs 'namespaces +pid'");
	return 0;
}

static int check_landlock(struct policy_reader *r)
{
	static const char *const words[] = {"read", "write", "execute"};
	const struct policy_landlock *l = &r->p->landlock;

	for (size_t i = 0; i < l->path_count; i++)
		for (int bit = 0; bit < 3; bit++)
			if (l->paths[i].rights & ~l->handled & 1U << bit)
				REFUSE(r, POLICY_KEY_LANDLOCK_PATH,
				       "'landlock %s' of '%.60s' grants what is not refused: "
				       "'landlock handle ... %s'",
				       words[bit], l->paths[i].path, words[bit]);
	for (size_t i = 0; i < l->port_count; i++)
		if (l->ports[i].bind ? !l->bind : !l->connect)
			REFUSE(r, POLICY_KEY_LANDLOCK_PORT,
			       "port %u grants what is not refused: 'landlock handle ... %s'",
			       l->ports[i].port, l->ports[i].bind ? "bind" : "connect");
	return 0;
}

static bool has_landlock(const struct policy_landlock *l)
{
	return l->handled || l->bind || l->connect || l->scope;
}

static bool has_sandbox(const struct policy *p)
{
	return p->namespaces || p->root != POLICY_ROOT_KEEP || p->filter || p->rlimit_count ||
	       p->keep_caps || p->env.mode != POLICY_ENV_ALL || p->env.drop_count ||
	       p->env.set_count || has_landlock(&p->landlock) || p->mount_count;
}

int policy_finish(struct policy_reader *r)
{
	struct policy *p = r->p;
	bool said = r->places[POLICY_KEY_NO_NEW_PRIVS].file;
	int n = sort_rules(r);

	if (n == 0)
		n = check_ids(r);
	if (n == 0)
		n = check_namespaces(r);
	if (n == 0)
		n = check_walls(r);
	if (n == 0)
		n = check_landlock(r);
	if (n < 0)
		return n;
	p->filter = p->rule_count || p->fallback.action != POLICY_ALLOW;
	p->sandboxed = has_sandbox(p) || (said && p->no_new_privs);
	if (!said)
		p->no_new_privs = p->sandboxed;
	if (!p->no_new_privs && (p->filter || has_landlock(&p->landlock)))
		REFUSE(r, POLICY_KEY_NO_NEW_PRIVS, "rules and Landlock need 'no-new-privs yes'");
	if (p->env.pass_count && p->env.mode == POLICY_ENV_ALL)
		REFUSE(r, POLICY_KEY_ENVIRONMENT,
		       "'environment pass' goes with 'environment listed': now all pass");
	if (p->learn && p->count == POLICY_COUNT_OFF)
		REFUSE(r, POLICY_KEY_COUNT_CALLS, "'count off', but 'learn yes' has to count");
	if (!p->summary)
		p->summary = "";
	return r->complaints ? -EINVAL : 0;
}
