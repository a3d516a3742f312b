/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recording a fault in the list. The words are explained in fault_list.h.
 *
 * A push takes no lock while the CPU's chunk has room:
 *
 *	chunk = pf_list_chunk();
 *	if (!pf_list_has_room(chunk))
 *		chunk = pf_list_drop_if_full() ? NULL : pf_list_room();
 *	if (chunk)
 *		write to chunk->faults[chunk->nr], then pf_list_publish(chunk, chunk->nr)
 */
#ifndef PF_LIST_PUSH_H
#define PF_LIST_PUSH_H

#ifdef __KERNEL__

#include <linux/compiler.h>
#include <linux/kprobes.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

#endif /* __KERNEL__ */

#include "fault_list.h"
#include "list_recycle.h"
#include "lock.h"

/*
 * Revokes all promises that are not used yet. Afterwards no limit is above the number of records
 * that were seen here; but a CPU that is just writing a record may not see its lower limit in time,
 * and exceed it by one, see pf_list_settle().
 */
static void pf_list_revoke(void)
{
	unsigned int cpu;

	lockdep_assert_held(&pf_list.lock);

	for_each_possible_cpu(cpu) {
		struct pf_chunk *chunk = READ_ONCE(per_cpu(pf_lane, cpu).chunk);

		for (; chunk; chunk = chunk->next) {
			u32 nr = READ_ONCE(chunk->nr);

			if (nr < chunk->limit) {
				pf_list.budget += chunk->limit - nr;
				WRITE_ONCE(chunk->limit, nr);
			}
		}
	}
}

/* Raises @chunk's limit by @nr, or as far as the budget goes. Returns false if it is used up. */
static bool pf_list_promise(struct pf_chunk *chunk, u32 nr)
{
	lockdep_assert_held(&pf_list.lock);

	if (!pf_list.cont_store) {
		if (pf_list.budget <= 0)
			return false;
		nr = min_t(long, pf_list.budget, nr);
		pf_list.budget -= nr;
	}
	WRITE_ONCE(chunk->limit, chunk->limit + nr);
	return true;
}

/* Settles the lane: afterwards none of its chunks has more records than its limit. */
static void pf_list_settle(struct pf_lane *lane)
{
	struct pf_chunk *chunk;

	lockdep_assert_held(&pf_list.lock);

	if (pf_list.cont_store)
		return;
	for (chunk = lane->unsettled ?: lane->oldest; chunk; chunk = chunk->next) {
		if (chunk->nr > chunk->limit) {
			pf_list.budget -= chunk->nr - chunk->limit;
			WRITE_ONCE(chunk->limit, chunk->nr);
		}
	}
	if (lane->oldest)
		lane->unsettled = lane->chunk;
}

/* Appends an empty chunk to this CPU's lane; @last is the lane's last one so far. */
static void pf_list_link(struct pf_lane *lane, struct pf_chunk *last, struct pf_chunk *chunk)
{
	lockdep_assert_held(&pf_list.lock);

	chunk->cpu = smp_processor_id();
	chunk->base = last == &pf_no_chunk ? 0 : last->base + pf_list.chunk_faults;
	chunk->limit = 0;
	chunk->next = NULL;
	if (pf_list.cont_store)
		pf_list_age(chunk);
	if (lane->oldest)
		WRITE_ONCE(last->next, chunk);
	else
		WRITE_ONCE(lane->oldest, chunk);
}

/* Takes chunks for a lane whose last one is full. Returns the first, NULL if there is none. */
static struct pf_chunk *pf_list_take(struct pf_lane *lane)
{
	struct pf_chunk *filled = lane->chunk, *last = filled, *first = NULL;
	u32 left;

	lockdep_assert_held(&pf_list.lock);

	pf_list.nr_retired += filled->nr;
	for (left = pf_list.batch; left && (pf_list.cont_store || pf_list.budget > 0); left--) {
		struct pf_chunk *chunk = pf_list_empty_chunk();

		if (!chunk)
			break;
		pf_list_link(lane, last, chunk);
		pf_list_promise(chunk, pf_list.chunk_faults);
		first = first ?: chunk;
		last = chunk;
	}
	return first;
}

