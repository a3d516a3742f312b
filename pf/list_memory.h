/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of the fault list: all of it is allocated at load, so that recording never fails for
 * lack of memory. The words are explained in fault_list.h.
 */
#ifndef PF_LIST_MEMORY_H
#define PF_LIST_MEMORY_H

#ifdef __KERNEL__

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#endif /* __KERNEL__ */

#include "fault_list.h"
#include "list_recycle.h"

#define PF_BATCH_MAX 16UL

/**
 * pf_list_free() - free the list's memory
 *
 * Context: process context, may sleep; nobody may use the list any more.
 */
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

#endif /* PF_LIST_MEMORY_H */
