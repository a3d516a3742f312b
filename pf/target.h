/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The process to record, given by process_id: all its threads, until it exits.
 *
 * It is identified by its struct signal_struct, which its threads share with no other process.
 * Unlike the mm, that survives exec. It is not freed before the last task that uses it. We hold a
 * reference to such a task, so its address cannot be reused for another process, as a PID can.
 */
#ifndef PF_TARGET_H
#define PF_TARGET_H

#include <linux/cache.h>
#include <linux/err.h>
#include <linux/pid_namespace.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "text.h"

static struct {
	struct signal_struct *signal; /* NULL until recording begins */
	struct pid *pid;
	size_t nr_offset; /* in struct pid, of the PID in the loader's PID namespace */
	pid_t nr; /* the PID in the loader's PID namespace */
	struct task_struct *task; /* keeps signal valid, and the name readable after the exit */
} pf_target __read_mostly; /* every fault of every process reads it */

/**
 * pf_target_set() - choose the process to record
 * @nr: PID of one of its threads in the caller's PID namespace
 *
 * Context: process context, may sleep.
 * Return: 0, or after printing the cause, -EINVAL if there is no such process or it can't be
 * recorded. Not -ESRCH, for which insmod prints an unrelated message (unknown symbol in module).
 */
static int pf_target_set(pid_t nr)
{
	struct task_struct *task;
	struct pid *pid;

	if (nr <= 0) {
		pr_err("process_id=PID is required: the number of a running process\n");
		return -EINVAL;
	}

	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task) {
		pr_err("no process %d: give process_id the number of a running process\n", nr);
		return -EINVAL;
	}
	if (task->flags & PF_KTHREAD) {
		pr_err("%d is a kernel thread, which takes no page faults of its own\n", nr);
		put_task_struct(task);
		return -EINVAL;
	}

	rcu_read_lock();
	pid = get_pid(task_tgid(task));
	rcu_read_unlock();
	pf_target.nr = pid_vnr(pid);
	if (!pf_target.nr || !atomic_read(&task->signal->live)) {
		pr_err("process %d has exited already\n", nr);
		put_pid(pid);
		put_task_struct(task);
		return -EINVAL;
	}
	if (pf_target.nr != nr)
		pr_info("%d is a thread of process %d: recording the whole process\n", nr,
			pf_target.nr);

	pf_target.pid = pid;
	pf_target.nr_offset = offsetof(struct pid, numbers) + offsetof(struct upid, nr) +
			      task_active_pid_ns(current)->level * sizeof(struct upid);
	pf_target.task = task;
	return 0;
}

/**
 * pf_target_clear() - drop what pf_target_set() has taken
 *
 * Context: process context; the hook is removed.
 */
static void pf_target_clear(void)
{
	put_task_struct(pf_target.task);
	put_pid(pf_target.pid);
}

/**
 * pf_target_begin() - start recording the target's faults
 *
 * Context: process context; the hook is placed.
 */
static void pf_target_begin(void)
{
	WRITE_ONCE(pf_target.signal, pf_target.task->signal);
}

/**
 * pf_target_is_current() - is the current task a thread of the target?
 *
 * Context: any.
 * Return: false until pf_target_begin()
 */
static __always_inline bool pf_target_is_current(void)
{
	return current->signal == READ_ONCE(pf_target.signal);
}

/**
 * pf_target_nr_of() - the number of a process or thread
 * @pid: that of a thread of the target, or of a descendant: each has a number in the loader's
 *	PID namespace
 *
 * Context: any.
 * Return: the PID in the loader's PID namespace
 */
static __always_inline u32 pf_target_nr_of(const struct pid *pid)
{
	return *(const int *)((const char *)pid + pf_target.nr_offset);
}

/**
 * pf_process_exited() - can a process take no more faults?
 * @leader: its leader
 *
 * All threads have released their address space then, as they do late in their exit.
 *
 * Context: under rcu_read_lock().
 */
static bool pf_process_exited(struct task_struct *leader)
{
	struct task_struct *thread;

	for_each_thread(leader, thread)
		if (READ_ONCE(thread->mm))
			return false;
	return true;
}

/**
 * pf_target_exited() - can the target take no more faults?
 *
 * Context: any.
 */
static bool pf_target_exited(void)
{
	struct task_struct *leader;
	bool exited;

	rcu_read_lock();
	leader = pid_task(pf_target.pid, PIDTYPE_TGID);
	exited = !leader || pf_process_exited(leader);
	rcu_read_unlock();
	return exited;
}

#define PF_COMM_MAX PF_TEXT_MAX(TASK_COMM_LEN)

/**
 * pf_target_comm() - write the target's name, escaped
 * @buf: where to write it
 *
 * Context: process context.
 */
static void pf_target_comm(char buf[PF_COMM_MAX])
{
	struct task_struct *leader;
	char comm[TASK_COMM_LEN];

	rcu_read_lock();
	leader = pid_task(pf_target.pid, PIDTYPE_TGID);
	get_task_comm(comm, leader ?: pf_target.task);
	rcu_read_unlock();
	pf_text_escape(buf, PF_COMM_MAX, comm);
}

#endif /* PF_TARGET_H */
