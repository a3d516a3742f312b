/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Draws the charts of all regions as a table: how many faults each region had, where and when. Pure
 * (see env.h).
 */
#ifndef PF_CHART_TABLE_H
#define PF_CHART_TABLE_H

#include "chart.h"
#include "chart_line.h"
#include "env.h"
#include "fault.h"

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

#endif /* PF_CHART_TABLE_H */
