// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The programs that the guest tests trace, and the exact check on the tracer.
 *
 *	workload run NAME [N]		run one, as a program of its own
 *	workload track X PARAMS NAME [N]	run one under pf_probe_X.ko with these parameters,
 *				print one line of key=value, leave the log in /tmp/track.log
 *	workload pages		from that log, the pages that `touch` touched, as numbers from 0
 *
 * What the kernel itself counted is (ru_minflt + ru_majflt of wait4) less (fields 10 and 12 of
 * /proc/PID/stat when the module was loaded); `difference` is what was recorded less that.
 * Workloads ignore SIGCHLD, or wait4() would add the faults of their own children.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COLD_FILE "/disk/cold"
#define WARM_FILE "/disk/warm"
#define FILE_PAGES 2048
#define SWAPPED_PAGES 4096
#define CGROUP "/sys/fs/cgroup/small" /* made by the test, with little memory and swap to go to */
#define TOUCH_ADDRESS ((void *)0x200000000000)

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
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "3", 1) != 1)
		err(1, "drop_caches");
	close(fd);
}

/* N pages at a known address, written one after the other. */
static void run_touch(long n)
{
	char *p = map(TOUCH_ADDRESS, n, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);

	madvise(p, n * page_size, MADV_NOHUGEPAGE);
	touch(p, n, true);
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
	/* All threads in the same file: they wait for each other's pages. */
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
	fd = open(WARM_FILE, O_RDONLY); /* the kernel writes to fresh pages */
	if (fd < 0 || read(fd, p, 64 * page_size) != 64 * page_size)
		err(1, "%s", WARM_FILE);
	close(fd);
	touch(malloc(100 * page_size), 100, true);
	execl(self, self, "run", "after-exec", "7", NULL);
	err(1, "%s", self);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err(1, "%s", path);
	close(fd);
}

static void prepare_paging(void)
{
	write_file("/proc/sys/vm/nr_hugepages", "4");
	write_file(CGROUP "/cgroup.procs", "0");
}

struct monitor {
	int fd;
	long nr_pages;
};

/* Answers each fault on a userfaultfd with a page, until all have come. */
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
		if (ioctl(m->fd, UFFDIO_COPY, &copy))
			err(1, "UFFDIO_COPY");
	}
	return NULL;
}

static void touch_userfaultfd(void)
{
	struct monitor m = { .fd = syscall(SYS_userfaultfd, O_CLOEXEC), .nr_pages = 64 };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t thread;
	char *p = anon(m.nr_pages);

	reg.range.start = (uintptr_t)p;
	reg.range.len = m.nr_pages * page_size;
	if (m.fd < 0 || ioctl(m.fd, UFFDIO_API, &api) || ioctl(m.fd, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd");
	if (pthread_create(&thread, NULL, answer_faults, &m))
		errx(1, "pthread_create");
	touch(p, m.nr_pages, true);
	pthread_join(thread, NULL);
	close(m.fd);
}

static void *touch_swapped(void *arg)
{
	touch(arg, SWAPPED_PAGES, true);
	touch(arg, SWAPPED_PAGES, false);
	return NULL;
}

/* Everything else that makes a fault come twice or never: huge pages, userfaultfd, swap. */
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

	touch_userfaultfd();

	/* Two threads in the same pages, of which less than half fit into memory. */
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
	{ "zero", NULL, run_zero },
	{ "threads", NULL, run_threads },
	{ "idle-threads", NULL, run_idle_threads },
	{ "fault-forever", NULL, run_fault_forever },
	{ "mix", prepare_mix, run_mix },
	{ "paging", prepare_paging, run_paging },
	{ "after-exec", NULL, run_after_exec },
};

static const struct workload *find(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	errx(2, "no workload %s", name);
}

/* min_flt + maj_flt from /proc/PID/stat */
static long stat_faults(pid_t pid)
{
	unsigned long minor, major;
	char path[64], line[1024];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		err(1, "%s", path);
	fclose(f);
	if (sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu", &minor,
		   &major) != 2)
		errx(1, "%s: not understood", path);
	return minor + major;
}

/* Drains the module's file to /tmp/track.log. Returns the number of fault lines. */
static long drain(const char *module, char *summary, size_t size)
{
	char path[32], line[4096];
	bool complete = false;
	long nr_lines = 0;
	FILE *in, *out;

	snprintf(path, sizeof(path), "/proc/%s", module);
	in = fopen(path, "r");
	out = fopen("/tmp/track.log", "w");
	if (!in || !out)
		err(1, "%s or /tmp/track.log", path);
	while (fgets(line, sizeof(line), in)) {
		fputs(line, out);
		if (!strncmp(line, "PID = ", 6))
			nr_lines++;
		else if (!strncmp(line, "# recorded=", 11))
			snprintf(summary, size, "%.*s", (int)strcspn(line + 2, "\n"), line + 2);
		else if (!strcmp(line, "EXIT_CODE\n"))
			complete = true;
	}
	fclose(in);
	if (fclose(out))
		err(1, "/tmp/track.log");
	if (!complete)
		errx(1, "%s: no EXIT_CODE", path);
	return nr_lines;
}

static int track(char probe, const char *params, const struct workload *w, long n)
{
	char path[32], module[16], args[256], summary[256] = "";
	long before, counted, nr_lines, recorded, dropped;
	struct rusage usage;
	int fd, status;
	pid_t pid;

	snprintf(module, sizeof(module), "pf_probe_%c", probe);
	snprintf(path, sizeof(path), "/%s.ko", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		signal(SIGCHLD, SIG_IGN);
		if (w->prepare)
			w->prepare();
		raise(SIGSTOP);
		w->run(n);
		_exit(0);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		errx(1, "%s: preparation failed", w->name);
	snprintf(args, sizeof(args), "process_id=%d %s", pid, params);
	if (syscall(SYS_finit_module, fd, args, 0))
		err(1, "%s: insmod", module);
	before = stat_faults(pid);
	kill(pid, SIGCONT);
	if (wait4(pid, &status, 0, &usage) != pid)
		err(1, "wait4");
	counted = usage.ru_minflt + usage.ru_majflt - before;
	nr_lines = drain(module, summary, sizeof(summary));
	if (syscall(SYS_delete_module, module, 0))
		err(1, "%s: rmmod", module);

	if (sscanf(summary, "recorded=%ld retries=%*d dropped=%ld", &recorded, &dropped) != 2)
		errx(1, "no summary");
	printf("difference=%ld counted=%ld lines=%ld major=%ld status=%d %s\n",
	       recorded + dropped - counted, counted, nr_lines, usage.ru_majflt, status, summary);
	return 0;
}

static int print_pages(void)
{
	unsigned long address, base = (unsigned long)TOUCH_ADDRESS;
	FILE *log = fopen("/tmp/track.log", "r");
	char line[4096];

	if (!log)
		err(1, "/tmp/track.log");
	while (fgets(line, sizeof(line), log))
		if (sscanf(line, "PID = %*d Page Fault at Address %lx", &address) == 1 &&
		    address >= base && address < 2 * base)
			printf("%ld\n", (address - base) / page_size);
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
		return track(*argv[2], argv[3], find(argv[4]), argc > 5 ? atol(argv[5]) : 0);
	if (argc < 3 || strcmp(argv[1], "run"))
		errx(2, "usage: workload run NAME [N] | track A|B|C PARAMS NAME [N] | pages");
	w = find(argv[2]);
	signal(SIGCHLD, SIG_IGN);
	if (w->prepare)
		w->prepare();
	w->run(argc > 3 ? atol(argv[3]) : 0);
	return 0;
}
