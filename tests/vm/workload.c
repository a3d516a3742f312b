// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The programs that the guest tests trace, and the comparison with the kernel's count.
 *
 *	workload run NAME [N]		run a workload
 *	workload track X PARAMS NAME [N]	trace a workload by pf_probe_X.ko with these
 *				parameters, print a line of key=value, write /tmp/track.log
 *	workload track X PARAMS command COMMAND...	the same with any program; with
 *				children=1, waits for all processes that it leaves behind
 *	workload pages		print the pages that `touch` touched, numbered from 0
 *
 * The kernel's count is ru_minflt + ru_majflt of wait4() minus fields 10 and 12 of /proc/PID/stat
 * at the load. `difference` is the number of recorded faults, minus those that failed or never
 * completed (the kernel does not count them), minus the kernel's count. With outcome=1,
 * minor_difference and major_difference are the same for each kind. Workloads ignore SIGCHLD, so
 * that wait4() does not add the faults of their children, except with children=1.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "oracle.h"

#define COLD_FILE "/disk/cold"
#define WARM_FILE "/disk/warm"
#define FILE_PAGES 2048
#define SWAPPED_PAGES 4096
#define CGROUP "/sys/fs/cgroup/small" /* made by the test, with little memory and some swap */
#define TOUCH_ADDRESS ((void *)0x200000000000)
#define MANY_COLD_PAGES 16384
#define SLEEPERS 8

static long page_size;
static const char *self;

