/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ASCII plot of faults over time: faults in, lines out. Pure (see env.h).
 *
 * There are two passes over the faults, each in any order. The first finds the time span and the
 * touched parts of the address space. These become a few areas; the gaps between them are left out.
 * Each row of the plot becomes a range of pages in one area. The second pass counts each fault in
 * its cell.
 *
 * Call pf_chart_init(), pf_chart_survey() for each fault, pf_chart_layout(), pf_chart_plot() for
 * each fault, then pf_chart_draw().
 *
 * A chart points into itself, so it can't be copied. It holds no resources. The caller serialises.
 */
#ifndef PF_CHART_H
#define PF_CHART_H

#include "env.h"
#include "fault.h"

#define PF_CHART_ROWS 30
#define PF_CHART_COLS 70
#define PF_CHART_LINE_MAX 100 /* longest line, without the terminating zero */

/* With more, the breaks between them would dominate the picture. */
#define PF_CHART_AREAS_MAX 10

/* Pages this close belong together: fault-around maps as many pages at a time. */
#define PF_CHART_NEAR 16

/* Far more than areas, because later faults may fill the gaps between early ones. */
#define PF_CHART_EXTENTS_MAX 128

/* Pages first..last; both have faults, the pages between them may have. */
struct pf_chart_extent {
	u64 first;
	u64 last;
	u64 nr_faults;
};

/* A row of the plot: pages first..last, a bit mask of its faults' regions, and the cells. */
struct pf_chart_row {
	u64 first;
	u64 last;
	u32 regions;
	u32 cells[PF_CHART_COLS];
};

/**
 * struct pf_chart - one plot, about 13 KiB: too big for the stack
 * @page_shift: a page is 1 << page_shift bytes
 * @nr_extents: number of extents in use; after pf_chart_layout() each is an area
 * @nr_rows: number of rows in use
 * @nr_faults: number of faults surveyed; set by pf_chart_layout()
 * @first_ns: time of the earliest fault
 * @last_ns: time of the latest fault
 * @near_shift: how close pages must be to join an extent, see pf_chart_near()
 * @time_shift: shift right to get from ns to the unit of @time_scale, see pf_chart_column()
 * @time_scale: columns per unit of time, fixed point with 56 fractional bits
 * @extent: extent of the previous fault, in the first pass
 * @row: row of the previous fault, in the second pass
 * @extents: ascending, more than PF_CHART_NEAR apart; unused ones have first = ~0
 * @rows: ascending; a gap between a row's last page and the next row's first is a break; unused
 *	ones have first = ~0
 */
struct pf_chart {
	unsigned int page_shift;
	unsigned int nr_extents;
	unsigned int nr_rows;
	unsigned int near_shift;
	unsigned int time_shift;
	u64 time_scale;
	u64 nr_faults;
	u64 first_ns;
	u64 last_ns;
	struct pf_chart_extent *extent;
	struct pf_chart_row *row;
	struct pf_chart_extent extents[PF_CHART_EXTENTS_MAX + 1];
	struct pf_chart_row rows[PF_CHART_ROWS + 2];
};

static_assert(sizeof(struct pf_chart) < 16 * 1024);

/* Receives a line: ASCII, without newline and trailing blanks. */
typedef void (*pf_chart_emit_fn)(void *ctx, const char *line);

/**
 * pf_chart_init() - prepare a chart for the first pass
 * @c: the chart, in any state
 * @page_shift: PAGE_SHIFT, at least 12
 */
static inline void pf_chart_init(struct pf_chart *c, unsigned int page_shift)
{
	unsigned int i;

	memset(c, 0, sizeof(*c));
	c->page_shift = page_shift;
	c->near_shift = 63;
	c->first_ns = ~0ULL;
	c->extent = c->extents;
	c->row = c->rows;
	/* Above all page numbers: unused entries sort after used ones, and are close to none. */
	for (i = 0; i < ARRAY_SIZE(c->extents); i++)
		c->extents[i].first = ~0ULL;
	for (i = 0; i < ARRAY_SIZE(c->rows); i++)
		c->rows[i].first = ~0ULL;
}

/* Distance from an extent's last page to the next extent's first: 1 if they are adjacent. */
static inline u64 pf_chart_distance(const struct pf_chart_extent *e)
{
	return e[1].first - e->last;
}

