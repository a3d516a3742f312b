/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Merges lanes by time: a heap of the lanes that have a next record. Pure (see env.h).
 *
 * Not the kernel's min_heap, because its interface has changed twice since 5.10, and it calls a
 * function for each comparison.
 */
#ifndef PF_MERGE_H
#define PF_MERGE_H

#include "env.h"

/**
 * struct pf_next - a lane and the time of its next record
 * @time_ns: when the record was made
 * @lane: number of the lane
 */
struct pf_next {
	u64 time_ns;
	u32 lane;
};

/**
 * struct pf_merge - the lanes that have a next record
 * @nr: number of lanes
 * @heap: a binary min-heap of them, in the order of pf_next_is_before()
 */
struct pf_merge {
	u32 nr;
	struct pf_next *heap; /* the caller's memory, with an entry per lane */
};

/* Records with the same time are ordered by lane, so that the order is reproducible. */
static inline bool pf_next_is_before(struct pf_next a, struct pf_next b)
{
	return a.time_ns < b.time_ns || (a.time_ns == b.time_ns && a.lane < b.lane);
}

static inline void pf_merge_sink(struct pf_merge *merge, struct pf_next next)
{
	struct pf_next *heap = merge->heap;
	u32 at = 0, child;

	while ((child = 2 * at + 1) < merge->nr) {
		if (child + 1 < merge->nr && pf_next_is_before(heap[child + 1], heap[child]))
			child++;
		if (!pf_next_is_before(heap[child], next))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = next;
}

/**
 * pf_merge_add() - add a lane
 * @merge: the lanes
 * @next: a lane that is not in the heap, and the time of its next record
 */
static inline void pf_merge_add(struct pf_merge *merge, struct pf_next next)
{
	struct pf_next *heap = merge->heap;
	u32 at = merge->nr++;

	while (at && pf_next_is_before(next, heap[(at - 1) / 2])) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = next;
}

/**
 * pf_merge_move_first() - set the time of the first lane's next record
 * @merge: the lanes, at least one
 * @time_ns: when the record was made
 */
static inline void pf_merge_move_first(struct pf_merge *merge, u64 time_ns)
{
	pf_merge_sink(merge, (struct pf_next){ time_ns, merge->heap[0].lane });
}

/**
 * pf_merge_drop_first() - remove the first lane
 * @merge: the lanes, at least one
 */
static inline void pf_merge_drop_first(struct pf_merge *merge)
{
	if (--merge->nr)
		pf_merge_sink(merge, merge->heap[merge->nr]);
}

/**
 * pf_merge_second_ns() - up to when only the first lane has records
 * @merge: the lanes
 * @end_ns: returned if there is no earlier record
 *
 * Return: the earliest time of the other lanes' next records, at most @end_ns
 */
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
