// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions of instructions: questions, answers, limits, and the table of the live view. */
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

struct options opt;

static struct stream stream = { .path = "/proc/pf_probe_B", .pid = "7", .comm = "cc1" };
static struct programs programs;

static bool is_text(const struct functions *f, size_t number, const char *what, const char *rest)
{
	size_t len;
	const char *text = functions_text(f, number, &len);

	return len == 2 + strlen(what) + strlen(rest) && !strcmp(text + 1, what) &&
	       !memcmp(text + 2 + strlen(what), rest, strlen(rest));
}

static void test_questions(void)
{
	struct functions f;
	size_t a, b;

	functions_init(&f, &programs);
	a = functions_find(&f, 7, 0x1234, 1);
	b = functions_find(&f, 8, 0x1234, 1);
	ok(a != b && functions_find(&f, 7, 0x1234, 2) == a, "an instruction of a process has one number");
	ok(functions_are_open(&f) && is_text(&f, a, "?", "not looked up yet"), "first it is not known");
	asked.is_silent = true;
	functions_tick(&f);
	ok(asked.nr == 2 && asked.nr_begun == 1 && asked.list[0].time_ns == 1, "each is asked for once");
	asked.is_silent = false;
	ok(functions_tick(&f) && !functions_are_open(&f), "the answers come");
	ok(is_text(&f, a, "at_1230", "/bin/cc1") && is_text(&f, b, "at_1230", "/bin/cc1"),
	   "then it has a function");
	functions_find(&f, 7, 0x1234, 3);
	ok(!functions_are_open(&f), "a known one is not asked for again");
	f.now_ns += STALE_NS + 1;
	functions_find(&f, 7, 0x1234, 4);
	functions_find(&f, 7, 0x1234, 5);
	ok(f.nr_queued == 1, "except after some seconds, once");
	asked.room = 0;
	functions_find(&f, 7, 0x5678, 1);
	ok(!functions_tick(&f) && f.nr_queued == 2, "a helper that takes no question is not waited for");
	asked.room = ASKED_MAX;
	asked.is_silent = true;
	functions_tick(&f);
	asked.is_stuck = true;
	ok(functions_tick(&f) && is_text(&f, a, "?", "reading its files takes too long"),
	   "a helper that does not answer is given up");
	asked.is_silent = false;
	functions_find(&f, 7, 0x9999, 1);
	functions_tick(&f);
	ok(asked.nr_begun == 2, "and another one is started");
	functions_free(&f);
}

static void test_programs(void)
{
	struct functions f;
	size_t before, after;

	programs = (struct programs) { 0 };
	functions_init(&f, &programs);
	programs_set(&programs, 7, "sh", 2, 100);
	before = functions_find(&f, 7, 0x1234, 150);
	asked.read_ns = 200;
	functions_tick(&f);
	functions_tick(&f);
	ok(is_text(&f, before, "at_1230", "/bin/cc1"), "a function of the first program");
	programs_set(&programs, 7, "cc1", 3, 300);
	after = functions_find(&f, 7, 0x1234, 350);
	ok(before != after && is_text(&f, before, "at_1230", "/bin/cc1"),
	   "after an exec, the same address is another instruction");
	programs_set(&programs, 7, "as", 2, 190);
	ok(is_text(&f, before, "?", "the process has executed another program"),
	   "mappings that were read after the exec are not those of the fault");
	functions_free(&f);
}

static void test_limits(void)
{
	unsigned int kept[2];
	struct functions f;

	functions_init(&f, &programs);
	for (u64 i = 0; i < INSTRUCTIONS_MAX; i++)
		functions_find(&f, 9, 0x1000 + i, 1);
	ok(functions_find(&f, 9, 0, 1) == NO_INSTRUCTION, "there is a limit to instructions");
	kept[0] = (unsigned int)functions_find(&f, 9, 0x1100, 1);
	for (int i = 0; i < INSTRUCTIONS_MAX / ANSWERS_MAX + 3; i++)
		functions_tick(&f);
	kept[1] = (unsigned int)functions_find(&f, 9, 0x2000, 1);
	functions_turn(&f, kept, 2);
	ok(f.nr == 2 && f.names.nr == 2 && functions_find(&f, 9, 0x1100, 1) == kept[0] &&
	   functions_find(&f, 9, 0x2000, 1) == kept[1], "then all are forgotten, except the latest");
	ok(is_text(&f, kept[0], "at_1100", "/bin/cc1") && is_text(&f, kept[1], "at_2000", "/bin/cc1"),
	   "which keep their functions");
	functions_turn(&f, kept, 2);
	ok(f.nr == 2 && functions_find(&f, 9, 0x1234, 1) == 2, "and there is room again");
	functions_free(&f);
}

