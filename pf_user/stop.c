// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>

#include "say.h"
#include "stop.h"

volatile sig_atomic_t stop_signal, nr_stops, end_signal;

static volatile sig_atomic_t command, command_ended;
static volatile unsigned long long command_end_ns;
static bool end_in_order;
static sigset_t stop_signals;

static const int signals[] = {
	SIGINT, SIGQUIT, SIGTERM, SIGHUP,	/* caught */
	SIGPIPE, SIGXFSZ,			/* ignored */
	SIGTTOU, SIGTTIN,			/* ignored when tracing */
	SIGCHLD,				/* if it was ignored, exit statuses would be lost */
};
#define NR_STOPS	4
#define NR_DRAINING	6
#define NR_IGNORED	8
#define NR_SIGNALS	(sizeof(signals) / sizeof(*signals))

static struct sigaction before[NR_SIGNALS];
static sigset_t mask_before;

static void on_stop(int sig, siginfo_t *info, void *context)
{
	int err = errno;

	(void)context;
	if (command) {
		if (info->si_code == SI_KERNEL)
			return;
		kill(command, sig);
		/* The second one: the command did not end after the first. */
		if (++nr_stops > 1)
			end_signal = sig;
		if (nr_stops > 2)
			stop_signal = sig;
	} else if (end_in_order && !end_signal) {
		nr_stops++;
		end_signal = sig;
	} else {
		nr_stops++;
		stop_signal = sig;
	}
	errno = err;
}

/* Its children may go on. From now on signals are meant for us. */
static void on_child(int sig)
{
	siginfo_t info = { 0 };
	int err = errno;

	(void)sig;
	if (command && !waitid(P_PID, (id_t)command, &info, WEXITED | WNOWAIT | WNOHANG) &&
	    info.si_pid) {
		command_end_ns = now_ns();
		command_ended = 1;
		command = 0;
	}
	errno = err;
}

/* Without SA_RESTART, so that a signal interrupts open() and write(). */
void catch_stops(bool in_order)
{
	struct sigaction act = { .sa_sigaction = on_stop, .sa_flags = SA_SIGINFO };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, dfl = { .sa_handler = SIG_DFL };
	struct sigaction child = { .sa_handler = on_child,
				   .sa_flags = SA_RESTART | SA_NOCLDSTOP };

	end_in_order = in_order;
	sigemptyset(&stop_signals);
	for (size_t i = 0; i < NR_SIGNALS; i++) {
		sigaction(signals[i], NULL, &before[i]);
		if (i >= NR_IGNORED) {
			sigaction(signals[i], in_order ? &child : &dfl, NULL);
			continue;
		}
		if (i >= NR_STOPS) {
			/* write() fails instead, or works although a command has the terminal. */
			if (in_order || i < NR_DRAINING)
				sigaction(signals[i], &ignore, NULL);
			continue;
		}
		if (signals[i] == SIGHUP && before[i].sa_handler == SIG_IGN)
			continue;
		sigaction(signals[i], &act, NULL);
		sigaddset(&stop_signals, signals[i]);
	}
	sigprocmask(SIG_UNBLOCK, &stop_signals, &mask_before);
}

void restore_signals(void)
{
	for (size_t i = 0; i < NR_SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

void pass_stops_to(pid_t pid)
{
	command_ended = 0;
	command = pid;
}

unsigned long long stop_command_end_ns(void)
{
	return command_ended ? command_end_ns : 0;
}

int wait_for(struct pollfd *pfd, nfds_t nr, long ms)
{
	struct timespec limit = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	static sig_atomic_t end_seen;
	sigset_t old;
	int ready;

	sigprocmask(SIG_BLOCK, &stop_signals, &old);
	ready = stop_signal || end_signal != end_seen ? -1 :
		ppoll(pfd, nr, ms < 0 ? NULL : &limit, &old);
	end_seen = end_signal;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ready;
}
