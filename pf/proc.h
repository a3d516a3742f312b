/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /proc/pf_probe_X: the file and its operations.
 *
 * Reading consumes nothing: each open file is an independent reader, see proc_reader.h. The lines
 * that it gets are written in proc_text.h.
 */
#ifndef PF_PROC_H
#define PF_PROC_H

#include <linux/delay.h>
#include <linux/eventpoll.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/printk.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "cursor.h"
#include "family.h"
#include "fault_list.h"
#include "print.h"
#include "proc_reader.h"
#include "proc_text.h"
#include "queue.h"
#include "text.h"

#define PF_PROC_BUFFER_BYTES (64 * 1024)

/* How late poll() may notice a new fault: the fault path wakes nobody, a worker looks for news. */
#define PF_PROC_POLL_MS 20

static DECLARE_WAIT_QUEUE_HEAD(pf_proc_wait);
static void pf_proc_wake(struct work_struct *work);
static DECLARE_DELAYED_WORK(pf_proc_wake_work, pf_proc_wake);
/* The state that waiters were last woken for: */
static u64 pf_proc_woken_mark; /* pf_proc_mark() */
static u64 *pf_proc_woken_lanes; /* pf_list_lane_mark() by CPU number */
static unsigned int pf_proc_woken_cpu; /* the CPU that had something new */
static bool pf_proc_closing;

/* Has the CPU recorded or lost a fault since the last call? */
static bool pf_proc_lane_has_news(unsigned int cpu)
{
	u64 mark = pf_list_lane_mark(cpu);

	if (mark == pf_proc_woken_lanes[cpu])
		return false;
	pf_proc_woken_lanes[cpu] = mark;
	pf_proc_woken_cpu = cpu;
	return true;
}

/*
 * Is there anything to wake waiters for? Looks at the CPU that had news last time first, and reads
 * the cache lines of the others only if that one has none.
 */
static bool pf_proc_has_news_for_any(void)
{
	bool has_news = pf_proc_lane_has_news(pf_proc_woken_cpu);
	unsigned int cpu;
	u64 mark;

	if (has_news)
		return true;
	for_each_possible_cpu(cpu)
		has_news |= pf_proc_lane_has_news(cpu);
	mark = pf_proc_mark(pf_all_exited());
	has_news |= mark != pf_proc_woken_mark;
	pf_proc_woken_mark = mark;
	return has_news;
}

/* Wakes waiters if there is news, and checks again later while somebody waits. */
static void pf_proc_wake(struct work_struct *work)
{
	if (pf_proc_has_news_for_any())
		wake_up_interruptible(&pf_proc_wait);
	if (wq_has_sleeper(&pf_proc_wait) && !READ_ONCE(pf_proc_closing))
		queue_delayed_work(pf_queue, &pf_proc_wake_work,
				   msecs_to_jiffies(PF_PROC_POLL_MS));
}

/*
 * Only counts: pf_proc_show() itself goes on to the next item. For lseek() or pread() to a far
 * offset, seq_file calls this for every item before it, without rescheduling or checking for
 * signals.
 */
static void *pf_proc_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct pf_reader *reader = m->private;

	reader->pos = ++*pos;
	cond_resched();
	if (fatal_signal_pending(current))
		return ERR_PTR(-EINTR);
	return reader->item == PF_ITEM_END ? NULL : reader;
}

static void *pf_proc_start(struct seq_file *m, loff_t *pos)
{
	struct pf_reader *reader = m->private;

	if (*pos == 0)
		pf_reader_rewind(reader);
	if (*pos != reader->pos) /* seq_file goes from 0 step by step; we support nothing else */
		return ERR_PTR(-EINVAL);
	if (reader->item == PF_ITEM_END)
		return NULL;
	if (reader->item == PF_ITEM_NEWS) {
		/* Still the end of file: some tools stop only after two reads that return 0. */
		if (!pf_reader_has_news(reader))
			return NULL;
		pf_reader_drain(reader);
	}
	return reader;
}

