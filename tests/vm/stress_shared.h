/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the processes of stress.c share: totals, errors, random numbers, their start. */
#ifndef STRESS_SHARED_H
#define STRESS_SHARED_H

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Totals, in memory shared with the readers. */
static struct totals {
	long rounds, whole, moments, loads, recorded, dropped, overwritten, lines, drains, late, again;
	long children, hotplugs, reused, readers, wrong;
} *totals;

static unsigned int seed;

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

#endif /* STRESS_SHARED_H */
