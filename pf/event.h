/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events between the faults: forks and execs (children=1), and changes of address spaces (maps=).
 *
 * One table in order of time. Its classes have shares of their own, so that a program with many
 * areas or threads cannot take the room of forks. It is filled from hooks and tracepoints, under
 * one raw lock; an event does not change once it is visible, so readers take no lock.
 */
#ifndef PF_EVENT_H
#define PF_EVENT_H

#include <linux/kprobes.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>

#include "fault.h"
#include "lock.h"

enum pf_event_kind {
	PF_EVENT_CHILD, /* a fork of a process */
	PF_EVENT_EXEC, /* an exec is complete */
	PF_EVENT_MAP, /* an area of an address space, new or changed */
	PF_EVENT_FILE, /* the first area of a file follows */
	PF_EVENT_SPACE, /* exec has given the process an empty address space */
	PF_EVENT_COMM, /* the name of a thread */
	PF_EVENT_EXIT, /* a process is exiting: it runs no more instructions of its own */
	PF_EVENT_LOST, /* the first event about address spaces that there was no room for */
};

/* Each class of events has room of its own. */
enum pf_event_class {
	PF_EVENTS_OF_FAMILY,
	PF_EVENTS_OF_AREAS,
	PF_EVENTS_OF_NAMES, /* of threads, and exits */
	NR_PF_EVENT_CLASS
};

/*
 * Room for events. A program takes dozens of faults to start and has two events of the family (fork
 * and exec), so the fault list is full first.
 */
#define PF_FAULTS_OF_FAMILY_EVENT 32UL
#define PF_FAULTS_OF_AREA_EVENT 8UL
#define PF_FAULTS_OF_NAME_EVENT 32UL
#define NR_PF_EVENTS_MIN 1024UL
#define NR_PF_EVENTS_STORE 65536UL /* minimum with cont_store: the list is never full */
#define NR_PF_EVENTS_MAX 1048576UL

/* Values of pf_event.file that are not the number of a file. */
#define PF_FILE_BITS 24
#define PF_FILE_ANON (BIT(PF_FILE_BITS) - 1)
#define PF_FILE_UNKNOWN (BIT(PF_FILE_BITS) - 2)
#define PF_FILE_HEAP (BIT(PF_FILE_BITS) - 3)
#define PF_FILE_STACK (BIT(PF_FILE_BITS) - 4)

/* pf_event.prot */
#define PF_PROT_READ 1
#define PF_PROT_WRITE 2
#define PF_PROT_EXEC 4
#define PF_PROT_SHARED 8

/**
 * struct pf_event - an event
 * @time_ns: CLOCK_MONOTONIC; ascending
 * @start: PF_EVENT_MAP: the first address of the area
 * @end: the address after its last one
 * @offset: of @start in the file, in bytes
 * @comm: PF_EVENT_CHILD, _EXEC, _COMM: the name from then on
 * @other: PF_EVENT_CHILD: the process that forked it; PF_EVENT_COMM: the thread
 * @pid: the process, in the loader's PID namespace
 * @kind: enum pf_event_kind
 * @prot: PF_EVENT_MAP: PF_PROT_*
 * @is_shared: PF_EVENT_CHILD: it uses its parent's address space
 * @file: PF_EVENT_MAP, _FILE: the file's number in map.h, or PF_FILE_*
 * @space: PF_EVENT_MAP: differs for most address spaces, see pf_area_is_known()
 */
struct pf_event {
	u64 time_ns;
	union {
		struct {
			u64 start;
			u64 end;
			u64 offset;
		};
		struct {
			char comm[TASK_COMM_LEN];
			u32 other;
		};
	};
	u32 pid : PF_PID_BITS;
	u32 kind : 3;
	u32 prot : 4;
	u32 is_shared : 1;
	u32 file : PF_FILE_BITS;
	u32 space : 8;
};

static_assert(sizeof(struct pf_event) == 40);

static struct {
	struct pf_event *events; /* and one more than the classes have room for, for PF_EVENT_LOST */
	u32 max[NR_PF_EVENT_CLASS];
	raw_spinlock_t lock ____cacheline_aligned_in_smp; /* all below; never in an interrupt */
	u32 nr;
	u32 nr_spaces; /* number of events up to the newest that begins an address space */
	u32 nr_of[NR_PF_EVENT_CLASS];
	u64 nr_lost[NR_PF_EVENT_CLASS];
	bool has_lost; /* there is a PF_EVENT_LOST */
} pf_events = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_events.lock),
};

static void pf_events_lock(void)
	__acquires(&pf_events.lock)
{
	preempt_disable_notrace();
	pf_lock(&pf_events.lock);
}
NOKPROBE_SYMBOL(pf_events_lock);

static void pf_events_unlock(void)
	__releases(&pf_events.lock)
{
	raw_spin_unlock(&pf_events.lock);
	preempt_enable_notrace();
}
NOKPROBE_SYMBOL(pf_events_unlock);

