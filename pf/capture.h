/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the arguments of handle_mm_fault() at its entry and makes a record of the fault.
 */
#ifndef PF_CAPTURE_H
#define PF_CAPTURE_H

#include <linux/compiler.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/task_stack.h>

#include "asked.h"
#include "clock.h"
#include "compat.h"
#include "fault_list.h"
#include "list_push.h"
#include "map.h"
#include "retry.h"
#include "target.h"

#define PF_SYMBOL "handle_mm_fault"

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
	/*
	 * The bss of a static PIE, whose heap is elsewhere, below the program: it begins with the
	 * page after the data. READ_ONCE(), or the compiler loads the values for this rare case in
	 * each fault.
	 */
	if (unlikely(mm->end_data > mm->brk) &&
	    READ_ONCE(vma->vm_start) - READ_ONCE(mm->end_data) < PAGE_SIZE)
		return PF_REGION_DATA;
	if (likely(vma->vm_start > mm->brk) || (address & PAGE_MASK) >= mm->brk)
		return PF_REGION_ANON;
	if (address >= mm->start_brk)
		return PF_REGION_HEAP;
	if (address >= (mm->start_data & PAGE_MASK))
		return PF_REGION_DATA; /* bss */
	return PF_REGION_ANON;
}

/*
 * Is this a mapping of the program's own file? Compares dentries as /proc/PID/maps shows them,
 * because overlayfs maps another struct file than the one that exec opened.
 */
static __always_inline bool pf_file_is_program(const struct vm_area_struct *vma)
{
	/* Preemption is off, which is an RCU read-side critical section. */
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

	/* Not VM_SHARED: a shared mapping of a file that was opened read-only does not have it. */
	if (vma->vm_flags & VM_MAYSHARE)
		kind |= PF_KIND_SHARED;
	else if (access == PF_ACCESS_WRITE && !kind)
		kind = PF_KIND_COW;
	return kind;
}

/**
 * pf_is_plain() - is this the common case: a first try, from user mode, in anonymous memory?
 * @vma: the first argument of handle_mm_fault()
 * @flags: its third argument
 *
 * Context: at the entry of handle_mm_fault(), preemption off.
 */
static __always_inline bool pf_is_plain(const struct vm_area_struct *vma, unsigned int flags)
{
	const unsigned int usual = FAULT_FLAG_USER | FAULT_FLAG_INSTRUCTION | FAULT_FLAG_REMOTE |
				   FAULT_FLAG_TRIED | PF_FAULT_FLAG_UNSHARE;

	return likely((flags & usual) == FAULT_FLAG_USER && !vma->vm_ops);
}

/**
 * pf_what_of_plain() - the value of pf_fault.what for a fault for which pf_is_plain() is true
 * @vma: the first argument of handle_mm_fault()
 * @address: the faulting address
 * @flags: its third argument
 *
 * Context: at the entry of handle_mm_fault(), preemption off.
 */
static __always_inline u32 pf_what_of_plain(const struct vm_area_struct *vma, u64 address,
					    unsigned int flags)
{
	return pf_what(flags & FAULT_FLAG_WRITE ? PF_ACCESS_WRITE : PF_ACCESS_READ, PF_MODE_USER, 0,
		       pf_region_of_anon(vma, address), 0);
}

/**
 * pf_what_of() - the value of pf_fault.what for any fault
 * @regs: the arguments of handle_mm_fault(), to be read with pf_arg_vma() etc.
 *
 * Context: at the entry of handle_mm_fault(), preemption off. May take the raw spinlock of the
 * mappings.
 */
