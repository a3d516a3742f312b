// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "owner.h"

/* All ones is nobody: to chown() it means "as it is". */
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

bool owner_is_ours(uid_t uid)
{
	uid_t sudo_uid;
	gid_t sudo_gid;

	if (uid == geteuid())
		return true;
	if (geteuid() != 0)
		return false;
	return !sudo_user(&sudo_uid, &sudo_gid) || uid == sudo_uid;
}
