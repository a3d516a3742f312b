/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * placement=callback: the hook is a callback of ftrace, at the entry of handle_mm_fault(). It is
 * told the arguments alone, not all registers, which other processes would pay for, too.
 *
 * placement=direct: it is called from there itself, with nothing in between.
 *
 * Two things that a kprobe's handler is given both have to see to themselves: that preemption is
 * off while the list is used, and that they are not entered within themselves. It is done for a
 * tracked fault only; what comes before reads and compares.
 */
#ifndef PF_FTRACE_H
#define PF_FTRACE_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/printk.h>

#include "asked.h"
#include "capture.h"
#include "compat.h"
#include "family.h"
#include "outcome.h"

/* The hook could not be taken out: until the next boot our code is called, or our data are read. */
static bool pf_hook_stays;

#ifdef PF_FTRACE_MISSING

static int pf_callback_hook(unsigned long entry)
{
	pr_err("placement=ftrace: this kernel lacks " PF_FTRACE_MISSING ": use placement=auto\n");
	return -EOPNOTSUPP;
}

static void pf_callback_unhook(void)
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

/* Where, while it is there. */
static unsigned long pf_ftrace_ip;

static __always_inline void pf_ftrace_enter(struct pt_regs *regs, bool outcome)
{
	preempt_disable_notrace();
	if (likely(!this_cpu_read(pf_ftrace_cpu.busy))) {
		this_cpu_write(pf_ftrace_cpu.busy, true);
		barrier();
		if (outcome)
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

static noinline notrace __used void pf_ftrace_begin(struct pt_regs *regs)
{
	pf_ftrace_enter(regs, true);
}

/* Out of line, or all would pay for the registers that it uses; and this for its stack. */
static noinline notrace void pf_callback_begin(struct ftrace_regs *fregs)
{
	pf_ftrace_watch(fregs, pf_ftrace_begin);
}

static noinline notrace void pf_callback_record(struct ftrace_regs *fregs)
{
	if (pf_has_outcome())
		return pf_callback_begin(fregs);
	pf_ftrace_enter(pf_ftrace_regs(fregs), false);
}

static notrace void pf_callback(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
				struct ftrace_regs *fregs)
{
	if (pf_is_tracked())
		pf_callback_record(fregs);
}

/*
 * PERMANENT: it can't be registered while ftrace is switched off (kernel.ftrace_enabled), nor can
 * ftrace be switched off while it is.
 */
static struct ftrace_ops pf_callback_ops = {
	.func = pf_callback,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

/*
 * What @ops asked for at pf_ftrace_ip was not placed, or has been taken out again: @ret, that went
 * well. If ftrace is dead it did not, or nobody can say: it may have died half-way, which
 * unregister_ftrace_function() does not report.
 */
static void pf_ftrace_let_go(struct ftrace_ops *ops, int ret)
{
	if (ret || pf_ftrace_is_dead(pf_ftrace_ip))
		pf_hook_stays = true;
	else
		pf_ftrace_free_filter(ops, pf_ftrace_ip);
}

/*
 * A dead ftrace is not asked: it forgets where a direct call goes before it looks whether it can
 * take it out.
 */
static void pf_ftrace_unhook(struct ftrace_ops *ops, int (*unregister)(struct ftrace_ops *ops))
{
	pf_ftrace_let_go(ops, pf_ftrace_is_dead(pf_ftrace_ip) ? -ENODEV : unregister(ops));
}

/* At the function that begins at @entry. Returns 0, or a negative errno after it has told why. */
static int pf_callback_hook(unsigned long entry)
{
	int ret;

	ret = ftrace_set_filter_ip(&pf_callback_ops, entry, 0, 0);
	if (ret) {
		pr_err("placement=ftrace: " PF_SYMBOL "() can't be traced by it (error %d)\n", ret);
		return ret;
	}
	pf_ftrace_ip = entry;
	ret = register_ftrace_function(&pf_callback_ops);
	if (ret) {
		pr_err("placement=ftrace: refused (error %d): is kernel.ftrace_enabled=0?\n", ret);
		pf_ftrace_let_go(&pf_callback_ops, 0);
	}
	return ret;
}

/*
 * Waits for all who are in the callback, also those who were preempted on their way to it or back:
 * unregister_ftrace_function() does so for any code of a module.
 */
static void pf_callback_unhook(void)
{
	pf_ftrace_unhook(&pf_callback_ops, unregister_ftrace_function);
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

#ifdef PF_DIRECT_MISSING

static int pf_direct_hook(unsigned long entry)
{
	return -EOPNOTSUPP;
}

static void pf_direct_unhook(void)
{
}

#else

/*
 * It can't be had beside another direct call in the same function, as a BPF fentry program is, and
 * none of those can be had beside it.
 */
static struct ftrace_ops pf_direct_ops;

/*
 * Called from the entry of handle_mm_fault(), of which the arguments stay in their registers; rax
 * and r11 hold nothing there. What enters says what pf_is_tracked() does, for other processes with
 * not an instruction more than that takes, and goes on to what saves the arguments, to where struct
 * pt_regs would have them: that is all there is of one, and all that pf_capture() reads.
 */
#define PF_DIRECT_FUNCTION(name, code) \
	"	.balign	16\n" \
	"	.type	" name ", @function\n" \
	name ":\n" \
	code \
	"	" ASM_RET "\n" \
	"	.size	" name ", . - " name "\n"

#define PF_DIRECT_CURRENT \
	"	" ASM_ENDBR CALL_DEPTH_ACCOUNT "\n" \
	"	mov	%gs:" PF_CURRENT_TASK "(%rip), %rax\n"

#define PF_DIRECT_ENTER(save) \
	PF_DIRECT_CURRENT \
	"	mov	pf_direct_task_signal(%rax), %rax\n" \
	"	cmp	%rax, pf_target(%rip)\n" \
	"	je	" save "\n"

#define PF_DIRECT_ENTER_FAMILY(save) \
	PF_DIRECT_CURRENT \
	"	movslq	pf_direct_task_tgid(%rax), %rax\n" \
	"	mov	pf_family(%rip), %r11\n" \
	"	bt	%rax, (%r11)\n" \
	"	jc	" save "\n"

#define PF_DIRECT_SAVE(function) \
	"	push	%rdi\n" \
	"	push	%rsi\n" \
	"	push	%rdx\n" \
	"	push	%rcx\n" \
	"	lea	-pf_direct_regs_cx(%rsp), %rdi\n" \
	"	call	" function "\n" \
	"	pop	%rcx\n" \
	"	pop	%rdx\n" \
	"	pop	%rsi\n" \
	"	pop	%rdi\n"

/* With outcomes: and the stack pointer at the entry, all else that a kretprobe's handler reads. */
#define PF_DIRECT_SAVE_STACK(function) \
	"	lea	8(%rsp), %rax\n" \
	"	push	%rax\n" \
	"	sub	$pf_direct_regs_between, %rsp\n" \
	PF_DIRECT_SAVE(function) \
	"	add	$pf_direct_regs_between + 8, %rsp\n"

asm(".pushsection .text, \"ax\"\n"
    PF_DIRECT_FUNCTION("pf_direct_enter", PF_DIRECT_ENTER("pf_direct_save"))
    PF_DIRECT_FUNCTION("pf_direct_enter_family", PF_DIRECT_ENTER_FAMILY("pf_direct_save"))
    PF_DIRECT_FUNCTION("pf_direct_save", PF_DIRECT_SAVE("pf_direct_record"))
    PF_DIRECT_FUNCTION("pf_direct_watch", PF_DIRECT_ENTER("pf_direct_save_stack"))
    PF_DIRECT_FUNCTION("pf_direct_watch_family", PF_DIRECT_ENTER_FAMILY("pf_direct_save_stack"))
    PF_DIRECT_FUNCTION("pf_direct_save_stack", PF_DIRECT_SAVE_STACK("pf_ftrace_begin"))
    ".popsection\n");

void pf_direct_enter(void);
void pf_direct_enter_family(void);
void pf_direct_watch(void);
void pf_direct_watch_family(void);

static noinline notrace __used void pf_direct_record(struct pt_regs *regs)
{
	/* What the assembler has to know of C. */
	asm volatile(".set pf_direct_task_signal, %c0\n"
		     ".set pf_direct_task_tgid, %c1\n"
		     ".set pf_direct_regs_cx, %c2\n"
		     ".set pf_direct_regs_between, %c3\n"
		     : : "i" (offsetof(struct task_struct, signal)),
		     "i" (offsetof(struct task_struct, tgid)), "i" (offsetof(struct pt_regs, cx)),
		     "i" (offsetof(struct pt_regs, sp) - offsetofend(struct pt_regs, di)));
	BUILD_BUG_ON(offsetof(typeof(pf_target), signal));
	BUILD_BUG_ON(offsetof(typeof(pf_family), members));
	BUILD_BUG_ON(offsetof(struct pt_regs, dx) != offsetof(struct pt_regs, cx) + 8 ||
		     offsetof(struct pt_regs, si) != offsetof(struct pt_regs, cx) + 16 ||
		     offsetof(struct pt_regs, di) != offsetof(struct pt_regs, cx) + 24);
	pf_ftrace_enter(regs, false);
}

static unsigned long pf_direct_addr(void)
{
	if (pf_has_outcome())
		return (unsigned long)(pf_has_children() ? pf_direct_watch_family :
							   pf_direct_watch);
	return (unsigned long)(pf_has_children() ? pf_direct_enter_family : pf_direct_enter);
}

static int pf_direct_unregister(struct ftrace_ops *ops)
{
	return pf_unregister_direct(ops, pf_direct_addr());
}

/* Waits as pf_callback_unhook() does. */
static void pf_direct_unhook(void)
{
	pf_ftrace_unhook(&pf_direct_ops, pf_direct_unregister);
}

/* At the function that begins at @entry. */
static int pf_direct_hook(unsigned long entry)
{
	int ret;

	ret = ftrace_set_filter_ip(&pf_direct_ops, entry, 0, 0);
	if (ret)
		return ret;
	pf_ftrace_ip = entry;
	ret = pf_register_direct(&pf_direct_ops, pf_direct_addr());
	/*
	 * To register it sets all flags anew, up to 6.12 at least. They are written by nobody but who
	 * registers the ops or takes it back. That ftrace is switched on has to be seen.
	 */
	pf_direct_ops.flags |= FTRACE_OPS_FL_PERMANENT;
	if (ret) {
		pf_ftrace_let_go(&pf_direct_ops, 0);
	} else if (!pf_call_in_place((const u8 *)entry)) {
		pf_direct_unhook();
		ret = -EBUSY;
	}
	return ret;
}

#endif /* PF_DIRECT_MISSING */

#endif /* PF_FTRACE_H */