/*
 * Pages this close to an extent become part of it. Once there have been too many extents, big ones
 * take in pages from further away. Such small gaps are invisible in the plot, and a program that
 * touches every 20th page of a big area must not need pf_chart_compact() again and again.
 */
static inline u64 pf_chart_near(const struct pf_chart *c, const struct pf_chart_extent *e)
{
	const u64 near = (e->last - e->first) >> c->near_shift;

	return max(near, (u64)PF_CHART_NEAR);
}

/* Merges @next into @e. The caller has to remove @next from the array. */
static inline void pf_chart_join(struct pf_chart_extent *e, const struct pf_chart_extent *next)
{
	e->last = next->last;
	e->nr_faults += next->nr_faults;
}

static inline void pf_chart_join_next(struct pf_chart *c, struct pf_chart_extent *e)
{
	struct pf_chart_extent *end = c->extents + c->nr_extents--;

	pf_chart_join(e, e + 1);
	/* including the unused one at the end */
	memmove(e + 1, e + 2, (end - e - 1) * sizeof(*e));
}

/*
 * Frees at least a quarter of the extents by joining those that are closest, by powers of two of
 * their distance. Exact order would need a sort, and for a program that touches pages far apart,
 * with every new page.
 */
static inline void pf_chart_compact(struct pf_chart *c)
{
	const struct pf_chart_extent *end = c->extents + c->nr_extents;
	struct pf_chart_extent *e, *to = c->extents;
	unsigned int nr_pairs[65] = { 0 };
	unsigned int nr = 0;
	int limit;

	for (e = c->extents; e + 1 < end; e++)
		nr_pairs[fls64(pf_chart_distance(e))]++;
	for (limit = 0; nr < PF_CHART_EXTENTS_MAX / 4; limit++)
		nr += nr_pairs[limit];

	for (e = c->extents + 1; e < end; e++) {
		if (fls64(e->first - to->last) < limit)
			pf_chart_join(to, e);
		else
			*++to = *e;
	}
	c->nr_extents = to + 1 - c->extents;
	while (++to < end)
		to->first = ~0ULL;
	c->near_shift = 6;
}

/*
 * One step of a binary search for the last item whose first page is not above @page. With constant
 * @nr, a step costs a compare and an add, half of the cost in a loop.
 */
#define pf_chart_skip(item, nr, page)               \
	do {                                        \
		if ((item)[(nr)].first <= (page))   \
			(item) += (nr);             \
	} while (0)

/* Counts a page that is not in the previous fault's extent: finds, extends or creates its own. */
static inline void pf_chart_touch(struct pf_chart *c, u64 page)
{
	struct pf_chart_extent *e = c->extents, *next;

	if (c->nr_extents == PF_CHART_EXTENTS_MAX)
		pf_chart_compact(c);

	pf_chart_skip(e, 64, page);
	pf_chart_skip(e, 32, page);
	pf_chart_skip(e, 16, page);
	pf_chart_skip(e, 8, page);
	pf_chart_skip(e, 4, page);
	pf_chart_skip(e, 2, page);
	pf_chart_skip(e, 1, page);
	next = e->first <= page ? e + 1 : e;

	if (next != e && (page <= e->last || page - e->last <= pf_chart_near(c, e))) {
		e->last = max(e->last, page);
		if (pf_chart_distance(e) <= PF_CHART_NEAR)
			pf_chart_join_next(c, e);
	} else if (next->first - page <= pf_chart_near(c, next)) {
		e = next;
		e->first = page;
	} else {
		e = next;
		memmove(e + 1, e, (c->extents + c->nr_extents - e) * sizeof(*e));
		c->nr_extents++;
		e->first = page;
		e->last = page;
		e->nr_faults = 0;
	}
	e->nr_faults++;
	c->extent = e;
}

/**
 * pf_chart_survey() - first pass: note the time and page of a fault
 * @c: the chart
 * @f: the fault
 */
