/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hook: our code at the entry of handle_mm_fault(). It ignores faults of untracked processes,
 * and records the others, or with outcome=1 passes them to a kretprobe.
 *
 * There are several kinds of hook, and placement= chooses one: two are placed by kprobes (jump,
 * entry), two by ftrace (callback, direct). A kprobe or kretprobe is always a struct of the kernel,
 * never the hook as such.
 */
#ifndef PF_HOOK_H
#define PF_HOOK_H

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/kprobes.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "asked.h"
#include "capture.h"
#include "compat.h"
#include "family.h"
#include "ftrace.h"
#include "symbol.h"
#include "try.h"

/* How long to wait for the kernel to optimise a kprobe from a breakpoint into a jump. */
#define PF_JUMP_TRIES 200
#define PF_JUMP_TRY_MS 10

/* Every fault of every process reads its flags. */
static struct kprobe pf_kprobe ____cacheline_aligned_in_smp;

/* Out of line: inlined, it would make every fault of every process save the registers it uses. */
static noinline notrace int pf_kprobe_capture(struct kprobe *kp, struct pt_regs *regs)
{
	pf_capture(regs);
	return 0;
}
NOKPROBE_SYMBOL(pf_kprobe_capture);

static notrace int pf_kprobe_enter(struct kprobe *kp, struct pt_regs *regs)
{
	if (!pf_is_tracked())
		return 0;
	return pf_has_outcome() ? pf_watch(regs) : pf_kprobe_capture(kp, regs);
}
NOKPROBE_SYMBOL(pf_kprobe_enter);

/*
 * Registers the kprobe at @addr, or at the function's entry if that is NULL. The struct is filled
 * in again before each registration, because the kprobe core leaves state in it.
 */
static int pf_kprobe_register(kprobe_opcode_t *addr)
{
	pf_kprobe = (struct kprobe){
		.symbol_name = addr ? NULL : PF_SYMBOL,
		.addr = addr,
		.pre_handler = pf_kprobe_enter,
	};
	return register_kprobe(&pf_kprobe);
}

static bool pf_kprobe_ends_with_ftrace;

static void pf_kprobe_remove(void)
{
	if (!pf_kprobe_unregister(&pf_kprobe))
		pf_hook_stays = true;
}

static bool pf_ftrace_is_armed(void)
{
	return true; /* it can't be switched off, see pf_callback_ops */
}

/* root can disarm it at any time: kprobes/enabled in debugfs, sysctl kernel.ftrace_enabled. */
static bool pf_kprobe_is_armed(void)
{
	if (pf_kprobe_ends_with_ftrace && pf_kprobe_lost_ftrace(&pf_kprobe, pf_kprobe.addr))
		return false;
	return !kprobe_disabled(&pf_kprobe) && pf_kprobe_in_place((const u8 *)pf_kprobe.addr);
}

/**
 * pf_kprobe_becomes_jump() - wait until the kernel has turned a breakpoint into a jump
 * @kp: the kprobe, registered
 *
 * Context: process context, sleeps for up to PF_JUMP_TRIES * PF_JUMP_TRY_MS.
 * Return: false if it has not
 */
static bool pf_kprobe_becomes_jump(const struct kprobe *kp)
{
	int tries;

	for (tries = 0; tries < PF_JUMP_TRIES; tries++) {
		if (pf_jump_in_place((const u8 *)kp->addr))
			return true;
		msleep(PF_JUMP_TRY_MS);
	}
	return false;
}

/*
 * Registers a kprobe after the entry, and keeps it only once the kernel has turned it into a jump.
 * As a breakpoint it would cost far more than a kprobe at the entry, and it stays one if kprobes
 * are not optimised (debug.kprobes-optimization=0).
 */
static int pf_jump_try(void)
{
	kprobe_opcode_t *entry = pf_symbol_addr(PF_SYMBOL);
	int ret;

	if (IS_ERR(entry))
		return PTR_ERR(entry);
	ret = pf_jump_offset((const u8 *)entry);
	if (ret < 0)
		return ret;
	ret = pf_kprobe_register((kprobe_opcode_t *)((u8 *)entry + ret));
	if (ret || pf_kprobe_becomes_jump(&pf_kprobe))
		return ret;
	unregister_kprobe(&pf_kprobe);
	return -EBUSY;
}

static int pf_jump_place(void)
{
	int ret = pf_jump_try();

	if (ret)
		pr_err("cannot place a jump in " PF_SYMBOL "() (error %d): use placement=auto\n",
		       ret);
	return ret;
}

