/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All sums that the summary and the messages print: how many faults were recorded, how many were
 * not and why, and how that compares with the kernel's own count.
 *
 * Faults go on while the sums are taken. So the order in which the counters are read matters: it
 * decides which way a sum can be wrong for a moment. Once recording has ended, all are exact.
 *
 * Not here: how many records were overwritten. Each reader loses others, see pf_cursor and
 * pf_list.nr_overwritten.
 */
#ifndef PF_SUMS_H
#define PF_SUMS_H

#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/sched.h>

#include "account.h"
#include "area.h"
#include "area_hook.h"
#include "asked.h"
#include "fault_list.h"
#include "hook.h"
#include "map.h"
#include "thread.h"

/**
 * struct pf_sums - numbers of faults since recording began
 * @nr_recorded: records ever made, including overwritten ones
 * @nr_dropped: faults for which the list had no room
 * @nr_missed: see pf_hook_nr_missed()
 * @nr_retries: entries of a fault that had been entered before
 * @nr_abandoned: with outcome=1: faults that should have been tried again and were not
 * @nr_unfinished: with outcome=1: faults that have been entered and have not ended
 * @nr_failed: with outcome=1: faults that failed, recorded or dropped
 * @nr_incomplete: with outcome=0: recorded or dropped faults that have not completed: in progress,
 *	cut short by a signal, or failed
 * @nr_forgotten: faults given up for lack of room; included in @nr_abandoned or @nr_incomplete,
 *	except for @nr_unknown
 * @nr_unknown: faults that may or may not have completed; not known for lack of room
 * @is_counted: whether the kernel's count is known
 * @nr_counted: the kernel's count
 * @nr_unseen: faults that the kernel counted, and that were neither recorded nor reported as lost
 * @nr_surplus: by how much our count exceeds the kernel's; 0 until all processes have exited
 * @nr_names_lost: how often a file could not be named
 * @nr_offsets_lost: how often a fault in a file got no offset
 * @nr_maps_lost: events about address spaces that are missing
 * @nr_files_lost: areas of which the file is not known
 */
struct pf_sums {
	u64 nr_recorded;
	u64 nr_dropped;
	u64 nr_missed;
	u64 nr_retries;
	u64 nr_abandoned;
	u64 nr_unfinished;
	u64 nr_failed;
	u64 nr_incomplete;
	u64 nr_forgotten;
	u64 nr_unknown;
	bool is_counted;
	u64 nr_counted;
	u64 nr_unseen;
	u64 nr_surplus;
	u64 nr_names_lost;
	u64 nr_offsets_lost;
	u64 nr_maps_lost;
	u64 nr_files_lost;
};

/*
 * Faults that wait to be tried again, or with outcome=0 are in progress, by whether the thread is
 * alive.
 */
struct pf_open {
	u64 nr_live;
	u64 nr_dead;
};

static struct pf_open pf_sums_open(void)
{
	struct pf_open open = {};
	u32 i;

	for (i = 0; i < NR_PF_THREADS + NR_PF_CROWD; i++) {
		const struct pf_thread *thread = &pf_threads.slots[i];
		const struct task_struct *task;
		unsigned long flags;
		u32 nr;

		if (!READ_ONCE(thread->task))
			continue;
		/* A task in a slot is not freed before pf_thread_end() has taken the lock. */
		flags = pf_threads_lock();
		task = pf_thread_task(thread);
		nr = task ? pf_thread_nr_open(thread, task) : 0;
		if (nr && READ_ONCE(task->mm))
			open.nr_live += nr;
		else
			open.nr_dead += nr;
		pf_threads_unlock(flags);
	}
	return open;
}

