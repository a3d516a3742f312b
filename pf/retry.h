/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folds the tries of a fault into one.
 *
 * One fault can enter handle_mm_fault() several times: a try that ends with VM_FAULT_RETRY, as for
 * every file page that has to be read from disk, is followed by another. FAULT_FLAG_TRIED marks
 * most of these, but not the one after a try under the per-VMA lock (since 6.4). What always holds:
 * mm_account_fault() adds one to min_flt or maj_flt of the task when a fault completes, and only
 * then. So an entry finds the task's latest fault completed if the sum of the two has changed, and
 * waiting if it has not: given back to be tried again, or failed. At the same address in the same
 * address space, the entry is that fault again.
 *
 * At another address the fault goes on waiting: a signal was delivered instead of the next try
 * (fault_signal_pending()), and these are the faults of its handler. The waiting one comes back
 * when the handler returns, or never. So each thread has a small stack of waiting faults.
 *
 * A thread is known by its task_struct, as numbers change hands: de_thread() gives the thread that
 * calls exec the number and the start time of its leader. Its state ends in pf_thread_end(), before
 * the task_struct can be another's; what waits from before an exec ends in pf_thread_exec().
 */
#ifndef PF_RETRY_H
#define PF_RETRY_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/hash.h>
#include <linux/irqflags.h>
#include <linux/kprobes.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "asked.h"
#include "lock.h"

/* Of each thread; at most as many faults wait at a time as signal handlers are nested. */
#define NR_PF_WAITING 5
#define NR_PF_PENDING 3

/* Without outcomes: a fault that waits to be tried again, or has failed. */
struct pf_waiting {
	u64 address;
	const struct mm_struct *mm;
};

/*
 * With outcomes, where each end is seen: a fault that was given back to be tried again.
 * @address: of the fault
 * @mm: the thread's own address space
 * @time_ns: its first entry
 * @before: struct pf_try's, of the try to come
 */
struct pf_pending {
	u64 address;
	const struct mm_struct *mm;
	u64 time_ns;
	u32 before;
};

/**
 * struct pf_thread - what is known of a thread's faults from one entry to the next
 * @task: the thread, plus PF_THREAD_WAITS; 0 if the slot is free. Claimed by the thread itself with
 *	cmpxchg(), and freed under pf_threads.lock, or by the thread
 * @nr_waiting: entries of @waiting or @pending; the oldest is the first
 * @nr_completed: without outcomes: pf_nr_completed() when the latest fault was entered ...
 * @address: ... the fault's address ...
 * @mm: ... and address space
 * @waiting: without outcomes: faults before the latest that have not completed
 * @pending: with outcomes: faults given back
 *
 * Written by the thread alone, with preemption off, so without a lock; in the crowd under
 * pf_threads.lock. Its size keeps neighbours on two CPUs out of each other's cache lines.
 */
struct pf_thread {
	unsigned long task;
	u32 nr_waiting;
	union {
		struct {
			u64 nr_completed;
			u64 address;
			const struct mm_struct *mm;
			struct pf_waiting waiting[NR_PF_WAITING];
		};
		struct pf_pending pending[NR_PF_PENDING];
	};
} __aligned(128);

static_assert(sizeof(struct pf_thread) == 128);

/* The lowest bit of pf_thread.task: faults wait, so the short way does not do. */
#define PF_THREAD_WAITS 1UL

/*
 * A thread takes the first free slot of the PF_NEAR ones from its own place on, and keeps it. Where
 * all of these are taken it is one of the crowd: its state lies in slots that are shared, under the
 * lock, and is given up for another thread's when its latest fault has completed.
 */
#define PF_THREADS_BITS 12
#define NR_PF_THREADS (1U << PF_THREADS_BITS)
#define NR_PF_CROWD 512U
#define PF_NEAR 8U

static struct {
	struct pf_thread *slots; /* NR_PF_THREADS, and behind them the crowd's */
	raw_spinlock_t lock ____cacheline_aligned_in_smp; /* the crowd; whoever frees a slot */
	u32 nr_crowd; /* slots in use by the crowd */
} pf_threads = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_threads.lock),
};

/* Counted where it happens; only the sums over all CPUs mean something. */
struct pf_counts {
	u64 nr_retries;
	u64 nr_tries; /* with outcomes: all entries ... */
	u64 nr_given_back; /* ... that were left for the fault to be tried again ... */
	u64 nr_abandoned; /* ... which never happened */
	u64 nr_failed; /* with outcomes: faults that the kernel does not count */
	u64 nr_incomplete; /* without outcomes: recorded faults that never completed */
	u64 nr_forgotten; /* waiting faults that there was no room for, which are given up ... */
	u64 nr_unknown; /* ... and latest faults, which may yet complete */
};

