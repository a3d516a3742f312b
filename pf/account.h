/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own account of the faults, min_flt and maj_flt, to hold ours against. A probe can be
 * silenced from outside (kprobes or ftrace switched off, the function patched), and nobody tells
 * us.
 *
 * Each sum taken here may be too low for a moment, while a thread or a process comes to its end,
 * but never too high: what is told as unseen is lost.
 */
#ifndef PF_ACCOUNT_H
#define PF_ACCOUNT_H

#include <linux/list.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seqlock.h>

#include "asked.h"
#include "family.h"
#include "target.h"

/* How often to look again at a process of which a thread exits meanwhile. */
#define PF_ACCOUNT_TRIES 1000

static struct {
	bool is_known; /* or children from before are in the kernel's sums, too */
	bool is_ended;
	u64 base; /* the kernel's sum when recording had begun */
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

/* And what those children completed that it has waited for, and theirs. */
static u64 pf_account_of_tree(struct signal_struct *signal)
{
	return READ_ONCE(signal->cmin_flt) + READ_ONCE(signal->cmaj_flt) +
	       pf_account_of_process(signal);
}

/*
 * All members of the family. A child's sum goes up to its parent when that has waited for it, after
 * the child has become EXIT_DEAD (or EXIT_TRACE, which has that bit). Parents come first here, as
 * in the kernel's list: so a child that is not yet, when its own sum has been read, is not in
 * theirs.
 */
static u64 pf_account_of_family(void)
{
	struct signal_struct *target = pf_target.task->signal;
	u64 sum = pf_account_of_tree(target);
	struct task_struct *process;

	for_each_process(process) {
		u64 one;

		if (process->signal == target || !pf_family_has(process))
			continue;
		one = pf_account_of_tree(process->signal);
		smp_rmb();
		if (!(READ_ONCE(process->exit_state) & EXIT_DEAD))
			sum += one;
	}
	return sum;
}

static u64 pf_account_sum(void)
{
	u64 sum;

	rcu_read_lock();
	if (pf_has_children())
		sum = pf_account_of_family();
	else
		sum = pf_account_of_process(pf_target.task->signal);
	rcu_read_unlock();
	return sum;
}

/* Will the target wait for processes that are not of its family? */
static bool pf_account_has_others(void)
{
	struct signal_struct *signal = pf_target.task->signal;
	struct task_struct *thread;
	bool has = false;

	rcu_read_lock();
	__for_each_thread(signal, thread)
		has |= !list_empty(&thread->children);
	rcu_read_unlock();
	return has || is_child_reaper(pf_target.pid);
}

/**
 * pf_account_begin() - from here on faults are recorded
 *
 * Not inline, see pf_has_children().
 *
 * Context: process context.
 */
static noinline void pf_account_begin(void)
{
	struct task_struct *thread;

	pf_account.base = pf_account_sum();
	pf_account.is_known = !pf_has_children() || !pf_account_has_others();
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

/**
 * pf_account_counted() - how many faults the kernel has counted since recording began
 *
 * Context: any but hard interrupts.
 */
static u64 pf_account_counted(void)
{
	u64 sum = smp_load_acquire(&pf_account.is_ended) ? pf_account.end : pf_account_sum();

	return sum > pf_account.base ? sum - pf_account.base : 0;
}

/**
 * pf_account_unseen() - how many of these nobody has told of
 * @counted: what pf_account_counted() said
 * @seen: all faults that were recorded, or counted as lost, by a look at them after that; without
 *	those known to have failed, which the kernel does not count
 */
static u64 pf_account_unseen(u64 counted, u64 seen)
{
	seen += pf_account.nr_under_way;
	return counted > seen ? counted - seen : 0;
}

#endif /* PF_ACCOUNT_H */
