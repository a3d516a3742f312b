/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A chart counts faults by time and address: faults in, a grid of cells out. Pure (see env.h).
 *
 * A fault that was surveyed always has a cell. There are two passes over the faults, each in any
 * order. The first finds the time span and the touched parts of the address space. These become a
 * few areas; the gaps between them are left out. Each row of the grid becomes a range of pages in
 * one area. The second pass counts each fault in its cell.
 *
 * Call pf_chart_init(), pf_chart_survey() for each fault, pf_chart_layout(), pf_chart_plot() for
 * each fault, then pf_chart_draw() (chart_draw.h) or pf_chart_draw_table() (chart_table.h).
 *
 * A chart points into itself, so it can't be copied. It holds no resources. The caller serialises.
 */
#ifndef PF_CHART_H
#define PF_CHART_H

#include "env.h"
#include "fault.h"

#define PF_CHART_ROWS 30
#define PF_CHART_COLS 70

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

/**
 * pf_chart_column() - the column for a time
 * @c: the chart, laid out
 * @since_ns: time after the first fault in ns, up to that of the last fault
 *
 * Return: the column, 0 to PF_CHART_COLS - 1
 */
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

#endif /* PF_CHART_H */
