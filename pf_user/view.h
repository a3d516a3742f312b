/* SPDX-License-Identifier: GPL-2.0-or-later */
/* view - the live view as lines of text that fit a terminal. */
#ifndef PF_USER_VIEW_H
#define PF_USER_VIEW_H

#include <stdio.h>

#include "activity.h"
#include "choice.h"
#include "stream.h"

struct view {
	unsigned int columns, rows;	/* the text never exceeds these */
	u64 moment_ns;			/* the length of the interval */
	u64 running_ns;			/* the time since the view began */
	u64 behind_ns;			/* how far the reader is behind, or 0 */
	const struct choice *choice;	/* NULL: as at first */
	bool has_keys;
};

/*
 * Writes lines of printable ASCII, each with a newline. Names, which the traced process chooses,
 * are escaped as in the log.
 */
void view_put(FILE *to, const struct view *v, const struct stream *s, const struct activity *a);

#endif
