/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files on a disk, in the page cache and not; and the workload that reads a cold one. */
#ifndef WORKLOAD_DISK_H
#define WORKLOAD_DISK_H

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file.h"
#include "workload_pages.h"

#define COLD_FILE "/disk/cold"
#define WARM_FILE "/disk/warm"
#define FILE_PAGES 2048
#define MANY_COLD_PAGES 16384

static void make_file(const char *path, size_t nr_pages)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *page = calloc(1, page_size);

	if (fd < 0 || !page)
		err(1, "%s", path);
	for (size_t i = 0; i < nr_pages; i++) {
		*(size_t *)page = i;
		if (write(fd, page, page_size) != page_size)
			err(1, "%s", path);
	}
	if (fsync(fd))
		err(1, "%s", path);
	close(fd);
	free(page);
}

static void drop_caches(void)
{
	write_file("/proc/sys/vm/drop_caches", "3");
}

static void prepare_mix(void)
{
	make_file(COLD_FILE, FILE_PAGES);
	drop_caches();
	make_file(WARM_FILE, FILE_PAGES / 8);
}

static void *thread_files(void *arg)
{
	uintptr_t seed = (uintptr_t)arg;
	int cold = open(COLD_FILE, O_RDWR), warm = open(WARM_FILE, O_RDWR);
	volatile char *p;

	if (cold < 0 || warm < 0)
		err(1, "files");
	/* All threads use the same file, so they wait for each other's pages. */
	p = map(NULL, FILE_PAGES, PROT_READ, MAP_SHARED, cold);
	madvise((void *)p, FILE_PAGES * page_size, MADV_RANDOM);
	for (int i = 0; i < 200; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		(void)p[(seed >> 33) % FILE_PAGES * page_size];
	}
	touch(map(NULL, FILE_PAGES / 8, PROT_READ, MAP_PRIVATE, warm), FILE_PAGES / 8, false);
	touch(map(NULL, FILE_PAGES / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE, warm), FILE_PAGES / 8,
	      true);
	touch(map(NULL, FILE_PAGES / 8, PROT_READ | PROT_WRITE, MAP_SHARED, warm), FILE_PAGES / 8,
	      true);
	close(cold);
	close(warm);
	return NULL;
}

/* The number of the file's pages that are in memory. */
static size_t nr_resident(const char *path, size_t nr_pages)
{
	unsigned char *resident = calloc(nr_pages, 1);
	int fd = open(path, O_RDONLY);
	void *p = map(NULL, nr_pages, PROT_READ, MAP_SHARED, fd);
	size_t nr = 0;

	if (!resident || mincore(p, nr_pages * page_size, resident))
		err(1, "mincore");
	for (size_t i = 0; i < nr_pages; i++)
		nr += resident[i] & 1;
	munmap(p, nr_pages * page_size);
	close(fd);
	free(resident);
	return nr;
}

/*
 * drop_caches leaves pages that are in use at that moment. Once, on a loaded machine, some stayed
 * for 10 s; then use a new file, of which no process has a page.
 */
static void prepare_cold(void)
{
	size_t nr = 0;

	for (int i = 0; i < 100; i++) {
		if (i % 20 == 0) {
			unlink(COLD_FILE);
			make_file(COLD_FILE, MANY_COLD_PAGES);
		}
		drop_caches();
		nr = nr_resident(COLD_FILE, MANY_COLD_PAGES);
		if (!nr)
			return;
		usleep(100000);
	}
	errx(1, "%s: %zu pages stay in memory", COLD_FILE, nr);
}

/* Reads each page of a file that is only on disk once, in an order that defeats read-ahead. */
static void run_cold(long n)
{
	int fd = open(COLD_FILE, O_RDONLY);
	volatile char *p;

	(void)n;
	if (fd < 0)
		err(1, "%s", COLD_FILE);
	p = map(NULL, MANY_COLD_PAGES, PROT_READ, MAP_SHARED, fd);
	madvise((void *)p, MANY_COLD_PAGES * page_size, MADV_RANDOM);
	/* khugepaged would read whole huge pages (seen on 7.2). */
	madvise((void *)p, MANY_COLD_PAGES * page_size, MADV_NOHUGEPAGE);
	/* The step is odd, so it has no common factor with the number of pages, a power of two. */
	for (size_t i = 0; i < MANY_COLD_PAGES; i++)
		(void)p[i * 10007 % MANY_COLD_PAGES * page_size];
}

#endif /* WORKLOAD_DISK_H */
