/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fault list: one global, bounded list of all faults, made of fixed-size chunks.
 *
 * A CPU takes an empty chunk under a raw spinlock and then fills it alone: who pushes has
 * preemption off, so a push is a few plain stores and one release of the chunk's count; no atomic,
 * and no cache line that another CPU writes, but for the head of a chunk when others need what was
 * promised to it, or take the next one (once a chunk). A CPU's chunks are chained in the order it
 * took them: its lane. A reader walks all lanes with a cursor and merges them by the time at which
 * the records were made: with outcomes, when the fault completed, else when it was entered.
 *
 * All memory is taken by pf_list_init(). When it is used up, either new faults are dropped, or
 * the oldest chunk is emptied and used again (cont_store); both are counted.
 */
#ifndef PF_FAULT_LIST_H
#define PF_FAULT_LIST_H

#include <linux/kprobes.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>

#include "fault.h"
#include "lock.h"
#include "merge.h"

#define PF_CHUNK_BYTES 4096

/**
 * struct pf_chunk - the piece of the list that one CPU fills
 * @nr: records written; stored with release by the owner, loaded with acquire by readers
 * @limit: the owner may write up to here; others may lower it when memory runs out
 * @gen: changes when the chunk is emptied for another use
 * @cpu: the owner
 * @base: how many records the owner's lane had before this chunk
 * @next: the lane's next chunk
 * @younger: the next chunk in the order of taking, over all lanes
 * @faults: the records; they begin a cache line, so that none lies in two
 */
struct pf_chunk {
	u32 nr;
	u32 limit;
	u32 gen;
	u32 cpu;
	u64 base;
	struct pf_chunk *next;
	struct pf_chunk *younger;
	struct pf_fault faults[] __aligned(64);
};

static_assert(sizeof(struct pf_chunk) == 64);

/* How many records a chunk has room for, alone and each with its struct pf_extra. */
#define PF_CHUNK_FAULTS_OF(bytes) ((u32)((PF_CHUNK_BYTES - sizeof(struct pf_chunk)) / (bytes)))
#define PF_CHUNK_FAULTS PF_CHUNK_FAULTS_OF(sizeof(struct pf_fault))
#define PF_CHUNK_FAULTS_EXTRA \
	PF_CHUNK_FAULTS_OF(sizeof(struct pf_fault) + sizeof(struct pf_extra))

/**
 * struct pf_lane - what a CPU has of the list
 * @chunk: the one it fills; pf_no_chunk at first, so that a push needs no test for NULL
 * @oldest: the first of its chain, NULL if it has none yet
 * @nr_dropped: faults lost because the list was full
 */
struct pf_lane {
	struct pf_chunk *chunk;
	struct pf_chunk *oldest;
	u64 nr_dropped;
};

static DEFINE_PER_CPU(struct pf_lane, pf_lane);
static struct pf_chunk pf_no_chunk;

/* The chunks that lie in the memory of one NUMA node. */
struct pf_node {
	unsigned long next; /* of chunks[]: the first that was never in use ... */
	unsigned long end; /* ... and where the next node's begin */
};

static struct {
	raw_spinlock_t lock; /* all below, and every chunk's links, base and gen */
	struct pf_chunk **chunks; /* all there are, node by node */
	unsigned long nr_chunks;
	struct pf_node nodes[MAX_NUMNODES];
	struct pf_chunk *oldest, *youngest; /* by ->younger */
	struct pf_chunk *spare; /* emptied, not in use, by ->younger */
	unsigned long max_faults;
	u32 chunk_faults; /* records in a chunk */
	bool has_extra;
	bool cont_store;
	bool full; /* nothing left, and not cont_store */
	long budget; /* records not yet promised to any chunk; unused if cont_store */
	unsigned long nr_retired; /* records in chunks that their CPU is done with */
	u64 nr_overwritten;
} pf_list = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_list.lock),
};

