// SPDX-License-Identifier: GPL-2.0-only
/*
 * pf_probe_A: prints each page fault of a process by printk().
 *
 * A worker prints the list in time order, so that the fault path costs no more than with the other
 * two modules.
 */
#ifndef PROBE_PRINT
#define PROBE_PRINT 1
#endif
#define PROBE_PRINT_DESC "Print each page fault"

#include "pf_common.h"

#define PRINT_INTERVAL_MS 50

/* printk() silently truncates longer lines. This way the name is shortened instead, and marked. */
#define PRINT_LINE_MAX (PF_FAULT_LINE_MAX + 600)

static struct pf_cursor *print_cursor;
/* Its own workqueue, and unbound, because with a slow console the work can run for minutes. */
static struct workqueue_struct *print_wq;
static void print_new(struct work_struct *work);
static DECLARE_DELAYED_WORK(print_work, print_new);

/* Set by rmmod: the worker stops, and rmmod prints the rest, as it can be interrupted. */
static bool print_is_ending;

/* Prints the fault that was read last, or with probe_print=0, skips it for good. */
static void print_fault(void)
{
	static char line[PRINT_LINE_MAX];

	if (READ_ONCE(probe_print)) {
		size_t len = pf_proc_line(print_cursor, line, sizeof(line));

		pr_info("%.*s", (int)len, line);
	}
	cond_resched();
}

static void print_new(struct work_struct *work)
{
	if (pf_cursor_has_more(print_cursor)) {
		pf_cursor_extend(print_cursor);
		pf_map_flush();
		while (!READ_ONCE(print_is_ending) && pf_cursor_next(print_cursor))
			print_fault();
	}
	queue_delayed_work(print_wq, &print_work, msecs_to_jiffies(PRINT_INTERVAL_MS));
}

/* Prints the rest. With a slow console this can take minutes; a signal that kills rmmod ends it. */
static void print_rest(void)
{
	u64 nr_left = 0;

	cancel_delayed_work_sync(&print_work);
	destroy_workqueue(print_wq);
	pf_cursor_extend_to_end(print_cursor);
	pf_map_flush();
	while (pf_cursor_next(print_cursor)) {
		if (fatal_signal_pending(current))
			nr_left++;
		else
			print_fault();
	}
	if (nr_left)
		pr_warn("%llu faults were not printed: rmmod was interrupted\n", nr_left);
	if (print_cursor->nr_overwritten)
		pr_warn("%llu faults were overwritten before they could be printed\n",
			print_cursor->nr_overwritten);
	kvfree(print_cursor);
}

static int __init pf_probe_A_init(void)
{
	int ret = -ENOMEM;

	print_wq = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND, 1);
	print_cursor = pf_cursor_new();
	if (!print_wq || !print_cursor) {
		pr_err("no memory for the printer\n");
		goto free_printer;
	}
	ret = pf_start();
	if (ret)
		goto free_printer;
	pf_dmesg_warn();
	queue_delayed_work(print_wq, &print_work, 0);
	return 0;

free_printer:
	kvfree(print_cursor);
	if (print_wq)
		destroy_workqueue(print_wq);
	return ret;
}

static void __exit pf_probe_A_exit(void)
{
	WRITE_ONCE(print_is_ending, true);
	pf_stop(print_rest);
}

module_init(pf_probe_A_init);
module_exit(pf_probe_A_exit);
MODULE_DESCRIPTION("Page-fault recorder: prints each fault of a process");