static inline void pf_chart_survey(struct pf_chart *c, const struct pf_fault *f)
{
	const u64 page = f->address >> c->page_shift;
	struct pf_chart_extent *e = c->extent;

	if (f->time_ns < c->first_ns)
		c->first_ns = f->time_ns;
	if (f->time_ns > c->last_ns)
		c->last_ns = f->time_ns;

	/* Nearly all faults are in the extent of the previous one, or extend it. */
	if (page >= e->first) {
		if (page <= e->last) {
			e->nr_faults++;
			return;
		}
		if (page - e->last <= PF_CHART_NEAR && e[1].first - page > PF_CHART_NEAR) {
			e->last = page;
			e->nr_faults++;
			return;
		}
	}
	pf_chart_touch(c, page);
}

static inline u64 pf_chart_pages(const struct pf_chart_extent *e)
{
	return e->last - e->first + 1;
}

/*
 * Divides the rows among the areas: one each, then one by one to the area that has the largest
 * claim per row. The claim grows with the pages touched in the area, but far more slowly, so that a
 * stack of 30 pages is visible next to a heap of 100,000. No area gets more rows than it has pages.
 */
static inline void pf_chart_divide_rows(const struct pf_chart *c, unsigned int *nr_rows)
{
	unsigned int claim[PF_CHART_AREAS_MAX];
	unsigned int i, left = PF_CHART_ROWS - c->nr_extents;

	for (i = 0; i < c->nr_extents; i++) {
		const struct pf_chart_extent *e = &c->extents[i];
		unsigned int log2 = fls64(min(e->nr_faults, pf_chart_pages(e)));

		claim[i] = log2 * log2;
		nr_rows[i] = 1;
	}
	for (; left; left--) {
		int best = -1;

		for (i = 0; i < c->nr_extents; i++) {
			if (nr_rows[i] == pf_chart_pages(&c->extents[i]))
				continue;
			if (best < 0 ||
			    claim[i] * (nr_rows[best] + 1) > claim[best] * (nr_rows[i] + 1))
				best = i;
		}
		if (best < 0)
			return;
		nr_rows[best]++;
	}
}

/*
 * Is the break after area @i worth its line? Not if the gap, when drawn, would take less than half
 * of both areas' rows and fewer than two rows, and the smaller area would lose fewer than two rows
 * when drawn to the scale of the other.
 */
static inline bool pf_chart_break_pays(const struct pf_chart *c, const unsigned int *nr_rows,
				       unsigned int i)
{
	const struct pf_chart_extent *e = &c->extents[i];
	const u64 all = e[1].last - e->first + 1;
	const unsigned int rows = nr_rows[i] + nr_rows[i + 1];
	const unsigned int small = pf_chart_pages(e) < pf_chart_pages(e + 1) ? i : i + 1;
	const u64 gap = pf_chart_distance(e) - 1;

	if (2 * gap > all || rows * gap >= 2 * all)
		return true;
	return nr_rows[small] > 2 &&
	       rows * pf_chart_pages(&c->extents[small]) <= (nr_rows[small] - 2) * all;
}

/* Turns extents into areas: joins the closest until none is left that should be joined. */
static inline void pf_chart_make_areas(struct pf_chart *c, unsigned int *nr_rows)
{
	for (;;) {
		const bool too_many = c->nr_extents > PF_CHART_AREAS_MAX;
		unsigned int i, best = c->nr_extents;
		u64 least = ~0ULL;

		if (!too_many)
			pf_chart_divide_rows(c, nr_rows);
		for (i = 0; i + 1 < c->nr_extents; i++) {
			u64 distance = pf_chart_distance(&c->extents[i]);

			if (distance < least &&
			    (too_many || !pf_chart_break_pays(c, nr_rows, i))) {
				least = distance;
				best = i;
			}
		}
		if (best == c->nr_extents)
			return;
		pf_chart_join_next(c, &c->extents[best]);
	}
}

/**
 * pf_chart_layout() - between the passes: assign pages to rows, and times to columns
 * @c: the chart, all its faults surveyed
 */
