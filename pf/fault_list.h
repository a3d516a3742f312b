/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fault list: one global, bounded list of all faults, made of fixed-size chunks.
 *
 * A CPU takes empty chunks under a raw spinlock, several at a time if the list has many, and then
 * fills them alone. A push runs with preemption off, so it is a few plain stores and one
 * store-release of the chunk's count, without atomics. Other CPUs write to a chunk's head only to
 * take back room that was promised to it, or with cont_store, to link the next chunk. A CPU's
 * chunks are linked in the order in which it fills them; that is its lane. Readers walk the lanes,
 * see cursor.h.
 *
 * pf_list_init() allocates all memory. When it is used up, new faults are dropped, or with
 * cont_store, the oldest chunk is emptied and used again. Both are counted.
 */
#ifndef PF_FAULT_LIST_H
#define PF_FAULT_LIST_H

#ifdef __KERNEL__

#include <linux/kprobes.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#endif /* __KERNEL__ */

#include "fault.h"
#include "lock.h"

#define PF_CHUNK_BYTES 4096
#define PF_BATCH_MAX 16UL

/**
 * struct pf_chunk - a part of the list, filled by one CPU
 * @nr: number of records; stored with release by the owner, loaded with acquire by readers
 * @limit: the owner may write up to this many records; others may lower it when the list runs full
 * @gen: incremented when the chunk is emptied to be used again
 * @cpu: the owner
 * @base: number of records in the owner's lane before this chunk
 * @next: the lane's next chunk, which the owner fills after this one. While the chunk is in no
 *	lane, the next empty chunk
 * @younger: with cont_store, the chunk that was taken next, by any CPU
 * @age: with cont_store, how many chunks had been taken before this one
 * @nid: NUMA node of its memory
 * @is_aside: not in the chain of @younger until it is full, see pf_list_put_aside()
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
 * @nr_dropped: faults lost because the list was full
 */
struct pf_lane {
	struct pf_chunk *chunk;
	struct pf_chunk *oldest;
	struct pf_chunk *unsettled;
	u64 nr_dropped;
};

static DEFINE_PER_CPU(struct pf_lane, pf_lane);
static struct pf_chunk pf_no_chunk;

static struct {
	raw_spinlock_t lock; /* protects all below, and every chunk's links, base and gen */
	struct pf_chunk **chunks; /* all chunks, to free them */
	unsigned long nr_chunks;
	struct pf_chunk *empty[MAX_NUMNODES]; /* chunks not in use, by NUMA node */
	struct pf_chunk *oldest, *youngest; /* the chain of ->younger, with cont_store */
	u64 nr_taken; /* number of chunks ever taken, with cont_store */
	unsigned long max_faults;
	u32 chunk_faults; /* records per chunk */
	u32 batch; /* chunks that a CPU takes at a time */
	bool has_extra;
	bool cont_store;
	bool full; /* no room left, without cont_store */
	long budget; /* records not yet promised to any chunk; unused if cont_store */
	unsigned long nr_retired; /* records in full chunks */
	u64 nr_overwritten;
} pf_list = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_list.lock),
};

/* The struct pf_extra of each record, in an array after the records. Needs pf_list.has_extra. */
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

/* How much memory the list may take, in bytes: what is available, minus a reserve. */
static unsigned long pf_list_memory_max(void)
{
	unsigned long available = si_mem_available();
	unsigned long reserve = max(totalram_pages() / 16, 16384UL * 4096 / PAGE_SIZE);

	return available > reserve ? (available - reserve) << PAGE_SHIFT : 0;
}

static void pf_list_put_empty(struct pf_chunk *chunk)
{
	chunk->next = pf_list.empty[chunk->nid];
	pf_list.empty[chunk->nid] = chunk;
}

