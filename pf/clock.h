/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CLOCK_MONOTONIC in the fault path, as ktime_get_mono_fast_ns() has it, in less than half of the
 * instructions where it is the time-stamp counter.
 *
 * The kernel tells who wants to know, as what gives guests a clock does, each time that it changes
 * the way from the counter to the time; it does so just before it uses that itself. So the value
 * here is the kernel's own, by its own formula: nothing drifts, and all CPUs have the same.
 * Whatever is unusual is left to the kernel's function: another clock source, a change under way, a
 * counter that is behind the one of the CPU that made the change, a change that is very long ago.
 */
#ifndef PF_CLOCK_H
#define PF_CLOCK_H

#include <linux/cache.h>
#include <linux/clocksource.h>
#include <linux/compiler.h>
#include <linux/notifier.h>
#include <linux/pvclock_gtod.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>

#include "compat.h"

/**
 * struct pf_rate - from the counter to the time
 * @seq: changes with the rest; odd while that is not to be used
 * @mult: the time is base_ns + ((cycles - cycle_last) * mult + part) >> shift
 * @shift: see @mult
 * @cycle_last: the counter at the last change
 * @max_cycles: from there on, that the formula has no overflow
 * @part: of a nanosecond and more, shifted
 * @base_ns: see @mult
 */
struct pf_rate {
	u32 seq;
	u32 mult;
	u64 cycle_last;
	u64 max_cycles;
	u64 part;
	u64 base_ns;
	u32 shift;
} ____cacheline_aligned_in_smp; /* nothing beside what each fault reads, and each tick changes */

static struct pf_rate pf_rate = { .seq = 1 };

/* With interrupts off and the kernel's own lock, so one at a time, and no fault in between. */
static int pf_rate_change(struct notifier_block *nb, unsigned long was_set, void *data)
{
	const struct tk_read_base *kernels = &((const struct timekeeper *)data)->tkr_mono;
	u32 seq = pf_rate.seq | 1;

	WRITE_ONCE(pf_rate.seq, seq);
	if (!pf_is_cycles(kernels->clock))
		return NOTIFY_DONE;
	smp_wmb();
	WRITE_ONCE(pf_rate.mult, kernels->mult);
	WRITE_ONCE(pf_rate.cycle_last, kernels->cycle_last);
	WRITE_ONCE(pf_rate.max_cycles, kernels->clock->max_cycles);
	WRITE_ONCE(pf_rate.part, kernels->xtime_nsec);
	WRITE_ONCE(pf_rate.base_ns, ktime_to_ns(kernels->base));
	WRITE_ONCE(pf_rate.shift, kernels->shift);
	smp_store_release(&pf_rate.seq, seq + 1);
	return NOTIFY_DONE;
}

static struct notifier_block pf_rate_notifier = { .notifier_call = pf_rate_change };

/* Before the first fault. */
static void pf_clock_start(void)
{
	if (PF_HAS_CYCLES)
		pvclock_gtod_register_notifier(&pf_rate_notifier);
}

/* After the last. */
static void pf_clock_stop(void)
{
	if (PF_HAS_CYCLES)
		pvclock_gtod_unregister_notifier(&pf_rate_notifier);
}

/**
 * pf_clock_ns() - CLOCK_MONOTONIC in ns
 *
 * Context: any.
 */
static __always_inline u64 pf_clock_ns(void)
{
	u32 seq = READ_ONCE(pf_rate.seq);
	u64 cycles, ns;

	if (!PF_HAS_CYCLES || unlikely(seq & 1))
		return ktime_get_mono_fast_ns();
	smp_rmb();
	cycles = pf_cycles() - data_race(pf_rate.cycle_last);
	if (unlikely(cycles > data_race(pf_rate.max_cycles))) /* or less than none */
		return ktime_get_mono_fast_ns();
	ns = data_race((cycles * pf_rate.mult + pf_rate.part) >> pf_rate.shift) +
	     data_race(pf_rate.base_ns);
	smp_rmb();
	if (unlikely(READ_ONCE(pf_rate.seq) != seq))
		return ktime_get_mono_fast_ns();
	return ns;
}

#endif /* PF_CLOCK_H */
