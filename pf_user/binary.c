// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "binary.h"

#define DELETED		" (deleted)"
#define PATH_SIZE	4200

/*
 * The link in map_files leads to the mapped file itself, whatever its path leads to now, and in
 * whatever mount namespace. Returns an O_PATH descriptor, or -1.
 */
static int open_link(int process, const struct area *a)
{
	char name[64];

	snprintf(name, sizeof(name), "map_files/%llx-%llx", a->start, a->end);
	return openat(process, name, O_PATH | O_CLOEXEC);
}

/* Without the right to follow that link. A backslash is a sign that the kernel escaped the path. */
static int open_path(int process, const struct area *a)
{
	size_t len = strlen(a->path), deleted = strlen(DELETED);
	char path[PATH_SIZE];

	if (*a->path != '/' || strchr(a->path, '\\') || len >= sizeof(path) - strlen("root") ||
	    (len >= deleted && !strcmp(a->path + len - deleted, DELETED)))
		return -1;
	snprintf(path, sizeof(path), "root%s", a->path);
	return openat(process, path, O_PATH | O_CLOEXEC);
}

/* Opens the file of an area, but reads nothing. Returns an O_PATH descriptor, or -1. */
static int open_area(int process, struct area *a, struct stat *st)
{
	bool by_path = false;
	int fd = open_link(process, a);

	if (fd < 0 && (errno == EPERM || errno == EACCES)) {
		by_path = true;
		fd = open_path(process, a);
	}
	if (fd < 0) {
		a->refused = "it cannot be opened";
		return -1;
	}
	/* By its path, it may be another file. The link's device is not always that of fstat(). */
	if (fstat(fd, st) || !S_ISREG(st->st_mode))
		a->refused = "not a regular file";
	else if (st->st_ino != a->inode || (by_path && st->st_dev != makedev(a->major, a->minor)))
		a->refused = "not the file that is mapped";
	else
		return fd;
	close(fd);
	return -1;
}

/* O_NONBLOCK: a lease would make it wait for its holder. */
static int open_to_read(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int read_fd(void *arg, void *to, size_t size, u64 at)
{
	char *next = to;

	while (size) {
		ssize_t got = pread(*(int *)arg, next, size, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		next += got;
		size -= (size_t)got;
		at += (u64)got;
	}
	return 0;
}

static void forget(struct binaries *all, struct binary *b)
{
	all->size -= elf_memory(&b->elf);
	elf_free(&b->elf);
	b->serial = 0;
}

/* Other than the one with the serial number `keep`. */
static struct binary *least_used(struct binaries *all, u64 keep)
{
	struct binary *least = NULL;

	for (size_t i = 0; i < BINARIES_MAX; i++) {
		struct binary *b = &all->list[i];

		if (!b->serial || b->serial == keep)
			continue;
		if (!least || b->latest_use < least->latest_use)
			least = b;
	}
	return least;
}

static struct binary *free_place(struct binaries *all)
{
	struct binary *least;

	for (size_t i = 0; i < BINARIES_MAX; i++)
		if (!all->list[i].serial)
			return &all->list[i];
	least = least_used(all, 0);
	forget(all, least);
	return least;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The same file, with the same contents as far as its times show. */
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

static struct binary *known(struct binaries *all, const struct stat *st)
{
	for (size_t i = 0; i < BINARIES_MAX; i++)
		if (all->list[i].serial && is_same(&all->list[i].st, st))
			return &all->list[i];
	return NULL;
}

static struct binary *add(struct binaries *all, int fd, const struct stat *st)
{
	struct binary *b = free_place(all), *least;
	enum elf_result result;
	int file;

	*b = (struct binary) { .serial = ++all->nr_serials, .st = *st };
	file = open_to_read(fd);
	if (file < 0) {
		b->refused = "it cannot be opened";
		return b;
	}
	result = elf_read(&b->elf, read_fd, &file, (u64)st->st_size);
	close(file);
	b->refused = result == ELF_TOO_LARGE ? "too many symbols" :
		     result == ELF_UNREADABLE ? "it cannot be read as ELF" :
		     !b->elf.nr ? "it has no symbols" : NULL;
	all->size += elf_memory(&b->elf);
	while (all->size > BINARIES_SIZE && (least = least_used(all, b->serial)))
		forget(all, least);
	return b;
}

struct binary *binary_of(struct binaries *all, int process, struct area *a, bool may_read)
{
	struct binary *b = a->binary;
	struct stat st;
	int fd;

	if (b && b->serial == a->serial) {
		b->latest_use = ++all->nr_uses;
		return b;
	}
	a->binary = NULL;
	if (a->refused || !a->inode || process < 0)
		return NULL;
	fd = open_area(process, a, &st);
	if (fd < 0)
		return NULL;
	b = known(all, &st);
	if (!b && may_read)
		b = add(all, fd, &st);
	close(fd);
	if (!b)
		return NULL;
	b->latest_use = ++all->nr_uses;
	a->binary = b;
	a->serial = b->serial;
	return b;
}

void binaries_free(struct binaries *all)
{
	for (size_t i = 0; i < BINARIES_MAX; i++)
		if (all->list[i].serial)
			forget(all, &all->list[i]);
}
