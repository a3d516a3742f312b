// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest test on a kernel with fault injection: loads a module, opens and reads its file and
 * unloads it, and lets each allocation fail in turn.
 *
 *	failing X PARAMS...	pf_probe_X.ko with these parameters, each with a prefix load:,
 *				open:, read: or unload: for the step whose allocations fail
 *
 * Prints a line of key=value for each: tried, the number of runs; refused, those that failed with
 * an error, which must be ENOMEM; whole, those with the result of an undisturbed run, checked with
 * a traced process whose count must be exact; odd, those with any other result, printed before.
 *
 * Each load traces a new process, alone in new user and PID namespaces, of which only one each can
 * exist at a time. So if a reference to the process is leaked, the next one can't be created.
 *
 * With load:, the allocations of the kernel's module loader are left out. They come first, and
 * their number is known from a load that is refused before it allocates anything.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "oracle.h"

#define NR_PAGES 23
#define NEVER 1000000
#define TRIES 600 /* 0.1 s apart */

static char module[] = "pf_probe_X";
static int image, nth; /* the .ko; our thread's fail-nth */
static int nr_odd;

/* A traced process, which waits for a byte in a pipe. */
struct target {
	pid_t pid;
	int go;
	struct faults before; /* the kernel's count when the module had been loaded */
};

/* Makes the thread's @n-th allocation from now on fail. */
static void fail_nth(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	if (pwrite(nth, text, len, 0) != len)
		err(1, "fail-nth");
}

/* The number of allocations left until the one of fail_nth(), which is cancelled. */
static int fail_left(void)
{
	char text[16] = "";

	if (pread(nth, text, sizeof(text) - 1, 0) <= 0)
		err(1, "fail-nth");
	fail_nth(0);
	return atoi(text);
}

static void odd(const char *what, int n, const char *why)
{
	printf("# %s, allocation %d: %s\n", what, n, why);
	nr_odd++;
}

static void touch(void)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	volatile char *p = mmap(NULL, NR_PAGES * page_size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < NR_PAGES; i++)
		p[i * page_size] = 1;
}

static void __attribute__((noreturn)) run_target(int go, bool children)
{
	char c;

	if (read(go, &c, 1) != 1)
		_exit(1);
	touch();
	if (children && !fork()) {
		touch();
		_exit(0);
	}
	while (children && wait(NULL) > 0)
		;
	_exit(0);
}

static struct target start(const char *params)
{
	struct target target;
	int ends[2], status;

	if (pipe2(ends, O_CLOEXEC))
		err(1, "pipe");
	for (int try = 0;; try++) {
		/* As fork(), with namespaces. */
		target.pid = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, NULL, NULL,
				     NULL, 0);
		if (target.pid >= 0)
			break;
		if (errno != ENOSPC || try == TRIES)
			err(1, "a reference to the previous process is left");
		usleep(100000);
	}
	if (!target.pid)
		run_target(ends[0], strstr(params, "children=1"));
	/* Stop it, so that it takes no faults while the module is loaded. */
	if (kill(target.pid, SIGSTOP) || waitpid(target.pid, &status, WUNTRACED) != target.pid ||
	    !WIFSTOPPED(status))
		errx(1, "the process does not stop");
	target.go = ends[1];
	close(ends[0]);
	return target;
}

/* Lets it run to its end. Returns the number of faults that the kernel counted since @before. */
static long finish(struct target *target)
{
	struct rusage usage;
	int status;

	if (write(target->go, "1", 1) != 1 || kill(target->pid, SIGCONT))
		err(1, "the process is gone");
	close(target->go);
	if (wait4(target->pid, &status, 0, &usage) != target->pid || status)
		errx(1, "the process failed");
	return usage.ru_minflt + usage.ru_majflt - target->before.minor - target->before.major;
}

/* Returns 0 or an errno. */
static int load(const struct target *target, const char *params)
{
	char options[256];

	snprintf(options, sizeof(options), "process_id=%d max_faults=1000 %s", target->pid, params);
	return syscall(SYS_finit_module, image, options, 0) ? errno : 0;
}

static int unload(void)
{
	return syscall(SYS_delete_module, module, 0) ? errno : 0;
}

static bool file_has(const char *path, const char *word)
{
	static char line[4096];
	bool found = false;
	FILE *f = fopen(path, "r");

	if (!f)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), f))
		found |= !!strstr(line, word);
	fclose(f);
	return found;
}

/* Call it after a refused load, or an unload. */
static void check_nothing_left(const char *what, int n)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s", module);
	if (!access(path, F_OK))
		odd(what, n, "the file in /proc is left");
	snprintf(path, sizeof(path), "/sys/module/%s", module);
	if (!access(path, F_OK))
		odd(what, n, "the module is left");
	if (file_has("/sys/kernel/debug/kprobes/list", "handle_mm_fault"))
		odd(what, n, "a kprobe is left");
	if (file_has("/sys/kernel/tracing/enabled_functions", "handle_mm_fault"))
		odd(what, n, "ftrace is left in the function");
}

