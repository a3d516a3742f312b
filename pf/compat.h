/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every check of a kernel version or feature in the tree. The code elsewhere is written for the
 * newest kernel; each branch here names the commit or version that made it necessary.
 */
#ifndef PF_COMPAT_H
#define PF_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "pf_probe needs Linux 5.10 or newer"
#endif

#ifndef CONFIG_64BIT
#error "pf_probe needs a 64-bit kernel"
#endif

#ifndef CONFIG_KPROBES
#error "pf_probe needs a kernel with CONFIG_KPROBES=y"
#endif

#endif /* PF_COMPAT_H */
