// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The modules in a storm: rounds of load, trace and unload, with random parameters, workloads and
 * times, for a given number of seconds.
 *
 *	stress SECONDS SEED PLACEMENT...	prints a line for each error, then the totals; fails
 *						if there was an error. Uses random placements
 *
 * It traces the storm of storm.h. Meanwhile an untracked process does the same, CPUs go offline and
 * online, and the files are read in eight ways, see stress_readers.h; log_check.h checks each line.
 *
 * In a whole round, the modules are loaded before the first fault and unloaded after the last one.
 * Then the number of faults recorded, dropped and missed must be exactly the kernel's count. In the
 * other rounds they are loaded and unloaded at any time: first one at a time, often and briefly,
 * then all together.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log_check.h"
#include "oracle.h"
#include "storm.h"
#include "stress_check.h"
#include "stress_load.h"
#include "stress_readers.h"
#include "stress_shared.h"

#define NR_MODULES 3
#define NR_CHILDREN 200 /* forks that a round waits for, at most */
#define NR_MOMENTS 60 /* short loads in a round that is not whole, at most */
#define NR_STRANGERS 2
#define WINDOW_S 10 /* for the forks that a round waits for */
#define NO_TIME_S 300 /* a round without a new load for that long hangs; times PATIENCE */

static time_t end; /* no round begins after this time */
static struct load loads[NR_MODULES];

/* Takes all CPUs but the first offline and online again. */
static void __attribute__((noreturn)) run_hotplug(void)
{
	long nr_cpus = sysconf(_SC_NPROCESSORS_CONF);

	for (;;) {
		char path[64];
		int cpu = 1 + draw(nr_cpus - 1), fd;

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
		for (const char *on = "01"; *on; on++) {
			fd = open(path, O_WRONLY);
			if (fd >= 0 && write(fd, on, 1) == 1 && *on == '1')
				add(&totals->hotplugs, 1);
			close(fd);
			nap(1000 + draw(5000));
		}
	}
}

/* Starts the storm, stopped before its first fault; SIGCONT lets it run. */
static pid_t start_storm(bool children, bool sudden)
{
	int status;
	pid_t pid;

	memset((void *)storm, 0, sizeof(*storm));
	storm->reaped = children;
	storm->sudden = sudden;
	pid = start();
	if (!pid)
		run_storm();
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		errx(1, "the storm does not begin");
	return pid;
}

/* Waits for the storm's end. Returns the kernel's count. */
static long end_storm(pid_t target, const struct faults *before)
{
	struct rusage usage;
	int status;

	storm->stop = true;
	if (wait4(target, &status, 0, &usage) != target || status)
		wrong("the storm", "ended badly");
	return usage.ru_minflt + usage.ru_majflt - before->minor - before->major;
}

/* Waits until the storm has forked a random number of times, or for WINDOW_S. */
static void wait_in_storm(void)
{
	long nr_forked = storm->nr_forked + draw(NR_CHILDREN);
	time_t no_more = time(NULL) + WINDOW_S;

	nap(200);
	while (storm->nr_forked < nr_forked && time(NULL) < no_more)
		nap(10 + draw(50));
}

/* Short loads, one after the other, each with a reader that is interrupted by the unload. */
static void play_moments(pid_t target, bool sudden)
{
	unsigned int nr = draw(NR_MOMENTS), nr_readers = 0;
	size_t kinds[NR_MOMENTS];
	pid_t pids[NR_MOMENTS];

	while (nr_readers < nr && time(NULL) < end) {
		struct load *load = &loads[draw(NR_MODULES)];

		draw_params(load, sudden, draw(2));
		if (!insert(load, target))
			break;
		kinds[nr_readers] = draw(NR_READERS);
		pids[nr_readers] = start_reader(kinds[nr_readers], load, target);
		nr_readers++;
		nap(draw(200));
		take_out(load);
		totals->moments++;
	}
	while (nr_readers--)
		end_reader(kinds[nr_readers], pids[nr_readers]);
}

