/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the hook is, in the entry of handle_mm_fault(): a kprobe, or what ftrace offers. It tells
 * the target's faults from all others and makes a record of each, or with outcomes hands it to a
 * kretprobe.
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

#include "account.h"
#include "asked.h"
#include "capture.h"
#include "compat.h"
#include "family.h"
#include "ftrace.h"
#include "outcome.h"

/* How long the kernel may take to make a jump of a breakpoint. */
#define PF_JUMP_TRIES 200
#define PF_JUMP_TRY_MS 10

/* Its flags are read by each fault of each process. */
static struct kprobe pf_kprobe ____cacheline_aligned_in_smp;

/* Out of line, or all would pay for the registers that it uses. */
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
 * At an address, or at the entry if that is NULL. The struct kprobe is filled anew for each
 * registration: the core leaves traces in it.
 */
static int pf_kprobe_register(kprobe_opcode_t *addr, u32 flags)
{
	pf_kprobe = (struct kprobe){
		.symbol_name = addr ? NULL : PF_SYMBOL,
		.addr = addr,
		.pre_handler = pf_kprobe_enter,
		.flags = flags,
	};
	return register_kprobe(&pf_kprobe);
}

/* The entry's address, maybe behind an endbr64, or an ERR_PTR. */
static kprobe_opcode_t *pf_entry_addr(void)
{
	kprobe_opcode_t *addr;
	int ret;

	/* A disabled probe changes no code. */
	ret = pf_kprobe_register(NULL, KPROBE_FLAG_DISABLED);
	if (ret)
		return ERR_PTR(ret);
	addr = pf_kprobe.addr;
	unregister_kprobe(&pf_kprobe);
	return addr;
}

/* At the entry a kprobe may be a client of ftrace, which may be dead; also before it is enabled. */
static bool pf_kprobe_lost_ftrace(kprobe_opcode_t *addr)
{
	return kprobe_ftrace(&pf_kprobe) && pf_ftrace_is_dead((unsigned long)addr);
}

/*
 * Does a kprobe that is a client of ftrace do nothing once ftrace is dead? It does since 6.10
 * (1a7d0890dd4a) and in some older stable kernels; until then it goes on.
 */
static bool pf_kprobes_end_with_ftrace(void)
{
	struct kprobe kp = { .symbol_name = "kprobe_ftrace_kill", .flags = KPROBE_FLAG_DISABLED };

	if (register_kprobe(&kp))
		return false;
	unregister_kprobe(&kp);
	return true;
}

static bool pf_kprobe_ends_with_ftrace;

/*
 * If ftrace is dead, kprobes would warn and keep ours in their table. They return nothing, but take
 * the address away from a probe that they had to keep.
 */
static void pf_kprobe_unregister(void)
{
	if (pf_kprobe_lost_ftrace(pf_kprobe.addr)) {
		pf_hook_stays = true;
		return;
	}
	unregister_kprobe(&pf_kprobe);
	if (!pf_kprobe.addr)
		pf_hook_stays = true;
}

static bool pf_ftrace_is_armed(void)
{
	return true; /* it can't be switched off, see pf_ftrace_ops */
}

/* It may be taken out behind our back: debugfs' kprobes/enabled, kernel.ftrace_enabled. */
static bool pf_kprobe_is_armed(void)
{
	if (pf_kprobe_ends_with_ftrace && pf_kprobe_lost_ftrace(pf_kprobe.addr))
		return false;
	return !kprobe_disabled(&pf_kprobe) && pf_probe_in_place((const u8 *)pf_kprobe.addr);
}

/*
 * A kprobe that is a jump, or none. As a breakpoint it would be far dearer than at the entry, so it
 * is kept only if it is seen to be a jump: kprobes may not be optimised at all
 * (debug.kprobes-optimization=0).
 */
static int pf_jump_try(void)
{
	kprobe_opcode_t *entry = pf_entry_addr();
	int ret, tries;

	if (IS_ERR(entry))
		return PTR_ERR(entry);
	ret = pf_jump_offset((const u8 *)entry);
	if (ret < 0)
		return ret;
	ret = pf_kprobe_register((kprobe_opcode_t *)((u8 *)entry + ret), 0);
	if (ret)
		return ret;
	for (tries = 0; tries < PF_JUMP_TRIES; tries++) {
		if (pf_jump_in_place((const u8 *)pf_kprobe.addr))
			return 0;
		msleep(PF_JUMP_TRY_MS);
	}
	unregister_kprobe(&pf_kprobe);
	return -EBUSY;
}

static int pf_jump_register(void)
{
	int ret = pf_jump_try();

	if (ret)
		pr_err("no jump can be placed in " PF_SYMBOL "() (error %d): use placement=auto\n",
		       ret);
	return ret;
}

