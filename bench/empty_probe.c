// SPDX-License-Identifier: GPL-2.0-only
/*
 * The minimum cost of a tracer of handle_mm_fault(): a kprobe whose handler does nothing, at the
 * entry (place=entry), as a jump behind it (place=jump), or at the return (place=return). With
 * place=clock it is a jump, or at the entry where the kernel has no jumps, and its handler reads
 * the clock, as a tracer that records times must.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "../pf/compat.h"

#define SYMBOL "handle_mm_fault"
#define JUMP_TRIES 200
#define JUMP_TRY_MS 10

static char *place = "entry";
module_param(place, charp, 0444);
MODULE_PARM_DESC(place, "entry, jump, clock or return (default entry)");

static int notrace empty_enter(struct kprobe *kp, struct pt_regs *regs)
{
	return 0;
}
NOKPROBE_SYMBOL(empty_enter);

static DEFINE_PER_CPU(u64, latest_ns);

static int notrace clock_enter(struct kprobe *kp, struct pt_regs *regs)
{
	this_cpu_write(latest_ns, ktime_get_mono_fast_ns());
	return 0;
}
NOKPROBE_SYMBOL(clock_enter);

static int notrace empty_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return 0;
}
NOKPROBE_SYMBOL(empty_return);

static struct kprobe entry_probe = { .symbol_name = SYMBOL, .pre_handler = empty_enter };
static struct kprobe jump_probe = { .pre_handler = empty_enter };
static struct kretprobe return_probe = { .kp.symbol_name = SYMBOL, .handler = empty_return };

static int register_jump(void)
{
	struct kprobe address = { .symbol_name = SYMBOL, .flags = KPROBE_FLAG_DISABLED };
	u8 *start;
	int ret, tries;

	ret = register_kprobe(&address);
	if (ret)
		return ret;
	start = (u8 *)address.addr;
	unregister_kprobe(&address);
	ret = pf_jump_offset(start);
	if (ret < 0)
		return ret;
	jump_probe.addr = (kprobe_opcode_t *)(start + ret);
	ret = register_kprobe(&jump_probe);
	if (ret)
		return ret;
	for (tries = 0; tries < JUMP_TRIES; tries++) {
		if (pf_jump_in_place((const u8 *)jump_probe.addr))
			return 0;
		msleep(JUMP_TRY_MS);
	}
	unregister_kprobe(&jump_probe);
	return -EBUSY;
}

static int __init empty_probe_init(void)
{
	if (sysfs_streq(place, "entry"))
		return register_kprobe(&entry_probe);
	if (sysfs_streq(place, "jump"))
		return register_jump();
	if (sysfs_streq(place, "clock")) {
		entry_probe.pre_handler = jump_probe.pre_handler = clock_enter;
		return PF_HAS_JUMPS ? register_jump() : register_kprobe(&entry_probe);
	}
	if (sysfs_streq(place, "return"))
		return register_kretprobe(&return_probe);
	pr_err("place=%s: must be entry, jump, clock or return\n", place);
	return -EINVAL;
}

static void __exit empty_probe_exit(void)
{
	if (sysfs_streq(place, "entry") || (sysfs_streq(place, "clock") && !PF_HAS_JUMPS))
		unregister_kprobe(&entry_probe);
	else if (sysfs_streq(place, "jump") || sysfs_streq(place, "clock"))
		unregister_kprobe(&jump_probe);
	else
		unregister_kretprobe(&return_probe);
}

module_init(empty_probe_init);
module_exit(empty_probe_exit);
MODULE_DESCRIPTION("Benchmark: the cost of a page-fault probe that does nothing");
MODULE_AUTHOR("The pf_probe authors");
MODULE_LICENSE("GPL");
