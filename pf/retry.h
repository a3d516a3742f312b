/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is one fault.
 *
 * One fault can enter handle_mm_fault() several times: when a try ends with VM_FAULT_RETRY, as for
 * every file page that has to be read from disk, the architecture's handler calls again. It mostly
 * says so by FAULT_FLAG_TRIED, but not when a first try under the per-VMA lock (since 6.4) is
 * given up. What always holds: mm_account_fault() adds to min_flt or maj_flt when a fault
 * completes, and only then. So the same task, the same address and the same sum of the two mean
 * the same fault. A fault that failed (SIGBUS), and is tried again at once, looks the same.
 */
#ifndef PF_RETRY_H
#define PF_RETRY_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched.h>

/*
 * Without outcomes: the fault that a thread has entered last.
 * @address: of the fault
 * @nr_completed: see pf_nr_completed()
 * @tid: whose it is, 0 if nobody's
 */
struct pf_latest {
	u64 address;
	u64 nr_completed;
	u32 tid;
};

/*
 * With outcomes, where each end is seen: a fault that a thread has given back to be tried again.
 * @address: of the fault
 * @time_ns: its first entry
 * @tid: whose it is, 0 if nobody's
 * @before: struct pf_try's, of the try to come
 */
struct pf_pending {
	u64 address;
	u64 time_ns;
	u32 tid;
	u32 before;
};

/* What is known of a thread's fault from one entry to the next. */
union pf_thread {
	struct pf_latest latest;
	struct pf_pending pending;
} ____cacheline_aligned; /* or neighbours on two CPUs would write to one line */

/*
 * By tid, and by the lowest bits of it, as those of one process are mostly neighbours: two threads
 * share a place only if their numbers are a multiple of NR_PF_THREADS apart. By task and not by
 * CPU, as a task may come back from waiting on another CPU.
 */
#define NR_PF_THREADS 8192

static union pf_thread pf_threads[NR_PF_THREADS];

/* Counted where it happens; only the sums over all CPUs mean something. */
struct pf_counts {
	u64 nr_retries;
	u64 nr_tries; /* with outcomes: all entries ... */
	u64 nr_given_back; /* ... that were left for the fault to be tried again ... */
	u64 nr_abandoned; /* ... which never happened */
};

static DEFINE_PER_CPU(struct pf_counts, pf_counts);

static __always_inline union pf_thread *pf_thread_of(u32 tid)
{
	union pf_thread *thread = &pf_threads[tid % NR_PF_THREADS];

	OPTIMIZER_HIDE_VAR(thread); /* or the compiler works it out again for each use */
	return thread;
}

/*
 * A number that is the same only for as long as a thread completes no fault, and never that of
 * another thread with the same tid: nanoseconds pass faster than faults do.
 */
static __always_inline u64 pf_nr_completed(const struct task_struct *task)
{
	return task->min_flt + task->maj_flt + task->start_time;
}

/* Is this entry by the current task a retry? If not, it is the task's latest fault from now on. */
static __always_inline bool pf_fault_is_retry(u64 address, unsigned int flags)
{
	u64 nr_completed = pf_nr_completed(current);
	u32 tid = current->pid;
	struct pf_latest *latest = &pf_thread_of(tid)->latest;

	/* Where a thread has lost its place to another, FAULT_FLAG_TRIED still tells. */
	if (unlikely(latest->address == address || (flags & FAULT_FLAG_TRIED))) {
		if (latest->tid == tid ? latest->address == address &&
						 latest->nr_completed == nr_completed :
					 latest->tid && (flags & FAULT_FLAG_TRIED))
			return true;
	}
	latest->address = address;
	latest->nr_completed = nr_completed;
	latest->tid = tid;
	return false;
}

#endif /* PF_RETRY_H */
