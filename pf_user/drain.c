// SPDX-License-Identifier: GPL-2.0-or-later
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "drain.h"
#include "say.h"
#include "stop.h"
#include "top.h"

#define CHILDREN_MS	1000	/* after this time, a message says why the run goes on */

static void show_progress(const struct stream *streams, size_t nr_streams)
{
	u64 nr_faults = 0;

	for (size_t i = 0; i < nr_streams; i++)
		nr_faults += streams[i].nr_faults;
	progress_show(nr_faults);
}

/*
 * With children=1 a command's end may not be the end of the run, for example if it has started a
 * daemon. Returns how long to wait for the moment to report that, in ms; negative is no limit.
 */
static long report_children(const struct stream *s)
{
	static u64 reported_ns;
	u64 end_ns = opt.command ? stop_command_end_ns() : 0, now = now_ms(), at_ms;

	if (!end_ns || end_ns == reported_ns)
		return -1;
	at_ms = end_ns / 1000000 + CHILDREN_MS;
	if (now < at_ms)
		return (long)(at_ms - now);
	if (!s->between)
		return CHILDREN_MS;	/* the latest summary may be old */
	reported_ns = end_ns;
	if (s->state == READING && s->sum.children && !s->sum.exited && !end_signal)
		say("the command has ended, but not all processes that it has started: they are still "
		    "recorded; Ctrl-C ends that");
	return -1;
}

/* How long to wait: until the deadline, but at most `ms`. Negative is without limit, for both. */
static long limit_ms(long ms, u64 deadline_ms)
{
	u64 now = deadline_ms ? now_ms() : 0, left;

	if (!deadline_ms)
		return ms;
	left = deadline_ms > now ? deadline_ms - now : 0;
	if (ms >= 0 && (u64)ms < left)
		return ms;
	return left < LONG_MAX ? (long)left : LONG_MAX;
}

/* Negative is without limit. */
static long shorter(long a, long b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Polls only the streams whose read() may find nothing: pipes, and all streams between drains. */
void drain(struct stream *streams, size_t nr_streams, u64 deadline_ms)
{
	struct pollfd *pollfds = need(calloc(nr_streams + 1, sizeof(*pollfds)));
	bool ending = false;

	progress_begin();
	top_begin(&streams[0]);
	while (!stop_signal) {
		size_t nr_reading = 0, nr_polled = 0;
		long ms = -1;

		top_tick();
		ending = ending || end_signal || (deadline_ms && now_ms() >= deadline_ms);
		if (ending)
			deadline_ms = 0;
		for (size_t i = 0; i < nr_streams; i++) {
			struct stream *s = &streams[i];
			bool polled = s->between || !s->regular;

			/* A drain in progress began before the end: one more is due. */
			if (ending && s->between)
				s->last_drain = true;
			pollfds[i] = (struct pollfd) { .fd = -1, .events = POLLIN };
			if (s->state != READING)
				continue;
			nr_reading++;
			if (polled) {
				pollfds[i].fd = s->fd;
				nr_polled++;
			}
			if (!polled || (s->between && s->last_drain))
				ms = 0;
		}
		if (!nr_reading)
			break;
		ms = shorter(ms, report_children(&streams[0]));
		ms = top_limit_ms(limit_ms(ms, deadline_ms));
		pollfds[nr_streams] = (struct pollfd) { .fd = top_fd(), .events = POLLIN };
		if (nr_polled && wait_for(pollfds, nr_streams + 1, ms) < 0)
			continue;

		for (size_t i = 0; i < nr_streams; i++) {
			struct stream *s = &streams[i];

			if (s->state != READING)
				continue;
			if (pollfds[i].fd < 0 || pollfds[i].revents)
				stream_read(s);
			else if (s->between && s->last_drain)
				s->state = DONE;
		}
		show_progress(streams, nr_streams);
		if (opt.sleep_ms)
			wait_for(NULL, 0, limit_ms(opt.sleep_ms, deadline_ms));
	}
	progress_clear();
	top_end();
	free(pollfds);
}