static inline void pf_chart_layout(struct pf_chart *c)
{
	unsigned int nr_rows[PF_CHART_AREAS_MAX];
	unsigned int i, j;
	u64 span;

	if (!c->nr_extents)
		return;

	pf_chart_make_areas(c, nr_rows);
	for (i = 0; i < c->nr_extents; i++) {
		const struct pf_chart_extent *e = &c->extents[i];
		u64 first = e->first;

		c->nr_faults += e->nr_faults;
		/* If the pages can't be divided evenly, rows differ by one page. */
		for (j = 1; j <= nr_rows[i]; j++) {
			struct pf_chart_row *row = &c->rows[c->nr_rows++];

			row->first = first;
			first = e->first + div64_u64(pf_chart_pages(e) * j, nr_rows[i]);
			row->last = first - 1;
		}
	}

	/*
	 * To multiply instead of dividing for each fault. The scale is rounded up: otherwise a
	 * fault exactly at the start of a column would be counted in the previous one. Reduced to
	 * 30 bits, the time of the latest fault nevertheless gives a product below
	 * PF_CHART_COLS << 56.
	 */
	span = c->last_ns - c->first_ns;
	c->time_shift = max(fls64(span), 30) - 30;
	c->time_scale = div64_u64((u64)PF_CHART_COLS << 56, (span >> c->time_shift) + 1) + 1;
}

/* The column for a time in ns after the first fault. */
static inline unsigned int pf_chart_column(const struct pf_chart *c, u64 since_ns)
{
	return ((since_ns >> c->time_shift) * c->time_scale) >> 56;
}

/**
 * pf_chart_plot() - second pass: count a fault in its cell
 * @c: the chart, laid out
 * @f: the fault
 *
 * Return: false if the fault has no cell; a fault that was surveyed always has one
 */
static inline bool pf_chart_plot(struct pf_chart *c, const struct pf_fault *f)
{
	const u64 page = f->address >> c->page_shift;
	const u64 since_ns = f->time_ns - c->first_ns;
	struct pf_chart_row *row = c->row;

	/* Wraps to a huge value for a fault before the first one. */
	if (unlikely(since_ns > c->last_ns - c->first_ns))
		return false;
	if (page < row->first || page > row->last) {
		row = c->rows;
		pf_chart_skip(row, 16, page);
		pf_chart_skip(row, 8, page);
		pf_chart_skip(row, 4, page);
		pf_chart_skip(row, 2, page);
		pf_chart_skip(row, 1, page);
		if (unlikely(page < row->first || page > row->last))
			return false;
		c->row = row;
	}
	row->cells[pf_chart_column(c, since_ns)]++;
	row->regions |= 1U << f->region;
	return true;
}

/* The line being written, and where it goes. */
struct pf_chart_out {
	pf_chart_emit_fn emit;
	void *ctx;
	bool cut; /* a row had no room for all its regions, and ends with a + */
	int len;
	char line[PF_CHART_LINE_MAX + 1];
};

