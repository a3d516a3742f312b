// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "tally.h"

void tally_free(struct tally *t)
{
	names_free(&t->map_names);
	free(t->maps);
	free(t->blocks);
	*t = (struct tally) { 0 };
}

void tally_reset(struct tally *t, u64 page_size)
{
	tally_free(t);
	names_init(&t->map_names, TALLY_MAPS_MAX, TALLY_NAMES_SIZE);
	t->maps = need(calloc(TALLY_MAPS_MAX + 1, sizeof(*t->maps)));
	t->nr_block_slots = 1024;
	t->blocks = need(calloc(t->nr_block_slots, sizeof(*t->blocks)));
	t->latest_block = t->blocks;
	t->page_shift = page_size > 1 && !(page_size & (page_size - 1)) ?
			(unsigned int)__builtin_ctzll(page_size) : 12;
}

/* The slot of the block, or the free slot for it. */
static struct tally_block *find_block(const struct tally *t, u64 key)
{
	size_t slot = names_mix(key) & (t->nr_block_slots - 1);

	while (t->blocks[slot].pages && t->blocks[slot].key != key)
		slot = (slot + 1) & (t->nr_block_slots - 1);
	return &t->blocks[slot];
}

static void grow_blocks(struct tally *t)
{
	struct tally_block *old = t->blocks;
	size_t nr_old = t->nr_block_slots;

	t->nr_block_slots *= 2;
	t->blocks = need(calloc(t->nr_block_slots, sizeof(*t->blocks)));
	for (size_t i = 0; i < nr_old; i++)
		if (old[i].pages)
			*find_block(t, old[i].key) = old[i];
	free(old);
}

/* Finds or adds the block with this key. Returns NULL if there is no room for it. */
static struct tally_block *get_block(struct tally *t, u64 key)
{
	struct tally_block *block = find_block(t, key);

	if (block->pages)
		return block;
	if (t->nr_blocks == TALLY_BLOCKS_MAX) {
		t->pages_full = true;
		return NULL;
	}
	if (++t->nr_blocks > t->nr_block_slots / 2) {
		grow_blocks(t);
		block = find_block(t, key);
	}
	block->key = key;
	return block;
}

/* A number for the page in its process: page numbers have 42 bits up to 16 PiB, PIDs 22. */
static inline u64 page_of(const struct tally *t, const struct fault *f)
{
	return f->address >> t->page_shift ^ f->pid << 42;
}

static inline bool is_in_block(const struct tally_block *block, u64 page)
{
	return block->key == page / 64 && block->pages;
}

static inline void add_page(struct tally *t, struct tally_block *block, u64 page)
{
	u64 bit = 1ULL << page % 64;

	t->nr_pages += !(block->pages & bit);
	block->pages |= bit;
}

static inline void add_to_map(struct tally_map *map, const struct fault *f)
{
	map->nr_faults++;
	map->time_ns += f->latency_ns;
}

/* For a fault in another mapping or block than the latest one. */
static __attribute__((noinline)) void add_elsewhere(struct tally *t, const struct fault *f)
{
	u64 page = page_of(t, f);
	struct tally_block *block = t->latest_block;

	if (f->map && (!f->same_map || !t->latest_map))
		t->latest_map = &t->maps[names_find(&t->map_names, f->map, f->map_len)];
	if (f->map)
		add_to_map(t->latest_map, f);
	if (!is_in_block(block, page))
		block = get_block(t, page / 64);
	if (!block)
		return;
	add_page(t, block, page);
	t->latest_block = block;
}

_Static_assert(FAULT_SLACK >= sizeof(u64), "add_thread() reads so far behind a word of a line");

/* For the first fault, and for one of another thread. */
static __attribute__((noinline)) void take_tid(struct tally *t, const struct fault *f)
{
	size_t len = f->tid ? strcspn(f->tid, " \n") : 0;

	t->has_threads = t->nr_faults || !len || len >= sizeof(u64) || f->tid[len] != ' ';
	if (t->has_threads)
		return;
	memset(&t->tid_mask, 0xff, len + 1);
	memcpy(&t->tid_text, f->tid, len + 1);
}

static inline void add_thread(struct tally *t, const struct fault *f)
{
	u64 text = 0;

	if (t->has_threads)
		return;
	if (f->tid)
		memcpy(&text, f->tid, sizeof(text));
	if (!t->tid_mask || (text & t->tid_mask) != t->tid_text)
		take_tid(t, f);
}

/* A major fault in swapped memory is not in a file. */
static inline bool is_in_file(const struct fault *f)
{
	return f->region >= 0 && (!strcmp(region_names[f->region], "code") ||
				  !strcmp(region_names[f->region], "data") ||
				  !strcmp(region_names[f->region], "file"));
}

static inline void add_time(struct tally *t, const struct fault *f)
{
	/* No sum of major faults is larger than the sum of all. */
	if (__builtin_add_overflow(t->time_ns, f->latency_ns, &t->time_ns))
		t->is_too_long = true;
	if (f->result == RESULT_MAJOR) {
		t->major_ns += f->latency_ns;
		t->major_file_ns += is_in_file(f) ? f->latency_ns : 0;
	}
}

void tally_add(struct tally *t, const struct fault *f)
{
	u64 page = page_of(t, f);

	add_thread(t, f);
	add_time(t, f);

	if (f->region >= 0)
		t->by_region[f->region]++;
	t->by_result[f->result]++;
	if (!t->nr_faults++ || f->time_ns < t->first_ns)
		t->first_ns = f->time_ns;
	if (fault_end_ns(f) > t->last_ns)
		t->last_ns = fault_end_ns(f);
	if (f->same_map && t->latest_map && is_in_block(t->latest_block, page)) {
		add_to_map(t->latest_map, f);
		add_page(t, t->latest_block, page);
	} else {
		add_elsewhere(t, f);
	}
}

static bool is_more(const struct tally_map *a, const struct tally_map *b)
{
	return a->time_ns != b->time_ns ? a->time_ns > b->time_ns : a->nr_faults > b->nr_faults;
}

size_t tally_top_maps(const struct tally *t, size_t *top, size_t nr)
{
	size_t nr_top = 0;

	for (size_t i = 0; i < t->map_names.nr; i++) {
		size_t at = nr_top;

		while (at && is_more(&t->maps[i], &t->maps[top[at - 1]]))
			at--;
		if (at == nr)
			continue;
		if (nr_top < nr)
			nr_top++;
		memmove(top + at + 1, top + at, (nr_top - at - 1) * sizeof(*top));
		top[at] = i;
	}
	return nr_top;
}
