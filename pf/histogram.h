/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long faults took, by powers of two. Pure (see env.h).
 */
#ifndef PF_HISTOGRAM_H
#define PF_HISTOGRAM_H

#include "chart_line.h"
#include "env.h"
#include "fault.h"

/* One for 0 ns, and one for each bit of a record's latency. */
#define PF_HISTOGRAM_BUCKETS (PF_LATENCY_BITS + 1)

/* At most, so that a histogram with title and heading has at most 20 lines. */
#define PF_HISTOGRAM_ROWS 18
#define PF_HISTOGRAM_BAR 38

/* Faults by result and latency. Bucket i counts latencies below 1 << i ns, and not below half. */
struct pf_histogram {
	u64 nr_minor[PF_HISTOGRAM_BUCKETS];
	u64 nr_major[PF_HISTOGRAM_BUCKETS];
	u64 nr_failed[PF_HISTOGRAM_BUCKETS];
};

/**
 * pf_histogram_sum() - add up the counts of all buckets
 * @nr: one of the arrays of struct pf_histogram
 */
static inline u64 pf_histogram_sum(const u64 nr[PF_HISTOGRAM_BUCKETS])
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < PF_HISTOGRAM_BUCKETS; i++)
		sum += nr[i];
	return sum;
}

/**
 * pf_histogram_add() - count a fault
 * @h: the histogram
 * @result: how it ended
 * @latency_ns: how long it took, up to PF_LATENCY_MAX_NS
 */
static inline void pf_histogram_add(struct pf_histogram *h, enum pf_result result, u64 latency_ns)
{
	unsigned int bucket = fls64(latency_ns);

	if (result == PF_RESULT_MINOR)
		h->nr_minor[bucket]++;
	else if (result == PF_RESULT_MAJOR)
		h->nr_major[bucket]++;
	else
		h->nr_failed[bucket]++;
}

/**
 * pf_histogram_merge() - add the counts of a histogram to another
 * @to: the histogram to change
 * @from: the histogram to add
 */
static inline void pf_histogram_merge(struct pf_histogram *to, const struct pf_histogram *from)
{
	unsigned int i;

	for (i = 0; i < PF_HISTOGRAM_BUCKETS; i++) {
		to->nr_minor[i] += from->nr_minor[i];
		to->nr_major[i] += from->nr_major[i];
		to->nr_failed[i] += from->nr_failed[i];
	}
}

static inline u64 pf_histogram_in(const struct pf_histogram *h, unsigned int bucket)
{
	return h->nr_minor[bucket] + h->nr_major[bucket] + h->nr_failed[bucket];
}

static inline void pf_histogram_add_time(struct pf_chart_out *o, u64 ns, int width)
{
	int from = o->len;

	pf_chart_add_time(o, ns);
	pf_chart_align(o, from, width);
}

static inline void pf_histogram_draw_row(const struct pf_histogram *h, unsigned int bucket,
					 u64 from_ns, u64 most, bool failed,
					 struct pf_chart_out *o)
{
	/* Rounded up, so that a bucket with a single fault has a bar. */
	u64 len = div64_u64(pf_histogram_in(h, bucket) * PF_HISTOGRAM_BAR + most - 1, most);

	pf_histogram_add_time(o, from_ns, 8);
	pf_chart_add(o, " -");
	pf_histogram_add_time(o, 1ULL << bucket, 8);
	pf_chart_add(o, " %11llu %9llu", h->nr_minor[bucket], h->nr_major[bucket]);
	if (failed)
		pf_chart_add(o, " %9llu", h->nr_failed[bucket]);
	pf_chart_add(o, "  |");
	pf_chart_add_char(o, '#', len);
	pf_chart_end_line(o);
}

/**
 * pf_histogram_draw() - draw a histogram, line by line: at most 20
 * @h: the histogram
 * @emit: called with each line
 * @ctx: passed to @emit
 *
 * Rows without a fault are left out. If there are too many others, the fastest are merged into one.
 */
static inline void pf_histogram_draw(const struct pf_histogram *h, pf_chart_emit_fn emit, void *ctx)
{
	struct pf_chart_out out = { .emit = emit, .ctx = ctx };
	u64 nr_failed = pf_histogram_sum(h->nr_failed), most = 1;
	struct pf_histogram rows = *h;
	unsigned int i, nr_rows = 0, first = 0;

	pf_chart_add(&out, "Latency of page faults: %llu minor, %llu major, %llu failed",
		     pf_histogram_sum(h->nr_minor), pf_histogram_sum(h->nr_major), nr_failed);
	pf_chart_end_line(&out);

	for (i = PF_HISTOGRAM_BUCKETS; i--;) {
		if (!pf_histogram_in(&rows, i))
			continue;
		if (nr_rows == PF_HISTOGRAM_ROWS) {
			rows.nr_minor[first] += rows.nr_minor[i];
			rows.nr_major[first] += rows.nr_major[i];
			rows.nr_failed[first] += rows.nr_failed[i];
			rows.nr_minor[i] = rows.nr_major[i] = rows.nr_failed[i] = 0;
		} else {
			first = i;
			nr_rows++;
		}
	}
	if (!nr_rows)
		return;
	for (i = first; i < PF_HISTOGRAM_BUCKETS; i++)
		most = max(most, pf_histogram_in(&rows, i));

	pf_chart_add(&out, "%8s  %8s%12s%10s", "from", "below", "minor", "major");
	if (nr_failed)
		pf_chart_add(&out, "%10s", "failed");
	pf_chart_end_line(&out);
	for (i = first; i < PF_HISTOGRAM_BUCKETS; i++) {
		bool merged = i == first && pf_histogram_in(&rows, i) != pf_histogram_in(h, i);

		if (pf_histogram_in(&rows, i))
			pf_histogram_draw_row(&rows, i, i && !merged ? 1ULL << (i - 1) : 0, most,
					      nr_failed, &out);
	}
}

#endif /* PF_HISTOGRAM_H */