#define pf_chart_add(o, fmt, ...)                                              \
	((o)->len += scnprintf((o)->line + (o)->len, sizeof((o)->line) - (o)->len, fmt, \
			       ##__VA_ARGS__))

static inline void pf_chart_add_char(struct pf_chart_out *o, char c, unsigned int times)
{
	while (times-- && o->len < PF_CHART_LINE_MAX)
		o->line[o->len++] = c;
}

/* Right-aligns the text added since @from in a field of @width. */
static inline void pf_chart_align(struct pf_chart_out *o, int from, int width)
{
	int len = o->len - from;

	if (len >= width || from + width > PF_CHART_LINE_MAX)
		return;
	memmove(o->line + from + width - len, o->line + from, len);
	memset(o->line + from, ' ', width - len);
	o->len = from + width;
}

static inline void pf_chart_end_line(struct pf_chart_out *o)
{
	int i;

	while (o->len && o->line[o->len - 1] == ' ')
		o->len--;
	o->line[o->len] = 0;
	/* The title contains the program's name, which can have any bytes. */
	for (i = 0; i < o->len; i++)
		if (o->line[i] < ' ' || o->line[i] > '~')
			o->line[i] = '?';
	o->emit(o->ctx, o->line);
	o->len = 0;
}

/* @value / @unit in units of 1 / @parts, rounded; @unit must be below 1 << 57. */
static inline u64 pf_chart_ratio(u64 value, u64 unit, unsigned int parts)
{
	u64 whole = div64_u64(value, unit);
	u64 rest = value - whole * unit;

	return whole * parts + div64_u64(rest * parts + unit / 2, unit);
}

/* @value / @unit with three significant digits, or more before the decimal point. */
static inline void pf_chart_add_ratio(struct pf_chart_out *o, u64 value, u64 unit)
{
	unsigned int digits = 2, parts = 100;
	u64 number = pf_chart_ratio(value, unit, parts), whole;

	while (digits && number >= 1000) {
		digits--;
		parts /= 10;
		number = pf_chart_ratio(value, unit, parts);
	}
	whole = div64_u64(number, parts);
	pf_chart_add(o, "%llu", whole);
	if (digits)
		pf_chart_add(o, ".%0*llu", digits, number - whole * parts);
}

static inline void pf_chart_add_size(struct pf_chart_out *o, u64 bytes)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	unsigned int i = 0;

	while (i + 1 < ARRAY_SIZE(names) && bytes >> (10 * (i + 1)))
		i++;

	pf_chart_add_ratio(o, bytes, 1ULL << (10 * i));
	pf_chart_add(o, " %s", names[i]);
}

struct pf_chart_time_unit {
	u32 ns;
	const char *name;
};

static const struct pf_chart_time_unit pf_chart_time_units[] = {
	{ 1, "ns" }, { 1000, "us" }, { 1000000, "ms" }, { 1000000000, "s" }
};

/* The largest unit in which @ns is at least 1. */
static inline const struct pf_chart_time_unit *pf_chart_time_unit(u64 ns)
{
	unsigned int i = ARRAY_SIZE(pf_chart_time_units) - 1;

	while (i && ns < pf_chart_time_units[i].ns)
		i--;
	return &pf_chart_time_units[i];
}

static inline void pf_chart_add_time(struct pf_chart_out *o, u64 ns)
{
	const struct pf_chart_time_unit *unit = pf_chart_time_unit(ns);

	if (unit->ns == 1)
		pf_chart_add(o, "%llu", ns);
	else
		pf_chart_add_ratio(o, ns, unit->ns);
	pf_chart_add(o, " %s", unit->name);
}

/* Number of glyphs, and for each scale, the smallest number of faults that a glyph stands for. */
#define PF_CHART_LEVELS 9

static const char pf_chart_glyphs[] = ".:-=+*#%@";

static const u32 pf_chart_scales[][PF_CHART_LEVELS] = {
	{ 1, 2, 3, 4, 5, 6, 7, 8, 9 },
	{ 1, 2, 5, 10, 20, 50, 100, 200, 500 },
	{ 1, 3, 10, 30, 100, 300, 1000, 3000, 10000 },
	{ 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000 },
};

/* If the fullest cell has this many faults or more, use the next scale. */
static const u32 pf_chart_scale_ends[] = { 10, 1000, 30000 };

/* Statistics over all cells, for drawing. */
struct pf_chart_stats {
	u32 row_faults[PF_CHART_ROWS];
	u32 peak; /* in the fullest cell */
	u32 regions; /* as in struct pf_chart_row */
	const u32 *scale;
	unsigned int nr_levels;
	unsigned int label_width;
	unsigned int count_width;
};

static inline unsigned int pf_chart_dec_width(u64 value)
{
	unsigned int width = 1;

	while (value >= 10) {
		value = div64_u64(value, 10);
		width++;
	}
	return width;
}

static inline unsigned int pf_chart_hex_width(u64 value)
{
	return value ? (fls64(value) + 3) / 4 : 1;
}

#define PF_CHART_LABEL_HEAD "page number"
#define PF_CHART_COUNT_HEAD "count"

static inline void pf_chart_make_stats(const struct pf_chart *c, struct pf_chart_stats *s)
{
	unsigned int i, j;
	unsigned int digits;
	u32 most = 0;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < c->nr_rows; i++) {
		for (j = 0; j < PF_CHART_COLS; j++) {
			s->row_faults[i] += c->rows[i].cells[j];
			s->peak = max(s->peak, c->rows[i].cells[j]);
		}
		s->regions |= c->rows[i].regions;
		most = max(most, s->row_faults[i]);
	}

	for (i = 0; i < ARRAY_SIZE(pf_chart_scale_ends); i++)
		if (s->peak < pf_chart_scale_ends[i])
			break;
	s->scale = pf_chart_scales[i];
	while (s->nr_levels < PF_CHART_LEVELS && s->scale[s->nr_levels] <= s->peak)
		s->nr_levels++;

	digits = pf_chart_hex_width(c->rows[c->nr_rows - 1].first);
	s->label_width = strlen(PF_CHART_LABEL_HEAD);
	s->label_width = max(s->label_width, digits + 2);
	digits = pf_chart_dec_width(most);
	s->count_width = strlen(PF_CHART_COUNT_HEAD);
	s->count_width = max(s->count_width, digits);
}

