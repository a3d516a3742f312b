// SPDX-License-Identifier: GPL-2.0-or-later
#include <poll.h>
#include <stdlib.h>

#include "drain.h"
#include "say.h"
#include "stop.h"

static void show_progress(const struct stream *streams, size_t nr_streams)
{
	u64 nr_faults = 0;

	for (size_t i = 0; i < nr_streams; i++)
		nr_faults += streams[i].nr_faults;
	progress_show(nr_faults);
}

/* Who may have nothing to say is polled: fifos, all between drains. */
void drain(struct stream *streams, size_t nr_streams)
{
	struct pollfd *pollfds = need(calloc(nr_streams, sizeof(*pollfds)));

	progress_begin();
	while (!stop_signal) {
		size_t nr_reading = 0, nr_polled = 0;
		long ms = -1;

		for (size_t i = 0; i < nr_streams; i++) {
			const struct stream *s = &streams[i];
			bool polled = s->between || !s->regular;

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
			wait_for(NULL, 0, opt.sleep_ms);
	}
	progress_clear();
	free(pollfds);
}
