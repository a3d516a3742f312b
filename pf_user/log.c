// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "owner.h"
#include "part.h"
#include "path.h"
#include "place.h"
#include "say.h"

/*
 * If root made the folder where others can write, they could exchange it before it is given to the
 * user. So a process with the user's rights and groups makes it.
 */
static int make_dir_as_user(const char *name)
{
	int status = 0;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (!sudo_user(&uid, &gid))
		return mkdir(name, 0755);
	pid = fork();
	if (!pid)
		_exit(owner_make_files_as(uid, gid) || mkdir(name, 0755) ? errno : 0);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (pid > 0)
		errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	return pid < 0 || errno ? -1 : 0;
}

/* The folder belongs to the user, because the plotter writes its pictures there. */
static int make_out_dir(void)
{
	int here, fd;
	uid_t uid;
	gid_t gid;

	if (!make_dir_as_user(OUT_DIR) || errno == EEXIST)
		return 0;
	if (errno != EACCES || geteuid() || mkdir(OUT_DIR, 0755))
		return errno == EEXIST ? 0 : complain(OUT_DIR, strerror(errno));
	/* Where only root can write, nobody can have exchanged it. */
	here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = open(OUT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (here >= 0 && fd >= 0 && owner_roots_alone(here) && sudo_user(&uid, &gid) &&
	    fchown(fd, uid, gid))
		say(OUT_DIR " still belongs to root: %s", strerror(errno));
	close(here);
	close(fd);
	return 0;
}

static int open_dir_of(const char *name)
{
	int len = (int)(path_base(name) - name), fd;
	char *dir = len ? format("%.*s", len, name) : format(".");

	fd = path_open_dir(dir);
	free(dir);
	return fd;
}

static int open_dir(struct log *log)
{
	struct stat st;

	log->dir_fd = open_dir_of(log->name);
	if (log->dir_fd < 0)
		return complain(log->name, path_error());
	if (fstat(log->dir_fd, &st))
		return complain(log->name, strerror(errno));
	if (st.st_uid && !owner_is_ours(st.st_uid))
		say("%s: is in a directory of another user, who can remove it", log->name);
	return 0;
}

/* Opens a pipe or device, which is written in place: a file must not replace it. */
static int open_in_place(struct log *log, int looked, const struct stat *st, bool by_link)
{
	if (S_ISBLK(st->st_mode))
		return complain(log->name, "is a block device");
	/* A link of root's such as /dev/stdout may lead to a pipe or terminal of any user. */
	if (!by_link && st->st_uid && !owner_is_ours(st->st_uid))
		return complain(log->name, "belongs to another user, who would get the log");
	log->fd = path_reopen(looked, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return log->fd < 0 ? complain(log->name, strerror(errno)) : 0;
}

static int open_file(struct log *log)
{
	const char *base = path_base(log->name);
	struct stat st = { 0 };
	bool by_link = false;
	int looked, ret = -1;

	if (open_dir(log))
		return -1;
	looked = path_look(log->dir_fd, *base ? base : ".", &by_link);
	if (looked < 0 && errno == ENOENT) {
		part_choose_owner(log, NULL, -1);
		return part_open(log);
	}
	if (looked < 0 && errno != ELOOP)
		return complain(log->name, path_error());
	if (looked < 0 || fstat(looked, &st) || (by_link && S_ISREG(st.st_mode))) {
		complain(log->name, "is a symbolic link: name its target, or -");
	} else if (S_ISDIR(st.st_mode)) {
		complain(log->name, strerror(EISDIR));
	} else if (!S_ISREG(st.st_mode)) {
		ret = open_in_place(log, looked, &st, by_link);
	} else if (!owner_is_ours(st.st_uid)) {
		complain(log->name, "belongs to another user: name another file");
	} else {
		part_choose_owner(log, &st, looked);
		ret = part_open(log);
	}
	if (looked >= 0)
		close(looked);
	return ret;
}

int log_open(struct log *log, const char *output, const char *stream_path)
{
	log->fd = log->dir_fd = -1;
	if (!output) {
		log->name = format(OUT_DIR "/%s.log", path_base(stream_path));
		log->is_kept = kept_is_module(path_base(stream_path));
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
		unlinkat(log->dir_fd, path_base(log->part_name), 0);
}

void log_keep_part(struct log *log)
{
	struct stat st;

	if (!log->part_name || log->renamed || fstat(log->fd, &st))
		return;
	if (!st.st_size) {
		log_discard(log);
	} else if (!part_hold(log)) {
		part_give(log, 0600);
		say("what was read is in %s", log->part_name);
	}
}

static void fail(struct log *log)
{
	if (errno != EPIPE)
		say("%s: %s", log->name, strerror(errno));
	log->failed = true;
}

/* Waits for the reader of a full pipe, until the second signal to stop. */
void log_flush(struct log *log)
{
	const char *line;
	size_t done;

	if (log->failed) {
		log->len = 0;
		return;
	}
	done = write_all(log->fd, log->buffer, log->len);
	if (done < log->len)
		fail(log);
	if (done < log->len && log->part_name) {
		/* Cut it after the last whole line. */
		line = memrchr(log->buffer, '\n', done);
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
	/* The buffer's text begins at `written`. */
	log->len = written < size ? (size_t)(size - written) : 0;
	log->size = size;
	if (written > size &&
	    (ftruncate(log->fd, size) || lseek(log->fd, size, SEEK_SET) < 0))
		fail(log);
	return log->failed ? -1 : 0;
}

/* The command can rename the folder, and put another one with a log of its own in that place. */
static void follow_folder(struct log *log)
{
	struct stat ours, there;
	char link[64], real[PATH_MAX];
	int fd = open_dir_of(log->name);
	bool moved = fd < 0 || fstat(fd, &there) || fstat(log->dir_fd, &ours) ||
		     !place_is_same(&ours, &there);
	ssize_t len;

	if (fd >= 0)
		close(fd);
	if (!moved)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", log->fd);
	len = readlink(link, real, sizeof(real));
	if (len <= 0)
		return;
	say("%s: its directory was renamed; the log is now %.*s", log->name, (int)len, real);
	free(log->name);
	log->name = format("%.*s", (int)len, real);
}

/* Gives the part the log's name. Returns as place_replace(). */
static int take_name(struct log *log)
{
	const char *part = path_base(log->part_name), *base = path_base(log->name);
	char *name, *old = log->name;

	if (!log->is_kept)
		return place_replace(log->dir_fd, part, base);
	name = kept_take_name(log->dir_fd, part, log->label, base);
	if (!name)
		return -1;
	log->name = format("%.*s%s", (int)(base - old), old, name);
	log->link = format("%s", base);
	free(old);
	free(name);
	return 0;
}

int log_finish(struct log *log)
{
	int ret;

	log_flush(log);
	if (!log->failed && close_copy(log->fd))
		fail(log);
	if (!log->failed && log->part_name) {
		if (part_hold(log)) {
			log->failed = true;
			return -1;
		}
		part_give(log, log->mode);
		ret = take_name(log);
		if (ret == PLACE_OF_OTHERS)
			log->failed = complain(log->name, "now belongs to another user");
		else if (ret)
			fail(log);
		else if (place_leads_to(log->dir_fd, path_base(log->name), log->fd))
			log->renamed = true;
		else
			log->failed = complain(log->name, "was replaced by another program");
	}
	if (log->renamed && log->link) {
		kept_link(log->dir_fd, log->fd, log->link);
		log->kept = kept_count(log->dir_fd, log->fd, opt.keep);
	}
	if (log->renamed)
		follow_folder(log);
	if (log->failed)
		log_keep_part(log);
	return log->failed ? -1 : 0;
}

void log_close(struct log *log)
{
	if (log->fd >= 0 && log->fd != STDOUT_FILENO)
		close(log->fd);
	if (log->dir_fd >= 0)
		close(log->dir_fd);
	free(log->name);
	free(log->part_name);
	free(log->link);
	log->name = log->part_name = log->link = NULL;
	log->fd = log->dir_fd = -1;
}