/* Spreads the levels over all glyphs, so that the fullest cell always has the darkest one. */
static inline char pf_chart_level_glyph(const struct pf_chart_stats *s, unsigned int level)
{
	const unsigned int darkest = PF_CHART_LEVELS - 1;

	if (s->nr_levels == 1)
		return '*';
	return pf_chart_glyphs[level * darkest / (s->nr_levels - 1)];
}

static inline char pf_chart_glyph(const struct pf_chart_stats *s, u32 nr_faults)
{
	unsigned int level = s->nr_levels;

	if (!nr_faults)
		return ' ';
	while (nr_faults < s->scale[--level])
		;
	return pf_chart_level_glyph(s, level);
}

/* Adds as many region names as the line has room for, and a + if some are missing. */
static inline void pf_chart_add_regions(struct pf_chart_out *o, u32 regions)
{
	char separator = ' ';
	unsigned int i;

	for (i = 0; i < NR_PF_REGION; i++) {
		const bool last = !(regions >> i >> 1);

		if (!(regions & 1U << i))
			continue;
		if (o->len + 1 + strlen(pf_region_names[i]) + !last > PF_CHART_LINE_MAX) {
			pf_chart_add_char(o, separator, 1);
			o->cut |= separator == '+';
			return;
		}
		pf_chart_add(o, "%c%s", separator, pf_region_names[i]);
		separator = '+';
	}
}

static inline void pf_chart_draw_row(const struct pf_chart *c, const struct pf_chart_stats *s,
				     unsigned int i, struct pf_chart_out *o)
{
	unsigned int j;

	pf_chart_add(o, "0x%llx", c->rows[i].first);
	pf_chart_align(o, 0, s->label_width);
	pf_chart_add(o, " |");
	for (j = 0; j < PF_CHART_COLS; j++)
		pf_chart_add_char(o, pf_chart_glyph(s, c->rows[i].cells[j]), 1);
	pf_chart_add_char(o, '|', 1);
	if (s->row_faults[i]) {
		pf_chart_add(o, " %*u", s->count_width, s->row_faults[i]);
		/* In a chart with one region, all rows would name the same. */
		if (s->regions & (s->regions - 1))
			pf_chart_add_regions(o, c->rows[i].regions);
	}
	pf_chart_end_line(o);
}

/* Draws the break below row @i: a gap without faults that is left out. */
static inline void pf_chart_draw_break(const struct pf_chart *c, const struct pf_chart_stats *s,
				       unsigned int i, struct pf_chart_out *o)
{
	const u64 pages = c->rows[i].first - c->rows[i - 1].last - 1;
	const int from = s->label_width + 1;
	const int end = from + PF_CHART_COLS + 2;
	int len;

	pf_chart_add_char(o, ' ', 1);
	pf_chart_add_size(o, pages << c->page_shift);
	pf_chart_add(o, " without faults ");
	len = o->len;
	pf_chart_align(o, 0, (from + end + len) / 2);
	memset(o->line + from, '~', o->len - len - from);
	pf_chart_add_char(o, '~', end - o->len);
	pf_chart_end_line(o);
}

/* The smallest of 1, 2 or 5 times a power of ten that divides @span_ns into at most 7 steps. */
static inline u64 pf_chart_tick_step(u64 span_ns)
{
	u64 power;

	for (power = 1;; power *= 10) {
		if (div64_u64(span_ns, power) <= 7)
			return power;
		if (div64_u64(span_ns, 2 * power) <= 7)
			return 2 * power;
		if (div64_u64(span_ns, 5 * power) <= 7)
			return 5 * power;
	}
}

static inline void pf_chart_draw_axis(const struct pf_chart *c, const struct pf_chart_stats *s,
				      struct pf_chart_out *o)
{
	const u64 span = c->last_ns - c->first_ns;
	const u64 step = pf_chart_tick_step(span);
	const struct pf_chart_time_unit *unit = pf_chart_time_unit(span);
	const int left = s->label_width + 2;
	int end;
	u64 t;

