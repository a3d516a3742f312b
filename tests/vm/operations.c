// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest tests: random system calls on /proc/pf_probe_X, compared with a model.
 *
 *	operations N SEED FILE	N calls, on a file to which nothing is added meanwhile
 *
 * The model of an open file: the text, a position, and whether the last read has returned the end.
 * A read returns at least one byte of the text at the position; at the end, nothing. Calls that a
 * file in /proc does not support fail. Prints the number of calls of each kind; stops at the first
 * that differs from the model.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "random.h"

#define NR_FDS 12
#define SIZE_MAX_READ (300 * 1024)

/* An open file description, which duplicated descriptors share. */
struct description {
	int nr_users;
	off_t at;
	bool end_seen;
};

static struct {
	int fd;
	struct description *file; /* NULL if it is not open */
} fds[NR_FDS];

enum operation {
	OPEN, CLOSE, DUP, READ, READV, PREAD, SEEK, SEEK_ON, SEEK_WRONG, POLL, FORK, SPLICE, SENDFILE,
	WRITE, MAP, IOCTL, STAT, NR_OPERATIONS
};

static const char *const names[NR_OPERATIONS] = {
	"open", "close", "dup", "read", "readv", "pread", "lseek", "lseek-on", "lseek-wrong", "poll",
	"fork", "splice", "sendfile", "write", "mmap", "ioctl", "fstat"
};

static unsigned long nr_done[NR_OPERATIONS], nr_operations;
static const char *path;
static char *text, *buffer;
static off_t text_len;
static enum operation now;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	printf("operation %lu, %s: not %s (error %d, %s)\n", nr_operations, names[now], what, errno,
	       strerror(errno));
	exit(1);
}

/* Of any order of magnitude, and around page boundaries. */
static size_t some_size(void)
{
	switch (below(4)) {
	case 0:
		return below(3);
	case 1:
		return below(64) * 4096 + below(3);
	default:
		return below(SIZE_MAX_READ) >> below(18);
	}
}

static off_t some_place(void)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return text_len - 1 + below(3);
	case 2:
		return text_len + below(1UL << (1 + below(20)));
	default:
		return below(text_len + 1);
	}
}

/* @got is the result of a read of @size bytes at @at into the buffer. */
static void check_read(struct description *file, ssize_t got, size_t size, off_t at)
{
	off_t left = at < text_len ? text_len - at : 0;

	must(got >= 0, "an error");
	must(got <= (ssize_t)size && got <= left, "more than there is");
	must(got || !size || !left, "nothing where there is something");
	must(!memcmp(buffer, text + (left ? at : 0), got), "other bytes");
	if (size)
		file->end_seen = !got;
}

static void do_read(int fd, struct description *file)
{
	size_t size = some_size();
	ssize_t got = read(fd, buffer, size);

	check_read(file, got, size, file->at);
	file->at += got;
}

static void do_readv(int fd, struct description *file)
{
	size_t first = some_size() / 2, second = some_size() / 2;
	struct iovec parts[] = { { buffer, first }, { buffer + first, second } };
	ssize_t got = readv(fd, parts, 2);

	check_read(file, got, first + second, file->at);
	file->at += got;
}

static void do_pread(int fd, struct description *file)
{
	size_t size = some_size();
	off_t at = some_place();

	check_read(file, pread(fd, buffer, size, at), size, at);
	/* pread() elsewhere does not say what is at the position. */
	file->end_seen = file->end_seen && size && at == file->at;
}

/* Also past the end. */
static void do_seek(int fd, struct description *file)
{
	off_t at = some_place();

	must(lseek(fd, at, SEEK_SET) == at, "the requested position");
	file->at = at;
	file->end_seen = false;
}

static void do_seek_on(int fd, struct description *file)
{
	off_t by = (off_t)below(9000) - 4500;
	off_t got = lseek(fd, by, SEEK_CUR);

	if (file->at + by < 0) {
		must(got < 0 && errno == EINVAL, "EINVAL before the beginning");
		return;
	}
	must(got == file->at + by, "the requested position");
	file->at = got;
	file->end_seen = false;
}

static void do_seek_wrong(int fd)
{
	static const int ways[] = { SEEK_END, SEEK_DATA, SEEK_HOLE, 77, -1 };

	if (below(2))
		must(lseek(fd, -1 - (off_t)below(1000), SEEK_SET) < 0 && errno == EINVAL, "EINVAL");
	else
		must(lseek(fd, 0, ways[below(5)]) < 0 && errno == EINVAL, "EINVAL");
}

/* poll() must return readable before the end, and not after a read has returned the end. */
static void do_poll(int fd, const struct description *file)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI };
	int got = poll(&p, 1, 0);

	must(got >= 0, "an error");
	must(!(p.revents & ~POLLIN), "another event");
	if (file->at < text_len)
		must(got == 1, "silent where there is something");
	else if (file->end_seen)
		must(got == 0, "readable at the end");
}

