// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs for the gallery: each touches memory in a different pattern.
 *
 *	patterns sequential PAGES	write fresh memory, one page after the other
 *	patterns random PAGES		write as many pages in random order
 *	patterns recursion PAGES	recurse over PAGES of stack, return; then over twice as many
 *	patterns make FILE PAGES	make a file of 3 * PAGES pages
 *	patterns file FILE PAGES	read it through a mapping: the first third in order, the second at
 *				random, the last at random after madvise(MADV_RANDOM)
 *	patterns fork PAGES		write memory, fork two processes that read all of it and write every
 *				second page, then write all of it again
 *
 * Memory is mapped at BASE, so that an address in the log gives the number of the page.
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BASE ((void *)0x200000000000)
#define PAGE_BYTES 4096

static volatile char *map(int flags, int fd, long nr_pages)
{
	int prot = fd < 0 ? PROT_READ | PROT_WRITE : PROT_READ;
	void *p = mmap(BASE, nr_pages * PAGE_BYTES, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	madvise(p, nr_pages * PAGE_BYTES, MADV_NOHUGEPAGE);
	return p;
}

static volatile char *fresh(long nr_pages)
{
	return map(MAP_PRIVATE | MAP_ANONYMOUS, -1, nr_pages);
}

static void read_page(volatile char *p)
{
	(void)*p;
}

static void write_page(volatile char *p)
{
	*p = 1;
}

static void in_order(void (*use)(volatile char *), volatile char *p, long nr_pages, long step)
{
	for (long i = 0; i < nr_pages; i += step)
		use(p + i * PAGE_BYTES);
}

/* Each page once, in the order of a shuffled pack of cards. */
static void at_random(void (*use)(volatile char *), volatile char *p, long nr_pages)
{
	int *order = malloc(nr_pages * sizeof(*order));

	if (!order)
		err(1, "order");
	srandom(1);
	for (long i = 0; i < nr_pages; i++) {
		long j = random() % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (long i = 0; i < nr_pages; i++)
		use(p + (long)order[i] * PAGE_BYTES);
	free(order);
}

/* Uses a page of stack per call. */
static __attribute__((noinline)) int recurse(long depth)
{
	volatile char frame[PAGE_BYTES - 64];

	frame[0] = 1;
	return depth > 1 ? recurse(depth - 1) + frame[0] : 1;
}

static void recurse_twice(long depth)
{
	if (recurse(depth) != depth || recurse(2 * depth) != 2 * depth)
		errx(1, "wrong return value");
}

static void make_file(const char *path, long nr_pages)
{
	static char page[PAGE_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		err(1, "%s", path);
	for (long i = 0; i < nr_pages; i++) {
		memset(page, 'a' + i % 26, sizeof(page));
		if (write(fd, page, sizeof(page)) != sizeof(page))
			err(1, "%s", path);
	}
	if (fsync(fd))
		err(1, "%s", path);
	close(fd);
}

static void read_file(const char *path, long third)
{
	int fd = open(path, O_RDONLY);
	volatile char *p;

	if (fd < 0)
		err(1, "%s", path);
	p = map(MAP_SHARED, fd, 3 * third);
	in_order(read_page, p, third, 1);
	at_random(read_page, p + third * PAGE_BYTES, third);
	p += 2 * third * PAGE_BYTES;
	madvise((void *)p, third * PAGE_BYTES, MADV_RANDOM);
	at_random(read_page, p, third);
	close(fd);
}

static void fork_and_write(long nr_pages)
{
	volatile char *p = fresh(nr_pages);
	int status;

	in_order(write_page, p, nr_pages, 1);
	for (int i = 0; i < 2; i++) {
		pid_t child = fork();

		if (child < 0)
			err(1, "fork");
		if (!child) {
			in_order(read_page, p, nr_pages, 1);
			in_order(write_page, p, nr_pages, 2);
			_exit(0);
		}
		if (waitpid(child, &status, 0) != child || status)
			errx(1, "a child failed");
	}
	in_order(write_page, p, nr_pages, 1);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	long nr_pages = argc > 2 ? atol(argv[argc - 1]) : 0;

	if (nr_pages <= 0)
		errx(2, "usage: see the top of patterns.c");
	if (!strcmp(what, "sequential"))
		in_order(write_page, fresh(nr_pages), nr_pages, 1);
	else if (!strcmp(what, "random"))
		at_random(write_page, fresh(nr_pages), nr_pages);
	else if (!strcmp(what, "recursion"))
		recurse_twice(nr_pages);
	else if (!strcmp(what, "make") && argc == 4)
		make_file(argv[2], 3 * nr_pages);
	else if (!strcmp(what, "file") && argc == 4)
		read_file(argv[2], nr_pages);
	else if (!strcmp(what, "fork"))
		fork_and_write(nr_pages);
	else
		errx(2, "no pattern %s", what);
	return 0;
}
