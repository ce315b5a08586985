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

#ifdef __x86_64__
#include <emmintrin.h>
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
#ifdef __x86_64__
	void *ret = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return ret;
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

	if ((uintptr_t)t - (uintptr_t)f >= n)
		return memcpy(to, from, n);
	while (n--)
		t[n] = f[n];
	return to;
}

void *memset(void *to, int c, size_t n)
{
#ifdef __x86_64__
	void *ret = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return ret;
#else
	char *t = to;

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

void *memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	for (; n; n--, p++)
		if (*p == (unsigned char)c)
			return (void *)p;
	return NULL;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

#ifdef __x86_64__
	/* aligned loads never cross into a page that the string does not touch */
	const __m128i zero = _mm_setzero_si128();

	for (; n < max && ((uintptr_t)(s + n) & 15); n++)
		if (!s[n])
			return n;
	for (; n < max; n += 16) {
		__m128i block = _mm_load_si128((const __m128i *)(s + n));
		int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(block, zero));

		if (mask) {
			n += (size_t)__builtin_ctz((unsigned)mask);
			return n < max ? n : max;
		}
	}
	return max;
#else
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
