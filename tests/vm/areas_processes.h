/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modes of areas.c with several processes, programs and threads. */
#ifndef AREAS_PROCESSES_H
#define AREAS_PROCESSES_H

#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "areas_code.h"
#include "file.h"

extern char **environ;

static const char *self; /* the path of this program */
static const char *said_path;

/* The program may have been started with SIGCHLD ignored; then there is no status. */
static void wait_for(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) == pid && status)
		errx(1, "a child ended with status 0x%x", status);
}

static pid_t own_tid(void)
{
	return syscall(SYS_gettid);
}

/* N generations, each with its parent's code, with the same memory in use for other code later. */
static void run_fork(long n)
{
	struct range *shared = begin_range("inherited", anon_code(NULL, 4), 4 * page_size, NO_FILE, 0);
	struct range *r;
	char path[64];
	pid_t pid;
	int fd;

	call_each(shared);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		inherit_ranges();
		shared = &ranges[0];
		call_each(shared);
		anon_code(CODE_AT, 2);
		r = begin_range("child", CODE_AT, 2 * page_size, NO_FILE, 0);
		call_each(r);
		end_range(r);
		unmap(CODE_AT, 2);
		if (n > 1)
			run_fork(n - 1);
		call_each(shared);
		say_all();
		_exit(0);
	}
	fd = code_file(path, sizeof(path), 2);
	map_at(CODE_AT, 2, RX, MAP_PRIVATE, fd, 0);
	r = begin_range("parent", CODE_AT, 2 * page_size, path, 0);
	for (int i = 0; i < 5; i++) {
		call_each(r);
		call_each(shared);
		usleep(1000);
	}
	wait_for(pid);
	end_range(r);
	unmap(CODE_AT, 2);
	close(fd);
}

/* N children that share this process's memory until they run another program. */
static void run_vfork(long n)
{
	struct range *r = begin_range("shared", anon_code(NULL, 1), page_size, NO_FILE, 0);

	for (long i = 0; i < n; i++) {
		/* The child changes variables of this process. */
		static struct range *volatile in_child, *volatile mapped;
		pid_t pid;

		call(r, 0);
		in_child = mapped = NULL;
		pid = vfork();
		if (pid < 0)
			err(1, "vfork");
		if (!pid) {
			pid_t child = syscall(SYS_getpid);

			in_child = begin_range_of(child, "in-child", r->start, page_size, NO_FILE, 0);
			call(in_child, 0);
			if (i % 4 == 0) {
				char *p = anon_code(NULL, 1);

				mapped = begin_range_of(child, "by-child", p, page_size, NO_FILE, 0);
				call(mapped, 0);
			}
			if (i % 3)
				execl(self, self, said_path, "hello", "2", NULL);
			_exit(i % 3 ? 1 : 0);
		}
		end_range(in_child);
		if (mapped) {
			char *p = (char *)mapped->start;
			struct range *ours;

			end_range(mapped);
			ours = begin_range("by-child", p, page_size, NO_FILE, 0);
			call(ours, 0);
			end_range(ours);
			unmap(p, 1);
		}
		wait_for(pid);
	}
}

static void *spawn_some(void *arg)
{
	char *argv[] = { (char *)self, (char *)said_path, "hello", "2", NULL };

	for (long n = (long)arg; n > 0; n--) {
		pid_t pid;

		if (posix_spawn(&pid, self, NULL, NULL, argv, environ))
			errx(1, "posix_spawn");
		wait_for(pid);
	}
	return NULL;
}

