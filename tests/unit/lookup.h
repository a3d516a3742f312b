/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In the place of pf_user/lookup.c: a helper whose answers the test chooses. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdio.h>
#include <string.h>

#include "pf_user/lookup.h"

#define ASKED_MAX	65536

static struct {
	struct question list[ASKED_MAX];
	size_t nr, room, nr_begun;
	bool is_stuck, is_silent;
	u64 read_ns;			/* of the answers */
} asked = { .room = ASKED_MAX };

bool lookup_begin(void)
{
	asked.nr_begun++;
	return true;
}

bool lookup_ask(const struct question *q)
{
	if (asked.nr == asked.room)
		return false;
	asked.list[asked.nr++] = *q;
	return true;
}

/* From 0x1000 on instructions are in functions of 16 bytes. */
bool lookup_take(struct answer *a)
{
	if (!asked.nr || asked.is_silent)
		return false;
	a->q = asked.list[--asked.nr];
	a->found.read_ns = asked.read_ns;
	a->found.len = (size_t)(a->q.ip < 0x1000 ?
		sprintf(a->found.text, "%c?%cin no executable mapping", FOUND_NONE, '\0') :
		sprintf(a->found.text, "%cat_%llx%c/bin/cc1", FOUND_FUNCTION, a->q.ip / 16 * 16,
			'\0'));
	return true;
}

bool lookup_is_stuck(void)
{
	bool was = asked.is_stuck;

	if (was)
		asked.nr = 0;
	asked.is_stuck = false;
	return was;
}

size_t lookup_nr_open(void)
{
	return asked.nr;
}

void lookup_end(void)
{
	asked.nr = 0;
}

#endif
