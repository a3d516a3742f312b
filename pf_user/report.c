// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "say.h"
#include "verdict.h"

#define LINES_MAX	12
#define COLUMNS		79
#define TOP_MAPS	5

static const char *plural(u64 number, const char *one, const char *many)
{
	return number == 1 ? one : many;
}

/* The traced process chooses names: no escape sequence may reach the terminal. */
static void put_name(FILE *to, const char *name, size_t len, size_t width)
{
	if (len > width) {
		fputs("...", to);
		name += len - (width - 3);
		len = width - 3;
	}
	for (; len; len--, name++)
		fputc(*name >= ' ' && *name <= '~' ? *name : '?', to);
}

/* Rounds without overflow, also for numbers near 2^64. */
static u64 rounded(u64 number, u64 unit)
{
	return number / unit + (number % unit >= unit - unit / 2);
}

static bool has_results(const struct tally *t)
{
	return t->by_result[RESULT_UNKNOWN] < t->nr_faults;
}

/* A fault whose result is an unknown word may count as any result in the summary. */
static bool has_other_results(const struct summary *sum, const struct tally *t)
{
	u64 nr_known = t->by_result[RESULT_MINOR] + t->by_result[RESULT_MAJOR] +
		       t->by_result[RESULT_FAILED];

	return t->by_result[RESULT_MINOR] > sum->minor ||
	       t->by_result[RESULT_MAJOR] > sum->major ||
	       t->by_result[RESULT_FAILED] > sum->failed ||
	       nr_known + t->by_result[RESULT_NEW] != sum->minor + sum->major + sum->failed;
}

/* Prints each loss and warning in a line, if `print` is set. Returns the number of lines. */
static int report_losses(const struct stream *s, bool print)
{
	const struct summary *sum = &s->sum;
	const struct tally *t = &s->tally;
	/* `overwritten` is this reader's count, so the sum is right at the end of each drain. */
	u64 nr_read = s->nr_faults + sum->overwritten;
	bool is_summed_up = sum->line && s->between;
	int nr = 0;

#define REPORT(condition, ...) do {			\
		if (condition) {			\
			nr++;				\
			if (print)			\
				say(__VA_ARGS__);	\
		}					\
	} while (0)
#define LOSS(condition, ...)	REPORT(condition, "LOST: " __VA_ARGS__)
#define WARNING(condition, ...)	REPORT(condition, "WARNING: " __VA_ARGS__)

	LOSS(sum->dropped,
	     "%llu faults, because the list was full: use max_faults=%llu or cont_store=1",
	     sum->dropped, sum->recorded + sum->dropped);
	LOSS(sum->overwritten, "the oldest %llu faults: use max_faults=%llu or --follow",
	     sum->overwritten, sum->recorded);
	LOSS(sum->missed,
	     "up to %llu faults: another tracer is active, or maxactive is too small", sum->missed);
	LOSS(sum->unseen, "%llu faults that the kernel counted and the module did not see",
	     sum->unseen);
	LOSS(sum->names_lost,
	     "the file names of %llu faults: too many files were mapped, or some were being renamed",
	     sum->names_lost);
	LOSS(sum->offsets_lost,
	     "the offsets of %llu faults in files: too many mappings, use a larger max_faults",
	     sum->offsets_lost);
	LOSS(sum->maps_lost,
	     "%llu changes of address spaces or names of threads, so functions may be missing or wrong:"
	     " use a larger max_faults", sum->maps_lost);
	LOSS(sum->files_lost,
	     "the files of %llu areas of address spaces: too many files were mapped",
	     sum->files_lost);
	WARNING(sum->surplus, "%llu more faults were recorded than the kernel counted",
		sum->surplus);
	WARNING(sum->disarmed,
		"the module sees no faults at the moment: are kprobes or ftrace disabled?");
	LOSS(is_summed_up && nr_read < sum->recorded,
	     "%llu faults were read, but %llu were recorded: read them again", nr_read,
	     sum->recorded);
	WARNING(is_summed_up && nr_read > sum->recorded,
		"%llu faults were read, but %llu were recorded: read them again", nr_read,
		sum->recorded);
	WARNING(sum->has_results && s->between && s->has_tally && has_other_results(sum, t),
		"the results of the faults do not add up to those of the summary: read them again");
