/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an answer of the domain name system. Whatever is taken from them is a host's name,
 * and what a shorter beginning of them says is said by all of them, too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct kernel_dns *d)
{
	size_t len = strnlen(d->name, sizeof(d->name));

	if (!len || len == sizeof(d->name) || d->addr_count > KERNEL_DNS_ADDRS_MAX)
		abort();
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", d->name[i]))
			abort();
	for (unsigned i = 0; i < d->addr_count; i++)
		if (d->addrs[i].len != 4 && d->addrs[i].len != 16)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[KERNEL_DNS_NAME_MAX], again[KERNEL_DNS_NAME_MAX];
	struct kernel_dns whole, part;

	if (kernel_dns_parse(data, size, &whole) == 0) {
		check(&whole);
		if (size && kernel_dns_parse(data, size - 1, &part) == 0) {
			check(&part);
			if (strcmp(part.name, whole.name) != 0)
				abort();
		}
	}
	if (kernel_dns_name((const char *)data, size, name) == 0)
		if (kernel_dns_name(name, strlen(name), again) < 0 || strcmp(name, again) != 0)
			abort();
	return 0;
}
