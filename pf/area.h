/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * maps=: the areas of the traced processes' address spaces, as events between the faults.
 *
 * With them a reader knows the file of each instruction: the newest area that covers its address.
 * So the end of an area is no event: nothing executes where nothing is mapped.
 */
#ifndef PF_AREA_H
#define PF_AREA_H

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "build_id.h"
#include "compat.h"
#include "event.h"
#include "family.h"
#include "file_facts.h"
#include "map.h"
#include "target.h"

enum pf_areas { PF_AREAS_NONE, PF_AREAS_EXEC, PF_AREAS_ALL };

/* No task has this address space. */
#define PF_NO_MM ((struct mm_struct *)1)

/* What an area of which the order is not in doubt passes for pf_area.nr_spaces. */
#define PF_ANY_SPACE U32_MAX

static struct {
	enum pf_areas which;
	struct signal_struct *signal; /* the target, from the snapshot on */
	const struct mm_struct *mm; /* its address space, to compare; PF_NO_MM: none */
	u32 nr_spaces; /* how often it has got a new one; under pf_events_lock() */
	u64 nr_files_lost; /* areas whose file has no number; under pf_events_lock() */
} pf_area = {
	.mm = PF_NO_MM,
};

/*
 * Where executable areas are or were, of any process: a bit for each 2 MiB of addresses that are
 * the same modulo 8 GiB. Under pf_events_lock(), read without.
 */
#define PF_AREA_BLOCK_SHIFT 21
#define NR_PF_AREA_BLOCKS 4096

static DECLARE_BITMAP(pf_area_blocks, NR_PF_AREA_BLOCKS);

static const char *const pf_area_words[] = { "none", "exec", "all" };

/**
 * pf_area_tracks() - are changes of a task's address space to be recorded?
 * @task: the task
 *
 * Context: any.
 */
static __always_inline bool pf_area_tracks(const struct task_struct *task)
{
	if (pf_area.which == PF_AREAS_NONE)
		return false;
	return task->signal == READ_ONCE(pf_area.signal) ||
	       (pf_family.members && pf_family_has(task));
}

/**
 * pf_area_is_traced() - is the current task's address space that of a traced process?
 *
 * A process that shares it (vfork, CLONE_VM) can change it, even if it is not traced itself.
 *
 * Context: any.
 */
static __always_inline bool pf_area_is_traced(void)
{
	return pf_area_tracks(current) || current->mm == READ_ONCE(pf_area.mm);
}

/**
 * pf_area_pid() - the traced process for which pf_area_is_traced() is true
 *
 * Context: any.
 */
static u32 pf_area_pid(void)
{
	return pf_area_tracks(current) ? pf_target_nr_of(task_tgid(current)) : pf_target.nr;
}
NOKPROBE_SYMBOL(pf_area_pid);

/*
 * So many events are searched for one that says the same: enough for a JIT that makes pages
 * writable and executable in turn.
 */
#define PF_AREA_LOOK_BACK 64

/* Other areas have the offset 0, wherever they begin. */
static bool pf_area_has_offset(const struct pf_event *area)
{
	return area->file < PF_FILE_STACK || area->file == PF_FILE_UNKNOWN;
}
NOKPROBE_SYMBOL(pf_area_has_offset);

/*
 * Is this what the newest covering area in the table already says? With maps=exec, being writable
 * makes no difference. An area of another process counts if the two may share an address space:
 * then it is newer, and this one has to be recorded again. A part of an area is known if the whole
 * is: a JIT that makes its pages writable and executable one by one splits and merges areas.
 * Nothing before the newest fork or exec is searched. Under pf_events_lock().
 */