#undef WARNING
#undef LOSS
#undef REPORT
	return nr;
}

static void report_head(const struct stream *s, FILE *to)
{
	char *name = format("%s", s->log.name);

	hide_controls(name, strlen(name));
	fprintf(to, "%s: %llu page fault%s", name, s->nr_faults,
		plural(s->nr_faults, "", "s"));
	free(name);
	if (*s->pid) {
		fputs(" of PID ", to);
		put_name(to, s->pid, strlen(s->pid), 10);
		fputs(" (", to);
		put_name(to, s->comm, strlen(s->comm), 20);
		fputc(')', to);
	}
	fputc('\n', to);
}

/* Returns the number of lines printed. */
static int report_kinds(const struct stream *s, FILE *to)
{
	const struct tally *t = &s->tally;
	u64 span_ms = rounded(t->last_ns - t->first_ns, 1000000);

	fprintf(to, "  in %llu.%03llu s, %s%llu page%s", span_ms / 1000, span_ms % 1000,
		t->pages_full ? "over " : "", t->nr_pages, plural(t->nr_pages, "", "s"));
	if (s->sum.line)
		fprintf(to, ", %llu retr%s folded", s->sum.retries,
			plural(s->sum.retries, "y", "ies"));
	if (s->sum.children)
		fprintf(to, ", %llu child%s", s->sum.children,
			plural(s->sum.children, "", "ren"));
	if (s->sum.incomplete)
		fprintf(to, ", %llu incomplete", s->sum.incomplete);
	fputc('\n', to);
	if (!has_results(t))
		return 1;
	fprintf(to, "  %llu minor, %llu major, %llu failed", t->by_result[RESULT_MINOR],
		t->by_result[RESULT_MAJOR], t->by_result[RESULT_FAILED]);
	if (t->by_result[RESULT_NEW])
		fprintf(to, ", %llu with an unknown result", t->by_result[RESULT_NEW]);
	fputc('\n', to);
	return 2;
}

static int report_regions(const struct tally *t, FILE *to)
{
	size_t order[REGIONS], nr = 0;
	int nr_lines = 0, columns = 0;

	for (size_t i = 0; i < REGIONS; i++) {
		size_t at = nr;

		if (!t->by_region[i])
			continue;
		/* cppcheck-suppress uninitvar ; the first nr are set */
		for (; at && t->by_region[i] > t->by_region[order[at - 1]]; at--)
			order[at] = order[at - 1];
		order[at] = i;
		nr++;
	}
	for (size_t i = 0; i < nr; i++) {
		char *text = format("%s %llu%s", region_names[order[i]],
				    t->by_region[order[i]], i + 1 < nr ? "," : "");

		if (!columns || columns + 1 + (int)strlen(text) > COLUMNS) {
			columns = fprintf(to, "%s %s", nr_lines ? "\n   " : "  by region:", text);
			nr_lines++;
		} else {
			columns += fprintf(to, " %s", text);
		}
		free(text);
	}
	if (nr)
		fputc('\n', to);
	return nr_lines;
}

/* Prints a title and at most `nr_lines` lines. */
static void report_maps(const struct tally *t, int nr_lines, FILE *to)
{
	bool has_time = has_results(t);
	u64 nr_others = t->maps[TALLY_MAPS_MAX].nr_faults;
	size_t top[TOP_MAPS], nr;

	nr_lines -= nr_others != 0;
	if (nr_lines < 1)
		return;
	nr = tally_top_maps(t, top, nr_lines < TOP_MAPS ? (size_t)nr_lines : TOP_MAPS);
	if (!nr)
		return;
	fprintf(to, "  most %s, by mapping:\n", has_time ? "time" : "faults");
	for (size_t i = 0; i < nr; i++) {
		const struct tally_map *map = &t->maps[top[i]];
		const struct name *name = &t->map_names.list[top[i]];
		int columns = fprintf(to, "  %10llu", map->nr_faults);
		u64 time_us = rounded(map->time_ns, 1000);

		if (has_time)
			columns += fprintf(to, " %8llu.%03llu ms", time_us / 1000, time_us % 1000);
		fputs("  ", to);
		put_name(to, name->text, name->len, (size_t)(COLUMNS - 2 - columns));
		fputc('\n', to);
	}
	if (nr_others)
		fprintf(to, "  %10llu  in mappings beyond the first %zu\n", nr_others,
			t->map_names.nr);
}

