/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the hook is: a kprobe in the entry of handle_mm_fault(), which makes one record of every
 * fault the target takes, or with outcomes hands it to a kretprobe.
 */
#ifndef PF_HOOK_H
#define PF_HOOK_H

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kprobes.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "capture.h"
#include "compat.h"
#include "family.h"
#include "outcome.h"
#include "target.h"

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

/*
 * Entries that the kprobe core skipped, because a probe was hit inside a probe, or whose return was
 * not watched, because too many others were.
 */
static unsigned long pf_probe_nr_missed(void)
{
	return READ_ONCE(pf_kprobe.nmissed) + READ_ONCE(pf_kretprobe.nmissed);
}

#endif /* PF_HOOK_H */