static DEFINE_PER_CPU(struct pf_counts, pf_counts);

/* A number that stays the same for as long as a thread completes no fault. */
static __always_inline u64 pf_nr_completed(const struct task_struct *task)
{
	return task->min_flt + task->maj_flt;
}

static __always_inline u32 pf_thread_place(const struct task_struct *task)
{
	/* Cheaper than hash_ptr() by an instruction. */
	return hash_32((uintptr_t)task, PF_THREADS_BITS);
}

static __always_inline struct pf_thread *pf_thread_home(const struct task_struct *task)
{
	struct pf_thread *thread = &pf_threads.slots[pf_thread_place(task)];

	OPTIMIZER_HIDE_VAR(thread); /* or the compiler works it out again for each use */
	return thread;
}

static __always_inline struct task_struct *pf_thread_task(const struct pf_thread *thread)
{
	return (struct task_struct *)(READ_ONCE(thread->task) & ~PF_THREAD_WAITS);
}

/* The @i-th slot that a task may have, of its own or in the crowd. */
static struct pf_thread *pf_thread_near(const struct task_struct *task, u32 i, bool crowd)
{
	u32 place = pf_thread_place(task) + i;

	return &pf_threads.slots[crowd ? NR_PF_THREADS + place % NR_PF_CROWD :
					 place % NR_PF_THREADS];
}
NOKPROBE_SYMBOL(pf_thread_near);

static struct pf_thread *pf_thread_find(const struct task_struct *task, bool crowd)
{
	u32 i;

	for (i = 0; i < PF_NEAR; i++) {
		struct pf_thread *thread = pf_thread_near(task, i, crowd);

		if (pf_thread_task(thread) == task)
			return thread;
	}
	return NULL;
}
NOKPROBE_SYMBOL(pf_thread_find);

/* A slot of the current task's own that was free, or NULL. */
static struct pf_thread *pf_thread_claim(void)
{
	u32 i;

	for (i = 0; i < PF_NEAR; i++) {
		struct pf_thread *thread = pf_thread_near(current, i, false);

		if (READ_ONCE(thread->task) || cmpxchg(&thread->task, 0, (unsigned long)current))
			continue;
		thread->nr_waiting = 0;
		return thread;
	}
	return NULL;
}
NOKPROBE_SYMBOL(pf_thread_claim);

/* For the crowd's slots, and to free any. Interrupts off, as tasks end in a softirq. */
static unsigned long pf_threads_lock(void)
	__acquires(&pf_threads.lock)
{
	unsigned long flags;

	local_irq_save(flags);
	pf_lock(&pf_threads.lock);
	return flags;
}
NOKPROBE_SYMBOL(pf_threads_lock);

static void pf_threads_unlock(unsigned long flags)
	__releases(&pf_threads.lock)
{
	raw_spin_unlock(&pf_threads.lock);
	local_irq_restore(flags);
}
NOKPROBE_SYMBOL(pf_threads_unlock);

/* After the thread itself has changed nr_waiting. With outcomes only waiting faults need a slot. */
static void pf_thread_mark(struct pf_thread *thread)
{
	unsigned long waits = thread->nr_waiting ? PF_THREAD_WAITS : 0;

	smp_store_release(&thread->task,
			  pf_has_outcome() && !waits ? 0 : (unsigned long)current | waits);
}
NOKPROBE_SYMBOL(pf_thread_mark);

/* Removes the @i-th waiting fault; the order of the others stays. */
static void pf_thread_remove(struct pf_thread *thread, u32 i)
{
	thread->nr_waiting--;
	for (; i < thread->nr_waiting; i++) {
		if (pf_has_outcome())
			thread->pending[i] = thread->pending[i + 1];
		else
			thread->waiting[i] = thread->waiting[i + 1];
	}
}
NOKPROBE_SYMBOL(pf_thread_remove);

/* @nr faults that wait, or waited, never come back. */
static void pf_thread_give_up(u32 nr)
{
	if (pf_has_outcome())
		this_cpu_add(pf_counts.nr_abandoned, nr);
	else
		this_cpu_add(pf_counts.nr_incomplete, nr);
}
NOKPROBE_SYMBOL(pf_thread_give_up);

