/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * outcome=0: recognises retries, so that all tries of a fault become one record.
 *
 * mm_account_fault() increments the task's min_flt or maj_flt when a fault completes, and only
 * then. So if min_flt + maj_flt has changed since the task's latest entry, that fault has
 * completed. If not, it waits to be tried again, or has failed. If the new entry then has the same
 * address in the same address space, it is a retry of that fault.
 *
 * One fault can enter handle_mm_fault() several times: after a try that returns VM_FAULT_RETRY, as
 * for every file page that has to be read from disk, the architecture code tries again. It sets
 * FAULT_FLAG_TRIED then, but not after a first try under the per-VMA lock (since 6.4), so that flag
 * is not enough.
 *
 * If the new entry has another address, the earlier fault keeps waiting: instead of the next try, a
 * signal was delivered (fault_signal_pending()), and the new faults are those of its handler. The
 * waiting fault is tried again when the handler returns, or never. So each thread has a small stack
 * of waiting faults, see thread.h.
 */
#ifndef PF_RETRY_H
#define PF_RETRY_H

#include <linux/compiler.h>
#include <linux/kprobes.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched.h>

#include "thread.h"

/* Notes a fault of the current task. Returns true if it is a retry. */
static bool pf_thread_enter(struct pf_thread *thread, u64 address, const struct mm_struct *mm)
{
	bool again = false;
	u32 i;

	if (pf_thread_latest_waits(thread, current)) {
		if (thread->address == address && thread->mm == mm)
			return true;
		if (thread->nr_waiting == NR_PF_WAITING) {
			pf_thread_forget(1);
			pf_thread_remove(thread, 0);
		}
		thread->waiting[thread->nr_waiting++] = (struct pf_waiting){
			.address = thread->address,
			.mm = thread->mm,
		};
	}
	for (i = 0; i < thread->nr_waiting && !again; i++) {
		again = thread->waiting[i].address == address && thread->waiting[i].mm == mm;
		if (again)
			pf_thread_remove(thread, i);
	}
	thread->nr_completed = pf_nr_completed(current);
	thread->address = address;
	thread->mm = mm;
	pf_thread_mark(thread);
	return again;
}
NOKPROBE_SYMBOL(pf_thread_enter);

/* Sets up the slot for the thread's first fault, as if an earlier one had completed. */
static void pf_thread_begin(struct pf_thread *thread)
{
	thread->nr_waiting = 0;
	thread->nr_completed = pf_nr_completed(current) - 1;
}
NOKPROBE_SYMBOL(pf_thread_begin);

/* A slot of the crowd for the current task: free, or of a thread without open faults, or any. */
static struct pf_thread *pf_crowd_take(void)
{
	struct pf_thread *first = pf_thread_near(current, 0, true), *thread;
	u32 i;

	lockdep_assert_held(&pf_threads.lock);

	for (i = 0; i < PF_NEAR; i++) {
		thread = pf_thread_near(current, i, true);
		if (!thread->task)
			break;
		if (!pf_thread_nr_open(thread, pf_thread_task(thread)))
			return thread;
	}
	if (i == PF_NEAR) {
		/* The owner's latest fault may be in progress and complete without another try. */
		pf_thread_forget(first->nr_waiting);
		this_cpu_inc(pf_counts.nr_unknown);
		return first;
	}
	WRITE_ONCE(pf_threads.nr_crowd, pf_threads.nr_crowd + 1);
	return thread;
}
NOKPROBE_SYMBOL(pf_crowd_take);

static bool pf_crowd_enter(u64 address, const struct mm_struct *mm)
{
	unsigned long flags = pf_threads_lock();
	struct pf_thread *thread = pf_thread_find(current, true);
	bool again;

	if (!thread) {
		thread = pf_crowd_take();
		pf_thread_begin(thread);
	}
	again = pf_thread_enter(thread, address, mm);
	pf_threads_unlock(flags);
	return again;
}
NOKPROBE_SYMBOL(pf_crowd_enter);

/* Does the current task have a slot of the crowd? */
static bool pf_is_crowd(void)
{
	unsigned long flags;
	bool is;

	if (!READ_ONCE(pf_threads.nr_crowd))
		return false;
	flags = pf_threads_lock();
	is = pf_thread_find(current, true);
	pf_threads_unlock(flags);
	return is;
}
NOKPROBE_SYMBOL(pf_is_crowd);

/**
 * pf_fault_is_new() - with outcome=0: recognise a new fault in the common case
 * @address: faulting address
 * @mm: address space of @address
 *
 * The common case is a thread that has a slot and whose faults have all completed.
 *
 * Context: preemption off.
 * Return: true if the fault is new, after noting it as the thread's latest; false if
 * pf_fault_is_retry() has to decide
 */
static __always_inline bool pf_fault_is_new(u64 address, const struct mm_struct *mm)
{
	struct pf_thread *thread = pf_thread_home(current);
	u64 nr_completed = pf_nr_completed(current);

	if (unlikely(READ_ONCE(thread->task) != (unsigned long)current ||
		     thread->nr_completed == nr_completed))
		return false;
	thread->nr_completed = nr_completed;
	thread->address = address;
	thread->mm = mm;
	return true;
}

/**
 * pf_fault_is_retry() - with outcome=0: decide if a fault is a retry
 * @address: faulting address
 * @mm: address space of @address
 *
 * For faults for which pf_fault_is_new() returned false. Notes the fault as the thread's latest.
 *
 * Context: preemption off.
 * Return: true if the fault has been entered before
 */
static bool pf_fault_is_retry(u64 address, const struct mm_struct *mm)
{
	struct pf_thread *thread = pf_thread_find(current, false);

	if (!thread && !pf_is_crowd()) {
		thread = pf_thread_claim();
		if (thread)
			pf_thread_begin(thread);
	}
	return thread ? pf_thread_enter(thread, address, mm) : pf_crowd_enter(address, mm);
}
NOKPROBE_SYMBOL(pf_fault_is_retry);

#endif /* PF_RETRY_H */
