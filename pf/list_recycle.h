/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Empty chunks of the fault list: kept by NUMA node, and with cont_store, regained by recycling.
 *
 * Only a retired chunk is recycled, never one that a CPU is filling, and always the oldest. The
 * words are explained in fault_list.h.
 */
#ifndef PF_LIST_RECYCLE_H
#define PF_LIST_RECYCLE_H

#ifdef __KERNEL__

#include <linux/compiler.h>
#include <linux/lockdep.h>
#include <linux/percpu.h>
#include <linux/topology.h>

#endif /* __KERNEL__ */

#include "fault_list.h"

/**
 * pf_list_put_empty() - make a chunk one of its node's empty chunks
 * @chunk: a chunk in no lane and not in the chain
 *
 * Context: pf_list.lock is held, or the list is not in use yet.
 */
static void pf_list_put_empty(struct pf_chunk *chunk)
{
	chunk->next = pf_list.empty[chunk->nid];
	pf_list.empty[chunk->nid] = chunk;
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

/**
 * pf_list_age() - put a chunk at the young end of the chain
 * @chunk: a chunk that this CPU has just taken
 *
 * This writes to the previous one there, which may be another CPU's.
 *
 * Context: pf_list.lock is held.
 */
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

/*
 * Afterwards the oldest chunk in the chain is retired: puts those aside that their CPUs are still
 * filling, so that later searches need not skip them. They can be there for long: a CPU on which
 * the target no longer runs keeps its chunk.
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

/**
 * pf_list_put_back() - put a chunk that was aside back into the chain, which stays sorted by age
 * @chunk: the chunk, which has retired
 *
 * Only chunks that were aside, too, can be older, so the search is short.
 *
 * Context: pf_list.lock is held.
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

/* Recycles the oldest retired chunk, which is also the first one of its lane. NULL if none is. */
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

/**
 * pf_list_empty_chunk() - get an empty chunk for this CPU
 *
 * With cont_store recycles chunks first if more than the newest max_faults records are kept, and
 * the oldest one if there is no empty chunk.
 *
 * Context: preemption off, under pf_list.lock.
 * Return: the chunk, or NULL if there is none
 */
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

#endif /* PF_LIST_RECYCLE_H */
