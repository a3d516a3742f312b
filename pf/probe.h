/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probe: a kprobe in the entry of handle_mm_fault() that makes one record of every fault the
 * target takes. With outcomes it only hands the fault to a kretprobe, see pf_watch(), and the
 * record is made when the function returns for the last time.
 *
 * One fault can enter handle_mm_fault() several times: when a try ends with VM_FAULT_RETRY, as for
 * every file page that has to be read from disk, the architecture's handler calls again. It mostly
 * says so by FAULT_FLAG_TRIED, but not when a first try under the per-VMA lock (since 6.4) is
 * given up. What always holds: mm_account_fault() adds to min_flt or maj_flt when a fault
 * completes, and only then. So the same task, the same address and the same sum of the two mean
 * the same fault. A fault that failed (SIGBUS), and is tried again at once, looks the same.
 */
#ifndef PF_PROBE_H
#define PF_PROBE_H

#include <linux/cache.h>
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched/task_stack.h>
#include <linux/string.h>

#include "compat.h"
#include "family.h"
#include "fault_list.h"
#include "map.h"
#include "target.h"

/*
 * What is known of a thread's fault from one entry to the next.
 * @address: of the fault
 * @nr_completed: see pf_nr_completed()
 * @time_ns: with outcomes: the first entry
 * @tid: whose it is, 0 if nobody's
 * @before: with outcomes: struct pf_try's, of the try to come
 *
 * That is the fault that the thread has entered last. With outcomes, where each end is seen, it is
 * one that has been given back to be tried again.
 */
struct pf_latest {
	u64 address;
	union {
		u64 nr_completed;
		u64 time_ns;
	};
	u32 tid;
	u32 before;
} ____cacheline_aligned; /* or neighbours on two CPUs would write to one line */

/*
 * By tid, and by the lowest bits of it, as those of one process are mostly neighbours: two threads
 * share a place only if their numbers are a multiple of NR_PF_LATEST apart. By task and not by CPU,
 * as a task may come back from waiting on another CPU.
 */
#define NR_PF_LATEST 8192

static struct pf_latest pf_latest[NR_PF_LATEST];

/* Counted where it happens; only the sums over all CPUs mean something. */
struct pf_counts {
	u64 nr_retries;
	u64 nr_tries; /* with outcomes: all entries ... */
	u64 nr_given_back; /* ... that were left for the fault to be tried again ... */
	u64 nr_abandoned; /* ... which never happened */
};

static DEFINE_PER_CPU(struct pf_counts, pf_counts);

/**
 * struct pf_try - with outcomes: what the entry has to tell the return
 * @time_ns: the fault's first entry
 * @address: the fault's
 * @word: both that follow, @what alone if @before is 0
 * @what: as in struct pf_fault
 * @before: FAULT_FLAG_TRIED, and of the fault's tries before this one: how many, in units of
 *	PF_BEFORE_TRY, and PF_BEFORE_MAJOR if one of them has read from a disk; mostly 0
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

static struct kretprobe pf_kretprobe; /* with outcomes */
static atomic_t pf_nr_pending; /* with outcomes: faults left to be tried again */

