/* SPDX-License-Identifier: Apache-2.0 */
/* Directives about what the command sees and who it is: mounts, Landlock, maps of ids. */
#include <string.h>

#include "policy/policy_internal.h"

#define TMPFS_BYTES (64ULL << 20)
#define TMPFS_MODE  01777

/* The lists are the reader's own while it reads. */
#define WRITABLE(type, list) ((type *)(uintptr_t)(list))

static int put_mount(struct policy_reader *r, const struct policy_mount *m)
{
	struct policy *p = r->p;
	struct policy_mount *list = WRITABLE(struct policy_mount, p->mounts);
	size_t at = 0;
	int n;

	/* one place has one mount, the last one asked for; it comes where that was asked for */
	while (at < p->mount_count && strcmp(list[at].to, m->to) != 0)
		at++;
	if (at < p->mount_count) {
		memmove(&list[at], &list[at + 1], (p->mount_count - at - 1) * sizeof(*list));
		p->mount_count--;
	}
	n = policy_grow(r, &r->words[0], &p->mounts, p->mount_count, POLICY_LIST_MAX, sizeof(*list),
			"mounts");
	if (n < 0)
		return n;
	list = WRITABLE(struct policy_mount, p->mounts);
	list[p->mount_count++] = *m;
	policy_note(r, m->kind == POLICY_MOUNT_PROC ? POLICY_KEY_PROC : POLICY_KEY_MOUNT,
		    &r->words[0]);
	return 0;
}

static int take_mode(struct policy_reader *r, const struct policy_word *w, uint32_t *ret)
{
	uint32_t mode = 0;

	for (const char *c = w->text; *c; c++) {
		if (*c < '0' || *c > '7' || mode > 0777)
			return policy_complain(r, w, "'%.40s' is no mode: 1777, 0755", w->text);
		mode = mode << 3 | (uint32_t)(*c - '0');
	}
	if (!*w->text)
		return policy_complain(r, w, "an empty mode: 1777, 0755");
	*ret = mode;
	return 0;
}

/* "size=64M", "mode=0755", "optional": 1 taken, 0 none of these, or -errno */
static int take_mount_option(struct policy_reader *r, const struct policy_word *w,
			     struct policy_mount *m)
{
	bool sized = m->kind == POLICY_MOUNT_TMPFS || m->kind == POLICY_MOUNT_DEV;
	struct policy_word value = *w;
	int n;

	if (strcmp(w->text, "optional") == 0) {
		m->optional = true;
		return 1;
	}
	if (strncmp(w->text, "size=", 5) != 0 && strncmp(w->text, "mode=", 5) != 0)
		return 0;
	value.text += 5;
	value.column += 5;
	if (!sized || (*w->text == 'm' && m->kind == POLICY_MOUNT_DEV))
		return policy_complain(r, w, "'%.4s' goes with 'mount tmpfs'", w->text);
	if (*w->text == 'm')
		n = take_mode(r, &value, &m->mode);
	else
		n = policy_take_size(r, &value, &m->bytes);
	if (n == 0 && !m->bytes)
		return policy_complain(r, &value, "a size of 0 leaves no room");
	return n < 0 ? n : 1;
}

int policy_take_mount(struct policy_reader *r)
{
	/* in the order of enum policy_mount_kind */
	static const char *const kinds[] = {"read", "write", "tmpfs", "proc", "dev", "hide", NULL};
	struct policy_mount m = {0};
	const char *paths[2] = {NULL, NULL};
	size_t count = 0;
	bool binds;
	int n;

	n = policy_pick(r, &r->words[1], "kind of mount", kinds);
	if (n < 0)
		return n;
	m.kind = (enum policy_mount_kind)n;
	if (m.kind == POLICY_MOUNT_TMPFS || m.kind == POLICY_MOUNT_DEV)
		m.bytes = TMPFS_BYTES;
	if (m.kind == POLICY_MOUNT_TMPFS)
		m.mode = TMPFS_MODE;
	binds = m.kind == POLICY_MOUNT_READ || m.kind == POLICY_MOUNT_WRITE;
	for (size_t i = 2; i < r->count; i++) {
		n = take_mount_option(r, &r->words[i], &m);
		if (n < 0)
			return n;
		if (n > 0)
			continue;
		if (count == (binds ? 2 : 1))
			return policy_complain(r, &r->words[i], "one word too many");
		n = policy_take_path(r, &r->words[i], &paths[count++]);
		if (n < 0)
			return n;
	}
	if (count == 0 && m.kind == POLICY_MOUNT_PROC)
		paths[0] = "/proc";
	else if (count == 0 && m.kind == POLICY_MOUNT_DEV)
		paths[0] = "/dev";
	else if (count == 0)
		return policy_complain(r, &r->words[1], "mount %s: which path?", kinds[m.kind]);
	if (binds)
		m.from = paths[0];
	m.to = count == 2 ? paths[1] : paths[0];
	return put_mount(r, &m);
}

static const char *const right_words[] = {"read", "write", "execute", NULL};

static int take_handled(struct policy_reader *r)
{
	static const char *const words[] = {"read",    "write", "execute", "bind",
					    "connect", "scope", "none",    NULL};
	struct policy_landlock *l = &r->p->landlock;
	unsigned set = 0;

	for (size_t i = 2; i < r->count; i++) {
		int n = policy_pick(r, &r->words[i], "Landlock right", words);

		if (n < 0)
			return n;
		set |= 1U << n;
	}
	if (set & 1U << 6 && set != 1U << 6)
		return policy_complain(r, &r->words[2], "'none' stands alone");
	l->handled = (uint8_t)(set & 7);
	l->bind = set & 1U << 3;
	l->connect = set & 1U << 4;
	l->scope = set & 1U << 5;
	policy_note(r, POLICY_KEY_LANDLOCK, &r->words[0]);
	return 0;
}

