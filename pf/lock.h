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
 * @lock: a lock that is never held while a page fault is taken
 *
 * Spins with raw_spin_trylock(), because raw_spin_lock() is not allowed in NMI context. While the
 * module is loaded, the kernel can turn our jump back into a breakpoint (debug.kprobes-
 * optimization=0, or another probe nearby), and it treats the handler of a breakpoint as an NMI.
 * Spinning cannot deadlock here: this CPU was about to handle a page fault, so it holds none of our
 * locks; another CPU holds the lock only briefly and does not wait for us.
 *
 * Context: preemption off. Release the lock by raw_spin_unlock().
 */
static __always_inline void pf_lock(raw_spinlock_t *lock)
{
	while (!raw_spin_trylock(lock))
		cpu_relax();
}

#endif /* PF_LOCK_H */