static __always_inline struct pf_latest *pf_latest_of(u32 tid)
{
	struct pf_latest *latest = &pf_latest[tid % NR_PF_LATEST];

	OPTIMIZER_HIDE_VAR(latest); /* or the compiler works it out again for each use */
	return latest;
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
	struct pf_latest *latest = pf_latest_of(tid);

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

/* The arguments: vm_fault_t handle_mm_fault(vma, address, flags, regs), since 5.9 */
static __always_inline struct vm_area_struct *pf_arg_vma(struct pt_regs *regs)
{
	return (void *)regs_get_kernel_argument(regs, 0);
}

static __always_inline u64 pf_arg_address(struct pt_regs *regs)
{
	return regs_get_kernel_argument(regs, 1);
}

static __always_inline unsigned int pf_arg_flags(struct pt_regs *regs)
{
	return regs_get_kernel_argument(regs, 2);
}

static __always_inline bool pf_arg_has_regs(struct pt_regs *regs)
{
	return regs_get_kernel_argument(regs, 3);
}

static __always_inline enum pf_region pf_region_of_anon(const struct vm_area_struct *vma,
							 u64 address)
{
	const struct mm_struct *mm = vma->vm_mm;

	if (vma->vm_flags & VM_STACK)
		return PF_REGION_STACK;
	if (likely(vma->vm_start > mm->brk) || (address & PAGE_MASK) >= mm->brk)
		return PF_REGION_ANON;
	if (address >= mm->start_brk)
		return PF_REGION_HEAP;
	if (address >= (mm->start_data & PAGE_MASK))
		return PF_REGION_DATA; /* bss */
	return PF_REGION_ANON;
}

/*
 * Is that the program's own file? By what is told of a mapping, as overlayfs maps another struct
 * file than exec opened.
 */
static __always_inline bool pf_file_is_program(const struct vm_area_struct *vma)
{
	/* Preemption is off: what is freed meanwhile can still be looked at. */
	const struct file *program = rcu_dereference_sched(vma->vm_mm->exe_file);

	return program && pf_file_path(vma->vm_file)->dentry == program->f_path.dentry;
}

static __always_inline enum pf_region pf_region_of_file(const struct vm_area_struct *vma,
							 u64 address)
{
	const struct mm_struct *mm = vma->vm_mm;
	u64 page = address & PAGE_MASK;

	if (page < mm->end_code && address >= (mm->start_code & PAGE_MASK))
		return PF_REGION_CODE;
	if ((page < mm->end_data && page >= mm->end_code) || pf_file_is_program(vma))
		return PF_REGION_DATA;
	return PF_REGION_FILE;
}

static __always_inline u32 pf_kind_of(const struct vm_area_struct *vma, u32 access)
{
	u32 kind = vma->vm_flags & VM_HUGETLB ? PF_KIND_HUGETLB : 0;

	/* MAYSHARE: a shared mapping of a file that was opened for reading is not VM_SHARED. */
	if (vma->vm_flags & VM_MAYSHARE)
		kind |= PF_KIND_SHARED;
	else if (access == PF_ACCESS_WRITE && !kind)
		kind = PF_KIND_COW;
	return kind;
}

/* Most faults are the program's own, in anonymous memory, and the first try. */
static __always_inline bool pf_is_plain(const struct vm_area_struct *vma, unsigned int flags)
{
	const unsigned int usual = FAULT_FLAG_USER | FAULT_FLAG_INSTRUCTION | FAULT_FLAG_REMOTE |
				   FAULT_FLAG_TRIED;

	return likely((flags & usual) == FAULT_FLAG_USER && !vma->vm_ops);
}

static __always_inline u32 pf_what_of_plain(const struct vm_area_struct *vma, u64 address,
					    unsigned int flags)
{
	return pf_what(flags & FAULT_FLAG_WRITE ? PF_ACCESS_WRITE : PF_ACCESS_READ, PF_MODE_USER, 0,
		       pf_region_of_anon(vma, address), 0);
}

/* pf_fault.what of any fault. */
static noinline notrace u32 pf_what_of(struct pt_regs *regs)
{
	struct vm_area_struct *vma = pf_arg_vma(regs);
	unsigned int flags = pf_arg_flags(regs);
	u64 address = pf_arg_address(regs);
	u32 access = PF_ACCESS_READ, mode = PF_MODE_USER, region, kind = 0, map = 0;

	if (flags & FAULT_FLAG_INSTRUCTION)
		access = PF_ACCESS_EXEC;
	else if (flags & FAULT_FLAG_WRITE)
		access = PF_ACCESS_WRITE;
	if (flags & FAULT_FLAG_REMOTE)
		mode = PF_MODE_REMOTE;
	else if (!pf_arg_has_regs(regs))
		mode = PF_MODE_GUP;
	else if (!(flags & FAULT_FLAG_USER))
		mode = PF_MODE_KERNEL;
	if (!vma->vm_ops) { /* the kernel's own rule: /dev/zero, privately, is anonymous, too */
		region = pf_region_of_anon(vma, address);
	} else if (vma->vm_file) {
		region = pf_region_of_file(vma, address);
		kind = pf_kind_of(vma, access);
		map = pf_map_of_file(vma);
	} else {
		region = PF_REGION_SPECIAL;
		map = pf_map_of_special(vma);
	}
	return pf_what(access, mode, kind, region, map);
}
NOKPROBE_SYMBOL(pf_what_of);

/* All of a record but what it was; pf_outcome() tells of its end, if that is watched. */
static __always_inline void pf_describe(struct pf_fault *fault, u64 time_ns, u64 address,
					u32 outcome_bits)
{
	fault->time_ns = time_ns;
	fault->address = address;
	/* Not the fault's own regs: in a system call they are the kernel's, which are secret. */
	fault->ip = instruction_pointer(task_pt_regs(current));
	fault->thread = pf_target_nr_of(task_pid(current)) | outcome_bits;
}

/*
 * These are out of line, and called last, for the registers that they use: what calls nothing, or
 * goes on to what it calls, need not save any.
 */
static noinline notrace void pf_publish_any(struct pf_chunk *chunk, u32 nr, struct pt_regs *regs)
{
	chunk->faults[nr].what = pf_what_of(regs);
	pf_list_publish(chunk, nr);
}
NOKPROBE_SYMBOL(pf_publish_any);

static __always_inline void pf_record(struct pf_chunk *chunk, u64 time_ns, u64 address,
				      unsigned int flags, struct pt_regs *regs, bool family)
{
	const struct vm_area_struct *vma = pf_arg_vma(regs);
	u32 nr = chunk->nr;
	struct pf_fault *fault = &chunk->faults[nr];

	OPTIMIZER_HIDE_VAR(fault);
	pf_describe(fault, time_ns, address, 0);
	if (family)
		pf_chunk_extras(chunk)[nr].word =
			pf_extra_word(0, pf_target_nr_of(task_tgid(current)));
	if (!pf_is_plain(vma, flags))
		return pf_publish_any(chunk, nr, regs);
	fault->what = pf_what_of_plain(vma, address, flags);
	pf_list_publish(chunk, nr);
}

static noinline notrace void pf_record_first(struct pf_chunk *chunk, u64 time_ns,
					     struct pt_regs *regs)
{
	pf_record(chunk, time_ns, pf_arg_address(regs), pf_arg_flags(regs), regs,
		  pf_list.has_extra);
}
NOKPROBE_SYMBOL(pf_record_first);

static noinline notrace void pf_record_in_new_chunk(u64 time_ns, struct pt_regs *regs)
{
	struct pf_chunk *chunk = pf_list_lose() ? NULL : pf_list_room();

	if (chunk)
		pf_record_first(chunk, time_ns, regs);
}
NOKPROBE_SYMBOL(pf_record_in_new_chunk);

static __always_inline int pf_capture_for(struct pt_regs *regs, bool family)
{
	u64 time_ns = ktime_get_mono_fast_ns();
	unsigned int flags = pf_arg_flags(regs);
	u64 address = pf_arg_address(regs);
	struct pf_chunk *chunk;

	if (pf_fault_is_retry(address, flags)) {
		this_cpu_inc(pf_counts.nr_retries);
		return 0;
	}
	chunk = pf_list_chunk();
	if (likely(pf_list_has_room(chunk)))
		pf_record(chunk, time_ns, address, flags, regs, family);
	else
		pf_record_in_new_chunk(time_ns, regs);
	return 0;
}

static noinline notrace int pf_capture(struct kprobe *kp, struct pt_regs *regs)
{
	return pf_capture_for(regs, false);
}
NOKPROBE_SYMBOL(pf_capture);

static noinline notrace int pf_capture_family(struct kprobe *kp, struct pt_regs *regs)
{
	return pf_capture_for(regs, true);
}
NOKPROBE_SYMBOL(pf_capture_family);

/*
 * With outcomes, and faults waiting to be tried again: is this one of them? It is not if it was
 * begun by another thread of that number, before this one was there.
 */
static noinline notrace void pf_try_resume(struct pf_try *try)
{
	u32 tid = current->pid;
	struct pf_latest *latest = pf_latest_of(tid);

	if (latest->tid != tid)
		return;
	if (latest->address == try->address && latest->time_ns >= current->start_time) {
		try->time_ns = latest->time_ns;
		try->before |= latest->before;
		this_cpu_inc(pf_counts.nr_retries);
	} else {
		this_cpu_inc(pf_counts.nr_abandoned);
	}
	if (cmpxchg(&latest->tid, tid, 0) == tid)
		atomic_dec(&pf_nr_pending);
}
NOKPROBE_SYMBOL(pf_try_resume);

/*
 * With outcomes: a try begins.
 *
 * Return: 0, to have its return watched
 */
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
	try->time_ns = ktime_get_mono_fast_ns();
	if (unlikely(atomic_read(&pf_nr_pending)))
		pf_try_resume(try);
	return 0;
}
NOKPROBE_SYMBOL(pf_try_begin);

