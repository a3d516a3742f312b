/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * placement=ftrace: the hook is a callback of ftrace, at the entry of handle_mm_fault(). It is told
 * the arguments alone, not all registers, which other processes pay for, too.
 *
 * Two things that a kprobe's handler is given it has to see to itself: that preemption is off while
 * the list is used, and that it is not entered within itself. Both are for a tracked fault only;
 * what comes before them reads and compares.
 */
#ifndef PF_FTRACE_H
#define PF_FTRACE_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/printk.h>

#include "capture.h"
#include "compat.h"
#include "config.h"
#include "family.h"
#include "outcome.h"

#ifdef PF_FTRACE_MISSING

static int pf_ftrace_hook(unsigned long entry)
{
	pr_err("placement=ftrace: this kernel lacks " PF_FTRACE_MISSING ": use placement=auto\n");
	return -EOPNOTSUPP;
}

static void pf_ftrace_unhook(void)
{
}

static unsigned long pf_ftrace_nr_missed(void)
{
	return 0;
}

#else

struct pf_ftrace_cpu {
	bool busy; /* a fault is being recorded */
	unsigned long nr_missed; /* what came meanwhile */
};

static DEFINE_PER_CPU(struct pf_ftrace_cpu, pf_ftrace_cpu);

static noinline notrace void pf_ftrace_capture(unsigned long ip, unsigned long parent_ip,
					       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pt_regs *regs = pf_ftrace_regs(fregs);

	preempt_disable_notrace();
	if (likely(!this_cpu_read(pf_ftrace_cpu.busy))) {
		this_cpu_write(pf_ftrace_cpu.busy, true);
		barrier();
		if (pf_has_outcome())
			pf_watch(regs);
		else
			pf_capture(regs);
		barrier();
		this_cpu_write(pf_ftrace_cpu.busy, false);
	} else {
		this_cpu_inc(pf_ftrace_cpu.nr_missed);
	}
	preempt_enable_notrace();
}

static notrace void pf_ftrace_enter(unsigned long ip, unsigned long parent_ip,
				    struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	if (pf_is_tracked())
		pf_ftrace_capture(ip, parent_ip, ops, fregs);
}

/*
 * PERMANENT: it can't be registered while ftrace is switched off (kernel.ftrace_enabled), nor can
 * ftrace be switched off while it is.
 */
static struct ftrace_ops pf_ftrace_ops = {
	.func = pf_ftrace_enter,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

static unsigned long pf_ftrace_ip;

/* At the function that begins at @entry. Returns 0, or a negative errno after it has told why. */
static int pf_ftrace_hook(unsigned long entry)
{
	int ret;

	if (pf_has_outcome() && !PF_FTRACE_REGS_HAVE_STACK) {
		pr_err("outcome=1 does not go with placement=ftrace on this architecture: use "
		       "placement=auto\n");
		return -EOPNOTSUPP;
	}
	ret = ftrace_set_filter_ip(&pf_ftrace_ops, entry, 0, 0);
	if (ret) {
		pr_err("placement=ftrace: " PF_SYMBOL "() can't be traced by it (error %d)\n", ret);
		return ret;
	}
	pf_ftrace_ip = entry;
	ret = register_ftrace_function(&pf_ftrace_ops);
	if (ret) {
		pr_err("placement=ftrace: refused (error %d): is kernel.ftrace_enabled=0?\n", ret);
		ftrace_set_filter_ip(&pf_ftrace_ops, entry, 1, 0);
	}
	return ret;
}

/*
 * Waits for all who are in the callback, also those who were preempted on their way to it or back:
 * unregister_ftrace_function() does so for any code of a module.
 */
static void pf_ftrace_unhook(void)
{
	unregister_ftrace_function(&pf_ftrace_ops);
	ftrace_set_filter_ip(&pf_ftrace_ops, pf_ftrace_ip, 1, 0); /* frees the filter */
}

static unsigned long pf_ftrace_nr_missed(void)
{
	unsigned long sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pf_ftrace_cpu, cpu).nr_missed);
	return sum;
}

#endif /* PF_FTRACE_MISSING */

#endif /* PF_FTRACE_H */
