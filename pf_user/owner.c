// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "owner.h"
#include "say.h"

#ifndef FUSE_SUPER_MAGIC	/* not in older headers */
#define FUSE_SUPER_MAGIC	0x65735546
#endif

/* All ones is no user: chown() takes it as "do not change". */
static bool read_id(const char *name, unsigned int *id)
{
	const char *text = getenv(name);
	unsigned long number;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoul(text, &end, 10);
	*id = (unsigned int)number;
	return !errno && !*end && number < (unsigned int)-1;
}

bool sudo_user(uid_t *uid, gid_t *gid)
{
	return geteuid() == 0 && read_id("SUDO_UID", uid) && read_id("SUDO_GID", gid);
}

int owner_check(void)
{
	uid_t uid;
	gid_t gid;

	if (geteuid() != 0 || (!getenv("SUDO_UID") && !getenv("SUDO_GID")) || sudo_user(&uid, &gid))
		return 0;
	say("SUDO_UID and SUDO_GID must be the numbers of a user and a group, as sudo sets them");
	return -1;
}

bool owner_is_user(uid_t uid)
{
	uid_t sudo_uid;
	gid_t sudo_gid;

	return uid == (sudo_user(&sudo_uid, &sudo_gid) ? sudo_uid : geteuid());
}

bool owner_is_ours(uid_t uid)
{
	return uid == geteuid() || owner_is_user(uid);
}

/* setresuid() keeps the inheritable set, and with some securebits all of them. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && errno != EINVAL)
		return -1;
	return (int)syscall(SYS_capset, &head, none);
}

static int set_groups(uid_t uid, gid_t gid)
{
	const struct passwd *pw = getpwuid(uid);

	return pw ? initgroups(pw->pw_name, gid) : setgroups(1, &gid);
}

int owner_become(uid_t uid, gid_t gid)
{
	if (set_groups(uid, gid))
		return -1;
	if (setresgid(gid, gid, gid) || setresuid(uid, uid, uid) || (uid && drop_capabilities()))
		return -1;
	if (getuid() != uid || geteuid() != uid || (uid && !setuid(0))) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

int owner_make_files_as(uid_t uid, gid_t gid)
{
	if (set_groups(uid, gid))
		return -1;
	setfsgid(gid);
	setfsuid(uid);
	/* They return the former number, and no error. All ones changes nothing. */
	if ((gid_t)setfsgid((gid_t)-1) != gid || (uid_t)setfsuid((uid_t)-1) != uid) {
		errno = EPERM;
		return -1;
	}
	return uid ? drop_capabilities() : 0;
}

/* /etc/passwd has the primary groups of users; /etc/group does not list these users. */
static bool is_primary_of_others(gid_t gid, uid_t uid)
{
	const struct passwd *pw;
	bool found = false;

	setpwent();
	while (!found && (pw = getpwent()))
		found = pw->pw_gid == gid && pw->pw_uid && pw->pw_uid != uid;
	endpwent();
	return found;
}

/* Is this root's group, or a group with the user's name, without other members? */
static bool group_is_private(gid_t gid)
{
	uid_t uid = geteuid();
	const struct group *group;
	const struct passwd *pw;
	bool private;
	gid_t sudo_gid;
	char *name;

	sudo_user(&uid, &sudo_gid);
	pw = getpwuid(uid);
	group = getgrgid(gid);
	if (!group || (gid && (!pw || strcmp(group->gr_name, pw->pw_name))))
		return false;
	name = format("%s", pw ? pw->pw_name : "root");
	private = !is_primary_of_others(gid, uid);
	/* Several groups can have the same number. */
	setgrent();
	while (private && (group = getgrent()))
		for (char **member = group->gr_mem; group->gr_gid == gid && *member; member++)
			if (strcmp(*member, "root") && strcmp(*member, name))
				private = false;
	endgrent();
	free(name);
	return private;
}

bool owner_has_acl(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

/*
 * The program behind a FUSE file system reports any owner and mode that it likes. Such a file
 * system is nosuid if a user has mounted it. One whose type is unknown is not trusted, either.
 */
static bool may_lie(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) || (fs.f_type == FUSE_SUPER_MAGIC && (fs.f_flags & ST_NOSUID));
}

bool owner_alone(int fd)
{
	struct stat st;

	if (may_lie(fd) || fstat(fd, &st) || (st.st_uid && !owner_is_ours(st.st_uid)) ||
	    (st.st_mode & S_IWOTH))
		return false;
	return !(st.st_mode & S_IWGRP) || (!owner_has_acl(fd) && group_is_private(st.st_gid));
}

bool owner_roots_alone(int fd)
{
	struct stat st;

	return !may_lie(fd) && !fstat(fd, &st) && !st.st_uid &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}
