/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ASCII plot of faults over time: faults in, lines out. Pure (see env.h).
 *
 * Two passes over the faults, in any order. The first finds the time span and the touched parts of
 * the address space. These become a few areas, with what lies between them left out, and each row
 * of the plot becomes a range of pages in one area. The second counts each fault into its cell.
 *
 *	pf_chart_init(), pf_chart_survey() a fault, pf_chart_layout(), pf_chart_plot() a fault,
 *	pf_chart_draw()
 *
 * A chart points into itself, so it can't be copied. It needs no end. Whoever calls serialises.
 */
#ifndef PF_CHART_H
#define PF_CHART_H

#include "env.h"
#include "fault.h"

#define PF_CHART_ROWS 30
#define PF_CHART_COLS 70
#define PF_CHART_LINE_MAX 100 /* no line is longer, the terminating zero not counted */

/* More breaks than this cut the picture to pieces. */
#define PF_CHART_AREAS_MAX 10

/* Pages this near belong together: fault-around maps as many at a time. */
#define PF_CHART_NEAR 16

/* Far more than areas: what lies between two early faults may fill up with later ones. */
#define PF_CHART_EXTENTS_MAX 128

/* Pages first..last, with faults on both ends and perhaps between. */
struct pf_chart_extent {
	u64 first;
	u64 last;
	u64 nr_faults;
};

/* A row of the plot: the pages first..last, in bits the regions of its faults, and its cells. */
struct pf_chart_row {
	u64 first;
	u64 last;
	u32 regions;
	u32 cells[PF_CHART_COLS];
};

/**
 * struct pf_chart - one plot, about 13 KiB: too big for the stack
 * @page_shift: a page is 1 << page_shift bytes
 * @nr_extents: how many extents are in use; after pf_chart_layout() each is an area
 * @nr_rows: how many rows are in use
 * @nr_faults: how many were surveyed, known after pf_chart_layout()
 * @first_ns: time of the earliest
 * @last_ns: time of the latest
 * @near_shift: how far extents reach out, see pf_chart_near()
 * @time_shift: with @time_scale the way from a time to a column, see pf_chart_column()
 * @time_scale: columns by unit of time, 56 binary places
 * @extent: where the latest fault was, in the first pass
 * @row: where the latest fault was, in the second pass
 * @extents: ascending, more than PF_CHART_NEAR apart; the first page of one not in use is ~0
 * @rows: ascending; a jump from one's last page to the next one's first is a break; the first
 *	page of one not in use is ~0
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

/* Takes one line, without newline, ASCII, no trailing blanks. */
typedef void (*pf_chart_emit_fn)(void *ctx, const char *line);

/**
 * pf_chart_init() - make a chart ready for its first pass
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
	/* No page number is that big: what is not in use is behind, and far from, all that is. */
	for (i = 0; i < ARRAY_SIZE(c->extents); i++)
		c->extents[i].first = ~0ULL;
	for (i = 0; i < ARRAY_SIZE(c->rows); i++)
		c->rows[i].first = ~0ULL;
}

/* The pages from one extent's last to the next one's first: 1 if they touch. */
static inline u64 pf_chart_distance(const struct pf_chart_extent *e)
{
	return e[1].first - e->last;
}

/*
 * Pages this near to an extent become part of it. Once there were too many extents, big ones take
 * in more: so small a share of them can't be seen, and a program that touches every 20th page of a
 * big area should not end in pf_chart_compact() again and again.
 */
static inline u64 pf_chart_near(const struct pf_chart *c, const struct pf_chart_extent *e)
{
	const u64 near = (e->last - e->first) >> c->near_shift;

	return max(near, (u64)PF_CHART_NEAR);
}

/* @next becomes part of @e, which leaves a hole in the array. */
static inline void pf_chart_join(struct pf_chart_extent *e, const struct pf_chart_extent *next)
{
	e->last = next->last;
	e->nr_faults += next->nr_faults;
}

static inline void pf_chart_join_next(struct pf_chart *c, struct pf_chart_extent *e)
{
	struct pf_chart_extent *end = c->extents + c->nr_extents--;

	pf_chart_join(e, e + 1);
	/* with the unused one at the end */
	memmove(e + 1, e + 2, (end - e - 1) * sizeof(*e));
}

