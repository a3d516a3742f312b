/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the fault list: all lanes, merged by time.
 */
#ifndef PF_CURSOR_H
#define PF_CURSOR_H

#ifdef __KERNEL__

#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/timekeeping.h>

#endif /* __KERNEL__ */

#include "fault_list.h"
#include "merge.h"

/* A cursor's position in one lane. */
struct pf_position {
	struct pf_chunk *chunk;
	u32 gen; /* chunk->gen when the cursor came to it */
	u32 nr; /* records of the chunk already read */
	u64 base; /* chunk->base when the cursor came to it */
};

/**
 * struct pf_cursor - one reader's position in the list
 * @fault: the record read last
 * @extra: its struct pf_extra, all 0 if it has none
 * @cpu: its CPU, whose lane is being read
 * @horizon_ns: read only records made up to this time
 * @nr_overwritten: records that were overwritten before this cursor read them
 * @run_ns: up to this time, no other lane has a record
 * @run: the next record of the lane
 * @run_end: end of the lane's records in @run_chunk that were visible when the run began
 * @run_chunk: the chunk being read, NULL if there is no run
 * @run_gen: @run_chunk->gen when the run began
 * @merge: lanes with records up to the horizon; during a run, that of @cpu is first
 * @positions: by CPU number; that of @cpu is updated when the run ends
 *
 * A run is a sequence of records of one lane during which no other lane has any. A cursor can be
 * used by one thread at a time, but there can be any number of cursors.
 */
struct pf_cursor {
	struct pf_fault fault;
	struct pf_extra extra;
	unsigned int cpu;
	u64 horizon_ns;
	u64 nr_overwritten;
	u64 run_ns;
	const struct pf_fault *run;
	const struct pf_fault *run_end;
	struct pf_chunk *run_chunk;
	u32 run_gen;
	struct pf_merge merge;
	struct pf_position positions[];
};

/* The heap of @merge follows @positions. */
static size_t pf_cursor_bytes(void)
{
	return struct_size((struct pf_cursor *)NULL, positions, nr_cpu_ids) +
	       nr_cpu_ids * sizeof(struct pf_next);
}

/**
 * pf_cursor_rewind() - move a cursor before the first record
 * @cursor: the cursor, in any state
 *
 * It has no horizon then: call pf_cursor_extend() before pf_cursor_next().
 *
 * Context: any.
 */
static void pf_cursor_rewind(struct pf_cursor *cursor)
{
	memset(cursor, 0, pf_cursor_bytes());
	cursor->merge.heap = (struct pf_next *)&cursor->positions[nr_cpu_ids];
}

/**
 * pf_cursor_new() - allocate a cursor before the first record
 *
 * Context: process context, may sleep.
 * Return: the cursor, to be freed with kvfree(); NULL if there is no memory
 */
static struct pf_cursor *pf_cursor_new(void)
{
	struct pf_cursor *cursor = kvmalloc(pf_cursor_bytes(), GFP_KERNEL);

	if (cursor)
		pf_cursor_rewind(cursor);
	return cursor;
}

/* Moves on to the lane's next chunk. Returns false if there is none. */
static bool pf_cursor_next_chunk(struct pf_cursor *cursor, unsigned int cpu)
{
	struct pf_position *pos = &cursor->positions[cpu];
	struct pf_lane *lane = &per_cpu(pf_lane, cpu);
	struct pf_chunk *chunk = pos->chunk;

	/* Mostly there is none, which can be seen without the lock: lanes fill chunks in order. */
	if (!chunk ? !READ_ONCE(lane->oldest) :
		     READ_ONCE(chunk->gen) == pos->gen &&
			     (pos->nr < pf_list.chunk_faults || !READ_ONCE(chunk->next)))
		return false;

	raw_spin_lock(&pf_list.lock);
	if (!chunk || chunk->gen != pos->gen)
		chunk = lane->oldest;
	else if (pos->nr == pf_list.chunk_faults)
		chunk = chunk->next;
	if (chunk && (chunk != pos->chunk || chunk->gen != pos->gen)) {
		cursor->nr_overwritten += chunk->base - (pos->base + pos->nr);
		pos->chunk = chunk;
		pos->gen = chunk->gen;
		pos->base = chunk->base;
		pos->nr = 0;
	}
	raw_spin_unlock(&pf_list.lock);
	return chunk;
}

