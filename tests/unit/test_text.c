// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf/text.h: names of 0 to 20,000 bytes, whatever is in them, in buffers of any size. All buffers
 * are on the heap and of the exact size, so that ASan sees a byte too many.
 */
#include <stdlib.h>

#include "pf/text.h"
#include "tap.h"

#define NR_RANDOM 3000
#define NAME_MAX_BYTES 20000

/* The rule, in the plainest way: the length of all of it, escaped, in @out. */
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

/* Is @end the end of the escaped text, as much of it as fits, with a mark if it is not all? */
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
	/* Nothing more would have fitted, and no escape is cut in two. */
	while (whole < rest)
		whole += *whole == '\\' ? PF_ESCAPE_LEN : 1;
	return size - len < PF_ESCAPE_LEN && whole == rest;
}

/* A name of that length: all of one byte, or any bytes, or mostly plain ones. */
static void fill(char *name, size_t len, unsigned int kind)
{
	static const char some[] = "abcdefghijklmnopq/. \\\001";
	size_t i;

	for (i = 0; i < len; i++) {
		char any = tap_random();

		name[i] = kind == 0 ? '\001' :
			  kind == 1 ? '\\' :
			  kind == 2 ? 'x' :
			  kind == 3 ? any :
				      some[tap_random() % (sizeof(some) - 1)];
	}
}

static bool name_is_right(const char *name, size_t len, size_t size)
{
	static char whole[PF_TEXT_MAX(NAME_MAX_BYTES)];
	size_t whole_len = escape(whole, name, len), end_len;
	char *text = heap_copy(name, len), *buf = malloc(size), *escaped;
	bool right;

	end_len = pf_text_escape_end(buf, size, text, len);
	right = end_is_right(whole, whole_len, buf, end_len, size);
	/* The end of a text that is escaped already, on the heap, too. */
	escaped = heap_copy(whole, whole_len);
	right = pf_text_end(escaped, whole_len, size) <= whole_len && right;
	if (!right)
		printf("# %zu bytes, %zu escaped, into %zu: %zu\n", len, whole_len, size, end_len);
	free(escaped);
	free(buf);
	free(text);
	return right;
}

static void test_ends(void)
{
	static char name[NAME_MAX_BYTES];
	bool lengths = true, sizes = true, random = true;
	unsigned int kind, i;
	size_t len;

	for (kind = 0; kind < 5; kind++) {
		for (len = 0; len <= NAME_MAX_BYTES; len += len < 4200 ? 1 : 997) {
			fill(name, len, kind);
			lengths = name_is_right(name, len, 4096) && lengths;
		}
		for (len = 3; len < 200; len++) {
			fill(name, 100, kind);
			sizes = name_is_right(name, 100, len) && sizes;
		}
	}
	ok(lengths, "names of 0 to %d bytes in a buffer of 4,096", NAME_MAX_BYTES);
	ok(sizes, "a name of 100 bytes in buffers of 3 to 199");
	for (i = 0; i < NR_RANDOM; i++) {
		len = tap_random() % (NAME_MAX_BYTES + 1);
		fill(name, len, i % 5);
		random = name_is_right(name, len, 3 + tap_random() % 8000) && random;
	}
	ok(random, "%d random names in random buffers", NR_RANDOM);
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

static void test_beginnings(void)
{
	char all[256], comm[17] = "\001\001\001\001\001\001\001\001 a\\b\177\377\t";
	bool right = true;
	size_t size, i;

	for (i = 0; i < 255; i++)
		all[i] = i + 1;
	all[255] = 0;
	for (size = 1; size < 100; size++)
		right = beginning_is_right(comm, size) && beginning_is_right("", size) &&
			beginning_is_right(all, size) && right;
	ok(right, "the beginning of a name in buffers of 1 to 99 bytes");
	{
		char buf[PF_TEXT_MAX(4)];

		pf_text_escape(buf, sizeof(buf), "\n \\\177");
		ok(!strcmp(buf, "\\012\\040\\134\\177"), "each byte escaped: %s", buf);
	}
}

int main(void)
{
	test_ends();
	test_beginnings();
	return tap_done();
}
