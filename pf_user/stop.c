// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>
#include <time.h>

#include "stop.h"

volatile sig_atomic_t stop_signal, nr_stops;
static sigset_t stop_signals;

static void on_stop(int sig)
{
	stop_signal = sig;
	nr_stops++;
}

/* Without SA_RESTART: an open() or write() that sleeps is to end. */
void catch_stops(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = on_stop }, old;

	sigemptyset(&stop_signals);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		sigaction(signals[i], NULL, &old);
		if (signals[i] == SIGHUP && old.sa_handler == SIG_IGN)
			continue;
		sigaction(signals[i], &act, NULL);
		sigaddset(&stop_signals, signals[i]);
	}
	sigprocmask(SIG_UNBLOCK, &stop_signals, NULL);

	/* Have write() fail instead: no temporary file stays behind. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

int wait_for(struct pollfd *pfd, nfds_t nr, long ms)
{
	struct timespec limit = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	sigset_t old;
	int ready;

	sigprocmask(SIG_BLOCK, &stop_signals, &old);
	ready = stop_signal ? -1 : ppoll(pfd, nr, ms < 0 ? NULL : &limit, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ready;
}
