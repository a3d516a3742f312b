/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workloads of several threads. */
#ifndef WORKLOAD_THREADS_H
#define WORKLOAD_THREADS_H

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file.h"
#include "workload_pages.h"

static void *thread_touch(void *arg)
{
	size_t nr_pages = (size_t)arg;

	touch(anon(nr_pages), nr_pages, true);
	return NULL;
}

static void run_threads(long n)
{
	pthread_t threads[1024];

	if (n > 1024)
		errx(1, "too many threads");
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, thread_touch, (void *)100))
			errx(1, "pthread_create");
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void run_fault_forever(long n)
{
	(void)n;
	for (;;) {
		char *p = anon(100);

		touch(p, 100, true);
		munmap(p, 100 * page_size);
	}
}

/* With pauses, so that a reader can keep up. */
static void *thread_forever(void *arg)
{
	for (;;) {
		char *p = anon(10);

		touch(p, 10, true);
		munmap(p, 10 * page_size);
		usleep(2000);
	}
	return arg;
}

static void run_threads_forever(long n)
{
	pthread_t thread;

	while (n--)
		if (pthread_create(&thread, NULL, thread_forever, NULL))
			errx(1, "pthread_create");
	pause();
}

static void *thread_pause(void *arg)
{
	pause();
	return arg;
}

static void run_idle_threads(long n)
{
	pthread_t thread;

	while (n--)
		if (pthread_create(&thread, NULL, thread_pause, NULL))
			errx(1, "pthread_create");
	pause();
}

static void *touch_and_tell(void *arg)
{
	pid_t *tid = arg;

	*(volatile char *)TOUCH_ADDRESS = 1;
	*tid = syscall(SYS_gettid);
	return NULL;
}

/*
 * N threads, one after the other, all with the same TID, each with one fault at the same address.
 */
static void run_reused_tid(long n)
{
	size_t size = 1 << 20;
	void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	pid_t tid, previous = 0;
	pthread_attr_t attr;
	pthread_t thread;
	char path[64], text[16];

	map(TOUCH_ADDRESS, 1, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);
	pthread_attr_init(&attr);
	if (stack == MAP_FAILED || pthread_attr_setstack(&attr, stack, size))
		errx(1, "no stack");
	for (; n > 0; n--) {
		if (previous) {
			snprintf(text, sizeof(text), "%d", previous - 1);
			write_file("/proc/sys/kernel/ns_last_pid", text);
		}
		if (pthread_create(&thread, &attr, touch_and_tell, &tid))
			errx(1, "pthread_create");
		pthread_join(thread, NULL);
		if (previous && tid != previous)
			errx(1, "TID %d, not %d again", tid, previous);
		previous = tid;
		madvise(TOUCH_ADDRESS, page_size, MADV_DONTNEED);
		/* pthread_join() returns before the TID is free. */
		snprintf(path, sizeof(path), "/proc/self/task/%d", tid);
		while (!access(path, F_OK))
			usleep(1000);
	}
}

#endif /* WORKLOAD_THREADS_H */
