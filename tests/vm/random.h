/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pseudo-random numbers that depend only on the seed, not on the machine or the C library.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>
#include <stdlib.h>

static uint64_t random_state;

static inline void random_begin(const char *seed)
{
	random_state = strtoull(seed, NULL, 0) * 2 + 1;
}

/* 48 bits */
static inline uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dULL >> 16;
}

/* 0 to @n - 1 */
static inline unsigned long below(unsigned long n)
{
	return next_random() % n;
}

#endif /* RANDOM_H */
