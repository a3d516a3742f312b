/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of each thread from one fault to the next: above all, its faults that wait to be tried
 * again, see retry.h.
 *
 * Only the thread itself writes its slot, with preemption off, so that needs no lock. The
 * exceptions are under pf_threads.lock: slots of the crowd, which threads share, and freeing the
 * slot of a thread that has ended.
 *
 * A thread is identified by its task_struct, not by PID and start time: de_thread() gives those of
 * the leader to the thread that calls exec. pf_thread_end() drops a thread's state before its
 * task_struct can be reused; pf_thread_exec() drops the faults that waited before an exec.
 */
#ifndef PF_THREAD_H
#define PF_THREAD_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/hash.h>
#include <linux/irqflags.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "asked.h"
#include "lock.h"

/* Waiting faults per thread. No more wait at once than there are nested signal handlers. */
#define NR_PF_WAITING 5
#define NR_PF_PENDING 3

/**
 * struct pf_waiting - with outcome=0: a fault that waits to be tried again, or has failed
 * @address: faulting address
 * @mm: address space of @address
 */
struct pf_waiting {
	u64 address;
	const struct mm_struct *mm;
};

/**
 * struct pf_pending - a fault that waits to be tried again, with outcome=1, which sees each return
 * @address: faulting address
 * @mm: the thread's own address space
 * @time_ns: time of the first entry
 * @before: the value of pf_try.before for the next try
 */
struct pf_pending {
	u64 address;
	const struct mm_struct *mm;
	u64 time_ns;
	u32 before;
};

/**
 * struct pf_thread - a thread's state from one fault to the next
 * @task: the thread, plus PF_THREAD_WAITS; 0 if the slot is free. Claimed by the thread itself with
 *	cmpxchg(), and freed under pf_threads.lock, or by the thread
 * @nr_waiting: number of entries of @waiting or @pending, oldest first
 * @nr_completed: with outcome=0: pf_nr_completed() at the entry of the latest fault
 * @address: with outcome=0: address of the latest fault
 * @mm: with outcome=0: address space of the latest fault
 * @waiting: with outcome=0: faults before the latest that have not completed
 * @pending: with outcome=1: faults that wait to be tried again
 *
 * The size avoids false sharing.
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

/* The lowest bit of pf_thread.task: faults wait, so pf_fault_is_new() can't decide. */
#define PF_THREAD_WAITS 1UL

/*
 * A thread takes the first free of the PF_NEAR slots that start at its hash, and keeps it. If none
 * is free, it belongs to the crowd. These threads share slots under the lock: a slot goes to
 * another thread once its owner's latest fault has completed.
 */
#define PF_THREADS_BITS 12
#define NR_PF_THREADS (1U << PF_THREADS_BITS)
#define NR_PF_CROWD 512U
#define PF_NEAR 8U

static struct {
	struct pf_thread *slots; /* NR_PF_THREADS, followed by NR_PF_CROWD for the crowd */
	raw_spinlock_t lock ____cacheline_aligned_in_smp; /* slots of the crowd; freeing any slot */
	u32 nr_crowd; /* slots in use by the crowd */
	u32 nr_ends; /* tasks with a slot that are being freed or have been */
} pf_threads = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_threads.lock),
};

/* Per-CPU counters; only the sums over all CPUs are meaningful. */
struct pf_counts {
	u64 nr_retries;
	u64 nr_tries; /* with outcome=1: all entries */
	u64 nr_given_back; /* with outcome=1: tries after which the fault was to be tried again */
	u64 nr_abandoned; /* with outcome=1: faults that were not tried again */
	u64 nr_failed; /* with outcome=1: faults that failed; the kernel does not count them */
	u64 nr_incomplete; /* with outcome=0: recorded faults that never completed */
	u64 nr_forgotten; /* waiting faults dropped for lack of room */
	u64 nr_unknown; /* latest faults dropped for lack of room; they may yet complete */
};