static int pf_entry_place(void)
{
	struct kprobe found;
	int ret = pf_symbol_find(PF_SYMBOL, &found);

	/* Some kernels register it even so, and then can't remove it. */
	if (!ret && pf_kprobe_lost_ftrace(&found, found.addr)) {
		pr_err("ftrace has shut itself down, which a kprobe at the entry of " PF_SYMBOL
		       "() needs: reboot\n");
		return -ENODEV;
	}
	if (!ret)
		ret = pf_kprobe_register(NULL);
	if (ret) {
		pr_err("cannot place a kprobe in " PF_SYMBOL "() (error %d)\n", ret);
		return ret;
	}
	if (!pf_kprobe_is_armed()) {
		pf_kprobe_remove();
		pr_err("kprobes are switched off: write 1 to /sys/kernel/debug/kprobes/enabled and to "
		       "kernel.ftrace_enabled\n");
		return -EBUSY;
	}
	pf_kprobe_ends_with_ftrace = kprobe_ftrace(&pf_kprobe) && pf_kprobes_end_with_ftrace();
	return 0;
}

static int pf_callback_place(void)
{
	kprobe_opcode_t *entry = pf_symbol_addr(PF_SYMBOL);

	if (!IS_ERR(entry))
		return pf_callback_place_at((unsigned long)entry);
	pr_err("cannot find " PF_SYMBOL "() (error %ld)\n", PTR_ERR(entry));
	return PTR_ERR(entry);
}

static int pf_direct_try(void)
{
	kprobe_opcode_t *entry = pf_symbol_addr(PF_SYMBOL);

	return IS_ERR(entry) ? PTR_ERR(entry) : pf_direct_place_at((unsigned long)entry);
}

static int pf_direct_place(void)
{
	int ret = pf_direct_try();

	if (ret)
		pr_err("cannot place a direct call in " PF_SYMBOL "() (error %d): use "
		       "placement=ftrace\n", ret);
	return ret;
}

/**
 * struct pf_hook_kind - a kind of hook
 * @name: the value of placement=
 * @place: places the hook; returns 0, or a negative errno after printing the cause
 * @remove: removes the hook; when it returns, no handler runs on any CPU. May sleep
 * @is_armed: whether the hook is in the code now, as far as the module can see
 */
struct pf_hook_kind {
	const char *name;
	int (*place)(void);
	void (*remove)(void);
	bool (*is_armed)(void);
};

enum { PF_JUMP, PF_ENTRY, PF_DIRECT, PF_CALLBACK, NR_PF_HOOK_KIND };

static const struct pf_hook_kind pf_hook_kinds[NR_PF_HOOK_KIND] = {
	[PF_JUMP] = { "jump", pf_jump_place, pf_kprobe_remove, pf_kprobe_is_armed },
	[PF_ENTRY] = { "entry", pf_entry_place, pf_kprobe_remove, pf_kprobe_is_armed },
	[PF_DIRECT] = { "direct", pf_direct_place, pf_direct_remove, pf_ftrace_is_armed },
	[PF_CALLBACK] = { "callback", pf_callback_place, pf_callback_remove,
			  pf_ftrace_is_armed },
};

/* The kind of hook that is placed. */
static const struct pf_hook_kind *pf_hook;

static int pf_hook_place_named(const char *name)
{
	/* The first of each pair costs less, but is not always possible. */
	if (sysfs_streq(name, "auto")) {
		pf_hook = &pf_hook_kinds[PF_JUMP];
		if (!pf_jump_try())
			return 0;
		name = "entry";
	} else if (sysfs_streq(name, "ftrace")) {
		pf_hook = &pf_hook_kinds[PF_DIRECT];
		if (!pf_direct_try())
			return 0;
		name = "callback";
	}
	for (pf_hook = pf_hook_kinds; pf_hook < pf_hook_kinds + NR_PF_HOOK_KIND; pf_hook++)
		if (sysfs_streq(name, pf_hook->name))
			return pf_hook->place();
	pr_err("placement=%s: must be auto, jump, entry, ftrace, direct or callback\n", name);
	return -EINVAL;
}

