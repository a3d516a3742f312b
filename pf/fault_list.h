/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fault list: one global, bounded list of all faults, made of fixed-size chunks.
 *
 * Every fault is recorded or counted as dropped; a reader gets every record or counts it as
 * overwritten. All memory is allocated at load. When it is used up, new faults are dropped, or with
 * cont_store, the oldest chunk is recycled.
 *
 * Only one CPU writes records to a chunk. A push runs with preemption off, so it is a few plain
 * stores and one store-release of the chunk's count, without atomics. Chunks are taken under a raw
 * spinlock, several at a time if the list has many. Readers walk the lanes, see cursor.h.
 *
 * This file has the structures and the counters. list_push.h adds records, list_recycle.h finds
 * empty chunks, list_memory.h allocates all chunks.
 *
 * The words, in the order of a chunk's life:
 *
 *	empty	 Of a chunk: in no lane. Empty chunks are kept by NUMA node.
 *	spare	 Empty chunks more than max_faults needs, so that with cont_store and several nodes
 *		 a CPU is likely to find one on its own node.
 *	take	 To put an empty chunk at the end of a lane.
 *	lane	 The chunks of one CPU, in the order in which it fills them.
 *	reserve	 The chunks that a CPU has taken and not begun to fill.
 *	limit	 How many records a chunk may have now.
 *	budget	 How many records are in no chunk's limit.
 *	promise	 To raise a chunk's limit, and lower the budget by as much.
 *	revoke	 To lower all limits to the records that the chunks have, and raise the budget by as
 *		 much: when it is used up, a CPU gets the room that others do not use.
 *	settle	 To lower the budget by the records that a CPU has made beyond a limit, because that
 *		 was being lowered at the same time.
 *	retire	 Of a chunk: its CPU goes on to the next one. It is full.
 *	chain	 With cont_store, the chunks of all lanes in the order in which they were taken.
 *	aside	 Of a chunk: not in the chain, because its CPU has been filling it for long.
 *	recycle	 With cont_store, to empty the oldest retired chunk. Its records are overwritten.
 *
 * Limits and budget always add up to max_faults, and no chunk has more records than its limit,
 * except one per CPU that is not settled yet. So the capacity is exact, without a counter that CPUs
 * share. With cont_store there is no budget: a chunk's limit is what fits into it.
 */
#ifndef PF_FAULT_LIST_H
#define PF_FAULT_LIST_H

#ifdef __KERNEL__

#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

#endif /* __KERNEL__ */

#include "fault.h"

/*
 * Who writes which field, after pf_list_init(). "CPU" is the one that fills the chunk, or whose
 * lane it is, with preemption off. "lock" is pf_list.lock, on any CPU.
 *
 *	chunk.faults			CPU
 *	chunk.nr			CPU; lock: to recycle the chunk, which its CPU has filled
 *	chunk.limit			lock; its CPU reads it without, and may see it too high
 *	chunk.gen			lock; readers check it without
 *	chunk.next			lock; its CPU and readers read it without
 *	chunk.cpu, base			lock, on its CPU
 *	chunk.younger, age, is_aside	lock
 *	chunk.nid			nobody
 *
 *	pf_lane.chunk			CPU; with cont_store also under the lock
 *	pf_lane.oldest			lock; readers read it without
 *	pf_lane.unsettled		lock, on its CPU
 *	pf_lane.nr_dropped		CPU
 *
 *	pf_list.full			lock, once; read without
 *	pf_list.empty, oldest, youngest, nr_taken, budget, nr_retired, nr_overwritten	lock
 *	pf_list.lock			with preemption off, in the fault path by pf_lock()
 *	pf_list, the others		nobody
 */

#define PF_CHUNK_BYTES 4096

/**
 * struct pf_chunk - a part of the list, filled by one CPU
 * @nr: number of records; stored with release by the owner, loaded with acquire by readers
 * @limit: the owner may write up to this many records
 * @gen: incremented when the chunk is recycled
 * @cpu: the owner
 * @base: number of records in the owner's lane before this chunk
 * @next: the lane's next chunk, which the owner fills after this one. While the chunk is empty, the
 *	next empty chunk
 * @younger: the next chunk in the chain, taken later by any CPU
 * @age: with cont_store, how many chunks had been taken before this one
 * @nid: NUMA node of its memory
 * @is_aside: aside, that is, not in the chain until it is full, see pf_list_put_aside()
 * @faults: the records; cache-line aligned, so that no record crosses a line
 */
