// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Run by bench.py in the guest: take page faults and count what they cost.
 *
 *	faults clock			check that the clock counts instructions
 *	faults read|write|file ROUNDS	stop; when continued, take 512 faults a round, on anonymous
 *					memory or on a file in memory; print the clock units of each
 *					round, and the kernel's own count of the faults
 *	faults deep N			stop; when continued, take one fault in each of N files, 2,000
 *					directories deep; print the same, each file being a round
 *	faults many N			stop; when continued, take N read faults
 *	faults threads N MS		stop; when continued, fault in N threads for MS milliseconds;
 *					print the faults per second
 *	faults sharing threads|processes N ROUNDS warm|cold	stop; when continued, fault in N of
 *					them, each on a CPU of its own: 512 pages a round of
 *					anonymous memory, or 32 of a file that has to be read from
 *					/disk; print the kernel's own count of the faults
 *	faults time COMMAND...		print the CPU time of a command in ns, which are clock units
 *
 * A round touches all pages of one page table: the table exists before the first round, and the
 * pages are freed after each.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rounds.h"

#define ROUND_PAGES 512UL
#define ROUND_BYTES (ROUND_PAGES * PAGE)
#define MAX_THREADS 64

static uint64_t ticks[MAX_ROUNDS];
static pthread_barrier_t start_line;
static volatile bool finished;

#ifdef __x86_64__
#define LOOP "1:	dec %0\n\tjnz 1b"
#else
#define LOOP "1:	subs %0, %0, #1\n\tb.ne 1b"
#endif

static char *map_round(void)
{
	char *p = mmap(NULL, 2 * ROUND_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	p = (char *)(((uintptr_t)p + ROUND_BYTES - 1) & -ROUND_BYTES);
	madvise(p, ROUND_BYTES, MADV_NOHUGEPAGE);
	return p;
}

/* The same for a file: its pages stay in memory when they are unmapped. */
static char *map_file_round(void)
{
	int fd = memfd_create("round", 0);
	char *p = map_round();

	if (fd < 0 || ftruncate(fd, ROUND_BYTES) ||
	    mmap(p, ROUND_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != p)
		err(1, "memfd");
	return p;
}

static void touch(volatile char *p, size_t nr_pages, bool write)
{
	for (size_t i = 0; i < nr_pages; i++) {
		if (write)
			p[i * PAGE] = 1;
		else
			(void)p[i * PAGE];
	}
}

static void give_back(char *p)
{
	if (madvise(p, ROUND_BYTES, MADV_DONTNEED))
		err(1, "madvise");
}

static long nr_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void run_rounds(char *p, bool write, long nr_rounds)
{
	long taken;

	if (nr_rounds < 1 || nr_rounds > MAX_ROUNDS)
		errx(2, "1 to %d rounds", MAX_ROUNDS);
	memset(ticks, 1, sizeof(ticks));
	for (int i = 0; i < WARM_UPS; i++) {
		touch(p, ROUND_PAGES, write);
		give_back(p);
	}
	raise(SIGSTOP);
	taken = nr_faults();
	for (long i = 0; i < nr_rounds; i++) {
		uint64_t start = clock_units();

		touch(p, ROUND_PAGES, write);
		ticks[i] = clock_units() - start;
		give_back(p);
	}
	print_rounds("faults", nr_faults() - taken, ticks, nr_rounds);
}

#define DEPTH 2000

/*
 * Files that nobody has mapped before, so that the record of each reads the path. With real-time
 * priority this program keeps the module's worker waiting.
 */
static void run_deep(long nr_files)
{
	struct sched_param param = { .sched_priority = 1 };
	static char *pages[MAX_ROUNDS];
	long taken;

	if (nr_files < 1 || nr_files > MAX_ROUNDS)
		errx(2, "1 to %d files", MAX_ROUNDS);
	if (chdir("/tmp"))
		err(1, "/tmp");
	for (int i = 0; i < DEPTH; i++)
		if ((mkdir("directory", 0700) && errno != EEXIST) || chdir("directory"))
			err(1, "directory");
	for (long i = 0; i < nr_files; i++) {
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "file-%ld", i);
		fd = open(name, O_RDWR | O_CREAT, 0600);
		if (fd < 0 || write(fd, name, sizeof(name)) != sizeof(name))
			err(1, "%s", name);
		pages[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (pages[i] == MAP_FAILED)
			err(1, "mmap");
		close(fd);
	}
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "SCHED_FIFO");
	memset(ticks, 1, sizeof(ticks));
	raise(SIGSTOP);
	taken = nr_faults();
	for (long i = 0; i < nr_files; i++) {
		uint64_t start = clock_units();

		touch(pages[i], 1, true);
		ticks[i] = clock_units() - start;
	}
	print_rounds("faults", nr_faults() - taken, ticks, nr_files);
}

static void run_many(long n)
{
	char *p = map_round();

	raise(SIGSTOP);
	for (; n > 0; n -= ROUND_PAGES) {
		touch(p, n < (long)ROUND_PAGES ? n : (long)ROUND_PAGES, false);
		give_back(p);
	}
}

/* A loop of two instructions: the minimum of some tries, as an interrupt may come in between. */
static uint64_t time_loop(uint64_t nr_turns)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 20; i++) {
		uint64_t n = nr_turns, start = clock_units(), elapsed;

		asm volatile(LOOP : "+r"(n) : : "cc");
		elapsed = clock_units() - start;
		if (elapsed < least)
			least = elapsed;
	}
	return least;
}