static void add(struct activity *a, u64 ip, const char *result)
{
	char line[512 + FAULT_SLACK];
	struct fault fault = { 0 };
	int len = sprintf(line, "PID = %8u Page Fault at Address 0x7f0000001000 at Time 5000000 tid=7 "
			  "cpu=1%s%.*llx access=read mode=user region=heap result=%s latency_ns=1000000 "
			  "tries=1 map=[heap]\n", 7, ip ? " ip=0x" : "", ip ? 16 : 0, ip, result);

	if (!fault_parse(&fault, line, (size_t)len))
		abort();
	activity_add(a, &fault);
}

static void shows(struct activity *a, unsigned int columns, const char *want, const char *name)
{
	static const struct choice by_function = { .by = BY_FUNCTION };
	struct view view = { .columns = columns, .rows = 12, .moment_ns = 1000000000,
			     .choice = &by_function };
	char *text, *got;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (a->functions)
		activity_name(a);
	view_put(to, &view, &stream, a);
	fclose(to);
	got = strstr(text, "by function");
	if (!ok(got && !strcmp(got, want), "%s", name))
		printf("# got:\n%s# wanted:\n%s", text, want);
	free(text);
}

static void test_view(void)
{
	struct functions f;
	struct activity a, before;

	activity_init(&a, 0);
	activity_init(&before, 0);
	add(&a, 0x1230, "minor");
	shows(&a, 79, "by function, from the next second on:\n", "an interval without functions");
	activity_clear(&a);
	functions_init(&f, &programs);
	a.functions = &f;
	add(&a, 0x1230, "minor");
	add(&a, 0x1234, "major");
	add(&a, 0x4230, "minor");
	shows(&a, 79, "by function (unknown for 100.0% of the faults):\n"
	      "       3        2        1    0%  ?  not looked up yet\n", "before the answers");
	functions_tick(&f);
	functions_tick(&f);
	shows(&a, 79, "by function:\n"
	      "       2        1        1    0%  at_1230  /bin/cc1\n"
	      "       1        1        0    0%  at_4230  /bin/cc1\n",
	      "instructions of a function are one row");
	add(&a, 0x10, "minor");
	add(&a, 0, "minor");
	functions_tick(&f);
	functions_tick(&f);
	activity_turn(&a, &before);
	functions_turn(&f, before.ips.numbers, before.ips.nr);
	shows(&before, 45, "by function (unknown for 40.0% of the faults)\n"
	      "       2        1        1  at_1230  /bin/cc1\n"
	      "       1        1        0  at_4230  /bin/cc1\n"
	      "       1        1        0  ?  ...ble mapping\n",
	      "a narrow terminal");
	ok(!a.ips.nr && !a.ips.nr_without, "the next interval begins empty");
	for (u64 i = 0; i < 3 * ACTIVITY_NAMES_MAX; i++)
		add(&a, 0x1000 + 16 * i, "minor");
	for (int i = 0; i < 10; i++)
		functions_tick(&f);
	activity_name(&a);
	ok(a.ips.nr == ACTIVITY_IPS_MAX && a.of_functions.names.nr == ACTIVITY_NAMES_MAX &&
	   a.of_functions.list[ACTIVITY_NAMES_MAX].nr_faults == 2 * ACTIVITY_NAMES_MAX,
	   "those without room are counted together");
	functions_free(&f);
	activity_free(&a);
	activity_free(&before);
}

int main(void)
{
	test_questions();
	test_programs();
	test_limits();
	test_view();
	return tap_done();
}
