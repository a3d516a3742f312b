/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workloads whose faults wait, repeat or are missing: userfaultfd, huge pages, swap. */
#ifndef WORKLOAD_PAGING_H
#define WORKLOAD_PAGING_H

#include <err.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file.h"
#include "workload_pages.h"

#define SWAPPED_PAGES 4096
#define CGROUP "/sys/fs/cgroup/small" /* made by the test, with little memory and some swap */
#define SLEEPERS 8

struct monitor {
	int fd;
	long nr_pages;
	unsigned int delay_us;
};

/* Answers faults on a userfaultfd with a page, until all have come. */
static void *answer_faults(void *arg)
{
	const struct monitor *m = arg;
	char *page = anon(1);

	memset(page, 7, page_size);
	for (long i = 0; i < m->nr_pages; i++) {
		struct pollfd p = { .fd = m->fd, .events = POLLIN };
		struct uffdio_copy copy = { .src = (uintptr_t)page, .len = page_size };
		struct uffd_msg msg;

		if (poll(&p, 1, 30000) != 1 || read(m->fd, &msg, sizeof(msg)) != sizeof(msg))
			errx(1, "userfaultfd: no message");
		copy.dst = msg.arg.pagefault.address & -page_size;
		usleep(m->delay_us);
		if (ioctl(m->fd, UFFDIO_COPY, &copy))
			err(1, "UFFDIO_COPY");
	}
	return NULL;
}

/* Memory in which the first touch of each page waits for an answer on *fd. */
static char *answered(size_t nr_pages, int *fd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *p = anon(nr_pages);

	*fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	reg.range.start = (uintptr_t)p;
	reg.range.len = nr_pages * page_size;
	if (*fd < 0 || ioctl(*fd, UFFDIO_API, &api) || ioctl(*fd, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd");
	return p;
}

static void touch_userfaultfd(long nr_pages, unsigned int delay_us)
{
	struct monitor m = { .nr_pages = nr_pages, .delay_us = delay_us };
	char *p = answered(nr_pages, &m.fd);
	pthread_t thread;

	if (pthread_create(&thread, NULL, answer_faults, &m))
		errx(1, "pthread_create");
	touch(p, m.nr_pages, true);
	pthread_join(thread, NULL);
	close(m.fd);
}

/* N faults that take 50 ms each. */
static void run_slow(long n)
{
	touch_userfaultfd(n, 50000);
}

static void *touch_one(void *arg)
{
	touch(arg, 1, true);
	return NULL;
}

/* Threads that all sleep in a fault until the file /tmp/wake exists. */
static void run_sleepers(long n)
{
	struct monitor m = { .nr_pages = SLEEPERS };
	char *p = answered(SLEEPERS, &m.fd);
	pthread_t threads[SLEEPERS];

	(void)n;
	for (int i = 0; i < SLEEPERS; i++)
		if (pthread_create(&threads[i], NULL, touch_one, p + i * page_size))
			errx(1, "pthread_create");
	while (access("/tmp/wake", F_OK))
		usleep(10000);
	answer_faults(&m);
	for (int i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
}

static pthread_t main_thread;

/* Answers a fault by a signal instead of a page. */
static void *cut_short(void *arg)
{
	struct uffd_msg msg;

	if (read(*(int *)arg, &msg, sizeof(msg)) != sizeof(msg))
		errx(1, "userfaultfd: no message");
	pthread_kill(main_thread, SIGALRM);
	return NULL;
}

/* A signal cuts a sleeping fault short, and the program does not try it again. */
static void run_cut_short(long n)
{
	char *other = anon(1);
	int fd;
	char *p = answered(1, &fd);
	pthread_t thread;

	(void)n;
	main_thread = pthread_self();
	signal(SIGALRM, on_signal);
	if (!sigsetjmp(after_signal, 1)) {
		if (pthread_create(&thread, NULL, cut_short, &fd))
			errx(1, "pthread_create");
		touch(p, 1, true);
	}
	touch(other, 1, true);
	pthread_join(thread, NULL);
}

static void prepare_paging(void)
{
	write_file("/proc/sys/vm/nr_hugepages", "4");
	write_file(CGROUP "/cgroup.procs", "0");
}

static void *touch_swapped(void *arg)
{
	touch(arg, SWAPPED_PAGES, true);
	touch(arg, SWAPPED_PAGES, false);
	return NULL;
}

/* Other causes of repeated or missing faults: huge pages, userfaultfd, swap. */
static void run_paging(long n)
{
	const size_t huge = 2 << 20;
	pthread_t thread;
	char *p;

	(void)n;
	p = mmap(NULL, 4 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(p, 4 * huge, MADV_HUGEPAGE);
	touch(p, 4 * huge / page_size, true);

	p = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		 -1, 0);
	if (p == MAP_FAILED)
		err(1, "MAP_HUGETLB");
	touch(p, 2 * huge / page_size, true);

	touch_userfaultfd(64, 0);

	/* Two threads use the same pages, less than half of which fit into memory. */
	p = anon(SWAPPED_PAGES);
	if (pthread_create(&thread, NULL, touch_swapped, p))
		errx(1, "pthread_create");
	touch_swapped(p);
	pthread_join(thread, NULL);
}

#endif /* WORKLOAD_PAGING_H */