/* With three digits or more: 999 bytes, 1.23 MB, 45.6 MB, 7890 GB. */
static void put_size(FILE *to, u64 size)
{
	static const char *const units[] = { "kB", "MB", "GB" };
	u64 unit = 1000;
	size_t i = 0;

	if (size < 1000) {
		fprintf(to, "%llu byte%s", size, plural(size, "", "s"));
		return;
	}
	while (i < 2 && size >= 1000 * unit) {
		unit *= 1000;
		i++;
	}
	if (size < 10 * unit)
		fprintf(to, "%llu.%02llu %s", size / unit, size % unit / (unit / 100), units[i]);
	else if (size < 100 * unit)
		fprintf(to, "%llu.%llu %s", size / unit, size % unit / (unit / 10), units[i]);
	else
		fprintf(to, "%llu %s", size / unit, units[i]);
}

/* All logs that are kept: one line, or none. */
static void report_kept(const struct log *log, FILE *to)
{
	const struct kept *kept = &log->kept;

	if (!kept->nr)
		return;
	fprintf(to, OUT_DIR "/ holds %s%zu log%s, ", kept->is_partial ? "at least " : "", kept->nr,
		plural(kept->nr, "", "s"));
	put_size(to, (u64)kept->size);
	if (!opt.keep)
		fputs("; --keep N removes all but the newest N", to);
	fputc('\n', to);
}

/* A word for a shell. In $'...', which bash and others know, a byte is written as \ooo. */
static void put_word(FILE *to, const char *word)
{
	const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
	char before = '\0';

	if (word[strspn(word, plain)] == '\0') {
		fputs(word, to);
		return;
	}
	fputc('\'', to);
	for (; *word; before = *word++) {
		if (is_control(*word, before))
			fprintf(to, "'$'\\%03o''", (unsigned char)*word);
		else
			fprintf(to, *word == '\'' ? "'\\''" : "%c", *word);
	}
	fputc('\'', to);
}

/* Names the plotter beside this program, else the installed one. */
static void put_plotter(FILE *to)
{
	const char *called = program_invocation_name, *slash = strrchr(called, '/');
	char *plotter = format("%.*spage_fault_plot.py", slash ? (int)(slash + 1 - called) : 0,
			       called);

	fputs("next: ", to);
	if (slash && !access(plotter, F_OK)) {
		fputs("python3 ", to);
		put_word(to, strncmp(plotter, "./", 2) ? plotter : plotter + 2);
	} else {
		fputs("page_fault_plot", to);
	}
	free(plotter);
}

static void put_log(FILE *to, const char *name)
{
	fputs(*name == '-' ? " ./" : " ", to);
	put_word(to, name);
}

/* Returns 0, or -1 after a message. */
static int flush_report(FILE *to)
{
	if (!fflush(to))
		return 0;
	say("standard output: %s", strerror(errno));
	return -1;
}

int report(const struct stream *s, FILE *to)
{
	bool is_file = s->log.part_name;
	int nr_lines = 1 + report_losses(s, false) + is_file + (s->log.kept.nr > 0), err;

	report_head(s, to);
	if (s->has_tally && s->tally.nr_faults) {
		nr_lines += report_kinds(s, to) + verdict_exists(s);
		nr_lines += report_regions(&s->tally, to);
		report_maps(&s->tally, LINES_MAX - nr_lines - 1, to);
	}
	verdict_put(s, to);
	report_kept(&s->log, to);
	err = flush_report(to);
	report_losses(s, true);
	if (is_file && !err) {
		put_plotter(to);
		put_log(to, s->log.name);
		fprintf(to, " %s\n", verdict_option(s));
		err = fflush(to);
	}
	return err ? -1 : 0;
}

int report_briefly(const struct stream *s, FILE *to)
{
	int err;

	report_head(s, to);
	verdict_put(s, to);
	err = flush_report(to);
	report_losses(s, true);
	return err;
}

void report_series(char *const *names, size_t nr, FILE *to)
{
	put_plotter(to);
	for (size_t i = 0; i < nr; i++)
		if (names[i])
			put_log(to, names[i]);
	fputs(" --compare AFTER.log ...\n", to);
	fflush(to);
}
