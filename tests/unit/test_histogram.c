// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf/histogram.h: each latency is in its row, the counts are right, at most 20 lines are printed.
 */
#include <stdlib.h>

#include "pf/histogram.h"
#include "tap.h"

#define NR_LINES_MAX 64

static struct pf_histogram h;
static char lines[NR_LINES_MAX][PF_CHART_LINE_MAX + 1];
static unsigned int nr_lines;

static void keep_line(void *ctx, const char *line)
{
	(void)ctx;
	if (nr_lines < NR_LINES_MAX)
		strcpy(lines[nr_lines], line);
	nr_lines++;
}

static void draw(void)
{
	unsigned int i;

	nr_lines = 0;
	pf_histogram_draw(&h, keep_line, NULL);
	for (i = 0; i < nr_lines && i < NR_LINES_MAX; i++)
		printf("# %s\n", lines[i]);
}

static bool line_is(unsigned int i, const char *expected)
{
	return i < nr_lines && !strcmp(lines[i], expected);
}

static void test_rows(void)
{
	unsigned int i;

	memset(&h, 0, sizeof(h));
	draw();
	ok(nr_lines == 1 && line_is(0, "Latency of page faults: 0 minor, 0 major, 0 failed"),
	   "no faults: no rows");

	for (i = 0; i < 76; i++)
		pf_histogram_add(&h, PF_RESULT_MINOR, 512);
	pf_histogram_add(&h, PF_RESULT_MINOR, 1023);
	pf_histogram_add(&h, PF_RESULT_MAJOR, 1024);
	for (i = 0; i < 39; i++)
		pf_histogram_add(&h, PF_RESULT_MAJOR, 50000000);
	draw();
	ok(line_is(0, "Latency of page faults: 77 minor, 40 major, 0 failed"), "the sums");
	ok(line_is(1, "    from     below       minor     major"), "the head");
	ok(line_is(2, "  512 ns - 1.02 us          77         0  |"
		      "######################################"),
	   "a row includes both ends, and the longest bar has its full length");
	ok(line_is(3, " 1.02 us - 2.05 us           0         1  |#"), "a single fault is visible");
	ok(line_is(4, " 33.6 ms - 67.1 ms           0        39  |####################") &&
	   nr_lines == 5, "rows without faults are left out");

	pf_histogram_add(&h, PF_RESULT_SIGBUS, 0);
	draw();
	ok(line_is(1, "    from     below       minor     major    failed"), "a column of failed faults");
	ok(line_is(2, "    0 ns -    1 ns           0         0         1  |#"), "0 ns has a row");
}

static void test_limits(void)
{
	struct pf_histogram other;
	unsigned int i;
	u64 sum = 0;

	memset(&h, 0, sizeof(h));
	for (i = 0; i < PF_HISTOGRAM_BUCKETS - 1; i++)
		pf_histogram_add(&h, i % 2 ? PF_RESULT_MAJOR : PF_RESULT_MINOR, 1ULL << i);
	pf_histogram_add(&h, PF_RESULT_MINOR, PF_LATENCY_MAX_NS);
	draw();
	ok(nr_lines == 20, "all possible latencies: %u lines", nr_lines);
	ok(!strncmp(lines[2], "    0 ns -", 10), "their first row begins at 0");
	for (i = 2; i < nr_lines; i++) {
		unsigned long long minor, major;

		if (sscanf(strchr(lines[i], '-') + 1, "%*s %*s %llu %llu", &minor, &major) == 2)
			sum += minor + major;
	}
	ok(sum == PF_HISTOGRAM_BUCKETS, "none of their faults is missing: %llu", sum);

	other = h;
	pf_histogram_merge(&h, &other);
	ok(pf_histogram_sum(h.nr_minor) == 2 * pf_histogram_sum(other.nr_minor) &&
	   pf_histogram_sum(h.nr_major) == 2 * pf_histogram_sum(other.nr_major), "two made one");

	for (i = 0; i < PF_HISTOGRAM_BUCKETS; i++)
		h.nr_failed[i] = 1ULL << 40;
	draw();
	for (sum = 0, i = 0; i < nr_lines; i++)
		sum = max(sum, (u64)strlen(lines[i]));
	ok(sum <= PF_CHART_LINE_MAX && nr_lines == 20, "many faults: no line over %d columns: %llu",
	   PF_CHART_LINE_MAX, sum);
}

int main(void)
{
	test_rows();
	test_limits();
	return tap_done();
}
