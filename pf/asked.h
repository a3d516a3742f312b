/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Static keys for outcome=1 and children=1, which every fault tests. They are set before the hook
 * is placed and never change after that.
 */
#ifndef PF_ASKED_H
#define PF_ASKED_H

#include <linux/jump_label.h>

static DEFINE_STATIC_KEY_FALSE(pf_children_key);
static DEFINE_STATIC_KEY_FALSE(pf_outcome_key);

/**
 * pf_has_children() - children=1: are the target's descendants recorded, too?
 *
 * Do not call this in code that may be in a module's __init section: 5.10 does not patch static
 * branches there.
 *
 * Context: any.
 */
static __always_inline bool pf_has_children(void)
{
	return static_branch_unlikely(&pf_children_key);
}

/**
 * pf_has_outcome() - outcome=1: is the return of each fault watched?
 *
 * The same restriction as for pf_has_children() applies.
 *
 * Context: any.
 */
static __always_inline bool pf_has_outcome(void)
{
	return static_branch_unlikely(&pf_outcome_key);
}

/**
 * pf_asked_set() - set the static keys
 * @children: the parameter children=
 * @outcome: the parameter outcome=
 *
 * Call it before the hook is placed.
 *
 * Context: process context, may sleep.
 */
static void pf_asked_set(bool children, bool outcome)
{
	if (children)
		static_branch_enable(&pf_children_key);
	if (outcome)
		static_branch_enable(&pf_outcome_key);
}

#endif /* PF_ASKED_H */
