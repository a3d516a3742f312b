// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lookup.h"
#include "say.h"

#define LATER_MAX	4096	/* questions that wait for the mappings to be read again */
#define STUCK_NS	10000000000ULL
#define END_MS		100

/* In the headers since glibc 2.34; the same number everywhere. Before Linux 5.9 there is none. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static int channel = -1;
static pid_t helper;
static size_t nr_open;
static u64 latest_ns;			/* of the latest answer, or of the first question after that */
static bool has_ended;

struct later {
	struct question q;
	u64 due_ns;
};

/* In the helper, where the channel is descriptor 0. */
static struct {
	struct spaces spaces;
	struct answer answer;
	struct later later[LATER_MAX];
	size_t nr_later;
} *own;

static void send_answer(const struct question *q)
{
	size_t size = offsetof(struct answer, found.text) + own->answer.found.len;

	own->answer.q = *q;
	if (send(0, &own->answer, size, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void take_question(const struct question *q)
{
	u64 due_ns = space_find(&own->spaces, q, now_ns(), &own->answer.found);

	if (!due_ns) {
		send_answer(q);
	} else if (own->nr_later < LATER_MAX) {
		own->later[own->nr_later++] = (struct later) { *q, due_ns };
	} else {
		own->answer.found.len = (size_t)sprintf(own->answer.found.text, "%c?%ctoo many new "
							"instructions", FOUND_NONE, '\0');
		send_answer(q);
	}
}

/* Asks again what is due. Returns the time until more is, in ms, or -1. */
static int take_later(void)
{
	u64 now = now_ns(), next_ns = ~0ULL;
	size_t nr = own->nr_later;

	own->nr_later = 0;
	for (size_t i = 0; i < nr; i++) {
		struct later later = own->later[i];

		if (later.due_ns <= now)
			take_question(&later.q);
		else
			own->later[own->nr_later++] = later;
	}
	for (size_t i = 0; i < own->nr_later; i++)
		if (own->later[i].due_ns < next_ns)
			next_ns = own->later[i].due_ns;
	if (!own->nr_later)
		return -1;
	now = now_ns();
	return next_ns > now ? (int)((next_ns - now) / 1000000) + 1 : 0;
}

static void __attribute__((noreturn)) help(void)
{
	struct pollfd pfd = { .events = POLLIN };
	struct question q;
	ssize_t got;

	own = need(calloc(1, sizeof(*own)));
	for (;;) {
		if (poll(&pfd, 1, take_later()) <= 0)
			continue;
		got = recv(0, &q, sizeof(q), MSG_DONTWAIT);
		if (got == sizeof(q))
			take_question(&q);
		else if (!got || (errno != EAGAIN && errno != EINTR))
			_exit(0);
	}
}

/* The terminal's signals are not for the helper; it ends with its parent. */
static void set_signals(void)
{
	static const int ignored[] = {
		SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGPIPE, SIGTERM,
	};
	sigset_t none;

	signal(SIGCONT, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Holds no file of its parent: an open one would keep the module loaded, or a pipe from its end. */
static void close_others(int fd)
{
	dup2(fd, 0);
	if (!syscall(SYS_close_range, 1U, ~0U, 0U))
		return;
	for (int other = 1; other < 1024; other++)
		close(other);
}

bool lookup_begin(void)
{
	struct rlimit no_file = { 0 };
	pid_t parent = getpid();
	sigset_t all, old;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		say("functions cannot be looked up: %s", strerror(errno));
		return false;
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	helper = fork();
	if (!helper) {
		set_signals();
		close_others(fds[1]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		setrlimit(RLIMIT_FSIZE, &no_file);
		setrlimit(RLIMIT_CORE, &no_file);
		if (getppid() != parent)
			_exit(0);
		help();
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fds[1]);
	if (helper < 0) {
		say("functions cannot be looked up: %s", strerror(errno));
		close(fds[0]);
		helper = 0;
		return false;
	}
	channel = fds[0];
	nr_open = 0;
	has_ended = false;
	return true;
}

bool lookup_ask(const struct question *q)
{
	if (channel < 0)
		return false;
	if (send(channel, q, sizeof(*q), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		has_ended |= errno != EAGAIN && errno != EINTR;
		return false;
	}
	if (!nr_open++)
		latest_ns = now_ns();
	return true;
}

bool lookup_take(struct answer *a)
{
	size_t head = offsetof(struct answer, found.text);
	ssize_t got;

	if (channel < 0 || !nr_open)
		return false;
	got = recv(channel, a, sizeof(*a), MSG_DONTWAIT);
	if (got < (ssize_t)head || (size_t)got != head + a->found.len) {
		has_ended |= !got || (got < 0 && errno != EAGAIN && errno != EINTR);
		return false;
	}
	nr_open--;
	latest_ns = now_ns();
	return true;
}

bool lookup_is_stuck(void)
{
	if (!helper || (!has_ended && (!nr_open || now_ns() - latest_ns < STUCK_NS)))
		return false;
	lookup_end();
	return true;
}

size_t lookup_nr_open(void)
{
	return nr_open;
}

/* Even SIGKILL may not end it at once, if a file system holds it. Then it is left behind. */
void lookup_end(void)
{
	if (channel >= 0)
		close(channel);
	channel = -1;
	nr_open = 0;
	if (!helper)
		return;
	kill(helper, SIGKILL);
	for (int ms = 0; ms < END_MS && !waitpid(helper, NULL, WNOHANG); ms++)
		poll(NULL, 0, 1);
	helper = 0;
}
