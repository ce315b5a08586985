/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as an environment: building and hiding gives it back; any TELLTALE_CTX is survived. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event/contract.h"

#define ENTRIES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t copy_env(char **to, char *const *from)
{
	size_t n = 0;

	for (; from[n]; n++) {
		to[n] = strdup(from[n]);
		if (!to[n])
			abort();
	}
	to[n] = NULL;
	return n;
}

static void drop(char **strings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(strings[i]);
}

/* What the library does with the environment it finds, each string of it in exact room. */
static void hide(char *const *envp, char *const *want)
{
	char *own[ENTRIES_MAX + CONTRACT_NAMES + 1], *seen[ENTRIES_MAX + CONTRACT_NAMES + 1];
	size_t n = copy_env(own, envp), i;
	const char *values[CONTRACT_NAMES], *text;
	struct contract_ctx ctx;

	memcpy(seen, own, sizeof(*own) * (n + 1));
	event_contract_read(seen, values);
	text = values[CONTRACT_CTX];
	if (text && event_contract_ctx_parse(text, &ctx)) {
		event_contract_env_hide(&ctx, seen);
		for (i = 0; want && want[i]; i++)
			if (!seen[i] || strcmp(seen[i], want[i]) != 0)
				abort();
		if (want && seen[i])
			abort();
	} else if (want) {
		abort();
	}
	drop(own, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const spans[] = {NULL, "s", "spn_01991025-0a09-7f00-80ff-0123456789ab"};
	uint8_t how = size ? data[0] : 0;
	struct contract c = {
		.value = {[CONTRACT_LD_PRELOAD] = how & 1 ? "/lib/libtelltale.so" : NULL,
			  [CONTRACT_SESSION] = how & 2 ? "ses_1" : NULL,
			  [CONTRACT_TRACE_LOG] = how & 4 ? "/t" : NULL,
			  [CONTRACT_PARENT_SPAN] = spans[(how >> 3) % 3]},
		.ring_fd = how & 64 ? -1 : 5,
		.ring_ino = how & 128 ? UINT64_MAX : 0,
	};
	char *env[ENTRIES_MAX + 1], *const *built, *text = malloc(size + 1);
	size_t n = 0;
	void *buf;

	if (!text)
		return 0;
	if (how & 64)
		memcpy(c.ring_socket, "0123456789abcdef", sizeof(c.ring_socket));
	c.exe = how & 128 ? "/usr/bin/;x" : NULL;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 1; at < size && n < ENTRIES_MAX; at += strlen(text + at) + 1)
		env[n++] = text + at;
	env[n] = NULL;
	buf = malloc(event_contract_env_size(&c, env));
	if (!buf)
		abort();
	built = event_contract_env_build(&c, env, buf);
	if (built != env)
		hide(built, env);
	else
		hide(env, NULL);
	free(buf);
	free(text);
	return 0;
}