/* Preemption has been off since the record's clock was read: see pf_cursor_extend(). */
static __always_inline void pf_complete(struct pf_chunk *chunk, const struct pf_try *try,
					u32 outcome_bits, u64 latency_ns, bool family)
{
	u32 nr = chunk->nr;
	struct pf_fault *fault = &chunk->faults[nr];

	pf_describe(fault, try->time_ns, try->address, outcome_bits);
	fault->what = try->what;
	/* Above it, too, if the clock was set right in between and has stepped back. */
	if (unlikely(latency_ns > PF_LATENCY_MAX_NS))
		latency_ns = (s64)latency_ns < 0 ? 0 : PF_LATENCY_MAX_NS;
	pf_chunk_extras(chunk)[nr].word = pf_extra_word(
		latency_ns, family ? pf_target_nr_of(task_tgid(current)) : 0);
	pf_list_publish(chunk, nr);
}

static noinline notrace void pf_complete_in_new_chunk(const struct pf_try *try, u32 outcome_bits,
						      u64 latency_ns)
{
	struct pf_chunk *chunk = pf_list_lose() ? NULL : pf_list_room();

	if (chunk)
		pf_complete(chunk, try, outcome_bits, latency_ns, true);
}
NOKPROBE_SYMBOL(pf_complete_in_new_chunk);

