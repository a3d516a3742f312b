/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of a whole round, and of the kernel log: sums that must be exact. */
#ifndef STRESS_CHECK_H
#define STRESS_CHECK_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "log_check.h"
#include "oracle.h"
#include "storm.h"
#include "stress_load.h"
#include "stress_readers.h"
#include "stress_shared.h"

/* The target has exited: compares the whole file with the kernel's count. */
static void check_whole(const struct load *load, pid_t target, long counted, long forked)
{
	struct reading r = { .load = load, .fd = open_file(load) };
	struct log_check *c = r.check = new_check(load, target);
	long recorded, dropped, overwritten, missed, failed, unseen, storm_pages = 0;
	const char *s = c->summary;
	char why[800];

	if (r.fd < 0) {
		wrong(load->params, "no file");
		return;
	}
	while (take(&r, sizeof(text)))
		;
	close(r.fd);
	recorded = number(s, " recorded=");
	dropped = number(s, " dropped=");
	overwritten = number(s, " overwritten=");
	missed = number(s, " missed=");
	failed = number(s, " failed=") + number(s, " incomplete=");
	unseen = number(s, " unseen=");
	for (int i = 0; i < STORM_THREADS; i++)
		storm_pages += storm->nr_pages[i];
	snprintf(why, sizeof(why),
		 "the kernel counted %ld; %ld lines, %ld pages of %ld, %ld gaps, %ld forked:%s", counted,
		 c->nr_faults, c->nr_pages, storm_pages, c->nr_gaps, forked, s);
	if (recorded + dropped + missed - failed != counted)
		wrong(load->params, why);
	else if (c->nr_faults + overwritten != recorded || unseen || number(s, " surplus=") ||
		 c->nr_drains != 1)
		wrong(load->params, why);
	else if (!strstr(s, " target=exited ") || (load->overwrites ? dropped : overwritten))
		wrong(load->params, why);
	/* If nothing was lost, each page must be there. */
	else if (!dropped && !overwritten && !missed &&
		 (c->nr_gaps || c->nr_pages < storm_pages))
		wrong(load->params, why);
	add(&totals->recorded, recorded);
	add(&totals->dropped, dropped);
	add(&totals->overwritten, overwritten);
	add_totals(c);
	free(c);
}

/* Gives the target's PID to an untracked process, whose faults must not be recorded. */
static void check_reuse(const struct load *used, pid_t target)
{
	char number_before[16], summary[2][512];
	int status;
	pid_t pid;

	drain(used->module, "/dev/null", summary[0], sizeof(summary[0]));
	snprintf(number_before, sizeof(number_before), "%d", target - 1);
	write_file("/proc/sys/kernel/ns_last_pid", number_before);
	pid = fork();
	if (!pid) {
		touch(STORM_BASE, 100);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	drain(used->module, "/dev/null", summary[1], sizeof(summary[1]));
	if (number(summary[0], " recorded=") != number(summary[1], " recorded=") ||
	    number(summary[0], " dropped=") != number(summary[1], " dropped="))
		wrong(used->params, "a stranger with the target's number was recorded");
	totals->reused += pid == target;
}

/* Counts the modules' warnings in the kernel log so far. */
static void check_log(int log)
{
	static char record[8192];
	ssize_t n;

	for (;;) {
		n = read(log, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return;
		record[n] = '\0';
		if (strstr(record, "pf_probe_") &&
		    (strstr(record, "unseen=") || strstr(record, "surplus=")))
			wrong("unload", record);
	}
}

#endif /* STRESS_CHECK_H */
