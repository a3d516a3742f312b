// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf/fault.h, pf/fault_line.h: a fault's record and line; its numbers compared with printf().
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "pf/fault_line.h"
#include "tap.h"

#define NR_RANDOM 100000

/* On the heap, with the exact size plus the slack, so that ASan finds an overrun of one byte. */
static bool dec_is_right(u64 value, unsigned int width)
{
	char expected[64];
	size_t len = snprintf(expected, sizeof(expected), "%*llu", (int)width, value);
	char *buf = malloc(len + PF_PUT_SLACK);
	bool right = pf_put_dec(buf, value, width) == buf + len && !memcmp(buf, expected, len);

	if (!right)
		printf("# %llu with width %u\n", value, width);
	free(buf);
	return right;
}

static bool hex_is_right(u64 value)
{
	char expected[64];
	size_t len = snprintf(expected, sizeof(expected), "0x%llx", value);
	char *buf = malloc(len + PF_PUT_SLACK);
	bool right = pf_put_hex(buf, value) == buf + len && !memcmp(buf, expected, len);

	if (!right)
		printf("# 0x%llx\n", value);
	free(buf);
	return right;
}

static void test_numbers(void)
{
	static const unsigned int widths[] = { 0, 1, 2, 4, 7, 8 };
	bool dec = true, hex = true, padded = true;
	unsigned int i, j;
	u64 power;

	for (power = 1, i = 0; i < 20; i++, power *= 10) {
		dec = dec_is_right(power - 1, 0) && dec_is_right(power, 0) &&
		      dec_is_right(power + 1, 0) && dec_is_right(9 * power, 0) && dec;
		for (j = 0; j < ARRAY_SIZE(widths); j++)
			padded = dec_is_right(power, widths[j]) && padded;
	}
	ok(dec, "decimal: around each power of ten");
	ok(padded, "decimal: padded to a width, or longer than it");
	ok(dec_is_right(0, 0) && dec_is_right(0, 8), "decimal: 0");
	ok(dec_is_right(~0ULL, 0) && dec_is_right(~0ULL, 8), "decimal: the biggest number");

	for (i = 0; i < 64; i++)
		hex = hex_is_right((1ULL << i) - 1) && hex_is_right(1ULL << i) && hex;
	ok(hex, "hexadecimal: around each power of two");
	ok(hex_is_right(0) && hex_is_right(~0ULL), "hexadecimal: 0 and the biggest number");

	for (dec = hex = true, i = 0; i < NR_RANDOM; i++) {
		u64 value = tap_random() >> tap_random() % 64;

		dec = dec_is_right(value, tap_random() % 9) && dec;
		hex = hex_is_right(value) && hex;
	}
	ok(dec, "decimal: %d random numbers", NR_RANDOM);
	ok(hex, "hexadecimal: %d random numbers", NR_RANDOM);
}

static bool line_is(const struct pf_fault *f, const struct pf_context *c, const char *expected)
{
	/* The exact size, as above: a longer line would not fit. */
	size_t size = PF_FAULT_LINE_MAX + c->map_len;
	char *buf = malloc(size);
	size_t len = pf_fault_format(buf, size, f, c);
	bool same = len == strlen(expected) && !memcmp(buf, expected, len);

	if (!same)
		printf("# got      %.*s# expected %s", (int)len, buf, expected);
	free(buf);
	return same;
}

