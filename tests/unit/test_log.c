// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log gets its name in a folder where others can write (as /tmp): what another user puts there at
 * the last moment stays. The moment is made here, between the reader's last look and its rename.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void before_rename(void);
static unsigned int refused_flags;

static int rename_2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
	before_rename();
	if (flags & refused_flags) {
		errno = EINVAL;
		return -1;
	}
	return renameat2(from_dir, from, to_dir, to, flags);
}

static int rename_1(int from_dir, const char *from, int to_dir, const char *to)
{
	before_rename();
	return renameat(from_dir, from, to_dir, to);
}

/* Fails in a process to which a user can send signals. */
static int mkdir_by_root(const char *name, mode_t mode)
{
	uid_t real, effective, saved;

	if (getresuid(&real, &effective, &saved) || real || effective || saved) {
		errno = EOWNERDEAD;
		return -1;
	}
	return mkdir(name, mode);
}

#define renameat2	rename_2
#define renameat	rename_1
#define mkdir		mkdir_by_root
#include "pf_user/log.c"
#include "pf_user/kept.c"
#include "pf_user/part.c"
#include "pf_user/place.c"
#undef renameat2
#undef renameat
#undef mkdir

#include "tap.h"

#include "pf_user/owner.c"
#include "pf_user/path.c"
#include "pf_user/say.c"
#include "pf_user/stop.c"

#define OTHER		65533
#define NAME		"x.log"
#define NEW		"new\n"
#define THEIRS		"theirs\n"
#define OLD		"old\n"

struct options opt;

static struct log the_log;
static void (*at_last)(void);
static int nr_before;	/* renames before it */

static void before_rename(void)
{
	void (*what)(void) = at_last;

	if (nr_before && nr_before--)
		return;
	at_last = NULL;
	if (what)
		what();
}

static void put_file(const char *name, const char *text, uid_t uid)
{
	FILE *file;

	unlink(name);
	file = fopen(name, "w");
	if (!file || fputs(text, file) < 0 || fclose(file) || chown(name, uid, (gid_t)uid))
		perror(name);
}

static bool holds(const char *name, const char *text)
{
	char got[64];
	FILE *file = fopen(name, "r");
	size_t len = file ? fread(got, 1, sizeof(got) - 1, file) : 0;

	got[len] = '\0';
	if (file)
		fclose(file);
	return file && !strcmp(got, text);
}

/* What log_finish() returns, where something happens at the last moment. */
static int log_to(const char *older, void (*what)(void), mode_t mode)
{
	int ret;

	if (chmod(".", mode))
		perror("chmod");
	unlink(NAME);
	rmdir(NAME);
	unlink(NAME ".part");
	if (older)
		put_file(NAME, older, 0);
	the_log = (struct log) { 0 };
	ret = log_open(&the_log, NAME, "stream");
	if (!ret) {
		log_put(&the_log, NEW, strlen(NEW));
		at_last = what;
		ret = log_finish(&the_log);
	}
	close(the_log.fd);
	close(the_log.dir_fd);
	free(the_log.name);
	free(the_log.part_name);
	return ret;
}

static void put_theirs(void)
{
	put_file(NAME, THEIRS, OTHER);
}

static void put_ours(void)
{
	put_file(NAME, OLD, 0);
}

static void put_folder(void)
{
	unlink(NAME);
	if (mkdir(NAME, 0755))
		perror(NAME);
}

static void take_away(void)
{
	unlink(NAME);
}

static bool is_saved(void)
{
	return holds(NAME ".part", NEW);
}

/* A file system that knows one of the flags, or none: what another user had there is left alone. */
static void check_all(const char *where)
{
	ok(!log_to(NULL, NULL, 01777) && holds(NAME, NEW), "%s: a new log", where);
	ok(!log_to(OLD, NULL, 01777) && holds(NAME, NEW), "%s: an older one is replaced", where);
	ok(access(NAME ".part", F_OK) != 0, "%s: and nothing else is left", where);
	ok(!log_to(NULL, put_ours, 01777) && holds(NAME, NEW), "%s: one's own that came later",
	   where);
	ok(!log_to(OLD, take_away, 01777) && holds(NAME, NEW), "%s: an older one that goes", where);
	ok(log_to(NULL, put_folder, 01777) == -1 && is_saved(), "%s: no folder is replaced", where);
}

#define LINK	"out/pf_probe_B.log"
#define KEPT	"out/a-1.pf_probe_B.log"
#define KEPT_2	"out/a-1-2.pf_probe_B.log"
#define EARLIER	"out/earlier-1.pf_probe_B.log"

