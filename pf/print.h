/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module tells of its work, if it is asked to: two parameters, which can be changed while
 * it is loaded.
 */
#ifndef PF_PRINT_H
#define PF_PRINT_H

#include <linux/compiler.h>
#include <linux/printk.h>
#include <linux/types.h>

/* Defaults, by `make NAME=VALUE`; a module may have set its own before. */
#ifndef PROBE_PRINT
#define PROBE_PRINT 0
#endif
#ifndef PROBE_DEBUG
#define PROBE_DEBUG 0
#endif

static bool probe_print = PROBE_PRINT;
static bool probe_debug = PROBE_DEBUG;

#define pf_print(fmt, ...)                            \
	do {                                          \
		if (READ_ONCE(probe_print))           \
			pr_info(fmt, ##__VA_ARGS__); \
	} while (0)

#define pf_debug(fmt, ...)                            \
	do {                                          \
		if (READ_ONCE(probe_debug))           \
			pr_info(fmt, ##__VA_ARGS__); \
	} while (0)

#endif /* PF_PRINT_H */