static void test_lines(void)
{
	static const struct pf_fault usual = {
		.time_ns = 1389595218602,
		.address = 0x7faa3b0fccf8,
		.ip = 0x55f3920ce1b5,
		.tid = 4497,
		.access = PF_ACCESS_WRITE,
		.mode = PF_MODE_USER,
		.region = PF_REGION_HEAP,
	};
	static const struct pf_context usual_context = { .pid = 4494, .cpu = 1 };
	static const struct pf_fault nothing = { .time_ns = 0 };
	static const struct pf_context no_context = { .pid = 1 };
	static const struct pf_fault most = {
		.time_ns = ~0ULL,
		.address = ~0ULL,
		.ip = ~0ULL,
		.tid = (1 << PF_PID_BITS) - 1,
		.tries = PF_TRIES_MAX,
		.result = PF_RESULT_HWPOISON,
		.access = PF_ACCESS_WRITE,
		.mode = PF_MODE_KERNEL,
		.region = PF_REGION_SPECIAL,
		.kind = PF_KIND_SHARED | PF_KIND_HUGETLB,
	};
	char name[4097], expected[5000];
	struct pf_context most_context = {
		.pid = ~0U,
		.cpu = ~0U,
		.latency_ns = PF_LATENCY_MAX_NS,
		.map = name,
		.map_len = sizeof(name) - 1,
		.offset = ~1ULL,
	};
	struct pf_fault file = usual;
	struct pf_context file_context = usual_context;

	ok(line_is(&usual, &usual_context,
		   "PID =     4494 Page Fault at Address 0x7faa3b0fccf8 at Time 1389595218602 "
		   "tid=4497 cpu=1 ip=0x55f3920ce1b5 access=write mode=user region=heap "
		   "map=[heap]\n"),
	   "an ordinary line");
	ok(line_is(&nothing, &no_context,
		   "PID =        1 Page Fault at Address 0x0 at Time 0 "
		   "tid=0 cpu=0 ip=0x0 access=read mode=user region=code map=?\n"),
	   "all fields 0");

	file.region = PF_REGION_FILE;
	file.kind = PF_KIND_COW;
	file_context.map = "/a/b";
	file_context.map_len = 4;
	file_context.offset = 0;
	ok(line_is(&file, &file_context,
		   "PID =     4494 Page Fault at Address 0x7faa3b0fccf8 at Time 1389595218602 "
		   "tid=4497 cpu=1 ip=0x55f3920ce1b5 access=write mode=user region=file kind=cow "
		   "map=/a/b offset=0x0\n"),
	   "in a file, at offset 0");
	file.kind = 0;
	file.result = PF_RESULT_MAJOR;
	file.tries = 2;
	file_context.latency_ns = 50000001;
	file_context.offset = PF_NO_OFFSET;
	ok(line_is(&file, &file_context,
		   "PID =     4494 Page Fault at Address 0x7faa3b0fccf8 at Time 1389595218602 "
		   "tid=4497 cpu=1 ip=0x55f3920ce1b5 access=write mode=user region=file result=major "
		   "latency_ns=50000001 tries=2 map=/a/b\n"),
	   "with a result, without an offset");

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	snprintf(expected, sizeof(expected),
		 "PID = 4294967295 Page Fault at Address 0xffffffffffffffff "
		 "at Time 18446744073709551615 tid=4194303 cpu=4294967295 "
		 "ip=0xffffffffffffffff access=write mode=kernel region=special "
		 "kind=shared,hugetlb result=hwpoison latency_ns=4398046511103 tries=63 "
		 "map=%s offset=0xfffffffffffffffe\n", name);
	ok(line_is(&most, &most_context, expected), "the longest value in each field");
}

/* Each value in turn: its word, and never a line longer than PF_FAULT_LINE_MAX. */
static void test_names(void)
{
	static const char *const access[] = { "read", "write", "exec" };
	static const char *const mode[] = { "user", "kernel", "gup", "remote" };
	static const char *const region[] = { "code", "data", "heap",	 "stack",
					      "file", "anon", "special" };
	static const char *const map[] = { "?", "anon", "[heap]", "[stack]", "?", "anon", "[vdso]" };
	static const char *const result[] = { "minor", "major",	   "sigbus", "sigsegv",
					      "oom",   "hwpoison", "error" };
	static const struct pf_context context = {
		.pid = ~0U, .cpu = ~0U, .latency_ns = ~0ULL,
	};
	char line[PF_FAULT_LINE_MAX + 1], expected[200];
	unsigned int a, m, r, o;
	size_t longest = 0;
	bool right = true;

	for (a = 0; a < NR_PF_ACCESS; a++) {
		for (m = 0; m < NR_PF_MODE; m++) {
			for (r = 0; r < NR_PF_REGION; r++) {
				for (o = 0; o < NR_PF_RESULT; o++) {
					struct pf_fault f = {
						.time_ns = ~0ULL, .address = ~0ULL, .ip = ~0ULL,
						.access = a,	  .mode = m,	    .region = r,
						.result = o,	  .tries = 63,	    .tid = 4194303,
					};
					size_t len = pf_fault_format(line, sizeof(line), &f, &context);

					longest = max(longest, len);
					line[len] = 0;
					snprintf(expected, sizeof(expected),
						 " access=%s mode=%s region=%s%s%s%s map=%s\n",
						 access[a], mode[m], region[r], o ? " result=" : "",
						 o ? result[o - 1] : "",
						 o ? " latency_ns=18446744073709551615 tries=63" :
						     "", map[r]);
					right = strstr(line, expected) && right;
				}
			}
		}
	}
	ok(right, "the name of each access, mode, region and result");
	ok(longest <= PF_FAULT_LINE_MAX, "the longest line, %zu bytes, fits in %d", longest,
	   PF_FAULT_LINE_MAX);
}

