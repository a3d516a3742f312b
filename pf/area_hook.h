/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks that report changes of address spaces, in functions of the kernel that few processes
 * call often. They are placed in the same way as the hook for faults: by kprobes or by ftrace.
 *
 * - perf_event_mmap(vma) is called for each new area, each change of protection and each growth of
 *   a stack, whether perf is used or not; with the lock of the address space held.
 * - perf_event_exec() is called when exec has replaced the address space, before the program is
 *   mapped.
 * - copy_vma() is called when mremap() moves an area, at the new address, which perf does not see.
 * - mremap() itself can extend an area in place. Only its return shows whether it has, so calls of
 *   traced processes are passed to a kretprobe.
 */
#ifndef PF_AREA_HOOK_H
#define PF_AREA_HOOK_H

#include <asm/syscall.h>

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>

#include "area.h"
#include "capture.h"
#include "compat.h"
#include "ftrace.h"
#include "hook.h"
#include "symbol.h"
#include "try.h"

/* void perf_event_mmap(vma), which may be of another address space: that of an exec, a tracee's */
static void pf_area_on_mmap(struct pt_regs *regs)
{
	struct vm_area_struct *vma = pf_arg_vma(regs);

	if (pf_area_is_wanted(vma->vm_flags) && vma->vm_mm == current->mm)
		pf_area_record(vma, vma->vm_start, vma->vm_end, vma->vm_pgoff, pf_area_pid(),
			       PF_ANY_SPACE);
}
NOKPROBE_SYMBOL(pf_area_on_mmap);

/* void perf_event_exec(void) */
static void pf_area_on_exec(struct pt_regs *regs)
{
	if (pf_area_tracks(current))
		pf_area_exec();
}
NOKPROBE_SYMBOL(pf_area_on_exec);

/* struct vm_area_struct *copy_vma(&vma, address, length, pgoff, ...) */
static void pf_area_on_copy(struct pt_regs *regs)
{
	struct vm_area_struct **vma = (void *)regs_get_kernel_argument(regs, 0);
	u64 start = regs_get_kernel_argument(regs, 1);
	u64 len = regs_get_kernel_argument(regs, 2);

	pf_area_record(*vma, start, start + len, regs_get_kernel_argument(regs, 3), pf_area_pid(),
		       PF_ANY_SPACE);
}
NOKPROBE_SYMBOL(pf_area_on_copy);

/* A call of mremap() that may extend an area in place. */
struct pf_area_growth {
	unsigned long at;
	unsigned long new_len;
	bool is_seen; /* the rest is valid */
	struct pf_file_facts facts;
	struct pf_event area; /* before it grows */
};

/* The tag that some processors ignore in the top byte of an address. */
#define PF_UNTAGGED(address) ((address) & GENMASK_ULL(55, 0))

/*
 * Looks at the area that grows, which keeps all but its end. Sleeping is not possible here, so if
 * another thread has the lock, nothing is seen. Returns false if the area is not to be recorded:
 * most are not, and need no lock for that.
 */
static bool pf_area_growth_look(struct pf_area_growth *growth)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool is_wanted = false;

	if (!pf_area_may_be_wanted(growth->at))
		return false;
	if (!mmap_read_trylock(mm))
		return true;
	vma = find_vma(mm, growth->at);
	if (vma && vma->vm_start <= growth->at && pf_area_is_wanted(vma->vm_flags)) {
		is_wanted = true;
		growth->is_seen = true;
		pf_area_describe(&growth->area, vma, pf_area_pid(), &growth->facts);
		growth->area.start = vma->vm_start;
		growth->area.offset = vma->vm_file ? (u64)vma->vm_pgoff << PAGE_SHIFT : 0;
	}
	mmap_read_unlock(mm);
	return is_wanted;
}
NOKPROBE_SYMBOL(pf_area_growth_look);

/* The kretprobe's entry handler. Returns 0 if the return is to be watched. */
static notrace int pf_area_growth_begin(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct pf_area_growth *growth = (void *)ri->data;
	unsigned long args[6];

	syscall_get_arguments(current, task_pt_regs(current), args);
	growth->at = PF_UNTAGGED(args[0]);
	growth->new_len = args[2];
	growth->is_seen = false;
	return growth->new_len > args[1] && pf_area_growth_look(growth) ? 0 : 1;
}
NOKPROBE_SYMBOL(pf_area_growth_begin);

