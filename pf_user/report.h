/* SPDX-License-Identifier: GPL-2.0-or-later */
/* report - what a log holds, and what was lost: at most 12 lines at the end of a run. */
#ifndef PF_USER_REPORT_H
#define PF_USER_REPORT_H

#include <stdio.h>

#include "stream.h"

/* To @to, and what was lost to standard error. Returns 0, or -1 after a message. */
int report(const struct stream *s, FILE *to);

#endif
