/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which of many lanes comes next in time: a heap of those that have something. Pure (see env.h).
 *
 * The kernel has a heap of its own, but its interface has changed twice since 5.10, and it calls a
 * function for each comparison.
 */
#ifndef PF_MERGE_H
#define PF_MERGE_H

#include "env.h"

/**
 * struct pf_next - a lane, by the time of its next record
 * @time_ns: when that was made
 * @lane: the lane's number
 */
struct pf_next {
	u64 time_ns;
	u32 lane;
};

/**
 * struct pf_merge - the lanes that have a next record
 * @nr: how many there are
 * @heap: these; none comes before that at half its place
 */
struct pf_merge {
	u32 nr;
	struct pf_next *heap; /* of who uses this: an entry a lane */
};

/* Of two records of one time, that of the lower lane is first: the order is the same each time. */
static inline bool pf_next_is_before(struct pf_next a, struct pf_next b)
{
	return a.time_ns < b.time_ns || (a.time_ns == b.time_ns && a.lane < b.lane);
}

static inline void pf_merge_sink(struct pf_merge *merge, struct pf_next next)
{
	struct pf_next *heap = merge->heap;
	u32 place = 0, child;

	while ((child = 2 * place + 1) < merge->nr) {
		if (child + 1 < merge->nr && pf_next_is_before(heap[child + 1], heap[child]))
			child++;
		if (!pf_next_is_before(heap[child], next))
			break;
		heap[place] = heap[child];
		place = child;
	}
	heap[place] = next;
}

/* A lane that is not there has a next record. */
static inline void pf_merge_add(struct pf_merge *merge, struct pf_next next)
{
	struct pf_next *heap = merge->heap;
	u32 place = merge->nr++;

	while (place && pf_next_is_before(next, heap[(place - 1) / 2])) {
		heap[place] = heap[(place - 1) / 2];
		place = (place - 1) / 2;
	}
	heap[place] = next;
}

/* The first lane's next record was made at @time_ns. */
static inline void pf_merge_move_first(struct pf_merge *merge, u64 time_ns)
{
	pf_merge_sink(merge, (struct pf_next){ time_ns, merge->heap[0].lane });
}

/* The first lane has no more. */
static inline void pf_merge_drop_first(struct pf_merge *merge)
{
	if (--merge->nr)
		pf_merge_sink(merge, merge->heap[merge->nr]);
}

/* Up to when the first lane is alone: the time of the second one, or @end_ns without one. */
static inline u64 pf_merge_second_ns(const struct pf_merge *merge, u64 end_ns)
{
	const struct pf_next *heap = merge->heap;

	if (merge->nr > 1)
		end_ns = min(end_ns, heap[1].time_ns);
	if (merge->nr > 2)
		end_ns = min(end_ns, heap[2].time_ns);
	return end_ns;
}

#endif /* PF_MERGE_H */
