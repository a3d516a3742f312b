/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tally - what a log's fault lines come to: by result, by region, by mapping, in pages
 *
 * The traced process chooses addresses and names. So memory is bounded: what doesn't fit is counted
 * together, and that it is so can be seen.
 */
#ifndef PF_USER_TALLY_H
#define PF_USER_TALLY_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned long long u64;

#ifndef TALLY_MAPS_MAX
#define TALLY_MAPS_MAX		8192
#endif
#define TALLY_NAMES_SIZE	(4 << 20)	/* of all mappings together, in bytes */
#ifndef TALLY_PAGES_MAX
#define TALLY_PAGES_MAX		(4 << 20)
#endif
#define TALLY_REGIONS		8		/* the last one is for words that aren't known */

extern const char *const tally_regions[TALLY_REGIONS];

struct tally_map {
	char *name;			/* as in the log, not terminated */
	size_t len;
	u64 hash;
	u64 nr_faults;
	u64 time_ns;
};

struct tally {
	u64 nr_faults;
	u64 nr_minor, nr_major, nr_failed;	/* all 0 if results are not in the lines */
	u64 first_ns, last_ns;			/* of any fault; the end, if that is known */
	u64 by_region[TALLY_REGIONS];
	size_t region_at;			/* where ` region=` was in the latest line */
	struct tally_map other_maps;		/* for which there was no room; no name */
	struct tally_map *maps;
	size_t nr_maps, names_size;
	unsigned int *map_slots;		/* a map's number and 1, by hash */
	size_t nr_map_slots;
	size_t latest;				/* the map found last, most often the next one's, too */

	unsigned int page_shift;
	u64 *pages;				/* a set, 0 is free */
	size_t nr_pages, nr_page_slots;
	bool has_page_0;
	bool pages_full;			/* there were more */
};

/* Empties it; a page has @page_size bytes from now on. */
void tally_reset(struct tally *t, u64 page_size);

/* @line: a fault line as the kernel wrote it, `len` bytes with the newline */
void tally_add(struct tally *t, const char *line, size_t len);

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
