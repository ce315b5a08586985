/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C. It proves nothing: it only tells which record of a block was altered. This polynomial,
 * as both processors have an instruction for it: with a table it would cost more than SHA-256 does.
 */
#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#else
#include <cpuid.h>
#endif

#include "chain/chain_internal.h"

/* Four bits at a time. */
static uint32_t crc_plain(uint32_t crc, const uint8_t *p, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

#if defined(__x86_64__)
/*
 * Asked when it is needed: the compiler's way would ask a dozen things at the start of every
 * program.
 */
static bool has_instruction(void)
{
	static _Atomic int known; /* 1: no, 2: yes */
	unsigned eax, ebx, ecx = 0, edx;

	if (!known)
		known = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & bit_SSE4_2 ? 2 : 1;
	return known == 2;
}

__attribute__((__target__("sse4.2"))) static uint32_t crc_word(uint32_t crc, uint64_t word)
{
	return (uint32_t)__builtin_ia32_crc32di(crc, word);
}
#define WORD_TARGET __attribute__((__target__("sse4.2")))
#else
static bool has_instruction(void)
{
	return getauxval(AT_HWCAP) & 1 << 7; /* HWCAP_CRC32 */
}

static inline uint32_t crc_word(uint32_t crc, uint64_t word)
{
	__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
	return crc;
}
#define WORD_TARGET
#endif

WORD_TARGET static uint32_t crc_words(uint32_t crc, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word;

		memcpy(&word, p + i, sizeof(word));
		crc = crc_word(crc, word);
	}
	return crc;
}

uint32_t chain_crc(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t words = has_instruction() ? len & ~(size_t)7 : 0;

	crc = crc_words(~crc, p, words);
	return ~crc_plain(crc, p + words, len - words);
}
