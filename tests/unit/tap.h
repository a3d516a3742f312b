/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results in the Test Anything Protocol, for prove. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static unsigned int tap_nr_tests;
static unsigned int tap_nr_failed;

/* Print a test's result; @name is a printf format. */
__attribute__((format(printf, 2, 3))) static inline bool ok(bool passed, const char *name, ...)
{
	va_list args;

	tap_nr_tests++;
	if (!passed)
		tap_nr_failed++;
	printf("%sok %u - ", passed ? "" : "not ", tap_nr_tests);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	putchar('\n');
	return passed;
}

/* Print the plan. Return: the exit status */
static inline int tap_done(void)
{
	printf("1..%u\n", tap_nr_tests);
	return tap_nr_failed ? 1 : 0;
}

/* The same numbers in every run (xorshift). */
static inline uint64_t tap_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

#endif /* TAP_H */