static int pf_entry_register(void)
{
	kprobe_opcode_t *entry = pf_entry_addr();
	int ret;

	/* Some kernels would register it, and could not take it back. */
	if (!IS_ERR(entry) && pf_kprobe_lost_ftrace(entry)) {
		pr_err("ftrace is dead, and with it kprobes in " PF_SYMBOL "(): reboot\n");
		return -ENODEV;
	}
	ret = IS_ERR(entry) ? PTR_ERR(entry) : pf_kprobe_register(NULL, 0);
	if (ret) {
		pr_err("no kprobe in " PF_SYMBOL "() (error %d): are they enabled here?\n", ret);
		return ret;
	}
	if (!pf_kprobe_is_armed()) {
		pf_kprobe_unregister();
		pr_err("kprobes are switched off: write 1 to /sys/kernel/debug/kprobes/enabled and to "
		       "kernel.ftrace_enabled\n");
		return -EBUSY;
	}
	pf_kprobe_ends_with_ftrace = kprobe_ftrace(&pf_kprobe) && pf_kprobes_end_with_ftrace();
	return 0;
}

static int pf_callback_register(void)
{
	kprobe_opcode_t *entry = pf_entry_addr();

	if (!IS_ERR(entry))
		return pf_callback_hook((unsigned long)entry);
	pr_err("no " PF_SYMBOL "() to be found (error %ld)\n", PTR_ERR(entry));
	return PTR_ERR(entry);
}

/* A direct call, or none. */
static int pf_direct_try(void)
{
	kprobe_opcode_t *entry = pf_entry_addr();

	return IS_ERR(entry) ? PTR_ERR(entry) : pf_direct_hook((unsigned long)entry);
}

static int pf_direct_register(void)
{
	int ret = pf_direct_try();

	if (ret)
		pr_err("no direct call can be placed in " PF_SYMBOL "() (error %d): use "
		       "placement=ftrace\n", ret);
	return ret;
}

/**
 * struct pf_placement - a way to hook the entry
 * @name: the parameter's value
 * @place: returns 0, or a negative errno after it has told the cause
 * @remove: after it no handler runs any more, on any CPU; sleeps
 * @is_armed: is the hook in the code at this moment, as far as can be seen?
 */
struct pf_placement {
	const char *name;
	int (*place)(void);
	void (*remove)(void);
	bool (*is_armed)(void);
};

enum { PF_JUMP, PF_ENTRY, PF_DIRECT, PF_CALLBACK, NR_PF_PLACEMENT };

static const struct pf_placement pf_placements[NR_PF_PLACEMENT] = {
	[PF_JUMP] = { "jump", pf_jump_register, pf_kprobe_unregister, pf_kprobe_is_armed },
	[PF_ENTRY] = { "entry", pf_entry_register, pf_kprobe_unregister, pf_kprobe_is_armed },
	[PF_DIRECT] = { "direct", pf_direct_register, pf_direct_unhook, pf_ftrace_is_armed },
	[PF_CALLBACK] = { "callback", pf_callback_register, pf_callback_unhook,
			  pf_ftrace_is_armed },
};

static const struct pf_placement *pf_placed;

static int pf_hook_place(const char *name)
{
	/* Of each pair the first costs less, where it can be had. */
	if (sysfs_streq(name, "auto")) {
		pf_placed = &pf_placements[PF_JUMP];
		if (!pf_jump_try())
			return 0;
		name = "entry";
	} else if (sysfs_streq(name, "ftrace")) {
		pf_placed = &pf_placements[PF_DIRECT];
		if (!pf_direct_try())
			return 0;
		name = "callback";
	}
	for (pf_placed = pf_placements; pf_placed < pf_placements + NR_PF_PLACEMENT; pf_placed++)
		if (sysfs_streq(name, pf_placed->name))
			return pf_placed->place();
	pr_err("placement=%s: it has to be auto, jump, entry, ftrace, direct or callback\n", name);
	return -EINVAL;
}

/**
 * pf_probe_register() - place the hook; faults are recorded from pf_target_begin() on, or with
 *	children from pf_family_begin()
 * @placement: one of pf_placements, "auto" for a jump where one is possible, else the entry, or
 *	"ftrace" for a direct call where one is possible, else a callback
 * @maxactive: outcomes are watched, of as many faults at a time; 0: they are not
 *
 * Needs pf_asked_set(), pf_list_init(), pf_threads_init(), pf_life_start() and pf_map_init() done.
 *
 * Context: process context, sleeps for up to PF_JUMP_TRIES * PF_JUMP_TRY_MS.
 * Return: 0, -EINVAL for another placement, -EOPNOTSUPP or -EBUSY if the one asked for can't be
 * had, or what register_kprobe(), register_kretprobe() or register_ftrace_function() says
 */
