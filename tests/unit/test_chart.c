// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf/chart.h, chart_draw.h, chart_table.h: the plot's appearance, and its correctness (drawn.h).
 */
#include <stdlib.h>

#include "pf/chart_table.h"
#include "drawn.h"
#include "tap.h"

#define PAGE_4K 12

static bool has_line(const char *text)
{
	unsigned int i;

	for (i = 0; i < nr_lines; i++)
		if (strstr(lines[i], text))
			return true;
	printf("# missing: %s\n", text);
	show_lines();
	return false;
}

static bool lines_are(const char *const *expected, unsigned int nr)
{
	unsigned int i;
	bool same = nr_lines == nr;

	for (i = 0; i < nr && same; i++)
		same = !strcmp(lines[i], expected[i]);
	if (!same)
		show_lines();
	return same;
}

/* Scattered numbers, the same in every run, independent of earlier drawings. */
static u64 scatter(unsigned int i, u64 below)
{
	u64 x = (i + 1) * 0x9e3779b97f4a7c15;

	return ((x ^ x >> 32) * 0xd6e8feb86659fd93 >> 32) % below;
}

/* A compiler at work: it loads libraries, touches code and data, grows its heap, adds a buffer. */
static void add_compiler(void)
{
	const u64 start = 1389595218602, span = 3012345678;
	const u64 code = 0x55d3c4a1b, data = code + 7200, heap = data + 3900;
	const u64 libs = 0x7faa3b000, stack = 0x7ffd1c3a1;
	unsigned int i;

	for (i = 0; i < 60; i++)
		add(start + i * 50000, (libs + scatter(i, 700)) << PAGE_4K, PF_REGION_FILE);
	for (i = 0; i < 700; i++)
		add(start + 2000000 + scatter(i, i < 100 ? span / 8 : span * 99 / 100),
		    (code + scatter(i + 1000, i < 100 ? 1500 : 7000)) << PAGE_4K, PF_REGION_CODE);
	for (i = 0; i < 300; i++)
		add(start + 2000000 + scatter(i + 2000, span / 6),
		    (data + scatter(i + 3000, 900)) << PAGE_4K, PF_REGION_DATA);
	for (i = 0; i < 6000; i++)
		add(start + span / 10 + span * 9 / 10 * i / 7000 + (i < 3500 ? 0 : span * 9 / 70),
		    (heap + i) << PAGE_4K, PF_REGION_HEAP);
	for (i = 0; i < 1200; i++)
		add(start + span / 2 + span / 9000 * i, (libs - 1800 + i) << PAGE_4K,
		    PF_REGION_ANON);
	for (i = 0; i < 30; i++)
		add(start + scatter(i + 4000, span), (stack - i) << PAGE_4K, PF_REGION_STACK);
	add(start + 1200000, (stack + 77) << PAGE_4K, PF_REGION_SPECIAL);
}

