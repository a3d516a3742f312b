// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest tests: reads /proc/pf_probe_X in ways that `cat` and `user` do not use.
 *
 *	reader size N FILE	to standard output, N bytes per read
 *	reader rewind FILE	twice with lseek(0) in between; the fault lines must be the same
 *	reader again FILE	to the end, then twice more; prints what the later reads return
 *	reader at FILE		at various offsets, by pread() and lseek(); compares with the whole
 *	reader repoll FILE	to the end, lseek(0), then poll() must return readable
 *	reader far FILE		pread() beyond the end, which formats everything: prints how many ms
 *				that takes, the longest time that another program on the same CPU
 *				waits, and how long it continues after a SIGKILL
 *	reader elsewhere FILE	pread() at the end, then poll() must return readable
 *	reader poll FILE	to the end, then poll(); prints the next drain
 *	reader hold HOW FILE	HOW=open|read|poll|hup|except|epoll: wait in this way until the
 *				file fails or ends; print "ready", then how it ended
 *	reader nobody FILE	open it as user 65534
 *	reader root FILE	open it as user 65534 who is root in a new user namespace
 *	reader before FILE	open it, become user 65534, read it
 *	reader load FILE	load a module without CAP_SYS_MODULE
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 60000

static const char *path;

static int open_path(void)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* Reads to the end. Returns a string that the caller frees. */
static char *read_all(int fd, size_t size)
{
	size_t len = 0, room = 1 << 16;
	char *text = malloc(room);
	ssize_t n;

	do {
		if (room - len <= size) {
			room *= 2;
			text = realloc(text, room);
		}
		n = read(fd, text + len, size);
		if (n < 0)
			err(1, "%s", path);
		len += n;
	} while (n);
	text[len] = '\0';
	return text;
}

static int rewind_twice(void)
{
	int fd = open_path();
	char *first = read_all(fd, 4096), *second;

	if (lseek(fd, 0, SEEK_SET))
		err(1, "lseek");
	second = read_all(fd, 777);
	if (strcmp(first, second))
		errx(1, "different after lseek");
	printf("same\n");
	return 0;
}

/* Nothing must be recorded meanwhile. */
static int read_here_and_there(void)
{
	int fd = open_path();
	char *whole = read_all(fd, 1 << 20), *part = malloc(1 << 18);
	size_t len = strlen(whole);

	for (unsigned int i = 1; i <= 200; i++) {
		size_t size = 1 + i * 7919 % 200000;
		off_t at = i * 2654435761u % len;
		ssize_t n = pread(fd, part, size, at);

		if (n <= 0 || memcmp(part, whole + at, n))
			errx(1, "pread: different at %ld", (long)at);
		n = lseek(fd, at, SEEK_SET) == at ? read(fd, part, size) : -1;
		if (n <= 0 || memcmp(part, whole + at, n))
			errx(1, "read: different at %ld", (long)at);
	}
	printf("same\n");
	return 0;
}

static int poll_after_rewind(void)
{
	int fd = open_path();
	struct pollfd p = { .fd = fd, .events = POLLIN };

	free(read_all(fd, 4096));
	if (lseek(fd, 0, SEEK_SET))
		err(1, "lseek");
	printf("%s\n", poll(&p, 1, 3000) == 1 ? "readable" : "nothing");
	return 0;
}

static int poll_after_pread(void)
{
	int fd = open_path(), other = open_path();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	if (pread(fd, &byte, 1, strlen(read_all(other, 4096))))
		errx(1, "pread: not the end");
	printf("%s\n", poll(&p, 1, 3000) == 1 ? "readable" : "nothing");
	return 0;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "sched_setaffinity");
}

static void read_behind_end(void)
{
	char byte;

	if (pread(open_path(), &byte, 1, 1LL << 40))
		errx(1, "pread: not the end");
}

/* Sleeps for short times; keeps the longest in *longest. */
static void sleep_on_and_on(volatile long *longest)
{
	long before = now_ms();

	for (;;) {
		long now;

		usleep(1000);
		now = now_ms();
		if (now - before > *longest)
			*longest = now - before;
		before = now;
	}
}

