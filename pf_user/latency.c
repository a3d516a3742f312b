// SPDX-License-Identifier: GPL-2.0-or-later
#include "latency.h"

/* Up to 3 ns there is a bucket for each; then one for each value of the three highest bits. */
static unsigned int bucket_of(u64 ns)
{
	unsigned int bit;

	if (ns < 4)
		return (unsigned int)ns;
	bit = 63 - (unsigned int)__builtin_clzll(ns);
	return (bit - 1) * 4 + (unsigned int)(ns >> (bit - 2) & 3);
}

/* The middle of a bucket. */
static u64 bucket_ns(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < 4)
		return bucket;
	shift = bucket / 4 - 1;
	return ((u64)(4 + bucket % 4) << shift) + ((1ULL << shift) >> 1);
}

void latency_add(struct latency *l, u64 ns)
{
	l->nr[bucket_of(ns)]++;
	l->nr_all++;
}

void latency_add_all(struct latency *l, const struct latency *more)
{
	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++)
		l->nr[i] += more->nr[i];
	l->nr_all += more->nr_all;
}

u64 latency_percentile(const struct latency *l, unsigned int percent)
{
	u64 rank = (l->nr_all * percent + 99) / 100, nr = 0;

	if (!rank)
		return 0;
	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++) {
		nr += l->nr[i];
		if (nr >= rank)
			return bucket_ns(i);
	}
	return 0;
}
