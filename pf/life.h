/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Follows the life of tasks by the kernel's tracepoints for fork, exec, names, exit and the end of
 * a task. They keep working when kprobes or ftrace are switched off.
 */
#ifndef PF_LIFE_H
#define PF_LIFE_H

#include <linux/binfmts.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "area.h"
#include "area_names.h"
#include "asked.h"
#include "family.h"
#include "thread.h"

/*
 * Since 7.0, tracepoints no longer disable preemption for their handlers. Ours rely on it, for RCU
 * and for this CPU's data.
 */

/* TP_PROTO(parent, child): the child can't run yet. */
static void pf_life_on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	preempt_disable_notrace();
	if (child->tgid == parent->tgid) {
		if (pf_area_tracks(child))
			pf_area_comm(child, child->comm);
	} else if (pf_family.members) {
		pf_family_fork(parent, child);
	}
	preempt_enable_notrace();
}

/* TP_PROTO(p, old_pid, bprm) */
static void pf_life_on_exec(void *data, struct task_struct *task, pid_t old_pid,
			    struct linux_binprm *bprm)
{
	preempt_disable_notrace();
	pf_thread_exec();
	if (pf_family.members && pf_family_has(task))
		pf_family_add_event(task, NULL);
	preempt_enable_notrace();
}

/* TP_PROTO(task, comm): the task is about to get this name. */
static void pf_life_on_rename(void *data, struct task_struct *task, const char *comm)
{
	preempt_disable_notrace();
	if (pf_area_tracks(task))
		pf_area_comm(task, comm);
	preempt_enable_notrace();
}

/* Called for each thread; the last one ends the process. */
static void pf_life_on_exit(PF_LIFE_EXIT_ARGS)
{
	preempt_disable_notrace();
	if (pf_area_tracks(current) && !atomic_read(&current->signal->live))
		pf_area_exit();
	preempt_enable_notrace();
}

/* TP_PROTO(p): the task was released an RCU grace period ago, and is about to be freed. */
static void pf_life_on_free(void *data, struct task_struct *task)
{
	preempt_disable_notrace();
	pf_thread_end(task);
	if (pf_family.members && task == task->group_leader)
		pf_family_end(task->signal);
	preempt_enable_notrace();
}

/* What a tracepoint is needed for. */
#define PF_LIFE_OF_ALL 1
#define PF_LIFE_OF_CHILDREN 2 /* children=1 */
#define PF_LIFE_OF_AREAS 4 /* maps=exec and maps=all */

static struct pf_life_point {
	const char *name;
	void *function;
	unsigned int what_for; /* PF_LIFE_* */
	struct tracepoint *tp;
	bool is_registered;
} pf_life_points[] = {
	{ "sched_process_free", pf_life_on_free, PF_LIFE_OF_ALL },
	{ "sched_process_exec", pf_life_on_exec, PF_LIFE_OF_ALL },
	{ "sched_process_fork", pf_life_on_fork, PF_LIFE_OF_CHILDREN | PF_LIFE_OF_AREAS },
	{ "task_rename", pf_life_on_rename, PF_LIFE_OF_AREAS },
	{ "sched_process_exit", pf_life_on_exit, PF_LIFE_OF_AREAS },
};

/* These tracepoints are not exported to modules by name, so search the list of all. */
static void pf_life_find(struct tracepoint *tp, void *data)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(pf_life_points); i++)
		if (!strcmp(tp->name, pf_life_points[i].name))
			pf_life_points[i].tp = tp;
}

/**
 * pf_life_stop() - unregister the tracepoint handlers and wait until none runs
 *
 * Call it after the last pf_sums_take().
 *
 * Context: process context, sleeps.
 */
static void pf_life_stop(void)
{
	int i;

	for (i = ARRAY_SIZE(pf_life_points) - 1; i >= 0; i--) {
		struct pf_life_point *point = &pf_life_points[i];

		if (point->is_registered)
			tracepoint_probe_unregister(point->tp, point->function, NULL);
		point->is_registered = false;
	}
	tracepoint_synchronize_unregister();
}

/**
 * pf_life_start() - register the tracepoint handlers; call it before the first fault is recorded
 * @what_for: PF_LIFE_OF_CHILDREN and PF_LIFE_OF_AREAS, if they are asked for
 *
 * Context: process context, may sleep.
 * Return: 0, or after printing the cause, -EOPNOTSUPP if the kernel lacks a tracepoint, or the
 * error of tracepoint_probe_register()
 */
static int pf_life_start(unsigned int what_for)
{
	int i;

	for_each_kernel_tracepoint(pf_life_find, NULL);
	for (i = 0; i < ARRAY_SIZE(pf_life_points); i++) {
		struct pf_life_point *point = &pf_life_points[i];
		int ret = -EOPNOTSUPP;

		if (!(point->what_for & (what_for | PF_LIFE_OF_ALL)))
			continue;
		if (point->tp)
			ret = tracepoint_probe_register(point->tp, point->function, NULL);
		if (ret) {
			pr_err("no tracepoint %s (error %d): this kernel cannot be traced%s\n",
			       point->name, ret,
			       point->what_for & PF_LIFE_OF_ALL ? "" :
			       point->what_for & what_for & PF_LIFE_OF_CHILDREN ?
			       " with children=1" : " with maps=exec or all: use maps=none");
			pf_life_stop();
			return ret;
		}
		point->is_registered = true;
	}
	return 0;
}

#endif /* PF_LIFE_H */
