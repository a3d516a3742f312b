/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Escape a text, and compare it with an independent implementation. All buffers are on the heap
 * and have the exact size, so that ASan finds an overrun of one byte.
 */
#ifndef ESCAPED_H
#define ESCAPED_H

#include <stdlib.h>

#include "../../pf/text.h"

#define NAME_MAX_BYTES 20000

/* A simple implementation: writes the escaped text to @out, returns its length. */
static size_t escape(char *out, const char *text, size_t len)
{
	size_t used = 0, i;

	for (i = 0; i < len; i++) {
		unsigned char c = text[i];

		if (c <= ' ' || c == '\\' || c == 127)
			used += sprintf(out + used, "\\%03o", c);
		else
			out[used++] = c;
	}
	return used;
}

static char *heap_copy(const char *text, size_t len)
{
	return memcpy(malloc(len), text, len);
}

/* Is @end as much of the escaped text's end as fits, with a mark if something is cut off? */
static bool end_is_right(const char *whole, size_t whole_len, const char *end, size_t len,
			 size_t size)
{
	const char *rest;
	size_t rest_len;

	if (whole_len <= size)
		return len == whole_len && !memcmp(end, whole, len);
	if (len > size || len < 3 || memcmp(end, "...", 3))
		return false;
	rest_len = len - 3;
	rest = whole + whole_len - rest_len;
	if (memcmp(rest, end + 3, rest_len))
		return false;
	/* No more would have fitted, and no escape is split. */
	while (whole < rest)
		whole += *whole == '\\' ? PF_ESCAPE_LEN : 1;
	return size - len < PF_ESCAPE_LEN && whole == rest;
}

static bool name_is_right(const char *name, size_t len, size_t size)
{
	static char whole[PF_TEXT_MAX(NAME_MAX_BYTES)];
	size_t whole_len = escape(whole, name, len), end_len, first, at = 0;
	char *text = heap_copy(name, len), *buf = malloc(size), *escaped;
	bool right;

	end_len = pf_text_escape_end(buf, size, text, len);
	right = end_is_right(whole, whole_len, buf, end_len, size);
	/* The end of an already escaped text, also on the heap. */
	escaped = heap_copy(whole, whole_len);
	first = pf_text_end(escaped, whole_len, size);
	while (at < first)
		at += whole[at] == '\\' ? PF_ESCAPE_LEN : 1;
	right = at == first && first <= whole_len && whole_len - first <= size &&
		(!first || size - (whole_len - first) < PF_ESCAPE_LEN) && right;
	if (!right)
		printf("# %zu bytes, %zu escaped, into %zu: %zu\n", len, whole_len, size, end_len);
	free(escaped);
	free(buf);
	free(text);
	return right;
}

static bool beginning_is_right(const char *name, size_t size)
{
	char whole[500], *buf = malloc(size);
	size_t whole_len = escape(whole, name, strlen(name)), len;
	bool right;

	pf_text_escape(buf, size, name);
	len = strlen(buf);
	right = len < size && !memcmp(buf, whole, len) &&
		(len == whole_len || size - 1 - len < PF_ESCAPE_LEN);
	free(buf);
	return right;
}

#endif /* ESCAPED_H */
