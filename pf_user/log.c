// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "say.h"
#include "stop.h"

/* What sudo makes here belongs to who typed it: the plotter is to write its pictures there. */
static void give_to_sudo_user(int fd, const char *name)
{
	const char *uid = getenv("SUDO_UID"), *gid = getenv("SUDO_GID");

	if (geteuid() != 0 || !uid || !gid)
		return;
	if (fchown(fd, (uid_t)strtoul(uid, NULL, 10), (gid_t)strtoul(gid, NULL, 10)))
		say("%s stays root's: %s", name, strerror(errno));
}

static int make_out_dir(void)
{
	int fd;

	if (mkdir(OUT_DIR, 0777))
		return errno == EEXIST ? 0 : -1;
	fd = open(OUT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	give_to_sudo_user(fd, OUT_DIR);
	close(fd);
	return 0;
}

static int open_tmp(struct log *log)
{
	const char *slash = strrchr(log->name, '/');
	const char *base = slash ? slash + 1 : log->name;
	char *name = format("%.*s.%s.XXXXXX", (int)(base - log->name), log->name, base);
	mode_t mask = umask(0);

	umask(mask);
	log->fd = mkostemp(name, O_CLOEXEC);
	if (log->fd < 0) {
		free(name);
		return -1;
	}
	log->tmp_name = name;
	give_to_sudo_user(log->fd, log->name);
	return fchmod(log->fd, 0644 & ~mask);
}

int log_open(struct log *log, const char *output, const char *stream_path)
{
	struct stat st;
	int err = 0;

	if (!output) {
		log->name = format(OUT_DIR "/%s.log", strrchr(stream_path, '/') + 1);
		err = make_out_dir() || open_tmp(log);
	} else if (!strcmp(output, "-")) {
		log->name = format("standard output");
		log->fd = STDOUT_FILENO;
	} else {
		log->name = format("%s", output);
		if (!stat(output, &st) && !S_ISREG(st.st_mode)) {
			/* A pipe, a device: never to be replaced by a file. */
			log->fd = open(output, O_WRONLY | O_CLOEXEC);
			err = log->fd < 0;
		} else {
			err = open_tmp(log);
		}
	}
	if (err) {
		say("%s: %s", log->name, strerror(errno));
		return -1;
	}
	debug("%s goes to %s", stream_path, log->tmp_name ? log->tmp_name : log->name);
	return 0;
}

void log_discard(struct log *log)
{
	if (log->tmp_name)
		unlink(log->tmp_name);
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
	const char *from = log->buffer, *end = log->buffer + log->len;

	while (from < end && !log->failed) {
		ssize_t done = write(log->fd, from, (size_t)(end - from));

		if (done >= 0)
			from += done;
		else if (errno != EINTR || nr_stops > 1)
			fail(log);
	}
	log->len = 0;
}

int log_cut(struct log *log, off_t size)
{
	off_t written = log->size - (off_t)log->len;

	if (written > size && !log->tmp_name)
		return -1;
	log->len = 0;
	log->size = size;
	if (log->tmp_name && (ftruncate(log->fd, size) || lseek(log->fd, size, SEEK_SET) < 0))
		fail(log);
	return log->failed ? -1 : 0;
}

int log_finish(struct log *log)
{
	log_flush(log);
	if (!log->failed && close(log->fd))
		fail(log);
	if (!log->failed && log->tmp_name && rename(log->tmp_name, log->name))
		fail(log);
	if (log->failed)
		log_discard(log);
	return log->failed ? -1 : 0;
}
