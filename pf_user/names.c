// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "names.h"
#include "say.h"

/* Without it, a process could choose names and addresses that all get the same slot. */
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

u64 names_mix(u64 number)
{
	return mix(number ^ secret[0], secret[1]);
}

static void draw_secret(void)
{
	if (secret[1])
		return;
	if (getrandom(secret, sizeof(secret), GRND_NONBLOCK) != sizeof(secret))
		secret[0] = (u64)(size_t)&secret;	/* not random: only early at boot */
	secret[1] |= 1;
}

void names_init(struct names *n, size_t max, size_t max_size)
{
	draw_secret();
	*n = (struct names) { .max = max, .max_size = max_size, .nr_slots = 256 };
	n->slots = need(calloc(n->nr_slots, sizeof(*n->slots)));
	n->list = need(calloc(n->nr_slots / 2, sizeof(*n->list)));
}

void names_clear(struct names *n)
{
	for (size_t i = 0; i < n->nr; i++)
		free(n->list[i].text);
	memset(n->slots, 0, n->nr_slots * sizeof(*n->slots));
	n->nr = n->size = n->latest = 0;
}

void names_free(struct names *n)
{
	for (size_t i = 0; i < n->nr; i++)
		free(n->list[i].text);
	free(n->list);
	free(n->slots);
	*n = (struct names) { 0 };
}

static size_t free_slot(const struct names *n, u64 hash)
{
	size_t slot = hash & (n->nr_slots - 1);

	while (n->slots[slot])
		slot = (slot + 1) & (n->nr_slots - 1);
	return slot;
}

static void grow(struct names *n)
{
	n->nr_slots *= 2;
	free(n->slots);
	n->slots = need(calloc(n->nr_slots, sizeof(*n->slots)));
	n->list = need(reallocarray(n->list, n->nr_slots / 2, sizeof(*n->list)));
	for (size_t i = 0; i < n->nr; i++)
		n->slots[free_slot(n, n->list[i].hash)] = (unsigned int)i + 1;
}

static bool is(const struct name *name, const char *text, size_t len)
{
	return name->len == len && !memcmp(name->text, text, len);
}

size_t names_look_up(struct names *n, const char *text, size_t len)
{
	u64 hash = hash_name(text, len);
	size_t slot;

	for (slot = hash & (n->nr_slots - 1); n->slots[slot]; slot = (slot + 1) & (n->nr_slots - 1)) {
		size_t i = n->slots[slot] - 1;

		if (n->list[i].hash == hash && is(&n->list[i], text, len))
			return n->latest = i;
	}
	if (n->nr == n->max || len > n->max_size - n->size)
		return n->max;

	if (n->nr == n->nr_slots / 2) {
		grow(n);
		slot = free_slot(n, hash);
	}
	n->latest = n->nr++;
	n->slots[slot] = (unsigned int)n->nr;
	n->size += len;
	n->list[n->latest] = (struct name) {
		.text = memcpy(need(malloc(len + 1)), text, len),
		.len = len,
		.hash = hash,
	};
	return n->latest;
}