static void test_golden(void)
{
	static const char *const expected[] = {
		"PID 4494 (cc1): 8291 page faults",
		"page number +----------------------------------------------------------------------+ count region",
		"0x7ffd1c3ee |.                                                                     |     1 special",
		"            ~~~~~~~~~~~~~~~~~~~~~~~~ 304 KiB without faults ~~~~~~~~~~~~~~~~~~~~~~~~",
		"0x7ffd1c384 |... : .    . . . .  .   .. ::: .               :    .   ..   . :.     |    30 stack",
		"            ~~~~~~~~~~~~~~~~~~~~~~~~ 332 GiB without faults ~~~~~~~~~~~~~~~~~~~~~~~~",
		"0x7faa3b14c |*                                                                     |    34 file",
		"0x7faa3b00d |*                                                                     |    26 file",
		"            ~~~~~~~~~~~~~~~~~~~~~~~ 2.39 MiB without faults ~~~~~~~~~~~~~~~~~~~~~~~~",
		"0x7faa3acfc |                                           @*                         |   172 anon",
		"0x7faa3ac51 |                                         *@                           |   171 anon",
		"0x7faa3aba5 |                                        ##                            |   172 anon",
		"0x7faa3aafa |                                       @*                             |   171 anon",
		"0x7faa3aa4e |                                     *@                               |   172 anon",
		"0x7faa3a9a3 |                                    ##                                |   171 anon",
		"0x7faa3a8f8 |                                   @*                                 |   171 anon",
		"            ~~~~~~~~~~~~~~~~~~~~~~~ 41.8 TiB without faults ~~~~~~~~~~~~~~~~~~~~~~~~",
		"0x55d3c8a8f |                                                                *@@@@@|   600 heap",
		"0x55d3c8837 |                                                           #@@@@#     |   600 heap",
		"0x55d3c85df |                                                     *@@@@@*          |   600 heap",
		"0x55d3c8387 |                                                #@@@@#                |   600 heap",
		"0x55d3c812f |                                  @@@@#        #*                     |   600 heap",
		"0x55d3c7ed7 |                            *@@@@@                                    |   600 heap",
		"0x55d3c7c7f |                       #@@@@#                                         |   600 heap",
		"0x55d3c7a27 |                 *@@@@@*                                              |   600 heap",
		"0x55d3c77cf |            #@@@@#                                                    |   600 heap",
		"0x55d3c7577 |       @@@@@*                                                         |   600 heap",
		"            ~~~~~~~~~~~~~~~~~~~~~~~ 11.7 MiB without faults ~~~~~~~~~~~~~~~~~~~~~~~~",
		"0x55d3c68dc |-------:-::.                                                          |    64 data",
		"0x55d3c67fd |+-----:--:--                                                          |    82 data",
		"0x55d3c671e |:-:-+:-+---.                                                          |    72 data",
		"0x55d3c663f |++---:-:+:--                                                          |    82 data",
		"            ~~~~~~~~~~~~~~~~~~~~~~~~ 872 KiB without faults ~~~~~~~~~~~~~~~~~~~~~~~~",
		"0x55d3c5ff1 |.:::-:.:.::::..: ..:-: :: ::.:.:: :......:. ::: .:  :..::. :..     :. |   108 code",
		"0x55d3c5a7e |:.:..: :-:::::..::.:-:::-:.:.:-:.::.::::.:.:. :.  . . .: :..:.:..: .. |   141 code",
		"0x55d3c550b |.::::.:::.--:.: .:.::.::.:.::    .-.:. :::  :. :: . ..:.:..:..: ::: : |   123 code",
		"0x55d3c4f98 |::--:::::...:::.:.:.. :::.-::.: :::: ::..:::... .  ..-.. ..  :::     .|   119 code",
		"0x55d3c4a25 |++--+++:+:::.:.-:: :-:::-:.:..-. :: :.:: ..::  .  :..     :. .:   .   |   209 code",
		"            +-----------+-----------+----------+-----------+-----------+----------++",
		"             0 s      0.5 s       1.0 s      1.5 s       2.0 s       2.5 s   3.01 s",
		"X: time since the first fault, 43.0 ms per column; Y: lowest page of each row, 4 KiB per page",
		"Faults in a cell:  . 1  : 2-4  - 5-9  + 10-19  * 20-49  # 50-99  @ 100-129",
	};

	nr_faults = 0;
	add_compiler();
	ok(chart_is_true(PAGE_4K), "a compiler: true");
	draw_titled(PAGE_4K, "PID 4494 (cc1): 8291 page faults");
	ok(lines_are(expected, ARRAY_SIZE(expected)), "a compiler: as expected");
}

