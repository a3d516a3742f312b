// SPDX-License-Identifier: GPL-2.0-or-later
/* The verdict has no share that the numbers do not carry. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#include "pf_user/fault.c"
#include "pf_user/names.c"
#include "pf_user/say.c"
#include "pf_user/stop.c"
#include "pf_user/tally.c"
#include "pf_user/verdict.c"

#define MS	1000000ULL

struct options opt;

static struct stream s;

static void fault(const char *tid, const char *result, u64 latency_ns, const char *region)
{
	char line[512];
	int len = snprintf(line, sizeof(line) - FAULT_SLACK,
			   "PID =     4494 Page Fault at Address 0x7faa00001000 at Time 1000000000 "
			   "tid=%s cpu=1 ip=0x0 access=read mode=user region=%s result=%s "
			   "latency_ns=%llu tries=1 map=/x\n", tid, region, result, latency_ns);

	memset(line + len, 0, FAULT_SLACK);
	if (!fault_parse(&s.fault, line, (size_t)len))
		ok(false, "a fault line: %s", line);
	tally_add(&s.tally, &s.fault);
	s.nr_faults++;
	s.sum.recorded++;
}

/* The stream of a run of one second, 20 ms of them in three faults. */
static void begin(void)
{
	static char line[] = "# recorded=";

	tally_free(&s.tally);
	memset(&s, 0, sizeof(s));
	tally_reset(&s.tally, 4096);
	s.has_tally = s.between = true;
	s.sum.line = line;
	s.run_ns = 1000 * MS;
	fault("4494", "major", 12 * MS, "file");
	fault("4494", "minor", 5 * MS, "anon");
	fault("4494", "major", 3 * MS, "heap");
}

static void says(const char *wanted, const char *what)
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	verdict_put(&s, to);
	fclose(to);
	if (!ok(!strcmp(text, wanted), "%s", what))
		printf("# %s", text);
	free(text);
}

static void test_shares(void)
{
	begin();
	says("20.0 ms in faults = 2.0 % of the run; 75 % of it in major faults\n", "one thread");
	begin();
	s.run_ns = 0;
	says("20.0 ms in faults; 75 % of it in major faults\n", "the length of the run is not known");
	begin();
	s.run_ns = 19 * MS;
	says("20.0 ms in faults; 75 % of it in major faults\n", "it is too short to be right");
	begin();
	fault("449", "minor", 0, "anon");
	says("20.0 ms in faults, the sum of all threads; 75 % of it in major faults\n",
	     "times of several threads are no part of the run");
	begin();
	fault("44940", "minor", 0, "anon");
	says("20.0 ms in faults, the sum of all threads; 75 % of it in major faults\n",
	     "a thread whose number begins with that of the first one");
	begin();
	fault("4494", "postponed", 0, "anon");
	says("20.0 ms in faults = 2.0 % of the run\n", "a result that is not known");
	begin();
	s.tally.by_result[RESULT_MAJOR] = 0;
	s.tally.major_ns = 0;
	says("20.0 ms in faults = 2.0 % of the run; no major faults\n", "no major faults");
	begin();
	fault("4494", "minor", 999 * MS, "anon");
	s.run_ns = 100000 * MS;
	says("1.02 s in faults = 1.0 % of the run; 1.5 % of it in major faults\n", "small shares");
	s.run_ns = 10000000 * MS;
	says("1.02 s in faults = less than 0.1 % of the run; 1.5 % of it in major faults\n",
	     "a tiny share is not 0");
}

static void test_losses(void)
{
	u64 *losses[] = { &s.sum.dropped, &s.sum.overwritten, &s.sum.missed, &s.sum.unseen };

	for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
		begin();
		*losses[i] = 1;
		says("at least 20.0 ms in faults\n", "lost faults have taken time, too");
	}
	begin();
	s.between = false;
	says("at least 20.0 ms in faults\n", "a log that ends in the middle of a read");
	begin();
	s.sum.line = NULL;
	says("at least 20.0 ms in faults\n", "a log without a summary");
	begin();
	s.has_tally = false;
	says("", "nothing was counted");
	begin();
	fault("4494", "minor", ~0ULL, "anon");
	says("", "the sum is beyond 64 bits");
	begin();
	tally_reset(&s.tally, 4096);
	says("", "no latencies");
	ok(!verdict_exists(&s), "then there is no verdict");
}

static void test_option(void)
{
	begin();
	ok(!strcmp(verdict_option(&s), "-o warm.sh"), "files took most of the time: warm.sh");
	begin();
	fault("4494", "major", 12 * MS, "anon");
	ok(!strcmp(verdict_option(&s), "--by"), "swapped memory did: it is in no file to be read");
	begin();
	fault("4494", "minor", 12 * MS, "file");
	ok(!strcmp(verdict_option(&s), "--by"), "minor faults did");
	begin();
	tally_reset(&s.tally, 4096);
	ok(!strcmp(verdict_option(&s), "--by"), "no latencies");
}

static void test_times(void)
{
	static const struct {
		u64 ns;
		const char *text;
	} times[] = {
		{ 1, "1 ns" }, { 999, "999 ns" }, { 1000, "1.00 us" }, { 9994, "9.99 us" },
		{ 9996, "10.0 us" }, { 99960, "100 us" }, { 999400, "999 us" },
		{ 999600, "1.00 ms" }, { 509123456, "509 ms" }, { 999600000, "1.00 s" },
		{ 59960000000, "60.0 s" }, { 1234567890123, "1235 s" },
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		char *text;
		size_t len;
		FILE *to = open_memstream(&text, &len);

		put_time(to, times[i].ns);
		fclose(to);
		if (!ok(!strcmp(text, times[i].text), "%llu ns is %s", times[i].ns, times[i].text))
			printf("# %s\n", text);
		free(text);
	}
}

int main(void)
{
	test_shares();
	test_losses();
	test_option();
	test_times();
	tally_free(&s.tally);
	return tap_done();
}
