/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choice - what the live view shows, as chosen by keys. */
#ifndef PF_USER_CHOICE_H
#define PF_USER_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "activity.h"

#define FILTER_MAX	60

/* BY_ALL: the first three, as in the plain text. */
enum grouping {
	BY_ALL, BY_REGION, BY_MAPPING, BY_THREAD, BY_PROCESS, BY_PROGRAM, BY_FUNCTION,
	GROUPINGS
};

struct choice {
	enum grouping by;
	enum sort_key sort;
	char filter[FILTER_MAX];	/* printable ASCII, not terminated; only names with it */
	size_t filter_len;
	bool typing;			/* the filter */
	bool paused, help;
};

/* The tables by the names that the option --top takes; returns GROUPINGS for others. */
enum grouping choice_grouping(const char *name);

/* Takes what was typed. Returns false if that was to quit. */
bool choice_take(struct choice *c, const char *bytes, size_t len);

/* Does a name contain the filter? All do if there is none. */
bool choice_matches(const struct choice *c, const char *name, size_t len);

#endif
