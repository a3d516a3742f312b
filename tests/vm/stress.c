// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The modules in a storm: rounds of load, trace and unload, with random parameters, workloads and
 * times, for a given number of seconds.
 *
 *	stress SECONDS SEED PLACEMENT...	prints a line for each error, then the totals; fails
 *						if there was an error. Uses random placements
 *
 * It traces the storm of storm.h. Meanwhile an untracked process does the same, CPUs go offline and
 * online, and the files are read in eight ways, see readers[]; log_check.h checks each line.
 *
 * In a whole round, the modules are loaded before the first fault and unloaded after the last one.
 * Then the number of faults recorded, dropped and missed must be exactly the kernel's count. In the
 * other rounds they are loaded and unloaded at any time: first one at a time, often and briefly,
 * then all together.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "log_check.h"
#include "oracle.h"
#include "storm.h"

#define NR_MODULES 3
#define NR_CHILDREN 200 /* forks that a round waits for, at most */
#define NR_MOMENTS 60 /* short loads in a round that is not whole, at most */
#define NR_STRANGERS 2
#define WINDOW_S 10 /* for the forks that a round waits for */
#define NO_TIME_S 300 /* a round without a new load for that long hangs; times PATIENCE */

/* Totals, in memory shared with the readers. */
static struct totals {
	long rounds, whole, moments, loads, recorded, dropped, overwritten, lines, drains, late, again;
	long children, hotplugs, reused, readers, wrong;
} *totals;

static time_t end; /* no round begins after this time */
static unsigned int no_time_s;
static unsigned int seed;
static char **placements;
static unsigned int nr_placements;

/* A load of one module. */
struct load {
	char module[16];
	int file; /* the .ko */
	bool children, outcome, overwrites;
	char params[200];
};

static struct load loads[NR_MODULES];

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

/* 0 to @n - 1 */
static unsigned int draw(unsigned int n)
{
	return rand_r(&seed) / 7 % n;
}

static void wrong(const char *what, const char *why)
{
	printf("# %s: %s\n", what, why);
	fflush(stdout);
	__atomic_add_fetch(&totals->wrong, 1, __ATOMIC_RELAXED);
}

static void add(long *total, long n)
{
	__atomic_add_fetch(total, n, __ATOMIC_RELAXED);
}

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpriority(PRIO_PROCESS, 0, 0);
		seed += getpid();
	}
	return pid;
}

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

/* A reader's open file, and the checker of what it has read. */
struct reading {
	int fd;
	const struct load *load;
	struct log_check *check;
};

static char text[1 << 16];

/* Checks the result of a read(). Returns false at the end, or when the module has gone. */
static bool take(struct reading *r, size_t size)
{
	ssize_t n = read(r->fd, text, size);

	if (n <= 0)
		return false;
	if (log_check_feed(r->check, text, n))
		return true;
	wrong(r->load->params, r->check->why);
	_exit(1);
}

/* Reads drain after drain, @size bytes at a time, or random sizes if 0. */
static void read_on(struct reading *r, unsigned int size, unsigned int nr_drains)
{
	while (nr_drains--) {
		while (take(r, size ?: 1 + draw(5000)))
			;
		nap(20);
	}
}

static void read_whole(struct reading *r)
{
	read_on(r, sizeof(text), 20);
}

static void read_odd(struct reading *r)
{
	read_on(r, 0, 5);
}

static void read_bytes(struct reading *r)
{
	for (int i = 0; i < 20000 && take(r, 1); i++)
		;
	read_on(r, sizeof(text), 1);
}

static void read_places(struct reading *r)
{
	for (int i = 0; i < 30; i++) {
		/* The contents at this offset are not known; only check that it can be read. */
		ssize_t n = pread(r->fd, text, 1 + draw(sizeof(text) - 1), draw(200000));

		if (n > 0 && lseek(r->fd, draw(100000), SEEK_SET) >= 0)
			n = read(r->fd, text, 100);
		if (n < 0)
			return;
	}
	if (!lseek(r->fd, 0, SEEK_SET))
		read_on(r, sizeof(text), 2);
}

static void read_polled(struct reading *r)
{
	for (int i = 0; i < 20; i++) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };

		if (poll(&p, 1, 200) < 0 || (p.revents & (POLLERR | POLLHUP)))
			return;
		while ((p.revents & POLLIN) && take(r, sizeof(text)))
			;
	}
}

