/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tally - what a log's fault lines come to: by result, by region, by mapping, in pages
 *
 * The traced process chooses addresses and names. So memory is bounded: what doesn't fit is counted
 * together, and that it is so can be seen.
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

/* Pages side by side, as many as a word has bits. */
struct tally_block {
	u64 key;
	u64 pages;				/* 0: no block is here */
};

struct tally {
	u64 nr_faults;
	u64 by_result[RESULTS];
	u64 first_ns, last_ns;			/* of any fault; the end, if that is known */
	u64 by_region[REGIONS];
	struct names map_names;
	struct tally_map *maps;		/* by number; the last is those for which there was no room */
	struct tally_map *latest_map;

	unsigned int page_shift;
	struct tally_block *blocks;		/* a set, by hash */
	struct tally_block *latest_block;	/* most often the next one, too */
	size_t nr_blocks, nr_block_slots;
	u64 nr_pages;
	bool pages_full;			/* there were more */
};

/* Empties it; a page has @page_size bytes from now on. */
void tally_reset(struct tally *t, u64 page_size);

/* Each fault that was parsed into the same @f, in their order: it tells what is as before. */
void tally_add(struct tally *t, const struct fault *f);

/**
 * tally_top_maps() - The mappings with the most time in them, or the most faults without times.
 * @t: the tally
 * @top: the numbers of the mappings, in order
 * @nr: room in @top
 *
 * Return: how many there are in @top.
 */
size_t tally_top_maps(const struct tally *t, size_t *top, size_t nr);

void tally_free(struct tally *t);

#endif
