/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probe: a kprobe in the entry of handle_mm_fault() that makes one record of every fault the
 * target takes.
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

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched/task_stack.h>
#include <linux/string.h>

#include "compat.h"
#include "fault_list.h"
#include "target.h"

/* The fault that a thread of the target has entered last. */
struct pf_latest {
	u64 address;
	u64 nr_completed; /* min_flt + maj_flt */
	u32 tid;
} __aligned(32);

/*
 * By tid, and by the lowest bits of it, as those of one process are mostly neighbours: two threads
 * share a place only if their numbers are a multiple of NR_PF_LATEST apart. By task and not by CPU,
 * as a task may come back from waiting on another CPU.
 */
#define NR_PF_LATEST 8192

static struct pf_latest pf_latest[NR_PF_LATEST];
static DEFINE_PER_CPU(u64, pf_nr_retries);

/* Is this entry by the current task a retry? If not, it is the task's latest fault from now on. */
static __always_inline bool pf_fault_is_retry(u64 address, unsigned int flags)
{
	u64 nr_completed = current->min_flt + current->maj_flt;
	u32 tid = current->pid;
	struct pf_latest *latest = &pf_latest[tid % NR_PF_LATEST];

	OPTIMIZER_HIDE_VAR(latest); /* or the compiler works it out again for each use */
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

static __always_inline enum pf_region pf_region_of(const struct vm_area_struct *vma, u64 address)
{
	const struct mm_struct *mm = vma->vm_mm;
	u64 page = address & PAGE_MASK;

	if (vma->vm_file) {
		/* Not by exe_file alone: overlayfs maps another struct file than exec opened. */
		if (page < mm->end_code && address >= (mm->start_code & PAGE_MASK))
			return PF_REGION_CODE;
		if ((page < mm->end_data && page >= mm->end_code) ||
		    vma->vm_file == rcu_access_pointer(mm->exe_file))
			return PF_REGION_DATA;
		return PF_REGION_FILE;
	}
	if (unlikely(vma->vm_ops))
		return PF_REGION_SPECIAL;
	if (vma->vm_flags & VM_STACK)
		return PF_REGION_STACK;
	if (page >= mm->brk)
		return PF_REGION_ANON;
	if (address >= mm->start_brk)
		return PF_REGION_HEAP;
	if (address >= (mm->start_data & PAGE_MASK))
		return PF_REGION_DATA; /* bss */
	return PF_REGION_ANON;
}

/* The arguments: vm_fault_t handle_mm_fault(vma, address, flags, regs), since 5.9 */
static __always_inline const struct vm_area_struct *pf_arg_vma(struct pt_regs *regs)
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

static __always_inline void pf_record(struct pf_chunk *chunk, u64 time_ns, u64 address,
				      unsigned int flags, struct pt_regs *regs)
{
	const unsigned int usual = FAULT_FLAG_USER | FAULT_FLAG_INSTRUCTION | FAULT_FLAG_REMOTE;
	u32 nr = chunk->nr;
	struct pf_fault *fault = &chunk->faults[nr];

	OPTIMIZER_HIDE_VAR(fault);
	fault->time_ns = time_ns;
	fault->address = address;
	/* Not the fault's own regs: in a system call they are the kernel's, which are secret. */
	fault->ip = instruction_pointer(task_pt_regs(current));
	fault->tid = pf_target_tid();
	fault->access = flags & FAULT_FLAG_WRITE ? PF_ACCESS_WRITE : PF_ACCESS_READ;
	fault->mode = PF_MODE_USER;
	if (unlikely((flags & usual) != FAULT_FLAG_USER)) {
		if (flags & FAULT_FLAG_INSTRUCTION)
			fault->access = PF_ACCESS_EXEC;
		if (flags & FAULT_FLAG_REMOTE)
			fault->mode = PF_MODE_REMOTE;
		else if (!pf_arg_has_regs(regs))
			fault->mode = PF_MODE_GUP;
		else if (!(flags & FAULT_FLAG_USER))
			fault->mode = PF_MODE_KERNEL;
	}
	fault->region = pf_region_of(pf_arg_vma(regs), address);
	pf_list_publish(chunk, nr);
}

/*
 * These two are out of line for the registers that they use: what is not called need not save any.
 */
static noinline notrace void pf_record_in_new_chunk(u64 time_ns, struct pt_regs *regs)
{
	struct pf_chunk *chunk = pf_list_room();

	if (chunk)
		pf_record(chunk, time_ns, pf_arg_address(regs), pf_arg_flags(regs), regs);
}
NOKPROBE_SYMBOL(pf_record_in_new_chunk);

static noinline notrace int pf_capture(struct kprobe *kp, struct pt_regs *regs)
{
	u64 time_ns = ktime_get_mono_fast_ns();
	unsigned int flags = pf_arg_flags(regs);
	u64 address = pf_arg_address(regs);
	struct pf_chunk *chunk;

	if (pf_fault_is_retry(address, flags)) {
		this_cpu_inc(pf_nr_retries);
		return 0;
	}
	chunk = pf_list_chunk();
	if (likely(chunk->nr < READ_ONCE(chunk->limit)))
		pf_record(chunk, time_ns, address, flags, regs);
	else
		pf_record_in_new_chunk(time_ns, regs);
	return 0;
}
NOKPROBE_SYMBOL(pf_capture);

static int notrace pf_probe_enter(struct kprobe *kp, struct pt_regs *regs)
{
	return pf_target_is_current() ? pf_capture(kp, regs) : 0;
}
NOKPROBE_SYMBOL(pf_probe_enter);

#define PF_SYMBOL "handle_mm_fault"

/* How long the kernel may take to make a jump of a breakpoint. */
#define PF_JUMP_TRIES 200
#define PF_JUMP_TRY_MS 10

static struct kprobe pf_kprobes[2];
static struct kprobe *pf_kprobe; /* of the two, the one in use */

/*
 * At an address, or at the entry if that is NULL. A struct kprobe is filled anew for each
 * registration: the core leaves traces in it.
 */
static int pf_kprobe_register(struct kprobe *kp, kprobe_opcode_t *addr, u32 flags)
{
	*kp = (struct kprobe){
		.symbol_name = addr ? NULL : PF_SYMBOL,
		.addr = addr,
		.pre_handler = pf_probe_enter,
		.flags = flags,
	};
	return register_kprobe(kp);
}

/* Where behind the entry of handle_mm_fault() a jump can go, or an ERR_PTR. */
static kprobe_opcode_t *pf_probe_jump_addr(void)
{
	struct kprobe *kp = &pf_kprobes[0];
	kprobe_opcode_t *addr;
	int ret;

	/* A disabled probe changes no code; it only tells the address, maybe behind an endbr64. */
	ret = pf_kprobe_register(kp, NULL, KPROBE_FLAG_DISABLED);
	if (ret)
		return ERR_PTR(ret);
	addr = kp->addr;
	unregister_kprobe(kp);
	ret = pf_jump_offset((const u8 *)addr);
	return ret < 0 ? ERR_PTR(ret) : (kprobe_opcode_t *)((u8 *)addr + ret);
}

/* Registers a probe that is a jump. With -EBUSY it is there, but as a breakpoint. */
static int pf_probe_register_jump(void)
{
	struct kprobe *kp = &pf_kprobes[0];
	kprobe_opcode_t *addr;
	int ret, tries;

	addr = pf_probe_jump_addr();
	if (IS_ERR(addr))
		return PTR_ERR(addr);
	ret = pf_kprobe_register(kp, addr, 0);
	if (ret)
		return ret;
	pf_kprobe = kp;
	for (tries = 0; tries < PF_JUMP_TRIES; tries++) {
		if (pf_jump_in_place((const u8 *)kp->addr))
			return 0;
		msleep(PF_JUMP_TRY_MS);
	}
	return -EBUSY;
}

/**
 * pf_probe_register() - begin to record the target's faults
 * @placement: "jump", "entry", or "auto" for a jump where one is possible
 *
 * On x86 a kprobe that the kernel can turn into a jump costs two thirds of one at the entry, which
 * goes through ftrace. As a breakpoint it would be far dearer than either, so it is kept only if
 * it is seen to be a jump: kprobes may not be optimised at all (debug.kprobes-optimization=0).
 *
 * Needs pf_list_init() and pf_target_set() done.
 *
 * Context: process context, sleeps for up to PF_JUMP_TRIES * PF_JUMP_TRY_MS.
 * Return: 0, -EINVAL for another placement, -EOPNOTSUPP or -EBUSY if "jump" can't be had, or
 * what register_kprobe() says
 */
static int pf_probe_register(const char *placement)
{
	bool jump = sysfs_streq(placement, "jump"), entry = sysfs_streq(placement, "entry");
	int ret = -EOPNOTSUPP;

	if (!jump && !entry && !sysfs_streq(placement, "auto")) {
		pr_err("placement=%s: it has to be auto, entry or jump\n", placement);
		return -EINVAL;
	}
	if (!entry)
		ret = pf_probe_register_jump();
	if (ret && jump) {
		pr_err("no jump can be placed in " PF_SYMBOL "() (error %d): use placement=auto\n",
		       ret);
		goto unregister;
	}
	if (ret) {
		/*
		 * Before the other probe goes, so that no fault is lost: what both see is one
		 * record and one retry.
		 */
		ret = pf_kprobe_register(&pf_kprobes[1], NULL, 0);
		if (ret) {
			pr_err("no kprobe in " PF_SYMBOL "() (error %d): are they enabled here?\n",
			       ret);
			goto unregister;
		}
		if (pf_kprobe)
			unregister_kprobe(pf_kprobe);
		pf_kprobe = &pf_kprobes[1];
	}
	return 0;

unregister:
	if (pf_kprobe)
		unregister_kprobe(pf_kprobe);
	return ret;
}

/* How the probe is placed, for people. */
static const char *pf_probe_placement(void)
{
	return pf_kprobe == &pf_kprobes[0] ? "jump" : "entry";
}

/* After it no handler runs any more, on any CPU. Sleeps. */
static void pf_probe_unregister(void)
{
	unregister_kprobe(pf_kprobe);
}

static u64 pf_probe_nr_retries(void)
{
	u64 sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pf_nr_retries, cpu));
	return sum;
}

/* Entries that the kprobe core skipped, because a probe was hit inside a probe. */
static unsigned long pf_probe_nr_missed(void)
{
	return READ_ONCE(pf_kprobe->nmissed);
}

#endif /* PF_PROBE_H */
