/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * outcome=1: each try of a fault, from entry to return, and how the fault ended. The hook only
 * passes the entry to a kretprobe, see pf_watch(). The record is made when handle_mm_fault()
 * returns from the fault's last try.
 */
#ifndef PF_TRY_H
#define PF_TRY_H

#include <linux/compiler.h>
#include <linux/kprobes.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched.h>

#include "asked.h"
#include "capture.h"
#include "clock.h"
#include "fault_list.h"
#include "list_push.h"
#include "symbol.h"
#include "target.h"
#include "thread.h"

/**
 * struct pf_try - data passed from the entry to the return of a try
 * @time_ns: time of the fault's first entry
 * @address: faulting address
 * @word: @what and @before in one word
 * @what: as in struct pf_fault
 * @before: FAULT_FLAG_TRIED if set for this try, plus PF_BEFORE_TRY for each earlier try of the
 *	fault, plus PF_BEFORE_MAJOR if one of them was major; usually 0
 */
struct pf_try {
	u64 time_ns;
	u64 address;
	union {
		u64 word;
		struct {
			u32 what;
			u32 before;
		};
	};
};

#define PF_BEFORE_MAJOR (1U << 15)
#define PF_BEFORE_TRY (1U << 16)

static struct kretprobe pf_kretprobe;

/*
 * Called if some thread's faults wait in the slot of this thread's hash. If the fault that is being
 * entered is among this thread's waiting faults, continues it.
 */
static noinline notrace void pf_try_resume(struct pf_try *try)
{
	struct pf_thread *thread = pf_thread_find(current, false);
	u32 i;

	for (i = 0; thread && i < thread->nr_waiting; i++) {
		struct pf_pending *pending = &thread->pending[i];

		if (pending->address != try->address || pending->mm != current->mm)
			continue;
		try->time_ns = pending->time_ns;
		try->before |= pending->before;
		this_cpu_inc(pf_counts.nr_retries);
		pf_thread_remove(thread, i);
		return pf_thread_mark(thread);
	}
}
NOKPROBE_SYMBOL(pf_try_resume);

/* The kretprobe's entry handler. Returns 0, so that the return is watched. */
static notrace int pf_try_begin(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct pf_try *try = (struct pf_try *)ri->data;
	const struct vm_area_struct *vma = pf_arg_vma(regs);
	unsigned int flags = pf_arg_flags(regs);
	u64 address = pf_arg_address(regs);

	try->address = address;
	if (pf_is_plain(vma, flags)) {
		try->word = pf_what_of_plain(vma, address, flags);
	} else {
		try->before = flags & FAULT_FLAG_TRIED;
		try->what = pf_what_of(regs);
	}
	this_cpu_inc(pf_counts.nr_tries);
	try->time_ns = pf_clock_ns();
	if (unlikely(READ_ONCE(pf_thread_home(current)->task)))
		pf_try_resume(try);
	return 0;
}
NOKPROBE_SYMBOL(pf_try_begin);

/* Preemption has been off since the end time was read, as pf_cursor_extend() requires. */
static __always_inline void pf_complete(struct pf_chunk *chunk, const struct pf_try *try,
					u32 end_bits, u64 latency_ns)
{
	u32 nr = chunk->nr;
	struct pf_fault *fault = &chunk->faults[nr];

	pf_describe(fault, try->time_ns, try->address, end_bits);
	fault->what = try->what;
	/* Negative if the clock was adjusted meanwhile and has stepped back. */
	if (unlikely(latency_ns > PF_LATENCY_MAX_NS))
		latency_ns = (s64)latency_ns < 0 ? 0 : PF_LATENCY_MAX_NS;
	pf_chunk_extras(chunk)[nr].word = pf_extra_word(
		latency_ns, pf_has_children() ? pf_target_nr_of(task_tgid(current)) : 0);
	pf_list_publish(chunk, nr);
}

static noinline notrace void pf_complete_in_new_chunk(const struct pf_try *try, u32 end_bits,
						      u64 latency_ns)
{
	struct pf_chunk *chunk = pf_list_drop_if_full() ? NULL : pf_list_room();

	if (chunk)
		pf_complete(chunk, try, end_bits, latency_ns);
}
NOKPROBE_SYMBOL(pf_complete_in_new_chunk);

static __always_inline void pf_try_complete(const struct pf_try *try, u32 end_bits)
{
	u64 latency_ns = pf_clock_ns() - try->time_ns;
	struct pf_chunk *chunk = pf_list_chunk();

	if (likely(pf_list_has_room(chunk)))
		pf_complete(chunk, try, end_bits, latency_ns);
	else
		pf_complete_in_new_chunk(try, end_bits, latency_ns);
}

/* The number of this try, from 1. */
static u32 pf_try_nr(const struct pf_try *try)
{
	return min(try->before / PF_BEFORE_TRY + 1, PF_TRIES_MAX);
}
NOKPROBE_SYMBOL(pf_try_nr);

