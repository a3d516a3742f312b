/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workloads that fork and call exec. */
#ifndef WORKLOAD_PROCESSES_H
#define WORKLOAD_PROCESSES_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload_disk.h"
#include "workload_names.h"
#include "workload_pages.h"
#include "workload_threads.h"

/* The path of this program, for exec. */
static const char *self;

static __attribute__((noinline)) int grow_stack(int depth)
{
	volatile char frame[3000];

	frame[0] = depth;
	return depth ? grow_stack(depth - 1) + frame[0] : 0;
}

static void run_after_exec(long n)
{
	grow_stack(500 + n);
	touch(anon(50), 50, true);
}

/* Four threads in files, then copy on write after fork, stack, populate, kernel mode, exec. */
static void run_mix(long n)
{
	pthread_t threads[4];
	char *shared, *p;
	int status, fd;
	pid_t child;

	(void)n;
	for (uintptr_t i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, thread_files, (void *)(i + 1)))
			errx(1, "pthread_create");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);

	shared = anon(200);
	touch(shared, 200, true);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child) {
		touch(shared, 100, true);
		_exit(0);
	}
	touch(shared, 200, true);
	while (waitpid(child, &status, 0) > 0 || errno != ECHILD)
		;
	grow_stack(300);
	map(NULL, 300, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);

	p = anon(64);
	fd = open(WARM_FILE, O_RDONLY); /* the kernel writes to new pages */
	if (fd < 0 || read(fd, p, 64 * page_size) != 64 * page_size)
		err(1, "%s", WARM_FILE);
	close(fd);
	touch(malloc(100 * page_size), 100, true);
	execl(self, self, "run", "after-exec", "7", NULL);
	err(1, "%s", self);
}

/* Pins pages for reading that are shared with a forked child, which copies them. */
static void run_unshare(long n)
{
	char *p = anon(n), *to = anon(1);
	int status;
	pid_t child;

	touch(p, n, true);
	touch(to, 1, true);
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	for (long i = 0; i < n; i++) {
		struct iovec local = { to, page_size }, remote = { p + i * page_size, page_size };

		if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != page_size)
			err(1, "process_vm_readv");
	}
	printf("%p\n", p);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

/* N programs, each run right after it was written through a mapping, as some linkers do. */
static void run_written(long n)
{
	static const char program[] = "#!/bin/true\n";
	long nr_busy = 0;

	signal(SIGCHLD, SIG_DFL);
	for (long i = 0; i < n; i++) {
		char path[40];
		int fd, status;
		pid_t child;
		char *p;

		snprintf(path, sizeof(path), "/tmp/written-%ld", i);
		fd = named_file(path, 1);
		fchmod(fd, 0700);
		p = map(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
		memcpy(p, program, sizeof(program));
		munmap(p, page_size);
		close(fd);
		child = fork();
		if (child < 0)
			err(1, "fork");
		if (!child) {
			execl(path, path, NULL);
			if (errno != ETXTBSY)
				err(2, "%s", path);
			_exit(1);
		}
		if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
		    WEXITSTATUS(status) > 1)
			errx(1, "%s ended with status 0x%x", path, status);
		nr_busy += WEXITSTATUS(status);
		unlink(path);
	}
	printf("busy=%ld of %ld\n", nr_busy, n);
}

/* Children, grandchildren, one that calls exec, one that outlives its parent. */
static void run_family(long n)
{
	pthread_t thread;

	for (long i = 0; i < n; i++) {
		pid_t child = fork();

		if (child < 0)
			err(1, "fork");
		if (!child) {
			touch(anon(10), 10, true);
			if (i % 3 == 0)
				run_family(n / 2);
			if (i % 3 == 1)
				execl(self, self, "run", "after-exec", "7", NULL);
			pthread_create(&thread, NULL, thread_touch, (void *)20);
			pthread_join(thread, NULL);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		touch(anon(5), 5, true);
}

/* The process exits at once; its child runs until the file /tmp/wake exists. */
static void run_orphan(long n)
{
	if (fork())
		return;
	while (access("/tmp/wake", F_OK))
		usleep(10000);
	touch(anon(n), n, true);
}

#endif /* WORKLOAD_PROCESSES_H */
