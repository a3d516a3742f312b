// SPDX-License-Identifier: GPL-2.0-or-later
/* The live view's numbers and lines, from lines of faults. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#include "pf_user/activity.c"
#include "pf_user/fault.c"
#include "pf_user/latency.c"
#include "pf_user/names.c"
#include "pf_user/say.c"
#include "pf_user/stop.c"
#include "pf_user/view.c"

#define MS 1000000ULL

struct options opt;

static struct stream stream = {
	.path = "/proc/pf_probe_B", .pid = "4494", .comm = "my\\040prog",
};

/* To be freed by the caller. */
static char *shown(const struct activity *a, unsigned int columns, unsigned int rows, u64 moment_ms)
{
	struct view view = {
		.columns = columns, .rows = rows,
		.moment_ns = moment_ms * MS, .running_ns = 7 * 1000 * MS,
	};
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	view_put(to, &view, &stream, a);
	fclose(to);
	return text;
}

static void is_text(char *got, const char *want, const char *name)
{
	if (!ok(!strcmp(got, want), "%s", name))
		printf("# got:\n%s# wanted:\n%s", got, want);
	free(got);
}

static void add(struct activity *a, const char *line)
{
	struct fault fault = { 0 };
	size_t len = strlen(line);
	char *copy = calloc(1, len + FAULT_SLACK);

	memcpy(copy, line, len);
	if (!fault_parse(&fault, copy, len))
		abort();
	activity_add(a, &fault);
	free(copy);
}

/* As the modules with outcome=1 write it. */
static void add_fault(struct activity *a, u64 end_ns, unsigned int tid, const char *region,
		      const char *result, u64 latency_ns, const char *map)
{
	char line[8192];

	snprintf(line, sizeof(line), "PID =     4494 Page Fault at Address 0x7f0000001000 at Time "
		 "%llu tid=%u cpu=1 ip=0x401000 access=read mode=user region=%s result=%s "
		 "latency_ns=%llu tries=1 map=%s offset=0x1000\n", end_ns - latency_ns, tid, region,
		 result, latency_ns, map);
	add(a, line);
}

static void test_percentiles(void)
{
	struct latency l = { 0 };
	bool near = true, in_order = true;
	u64 before = 0;

	ok(latency_percentile(&l, 50) == 0, "a percentile of nothing");
	for (int i = 0; i < 99; i++)
		latency_add(&l, 1000);
	latency_add(&l, 1000000);
	ok(latency_percentile(&l, 50) == 960, "the median, in the middle of its bucket");
	ok(latency_percentile(&l, 99) == 960, "99 of 100 are 99 percent");
	latency_add(&l, 1000000);
	ok(latency_percentile(&l, 99) == 983040, "99 of 101 are not");
	for (int i = 0; i < 1000; i++) {
		u64 ns = tap_random() >> (tap_random() % 64), got;

		l = (struct latency) { 0 };
		latency_add(&l, ns);
		got = latency_percentile(&l, 50);
		near &= (got > ns ? got - ns : ns - got) <= ns / 8 + 1;
	}
	ok(near, "each time is shown within an eighth");
	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++) {
		in_order &= bucket_of(bucket_ns(i)) == i && (!i || bucket_ns(i) > before);
		before = bucket_ns(i);
	}
	ok(in_order && bucket_of(~0ULL) == LATENCY_BUCKETS - 1, "buckets cover all times, in order");
}

