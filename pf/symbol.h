/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions of the kernel by name, and kprobes in them that can be removed even when ftrace has
 * shut itself down.
 */
#ifndef PF_SYMBOL_H
#define PF_SYMBOL_H

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "compat.h"

/**
 * pf_symbol_find() - find a function
 * @name: the function
 * @found: set to a kprobe at its entry, after an endbr64 if there is one; not registered
 *
 * Context: process context, may sleep.
 * Return: 0, or the error of register_kprobe()
 */
static int pf_symbol_find(const char *name, struct kprobe *found)
{
	int ret;

	/* Registering a disabled kprobe changes no code. */
	*found = (struct kprobe){ .symbol_name = name, .flags = KPROBE_FLAG_DISABLED };
	ret = register_kprobe(found);
	if (!ret)
		unregister_kprobe(found);
	return ret;
}

/**
 * pf_symbol_addr() - the address of a function's entry, as pf_symbol_find() finds it
 * @name: the function
 *
 * Context: process context, may sleep.
 * Return: the address, or an ERR_PTR
 */
static kprobe_opcode_t *pf_symbol_addr(const char *name)
{
	struct kprobe found;
	int ret = pf_symbol_find(name, &found);

	return ret ? ERR_PTR(ret) : found.addr;
}

/**
 * pf_kprobe_lost_ftrace() - has ftrace shut itself down, and does the kprobe need it?
 * @kp: a kprobe that is or was registered, perhaps as disabled
 * @addr: its address
 *
 * A kprobe at the entry can be a client of ftrace, also while it is disabled.
 *
 * Context: process context, may sleep.
 */
static bool pf_kprobe_lost_ftrace(struct kprobe *kp, kprobe_opcode_t *addr)
{
	return kprobe_ftrace(kp) && pf_ftrace_is_dead((unsigned long)addr);
}

/**
 * pf_kprobes_end_with_ftrace() - do kprobes that are clients of ftrace stop when that shuts down?
 *
 * Since 6.10 (1a7d0890dd4a) and in some older stable kernels. In other kernels they go on.
 *
 * Context: process context, may sleep.
 */
static bool pf_kprobes_end_with_ftrace(void)
{
	return !IS_ERR(pf_symbol_addr("kprobe_ftrace_kill"));
}

/**
 * pf_kprobe_unregister() - unregister a kprobe
 * @kp: the kprobe
 *
 * If ftrace has shut itself down, unregister_kprobe() would warn and leave ours in its table. It
 * returns void, but clears the address of a kprobe that it could not remove.
 *
 * Context: process context, may sleep.
 * Return: false if it could not be removed: the kernel may still call its handler
 */
static bool pf_kprobe_unregister(struct kprobe *kp)
{
	if (pf_kprobe_lost_ftrace(kp, kp->addr))
		return false;
	unregister_kprobe(kp);
	return kp->addr;
}

/* Is this the internal function of the kernel that calls a kretprobe's entry handler? */
static bool pf_is_kretprobe_handler(kprobe_pre_handler_t handler)
{
	char name[KSYM_NAME_LEN];

	snprintf(name, sizeof(name), "%ps", handler);
	return handler && !strcmp(name, "pre_handler_kretprobe");
}

/**
 * pf_kretprobe_register_disabled() - register a kretprobe that only we call
 * @rp: the kretprobe; call its kp.pre_handler at the function's entry, to watch the return
 *
 * For calls that are not to be watched, that costs far less than an entry handler which refuses
 * them.
 *
 * Context: process context, may sleep.
 * Return: 0, -EOPNOTSUPP if the kernel's kretprobes are not as expected, or the error of
 * register_kretprobe()
 */
static int pf_kretprobe_register_disabled(struct kretprobe *rp)
{
	int ret;

	rp->kp.flags = KPROBE_FLAG_DISABLED;
	ret = register_kretprobe(rp);
	if (!ret && !pf_is_kretprobe_handler(rp->kp.pre_handler)) {
		unregister_kretprobe(rp);
		ret = -EOPNOTSUPP;
	}
	return ret;
}

#endif /* PF_SYMBOL_H */
