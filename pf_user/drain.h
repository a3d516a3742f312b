/* SPDX-License-Identifier: GPL-2.0-or-later */
/* drain - reads all streams in one loop, each to its end. */
#ifndef PF_USER_DRAIN_H
#define PF_USER_DRAIN_H

#include "stream.h"

/*
 * Returns when each stream is DONE or FAILED, or when stop_signal is set. After end_signal or the
 * deadline, the faults recorded until then are still read. @deadline_ms: as now_ms(), 0 for none
 */
void drain(struct stream *streams, size_t nr_streams, u64 deadline_ms);

#endif