/* 65 faults in two seconds, and one before. */
static void test_numbers(void)
{
	struct activity a;

	activity_init(&a, 1000 * MS);
	add_fault(&a, 999 * MS, 4494, "heap", "minor", 1000, "[heap]");
	for (int i = 0; i < 60; i++)
		add_fault(&a, 1500 * MS, 4494, "heap", "minor", 1000, "[heap]");
	for (int i = 0; i < 4; i++)
		add_fault(&a, 1600 * MS, 4500, "file", "major", 50 * MS, "/usr/lib/libc.so.6");
	add_fault(&a, 1700 * MS, 4500, "file", "sigbus", 20 * MS, "/tmp/gone");
	stream.sum.dropped = 3;
	is_text(shown(&a, 79, 24, 2000),
		"pf_probe_B of PID 4494 (my\\040prog), running, for 7 s\n"
		"66 faults: 61 minor, 4 major, 1 failed; 1 of them before; LOST 3\n"
		"faults/s  minor/s   p50   p99  major/s   p50   p99  time\n"
		"      32       30 960ns 960ns        2  46ms  46ms   11%  all\n"
		"by region:\n"
		"     2.5        0     -     -        2  46ms  46ms   11%  file\n"
		"      30       30 960ns 960ns        0     -     -    0%  heap\n"
		"by mapping:\n"
		"       2        0     -     -        2  46ms  46ms   10%  /usr/lib/libc.so.6\n"
		"     0.5        0     -     -        0     -     -    1%  /tmp/gone\n"
		"      30       30 960ns 960ns        0     -     -    0%  [heap]\n"
		"by thread:\n"
		"     2.5        0     -     -        2  46ms  46ms   11%  tid 4500\n"
		"      30       30 960ns 960ns        0     -     -    0%  tid 4494\n",
		"faults a second, kinds, percentiles, time: of all, regions, mappings, threads");
	stream.sum.dropped = 0;
	add_fault(&a, 999 * MS, 4500, "file", "postponed", 1, "/tmp/gone");
	is_text(shown(&a, 79, 2, 2000),
		"pf_probe_B of PID 4494 (my\\040prog), running, for 7 s\n"
		"67 faults: 61 minor, 4 major, 1 failed, 1 unknown; 2 of them before\n",
		"an unknown result does not count as failed");
	a.nr_faults--, a.nr_new--, a.nr_earlier--;
	is_text(shown(&a, 50, 8, 2000),
		"pf_probe_B of PID 4494 (my\\040prog), running, for \n"
		"66 faults: 61 minor, 4 major, 1 failed; 1 of them \n"
		"faults/s  minor/s  major/s\n"
		"      32       30        2  all\n"
		"by mapping, 1 of 3:\n"
		"       2        0        2  /usr/lib/libc.so.6\n"
		"by thread, 1 of 2:\n"
		"     2.5        0        2  tid 4500\n",
		"a small terminal shows a part");
	activity_clear(&a);
	is_text(shown(&a, 79, 24, 1000),
		"pf_probe_B of PID 4494 (my\\040prog), running, for 7 s\n"
		"66 faults: 61 minor, 4 major, 1 failed; 1 of them before\n"
		"faults/s  minor/s   p50   p99  major/s   p50   p99  time\n"
		"       0        0     -     -        0     -     -    0%  all\n"
		"by region:\nby mapping:\nby thread:\n",
		"a second without a fault");
	activity_free(&a);
}

static void test_lines_that_tell_less(void)
{
	struct activity a;

	activity_init(&a, 0);
	add(&a, "PID = 1 Page Fault at Address 0x1 at Time 1\n");
	add(&a, "PID = 1 Page Fault at Address 0x1 at Time 1 tid=7 region=heap map=[heap]\n");
	add(&a, "PID = 1 Page Fault at Address 0x1 at Time 1 tid=7 region=odd map=\n");
	is_text(shown(&a, 79, 24, 1000),
		"pf_probe_B of PID 4494 (my\\040prog), running, for 7 s\n"
		"3 faults\n"
		"faults/s\n"
		"       3  all\n"
		"by region:\n"
		"       1  heap\n"
		"       1  other\n"
		"by mapping:\n"
		"       1  [heap]\n"
		"by thread:\n"
		"       2  tid 7\n",
		"without results, and lines of 2020");
	activity_free(&a);
}

