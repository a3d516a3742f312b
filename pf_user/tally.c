// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "say.h"
#include "tally.h"

const char *const tally_regions[TALLY_REGIONS] = {
	"code", "data", "heap", "stack", "file", "anon", "special", "other",
};

/* So that nobody can choose names and addresses that all fall into one slot. */
static u64 secret[2];

static u64 mix(u64 a, u64 b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (u64)product ^ (u64)(product >> 64);
}

static u64 hash_name(const char *name, size_t len)
{
	u64 hash = secret[0] ^ len, word;

	for (; len >= sizeof(word); name += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		hash = mix(hash ^ word, secret[1]);
	}
	word = 0;
	memcpy(&word, name, len);
	return mix(hash ^ word, secret[1]);
}

void tally_free(struct tally *t)
{
	for (size_t i = 0; i < t->nr_maps; i++)
		free(t->maps[i].name);
	free(t->maps);
	free(t->map_slots);
	free(t->pages);
	*t = (struct tally) { 0 };
}

void tally_reset(struct tally *t, u64 page_size)
{
	tally_free(t);
	if (!secret[1]) {
		if (getrandom(secret, sizeof(secret), GRND_NONBLOCK) != sizeof(secret))
			secret[0] = (u64)(size_t)t;
		secret[1] |= 1;
	}
	t->nr_map_slots = 256;
	t->map_slots = need(calloc(t->nr_map_slots, sizeof(*t->map_slots)));
	t->maps = need(calloc(t->nr_map_slots / 2, sizeof(*t->maps)));
	t->nr_page_slots = 4096;
	t->pages = need(calloc(t->nr_page_slots, sizeof(*t->pages)));
	t->page_shift = page_size > 1 && !(page_size & (page_size - 1)) ?
			(unsigned int)__builtin_ctzll(page_size) : 12;
}

static void grow_maps(struct tally *t)
{
	t->nr_map_slots *= 2;
	free(t->map_slots);
	t->map_slots = need(calloc(t->nr_map_slots, sizeof(*t->map_slots)));
	t->maps = need(reallocarray(t->maps, t->nr_map_slots / 2, sizeof(*t->maps)));
	for (size_t i = 0; i < t->nr_maps; i++) {
		size_t slot = t->maps[i].hash & (t->nr_map_slots - 1);

		while (t->map_slots[slot])
			slot = (slot + 1) & (t->nr_map_slots - 1);
		t->map_slots[slot] = (unsigned int)i + 1;
	}
}

static bool has_name(const struct tally_map *map, const char *name, size_t len)
{
	return map->len == len && !memcmp(map->name, name, len);
}

static struct tally_map *find_map(struct tally *t, const char *name, size_t len)
{
	size_t slot;
	u64 hash;

	if (t->nr_maps && has_name(&t->maps[t->latest], name, len))
		return &t->maps[t->latest];

	hash = hash_name(name, len);
	for (slot = hash & (t->nr_map_slots - 1); t->map_slots[slot];
	     slot = (slot + 1) & (t->nr_map_slots - 1)) {
		struct tally_map *map = &t->maps[t->map_slots[slot] - 1];

		if (map->hash == hash && has_name(map, name, len)) {
			t->latest = (size_t)(map - t->maps);
			return map;
		}
	}
	if (t->nr_maps == TALLY_MAPS_MAX || len > TALLY_NAMES_SIZE - t->names_size)
		return &t->other_maps;

	if (t->nr_maps == t->nr_map_slots / 2) {
		grow_maps(t);
		for (slot = hash & (t->nr_map_slots - 1); t->map_slots[slot];
		     slot = (slot + 1) & (t->nr_map_slots - 1))
			;
	}
	t->latest = t->nr_maps++;
	t->map_slots[slot] = (unsigned int)t->nr_maps;
	t->names_size += len;
	t->maps[t->latest] = (struct tally_map) {
		.name = memcpy(need(malloc(len + 1)), name, len),
		.len = len,
		.hash = hash,
	};
	return &t->maps[t->latest];
}

/* Returns the slot where the key is or would be. */
static u64 *find_page(const struct tally *t, u64 key)
{
	size_t slot = mix(key ^ secret[0], secret[1]) & (t->nr_page_slots - 1);

	while (t->pages[slot] && t->pages[slot] != key)
		slot = (slot + 1) & (t->nr_page_slots - 1);
	return &t->pages[slot];
}

static void grow_pages(struct tally *t)
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

#define ONES	0x0101010101010101ULL

