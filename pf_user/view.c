// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "view.h"

#define LINE_SIZE	512

/* Which columns there is room for. */
enum detail { FAULTS, KINDS, SUMS, TIMES, FAILURES };

/* With fewer rows, all of them are for the tables. */
#define ROWS_FOR_KEYS	8

static const struct choice no_choice;

struct page {
	FILE *to;
	unsigned int columns, rows;	/* columns in all; rows that are left */
	enum detail detail;
	double seconds;
	const struct choice *choice;
	enum sort_key sort;
	size_t order[ACTIVITY_NAMES_MAX];
};

static const char *plural(u64 number)
{
	return number == 1 ? "" : "s";
}

/* Puts as much of the line as fits. */
__attribute__((format(printf, 2, 3)))
static void put_line(struct page *p, const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list args;
	int len;

	if (!p->rows)
		return;
	p->rows--;
	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	line[len < (int)sizeof(line) ? len : (int)sizeof(line) - 1] = '\0';
	fprintf(p->to, "%.*s\n", (int)p->columns, line);
}

static unsigned int letter_width(char letter)
{
	return letter >= ' ' && letter <= '~' ? 1 : 4;
}

/*
 * Escapes all but printable ASCII, as the kernel escapes blanks: other characters may have any
 * width. If a name is too long, its end is kept, which is the file of a path. Returns `to`, a
 * terminated text of at most `width` characters.
 */
static char *escape(char *to, size_t width, const char *name, size_t len)
{
	size_t all = 0, at;
	char *p = to;

	for (at = 0; at < len; at++)
		all += letter_width(name[at]);
	at = 0;
	if (all > width) {
		size_t mark = width < 3 ? width : 3, left = width - mark;

		for (at = len; at && letter_width(name[at - 1]) <= left; at--)
			left -= letter_width(name[at - 1]);
		p = (char *)memset(p, '.', mark) + mark;
	}
	for (; at < len; at++)
		p += sprintf(p, letter_width(name[at]) == 1 ? "%c" : "\\%03o",
			     (unsigned char)name[at]);
	*p = '\0';
	return to;
}

/* At most five characters. */
static void put_ns(char to[8], u64 ns, bool known)
{
	static const char units[][3] = { "ns", "us", "ms", "s" };
	double number = (double)ns;
	int i = 0;

	for (; i < 3 && number >= 999.5; i++)
		number /= 1000;
	if (!known)
		strcpy(to, "-");
	else
		snprintf(to, 8, number < 9.95 && i ? "%.1f%s" : "%.0f%s",
			 number > 9999 ? 9999 : number, units[i]);
}

/* At most eight characters. */
static void put_rate(char to[12], u64 nr, double seconds)
{
	static const char units[][2] = { "", "k", "M", "G", "T" };
	double rate = (double)nr / seconds;
	int i = 0;

	for (; i < 4 && rate >= (i ? 9999999.5 : 99999999.5); i++)
		rate /= 1000;
	if (rate < 9.95 && rate * 10 != (double)(int)rate * 10)
		snprintf(to, 12, "%.1f", rate);
	else
		snprintf(to, 12, "%.0f%s", rate < 9999999 || !i ? rate : 9999999, units[i]);
}

static void put_heads(struct page *p)
{
	static const char *const heads[] = {
		[FAULTS] = "faults/s",
		[KINDS] = "faults/s  minor/s  major/s",
		[SUMS] = "faults/s  minor/s  major/s  time",
		[TIMES] = "faults/s  minor/s   p50   p99  major/s   p50   p99  time",
		[FAILURES] = "faults/s  minor/s   p50   p99  major/s   p50   p99  failed/s  time",
	};

	put_line(p, "%s", heads[p->detail]);
}

