// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict.h"

/* Rounds without overflow, also for numbers near 2^64. */
static u64 rounded(u64 number, u64 unit)
{
	return number / unit + (number % unit >= unit - unit / 2);
}

/* With three digits: 5.09 ms, 50.9 ms, 509 ms, 5.09 s; more only for 1234 s. */
static void put_time(FILE *to, u64 ns)
{
	static const char *const units[] = { "us", "ms", "s" };
	u64 unit = 1000;
	size_t i = 0;

	if (ns < 1000) {
		fprintf(to, "%llu ns", ns);
		return;
	}
	/* 999.6 us is 1.00 ms. */
	while (i < 2 && rounded(ns, unit) >= 1000) {
		unit *= 1000;
		i++;
	}
	if (rounded(ns, unit / 100) < 1000)
		fprintf(to, "%llu.%02llu %s", rounded(ns, unit / 100) / 100,
			rounded(ns, unit / 100) % 100, units[i]);
	else if (rounded(ns, unit / 10) < 1000)
		fprintf(to, "%llu.%llu %s", rounded(ns, unit / 10) / 10,
			rounded(ns, unit / 10) % 10, units[i]);
	else
		fprintf(to, "%llu %s", rounded(ns, unit), units[i]);
}

/* As 5.7 % or 64 %. Less than a thousandth is not 0. @part: at most @whole, which is not 0 */
static void put_share(FILE *to, u64 part, u64 whole)
{
	double percent = 100 * (double)part / (double)whole;

	if (part && percent < 0.1)
		fputs("less than 0.1 %", to);
	else if (part < whole && percent > 99.9)
		fputs("over 99.9 %", to);
	else
		fprintf(to, percent < 9.95 || (percent >= 99.5 && part < whole) ? "%.1f %%" : "%.0f %%",
			percent);
}

/* Have there been faults, or can there have been, that are not in the log? */
static bool has_losses(const struct stream *s)
{
	const struct summary *sum = &s->sum;

	return !s->between || !sum->line || sum->dropped || sum->overwritten || sum->missed ||
	       sum->unseen || s->nr_faults < sum->recorded;
}

bool verdict_exists(const struct stream *s)
{
	return s->has_tally && s->tally.time_ns && !s->tally.is_too_long;
}

/* Are the results of all faults known, so that the share of the major ones is? */
static bool knows_majors(const struct tally *t)
{
	return !t->by_result[RESULT_UNKNOWN] && !t->by_result[RESULT_NEW];
}

void verdict_put(const struct stream *s, FILE *to)
{
	const struct tally *t = &s->tally;
	bool is_whole = !has_losses(s);

	if (!verdict_exists(s))
		return;
	fputs(is_whole ? "" : "at least ", to);
	put_time(to, t->time_ns);
	fputs(" in faults", to);
	if (t->has_threads) {
		fputs(", the sum of all threads", to);
	} else if (is_whole && s->run_ns >= t->time_ns) {
		fputs(" = ", to);
		put_share(to, t->time_ns, s->run_ns);
		fputs(" of the run", to);
	}
	if (is_whole && knows_majors(t)) {
		if (t->by_result[RESULT_MAJOR]) {
			fputs("; ", to);
			put_share(to, t->major_ns, t->time_ns);
			fputs(" of it in major faults", to);
		} else {
			fputs("; no major faults", to);
		}
	}
	fputc('\n', to);
}

const char *verdict_option(const struct stream *s)
{
	const struct tally *t = &s->tally;

	return verdict_exists(s) && knows_majors(t) && t->major_file_ns > t->time_ns / 2 ?
	       "-o warm.sh" : "--by";
}