/* When the lane's next record was made. Returns false if there is none up to the horizon. */
static bool pf_cursor_peek(struct pf_cursor *cursor, unsigned int cpu, u64 *made_ns)
{
	struct pf_position *pos = &cursor->positions[cpu];

	for (;;) {
		struct pf_chunk *chunk = pos->chunk;

		if (chunk && pos->nr < smp_load_acquire(&chunk->nr)) {
			/* If the record is being overwritten, gen has changed before. */
			*made_ns = data_race(chunk->faults[pos->nr].time_ns);
			if (pf_list.has_extra)
				*made_ns += data_race((u64)pf_chunk_extras(chunk)[pos->nr].latency_ns);
			smp_rmb(); /* pairs with pf_list_recycle() */
			if (likely(READ_ONCE(chunk->gen) == pos->gen))
				return *made_ns <= cursor->horizon_ns;
		}
		if (!pf_cursor_next_chunk(cursor, cpu))
			return false;
	}
}

/*
 * Ends the run: sorts its lane into the heap by its next record, or removes it until the next
 * pf_cursor_extend() if it has none.
 */
static void pf_cursor_end_run(struct pf_cursor *cursor)
{
	u64 made_ns;

	if (!cursor->run_chunk)
		return;
	cursor->positions[cursor->cpu].nr = cursor->run - cursor->run_chunk->faults;
	cursor->run_chunk = NULL;
	cursor->run = NULL;
	cursor->run_end = NULL;
	if (pf_cursor_peek(cursor, cursor->cpu, &made_ns))
		pf_merge_move_first(&cursor->merge, made_ns);
	else
		pf_merge_drop_first(&cursor->merge);
}

/* Lets the cursor read records made up to @horizon_ns that are visible after a grace period. */
static void pf_cursor_extend_to(struct pf_cursor *cursor, u64 horizon_ns)
{
	unsigned int cpu;
	u64 made_ns;

	synchronize_rcu();
	pf_cursor_end_run(cursor);
	cursor->horizon_ns = horizon_ns;
	cursor->merge.nr = 0;
	for_each_possible_cpu(cpu)
		if (pf_cursor_peek(cursor, cpu, &made_ns))
			pf_merge_add(&cursor->merge, (struct pf_next){ made_ns, cpu });
}

/**
 * pf_cursor_extend() - let a cursor read all that has been recorded so far
 * @cursor: the cursor
 *
 * A push runs with preemption off from before it reads the clock until its record is visible. So
 * after an RCU grace period every record up to the time read here is visible, and no older one will
 * follow. The exception: while the clock is being adjusted, two CPUs may read
 * ktime_get_mono_fast_ns() some ns apart. A record that is late by that much is returned after the
 * next pf_cursor_extend(), out of order; none is lost.
 *
 * Context: process context, sleeps for a grace period.
 */
static void pf_cursor_extend(struct pf_cursor *cursor)
{
	pf_cursor_extend_to(cursor, ktime_get_mono_fast_ns());
}

/**
 * pf_cursor_extend_to_end() - like pf_cursor_extend(), once recording has ended
 * @cursor: the cursor
 *
 * Also reads the last records of a CPU whose clock is ahead, as no other call will follow.
 *
 * Context: process context, sleeps for a grace period.
 */
static void pf_cursor_extend_to_end(struct pf_cursor *cursor)
{
	pf_cursor_extend_to(cursor, U64_MAX);
}

