// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "owner.h"
#include "part.h"
#include "path.h"
#include "place.h"
#include "say.h"

#define PARTS_MAX 999	/* left parts that are kept of one log */
#define TRIES_MAX 100	/* where another program keeps creating the part */
#define SPARE_DIR "/var/tmp"	/* for a log whose directory was removed */

/* Fails if the name exists. */
static int create_file(const struct log *log, const char *name)
{
	return openat(log->dir_fd, path_base(name),
		      O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* The log's name and `suffix`. If that is too long, the end of the log's name is left out. */
static char *name_with(const struct log *log, const char *suffix)
{
	size_t dir_len = (size_t)(path_base(log->name) - log->name);
	size_t len = strlen(log->name + dir_len), suffix_len = strlen(suffix);
	struct statvfs fs;
	size_t max = NAME_MAX;

	if (!fstatvfs(log->dir_fd, &fs) && fs.f_namemax > suffix_len && fs.f_namemax < max)
		max = fs.f_namemax;
	if (len + suffix_len > max)
		len = max - suffix_len;
	return format("%.*s%s", (int)(dir_len + len), log->name, suffix);
}

bool part_is(const struct log *log, int fd)
{
	return place_leads_to(log->dir_fd, path_base(log->part_name), fd);
}

/* Moves away a part that a killed run has left. Fails if another run is still writing it. */
static int set_part_aside(const struct log *log)
{
	const char *part = path_base(log->part_name);
	int looked = openat(log->dir_fd, part, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd = -1, ret = -1;
	struct stat st;

	if (looked < 0)
		return errno == ENOENT ? 0 : complain(log->part_name, strerror(errno));
	if (fstat(looked, &st) || S_ISLNK(st.st_mode)) {
		complain(log->part_name, "is a symbolic link");
	} else if (!S_ISREG(st.st_mode)) {
		complain(log->part_name, "exists and is not a file");
	} else if (!owner_is_ours(st.st_uid)) {
		complain(log->part_name, "exists and belongs to another user");
	} else if ((fd = path_reopen(looked, O_RDONLY | O_CLOEXEC)) < 0) {
		complain(log->part_name, strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		complain(log->part_name, "is being written by another run");
	} else if (!part_is(log, fd)) {
		ret = 0;		/* another run has already moved it */
	} else if (!st.st_size) {
		ret = unlinkat(log->dir_fd, part, 0);
	} else {
		for (int i = 1; ret && i <= PARTS_MAX; i++) {
			char suffix[32], *name;

			snprintf(suffix, sizeof(suffix), ".part.%d", i);
			name = name_with(log, suffix);
			ret = renameat2(log->dir_fd, part, log->dir_fd, path_base(name),
					RENAME_NOREPLACE);
			if (!ret)
				say("%s was left by a run that failed: kept as %s",
				    log->part_name, name);
			free(name);
			if (ret && errno != EEXIST)
				break;
		}
		if (ret)
			say("%s: left by a run that failed, and cannot be renamed: %s",
			    log->part_name, strerror(errno));
	}
	close(fd);
	return ret;
}

/* Another run may take the name before the file is locked: then tries again. */
int part_open(struct log *log)
{
	log->part_name = format("%s.part", log->name);
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		log->fd = create_file(log, log->part_name);
		if (log->fd < 0 && errno != EEXIST)
			return complain(log->part_name, strerror(errno));
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
	return complain(log->part_name, "another program creates it again and again");
}

void part_choose_owner(struct log *log, const struct stat *old, int fd)
{
	log->uid = (uid_t)-1;
	log->gid = (gid_t)-1;
	log->mode = 0600;
	if (old && owner_alone(log->dir_fd)) {
		log->uid = old->st_uid;
		log->gid = old->st_gid;
		log->mode = old->st_mode & (owner_has_acl(fd) ? 0707 : 0777);
	} else {
		sudo_user(&log->uid, &log->gid);
	}
}

void part_give(const struct log *log, mode_t mode)
{
	if (owner_has_acl(log->fd))
		mode &= ~(mode_t)0070;
	if ((log->uid != (uid_t)-1 && fchown(log->fd, log->uid, log->gid) && !geteuid()) ||
	    fchmod(log->fd, mode))
		say("%s still belongs to root: %s", log->part_name, strerror(errno));
}

int close_copy(int fd)
{
	int copy = dup(fd);

	return copy < 0 ? -1 : close(copy);
}

static int copy_all(int from, int to)
{
	off_t at = 0;
	ssize_t done;

	do
		done = sendfile(to, from, &at, 1 << 30);
	while (done > 0 || (done < 0 && errno == EINTR));
	return (int)done;
}

/* Creates a file for a copy of the part, and sets its name. Returns a descriptor or -1. */
static int create_copy(const struct log *log, char **name)
{
	char *suffix = place_random_name(".part");

	*name = name_with(log, suffix);
	free(suffix);
	return create_file(log, *name);
}

/*
 * Where the folder was removed, as by a traced `make clean`, no file can be created in it. The log
 * gets a new name, so that it does not replace a file that it was never meant to replace.
 */
static int use_spare_dir(struct log *log)
{
	int dir = path_open_dir(SPARE_DIR);
	char *old = log->name, *suffix;

	if (dir < 0)
		return -1;
	close(log->dir_fd);
	log->dir_fd = dir;
	suffix = place_random_name("");
	log->name = format(SPARE_DIR "/%s", path_base(old));
	say("%s: its directory was removed; the log goes to " SPARE_DIR, old);
	free(old);
	old = log->name;
	log->name = name_with(log, suffix);
	free(old);
	free(suffix);
	log->is_kept = false;
	part_choose_owner(log, NULL, -1);
	return 0;
}

int part_hold(struct log *log)
{
	char *name;
	int fd;

	if (part_is(log, log->fd))
		return 0;
	fd = create_copy(log, &name);
	if (fd < 0 && (errno == ENOENT || errno == ESTALE) && !use_spare_dir(log)) {
		free(name);
		fd = create_copy(log, &name);
	}
	if (fd < 0 || copy_all(log->fd, fd) || close_copy(fd)) {
		say("%s: was removed or renamed, and %s is incomplete: %s", log->part_name,
		    name, strerror(errno));
		if (fd >= 0)
			close(fd);
		free(name);
		return -1;
	}
	say("%s: was removed or renamed; its contents are saved", log->part_name);
	close(log->fd);
	free(log->part_name);
	log->fd = fd;
	log->part_name = name;
	return 0;
}
