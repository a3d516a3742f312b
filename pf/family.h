/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * children=1: the processes that the target forks, and theirs, and what is told of each.
 *
 * A process is known by one bit, by its number. The bit is set or cleared when a process is
 * forked, before it runs, whoever forks it: so a number given again is never mistaken, and a
 * process in which no fault is to be recorded pays for one look at its bit.
 */
#ifndef PF_FAMILY_H
#define PF_FAMILY_H

#include <linux/binfmts.h>
#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/threads.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>

#include "asked.h"
#include "target.h"

/* As many births and changes of name are told; tracking has no such limit. */
#define PF_NR_EVENTS 65536

/**
 * struct pf_family_event - a child is born, or a process has become another program
 * @time_ns: CLOCK_MONOTONIC; ascending
 * @pid: the process, as the loader numbers it
 * @ppid: who forked it, 0 for a change of name
 * @comm: its name from then on
 */
struct pf_family_event {
	u64 time_ns;
	u32 pid;
	u32 ppid;
	char comm[TASK_COMM_LEN];
};

static struct {
	unsigned long *members; /* a bit for each process number of the initial namespace */
	struct pf_family_event *events;
	struct tracepoint *fork, *exec;
	/* Each fault of each process reads what is above; what changes is in a line of its own. */
	raw_spinlock_t lock ____cacheline_aligned_in_smp; /* whoever adds to the events */
	u32 nr_events;
	u64 nr_children;
	u64 nr_untold; /* events that there was no room for */
} pf_family = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_family.lock),
};

static __always_inline bool pf_family_has(const struct task_struct *task)
{
	return test_bit(task->tgid, pf_family.members);
}

/* Is a fault of the current task to be recorded? */
static __always_inline bool pf_is_tracked(void)
{
	return pf_has_children() ? pf_family_has(current) : pf_target_is_current();
}

static void pf_family_tell(struct task_struct *task, struct task_struct *parent)
{
	u32 nr;

	raw_spin_lock(&pf_family.lock);
	if (parent)
		pf_family.nr_children++;
	nr = pf_family.nr_events;
	if (nr < PF_NR_EVENTS) {
		struct pf_family_event *event = &pf_family.events[nr];

		event->time_ns = ktime_get_mono_fast_ns();
		event->pid = pf_target_nr_of(task_tgid(task));
		event->ppid = parent ? pf_target_nr_of(task_tgid(parent)) : 0;
		strscpy(event->comm, task->comm, sizeof(event->comm));
		smp_store_release(&pf_family.nr_events, nr + 1);
	} else {
		pf_family.nr_untold++;
	}
	raw_spin_unlock(&pf_family.lock);
}

/* TP_PROTO(parent, child): the child can't run yet. */
static void pf_family_on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	if (child->tgid == parent->tgid)
		return; /* a thread */
	if (pf_family_has(parent)) {
		pf_family_tell(child, parent);
		set_bit(child->tgid, pf_family.members);
	} else if (pf_family_has(child)) {
		clear_bit(child->tgid, pf_family.members);
	}
}

/* TP_PROTO(p, old_pid, bprm) */
static void pf_family_on_exec(void *data, struct task_struct *task, pid_t old_pid,
			      struct linux_binprm *bprm)
{
	if (pf_family_has(task))
		pf_family_tell(task, NULL);
}

/* The kernel does not export these two by name, but lets who asks see all that it has. */
static void pf_family_find(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "sched_process_fork"))
		pf_family.fork = tp;
	else if (!strcmp(tp->name, "sched_process_exec"))
		pf_family.exec = tp;
}

static void pf_family_free(void)
{
	kvfree(pf_family.members);
	kvfree(pf_family.events);
}

/**
 * pf_family_start() - watch for forks; nobody is a member yet
 *
 * Context: process context, may sleep.
 * Return: 0, -ENOMEM, -EOPNOTSUPP in a kernel without tracepoints, or what
 * tracepoint_probe_register() says
 */
static int pf_family_start(void)
{
	int ret = -ENOMEM;

	pf_family.members = kvcalloc(BITS_TO_LONGS(PID_MAX_LIMIT), sizeof(long), GFP_KERNEL);
	pf_family.events = kvcalloc(PF_NR_EVENTS, sizeof(*pf_family.events), GFP_KERNEL);
	if (!pf_family.members || !pf_family.events) {
		pr_err("children=1: no memory\n");
		goto free;
	}
	for_each_kernel_tracepoint(pf_family_find, NULL);
	ret = -EOPNOTSUPP;
	if (!pf_family.fork || !pf_family.exec)
		goto no_tracepoint;
	ret = tracepoint_probe_register(pf_family.fork, pf_family_on_fork, NULL);
	if (ret)
		goto no_tracepoint;
	ret = tracepoint_probe_register(pf_family.exec, pf_family_on_exec, NULL);
	if (ret)
		goto unregister_fork;
	return 0;

unregister_fork:
	tracepoint_probe_unregister(pf_family.fork, pf_family_on_fork, NULL);
	tracepoint_synchronize_unregister();
no_tracepoint:
	pr_err("children=1: no tracepoint for forks (error %d): load it without\n", ret);
free:
	pf_family_free();
	return ret;
}

/* From now on the target is a member, unless it has gone: then its number may be another's. */
static void pf_family_begin(void)
{
	pid_t tgid = pf_target.task->tgid;

	set_bit(tgid, pf_family.members);
	rcu_read_lock();
	if (!pid_task(pf_target.pid, PIDTYPE_TGID))
		clear_bit(tgid, pf_family.members);
	rcu_read_unlock();
}

/* After it no event comes any more. Sleeps. */
static void pf_family_stop(void)
{
	tracepoint_probe_unregister(pf_family.exec, pf_family_on_exec, NULL);
	tracepoint_probe_unregister(pf_family.fork, pf_family_on_fork, NULL);
	tracepoint_synchronize_unregister();
}

/*
 * Has every member exited, so that there will be none any more? Walks all processes, but only once
 * the target itself has exited.
 */
static bool pf_family_exited(void)
{
	struct task_struct *process;
	bool exited = true;

	if (!pf_target_exited())
		return false;
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

/* Can no fault come any more, of the target or, if they are watched, of its children? */
static bool pf_all_exited(void)
{
	return pf_family.members ? pf_family_exited() : pf_target_exited();
}

/* The event after the first @nr if it came up to @horizon_ns, or NULL. */
static const struct pf_family_event *pf_family_event(u32 nr, u64 horizon_ns)
{
	if (nr >= smp_load_acquire(&pf_family.nr_events) ||
	    pf_family.events[nr].time_ns > horizon_ns)
		return NULL;
	return &pf_family.events[nr];
}

#endif /* PF_FAMILY_H */