/**
 * pf_list_drop_if_full() - drop a fault without the lock, once the list is full for good
 *
 * Context: preemption off.
 * Return: true if the list is full, after counting the fault as dropped
 */
static __always_inline bool pf_list_drop_if_full(void)
{
	if (!READ_ONCE(pf_list.full))
		return false;
	this_cpu_inc(pf_lane.nr_dropped);
	return true;
}

/* Like pf_list_room(), under the lock. */
static struct pf_chunk *pf_list_room_locked(struct pf_lane *lane)
{
	struct pf_chunk *chunk = lane->chunk;

	lockdep_assert_held(&pf_list.lock);

	pf_list_settle(lane);
	if (!pf_list.cont_store && pf_list.budget <= 0)
		pf_list_revoke();
	if (chunk == &pf_no_chunk || chunk->nr == pf_list.chunk_faults) {
		struct pf_chunk *filled = chunk;

		chunk = filled->next ?: pf_list_take(lane);
		if (!chunk)
			return NULL;
		WRITE_ONCE(lane->chunk, chunk);
		if (filled->is_aside)
			pf_list_put_back(filled);
	}
	if (chunk->nr < chunk->limit || pf_list_promise(chunk, pf_list.chunk_faults - chunk->nr))
		return chunk;
	return NULL;
}

/**
 * pf_list_room() - find room for a record when this CPU's chunk is full
 *
 * Call it if pf_list_drop_if_full() has returned false.
 *
 * Context: preemption off; takes the list's raw spinlock if the lane has no chunk in reserve.
 * Return: a chunk with room, or NULL after counting the fault as dropped, if the list is full
 */
static notrace struct pf_chunk *pf_list_room(void)
{
	struct pf_lane *lane = this_cpu_ptr(&pf_lane);
	struct pf_chunk *chunk = lane->chunk, *next = data_race(chunk->next);

	/* Only this CPU sets next; a limit that is lowered meanwhile is seen later. */
	if (next && chunk->nr == pf_list.chunk_faults && data_race(next->limit)) {
		WRITE_ONCE(lane->chunk, next);
		return next;
	}

	pf_lock(&pf_list.lock);
	chunk = pf_list_room_locked(lane);
	if (!chunk && !pf_list.cont_store && pf_list.budget <= 0)
		WRITE_ONCE(pf_list.full, true);
	raw_spin_unlock(&pf_list.lock);
	if (!chunk)
		this_cpu_inc(pf_lane.nr_dropped);
	return chunk;
}
NOKPROBE_SYMBOL(pf_list_room);

/**
 * pf_list_chunk() - the chunk that this CPU fills
 *
 * If pf_list_has_room(), write a record to faults[nr]. If not, call pf_list_drop_if_full() and,
 * if that returns false, pf_list_room().
 *
 * Context: preemption off, until after pf_list_publish().
 * Return: the chunk; pf_no_chunk, which has no room, if the CPU has none yet
 */
static __always_inline struct pf_chunk *pf_list_chunk(void)
{
	return this_cpu_read(pf_lane.chunk);
}

/**
 * pf_list_has_room() - may this CPU write another record to its chunk?
 * @chunk: the result of pf_list_chunk()
 *
 * May miss that the limit is being lowered: see pf_list_revoke().
 *
 * Context: preemption off.
 */
static __always_inline bool pf_list_has_room(const struct pf_chunk *chunk)
{
	return chunk->nr < data_race(chunk->limit);
}

/**
 * pf_list_publish() - make a record visible to readers
 * @chunk: the chunk that this CPU fills
 * @nr: @chunk->nr; the record is @chunk->faults[@nr], with its struct pf_extra if there is one
 *
 * Context: preemption off since before the fault's time was read, as pf_cursor_extend() requires.
 */
static __always_inline void pf_list_publish(struct pf_chunk *chunk, u32 nr)
{
	smp_store_release(&chunk->nr, nr + 1);
}

#endif /* PF_LIST_PUSH_H */