/* Allocates @nr chunks, from node @nid if it has enough memory. */
static int pf_list_take_memory(int nid, unsigned long nr)
{
	for (; nr; nr--) {
		/* NORETRY: fail instead of invoking the OOM killer. */
		struct pf_chunk *chunk = kzalloc_node(
			PF_CHUNK_BYTES, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, nid);

		if (!chunk)
			return -ENOMEM;
		pf_list.chunks[pf_list.nr_chunks++] = chunk;
		chunk->nid = page_to_nid(virt_to_page(chunk));
		pf_list_put_empty(chunk);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Allocates @nr chunks, evenly from all nodes, so that each CPU has some on its own node. */
static int pf_list_take_all(unsigned long nr)
{
	unsigned int left = num_node_state(N_MEMORY);
	int nid, ret;

	for_each_node_state(nid, N_MEMORY) {
		unsigned long share = left ? nr / left : 0; /* 0: a node was added meanwhile */

		ret = pf_list_take_memory(nid, share);
		if (ret)
			return ret;
		nr -= share;
		left -= !!left;
	}
	return nr ? -ENOMEM : 0;
}

/*
 * How many chunks a CPU takes at a time. All CPUs together hold at most an eighth of the list in
 * reserve, or one chunk each. With cont_store it is one: the age of a chunk is when it was taken,
 * so the CPU has to fill it at once.
 */
static u32 pf_list_batch(unsigned long nr_chunks, bool cont_store)
{
	unsigned long share = nr_chunks / 8 / num_possible_cpus();

	return cont_store ? 1 : clamp(share, 1UL, PF_BATCH_MAX);
}

/*
 * Additional chunks with cont_store and several NUMA nodes. CPUs recycle the oldest chunk, which
 * may be on any node; with some spare chunks they are likely to get one on their own node.
 */
static unsigned long pf_list_spare(unsigned long nr_chunks, bool cont_store)
{
	unsigned long nr_nodes = num_node_state(N_MEMORY);

	return cont_store && nr_nodes > 1 ? max(nr_chunks / 32, 4 * nr_nodes) : 0;
}

/* The largest max_faults for which @nr_chunks are enough: the inverse of pf_list_init(). */
static unsigned long pf_list_capacity(unsigned long nr_chunks, u32 chunk_faults)
{
	unsigned long more = num_possible_cpus() + pf_list_spare(nr_chunks, true);
	unsigned long extra = max(nr_chunks / 8, more) + 1;

	return nr_chunks > extra ? (nr_chunks - extra) * chunk_faults : 0;
}

/**
 * pf_list_init() - allocate all the memory the list will ever need
 * @max_faults: capacity in records
 * @cont_store: overwrite the oldest records when full, instead of dropping new ones
 * @has_extra: each record has a struct pf_extra
 *
 * Any CPU can hold chunks that it never fills, so there is one batch per CPU more than the records
 * need. See also pf_list_spare().
 *
 * Context: process context, may sleep.
 * Return: 0, -EINVAL, -ENOMEM, or -EINTR if the caller is being killed
 */
static int pf_list_init(unsigned long max_faults, bool cont_store, bool has_extra)
{
	const size_t chunk_bytes = PF_CHUNK_BYTES + sizeof(*pf_list.chunks);
	u32 chunk_faults = has_extra ? PF_CHUNK_FAULTS_EXTRA : PF_CHUNK_FAULTS;
	unsigned long nr_chunks = max_faults / chunk_faults + 1, nr_chunks_max;
	u32 batch = pf_list_batch(nr_chunks, cont_store);
	unsigned int cpu;
	int ret = -ENOMEM;

	if (!max_faults || max_faults > LONG_MAX) {
		pr_err("max_faults=%lu: the capacity must be 1 or more records\n", max_faults);
		return -EINVAL;
	}

	nr_chunks += (unsigned long)batch * num_possible_cpus() +
		     pf_list_spare(nr_chunks, cont_store);
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
	pf_list.batch = batch;
	pf_list.has_extra = has_extra;
	pf_list.cont_store = cont_store;
	pf_list.budget = max_faults;
	return 0;

free:
	pf_list_free();
no_memory:
	if (ret == -ENOMEM)
		pr_err("max_faults=%lu needs %lu KiB, more memory than can be spared: give %lu or less\n",
		       max_faults, nr_chunks * (PF_CHUNK_BYTES / 1024),
		       pf_list_capacity(nr_chunks_max, chunk_faults));
	return ret;
}

/*
 * With cont_store: removes chunks that their CPUs are still filling from the head of the chain, so
 * that the search for the oldest full chunk need not skip them each time. They can be there for
 * long: a CPU on which the target no longer runs keeps its chunk.
 */
static void pf_list_put_aside(void)
{
	struct pf_chunk *chunk;

	lockdep_assert_held(&pf_list.lock);

	while ((chunk = pf_list.oldest) && per_cpu(pf_lane, chunk->cpu).chunk == chunk) {
		chunk->is_aside = true;
		pf_list.oldest = chunk->younger;
		if (!pf_list.oldest)
			pf_list.youngest = NULL;
	}
}

/*
 * A chunk that was put aside is full now: puts it back into the chain, sorted by age. Only chunks
 * that were put aside, too, can be older.
 */
static void pf_list_put_back(struct pf_chunk *chunk)
{
	struct pf_chunk **link = &pf_list.oldest;

	lockdep_assert_held(&pf_list.lock);

	while (*link && (*link)->age < chunk->age)
		link = &(*link)->younger;
	chunk->is_aside = false;
	chunk->younger = *link;
	if (!*link)
		pf_list.youngest = chunk;
	*link = chunk;
}

/* Empties the oldest chunk that no CPU is filling. It is also the first one of its lane. */
static struct pf_chunk *pf_list_recycle(void)
{
	struct pf_chunk *chunk;

	lockdep_assert_held(&pf_list.lock);

	pf_list_put_aside();
	chunk = pf_list.oldest;
	if (!chunk)
		return NULL;
	pf_list.oldest = chunk->younger;
	if (!pf_list.oldest)
		pf_list.youngest = NULL;
	WRITE_ONCE(per_cpu(pf_lane, chunk->cpu).oldest, chunk->next);
	pf_list.nr_retired -= chunk->nr;
	pf_list.nr_overwritten += chunk->nr;

	/* Readers copy a record, then check gen: gen has to change before the record does. */
	WRITE_ONCE(chunk->gen, chunk->gen + 1);
	smp_wmb();
	WRITE_ONCE(chunk->nr, 0);
	return chunk;
}

/* Takes an empty chunk of node @nid. Returns NULL if there is none. */
static struct pf_chunk *pf_list_empty_of(int nid)
{
	struct pf_chunk *chunk = pf_list.empty[nid];

	if (chunk)
		pf_list.empty[nid] = chunk->next;
	return chunk;
}

/* Takes an empty chunk, of this CPU's node if there is one. */
static struct pf_chunk *pf_list_take_empty(void)
{
	struct pf_chunk *chunk;
	int nid;

	lockdep_assert_held(&pf_list.lock);

	chunk = pf_list_empty_of(numa_node_id());
	for_each_node_state(nid, N_MEMORY) {
		if (chunk)
			break;
		chunk = pf_list_empty_of(nid);
	}
	return chunk;
}

static struct pf_chunk *pf_list_empty_chunk(void)
{
	struct pf_chunk *chunk;

	lockdep_assert_held(&pf_list.lock);

	/* Keep the newest max_faults records, and older ones in the same chunk. */
	while (pf_list.cont_store &&
	       pf_list.nr_retired >= pf_list.max_faults + pf_list.chunk_faults) {
		chunk = pf_list_recycle();
		if (!chunk)
			break;
		pf_list_put_empty(chunk);
	}
	chunk = pf_list_take_empty();
	if (!chunk && pf_list.cont_store)
		chunk = pf_list_recycle();
	return chunk;
}

/*
 * Takes back the room that was promised to CPUs and is not used yet. A CPU that is just writing a
 * record may not see the lower limit in time and exceed it by one. It accounts for that when it
 * takes its next chunk, see pf_list_settle(). So the capacity is exact, except for one record per
 * CPU at the moment it is reached.
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

/* Raises @chunk's limit by up to @nr of the records left. Returns false if none is left. */
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

/* Accounts for records beyond limits that pf_list_revoke() lowered while the CPU was writing. */
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

/* Appends a chunk to the chain. This writes to the previous one, which may be another CPU's. */
static void pf_list_age(struct pf_chunk *chunk)
{
	lockdep_assert_held(&pf_list.lock);

	chunk->age = pf_list.nr_taken++;
	chunk->younger = NULL;
	if (pf_list.youngest)
		pf_list.youngest->younger = chunk;
	else
		pf_list.oldest = chunk;
	pf_list.youngest = chunk;
}

/* Appends an empty chunk to a lane; @last is the lane's last one so far. */
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
 */
static __always_inline struct pf_chunk *pf_list_chunk(void)
{
	return this_cpu_read(pf_lane.chunk);
}

/* May miss that the limit is being lowered: see pf_list_revoke(). */
static __always_inline bool pf_list_has_room(const struct pf_chunk *chunk)
{
	return chunk->nr < data_race(chunk->limit);
}

/* Makes the record in faults[@nr] visible to readers. */
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

/* The number of records ever made, including overwritten ones. Drops the lock between CPUs. */
static u64 pf_list_nr_recorded(void)
{
	u64 sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		const struct pf_chunk *chunk;

		raw_spin_lock(&pf_list.lock);
		chunk = per_cpu(pf_lane, cpu).chunk;
		sum += chunk->base + READ_ONCE(chunk->nr);
		raw_spin_unlock(&pf_list.lock);
	}
	return sum;
}

/**
 * pf_list_lane_mark() - a number that changes whenever a CPU records or loses a fault
 * @cpu: the CPU
 *
 * Takes no lock. While the CPU goes on to another chunk, the number is arbitrary.
 */
static u64 pf_list_lane_mark(unsigned int cpu)
{
	const struct pf_lane *lane = &per_cpu(pf_lane, cpu);
	const struct pf_chunk *chunk = READ_ONCE(lane->chunk);

	return READ_ONCE(lane->nr_dropped) + READ_ONCE(chunk->base) + READ_ONCE(chunk->nr);
}

#endif /* PF_FAULT_LIST_H */