static void test_few(void)
{
	static const char *const none[] = { "title", "No page faults: nothing to plot." };
	static const char *const one[] = {
		"title",
		"page number +----------------------------------------------------------------------+ count",
		"0x55d3c4a1b |*                                                                     |     1",
		"            +----------------------------------------------------------------------+",
		"             0 ns",
		"X: time since the first fault; Y: lowest page of each row, 4 KiB per page",
		"Faults in a cell:  * 1",
	};
	unsigned int i, column, sum;

	nr_faults = 0;
	draw_titled(PAGE_4K, "title");
	ok(lines_are(none, ARRAY_SIZE(none)), "no faults: a line says so");

	add(1389595218602, 0x55d3c4a1bcf8, PF_REGION_CODE);
	ok(chart_is_true(PAGE_4K) && lines_are(one, ARRAY_SIZE(one)), "one fault");

	for (nr_faults = i = 0; i < 1000; i++)
		add(1000 + i * 1000, 0x55d3c4a1b000 + i, PF_REGION_CODE);
	ok(chart_is_true(PAGE_4K) && chart->nr_rows == 1 && has_line("|  1000"),
	   "all faults on one page: one row");

	for (nr_faults = i = 0; i < 1000; i++)
		add(5000, 0x55d3c4a1b000 + ((u64)i << PAGE_4K), PF_REGION_CODE);
	for (sum = i = 0, column = 0; chart_is_true(PAGE_4K) && i < chart->nr_rows; i++)
		sum += chart->rows[i].cells[column];
	ok(sum == 1000 && has_line("             0 ns"), "all faults at one instant: one column");

	for (nr_faults = i = 0; i < 5; i++)
		add(1000 * i, (u64)(0x1000 + i) << PAGE_4K, PF_REGION_CODE);
	ok(chart_is_true(PAGE_4K) && chart->nr_rows == 5 && has_line("0x1004 |") &&
		   has_line("0x1000 |"),
	   "five pages: a row each");

	nr_faults = 0;
	add(1, 0, PF_REGION_FILE);
	add(2, 0x1000, PF_REGION_FILE);
	ok(chart_is_true(PAGE_4K) && has_line("        0x0 |"), "page 0");
}

static void test_extremes(void)
{
	static const u64 ends[] = { 1ULL << 62, (1ULL << 63) - 1, 1ULL << 63, ~0ULL };
	unsigned int i, j;
	bool right = true;

	nr_faults = 0;
	add(10, 0xffffffffff600000, PF_REGION_SPECIAL);
	add(20, ~0ULL, PF_REGION_SPECIAL);
	add(30, 0xfffffffffffff000, PF_REGION_SPECIAL);
	add(40, 0x400000, PF_REGION_CODE);
	ok(chart_is_true(PAGE_4K) && has_line("0xfffffffffffff |") && has_line("0xffffffffff600 |") &&
		   has_line("~ 16384 PiB without faults ~"),
	   "the very top of the address space");

	nr_faults = 0;
	add(0, 0, PF_REGION_CODE);
	add(1, ~0ULL, PF_REGION_CODE);
	for (i = PAGE_4K; i <= 16; i += 2)
		right = chart_is_true(i) && right;
	ok(right, "the whole address space, lowest and highest page");

	/* Every page of the top row of areas is touched, and so is the last. */
	for (nr_faults = i = 0; i < 1000; i++)
		add(i, ~0ULL - ((u64)i << PAGE_4K), PF_REGION_STACK);
	ok(chart_is_true(PAGE_4K) && chart->nr_rows == PF_CHART_ROWS &&
		   chart->rows[PF_CHART_ROWS - 1].last == ~0ULL >> PAGE_4K,
	   "an area that ends with the last page");

	for (right = true, i = 0; i < ARRAY_SIZE(ends); i++) {
		for (nr_faults = j = 0; j < 1000; j++)
			add(j == 0 ? 0 : j == 1 ? ends[i] : tap_random() % ends[i], 0x1000 * j,
			    PF_REGION_HEAP);
		right = chart_is_true(PAGE_4K) && right;
	}
	ok(right && has_line(" 18446744074 s"), "times up to 2^64 - 1 ns");
}

