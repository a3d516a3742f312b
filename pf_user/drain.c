// SPDX-License-Identifier: GPL-2.0-or-later
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "drain.h"
#include "say.h"
#include "stop.h"
#include "top.h"

static void show_progress(const struct stream *streams, size_t nr_streams)
{
	u64 nr_faults = 0;

	for (size_t i = 0; i < nr_streams; i++)
		nr_faults += streams[i].nr_faults;
	progress_show(nr_faults);
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

/* Polls only the streams whose read() may find nothing: pipes, and all streams between drains. */
void drain(struct stream *streams, size_t nr_streams, u64 deadline_ms)
{
	struct pollfd *pollfds = need(calloc(nr_streams, sizeof(*pollfds)));
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
		ms = top_limit_ms(limit_ms(ms, deadline_ms));
		if (nr_polled && wait_for(pollfds, nr_streams, ms) < 0)
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
