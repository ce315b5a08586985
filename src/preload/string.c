/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The string functions that this library calls, as hidden functions of its own. Each one taken from
 * libc would cost a symbol look-up at its first use in every process, which is more than most
 * processes spend in it. The compiler must not turn these loops into calls of themselves: see the
 * flags in meson.build.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#ifdef __x86_64__
#include <emmintrin.h>
#endif

#include "base/compiler.h"

#ifdef __x86_64__
static inline void copy16(char *to, const char *from)
{
	_mm_storeu_si128((__m128i *)to, _mm_loadu_si128((const __m128i *)from));
}

/* Up to 16 bytes by two copies that overlap in the middle. */
static inline void copy_few(char *to, const char *from, size_t n)
{
	uint64_t a8, b8;
	uint32_t a4, b4;

	if (n >= 8) {
		__builtin_memcpy(&a8, from, 8);
		__builtin_memcpy(&b8, from + n - 8, 8);
		__builtin_memcpy(to, &a8, 8);
		__builtin_memcpy(to + n - 8, &b8, 8);
	} else if (n >= 4) {
		__builtin_memcpy(&a4, from, 4);
		__builtin_memcpy(&b4, from + n - 4, 4);
		__builtin_memcpy(to, &a4, 4);
		__builtin_memcpy(to + n - 4, &b4, 4);
	} else if (n) {
		char last = from[n - 1], middle = from[n / 2];

		to[0] = from[0];
		to[n / 2] = middle;
		to[n - 1] = last;
	}
}
#endif

TT_HOT void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
#ifdef __x86_64__
	char *t = to;
	const char *f = from;

	if (n <= 16) {
		copy_few(t, f, n);
	} else if (n <= 256) {
		for (size_t i = 0; i + 16 < n; i += 16)
			copy16(t + i, f + i);
		copy16(t + n - 16, f + n - 16);
	} else {
		__asm__ volatile("rep movsb" : "+D"(t), "+S"(f), "+c"(n) : : "memory");
	}
	return to;
#else
	char *t = to;
	const char *f = from;

	while (n--)
		*t++ = *f++;
	return to;
#endif
}

void *memmove(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	/* memcpy() goes by blocks, and back at the end: nothing may overlap */
	if ((uintptr_t)t - (uintptr_t)f >= n && (uintptr_t)f - (uintptr_t)t >= n)
		return memcpy(to, from, n);
	if (t < f) {
		while (n--)
			*t++ = *f++;
	} else {
		while (n--)
			t[n] = f[n];
	}
	return to;
}

void *memset(void *to, int c, size_t n)
{
	char *t = to;

#ifdef __x86_64__
	if (n >= 16 && n <= 256) {
		__m128i v = _mm_set1_epi8((char)c);

		for (size_t i = 0; i + 16 < n; i += 16)
			_mm_storeu_si128((__m128i *)(t + i), v);
		_mm_storeu_si128((__m128i *)(t + n - 16), v);
		return to;
	}
	__asm__ volatile("rep stosb" : "+D"(t), "+c"(n) : "a"(c) : "memory");
	return to;
#else
	while (n--)
		*t++ = (char)c;
	return to;
#endif
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

/* What clang makes of a memcmp() that is only asked whether it is 0. */
int bcmp(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n);
}

void *memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	for (; n; n--, p++)
		if (*p == (unsigned char)c)
			return (void *)p;
	return NULL;
}

TT_HOT size_t strnlen(const char *s, size_t max)
{
#ifdef __x86_64__
	/* aligned loads never cross into a page that the string does not touch */
	const __m128i zero = _mm_setzero_si128();
	size_t before = (uintptr_t)s & 15, n = 16 - before;
	__m128i block;
	unsigned mask;

	if (!max) /* @s may be the end of memory */
		return 0;
	block = _mm_load_si128((const __m128i *)(s - before));
	mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, zero)) >> before;

	if (!mask) {
		for (; n < max; n += 16) {
			block = _mm_load_si128((const __m128i *)(s + n));
			mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, zero));
			if (mask)
				break;
		}
		if (!mask)
			return max;
	} else {
		n = 0;
	}
	n += (size_t)__builtin_ctz(mask);
	return n < max ? n : max;
#else
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
#endif
}

size_t strlen(const char *s)
{
	return strnlen(s, (size_t)PTRDIFF_MAX - 15);
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	for (;; s++) {
		if (*s == (char)c)
			last = s;
		if (!*s)
			return (char *)last;
	}
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (unsigned char)*a - (unsigned char)*b;
		if (!*a)
			return 0;
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

size_t strspn(const char *s, const char *set)
{
	size_t n = 0;

	while (s[n] && strchr(set, s[n]))
		n++;
	return n;
}

size_t strcspn(const char *s, const char *set)
{
	size_t n = 0;

	while (s[n] && !strchr(set, s[n]))
		n++;
	return n;
}

char *strstr(const char *s, const char *what)
{
	size_t n = strlen(what);

	for (; *s; s++)
		if (strncmp(s, what, n) == 0)
			return (char *)s;
	return n ? NULL : (char *)s;
}