/* The longest possible line, in buffers of all sizes, with names of any length. */
static void test_sizes(void)
{
	static const struct pf_fault f = {
		.time_ns = ~0ULL, .address = ~0ULL,	 .ip = ~0ULL,
		.tries = 63,	  .tid = 4194303,	 .result = PF_RESULT_HWPOISON,
		.access = 1,	  .mode = PF_MODE_KERNEL, .region = PF_REGION_SPECIAL,
		.kind = PF_KIND_SHARED | PF_KIND_HUGETLB,
	};
	static const char end[] = " offset=0xfffffffffffffffe\n";
	static char name[20000];
	struct pf_context c = {
		.pid = ~0U, .cpu = ~0U, .latency_ns = ~0ULL, .map = name, .offset = ~1ULL,
	};
	bool whole = true, cut = true, none = true;
	size_t size, i;

	for (i = 0; i < sizeof(name); i++)
		name[i] = "\\012"[i % 4];
	for (i = 0; i < 2000; i++) {
		char *buf, *map;
		size_t len;

		/* Names that consist of escapes; testing each size with others would take too long. */
		c.map_len = tap_random() % (sizeof(name) / 4 + 1) * 4;
		size = i < 1000 ? i : tap_random() % 6000;
		buf = malloc(size);
		len = pf_fault_format(buf, size, &f, &c);
		if (size < PF_FAULT_LINE_MAX) {
			none = !len && none;
			free(buf);
			continue;
		}
		map = memmem(buf, len, " map=", 5);
		whole = len <= size && map && buf[len - 1] == '\n' &&
			memmem(map, buf + len - map, end, strlen(end)) && whole;
		if (map && c.map_len > size - PF_FAULT_LINE_MAX)
			cut = !memcmp(map + 5, "...", 3) && (map[8] == '\\' || map[8] == ' ') && cut;
		free(buf);
	}
	ok(none, "no line in a buffer of less than %d bytes", PF_FAULT_LINE_MAX);
	ok(whole, "a whole line in any other, with names of up to %zu bytes", sizeof(name));
	ok(cut, "of a name that is cut the end is kept, beginning with a whole escape");
}

/* The words that the fault path stores, compared with the fields. */
static void test_words(void)
{
	struct pf_fault f = { .time_ns = 0 };
	struct pf_extra extra;

	f.what = pf_what(PF_ACCESS_EXEC, PF_MODE_REMOTE, PF_KIND_SHARED | PF_KIND_HUGETLB,
			 PF_REGION_SPECIAL, 0xfffe);
	ok(f.access == PF_ACCESS_EXEC && f.mode == PF_MODE_REMOTE && f.kind == 6 &&
	   f.region == PF_REGION_SPECIAL && f.map == 0xfffe, "a fault's kind, in one word");
	f.thread = 4194303 | pf_end_bits(PF_TRIES_MAX, PF_RESULT_ERROR);
	ok(f.tid == 4194303 && f.tries == PF_TRIES_MAX && f.result == PF_RESULT_ERROR,
	   "thread, tries and result, in one word");
	f.thread = 17;
	ok(f.tid == 17 && !f.tries && f.result == PF_RESULT_NONE, "the same without a result");
	extra.word = pf_extra_word(PF_LATENCY_MAX_NS, 4194302);
	ok(extra.latency_ns == PF_LATENCY_MAX_NS && extra.pid == 4194302,
	   "latency and process, in one word");
}

int main(void)
{
	ok(sizeof(struct pf_fault) == 32, "a record takes %zu bytes, 32 wanted",
	   sizeof(struct pf_fault));
	ok(sizeof(struct pf_extra) == 8, "and %zu more with results or children, 8 wanted",
	   sizeof(struct pf_extra));
	test_numbers();
	test_lines();
	test_names();
	test_sizes();
	test_words();
	return tap_done();
}
