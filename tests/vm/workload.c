// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The programs that the guest tests trace, and the comparison with the kernel's count.
 *
 *	workload run NAME [N]		run a workload
 *	workload track X PARAMS NAME [N]	trace a workload by pf_probe_X.ko with these
 *				parameters, print a line of key=value, write /tmp/track.log
 *	workload track X PARAMS command COMMAND...	the same with any program; with
 *				children=1, waits for all processes that it leaves behind
 *	workload pages		print the pages that `touch` touched, numbered from 0
 *
 * The kernel's count is ru_minflt + ru_majflt of wait4() minus fields 10 and 12 of /proc/PID/stat
 * at the load. `difference` is the number of recorded faults, minus those that failed or never
 * completed (the kernel does not count them), minus the kernel's count. With outcome=1,
 * minor_difference and major_difference are the same for each kind. Workloads ignore SIGCHLD, so
 * that wait4() does not add the faults of their children, except with children=1.
 *
 * The workloads are in workload_*.h, by what they do; workloads[] names them.
 */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload_disk.h"
#include "workload_names.h"
#include "workload_pages.h"
#include "workload_paging.h"
#include "workload_processes.h"
#include "workload_threads.h"
#include "workload_track.h"

static const struct workload workloads[] = {
	{ "touch", NULL, run_touch },
	{ "stamps", NULL, run_stamps },
	{ "zero", NULL, run_zero },
	{ "threads", NULL, run_threads },
	{ "idle-threads", NULL, run_idle_threads },
	{ "fault-forever", NULL, run_fault_forever },
	{ "threads-forever", NULL, run_threads_forever },
	{ "mix", prepare_mix, run_mix },
	{ "paging", prepare_paging, run_paging },
	{ "after-exec", NULL, run_after_exec },
	{ "cold", prepare_cold, run_cold },
	{ "populate", NULL, run_populate },
	{ "sigbus", NULL, run_sigbus },
	{ "names", prepare_names, run_names },
	{ "deep", NULL, run_deep },
	{ "fifo", NULL, run_fifo },
	{ "dma-buf", NULL, run_dma_buf },
	{ "unshare", NULL, run_unshare },
	{ "many-files", NULL, run_many_files },
	{ "many-maps", NULL, run_many_maps },
	{ "slow", NULL, run_slow },
	{ "sleepers", NULL, run_sleepers },
	{ "cut-short", NULL, run_cut_short },
	{ "reused-tid", NULL, run_reused_tid },
	{ "written", NULL, run_written },
	{ "family", NULL, run_family },
	{ "orphan", NULL, run_orphan },
};

static const struct workload *find(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	errx(2, "no workload %s", name);
}

int main(int argc, char **argv)
{
	const struct workload *w;

	page_size = sysconf(_SC_PAGESIZE);
	self = argv[0];
	if (argc == 2 && !strcmp(argv[1], "pages"))
		return print_pages();
	if (argc >= 5 && !strcmp(argv[1], "track"))
		return track(*argv[2], argv[3], strcmp(argv[4], "command") ? find(argv[4]) : NULL,
			     argv + 5);
	if (argc < 3 || strcmp(argv[1], "run"))
		errx(2, "usage: workload run NAME [N] | track A|B|C PARAMS NAME [N] |"
			" track A|B|C PARAMS command COMMAND... | pages");
	w = find(argv[2]);
	signal(SIGCHLD, SIG_IGN);
	if (w->prepare)
		w->prepare();
	w->run(argc > 3 ? atol(argv[3]) : 0);
	return 0;
}
