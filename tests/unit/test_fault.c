// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf/fault.h: a fault's line of text, and the numbers in it against printf().
 */
#include <stdlib.h>

#include "pf/fault.h"
#include "tap.h"

#define NR_RANDOM 100000

/* On the heap and of the exact size, with the slack, so that ASan sees a byte too many. */
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

static bool line_is(const struct pf_fault *f, u32 pid, const char *expected)
{
	/* Of the exact size, as above; a line that were longer would have no room. */
	char *buf = malloc(PF_FAULT_LINE_MAX);
	size_t len = pf_fault_format(buf, f, pid);
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
		.cpu = 1,
		.access = PF_ACCESS_WRITE,
		.mode = PF_MODE_USER,
		.region = PF_REGION_HEAP,
	};
	static const struct pf_fault nothing = { .time_ns = 0 };
	static const struct pf_fault most = {
		.time_ns = ~0ULL,
		.address = ~0ULL,
		.ip = ~0ULL,
		.tid = ~0U,
		.cpu = 0xffff,
		.access = PF_ACCESS_WRITE,
		.mode = PF_MODE_KERNEL,
		.region = PF_REGION_SPECIAL,
	};

	ok(line_is(&usual, 4494,
		   "PID =     4494 Page Fault at Address 0x7faa3b0fccf8 at Time 1389595218602 "
		   "tid=4497 cpu=1 ip=0x55f3920ce1b5 access=write mode=user region=heap\n"),
	   "a usual line");
	ok(line_is(&nothing, 1,
		   "PID =        1 Page Fault at Address 0x0 at Time 0 "
		   "tid=0 cpu=0 ip=0x0 access=read mode=user region=code\n"),
	   "all fields 0");
	ok(line_is(&most, ~0U,
		   "PID = 4294967295 Page Fault at Address 0xffffffffffffffff "
		   "at Time 18446744073709551615 tid=4294967295 cpu=65535 "
		   "ip=0xffffffffffffffff access=write mode=kernel region=special\n"),
	   "the longest value in each field");
}

/* Each value in turn: its word, and never a line longer than PF_FAULT_LINE_MAX. */
static void test_names(void)
{
	static const char *const access[] = { "read", "write", "exec" };
	static const char *const mode[] = { "user", "kernel", "gup", "remote" };
	static const char *const region[] = { "code", "data", "heap",	 "stack",
					      "file", "anon", "special" };
	char line[PF_FAULT_LINE_MAX + 1], expected[100];
	unsigned int a, m, r;
	size_t longest = 0;
	bool right = true;

	for (a = 0; a < NR_PF_ACCESS; a++) {
		for (m = 0; m < NR_PF_MODE; m++) {
			for (r = 0; r < NR_PF_REGION; r++) {
				struct pf_fault f = {
					.time_ns = ~0ULL, .address = ~0ULL, .ip = ~0ULL,
					.tid = ~0U,	  .cpu = 0xffff,    .access = a,
					.mode = m,	  .region = r,
				};
				size_t len = pf_fault_format(line, &f, ~0U);

				longest = max(longest, len);
				line[len] = 0;
				snprintf(expected, sizeof(expected), " access=%s mode=%s region=%s\n",
					 access[a], mode[m], region[r]);
				right = strstr(line, expected) && right;
			}
		}
	}
	ok(right, "the name of each access, mode and region");
	ok(longest <= PF_FAULT_LINE_MAX, "the longest line, %zu bytes, fits in %d", longest,
	   PF_FAULT_LINE_MAX);
}

int main(void)
{
	ok(sizeof(struct pf_fault) <= 40, "a record takes %zu bytes, at most 40",
	   sizeof(struct pf_fault));
	test_numbers();
	test_lines();
	test_names();
	return tap_done();
}