/* Lets the process run to its end: all its faults must be recorded. The module stays loaded. */
static void check_exact(const char *what, int n, struct target *target)
{
	char summary[512], text[128];
	long counted, lines, difference;

	target->before = stat_faults(target->pid);
	counted = finish(target);
	lines = drain(module, "/tmp/failing.log", summary, sizeof(summary));
	difference = number(summary, " recorded=") + number(summary, " dropped=") - counted;
	if (!difference && lines == counted && lines >= NR_PAGES)
		return;
	snprintf(text, sizeof(text), "%ld lines, difference %ld", lines, difference);
	odd(what, n, text);
}

static void check_unload(const char *what, int n)
{
	int ret = unload();

	if (ret)
		odd(what, n, strerror(ret));
	check_nothing_left(what, n);
}

/* The number of allocations of a load that is refused at once. */
static int nr_of_loader(void)
{
	struct target nobody = {};

	fail_nth(NEVER);
	if (load(&nobody, "") != EINVAL)
		errx(1, "a load without a process was not refused");
	return NEVER - fail_left();
}

struct sums {
	int tried, refused, whole;
};

static struct sums fail_load(const char *params)
{
	struct sums sums = {};
	/* 9/10, because that number includes allocations after the refusal. */
	int n = nr_of_loader() * 9 / 10, left;

	do {
		struct target target = start(params);
		int ret;

		fail_nth(++n);
		ret = load(&target, params);
		left = fail_left();
		sums.tried++;
		if (!ret) {
			sums.whole++;
			check_exact("load", n, &target);
			check_unload("load", n);
			continue;
		}
		sums.refused++;
		if (ret != ENOMEM)
			odd("load", n, strerror(ret));
		finish(&target);
		check_nothing_left("load", n);
	} while (!left);
	return sums;
}

/* Reads to the end. Returns 0 or an errno. */
static int read_all(int fd)
{
	static char text[1 << 16];
	ssize_t n;

	do {
		n = read(fd, text, sizeof(text));
	} while (n > 0);
	return n < 0 ? errno : 0;
}

/* With one load for all: lets allocations of open() fail, or if @reading, of read(). */
static struct sums fail_file(const char *params, bool reading)
{
	struct target target = start(params);
	const char *what = reading ? "read" : "open";
	struct sums sums = {};
	char path[32];
	int n = 0, left;

	snprintf(path, sizeof(path), "/proc/%s", module);
	if (load(&target, params))
		errx(1, "it does not load");
	check_exact(what, 0, &target);
	do {
		int fd, ret = 0;

		if (!reading)
			fail_nth(++n);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			ret = errno;
		if (reading)
			fail_nth(++n);
		if (fd >= 0)
			ret = read_all(fd);
		left = fail_left();
		if (fd >= 0)
			close(fd);
		sums.tried++;
		if (!ret)
			sums.whole++;
		else
			sums.refused++;
		if (ret && ret != ENOMEM)
			odd(what, n, strerror(ret));
	} while (!left);
	check_unload(what, n);
	return sums;
}

/* An unload must always succeed. */
static struct sums fail_unload(const char *params)
{
	struct sums sums = {};
	int n = 0, left;

	do {
		struct target target = start(params);
		int ret;

		if (load(&target, params))
			errx(1, "it does not load");
		check_exact("unload", n, &target);
		fail_nth(++n);
		ret = unload();
		left = fail_left();
		sums.tried++;
		if (!ret)
			sums.whole++;
		else
			odd("unload", n, strerror(ret));
		check_nothing_left("unload", n);
	} while (!left);
	return sums;
}

int main(int argc, char **argv)
{
	char path[32];

	if (argc < 3)
		errx(2, "usage: failing A|B|C load:|open:|read:|unload:PARAMS...");
	module[sizeof(module) - 2] = *argv[1];
	snprintf(path, sizeof(path), "/%s.ko", module);
	image = open(path, O_RDONLY | O_CLOEXEC);
	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (image < 0 || nth < 0)
		err(1, "%s or fail-nth", path);
	write_file("/proc/sys/user/max_user_namespaces", "1");
	write_file("/proc/sys/user/max_pid_namespaces", "1");
	for (char **arg = argv + 2; *arg; arg++) {
		const char *params = strchr(*arg, ':');
		struct sums sums;

		if (!params++)
			errx(2, "%s: no colon", *arg);
		nr_odd = 0;
		if (!strncmp(*arg, "load:", 5))
			sums = fail_load(params);
		else if (!strncmp(*arg, "unload:", 7))
			sums = fail_unload(params);
		else
			sums = fail_file(params, !strncmp(*arg, "read:", 5));
		printf("%s tried=%d refused=%d whole=%d odd=%d\n", *arg, sums.tried, sums.refused,
		       sums.whole, nr_odd);
		fflush(stdout);
	}
	return 0;
}
