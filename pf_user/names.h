/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names - a set of texts, each with a number, in bounded memory
 *
 * The traced process chooses them: how many, how long, and if it could, all in one slot.
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
	unsigned int *slots;		/* a name's number and 1, by hash */
	size_t nr_slots;
	size_t latest;			/* the one found last, most often the next one, too */
};

/* Begins an empty set. */
void names_init(struct names *n, size_t max, size_t max_size);

/* As names_find(). */
size_t names_look_up(struct names *n, const char *text, size_t len);

/* The text's number, from 0 on as they come; n->max if there is no room for it. */
static inline size_t names_find(struct names *n, const char *text, size_t len)
{
	const struct name *latest = &n->list[n->latest];

	if (n->nr && latest->len == len && !memcmp(latest->text, text, len))
		return n->latest;
	return names_look_up(n, text, len);
}

/* Forgets all of them; the memory is kept for the next. */
void names_clear(struct names *n);

void names_free(struct names *n);

/* A hash of a number that nobody can foresee, for tables as this one. */
u64 names_mix(u64 number);

#endif
