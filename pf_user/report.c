// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "say.h"

static void warn_of_losses(const struct stream *s)
{
	const struct summary *sum = &s->sum;

	if (sum->dropped)
		say("WARNING: %s: %llu faults were dropped, the list was full: load the module "
		    "with max_faults=%llu or more, or with cont_store=1 to keep the newest",
		    s->log.name, sum->dropped, sum->recorded + sum->dropped);
	if (sum->overwritten)
		say("WARNING: %s: the oldest %llu faults were overwritten before they were read: "
		    "load the module with max_faults=%llu or more, or read with --follow",
		    s->log.name, sum->overwritten, sum->recorded);
	if (sum->missed)
		say("WARNING: %s: %llu faults were missed, the kernel was in another probe: stop "
		    "other tracers; or with outcome=1 too many slept: load it with a larger "
		    "maxactive", s->log.name, sum->missed);
	/* `overwritten` counts for this reader, so that this holds at the end of every drain. */
	if (s->between && s->now.nr_faults + sum->overwritten != sum->recorded)
		say("WARNING: %s: %llu faults were read, but recorded=%llu overwritten=%llu: "
		    "read once more",
		    s->log.name, s->now.nr_faults, sum->recorded, sum->overwritten);
}

int report(const struct stream *s)
{
	FILE *to = s->log.fd == STDOUT_FILENO ? stderr : stdout;
	const struct content *log = &s->now;
	u64 span_ms = log->last_ns > log->first_ns ? (log->last_ns - log->first_ns) / 1000000 : 0;
	int err;

	fprintf(to, "%s: %llu page fault%s", s->log.name, log->nr_faults,
		log->nr_faults == 1 ? "" : "s");
	if (s->sum.major)
		fprintf(to, ", %llu major,", s->sum.major);
	if (*s->pid)
		fprintf(to, " of PID %s (%s)", s->pid, s->comm);
	if (s->sum.children)
		fprintf(to, " and %llu child%s", s->sum.children, s->sum.children == 1 ? "" : "ren");
	if (s->sum.line)
		fprintf(to, ", %llu retries folded", s->sum.retries);
	fprintf(to, ", %llu.%03llu s\n", span_ms / 1000, span_ms % 1000);
	err = fflush(to);
	if (err)
		say("standard output: %s", strerror(errno));
	if (s->sum.line)
		warn_of_losses(s);
	return err ? -1 : 0;
}
