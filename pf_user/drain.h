/* SPDX-License-Identifier: GPL-2.0-or-later */
/* drain - all streams to their ends, in one loop. */
#ifndef PF_USER_DRAIN_H
#define PF_USER_DRAIN_H

#include "stream.h"

/*
 * Until each stream is DONE or FAILED, or stop_signal is set. From end_signal or the deadline on,
 * what there is at that moment is still taken. @deadline_ms: see now_ms(); 0 is none
 */
void drain(struct stream *streams, size_t nr_streams, u64 deadline_ms);

#endif