/*
 * Free at least a quarter of the extents by joining the nearest ones. By powers of two of their
 * distance: exact order would cost a sort, and that for every new page of a far-stepping program.
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
 * One step of a binary search for the last item whose first page is not above @page. A chain of
 * these with constant @nr costs a compare and an add each, half of what a loop does.
 */
#define pf_chart_skip(item, nr, page)               \
	do {                                        \
		if ((item)[(nr)].first <= (page))   \
			(item) += (nr);             \
	} while (0)

/* A page that is not in the extent hit last: find its own, widen one, or make one. */
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
 * pf_chart_survey() - first pass: see where and when a fault was
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

	/* Nearly all faults are in the same place as the one before, or go on from there. */
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
 * Divide the rows among the areas: one each, the others one by one to whom they serve best. What
 * an area may claim grows with the pages touched in it, but far slower: a stack of 30 pages has to
 * be seen beside a heap of 100,000. None gets more rows than it has pages.
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
 * Is the break behind area @i worth its line? Not if the gap, drawn, would be a lesser part of both
 * areas' rows and fewer than two, and the smaller area, on one scale with the other, would lose
 * fewer than two.
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

/* Extents become areas. */
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
 * pf_chart_layout() - between the passes: decide what rows and columns stand for
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
		/* Rows differ by one page at most where pages can't be divided evenly. */
		for (j = 1; j <= nr_rows[i]; j++) {
			struct pf_chart_row *row = &c->rows[c->nr_rows++];

			row->first = first;
			first = e->first + div64_u64(pf_chart_pages(e) * j, nr_rows[i]);
			row->last = first - 1;
		}
	}

	/*
	 * A multiplication instead of a division for each fault. 30 bits of time leave the product
	 * of the latest fault below PF_CHART_COLS << 56 though the scale is rounded up, and up it
	 * must be: down, a fault right on a column's begin would fall into the one before.
	 */
	span = c->last_ns - c->first_ns;
	c->time_shift = max(fls64(span), 30) - 30;
	c->time_scale = div64_u64((u64)PF_CHART_COLS << 56, (span >> c->time_shift) + 1) + 1;
}

/* The column of a time in ns since the first fault. */
static inline unsigned int pf_chart_column(const struct pf_chart *c, u64 since_ns)
{
	return ((since_ns >> c->time_shift) * c->time_scale) >> 56;
}

/**
 * pf_chart_plot() - second pass: count a fault into its cell
 * @c: the chart, laid out
 * @f: the fault
 *
 * Return: false if there is no such cell; a fault that was surveyed always has one
 */
static inline bool pf_chart_plot(struct pf_chart *c, const struct pf_fault *f)
{
	const u64 page = f->address >> c->page_shift;
	const u64 since_ns = f->time_ns - c->first_ns;
	struct pf_chart_row *row = c->row;

	/* Wraps for a fault before the first, and is too much then. */
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

/* A line in the making, and where it goes. */
struct pf_chart_out {
	pf_chart_emit_fn emit;
	void *ctx;
	bool cut; /* a row had room for some of its regions, and a + for the others */
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

/* Move what was added since @from to the right end of a field of @width. */
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
	/* The title is the caller's, and a program may be called anything. */
	for (i = 0; i < o->len; i++)
		if (o->line[i] < ' ' || o->line[i] > '~')
			o->line[i] = '?';
	o->emit(o->ctx, o->line);
	o->len = 0;
}

/* @value / @unit, rounded, in units of 1 / @parts. @unit: below 1 << 57 */
static inline u64 pf_chart_ratio(u64 value, u64 unit, unsigned int parts)
{
	u64 whole = div64_u64(value, unit);
	u64 rest = value - whole * unit;

	return whole * parts + div64_u64(rest * parts + unit / 2, unit);
}

/* Three digits of @value / @unit, more only before the point. */
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

/* The biggest unit that leaves at least 1 of it. */
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

/* For up to PF_CHART_LEVELS glyphs the least number of faults that is drawn by each. */
#define PF_CHART_LEVELS 9

static const char pf_chart_glyphs[] = ".:-=+*#%@";

static const u32 pf_chart_scales[][PF_CHART_LEVELS] = {
	{ 1, 2, 3, 4, 5, 6, 7, 8, 9 },
	{ 1, 2, 5, 10, 20, 50, 100, 200, 500 },
	{ 1, 3, 10, 30, 100, 300, 1000, 3000, 10000 },
	{ 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000 },
};

/* From which number of faults in the fullest cell on the next scale is the better one. */
static const u32 pf_chart_scale_ends[] = { 10, 1000, 30000 };

/* What the drawing needs to know of all cells. */
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

/* Spread over all glyphs, so that the fullest cell has the darkest whatever its number. */
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

/* As many names as the line can take, and a + behind them where some are missing. */
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
		/* In a chart of one region all would say the same. */
		if (s->regions & (s->regions - 1))
			pf_chart_add_regions(o, c->rows[i].regions);
	}
	pf_chart_end_line(o);
}