static __always_inline void pf_try_complete(const struct pf_try *try, u32 outcome_bits, bool family)
{
	u64 latency_ns = ktime_get_mono_fast_ns() - try->time_ns;
	struct pf_chunk *chunk = pf_list_chunk();

	if (likely(pf_list_has_room(chunk)))
		pf_complete(chunk, try, outcome_bits, latency_ns, family);
	else
		pf_complete_in_new_chunk(try, outcome_bits, latency_ns);
}

/* Which try of the fault this is. */
static u32 pf_try_nr(const struct pf_try *try)
{
	return min(try->before / PF_BEFORE_TRY + 1, PF_TRIES_MAX);
}
NOKPROBE_SYMBOL(pf_try_nr);

/* The fault is given back to be tried again. */
static void pf_try_again(const struct pf_try *try, bool major)
{
	u32 tid = current->pid;
	struct pf_latest *latest = pf_latest_of(tid);

	this_cpu_inc(pf_counts.nr_given_back);
	latest->address = try->address;
	latest->time_ns = try->time_ns;
	latest->before = pf_try_nr(try) * PF_BEFORE_TRY | (major ? PF_BEFORE_MAJOR : 0);
	/* A thread that loses its place to this one begins anew. */
	if (!xchg(&latest->tid, tid))
		atomic_inc(&pf_nr_pending);
}
NOKPROBE_SYMBOL(pf_try_again);

