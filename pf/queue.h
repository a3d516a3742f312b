/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A workqueue for urgent work. Unbound, so that it can run on any CPU: a traced SCHED_FIFO thread
 * may never leave its own.
 */
#ifndef PF_QUEUE_H
#define PF_QUEUE_H

#include <linux/errno.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/workqueue.h>

static struct workqueue_struct *pf_queue;

/**
 * pf_queue_start() - create the workqueue
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM after printing the cause
 */
static int pf_queue_start(void)
{
	pf_queue = alloc_workqueue(KBUILD_MODNAME "-queue", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (pf_queue)
		return 0;
	pr_err("no memory for a workqueue\n");
	return -ENOMEM;
}

/**
 * pf_queue_stop() - destroy the workqueue; call it when nothing can be queued any more
 *
 * Context: process context, may sleep.
 */
static void pf_queue_stop(void)
{
	destroy_workqueue(pf_queue);
}

#endif /* PF_QUEUE_H */
