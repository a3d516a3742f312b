/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The workloads that map files: various names, long paths, many files, many mappings. */
#ifndef WORKLOAD_NAMES_H
#define WORKLOAD_NAMES_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "workload_pages.h"

static int named_file(const char *path, size_t nr_pages)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, nr_pages * page_size))
		err(1, "%s", path);
	return fd;
}

/*
 * A path of @depth folders with names of 200 times the same character, then /the-end/file. Uses
 * chdir(), because no system call takes a path longer than PATH_MAX.
 */
static int far_file(char c, int depth)
{
	char name[201];
	int fd;

	memset(name, c, 200);
	name[200] = 0;
	if (chdir("/tmp"))
		err(1, "/tmp");
	for (int i = 0; i < depth; i++) {
		if ((mkdir(name, 0700) && errno != EEXIST) || chdir(name))
			err(1, "%s", name);
	}
	if ((mkdir("the-end", 0700) && errno != EEXIST) || chdir("the-end"))
		err(1, "the-end");
	fd = named_file("file", 1);
	if (chdir("/"))
		err(1, "/");
	return fd;
}

/* Writes to a shared mapping at each of these offsets in pages. */
static void touch_mapped(int fd, size_t nr_pages, size_t at)
{
	char *p = mmap(NULL, nr_pages * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       at * page_size);

	if (p == MAP_FAILED)
		err(1, "mmap");
	touch(p, nr_pages, true);
}

static void prepare_names(void)
{
	write_file("/proc/sys/vm/nr_hugepages", "4");
}

/* Files with various names; the test has the same list. */
static void run_names(long n)
{
	int fd = named_file("/tmp/mapped twice", 8), hugetlb;
	char *p;

	(void)n;
	touch_mapped(fd, 2, 0);
	touch_mapped(fd, 2, 5);
	fd = named_file("/tmp/new\nline\\", 1);
	touch_mapped(fd, 1, 0);
	fd = named_file("/tmp/deleted", 1);
	unlink("/tmp/deleted");
	touch_mapped(fd, 1, 0);
	touch_mapped(far_file('x', 25), 1, 0);
	touch_mapped(far_file(' ', 7), 1, 0);
	fd = memfd_create("my memfd", 0);
	if (fd < 0 || ftruncate(fd, page_size))
		err(1, "memfd");
	touch_mapped(fd, 1, 0);
	fd = named_file("/dev/shm/my-shm", 1); /* as shm_open() does */
	touch_mapped(fd, 1, 0);
	fd = named_file("/tmp/private", 1);
	touch(map(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd), 1, true);
	hugetlb = memfd_create("huge", MFD_HUGETLB);
	if (hugetlb < 0 || ftruncate(hugetlb, 2 << 20))
		err(1, "hugetlb");
	p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, hugetlb, 0);
	if (p == MAP_FAILED)
		err(1, "hugetlb");
	*p = 1;
}

/* A file in N nested directories. */
static void run_deep(long n)
{
	int fd;

	if (chdir("/tmp"))
		err(1, "/tmp");
	while (n--)
		if ((mkdir("n", 0700) && errno != EEXIST) || chdir("n"))
			err(1, "n");
	fd = named_file("file", 1);
	touch_mapped(fd, 1, 0);
}

/* A SCHED_FIFO thread maps a file, then occupies its CPU for N seconds. */
static void run_fifo(long n)
{
	struct sched_param param = { .sched_priority = 50 };
	uint64_t end_ns;
	cpu_set_t cpu;
	int fd = named_file("/tmp/fifo", 1);

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu) || sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "SCHED_FIFO");
	end_ns = monotonic_ns() + n * 1000000000ULL;
	touch_mapped(fd, 1, 0);
	while (monotonic_ns() < end_ns)
		;
}

/* Maps a memfd's pages as a named dma-buf. Writes the name in /proc/PID/maps to /tmp/mapped. */
static void run_dma_buf(long n)
{
	struct udmabuf_create create = { .memfd = memfd_create("pages", MFD_ALLOW_SEALING) };
	int device = open("/dev/udmabuf", O_RDWR), fd;
	FILE *maps = fopen("/proc/self/maps", "r"), *mapped = fopen("/tmp/mapped", "w");
	static char line[8192];
	char *p;

	(void)n;
	create.size = 4 * page_size;
	if (ftruncate(create.memfd, create.size) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		err(1, "memfd");
	fd = ioctl(device, UDMABUF_CREATE, &create);
	if (fd < 0)
		err(1, "/dev/udmabuf");
	if (ioctl(fd, DMA_BUF_SET_NAME_B, "my buffer"))
		err(1, "DMA_BUF_SET_NAME");
	p = map(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	touch(p, 4, true);
	while (fgets(line, sizeof(line), maps))
		if (strtoul(line, NULL, 16) == (unsigned long)p)
			fputs(strchr(line, '/'), mapped);
	fclose(mapped);
}

/* N files, each mapped and touched once. */
static void run_many_files(long n)
{
	char path[32];

	for (long i = 0; i < n; i++) {
		int fd;

		snprintf(path, sizeof(path), "/tmp/many-%ld", i);
		fd = named_file(path, 1);
		touch_mapped(fd, 1, 0);
		close(fd);
		unlink(path);
	}
}

/* One page of a file at N places. */
static void run_many_maps(long n)
{
	int fd = named_file("/tmp/many", 1);

	while (n--)
		touch_mapped(fd, 1, 0);
}

#endif /* WORKLOAD_NAMES_H */