/* How a try that is not to be repeated has ended, as mm_account_fault() has it. */
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

/* What handle_mm_fault() returns. */
static __always_inline vm_fault_t pf_vm_fault_of(struct pt_regs *regs)
{
	return (__force vm_fault_t)regs_return_value(regs);
}

/* With outcomes: the end of anything but a minor fault in one try. */
static noinline notrace void pf_try_end_any(struct pf_try *try, struct pt_regs *regs)
{
	vm_fault_t ret = pf_vm_fault_of(regs);
	enum pf_result result = pf_result_of(ret, try->before & FAULT_FLAG_TRIED);
	bool major = (ret & VM_FAULT_MAJOR) || (try->before & PF_BEFORE_MAJOR);

	if (ret & VM_FAULT_RETRY) {
		pf_try_again(try, major);
		return;
	}
	/* Anonymous memory has nowhere else to be read from. userfaultfd does not say major. */
	if (major && pf_what_is_anon(try->what))
		try->what |= pf_what(0, 0, PF_KIND_SWAP, 0, 0);
	pf_try_complete(try, pf_outcome(pf_try_nr(try), result), true);
}
NOKPROBE_SYMBOL(pf_try_end_any);

/* With outcomes: handle_mm_fault() returns. Preemption is off, as in any kretprobe's handler. */
static __always_inline int pf_try_end_of(struct kretprobe_instance *ri, struct pt_regs *regs,
					 bool family)
{
	const vm_fault_t unusual = VM_FAULT_RETRY | VM_FAULT_ERROR | VM_FAULT_MAJOR;
	struct pf_try *try = (struct pf_try *)ri->data;

	OPTIMIZER_HIDE_VAR(try); /* or the compiler keeps it twice */
	if (unlikely((__force u32)(pf_vm_fault_of(regs) & unusual) | try->before))
		pf_try_end_any(try, regs);
	else
		pf_try_complete(try, pf_outcome(1, PF_RESULT_MINOR), family);
	return 0;
}

static notrace int pf_try_end(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return pf_try_end_of(ri, regs, false);
}
NOKPROBE_SYMBOL(pf_try_end);

static notrace int pf_try_end_family(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return pf_try_end_of(ri, regs, true);
}
NOKPROBE_SYMBOL(pf_try_end_family);

/*
 * With outcomes it is our own kprobe that decides whose return is watched, and hands the others to
 * nobody: it costs them far less than to be refused by a kretprobe would. The kretprobe itself is
 * registered in the same place, disabled: nothing calls its handler but this.
 */
static __always_inline int pf_watch(struct pt_regs *regs)
{
	return pf_kretprobe.kp.pre_handler(&pf_kretprobe.kp, regs);
}

/* The handlers, by what is asked for. */
static int notrace pf_enter(struct kprobe *kp, struct pt_regs *regs)
{
	return pf_target_is_current() ? pf_capture(kp, regs) : 0;
}
NOKPROBE_SYMBOL(pf_enter);

static int notrace pf_enter_family(struct kprobe *kp, struct pt_regs *regs)
{
	return pf_family_has(current) ? pf_capture_family(kp, regs) : 0;
}
NOKPROBE_SYMBOL(pf_enter_family);

static int notrace pf_enter_outcome(struct kprobe *kp, struct pt_regs *regs)
{
	return pf_target_is_current() ? pf_watch(regs) : 0;
}
NOKPROBE_SYMBOL(pf_enter_outcome);

static int notrace pf_enter_family_outcome(struct kprobe *kp, struct pt_regs *regs)
{
	return pf_family_has(current) ? pf_watch(regs) : 0;
}
NOKPROBE_SYMBOL(pf_enter_family_outcome);

#define PF_SYMBOL "handle_mm_fault"

