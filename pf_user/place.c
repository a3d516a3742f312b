// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "owner.h"
#include "place.h"

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

static bool is_of_others(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && !owner_is_ours(st.st_uid);
}

/*
 * Another user may create a file with the name `to` at any moment. So first exchanges that file and
 * ours, then looks at the file, and exchanges the two again if it must not be replaced.
 */
static int exchange(int dir, const char *from, const char *to)
{
	int ret = -1;
	struct stat st;

	if (renameat2(dir, from, dir, to, RENAME_EXCHANGE))
		return -1;
	if (fstatat(dir, from, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -1;
	if (!owner_is_ours(st.st_uid))
		ret = PLACE_OF_OTHERS;
	else if (!S_ISDIR(st.st_mode))
		return unlinkat(dir, from, 0) && errno != ENOENT ? -1 : 0;
	/* If `to` was removed meanwhile, there is nothing to exchange. */
	if (renameat2(dir, from, dir, to, RENAME_EXCHANGE))
		renameat2(dir, from, dir, to, RENAME_NOREPLACE);
	errno = EISDIR;
	return ret;
}

int place_replace(int dir, const char *from, const char *to)
{
	int ret;

	/* Where nobody else can write, one rename is enough, and `to` always exists. */
	for (int tries = 0; !owner_alone(dir) && tries < TRIES_MAX; tries++) {
		if (!renameat2(dir, from, dir, to, RENAME_NOREPLACE))
			return 0;
		if (errno == EEXIST) {
			ret = exchange(dir, from, to);
			if (ret >= 0)
				return ret;
		}
		if (errno == EINVAL)
			break;		/* this file system does not have the flags */
		if (errno != ENOENT)
			return -1;
	}
	return is_of_others(dir, to) ? PLACE_OF_OTHERS : renameat(dir, from, dir, to);
}
