/* SPDX-License-Identifier: GPL-2.0-or-later */
/* view - an activity as lines of text, for a terminal of a given size or for none. */
#ifndef PF_USER_VIEW_H
#define PF_USER_VIEW_H

#include <stdio.h>

#include "activity.h"
#include "stream.h"

struct view {
	unsigned int columns, rows;	/* of which none are exceeded, however small */
	u64 moment_ns;			/* how long the moment was */
	u64 running_ns;			/* since the view began */
	u64 behind_ns;			/* the reader, 0 if it isn't */
};

/*
 * Lines of plain letters, each with a newline: what the traced process put into names is escaped
 * as in the log.
 */
void view_put(FILE *to, const struct view *v, const struct stream *s, const struct activity *a);

#endif
