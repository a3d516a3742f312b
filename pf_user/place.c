// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "owner.h"
#include "place.h"
#include "say.h"

#define TRIES_MAX 100	/* where another program keeps changing the names */

bool place_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

bool place_leads_to(int dir, const char *name, int fd)
{
	struct stat ours, there;

	return !fstat(fd, &ours) && !fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) &&
	       place_is_same(&ours, &there);
}

char *place_random_name(const char *begin)
{
	unsigned long long random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		debug("getrandom: %s", strerror(errno));
	return format("%s.%016llx", begin, random);
}

/* A file that would be lost with this name; a folder is never replaced. */
static bool is_sole_name(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1;
}

/* What has lost its name to ours and is now called `from`: saves or removes it. */
static int put_away(int dir, const char *from, const struct stat *st,
		    int (*save)(int dir, const char *from))
{
	if (save && is_sole_name(st))
		return save(dir, from);
	return unlinkat(dir, from, 0) && errno != ENOENT ? -1 : 0;
}

/*
 * Another user may create a file with the name `to` at any moment. So first exchanges that file and
 * ours, then looks at the file, and exchanges the two again if it must not be replaced.
 */
static int exchange(int dir, const char *from, const char *to,
		    int (*save)(int dir, const char *from))
{
	int ret = -1, err = EISDIR;
	struct stat st;

	if (renameat2(dir, from, dir, to, RENAME_EXCHANGE))
		return -1;
	if (fstatat(dir, from, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -1;
	if (!owner_is_ours(st.st_uid)) {
		ret = PLACE_OF_OTHERS;
	} else if (!S_ISDIR(st.st_mode)) {
		if (!put_away(dir, from, &st, save))
			return 0;
		if (!save)
			return -1;
		err = errno;
	}
	/* If `to` was removed meanwhile, there is nothing to exchange. */
	if (renameat2(dir, from, dir, to, RENAME_EXCHANGE))
		renameat2(dir, from, dir, to, RENAME_NOREPLACE);
	errno = err == EEXIST || err == ENOENT ? EBUSY : err;	/* not to be tried again */
	return ret;
}

/* Where a file system cannot exchange: one look, and then the rename. */
static int replace_at_once(int dir, const char *from, const char *to,
			   int (*save)(int dir, const char *from))
{
	struct stat st;

	if (!fstatat(dir, to, &st, AT_SYMLINK_NOFOLLOW)) {
		if (!owner_is_ours(st.st_uid))
			return PLACE_OF_OTHERS;
		if (save && is_sole_name(&st) && save(dir, to))
			return -1;
	}
	return renameat(dir, from, dir, to);
}

static int replace(int dir, const char *from, const char *to,
		   int (*save)(int dir, const char *from))
{
	int ret;

	/* Where nobody else can write, one rename is enough, and `to` always exists. */
	for (int tries = 0; (save || !owner_alone(dir)) && tries < TRIES_MAX; tries++) {
		if (!renameat2(dir, from, dir, to, RENAME_NOREPLACE))
			return 0;
		if (errno == EEXIST) {
			ret = exchange(dir, from, to, save);
			if (ret >= 0)
				return ret;
		}
		if (errno == EINVAL)
			break;		/* this file system does not have the flags */
		if (errno != ENOENT)
			return -1;
	}
	return replace_at_once(dir, from, to, save);
}

int place_replace(int dir, const char *from, const char *to)
{
	return replace(dir, from, to, NULL);
}

int place_new(int dir, const char *from, const char *to)
{
	struct stat st;

	if (!renameat2(dir, from, dir, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL)
		return -1;
	/* This file system does not have the flag. A link is never made over a file, either. */
	if (!linkat(dir, from, dir, to, 0))
		return unlinkat(dir, from, 0);
	if (errno == EEXIST)
		return -1;
	if (!fstatat(dir, to, &st, AT_SYMLINK_NOFOLLOW)) {
		errno = EEXIST;
		return -1;
	}
	return renameat(dir, from, dir, to);
}

int place_link(int dir, int fd, const char *to, int (*save)(int dir, const char *from))
{
	char file[64], *from = place_random_name(to);
	int ret, err;

	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	ret = linkat(AT_FDCWD, file, dir, from, AT_SYMLINK_FOLLOW);
	if (!ret)
		ret = replace(dir, from, to, save);
	err = errno;
	/* After an error; and a rename does nothing if both are the same file already. */
	if (place_leads_to(dir, from, fd))
		unlinkat(dir, from, 0);
	free(from);
	errno = err;
	return ret;
}
