/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Draws a chart as a picture in ASCII: a line for each row of the grid, with axes and a legend.
 * Pure (see env.h).
 *
 * Each glyph stands for a range of numbers of faults, and the legend names all of these ranges.
 */
#ifndef PF_CHART_DRAW_H
#define PF_CHART_DRAW_H

#include "chart.h"
#include "chart_line.h"
#include "env.h"
#include "fault.h"

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

#endif /* PF_CHART_DRAW_H */
