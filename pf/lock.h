/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The raw spinlocks of the fault path.
 */
#ifndef PF_LOCK_H
#define PF_LOCK_H

#ifdef __KERNEL__

#include <linux/kprobes.h>
#include <linux/processor.h>
#include <linux/spinlock.h>

#endif /* __KERNEL__ */

/**
 * pf_lock() - take a lock in the fault path
 * @lock: one that nobody holds when he takes a page fault
 *
 * The kernel may turn our jump back into a breakpoint while we are loaded (debug.kprobes-
 * optimization=0, another probe beside it), and takes a breakpoint's handler for an NMI, in which
 * one may only try to take a lock. To go on trying is safe here: this CPU was about to handle a
 * page fault, so it holds none of ours, and whoever does keeps it for a moment and does not wait
 * for us.
 *
 * Context: preemption off. To be given back by raw_spin_unlock().
 */
static __always_inline void pf_lock(raw_spinlock_t *lock)
{
	while (!raw_spin_trylock(lock))
		cpu_relax();
}

#endif /* PF_LOCK_H */