/* What the chunk's records have beside them, if pf_list.has_extra: an array behind theirs. */
static __always_inline struct pf_extra *pf_chunk_extras(struct pf_chunk *chunk)
{
	return (struct pf_extra *)&chunk->faults[PF_CHUNK_FAULTS_EXTRA];
}

static void pf_list_free(void)
{
	unsigned long i;

	for (i = 0; i < pf_list.nr_chunks; i++) {
		kfree(pf_list.chunks[i]);
		cond_resched();
	}
	kvfree(pf_list.chunks);
}

/* What the list may take of the memory that is left: not what the machine needs to go on. */
static unsigned long pf_list_memory_max(void)
{
	unsigned long available = si_mem_available();
	unsigned long reserve = max(totalram_pages() / 16, 16384UL * 4096 / PAGE_SIZE);

	return available > reserve ? (available - reserve) << PAGE_SHIFT : 0;
}

/* Takes @nr chunks of a node's memory, or of another's if that has none. */
static int pf_list_take_memory(int nid, unsigned long nr)
{
	pf_list.nodes[nid].next = pf_list.nr_chunks;
	for (; nr; nr--) {
		/* NORETRY: rather no list than somebody's process killed for it. */
		struct pf_chunk *chunk = kzalloc_node(
			PF_CHUNK_BYTES, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, nid);

		if (!chunk)
			return -ENOMEM;
		pf_list.chunks[pf_list.nr_chunks++] = chunk;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	pf_list.nodes[nid].end = pf_list.nr_chunks;
	return 0;
}

/* Takes @nr chunks, as many of each node, so that each CPU has some that are near. */
static int pf_list_take_all(unsigned long nr)
{
	unsigned int left = num_node_state(N_MEMORY);
	int nid, ret;

	for_each_node_state(nid, N_MEMORY) {
		unsigned long share = left ? nr / left : 0; /* a node may be plugged in meanwhile */

		ret = pf_list_take_memory(nid, share);
		if (ret)
			return ret;
		nr -= share;
		left -= !!left;
	}
	return nr ? -ENOMEM : 0;
}

/**
 * pf_list_init() - take all the memory the list will ever need
 * @max_faults: capacity in records
 * @cont_store: overwrite the oldest when full, instead of dropping the new
 * @has_extra: each record has a struct pf_extra
 *
 * Every CPU can have a chunk that it fills no further, hence one more a CPU than the records need.
 *
 * Context: process context, may sleep.
 * Return: 0, -EINVAL, -ENOMEM, or -EINTR if the caller is being killed
 */
static int pf_list_init(unsigned long max_faults, bool cont_store, bool has_extra)
{
	const size_t chunk_bytes = PF_CHUNK_BYTES + sizeof(*pf_list.chunks);
	u32 chunk_faults = has_extra ? PF_CHUNK_FAULTS_EXTRA : PF_CHUNK_FAULTS;
	unsigned long nr_chunks, nr_chunks_max;
	unsigned int cpu;
	int ret = -ENOMEM;

	if (!max_faults || max_faults > LONG_MAX) {
		pr_err("max_faults=%lu: the capacity in records has to be 1 or more\n", max_faults);
		return -EINVAL;
	}

	nr_chunks = max_faults / chunk_faults + 1 + num_possible_cpus();
	nr_chunks_max = pf_list_memory_max() / chunk_bytes;
	if (nr_chunks > nr_chunks_max)
		goto no_memory;

	pf_list.chunks = kvcalloc(nr_chunks, sizeof(*pf_list.chunks),
				  GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
	if (!pf_list.chunks)
		goto no_memory;
	ret = pf_list_take_all(nr_chunks);
	if (ret)
		goto free;

	for_each_possible_cpu(cpu)
		per_cpu(pf_lane, cpu).chunk = &pf_no_chunk;
	pf_list.max_faults = max_faults;
	pf_list.chunk_faults = chunk_faults;
	pf_list.has_extra = has_extra;
	pf_list.cont_store = cont_store;
	pf_list.budget = max_faults;
	return 0;

free:
	pf_list_free();
no_memory:
	nr_chunks_max -= min_t(unsigned long, nr_chunks_max, num_possible_cpus() + 1);
	if (ret == -ENOMEM)
		pr_err("max_faults=%lu needs %lu KiB, more memory than can be spared: give %lu or less\n",
		       max_faults, nr_chunks * (PF_CHUNK_BYTES / 1024), nr_chunks_max * chunk_faults);
	return ret;
}

/* Empties the oldest chunk that no CPU is filling, which is the first of its lane, too. */
static struct pf_chunk *pf_list_recycle(void)
{
	struct pf_chunk **link = &pf_list.oldest, *older = NULL, *chunk;

	lockdep_assert_held(&pf_list.lock);

	while ((chunk = *link) && per_cpu(pf_lane, chunk->cpu).chunk == chunk) {
		older = chunk;
		link = &chunk->younger;
	}
	if (!chunk)
		return NULL;
	*link = chunk->younger;
	if (pf_list.youngest == chunk)
		pf_list.youngest = older;
	WRITE_ONCE(per_cpu(pf_lane, chunk->cpu).oldest, chunk->next);
	pf_list.nr_retired -= chunk->nr;
	pf_list.nr_overwritten += chunk->nr;

	/* A reader copies a record, then looks at gen: gen has to change before the record does. */
	WRITE_ONCE(chunk->gen, chunk->gen + 1);
	smp_wmb();
	WRITE_ONCE(chunk->nr, 0);
	return chunk;
}

/* One that was never in use: of the memory that is near, while there is some. */
static struct pf_chunk *pf_list_new_chunk(void)
{
	int near = numa_node_id(), nid;

	lockdep_assert_held(&pf_list.lock);

	if (pf_list.nodes[near].next < pf_list.nodes[near].end)
		return pf_list.chunks[pf_list.nodes[near].next++];
	for_each_node_state(nid, N_MEMORY)
		if (pf_list.nodes[nid].next < pf_list.nodes[nid].end)
			return pf_list.chunks[pf_list.nodes[nid].next++];
	return NULL;
}

static struct pf_chunk *pf_list_empty_chunk(void)
{
	struct pf_chunk *chunk;

	lockdep_assert_held(&pf_list.lock);

	/* The newest max_faults stay, and what shares a chunk with the first of them. */
	while (pf_list.cont_store &&
	       pf_list.nr_retired >= pf_list.max_faults + pf_list.chunk_faults) {
		chunk = pf_list_recycle();
		if (!chunk)
			break;
		chunk->younger = pf_list.spare;
		pf_list.spare = chunk;
	}
	if (pf_list.spare) {
		chunk = pf_list.spare;
		pf_list.spare = chunk->younger;
		return chunk;
	}
	chunk = pf_list_new_chunk();
	if (!chunk && pf_list.cont_store)
		chunk = pf_list_recycle();
	return chunk;
}

/*
 * Takes back what was promised to other CPUs and not used yet. An owner that is just now writing
 * may not see its limit sink in time and write one record more; it settles that when it comes for
 * more. So the capacity is exact, but for a record a CPU at the very moment it is reached.
 */
static void pf_list_revoke(void)
{
	unsigned int cpu;

	lockdep_assert_held(&pf_list.lock);

	for_each_possible_cpu(cpu) {
		struct pf_chunk *chunk = per_cpu(pf_lane, cpu).chunk;
		u32 nr = READ_ONCE(chunk->nr);

		if (nr < chunk->limit) {
			pf_list.budget += chunk->limit - nr;
			WRITE_ONCE(chunk->limit, nr);
		}
	}
}

/* When the list is full for good: the fault is counted as lost. */
static __always_inline bool pf_list_lose(void)
{
	if (!READ_ONCE(pf_list.full))
		return false;
	this_cpu_inc(pf_lane.nr_dropped);
	return true;
}

/**
 * pf_list_room() - when this CPU's chunk is full, and pf_list_lose() is false
 *
 * Context: preemption off; takes the list's raw spinlock.
 * Return: the chunk to go on with, or NULL if the list is full: then the fault is counted as lost
 */
static notrace struct pf_chunk *pf_list_room(void)
{
	struct pf_lane *lane = this_cpu_ptr(&pf_lane);
	struct pf_chunk *chunk, *filled;
	u32 chunk_faults = pf_list.chunk_faults, grant = chunk_faults;

	pf_lock(&pf_list.lock);
	filled = lane->chunk;
	if (!pf_list.cont_store) {
		if (filled->nr > filled->limit) { /* see pf_list_revoke() */
			pf_list.budget -= filled->nr - filled->limit;
			WRITE_ONCE(filled->limit, filled->nr);
		}
		if (pf_list.budget <= 0)
			pf_list_revoke();
		if (pf_list.budget <= 0) {
			WRITE_ONCE(pf_list.full, true);
			goto lost;
		}
		grant = min_t(long, pf_list.budget, chunk_faults);
	}

	chunk = filled;
	if (filled != &pf_no_chunk && filled->nr < chunk_faults) {
		grant = min(grant, chunk_faults - filled->nr);
	} else {
		pf_list.nr_retired += filled->nr;
		chunk = pf_list_empty_chunk();
		if (!chunk)
			goto lost;
		chunk->cpu = smp_processor_id();
		chunk->base = filled->base + filled->nr;
		chunk->limit = 0;
		chunk->next = NULL;
		chunk->younger = NULL;
		if (pf_list.youngest)
			pf_list.youngest->younger = chunk;
		else
			pf_list.oldest = chunk;
		pf_list.youngest = chunk;
		if (lane->oldest)
			WRITE_ONCE(filled->next, chunk);
		else
			WRITE_ONCE(lane->oldest, chunk);
		lane->chunk = chunk;
	}
	pf_list.budget -= grant;
	WRITE_ONCE(chunk->limit, chunk->limit + grant);
	raw_spin_unlock(&pf_list.lock);
	return chunk;

lost:
	raw_spin_unlock(&pf_list.lock);
	this_cpu_inc(pf_lane.nr_dropped);
	return NULL;
}
NOKPROBE_SYMBOL(pf_list_room);

/**
 * pf_list_chunk() - the chunk that this CPU fills
 *
 * A record goes to faults[nr] if pf_list_has_room(). If not, pf_list_room() may find a chunk with
 * room.
 *
 * Context: preemption off, and left off until pf_list_publish().
 */
static __always_inline struct pf_chunk *pf_list_chunk(void)
{
	return this_cpu_read(pf_lane.chunk);
}

/* A limit that sinks meanwhile is seen too late or not: see pf_list_revoke(). */
static __always_inline bool pf_list_has_room(const struct pf_chunk *chunk)
{
	return chunk->nr < data_race(chunk->limit);
}

/* Lets readers see the record written to faults[@nr]. */
static __always_inline void pf_list_publish(struct pf_chunk *chunk, u32 nr)
{
	smp_store_release(&chunk->nr, nr + 1);
}

static u64 pf_list_nr_dropped(void)
{
	u64 sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pf_lane, cpu).nr_dropped);
	return sum;
}

