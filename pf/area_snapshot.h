/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * maps=: what the target has when recording begins.
 */
#ifndef PF_AREA_SNAPSHOT_H
#define PF_AREA_SNAPSHOT_H

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "area.h"
#include "area_names.h"
#include "event.h"
#include "target.h"

/* The address space of the target, with a reference; NULL if it has exited. */
static struct mm_struct *pf_area_mm_of_target(void)
{
	struct task_struct *leader, *thread;
	struct mm_struct *mm = NULL;

	rcu_read_lock();
	leader = pid_task(pf_target.pid, PIDTYPE_TGID);
	if (leader) {
		for_each_thread(leader, thread)
			mm = mm ?: get_task_mm(thread);
	}
	rcu_read_unlock();
	return mm;
}

/* After so many areas, those who wait for the lock of the address space get it. */
#define NR_PF_AREAS_AT_ONCE 256

/*
 * Records some areas of the address space, from that at @at on. Returns the address to go on from,
 * 0 if all are recorded or the target has another address space now.
 */
static unsigned long pf_area_record_some(struct mm_struct *mm, unsigned long at, u32 nr_spaces)
{
	struct vm_area_struct *vma;
	bool is_in_time = true;
	int i;

	for (i = 0; i < NR_PF_AREAS_AT_ONCE && is_in_time; i++) {
		vma = find_vma(mm, at);
		if (!vma)
			return 0;
		preempt_disable();
		is_in_time = pf_area_record(vma, vma->vm_start, vma->vm_end, vma->vm_pgoff,
					    pf_target.nr, nr_spaces);
		preempt_enable();
		at = vma->vm_end;
	}
	return is_in_time ? at : 0;
}

/* Records the areas that the address space has now. Returns 0, or -EINTR if it was killed. */
static int pf_area_record_all(struct mm_struct *mm, u32 nr_spaces)
{
	unsigned long at = 0;

	do {
		if (mmap_read_lock_killable(mm))
			return -EINTR;
		at = pf_area_record_some(mm, at, nr_spaces);
		mmap_read_unlock(mm);
		cond_resched();
	} while (at);
	return 0;
}

/**
 * pf_area_begin() - record the target's areas and threads, and all changes from now on
 *
 * Call it when the hooks are in place, before the first fault is recorded. An area that appears
 * meanwhile may be recorded twice. If the target replaces its address space meanwhile, the hooks
 * record all that the new one has.
 *
 * Context: process context, may sleep.
 * Return: 0, or -EINTR if the caller was killed
 */
static int pf_area_begin(void)
{
	struct mm_struct *mm;
	u32 nr_spaces;
	int ret;

	if (pf_area.which == PF_AREAS_NONE)
		return 0;
	WRITE_ONCE(pf_area.signal, pf_target.task->signal);
	nr_spaces = READ_ONCE(pf_area.nr_spaces);
	pf_area_name_threads();
	mm = pf_area_mm_of_target();
	if (!mm)
		return 0;
	pf_events_lock();
	if (pf_area.nr_spaces == nr_spaces)
		WRITE_ONCE(pf_area.mm, mm);
	pf_events_unlock();
	ret = pf_area_record_all(mm, nr_spaces);
	mmput(mm);
	return ret;
}

#endif /* PF_AREA_SNAPSHOT_H */
