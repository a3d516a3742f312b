// SPDX-License-Identifier: GPL-2.0-only
/*
 * For a test: a live patch of handle_mm_fault(). The new function does the same as far as a module
 * can, which is enough for a program that faults in its own memory.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/livepatch.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>

static vm_fault_t (*inner)(struct vm_area_struct *vma, unsigned long address, unsigned int flags);

static vm_fault_t patched_handle_mm_fault(struct vm_area_struct *vma, unsigned long address,
					  unsigned int flags, struct pt_regs *regs)
{
	vm_fault_t ret;

	__set_current_state(TASK_RUNNING);
	ret = inner(vma, address, flags);
	if (ret & (VM_FAULT_ERROR | VM_FAULT_RETRY))
		return ret;
	if ((ret & VM_FAULT_MAJOR) || (flags & FAULT_FLAG_TRIED))
		current->maj_flt++;
	else
		current->min_flt++;
	return ret;
}

static struct klp_func funcs[] = {
	{ .old_name = "handle_mm_fault", .new_func = patched_handle_mm_fault },
	{}
};

static struct klp_object objs[] = { { .funcs = funcs }, {} };

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs };

static int __init livepatch_fault_init(void)
{
	struct kprobe kp = { .symbol_name = "__handle_mm_fault", .flags = KPROBE_FLAG_DISABLED };
	int ret = register_kprobe(&kp);

	if (ret) {
		pr_err("can't find __handle_mm_fault() (error %d)\n", ret);
		return ret;
	}
	inner = (void *)kp.addr;
	unregister_kprobe(&kp);
	return klp_enable_patch(&patch);
}

static void __exit livepatch_fault_exit(void)
{
}

module_init(livepatch_fault_init);
module_exit(livepatch_fault_exit);
MODULE_DESCRIPTION("Test: a live patch of handle_mm_fault()");
MODULE_AUTHOR("The pf_probe authors");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
