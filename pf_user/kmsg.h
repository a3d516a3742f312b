/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmsg - shows the lines that a module has printed to the kernel log. */
#ifndef PF_USER_KMSG_H
#define PF_USER_KMSG_H

#include <stdio.h>

/* Writes a marker, at which kmsg_show() begins. Without access to the log both do nothing. */
void kmsg_mark(const char *text);

/*
 * Writes the lines that the kernel has printed in this thread since the marker. A kernel that does
 * not record the thread of a line gives all lines. @prefix: only lines that begin with
 * this, NULL for all.
 */
void kmsg_show(FILE *to, const char *prefix);

#endif