/* Below row @i address space is left out, between what faults it had. */
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

/* The least 1, 2 or 5 times a power of ten that makes no more than 7 steps. */
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

	/* The end's label first, to learn where it begins: a tick's gives way to it. */
	pf_chart_add_time(o, span);
	end = left + PF_CHART_COLS - o->len;
	o->len = 0;
	pf_chart_add_char(o, ' ', left);
	pf_chart_add(o, "0 %s", unit->name);
	for (t = 0; span - t >= step; t += step) {
		char label[32];
		int len, from;

		/* A step is a seventh of the unit or more: one digit behind the point will do. */
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
		pf_chart_add(o, " a column");
	}
	pf_chart_add(o, "; Y: lowest page of each row, %u KiB a page", 1U << (c->page_shift - 10));
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
		pf_chart_add(o, "Regions with a + behind them: and others, for which there is no room");
		pf_chart_end_line(o);
	}
}

/**
 * pf_chart_draw() - draw a chart, line by line
 * @c: the chart, all its faults plotted
 * @title: the first line: whose faults, and how many; what is too long is cut off
 * @emit: called with each line
 * @ctx: passed to @emit
 *
 * Context: whatever @emit can stand
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

/* One region of the table; times count from @origin_ns. */
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

/* How the faults of a region ended, if that is known. */
struct pf_chart_outcomes {
	u64 nr_minor;
	u64 nr_major;
};

static inline void pf_chart_add_outcomes(struct pf_chart_out *o,
					 const struct pf_chart_outcomes *outcomes)
{
	if (outcomes)
		pf_chart_add(o, " %10llu %8llu", outcomes->nr_minor, outcomes->nr_major);
}

/**
 * pf_chart_draw_table() - tell how many faults each region had, where and when
 * @charts: NR_PF_REGION charts by enum pf_region, each laid out
 * @outcomes: as many, or NULL
 * @emit: called with each line
 * @ctx: passed to @emit
 *
 * Times count from the first fault of all regions, so that charts can be put side by side.
 */
static inline void pf_chart_draw_table(const struct pf_chart *charts,
				       const struct pf_chart_outcomes *outcomes,
				       pf_chart_emit_fn emit, void *ctx)
{
	struct pf_chart_out out = { .emit = emit, .ctx = ctx };
	struct pf_chart_outcomes all = {};
	u64 origin_ns = ~0ULL, total = 0;
	unsigned int i;

	for (i = 0; i < NR_PF_REGION; i++) {
		origin_ns = min(origin_ns, charts[i].first_ns);
		total += charts[i].nr_faults;
		all.nr_minor += outcomes ? outcomes[i].nr_minor : 0;
		all.nr_major += outcomes ? outcomes[i].nr_major : 0;
	}

	pf_chart_add(&out, "%-7s%11s", "region", "faults");
	if (outcomes)
		pf_chart_add(&out, "%11s%9s", "minor", "major");
	pf_chart_add(&out, "%9s%14s%14s%13s%12s", "share", "lowest page", "highest page",
		     "first fault", "last fault");
	pf_chart_end_line(&out);
	for (i = 0; i < NR_PF_REGION; i++) {
		pf_chart_add(&out, "%-7s%11llu", pf_region_names[i], charts[i].nr_faults);
		pf_chart_add_outcomes(&out, outcomes ? &outcomes[i] : NULL);
		if (charts[i].nr_faults)
			pf_chart_draw_table_row(&charts[i], origin_ns, total, &out);
		pf_chart_end_line(&out);
	}
	pf_chart_add(&out, "%-7s%11llu", "all", total);
	pf_chart_add_outcomes(&out, outcomes ? &all : NULL);
	pf_chart_end_line(&out);
}

#endif /* PF_CHART_H */
