/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own count of faults, min_flt + maj_flt, to compare with ours. Others can disable the
 * hook without notice: by switching kprobes or ftrace off, or by live-patching the function.
 *
 * Only traced tasks are summed. The counts that a parent collects when it waits for its children
 * (cmin_flt, cmaj_flt) are no use: it may wait for children that are not traced, and not wait for
 * traced ones. The faults of a process's dead threads are in its signal_struct; those of processes
 * that are gone are in pf_family.
 *
 * A sum can be too low for a moment, while a thread or process exits, but never too high. When all
 * processes have exited it is exact.
 */
#ifndef PF_ACCOUNT_H
#define PF_ACCOUNT_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seqlock.h>

#include "asked.h"
#include "family.h"
#include "target.h"

/* How often to sum a process again if one of its threads exited meanwhile ... */
#define PF_ACCOUNT_TRIES 1000
/* ... and all processes if one of them did. */
#define PF_ACCOUNT_FAMILY_TRIES 10

static struct {
	bool is_ended;
	u64 before; /* the kernel's count just before recording began ... */
	u64 base; /* ... and just after */
	u64 end; /* the count when recording ended; valid if is_ended */
	u64 nr_under_way; /* threads that may have been in a fault when recording began */
} pf_account;

/* Faults completed by a process's threads, alive or dead. Call under rcu_read_lock(). */
static u64 pf_account_of_process(struct signal_struct *signal)
{
	struct task_struct *thread;
	int tries = PF_ACCOUNT_TRIES;
	unsigned int seq;
	u64 sum;

	do {
		seq = read_seqbegin(&signal->stats_lock);
		/* Dead threads first: one that dies in between is missed, not counted twice. */
		sum = READ_ONCE(signal->min_flt) + READ_ONCE(signal->maj_flt);
		smp_rmb();
		__for_each_thread(signal, thread)
			sum += READ_ONCE(thread->min_flt) + READ_ONCE(thread->maj_flt);
	} while (read_seqretry(&signal->stats_lock, seq) && --tries);
	return sum;
}

static u64 pf_account_of_member(u32 i)
{
	u64 sum;
	struct task_struct *leader = pf_family_leader(i, &sum);

	if (!leader)
		return sum;
	rcu_read_lock();
	sum = pf_account_of_process(leader->signal);
	rcu_read_unlock();
	put_task_struct(leader);
	return sum;
}

/* Processes that are gone first: one that goes in between is missed, not counted twice. */
static u64 pf_account_of_family(void)
{
	int tries = PF_ACCOUNT_FAMILY_TRIES;
	u64 sum, nr_ended;
	u32 i;

	do {
		nr_ended = READ_ONCE(pf_family.nr_ended);
		smp_rmb();
		sum = READ_ONCE(pf_family.nr_completed);
		smp_rmb();
		for (i = 0; i < READ_ONCE(pf_family.nr_used); i++)
			sum += pf_account_of_member(i);
		smp_rmb();
	} while (nr_ended != READ_ONCE(pf_family.nr_ended) && --tries);
	return sum;
}

static u64 pf_account_of_target(void)
{
	u64 sum;

	rcu_read_lock();
	sum = pf_account_of_process(pf_target.task->signal);
	rcu_read_unlock();
	return sum;
}

static u64 pf_account_sum(void)
{
	return pf_family.members ? pf_account_of_family() : pf_account_of_target();
}

/**
 * pf_account_is_known() - is the kernel's count of all traced processes known?
 *
 * Context: any.
 * Return: false if there was no room to remember one of the processes
 */
static bool pf_account_is_known(void)
{
	return !READ_ONCE(pf_family.nr_uncounted);
}

/**
 * pf_account_prepare() - note the kernel's count just before recording begins
 *
 * Context: process context.
 */
static void pf_account_prepare(void)
{
	pf_account.before = pf_account_of_target();
}

/**
 * pf_account_begin() - note the kernel's count just after recording has begun
 *
 * Context: process context.
 */
static void pf_account_begin(void)
{
	struct task_struct *thread;

	pf_account.base = pf_account_of_target();
	rcu_read_lock();
	__for_each_thread(pf_target.task->signal, thread)
		if (!task_is_stopped_or_traced(thread))
			pf_account.nr_under_way++;
	rcu_read_unlock();
}

/**
 * pf_account_end() - note the final count
 *
 * Call it before removing the hook.
 *
 * Context: process context.
 */
static void pf_account_end(void)
{
	pf_account.end = pf_account_sum();
	smp_store_release(&pf_account.is_ended, true);
}

/* Faults that the kernel has counted since its count for the target was @base. */
static u64 pf_account_since(u64 base)
{
	u64 sum = smp_load_acquire(&pf_account.is_ended) ? pf_account.end : pf_account_sum();

	return sum > base ? sum - base : 0;
}

/**
 * pf_account_counted() - number of faults that the kernel has counted since recording began
 *
 * Up to pf_account.nr_under_way of these had been entered before, so they were not recorded.
 *
 * Context: process context.
 * Return: the number; too low for a moment while a thread or process exits, never too high
 */
static u64 pf_account_counted(void)
{
	return pf_account_since(pf_account.base);
}

/**
 * pf_account_counted_at_most() - the same since just before recording began
 *
 * Includes every fault that can have been recorded.
 *
 * Context: process context.
 * Return: the number; exact once all processes have exited
 */
static u64 pf_account_counted_at_most(void)
{
	return pf_account_since(pf_account.before);
}

#endif /* PF_ACCOUNT_H */
