/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where what must not wait long is done: on any CPU, as a traced thread may keep its own for itself
 * (SCHED_FIFO).
 */
#ifndef PF_QUEUE_H
#define PF_QUEUE_H

#include <linux/errno.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/workqueue.h>

static struct workqueue_struct *pf_queue;

/* Context: process context, may sleep. Return: 0 or -ENOMEM */
static int pf_queue_start(void)
{
	pf_queue = alloc_workqueue(KBUILD_MODNAME "-queue", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (pf_queue)
		return 0;
	pr_err("no memory for a workqueue\n");
	return -ENOMEM;
}

/* Nothing is queued any more. Sleeps. */
static void pf_queue_stop(void)
{
	destroy_workqueue(pf_queue);
}

#endif /* PF_QUEUE_H */
