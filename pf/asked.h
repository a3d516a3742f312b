/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was asked for, of what changes the way of every fault. It is settled before the hook is
 * placed and stays, so a branch on it is an instruction in the code: a nop or a jump.
 */
#ifndef PF_ASKED_H
#define PF_ASKED_H

#include <linux/jump_label.h>

static DEFINE_STATIC_KEY_FALSE(pf_children_key);
static DEFINE_STATIC_KEY_FALSE(pf_outcome_key);

/*
 * The processes that the target forks are recorded, too: children=1. Not to be asked in code that
 * may come to lie in a module's __init section: 5.10 does not change the branches in there.
 */
static __always_inline bool pf_has_children(void)
{
	return static_branch_unlikely(&pf_children_key);
}

/* Each fault's end is watched: outcome=1. */
static __always_inline bool pf_has_outcome(void)
{
	return static_branch_unlikely(&pf_outcome_key);
}

/* Context: process context, may sleep; nothing is recorded yet. */
static void pf_asked_set(bool children, bool outcome)
{
	if (children)
		static_branch_enable(&pf_children_key);
	if (outcome)
		static_branch_enable(&pf_outcome_key);
}

#endif /* PF_ASKED_H */