static void pf_proc_stop(struct seq_file *m, void *v)
{
}

/*
 * Prints as many faults as there is room for: a call by seq_file for each fault would cost as much
 * as formatting its line.
 */
static void pf_proc_show_faults(struct seq_file *m, struct pf_reader *reader)
{
	char *buf, *p, *end;
	size_t room = seq_get_buf(m, &buf);

	p = buf;
	end = buf + room;
	while (reader->item == PF_ITEM_FAULT && (size_t)(end - p) >= PF_PROC_LINE_MAX) {
		p += pf_proc_line(reader->cursor, p, end - p);
		pf_reader_next_fault(reader);
	}
	/* -1, no room even for one: seq_file calls again with an empty or a bigger buffer. */
	seq_commit(m, p == buf ? -1 : p - buf);
}

static int pf_proc_show(struct seq_file *m, void *v)
{
	struct pf_reader *reader = m->private;

	switch (reader->item) {
	case PF_ITEM_HEAD:
		pf_proc_show_head(m);
		break;
	case PF_ITEM_FAULT:
		pf_proc_show_faults(m, reader);
		return 0;
	case PF_ITEM_EVENT:
		pf_proc_show_event(m, pf_reader_event(reader));
		break;
	case PF_ITEM_SUMMARY:
		pf_proc_show_summary(m, reader);
		break;
	default:
		seq_puts(m, "EXIT_CODE\n");
	}
	if (!seq_has_overflowed(m))
		pf_reader_advance(reader);
	return 0;
}

static const struct seq_operations pf_proc_seq_ops = {
	.start = pf_proc_start,
	.next = pf_proc_next,
	.stop = pf_proc_stop,
	.show = pf_proc_show,
};

static void pf_proc_print_opened(void)
{
	char name[TASK_COMM_LEN], comm[PF_COMM_MAX];

	get_task_comm(name, current);
	pf_text_escape(comm, sizeof(comm), name);
	pf_print("reader opened by %s[%d]\n", comm, task_pid_nr(current));
}

static int pf_proc_open(struct inode *inode, struct file *file)
{
	struct pf_reader *reader;
	struct seq_file *m;
	int ret = -ENOMEM;

	reader = kzalloc(sizeof(*reader), GFP_KERNEL);
	if (!reader)
		return ret;
	reader->cursor = pf_cursor_new();
	if (!reader->cursor)
		goto free_reader;
	ret = seq_open(file, &pf_proc_seq_ops);
	if (ret)
		goto free_cursor;

	m = file->private_data;
	m->private = reader;
	/* Bigger than the page seq_file would allocate, for fewer calls. Optional. */
	m->buf = kvmalloc(PF_PROC_BUFFER_BYTES, GFP_KERNEL);
	if (m->buf)
		m->size = PF_PROC_BUFFER_BYTES;
	pf_proc_print_opened();
	return 0;

free_cursor:
	kvfree(reader->cursor);
free_reader:
	kfree(reader);
	return ret;
}

static int pf_proc_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct pf_reader *reader = m->private;

	pf_print("reader closed after %llu faults\n", reader->nr_shown);
	kvfree(reader->cursor);
	kfree(reader);
	return seq_release(inode, file);
}

/*
 * read() and not read_iter(), which would enable splice(): sendfile() reads up to an end of file
 * and does not report it to its caller, so `cat` would start one drain after the other.
 */
static ssize_t pf_proc_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	struct seq_file *m = file->private_data;
	struct pf_reader *reader = m->private;
	ssize_t ret = seq_read(file, buf, size, pos);

	/* This read returned 0, the end of file; the next one starts a new drain. */
	mutex_lock(&m->lock);
	if (!ret && size && reader->item == PF_ITEM_END)
		reader->item = PF_ITEM_NEWS;
	mutex_unlock(&m->lock);
	return ret;
}