static void read_selected(struct reading *r)
{
	for (int i = 0; i < 20; i++) {
		struct timeval tv = { .tv_usec = 200000 };
		fd_set in, except;

		FD_ZERO(&in);
		FD_SET(r->fd, &in);
		except = in;
		if (select(r->fd + 1, &in, NULL, &except, &tv) < 0 || FD_ISSET(r->fd, &except))
			return;
		while (FD_ISSET(r->fd, &in) && take(r, 4096))
			;
	}
}

/* Reads by a descriptor that two processes share, and tries unsupported calls. */
static void read_shared(struct reading *r)
{
	int null = open("/dev/null", O_WRONLY), fd = dup(r->fd);

	if (sendfile(null, r->fd, NULL, 65536) >= 0)
		wrong(r->load->params, "sendfile()");
	close(null);
	if (!fork()) {
		for (int i = 0; i < 100 && read(fd, text, 777) > 0; i++)
			;
		_exit(0);
	}
	for (int i = 0; i < 100 && read(r->fd, text, 4096) >= 0; i++)
		;
	wait(NULL);
	close(fd);
}

static void follow(struct reading *r)
{
	char name[2] = { r->load->module[9] };

	close(r->fd);
	close(1);
	close(2);
	execl("/user", "/user", "--follow", "-o", "/dev/null", name, NULL);
	_exit(1);
}

static void (*const readers[])(struct reading *r) = {
	read_whole, read_odd, read_bytes, read_places, read_polled, read_selected, read_shared, follow,
};

#define NR_READERS (sizeof(readers) / sizeof(*readers))

static struct log_check *new_check(const struct load *load, pid_t target)
{
	return log_check_new(target, load->children, load->outcome);
}

static void add_totals(const struct log_check *c)
{
	add(&totals->lines, c->nr_lines);
	add(&totals->drains, c->nr_drains);
	add(&totals->late, c->nr_late);
	add(&totals->again, c->nr_again);
}

static int open_file(const struct load *load)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%.15s", load->module);
	return open(path, O_RDONLY);
}

/*
 * Starts a reader of the n-th kind in a process. Opens the file first, so it is that of this load.
 */
static pid_t start_reader(size_t kind, const struct load *load, pid_t target)
{
	struct reading r = { .load = load, .fd = open_file(load) };
	pid_t pid;

	if (r.fd < 0)
		err(1, "/proc/%s", load->module);
	pid = start();
	if (pid) {
		close(r.fd);
		return pid;
	}
	add(&totals->readers, 1);
	r.check = new_check(load, target);
	readers[kind](&r);
	add_totals(r.check);
	_exit(0);
}

static void end_reader(size_t kind, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	/* `user` reports with its own exit status that the module has gone. */
	if (readers[kind] != follow && status)
		wrong("a reader", "ended badly");
}

/* Starts a reader of each kind, each for one of the files. */
static void start_readers(struct load *const *used, unsigned int nr, pid_t target, pid_t *pids)
{
	unsigned int first = draw(nr);

	for (size_t i = 0; i < NR_READERS; i++)
		pids[i] = start_reader(i, used[(first + i) % nr], target);
}

static void draw_params(struct load *load, bool sudden, bool children)
{
	static const char *const sizes[] = { "1", "700", "5000", "40000" };

	load->outcome = sudden || draw(3) == 0;
	load->children = children;
	load->overwrites = draw(2);
	snprintf(load->params, sizeof(load->params),
		 "max_faults=%s cont_store=%d outcome=%d children=%d placement=%s probe_print=%d",
		 sizes[draw(4)], load->overwrites, load->outcome, load->children,
		 placements[draw(nr_placements)], draw(10) == 0);
}

static bool insert(struct load *load, pid_t target)
{
	char options[256];

	snprintf(options, sizeof(options), "process_id=%d %s", target, load->params);
	if (syscall(SYS_finit_module, load->file, options, 0)) {
		wrong(options, strerror(errno));
		return false;
	}
	alarm(no_time_s);
	add(&totals->loads, 1);
	return true;
}

static void take_out(struct load *load)
{
	if (syscall(SYS_delete_module, load->module, 0))
		wrong(load->module, strerror(errno));
}

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
