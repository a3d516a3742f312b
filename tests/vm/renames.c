// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Maps new files deep in directories while these directories are renamed all the time, and checks
 * that recorded paths consist of their names only.
 *
 *	renames storm FOLDER DEPTH FILES	make FILES files, DEPTH directories below FOLDER; stop;
 *						when continued, touch a page of each, while a thread
 *						exchanges names of directories; print how many
 *	renames scan FOLDER DEPTH		read lines from standard input; print how many are
 *						about the files, and what is wrong
 *
 * A renamed level has two names: next to it is an empty directory, and the two exchange names. The
 * names are short and of 200 bytes, or both of the longest length that is stored in struct dentry
 * itself. Most levels are not renamed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define MAX_DEPTH 4096
#define NAME_BYTES 256
#define LONG_NAME 200
#define INLINE_NAME 28
#define RENAME_EXCHANGE_FLAG 2

/* The number of last levels that fit into a path. */
#define EXCHANGED_LEVELS 24

static long depth;
static int parents[MAX_DEPTH]; /* the folder that contains level i */
static volatile bool finished;
static long nr_exchanges;

/* The two names of a level; the second is empty if it is not renamed. */
static void names_of(long level, char first[NAME_BYTES], char second[NAME_BYTES])
{
	size_t len = 0;

	*second = '\0';
	strcpy(first, "d");
	if (level + EXCHANGED_LEVELS < depth || level % 3 == 2)
		return;
	sprintf(first, "a%ld-", level);
	sprintf(second, "b%ld-", level);
	if (level % 3 == 0) {
		len = LONG_NAME;
	} else {
		len = INLINE_NAME;
		memset(first + strlen(first), 'y', len - strlen(first));
		first[len] = '\0';
	}
	memset(second + strlen(second), 'x', len - strlen(second));
	second[len] = '\0';
}

static int made_folder(int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, 0700) && errno != EEXIST)
		err(1, "%s", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

/* Returns the folder of the files. */
static int made_tree(const char *folder)
{
	char first[NAME_BYTES], second[NAME_BYTES];
	int at;

	if (mkdir(folder, 0700) && errno != EEXIST)
		err(1, "%s", folder);
	at = open(folder, O_RDONLY | O_DIRECTORY);
	for (long level = 0; level < depth; level++) {
		int below;

		names_of(level, first, second);
		below = made_folder(at, first);
		parents[level] = at;
		if (*second)
			close(made_folder(at, second));
		else
			close(at);
		at = below;
	}
	return at;
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "sched_setaffinity");
}

