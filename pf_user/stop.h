/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stop - the signals that end a run, and waiting without sleeping through one. */
#ifndef PF_USER_STOP_H
#define PF_USER_STOP_H

#include <poll.h>
#include <signal.h>

/* The latest of them, 0 if none has come; and how many have. */
extern volatile sig_atomic_t stop_signal, nr_stops;

/* From now on SIGINT, SIGTERM and SIGHUP (unless ignored, as by nohup) set stop_signal. */
void catch_stops(void);

/*
 * As poll(); ms < 0 is no time limit. Returns -1 at once if stop_signal is set, or when it is being
 * set, which is possible within this call only.
 */
int wait_for(struct pollfd *pfd, nfds_t nr, long ms);

#endif
