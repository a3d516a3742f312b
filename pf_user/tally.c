// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "tally.h"

void tally_free(struct tally *t)
{
	names_free(&t->map_names);
	free(t->maps);
	free(t->pages);
	*t = (struct tally) { 0 };
}

void tally_reset(struct tally *t, u64 page_size)
{
	tally_free(t);
	names_init(&t->map_names, TALLY_MAPS_MAX, TALLY_NAMES_SIZE);
	t->maps = need(calloc(TALLY_MAPS_MAX + 1, sizeof(*t->maps)));
	t->nr_page_slots = 4096;
	t->pages = need(calloc(t->nr_page_slots, sizeof(*t->pages)));
	t->page_shift = page_size > 1 && !(page_size & (page_size - 1)) ?
			(unsigned int)__builtin_ctzll(page_size) : 12;
}

/* Returns the slot where the key is or would be. */
static u64 *find_page(const struct tally *t, u64 key)
{
	size_t slot = names_mix(key) & (t->nr_page_slots - 1);

	while (t->pages[slot] && t->pages[slot] != key)
		slot = (slot + 1) & (t->nr_page_slots - 1);
	return &t->pages[slot];
}

static __attribute__((noinline)) void grow_pages(struct tally *t)
{
	u64 *old = t->pages;
	size_t nr_old = t->nr_page_slots;

	t->nr_page_slots *= 2;
	t->pages = need(calloc(t->nr_page_slots, sizeof(*t->pages)));
	for (size_t i = 0; i < nr_old; i++)
		if (old[i])
			*find_page(t, old[i]) = old[i];
	free(old);
}

/* A page of a process. Numbers of processes have up to 22 bits, of pages 42 up to 16 PiB. */
static void add_page(struct tally *t, u64 pid, u64 address)
{
	u64 key = address >> t->page_shift ^ pid << 42, *slot = find_page(t, key);

	if (!key)
		t->has_page_0 = true;
	if (!key || *slot)
		return;
	if (t->nr_pages == TALLY_PAGES_MAX) {
		t->pages_full = true;
		return;
	}
	*slot = key;
	if (++t->nr_pages > t->nr_page_slots / 2)
		grow_pages(t);
}

void tally_add(struct tally *t, const struct fault *f)
{
	if (f->region >= 0)
		t->by_region[f->region]++;
	t->by_result[f->result]++;
	if (f->map) {
		if (!f->same_map || !t->latest_map)
			t->latest_map = &t->maps[names_find(&t->map_names, f->map, f->map_len)];
		t->latest_map->nr_faults++;
		t->latest_map->time_ns += f->latency_ns;
	}
	add_page(t, f->pid, f->address);
	if (!t->nr_faults++ || f->time_ns < t->first_ns)
		t->first_ns = f->time_ns;
	if (fault_end_ns(f) > t->last_ns)
		t->last_ns = fault_end_ns(f);
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