/* Its return handler. */
static notrace int pf_area_growth_end(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct pf_area_growth *growth = (void *)ri->data;

	if (regs_return_value(regs) != growth->at)
		return 0;
	if (!growth->is_seen && !pf_area_growth_look(growth))
		return 0;
	if (growth->is_seen) {
		growth->area.end = growth->at + PAGE_ALIGN(growth->new_len);
		pf_area_add(&growth->area, growth->facts.is_set ? &growth->facts : NULL,
			    PF_ANY_SPACE);
	} else {
		pf_area_miss();
	}
	return 0;
}
NOKPROBE_SYMBOL(pf_area_growth_end);

/* Calls of mremap() in progress at once that are watched; more are counted as missed. */
#define PF_AREA_GROWTHS 64

static struct kretprobe pf_area_growth = {
	.kp.symbol_name = PF_MREMAP,
	.entry_handler = pf_area_growth_begin,
	.handler = pf_area_growth_end,
	.data_size = sizeof(struct pf_area_growth),
	.maxactive = PF_AREA_GROWTHS,
};

/*
 * long mremap(), the system call: watches the return, in the way in which pf_watch() does for
 * faults.
 */
static notrace void pf_area_on_mremap(struct pt_regs *regs)
{
	pf_area_growth.kp.pre_handler(&pf_area_growth.kp, regs);
}
NOKPROBE_SYMBOL(pf_area_on_mremap);

static struct pf_area_point {
	struct kprobe kp;
	const char *name;
	void (*enter)(struct pt_regs *regs);
	bool is_optional; /* a kernel may have no such function */
	unsigned long addr; /* of the function, for ftrace */
	bool is_placed;
} pf_area_points[] = {
	{ .name = "perf_event_mmap", .enter = pf_area_on_mmap },
	{ .name = "perf_event_exec", .enter = pf_area_on_exec },
	{ .name = "copy_vma", .enter = pf_area_on_copy },
	{ .name = PF_MREMAP, .enter = pf_area_on_mremap },
	{ .name = PF_MREMAP_32, .enter = pf_area_on_mremap, .is_optional = true },
};

static notrace int pf_area_kprobe_enter(struct kprobe *kp, struct pt_regs *regs)
{
	if (pf_area_is_traced())
		container_of(kp, struct pf_area_point, kp)->enter(regs);
	return 0;
}
NOKPROBE_SYMBOL(pf_area_kprobe_enter);

static int pf_area_kprobe_register(struct pf_area_point *point, int offset)
{
	point->kp = (struct kprobe){
		.addr = (kprobe_opcode_t *)(point->addr + offset),
		.pre_handler = pf_area_kprobe_enter,
	};
	return register_kprobe(&point->kp);
}

/*
 * In the jump's place as for faults, or where a function of kernel/events begins without the nop of
 * ftrace (up to 5.10), at its entry. A kprobe that stays a breakpoint would cost every process far
 * more, so then at the entry, too.
 */
static int pf_area_kprobe_place(struct pf_area_point *point)
{
	int offset = pf_hook_is_jump() ? pf_jump_offset((const u8 *)point->addr) : 0;
	struct kprobe found;
	int ret;

	if (offset > 0) {
		ret = pf_area_kprobe_register(point, offset);
		if (ret || pf_kprobe_becomes_jump(&point->kp))
			return ret;
		unregister_kprobe(&point->kp);
	}
	/* Some kernels register it even if ftrace is dead, and then can't remove it. */
	ret = pf_symbol_find(point->name, &found);
	if (!ret && pf_kprobe_lost_ftrace(&found, found.addr))
		ret = -ENODEV;
	return ret ?: pf_area_kprobe_register(point, 0);
}

static void pf_area_kprobe_remove(struct pf_area_point *point)
{
	if (!pf_kprobe_unregister(&point->kp))
		pf_hook_stays = true;
}

#ifdef PF_FTRACE_MISSING

static int pf_area_ftrace_place(struct pf_area_point *point)
{
	return -EOPNOTSUPP;
}

static void pf_area_ftrace_remove(struct pf_area_point *point)
{
}

#else

static notrace void pf_area_callback(unsigned long ip, unsigned long parent_ip,
				     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pf_area_point *point = ops->private;

	if (!pf_area_is_traced())
		return;
	preempt_disable_notrace();
	if (point->enter == pf_area_on_mremap)
		pf_ftrace_watch(fregs, pf_area_on_mremap);
	else
		point->enter(pf_ftrace_regs(fregs));
	preempt_enable_notrace();
}

/* One for each point, as they cannot be removed from the filter of one ops without memory. */
static struct ftrace_ops pf_area_ops[ARRAY_SIZE(pf_area_points)];