static void test_many(void)
{
	static u64 pages[10000];
	unsigned int i;

	for (nr_faults = i = 0; i < NR_FAULTS_MAX; i++)
		add(1000 + i * 700ULL, 0x7f0000000000 + ((u64)i << PAGE_4K), i % NR_PF_REGION);
	ok(chart_is_true(PAGE_4K) && chart->nr_rows == PF_CHART_ROWS, "1,000,000 faults in a line");

	for (i = 0; i < NR_FAULTS_MAX; i++)
		faults[i].address = 0x1000;
	faults[0].time_ns = 0;
	for (i = 1; i < NR_FAULTS_MAX; i++)
		faults[i].time_ns = ~0ULL;
	ok(chart_is_true(PAGE_4K), "1,000,000 faults, all but one in one cell");

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = tap_random() >> 17 << PAGE_4K;
	for (nr_faults = i = 0; i < ARRAY_SIZE(pages); i++)
		add(i * 1000, pages[i], PF_REGION_ANON);
	ok(chart_is_true(PAGE_4K) && chart->nr_rows == PF_CHART_ROWS, "10,000 pages far apart");

	for (i = 0; i < 100000; i++)
		add(10000000 + i * 1000, pages[tap_random() % ARRAY_SIZE(pages)], PF_REGION_ANON);
	ok(chart_is_true(PAGE_4K), "10,000 pages far apart, many times each");

	for (nr_faults = i = 0; i < 100000; i++)
		add(i * 1000, 0x10000000 + ((u64)i * 33 << PAGE_4K), PF_REGION_ANON);
	ok(chart_is_true(PAGE_4K), "every 33rd page, upwards");

	for (nr_faults = i = 0; i < 100000; i++)
		add(i * 1000, 0x7ffffffff000 - ((u64)i * 33 << PAGE_4K), PF_REGION_ANON);
	ok(chart_is_true(PAGE_4K), "every 33rd page, downwards");
}

static void test_pages(void)
{
	static const unsigned int shifts[] = { 12, 14, 16 };
	static const char *const sizes[] = { " 4 KiB per page", " 16 KiB per page", " 64 KiB per page" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		char label[32];

		nr_faults = 0;
		add_compiler();
		snprintf(label, sizeof(label), "0x%llx |", 0x55d3c7577000ULL >> shifts[i]);
		ok(chart_is_true(shifts[i]) && has_line(label) && has_line(sizes[i]), "pages of %u KiB",
		   1U << (shifts[i] - 10));
	}
}

static unsigned int rows_between(u64 first, u64 last)
{
	unsigned int i, nr = 0;

	for (i = 0; i < chart->nr_rows; i++)
		nr += chart->rows[i].first >= first && chart->rows[i].last <= last;
	return nr;
}

static void test_areas(void)
{
	unsigned int i;
	bool right;

	nr_faults = 0;
	add(0, 0x400000, PF_REGION_CODE);
	add(1000, 0x400000 + (42ULL << 40), PF_REGION_ANON);
	for (right = true, i = 12; i <= 16; i += 2)
		right = chart_is_true(i) && chart->nr_rows == 2 &&
			has_line("~ 42.0 TiB without faults ~") && right;
	ok(right, "a break states its size");

	for (nr_faults = i = 0; i < 100; i++)
		add(i, 0x400000 + (u64)(i + (i >= 50 ? 10 : 0)) * 4096, PF_REGION_CODE);
	ok(chart_is_true(PAGE_4K) && rows_between(0x400, 0x400 + 109) == PF_CHART_ROWS,
	   "a small gap is drawn, not left out");

	/* A heap of 1,000,000 pages, code of 7,000, a stack of 30, one page of vdso. */
	for (nr_faults = i = 0; i < 200000; i++)
		add(i * 100, (0x10004000ULL + tap_random() % 1000000) << PAGE_4K, PF_REGION_HEAP);
	for (i = 0; i < 700; i++)
		add(i * 1000, (0x10000000ULL + tap_random() % 7000) << PAGE_4K, PF_REGION_CODE);
	for (i = 0; i < 30; i++)
		add(i * 1000, (0x7fffff000ULL + i) << PAGE_4K, PF_REGION_STACK);
	add(0, 0x7ffffff00ULL << PAGE_4K, PF_REGION_SPECIAL);
	ok(chart_is_true(PAGE_4K) && rows_between(0x10000000, 0x10002000) >= 4 &&
		   rows_between(0x7fffff000, 0x7fffff01d) >= 1 &&
		   rows_between(0x7ffffff00, 0x7ffffff00) == 1 &&
		   rows_between(0x10004000, 0x10004000 + 1000000) >= 10,
	   "small areas are visible beside a huge one");

	for (nr_faults = i = 0; i < 25; i++)
		add(i * 1000, 0x7f0000000000 + ((u64)i << 36), PF_REGION_ANON);
	ok(chart_is_true(PAGE_4K), "more areas than the maximum");
}