static int read_far(void)
{
	volatile long *longest = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long begun, total;
	pid_t child;

	stay_on(0);
	child = fork();
	if (!child)
		sleep_on_and_on(longest);
	usleep(100000);
	*longest = 0;
	begun = now_ms();
	read_behind_end();
	total = now_ms() - begun;
	usleep(100000);
	printf("total=%ld waits=%ld", total, *longest);
	fflush(stdout);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);

	child = fork();
	if (!child) {
		read_behind_end();
		_exit(0);
	}
	stay_on(1);
	usleep(total * 1000 / 8);
	begun = now_ms();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf(" killed=%ld\n", now_ms() - begun);
	return 0;
}

static int poll_once(void)
{
	int fd = open_path();
	struct pollfd p = { .fd = fd, .events = POLLIN };

	free(read_all(fd, 4096));
	printf("ready\n");
	fflush(stdout);
	if (poll(&p, 1, POLL_MS) != 1)
		errx(1, "no new line");
	fputs(read_all(fd, 4096), stdout);
	return 0;
}

static int hold(const char *how)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = open_path(), events = epoll_create1(0);
	struct pollfd p = { .fd = fd, .events = POLLIN }, hup = { .fd = fd };
	char *text = read_all(fd, 4096);
	int n = 0;

	if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		fd_set except;

		FD_ZERO(&except);
		FD_SET(fd, &except);
		if (!strcmp(how, "poll"))
			n = poll(&p, 1, POLL_MS);
		else if (!strcmp(how, "hup"))
			n = poll(&hup, 1, POLL_MS);
		else if (!strcmp(how, "epoll"))
			n = epoll_wait(events, &event, 1, POLL_MS);
		else if (!strcmp(how, "except"))
			n = select(fd + 1, NULL, NULL, &except, NULL);
		else if (!strcmp(how, "open"))
			sleep(1);
		if (n < 0)
			err(1, "%s", how);
		do {
			n = read(fd, text, 100);
		} while (n > 0);
		if (n < 0) {
			printf("read: %s\n", strerror(errno));
			return 0;
		}
	}
}

static void become_nobody(void)
{
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		err(1, "setuid");
}

static void write_line(const char *name, const char *line)
{
	FILE *file = fopen(name, "w");

	if (!file || fputs(line, file) < 0 || fclose(file))
		err(1, "%s", name);
}

static int open_as_own_root(void)
{
	become_nobody();
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER))
		err(1, "unshare");
	write_line("/proc/self/uid_map", "0 65534 1");
	if (getuid())
		errx(1, "not root in the namespace");
	open_path();
	return 0;
}

static int read_opened_before(void)
{
	int fd = open_path();

	become_nobody();
	printf("%s\n", strstr(read_all(fd, 4096), "EXIT_CODE\n") ? "whole" : "not whole");
	return 0;
}

static int load_without_capability(void)
{
	int fd = open_path();

	if (prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE))
		err(1, "PR_CAPBSET_DROP");
	/* A capability that is not in the bounding set is lost at the next exec. */
	if (!getenv("AGAIN")) {
		setenv("AGAIN", "1", 1);
		execl("/proc/self/exe", "reader", "load", path, NULL);
	}
	if (syscall(SYS_finit_module, fd, "process_id=1", 0))
		err(1, "finit_module");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	path = argv[argc - 1];
	if (!strcmp(what, "size") && argc == 4) {
		fputs(read_all(open_path(), strtoul(argv[2], NULL, 0)), stdout);
		return 0;
	}
	if (!strcmp(what, "rewind"))
		return rewind_twice();
	if (!strcmp(what, "again")) {
		int fd = open_path();

		free(read_all(fd, 4096));
		fputs(read_all(fd, 4096), stdout);
		fputs(read_all(fd, 4096), stdout);
		return 0;
	}
	if (!strcmp(what, "at"))
		return read_here_and_there();
	if (!strcmp(what, "far"))
		return read_far();
	if (!strcmp(what, "repoll"))
		return poll_after_rewind();
	if (!strcmp(what, "elsewhere"))
		return poll_after_pread();
	if (!strcmp(what, "poll"))
		return poll_once();
	if (!strcmp(what, "hold") && argc == 4)
		return hold(argv[2]);
	if (!strcmp(what, "nobody")) {
		if (setuid(65534))
			err(1, "setuid");
		open_path();
		return 0;
	}
	if (!strcmp(what, "root"))
		return open_as_own_root();
	if (!strcmp(what, "before"))
		return read_opened_before();
	if (!strcmp(what, "load"))
		return load_without_capability();
	errx(2, "usage: reader size N|rewind|again|at|far|repoll|elsewhere|poll|hold HOW|nobody|root|"
	     "before|load FILE");
}
