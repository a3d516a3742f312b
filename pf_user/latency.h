/* SPDX-License-Identifier: GPL-2.0-or-later */
/* latency - how times are distributed: a histogram of any number of them in 1 KiB. */
#ifndef PF_USER_LATENCY_H
#define PF_USER_LATENCY_H

typedef unsigned long long u64;

/* Four buckets for each power of two: what they tell is at most 13 % off. */
#define LATENCY_BUCKETS	252

struct latency {
	unsigned int nr[LATENCY_BUCKETS];
	u64 nr_all;
};

void latency_add(struct latency *l, u64 ns);

/* The time that so many percent of them (1 to 100) took at most, in ns; 0 if there are none. */
u64 latency_percentile(const struct latency *l, unsigned int percent);

#endif