static void pf_events_append(const struct pf_event *event)
{
	struct pf_event *place = &pf_events.events[pf_events.nr];

	*place = *event;
	place->time_ns = ktime_get_mono_fast_ns();
	if (event->kind == PF_EVENT_CHILD || event->kind == PF_EVENT_SPACE)
		pf_events.nr_spaces = pf_events.nr + 1;
	smp_store_release(&pf_events.nr, pf_events.nr + 1);
}
NOKPROBE_SYMBOL(pf_events_append);

/**
 * pf_events_lose() - count an event as lost; the first that concerns an area is an event itself
 * @class: its class
 *
 * Context: under pf_events_lock().
 */
static void pf_events_lose(enum pf_event_class class)
{
	lockdep_assert_held(&pf_events.lock);

	if (class == PF_EVENTS_OF_AREAS && !pf_events.has_lost && pf_events.max[class]) {
		pf_events.has_lost = true;
		pf_events_append(&(struct pf_event){ .kind = PF_EVENT_LOST });
	}
	WRITE_ONCE(pf_events.nr_lost[class], pf_events.nr_lost[class] + 1);
}
NOKPROBE_SYMBOL(pf_events_lose);

/**
 * pf_events_add() - add an event, or count it as lost
 * @event: the event; its time is set here
 * @class: whose room it takes
 *
 * Context: under pf_events_lock().
 * Return: false if there is no room
 */
static bool pf_events_add(const struct pf_event *event, enum pf_event_class class)
{
	lockdep_assert_held(&pf_events.lock);

	if (pf_events.nr_of[class] < pf_events.max[class]) {
		pf_events.nr_of[class]++;
		pf_events_append(event);
		return true;
	}
	pf_events_lose(class);
	return false;
}
NOKPROBE_SYMBOL(pf_events_add);

/**
 * pf_events_push() - like pf_events_add(), without the lock
 * @event: the event
 * @class: whose room it takes
 *
 * Context: any but interrupts.
 */
static void pf_events_push(const struct pf_event *event, enum pf_event_class class)
{
	pf_events_lock();
	pf_events_add(event, class);
	pf_events_unlock();
}
NOKPROBE_SYMBOL(pf_events_push);

/**
 * pf_events_get() - look up an event
 * @nr: number of the event, from 0
 * @horizon_ns: CLOCK_MONOTONIC in ns
 *
 * Context: any.
 * Return: the event; NULL if there is none yet or it is later than @horizon_ns
 */
static const struct pf_event *pf_events_get(u32 nr, u64 horizon_ns)
{
	if (nr >= smp_load_acquire(&pf_events.nr) || pf_events.events[nr].time_ns > horizon_ns)
		return NULL;
	return &pf_events.events[nr];
}

/**
 * pf_events_nr_lost() - number of events of a class that there was no room for
 * @class: the class
 *
 * Context: any.
 */
static u64 pf_events_nr_lost(enum pf_event_class class)
{
	return READ_ONCE(pf_events.nr_lost[class]);
}

/**
 * pf_events_free() - free the table, once nothing adds events
 *
 * Context: process context, may sleep.
 */
static void pf_events_free(void)
{
	kvfree(pf_events.events);
	pf_events.events = NULL;
}

/* The room of a class of which there is one event in @nr faults. */
static u32 pf_events_room(unsigned long max_faults, unsigned long nr, bool cont_store)
{
	return clamp(max_faults / nr, cont_store ? NR_PF_EVENTS_STORE : NR_PF_EVENTS_MIN,
		     NR_PF_EVENTS_MAX);
}

/**
 * pf_events_init() - allocate the table
 * @max_faults: capacity of the fault list in records
 * @cont_store: the list overwrites the oldest records when it is full
 * @children: with room for forks and execs
 * @areas: with room for changes of address spaces
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM after printing the cause
 */
static int pf_events_init(unsigned long max_faults, bool cont_store, bool children, bool areas)
{
	u32 *max = pf_events.max, nr;

	if (children)
		max[PF_EVENTS_OF_FAMILY] =
			pf_events_room(max_faults, PF_FAULTS_OF_FAMILY_EVENT, cont_store);
	if (areas) {
		max[PF_EVENTS_OF_AREAS] =
			pf_events_room(max_faults, PF_FAULTS_OF_AREA_EVENT, cont_store);
		max[PF_EVENTS_OF_NAMES] =
			pf_events_room(max_faults, PF_FAULTS_OF_NAME_EVENT, cont_store);
	}
	nr = 1 + max[PF_EVENTS_OF_FAMILY] + max[PF_EVENTS_OF_AREAS] + max[PF_EVENTS_OF_NAMES];
	pf_events.events = kvcalloc(nr, sizeof(*pf_events.events), GFP_KERNEL);
	if (pf_events.events)
		return 0;
	pr_err("no memory for forks, execs and areas\n");
	return -ENOMEM;
}

#endif /* PF_EVENT_H */
