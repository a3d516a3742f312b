/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tally - counts a log's faults by result, region and mapping, and the pages that they are in
 *
 * The traced process chooses addresses and names, so memory is bounded. Faults for which there is
 * no room are counted together, and a flag or count shows that.
 */
#ifndef PF_USER_TALLY_H
#define PF_USER_TALLY_H

#include "fault.h"
#include "names.h"

#ifndef TALLY_MAPS_MAX
#define TALLY_MAPS_MAX		8192
#endif
#define TALLY_NAMES_SIZE	(4 << 20)	/* of all mappings together, in bytes */
#ifndef TALLY_BLOCKS_MAX
#define TALLY_BLOCKS_MAX	(2 << 20)
#endif

struct tally_map {
	u64 nr_faults;
	u64 time_ns;
};

/* 64 adjacent pages. */
struct tally_block {
	u64 key;
	u64 pages;				/* a bit for each; 0: the slot is free */
};

struct tally {
	u64 nr_faults;
	u64 by_result[RESULTS];
	u64 first_ns, last_ns;			/* the first begin; the last end, if known */
	u64 time_ns;				/* the sum of all latencies, if not is_too_long */
	u64 major_ns, major_file_ns;		/* of major faults; of those in files */
	bool is_too_long;			/* the sum is beyond 64 bits */
	bool has_threads;			/* faults of several threads, or of unknown ones */
	u64 tid_text, tid_mask;			/* of the first fault, with the blank after it */
	u64 by_region[REGIONS];
	struct names map_names;
	struct tally_map *maps;			/* by number; the last is all others */
	struct tally_map *latest_map;

	unsigned int page_shift;
	struct tally_block *blocks;		/* a hash table */
	struct tally_block *latest_block;	/* usually the next one, too */
	size_t nr_blocks, nr_block_slots;
	u64 nr_pages;
	bool pages_full;			/* there was no room for more pages */
};

/* Empties the tally, and sets the page size in bytes. */
void tally_reset(struct tally *t, u64 page_size);

/* Call it for each fault that was parsed into @f, in order: @f knows what has not changed. */
void tally_add(struct tally *t, const struct fault *f);

/**
 * tally_top_maps() - Find the mappings with the most time, or without times the most faults.
 * @t: the tally
 * @top: the numbers of the mappings, in order
 * @nr: room in @top
 *
 * Return: the number of mappings in @top.
 */
size_t tally_top_maps(const struct tally *t, size_t *top, size_t nr);

void tally_free(struct tally *t);

#endif
