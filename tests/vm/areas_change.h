/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modes of areas.c that map, unmap, move and protect executable memory. */
#ifndef AREAS_CHANGE_H
#define AREAS_CHANGE_H

#include <pthread.h>

#include "areas_code.h"

/* N areas of four functions, as a JIT compiler makes them, in three ways; half of them end. */
static void run_jit(long n)
{
	struct range *kept = NULL;

	for (long i = 0; i < n; i++) {
		const char *map = NO_FILE;
		char *p, *view;
		struct range *r;
		int fd;

		if (i == n / 2) {
			stop_here();
			if (kept)
				call_each(kept);
		}
		switch (i % 3) {
		case 0:
			p = map_at(NULL, 4, RWX, ANON, -1, 0);
			write_functions(p, 4);
			break;
		case 1:
			p = anon_code(NULL, 4);
			break;
		default: /* written through another mapping */
			map = "/memfd:jit (deleted)";
			fd = memfd_create("jit", 0);
			if (fd < 0 || ftruncate(fd, 4 * page_size))
				err(1, "memfd");
			view = map_at(NULL, 4, RW, MAP_SHARED, fd, 0);
			write_functions(view, 4);
			p = map_at(NULL, 4, RX, MAP_SHARED, fd, 0);
			unmap(view, 4);
			close(fd);
		}
		r = begin_range("jit", p, 4 * page_size, map, 0);
		call_each(r);
		if (i % 2) {
			end_range(r);
			unmap(p, 4);
		} else {
			kept = r;
		}
	}
}

/* The same page is written N times, and executed. */
static void run_toggle(long n)
{
	char *p = anon_code(NULL, 1);
	struct range *r = begin_range("toggled", p, page_size, NO_FILE, 0);

	for (long i = 0; i < n; i++) {
		if (i == n / 2)
			stop_here();
		protect(p, 1, RW);
		write_functions(p, 1);
		protect(p, 1, RX);
		if (i % 50 == 0)
			call(r, 0);
	}
}

/* Areas are split and merged. */
static void run_parts(long n)
{
	char path[64];
	int fd = code_file(path, sizeof(path), 8);
	char *p = map_at(NULL, 16, RW, ANON, -1, 0), *q;
	struct range *r, *s;

	write_functions(p, 16);
	protect(p + 4 * page_size, 4, RX);
	r = begin_range("middle", p + 4 * page_size, 4 * page_size, NO_FILE, 0);
	call_each(r);
	protect(p + 2 * page_size, 4, RX);
	s = begin_range("before", p + 2 * page_size, 2 * page_size, NO_FILE, 0);
	call_each(s);
	call_each(r);
	end_range(r);
	protect(p + 5 * page_size, 1, RW);
	r = begin_range("behind", p + 6 * page_size, 2 * page_size, NO_FILE, 0);
	call_each(r);
	call_each(s);
	stop_here();
	call_each(s);
	end_range(r);
	end_range(s);
	protect(p, 16, RX);
	r = begin_range("whole", p, 16 * page_size, NO_FILE, 0);
	call_each(r);

	q = map_at(NULL, 8, RX, MAP_PRIVATE, fd, 0);
	r = begin_range("file", q, 8 * page_size, path, 0);
	call_each(r);
	end_range(r);
	while (n--) {
		protect(q + 3 * page_size, 2, RW); /* the pages are copied */
		write_functions(q + 3 * page_size, 2);
		protect(q + 4 * page_size, 2, RX);
		r = begin_range("file-end", q + 4 * page_size, 4 * page_size, path,
				4 * page_size);
		call_each(r);
		end_range(r);
		protect(q, 8, RX);
		r = begin_range("file-again", q, 8 * page_size, path, 0);
		call_each(r);
		end_range(r);
	}
	/* Another part of the file, and anonymous memory, over the middle. */
	map_at(q + 2 * page_size, 2, RX, MAP_PRIVATE, fd, 5);
	r = begin_range("other-part", q + 2 * page_size, 2 * page_size, path, 5 * page_size);
	call_each(r);
	anon_code(q + 6 * page_size, 1);
	r = begin_range("over-the-file", q + 6 * page_size, page_size, NO_FILE, 0);
	call_each(r);
	r = begin_range("file-last-page", q + 7 * page_size, page_size, path, 7 * page_size);
	call_each(r);
	close(fd);
}

static char *move(char *from, size_t nr_old, size_t nr_new, char *to)
{
	char *p = mremap(from, nr_old * page_size, nr_new * page_size,
			 to ? MREMAP_MAYMOVE | MREMAP_FIXED : 0, to);

	if (p == MAP_FAILED)
		err(1, "mremap");
	return p;
}

/* Where the kernel maps nothing by itself. */
#define GROW_AT ((void *)0x100040000000UL)

static void *take_lock(void *unused)
{
	(void)unused;
	for (;;)
		unmap(map_at(NULL, 1, PROT_NONE, ANON, -1, 0), 1);
	return NULL;
}

/*
 * An area grows in place, N times by a page, while other threads want the lock of the address
 * space. It is not executed.
 */