/* How many files are in out/? */
static int nr_files(void)
{
	DIR *dir = opendir("out");
	int nr = -2;

	while (dir && readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void empty_out(void)
{
	char command[] = "rm -rf out/*";

	if (system(command))
		perror(command);
}

/* As log_to(), for a log that is kept, in out/. @nr: the rename before which it happens */
static int keep_log(void (*what)(void), int nr)
{
	int ret;

	the_log = (struct log) { 0 };
	ret = log_open(&the_log, NULL, "/proc/pf_probe_B");
	if (chmod("out", 01777))
		perror("chmod");
	strcpy(the_log.label, "a-1");
	if (!ret) {
		log_put(&the_log, NEW, strlen(NEW));
		at_last = what;
		nr_before = nr;
		ret = log_finish(&the_log);
	}
	at_last = NULL;
	close(the_log.fd);
	close(the_log.dir_fd);
	free(the_log.name);
	free(the_log.part_name);
	free(the_log.link);
	return ret;
}

static bool same_file(const char *a, const char *b)
{
	struct stat at, bt;

	return !stat(a, &at) && !stat(b, &bt) && place_is_same(&at, &bt);
}

static void put_their_link(void)
{
	put_file(LINK, THEIRS, OTHER);
}

static void put_our_link(void)
{
	put_file(LINK, OLD, 0);
}

static void put_their_kept(void)
{
	put_file(KEPT, THEIRS, OTHER);
}

static void put_folder_as_link(void)
{
	unlink(LINK);
	if (mkdir(LINK, 0755))
		perror(LINK);
}

/* Moves the log away, and puts another file in its place. */
static void swap_kept(void)
{
	if (rename(KEPT, "out/moved"))
		perror(KEPT);
	put_file(KEPT, OLD, 0);
}

static void check_kept(const char *where)
{
	ok(!keep_log(NULL, 0) && holds(KEPT, NEW) && same_file(KEPT, LINK) && nr_files() == 2,
	   "%s: a log and its link", where);
	ok(the_log.kept.nr == 1 && the_log.kept.size == (off_t)strlen(NEW), "%s: it is counted",
	   where);
	put_file(KEPT, OLD, 0);
	ok(!keep_log(NULL, 0) && holds(KEPT, OLD) && holds(KEPT_2, NEW) &&
		   same_file(KEPT_2, LINK),
	   "%s: an older one stays", where);
	empty_out();
	put_our_link();
	ok(!keep_log(NULL, 0) && holds(KEPT, NEW) && same_file(KEPT, LINK) && holds(EARLIER, OLD) &&
		   nr_files() == 3,
	   "%s: one that has only the link's name stays", where);
	empty_out();
	ok(!keep_log(put_our_link, 1) && same_file(KEPT, LINK) && holds(EARLIER, OLD) &&
		   nr_files() == 3,
	   "%s: also one that came at the last moment", where);
	empty_out();
	ok(!keep_log(put_folder_as_link, 1) && holds(KEPT, NEW) && nr_files() == 2 && !rmdir(LINK),
	   "%s: no folder is replaced by a link", where);
	empty_out();
	ok(!keep_log(swap_kept, 1) && same_file(LINK, KEPT) == false && holds(LINK, NEW) &&
		   holds(KEPT, OLD),
	   "%s: the link is to the log, whatever has its name", where);
	empty_out();
}

static void check_kept_of_others(const char *where)
{
	ok(!keep_log(put_their_link, 1) && holds(KEPT, NEW) && holds(LINK, THEIRS) &&
		   nr_files() == 2,
	   "%s: another user's file stays in the link's place", where);
	empty_out();
	ok(!keep_log(put_their_kept, 0) && holds(KEPT, THEIRS) && holds(KEPT_2, NEW) &&
		   same_file(KEPT_2, LINK),
	   "%s: and in that of the log", where);
	empty_out();
}

/* The process that makes out/ has the user's rights, but the user cannot stop it. */
static bool user_makes_folder(const char *name)
{
	struct stat st;
	bool made;

	setenv("SUDO_UID", "65533", 1);
	setenv("SUDO_GID", "65533", 1);
	made = !make_dir_as_user(name);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	return made && !stat(name, &st) && st.st_uid == OTHER && st.st_gid == OTHER &&
	       !rmdir(name);
}

int main(void)
{
	char folder[] = "/tmp/test_log.XXXXXX";

	if (getuid()) {
		puts("1..0 # SKIP not root");
		return 0;
	}
	if (!mkdtemp(folder) || chdir(folder)) {
		perror(folder);
		return 1;
	}
	setbuf(stdout, NULL);
	umask(022);
	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);	/* messages */
	if (mkdir("out", 0755))
		perror("out");
	check_kept("all can write");
	check_kept_of_others("all can write");
	refused_flags = RENAME_EXCHANGE;
	check_kept("without RENAME_EXCHANGE");
	refused_flags = RENAME_EXCHANGE | RENAME_NOREPLACE;
	check_kept("without both");
	refused_flags = 0;
	rmdir("out");
	check_all("all can write");
	ok(log_to(NULL, put_theirs, 01777) == -1 && holds(NAME, THEIRS) && is_saved(),
	   "where nothing was, another user's file stays");
	ok(log_to(OLD, put_theirs, 01777) == -1 && holds(NAME, THEIRS) && is_saved(),
	   "where an older log was, too");
	refused_flags = RENAME_EXCHANGE;
	check_all("without RENAME_EXCHANGE");
	ok(log_to(NULL, put_theirs, 01777) == -1 && holds(NAME, THEIRS) && is_saved(),
	   "without RENAME_EXCHANGE another user's file stays where nothing was");
	refused_flags = RENAME_EXCHANGE | RENAME_NOREPLACE;
	check_all("without both");
	refused_flags = 0;
	ok(!log_to(OLD, NULL, 0755) && holds(NAME, NEW), "in a folder of root's");
	ok(!user_makes_folder("made") && errno == EACCES, "no folder for a user in one of root's");
	if (chown(".", OTHER, OTHER))
		perror("chown");
	ok(user_makes_folder("made"), "in one of the user's own, by a process that is root's");
	unlink(NAME);
	unlink(NAME ".part");
	rmdir(NAME);
	if (chdir("/") || rmdir(folder))
		perror(folder);
	return tap_done();
}
