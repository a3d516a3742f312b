// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "owner.h"
#include "path.h"
#include "say.h"

#define LINKS_MAX	40	/* as in the kernel */

static const char *refusal;	/* NULL: strerror(errno) is the reason */

const char *path_base(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

const char *path_error(void)
{
	return refusal ? refusal : strerror(errno);
}

static int refuse(const char *why)
{
	refusal = why;
	errno = ELOOP;
	return -1;
}

static void close_quietly(int fd)
{
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
}

static int open_top(const char *name)
{
	return open(*name == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Opens a folder or symbolic link. Tries O_DIRECTORY first, because that triggers an automount. */
static int open_step(int dir, const char *name)
{
	int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 || (errno != ENOTDIR && errno != ELOOP))
		return fd;
	return openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Returns the target of a link and the rest of the name, or NULL and errno. Frees `whole`. */
static char *put_before(int link, char *whole, const char *left)
{
	char text[PATH_MAX], *name = NULL;
	ssize_t len = readlinkat(link, "", text, sizeof(text));

	if (len == sizeof(text))
		errno = ENAMETOOLONG;
	else if (len >= 0)
		name = format("%.*s/%s", (int)len, text, left);
	free(whole);
	return name;
}

int path_open_dir(const char *name)
{
	char *rest = format("%s", name), *left = rest;
	int dir = open_top(name), nr_links = 0;
	bool by_link = false;
	struct stat st;

	refusal = NULL;
	while (dir >= 0 && rest) {
		size_t len;
		char *step;
		int next;

		left += strspn(left, "/");
		len = strcspn(left, "/");
		if (!len)
			break;
		step = format("%.*s", (int)len, left);
		left += len;
		next = open_step(dir, step);
		free(step);
		if (next < 0 || fstat(next, &st)) {
			close_quietly(dir);
			dir = next;
		} else if (S_ISLNK(st.st_mode)) {
			by_link = by_link || st.st_uid;
			if (st.st_uid && !owner_is_ours(st.st_uid)) {
				close_quietly(dir);
				dir = refuse("its path contains a symbolic link of another user");
			} else if (++nr_links > LINKS_MAX) {
				close_quietly(dir);
				dir = -1;
				errno = ELOOP;
			} else {
				left = rest = put_before(next, rest, left);
				if (rest && *rest == '/') {
					close(dir);
					dir = open_top(rest);
				}
			}
			close_quietly(next);
		} else {
			close(dir);
			dir = next;
			if (!S_ISDIR(st.st_mode)) {
				close(dir);
				dir = -1;
				errno = ENOTDIR;
			}
		}
	}
	if (!rest) {
		close_quietly(dir);
		return -1;
	}
	free(rest);
	if (dir >= 0 && by_link && !geteuid() && (fstat(dir, &st) || !owner_is_user(st.st_uid))) {
		close(dir);
		return refuse("its path contains a symbolic link to a directory that is not the user's own");
	}
	return dir;
}

/* Root does not follow a link that a program of the user may have made. */
static bool may_follow(int dir_fd, const struct stat *link)
{
	if (geteuid())
		return !link->st_uid || owner_is_ours(link->st_uid);
	return !link->st_uid && owner_roots_alone(dir_fd);
}

int path_look(int dir_fd, const char *base, bool *by_link)
{
	int fd = openat(dir_fd, base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	refusal = NULL;
	*by_link = false;
	if (fd < 0 || fstat(fd, &st) || !S_ISLNK(st.st_mode))
		return fd;
	close(fd);
	*by_link = true;
	if (!may_follow(dir_fd, &st))
		return refuse("is a symbolic link: name its target");
	fd = openat(dir_fd, base, O_PATH | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return refuse("is a symbolic link to a file that does not exist");
	return fd;
}

int path_reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags);
}

int path_open(const char *name, int flags)
{
	const char *base = path_base(name);
	char *dir = base == name ? format(".") : format("%.*s", (int)(base - name), name);
	int dir_fd = path_open_dir(dir), looked, fd;
	bool by_link;

	free(dir);
	if (dir_fd < 0)
		return -1;
	looked = path_look(dir_fd, *base ? base : ".", &by_link);
	close_quietly(dir_fd);
	if (looked < 0)
		return -1;
	fd = path_reopen(looked, flags);
	close_quietly(looked);
	return fd;
}
