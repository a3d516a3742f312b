/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own account of the faults, min_flt and maj_flt, to hold ours against. A probe can be
 * silenced from outside (kprobes or ftrace switched off, the function patched), and nobody reports
 * it.
 *
 * The tasks that are traced are counted, and no others: not what a parent sums up when it waits for
 * its children, as it may wait for strangers, and ignore its own. A process's dead threads are in
 * its signal_struct, and those of processes that are gone in pf_family.
 *
 * Each sum taken here may be too low for a moment, while a thread or a process comes to its end,
 * but never too high. When all have exited it is exact.
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

/* How often to look again at a process of which a thread exits meanwhile ... */
#define PF_ACCOUNT_TRIES 1000
/* ... and at a family of which a process does. */
#define PF_ACCOUNT_FAMILY_TRIES 10

static struct {
	bool is_ended;
	u64 before; /* the kernel's sum just before recording began ... */
	u64 base; /* ... and just after */
	u64 end; /* and when it ended, if it has */
	u64 nr_under_way; /* threads that may have been within a fault when recording began */
} pf_account;

/* All that a process's threads have completed, dead ones too. Under rcu_read_lock(). */
static u64 pf_account_of_process(struct signal_struct *signal)
{
	struct task_struct *thread;
	int tries = PF_ACCOUNT_TRIES;
	unsigned int seq;
	u64 sum;

	do {
		seq = read_seqbegin(&signal->stats_lock);
		/* First the dead: who dies in between is missing then, not there twice. */
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

/* First those that are gone: one that goes in between is missing then, not there twice. */
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

/* Is the kernel's count known? Not if there were more processes than there is room for. */
static bool pf_account_is_known(void)
{
	return !READ_ONCE(pf_family.nr_uncounted);
}

/**
 * pf_account_prepare() - just before recording begins
 *
 * Context: process context.
 */
static void pf_account_prepare(void)
{
	pf_account.before = pf_account_of_target();
}

/**
 * pf_account_begin() - from here on faults are recorded
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
 * pf_account_end() - no more will be recorded
 *
 * To be called before the probe is taken away.
 *
 * Context: process context.
 */
static void pf_account_end(void)
{
	pf_account.end = pf_account_sum();
	smp_store_release(&pf_account.is_ended, true);
}

/* The kernel's count of faults since @base, a sum of the target's. */
static u64 pf_account_since(u64 base)
{
	u64 sum = smp_load_acquire(&pf_account.is_ended) ? pf_account.end : pf_account_sum();

	return sum > base ? sum - base : 0;
}

/**
 * pf_account_counted() - how many faults the kernel has counted since recording began
 *
 * Context: process context.
 */
static u64 pf_account_counted(void)
{
	return pf_account_since(pf_account.base);
}

/**
 * pf_account_unseen() - how many of these were neither recorded nor counted as lost
 * @counted: the result of pf_account_counted()
 * @seen: all faults that were recorded, or counted as lost, by a look at them after that; without
 *	those known not to be in the kernel's count
 */
static u64 pf_account_unseen(u64 counted, u64 seen)
{
	seen += pf_account.nr_under_way;
	return counted > seen ? counted - seen : 0;
}

/**
 * pf_account_surplus() - when all have exited: how many more were recorded than the kernel counted
 * @completed: all faults that were recorded or dropped, without those known not to be in the
 *	kernel's count
 *
 * Context: process context.
 */
static u64 pf_account_surplus(u64 completed)
{
	u64 counted = pf_account_since(pf_account.before);

	return completed > counted ? completed - counted : 0;
}

#endif /* PF_ACCOUNT_H */