/* All records ever made, the overwritten ones too. */
static u64 pf_list_nr_recorded(void)
{
	u64 sum = 0;
	unsigned int cpu;

	raw_spin_lock(&pf_list.lock);
	for_each_possible_cpu(cpu) {
		const struct pf_chunk *chunk = per_cpu(pf_lane, cpu).chunk;

		sum += chunk->base + READ_ONCE(chunk->nr);
	}
	raw_spin_unlock(&pf_list.lock);
	return sum;
}

/* Where a cursor stands in one lane. */
struct pf_place {
	struct pf_chunk *chunk;
	u32 gen; /* the chunk's, when the cursor came to it */
	u32 nr; /* records of it that have been passed */
	u64 base; /* the chunk's */
};

/**
 * struct pf_cursor - one reader's place in the list
 * @fault: the record read last ...
 * @extra: ... what it has beside it, all 0 if nothing ...
 * @cpu: ... and whose it is; that lane is next in time
 * @horizon_ns: records made up to this time are to be read now
 * @nr_overwritten: records that were overwritten before this cursor came to them
 * @run_ns: up to this time the lane of @cpu is alone
 * @run: the next record of that lane ...
 * @run_end: ... and the end of those that can be seen in its chunk
 * @run_chunk: that chunk, NULL before the first run
 * @run_gen: and what it was then
 * @merge: lanes with records up to the horizon; first that of @cpu, if @run_chunk is not NULL
 * @places: by CPU number; that of @cpu is brought up to date when the run ends
 *
 * To be used by one thread at a time. Any number of cursors can be in use.
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
	struct pf_place places[];
};

/* The entries of @merge lie behind the places. */
static size_t pf_cursor_bytes(void)
{
	return struct_size((struct pf_cursor *)NULL, places, nr_cpu_ids) +
	       nr_cpu_ids * sizeof(struct pf_next);
}

