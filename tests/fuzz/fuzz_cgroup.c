/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as files of cgroupfs, as mountinfo and, behind a NUL, as /proc/self/cgroup. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cgroup_place places[CGROUP_PLACES_MAX];
	char *first = malloc(size + 1), *second;
	const char *end;
	uint64_t v;
	size_t n;

	if (!first)
		return 0;
	memcpy(first, data, size);
	first[size] = '\0';
	end = memchr(first, '\0', size);
	second = strdup(end ? end + 1 : "");
	n = cgroup_parse_places(first, second ? second : "", places, CGROUP_PLACES_MAX);
	if (n > CGROUP_PLACES_MAX)
		abort();
	for (size_t i = 0; i < n; i++)
		if (!memchr(places[i].own, '\0', sizeof(places[i].own)) ||
		    places[i].mount_len > strlen(places[i].own))
			abort();
	(void)cgroup_parse_controllers(first);
	if (cgroup_parse_number(first, &v) == 0 && v != UINT64_MAX &&
	    !memchr("0123456789", *first, 10))
		abort();
	(void)(cgroup_parse_key(first, "user_usec", &v) == 0 &&
	       cgroup_parse_key(first, "", &v) == 0);
	free(first);
	free(second);
	return 0;
}
