/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces a workload or a command by a module, and compares the module's record with the kernel's
 * own count.
 */
#ifndef WORKLOAD_TRACK_H
#define WORKLOAD_TRACK_H

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"
#include "workload_pages.h"

#define TRACK_LOG "/tmp/track.log"

struct workload {
	const char *name;
	void (*prepare)(void); /* before the process is traced */
	void (*run)(long n);
};

/* Waits for all orphans, and adds their resource usage to @usage. */
static void reap_orphans(struct rusage *usage)
{
	struct rusage more;

	while (wait4(-1, NULL, 0, &more) > 0) {
		usage->ru_minflt += more.ru_minflt;
		usage->ru_majflt += more.ru_majflt;
	}
}

/* Prints the result for the workload @w, whose number is in @args; NULL: for the command @args. */
static int track(char probe, const char *params, const struct workload *w, char **args)
{
	bool children = strstr(params, "children=1");
	char path[32], module[16], options[256], summary[512] = "";
	struct faults before, counted;
	long nr_lines;
	struct rusage usage;
	int fd, status;
	pid_t pid;

	snprintf(module, sizeof(module), "pf_probe_%c", probe);
	snprintf(path, sizeof(path), "/%s.ko", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	fflush(NULL);
	prctl(PR_SET_CHILD_SUBREAPER, !w && children);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		if (!children)
			signal(SIGCHLD, SIG_IGN);
		if (w && w->prepare)
			w->prepare();
		raise(SIGSTOP);
		if (w)
			w->run(*args ? atol(*args) : 0);
		else
			execvp(*args, args);
		_exit(w ? 0 : 127);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		errx(1, "%s: preparation failed", w ? w->name : "command");
	snprintf(options, sizeof(options), "process_id=%d %s", pid, params);
	if (syscall(SYS_finit_module, fd, options, 0))
		err(1, "%s: insmod", module);
	before = stat_faults(pid);
	kill(pid, SIGCONT);
	if (wait4(pid, &status, 0, &usage) != pid)
		err(1, "wait4");
	if (!w && children)
		reap_orphans(&usage);
	counted.minor = usage.ru_minflt - before.minor;
	counted.major = usage.ru_majflt - before.major;
	nr_lines = drain(module, TRACK_LOG, summary, sizeof(summary));
	if (syscall(SYS_delete_module, module, 0))
		err(1, "%s: rmmod", module);

	if (!strstr(summary, " recorded=") || !strstr(summary, " dropped="))
		errx(1, "no summary");
	printf("difference=%ld counted=%ld lines=%ld major=%ld status=%d%s",
	       number(summary, " recorded=") + number(summary, " dropped=") -
		       number(summary, " failed=") - number(summary, " incomplete=") -
		       counted.minor - counted.major,
	       counted.minor + counted.major, nr_lines, usage.ru_majflt, status, summary);
	if (strstr(summary, " minor="))
		printf(" minor_difference=%ld major_difference=%ld",
		       number(summary, " minor=") - counted.minor,
		       number(summary, " major=") - counted.major);
	puts("");
	return 0;
}

/* Prints the pages of run_touch() that are in the log. */
static int print_pages(void)
{
	unsigned long address, base = (unsigned long)TOUCH_ADDRESS;
	FILE *log = fopen(TRACK_LOG, "r");
	static char line[65536];

	if (!log)
		err(1, TRACK_LOG);
	while (fgets(line, sizeof(line), log))
		if (sscanf(line, "PID = %*d Page Fault at Address %lx", &address) == 1 &&
		    address >= base && address < 2 * base)
			printf("%lu\n", (address - base) / page_size);
	return 0;
}

#endif /* WORKLOAD_TRACK_H */
