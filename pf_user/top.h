/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * top - the live view of the stream that is being logged, once a second
 *
 * On a terminal it uses the whole screen, and restores it at the end; elsewhere it is plain text.
 */
#ifndef PF_USER_TOP_H
#define PF_USER_TOP_H

#include "stream.h"

/* Without --top all of these do nothing. */

void top_begin(struct stream *s);

/* How long to wait until the next view, but at most `ms` unless that is negative. */
long top_limit_ms(long ms);

/* A descriptor that is readable when a key was typed, or -1. */
int top_fd(void);

/* Takes keys, and shows the view, if a second is over. */
void top_tick(void);

/* Shows the last view, and restores the screen. */
void top_end(void);

#endif