static void check_clock(void)
{
	uint64_t counted = time_loop(100001) - time_loop(1);

	if (counted != 200000)
		errx(1, "200000 instructions are %lu units of the clock", counted);
}

static void *fault_until_finished(void *arg)
{
	char *p = map_round();
	long *nr_rounds = arg;

	pthread_barrier_wait(&start_line);
	while (!finished) {
		touch(p, ROUND_PAGES, false);
		give_back(p);
		++*nr_rounds;
	}
	return NULL;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000UL + t.tv_nsec;
}

static void run_threads(long nr_threads, long ms)
{
	static struct {
		long nr_rounds;
		char own_cache_line[120];
	} counts[MAX_THREADS];
	pthread_t threads[MAX_THREADS];
	double sum = 0;
	uint64_t start;

	if (nr_threads < 1 || nr_threads > MAX_THREADS)
		errx(2, "1 to %d threads", MAX_THREADS);
	raise(SIGSTOP);
	pthread_barrier_init(&start_line, NULL, nr_threads + 1);
	for (long i = 0; i < nr_threads; i++)
		if (pthread_create(&threads[i], NULL, fault_until_finished, &counts[i].nr_rounds))
			errx(1, "pthread_create");
	pthread_barrier_wait(&start_line);
	start = now_ns();
	usleep(ms * 1000);
	finished = true;
	for (long i = 0; i < nr_threads; i++) {
		pthread_join(threads[i], NULL);
		sum += counts[i].nr_rounds * ROUND_PAGES;
	}
	printf("%.0f\n", sum / (now_ns() - start) * 1e9);
}

#define COLD_PAGES 32UL

/* plugin/lines.c counts between these two; the processor treats them as no-ops. */
#ifdef __x86_64__
#define MARK_BEGIN ".byte 0x0f, 0x1f, 0x80, 0x31, 0x62, 0x66, 0x70"
#define MARK_END ".byte 0x0f, 0x1f, 0x80, 0x32, 0x62, 0x66, 0x70"
#else
#define MARK_BEGIN "nop"
#define MARK_END "nop"
#endif

/* Shared by all threads or processes that take part. */
static struct {
	pthread_barrier_t begin, end;
	long nr_rounds;
	bool cold;
	long nr_faults[MAX_THREADS];
} *sharing;