static DEFINE_PER_CPU(struct pf_counts, pf_counts);

/**
 * pf_nr_completed() - a number that changes when a task completes a fault, and only then
 * @task: the task
 *
 * Context: any; exact for the current task.
 */
static __always_inline u64 pf_nr_completed(const struct task_struct *task)
{
	return task->min_flt + task->maj_flt;
}

static __always_inline u32 pf_thread_hash(const struct task_struct *task)
{
	/* One instruction less than hash_ptr(). */
	return hash_32((uintptr_t)task, PF_THREADS_BITS);
}

/**
 * pf_thread_home() - the slot at a task's hash, which may be another task's
 * @task: the task
 *
 * Context: any.
 */
static __always_inline struct pf_thread *pf_thread_home(const struct task_struct *task)
{
	struct pf_thread *thread = &pf_threads.slots[pf_thread_hash(task)];

	OPTIMIZER_HIDE_VAR(thread); /* or the compiler computes it again for each use */
	return thread;
}

/**
 * pf_thread_task() - the task that a slot belongs to
 * @thread: the slot
 *
 * Context: any.
 * Return: the task, not to be accessed without knowing that it is not freed; NULL if the slot is
 * free
 */
static __always_inline struct task_struct *pf_thread_task(const struct pf_thread *thread)
{
	return (struct task_struct *)(READ_ONCE(thread->task) & ~PF_THREAD_WAITS);
}

/**
 * pf_thread_near() - one of the slots that a task may use
 * @task: the task
 * @i: which one, from 0 to PF_NEAR - 1
 * @crowd: one of the crowd, instead of one that it does not share
 *
 * Context: any.
 */
static struct pf_thread *pf_thread_near(const struct task_struct *task, u32 i, bool crowd)
{
	u32 slot = pf_thread_hash(task) + i;

	return &pf_threads.slots[crowd ? NR_PF_THREADS + slot % NR_PF_CROWD :
					 slot % NR_PF_THREADS];
}
NOKPROBE_SYMBOL(pf_thread_near);

/**
 * pf_thread_find() - find a task's slot
 * @task: the task
 * @crowd: among those of the crowd; certain only under pf_threads.lock
 *
 * Context: preemption off.
 * Return: the slot, or NULL if the task has none
 */
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

/**
 * pf_thread_claim() - claim a free slot for the current task
 *
 * Context: preemption off.
 * Return: the slot without waiting faults, or NULL if none is free
 */
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

/**
 * pf_threads_lock() - take pf_threads.lock
 *
 * Disables interrupts, because pf_thread_end() can run in a softirq.
 *
 * Context: any but hard interrupts.
 * Return: flags for pf_threads_unlock()
 */
static unsigned long pf_threads_lock(void)
	__acquires(&pf_threads.lock)
{
	unsigned long flags;

	local_irq_save(flags);
	pf_lock(&pf_threads.lock);
	return flags;
}
NOKPROBE_SYMBOL(pf_threads_lock);

/**
 * pf_threads_unlock() - release pf_threads.lock
 * @flags: the result of pf_threads_lock()
 */
static void pf_threads_unlock(unsigned long flags)
	__releases(&pf_threads.lock)
{
	raw_spin_unlock(&pf_threads.lock);
	local_irq_restore(flags);
}
NOKPROBE_SYMBOL(pf_threads_unlock);

/**
 * pf_thread_mark() - update PF_THREAD_WAITS after nr_waiting has changed
 * @thread: the current task's slot
 *
 * With outcome=1 a thread without waiting faults needs no slot, so this frees it.
 *
 * Context: preemption off.
 */
static void pf_thread_mark(struct pf_thread *thread)
{
	unsigned long waits = thread->nr_waiting ? PF_THREAD_WAITS : 0;

	smp_store_release(&thread->task,
			  pf_has_outcome() && !waits ? 0 : (unsigned long)current | waits);
}
NOKPROBE_SYMBOL(pf_thread_mark);