struct pf_chunk {
	u32 nr;
	u32 limit;
	u32 gen;
	u32 cpu;
	u64 base;
	struct pf_chunk *next;
	struct pf_chunk *younger;
	u64 age;
	u16 nid;
	bool is_aside;
	struct pf_fault faults[] __aligned(64);
};

static_assert(sizeof(struct pf_chunk) == 64);

/* Records per chunk, without and with a struct pf_extra each. */
#define PF_CHUNK_FAULTS_OF(bytes) ((u32)((PF_CHUNK_BYTES - sizeof(struct pf_chunk)) / (bytes)))
#define PF_CHUNK_FAULTS PF_CHUNK_FAULTS_OF(sizeof(struct pf_fault))
#define PF_CHUNK_FAULTS_EXTRA \
	PF_CHUNK_FAULTS_OF(sizeof(struct pf_fault) + sizeof(struct pf_extra))

/**
 * struct pf_lane - a CPU's part of the list
 * @chunk: the chunk being filled; pf_no_chunk at first, so that a push needs no test for NULL
 * @oldest: the first chunk of the lane, NULL if it has none yet
 * @unsettled: the first chunk that pf_list_settle() has to check, NULL for @oldest
 * @nr_dropped: faults dropped because the list was full
 */
struct pf_lane {
	struct pf_chunk *chunk;
	struct pf_chunk *oldest;
	struct pf_chunk *unsettled;
	u64 nr_dropped;
};

static DEFINE_PER_CPU(struct pf_lane, pf_lane);

/* Always empty, and its limit is 0: there is no room for a record. */
static struct pf_chunk pf_no_chunk;

static struct {
	raw_spinlock_t lock; /* see the table above */
	struct pf_chunk **chunks; /* all chunks, to free them */
	unsigned long nr_chunks;
	struct pf_chunk *empty[MAX_NUMNODES]; /* empty chunks by NUMA node, linked by ->next */
	struct pf_chunk *oldest, *youngest; /* the ends of the chain, linked by ->younger */
	u64 nr_taken; /* number of chunks ever taken, with cont_store */
	unsigned long max_faults;
	u32 chunk_faults; /* records per chunk */
	u32 batch; /* chunks that a CPU takes at a time */
	bool has_extra;
	bool cont_store;
	bool full; /* no room left, without cont_store */
	long budget; /* may be below 0 after settling; unused with cont_store */
	unsigned long nr_retired; /* records in retired chunks, kept with cont_store */
	u64 nr_overwritten;
} pf_list = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_list.lock),
};

/**
 * pf_chunk_extras() - the struct pf_extra of each record of a chunk
 * @chunk: the chunk
 *
 * Context: any; needs pf_list.has_extra.
 * Return: an array, in the order of @chunk->faults
 */
static __always_inline struct pf_extra *pf_chunk_extras(struct pf_chunk *chunk)
{
	return (struct pf_extra *)&chunk->faults[PF_CHUNK_FAULTS_EXTRA];
}

/**
 * pf_list_nr_dropped() - number of faults dropped because the list was full
 *
 * Context: any; takes no lock.
 */
static u64 pf_list_nr_dropped(void)
{
	u64 sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pf_lane, cpu).nr_dropped);
	return sum;
}

/**
 * pf_list_nr_recorded() - number of records ever made, including overwritten ones
 *
 * A record made meanwhile may be counted or not.
 *
 * Context: process context; takes the list's lock once for each CPU.
 */
static u64 pf_list_nr_recorded(void)
{
	u64 sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		const struct pf_chunk *chunk;

		raw_spin_lock(&pf_list.lock);
		chunk = READ_ONCE(per_cpu(pf_lane, cpu).chunk);
		sum += chunk->base + READ_ONCE(chunk->nr);
		raw_spin_unlock(&pf_list.lock);
	}
	return sum;
}

/**
 * pf_list_lane_mark() - a number that changes whenever a CPU records or drops a fault
 * @cpu: the CPU
 *
 * While the CPU goes on to another chunk, the number is arbitrary.
 *
 * Context: any; takes no lock.
 */
static u64 pf_list_lane_mark(unsigned int cpu)
{
	const struct pf_lane *lane = &per_cpu(pf_lane, cpu);
	const struct pf_chunk *chunk = READ_ONCE(lane->chunk);

	return READ_ONCE(lane->nr_dropped) + READ_ONCE(chunk->base) + READ_ONCE(chunk->nr);
}

#endif /* PF_FAULT_LIST_H */