/**
 * pf_hook_place() - place the hook
 * @placement: the name of a kind of hook, or "auto" (a jump if possible, else the entry), or
 *	"ftrace" (a direct call if possible, else a callback)
 * @maxactive: with outcome=1, the number of faults that can be in progress at once; otherwise 0
 *
 * Nothing is recorded until pf_target_begin(), or with children=1 pf_family_begin(). Call
 * pf_asked_set(), pf_list_init(), pf_threads_init(), pf_life_start() and pf_map_init() first.
 *
 * Context: process context, sleeps for up to PF_JUMP_TRIES * PF_JUMP_TRY_MS.
 * Return: 0, or after printing the cause, -EINVAL for an unknown name, -EOPNOTSUPP or -EBUSY if
 * that kind is not possible, or the error of register_kprobe(), register_kretprobe() or
 * register_ftrace_function()
 */
static int pf_hook_place(const char *placement, unsigned int maxactive)
{
	int ret;

	if (maxactive) {
		ret = pf_kretprobe_register(maxactive);
		if (ret)
			return ret;
	}
	ret = pf_hook_place_named(placement);
	if (ret && maxactive && !pf_hook_stays)
		unregister_kretprobe(&pf_kretprobe);
	return ret;
}

/**
 * pf_hook_name() - the name of the kind of hook that is placed, one of pf_hook_kinds
 */
static const char *pf_hook_name(void)
{
	return pf_hook->name;
}

/**
 * pf_hook_is_by_ftrace() - is the hook placed by ftrace?
 */
static bool pf_hook_is_by_ftrace(void)
{
	return pf_hook == &pf_hook_kinds[PF_DIRECT] || pf_hook == &pf_hook_kinds[PF_CALLBACK];
}

/**
 * pf_hook_is_jump() - is the hook a kprobe that the kernel has turned into a jump?
 */
static bool pf_hook_is_jump(void)
{
	return pf_hook == &pf_hook_kinds[PF_JUMP];
}

/**
 * pf_hook_is_armed() - is the hook in the code now, as far as the module can see?
 *
 * Context: process context.
 */
static bool pf_hook_is_armed(void)
{
	return pf_hook->is_armed();
}

/**
 * pf_hook_quiet() - let the hooks that stay in the code ignore all processes
 *
 * Context: any.
 */
static void pf_hook_quiet(void)
{
	WRITE_ONCE(pf_target.signal, NULL);
	if (pf_family.members)
		bitmap_zero(pf_family.members, PID_MAX_LIMIT);
}

/**
 * pf_hook_remove() - remove the hook
 *
 * When this returns, no handler runs on any CPU. A thread that still sleeps in a watched fault
 * returns through the kernel's kretprobe trampoline, which knows that our handler is gone. If the
 * hook can't be removed, pf_hook_stays is set, and no new fault is recorded, but faults already in
 * progress still may be.
 *
 * Context: process context, may sleep.
 */
static void pf_hook_remove(void)
{
	pf_hook->remove();
	if (pf_hook_stays)
		return pf_hook_quiet();
	if (pf_has_outcome())
		unregister_kretprobe(&pf_kretprobe);
}

/* How often the thread in pf_hook_hold_module() checks whether the system is suspending. */
#define PF_STAY_MS 5000

/**
 * pf_hook_hold_module() - keep the module loaded for good if the hook could not be removed
 *
 * Call it before freeing anything that the hook uses. If the hook could not be removed, this never
 * returns, so the module's code and data stay in memory. A module's exit function can't fail. A
 * reference of the module to itself would make rmmod fail, but then something would have to drop
 * it before every normal rmmod. The caller sleeps in TASK_IDLE: it can't be killed, does not
 * trigger the hung-task detector, adds no load, and lets the machine suspend.
 *
 * Context: process context, no locks held.
 */
static void pf_hook_hold_module(void)
{
	if (!pf_hook_stays)
		return;
	pr_err("ftrace has shut itself down, and the kernel still calls this module: it stays loaded, "
	       "and this command does not return, until you reboot\n");
	for (;;) {
		try_to_freeze();
		schedule_timeout_idle(msecs_to_jiffies(PF_STAY_MS));
	}
}

/**
 * pf_hook_nr_missed() - number of faults that the hook did not see
 *
 * The kprobe core or pf_ftrace_enter() skipped the entry because it was reached inside another
 * handler, or maxactive faults were already being watched.
 *
 * Context: any.
 */
static unsigned long pf_hook_nr_missed(void)
{
	return READ_ONCE(pf_kprobe.nmissed) + pf_ftrace_nr_missed() +
	       READ_ONCE(pf_kretprobe.nmissed);
}

#endif /* PF_HOOK_H */