static void pf_cursor_rewind(struct pf_cursor *cursor)
{
	memset(cursor, 0, pf_cursor_bytes());
	cursor->merge.heap = (struct pf_next *)&cursor->places[nr_cpu_ids];
}

/* A cursor before the first record, or NULL. To be freed with kvfree(). */
static struct pf_cursor *pf_cursor_new(void)
{
	struct pf_cursor *cursor = kvmalloc(pf_cursor_bytes(), GFP_KERNEL);

	if (cursor)
		pf_cursor_rewind(cursor);
	return cursor;
}

/* Moves on to the lane's next chunk. False if there is none. */
static bool pf_cursor_next_chunk(struct pf_cursor *cursor, unsigned int cpu)
{
	struct pf_place *place = &cursor->places[cpu];
	struct pf_lane *lane = &per_cpu(pf_lane, cpu);
	struct pf_chunk *chunk = place->chunk;

	/* Mostly there is none, which shows without the lock. */
	if (!chunk ? !READ_ONCE(lane->oldest) :
		     READ_ONCE(chunk->gen) == place->gen && !READ_ONCE(chunk->next))
		return false;

	raw_spin_lock(&pf_list.lock);
	if (!chunk || chunk->gen != place->gen)
		chunk = lane->oldest;
	else if (place->nr == READ_ONCE(chunk->nr))
		chunk = chunk->next;
	if (chunk && (chunk != place->chunk || chunk->gen != place->gen)) {
		cursor->nr_overwritten += chunk->base - (place->base + place->nr);
		place->chunk = chunk;
		place->gen = chunk->gen;
		place->base = chunk->base;
		place->nr = 0;
	}
	raw_spin_unlock(&pf_list.lock);
	return chunk;
}

