/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions that areas.c writes at run time, in anonymous memory and in files. Each one writes to a
 * byte at its argument, so that a new page faults with an instruction inside the function.
 */
#ifndef AREAS_CODE_H
#define AREAS_CODE_H

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "areas_say.h"

#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define DATA_PAGES 65536UL
/* Nothing else is mapped there. */
#define CODE_AT ((char *)0x300000000000)

/* *(char *)arg = 1 (on arm64: any value); return; */
#if defined(__x86_64__)
static const unsigned char function[] = { 0xc6, 0x07, 0x01, 0xc3 };
#elif defined(__aarch64__)
static const unsigned char function[] = { 0x01, 0x00, 0x00, 0x39, 0xc0, 0x03, 0x5f, 0xd6 };
#else
#error "Write the function for this architecture"
#endif

static size_t page_size;
static char *data;
static unsigned long nr_data; /* pages that are in use */

static void prepare_code(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	data = mmap(NULL, DATA_PAGES * page_size, RW, ANON | MAP_NORESERVE, -1, 0);
	if (data == MAP_FAILED)
		err(1, "mmap");
	madvise(data, DATA_PAGES * page_size, MADV_NOHUGEPAGE);
}

static char *map_at(void *at, size_t nr_pages, int prot, int flags, int fd, size_t page)
{
	char *p = mmap(at, nr_pages * page_size, prot, flags | (at ? MAP_FIXED : 0), fd,
		       page * page_size);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void protect(char *at, size_t nr_pages, int prot)
{
	if (mprotect(at, nr_pages * page_size, prot))
		err(1, "mprotect");
}

static void unmap(char *at, size_t nr_pages)
{
	if (munmap(at, nr_pages * page_size))
		err(1, "munmap");
}

/* A function at the beginning of each page, which must be writable. */
static void write_functions(char *at, size_t nr_pages)
{
	for (size_t i = 0; i < nr_pages; i++)
		memcpy(at + i * page_size, function, sizeof(function));
	__builtin___clear_cache(at, at + nr_pages * page_size);
}

/* Anonymous memory with functions, that is only readable and executable. */
static char *anon_code(void *at, size_t nr_pages)
{
	char *p = map_at(at, nr_pages, RW, ANON, -1, 0);

	write_functions(p, nr_pages);
	protect(p, nr_pages, RX);
	return p;
}

/* A new file with functions; writes its path to @path, of @size bytes. */
static int code_file(char *path, size_t size, size_t nr_pages)
{
	static int nr;
	char *page = calloc(1, page_size);
	int fd;

	/* The time: a program that this process executes must not write the same files again. */
	snprintf(path, size, "/tmp/code-%d-%d-%llx", getpid(), nr++,
		 (unsigned long long)now_ns());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0700);
	if (fd < 0 || !page)
		err(1, "%s", path);
	memcpy(page, function, sizeof(function));
	while (nr_pages--)
		if (write(fd, page, page_size) != (ssize_t)page_size)
			err(1, "%s", path);
	free(page);
	return fd;
}

/* Calls the function at the beginning of page @nr of the range, for a new page. */
static void call(struct range *r, size_t nr)
{
	unsigned long page = __atomic_fetch_add(&nr_data, 1, __ATOMIC_RELAXED);
	void (*f)(char *) = (void (*)(char *))(r->start + nr * page_size);

	if (page >= DATA_PAGES)
		errx(1, "no page of data is left");
	f(data + page * page_size);
	r->touches++;
}

static void call_each(struct range *r)
{
	for (size_t i = 0; i < (size_t)(r->end - r->start) / page_size; i++)
		call(r, i);
}

#endif /* AREAS_CODE_H */
