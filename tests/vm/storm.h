/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that stress.c traces: 64 threads that fault all the time, and children that fault,
 * fork, exec and die as fast as they can. And an untracked process that does the same.
 */
#ifndef STORM_H
#define STORM_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_check.h"

#define CHILDREN_AT_ONCE 8
#define NURSERIES 2
#define BATCH_PAGES 32

/* Parameters and results of a storm, in memory that is shared with it. */
static struct storm {
	volatile bool stop;
	bool reaped; /* children=1: wait for its children */
	bool sudden; /* may be killed in a fault; only outcome=1 can account for that */
	volatile long nr_pages[STORM_THREADS];
	volatile long nr_forked;
} *storm;

/* The path of this program; exec runs it with the argument "reborn". */
static const char *storm_program;

static void nap(unsigned int ms)
{
	usleep(1000 * ms);
}

static volatile char *map(uint64_t at, size_t size)
{
	void *p = mmap((void *)at, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)at)
		_exit(3);
	madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

/* Writes to @nr_pages pages from @at on. Returns the address after them. */
static uint64_t touch(uint64_t at, unsigned int nr_pages)
{
	volatile char *p = map(at, nr_pages * 4096UL);

	for (unsigned int i = 0; i < nr_pages; i++)
		p[i * 4096] = 1;
	munmap((void *)p, nr_pages * 4096UL);
	return at + nr_pages * 4096UL;
}

/* Pages that are only read take no memory. Unmapping them would need IPIs to other CPUs. */
static void *thread_storm(void *arg)
{
	unsigned int slot = (uintptr_t)arg;
	volatile char *p = map(STORM_BASE + ((uint64_t)slot << STORM_SHIFT), 1UL << STORM_SHIFT);
	size_t page = 0;

	nice(10); /* leave CPU time for the forks */
	while (!storm->stop) {
		for (unsigned int i = 0; i < BATCH_PAGES; i++, page++) {
			if (storm_writes(page))
				p[page * 4096] = 1;
			else
				(void)p[page * 4096];
		}
		storm->nr_pages[slot] = page;
		nap(slot % 8);
	}
	return NULL;
}

/* The life of a child; @kind says how it ends. */
static void __attribute__((noreturn)) live(unsigned int kind)
{
	uint64_t at = touch(CHILD_BASE, 10);

	switch (kind) {
	case 0: /* becomes another program */
		execl(storm_program, storm_program, "reborn", NULL);
		_exit(3);
	case 1: /* outlives its parent */
		if (!fork()) {
			touch(CHILD_BASE, 10);
			_exit(0);
		}
		break;
	case 2: /* is killed at any moment */
		if (storm->sudden)
			for (;;)
				at = touch(at, 1);
		break;
	default:
		touch(at, 5);
	}
	_exit(0);
}

static void fork_some(void)
{
	pid_t pids[CHILDREN_AT_ONCE];

	for (int i = 0; i < CHILDREN_AT_ONCE; i++) {
		pids[i] = fork();
		if (!pids[i])
			live(i % 4);
		if (pids[i] > 0)
			__atomic_add_fetch(&storm->nr_forked, 1, __ATOMIC_RELAXED);
	}
	for (int i = 0; storm->sudden && i < CHILDREN_AT_ONCE; i++)
		if (i % 4 == 2 && pids[i] > 0)
			kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
}

/* A process with a single thread forks far faster. */
static void __attribute__((noreturn)) run_nursery(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, storm->reaped);
	while (!storm->stop)
		fork_some();
	_exit(0);
}

/* The traced process, from its SIGCONT until storm->stop. */
static void __attribute__((noreturn)) run_storm(void)
{
	pthread_t threads[STORM_THREADS];
	pthread_attr_t attr;

	prctl(PR_SET_CHILD_SUBREAPER, storm->reaped);
	signal(SIGCHLD, storm->reaped ? SIG_DFL : SIG_IGN);
	raise(SIGSTOP);
	for (int i = 0; i < NURSERIES; i++)
		if (!fork())
			run_nursery();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (uintptr_t i = 0; i < STORM_THREADS; i++)
		if (pthread_create(&threads[i], &attr, thread_storm, (void *)i))
			_exit(3);
	while (!storm->stop) {
		if (!fork())
			live(1);
		__atomic_add_fetch(&storm->nr_forked, 1, __ATOMIC_RELAXED);
		nap(100);
	}
	while (wait(NULL) > 0)
		;
	if (storm->sudden)
		_exit(0); /* while all threads fault */
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

static void __attribute__((noreturn)) run_stranger(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		touch(STORM_BASE, 200);
		nap(1);
		if (!fork())
			live(3);
		while (wait(NULL) > 0)
			;
	}
}

#endif /* STORM_H */
