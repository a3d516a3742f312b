// SPDX-License-Identifier: GPL-2.0-only
/*
 * For a test: shuts ftrace down until the next boot, as the kernel does when ftrace finds
 * unexpected code. After that, ftrace refuses all requests.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static int __init ftrace_dead_init(void)
{
	struct kprobe kp = { .symbol_name = "ftrace_kill", .flags = KPROBE_FLAG_DISABLED };
	void (*kill)(void);
	int ret = register_kprobe(&kp);

	if (ret) {
		pr_err("can't find ftrace_kill() (error %d)\n", ret);
		return ret;
	}
	kill = (void *)kp.addr;
	unregister_kprobe(&kp);
	kill();
	return 0;
}

static void __exit ftrace_dead_exit(void)
{
}

module_init(ftrace_dead_init);
module_exit(ftrace_dead_exit);
MODULE_DESCRIPTION("Test: shuts ftrace down");
MODULE_AUTHOR("The pf_probe authors");
MODULE_LICENSE("GPL");