/* Returns `to`, the numbers of a lane. */
static char *put_numbers(const struct page *p, const struct lane *lane, char to[128])
{
	char faults[12], minor[12], major[12], failed[12], p50[2][8], p99[2][8];
	double percent = (double)lane->time_ns / 1e7 / p->seconds;

	put_rate(faults, lane->nr_faults, p->seconds);
	put_rate(minor, lane->nr_minor, p->seconds);
	put_rate(major, lane->nr_major, p->seconds);
	put_rate(failed, lane->nr_failed, p->seconds);
	put_ns(p50[0], latency_percentile(&lane->minor, 50), lane->nr_minor);
	put_ns(p99[0], latency_percentile(&lane->minor, 99), lane->nr_minor);
	put_ns(p50[1], latency_percentile(&lane->major, 50), lane->nr_major);
	put_ns(p99[1], latency_percentile(&lane->major, 99), lane->nr_major);
	if (p->detail == FAULTS)
		snprintf(to, 128, "%8s", faults);
	else if (p->detail == KINDS)
		snprintf(to, 128, "%8s %8s %8s", faults, minor, major);
	else if (p->detail == SUMS)
		snprintf(to, 128, "%8s %8s %8s %4.0f%%", faults, minor, major,
			 percent < 9999 ? percent : 9999);
	else
		snprintf(to, 128, "%8s %8s %5s %5s %8s %5s %5s %*s%s%4.0f%%",
			 faults, minor, p50[0], p99[0], major, p50[1], p99[1],
			 p->detail == FAILURES ? 9 : 0, p->detail == FAILURES ? failed : "",
			 p->detail == FAILURES ? " " : "", percent < 9999 ? percent : 9999);
	return to;
}

/* How many columns are left after that many. */
static size_t width_after(const struct page *p, size_t used)
{
	size_t width = p->columns > used ? p->columns - used : 0;

	return width < LINE_SIZE ? width : LINE_SIZE - 1;
}

static void put_lane(struct page *p, const struct lane *lane, const char *what, const char *name,
		     size_t len)
{
	char numbers[128], text[LINE_SIZE];
	size_t used = strlen(put_numbers(p, lane, numbers)) + 2 + strlen(what);

	put_line(p, "%s  %s%s", numbers, what, escape(text, width_after(p, used), name, len));
}

/* A name of two parts (see space.h): the second gets a third of the room, and what is left. */
static void put_function(struct page *p, const struct lane *lane, const struct name *name)
{
	const char *what = name->text + 1, *end = name->text + name->len;
	const char *zero = memchr(what, '\0', name->len - 1), *rest = zero ? zero + 1 : end;
	char numbers[128], first[LINE_SIZE], second[LINE_SIZE];
	size_t used = strlen(put_numbers(p, lane, numbers)) + 4, room = width_after(p, used);
	size_t rest_len = (size_t)(end - rest), share = rest_len < room / 3 ? rest_len : room / 3;

	escape(first, room - share, what, (size_t)((zero ? zero : end) - what));
	escape(second, room - strlen(first), rest, rest_len);
	put_line(p, "%s  %s%s%s", numbers, first, *second ? "  " : "", second);
}

/* @nr_shown: of `nr` lanes, those for which there are rows. */
static void put_title(struct page *p, const char *title, size_t nr, size_t nr_shown)
{
	if (nr && !nr_shown)
		return;
	if (nr_shown < nr)
		put_line(p, "%s, %zu of %zu:", title, nr_shown, nr);
	else
		put_line(p, "%s:", title);
}

/* Keeps only names that match the filter, in order. Returns their number. */
static size_t choose(struct page *p, size_t nr, const struct name *names)
{
	size_t nr_left = 0;

	for (size_t i = 0; i < nr; i++) {
		size_t at = p->order[i];
		bool matches = names ? choice_matches(p->choice, names[at].text, names[at].len) :
			       choice_matches(p->choice, region_names[at], strlen(region_names[at]));

		if (matches)
			p->order[nr_left++] = at;
	}
	return nr_left;
}

static size_t choose_regions(struct page *p, const struct activity *a)
{
	return choose(p, regions_sort(a, p->sort, p->order), NULL);
}

static size_t choose_lanes(struct page *p, const struct lanes *lanes)
{
	return choose(p, lanes_sort(lanes, p->sort, p->order), lanes->names.list);
}

static void put_regions(struct page *p, const struct activity *a, size_t room)
{
	size_t nr = choose_regions(p, a), nr_shown = nr < room ? nr : room;

	put_title(p, "by region", nr, nr_shown);
	for (size_t i = 0; i < nr_shown; i++) {
		const char *name = region_names[p->order[i]];

		put_lane(p, &a->regions[p->order[i]], "", name, strlen(name));
	}
}

/* What is not named can match any filter. */
static size_t nr_others(const struct lanes *lanes)
{
	return lanes->list[ACTIVITY_NAMES_MAX].nr_faults > 0;
}

