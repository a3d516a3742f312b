/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * children=1: the descendants of the target.
 *
 * A bitmap by PID has a bit for each member of the family. Every fork on the machine sets or clears
 * the bit of the new process before it can run, so a reused PID causes no error, and a fault of
 * any other process costs one bit test.
 *
 * A table has the members of which a task still exists, by signal_struct. The kernel's fault counts
 * are read from there, and saved when the last task of a process is gone.
 */
#ifndef PF_FAMILY_H
#define PF_FAMILY_H

#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/pid.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/threads.h>

#include "asked.h"
#include "event.h"
#include "target.h"

/* Processes at a time, by the room for events: each has two, a fork and an exec. */
#define PF_EVENTS_OF_PROCESS 2

/**
 * struct pf_process - a member of which a task still exists
 * @signal: the process, NULL if this entry is free
 * @next: index of the next entry with the same hash, or of the next free one; PF_NO_PROCESS at the
 *	end
 */
struct pf_process {
	struct signal_struct *signal;
	u32 next;
};

#define PF_NO_PROCESS U32_MAX

static struct {
	unsigned long *members; /* a bit for each PID of the initial namespace */
	struct pf_process *processes;
	u32 *hash; /* of processes: index of the first entry of each chain */
	u32 max_processes; /* a power of two */
	/* Every fault of every process reads the line above; the fields that change are below. */
	raw_spinlock_t lock ____cacheline_aligned_in_smp; /* all below; with interrupts off */
	u64 nr_children;
	u32 nr_used; /* entries of processes that were ever in use */
	u32 free; /* the first free one of these */
	u32 nr_live; /* entries of processes in use */
	u64 nr_ended; /* processes that are gone ... */
	u64 nr_completed; /* ... and their faults, by the kernel's count */
	u64 nr_uncounted; /* processes that there was no room for: their faults are not known */
} pf_family = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_family.lock),
	.free = PF_NO_PROCESS,
};

/**
 * pf_family_has() - is a process a member of the family?
 * @task: any of its threads
 *
 * Context: any; needs pf_family.members.
 */
static __always_inline bool pf_family_has(const struct task_struct *task)
{
	return test_bit(task->tgid, pf_family.members);
}

/**
 * pf_is_tracked() - is a fault of the current task to be recorded?
 *
 * Every fault on the machine asks this.
 *
 * Context: any task.
 */
static __always_inline bool pf_is_tracked(void)
{
	return pf_has_children() ? pf_family_has(current) : pf_target_is_current();
}

/**
 * pf_family_add_event() - add an event
 * @task: the process, a member of the family
 * @parent: the process that forked it, NULL for an exec
 *
 * Context: any but interrupts.
 */
static void pf_family_add_event(struct task_struct *task, struct task_struct *parent)
{
	struct pf_event event = {
		.kind = parent ? PF_EVENT_CHILD : PF_EVENT_EXEC,
		.pid = pf_target_nr_of(task_tgid(task)),
		.other = parent ? pf_target_nr_of(task_tgid(parent)) : 0,
		.is_shared = parent && task->mm == parent->mm,
	};

	strscpy(event.comm, task->comm, sizeof(event.comm));
	pf_events_push(&event, PF_EVENTS_OF_FAMILY);
}

static u32 *pf_family_chain(const struct signal_struct *signal)
{
	return &pf_family.hash[hash_ptr(signal, ilog2(pf_family.max_processes))];
}

static void pf_family_add(struct signal_struct *signal, bool is_child)
{
	u32 *chain = pf_family_chain(signal), nr;
	unsigned long flags;

	raw_spin_lock_irqsave(&pf_family.lock, flags);
	pf_family.nr_children += is_child;
	nr = pf_family.free;
	if (nr != PF_NO_PROCESS)
		pf_family.free = pf_family.processes[nr].next;
	else if (pf_family.nr_used < pf_family.max_processes)
		nr = pf_family.nr_used++;
	if (nr != PF_NO_PROCESS) {
		pf_family.processes[nr] = (struct pf_process){ signal, *chain };
		*chain = nr;
		pf_family.nr_live++;
	} else {
		pf_family.nr_uncounted++;
	}
	raw_spin_unlock_irqrestore(&pf_family.lock, flags);
}

/**
 * pf_family_fork() - note a new process, before it can run
 * @parent: the process that forked, member or not
 * @child: the new process
 *
 * Context: preemption off.
 */
static void pf_family_fork(struct task_struct *parent, struct task_struct *child)
{
	if (pf_family_has(parent)) {
		pf_family_add_event(child, parent);
		pf_family_add(child->signal, true);
		set_bit(child->tgid, pf_family.members);
	} else if (pf_family_has(child)) {
		clear_bit(child->tgid, pf_family.members);
	}
}

/* Faults of dead threads: all of the process's if its leader was released. Under the lock. */
static u64 pf_family_of_dead(const struct signal_struct *signal)
{
	return READ_ONCE(signal->min_flt) + READ_ONCE(signal->maj_flt);
}

/**
 * pf_family_end() - remove a process of which all threads have been released
 * @signal: the process, member or not
 *
 * Context: any but hard interrupts.
 */
