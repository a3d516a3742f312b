/* SPDX-License-Identifier: GPL-2.0-or-later */
/* report - what a log holds, and what was lost, told at the end of a run. */
#ifndef PF_USER_REPORT_H
#define PF_USER_REPORT_H

#include "stream.h"

/* Returns 0, or -1 after a message if it could not be written. */
int report(const struct stream *s);

#endif