/* How long the kernel may take to make a jump of a breakpoint. */
#define PF_JUMP_TRIES 200
#define PF_JUMP_TRY_MS 10

static struct kprobe pf_kprobe;
static kprobe_pre_handler_t pf_probe_handler; /* one of the above */
static bool pf_probe_is_jump;

/*
 * At an address, or at the entry if that is NULL. The struct kprobe is filled anew for each
 * registration: the core leaves traces in it.
 */
static int pf_kprobe_register(kprobe_opcode_t *addr, u32 flags)
{
	pf_kprobe = (struct kprobe){
		.symbol_name = addr ? NULL : PF_SYMBOL,
		.addr = addr,
		.pre_handler = pf_probe_handler,
		.flags = flags,
	};
	return register_kprobe(&pf_kprobe);
}

/* Where behind the entry of handle_mm_fault() a jump can go, or an ERR_PTR. */
static kprobe_opcode_t *pf_probe_jump_addr(void)
{
	kprobe_opcode_t *addr;
	int ret;

	/* A disabled probe changes no code; it only tells the address, maybe behind an endbr64. */
	ret = pf_kprobe_register(NULL, KPROBE_FLAG_DISABLED);
	if (ret)
		return ERR_PTR(ret);
	addr = pf_kprobe.addr;
	unregister_kprobe(&pf_kprobe);
	ret = pf_jump_offset((const u8 *)addr);
	return ret < 0 ? ERR_PTR(ret) : (kprobe_opcode_t *)((u8 *)addr + ret);
}

/* Registers a probe that is a jump, or none. */
static int pf_probe_register_jump(void)
{
	kprobe_opcode_t *addr;
	int ret, tries;

	addr = pf_probe_jump_addr();
	if (IS_ERR(addr))
		return PTR_ERR(addr);
	ret = pf_kprobe_register(addr, 0);
	if (ret)
		return ret;
	for (tries = 0; tries < PF_JUMP_TRIES; tries++) {
		if (pf_jump_in_place((const u8 *)pf_kprobe.addr)) {
			pf_probe_is_jump = true;
			return 0;
		}
		msleep(PF_JUMP_TRY_MS);
	}
	unregister_kprobe(&pf_kprobe);
	return -EBUSY;
}

static int pf_probe_place(bool jump, bool entry)
{
	int ret = -EOPNOTSUPP;

	if (!entry) {
		ret = pf_probe_register_jump();
		if (ret && jump)
			pr_err("no jump can be placed in " PF_SYMBOL "() (error %d): use "
			       "placement=auto\n", ret);
	}
	if (ret && !jump) {
		ret = pf_kprobe_register(NULL, 0);
		if (ret)
			pr_err("no kprobe in " PF_SYMBOL "() (error %d): are they enabled here?\n",
			       ret);
	}
	return ret;
}

/* See pf_watch(). */
static int pf_kretprobe_register(unsigned int maxactive, bool family)
{
	int ret;

	pf_kretprobe = (struct kretprobe){
		.kp.symbol_name = PF_SYMBOL,
		.kp.flags = KPROBE_FLAG_DISABLED,
		.entry_handler = pf_try_begin,
		.handler = family ? pf_try_end_family : pf_try_end,
		.data_size = sizeof(struct pf_try),
		.maxactive = maxactive,
	};
	ret = register_kretprobe(&pf_kretprobe);
	if (ret)
		pr_err("outcome=1: no kretprobe in " PF_SYMBOL "() (error %d): load it without\n",
		       ret);
	return ret;
}