static void *exchange(void *arg)
{
	char first[EXCHANGED_LEVELS][NAME_BYTES], second[EXCHANGED_LEVELS][NAME_BYTES];
	long from = depth > EXCHANGED_LEVELS ? depth - EXCHANGED_LEVELS : 0;

	stay_on(1);
	for (long level = from; level < depth; level++)
		names_of(level, first[level - from], second[level - from]);
	while (!finished) {
		for (long level = from; level < depth; level++) {
			if (!*second[level - from])
				continue;
			if (syscall(SYS_renameat2, parents[level], first[level - from], parents[level],
				    second[level - from], RENAME_EXCHANGE_FLAG))
				err(1, "renameat2");
			nr_exchanges++;
		}
		/* Pause, so that a name can be read now and then. */
		if (nr_exchanges % 1024 < EXCHANGED_LEVELS)
			usleep(3000);
	}
	return arg;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int opened_file(int folder, long nr)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "file-%ld", nr);
	fd = openat(folder, name, O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static void storm(const char *folder, long nr_files)
{
	struct rlimit limit = { MAX_DEPTH + 64, MAX_DEPTH + 64 };
	int files, fd;
	pthread_t thread;
	uint64_t begun_ns;

	setrlimit(RLIMIT_NOFILE, &limit);
	files = made_tree(folder);
	for (long i = 0; i < nr_files; i++) {
		fd = opened_file(files, i);
		if (ftruncate(fd, 4096))
			err(1, "ftruncate");
		close(fd);
	}
	raise(SIGSTOP);
	if (pthread_create(&thread, NULL, exchange, NULL))
		errx(1, "pthread_create");
	stay_on(0);
	begun_ns = now_ns();
	for (long i = 0; i < nr_files; i++) {
		volatile char *page;

		fd = opened_file(files, i);
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (page == MAP_FAILED)
			err(1, "mmap");
		*page = 1;
		munmap((void *)page, 4096);
		close(fd);
	}
	finished = true;
	pthread_join(thread, NULL);
	printf("files=%ld exchanges=%ld ms=%lu\n", nr_files, nr_exchanges,
	       (unsigned long)((now_ns() - begun_ns) / 1000000));
}

/* Is this a path that one of our files has had? Starts at the end, as paths may be truncated. */
static bool is_path(const char *folder, const char *path, size_t len)
{
	char first[NAME_BYTES], second[NAME_BYTES];
	const char *end = path + len, *name;
	size_t cut = !strncmp(path, "...", 3) ? 3 : 0;
	long level = depth;

	for (; level >= 0; level--, end = name - 1) {
		size_t name_len;

		for (name = end; name > path + cut && name[-1] != '/'; name--)
			;
		if (name == path + cut)
			return cut;
		name_len = end - name;
		if (level == depth) {
			if (strncmp(name, "file-", 5) ||
			    5 + strspn(name + 5, "0123456789") != name_len)
				return false;
			continue;
		}
		names_of(level, first, second);
		if ((strlen(first) != name_len || memcmp(name, first, name_len)) &&
		    (strlen(second) != name_len || memcmp(name, second, name_len)))
			return false;
	}
	return (size_t)(end - path) == strlen(folder) && !memcmp(path, folder, end - path);
}

/* Does the text contain a kernel address? */
static bool has_pointer(const char *line, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i + 16 <= len; i++) {
		size_t n = 4;

		if (memcmp(line + i, "ffff", 4) || !memchr(digits + 8, line[i + 4], 8))
			continue;
		while (n < 16 && memchr(digits, line[i + n], 16))
			n++;
		if (n == 16)
			return true;
	}
	return false;
}

static bool is_plain(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] < ' ' || line[i] > '~')
			return false;
	return true;
}

static void show(const char *why, const char *line, size_t len)
{
	printf("%s: ", why);
	for (size_t i = 0; i < len; i++)
		printf(line[i] < ' ' || line[i] > '~' ? "<%02x>" : "%c", (unsigned char)line[i]);
	puts("");
}

static int scan(const char *folder)
{
	long nr_named = 0, nr_unknown = 0, nr_bad = 0;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, stdin)) > 0) {
		const char *map, *why = NULL;

		len -= line[len - 1] == '\n';
		line[len] = '\0';
		map = memmem(line, len, " map=", 5);
		if (!is_plain(line, len) || has_pointer(line, len))
			why = "not text";
		if (map && map[5] == '?' && (map[6] == ' ' || !map[6])) {
			nr_unknown++;
		} else if (map && memmem(map, len - (map - line), "file-", 5)) {
			nr_named++;
			if (!is_path(folder, map + 5, strcspn(map + 5, " ")))
				why = "no path";
		} else if (map && (map[5] != '/' && map[5] != '[' && strncmp(map + 5, "anon", 4))) {
			why = "no name";
		}
		if (why && ++nr_bad <= 5)
			show(why, line, len);
	}
	printf("scanned: named=%ld unknown=%ld bad=%ld\n", nr_named, nr_unknown, nr_bad);
	return nr_bad != 0;
}

int main(int argc, char **argv)
{
	depth = argc > 3 ? atol(argv[3]) : 0;
	if (depth < 1 || depth > MAX_DEPTH)
		errx(2, "usage: renames storm FOLDER DEPTH FILES | scan FOLDER DEPTH");
	if (argc == 5 && !strcmp(argv[1], "storm"))
		storm(argv[2], atol(argv[4]));
	else if (argc == 4 && !strcmp(argv[1], "scan"))
		return scan(argv[2]);
	else
		errx(2, "storm or scan?");
	return 0;
}
