// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest tests: programs that use their memory in rare ways.
 *
 *	rogue heap	moves its heap to another address, and back
 *	rogue code	unmaps its data and all of its code except what is running
 *	rogue traced	is traced: another process writes to its memory page by page
 *	rogue seccomp	restricts itself to the system calls exit and write
 *	rogue out	has itself swapped out and written back, and reads itself in again
 *	rogue threads N	makes N threads, or as many as possible; each touches a page
 *	rogue maps N	makes N separate mappings of a file, of every second page
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define THREAD_STACK (64 * 1024)

static atomic_long nr_touched;

static char *pages(size_t nr)
{
	char *p = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	madvise(p, nr * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static void touch(volatile char *p, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		p[i * PAGE] = 1;
}

/* prctl(PR_SET_MM) moves the heap: each time to a lower address. */
static int be_heap(void)
{
	for (int round = 0; round < 20; round++) {
		uintptr_t place = (uintptr_t)pages(512), end = place + 256 * PAGE;

		/* The end must never be below the start. */
		if ((!round && prctl(PR_SET_MM, PR_SET_MM_BRK, end, 0, 0)) ||
		    prctl(PR_SET_MM, PR_SET_MM_START_BRK, place, 0, 0) ||
		    prctl(PR_SET_MM, PR_SET_MM_BRK, end, 0, 0))
			err(1, "PR_SET_MM");
		touch((char *)place, 512);
	}
	return 0;
}

#ifdef __x86_64__
static inline __attribute__((always_inline)) long call(long nr, uintptr_t a, uintptr_t b)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b)
			 : "rcx", "r11", "memory");
	return result;
}
#else
static inline __attribute__((always_inline)) long call(long nr, uintptr_t a, uintptr_t b)
{
	register long x8 __asm__("x8") = nr;
	register uintptr_t x0 __asm__("x0") = a, x1 __asm__("x1") = b;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
	return (long)x0;
}
#endif

/* The code that remains. It is copied, so it calls nothing and needs no stack protector. */
static __attribute__((noinline, noclone)) void
survive(volatile char *p, size_t nr, uintptr_t start, uintptr_t length)
{
	long result = call(SYS_munmap, start, length);

	for (size_t i = 0; i < nr; i++)
		p[i * PAGE] = 1;
	call(SYS_exit_group, result ? 1 : 0, 0);
	__builtin_unreachable();
}

static int be_code(void)
{
	extern char __executable_start, _end;
	uintptr_t start = (uintptr_t)&__executable_start & ~(uintptr_t)(PAGE - 1);
	char *room = pages(300), *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*copy)(volatile char *, size_t, uintptr_t, uintptr_t);

	if (code == MAP_FAILED)
		err(1, "mmap");
	memcpy(code, (const void *)survive, 512);
	__builtin___clear_cache(code, code + 512);
	copy = (void *)code;
	copy(room, 300, start, (uintptr_t)&_end - start);
	return 1;
}

static int be_traced(void)
{
	char *room = pages(200);
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		pid_t traced = getppid();

		if (ptrace(PTRACE_ATTACH, traced, 0, 0) || waitpid(traced, &status, 0) != traced)
			_exit(1);
		for (int i = 0; i < 200; i++)
			if (ptrace(PTRACE_POKEDATA, traced, room + i * PAGE, 0x1234))
				_exit(2);
		_exit(ptrace(PTRACE_DETACH, traced, 0, 0) ? 3 : 0);
	}
	/* Ignore SIGCHLD, so that its children's faults are not added to its own. */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	for (int i = 0; i < 200; i++)
		if (*(int *)(room + i * PAGE) != 0x1234)
			return 1;
	return 0;
}

static int be_confined(void)
{
	char *room = pages(300);

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0))
		err(1, "seccomp");
	touch(room, 300);
	syscall(SYS_exit, 0);
	return 1;
}

/* All of its memory, so the code has to be read from the disk for the next instruction. */
static int be_out(void)
{
	char *room = pages(1000), line[256];
	FILE *maps;

	for (int round = 0; round < 5; round++) {
		touch(room, 1000);
		maps = fopen("/proc/self/maps", "r");
		if (!maps)
			err(1, "/proc/self/maps");
		while (fgets(line, sizeof(line), maps)) {
			uintptr_t start, end;

			if (sscanf(line, "%lx-%lx", &start, &end) == 2 && end > start)
				madvise((void *)start, end - start, MADV_PAGEOUT);
		}
		fclose(maps);
	}
	return 0;
}

static void *touch_a_page(void *arg)
{
	touch(arg, 1);
	nr_touched++;
	for (;;)
		pause();
	return NULL;
}

static int be_threads(long nr)
{
	char *room = pages(nr);
	pthread_attr_t attr;
	pthread_t thread;
	long made;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	for (made = 0; made < nr; made++)
		if (pthread_create(&thread, &attr, touch_a_page, room + made * PAGE))
			break;
	while (nr_touched < made)
		usleep(1000);
	printf("%ld threads\n", made);
	return made < 100;
}

static int be_maps(long nr)
{
	int fd = open("/tmp/rogue", O_RDWR | O_CREAT | O_TRUNC, 0600);
	long made;

	if (fd < 0 || ftruncate(fd, 2 * nr * PAGE))
		err(1, "/tmp/rogue");
	unlink("/tmp/rogue");
	for (made = 0; made < nr; made++) {
		volatile char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * made * PAGE);

		if (p == MAP_FAILED)
			break;
		(void)*p;
	}
	printf("%ld mappings\n", made);
	return made < 1000;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	long nr = argc > 2 ? atol(argv[2]) : 0;

	if (!strcmp(what, "heap"))
		return be_heap();
	if (!strcmp(what, "code"))
		return be_code();
	if (!strcmp(what, "traced"))
		return be_traced();
	if (!strcmp(what, "seccomp"))
		return be_confined();
	if (!strcmp(what, "out"))
		return be_out();
	if (!strcmp(what, "threads"))
		return be_threads(nr);
	if (!strcmp(what, "maps"))
		return be_maps(nr);
	errx(2, "usage: rogue heap|code|traced|seccomp|out|threads N|maps N");
}