/* PRI for select() with exceptfds alone, which does not report ERR. */
#define PF_PROC_GONE (EPOLLERR | EPOLLHUP | EPOLLPRI)

static __poll_t pf_proc_poll(struct file *file, struct poll_table_struct *wait)
{
	struct seq_file *m = file->private_data;
	struct pf_reader *reader = m->private;
	__poll_t mask = 0;

	if (READ_ONCE(pf_proc_closing))
		return PF_PROC_GONE;
	poll_wait(file, &pf_proc_wait, wait);
	/* Pairs with smp_mb() in pf_proc_remove(): it sees the waiter, or we see the flag. */
	smp_mb();
	if (READ_ONCE(pf_proc_closing))
		return PF_PROC_GONE;

	mutex_lock(&m->lock);
	/*
	 * In any other state, and at any other offset (after lseek() or pread()), there is
	 * something to read, if only the end of file.
	 */
	if (reader->item != PF_ITEM_NEWS || m->index != reader->pos ||
	    READ_ONCE(file->f_pos) != m->read_pos || pf_reader_has_news(reader))
		mask = EPOLLIN | EPOLLRDNORM;
	mutex_unlock(&m->lock);
	if (!mask)
		queue_delayed_work(pf_queue, &pf_proc_wake_work,
				   msecs_to_jiffies(PF_PROC_POLL_MS));
	return mask;
}

static const struct proc_ops pf_proc_ops = {
	.proc_open = pf_proc_open,
	.proc_read = pf_proc_read,
	.proc_lseek = seq_lseek,
	.proc_poll = pf_proc_poll,
	.proc_release = pf_proc_release,
};

/**
 * pf_proc_create() - create /proc/pf_probe_X, just before recording begins
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM
 */
static int pf_proc_create(void)
{
	pf_proc_note_load();
	pf_proc_woken_lanes = kvcalloc(nr_cpu_ids, sizeof(*pf_proc_woken_lanes), GFP_KERNEL);
	if (!pf_proc_woken_lanes ||
	    !proc_create(KBUILD_MODNAME, 0400, NULL, &pf_proc_ops)) {
		pr_err("cannot create /proc/" KBUILD_MODNAME "\n");
		kvfree(pf_proc_woken_lanes);
		return -ENOMEM;
	}
	return 0;
}

/*
 * Empties the wait queue. A thread that sleeps in poll() or select() leaves when poll() reports
 * PF_PROC_GONE; epoll, which keeps its entry, removes it on POLLFREE.
 */
static void pf_proc_send_away(void)
{
	while (wq_has_sleeper(&pf_proc_wait)) {
		wake_up_poll(&pf_proc_wait, PF_PROC_GONE | POLLFREE);
		msleep(1);
	}
}

/**
 * pf_proc_remove() - remove /proc/pf_probe_X, even while it is open
 *
 * remove_proc_entry() waits for calls in progress and releases open files. But poll() leaves an
 * entry in our wait queue after the call, and once the file is gone, procfs itself answers poll()
 * with "readable and writable", which does not wake a thread that waits for neither. So empty the
 * queue while pf_proc_poll() is still called, and let nobody else in.
 *
 * Context: process context, may sleep.
 */
static void pf_proc_remove(void)
{
	WRITE_ONCE(pf_proc_closing, true);
	smp_mb();
	pf_proc_send_away();
	remove_proc_entry(KBUILD_MODNAME, NULL);
	pf_proc_send_away(); /* entries added in between */
	cancel_delayed_work_sync(&pf_proc_wake_work);
	/* The last waiter may still hold the queue's lock. */
	spin_lock_irq(&pf_proc_wait.lock);
	spin_unlock_irq(&pf_proc_wait.lock);
	synchronize_rcu();
	kvfree(pf_proc_woken_lanes);
}

#endif /* PF_PROC_H */