static void pf_family_end(struct signal_struct *signal)
{
	u32 *link = pf_family_chain(signal), nr;
	unsigned long flags;

	if (READ_ONCE(*link) == PF_NO_PROCESS)
		return;
	raw_spin_lock_irqsave(&pf_family.lock, flags);
	while (*link != PF_NO_PROCESS && pf_family.processes[*link].signal != signal)
		link = &pf_family.processes[*link].next;
	nr = *link;
	if (nr != PF_NO_PROCESS) {
		*link = pf_family.processes[nr].next;
		pf_family.processes[nr] = (struct pf_process){ NULL, pf_family.free };
		pf_family.free = nr;
		pf_family.nr_live--;
		pf_family.nr_completed += pf_family_of_dead(signal);
		pf_family.nr_ended++;
	}
	raw_spin_unlock_irqrestore(&pf_family.lock, flags);
}

/**
 * pf_family_leader() - get the leader of a process
 * @i: index in pf_family.processes
 * @nr_completed: set to the faults that the process has completed, if its leader has been released;
 *	else to 0
 *
 * Context: process context.
 * Return: the leader, with a reference to it; NULL if it has been released or the entry is free
 */
static struct task_struct *pf_family_leader(u32 i, u64 *nr_completed)
{
	struct task_struct *leader = NULL;
	const struct signal_struct *signal;
	unsigned long flags;
	struct pid *pid;

	*nr_completed = 0;
	raw_spin_lock_irqsave(&pf_family.lock, flags);
	signal = pf_family.processes[i].signal;
	if (signal) {
		/* pf_family_end() takes our lock, so @signal is not freed. */
		rcu_read_lock();
		pid = READ_ONCE(signal->pids[PIDTYPE_TGID]);
		leader = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;
		if (leader)
			get_task_struct(leader);
		else
			*nr_completed = pf_family_of_dead(signal);
		rcu_read_unlock();
	}
	raw_spin_unlock_irqrestore(&pf_family.lock, flags);
	return leader;
}

/**
 * pf_family_free() - free the family; does nothing if there is none
 *
 * Context: process context, may sleep; after pf_life_stop(), and when no hook is left.
 */
static void pf_family_free(void)
{
	kvfree(pf_family.members);
	kvfree(pf_family.processes);
	kvfree(pf_family.hash);
	pf_family.members = NULL;
}

/**
 * pf_family_init() - allocate an empty family
 *
 * Call pf_events_init() first.
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM after printing the cause
 */
static int pf_family_init(void)
{
	u32 i;

	pf_family.max_processes = rounddown_pow_of_two(pf_events.max[PF_EVENTS_OF_FAMILY] /
						       PF_EVENTS_OF_PROCESS);
	pf_family.processes = kvcalloc(pf_family.max_processes, sizeof(*pf_family.processes),
				       GFP_KERNEL);
	pf_family.hash = kvcalloc(pf_family.max_processes, sizeof(*pf_family.hash), GFP_KERNEL);
	pf_family.members = kvcalloc(BITS_TO_LONGS(PID_MAX_LIMIT), sizeof(long), GFP_KERNEL);
	if (!pf_family.processes || !pf_family.hash || !pf_family.members) {
		pr_err("children=1: no memory\n");
		pf_family_free();
		return -ENOMEM;
	}
	for (i = 0; i < pf_family.max_processes; i++)
		pf_family.hash[i] = PF_NO_PROCESS;
	return 0;
}

/**
 * pf_family_begin() - make the target a member, so that its faults are recorded
 *
 * Unless it is gone: then its PID may belong to another process.
 *
 * Context: process context.
 */
static void pf_family_begin(void)
{
	pid_t tgid = pf_target.task->tgid;

	pf_family_add(pf_target.task->signal, false);
	set_bit(tgid, pf_family.members);
	rcu_read_lock();
	if (!pid_task(pf_target.pid, PIDTYPE_TGID))
		clear_bit(tgid, pf_family.members);
	rcu_read_unlock();
}

/* Has the process of entry @i exited? True if the entry is free. */
static bool pf_family_process_exited(u32 i)
{
	u64 nr_completed;
	struct task_struct *leader = pf_family_leader(i, &nr_completed);
	bool exited;

	if (!leader)
		return true;
	rcu_read_lock();
	exited = pf_process_exited(leader);
	rcu_read_unlock();
	put_task_struct(leader);
	return exited;
}

/* Like pf_family_exited(), but includes processes that pf_family.processes had no room for. */
static bool pf_family_exited_all(void)
{
	struct task_struct *process;
	bool exited = true;

	rcu_read_lock();
	for_each_process(process) {
		if (pf_family_has(process) && !pf_process_exited(process)) {
			exited = false;
			break;
		}
	}
	rcu_read_unlock();
	return exited;
}

/*
 * Has every member exited, so that there can be no more faults? Stops at the first that is alive.
 * Says no if there was a fork meanwhile: the child may be in an entry that was already checked.
 */
static bool pf_family_exited(void)
{
	u64 nr_children = READ_ONCE(pf_family.nr_children);
	u32 i;

	if (!pf_target_exited())
		return false;
	if (READ_ONCE(pf_family.nr_uncounted))
		return pf_family_exited_all();
	for (i = 0; i < READ_ONCE(pf_family.nr_used) && READ_ONCE(pf_family.nr_live); i++)
		if (!pf_family_process_exited(i))
			return false;
	smp_rmb();
	return nr_children == READ_ONCE(pf_family.nr_children);
}

/**
 * pf_all_exited() - has the target exited, and with children=1 every other member?
 *
 * Then there are no more faults.
 *
 * Context: process context.
 * Return: true if all have exited; false also if there was a fork meanwhile
 */
static bool pf_all_exited(void)
{
	return pf_family.members ? pf_family_exited() : pf_target_exited();
}

#endif /* PF_FAMILY_H */
