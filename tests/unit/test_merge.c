// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf/merge.h: lanes of ascending times become one ordered sequence; the cost with many lanes.
 */
#include <stdlib.h>
#include <time.h>

#include "pf/merge.h"
#include "tap.h"

#define NR_LANES_MAX 128
#define NR_RECORDS 200000
#define NR_ROUNDS 5

static u64 times[NR_RECORDS];
static u32 lanes[NR_RECORDS];

/* The lanes to merge: their records are in times[] and lanes[], in any order of lanes. */
static struct {
	u32 nr, at;
	u64 time_ns[NR_RECORDS];
} queues[NR_LANES_MAX];

static void fill(unsigned int nr_lanes, unsigned int nr_records, unsigned int step)
{
	u64 now_ns = 1000;
	unsigned int i;

	for (i = 0; i < NR_LANES_MAX; i++)
		queues[i].nr = queues[i].at = 0;
	for (i = 0; i < nr_records; i++) {
		u32 lane = tap_random() % nr_lanes;

		now_ns += tap_random() % step; /* with a step of 1 all have the same time */
		queues[lane].time_ns[queues[lane].nr++] = now_ns;
	}
}

/* As a cursor does: the first lane continues for as long as it has the earliest time. */
static unsigned int merge_all(void)
{
	struct pf_next heap[NR_LANES_MAX];
	struct pf_merge merge = { .heap = heap };
	unsigned int nr = 0;
	u32 lane;

	for (lane = 0; lane < NR_LANES_MAX; lane++)
		if (queues[lane].nr)
			pf_merge_add(&merge, (struct pf_next){ queues[lane].time_ns[0], lane });
	while (merge.nr) {
		u64 until_ns = pf_merge_second_ns(&merge, ~0ULL);

		lane = heap[0].lane;
		do {
			times[nr] = queues[lane].time_ns[queues[lane].at++];
			lanes[nr++] = lane;
		} while (queues[lane].at < queues[lane].nr &&
			 queues[lane].time_ns[queues[lane].at] <= until_ns);
		if (queues[lane].at < queues[lane].nr)
			pf_merge_move_first(&merge, queues[lane].time_ns[queues[lane].at]);
		else
			pf_merge_drop_first(&merge);
	}
	return nr;
}

static bool is_in_order(unsigned int nr)
{
	unsigned int i;

	for (i = 1; i < nr; i++)
		if (times[i - 1] > times[i])
			return false;
	return true;
}

static void test_order(void)
{
	static const unsigned int counts[] = { 1, 2, 3, 8, 64, 127, 128 };
	static const unsigned int steps[] = { 1, 2, 1000 };
	bool all = true, ordered = true;
	unsigned int i, j, nr_records;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		for (j = 0; j < ARRAY_SIZE(steps); j++) {
			for (nr_records = 0; nr_records < 3000; nr_records = nr_records * 2 + 1) {
				unsigned int nr;

				fill(counts[i], nr_records, steps[j]);
				nr = merge_all();
				all = nr == nr_records && all;
				ordered = is_in_order(nr) && ordered;
			}
		}
	}
	ok(all, "each record comes once");
	ok(ordered, "records are in the order of time, also if times are equal");
}

/* The best of some rounds, as other programs may run here. */
static double ns_a_record(unsigned int nr_lanes)
{
	double best = 1e9;
	int round;

	for (round = 0; round < NR_ROUNDS; round++) {
		struct timespec begin, end;
		double ns;

		fill(nr_lanes, NR_RECORDS, 1000);
		clock_gettime(CLOCK_MONOTONIC, &begin);
		merge_all();
		clock_gettime(CLOCK_MONOTONIC, &end);
		ns = (end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec);
		best = min(best, ns / NR_RECORDS);
	}
	return best;
}

static void test_cost(void)
{
	static const unsigned int counts[] = { 1, 2, 8, 64, 128 };
	double ns[ARRAY_SIZE(counts)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		ns[i] = ns_a_record(counts[i]);
		printf("# %3u lanes: %.1f ns per record\n", counts[i], ns[i]);
	}
	/* log2(128) is 7 times log2(2); reading each lane would cost 64 times as much. */
	ok(ns[4] < 16 * ns[1], "128 lanes cost %.1f times as much as 2", ns[4] / ns[1]);
}

int main(void)
{
	test_order();
	test_cost();
	return tap_done();
}