/* There is no more room to wait for @nr faults: each will be a new one if it comes back. */
static void pf_thread_forget(u32 nr)
{
	this_cpu_add(pf_counts.nr_forgotten, nr);
	pf_thread_give_up(nr);
}
NOKPROBE_SYMBOL(pf_thread_forget);

/* Has the thread's latest fault not completed yet? Of another thread that is so for a moment. */
static bool pf_thread_latest_waits(const struct pf_thread *thread, const struct task_struct *task)
{
	return !pf_has_outcome() &&
	       data_race(thread->nr_completed) == data_race(pf_nr_completed(task));
}
NOKPROBE_SYMBOL(pf_thread_latest_waits);

/* How many of the thread's faults have been entered, and neither completed nor been given up. */
static u32 pf_thread_nr_open(const struct pf_thread *thread, const struct task_struct *task)
{
	return data_race(thread->nr_waiting) + pf_thread_latest_waits(thread, task);
}
NOKPROBE_SYMBOL(pf_thread_nr_open);

/* The current task enters a fault. Is it one that has been entered before? */
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

/* Before the first fault of a thread: as if the latest had completed. */
static void pf_thread_begin(struct pf_thread *thread)
{
	thread->nr_waiting = 0;
	thread->nr_completed = pf_nr_completed(current) - 1;
}
NOKPROBE_SYMBOL(pf_thread_begin);

/* The crowd's slot for the current task: a free one, or that of a thread that needs none now. */
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
		/* The latest fault may be under way, and complete without another try. */
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

/* Is the current task one of the crowd? */
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
 * pf_fault_is_new() - without outcomes: the short way for a thread whose faults all have completed
 * @address: of the fault that enters
 * @mm: its address space
 *
 * Context: preemption off.
 * Return: true for a new fault, the thread's latest from now on. False if pf_fault_is_retry() has
 * to say
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
 * pf_fault_is_retry() - without outcomes, where pf_fault_is_new() does not know
 * @address: of the fault that enters
 * @mm: its address space
 *
 * Context: preemption off.
 * Return: true if this fault has been entered before; if not, it is the thread's latest from now on
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

static void pf_thread_end_in(struct task_struct *task, bool crowd)
{
	unsigned long flags;
	struct pf_thread *thread;

	if (!pf_thread_find(task, crowd))
		return;
	flags = pf_threads_lock();
	thread = pf_thread_find(task, crowd);
	if (thread) {
		pf_thread_give_up(pf_thread_nr_open(thread, task));
		thread->nr_waiting = 0; /* or the next owner's seem to be these, for a moment */
		smp_store_release(&thread->task, 0);
		if (crowd)
			WRITE_ONCE(pf_threads.nr_crowd, pf_threads.nr_crowd - 1);
	}
	pf_threads_unlock(flags);
}

/**
 * pf_thread_end() - a task is dead, and will be freed
 * @task: the task, traced or not
 *
 * Context: any but hard interrupts.
 */
static void pf_thread_end(struct task_struct *task)
{
	pf_thread_end_in(task, false);
	if (READ_ONCE(pf_threads.nr_crowd))
		pf_thread_end_in(task, true);
}

static void pf_thread_exec_in(bool crowd)
{
	struct pf_thread *thread = pf_thread_find(current, crowd);
	u32 i = 0;

	if (!thread)
		return;
	while (i < thread->nr_waiting) {
		const struct mm_struct *mm = pf_has_outcome() ? thread->pending[i].mm :
								thread->waiting[i].mm;

		if (mm == current->mm) {
			i++;
			continue;
		}
		pf_thread_give_up(1);
		pf_thread_remove(thread, i);
	}
	pf_thread_mark(thread);
}

/**
 * pf_thread_exec() - the current task has a new address space: what waited in the old one is over
 *
 * Context: preemption off.
 */
static void pf_thread_exec(void)
{
	unsigned long flags;

	pf_thread_exec_in(false);
	if (!READ_ONCE(pf_threads.nr_crowd))
		return;
	flags = pf_threads_lock();
	pf_thread_exec_in(true);
	pf_threads_unlock(flags);
}

/**
 * pf_threads_init() - before the first fault
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM, the cause having been reported
 */
static int pf_threads_init(void)
{
	/* Not kvcalloc(), which rounds up to a power of two. */
	pf_threads.slots = vzalloc((NR_PF_THREADS + NR_PF_CROWD) * sizeof(*pf_threads.slots));
	if (pf_threads.slots)
		return 0;
	pr_err("no memory for the threads' faults\n");
	return -ENOMEM;
}

static void pf_threads_free(void)
{
	vfree(pf_threads.slots);
}

#endif /* PF_RETRY_H */
