/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names - numbers texts, in bounded memory
 *
 * The traced process chooses the texts: their number, their length, and their contents, so that the
 * hash is seeded with a secret.
 */
#ifndef PF_USER_NAMES_H
#define PF_USER_NAMES_H

#include <stddef.h>
#include <string.h>

typedef unsigned long long u64;

struct name {
	char *text;			/* not terminated */
	size_t len;
	u64 hash;
};

struct names {
	struct name *list;
	size_t nr, max;
	size_t size, max_size;		/* of all texts together, in bytes */
	unsigned int *slots;		/* a hash table of number + 1 */
	size_t nr_slots;
	size_t latest;			/* the one found last; usually the next one, too */
};

/* Begins with no names. `max_size` is for all texts together. */
void names_init(struct names *n, size_t max, size_t max_size);

/* As names_find(), without the short cut. */
size_t names_look_up(struct names *n, const char *text, size_t len);

/* The number of a text: new ones get the next number, from 0; n->max if there is no room. */
static inline size_t names_find(struct names *n, const char *text, size_t len)
{
	const struct name *latest = &n->list[n->latest];

	if (n->nr && latest->len == len && !memcmp(latest->text, text, len))
		return n->latest;
	return names_look_up(n, text, len);
}

/* Removes all names, and keeps the memory for new ones. */
void names_clear(struct names *n);

void names_free(struct names *n);

/* A hash of a number, seeded with the secret, for other tables. */
u64 names_mix(u64 number);

#endif