static void play_round(void)
{
	bool whole = !totals->rounds || draw(3), sudden = draw(2), children = draw(2);
	unsigned int first = draw(NR_MODULES), nr = 1 + draw(NR_MODULES), nr_used = 0;
	struct load *used[NR_MODULES];
	struct faults before = {};
	pid_t pids[NR_READERS];
	long counted;
	pid_t target = start_storm(children, sudden);

	if (!whole) {
		kill(target, SIGCONT);
		nap(draw(500));
		play_moments(target, sudden);
	}
	for (unsigned int i = 0; i < nr; i++) {
		struct load *load = &loads[(first + i) % NR_MODULES];

		/*
		 * In a whole round, children=1 if and only if the kernel's count includes children.
		 */
		draw_params(load, sudden, whole ? children : draw(2));
		if (insert(load, target))
			used[nr_used++] = load;
	}
	if (nr_used) {
		before = stat_faults(target);
		kill(target, SIGCONT);
		start_readers(used, nr_used, target, pids);
		wait_in_storm();
		for (unsigned int i = 0; !whole && i < nr_used; i++)
			take_out(used[i]);
	}
	counted = end_storm(target, &before);
	for (unsigned int i = 0; whole && i < nr_used; i++)
		check_whole(used[i], target, counted, storm->nr_forked);
	if (whole && nr_used)
		check_reuse(used[0], target);
	for (unsigned int i = 0; whole && i < nr_used; i++)
		take_out(used[i]);
	for (size_t i = 0; nr_used && i < NR_READERS; i++)
		end_reader(i, pids[i]);
	totals->rounds++;
	totals->whole += whole;
	totals->children += storm->nr_forked;
}

static void on_no_time(int sig)
{
	static const char said[] = "# a round hangs\n";

	(void)sig;
	if (write(1, said, sizeof(said) - 1))
		_exit(1);
}

int main(int argc, char **argv)
{
	pid_t beside[NR_STRANGERS + 1];
	int log;

	storm_program = argv[0];
	if (argc == 2 && !strcmp(argv[1], "reborn")) {
		touch(CHILD_BASE + (1ULL << CHILD_SHIFT), 10);
		return 0;
	}
	if (argc < 4)
		errx(2, "usage: stress SECONDS SEED PLACEMENT...");
	seed = atoi(argv[2]);
	placements = argv + 3;
	nr_placements = argc - 3;
	end = time(NULL) + atoi(argv[1]);
	/* Otherwise loads would wait behind hundreds of processes, and be slow and few. */
	if (setpriority(PRIO_PROCESS, 0, -20))
		err(1, "setpriority");
	storm = shared(sizeof(*storm));
	totals = shared(sizeof(*totals));
	no_time_s = NO_TIME_S * (getenv("PATIENCE") ? atoi(getenv("PATIENCE")) : 1);
	signal(SIGALRM, on_no_time);
	log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (log < 0 || lseek(log, 0, SEEK_END) < 0)
		err(1, "/dev/kmsg");
	for (unsigned int i = 0; i < NR_MODULES; i++) {
		char path[32];

		snprintf(loads[i].module, sizeof(loads[i].module), "pf_probe_%c", 'A' + i);
		snprintf(path, sizeof(path), "/%.15s.ko", loads[i].module);
		loads[i].file = open(path, O_RDONLY | O_CLOEXEC);
		if (loads[i].file < 0)
			err(1, "%s", path);
	}
	for (unsigned int i = 0; i <= NR_STRANGERS; i++) {
		beside[i] = start();
		if (!beside[i])
			i < NR_STRANGERS ? run_stranger() : run_hotplug();
	}
	while (time(NULL) < end && !totals->wrong) {
		alarm(no_time_s);
		play_round();
		check_log(log);
	}
	alarm(0);
	for (unsigned int i = 0; i <= NR_STRANGERS; i++)
		kill(beside[i], SIGKILL);
	printf("rounds=%ld whole=%ld moments=%ld loads=%ld readers=%ld recorded=%ld dropped=%ld "
	       "overwritten=%ld lines=%ld drains=%ld children=%ld hotplugs=%ld reused=%ld again=%ld "
	       "late=%ld wrong=%ld\n",
	       totals->rounds, totals->whole, totals->moments, totals->loads, totals->readers,
	       totals->recorded, totals->dropped, totals->overwritten, totals->lines, totals->drains,
	       totals->children, totals->hotplugs, totals->reused, totals->again, totals->late,
	       totals->wrong);
	return totals->wrong > 0;
}