static void grow(long n, int prot)
{
	char *room = map_at(GROW_AT, 1, prot, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, take_lock, NULL))
			errx(1, "no thread");
	for (long i = 1; i <= n; i++)
		if (mremap(room, i * page_size, (i + 1) * page_size, 0) != room)
			errx(1, "an area has not grown in place");
	_exit(0);
}

static void run_grow(long n)
{
	grow(n, RX);
}

static void run_grow_data(long n)
{
	grow(n, RW);
}

/* N areas of each kind are moved, in whole and in part, and grow in place. */
static void run_remap(long n)
{
	char path[64];
	int fd = code_file(path, sizeof(path), 8);
	char *room = map_at(NULL, 64, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	struct range *r, *s;
	char *p;

	for (long i = 0; i < n; i++) {
		if (i == n / 2)
			stop_here();
		p = anon_code(NULL, 4);
		r = begin_range("to-move", p, 4 * page_size, NO_FILE, 0);
		call_each(r);
		end_range(r);
		p = move(p, 4, 4, room);
		r = begin_range("moved", p, 4 * page_size, NO_FILE, 0);
		call_each(r);
		end_range(r);

		p = map_at(NULL, 8, RX, MAP_PRIVATE, fd, 0);
		r = begin_range("file", p, 4 * page_size, path, 0);
		call_each(r);
		s = begin_range("file-end-to-move", p + 4 * page_size, 4 * page_size, path,
				4 * page_size);
		call_each(s);
		end_range(s);
		move(p + 4 * page_size, 4, 4, room + 8 * page_size);
		s = begin_range("file-end", room + 8 * page_size, 4 * page_size, path,
				4 * page_size);
		call_each(s);
		call_each(r);
		end_range(s);
		end_range(r);
		unmap(p, 4);

		/* In place, of a file: from two pages to seven. */
		p = room + 16 * page_size;
		unmap(p, 8);
		map_at(p, 2, RX, MAP_PRIVATE, fd, 1);
		r = begin_range("grows", p, 2 * page_size, path, page_size);
		call_each(r);
		if (move(p, 2, 7, NULL) != p)
			errx(1, "an area has not grown in place");
		s = begin_range("grown", p + 2 * page_size, 5 * page_size, path, 3 * page_size);
		call_each(s);
		move(p, 7, 3, NULL);
		end_range(s);
		call_each(r);
		end_range(r);

		/* In place, anonymous: the new pages get their code later. */
		p = room + 32 * page_size;
		unmap(p, 8);
		map_at(p, 2, RWX, ANON, -1, 0);
		if (move(p, 2, 6, NULL) != p)
			errx(1, "an area has not grown in place");
		write_functions(p, 6);
		r = begin_range("grown", p, 6 * page_size, NO_FILE, 0);
		call_each(r);
		end_range(r);
		/* And moved while it grows. */
		move(p, 6, 8, room + 48 * page_size);
		write_functions(room + 48 * page_size, 8);
		r = begin_range("moved-and-grown", room + 48 * page_size, 8 * page_size, NO_FILE, 0);
		call_each(r);
		if (i + 1 < n)
			end_range(r);
	}
	close(fd);
}

/* N times, in turn: anonymous code and a file's code at the same address. */
static void run_reuse(long n)
{
	char paths[2][64];
	int fds[] = { code_file(paths[0], sizeof(paths[0]), 4),
		      code_file(paths[1], sizeof(paths[1]), 4) };

	for (long i = 0; i < n; i++) {
		size_t page = i % 2;
		struct range *r;

		if (i == n / 2)
			stop_here();
		switch (i % 3) {
		case 0:
			anon_code(CODE_AT, 2);
			r = begin_range("anon", CODE_AT, 2 * page_size, NO_FILE, 0);
			break;
		default:
			map_at(CODE_AT, 2, RX, MAP_PRIVATE, fds[i % 3 - 1], page);
			r = begin_range("file", CODE_AT, 2 * page_size, paths[i % 3 - 1],
					page * page_size);
		}
		call_each(r);
		if (i + 1 < n)
			end_range(r);
		if (i % 4 == 0 && i + 1 < n)
			unmap(CODE_AT, 2);
	}
}

/* N areas at once, none beside another. */
static void run_fill(long n)
{
	char *room = map_at(NULL, 2 * n, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	struct range *r;

	anon_code(room, 1);
	r = begin_range("first", room, page_size, NO_FILE, 0);
	for (long i = 1; i + 1 < n; i++)
		map_at(room + 2 * i * page_size, 1, RX, ANON, -1, 0);
	anon_code(room + 2 * (n - 1) * page_size, 1);
	call(r, 0);
	r = begin_range("last", room + 2 * (n - 1) * page_size, page_size, NO_FILE, 0);
	call(r, 0);
}

/* N files, each mapped and executed once. */
static void run_files(long n)
{
	while (n--) {
		char path[64];
		int fd = code_file(path, sizeof(path), 1);
		char *p = map_at(NULL, 1, RX, MAP_PRIVATE, fd, 0);
		struct range *r = begin_range("file", p, page_size, path, 0);

		call(r, 0);
		end_range(r);
		unmap(p, 1);
		close(fd);
	}
}

#endif /* AREAS_CHANGE_H */