	pf_chart_add_char(o, ' ', left - 1);
	pf_chart_add_char(o, '+', 1);
	pf_chart_add_char(o, '-', PF_CHART_COLS);
	pf_chart_add_char(o, '+', 1);
	for (t = 0; span - t >= step; t += step)
		o->line[left + pf_chart_column(c, t + step)] = '+';
	pf_chart_end_line(o);

	/* Write the label of the end first: it has priority, so we need to know where it begins. */
	pf_chart_add_time(o, span);
	end = left + PF_CHART_COLS - o->len;
	o->len = 0;
	pf_chart_add_char(o, ' ', left);
	pf_chart_add(o, "0 %s", unit->name);
	for (t = 0; span - t >= step; t += step) {
		char label[32];
		int len, from;

		/* A step is a seventh of the unit or more, so one decimal is enough. */
		if (step < unit->ns) {
			u64 tenths = div64_u64(t + step, unit->ns / 10);
			u64 whole = div64_u64(tenths, 10);

			len = scnprintf(label, sizeof(label), "%llu.%llu %s", whole,
					tenths - whole * 10, unit->name);
		} else {
			len = scnprintf(label, sizeof(label), "%llu %s",
					div64_u64(t + step, unit->ns), unit->name);
		}
		from = left + pf_chart_column(c, t + step) - len / 2;
		if (from < o->len + 2 || from + len + 2 > end)
			continue;
		pf_chart_add_char(o, ' ', from - o->len);
		pf_chart_add(o, "%s", label);
	}
	if (span) {
		pf_chart_add_char(o, ' ', end - o->len);
		pf_chart_add_time(o, span);
	}
	pf_chart_end_line(o);
}

static inline void pf_chart_draw_legend(const struct pf_chart *c, const struct pf_chart_stats *s,
					struct pf_chart_out *o)
{
	const u64 span = c->last_ns - c->first_ns;
	unsigned int i;

	pf_chart_add(o, "X: time since the first fault");
	if (span >= PF_CHART_COLS) {
		pf_chart_add(o, ", ");
		pf_chart_add_time(o, div64_u64(span, PF_CHART_COLS));
		pf_chart_add(o, " per column");
	}
	pf_chart_add(o, "; Y: lowest page of each row, %u KiB per page", 1U << (c->page_shift - 10));
	pf_chart_end_line(o);

	pf_chart_add(o, "Faults in a cell:");
	for (i = 0; i < s->nr_levels; i++) {
		u32 from = s->scale[i];
		u32 to = i + 1 < s->nr_levels ? s->scale[i + 1] - 1 : s->peak;
		unsigned int len = 4 + pf_chart_dec_width(from);

		if (to > from)
			len += 1 + pf_chart_dec_width(to);
		if (o->len + len > PF_CHART_LINE_MAX)
			pf_chart_end_line(o);
		pf_chart_add(o, "  %c %u", pf_chart_level_glyph(s, i), from);
		if (to > from)
			pf_chart_add(o, "-%u", to);
	}
	pf_chart_end_line(o);

	if (o->cut) {
		pf_chart_add(o, "A + after the regions of a row: more, for which there is no room");
		pf_chart_end_line(o);
	}
}

/**
 * pf_chart_draw() - draw a chart, line by line
 * @c: the chart, all its faults plotted
 * @title: the first line, e.g. whose faults and how many; truncated if too long
 * @emit: called with each line
 * @ctx: passed to @emit
 *
 * Context: any that @emit allows.
 */
