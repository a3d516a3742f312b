/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Other people's words in our lines: names of processes and files, in which anything may stand.
 * Blanks, control characters and the backslash itself become \ooo, as in seq_path(). Pure (see
 * env.h).
 */
#ifndef PF_TEXT_H
#define PF_TEXT_H

#include "env.h"

#define PF_ESCAPE_LEN 4

/* Room for @len bytes each of which is escaped, and the terminating zero. */
#define PF_TEXT_MAX(len) (PF_ESCAPE_LEN * (len) + 1)

/* What stands for the beginning of a text that was too long. */
#define PF_TEXT_CUT "..."
#define PF_TEXT_CUT_LEN (sizeof(PF_TEXT_CUT) - 1)

/* Is one of the word's bytes a zero? */
static __always_inline bool pf_text_has_zero(u64 word)
{
	return (word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL;
}

/**
 * pf_text_copy() - copy a name that may be changed meanwhile, word by word, but not beyond its end
 * @to: room for @len bytes
 * @from: the name, aligned to a word; some zero always follows it where it is kept
 * @len: how long it may be
 *
 * For little-endian machines.
 *
 * Return: false if it is shorter; no word behind the one with its end was read
 */
static __always_inline bool pf_text_copy(char *to, const char *from, size_t len)
{
	u64 word;

	for (; len >= sizeof(word); len -= sizeof(word)) {
		word = read_word_at_a_time(from);
		if (pf_text_has_zero(word))
			return false;
		memcpy(to, &word, sizeof(word));
		from += sizeof(word);
		to += sizeof(word);
	}
	if (!len)
		return true;
	word = read_word_at_a_time(from);
	if (pf_text_has_zero(word | ~0ULL << (8 * len)))
		return false;
	if (len & 4) {
		memcpy(to, &word, 4);
		to += 4;
		word >>= 32;
	}
	if (len & 2) {
		memcpy(to, &word, 2);
		to += 2;
		word >>= 16;
	}
	if (len & 1)
		*to = word;
	return true;
}

/**
 * pf_text_copy_end() - as pf_text_copy(), of any name, but for its first bytes
 * @to: room for @len - @skip bytes
 * @from: the name
 * @len: how long it may be
 * @skip: how many bytes of it are left out
 */
static __always_inline bool pf_text_copy_end(char *to, const char *from, size_t len, size_t skip)
{
	size_t i;

	for (i = 0; i < len; i++) {
		char c = READ_ONCE(from[i]);

		if (!c)
			return false;
		if (i >= skip)
			to[i - skip] = c;
	}
	return true;
}

/* How many bytes one byte becomes. */
static inline size_t pf_text_width(char c)
{
	return (u8)c <= ' ' || c == '\\' || c == '\177' ? PF_ESCAPE_LEN : 1;
}

static inline char *pf_text_put(char *p, char c)
{
	if (pf_text_width(c) == 1) {
		*p++ = c;
		return p;
	}
	*p++ = '\\';
	*p++ = '0' + ((u8)c >> 6);
	*p++ = '0' + ((u8)c >> 3 & 7);
	*p++ = '0' + (c & 7);
	return p;
}

/**
 * pf_text_escape() - write a text, escaped and zero-terminated
 * @buf: where to
 * @size: its size in bytes, at least 1, best PF_TEXT_MAX() of the text's length; what does not fit
 *	is left out
 * @text: what to write, zero-terminated
 */
static inline void pf_text_escape(char *buf, size_t size, const char *text)
{
	char *p = buf, *end = buf + size - 1;

	for (; *text && pf_text_width(*text) <= (size_t)(end - p); text++)
		p = pf_text_put(p, *text);
	*p = '\0';
}

/**
 * pf_text_escape_end() - write a text, escaped, or the end of it
 * @buf: where to
 * @size: its size in bytes, at least PF_TEXT_CUT_LEN
 * @text: what to write
 * @len: its length in bytes
 *
 * What is too long begins with PF_TEXT_CUT, and an escape is never cut in two.
 *
 * Return: the length in bytes, up to @size; no zero follows
 */
static inline size_t pf_text_escape_end(char *buf, size_t size, const char *text, size_t len)
{
	size_t first = len, used = 0;
	char *p = buf;

	while (first && pf_text_width(text[first - 1]) <= size - used)
		used += pf_text_width(text[--first]);
	if (first) {
		while (used > size - PF_TEXT_CUT_LEN)
			used -= pf_text_width(text[first++]);
		memcpy(p, PF_TEXT_CUT, PF_TEXT_CUT_LEN);
		p += PF_TEXT_CUT_LEN;
	}
	for (; first < len; first++)
		p = pf_text_put(p, text[first]);
	return p - buf;
}

/**
 * pf_text_end() - where the end of an escaped text begins
 * @text: the text
 * @len: its length in bytes
 * @size: how long the end may be
 *
 * Return: how many bytes of @text come before the end, which begins with no part of an escape
 */
static inline size_t pf_text_end(const char *text, size_t len, size_t size)
{
	size_t first = len > size ? len - size : 0, back;

	/* A backslash is the first byte of an escape, never a later one. */
	for (back = 1; back < PF_ESCAPE_LEN && back <= first; back++)
		if (text[first - back] == '\\')
			return min(first - back + PF_ESCAPE_LEN, len);
	return first;
}

#endif /* PF_TEXT_H */
