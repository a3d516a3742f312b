/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Optional messages, enabled by two parameters that can be changed while the module is loaded.
 */
#ifndef PF_PRINT_H
#define PF_PRINT_H

#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/printk.h>
#include <linux/types.h>

/* Defaults; `make NAME=VALUE` or the module can define others before including this. */
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

/*
 * Reads kernel.dmesg_restrict. The variable is not exported to modules, but insmod and rmmod can
 * read it in /proc, if that is mounted.
 *
 * Return: its first digit, or '?' if it can't be read
 */
static char pf_dmesg_restrict(void)
{
	struct file *file = filp_open("/proc/sys/kernel/dmesg_restrict", O_RDONLY, 0);
	loff_t pos = 0;
	char digit;

	if (IS_ERR(file))
		return '?';
	if (kernel_read(file, &digit, sizeof(digit), &pos) != sizeof(digit))
		digit = '?';
	filp_close(file, NULL);
	return digit;
}

/**
 * pf_dmesg_warn() - warn if every user can read dmesg; call it before printing records there
 *
 * Context: process context, may sleep.
 */
static void pf_dmesg_warn(void)
{
	switch (pf_dmesg_restrict()) {
	case '0':
		pr_warn("every user of this machine can read the lines in dmesg, because "
			"kernel.dmesg_restrict=0\n");
		break;
	case '?':
		pr_warn("every user of this machine can read the lines in dmesg, unless "
			"kernel.dmesg_restrict=1\n");
		break;
	}
}

#endif /* PF_PRINT_H */