static void test_times(void)
{
	static const struct {
		u64 span;
		const char *axis;
		const char *column;
	} cases[] = {
		{ 1, "             0 ns                             1 ns"
		     "                             1 ns", "first fault; " },
		{ 69, "             0 ns    10 ns     20 ns     30 ns     40 ns     50 ns"
		      "     60 ns  69 ns", "first fault; " },
		{ 7000, "             0 us   1 us      2 us      3 us      4 us      5 us"
			"      6 us  7.00 us", ", 100 ns per column; " },
		{ 9994, " 9.99 us", ", 142 ns per column; " },
		{ 9996, " 10.0 us", ", 142 ns per column; " },
		{ 99960, " 100 us", ", 1.43 us per column; " },
		{ 1500000, "             0 ms  0.2 ms   0.4 ms   0.6 ms    0.8 ms   1.0 ms"
			   "   1.2 ms     1.50 ms", ", 21.4 us per column; " },
		{ 86400000000000, "             0 s          20000 s         40000 s"
				  "         60000 s           86400 s", ", 1234 s per column; " },
	};
	unsigned int i, j;
	bool right = true;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		nr_faults = 0;
		add(77, 0x1000, PF_REGION_HEAP);
		add(77 + cases[i].span, 0x1000, PF_REGION_HEAP);
		ok(chart_is_true(PAGE_4K) && has_line(cases[i].axis) && has_line(cases[i].column),
		   "the axis of %llu ns", cases[i].span);
	}

	/* Each column is an exact number of nanoseconds, so an error of one would show. */
	for (i = 1; i <= 100; i++) {
		for (nr_faults = j = 0; j < PF_CHART_COLS * i; j++)
			add(j, 0x1000, PF_REGION_HEAP);
		right = chart_is_true(PAGE_4K) && right;
		for (j = 0; j < PF_CHART_COLS; j++)
			right = chart->rows[0].cells[j] == i && right;
	}
	ok(right, "evenly spread faults fill columns evenly");
}

static void test_glyphs(void)
{
	static const u32 peaks[] = { 1, 2, 3, 9, 10, 99, 999, 1000, 29999, 30000, 999000 };
	unsigned int i;
	u32 j;

	for (i = 0; i < ARRAY_SIZE(peaks); i++) {
		/* Cells of 1, 2, 4, 8 ... faults, and the fullest. */
		nr_faults = 0;
		for (j = 1; j < peaks[i] && 2 * j + peaks[i] < NR_FAULTS_MAX; j *= 2)
			while (nr_faults < 2 * j - 1)
				add(fls64(j), 0x1000, PF_REGION_HEAP);
		for (j = 0; j < peaks[i]; j++)
			add(69, 0x1000, PF_REGION_HEAP);
		add(0, 0x1000, PF_REGION_HEAP);
		ok(chart_is_true(PAGE_4K) && (peaks[i] == 1 || has_line("@|")),
		   "glyphs up to %u faults in a cell", peaks[i]);
	}
}