/* A child reads from the same description. */
static void do_fork(int fd, struct description *file)
{
	size_t size = some_size();
	int ends[2], status;
	ssize_t got = -1;
	pid_t pid;

	must(!pipe(ends), "a pipe");
	fflush(NULL);
	pid = fork();
	must(pid >= 0, "a child");
	if (!pid) {
		got = read(fd, buffer, size);
		check_read(file, got, size, file->at);
		_exit(write(ends[1], &got, sizeof(got)) != sizeof(got));
	}
	close(ends[1]);
	must(read(ends[0], &got, sizeof(got)) == sizeof(got) && got >= 0, "read by the child");
	close(ends[0]);
	must(waitpid(pid, &status, 0) == pid && !status, "well ended");
	file->at += got;
	if (size)
		file->end_seen = !got;
}

static void do_refused(int fd)
{
	static int ends[2], nowhere = -1;
	char *at;

	if (nowhere < 0) {
		must(!pipe(ends), "a pipe");
		nowhere = open("/dev/null", O_RDWR);
	}
	errno = 0;
	switch (now) {
	case SPLICE:
		must(splice(fd, NULL, ends[1], NULL, 1 + some_size(), SPLICE_F_NONBLOCK) < 0 &&
		     errno == EINVAL, "EINVAL");
		break;
	case SENDFILE:
		must(sendfile(nowhere, fd, NULL, 1 + some_size()) < 0 && errno == EINVAL, "EINVAL");
		break;
	case WRITE:
		must(write(fd, "1", 1) < 0 && errno == EBADF, "EBADF");
		break;
	case MAP:
		at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		must(at == MAP_FAILED && (errno == ENODEV || errno == EIO), "ENODEV or EIO");
		break;
	default:
		must(ioctl(fd, next_random(), buffer) < 0 && (errno == ENOTTY || errno == EFAULT),
		     "ENOTTY");
	}
}

static void do_stat(int fd)
{
	struct stat st;

	must(!fstat(fd, &st) && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0400 && !st.st_size,
	     "a file of mode 0400");
}

static void do_open(unsigned int slot)
{
	struct description *file = calloc(1, sizeof(*file));

	fds[slot].fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fds[slot].fd >= 0 && file, "opened");
	file->nr_users = 1;
	fds[slot].file = file;
}

static void do_close(unsigned int slot)
{
	must(!close(fds[slot].fd), "closed");
	if (!--fds[slot].file->nr_users)
		free(fds[slot].file);
	fds[slot].file = NULL;
}

static void do_dup(unsigned int from, unsigned int to)
{
	if (fds[to].file)
		do_close(to);
	fds[to].fd = dup(fds[from].fd);
	must(fds[to].fd >= 0, "a duplicate");
	fds[to].file = fds[from].file;
	fds[to].file->nr_users++;
}

static void operate(void)
{
	unsigned int slot = below(NR_FDS), other = below(NR_FDS);
	struct description *file = fds[slot].file;
	int fd = fds[slot].fd;

	now = file ? DUP + below(NR_OPERATIONS - DUP) : OPEN;
	if (file && below(40) == 0)
		now = CLOSE;
	if (now == DUP && other == slot)
		now = READ;
	if (now == FORK && below(4))
		now = READ;
	nr_done[now]++;
	switch (now) {
	case OPEN:
		do_open(slot);
		break;
	case CLOSE:
		do_close(slot);
		break;
	case DUP:
		do_dup(slot, other);
		break;
	case READ:
		do_read(fd, file);
		break;
	case READV:
		do_readv(fd, file);
		break;
	case PREAD:
		do_pread(fd, file);
		break;
	case SEEK:
		do_seek(fd, file);
		break;
	case SEEK_ON:
		do_seek_on(fd, file);
		break;
	case SEEK_WRONG:
		do_seek_wrong(fd);
		break;
	case POLL:
		do_poll(fd, file);
		break;
	case FORK:
		do_fork(fd, file);
		break;
	case STAT:
		do_stat(fd);
		break;
	default:
		do_refused(fd);
	}
}

/* Reads the whole file, to the first end. */
static void read_text(void)
{
	size_t room = 1 << 20;
	int fd = open(path, O_RDONLY);
	ssize_t got;

	text = malloc(room);
	while ((got = read(fd, text + text_len, room - text_len)) > 0) {
		text_len += got;
		if (room - text_len < 65536)
			text = realloc(text, room *= 2);
	}
	if (got || !text_len)
		err(1, "%s", path);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: operations N SEED FILE");
	random_begin(argv[2]);
	path = argv[3];
	read_text();
	buffer = malloc(SIZE_MAX_READ + 8192);
	if (!buffer)
		err(1, "no memory");
	for (; nr_operations < strtoul(argv[1], NULL, 0); nr_operations++)
		operate();
	printf("%lu bytes:", (unsigned long)text_len);
	for (now = 0; now < NR_OPERATIONS; now++)
		printf(" %s=%lu", names[now], nr_done[now]);
	puts("");
	return 0;
}