/* Only printable ASCII, and no more than fits. */
static bool fits(const char *text, unsigned int columns, unsigned int rows)
{
	unsigned int nr_columns = 0, nr_rows = 0;

	for (; *text; text++) {
		if (*text != '\n' && (*text < ' ' || *text > '~'))
			return false;
		nr_columns = *text == '\n' ? 0 : nr_columns + 1;
		nr_rows += *text == '\n';
		if (nr_columns > columns)
			return false;
	}
	return !nr_columns && nr_rows <= rows;
}

static void test_hostile_names(void)
{
	static const char *const names[] = {
		"\033[2J\033]0;title\a", "\xc2\x9b" "31m", "/\xe4\xb8\xad\xe6\x96\x87/\xcc\x81",
		"\xff\xfe\x80", "%s%n%s", "\r\t\v", "/a/\\040/\\033",
	};
	char name[4096];
	struct activity a;
	bool all_fit = true;

	activity_init(&a, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		add_fault(&a, 1, 1, "file", "minor", 1, names[i]);
	for (int i = 0; i < 40; i++) {
		memset(name, 0x80 + i, sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
		add_fault(&a, ~0ULL - 5, 4000000000 + i, "file", "major", ~0ULL >> i, name);
	}
	stream.sum.dropped = stream.sum.overwritten = ~0ULL / 4;
	strcpy(stream.comm, "\033[31m\xe4\xb8\xad");
	for (unsigned int columns = 1; columns < 600; columns += columns < 100 ? 1 : 83) {
		for (unsigned int rows = 1; rows < 60; rows += rows < 30 ? 1 : 29) {
			char *text = shown(&a, columns, rows, rows);

			all_fit &= fits(text, columns, rows);
			free(text);
		}
	}
	ok(all_fit, "hostile names and numbers stay within a terminal of any size");
	activity_clear(&a);
	a.has_results = false;
	for (size_t i = 0; i < 3; i++)
		add(&a, (i == 0 ? "PID = 1 Page Fault at Address 0x1 at Time 1 map=/\xc3\xa9/\033[m\n" :
			 i == 1 ? "PID = 1 Page Fault at Address 0x1 at Time 1 map=/long/\xc3\xa9/name\n" :
			 "PID = 1 Page Fault at Address 0x1 at Time 1 map=/a\\040b\n"));
	stream.comm[0] = 'x', stream.comm[1] = '\0';
	stream.sum = (struct summary) { 0 };
	a.has_results = false;
	is_text(shown(&a, 24, 24, 1000),
		"pf_probe_B of PID 4494 (\n"
		"50 faults\n"
		"faults/s\n"
		"       3  all\n"
		"by region:\n"
		"by mapping:\n"
		"       1  ...\\251/\\033[m\n"
		"       1  ...\\251/name\n"
		"       1  /a\\040b\n"
		"by thread:\n",
		"unprintable characters are escaped, and no escape is split");
	activity_free(&a);
}

static void test_bounded_memory(void)
{
	struct activity a;
	char name[32], *text;

	activity_init(&a, 0);
	for (int i = 0; i < 3 * ACTIVITY_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "/m/%d", i);
		add_fault(&a, 1, (unsigned int)i, "file", "minor", 1, name);
	}
	ok(a.maps.names.nr == ACTIVITY_NAMES_MAX && a.threads.names.nr == ACTIVITY_NAMES_MAX,
	   "there is room for a thousand mappings and threads");
	ok(a.maps.list[ACTIVITY_NAMES_MAX].nr_faults == 2 * ACTIVITY_NAMES_MAX,
	   "others are counted together");
	text = shown(&a, 79, 3000, 1000);
	ok(strstr(text, "\n    2048     2048   1ns   1ns        0     -     -    0%  (others)\n"),
	   "their number is shown");
	free(text);
	activity_clear(&a);
	ok(!a.maps.names.nr && !a.maps.list[ACTIVITY_NAMES_MAX].nr_faults && !a.all.nr_faults,
	   "the next interval starts from zero");
	activity_free(&a);
}

int main(void)
{
	test_percentiles();
	test_numbers();
	test_lines_that_tell_less();
	test_hostile_names();
	test_bounded_memory();
	return tap_done();
}
