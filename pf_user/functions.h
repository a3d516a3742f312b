/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * functions - the functions that took faults, in bounded memory
 *
 * An instruction gets a number at its first fault. Its function is known some time later, when
 * lookup.h has an answer; faults are counted by instruction until then.
 */
#ifndef PF_USER_FUNCTIONS_H
#define PF_USER_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "lookup.h"
#include "names.h"
#include "programs.h"

#ifndef INSTRUCTIONS_MAX
#define INSTRUCTIONS_MAX	16384
#endif
#define NO_INSTRUCTION		INSTRUCTIONS_MAX

struct instruction {
	struct question q;
	u64 asked_ns;			/* when it was answered last */
	u64 read_ns;			/* when the mappings were read for that */
	size_t name;			/* of its function; NO_INSTRUCTION: not known yet */
	u64 interval;			/* the latest in which it took a fault */
	unsigned int lane;		/* its number in that */
	enum { QUEUED, ASKED, ANSWERED } state;
};

struct functions {
	const struct programs *programs;
	struct instruction *list;
	size_t nr;
	unsigned int *slots;		/* a hash table of number + 1 */
	unsigned int *queue;		/* numbers to ask for; a ring */
	size_t queue_first, nr_queued;
	struct names names;
	u64 interval, now_ns;
	bool has_helper, cannot_help;
};

void functions_init(struct functions *f, const struct programs *programs);

/* The number of the instruction of a fault; NO_INSTRUCTION: there is no room. */
size_t functions_find(struct functions *f, u64 pid, u64 ip, u64 time_ns);

/* Sends questions and takes answers; never waits. Returns whether answers have come. */
bool functions_tick(struct functions *f);

/* Is there an instruction that is not answered? */
bool functions_are_open(const struct functions *f);

/*
 * What is known of an instruction: a letter, a text, a zero and another text (see space.h). Valid
 * until the next call for the same @f.
 */
const char *functions_text(const struct functions *f, size_t number, size_t *len);

/*
 * A new interval begins: lanes are no longer valid. When half of the room is used, forgets all
 * instructions except these, which get new numbers.
 */
void functions_turn(struct functions *f, unsigned int *kept, size_t nr_kept);

/* Ends the helper process, too. */
void functions_free(struct functions *f);

#endif
