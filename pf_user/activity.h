/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * activity - counts the faults of an interval: all, by region, mapping, thread, process, program
 * and function
 *
 * Memory is bounded, whatever the traced process does: mappings, threads, and so on, for which
 * there is no room are counted together.
 */
#ifndef PF_USER_ACTIVITY_H
#define PF_USER_ACTIVITY_H

#include "fault.h"
#include "functions.h"
#include "latency.h"
#include "names.h"
#include "programs.h"

#ifndef ACTIVITY_NAMES_MAX
#define ACTIVITY_NAMES_MAX	1024		/* of mappings, of threads, ... */
#endif
#define ACTIVITY_IPS_MAX	(2 * ACTIVITY_NAMES_MAX)	/* instructions */
#define ACTIVITY_NAMES_SIZE	(1 << 20)	/* of all of them together, in bytes */

enum sort_key { SORT_TIME, SORT_FAULTS, SORT_MAJOR, SORT_FAILED, SORT_KEYS };

struct lane {
	u64 nr_faults, nr_minor, nr_major, nr_failed;
	u64 time_ns;			/* the sum of their latencies */
	struct latency minor, major;
};

struct lanes {
	struct names names;
	struct lane *list;		/* by number; the last is all others */
};

/* By instruction: their functions are known later. */
struct ip_lanes {
	struct lane *list;		/* the last is all others */
	unsigned int *numbers;		/* of the instructions, see functions.h */
	size_t nr;
	u64 nr_without;			/* faults whose lines have no instruction */
};

struct activity {
	u64 begin_ns;			/* CLOCK_MONOTONIC; earlier faults are in no interval */
	struct lane all, regions[REGIONS];
	struct lanes maps, threads;
	struct lanes processes, of_programs;	/* if `programs` is set */
	struct ip_lanes ips;			/* if `functions` is set */
	struct lanes of_functions;		/* made from that by activity_name() */

	const struct programs *programs;
	struct functions *functions;
	struct program latest;		/* of the latest fault */
	u64 latest_change;		/* programs->nr_changes at that fault */

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

/* As activity_clear(); `before` gets the interval that ends. Both were initialized. */
void activity_turn(struct activity *a, struct activity *before);

/**
 * lanes_sort() - Sort the lanes that have faults, the largest first.
 * @lanes: the lanes
 * @key: equal ones are sorted by time, then by faults
 * @order: gets their numbers; room for ACTIVITY_NAMES_MAX
 *
 * Return: the number of lanes, without the last one, of all others.
 */
size_t lanes_sort(const struct lanes *lanes, enum sort_key key, size_t *order);

/* As lanes_sort(), for the regions. */
size_t regions_sort(const struct activity *a, enum sort_key key, size_t *order);

/* Sums up the faults of each function, as far as they are known now. */
void activity_name(struct activity *a);

void activity_free(struct activity *a);

#endif
