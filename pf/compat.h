/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every check of a kernel version or feature in the tree. The code elsewhere is written for the
 * newest kernel; each branch here names the commit or version that made it necessary.
 */
#ifndef PF_COMPAT_H
#define PF_COMPAT_H

#include <linux/build_bug.h>
#include <linux/clocksource.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/magic.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "pf_probe needs Linux 5.10 or newer"
#endif

#if !defined(CONFIG_64BIT) || defined(CONFIG_CPU_BIG_ENDIAN)
#error "pf_probe needs a 64-bit, little-endian kernel"
#endif

#ifndef CONFIG_KPROBES
#error "pf_probe needs a kernel with CONFIG_KPROBES=y"
#endif

#if !defined(CONFIG_KRETPROBES) || !defined(CONFIG_TRACEPOINTS) || !defined(CONFIG_IRQ_WORK)
#error "pf_probe needs a kernel with CONFIG_KRETPROBES=y, CONFIG_TRACEPOINTS=y, CONFIG_IRQ_WORK=y"
#endif

/*
 * The path of a mapped file, as /proc/PID/maps shows it. Since 6.7 (def3ae83da02) the f_path of a
 * file mapped through overlayfs is that of the underlying file.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline const struct path *pf_file_path(struct file *file)
{
	return file_user_path(file);
}
#else
static inline const struct path *pf_file_path(struct file *file)
{
	return &file->f_path;
}
#endif

/* The inode of a mapped file, as /proc/PID/maps shows it: changed by the same commit. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline const struct inode *pf_file_inode(struct file *file)
{
	return file_user_inode(file);
}

static inline struct timespec64 pf_inode_mtime(const struct inode *inode)
{
	return inode_get_mtime(inode); /* since 6.7 (12cd44023651) */
}
#else
static inline const struct inode *pf_file_inode(struct file *file)
{
	return file_inode(file);
}

static inline struct timespec64 pf_inode_mtime(const struct inode *inode)
{
	return inode->i_mtime;
}
#endif

/* Memory that the kernel itself can't read, since 5.14 (1507f51255c9). */
#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC 0x5345434d
#endif

#ifdef CONFIG_DYNAMIC_FTRACE

#include <linux/ftrace.h>

/*
 * Frees the filter of an unregistered ftrace_ops that has only the function at @ip. Before
 * ftrace_free_filter() was exported, in 6.2 (8be9fbd5345d) and 6.1.9, this has to remove the
 * function from the filter, which allocates memory and can fail.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 9)
static inline void pf_ftrace_free_filter(struct ftrace_ops *ops, unsigned long ip)
{
	ftrace_free_filter(ops);
}
#else
static inline void pf_ftrace_free_filter(struct ftrace_ops *ops, unsigned long ip)
{
	int ret = ftrace_set_filter_ip(ops, ip, 1, 0);

	if (ret)
		pr_warn("cannot free an ftrace filter (error %d): its memory is leaked\n", ret);
}
#endif

/*
 * Has ftrace shut itself down until the next boot, as ftrace_kill() does after an internal error?
 * It then refuses all requests with -ENODEV; we try to set a filter on the function at @ip in an
 * ftrace_ops that is never registered. The ops is new each time, because it still points to its
 * filter after that has been freed.
 */
static inline bool pf_ftrace_is_dead(unsigned long ip)
{
	struct ftrace_ops nobody = {};
	int ret = ftrace_set_filter_ip(&nobody, ip, 0, 0);

	if (!ret)
		pf_ftrace_free_filter(&nobody, ip);
	return ret == -ENODEV;
}

#else

static inline bool pf_ftrace_is_dead(unsigned long ip)
{
	return false;
}

#endif /* CONFIG_DYNAMIC_FTRACE */

/* A spinlock_t is a sleeping lock: not even spin_trylock() is allowed in the fault path. */
#define PF_SPINLOCKS_SLEEP IS_ENABLED(CONFIG_PREEMPT_RT)

/* A fault that breaks copy-on-write without a write, since 5.19 (c89357e27f20). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
#define PF_FAULT_FLAG_UNSHARE FAULT_FLAG_UNSHARE
#else
#define PF_FAULT_FLAG_UNSHARE 0
#endif

/* Runs in hard interrupt context, on RT, too. The macro exists since 5.11 (7a9f50a05843). */
#ifdef IRQ_WORK_INIT_HARD
#define PF_IRQ_WORK_INIT_HARD(func) IRQ_WORK_INIT_HARD(func)
#else
#define PF_IRQ_WORK_INIT_HARD(_func) \
	((struct irq_work){ .flags = ATOMIC_INIT(IRQ_WORK_HARD_IRQ), .func = (_func) })
#endif

