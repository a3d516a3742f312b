/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lookup - a helper process that finds the functions of instructions
 *
 * It reads /proc and the files of the traced processes. That takes time, and a hostile process can
 * make it wait for ever, so this process only sends questions and takes answers, and never waits.
 */
#ifndef PF_USER_LOOKUP_H
#define PF_USER_LOOKUP_H

#include <stdbool.h>

#include "space.h"

struct answer {
	struct question q;
	struct found found;
};

/* Starts the helper. Returns false after a message if that fails. */
bool lookup_begin(void);

/* Sends a question. Returns false if there is no helper, or no room now. */
bool lookup_ask(const struct question *q);

/* Takes the next answer, if one has arrived. Returns false if not. */
bool lookup_take(struct answer *a);

/*
 * Has the helper ended, or not answered for some seconds? Then ends it, and its questions get no
 * answers: call lookup_begin() again.
 */
bool lookup_is_stuck(void);

/* The number of questions without an answer. */
size_t lookup_nr_open(void);

void lookup_end(void);

#endif