/* Has the lane any record that the cursor has not read, before or after the horizon? */
static bool pf_cursor_lane_has_more(const struct pf_cursor *cursor, unsigned int cpu)
{
	const struct pf_position *pos = &cursor->positions[cpu];
	const struct pf_chunk *current_chunk = READ_ONCE(per_cpu(pf_lane, cpu).chunk);

	if (!pos->chunk)
		return current_chunk != &pf_no_chunk;
	if (READ_ONCE(pos->chunk->gen) != pos->gen || READ_ONCE(pos->chunk->nr) > pos->nr)
		return true;
	return pos->nr == pf_list.chunk_faults && current_chunk != pos->chunk;
}

/**
 * pf_cursor_has_more() - has anything been recorded that the cursor has not read?
 * @cursor: the cursor, after pf_cursor_next() has returned false
 *
 * Takes no lock. Checks the lane that the cursor read last first, as it is the most likely to have
 * more, and stops at the first lane that has.
 */
static bool pf_cursor_has_more(const struct pf_cursor *cursor)
{
	unsigned int cpu;

	if (pf_cursor_lane_has_more(cursor, cursor->cpu))
		return true;
	for_each_possible_cpu(cpu)
		if (pf_cursor_lane_has_more(cursor, cpu))
			return true;
	return false;
}

/**
 * pf_cursor_made_ns() - when the record read last was made
 * @cursor: the cursor
 *
 * Return: CLOCK_MONOTONIC in ns: the time at which the fault ended, or with outcome=0, was entered
 */
static inline u64 pf_cursor_made_ns(const struct pf_cursor *cursor)
{
	return cursor->fault.time_ns + cursor->extra.latency_ns;
}

/* Starts a run in the lane whose record is next in time. */
static noinline bool pf_cursor_begin_run(struct pf_cursor *cursor)
{
	struct pf_position *pos;

	pf_cursor_end_run(cursor);
	if (!cursor->merge.nr)
		return false;
	cursor->cpu = cursor->merge.heap[0].lane;
	pos = &cursor->positions[cursor->cpu];
	cursor->run_ns = pf_merge_second_ns(&cursor->merge, cursor->horizon_ns);
	cursor->run = pos->chunk->faults + pos->nr;
	cursor->run_end = pos->chunk->faults + smp_load_acquire(&pos->chunk->nr);
	cursor->run_chunk = pos->chunk;
	cursor->run_gen = pos->gen;
	return true;
}

/**
 * pf_cursor_next_of() - like pf_cursor_next(), for callers that know whether there are extras
 * @cursor: the cursor
 * @has_extra: pf_list.has_extra; if it is constant, it is not tested for each record
 *
 * Context: process context; takes the list's lock once per chunk.
 * Return: false if there is no more record up to the horizon
 */
static __always_inline bool pf_cursor_next_of(struct pf_cursor *cursor, bool has_extra)
{
	for (;;) {
		const struct pf_fault *from = cursor->run;

		/* Faults come in runs on one CPU: check other lanes only when the run ends. */
		if (likely(from < cursor->run_end)) {
			struct pf_chunk *chunk = cursor->run_chunk;
			/* If the record is being overwritten, gen has changed before. */
			u64 made_ns = data_race(from->time_ns);

			data_race(cursor->fault = *from);
			if (has_extra) {
				data_race(cursor->extra =
						  pf_chunk_extras(chunk)[from - chunk->faults]);
				made_ns += cursor->extra.latency_ns;
			}
			smp_rmb(); /* pairs with pf_list_recycle() */
			if (likely(made_ns <= cursor->run_ns &&
				   READ_ONCE(chunk->gen) == cursor->run_gen)) {
				cursor->run = from + 1;
				return true;
			}
		}
		if (!pf_cursor_begin_run(cursor))
			return false;
	}
}

/**
 * pf_cursor_next() - read the next record in time order
 * @cursor: the cursor; sets @fault, @extra and @cpu
 *
 * Context: process context; takes the list's lock once per chunk.
 * Return: false if there is no more record up to the horizon
 */
static inline bool pf_cursor_next(struct pf_cursor *cursor)
{
	return pf_cursor_next_of(cursor, pf_list.has_extra);
}

#endif /* PF_CURSOR_H */
