/* SPDX-License-Identifier: Apache-2.0 */
/* An audit module of the user's own: counts the objects it is shown, and says so at the end. */
#include <link.h>
#include <unistd.h>

static char count = '0';

#define VISIBLE __attribute__((__visibility__("default")))

VISIBLE unsigned la_version(unsigned version);
VISIBLE unsigned la_objopen(struct link_map *map, Lmid_t ns, uintptr_t *cookie);

unsigned la_version(unsigned version)
{
	return version;
}

unsigned la_objopen(struct link_map *map, Lmid_t ns, uintptr_t *cookie)
{
	(void)map;
	(void)cookie;
	count += ns == LM_ID_BASE;
	return 0;
}

__attribute__((__destructor__)) static void end(void)
{
	char line[] = "seen ?\n";

	line[5] = count;
	(void)!write(1, line, sizeof(line) - 1);
}
