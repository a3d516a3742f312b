/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whom to track: process_id -> one whole process, all its threads, for as long as it lives.
 *
 * A process is known by its struct pid, of which a reference is held: the number may be given to
 * another process once ours is gone, the struct may not. The struct survives exec, which an mm
 * would not. The number is compared first only because that is a single load.
 */
#ifndef PF_TARGET_H
#define PF_TARGET_H

#include <linux/err.h>
#include <linux/pid_namespace.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string_helpers.h>

static struct {
	pid_t tgid; /* in the initial namespace, as current->tgid is */
	struct pid *pid;
	size_t nr_offset; /* in struct pid, of the number in the loader's pid namespace */
	pid_t nr; /* the process as the loader numbers it */
	struct task_struct *task; /* keeps the name readable when the process is gone */
} pf_target;

/**
 * pf_target_set() - choose the process to track
 * @nr: number of one of its threads in the pid namespace of the caller
 *
 * Context: process context, may sleep.
 * Return: 0, -EINVAL for a number that can't be one or a kernel thread, -ESRCH for no such process
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
		return -ESRCH;
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
		return -ESRCH;
	}
	if (pf_target.nr != nr)
		pr_info("%d is a thread of process %d: tracking the whole process\n", nr,
			pf_target.nr);

	pf_target.pid = pid;
	pf_target.nr_offset = offsetof(struct pid, numbers) + offsetof(struct upid, nr) +
			      task_active_pid_ns(current)->level * sizeof(struct upid);
	pf_target.task = task;
	pf_target.tgid = task->tgid;
	return 0;
}

static void pf_target_clear(void)
{
	put_task_struct(pf_target.task);
	put_pid(pf_target.pid);
}

/* Is the current task a thread of the target? */
static __always_inline bool pf_target_is_current(void)
{
	return current->tgid == pf_target.tgid && task_tgid(current) == pf_target.pid;
}

/* The current task's number in the loader's namespace; it has one there, as the target has. */
static __always_inline u32 pf_target_tid(void)
{
	return *(const int *)((const char *)task_pid(current) + pf_target.nr_offset);
}

/* No fault can come any more: every thread has given up its address space, late in its exit. */
static bool pf_target_exited(void)
{
	struct task_struct *leader, *thread;
	bool exited = true;

	rcu_read_lock();
	leader = pid_task(pf_target.pid, PIDTYPE_TGID);
	if (leader)
		for_each_thread(leader, thread)
			if (READ_ONCE(thread->mm))
				exited = false;
	rcu_read_unlock();
	return exited;
}

/* Room for a name of which every byte is escaped as \ooo. */
#define PF_COMM_MAX (4 * TASK_COMM_LEN)

/* The process's name, escaped as seq_path() does: no blanks, no control characters. */
static void pf_target_comm(char buf[PF_COMM_MAX])
{
	struct task_struct *leader;
	char comm[TASK_COMM_LEN];
	size_t len;

	rcu_read_lock();
	leader = pid_task(pf_target.pid, PIDTYPE_TGID);
	strscpy(comm, (leader ?: pf_target.task)->comm, sizeof(comm));
	rcu_read_unlock();
	len = string_escape_mem(comm, strlen(comm), buf, PF_COMM_MAX - 1, ESCAPE_OCTAL,
				"\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017"
				"\020\021\022\023\024\025\026\027\030\031\032\033\034\035\036\037"
				" \\\177");
	buf[min_t(size_t, len, PF_COMM_MAX - 1)] = '\0';
}

#endif /* PF_TARGET_H */
