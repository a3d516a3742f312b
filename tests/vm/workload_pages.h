/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mapping and touching pages, for all workloads; and the workloads in one thread and in memory
 * without a file.
 */
#ifndef WORKLOAD_PAGES_H
#define WORKLOAD_PAGES_H

#include <err.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TOUCH_ADDRESS ((void *)0x200000000000)

static long page_size;

static void *map(void *at, size_t nr_pages, int prot, int flags, int fd)
{
	void *p = mmap(at, nr_pages * page_size, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static char *anon(size_t nr_pages)
{
	char *p = map(NULL, nr_pages, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	madvise(p, nr_pages * page_size, MADV_NOHUGEPAGE);
	return p;
}

static void touch(volatile char *p, size_t nr_pages, bool write)
{
	for (size_t i = 0; i < nr_pages; i++) {
		if (write)
			p[i * page_size] = 1;
		else
			(void)p[i * page_size];
	}
}

/* Writes N pages at a known address, one after the other. */
static void run_touch(long n)
{
	char *p = map(TOUCH_ADDRESS, n, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);

	madvise(p, n * page_size, MADV_NOHUGEPAGE);
	touch(p, n, true);
}

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/*
 * Like run_touch(), but moves to the next CPU every 16 pages. Writes each page's address, and the
 * time before and after the touch, to /tmp/stamps.
 */
static void run_stamps(long n)
{
	struct stamp {
		uint64_t before, after;
	} *stamps = map(NULL, n * sizeof(*stamps) / page_size + 1, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
	char *p = map(TOUCH_ADDRESS, n, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);
	long nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	FILE *f = fopen("/tmp/stamps", "w");

	madvise(p, n * page_size, MADV_NOHUGEPAGE);
	for (long i = 0; i < n; i++) {
		if (i % 16 == 0) {
			cpu_set_t cpu;

			CPU_ZERO(&cpu);
			CPU_SET(i / 16 % nr_cpus, &cpu);
			if (sched_setaffinity(0, sizeof(cpu), &cpu))
				err(1, "sched_setaffinity");
			usleep(1000);
		}
		stamps[i].before = monotonic_ns();
		touch(p + i * page_size, 1, true);
		stamps[i].after = monotonic_ns();
	}
	for (long i = 0; i < n; i++)
		fprintf(f, "%p %lu %lu\n", (void *)(p + i * page_size), stamps[i].before,
			stamps[i].after);
	if (fclose(f))
		err(1, "/tmp/stamps");
}

/* N read faults that cost no memory: all get the zero page. */
static void run_zero(long n)
{
	touch(anon(n), n, false);
}

static void run_populate(long n)
{
	map(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
}

static sigjmp_buf after_signal;

static void on_signal(int sig)
{
	siglongjmp(after_signal, sig);
}

/* N pages beyond the end of a file. */
static void run_sigbus(long n)
{
	int fd = memfd_create("short", 0);
	volatile char *p = map(NULL, n + 1, PROT_READ, MAP_SHARED, fd);
	static volatile long i;

	if (fd < 0 || ftruncate(fd, page_size))
		err(1, "memfd");
	signal(SIGBUS, on_signal);
	for (i = 1; i <= n; i++) {
		if (!sigsetjmp(after_signal, 1))
			(void)p[i * page_size];
	}
}

#endif /* WORKLOAD_PAGES_H */