static long nr_faults_of_thread(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static char *map_cold(long nr)
{
	size_t size = sharing->nr_rounds * COLD_PAGES * PAGE;
	char path[32];
	char *p;
	int fd;

	snprintf(path, sizeof(path), "/disk/cold-%ld", nr);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (size_t i = 0; i < size / PAGE; i++)
		if (fd < 0 || pwrite(fd, path, sizeof(path), i * PAGE) != sizeof(path))
			err(1, "%s", path);
	if (ftruncate(fd, size) || fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		err(1, "%s", path);
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || madvise(p, size, MADV_RANDOM))
		err(1, "%s", path);
	return p;
}

static void *take_part(void *arg)
{
	long nr = (long)arg, before;
	cpu_set_t cpu;
	char *p;

	CPU_ZERO(&cpu);
	CPU_SET(nr, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		err(1, "CPU %ld", nr);
	p = sharing->cold ? map_cold(nr) : map_round();
	pthread_barrier_wait(&sharing->begin); /* all are on their CPUs */
	pthread_barrier_wait(&sharing->begin);
	before = nr_faults_of_thread();
	for (long i = 0; i < sharing->nr_rounds; i++) {
		if (sharing->cold) {
			touch(p + i * COLD_PAGES * PAGE, COLD_PAGES, false);
			continue;
		}
		touch(p, ROUND_PAGES, false);
		give_back(p);
	}
	sharing->nr_faults[nr] = nr_faults_of_thread() - before;
	pthread_barrier_wait(&sharing->end);
	return NULL;
}

static void run_sharing(bool threads, long n, long nr_rounds, bool cold)
{
	pthread_barrierattr_t attr;
	long sum = 0;

	if (n < 1 || n > MAX_THREADS)
		errx(2, "1 to %d of them", MAX_THREADS);
	sharing = mmap(NULL, sizeof(*sharing), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	if (sharing == MAP_FAILED)
		err(1, "mmap");
	sharing->nr_rounds = nr_rounds;
	sharing->cold = cold;
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&sharing->begin, &attr, n + 1);
	pthread_barrier_init(&sharing->end, &attr, n + 1);
	raise(SIGSTOP);
	for (long i = 0; i < n; i++) {
		pthread_t thread;

		if (threads && pthread_create(&thread, NULL, take_part, (void *)i))
			errx(1, "pthread_create");
		if (!threads && !fork()) {
			take_part((void *)i);
			_exit(0);
		}
	}
	pthread_barrier_wait(&sharing->begin);
	asm volatile(MARK_BEGIN);
	pthread_barrier_wait(&sharing->begin);
	pthread_barrier_wait(&sharing->end);
	asm volatile(MARK_END);
	for (long i = 0; i < n; i++)
		sum += sharing->nr_faults[i];
	printf("%ld\n", sum);
}

static uint64_t ns_of(struct timeval t)
{
	return t.tv_sec * 1000000000UL + t.tv_usec * 1000UL;
}

/* The command's CPU time, without waiting, as the scheduler measures it: that is exact. */
static void time_command(char **argv)
{
	struct rusage usage;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		execvp(*argv, argv);
		err(127, "%s", *argv);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "%s failed", *argv);
	getrusage(RUSAGE_CHILDREN, &usage);
	printf("%lu\n", ns_of(usage.ru_utime) + ns_of(usage.ru_stime));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 2 && !strcmp(what, "clock"))
		check_clock();
	else if (argc == 3 && !strcmp(what, "read"))
		run_rounds(map_round(), false, atol(argv[2]));
	else if (argc == 3 && !strcmp(what, "write"))
		run_rounds(map_round(), true, atol(argv[2]));
	else if (argc == 3 && !strcmp(what, "file"))
		run_rounds(map_file_round(), true, atol(argv[2]));
	else if (argc == 3 && !strcmp(what, "deep"))
		run_deep(atol(argv[2]));
	else if (argc == 3 && !strcmp(what, "many"))
		run_many(atol(argv[2]));
	else if (argc == 4 && !strcmp(what, "threads"))
		run_threads(atol(argv[2]), atol(argv[3]));
	else if (argc == 6 && !strcmp(what, "sharing"))
		run_sharing(!strcmp(argv[2], "threads"), atol(argv[3]), atol(argv[4]),
			    !strcmp(argv[5], "cold"));
	else if (argc > 2 && !strcmp(what, "time"))
		time_command(argv + 2);
	else
		errx(2, "usage: faults clock | read|write|file ROUNDS | deep N | many N | threads N MS |"
			" time COMMAND...");
	return 0;
}