/* Two threads run N programs each; meanwhile this one makes code. */
static void run_spawn(long n)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, spawn_some, (void *)n))
			errx(1, "pthread_create");
	for (long i = 0; i < 10 * n; i++) {
		char *p = anon_code(NULL, 1 + i % 3);
		struct range *r = begin_range("beside", p, (1 + i % 3) * page_size, NO_FILE, 0);

		call_each(r);
		end_range(r);
		unmap(p, 1 + i % 3);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* What a process and its child by clone(CLONE_VM) share. */
static struct {
	struct range *first, *of_child, *in_child, *of_parent, *replaced;
	char *by_parent, *by_child;
	char path[64]; /* of a file with code */
	int fd;
	volatile int step;
	pid_t child;
} both;

static void wait_for_step(int step)
{
	while (both.step < step)
		sched_yield();
}

static int live_beside(void *unused)
{
	(void)unused;
	both.child = syscall(SYS_getpid);
	both.in_child = begin_range_of(both.child, "in-child", both.first->start, 2 * page_size,
				       NO_FILE, 0);
	call_each(both.in_child);
	both.by_child = anon_code(NULL, 2);
	both.of_child = begin_range_of(both.child, "by-child", both.by_child, 2 * page_size, NO_FILE,
				       0);
	call_each(both.of_child);
	/* Over code of the parent, which replaces it again later. */
	map_at(CODE_AT, 2, RX, MAP_PRIVATE, both.fd, 1);
	both.replaced = begin_range_of(both.child, "over-the-parent", CODE_AT, 2 * page_size,
				       both.path, page_size);
	call_each(both.replaced);
	end_range(both.replaced);
	both.step = 1;
	wait_for_step(2);
	both.of_parent = begin_range_of(both.child, "by-parent", both.by_parent, 2 * page_size,
					NO_FILE, 0);
	call_each(both.of_parent);
	both.step = 3;
	_exit(0);
}

/* A process that shares this one's memory, and stays. */
static void run_shared(long n)
{
	both.first = begin_range("first", anon_code(NULL, 2), 2 * page_size, NO_FILE, 0);
	call_each(both.first);
	both.fd = code_file(both.path, sizeof(both.path), 3);
	anon_code(CODE_AT, 2);
	while (n--) {
		size_t size = 64 * page_size;
		char *stack = map_at(NULL, 64, RW, ANON, -1, 0);
		struct range *r;
		pid_t pid;

		both.step = 0;
		pid = clone(live_beside, stack + size, CLONE_VM | SIGCHLD, NULL);
		if (pid < 0)
			err(1, "clone");
		wait_for_step(1);
		anon_code(CODE_AT, 2);
		r = begin_range("replaced", CODE_AT, 2 * page_size, NO_FILE, 0);
		call_each(r);
		end_range(r);
		r = begin_range("by-child", both.by_child, 2 * page_size, NO_FILE, 0);
		call_each(r);
		call_each(both.first);
		both.by_parent = anon_code(NULL, 2);
		both.step = 2;
		wait_for_step(3);
		end_range(r);
		wait_for(pid);
		end_range(both.in_child);
		end_range(both.of_child);
		end_range(both.of_parent);
		unmap(stack, 64);
		unmap(both.by_child, 2);
		unmap(both.by_parent, 2);
	}
	close(both.fd);
}

static void exec_now(const char *mode, long n)
{
	char number[24];

	snprintf(number, sizeof(number), "%ld", n);
	execl(self, self, said_path, mode, number, NULL);
	err(1, "%s", self);
}

static void *exec_in_thread(void *n)
{
	exec_now("exec", (long)n);
	return NULL;
}

/* N programs one after the other in one process: at the same address a file's code or anonymous. */
static void run_exec(long n)
{
	char path[64];
	struct range *r;
	pthread_t thread;
	int fd;

	if (n % 2) {
		anon_code(CODE_AT, 2);
		r = begin_range("anon", CODE_AT, 2 * page_size, NO_FILE, 0);
	} else {
		fd = code_file(path, sizeof(path), 3);
		map_at(CODE_AT, 2, RX, MAP_PRIVATE, fd, 1);
		close(fd);
		r = begin_range("file", CODE_AT, 2 * page_size, path, page_size);
	}
	call_each(r);
	if (n == 1)
		return;
	end_range(r);
	say_ranges();
	if (n % 3)
		exec_now("exec", n - 1);
	if (pthread_create(&thread, NULL, exec_in_thread, (void *)(n - 1)))
		errx(1, "pthread_create");
	pthread_join(thread, NULL);
	errx(1, "exec by a thread has failed");
}

/* A small program with more than N pages of stack in use. */
static void run_hello(long n)
{
	volatile char frame[4096];

	frame[0] = n;
	if (n > 1)
		run_hello(n - 1);
	(void)frame[0];
}

static volatile int nr_waiting;
static volatile bool go_on;
static pid_t tids[64];

static void touch_new_page(void)
{
	*(volatile char *)(data + page_size * __atomic_fetch_add(&nr_data, 1, __ATOMIC_RELAXED)) = 1;
}

static void *be_thread(void *arg)
{
	long nr = (long)arg;
	char name[16];

	tids[nr] = own_tid();
	touch_new_page();
	say_name(own_tid(), "the main one"); /* inherited from its creator */
	if (nr % 3) {
		snprintf(name, sizeof(name), "thread %ld", nr);
		prctl(PR_SET_NAME, name);
		touch_new_page();
		say_name(own_tid(), name);
		prctl(PR_SET_NAME, name); /* again: nothing changes */
	}
	__atomic_fetch_add(&nr_waiting, 1, __ATOMIC_SEQ_CST);
	while (!go_on)
		usleep(1000);
	touch_new_page();
	return NULL;
}

/* N threads with names that they inherit, give themselves, or get from another thread. */
static void run_names(long n)
{
	pthread_t threads[64];
	char path[64];

	if (n > 64)
		errx(1, "too many threads");
	prctl(PR_SET_NAME, "the main one");
	say_name(own_tid(), "the main one");
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, be_thread, (void *)i))
			errx(1, "pthread_create");
	while (nr_waiting < n)
		usleep(1000);
	stop_here();
	for (long i = 0; i < n; i += 2) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tids[i]);
		write_file(path, "by another");
		say_name(tids[i], "by another");
	}
	go_on = true;
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	prctl(PR_SET_NAME, "last");
	touch_new_page();
	say_name(own_tid(), "last");
}

#endif /* AREAS_PROCESSES_H */