static void *map(void *at, size_t nr_pages, int prot, int flags, int fd)
{
	void *p = mmap(at, nr_pages * page_size, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static char *anon(size_t nr_pages)
{
	char *p = map(NULL, nr_pages, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	madvise(p, nr_pages * page_size, MADV_NOHUGEPAGE);
	return p;
}

static void touch(volatile char *p, size_t nr_pages, bool write)
{
	for (size_t i = 0; i < nr_pages; i++) {
		if (write)
			p[i * page_size] = 1;
		else
			(void)p[i * page_size];
	}
}

static void make_file(const char *path, size_t nr_pages)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *page = calloc(1, page_size);

	if (fd < 0 || !page)
		err(1, "%s", path);
	for (size_t i = 0; i < nr_pages; i++) {
		*(size_t *)page = i;
		if (write(fd, page, page_size) != page_size)
			err(1, "%s", path);
	}
	if (fsync(fd))
		err(1, "%s", path);
	close(fd);
	free(page);
}

static void drop_caches(void)
{
	write_file("/proc/sys/vm/drop_caches", "3");
}

/* Writes N pages at a known address, one after the other. */
static void run_touch(long n)
{
	char *p = map(TOUCH_ADDRESS, n, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);

	madvise(p, n * page_size, MADV_NOHUGEPAGE);
	touch(p, n, true);
}

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/*
 * Like run_touch(), but moves to the next CPU every 16 pages. Writes each page's address, and the
 * time before and after the touch, to /tmp/stamps.
 */
static void run_stamps(long n)
{
	struct stamp {
		uint64_t before, after;
	} *stamps = map(NULL, n * sizeof(*stamps) / page_size + 1, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
	char *p = map(TOUCH_ADDRESS, n, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);
	long nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	FILE *f = fopen("/tmp/stamps", "w");

	madvise(p, n * page_size, MADV_NOHUGEPAGE);
	for (long i = 0; i < n; i++) {
		if (i % 16 == 0) {
			cpu_set_t cpu;

			CPU_ZERO(&cpu);
			CPU_SET(i / 16 % nr_cpus, &cpu);
			if (sched_setaffinity(0, sizeof(cpu), &cpu))
				err(1, "sched_setaffinity");
			usleep(1000);
		}
		stamps[i].before = monotonic_ns();
		touch(p + i * page_size, 1, true);
		stamps[i].after = monotonic_ns();
	}
	for (long i = 0; i < n; i++)
		fprintf(f, "%p %lu %lu\n", (void *)(p + i * page_size), stamps[i].before,
			stamps[i].after);
	if (fclose(f))
		err(1, "/tmp/stamps");
}

/* N read faults that cost no memory: all get the zero page. */
static void run_zero(long n)
{
	touch(anon(n), n, false);
}

static void *thread_touch(void *arg)
{
	size_t nr_pages = (size_t)arg;

	touch(anon(nr_pages), nr_pages, true);
	return NULL;
}

static void run_threads(long n)
{
	pthread_t threads[1024];

	if (n > 1024)
		errx(1, "too many threads");
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, thread_touch, (void *)100))
			errx(1, "pthread_create");
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void run_fault_forever(long n)
{
	(void)n;
	for (;;) {
		char *p = anon(100);

		touch(p, 100, true);
		munmap(p, 100 * page_size);
	}
}

/* With pauses, so that a reader can keep up. */
static void *thread_forever(void *arg)
{
	for (;;) {
		char *p = anon(10);

		touch(p, 10, true);
		munmap(p, 10 * page_size);
		usleep(2000);
	}
	return arg;
}

static void run_threads_forever(long n)
{
	pthread_t thread;

	while (n--)
		if (pthread_create(&thread, NULL, thread_forever, NULL))
			errx(1, "pthread_create");
	pause();
}

static void *thread_pause(void *arg)
{
	pause();
	return arg;
}

static void run_idle_threads(long n)
{
	pthread_t thread;

	while (n--)
		if (pthread_create(&thread, NULL, thread_pause, NULL))
			errx(1, "pthread_create");
	pause();
}

static void prepare_mix(void)
{
	make_file(COLD_FILE, FILE_PAGES);
	drop_caches();
	make_file(WARM_FILE, FILE_PAGES / 8);
}

static void *thread_files(void *arg)
{
	uintptr_t seed = (uintptr_t)arg;
	int cold = open(COLD_FILE, O_RDWR), warm = open(WARM_FILE, O_RDWR);
	volatile char *p;

	if (cold < 0 || warm < 0)
		err(1, "files");
	/* All threads use the same file, so they wait for each other's pages. */
	p = map(NULL, FILE_PAGES, PROT_READ, MAP_SHARED, cold);
	madvise((void *)p, FILE_PAGES * page_size, MADV_RANDOM);
	for (int i = 0; i < 200; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		(void)p[(seed >> 33) % FILE_PAGES * page_size];
	}
	touch(map(NULL, FILE_PAGES / 8, PROT_READ, MAP_PRIVATE, warm), FILE_PAGES / 8, false);
	touch(map(NULL, FILE_PAGES / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE, warm), FILE_PAGES / 8,
	      true);
	touch(map(NULL, FILE_PAGES / 8, PROT_READ | PROT_WRITE, MAP_SHARED, warm), FILE_PAGES / 8,
	      true);
	close(cold);
	close(warm);
	return NULL;
}

static __attribute__((noinline)) int grow_stack(int depth)
{
	volatile char frame[3000];

	frame[0] = depth;
	return depth ? grow_stack(depth - 1) + frame[0] : 0;
}

static void run_after_exec(long n)
{
	grow_stack(500 + n);
	touch(anon(50), 50, true);
}

/* Four threads in files, then copy on write after fork, stack, populate, kernel mode, exec. */
static void run_mix(long n)
{
	pthread_t threads[4];
	char *shared, *p;
	int status, fd;
	pid_t child;

	(void)n;
	for (uintptr_t i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, thread_files, (void *)(i + 1)))
			errx(1, "pthread_create");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);

	shared = anon(200);
	touch(shared, 200, true);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child) {
		touch(shared, 100, true);
		_exit(0);
	}
	touch(shared, 200, true);
	while (waitpid(child, &status, 0) > 0 || errno != ECHILD)
		;
	grow_stack(300);
	map(NULL, 300, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);

	p = anon(64);
	fd = open(WARM_FILE, O_RDONLY); /* the kernel writes to new pages */
	if (fd < 0 || read(fd, p, 64 * page_size) != 64 * page_size)
		err(1, "%s", WARM_FILE);
	close(fd);
	touch(malloc(100 * page_size), 100, true);
	execl(self, self, "run", "after-exec", "7", NULL);
	err(1, "%s", self);
}

/* The number of the file's pages that are in memory. */
static size_t nr_resident(const char *path, size_t nr_pages)
{
	unsigned char *resident = calloc(nr_pages, 1);
	int fd = open(path, O_RDONLY);
	void *p = map(NULL, nr_pages, PROT_READ, MAP_SHARED, fd);
	size_t nr = 0;

	if (!resident || mincore(p, nr_pages * page_size, resident))
		err(1, "mincore");
	for (size_t i = 0; i < nr_pages; i++)
		nr += resident[i] & 1;
	munmap(p, nr_pages * page_size);
	close(fd);
	free(resident);
	return nr;
}

