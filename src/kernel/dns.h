/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer of the domain name system says: which name was asked for, and which addresses it
 * has. The bytes came from a network and are believed in nothing. Pure; thread-safe, signal-safe.
 */
#ifndef TT_KERNEL_DNS_H
#define TT_KERNEL_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define KERNEL_DNS_NAME_MAX  254 /* the longest name as text, NUL included */
#define KERNEL_DNS_ADDRS_MAX 16  /* kept of one answer */

struct kernel_dns_addr {
	uint8_t len; /* 4 or 16 */
	uint8_t bytes[16];
};

struct kernel_dns {
	char name[KERNEL_DNS_NAME_MAX]; /* asked for; lower case, no dot at its end */
	struct kernel_dns_addr addrs[KERNEL_DNS_ADDRS_MAX];
	unsigned addr_count;
	bool cut; /* there may have been more: the datagram was cut, or they are too many */
};

/*
 * kernel_dns_parse - a datagram as it was received, or its beginning
 * Addresses are those of the name asked for and of the names that it is an alias of.
 * Returns 0, also for an answer without an address; -EBADMSG for what is no answer to one question
 * for a host's addresses, and for names that no host can have (kernel_dns_name()).
 */
int kernel_dns_parse(const void *data, size_t len, struct kernel_dns *ret) TT_MUST_CHECK;

/*
 * kernel_dns_name - a host's name as it is compared and shown: lower case, without a dot at its end
 * Letters, digits, '-' and '_' in labels of 1 to 63, 253 in all; not what is an IPv4 address.
 * Returns 0 or -EINVAL.
 */
int kernel_dns_name(const char *text, size_t len, char ret[KERNEL_DNS_NAME_MAX]) TT_MUST_CHECK;

#endif
