/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * activity - counts the faults of the current interval: all, by region, mapping and thread
 *
 * Memory is bounded, whatever the traced process does: mappings and threads for which there is no
 * room are counted together.
 */
#ifndef PF_USER_ACTIVITY_H
#define PF_USER_ACTIVITY_H

#include "fault.h"
#include "latency.h"
#include "names.h"

#ifndef ACTIVITY_NAMES_MAX
#define ACTIVITY_NAMES_MAX	1024		/* of mappings, and of threads */
#endif
#define ACTIVITY_NAMES_SIZE	(1 << 20)	/* of all of them together, in bytes */

struct lane {
	u64 nr_faults, nr_minor, nr_major;
	u64 time_ns;			/* the sum of their latencies */
	struct latency minor, major;
};

struct lanes {
	struct names names;
	struct lane *list;		/* by number; the last is all others */
};

struct activity {
	u64 begin_ns;			/* CLOCK_MONOTONIC; earlier faults are in no interval */
	struct lane all, regions[REGIONS];
	struct lanes maps, threads;

	/* Of all intervals: */
	u64 nr_faults, nr_minor, nr_major, nr_failed, nr_new;
	u64 nr_earlier;			/* the faults that ended before begin_ns */
	u64 newest_ns;			/* the latest end of a fault */
	bool has_results;
};

void activity_init(struct activity *a, u64 begin_ns);

void activity_add(struct activity *a, const struct fault *f);

/* Begins a new interval. */
void activity_clear(struct activity *a);

/**
 * lanes_sort() - Sort the lanes that have faults, by time, then by faults, the largest first.
 * @lanes: the lanes
 * @order: gets their numbers; room for ACTIVITY_NAMES_MAX
 *
 * Return: the number of lanes, without the last one, of all others.
 */
size_t lanes_sort(const struct lanes *lanes, size_t *order);

/* As lanes_sort(), for the regions. */
size_t regions_sort(const struct activity *a, size_t *order);

void activity_free(struct activity *a);

#endif