/*
 * drop_caches leaves pages that are in use at that moment. Once, on a loaded machine, some stayed
 * for 10 s; then use a new file, of which no process has a page.
 */
static void prepare_cold(void)
{
	size_t nr = 0;

	for (int i = 0; i < 100; i++) {
		if (i % 20 == 0) {
			unlink(COLD_FILE);
			make_file(COLD_FILE, MANY_COLD_PAGES);
		}
		drop_caches();
		nr = nr_resident(COLD_FILE, MANY_COLD_PAGES);
		if (!nr)
			return;
		usleep(100000);
	}
	errx(1, "%s: %zu pages stay in memory", COLD_FILE, nr);
}

/* Reads each page of a file that is only on disk once, in an order that defeats read-ahead. */
static void run_cold(long n)
{
	int fd = open(COLD_FILE, O_RDONLY);
	volatile char *p;

	(void)n;
	if (fd < 0)
		err(1, "%s", COLD_FILE);
	p = map(NULL, MANY_COLD_PAGES, PROT_READ, MAP_SHARED, fd);
	madvise((void *)p, MANY_COLD_PAGES * page_size, MADV_RANDOM);
	/* khugepaged would read whole huge pages (seen on 7.2). */
	madvise((void *)p, MANY_COLD_PAGES * page_size, MADV_NOHUGEPAGE);
	/* The step is odd, so it has no common factor with the number of pages, a power of two. */
	for (size_t i = 0; i < MANY_COLD_PAGES; i++)
		(void)p[i * 10007 % MANY_COLD_PAGES * page_size];
}

static void run_populate(long n)
{
	map(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
}

static sigjmp_buf after_signal;

static void on_signal(int sig)
{
	siglongjmp(after_signal, sig);
}

/* N pages beyond the end of a file. */
static void run_sigbus(long n)
{
	int fd = memfd_create("short", 0);
	volatile char *p = map(NULL, n + 1, PROT_READ, MAP_SHARED, fd);
	static volatile long i;

	if (fd < 0 || ftruncate(fd, page_size))
		err(1, "memfd");
	signal(SIGBUS, on_signal);
	for (i = 1; i <= n; i++) {
		if (!sigsetjmp(after_signal, 1))
			(void)p[i * page_size];
	}
}

static int named_file(const char *path, size_t nr_pages)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, nr_pages * page_size))
		err(1, "%s", path);
	return fd;
}

/*
 * A path of @depth folders with names of 200 times the same character, then /the-end/file. Uses
 * chdir(), because no system call takes a path longer than PATH_MAX.
 */
static int far_file(char c, int depth)
{
	char name[201];
	int fd;

	memset(name, c, 200);
	name[200] = 0;
	if (chdir("/tmp"))
		err(1, "/tmp");
	for (int i = 0; i < depth; i++) {
		if ((mkdir(name, 0700) && errno != EEXIST) || chdir(name))
			err(1, "%s", name);
	}
	if ((mkdir("the-end", 0700) && errno != EEXIST) || chdir("the-end"))
		err(1, "the-end");
	fd = named_file("file", 1);
	if (chdir("/"))
		err(1, "/");
	return fd;
}

/* Writes to a shared mapping at each of these offsets in pages. */
static void touch_mapped(int fd, size_t nr_pages, size_t at)
{
	char *p = mmap(NULL, nr_pages * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       at * page_size);

	if (p == MAP_FAILED)
		err(1, "mmap");
	touch(p, nr_pages, true);
}

/* Files with various names; the test has the same list. */
static void run_names(long n)
{
	int fd = named_file("/tmp/mapped twice", 8), hugetlb;
	char *p;

	(void)n;
	touch_mapped(fd, 2, 0);
	touch_mapped(fd, 2, 5);
	fd = named_file("/tmp/new\nline\\", 1);
	touch_mapped(fd, 1, 0);
	fd = named_file("/tmp/deleted", 1);
	unlink("/tmp/deleted");
	touch_mapped(fd, 1, 0);
	touch_mapped(far_file('x', 25), 1, 0);
	touch_mapped(far_file(' ', 7), 1, 0);
	fd = memfd_create("my memfd", 0);
	if (fd < 0 || ftruncate(fd, page_size))
		err(1, "memfd");
	touch_mapped(fd, 1, 0);
	fd = named_file("/dev/shm/my-shm", 1); /* as shm_open() does */
	touch_mapped(fd, 1, 0);
	fd = named_file("/tmp/private", 1);
	touch(map(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd), 1, true);
	hugetlb = memfd_create("huge", MFD_HUGETLB);
	if (hugetlb < 0 || ftruncate(hugetlb, 2 << 20))
		err(1, "hugetlb");
	p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, hugetlb, 0);
	if (p == MAP_FAILED)
		err(1, "hugetlb");
	*p = 1;
}

