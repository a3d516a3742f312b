/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stop - the signals that end a run, and waiting without sleeping through one
 *
 * Who drains stops at once. Who traces ends in order first, and stops at the second signal. While
 * there is a command, signals are its own: those that somebody sends to us are passed on to it,
 * those of the terminal it has got already.
 */
#ifndef PF_USER_STOP_H
#define PF_USER_STOP_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* The latest signal to stop at once, 0 if none has come; and how many signals have. */
extern volatile sig_atomic_t stop_signal, nr_stops;

/* The latest signal to end in order. */
extern volatile sig_atomic_t end_signal;

/* From now on SIGINT, SIGQUIT, SIGTERM and SIGHUP (unless ignored, as by nohup) are caught. */
void catch_stops(bool in_order);

/* In a new process: signals are again as they were before. */
void restore_signals(void);

/* 0: to nobody any more. */
void pass_stops_to(pid_t pid);

/*
 * As poll(); ms < 0 is no time limit. Returns -1 at once if stop_signal is set, or end_signal has
 * been since the last call; or when one is being set, which is noticed within this call only.
 */
int wait_for(struct pollfd *pfd, nfds_t nr, long ms);

#endif
