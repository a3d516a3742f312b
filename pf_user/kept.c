// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kept.h"
#include "options.h"
#include "owner.h"
#include "place.h"
#include "say.h"

#define COMMAND_MAX	40
#define PID_DIGITS_MAX	10
#define SAME_MAX	9999	/* logs of one command and PID */
#ifndef KEPT_MAX
#define KEPT_MAX	65536	/* logs that are counted in a folder */
#endif

#define DIGITS	"0123456789"
#define PLAIN	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "._+-"

bool kept_is_module(const char *base)
{
	size_t len = strlen(MODULE_PREFIX);

	return !strncmp(base, MODULE_PREFIX, len) && base[len] && !base[len + 1] &&
	       strchr(MODULE_LETTERS, base[len]);
}

void kept_label(char *label, const char *command, const char *pid)
{
	size_t nr_digits = strspn(pid, DIGITS), len = 0;

	for (; *command && len < COMMAND_MAX; len++) {
		bool is_plain = strchr(PLAIN, *command) && (len || !strchr(".-", *command));

		label[len] = is_plain ? *command : '_';
		command += *command == '\\' && strspn(command + 1, "01234567") >= 3 ? 4 : 1;
	}
	if (!nr_digits || nr_digits > PID_DIGITS_MAX || pid[nr_digits]) {
		pid = "0";
		nr_digits = 1;
	}
	snprintf(label + len, KEPT_LABEL_SIZE - len, "%s-%.*s", len ? "" : "unknown",
		 (int)nr_digits, pid);
}

/* Is it a name that kept_take_name() gives? */
static bool is_kept_name(const char *name)
{
	size_t len = strspn(name, PLAIN), suffix_len = strlen("." MODULE_PREFIX "X.log");
	const char *suffix = name + len - suffix_len, *end = suffix;

	if (name[len] || len <= suffix_len || strchr(".-", *name))
		return false;
	if (strncmp(suffix, "." MODULE_PREFIX, strlen("." MODULE_PREFIX)) ||
	    !strchr(MODULE_LETTERS, suffix[strlen("." MODULE_PREFIX)]) ||
	    strcmp(suffix + suffix_len - strlen(".log"), ".log"))
		return false;
	while (end > name && strchr(DIGITS, end[-1]))
		end--;
	return end < suffix && end > name + 1 && end[-1] == '-';
}

char *kept_take_name(int dir, const char *from, const char *label, const char *link)
{
	for (int i = 1; i <= SAME_MAX; i++) {
		char *name = i == 1 ? format("%s.%s", label, link) :
			     format("%s-%d.%s", label, i, link);

		if (!place_new(dir, from, name))
			return name;
		free(name);
		if (errno != EEXIST)
			return NULL;
	}
	return NULL;
}

/* The name pf_probe_X.log, for save_earlier(). */
static const char *earlier_link;

static int save_earlier(int dir, const char *from)
{
	for (int i = 1; i <= SAME_MAX; i++) {
		char *name = format("earlier-%d.%s", i, earlier_link);
		int ret = place_new(dir, from, name);

		if (!ret)
			say("%s/%s was the only name of a log: that log is now %s/%s", OUT_DIR,
			    earlier_link, OUT_DIR, name);
		free(name);
		if (!ret || errno != EEXIST)
			return ret;
	}
	return -1;
}

int kept_link(int dir, int fd, const char *link)
{
	int ret;

	earlier_link = link;
	ret = place_link(dir, fd, link, save_earlier);
	if (ret)
		say("%s/%s: is no link to this log: %s", OUT_DIR, link,
		    ret == PLACE_OF_OTHERS ? "it belongs to another user" : strerror(errno));
	return ret ? -1 : 0;
}

struct entry {
	char *name;
	struct stat st;
	bool is_ours;		/* the log that was written just now */
};

/* The newest first. */
static int compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	const struct timespec *at = &a->st.st_mtim, *bt = &b->st.st_mtim;

	if (a->is_ours != b->is_ours)
		return a->is_ours ? -1 : 1;
	if (at->tv_sec != bt->tv_sec)
		return at->tv_sec > bt->tv_sec ? -1 : 1;
	if (at->tv_nsec != bt->tv_nsec)
		return at->tv_nsec > bt->tv_nsec ? -1 : 1;
	return strcmp(b->name, a->name);
}

/* Is it a log as ours: a file of the same owner? */
static bool look(int dir, const char *name, uid_t uid, struct stat *st)
{
	return !fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st->st_mode) &&
	       st->st_uid == uid;
}

/* Fills in `list`, which the caller frees with its names. Returns the number of entries. */
static size_t list_all(int dir, const struct stat *ours, struct entry **list, bool *is_partial)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *file;
	size_t nr = 0, room = 0;
	struct stat st;

	*list = NULL;
	*is_partial = !folder;
	while (folder && (file = readdir(folder))) {
		if (!is_kept_name(file->d_name) || !look(dir, file->d_name, ours->st_uid, &st))
			continue;
		if (nr == KEPT_MAX) {
			*is_partial = true;
			break;
		}
		if (nr == room) {
			room = room ? 2 * room : 64;
			*list = need(realloc(*list, room * sizeof(**list)));
		}
		(*list)[nr++] = (struct entry) {
			.name = format("%s", file->d_name), .st = st,
			.is_ours = place_is_same(&st, ours),
		};
	}
	if (folder)
		closedir(folder);
	else if (fd >= 0)
		close(fd);
	return nr;
}

/* Removes a log, unless another file has its name now. */
static bool drop(int dir, const struct entry *entry)
{
	struct stat st;

	if (!look(dir, entry->name, entry->st.st_uid, &st) || !place_is_same(&st, &entry->st))
		return true;
	if (unlinkat(dir, entry->name, 0)) {
		say("%s/%s: cannot be removed: %s", OUT_DIR, entry->name, strerror(errno));
		return false;
	}
	debug("%s/%s: removed", OUT_DIR, entry->name);
	return true;
}

struct kept kept_count(int dir, int fd, size_t max)
{
	struct kept kept = { 0 };
	struct entry *list = NULL;
	struct stat ours;
	size_t nr;

	if (fstat(fd, &ours)) {
		kept.is_partial = true;
		return kept;
	}
	nr = list_all(dir, &ours, &list, &kept.is_partial);
	if (max && kept.is_partial) {
		say("no log is removed: the directory cannot be read, or has more than %d logs", KEPT_MAX);
		max = 0;
	} else if (max && nr > max && !owner_alone(dir)) {
		say("no log is removed: other users can write in the directory");
		max = 0;
	}
	if (max && list)
		qsort(list, nr, sizeof(*list), compare);
	for (size_t i = 0; i < nr; i++) {
		if (!max || i < max || !drop(dir, &list[i])) {
			kept.nr++;
			kept.size += list[i].st.st_size;
		}
		free(list[i].name);
	}
	free(list);
	return kept;
}