static noinline notrace u32 pf_what_of(struct pt_regs *regs)
{
	struct vm_area_struct *vma = pf_arg_vma(regs);
	unsigned int flags = pf_arg_flags(regs);
	u64 address = pf_arg_address(regs);
	u32 access = PF_ACCESS_READ, mode = PF_MODE_USER, region, kind = 0, map = 0;

	if (flags & FAULT_FLAG_INSTRUCTION)
		access = PF_ACCESS_EXEC;
	else if (flags & (FAULT_FLAG_WRITE | PF_FAULT_FLAG_UNSHARE))
		access = PF_ACCESS_WRITE;
	if (flags & FAULT_FLAG_REMOTE)
		mode = PF_MODE_REMOTE;
	else if (!pf_arg_has_regs(regs))
		mode = PF_MODE_GUP;
	else if (!(flags & FAULT_FLAG_USER))
		mode = PF_MODE_KERNEL;
	if (!vma->vm_ops) { /* as vma_is_anonymous(): also private mappings of /dev/zero */
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

/* Fills in a record except @what. @end_bits: pf_end_bits(), or 0 with outcome=0. */
static __always_inline void pf_describe(struct pf_fault *fault, u64 time_ns, u64 address,
					u32 end_bits)
{
	fault->time_ns = time_ns;
	fault->address = address;
	/* Not the fault's own regs: in a system call they have kernel addresses, a KASLR leak. */
	fault->ip = instruction_pointer(task_pt_regs(current));
	fault->thread = pf_target_nr_of(task_pid(current)) | end_bits;
}

/*
 * Cold code is out of line and tail-called: a function that calls nothing, or only in tail
 * position, need not save registers.
 */
static noinline notrace void pf_publish_any(struct pf_chunk *chunk, u32 nr, struct pt_regs *regs)
{
	chunk->faults[nr].what = pf_what_of(regs);
	pf_list_publish(chunk, nr);
}
NOKPROBE_SYMBOL(pf_publish_any);

static __always_inline void pf_record(struct pf_chunk *chunk, u64 time_ns, u64 address,
				      unsigned int flags, struct pt_regs *regs)
{
	const struct vm_area_struct *vma = pf_arg_vma(regs);
	unsigned long nr = chunk->nr;
	struct pf_fault *fault;

	OPTIMIZER_HIDE_VAR(nr); /* or the compiler keeps it in two registers, and saves one more */
	fault = &chunk->faults[nr];
	OPTIMIZER_HIDE_VAR(fault);
	pf_describe(fault, time_ns, address, 0);
	if (pf_has_children())
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
	pf_record(chunk, time_ns, pf_arg_address(regs), pf_arg_flags(regs), regs);
}
NOKPROBE_SYMBOL(pf_record_first);

static noinline notrace void pf_record_in_new_chunk(u64 time_ns, struct pt_regs *regs)
{
	struct pf_chunk *chunk = pf_list_drop_if_full() ? NULL : pf_list_room();

	if (chunk)
		pf_record_first(chunk, time_ns, regs);
}
NOKPROBE_SYMBOL(pf_record_in_new_chunk);

/* Like pf_capture(), for a fault that may be a retry, or the thread's first. */
static noinline notrace void pf_capture_any(u64 time_ns, struct pt_regs *regs)
{
	struct pf_chunk *chunk;

	if (pf_fault_is_retry(pf_arg_address(regs), pf_arg_vma(regs)->vm_mm)) {
		this_cpu_inc(pf_counts.nr_retries);
		return;
	}
	chunk = pf_list_chunk();
	if (likely(pf_list_has_room(chunk)))
		pf_record_first(chunk, time_ns, regs);
	else
		pf_record_in_new_chunk(time_ns, regs);
}
NOKPROBE_SYMBOL(pf_capture_any);

/**
 * pf_capture() - record a fault, unless it is a retry
 * @regs: the arguments of handle_mm_fault(), to be read with pf_arg_vma() etc.
 *
 * Context: preemption off.
 */
static __always_inline void pf_capture(struct pt_regs *regs)
{
	u64 time_ns = pf_clock_ns();
	u64 address = pf_arg_address(regs);
	struct pf_chunk *chunk;

	if (unlikely(!pf_fault_is_new(address, pf_arg_vma(regs)->vm_mm)))
		return pf_capture_any(time_ns, regs);
	chunk = pf_list_chunk();
	if (likely(pf_list_has_room(chunk)))
		pf_record(chunk, time_ns, address, pf_arg_flags(regs), regs);
	else
		pf_record_in_new_chunk(time_ns, regs);
}

#endif /* PF_CAPTURE_H */