static void put_lanes(struct page *p, const char *title, const char *what,
		      const struct lanes *lanes, size_t room)
{
	size_t nr = choose_lanes(p, lanes), nr_shown = nr < room ? nr : room;

	put_title(p, title, nr, nr_shown);
	for (size_t i = 0; i < nr_shown; i++) {
		const struct name *name = &lanes->names.list[p->order[i]];

		put_lane(p, &lanes->list[p->order[i]], what, name->text, name->len);
	}
	if (nr_others(lanes) && nr_shown < room)
		put_lane(p, &lanes->list[ACTIVITY_NAMES_MAX], "(others)", "", 0);
}

/* The title has the share of the faults without a function, even if no row has them. */
static void put_functions(struct page *p, const struct activity *a, size_t room)
{
	const struct lanes *lanes = &a->of_functions;
	size_t nr = choose_lanes(p, lanes), nr_shown = nr < room ? nr : room;
	u64 unknown = lanes->list[ACTIVITY_NAMES_MAX].nr_faults + a->ips.nr_without;
	char title[80] = "by function";

	for (size_t i = 0; i < lanes->names.nr; i++)
		if (*lanes->names.list[i].text == FOUND_NONE)
			unknown += lanes->list[i].nr_faults;
	if (!a->functions)
		strcpy(title, "by function, from the next second on");
	else if (unknown)
		snprintf(title, sizeof(title), "by function (unknown for %.1f%% of the faults)",
			 (double)unknown * 100 / (double)a->all.nr_faults);
	put_title(p, title, nr, nr_shown);
	for (size_t i = 0; i < nr_shown; i++)
		put_function(p, &lanes->list[p->order[i]], &lanes->names.list[p->order[i]]);
	if (nr_others(lanes) && nr_shown < room)
		put_lane(p, &lanes->list[ACTIVITY_NAMES_MAX], "(others)", "", 0);
}

/* Each of the three tables gets a third of the rows, and those that the ones before left. */
static void put_tables(struct page *p, const struct activity *a)
{
	size_t nr_titles = 3, left = p->rows > nr_titles ? p->rows - nr_titles : 0;
	size_t nr_regions = choose_regions(p, a);
	size_t nr_threads = choose_lanes(p, &a->threads) + nr_others(&a->threads);
	size_t regions = nr_regions < left / 3 ? nr_regions : left / 3, threads;

	left -= regions;
	threads = nr_threads < left / 2 ? nr_threads : left / 2;
	put_regions(p, a, regions);
	put_lanes(p, "by mapping", "", &a->maps, left - threads);
	/* There may be fewer mappings than that. */
	left = p->rows > 1 ? p->rows - 1 : 0;
	put_lanes(p, "by thread", "tid ", &a->threads, left);
}

/* The tables that were chosen, in the rows that are left. */
static void put_table(struct page *p, const struct activity *a)
{
	static const struct {
		const char *title, *what;
		size_t lanes;
	} tables[] = {
		[BY_MAPPING] = { "by mapping", "", offsetof(struct activity, maps) },
		[BY_THREAD] = { "by thread", "tid ", offsetof(struct activity, threads) },
		[BY_PROCESS] = { "by process", "", offsetof(struct activity, processes) },
		[BY_PROGRAM] = { "by program", "", offsetof(struct activity, of_programs) },
	};
	enum grouping by = p->choice->by;
	size_t room = p->rows > 1 ? p->rows - 1 : 0;

	if (by == BY_ALL)
		put_tables(p, a);
	else if (by == BY_REGION)
		put_regions(p, a, room);
	else if (by == BY_FUNCTION)
		put_functions(p, a, room);
	else
		put_lanes(p, tables[by].title, tables[by].what,
			  (const void *)((const char *)a + tables[by].lanes), room);
}

static void put_help(struct page *p)
{
	put_line(p, "keys:");
	put_line(p, "  a      regions, mappings and threads");
	put_line(p, "  r      regions");
	put_line(p, "  m      mappings: files and other memory");
	put_line(p, "  t      threads");
	put_line(p, "  p      processes, with their programs");
	put_line(p, "  g      programs");
	put_line(p, "  f      functions whose instructions took the faults");
	put_line(p, "  s      sort by the next of: time, faults, major, failed");
	put_line(p, "  /      type a text: only names that contain it; Esc: all names");
	put_line(p, "  space  pause the view; recording continues");
	put_line(p, "  h      these keys");
	put_line(p, "  q      end recording, as Ctrl-C does");
}

