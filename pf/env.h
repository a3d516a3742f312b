/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the pure headers (fault.h, chart.h, text.h ...) include: kernel headers in a module, a few
 * stand-ins in a unit test. A pure header uses no locks, no allocation and no kernel objects.
 */
#ifndef PF_ENV_H
#define PF_ENV_H

#ifdef __KERNEL__

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>

#else

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64; /* as in the kernel, for %llu */

#define unlikely(x) __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define static_assert(expr) _Static_assert(expr, #expr)
#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define data_race(x) (x)
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

/* An aligned word never crosses a page, so it may be read even beyond the end of its object. */
static inline __attribute__((no_sanitize("address"))) unsigned long
read_word_at_a_time(const void *addr)
{
	return __atomic_load_n((const unsigned long *)addr, __ATOMIC_RELAXED);
}

static inline int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

/* As in the kernel: returns the number of bytes written, not the number needed. */
static inline __printf(3, 4) int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(buf, size, fmt, args);
	va_end(args);
	if (len < 0 || !size)
		return 0;
	return (size_t)len < size ? len : (int)size - 1;
}

#endif /* __KERNEL__ */

#endif /* PF_ENV_H */
