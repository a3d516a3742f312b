// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest tests: programs whose faults are tried more than once, or never completed.
 *
 *	retries signals HANDLER N ROUNDS	N cold reads of a file, cut short by a timer's
 *				signals, in each of the rounds
 *	retries exec K		a second thread calls exec, and K faults later touches the address
 *				of its leader's last fault; K = -1: that fault waits until the exec
 *	retries unmapped N	N faults whose page is unmapped before they are tried again
 *	retries numbers STEP	two threads with PIDs STEP apart fault at the same time
 *	retries crowd N		N threads exist at the same time, and fault
 *	retries init FILE	the first process of a PID namespace, writes its PID to FILE
 *	retries stranger FILE N	an untracked process enters that namespace, and becomes an orphan
 *				there after N faults
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"

#define COLD "/disk/retries"
#define SIGNAL_US 700
#define FRESH_PAGES (1L << 20)

static long page_size;

static char *map_anon(long nr_pages)
{
	char *p = mmap(NULL, nr_pages * page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	madvise(p, nr_pages * page_size, MADV_NOHUGEPAGE);
	return p;
}

/* Each page is read once: the even ones by the program, the odd ones by a handler. */
static char *cold;
static int cold_fd;
static long nr_pages;
static volatile long reading;
static volatile sig_atomic_t nr_signals;
static volatile sig_atomic_t is_read; /* the file is read, and is about to be unmapped */
static sigjmp_buf skip;
static char *fresh;
static long nr_fresh;

static void touch_fresh(int nr)
{
	while (nr--)
		*(volatile char *)(fresh + nr_fresh++ % FRESH_PAGES * page_size) = 1;
}

static void do_nothing(void)
{
}

static void touch_one(void)
{
	touch_fresh(1);
}

static void touch_three(void)
{
	touch_fresh(3);
}

static void read_another(void)
{
	(void)*(volatile char *)(cold + (reading ^ 1) * page_size);
}

static void leave(void)
{
	siglongjmp(skip, 1);
}

static void have_child(void)
{
	pid_t child = fork();

	if (!child) {
		touch_fresh(2);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void touch_same(void)
{
	(void)*(volatile char *)(cold + reading * page_size + 64);
}

static void map_anew(void)
{
	char *at = cold + reading * page_size;

	munmap(at, page_size);
	if (mmap(at, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		_exit(3);
}

static const struct handler {
	const char *name;
	void (*run)(void);
	int flags;
} handlers[] = {
	{ "nothing", do_nothing, 0 },
	{ "one", touch_one, 0 },
	{ "three", touch_three, 0 },
	{ "another", read_another, SA_NODEFER },
	{ "leave", leave, SA_NODEFER },
	{ "child", have_child, 0 },
	{ "same", touch_same, 0 },
	{ "anew", map_anew, 0 },
};

static const struct handler *handler;

/* One signal: with a periodic timer, a slow handler would leave no time for anything else. */
static void start_timer(void)
{
	struct itimerval once = { .it_value.tv_usec = SIGNAL_US };

	if (setitimer(ITIMER_REAL, &once, NULL))
		err(1, "setitimer");
}

static void on_timer(int sig)
{
	int saved = errno;

	/* A signal that arrives while the timer is being stopped must not start it again. */
	if (is_read)
		return;
	nr_signals++;
	if (handler->flags & SA_NODEFER) /* the handler may not return, or be interrupted itself */
		start_timer();
	handler->run();
	if (!(handler->flags & SA_NODEFER))
		start_timer();
	errno = saved;
}

static void make_cold(long nr)
{
	char *page = calloc(1, page_size);

	cold_fd = open(COLD, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (cold_fd < 0 || !page)
		err(1, COLD);
	for (long i = 0; i < nr; i++)
		if (write(cold_fd, page, page_size) != page_size)
			err(1, COLD);
	if (fsync(cold_fd) || posix_fadvise(cold_fd, 0, 0, POSIX_FADV_DONTNEED))
		err(1, COLD);
	free(page);
	cold = mmap(NULL, nr * page_size, PROT_READ, MAP_SHARED, cold_fd, 0);
	if (cold == MAP_FAILED || madvise(cold, nr * page_size, MADV_RANDOM))
		err(1, COLD);
	nr_pages = nr;
}

static void read_cold(long nr)
{
	struct itimerval none = {};

	make_cold(2 * nr);
	is_read = false;
	/* A signal behind the loop must not read past the end of the file. */
	for (long page = 0; page < nr_pages; page += 2) {
		reading = page;
		if (sigsetjmp(skip, 1))
			continue;
		if (!reading) /* not before the handler has a place to return to */
			start_timer();
		(void)*(volatile char *)(cold + reading * page_size);
	}
	is_read = true;
	setitimer(ITIMER_REAL, &none, NULL);
	munmap(cold, nr_pages * page_size);
	close(cold_fd);
}

static int run_signals(char **args)
{
	struct sigaction action = { .sa_handler = on_timer };

	for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++)
		if (!strcmp(handlers[i].name, args[0]))
			handler = &handlers[i];
	if (!handler)
		errx(2, "no handler %s", args[0]);
	fresh = map_anon(FRESH_PAGES);
	action.sa_flags = handler->flags;
	if (sigaction(SIGALRM, &action, NULL))
		err(1, "sigaction");
	for (int round = 0; round < atoi(args[2]); round++)
		read_cold(atol(args[1]));
	printf("signals=%d\n", nr_signals);
	unlink(COLD);
	return 0;
}

/* Memory in which the first touch of each page is reported on the userfaultfd and blocks. */
static char *watched(long nr, int *fd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *p = map_anon(nr);

	*fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	reg.range.start = (uintptr_t)p;
	reg.range.len = nr * page_size;
	if (*fd < 0 || ioctl(*fd, UFFDIO_API, &api) || ioctl(*fd, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd");
	return p;
}

/* The first byte after .data: exec of a static program clears the rest of the page. */
extern char _edata[];

struct exec {
	long nr_before; /* faults that exec takes before it gets there */
	long leader_faults;
	bool is_leader_done;
};

static long nr_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* From there on, this uses only its stack and the memory that @arg points to. */
static void *exec_elsewhere(void *arg)
{
	volatile struct exec *exec = arg;
	char *args[] = { "retries", "end", NULL }, *environment[] = { NULL };
	struct timespec moment = { 0, 1000000 };

	nr_faults();
	while (!exec->is_leader_done)
		syscall(SYS_nanosleep, &moment, NULL);
	for (int i = 0; i < 100; i++)
		syscall(SYS_nanosleep, &moment, NULL);
	if (exec->nr_before >= 0)
		for (long i = 0; nr_faults() < exec->leader_faults - exec->nr_before; i++)
			fresh[i * page_size] = 1;
	execve("/proc/self/exe", args, environment);
	return NULL;
}

static int run_exec(char **args)
{
	char *page = (char *)((uintptr_t)_edata & -page_size), *copy = map_anon(1);
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	volatile struct exec *exec = (void *)map_anon(1);
	pthread_t thread;
	int fd;

	exec->nr_before = atol(args[0]);
	fresh = map_anon(4096);
	memset(copy, 1, page_size);
	for (long i = 3000; i < 3200; i++) /* get ahead of the other thread */
		fresh[i * page_size] = 1;
	nr_faults();
	watched(1, &fd);
	if (pthread_create(&thread, NULL, exec_elsewhere, (void *)exec))
		errx(1, "pthread_create");
	usleep(200000);
	/* libc's data in that page must not be used until the page is back. */
	memcpy(copy, page, page_size);
	exec->leader_faults = nr_faults();
	if (mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != page)
		_exit(3);
	if (exec->nr_before < 0) {
		reg.range.start = (uintptr_t)page;
		reg.range.len = page_size;
		if (ioctl(fd, UFFDIO_REGISTER, &reg))
			_exit(4);
		exec->is_leader_done = true;
	}
	*(volatile char *)_edata = 1; /* the leader's last fault */
	for (long i = 0; i < page_size; i++)
		((volatile char *)page)[i] = copy[i];
	exec->is_leader_done = true;
	for (;;)
		pause();
}

/* Waits for the next fault there. Returns its address. */
static uintptr_t next_fault(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&p, 1, 60000) != 1 || read(fd, &msg, sizeof(msg)) != sizeof(msg))
		errx(1, "userfaultfd: no message");
	return msg.arg.pagefault.address & -page_size;
}

static void answer(int fd, uintptr_t address)
{
	static char page[65536] __attribute__((aligned(65536)));
	struct uffdio_copy copy = { .src = (uintptr_t)page, .dst = address, .len = page_size };

	if (ioctl(fd, UFFDIO_COPY, &copy) && errno != EEXIST)
		err(1, "UFFDIO_COPY");
}

static int watched_fd;
static long nr_watched;
static char *watched_pages;

static void *unmap_each(void *arg)
{
	(void)arg;
	for (long i = 0; i < nr_watched; i++) {
		struct uffdio_range range = { next_fault(watched_fd), page_size };

		munmap((void *)(uintptr_t)range.start, page_size);
		ioctl(watched_fd, UFFDIO_WAKE, &range);
	}
	return NULL;
}

static void on_segv(int sig)
{
	siglongjmp(skip, sig);
}

static int run_unmapped(char **args)
{
	static volatile long i, nr_segv;
	pthread_t thread;

	nr_watched = atol(args[0]);
	watched_pages = watched(2 * nr_watched, &watched_fd);
	signal(SIGSEGV, on_segv);
	if (pthread_create(&thread, NULL, unmap_each, NULL))
		errx(1, "pthread_create");
	for (i = 0; i < nr_watched; i++) {
		if (sigsetjmp(skip, 1))
			nr_segv++;
		else
			*(volatile char *)(watched_pages + 2 * i * page_size) = 1;
	}
	pthread_join(thread, NULL);
	return nr_segv == nr_watched ? 0 : 1;
}

static void *answer_each(void *arg)
{
	(void)arg;
	for (long i = 0; i < nr_watched; i++)
		answer(watched_fd, next_fault(watched_fd));
	return NULL;
}

struct toucher {
	char *pages;
	long nr_pages;
	pid_t tid;
	pthread_barrier_t *barrier;
};

static void *touch_together(void *arg)
{
	struct toucher *toucher = arg;

	toucher->tid = syscall(SYS_gettid);
	for (long i = 0; i < toucher->nr_pages; i++) {
		pthread_barrier_wait(toucher->barrier);
		toucher->pages[i * page_size] = 1;
	}
	return NULL;
}

static void next_number(pid_t tid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", tid - 1);
	write_file("/proc/sys/kernel/ns_last_pid", text);
}

/* Both threads fault at the same time, again and again, and wait for an answer. */
static int run_numbers(char **args)
{
	const long nr = 200;
	pthread_barrier_t barrier;
	struct toucher touchers[2];
	pthread_t threads[2], server;
	pid_t step = atoi(args[0]);

	nr_watched = 2 * nr;
	watched_pages = watched(nr_watched, &watched_fd);
	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&server, NULL, answer_each, NULL))
		errx(1, "pthread_create");
	for (int i = 0; i < 2; i++) {
		touchers[i] = (struct toucher){ watched_pages + i * nr * page_size, nr, 0,
						&barrier };
		next_number(getpid() + 16 + i * step);
		if (pthread_create(&threads[i], NULL, touch_together, &touchers[i]))
			errx(1, "pthread_create");
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_join(server, NULL);
	if (touchers[1].tid - touchers[0].tid != step)
		errx(1, "threads %d and %d are not %d apart", touchers[0].tid, touchers[1].tid,
		     step);
	return 0;
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* locked until all threads exist */

static void *touch_in_crowd(void *arg)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	*(volatile char *)arg = 1;
	return NULL;
}

/*
 * Each thread waits until all exist, then takes a fault that blocks, at the same time as all
 * others.
 */
static int run_crowd(char **args)
{
	pthread_t *threads, server;
	pthread_attr_t attr;

	nr_watched = atol(args[0]);
	threads = calloc(nr_watched, sizeof(*threads));
	watched_pages = watched(nr_watched, &watched_fd);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	pthread_attr_setguardsize(&attr, 0);
	pthread_mutex_lock(&gate);
	for (long i = 0; i < nr_watched; i++)
		if (pthread_create(&threads[i], &attr, touch_in_crowd, watched_pages + i * page_size))
			errx(1, "pthread_create: number %ld", i);
	if (pthread_create(&server, NULL, answer_each, NULL))
		errx(1, "pthread_create");
	pthread_mutex_unlock(&gate);
	for (long i = 0; i < nr_watched; i++)
		pthread_join(threads[i], NULL);
	pthread_join(server, NULL);
	return 0;
}

/* Its child is the namespace's first process, which reaps the orphan when that has exited. */
static int run_init(char **args)
{
	char text[16];
	pid_t child;

	if (unshare(CLONE_NEWPID))
		err(1, "unshare");
	child = fork();
	if (!child) {
		signal(SIGCHLD, SIG_DFL);
		while (access("/tmp/adopted", F_OK))
			usleep(10000);
		while (waitpid(-1, NULL, WNOHANG) <= 0)
			usleep(10000);
		_exit(0);
	}
	snprintf(text, sizeof(text), "%d", child);
	close(open(args[0], O_WRONLY | O_CREAT, 0600));
	write_file(args[0], text);
	waitpid(child, NULL, 0);
	return 0;
}

static int run_stranger(char **args)
{
	char path[64] = "", text[16] = "";
	int fd;

	for (int i = 0; i < 3000 && !*text; i++) {
		usleep(10000);
		fd = open(args[0], O_RDONLY);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) < 0)
			err(1, "%s", args[0]);
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", atoi(text));
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWPID))
		err(1, "%s", path);
	if (!fork()) {
		long nr = atol(args[1]);

		if (fork())
			_exit(0);
		while (getppid() != 1) /* becomes an orphan when its parent exits */
			usleep(1000);
		fresh = map_anon(nr);
		for (long i = 0; i < nr; i++)
			fresh[i * page_size] = 1;
		close(open("/tmp/adopted", O_WRONLY | O_CREAT, 0600));
		_exit(0);
	}
	wait(NULL);
	return 0;
}

static const struct program {
	const char *name;
	int nr_args;
	int (*run)(char **args);
} programs[] = {
	{ "signals", 3, run_signals },   { "exec", 1, run_exec },
	{ "unmapped", 1, run_unmapped }, { "numbers", 1, run_numbers },
	{ "crowd", 1, run_crowd },	 { "init", 1, run_init },
	{ "stranger", 2, run_stranger },
};

int main(int argc, char **argv)
{
	page_size = sysconf(_SC_PAGESIZE);
	if (argc == 2 && !strcmp(argv[1], "end"))
		return 0;
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (argc > 1 && !strcmp(argv[1], programs[i].name) &&
		    argc == 2 + programs[i].nr_args)
			return programs[i].run(argv + 2);
	errx(2, "usage: see the beginning of retries.c");
}