static void test_text(void)
{
	char title[300];
	unsigned int i;

	nr_faults = 0;
	memset(title, 'x', sizeof(title) - 1);
	title[sizeof(title) - 1] = 0;
	draw_titled(PAGE_4K, title);
	ok(lines_fit && strlen(lines[0]) == PF_CHART_LINE_MAX, "a title that is too long is cut off");
	draw_titled(PAGE_4K, "a\tb\n\xc3\xa4 \x7f  ");
	ok(!strcmp(lines[0], "a?b??? ?"), "a title with characters other than ASCII");

	for (nr_faults = i = 0; i < 30; i++)
		add(i, 0x10000 + 0x1000 * (i / 10), i < 10 ? PF_REGION_CODE : PF_REGION_DATA);
	add(30, 0x10000, PF_REGION_DATA);
	ok(chart_is_true(PAGE_4K) && has_line("+ count region") && has_line("|    11 code+data") &&
		   has_line("|    10 data"),
	   "regions of a row");

	/* Beside usual labels as many as fit; beside the widest none. */
	for (nr_faults = i = 0; i < 700000; i++)
		add(i, 0x7ffff7ff0000, i % NR_PF_REGION);
	ok(chart_is_true(PAGE_4K) && has_line("| 700000 code+"), "regions that don't all fit");
	for (nr_faults = i = 0; i < 700000; i++)
		add(i, ~0ULL - 0x1000 * (i & 1), i % NR_PF_REGION);
	ok(chart_is_true(PAGE_4K) && has_line("@| 350000"), "regions for which there is no room");
}

static void test_unsurveyed(void)
{
	struct pf_fault f = { .time_ns = 500, .address = 0 };
	unsigned int i, nr_plotted = 0;
	bool refused = true;

	pf_chart_init(chart, PAGE_4K);
	ok(!pf_chart_plot(chart, &f), "not surveyed: no layout yet");
	pf_chart_layout(chart);
	ok(!pf_chart_plot(chart, &f), "not surveyed: nothing was");

	nr_faults = 0;
	add(1000, 0x400000, PF_REGION_CODE);
	add(2000, 0x400000, PF_REGION_CODE);
	add(2000, 0x7f0000000000, PF_REGION_FILE);
	draw_titled(PAGE_4K, "title");
	f.address = 0x400000;
	f.time_ns = 999;
	refused = !pf_chart_plot(chart, &f) && refused;
	f.time_ns = 2001;
	refused = !pf_chart_plot(chart, &f) && refused;
	f.time_ns = 0;
	refused = !pf_chart_plot(chart, &f) && refused;
	f.time_ns = ~0ULL;
	refused = !pf_chart_plot(chart, &f) && refused;
	ok(refused, "not surveyed: before or after the others");
	f.time_ns = 1500;
	for (refused = true, i = 0; i < 64; i++) {
		f.address = (1ULL << i) - 1;
		refused = !pf_chart_plot(chart, &f) && refused;
	}
	f.address = ~0ULL;
	ok(!pf_chart_plot(chart, &f) && refused, "not surveyed: at other addresses");
	ok(cells_are_right(), "not surveyed: leaves no trace");

	nr_faults = 0;
	add_compiler();
	draw_titled(PAGE_4K, "title");
	for (i = 0; i < 100000; i++) {
		f.time_ns = tap_random() >> tap_random() % 64;
		f.address = tap_random() >> tap_random() % 64;
		nr_plotted += pf_chart_plot(chart, &f);
	}
	f.time_ns = faults[0].time_ns;
	f.address = faults[0].address;
	ok(pf_chart_plot(chart, &f) && !nr_plotted, "not surveyed: 100000 random faults");
}

static void test_order(void)
{
	static char before[NR_LINES_MAX][PF_CHART_LINE_MAX + 1];
	unsigned int nr_before;
	bool same = true;
	size_t i, j;

	nr_faults = 0;
	add_compiler();
	draw_titled(PAGE_4K, "title");
	memcpy(before, lines, sizeof(lines));
	nr_before = nr_lines;
	for (j = 0; j < 20; j++) {
		for (i = nr_faults - 1; i; i--) {
			size_t other = tap_random() % (i + 1);
			struct pf_fault f = faults[i];

			faults[i] = faults[other];
			faults[other] = f;
		}
		same = draw_titled(PAGE_4K, "title") && same;
		same = nr_before == nr_lines && same;
		for (i = 0; i < nr_lines; i++)
			same = !strcmp(before[i], lines[i]) && same;
	}
	ok(same, "the order of the faults makes no difference");
}