static void put_choice(struct page *p, const struct activity *a)
{
	static const char *const keys[] = {
		[SORT_TIME] = "time", [SORT_FAULTS] = "faults",
		[SORT_MAJOR] = "major", [SORT_FAILED] = "failed",
	};
	const struct choice *c = p->choice;
	int len = (int)c->filter_len;
	char failed[12];

	put_rate(failed, a->all.nr_failed, p->seconds);
	if (c->typing)
		put_line(p, "filter: %.*s_  (Enter: keep, Esc: none)", len, c->filter);
	else
		put_line(p, "%ssorted by %s%s%s%s%.*s", c->paused ? "PAUSED; " : "", keys[p->sort],
			 a->has_results ? "; failed/s " : "", a->has_results ? failed : "",
			 len ? "; filter: " : "", len, c->filter);
}

/* Fills the rows up to the last one. */
static void put_keys(struct page *p)
{
	while (p->rows > 1)
		put_line(p, "%s", "");
	put_line(p, "h keys  q quit  space pause  s sort  / filter  a m t r p g f tables");
}

static void put_totals(struct page *p, const struct view *v, const struct stream *s,
		       const struct activity *a)
{
	u64 lost = s->sum.dropped + s->sum.overwritten + s->sum.missed + s->sum.unseen;
	char text[LINE_SIZE];
	int len = snprintf(text, sizeof(text), "%llu fault%s", a->nr_faults, plural(a->nr_faults));

	/* A number has at most 20 digits, so all of this fits. */
	if (a->has_results)
		len += sprintf(text + len, ": %llu minor, %llu major, %llu failed", a->nr_minor,
			       a->nr_major, a->nr_failed);
	if (a->nr_new)
		len += sprintf(text + len, ", %llu unknown", a->nr_new);
	if (a->nr_earlier)
		len += sprintf(text + len, "; %llu of them before", a->nr_earlier);
	if (lost)
		len += sprintf(text + len, "; LOST %llu", lost);
	if (v->behind_ns)
		len += sprintf(text + len, "; reading is %llu s behind",
			       (v->behind_ns + 500000000) / 1000000000);
	put_line(p, "%.*s", len, text);
}

void view_put(FILE *to, const struct view *v, const struct stream *s, const struct activity *a)
{
	struct page page = {
		.to = to,
		.columns = v->columns < LINE_SIZE ? v->columns : LINE_SIZE - 1,
		.rows = v->rows,
		.detail = !a->has_results || v->columns < 40 ? FAULTS :
			  v->columns < 70 ? KINDS :
			  v->columns < 90 || !v->has_keys ? TIMES : FAILURES,
		.seconds = v->moment_ns ? (double)v->moment_ns / 1e9 : 1,
		.choice = v->choice ? v->choice : &no_choice,
	};
	bool has_keys = v->has_keys && v->rows >= ROWS_FOR_KEYS;
	const char *slash = strrchr(s->path, '/'), *probe = slash ? slash + 1 : s->path;
	char name[65], pid[65], comm[65];

	/* Functions and their files are long. */
	if (page.choice->by == BY_FUNCTION && page.detail > SUMS && v->columns < 110)
		page.detail = SUMS;
	/* Without results there are no times: then the order is that of the faults anyway. */
	page.sort = a->has_results ? page.choice->sort : SORT_FAULTS;
	put_line(&page, "%s of PID %s (%s), %s, for %llu s",
		 escape(name, sizeof(name) - 1, probe, strlen(probe)),
		 *s->pid ? escape(pid, sizeof(pid) - 1, s->pid, strlen(s->pid)) : "?",
		 escape(comm, sizeof(comm) - 1, s->comm, strlen(s->comm)),
		 s->sum.exited ? "exited" : "running", (v->running_ns + 500000000) / 1000000000);
	put_totals(&page, v, s, a);
	if (has_keys) {
		put_choice(&page, a);
		page.rows--;
	}
	if (page.choice->help) {
		put_help(&page);
	} else {
		put_heads(&page);
		put_lane(&page, &a->all, "", "all", 3);
		put_table(&page, a);
	}
	if (has_keys) {
		page.rows++;
		put_keys(&page);
	}
}
