/* SPDX-License-Identifier: GPL-2.0-or-later */
/* report - a summary of the log and the losses at the end of a run, in at most 12 lines. */
#ifndef PF_USER_REPORT_H
#define PF_USER_REPORT_H

#include <stdio.h>

#include "stream.h"

/* Prints the summary to @to, and the losses to standard error. Returns 0, or -1 after a message. */
int report(const struct stream *s, FILE *to);

/* The same in two lines, and the losses. */
int report_briefly(const struct stream *s, FILE *to);

/* The command that compares the logs of a series of runs with others. NULL: there is no log. */
void report_series(char *const *names, size_t nr, FILE *to);

#endif
