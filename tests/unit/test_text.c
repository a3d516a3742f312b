// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf/text.h: names of 0 to 20,000 bytes of any value, in buffers of any size; copies of names whose
 * length may be wrong.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "escaped.h"
#include "tap.h"

#define NR_RANDOM 3000

/* A name of this length: one byte repeated, any bytes, or mostly plain ones. */
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

/* Memory with nothing readable behind its last word. */
static char *name_at_the_end(const char *text, size_t len)
{
	size_t page = sysconf(_SC_PAGESIZE);
	static char *pages;
	char *name;

	if (!pages) {
		pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
		mprotect(pages + page, page, PROT_NONE);
	}
	memset(pages, 'z', page);
	name = pages + page - (len / 8 + 1) * 8;
	memcpy(name, text, len);
	name[len] = '\0';
	return name;
}

/* Check pf_text_copy() and pf_text_copy_end(), with a buffer of exactly this size. */
static bool copy_is_right(const char *name, size_t len, size_t asked, size_t skip)
{
	char *to = malloc(asked), *end = malloc(asked - skip);
	bool done = pf_text_copy(to, name, asked), end_done = pf_text_copy_end(end, name, asked, skip);
	bool right = done == (asked <= len) && end_done == done;

	if (done)
		right = right && !memcmp(to, name, asked) &&
			!memcmp(end, name + skip, asked - skip);
	free(to);
	free(end);
	return right;
}

static void test_copies(void)
{
	char text[256];
	bool right = true;
	size_t len, asked;

	for (len = 0; len < sizeof(text); len++)
		text[len] = tap_random() % 255 + 1;
	for (len = 0; len < sizeof(text); len++) {
		const char *name = name_at_the_end(text, len);

		for (asked = 0; asked < sizeof(text); asked++)
			right = copy_is_right(name, len, asked, tap_random() % (asked + 1)) && right;
	}
	ok(right, "copies of names of 0 to 255 bytes, with a stated length of 0 to 255 bytes");
}

int main(void)
{
	test_ends();
	test_beginnings();
	test_copies();
	return tap_done();
}
