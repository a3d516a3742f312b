/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two kinds of hook. placement=callback: an ftrace callback at the entry of handle_mm_fault().
 * ftrace passes it the arguments only; saving all registers would slow down other processes, too.
 * placement=direct: handle_mm_fault() calls the hook directly at its entry.
 *
 * The kprobe core disables preemption for a handler and prevents recursion. These two kinds have to
 * do both themselves, and do so for recorded faults only: before that, they only read and compare.
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
#include "try.h"

/* The hook could not be removed: the kernel calls our code or reads our data until it reboots. */
static bool pf_hook_stays;

#ifdef PF_FTRACE_MISSING

static int pf_callback_place_at(unsigned long entry)
{
	pr_err("placement=ftrace: this kernel lacks " PF_FTRACE_MISSING ": use placement=auto\n");
	return -EOPNOTSUPP;
}

static void pf_callback_remove(void)
{
}

static unsigned long pf_ftrace_nr_missed(void)
{
	return 0;
}

#else

struct pf_ftrace_cpu {
	bool busy; /* a fault is being recorded */
	unsigned long nr_missed; /* faults that came meanwhile */
};

static DEFINE_PER_CPU(struct pf_ftrace_cpu, pf_ftrace_cpu);

/* The address at which the hook is, while it is there. */
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

/* Both out of line: pf_callback() then saves no registers, pf_callback_record() needs no stack. */
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
 * PERMANENT: can't be registered while kernel.ftrace_enabled=0, and while it is registered, that
 * can't be set to 0.
 */
static struct ftrace_ops pf_callback_ops = {
	.func = pf_callback,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

/*
 * Frees the filter of @ops, of the function at @ip, after it was unregistered with the result @ret,
 * or could not be registered. If that failed or ftrace has shut itself down, assumes that the hook
 * is still there: ftrace may have done so half-way, which unregister_ftrace_function() does not
 * report.
 */
static void pf_ftrace_let_go(struct ftrace_ops *ops, unsigned long ip, int ret)
{
	if (ret || pf_ftrace_is_dead(ip))
		pf_hook_stays = true;
	else
		pf_ftrace_free_filter(ops, ip);
}

/*
 * Does not call @unregister if ftrace has shut itself down: it would forget the target of a direct
 * call before it checks whether it can remove the call.
 */
static void pf_ftrace_remove(struct ftrace_ops *ops, unsigned long ip,
			     int (*unregister)(struct ftrace_ops *ops))
{
	pf_ftrace_let_go(ops, ip, pf_ftrace_is_dead(ip) ? -ENODEV : unregister(ops));
}

/* Places the hook at @entry. Returns 0, or a negative errno after printing the cause. */
static int pf_callback_place_at(unsigned long entry)
{
	int ret;

	ret = ftrace_set_filter_ip(&pf_callback_ops, entry, 0, 0);
	if (ret) {
		pr_err("placement=ftrace: cannot trace " PF_SYMBOL "() (error %d)\n", ret);
		return ret;
	}
	pf_ftrace_ip = entry;
	ret = register_ftrace_function(&pf_callback_ops);
	if (ret) {
		pr_err("placement=ftrace: refused (error %d): is kernel.ftrace_enabled=0?\n", ret);
		pf_ftrace_let_go(&pf_callback_ops, entry, 0);
	}
	return ret;
}

/*
 * unregister_ftrace_function() waits until no task is in the callback, including tasks that were
 * preempted on the way to it or back, as it does for the code of any module.
 */
static void pf_callback_remove(void)
{
	pf_ftrace_remove(&pf_callback_ops, pf_ftrace_ip, unregister_ftrace_function);
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

static int pf_direct_place_at(unsigned long entry)
{
	return -EOPNOTSUPP;
}

static void pf_direct_remove(void)
{
}

#else

/*
 * A function can have one direct call only, and a BPF fentry program is one, too. So neither can be
 * placed while the other is there.
 */
static struct ftrace_ops pf_direct_ops;

/*
 * The targets of the direct call from the entry of handle_mm_fault(). The arguments are in their
 * registers; rax and r11 are free. pf_direct_enter etc. do what pf_is_tracked() does, with no
 * instruction more for other processes. For the recorded ones they jump to code that saves the
 * arguments on the stack at the offsets of struct pt_regs. Only these fields of it exist, and
 * pf_capture() reads no others.
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

/* With outcome=1: also the stack pointer at the entry, which a kretprobe's handler reads. */
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
	/* Constants for the assembler code above. */
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

/* Like pf_callback_remove(), waits until no task is in the hook. */
static void pf_direct_remove(void)
{
	pf_ftrace_remove(&pf_direct_ops, pf_ftrace_ip, pf_direct_unregister);
}

/* Places the hook at @entry. Returns 0 or a negative errno. */
static int pf_direct_place_at(unsigned long entry)
{
	int ret;

	ret = ftrace_set_filter_ip(&pf_direct_ops, entry, 0, 0);
	if (ret)
		return ret;
	pf_ftrace_ip = entry;
	ret = pf_register_direct(&pf_direct_ops, pf_direct_addr());
	/*
	 * Set PERMANENT after registering, which overwrites the flags (up to 6.12 at least). Only
	 * registering and unregistering an ops write its flags. As the flag was not there in time
	 * to make registering fail with kernel.ftrace_enabled=0, check that the call is in place.
	 */
	pf_direct_ops.flags |= FTRACE_OPS_FL_PERMANENT;
	if (ret) {
		pf_ftrace_let_go(&pf_direct_ops, entry, 0);
	} else if (!pf_call_in_place((const u8 *)entry)) {
		pf_direct_remove();
		ret = -EBUSY;
	}
	return ret;
}

#endif /* PF_DIRECT_MISSING */

#endif /* PF_FTRACE_H */
