/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Escapes names of processes and files, which may contain any byte. Blanks, control characters, DEL
 * and the backslash become \ooo, as in seq_path(). Pure (see env.h).
 */
#ifndef PF_TEXT_H
#define PF_TEXT_H

#include "env.h"

#define PF_ESCAPE_LEN 4

/* Size of a buffer for @len bytes, all of them escaped, and the terminating zero. */
#define PF_TEXT_MAX(len) (PF_ESCAPE_LEN * (len) + 1)

/* Replaces the beginning of a text that is too long. */
#define PF_TEXT_CUT "..."
#define PF_TEXT_CUT_LEN (sizeof(PF_TEXT_CUT) - 1)

/* Is one of the word's bytes a zero? */
static __always_inline bool pf_text_has_zero(u64 word)
{
	return (word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL;
}

/**
 * pf_text_copy() - copy a name that may be changing, without reading beyond its end
 * @to: room for @len bytes
 * @from: the name, word-aligned; always zero-terminated within its buffer
 * @len: the expected length in bytes
 *
 * Copies word by word, and reads no word after the one with the terminating zero. For little-endian
 * machines.
 *
 * Return: false if the name is shorter than @len
 */
static __always_inline bool pf_text_copy(char *to, const char *from, size_t len)
{
	u64 word;

	for (; len >= sizeof(word); len -= sizeof(word)) {
		word = data_race(read_word_at_a_time(from));
		if (pf_text_has_zero(word))
			return false;
		memcpy(to, &word, sizeof(word));
		from += sizeof(word);
		to += sizeof(word);
	}
	if (!len)
		return true;
	word = data_race(read_word_at_a_time(from));
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
 * pf_text_copy_end() - like pf_text_copy(), for unaligned names, and without the first bytes
 * @to: room for @len - @skip bytes
 * @from: the name
 * @len: the expected length in bytes
 * @skip: number of bytes to leave out at the beginning
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

/* The length of a byte after escaping. */
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
 * @buf: where to write
 * @size: size of @buf in bytes, at least 1; PF_TEXT_MAX(length of @text) is always enough. If the
 *	text does not fit, its end is left out
 * @text: the text, zero-terminated
 */
static inline void pf_text_escape(char *buf, size_t size, const char *text)
{
	char *p = buf, *end = buf + size - 1;

	for (; *text && pf_text_width(*text) <= (size_t)(end - p); text++)
		p = pf_text_put(p, *text);
	*p = '\0';
}

/**
 * pf_text_escape_end() - write a text, escaped; if it does not fit, PF_TEXT_CUT and its end
 * @buf: where to write
 * @size: size of @buf in bytes, at least PF_TEXT_CUT_LEN
 * @text: the text
 * @len: length of @text in bytes
 *
 * Does not split an escape.
 *
 * Return: number of bytes written, up to @size, not zero-terminated
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
 * pf_text_end() - find the longest end of an escaped text that fits, without splitting an escape
 * @text: the text
 * @len: length of @text in bytes
 * @size: maximum length of the end in bytes
 *
 * Return: number of bytes of @text before that end
 */
static inline size_t pf_text_end(const char *text, size_t len, size_t size)
{
	size_t first = len > size ? len - size : 0, back;

	/* In an escape, only the first byte is a backslash. */
	for (back = 1; back < PF_ESCAPE_LEN && back <= first; back++)
		if (text[first - back] == '\\')
			return min(first - back + PF_ESCAPE_LEN, len);
	return first;
}

#endif /* PF_TEXT_H */
