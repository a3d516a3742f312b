/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * maps=: the names of threads and the ends of processes, as events between the faults.
 */
#ifndef PF_AREA_NAMES_H
#define PF_AREA_NAMES_H

#include <linux/kprobes.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "area.h"
#include "event.h"
#include "target.h"

/*
 * Is this name or exit already in the table? The last threads of a process may each find that all
 * have exited. Under pf_events_lock().
 */
static bool pf_area_is_repeated(const struct pf_event *news)
{
	u32 nr = pf_events.nr, end = nr > PF_AREA_LOOK_BACK ? nr - PF_AREA_LOOK_BACK : 0;

	while (nr-- > end) {
		const struct pf_event *event = &pf_events.events[nr];

		if (event->pid != news->pid)
			continue;
		if (event->kind == PF_EVENT_CHILD)
			return false;
		if (event->kind == news->kind && event->other == news->other)
			return !memcmp(event->comm, news->comm, sizeof(event->comm));
	}
	return false;
}

static void pf_area_add_once(const struct pf_event *event)
{
	pf_events_lock();
	if (!pf_area_is_repeated(event))
		pf_events_add(event, PF_EVENTS_OF_NAMES);
	pf_events_unlock();
}

/*
 * How many events may be searched at load, in all: a fraction of a second. The target chooses how
 * many threads it has, and whether they get names meanwhile.
 */
#define PF_AREA_NAME_STEPS (1ULL << 26)

/* A hook has recorded the name of a thread. */
static bool pf_area_has_renamed;

/* The name of a thread as an event. Returns false if the thread has been released. */
static bool pf_area_name(struct task_struct *task, const char *comm, struct pf_event *event)
{
	struct pid *pid, *tgid;

	*event = (struct pf_event){ .kind = PF_EVENT_COMM };
	rcu_read_lock();
	pid = READ_ONCE(task->thread_pid);
	tgid = task_tgid(task);
	if (pid && tgid) {
		event->pid = pf_target_nr_of(tgid);
		event->other = pf_target_nr_of(pid);
		strscpy_pad(event->comm, comm, sizeof(event->comm));
	}
	rcu_read_unlock();
	return pid && tgid;
}

/**
 * pf_area_comm() - record the name of a thread
 * @task: the thread; it may have been released, then nothing is recorded
 * @comm: its name
 *
 * Context: any but interrupts.
 */
static void pf_area_comm(struct task_struct *task, const char *comm)
{
	struct pf_event event;

	WRITE_ONCE(pf_area_has_renamed, true);
	if (pf_area_name(task, comm, &event))
		pf_area_add_once(&event);
}

/* Has a hook recorded a name of this thread? Under pf_events_lock(). */
static bool pf_area_is_renamed(u32 tid)
{
	u32 i;

	for (i = 0; i < pf_events.nr; i++)
		if (pf_events.events[i].kind == PF_EVENT_COMM && pf_events.events[i].other == tid)
			return true;
	return false;
}

/*
 * Records the name that a thread has had, unless its new one has been recorded. @nr_steps: events
 * that were searched for that so far; beyond the limit, the name is lost.
 */
static void pf_area_old_comm(struct task_struct *task, const char *comm, u64 *nr_steps)
{
	struct pf_event event;

	if (!pf_area_name(task, comm, &event))
		return;
	pf_events_lock();
	if (READ_ONCE(pf_area_has_renamed))
		*nr_steps += pf_events.nr;
	if (*nr_steps > PF_AREA_NAME_STEPS)
		pf_events_lose(PF_EVENTS_OF_NAMES);
	else if (!pf_area_has_renamed || !pf_area_is_renamed(event.other))
		pf_events_add(&event, PF_EVENTS_OF_NAMES);
	pf_events_unlock();
}

/**
 * pf_area_exit() - record that the last thread of the current process is exiting
 *
 * Context: any but interrupts.
 */
static void pf_area_exit(void)
{
	struct pf_event event = {
		.kind = PF_EVENT_EXIT,
		.pid = pf_target_nr_of(task_tgid(current)),
	};

	if (current->signal == READ_ONCE(pf_area.signal))
		WRITE_ONCE(pf_area.mm, PF_NO_MM);
	pf_area_add_once(&event);
}

/* Names the threads of the target. */
static void pf_area_name_threads(void)
{
	struct task_struct *leader, *thread;
	char comm[TASK_COMM_LEN];
	u64 nr_steps = 0;

	rcu_read_lock();
	leader = pid_task(pf_target.pid, PIDTYPE_TGID);
	if (leader) {
		for_each_thread(leader, thread) {
			get_task_comm(comm, thread);
			pf_area_old_comm(thread, comm, &nr_steps);
		}
	}
	rcu_read_unlock();
}

#endif /* PF_AREA_NAMES_H */