/*
 * PF_FTRACE_MISSING names the option that a kernel lacks if its ftrace does not pass a function's
 * arguments to a callback, or only by saving all registers, which costs as much as a kprobe. x86-64
 * has it since 5.11 (02a474ca266a), arm64 since 6.2 (26299b3f6ba2).
 */
#ifndef CONFIG_FUNCTION_TRACER
#define PF_FTRACE_MISSING "CONFIG_FUNCTION_TRACER"
#elif !defined(CONFIG_DYNAMIC_FTRACE)
#define PF_FTRACE_MISSING "CONFIG_DYNAMIC_FTRACE"
#elif !defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS)
#define PF_FTRACE_MISSING \
	"CONFIG_DYNAMIC_FTRACE_WITH_ARGS (on x86-64 since Linux 5.11, on arm64 since 6.2)"
#else

/* Since 6.13 (7888af4166d4) struct ftrace_regs is opaque. */
#ifndef arch_ftrace_regs
#define arch_ftrace_regs(fregs) (fregs)
#endif

#ifdef CONFIG_X86_64

/* Only the arguments are valid, and the stack pointer at the function's entry. */
static __always_inline struct pt_regs *pf_ftrace_regs(struct ftrace_regs *fregs)
{
	return &arch_ftrace_regs(fregs)->regs;
}

/*
 * Calls @watch with the registers that a kretprobe's handler reads and changes. On x86-64 it
 * replaces the return address on the stack, so it needs no more than the stack pointer. The other
 * registers in struct pt_regs are not valid.
 */
static __always_inline void pf_ftrace_watch(struct ftrace_regs *fregs,
					    void (*watch)(struct pt_regs *regs))
{
	watch(pf_ftrace_regs(fregs));
}

#else

/* arm64: the first fields are x0 to x8, as in struct pt_regs; the rest differs. */
static __always_inline struct pt_regs *pf_ftrace_regs(struct ftrace_regs *fregs)
{
	BUILD_BUG_ON(offsetof(typeof(*arch_ftrace_regs(fregs)), regs) !=
		     offsetof(struct pt_regs, regs));
	return (struct pt_regs *)arch_ftrace_regs(fregs);
}

/* As above. On arm64 it replaces the link register and identifies the call by frame pointer. */
static __always_inline void pf_ftrace_watch(struct ftrace_regs *fregs,
					    void (*watch)(struct pt_regs *regs))
{
	struct pt_regs regs;

	memcpy(regs.regs, arch_ftrace_regs(fregs)->regs, sizeof(arch_ftrace_regs(fregs)->regs));
	regs.regs[29] = arch_ftrace_regs(fregs)->fp;
	regs.regs[30] = arch_ftrace_regs(fregs)->lr;
	regs.sp = arch_ftrace_regs(fregs)->sp;
	regs.pc = arch_ftrace_regs(fregs)->pc;
	watch(&regs);
	arch_ftrace_regs(fregs)->lr = regs.regs[30];
}

#endif /* CONFIG_X86_64 */

/*
 * A direct call goes from the function's entry to code of ours, which saves the registers it uses.
 * We have that code for x86-64 only. Direct calls can be registered for a struct ftrace_ops since
 * 5.16 (f64dd4627ec6); ASM_ENDBR, with which the code has to begin, exists since 5.18
 * (156ff4a544ae).
 */
#if !defined(CONFIG_X86_64) || !defined(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)
#define PF_DIRECT_MISSING
#elif LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
#define PF_DIRECT_MISSING
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)

/* Renamed in 6.4 (da8bdfbd422c). */
static inline int pf_register_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return register_ftrace_direct_multi(ops, addr);
}

static inline int pf_unregister_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return unregister_ftrace_direct_multi(ops, addr);
}

#else

static inline int pf_register_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return register_ftrace_direct(ops, addr);
}

static inline int pf_unregister_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return unregister_ftrace_direct(ops, addr, false);
}

#endif /* CONFIG_X86_64 ... */

#endif /* CONFIG_FUNCTION_TRACER ... */

#ifdef PF_FTRACE_MISSING
#define PF_DIRECT_MISSING
#endif

#ifndef PF_DIRECT_MISSING

#include <asm/ibt.h>
#include <asm/linkage.h>
#include <asm/nospec-branch.h>

/*
 * Call depth tracking, since 6.2: on some processors, a function that is called from a call that
 * ftrace has patched in has to count the call itself, as no compiler has made its caller do so.
 */
#ifndef CALL_DEPTH_ACCOUNT
#define CALL_DEPTH_ACCOUNT ""
#endif