/* When the lane's next record up to the horizon, not yet passed, was made. */
static bool pf_cursor_peek(struct pf_cursor *cursor, unsigned int cpu, u64 *made_ns)
{
	struct pf_place *place = &cursor->places[cpu];

	for (;;) {
		struct pf_chunk *chunk = place->chunk;

		if (chunk && place->nr < smp_load_acquire(&chunk->nr)) {
			*made_ns = chunk->faults[place->nr].time_ns;
			if (pf_list.has_extra)
				*made_ns += pf_chunk_extras(chunk)[place->nr].latency_ns;
			smp_rmb(); /* pairs with pf_list_recycle() */
			if (likely(READ_ONCE(chunk->gen) == place->gen))
				return *made_ns <= cursor->horizon_ns;
		}
		if (!pf_cursor_next_chunk(cursor, cpu))
			return false;
	}
}

/*
 * The run ends: its lane is told by its next record, or is done until the next
 * pf_cursor_extend().
 */
static void pf_cursor_end_run(struct pf_cursor *cursor)
{
	u64 made_ns;

	if (!cursor->run_chunk)
		return;
	cursor->places[cursor->cpu].nr = cursor->run - cursor->run_chunk->faults;
	cursor->run_chunk = NULL;
	cursor->run = NULL;
	cursor->run_end = NULL;
	if (pf_cursor_peek(cursor, cursor->cpu, &made_ns))
		pf_merge_move_first(&cursor->merge, made_ns);
	else
		pf_merge_drop_first(&cursor->merge);
}

