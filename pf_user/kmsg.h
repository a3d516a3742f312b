/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmsg - the kernel's log, as far as it is about us. */
#ifndef PF_USER_KMSG_H
#define PF_USER_KMSG_H

#include <stdio.h>

/* Puts a marker into the log; what is shown later comes after it. Without the log, all is quiet. */
void kmsg_mark(const char *text);

/*
 * Writes what this thread has had the kernel write since the marker. If the kernel does not tell
 * whose a line is, that is all that came. @prefix: only lines that begin so, NULL for all.
 */
void kmsg_show(FILE *to, const char *prefix);

#endif
