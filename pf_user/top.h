/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * top - the live view: what the stream that is being logged tells, once a second
 *
 * On a terminal it takes the whole screen, and gives it back; elsewhere it is plain text.
 */
#ifndef PF_USER_TOP_H
#define PF_USER_TOP_H

#include "stream.h"

/* All of these do nothing without --top. */

void top_begin(struct stream *s);

/* The time until the next view, or `ms` if that is less and not negative: for wait_for(). */
long top_limit_ms(long ms);

/* Shows the view, if it is time. */
void top_tick(void);

/* Shows the rest, and gives back the screen. */
void top_end(void);

#endif
