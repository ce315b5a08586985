/* SPDX-License-Identifier: Apache-2.0 */
/* What `denied` events say: calls with the same arguments, by programs of one name, are one. */
#include <string.h>

#include "store/view_internal.h"

#define KEY_MAX 2048 /* what is longer counts under its beginning */

struct key {
	char text[KEY_MAX];
	size_t len;
};

static void add_part(struct key *k, struct store_text part)
{
	size_t room = sizeof(k->text) - k->len;
	size_t n = part.len < room ? part.len : room;

	if (part.data)
		memcpy(k->text + k->len, part.data, n);
	else
		n = 0;
	k->len += n;
	if (k->len < sizeof(k->text))
		k->text[k->len++] = '\0';
}

static json_t *string_of(const json_t *line, const char *name)
{
	json_t *value = json_object_get(line, name);

	return json_is_string(value) ? json_incref(value) : NULL;
}

static enum store_denied_action action_of(struct store_text word)
{
	if (store_text_is(word, "kill"))
		return STORE_DENIED_KILL;
	if (store_text_is(word, "deny-quiet"))
		return STORE_DENIED_QUIET;
	if (store_text_is(word, "capability"))
		return STORE_DENIED_CAPABILITY;
	return store_text_is(word, "log") ? STORE_DENIED_LOG : STORE_DENIED_DENY;
}

void store_view_add_denied(struct store_view *v, struct store_span *s, const json_t *line)
{
	json_t *args = json_object_get(line, "args");
	enum store_denied_action action = action_of(store_get_text(line, "action"));
	int64_t count = store_get_int(line, "count", 1);
	struct key key = {.len = 0};
	void *items = v->denied;
	struct store_denied *d;
	bool is_new;
	uint32_t i;

	if (count < 1)
		count = 1;
	v->denied_calls[action] += (uint64_t)count;
	if (s && (action == STORE_DENIED_DENY || action == STORE_DENIED_KILL))
		s->denied += (uint64_t)count;
	add_part(&key, store_get_text(line, "action"));
	add_part(&key, store_get_text(line, "error"));
	add_part(&key, store_get_text(line, "capability"));
	add_part(&key, store_get_text(line, "comm"));
	add_part(&key, store_get_text(line, "syscall"));
	for (size_t k = 0; k < json_array_size(args); k++)
		add_part(&key, store_text_of(json_array_get(args, k)));
	i = store_view_name(v, &v->denied_names, &items, sizeof(*v->denied),
			    (struct store_text){key.text, key.len}, &is_new);
	v->denied = items;
	if (i == STORE_NONE)
		return;
	d = &v->denied[i];
	d->count += (uint64_t)count;
	if (!is_new)
		return;
	d->action = action;
	d->call = string_of(line, "syscall");
	d->error = string_of(line, "error");
	d->comm = string_of(line, "comm");
	d->allow = string_of(line, "allow");
	d->capability = string_of(line, "capability");
	d->args = json_is_array(args) ? json_incref(args) : NULL;
}

void store_view_drop_denied(struct store_view *v)
{
	for (uint32_t i = 0; i < v->denied_names.count; i++) {
		json_decref(v->denied[i].call);
		json_decref(v->denied[i].error);
		json_decref(v->denied[i].comm);
		json_decref(v->denied[i].allow);
		json_decref(v->denied[i].capability);
		json_decref(v->denied[i].args);
	}
}