static struct ftrace_ops *pf_area_ops_of(const struct pf_area_point *point)
{
	return &pf_area_ops[point - pf_area_points];
}

static int pf_area_ftrace_place(struct pf_area_point *point)
{
	struct ftrace_ops *ops = pf_area_ops_of(point);
	int ret;

	ops->func = pf_area_callback;
	ops->flags = FTRACE_OPS_FL_PERMANENT;
	ops->private = point;
	ret = ftrace_set_filter_ip(ops, point->addr, 0, 0);
	if (ret)
		return ret;
	ret = register_ftrace_function(ops);
	if (ret)
		pf_ftrace_let_go(ops, point->addr, 0);
	return ret;
}

static void pf_area_ftrace_remove(struct pf_area_point *point)
{
	pf_ftrace_remove(pf_area_ops_of(point), point->addr, unregister_ftrace_function);
}

#endif /* PF_FTRACE_MISSING */

static bool pf_area_growth_is_registered;

static int pf_area_growth_register(void)
{
	int ret = pf_kretprobe_register_disabled(&pf_area_growth);

	if (ret)
		pr_warn("cannot place a kretprobe in " PF_MREMAP "() (error %d)\n", ret);
	pf_area_growth_is_registered = !ret;
	return ret;
}

/**
 * pf_area_hooks_remove() - remove the hooks; when this returns, none of their handlers runs
 *
 * If one can't be removed, pf_hook_stays is set, and they ignore all processes.
 *
 * Context: process context, may sleep.
 */
static void pf_area_hooks_remove(void)
{
	int i;

	WRITE_ONCE(pf_area.signal, NULL);
	WRITE_ONCE(pf_area.mm, PF_NO_MM);
	for (i = 0; i < ARRAY_SIZE(pf_area_points); i++) {
		struct pf_area_point *point = &pf_area_points[i];

		if (!point->is_placed)
			continue;
		if (pf_hook_is_by_ftrace())
			pf_area_ftrace_remove(point);
		else
			pf_area_kprobe_remove(point);
		point->is_placed = false;
	}
	if (pf_hook_stays)
		return pf_hook_quiet();
	if (pf_area_growth_is_registered)
		unregister_kretprobe(&pf_area_growth);
	pf_area_growth_is_registered = false;
}

static int pf_area_hook_place(struct pf_area_point *point)
{
	kprobe_opcode_t *entry = pf_symbol_addr(point->name);
	int ret;

	if (IS_ERR(entry))
		return point->is_optional ? 0 : PTR_ERR(entry);
	point->addr = (unsigned long)entry;
	ret = pf_hook_is_by_ftrace() ? pf_area_ftrace_place(point) : pf_area_kprobe_place(point);
	point->is_placed = !ret;
	return ret;
}

static int pf_area_hooks_try(void)
{
	int i, ret = pf_area_growth_register();

	for (i = 0; i < ARRAY_SIZE(pf_area_points) && !ret; i++) {
		struct pf_area_point *point = &pf_area_points[i];

		/* Both kinds of programs may share the function. */
		if (point->is_optional && !strcmp(PF_MREMAP, PF_MREMAP_32))
			continue;
		ret = pf_area_hook_place(point);
		if (ret)
			pr_warn("cannot place a hook in %s() (error %d)\n", point->name, ret);
	}
	return ret;
}

/**
 * pf_area_hooks_place() - place the hooks, if maps= asks for areas; call it after pf_hook_place()
 *
 * Without them, faults are recorded all the same: a warning is printed, and maps=none is in force.
 *
 * Context: process context, may sleep.
 */
static void pf_area_hooks_place(void)
{
	if (pf_area.which == PF_AREAS_NONE || !pf_area_hooks_try())
		return;
	pr_warn("areas of address spaces are not recorded (maps=none): functions get inferred names\n");
	pf_area_hooks_remove();
	pf_area.which = PF_AREAS_NONE;
}

/**
 * pf_area_hooks_nr_missed() - how often a hook was skipped, because it was reached in a handler, or
 * too many calls of mremap() were being watched
 *
 * Context: any.
 */
static unsigned long pf_area_hooks_nr_missed(void)
{
	unsigned long sum = READ_ONCE(pf_area_growth.nmissed);
	int i;

	for (i = 0; i < ARRAY_SIZE(pf_area_points); i++)
		sum += READ_ONCE(pf_area_points[i].kp.nmissed);
	return sum;
}

#endif /* PF_AREA_HOOK_H */
