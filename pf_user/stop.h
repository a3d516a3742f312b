/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stop - the signals that end a run, and waiting that they interrupt
 *
 * Draining stops at the first signal. Tracing ends in order at the first signal, and stops at the
 * second. While a command runs, signals are meant for it: those that another process sends to us
 * are passed on to it; those from the terminal have reached it already. When it has ended, the
 * processes that it has started may still be recorded, and signals are meant for us again.
 */
#ifndef PF_USER_STOP_H
#define PF_USER_STOP_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* The latest signal to stop at once, 0 if there was none; the number of signals. */
extern volatile sig_atomic_t stop_signal, nr_stops;

/* The latest signal to end in order. */
extern volatile sig_atomic_t end_signal;

/* Catches SIGINT, SIGQUIT, SIGTERM, and SIGHUP unless that is ignored, as under nohup. */
void catch_stops(bool in_order);

/* In a child: restores the signals as they were before catch_stops(). */
void restore_signals(void);

/* From now on passes signals on to this process; 0: to none. */
void pass_stops_to(pid_t pid);

/* When that process ended, by CLOCK_MONOTONIC; 0 if it has not, or if that is not known. */
unsigned long long stop_command_end_ns(void);

/*
 * As poll(); ms < 0 is no time limit. Also returns -1 when stop_signal is set, or when end_signal
 * was set since the last call. A signal that arrives just before the call is not missed.
 */
int wait_for(struct pollfd *pfd, nfds_t nr, long ms);

#endif