/* A file in N nested directories. */
static void run_deep(long n)
{
	int fd;

	if (chdir("/tmp"))
		err(1, "/tmp");
	while (n--)
		if ((mkdir("n", 0700) && errno != EEXIST) || chdir("n"))
			err(1, "n");
	fd = named_file("file", 1);
	touch_mapped(fd, 1, 0);
}

/* A SCHED_FIFO thread maps a file, then occupies its CPU for N seconds. */
static void run_fifo(long n)
{
	struct sched_param param = { .sched_priority = 50 };
	uint64_t end_ns;
	cpu_set_t cpu;
	int fd = named_file("/tmp/fifo", 1);

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu) || sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "SCHED_FIFO");
	end_ns = monotonic_ns() + n * 1000000000ULL;
	touch_mapped(fd, 1, 0);
	while (monotonic_ns() < end_ns)
		;
}

/* Maps a memfd's pages as a named dma-buf. Writes the name in /proc/PID/maps to /tmp/mapped. */
static void run_dma_buf(long n)
{
	struct udmabuf_create create = { .memfd = memfd_create("pages", MFD_ALLOW_SEALING) };
	int device = open("/dev/udmabuf", O_RDWR), fd;
	FILE *maps = fopen("/proc/self/maps", "r"), *mapped = fopen("/tmp/mapped", "w");
	static char line[8192];
	char *p;

	(void)n;
	create.size = 4 * page_size;
	if (ftruncate(create.memfd, create.size) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		err(1, "memfd");
	fd = ioctl(device, UDMABUF_CREATE, &create);
	if (fd < 0)
		err(1, "/dev/udmabuf");
	if (ioctl(fd, DMA_BUF_SET_NAME_B, "my buffer"))
		err(1, "DMA_BUF_SET_NAME");
	p = map(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	touch(p, 4, true);
	while (fgets(line, sizeof(line), maps))
		if (strtoul(line, NULL, 16) == (unsigned long)p)
			fputs(strchr(line, '/'), mapped);
	fclose(mapped);
}

/* Pins pages for reading that are shared with a forked child, which copies them. */
static void run_unshare(long n)
{
	char *p = anon(n), *to = anon(1);
	int status;
	pid_t child;

	touch(p, n, true);
	touch(to, 1, true);
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	for (long i = 0; i < n; i++) {
		struct iovec local = { to, page_size }, remote = { p + i * page_size, page_size };

		if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != page_size)
			err(1, "process_vm_readv");
	}
	printf("%p\n", p);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

static void prepare_names(void)
{
	write_file("/proc/sys/vm/nr_hugepages", "4");
}

/* N files, each mapped and touched once. */
static void run_many_files(long n)
{
	char path[32];

	for (long i = 0; i < n; i++) {
		int fd;

		snprintf(path, sizeof(path), "/tmp/many-%ld", i);
		fd = named_file(path, 1);
		touch_mapped(fd, 1, 0);
		close(fd);
		unlink(path);
	}
}

/* One page of a file at N places. */
static void run_many_maps(long n)
{
	int fd = named_file("/tmp/many", 1);

	while (n--)
		touch_mapped(fd, 1, 0);
}

static void prepare_paging(void)
{
	write_file("/proc/sys/vm/nr_hugepages", "4");
	write_file(CGROUP "/cgroup.procs", "0");
}

struct monitor {
	int fd;
	long nr_pages;
	unsigned int delay_us;
};

/* Answers faults on a userfaultfd with a page, until all have come. */
static void *answer_faults(void *arg)
{
	const struct monitor *m = arg;
	char *page = anon(1);

	memset(page, 7, page_size);
	for (long i = 0; i < m->nr_pages; i++) {
		struct pollfd p = { .fd = m->fd, .events = POLLIN };
		struct uffdio_copy copy = { .src = (uintptr_t)page, .len = page_size };
		struct uffd_msg msg;

		if (poll(&p, 1, 30000) != 1 || read(m->fd, &msg, sizeof(msg)) != sizeof(msg))
			errx(1, "userfaultfd: no message");
		copy.dst = msg.arg.pagefault.address & -page_size;
		usleep(m->delay_us);
		if (ioctl(m->fd, UFFDIO_COPY, &copy))
			err(1, "UFFDIO_COPY");
	}
	return NULL;
}

/* Memory in which the first touch of each page waits for an answer on *fd. */
static char *answered(size_t nr_pages, int *fd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *p = anon(nr_pages);

	*fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	reg.range.start = (uintptr_t)p;
	reg.range.len = nr_pages * page_size;
	if (*fd < 0 || ioctl(*fd, UFFDIO_API, &api) || ioctl(*fd, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd");
	return p;
}

static void touch_userfaultfd(long nr_pages, unsigned int delay_us)
{
	struct monitor m = { .nr_pages = nr_pages, .delay_us = delay_us };
	char *p = answered(nr_pages, &m.fd);
	pthread_t thread;

	if (pthread_create(&thread, NULL, answer_faults, &m))
		errx(1, "pthread_create");
	touch(p, m.nr_pages, true);
	pthread_join(thread, NULL);
	close(m.fd);
}

/* N faults that take 50 ms each. */
static void run_slow(long n)
{
	touch_userfaultfd(n, 50000);
}

static void *touch_one(void *arg)
{
	touch(arg, 1, true);
	return NULL;
}

/* Threads that all sleep in a fault until the file /tmp/wake exists. */
static void run_sleepers(long n)
{
	struct monitor m = { .nr_pages = SLEEPERS };
	char *p = answered(SLEEPERS, &m.fd);
	pthread_t threads[SLEEPERS];

	(void)n;
	for (int i = 0; i < SLEEPERS; i++)
		if (pthread_create(&threads[i], NULL, touch_one, p + i * page_size))
			errx(1, "pthread_create");
	while (access("/tmp/wake", F_OK))
		usleep(10000);
	answer_faults(&m);
	for (int i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
}

static pthread_t main_thread;

/* Answers a fault by a signal instead of a page. */
static void *cut_short(void *arg)
{
	struct uffd_msg msg;

	if (read(*(int *)arg, &msg, sizeof(msg)) != sizeof(msg))
		errx(1, "userfaultfd: no message");
	pthread_kill(main_thread, SIGALRM);
	return NULL;
}

/* A signal cuts a sleeping fault short, and the program does not try it again. */
static void run_cut_short(long n)
{
	char *other = anon(1);
	int fd;
	char *p = answered(1, &fd);
	pthread_t thread;

	(void)n;
	main_thread = pthread_self();
	signal(SIGALRM, on_signal);
	if (!sigsetjmp(after_signal, 1)) {
		if (pthread_create(&thread, NULL, cut_short, &fd))
			errx(1, "pthread_create");
		touch(p, 1, true);
	}
	touch(other, 1, true);
	pthread_join(thread, NULL);
}

static void *touch_and_tell(void *arg)
{
	pid_t *tid = arg;

	*(volatile char *)TOUCH_ADDRESS = 1;
	*tid = syscall(SYS_gettid);
	return NULL;
}

/*
 * N threads, one after the other, all with the same TID, each with one fault at the same address.
 */
static void run_reused_tid(long n)
{
	size_t size = 1 << 20;
	void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	pid_t tid, previous = 0;
	pthread_attr_t attr;
	pthread_t thread;
	char path[64], text[16];

	map(TOUCH_ADDRESS, 1, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);
	pthread_attr_init(&attr);
	if (stack == MAP_FAILED || pthread_attr_setstack(&attr, stack, size))
		errx(1, "no stack");
	for (; n > 0; n--) {
		if (previous) {
			snprintf(text, sizeof(text), "%d", previous - 1);
			write_file("/proc/sys/kernel/ns_last_pid", text);
		}
		if (pthread_create(&thread, &attr, touch_and_tell, &tid))
			errx(1, "pthread_create");
		pthread_join(thread, NULL);
		if (previous && tid != previous)
			errx(1, "TID %d, not %d again", tid, previous);
		previous = tid;
		madvise(TOUCH_ADDRESS, page_size, MADV_DONTNEED);
		/* pthread_join() returns before the TID is free. */
		snprintf(path, sizeof(path), "/proc/self/task/%d", tid);
		while (!access(path, F_OK))
			usleep(1000);
	}
}

/* N programs, each run right after it was written through a mapping, as some linkers do. */
static void run_written(long n)
{
	static const char program[] = "#!/bin/true\n";
	long nr_busy = 0;

	signal(SIGCHLD, SIG_DFL);
	for (long i = 0; i < n; i++) {
		char path[40];
		int fd, status;
		pid_t child;
		char *p;

		snprintf(path, sizeof(path), "/tmp/written-%ld", i);
		fd = named_file(path, 1);
		fchmod(fd, 0700);
		p = map(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
		memcpy(p, program, sizeof(program));
		munmap(p, page_size);
		close(fd);
		child = fork();
		if (child < 0)
			err(1, "fork");
		if (!child) {
			execl(path, path, NULL);
			if (errno != ETXTBSY)
				err(2, "%s", path);
			_exit(1);
		}
		if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
		    WEXITSTATUS(status) > 1)
			errx(1, "%s ended with status 0x%x", path, status);
		nr_busy += WEXITSTATUS(status);
		unlink(path);
	}
	printf("busy=%ld of %ld\n", nr_busy, n);
}

/* Children, grandchildren, one that calls exec, one that outlives its parent. */
static void run_family(long n)
{
	pthread_t thread;

	for (long i = 0; i < n; i++) {
		pid_t child = fork();

		if (child < 0)
			err(1, "fork");
		if (!child) {
			touch(anon(10), 10, true);
			if (i % 3 == 0)
				run_family(n / 2);
			if (i % 3 == 1)
				execl(self, self, "run", "after-exec", "7", NULL);
			pthread_create(&thread, NULL, thread_touch, (void *)20);
			pthread_join(thread, NULL);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		touch(anon(5), 5, true);
}

/* The process exits at once; its child runs until the file /tmp/wake exists. */
static void run_orphan(long n)
{
	if (fork())
		return;
	while (access("/tmp/wake", F_OK))
		usleep(10000);
	touch(anon(n), n, true);
}

static void *touch_swapped(void *arg)
{
	touch(arg, SWAPPED_PAGES, true);
	touch(arg, SWAPPED_PAGES, false);
	return NULL;
}

/* Other causes of repeated or missing faults: huge pages, userfaultfd, swap. */
static void run_paging(long n)
{
	const size_t huge = 2 << 20;
	pthread_t thread;
	char *p;

	(void)n;
	p = mmap(NULL, 4 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(p, 4 * huge, MADV_HUGEPAGE);
	touch(p, 4 * huge / page_size, true);

	p = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		 -1, 0);
	if (p == MAP_FAILED)
		err(1, "MAP_HUGETLB");
	touch(p, 2 * huge / page_size, true);

	touch_userfaultfd(64, 0);

	/* Two threads use the same pages, less than half of which fit into memory. */
	p = anon(SWAPPED_PAGES);
	if (pthread_create(&thread, NULL, touch_swapped, p))
		errx(1, "pthread_create");
	touch_swapped(p);
	pthread_join(thread, NULL);
}

static const struct workload {
	const char *name;
	void (*prepare)(void); /* before the process is traced */
	void (*run)(long n);
} workloads[] = {
	{ "touch", NULL, run_touch },
	{ "stamps", NULL, run_stamps },
	{ "zero", NULL, run_zero },
	{ "threads", NULL, run_threads },
	{ "idle-threads", NULL, run_idle_threads },
	{ "fault-forever", NULL, run_fault_forever },
	{ "threads-forever", NULL, run_threads_forever },
	{ "mix", prepare_mix, run_mix },
	{ "paging", prepare_paging, run_paging },
	{ "after-exec", NULL, run_after_exec },
	{ "cold", prepare_cold, run_cold },
	{ "populate", NULL, run_populate },
	{ "sigbus", NULL, run_sigbus },
	{ "names", prepare_names, run_names },
	{ "deep", NULL, run_deep },
	{ "fifo", NULL, run_fifo },
	{ "dma-buf", NULL, run_dma_buf },
	{ "unshare", NULL, run_unshare },
	{ "many-files", NULL, run_many_files },
	{ "many-maps", NULL, run_many_maps },
	{ "slow", NULL, run_slow },
	{ "sleepers", NULL, run_sleepers },
	{ "cut-short", NULL, run_cut_short },
	{ "reused-tid", NULL, run_reused_tid },
	{ "written", NULL, run_written },
	{ "family", NULL, run_family },
	{ "orphan", NULL, run_orphan },
};

static const struct workload *find(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	errx(2, "no workload %s", name);
}

/* Waits for all orphans, and adds their resource usage to @usage. */
static void reap_orphans(struct rusage *usage)
{
	struct rusage more;

	while (wait4(-1, NULL, 0, &more) > 0) {
		usage->ru_minflt += more.ru_minflt;
		usage->ru_majflt += more.ru_majflt;
	}
}

static int track(char probe, const char *params, const char *name, char **args)
{
	bool other = !strcmp(name, "command"), children = strstr(params, "children=1");
	const struct workload *w = other ? NULL : find(name);
	char path[32], module[16], options[256], summary[512] = "";
	struct faults before, counted;
	long nr_lines;
	struct rusage usage;
	int fd, status;
	pid_t pid;

	snprintf(module, sizeof(module), "pf_probe_%c", probe);
	snprintf(path, sizeof(path), "/%s.ko", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	fflush(NULL);
	prctl(PR_SET_CHILD_SUBREAPER, other && children);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		if (!children)
			signal(SIGCHLD, SIG_IGN);
		if (w && w->prepare)
			w->prepare();
		raise(SIGSTOP);
		if (w)
			w->run(*args ? atol(*args) : 0);
		else
			execvp(*args, args);
		_exit(w ? 0 : 127);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		errx(1, "%s: preparation failed", name);
	snprintf(options, sizeof(options), "process_id=%d %s", pid, params);
	if (syscall(SYS_finit_module, fd, options, 0))
		err(1, "%s: insmod", module);
	before = stat_faults(pid);
	kill(pid, SIGCONT);
	if (wait4(pid, &status, 0, &usage) != pid)
		err(1, "wait4");
	if (other && children)
		reap_orphans(&usage);
	counted.minor = usage.ru_minflt - before.minor;
	counted.major = usage.ru_majflt - before.major;
	nr_lines = drain(module, "/tmp/track.log", summary, sizeof(summary));
	if (syscall(SYS_delete_module, module, 0))
		err(1, "%s: rmmod", module);

	if (!strstr(summary, " recorded=") || !strstr(summary, " dropped="))
		errx(1, "no summary");
	printf("difference=%ld counted=%ld lines=%ld major=%ld status=%d%s",
	       number(summary, " recorded=") + number(summary, " dropped=") -
		       number(summary, " failed=") - number(summary, " incomplete=") -
		       counted.minor - counted.major,
	       counted.minor + counted.major, nr_lines, usage.ru_majflt, status, summary);
	if (strstr(summary, " minor="))
		printf(" minor_difference=%ld major_difference=%ld",
		       number(summary, " minor=") - counted.minor,
		       number(summary, " major=") - counted.major);
	puts("");
	return 0;
}

static int print_pages(void)
{
	unsigned long address, base = (unsigned long)TOUCH_ADDRESS;
	FILE *log = fopen("/tmp/track.log", "r");
	static char line[65536];

	if (!log)
		err(1, "/tmp/track.log");
	while (fgets(line, sizeof(line), log))
		if (sscanf(line, "PID = %*d Page Fault at Address %lx", &address) == 1 &&
		    address >= base && address < 2 * base)
			printf("%lu\n", (address - base) / page_size);
	return 0;
}

int main(int argc, char **argv)
{
	const struct workload *w;

	page_size = sysconf(_SC_PAGESIZE);
	self = argv[0];
	if (argc == 2 && !strcmp(argv[1], "pages"))
		return print_pages();
	if (argc >= 5 && !strcmp(argv[1], "track"))
		return track(*argv[2], argv[3], argv[4], argv + 5);
	if (argc < 3 || strcmp(argv[1], "run"))
		errx(2, "usage: workload run NAME [N] | track A|B|C PARAMS NAME [N] |"
			" track A|B|C PARAMS command COMMAND... | pages");
	w = find(argv[2]);
	signal(SIGCHLD, SIG_IGN);
	if (w->prepare)
		w->prepare();
	w->run(argc > 3 ? atol(argv[3]) : 0);
	return 0;
}
