// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "owner.h"
#include "say.h"
#include "stop.h"

#define PARTS_MAX 999	/* that are kept of one log */

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Says so and returns -1: for `return told(...)`. */
static int told(const char *name, const char *what)
{
	say("%s: %s", name, what);
	return -1;
}

/* What sudo makes here belongs to who typed it: the plotter is to write its pictures there. */
static void give_to_owner(int fd, const char *name)
{
	uid_t uid;
	gid_t gid;

	if (sudo_user(&uid, &gid) && fchown(fd, uid, gid))
		say("%s stays root's: %s", name, strerror(errno));
}

static int make_out_dir(void)
{
	struct stat st;
	int fd;

	if (!mkdir(OUT_DIR, 0777)) {
		fd = open(OUT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return told(OUT_DIR, strerror(errno));
		give_to_owner(fd, OUT_DIR);
		close(fd);
		return 0;
	}
	if (errno != EEXIST)
		return told(OUT_DIR, strerror(errno));
	/* It was not named by who typed the command. */
	if (!lstat(OUT_DIR, &st) && S_ISLNK(st.st_mode) && !owner_is_ours(st.st_uid))
		return told(OUT_DIR, "is a symbolic link of another user");
	return 0;
}

static int open_dir(struct log *log)
{
	int len = (int)(base_of(log->name) - log->name);
	char *dir = len ? format("%.*s", len, log->name) : format(".");
	struct stat st;

	log->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (log->dir_fd < 0 || fstat(log->dir_fd, &st))
		return told(log->name, strerror(errno));
	if (st.st_uid && !owner_is_ours(st.st_uid))
		say("%s: in a folder of another user, who can take it away", log->name);
	return 0;
}

/* Does the part's name still lead to what is open as `fd`? */
static bool part_is(const struct log *log, int fd)
{
	struct stat ours, there;

	return !fstat(fd, &ours) &&
	       !fstatat(log->dir_fd, base_of(log->part_name), &there, AT_SYMLINK_NOFOLLOW) &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

/* A part that is there already: of a run that goes on, of one that was killed. */
static int set_part_aside(const struct log *log)
{
	const char *part = base_of(log->part_name);
	int fd = openat(log->dir_fd, part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), ret = -1;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : told(log->part_name, errno == ELOOP ?
						  "is a symbolic link" : strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		told(log->part_name, "is in the way, and not a file");
	} else if (!owner_is_ours(st.st_uid)) {
		told(log->part_name, "is in the way, and belongs to another user");
	} else if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		told(log->part_name, "is being written by another run");
	} else if (!part_is(log, fd)) {
		ret = 0;		/* somebody else was faster */
	} else if (!st.st_size) {
		ret = unlinkat(log->dir_fd, part, 0);
	} else {
		for (int i = 1; ret && i <= PARTS_MAX; i++) {
			char *name = format("%s.%d", log->part_name, i);

			ret = renameat2(log->dir_fd, part, log->dir_fd, base_of(name),
					RENAME_NOREPLACE);
			if (!ret)
				say("%s was left by a run that did not end well: kept as %s",
				    log->part_name, name);
			free(name);
			if (ret && errno != EEXIST)
				break;
		}
		if (ret)
			say("%s: left by a run that did not end well, and can't be renamed: %s",
			    log->part_name, strerror(errno));
	}
	close(fd);
	return ret;
}

/* The lock is ours once the name leads to what is locked. */
static int open_part(struct log *log)
{
	const char *part;

	log->part_name = format("%s.part", log->name);
	part = base_of(log->part_name);
	for (;;) {
		log->fd = openat(log->dir_fd, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
				 O_CLOEXEC, 0600);
		if (log->fd < 0 && errno != EEXIST)
			return told(log->part_name, strerror(errno));
		if (log->fd < 0) {
			if (set_part_aside(log))
				return -1;
			continue;
		}
		flock(log->fd, LOCK_EX);
		if (part_is(log, log->fd))
			return 0;
		close(log->fd);
	}
}

/* A pipe, a device: never to be replaced by a file. */
static int open_in_place(struct log *log, const struct stat *there)
{
	struct stat st;

	if (S_ISBLK(there->st_mode))
		return told(log->name, "is a block device");
	log->fd = openat(log->dir_fd, base_of(log->name), O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (log->fd < 0)
		return told(log->name, strerror(errno));
	if (fstat(log->fd, &st) || S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return told(log->name, "has just become something else");
	return 0;
}

static int open_file(struct log *log)
{
	const char *base = base_of(log->name);
	struct stat st = { 0 }, target;
	bool there;

	if (open_dir(log))
		return -1;
	there = !fstatat(log->dir_fd, base, &st, AT_SYMLINK_NOFOLLOW);
	if (there && S_ISLNK(st.st_mode)) {
		/* As /dev/stdout is, which may lead to a file. */
		if ((st.st_uid && !owner_is_ours(st.st_uid)) ||
		    fstatat(log->dir_fd, base, &target, 0) || S_ISREG(target.st_mode))
			return told(log->name, "is a symbolic link: name what it leads to, or -");
		st = target;
	}
	if (there && S_ISDIR(st.st_mode))
		return told(log->name, strerror(EISDIR));
	if (there && !S_ISREG(st.st_mode))
		return open_in_place(log, &st);
	if (there && !owner_is_ours(st.st_uid))
		return told(log->name, "belongs to another user: name another file");
	if (open_part(log))
		return -1;
	if (!there) {
		give_to_owner(log->fd, log->part_name);
	} else if ((fchown(log->fd, st.st_uid, st.st_gid) && geteuid() == 0) ||
		   fchmod(log->fd, st.st_mode & 0777)) {
		told(log->name, strerror(errno));
		log_discard(log);
		return -1;
	}
	return 0;
}

int log_open(struct log *log, const char *output, const char *stream_path)
{
	log->fd = log->dir_fd = -1;
	if (!output) {
		log->name = format(OUT_DIR "/%s.log", base_of(stream_path));
		if (make_out_dir() || open_file(log))
			return -1;
	} else if (!strcmp(output, "-")) {
		log->name = format("standard output");
		log->fd = STDOUT_FILENO;
	} else {
		log->name = format("%s", output);
		if (open_file(log))
			return -1;
	}
	debug("%s goes to %s", stream_path, log->part_name ? log->part_name : log->name);
	return 0;
}

void log_discard(struct log *log)
{
	if (log->part_name && log->fd >= 0 && part_is(log, log->fd))
		unlinkat(log->dir_fd, base_of(log->part_name), 0);
}

void log_keep_part(struct log *log)
{
	struct stat st;

	if (!log->part_name || log->renamed || fstat(log->fd, &st))
		return;
	if (!st.st_size)
		log_discard(log);
	else if (part_is(log, log->fd))
		say("what was read is in %s", log->part_name);
}

static void fail(struct log *log)
{
	if (errno != EPIPE)
		say("%s: %s", log->name, strerror(errno));
	log->failed = true;
}

/* Patient with a pipe that nobody empties, until it is told to stop for the second time. */
void log_flush(struct log *log)
{
	const char *from = log->buffer, *end = log->buffer + log->len, *line;

	if (log->failed) {
		log->len = 0;
		return;
	}
	while (from < end && !log->failed) {
		ssize_t done = write(log->fd, from, (size_t)(end - from));

		if (done >= 0)
			from += done;
		else if (errno != EINTR || nr_stops > 1)
			fail(log);
	}
	if (from < end && log->part_name) {
		/* Back to the last whole line. */
		line = memrchr(log->buffer, '\n', (size_t)(from - log->buffer));
		if (ftruncate(log->fd, log->size - (off_t)log->len +
			      (line ? line + 1 - log->buffer : 0)))
			say("%s: %s", log->part_name, strerror(errno));
	}
	log->len = 0;
}

int log_cut(struct log *log, off_t size)
{
	off_t written = log->size - (off_t)log->len;

	if (log->failed || (written > size && !log->part_name))
		return -1;
	/* What is buffered begins at `written`. */
	log->len = written < size ? (size_t)(size - written) : 0;
	log->size = size;
	if (written > size &&
	    (ftruncate(log->fd, size) || lseek(log->fd, size, SEEK_SET) < 0))
		fail(log);
	return log->failed ? -1 : 0;
}

/* Some file systems tell only when it is closed that a write came to nothing. */
static int close_copy(int fd)
{
	int copy = dup(fd);

	return copy < 0 ? -1 : close(copy);
}

int log_finish(struct log *log)
{
	log_flush(log);
	if (!log->failed && close_copy(log->fd))
		fail(log);
	if (!log->failed && log->part_name) {
		if (!part_is(log, log->fd)) {
			log->failed = true;
			return told(log->part_name, "somebody has taken it away");
		}
		if (renameat(log->dir_fd, base_of(log->part_name), log->dir_fd,
			     base_of(log->name)))
			fail(log);
		else
			log->renamed = true;
	}
	if (log->failed)
		log_keep_part(log);
	return log->failed ? -1 : 0;
}