static int take_ports(struct policy_reader *r, bool bind)
{
	struct policy_landlock *l = &r->p->landlock;

	for (size_t i = 2; i < r->count; i++) {
		uint64_t port;
		int n = policy_take_number(r, &r->words[i], bind ? 0 : 1, 65535, &port);

		if (n == 0)
			n = policy_grow(r, &r->words[i], &l->ports, l->port_count, POLICY_LIST_MAX,
					sizeof(*l->ports), "ports");
		if (n < 0)
			return n;
		WRITABLE(struct policy_landlock_port, l->ports)
		[l->port_count++] = (struct policy_landlock_port){(uint16_t)port, bind};
	}
	policy_note(r, POLICY_KEY_LANDLOCK_PORT, &r->words[0]);
	return 0;
}

/* "read", "write", "execute", with commas between them */
static int take_rights(struct policy_reader *r, const struct policy_word *w, uint8_t *ret)
{
	const char *at = w->text;

	*ret = 0;
	for (;;) {
		size_t len = strcspn(at, ",");
		struct policy_word one = *w;
		char name[16] = "";
		int n;

		memcpy(name, at, len < sizeof(name) ? len : sizeof(name) - 1);
		one.text = name;
		one.column += (unsigned)(at - w->text);
		n = policy_pick(r, &one, "Landlock right", right_words);
		if (n < 0)
			return n;
		*ret |= (uint8_t)(1U << n);
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

static int take_landlock_path(struct policy_reader *r)
{
	struct policy_landlock *l = &r->p->landlock;
	struct policy_landlock_path path = {0};
	int n;

	n = take_rights(r, &r->words[1], &path.rights);
	if (n == 0 && r->count < 3)
		n = policy_complain(r, &r->words[1], "landlock %s: which path?", r->words[1].text);
	if (n == 0)
		n = policy_take_path(r, &r->words[2], &path.path);
	if (n == 0 && r->count == 4 && strcmp(r->words[3].text, "optional") == 0)
		path.optional = true;
	else if (n == 0 && r->count > 3)
		n = policy_complain(r, &r->words[3], "'%.40s': only 'optional' may follow",
				    r->words[3].text);
	if (n < 0)
		return n;
	policy_note(r, POLICY_KEY_LANDLOCK_PATH, &r->words[0]);
	/* what is granted to one path adds up */
	for (size_t i = 0; i < l->path_count; i++) {
		struct policy_landlock_path *old =
			WRITABLE(struct policy_landlock_path, &l->paths[i]);

		if (strcmp(old->path, path.path) != 0)
			continue;
		old->rights |= path.rights;
		old->optional &= path.optional;
		return 0;
	}
	n = policy_grow(r, &r->words[0], &l->paths, l->path_count, POLICY_LIST_MAX, sizeof(path),
			"Landlock paths");
	if (n == 0)
		WRITABLE(struct policy_landlock_path, l->paths)[l->path_count++] = path;
	return n;
}

int policy_take_landlock(struct policy_reader *r)
{
	static const char *const words[] = {"handle", "bind", "connect", NULL};

	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], r->words[1].text) != 0)
			continue;
		if (r->count < 3)
			return policy_complain(r, &r->words[1], "landlock %s: what?", words[i]);
		return i == 0 ? take_handled(r) : take_ports(r, i == 1);
	}
	return take_landlock_path(r);
}

static int take_map(struct policy_reader *r, const struct policy_id_map **list, size_t *count,
		    enum policy_key key)
{
	uint64_t v[3];
	int n = 0;

	for (size_t i = 0; n == 0 && i < 3; i++)
		n = policy_take_number(r, &r->words[i + 1], i == 2, UINT32_MAX - 1, &v[i]);
	if (n < 0)
		return n;
	if (v[0] + v[2] > UINT32_MAX || v[1] + v[2] > UINT32_MAX)
		return policy_complain(r, &r->words[3], "ids past 4294967294");
	for (size_t i = 0; i < *count; i++) {
		const struct policy_id_map *m = &(*list)[i];

		if ((v[0] < (uint64_t)m->inside + m->count && m->inside < v[0] + v[2]) ||
		    (v[1] < (uint64_t)m->outside + m->count && m->outside < v[1] + v[2]))
			return policy_complain(r, &r->words[1],
					       "overlaps the entry %u %u %u: 'forget maps' takes "
					       "what was said before away",
					       m->inside, m->outside, m->count);
	}
	/* 340: what the kernel takes */
	n = policy_grow(r, &r->words[0], list, *count, 340, sizeof(**list), "entries of a map");
	if (n < 0)
		return n;
	WRITABLE(struct policy_id_map, *list)
	[(*count)++] = (struct policy_id_map){(uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2]};
	policy_note(r, key, &r->words[0]);
	return 0;
}

int policy_take_map_uid(struct policy_reader *r)
{
	return take_map(r, &r->p->uid_map, &r->p->uid_map_count, POLICY_KEY_UID_MAP);
}

int policy_take_map_gid(struct policy_reader *r)
{
	return take_map(r, &r->p->gid_map, &r->p->gid_map_count, POLICY_KEY_GID_MAP);
}