/**
 * pf_thread_remove() - remove a waiting fault, and keep the order of the others
 * @thread: the current task's slot
 * @i: the fault's index
 *
 * Context: preemption off. Call pf_thread_mark() after it.
 */
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

/* Counts @nr faults that will not be tried again. */
static void pf_thread_give_up(u32 nr)
{
	if (pf_has_outcome())
		this_cpu_add(pf_counts.nr_abandoned, nr);
	else
		this_cpu_add(pf_counts.nr_incomplete, nr);
}
NOKPROBE_SYMBOL(pf_thread_give_up);

/**
 * pf_thread_forget() - count waiting faults that are dropped for lack of room
 * @nr: their number
 *
 * One that is tried again will look new.
 *
 * Context: preemption off.
 */
static void pf_thread_forget(u32 nr)
{
	this_cpu_add(pf_counts.nr_forgotten, nr);
	pf_thread_give_up(nr);
}
NOKPROBE_SYMBOL(pf_thread_forget);

/**
 * pf_thread_latest_waits() - with outcome=0: has the thread's latest fault not completed?
 * @thread: the slot
 * @task: the thread; unless it is the current one, the answer may be outdated
 *
 * Context: any; @task is not freed meanwhile.
 * Return: false with outcome=1
 */
static bool pf_thread_latest_waits(const struct pf_thread *thread, const struct task_struct *task)
{
	return !pf_has_outcome() &&
	       data_race(thread->nr_completed) == data_race(pf_nr_completed(task));
}
NOKPROBE_SYMBOL(pf_thread_latest_waits);

/**
 * pf_thread_nr_open() - number of a thread's faults that have neither completed nor been given up
 * @thread: the slot
 * @task: the thread; unless it is the current one, the number may be outdated
 *
 * Context: any; @task is not freed meanwhile.
 */
static u32 pf_thread_nr_open(const struct pf_thread *thread, const struct task_struct *task)
{
	return data_race(thread->nr_waiting) + pf_thread_latest_waits(thread, task);
}
NOKPROBE_SYMBOL(pf_thread_nr_open);

static void pf_thread_end_in(struct task_struct *task, bool crowd)
{
	unsigned long flags;
	struct pf_thread *thread;

	if (!pf_thread_find(task, crowd))
		return;
	flags = pf_threads_lock();
	thread = pf_thread_find(task, crowd);
	if (thread) {
		/* Before its faults are moved to the counts: see pf_sums_of_threads(). */
		WRITE_ONCE(pf_threads.nr_ends, pf_threads.nr_ends + 1);
		smp_wmb();
		pf_thread_give_up(pf_thread_nr_open(thread, task));
		thread->nr_waiting = 0; /* or a reader could count them for the next owner */
		smp_store_release(&thread->task, 0);
		if (crowd)
			WRITE_ONCE(pf_threads.nr_crowd, pf_threads.nr_crowd - 1);
	}
	pf_threads_unlock(flags);
}

/**
 * pf_thread_end() - drop the state of a task that is about to be freed
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
 * pf_thread_exec() - give up the faults that waited in the address space before an exec
 *
 * Context: the task that called exec, preemption off.
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
 * pf_threads_init() - allocate the slots; call it before the first fault
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM after printing the cause
 */
static int pf_threads_init(void)
{
	/* Not kvcalloc(), which rounds the size up to a power of two. */
	pf_threads.slots = vzalloc((NR_PF_THREADS + NR_PF_CROWD) * sizeof(*pf_threads.slots));
	if (pf_threads.slots)
		return 0;
	pr_err("no memory for the state of threads\n");
	return -ENOMEM;
}

/**
 * pf_threads_free() - free the slots
 *
 * Context: process context, may sleep; after pf_life_stop(), and when no hook is left.
 */
static void pf_threads_free(void)
{
	vfree(pf_threads.slots);
}

#endif /* PF_THREAD_H */
