/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * activity - the faults of the last moment: all, by region, by mapping, by thread
 *
 * Memory is bounded, whatever the traced process does: what there is no room for is counted
 * together.
 */
#ifndef PF_USER_ACTIVITY_H
#define PF_USER_ACTIVITY_H

#include "fault.h"
#include "latency.h"
#include "names.h"

#ifndef ACTIVITY_NAMES_MAX
#define ACTIVITY_NAMES_MAX	1024		/* mappings, and threads */
#endif
#define ACTIVITY_NAMES_SIZE	(1 << 20)	/* of all of them together, in bytes */

struct lane {
	u64 nr_faults, nr_minor, nr_major;
	u64 time_ns;			/* spent in them */
	struct latency minor, major;
};

struct lanes {
	struct names names;
	struct lane *list;		/* by number; the last is of those without one */
};

struct activity {
	u64 begin_ns;			/* CLOCK_MONOTONIC; what ended before is of no moment */
	struct lane all, regions[REGIONS];
	struct lanes maps, threads;

	/* Of all moments: */
	u64 nr_faults, nr_minor, nr_major, nr_failed, nr_new;
	u64 nr_earlier;			/* of these, those that ended before begin_ns */
	u64 newest_ns;			/* the latest end */
	bool has_results;
};

void activity_init(struct activity *a, u64 begin_ns);

void activity_add(struct activity *a, const struct fault *f);

/* Begins a new moment. */
void activity_clear(struct activity *a);

/**
 * lanes_sort() - The lanes with faults in them, the one with the most time first, or most faults.
 * @lanes: whose
 * @order: what to fill with their numbers, room for ACTIVITY_NAMES_MAX
 *
 * Return: how many there are, but for the last, of those without a number.
 */
size_t lanes_sort(const struct lanes *lanes, size_t *order);

/* As lanes_sort(), of the regions. */
size_t regions_sort(const struct activity *a, size_t *order);

void activity_free(struct activity *a);

#endif
