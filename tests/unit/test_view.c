// SPDX-License-Identifier: GPL-2.0-or-later
/* The live view's numbers and lines, from lines of faults. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "tap.h"

#include "pf_user/activity.c"
#include "pf_user/choice.c"
#include "pf_user/fault.c"
#include "pf_user/functions.c"
#include "pf_user/latency.c"
#include "pf_user/names.c"
#include "pf_user/programs.c"
#include "pf_user/say.c"
#include "pf_user/stop.c"
#include "pf_user/view.c"

#define MS 1000000ULL

struct options opt;

static struct stream stream = {
	.path = "/proc/pf_probe_B", .pid = "4494", .comm = "my\\040prog",
};

static const struct choice *choice;	/* NULL: the plain text */

/* To be freed by the caller. */
static char *shown(const struct activity *a, unsigned int columns, unsigned int rows, u64 moment_ms)
{
	struct view view = {
		.columns = columns, .rows = rows, .choice = choice, .has_keys = choice,
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
static void add_fault_of(struct activity *a, u64 end_ns, unsigned int pid, unsigned int tid,
			 const char *region, const char *result, u64 latency_ns, const char *map)
{
	char line[8192];

	snprintf(line, sizeof(line), "PID = %8u Page Fault at Address 0x7f0000001000 at Time "
		 "%llu tid=%u cpu=1 ip=0x401000 access=read mode=user region=%s result=%s "
		 "latency_ns=%llu tries=1 map=%s offset=0x1000\n", pid, end_ns - latency_ns, tid,
		 region, result, latency_ns, map);
	add(a, line);
}

static void add_fault(struct activity *a, u64 end_ns, unsigned int tid, const char *region,
		      const char *result, u64 latency_ns, const char *map)
{
	add_fault_of(a, end_ns, 4494, tid, region, result, latency_ns, map);
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

static struct programs programs;

/* A shell and its two children, one of which executes another program. */
static void add_family(struct activity *a)
{
	programs = (struct programs) { 0 };
	a->programs = &programs;
	programs_set(&programs, 100, "sh", 2, 0);
	programs_set(&programs, 101, "sh", 2, 0);
	add_fault_of(a, 2 * MS, 100, 100, "heap", "minor", MS, "[heap]");
	add_fault_of(a, 2 * MS, 101, 101, "heap", "minor", MS, "[heap]");
	programs_set(&programs, 101, "cc\\0401", 7, 0);
	add_fault_of(a, 9 * MS, 101, 101, "file", "major", 8 * MS, "/lib/libc.so.6");
	add_fault_of(a, 9 * MS, 102, 102, "file", "sigbus", 4 * MS, "/tmp/gone");
	for (int i = 0; i < 3; i++)
		add_fault_of(a, 9 * MS, 102, 102, "heap", "minor", 1000, "[heap]");
}

#define FIRST_LINES(status) \
	"pf_probe_B of PID 4494 (my\\040prog), running, for 7 s\n" \
	"7 faults: 5 minor, 1 major, 1 failed\n" status \
	"faults/s  minor/s   p50   p99  major/s   p50   p99  failed/s  time\n" \
	"       7        5 960ns 983us        1 7.9ms 7.9ms         1    1%  all\n"
#define LAST_LINE "h keys  q quit  space pause  s sort  / filter  a m t r p g f tables\n"

static void test_choices(void)
{
	struct choice c = { 0 };
	struct activity a;

	activity_init(&a, 0);
	strcpy(stream.comm, "my\\040prog");
	add_family(&a);
	choice = &c;
	choice_take(&c, "p", 1);
	is_text(shown(&a, 100, 12, 1000),
		FIRST_LINES("sorted by time; failed/s 1\n")
		"by process:\n"
		"       1        0     -     -        1 7.9ms 7.9ms         0    1%  101 cc\\0401\n"
		"       4        3 960ns 960ns        0     -     -         1    0%  102 ?\n"
		"       1        1 983us 983us        0     -     -         0    0%  100 sh\n"
		"       1        1 983us 983us        0     -     -         0    0%  101 sh\n"
		"\n" LAST_LINE,
		"by process: a process that executes another program has two lanes");
	choice_take(&c, "gs", 2);
	is_text(shown(&a, 100, 11, 1000),
		FIRST_LINES("sorted by faults; failed/s 1\n")
		"by program:\n"
		"       4        3 960ns 960ns        0     -     -         1    0%  ?\n"
		"       2        2 983us 983us        0     -     -         0    0%  sh\n"
		"       1        0     -     -        1 7.9ms 7.9ms         0    1%  cc\\0401\n"
		"\n" LAST_LINE,
		"by program, the most faults first");
	choice_take(&c, "ms/lib\r", 7);
	is_text(shown(&a, 100, 8, 1000),
		FIRST_LINES("sorted by major; failed/s 1; filter: lib\n")
		"by mapping:\n"
		"       1        0     -     -        1 7.9ms 7.9ms         0    1%  /lib/libc.so.6\n"
		LAST_LINE,
		"only mappings whose names contain the filter");
	choice_take(&c, "\033s ", 3);
	is_text(shown(&a, 100, 9, 1000),
		FIRST_LINES("PAUSED; sorted by failed; failed/s 1\n")
		"by mapping, 2 of 3:\n"
		"       1        0     -     -        0     -     -         1    0%  /tmp/gone\n"
		"       1        0     -     -        1 7.9ms 7.9ms         0    1%  /lib/libc.so.6\n"
		LAST_LINE,
		"paused, the most failed faults first, and no filter");
	choice_take(&c, "s r", 3);
	is_text(shown(&a, 79, 8, 1000),
		"pf_probe_B of PID 4494 (my\\040prog), running, for 7 s\n"
		"7 faults: 5 minor, 1 major, 1 failed\n"
		"sorted by time; failed/s 1\n"
		"faults/s  minor/s   p50   p99  major/s   p50   p99  time\n"
		"       7        5 960ns 983us        1 7.9ms 7.9ms    1%  all\n"
		"by region, 1 of 2:\n"
		"       2        0     -     -        1 7.9ms 7.9ms    1%  file\n"
		LAST_LINE,
		"a terminal of 80 columns has failed faults above the table");
	choice_take(&c, "h", 1);
	is_text(shown(&a, 30, 8, 1000),
		"pf_probe_B of PID 4494 (my\\040\n"
		"7 faults: 5 minor, 1 major, 1 \n"
		"sorted by time; failed/s 1\n"
		"keys:\n"
		"  a      regions, mappings and\n"
		"  r      regions\n"
		"  m      mappings: files and o\n"
		"h keys  q quit  space pause  s\n",
		"the keys are explained");
	choice_take(&c, "\033/a", 3);
	is_text(shown(&a, 60, 4, 1000),
		"pf_probe_B of PID 4494 (my\\040prog), running, for 7 s\n"
		"7 faults: 5 minor, 1 major, 1 failed\n"
		"faults/s  minor/s  major/s\n"
		"       7        5        1  all\n",
		"four rows have no keys");
	choice = NULL;
	activity_free(&a);
}

static void test_typing(void)
{
	struct choice c = { 0 };
	char many[300];

	ok(!choice_take(&c, "smq", 3) && c.by == BY_MAPPING && c.sort == SORT_FAULTS,
	   "q quits, and keys before it count");
	ok(choice_take(&c, "/qb\xc3\xa9\tc", 7) && c.typing && c.filter_len == 3 &&
	   !memcmp(c.filter, "qbc", 3), "a filter is typed, without control characters");
	choice_take(&c, "\177\b", 2);
	ok(c.typing && c.filter_len == 1, "backspace");
	choice_take(&c, "\033[A\033OB\033[15~\033[", 13);
	ok(c.typing && c.filter_len == 1, "arrows and function keys type nothing");
	choice_take(&c, "\025\b\b", 3);
	ok(c.typing && !c.filter_len, "Ctrl-U, and nothing before it");
	memset(many, 'x', sizeof(many));
	choice_take(&c, many, sizeof(many));
	ok(c.filter_len == FILTER_MAX, "a filter has a limit");
	ok(choice_matches(&c, many, FILTER_MAX) && !choice_matches(&c, many, FILTER_MAX - 1),
	   "a name contains the filter, or not");
	choice_take(&c, "\rt", 2);
	ok(!c.typing && c.filter_len == FILTER_MAX && c.by == BY_THREAD,
	   "Enter keeps the filter, and keys are keys again");
	choice_take(&c, "/\033", 2);
	ok(!c.typing && !c.filter_len, "Escape removes it");
	choice_take(&c, "?a", 2);
	ok(!c.help && c.by == BY_ALL, "a table ends the help");
	for (int i = 0; i < 1000; i++) {
		for (size_t j = 0; j < sizeof(many); j++)
			many[j] = (char)tap_random();
		choice_take(&c, many, sizeof(many));
	}
	ok(c.filter_len <= FILTER_MAX && c.by <= BY_PROGRAM && c.sort < SORT_KEYS,
	   "any bytes leave a valid choice");
}

static void test_an_interval_is_kept(void)
{
	struct activity a, old;

	activity_init(&a, 0);
	activity_init(&old, 0);
	for (u64 i = 1; i <= 3; i++) {
		for (u64 j = 0; j < i; j++)
			add_fault(&a, MS, 4494, "heap", "minor", 1000, "[heap]");
		activity_turn(&a, &old);
		ok(old.all.nr_faults == i && old.maps.list[0].nr_faults == i &&
		   old.nr_faults == i * (i + 1) / 2, "interval %llu is complete", i);
		ok(!a.all.nr_faults && !a.maps.names.nr && a.nr_faults == old.nr_faults,
		   "the next one is empty, but the totals go on");
	}
	activity_free(&a);
	activity_free(&old);
}

static void test_programs_in_bounded_memory(void)
{
	struct activity a;
	size_t nr_known = 0;
	bool right = true;

	activity_init(&a, 0);
	programs = (struct programs) { 0 };
	for (u64 pid = 1; pid <= 4 * PROGRAMS_MAX; pid++) {
		char comm[100];
		int len = snprintf(comm, sizeof(comm), "p%llu", pid);

		programs_set(&programs, pid, comm, (size_t)len, 0);
	}
	for (u64 pid = 1; pid <= 4 * PROGRAMS_MAX; pid++) {
		const struct program *p = programs_find(&programs, pid);
		char comm[100];

		snprintf(comm, sizeof(comm), "p%llu", pid);
		nr_known += p != NULL;
		right &= !p || (p->len == strlen(comm) && !memcmp(p->comm, comm, p->len));
	}
	ok(right && nr_known > PROGRAMS_MAX / 2, "known programs are right, others unknown");
	programs_set(&programs, 7, "0123456789012345678901234567890123456789"
		     "0123456789012345678901234567890123456789", 80, 0);
	ok(programs_find(&programs, 7)->len == 64, "a long name is cut");
	programs_set(&programs, 0, "x", 1, 0);
	ok(!programs_find(&programs, 0), "no process has number 0");
	a.programs = &programs;
	for (unsigned int i = 0; i < 3 * ACTIVITY_NAMES_MAX; i++)
		add_fault_of(&a, 1, 100000 + i, i, "file", "minor", 1, "/m");
	ok(a.processes.names.nr == ACTIVITY_NAMES_MAX &&
	   a.processes.list[ACTIVITY_NAMES_MAX].nr_faults == 2 * ACTIVITY_NAMES_MAX,
	   "processes without room are counted together");
	activity_free(&a);
}

int main(void)
{
	test_percentiles();
	test_numbers();
	test_lines_that_tell_less();
	test_hostile_names();
	test_bounded_memory();
	test_choices();
	test_typing();
	test_an_interval_is_kept();
	test_programs_in_bounded_memory();
	return tap_done();
}