static void test_random(void)
{
	const unsigned int nr_rounds = 500;
	unsigned int i, round, nr_right = 0;

	for (round = 0; round < nr_rounds; round++) {
		const unsigned int nr_areas = 1 + tap_random() % (round % 10 ? 20 : 400);
		const unsigned int nr = tap_random() % 3000;
		const u64 span = (tap_random() >> tap_random() % 64) | 1;
		const u64 start = tap_random() % (~0ULL - span + 1 ? ~0ULL - span + 1 : 1);
		u64 base[400], size[400];

		for (i = 0; i < nr_areas; i++) {
			base[i] = tap_random() >> tap_random() % 64;
			size[i] = (tap_random() >> (24 + tap_random() % 40)) + 1;
		}
		nr_faults = 0;
		for (i = 0; i <= nr; i++) {
			const unsigned int area = tap_random() % nr_areas;

			/* Beyond the top it continues at 0. */
			add(start + tap_random() % span, base[area] + tap_random() % size[area],
			    area % NR_PF_REGION);
		}
		nr_right += chart_is_true(12 + round % 3 * 2);
	}
	ok(nr_right == nr_rounds, "random faults: %u charts of %u are true", nr_right, nr_rounds);
}

static void test_table(void)
{
	static const char *const expected[] = {
		"region      faults    share   lowest page  highest page  first fault  last fault",
		"code           700    8.8 %   0x55d3c4a25   0x55d3c6564      2.18 ms      2.98 s",
		"data             0",
		"heap          6000   75.1 %   0x55d3c7577   0x55d3c8ce6       301 ms      3.01 s",
		"stack           30    0.4 %   0x7ffd1c384   0x7ffd1c3a1      32.9 ms      2.76 s",
		"file            60    0.8 %   0x7faa3b00d   0x7faa3b28b         0 ns     2.95 ms",
		"anon          1200   15.0 %   0x7faa3a8f8   0x7faa3ada7       1.51 s      1.91 s",
		"special          1    0.0 %   0x7ffd1c3ee   0x7ffd1c3ee      1.20 ms     1.20 ms",
		"all           7991",
	};
	static const struct pf_chart_results results[NR_PF_REGION] = {
		[PF_REGION_CODE] = { 650, 50 },
		[PF_REGION_HEAP] = { 6000, 0 },
		[PF_REGION_ANON] = { 10000000000, 123456789 },
	};
	struct pf_chart *charts = malloc(NR_PF_REGION * sizeof(*charts));
	unsigned int i;

	nr_faults = 0;
	add_compiler();
	for (i = 0; i < NR_PF_REGION; i++)
		pf_chart_init(&charts[i], PAGE_4K);
	pf_chart_draw_table(charts, NULL, keep_line, NULL);
	for (i = 0; i < nr_faults; i++)
		/* A region without faults. */
		if (faults[i].region != PF_REGION_DATA)
			pf_chart_survey(&charts[faults[i].region], &faults[i]);
	for (i = 0; i < NR_PF_REGION; i++)
		pf_chart_layout(&charts[i]);
	nr_lines = 0;
	pf_chart_draw_table(charts, NULL, keep_line, NULL);
	ok(lines_are(expected, ARRAY_SIZE(expected)), "the table of regions");
	nr_lines = 0;
	pf_chart_draw_table(charts, results, keep_line, NULL);
	ok(lines_fit && !strcmp(lines[0], "region      faults      minor    major    share   "
					  "lowest page  highest page  first fault  last fault") &&
	   !strcmp(lines[1], "code           700        650       50    8.8 %   "
			     "0x55d3c4a25   0x55d3c6564      2.18 ms      2.98 s") &&
	   !strcmp(lines[8], "all           7991 10000006650 123456839"), "with results");
	free(charts);
}

int main(void)
{
	/* The exact size, so that ASan finds writes behind it. */
	chart = malloc(sizeof(*chart));
	test_golden();
	test_few();
	test_extremes();
	test_many();
	test_pages();
	test_areas();
	test_times();
	test_glyphs();
	test_text();
	test_unsurveyed();
	test_order();
	test_random();
	test_table();
	free(chart);
	return tap_done();
}
