/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock of the measured programs, and their results.
 *
 * The clock is the time-stamp counter, on arm64 the virtual counter: in QEMU with -icount shift=0
 * it advances by one with each instruction of any program or of the kernel. The kernel takes that
 * for 1 GHz.
 *
 * A few rounds cost more, because they contain a timer interrupt or another program; the median is
 * the cost of what is measured, the mean includes the rest of the system.
 */
#ifndef BENCH_ROUNDS_H
#define BENCH_ROUNDS_H

#include <stdint.h>
#include <stdio.h>

#define PAGE 4096UL
#define MAX_ROUNDS 1024
#define WARM_UPS 3

#ifdef __x86_64__

static inline uint64_t clock_units(void)
{
	return __builtin_ia32_rdtsc();
}

#else

static inline uint64_t clock_units(void)
{
	uint64_t units;

	asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(units) : : "memory");
	return units;
}

#endif

/* Prints the clock units of each round, and how many faults or calls there were in all. */
static inline void print_rounds(const char *what, long nr, const uint64_t *ticks, long nr_rounds)
{
	printf("%s=%ld rounds=", what, nr);
	for (long i = 0; i < nr_rounds; i++)
		printf("%s%lu", i ? "," : "", ticks[i]);
	puts("");
}

#endif
