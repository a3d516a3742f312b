/* SPDX-License-Identifier: GPL-2.0-or-later */
/* latency - a histogram of times in 1 KiB. */
#ifndef PF_USER_LATENCY_H
#define PF_USER_LATENCY_H

typedef unsigned long long u64;

/* Four buckets for each power of two: a percentile is at most 13 % off. */
#define LATENCY_BUCKETS	252

struct latency {
	unsigned int nr[LATENCY_BUCKETS];
	u64 nr_all;
};

void latency_add(struct latency *l, u64 ns);

void latency_add_all(struct latency *l, const struct latency *more);

/* A percentile (1 to 100) of the times, in ns; 0 if there are none. */
u64 latency_percentile(const struct latency *l, unsigned int percent);

#endif