/**
 * pf_probe_register() - place the probe; the target's faults are seen once pf_target.tgid is set
 * @placement: "jump", "entry", or "auto" for a jump where one is possible
 * @maxactive: outcomes are watched, of as many faults at a time; 0: they are not
 * @family: pf_family_has() tells whose faults are recorded, not pf_target_is_current()
 *
 * On x86 a kprobe that the kernel can turn into a jump costs two thirds of one at the entry, which
 * goes through ftrace. As a breakpoint it would be far dearer than either, so it is kept only if
 * it is seen to be a jump: kprobes may not be optimised at all (debug.kprobes-optimization=0).
 *
 * Needs pf_list_init() and pf_map_init() done.
 *
 * Context: process context, sleeps for up to PF_JUMP_TRIES * PF_JUMP_TRY_MS.
 * Return: 0, -EINVAL for another placement, -EOPNOTSUPP or -EBUSY if "jump" can't be had, or
 * what register_kprobe() or register_kretprobe() says
 */
static int pf_probe_register(const char *placement, unsigned int maxactive, bool family)
{
	bool jump = sysfs_streq(placement, "jump"), entry = sysfs_streq(placement, "entry");
	int ret;

	if (!jump && !entry && !sysfs_streq(placement, "auto")) {
		pr_err("placement=%s: it has to be auto, entry or jump\n", placement);
		return -EINVAL;
	}
	if (maxactive) {
		pf_probe_handler = family ? pf_enter_family_outcome : pf_enter_outcome;
		ret = pf_kretprobe_register(maxactive, family);
		if (ret)
			return ret;
	} else {
		pf_probe_handler = family ? pf_enter_family : pf_enter;
	}
	ret = pf_probe_place(jump, entry);
	if (ret && maxactive)
		unregister_kretprobe(&pf_kretprobe);
	return ret;
}

/* How the probe is placed, for people. */
static const char *pf_probe_placement(void)
{
	return pf_probe_is_jump ? "jump" : "entry";
}

static bool pf_probe_has_outcome(void)
{
	return pf_kretprobe.maxactive;
}

/*
 * After it no handler runs any more, on any CPU. Who still sleeps within a fault returns through
 * the kernel's own code, which knows that our handler is gone. Sleeps.
 */
static void pf_probe_unregister(void)
{
	unregister_kprobe(&pf_kprobe);
	if (pf_probe_has_outcome())
		unregister_kretprobe(&pf_kretprobe);
}

/**
 * struct pf_totals - what was seen besides the records
 * @nr_retries: entries that belong to a fault that has been entered before
 * @nr_abandoned: with outcomes: faults left to be tried again, which never happened
 * @nr_unfinished: with outcomes: faults that have been entered and not ended
 */
struct pf_totals {
	u64 nr_retries;
	u64 nr_abandoned;
	u64 nr_unfinished;
};

/* @exited: no fault can come any more, so those that were to be tried again have been abandoned. */
static struct pf_totals pf_probe_totals(bool exited)
{
	/* First what has ended: what begins in between is unfinished at most. */
	u64 nr_ended = pf_list_nr_recorded() + pf_list_nr_dropped();
	struct pf_totals totals = {};
	u64 nr_tries = 0, nr_pending;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		nr_ended += READ_ONCE(per_cpu(pf_counts, cpu).nr_given_back);
	nr_pending = atomic_read(&pf_nr_pending);
	smp_rmb();
	for_each_possible_cpu(cpu) {
		const struct pf_counts *counts = &per_cpu(pf_counts, cpu);

		totals.nr_retries += READ_ONCE(counts->nr_retries);
		totals.nr_abandoned += READ_ONCE(counts->nr_abandoned);
		nr_tries += READ_ONCE(counts->nr_tries);
	}
	if (pf_probe_has_outcome())
		totals.nr_unfinished = nr_tries > nr_ended ? nr_tries - nr_ended : 0;
	if (exited)
		totals.nr_abandoned += nr_pending;
	else
		totals.nr_unfinished += nr_pending;
	return totals;
}

/*
 * Entries that the kprobe core skipped, because a probe was hit inside a probe, or whose return was
 * not watched, because too many others were.
 */
static unsigned long pf_probe_nr_missed(void)
{
	return READ_ONCE(pf_kprobe.nmissed) + READ_ONCE(pf_kretprobe.nmissed);
}

#endif /* PF_PROBE_H */