/**
 * pf_cursor_extend() - let a cursor see what has been recorded up to now
 * @cursor: the cursor
 *
 * A push runs with preemption off, from before it reads the clock until its record can be seen.
 * So after a grace period every record up to the time read here can be seen, and none older will
 * come, as far as the clock is one for all CPUs: while it is being adjusted, two of them may read
 * ktime_get_mono_fast_ns() some ns apart. A record that is late by that much comes with the next
 * ones, after those it should stand before; none is lost.
 *
 * Context: process context, sleeps for a grace period.
 */
static void pf_cursor_extend(struct pf_cursor *cursor)
{
	u64 now_ns = ktime_get_mono_fast_ns(), made_ns;
	unsigned int cpu;

	synchronize_rcu();
	pf_cursor_end_run(cursor);
	cursor->horizon_ns = now_ns;
	cursor->merge.nr = 0;
	for_each_possible_cpu(cpu)
		if (pf_cursor_peek(cursor, cpu, &made_ns))
			pf_merge_add(&cursor->merge, (struct pf_next){ made_ns, cpu });
}

/* When the record read last was made. */
static inline u64 pf_cursor_made_ns(const struct pf_cursor *cursor)
{
	return cursor->fault.time_ns + cursor->extra.latency_ns;
}

/* Goes on with the lane that comes next in time, for as far as it is alone. */
static noinline bool pf_cursor_begin_run(struct pf_cursor *cursor)
{
	struct pf_place *place;

	pf_cursor_end_run(cursor);
	if (!cursor->merge.nr)
		return false;
	cursor->cpu = cursor->merge.heap[0].lane;
	place = &cursor->places[cursor->cpu];
	cursor->run_ns = pf_merge_second_ns(&cursor->merge, cursor->horizon_ns);
	cursor->run = place->chunk->faults + place->nr;
	cursor->run_end = place->chunk->faults + smp_load_acquire(&place->chunk->nr);
	cursor->run_chunk = place->chunk;
	cursor->run_gen = place->gen;
	return true;
}

/* As pf_cursor_next(), for who has asked for pf_list.has_extra before. */
static __always_inline bool pf_cursor_next_of(struct pf_cursor *cursor, bool has_extra)
{
	for (;;) {
		const struct pf_fault *from = cursor->run;

		/* Faults come in runs on one CPU: look at the others only when the run ends. */
		if (likely(from < cursor->run_end)) {
			struct pf_chunk *chunk = cursor->run_chunk;
			u64 made_ns = from->time_ns;

			cursor->fault = *from;
			if (has_extra) {
				cursor->extra = pf_chunk_extras(chunk)[from - chunk->faults];
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
 * pf_cursor_next() - the next record in time, to @cursor->fault, @cursor->extra and @cursor->cpu
 * @cursor: the cursor
 *
 * Context: process context; takes the list's lock once a chunk.
 * Return: false if there is none up to the horizon
 */
static inline bool pf_cursor_next(struct pf_cursor *cursor)
{
	return pf_cursor_next_of(cursor, pf_list.has_extra);
}

#endif /* PF_FAULT_LIST_H */