static int pf_probe_register(const char *placement, unsigned int maxactive)
{
	int ret;

	if (maxactive) {
		ret = pf_kretprobe_register(maxactive);
		if (ret)
			return ret;
	}
	ret = pf_hook_place(placement);
	if (ret && maxactive && !pf_hook_stays)
		unregister_kretprobe(&pf_kretprobe);
	return ret;
}

/* How the hook is placed, for people. */
static const char *pf_probe_placement(void)
{
	return pf_placed->name;
}

static bool pf_probe_is_armed(void)
{
	return pf_placed->is_armed();
}

/*
 * After it no handler runs any more, on any CPU. Who still sleeps within a fault returns through
 * the kernel's own code, which knows that our handler is gone. If the hook stays nobody is traced
 * any more, and faults that are under way may still be recorded. Sleeps.
 */
static void pf_probe_unregister(void)
{
	pf_placed->remove();
	if (pf_hook_stays) {
		WRITE_ONCE(pf_target.signal, NULL);
		if (pf_family.members)
			bitmap_zero(pf_family.members, PID_MAX_LIMIT);
		return;
	}
	if (pf_has_outcome())
		unregister_kretprobe(&pf_kretprobe);
}

/* How often a thread that waits for good looks whether the machine is to be suspended. */
#define PF_STAY_MS 5000

/**
 * pf_probe_leave() - before anything is freed that the hook uses
 *
 * If the hook stays this never returns, so that the module does. A module's exit can't fail, and
 * for the module to refuse its removal it would have to hold a reference to itself while the hook
 * is placed, which a step before rmmod would have to drop: rmmod alone has to do. The caller
 * sleeps, can't be killed, is not taken for hung, adds no load and lets the machine be suspended.
 *
 * Context: process context, no locks held.
 */
static void pf_probe_leave(void)
{
	if (!pf_hook_stays)
		return;
	pr_err("ftrace is dead, and the kernel still calls this module: it stays, and this command "
	       "does not return, until you reboot\n");
	for (;;) {
		try_to_freeze();
		schedule_timeout_idle(msecs_to_jiffies(PF_STAY_MS));
	}
}

/*
 * Entries that were skipped by the kprobe core, because a probe was hit inside a probe, or by
 * pf_ftrace_enter(), or whose return was not watched, because too many others were.
 */
static unsigned long pf_probe_nr_missed(void)
{
	return READ_ONCE(pf_kprobe.nmissed) + pf_ftrace_nr_missed() +
	       READ_ONCE(pf_kretprobe.nmissed);
}

/* All faults recorded or dropped but @nr_not. */
static u64 pf_probe_nr_without(u64 nr_not)
{
	u64 nr = pf_list_nr_recorded() + pf_list_nr_dropped();

	return nr > nr_not ? nr - nr_not : 0;
}

/* All faults recorded or dropped that the kernel may have counted, too. */
static u64 pf_probe_nr_completed(const struct pf_totals *totals)
{
	return pf_probe_nr_without(totals->nr_failed + totals->nr_incomplete);
}

/* And those that were missed, or are still under way. */
static u64 pf_probe_nr_seen(const struct pf_totals *totals)
{
	return pf_probe_nr_completed(totals) + pf_probe_nr_missed() + totals->nr_unfinished;
}

/**
 * struct pf_difference - what was seen, held against the kernel's own count
 * @is_known: there is such a count
 * @counted: it
 * @nr_unseen: faults that the kernel counted, and that were neither recorded nor reported as lost
 * @nr_surplus: more were recorded than the kernel counted, by so many; 0 until all have exited
 */
struct pf_difference {
	bool is_known;
	u64 counted;
	u64 nr_unseen;
	u64 nr_surplus;
};

/**
 * pf_probe_difference() - hold what was seen against the kernel's count
 * @exited: pf_all_exited(), by a look at it before
 * @totals: is set to pf_probe_totals()
 *
 * Context: process context; not after pf_life_stop().
 */
static struct pf_difference pf_probe_difference(bool exited, struct pf_totals *totals)
{
	/* Before the sums that it is held against. */
	struct pf_difference difference = { .counted = pf_account_counted() };

	*totals = pf_probe_totals();
	difference.nr_unseen = pf_account_unseen(difference.counted, pf_probe_nr_seen(totals));
	if (exited)
		difference.nr_surplus = pf_account_surplus(pf_probe_nr_without(
			totals->nr_failed + totals->nr_incomplete + totals->nr_unknown));
	difference.is_known = pf_account_is_known();
	return difference;
}

#endif /* PF_HOOK_H */
