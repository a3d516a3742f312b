/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The eight ways in which the files of the modules are read meanwhile, see readers[]. */
#ifndef STRESS_READERS_H
#define STRESS_READERS_H

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_check.h"
#include "storm.h"
#include "stress_load.h"
#include "stress_shared.h"

/* A reader's open file, and the checker of what it has read. */
struct reading {
	int fd;
	const struct load *load;
	struct log_check *check;
};

static char text[1 << 16];

/* Checks the result of a read(). Returns false at the end, or when the module has gone. */
static bool take(struct reading *r, size_t size)
{
	ssize_t n = read(r->fd, text, size);

	if (n <= 0)
		return false;
	if (log_check_feed(r->check, text, n))
		return true;
	wrong(r->load->params, r->check->why);
	_exit(1);
}

/* Reads drain after drain, @size bytes at a time, or random sizes if 0. */
static void read_on(struct reading *r, unsigned int size, unsigned int nr_drains)
{
	while (nr_drains--) {
		while (take(r, size ?: 1 + draw(5000)))
			;
		nap(20);
	}
}

static void read_whole(struct reading *r)
{
	read_on(r, sizeof(text), 20);
}

static void read_odd(struct reading *r)
{
	read_on(r, 0, 5);
}

static void read_bytes(struct reading *r)
{
	for (int i = 0; i < 20000 && take(r, 1); i++)
		;
	read_on(r, sizeof(text), 1);
}

static void read_places(struct reading *r)
{
	for (int i = 0; i < 30; i++) {
		/* The contents at this offset are not known; only check that it can be read. */
		ssize_t n = pread(r->fd, text, 1 + draw(sizeof(text) - 1), draw(200000));

		if (n > 0 && lseek(r->fd, draw(100000), SEEK_SET) >= 0)
			n = read(r->fd, text, 100);
		if (n < 0)
			return;
	}
	if (!lseek(r->fd, 0, SEEK_SET))
		read_on(r, sizeof(text), 2);
}

static void read_polled(struct reading *r)
{
	for (int i = 0; i < 20; i++) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };

		if (poll(&p, 1, 200) < 0 || (p.revents & (POLLERR | POLLHUP)))
			return;
		while ((p.revents & POLLIN) && take(r, sizeof(text)))
			;
	}
}

static void read_selected(struct reading *r)
{
	for (int i = 0; i < 20; i++) {
		struct timeval tv = { .tv_usec = 200000 };
		fd_set in, except;

		FD_ZERO(&in);
		FD_SET(r->fd, &in);
		except = in;
		if (select(r->fd + 1, &in, NULL, &except, &tv) < 0 || FD_ISSET(r->fd, &except))
			return;
		while (FD_ISSET(r->fd, &in) && take(r, 4096))
			;
	}
}

/* Reads by a descriptor that two processes share, and tries unsupported calls. */
static void read_shared(struct reading *r)
{
	int null = open("/dev/null", O_WRONLY), fd = dup(r->fd);

	if (sendfile(null, r->fd, NULL, 65536) >= 0)
		wrong(r->load->params, "sendfile()");
	close(null);
	if (!fork()) {
		for (int i = 0; i < 100 && read(fd, text, 777) > 0; i++)
			;
		_exit(0);
	}
	for (int i = 0; i < 100 && read(r->fd, text, 4096) >= 0; i++)
		;
	wait(NULL);
	close(fd);
}

static void follow(struct reading *r)
{
	char name[2] = { r->load->module[9] };

	close(r->fd);
	close(1);
	close(2);
	execl("/user", "/user", "--follow", "-o", "/dev/null", name, NULL);
	_exit(1);
}

static void (*const readers[])(struct reading *r) = {
	read_whole, read_odd, read_bytes, read_places, read_polled, read_selected, read_shared, follow,
};

#define NR_READERS (sizeof(readers) / sizeof(*readers))

static void add_totals(const struct log_check *c)
{
	add(&totals->lines, c->nr_lines);
	add(&totals->drains, c->nr_drains);
	add(&totals->late, c->nr_late);
	add(&totals->again, c->nr_again);
}

/*
 * Starts a reader of the n-th kind in a process. Opens the file first, so it is that of this load.
 */
static pid_t start_reader(size_t kind, const struct load *load, pid_t target)
{
	struct reading r = { .load = load, .fd = open_file(load) };
	pid_t pid;

	if (r.fd < 0)
		err(1, "/proc/%s", load->module);
	pid = start();
	if (pid) {
		close(r.fd);
		return pid;
	}
	add(&totals->readers, 1);
	r.check = new_check(load, target);
	readers[kind](&r);
	add_totals(r.check);
	_exit(0);
}

static void end_reader(size_t kind, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	/* `user` reports with its own exit status that the module has gone. */
	if (readers[kind] != follow && status)
		wrong("a reader", "ended badly");
}

/* Starts a reader of each kind, each for one of the files. */
static void start_readers(struct load *const *used, unsigned int nr, pid_t target, pid_t *pids)
{
	unsigned int first = draw(nr);

	for (size_t i = 0; i < NR_READERS; i++)
		pids[i] = start_reader(i, used[(first + i) % nr], target);
}

#endif /* STRESS_READERS_H */