/* Eight digits at a time, then one by one. The line ends with a newline before @end. */
static const char *take_number(const char *p, const char *end, u64 *number)
{
	u64 value = 0, word;

	while (end - p >= (ptrdiff_t)sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		if (((word & 0xf0 * ONES) | ((word + 0x06 * ONES) & 0xf0 * ONES) >> 4) !=
		    0x33 * ONES)
			break;
		/* The first digit is in the lowest byte: pairs, fours, all eight. */
		word = (word & 0x0f * ONES) * (1 + (10 << 8)) >> 8;
		word = (word & 0x00ff00ff00ff00ff) * (1 + (100 << 16)) >> 16;
		word = (word & 0x0000ffff0000ffff) * (1 + (10000ULL << 32)) >> 32;
		value = value * 100000000 + word;
		p += sizeof(word);
	}
	while (*p >= '0' && *p <= '9')
		value = value * 10 + (u64)(*p++ - '0');
	*number = value;
	return p;
}

static const char *take_hex(const char *p, u64 *number)
{
	u64 value = 0;

	for (;; p++) {
		unsigned int digit = (unsigned int)*p - '0';

		if (digit > 9) {
			digit = (unsigned int)*p - 'a' + 10;
			if (digit < 10 || digit > 15)
				break;
		}
		value = value << 4 | digit;
	}
	*number = value;
	return p;
}

/* Returns what follows `word`, or NULL. */
static inline const char *skip_word(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - p) > len && !memcmp(p, word, len) ? p + len : NULL;
}

/* By two letters, as this is done for each fault; then it is looked at as a whole. */
static unsigned int region_of(const char *word, size_t len)
{
	unsigned int i = TALLY_REGIONS - 1;

	if (len < 2)
		return i;
	switch (word[0]) {
	case 'c':
		i = 0;
		break;
	case 'd':
		i = 1;
		break;
	case 'h':
		i = 2;
		break;
	case 's':
		i = word[1] == 't' ? 3 : 6;
		break;
	case 'f':
		i = 4;
		break;
	case 'a':
		i = 5;
		break;
	}
	return strlen(tally_regions[i]) == len && !memcmp(tally_regions[i], word, len) ?
	       i : TALLY_REGIONS - 1;
}

/* The next blank, or the newline before the end: eight bytes a step. */
static const char *next_blank(const char *p, const char *end)
{
	u64 word;

	for (; end - p >= (ptrdiff_t)sizeof(word); p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		word ^= ' ' * ONES;
		word = (word - ONES) & ~word & 0x80 * ONES;
		if (word)
			return p + __builtin_ctzll(word) / 8;
	}
	while (p < end - 1 && *p != ' ')
		p++;
	return p < end - 1 ? p : end - 1;
}

static void add_result(struct tally *t, const char *word, size_t len)
{
	if (len == 5 && !memcmp(word, "minor", 5))
		t->nr_minor++;
	else if (len == 5 && !memcmp(word, "major", 5))
		t->nr_major++;
	else
		t->nr_failed++;
}

/* Each step ends at the newline at the latest: nothing reads beyond it. */
void tally_add(struct tally *t, const char *line, size_t len)
{
	const char *end = line + len, *p = skip_word(line, end, "PID ="), *value;
	u64 pid, address, time_ns, latency_ns = 0;
	const char *map = NULL;
	size_t map_len = 0;

	while (p && *p == ' ')
		p++;
	if (!p)
		return;
	p = skip_word(take_number(p, end, &pid), end, " Page Fault at Address 0x");
	if (!p)
		return;
	p = skip_word(take_hex(p, &address), end, " at Time ");
	if (!p)
		return;
	p = take_number(p, end, &time_ns);

	/* What is before the region does not matter, and mostly is as long as in the last line. */
	if (t->region_at < len && skip_word(line + t->region_at, end, " region="))
		p = line + t->region_at;

	/* A key's first letter tells whether it may matter. */
	while (*p == ' ') {
		const char *word = p + 1;

		p = next_blank(word, end);
		if (*word == 'r') {
			if ((value = skip_word(word, p, "region="))) {
				t->region_at = (size_t)(word - 1 - line);
				t->by_region[region_of(value, (size_t)(p - value))]++;
			} else if ((value = skip_word(word, p, "result="))) {
				add_result(t, value, (size_t)(p - value));
			}
		} else if (*word == 'l') {
			if ((value = skip_word(word, p, "latency_ns=")))
				take_number(value, end, &latency_ns);
		} else if (*word == 'm' && (value = skip_word(word, p, "map="))) {
			map = value;
			map_len = (size_t)(p - value);
		}
	}
	if (map) {
		struct tally_map *found = find_map(t, map, map_len);

		found->nr_faults++;
		found->time_ns += latency_ns;
	}
	add_page(t, pid, address);
	if (!t->nr_faults++ || time_ns < t->first_ns)
		t->first_ns = time_ns;
	if (time_ns + latency_ns > t->last_ns)
		t->last_ns = time_ns + latency_ns;
}

static bool is_more(const struct tally_map *a, const struct tally_map *b)
{
	return a->time_ns != b->time_ns ? a->time_ns > b->time_ns : a->nr_faults > b->nr_faults;
}

size_t tally_top_maps(const struct tally *t, size_t *top, size_t nr)
{
	size_t nr_top = 0;

	for (size_t i = 0; i < t->nr_maps; i++) {
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