/* The sums of all CPUs' struct pf_counts, and the open faults of all threads. */
static struct pf_sums pf_sums_of_threads_once(void)
{
	/* Ended faults first: one that begins in between looks unfinished at most. */
	u64 nr_ended = pf_list_nr_recorded() + pf_list_nr_dropped();
	struct pf_sums sums = {};
	struct pf_open open;
	u64 nr_tries = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		nr_ended += READ_ONCE(per_cpu(pf_counts, cpu).nr_given_back);
	open = pf_sums_open();
	smp_rmb();
	for_each_possible_cpu(cpu) {
		const struct pf_counts *counts = &per_cpu(pf_counts, cpu);

		sums.nr_retries += READ_ONCE(counts->nr_retries);
		sums.nr_abandoned += READ_ONCE(counts->nr_abandoned);
		sums.nr_failed += READ_ONCE(counts->nr_failed);
		sums.nr_incomplete += READ_ONCE(counts->nr_incomplete);
		sums.nr_forgotten += READ_ONCE(counts->nr_forgotten);
		sums.nr_unknown += READ_ONCE(counts->nr_unknown);
		nr_tries += READ_ONCE(counts->nr_tries);
	}
	sums.nr_forgotten += sums.nr_unknown;
	if (pf_has_outcome()) {
		sums.nr_unfinished = nr_tries > nr_ended ? nr_tries - nr_ended : 0;
		sums.nr_unfinished += open.nr_live;
		sums.nr_abandoned += open.nr_dead;
	} else {
		sums.nr_incomplete += open.nr_live + open.nr_dead;
	}
	return sums;
}

/* How often these sums are taken again because tasks were freed meanwhile. */
#define PF_SUMS_TRIES 100

/*
 * No fault is in two of these sums: when a task is freed, its open faults move from its slot to the
 * counts, and if that happened meanwhile, the sums are taken again.
 */
static struct pf_sums pf_sums_of_threads(void)
{
	struct pf_sums sums;
	u32 nr_ends;
	int tries;

	for (tries = 0; tries < PF_SUMS_TRIES; tries++) {
		nr_ends = READ_ONCE(pf_threads.nr_ends);
		smp_rmb(); /* pairs with pf_thread_end_in() */
		sums = pf_sums_of_threads_once();
		smp_rmb();
		if (nr_ends == READ_ONCE(pf_threads.nr_ends))
			break;
		cond_resched();
	}
	return sums;
}

/* @nr - @nr_not, at least 0: it can be negative for a moment. */
static u64 pf_sums_without(u64 nr, u64 nr_not)
{
	return nr > nr_not ? nr - nr_not : 0;
}

/**
 * pf_sums_take() - take all sums
 * @exited: the result of an earlier pf_all_exited()
 *
 * Context: process context, may sleep; takes the raw spinlocks of the list and of the threads. Not
 * after pf_life_stop().
 * Return: the sums
 */
static struct pf_sums pf_sums_take(bool exited)
{
	/* Read before our own sums: a fault that ends in between must not look unseen. */
	u64 nr_counted = pf_account_counted();
	struct pf_sums sums = pf_sums_of_threads();
	u64 nr_ended, nr_not, nr_seen;
	struct pf_map_lost lost;

	sums.nr_recorded = pf_list_nr_recorded();
	sums.nr_dropped = pf_list_nr_dropped();
	sums.nr_missed = pf_hook_nr_missed();
	nr_ended = sums.nr_recorded + sums.nr_dropped;
	nr_not = sums.nr_failed + sums.nr_incomplete; /* the kernel does not count these */

	sums.nr_counted = nr_counted;
	nr_seen = pf_sums_without(nr_ended, nr_not) + sums.nr_missed + sums.nr_unfinished;
	sums.nr_unseen = pf_sums_without(nr_counted, nr_seen + pf_account.nr_under_way);
	if (exited)
		sums.nr_surplus = pf_sums_without(
			pf_sums_without(nr_ended, nr_not + sums.nr_unknown),
			pf_account_counted_at_most());
	sums.is_counted = pf_account_is_known();
	lost = pf_map_lost_sum();
	sums.nr_names_lost = lost.nr_names;
	sums.nr_offsets_lost = lost.nr_offsets;
	sums.nr_maps_lost = pf_area_nr_lost() + pf_area_hooks_nr_missed();
	sums.nr_files_lost = READ_ONCE(pf_area.nr_files_lost);
	return sums;
}

#endif /* PF_SUMS_H */