static bool pf_area_is_known(const struct pf_event *area)
{
	u32 nr = pf_events.nr, end = nr > PF_AREA_LOOK_BACK ? nr - PF_AREA_LOOK_BACK : 0;
	u32 ignored = pf_area.which == PF_AREAS_EXEC ? PF_PROT_WRITE : 0;

	end = max(end, pf_events.nr_spaces);
	while (nr-- > end) {
		const struct pf_event *event = &pf_events.events[nr];

		/* First, as most events differ in this; what has no addresses has names there. */
		if (event->start >= area->end || event->end <= area->start ||
		    event->kind != PF_EVENT_MAP || event->space != area->space)
			continue;
		return event->pid == area->pid && event->start <= area->start &&
		       event->end >= area->end && event->file == area->file &&
		       (!pf_area_has_offset(area) ||
			area->offset - area->start == event->offset - event->start) &&
		       !((event->prot ^ area->prot) & ~ignored);
	}
	return false;
}
NOKPROBE_SYMBOL(pf_area_is_known);

static void pf_area_note_blocks(u64 start, u64 end)
{
	u64 block = start >> PF_AREA_BLOCK_SHIFT, last = (end - 1) >> PF_AREA_BLOCK_SHIFT;

	for (last = min(last, block + NR_PF_AREA_BLOCKS - 1); block <= last; block++)
		set_bit(block % NR_PF_AREA_BLOCKS, pf_area_blocks);
}
NOKPROBE_SYMBOL(pf_area_note_blocks);

/*
 * Adds an area, and before the first one of its file, the file. @facts: of that file, or NULL.
 * @nr_spaces: pf_area.nr_spaces when the area was in the target, or PF_ANY_SPACE. Returns false if
 * the target has another address space now.
 */
static bool pf_area_add(const struct pf_event *area, const struct pf_file_facts *facts,
			u32 nr_spaces)
{
	struct pf_event file = { .kind = PF_EVENT_FILE, .pid = area->pid, .file = area->file };
	bool is_late;

	pf_events_lock();
	is_late = nr_spaces != PF_ANY_SPACE && nr_spaces != pf_area.nr_spaces;
	if (!is_late && !pf_area_is_known(area)) {
		if (area->prot & PF_PROT_EXEC)
			pf_area_note_blocks(area->start, area->end);
		if (facts && !pf_file_at(area->file)->facts.is_set) {
			pf_file_at(area->file)->facts = *facts;
			if (!pf_events_add(&file, PF_EVENTS_OF_AREAS))
				pf_file_at(area->file)->facts.is_set = false;
		}
		if (pf_events_add(area, PF_EVENTS_OF_AREAS) && area->file == PF_FILE_UNKNOWN)
			pf_area.nr_files_lost++;
	}
	pf_events_unlock();
	return !is_late;
}
NOKPROBE_SYMBOL(pf_area_add);

/* pf_event.file of an area without a file. */
static u32 pf_area_of_anon(struct vm_area_struct *vma)
{
	const struct mm_struct *mm = vma->vm_mm;
	u32 map = vma->vm_ops ? pf_map_of_special(vma) : 0;

	if (map == PF_MAP_UNKNOWN)
		pf_map_unlose();
	if (map)
		return pf_map_file(map);
	if (vma->vm_start <= mm->brk && vma->vm_end >= mm->start_brk)
		return PF_FILE_HEAP;
	if (vma->vm_start <= mm->start_stack && vma->vm_end >= mm->start_stack)
		return PF_FILE_STACK;
	return PF_FILE_ANON;
}
NOKPROBE_SYMBOL(pf_area_of_anon);

/* The file of an area, as in pf_event.file; reads its @facts if they may be needed. */
static u32 pf_area_file(struct vm_area_struct *vma, struct pf_file_facts *facts)
{
	u32 nr;

	facts->is_set = false;
	if (!vma->vm_file)
		return pf_area_of_anon(vma);
	nr = pf_map_file_of(vma->vm_file);
	if (nr == PF_FILE_UNKNOWN)
		pf_map_unlose();
	else if (!READ_ONCE(pf_file_at(nr)->facts.is_set))
		pf_file_facts_read(vma->vm_file, facts);
	return nr;
}
NOKPROBE_SYMBOL(pf_area_file);

/* Are areas with these flags recorded? */
static bool pf_area_is_wanted(unsigned long vm_flags)
{
	return pf_area.which == PF_AREAS_ALL || (vm_flags & VM_EXEC);
}
NOKPROBE_SYMBOL(pf_area_is_wanted);

