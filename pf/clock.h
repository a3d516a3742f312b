/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CLOCK_MONOTONIC in the fault path: the value of ktime_get_mono_fast_ns(), in less than half of
 * the instructions if the clock source is the time-stamp counter.
 *
 * The kernel calls the pvclock_gtod notifiers, which KVM uses to give guests a clock, each time it
 * changes how the counter is converted to time, just before it uses the new conversion itself. So
 * this is the kernel's own time, by its own formula: it does not drift, and it is the same on all
 * CPUs. The kernel's function handles the rare cases: another clock source, a change in progress, a
 * counter behind that of the CPU that made the change, a last change so long ago that the formula
 * would overflow.
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
 * struct pf_rate - how to convert the counter to time
 * @seq: sequence count; odd while the other fields must not be used
 * @mult: the time is base_ns + (((cycles - cycle_last) * mult + part) >> shift)
 * @shift: see @mult
 * @cycle_last: value of the counter at the last change
 * @max_cycles: the formula does not overflow for this many cycles after @cycle_last
 * @part: time to add, in ns << @shift; the kernel's xtime_nsec
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
} ____cacheline_aligned_in_smp; /* a line of its own: every fault reads it, every tick writes it */

static struct pf_rate pf_rate = { .seq = 1 };

/* Called with interrupts off under the timekeeper's lock: one call at a time, no fault within. */
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

/**
 * pf_clock_start() - follow how the kernel converts the counter to time
 *
 * Until then, and without such a counter, pf_clock_ns() calls the kernel's function.
 *
 * Context: process context.
 */
static void pf_clock_start(void)
{
	if (PF_HAS_CYCLES)
		pvclock_gtod_register_notifier(&pf_rate_notifier);
}

/**
 * pf_clock_stop() - stop following it
 *
 * Call it after the last fault.
 *
 * Context: process context.
 */
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
	if (unlikely(cycles > data_race(pf_rate.max_cycles))) /* also if negative */
		return ktime_get_mono_fast_ns();
	ns = data_race((cycles * pf_rate.mult + pf_rate.part) >> pf_rate.shift) +
	     data_race(pf_rate.base_ns);
	smp_rmb();
	if (unlikely(READ_ONCE(pf_rate.seq) != seq))
		return ktime_get_mono_fast_ns();
	return ns;
}

#endif /* PF_CLOCK_H */
