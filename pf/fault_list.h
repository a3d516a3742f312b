/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fault list: one global, bounded list of all faults, made of fixed-size chunks.
 *
 * A CPU takes empty chunks under a raw spinlock, several at a time if the list has many, and then
 * fills them alone: who pushes has preemption off, so a push is a few plain stores and one release
 * of the chunk's count; no atomic, and no cache line that another CPU writes, but for the head of a
 * chunk when others need what was promised to it, or, with cont_store, take the next one. A CPU's
 * chunks are chained in the order it fills them: its lane. Readers walk the lanes, see cursor.h.
 *
 * All memory is taken by pf_list_init(). When it is used up, either new faults are dropped, or
 * the oldest chunk is emptied and used again (cont_store); both are counted.
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
 * struct pf_chunk - the piece of the list that one CPU fills
 * @nr: records written; stored with release by the owner, loaded with acquire by readers
 * @limit: the owner may write up to here; others may lower it when memory runs out
 * @gen: changes when the chunk is emptied for another use
 * @cpu: the owner
 * @base: how many records the owner's lane had before this chunk
 * @next: the lane's next chunk, to be filled when this one is full; there may be one before. Or,
 *	while the chunk is in no lane, the next empty one
 * @younger: with cont_store, the next chunk in the order of taking, over all lanes
 * @age: with cont_store, which one this was of all that were ever taken
 * @nid: the node whose memory it is
 * @is_aside: it is left out of that order until it is full, see pf_list_put_aside()
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
	u64 age;
	u16 nid;
	bool is_aside;
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
 * @unsettled: the one that it filled when it last came for more, NULL before; see pf_list_settle()
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
	raw_spinlock_t lock; /* all below, and every chunk's links, base and gen */
	struct pf_chunk **chunks; /* all there are */
	unsigned long nr_chunks;
	struct pf_chunk *empty[MAX_NUMNODES]; /* not in use, by the node whose memory it is */
	struct pf_chunk *oldest, *youngest; /* by ->younger, with cont_store ... */
	u64 nr_taken; /* ... and how many chunks were taken */
	unsigned long max_faults;
	u32 chunk_faults; /* records in a chunk */
	u32 batch; /* chunks that a CPU takes at a time */
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

/* A chunk is in use no more, or not yet. */
static void pf_list_put_empty(struct pf_chunk *chunk)
{
	chunk->next = pf_list.empty[chunk->nid];
	pf_list.empty[chunk->nid] = chunk;
}

/* Takes @nr chunks of a node's memory, or of another's if that has none. */
static int pf_list_take_memory(int nid, unsigned long nr)
{
	for (; nr; nr--) {
		/* NORETRY: rather no list than somebody's process killed for it. */
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

/*
 * How many chunks a CPU takes at a time: more than one only while what all CPUs have in store is an
 * eighth of the list at most. One if the oldest is to be overwritten: a chunk's age is when it was
 * taken, so it has to be filled at once.
 */
static u32 pf_list_batch(unsigned long nr_chunks, bool cont_store)
{
	unsigned long share = nr_chunks / 8 / num_possible_cpus();

	return cont_store ? 1 : clamp(share, 1UL, PF_BATCH_MAX);
}

/*
 * With cont_store, how many chunks more there are for a CPU to be given one of its own node's
 * memory: it takes turns with others in emptying the oldest, which may be of any.
 */
static unsigned long pf_list_spare(unsigned long nr_chunks, bool cont_store)
{
	unsigned long nr_nodes = num_node_state(N_MEMORY);

	return cont_store && nr_nodes > 1 ? max(nr_chunks / 32, 4 * nr_nodes) : 0;
}

/* How many records @nr_chunks are enough for: pf_list_init() the other way round. */
static unsigned long pf_list_capacity(unsigned long nr_chunks, u32 chunk_faults)
{
	unsigned long more = num_possible_cpus() + pf_list_spare(nr_chunks, true);
	unsigned long extra = max(nr_chunks / 8, more) + 1;

	return nr_chunks > extra ? (nr_chunks - extra) * chunk_faults : 0;
}

/**
 * pf_list_init() - take all the memory the list will ever need
 * @max_faults: capacity in records
 * @cont_store: overwrite the oldest when full, instead of dropping the new
 * @has_extra: each record has a struct pf_extra
 *
 * Every CPU can have chunks that it does not fill, hence a batch more a CPU than the records need;
 * see pf_list_spare(), too.
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
		pr_err("max_faults=%lu: the capacity in records has to be 1 or more\n", max_faults);
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
 * With cont_store: the first chunks in the order that their CPUs still fill are put aside, each
 * once, not to be looked at each time that the oldest one is wanted. That may be long: a CPU that
 * the target has left keeps its chunk.
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

/* A chunk that was put aside is full: only others that were, and are older, come before it. */
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

/* Empties the oldest chunk that no CPU is filling, which is the first of its lane, too. */
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

	/* A reader copies a record, then looks at gen: gen has to change before the record does. */
	WRITE_ONCE(chunk->gen, chunk->gen + 1);
	smp_wmb();
	WRITE_ONCE(chunk->nr, 0);
	return chunk;
}

/* An empty chunk of a node's memory, NULL if there is none. */
static struct pf_chunk *pf_list_empty_of(int nid)
{
	struct pf_chunk *chunk = pf_list.empty[nid];

	if (chunk)
		pf_list.empty[nid] = chunk->next;
	return chunk;
}

/* An empty chunk: of the memory that is near, while there is some. */
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

	/* The newest max_faults stay, and what shares a chunk with the first of them. */
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
 * Takes back what was promised to other CPUs and not used yet. An owner that is just now writing
 * may not see its limit sink in time and write one record more; it settles that when it comes for
 * more. So the capacity is exact, but for a record a CPU at the very moment it is reached.
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

/* Of the records that are left, up to @nr for @chunk; false if none is left. */
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

/* Has a CPU written more than its chunks' limits, which another one had just lowered? */
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

/* A chunk is the youngest now. This writes to the one before, which may be another CPU's. */
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

/* An empty chunk comes behind @last, the lane's last one so far. */
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

/* More chunks for a lane whose last one is full: the first of them, NULL if there is none. */
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

/* When the list is full for good: the fault is counted as lost. */
static __always_inline bool pf_list_lose(void)
{
	if (!READ_ONCE(pf_list.full))
		return false;
	this_cpu_inc(pf_lane.nr_dropped);
	return true;
}

/* As pf_list_room(), under the lock. */
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
 * pf_list_room() - when this CPU's chunk is full, and pf_list_lose() is false
 *
 * Context: preemption off; takes the list's raw spinlock, if the lane has no chunk in store.
 * Return: the chunk to go on with, or NULL if the list is full: then the fault is counted as lost
 */
static notrace struct pf_chunk *pf_list_room(void)
{
	struct pf_lane *lane = this_cpu_ptr(&pf_lane);
	struct pf_chunk *chunk = lane->chunk, *next = data_race(chunk->next);

	/* Only this CPU gives its chunk a successor; a limit that sinks meanwhile is seen later. */
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

/* All records ever made, the overwritten ones too. The lock is given back in between. */
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
 * It takes no lock. While the CPU goes on to another chunk it may be any other number.
 */
static u64 pf_list_lane_mark(unsigned int cpu)
{
	const struct pf_lane *lane = &per_cpu(pf_lane, cpu);
	const struct pf_chunk *chunk = READ_ONCE(lane->chunk);

	return READ_ONCE(lane->nr_dropped) + READ_ONCE(chunk->base) + READ_ONCE(chunk->nr);
}

#endif /* PF_FAULT_LIST_H */