/* Is the area at an address to be recorded? True if that is not certain. */
static bool pf_area_may_be_wanted(u64 address)
{
	return pf_area.which == PF_AREAS_ALL ||
	       test_bit((address >> PF_AREA_BLOCK_SHIFT) % NR_PF_AREA_BLOCKS, pf_area_blocks);
}
NOKPROBE_SYMBOL(pf_area_may_be_wanted);

/* Fills in an area except its range and offset. */
static void pf_area_describe(struct pf_event *area, struct vm_area_struct *vma, u32 pid,
			     struct pf_file_facts *facts)
{
	const unsigned long flags = vma->vm_flags;

	*area = (struct pf_event){
		.pid = pid,
		.kind = PF_EVENT_MAP,
		.prot = (flags & VM_READ ? PF_PROT_READ : 0) |
			(flags & VM_WRITE ? PF_PROT_WRITE : 0) |
			(flags & VM_EXEC ? PF_PROT_EXEC : 0) |
			(flags & VM_MAYSHARE ? PF_PROT_SHARED : 0),
		.file = pf_area_file(vma, facts),
		.space = hash_ptr(vma->vm_mm, 8),
	};
}
NOKPROBE_SYMBOL(pf_area_describe);

/**
 * pf_area_record() - record an area
 * @vma: the area, or that which it will be a copy of
 * @start: its first address
 * @end: the address after its last one
 * @pgoff: the page of the file at @start
 * @pid: the process
 * @nr_spaces: as for pf_area_add()
 *
 * Context: preemption off, no interrupt; @vma is kept by the lock of its address space.
 * Return: false if the target has another address space now, so that nothing was recorded
 */
static noinline notrace bool pf_area_record(struct vm_area_struct *vma, u64 start, u64 end,
					    u64 pgoff, u32 pid, u32 nr_spaces)
{
	struct pf_file_facts facts;
	struct pf_event area;

	if (!pf_area_is_wanted(vma->vm_flags))
		return true;
	pf_area_describe(&area, vma, pid, &facts);
	area.start = start;
	area.end = end;
	area.offset = vma->vm_file ? pgoff << PAGE_SHIFT : 0;
	return pf_area_add(&area, facts.is_set ? &facts : NULL, nr_spaces);
}
NOKPROBE_SYMBOL(pf_area_record);

/**
 * pf_area_miss() - count an area that could not be looked at
 *
 * Context: any but interrupts.
 */
static void pf_area_miss(void)
{
	pf_events_lock();
	pf_events_lose(PF_EVENTS_OF_AREAS);
	pf_events_unlock();
}
NOKPROBE_SYMBOL(pf_area_miss);

/**
 * pf_area_exec() - record that the current process has got an empty address space
 *
 * Context: any but interrupts.
 */
static void pf_area_exec(void)
{
	struct pf_event event = {
		.kind = PF_EVENT_SPACE,
		.pid = pf_target_nr_of(task_tgid(current)),
	};

	pf_events_lock();
	if (current->signal == READ_ONCE(pf_area.signal)) {
		WRITE_ONCE(pf_area.mm, current->mm);
		pf_area.nr_spaces++;
	}
	pf_events_add(&event, PF_EVENTS_OF_AREAS);
	pf_events_unlock();
}
NOKPROBE_SYMBOL(pf_area_exec);

/**
 * pf_area_nr_lost() - number of events about address spaces that are missing
 *
 * Context: any.
 */
static u64 pf_area_nr_lost(void)
{
	return pf_events_nr_lost(PF_EVENTS_OF_AREAS) + pf_events_nr_lost(PF_EVENTS_OF_NAMES);
}

/**
 * pf_area_parse() - read the value of maps=
 * @value: "exec", "all" or "none"
 *
 * Context: process context.
 * Return: 0, or -EINVAL after printing the cause
 */
static int pf_area_parse(const char *value)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(pf_area_words); i++) {
		if (sysfs_streq(value, pf_area_words[i])) {
			pf_area.which = i;
			return 0;
		}
	}
	pr_err("maps=%s: must be exec, all or none\n", value);
	return -EINVAL;
}

#endif /* PF_AREA_H */