static inline void pf_chart_draw(const struct pf_chart *c, const char *title, pf_chart_emit_fn emit,
				 void *ctx)
{
	struct pf_chart_out out = { .emit = emit, .ctx = ctx };
	struct pf_chart_stats stats;
	unsigned int i;

	pf_chart_add(&out, "%s", title);
	pf_chart_end_line(&out);
	if (!c->nr_rows) {
		pf_chart_add(&out, "No page faults: nothing to plot.");
		pf_chart_end_line(&out);
		return;
	}

	pf_chart_make_stats(c, &stats);
	pf_chart_add(&out, "%*s +", stats.label_width, PF_CHART_LABEL_HEAD);
	pf_chart_add_char(&out, '-', PF_CHART_COLS);
	pf_chart_add(&out, "+ %*s", stats.count_width, PF_CHART_COUNT_HEAD);
	if (stats.regions & (stats.regions - 1) && out.len + 7 <= PF_CHART_LINE_MAX)
		pf_chart_add(&out, " region");
	pf_chart_end_line(&out);

	/* The highest address on top. */
	for (i = c->nr_rows; i--;) {
		pf_chart_draw_row(c, &stats, i, &out);
		if (i && c->rows[i].first != c->rows[i - 1].last + 1)
			pf_chart_draw_break(c, &stats, i, &out);
	}
	pf_chart_draw_axis(c, &stats, &out);
	pf_chart_draw_legend(c, &stats, &out);
}

/* The row of one region; times are relative to @origin_ns. */
static inline void pf_chart_draw_table_row(const struct pf_chart *c, u64 origin_ns, u64 total,
					   struct pf_chart_out *o)
{
	u64 thousandths = pf_chart_ratio(c->nr_faults, total, 1000);
	u64 whole = div64_u64(thousandths, 10);
	int from = o->len;

	pf_chart_add(o, "%llu.%llu %%", whole, thousandths - whole * 10);
	pf_chart_align(o, from, 9);
	from = o->len;
	pf_chart_add(o, "0x%llx", c->extents[0].first);
	pf_chart_align(o, from, 14);
	from = o->len;
	pf_chart_add(o, "0x%llx", c->extents[c->nr_extents - 1].last);
	pf_chart_align(o, from, 14);
	from = o->len;
	pf_chart_add_time(o, c->first_ns - origin_ns);
	pf_chart_align(o, from, 13);
	from = o->len;
	pf_chart_add_time(o, c->last_ns - origin_ns);
	pf_chart_align(o, from, 12);
}

/* How many faults of a region were minor and how many major. */
struct pf_chart_results {
	u64 nr_minor;
	u64 nr_major;
};

static inline void pf_chart_add_results(struct pf_chart_out *o,
					 const struct pf_chart_results *results)
{
	if (results)
		pf_chart_add(o, " %10llu %8llu", results->nr_minor, results->nr_major);
}

/**
 * pf_chart_draw_table() - draw a table of how many faults each region had, where and when
 * @charts: NR_PF_REGION charts by enum pf_region, each laid out
 * @results: how many faults of each region were minor and major, or NULL if that is not known
 * @emit: called with each line
 * @ctx: passed to @emit
 *
 * Times are relative to the first fault of all regions, so that regions can be compared.
 */
static inline void pf_chart_draw_table(const struct pf_chart *charts,
				       const struct pf_chart_results *results,
				       pf_chart_emit_fn emit, void *ctx)
{
	struct pf_chart_out out = { .emit = emit, .ctx = ctx };
	struct pf_chart_results all = {};
	u64 origin_ns = ~0ULL, total = 0;
	unsigned int i;

	for (i = 0; i < NR_PF_REGION; i++) {
		origin_ns = min(origin_ns, charts[i].first_ns);
		total += charts[i].nr_faults;
		all.nr_minor += results ? results[i].nr_minor : 0;
		all.nr_major += results ? results[i].nr_major : 0;
	}

	pf_chart_add(&out, "%-7s%11s", "region", "faults");
	if (results)
		pf_chart_add(&out, "%11s%9s", "minor", "major");
	pf_chart_add(&out, "%9s%14s%14s%13s%12s", "share", "lowest page", "highest page",
		     "first fault", "last fault");
	pf_chart_end_line(&out);
	for (i = 0; i < NR_PF_REGION; i++) {
		pf_chart_add(&out, "%-7s%11llu", pf_region_names[i], charts[i].nr_faults);
		pf_chart_add_results(&out, results ? &results[i] : NULL);
		if (charts[i].nr_faults)
			pf_chart_draw_table_row(&charts[i], origin_ns, total, &out);
		pf_chart_end_line(&out);
	}
	pf_chart_add(&out, "%-7s%11llu", "all", total);
	pf_chart_add_results(&out, results ? &all : NULL);
	pf_chart_end_line(&out);
}

#endif /* PF_CHART_H */