/* The try returned VM_FAULT_RETRY: remembers the fault until the next try. */
static void pf_try_again(const struct pf_try *try, bool major)
{
	struct pf_thread *thread = pf_thread_find(current, false) ?: pf_thread_claim();

	this_cpu_inc(pf_counts.nr_given_back);
	if (!thread)
		return pf_thread_forget(1);
	if (thread->nr_waiting == NR_PF_PENDING) {
		pf_thread_forget(1);
		pf_thread_remove(thread, 0);
	}
	thread->pending[thread->nr_waiting++] = (struct pf_pending){
		.address = try->address,
		.mm = current->mm,
		.time_ns = try->time_ns,
		.before = pf_try_nr(try) * PF_BEFORE_TRY | (major ? PF_BEFORE_MAJOR : 0),
	};
	pf_thread_mark(thread);
}
NOKPROBE_SYMBOL(pf_try_again);

/* The result of a fault's last try; minor or major by the rule of mm_account_fault(). */
static enum pf_result pf_result_of(vm_fault_t ret, bool tried)
{
	if (!(ret & VM_FAULT_ERROR))
		return (ret & VM_FAULT_MAJOR) || tried ? PF_RESULT_MAJOR : PF_RESULT_MINOR;
	if (ret & VM_FAULT_OOM)
		return PF_RESULT_OOM;
	if (ret & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE))
		return PF_RESULT_HWPOISON;
	if (ret & VM_FAULT_SIGSEGV)
		return PF_RESULT_SIGSEGV;
	return ret & VM_FAULT_SIGBUS ? PF_RESULT_SIGBUS : PF_RESULT_ERROR;
}
NOKPROBE_SYMBOL(pf_result_of);

static __always_inline vm_fault_t pf_vm_fault_of(struct pt_regs *regs)
{
	return (__force vm_fault_t)regs_return_value(regs);
}

/* The return of any try except that of a minor fault with one try. */
static noinline notrace void pf_try_end_any(struct pf_try *try, struct pt_regs *regs)
{
	vm_fault_t ret = pf_vm_fault_of(regs);
	enum pf_result result = pf_result_of(ret, try->before & FAULT_FLAG_TRIED);
	bool major = (ret & VM_FAULT_MAJOR) || (try->before & PF_BEFORE_MAJOR);

	if (ret & VM_FAULT_RETRY) {
		pf_try_again(try, major);
		return;
	}
	if (result > PF_RESULT_MAJOR)
		this_cpu_inc(pf_counts.nr_failed);
	/* A major fault in anonymous memory is a swap-in; one by userfaultfd is not major. */
	if (major && pf_what_is_anon(try->what))
		try->what |= pf_what(0, 0, PF_KIND_SWAP, 0, 0);
	pf_try_complete(try, pf_end_bits(pf_try_nr(try), result));
}
NOKPROBE_SYMBOL(pf_try_end_any);

/* The kretprobe's return handler. Preemption is off, as in any handler of a kretprobe. */
static notrace int pf_try_end(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const vm_fault_t unusual = VM_FAULT_RETRY | VM_FAULT_ERROR | VM_FAULT_MAJOR;
	struct pf_try *try = (struct pf_try *)ri->data;

	OPTIMIZER_HIDE_VAR(try); /* or the compiler keeps it in two registers */
	if (unlikely((__force u32)(pf_vm_fault_of(regs) & unusual) | try->before))
		pf_try_end_any(try, regs);
	else
		pf_try_complete(try, pf_end_bits(1, PF_RESULT_MINOR));
	return 0;
}
NOKPROBE_SYMBOL(pf_try_end);

/*
 * Watches the return of a try. Our own hook decides which faults to watch: for untracked processes
 * that costs far less than a kretprobe whose entry handler refuses them. The kretprobe is at the
 * same address, but registered as disabled, so nothing else calls its handler.
 */
static __always_inline int pf_watch(struct pt_regs *regs)
{
	return pf_kretprobe.kp.pre_handler(&pf_kretprobe.kp, regs);
}

/**
 * pf_kretprobe_register() - register the kretprobe that watches tries
 * @maxactive: number of faults that can be in progress at once
 *
 * It is registered as disabled: only pf_watch() calls its entry handler.
 *
 * Context: process context, may sleep.
 * Return: 0, or after printing the cause, the error of pf_kretprobe_register_disabled()
 */
static int pf_kretprobe_register(unsigned int maxactive)
{
	int ret;

	pf_kretprobe = (struct kretprobe){
		.kp.symbol_name = PF_SYMBOL,
		.entry_handler = pf_try_begin,
		.handler = pf_try_end,
		.data_size = sizeof(struct pf_try),
		.maxactive = maxactive,
	};
	ret = pf_kretprobe_register_disabled(&pf_kretprobe);
	if (ret)
		pr_err("outcome=1: cannot place a kretprobe in " PF_SYMBOL "() (error %d): use "
		       "outcome=0\n", ret);
	return ret;
}

#endif /* PF_TRY_H */
