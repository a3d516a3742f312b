/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdict - what the faults of a log cost, in a line, and the command to type next. */
#ifndef PF_USER_VERDICT_H
#define PF_USER_VERDICT_H

#include <stdio.h>

#include "stream.h"

/* Does the log have latencies, so that there is a verdict? */
bool verdict_exists(const struct stream *s);

/**
 * verdict_put() - Print the verdict in a line, or nothing.
 * @s: a stream that has ended
 * @to: where
 *
 * It has the time of all faults. It has their share of the run only if all are faults of one
 * thread, because the times of several threads overlap, and if the length of the run is known. If
 * faults were lost, there are no shares.
 */
void verdict_put(const struct stream *s, FILE *to);

/* The option that the plotter gets next: -o warm.sh if reading files took most of the time. */
const char *verdict_option(const struct stream *s);

#endif