/* The per-CPU variable that has `current`: changed in 6.2 (e57ef2ed97c1), 6.15 (a1e4cc0155ad). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
static_assert(!offsetof(struct pcpu_hot, current_task));
#define PF_CURRENT_TASK "pcpu_hot"
#else
#define PF_CURRENT_TASK "current_task"
#endif

#endif /* PF_DIRECT_MISSING */

/*
 * pf_cycles() reads the counter that usually is the clock source, as the kernel does.
 * pf_is_cycles(): is @clock that counter?
 */
#ifdef CONFIG_X86_64

#include <asm/msr.h>
#include <asm/tsc.h>

#define PF_HAS_CYCLES true

static __always_inline u64 pf_cycles(void)
{
	return rdtsc_ordered();
}

static inline bool pf_is_cycles(const struct clocksource *clock)
{
	return clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC && clock->mask == ~0ULL;
}

#else

/* arm64: some processors need workarounds to read the counter, which are not for modules. */
#define PF_HAS_CYCLES false

static __always_inline u64 pf_cycles(void)
{
	return 0;
}

static inline bool pf_is_cycles(const struct clocksource *clock)
{
	return false;
}

#endif

/* The arguments of a handler of sched_process_exit, whose task is the current one. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define PF_LIFE_EXIT_ARGS void *data, struct task_struct *task, bool group_dead
#else
#define PF_LIFE_EXIT_ARGS void *data, struct task_struct *task
#endif

/* The system call mremap() of programs of 64 and of 32 bits. */
#ifdef CONFIG_X86_64
#define PF_MREMAP "__x64_sys_mremap"
#define PF_MREMAP_32 "__ia32_sys_mremap"
#else
#define PF_MREMAP "__arm64_sys_mremap"
#define PF_MREMAP_32 PF_MREMAP
#endif

/* Has ftrace replaced the nop at the function's entry by a call? */
static inline bool pf_call_in_place(const u8 *code)
{
	return READ_ONCE(*code) == 0xe8;
}

#ifdef CONFIG_X86_64

#define PF_HAS_JUMPS true

/**
 * pf_jump_offset() - where to put a kprobe that can become a jump and still sees the arguments
 * @code: the function's first 9 bytes, or those after its endbr64
 *
 * That is right after the 5-byte nop that the compiler leaves for ftrace (fentry). A kprobe on the
 * nop itself would become a client of ftrace, which costs more. After it, no instruction of the
 * function has run yet either. Before the nop there may be endbr64, or the nop with which
 * apply_ibt_endbr() (since 5.18) has replaced it.
 *
 * Return: the offset in bytes, or -EOPNOTSUPP if the function begins in another way
 */
static inline int pf_jump_offset(const u8 *code)
{
	static const u8 nops[][5] = {
		{ 0x0f, 0x1f, 0x44, 0x00, 0x00 },
		{ 0x66, 0x66, 0x66, 0x66, 0x90 }, /* on some AMD processors, before 5.13 */
	};
	static const u8 endbr[][4] = {
		{ 0xf3, 0x0f, 0x1e, 0xfa },
		{ 0x66, 0x0f, 0x1f, 0x00 }, /* sealed, since 5.18 */
		{ 0x0f, 0x1f, 0x40, 0xd6 }, /* sealed, since 6.15 */
	};
	int i, offset = 0;

	for (i = 0; i < ARRAY_SIZE(endbr); i++)
		if (!memcmp(code, endbr[i], sizeof(endbr[i])))
			offset = sizeof(endbr[i]);
	for (i = 0; i < ARRAY_SIZE(nops); i++)
		if (!memcmp(code + offset, nops[i], sizeof(nops[i])))
			return offset + sizeof(nops[i]);
	return -EOPNOTSUPP;
}

/* Has the kernel replaced a kprobe's breakpoint by a jump? */
static inline bool pf_jump_in_place(const u8 *code)
{
	return READ_ONCE(*code) == 0xe9;
}

/* Is there a jump, a breakpoint or a call of ftrace, as the kernel puts there for a kprobe? */
static inline bool pf_kprobe_in_place(const u8 *code)
{
	u8 first = READ_ONCE(*code);

	return first == 0xe9 || first == 0xcc || first == 0xe8;
}

#else

/* As above: a BRK instruction with any immediate. */
static inline bool pf_kprobe_in_place(const u8 *code)
{
	return (READ_ONCE(*(const u32 *)code) & 0xffe0001f) == 0xd4200000;
}

/* arm64: kprobes are always breakpoints. */
#define PF_HAS_JUMPS false

static inline int pf_jump_offset(const u8 *code)
{
	return -EOPNOTSUPP;
}

static inline bool pf_jump_in_place(const u8 *code)
{
	return false;
}

#endif /* CONFIG_X86_64 */

#endif /* PF_COMPAT_H */
