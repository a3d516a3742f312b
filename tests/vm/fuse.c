// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A small FUSE file system for the guest tests, and programs that are traced while they use it.
 *
 *	fuse serve DIR		mount it on DIR and answer until it is unmounted
 *	fuse long-names DIR	touch a page of a file below three folders with names of 1,020 bytes
 *	fuse last-close DIR	touch a page of some files, close them, then change them
 *
 * Below the root there are three levels of folders, which can be looked up by any name, and files
 * below them. A name that begins with "hold-" is a file in any folder. Files are one page long.
 *
 * The kernel caches changes. When a file is closed, it sends the time of the change to the file
 * system and waits for the answer. For "hold-" files the answer comes only after SIGUSR1, so
 * closing one that was changed blocks. /tmp/fuse-holds exists once a process is blocked.
 *
 * "last-close" keeps the kernel's workers from running meanwhile. So if a worker has a reference to
 * the file, it will be the last to close it, after it was changed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES 4096
#define NAME_BYTES 1020
#define NR_LEVELS 3
#define FIRST_FILE 100
#define FIRST_HELD 1000
#define NR_FILES 8
#define NR_HELD_MAX 64
#define HOLDS "/tmp/fuse-holds"
#define HOG_MS 500
#define NR_CPUS_MAX 16

static int dev;
static volatile sig_atomic_t let_go;
static struct {
	uint64_t unique, node;
} held[NR_HELD_MAX];
static unsigned int nr_held;

static void answer(uint64_t unique, int error, const void *data, size_t size)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + size, .error = error, .unique = unique,
	};
	struct iovec parts[] = { { &head, sizeof(head) }, { (void *)data, size } };

	/* ENOENT: the process that made the request has gone. */
	if (writev(dev, parts, 2) < 0 && errno != ENOENT)
		err(1, "/dev/fuse");
}

static struct fuse_attr attr_of(uint64_t node)
{
	bool is_file = node >= FIRST_FILE;

	return (struct fuse_attr){
		.ino = node,
		.size = is_file ? FILE_BYTES : 0,
		.blocks = is_file ? FILE_BYTES / 512 : 0,
		.mode = is_file ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = FILE_BYTES,
	};
}

static void look_up(uint64_t unique, uint64_t parent, const char *name)
{
	static uint64_t nr_files;
	struct fuse_entry_out out = { .entry_valid = 1000, .attr_valid = 1000 };

	if (!strncmp(name, "hold-", 5))
		out.nodeid = FIRST_HELD + nr_files++;
	else
		out.nodeid = parent > NR_LEVELS ? FIRST_FILE : parent + 1;
	out.attr = attr_of(out.nodeid);
	answer(unique, 0, &out, sizeof(out));
}

static void set_attr(uint64_t unique, uint64_t node)
{
	struct fuse_attr_out attr = { .attr_valid = 1000, .attr = attr_of(node) };

	if (node < FIRST_HELD || let_go)
		return answer(unique, 0, &attr, sizeof(attr));
	if (nr_held == NR_HELD_MAX)
		errx(1, "more than %d changes to hold", NR_HELD_MAX);
	if (!nr_held)
		close(open(HOLDS, O_WRONLY | O_CREAT, 0600));
	held[nr_held].unique = unique;
	held[nr_held++].node = node;
}

static void handle(const struct fuse_in_header *in, const void *arg)
{
	static const char zeros[FILE_BYTES];
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = FILE_BYTES,
		.max_write = FILE_BYTES,
		.flags = FUSE_WRITEBACK_CACHE | FUSE_BIG_WRITES,
		.max_background = 64,
		.congestion_threshold = 64,
	};
	struct fuse_attr_out attr = { .attr_valid = 1000, .attr = attr_of(in->nodeid) };
	struct fuse_open_out open = { .fh = in->nodeid };
	struct fuse_write_out written = { .size = FILE_BYTES };
	struct fuse_statfs_out blocks = { .st.bsize = FILE_BYTES };

	switch (in->opcode) {
	case FUSE_INIT:
		return answer(in->unique, 0, &init, sizeof(init));
	case FUSE_LOOKUP:
		return look_up(in->unique, in->nodeid, arg);
	case FUSE_GETATTR:
		return answer(in->unique, 0, &attr, sizeof(attr));
	case FUSE_STATFS:
		return answer(in->unique, 0, &blocks, sizeof(blocks));
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return answer(in->unique, 0, &open, sizeof(open));
	case FUSE_READ:
		return answer(in->unique, 0, zeros, sizeof(zeros));
	case FUSE_SETATTR:
		return set_attr(in->unique, in->nodeid);
	case FUSE_WRITE:
		return answer(in->unique, 0, &written, sizeof(written));
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FLUSH:
		return answer(in->unique, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return;
	default:
		return answer(in->unique, -ENOSYS, NULL, 0);
	}
}

static void on_let_go(int sig)
{
	(void)sig;
	let_go = 1;
}

static int serve(const char *dir)
{
	static char request[FUSE_MIN_READ_BUFFER + 4 * FILE_BYTES];
	struct sigaction act = { .sa_handler = on_let_go };
	char options[100];

	dev = open("/dev/fuse", O_RDWR);
	if (dev < 0)
		err(1, "/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (mount("fuse", dir, "fuse", 0, options))
		err(1, "%s", dir);
	sigaction(SIGUSR1, &act, NULL);
	for (;;) {
		ssize_t got = read(dev, request, sizeof(request));
		const struct fuse_in_header *in = (void *)request;

		while (let_go && nr_held) {
			nr_held--;
			set_attr(held[nr_held].unique, held[nr_held].node);
		}
		if (got < 0 && errno == ENODEV)
			return 0; /* unmounted */
		if (got < (ssize_t)sizeof(*in)) {
			if (got < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
				continue;
			err(1, "/dev/fuse: %zd", got);
		}
		handle(in, in + 1);
	}
}

static char *map_file(int folder, const char *name, int prot)
{
	int fd = openat(folder, name, prot & PROT_WRITE ? O_RDWR : O_RDONLY);
	char *page;

	if (fd < 0)
		err(1, "%.20s", name);
	page = mmap(NULL, FILE_BYTES, prot, MAP_SHARED, fd, 0);
	/* Read it into the page cache, so that touching it later sends no request. */
	if (page == MAP_FAILED || read(fd, (char[1]){ 0 }, 1) != 1)
		err(1, "%.20s", name);
	close(fd);
	return page;
}

static int long_names(const char *dir)
{
	static char name[NAME_BYTES + 1];
	int folder = open(dir, O_PATH | O_DIRECTORY), level;
	volatile char *page;

	memset(name, '\001', NAME_BYTES);
	for (level = 0; folder >= 0 && level < NR_LEVELS; level++)
		folder = openat(folder, name, O_PATH | O_DIRECTORY);
	if (folder < 0)
		err(1, "%s", dir);
	page = map_file(folder, name, PROT_READ);
	return *page;
}

/* Keeps a CPU from all but real-time threads for a while. */
static void *hog(void *done)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (!*(volatile bool *)done && (now.tv_sec - begin.tv_sec) * 1000 +
		 (now.tv_nsec - begin.tv_nsec) / 1000000 < HOG_MS);
	return NULL;
}

static void stay_on(pthread_t thread, int cpu, int priority)
{
	struct sched_param param = { .sched_priority = priority };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	errno = pthread_setaffinity_np(thread, sizeof(cpus), &cpus) ?:
		pthread_setschedparam(thread, SCHED_FIFO, &param);
	if (errno)
		err(1, "CPU %d", cpu);
}

static int last_close(const char *dir)
{
	int folder = open(dir, O_PATH | O_DIRECTORY), cpu, nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	bool done = false;
	volatile char *pages[NR_FILES], *others[NR_FILES];
	char name[20];
	pthread_t threads[NR_CPUS_MAX];

	for (int i = 0; i < NR_FILES; i++) {
		snprintf(name, sizeof(name), "hold-%d", i);
		pages[i] = map_file(folder, name, PROT_READ);
		others[i] = map_file(folder, name, PROT_READ | PROT_WRITE);
	}
	if (nr_cpus > NR_CPUS_MAX)
		errx(1, "more than %d CPUs", NR_CPUS_MAX);
	for (cpu = 1; cpu < nr_cpus; cpu++) {
		if (pthread_create(&threads[cpu], NULL, hog, &done))
			errx(1, "no thread");
		stay_on(threads[cpu], cpu, 50);
	}
	stay_on(pthread_self(), 0, 60);
	for (int i = 0; i < NR_FILES; i++)
		(void)*pages[i];
	/* Not changed yet, so this does not block. */
	for (int i = 0; i < NR_FILES; i++)
		munmap((void *)pages[i], FILE_BYTES);
	for (int i = 0; i < NR_FILES; i++)
		others[i][0] = 1;
	done = true;
	/* The last thread to exit blocks: let it be this one, whose state the test can read. */
	for (cpu = 1; cpu < nr_cpus; cpu++)
		pthread_join(threads[cpu], NULL);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "long-names"))
		return long_names(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "last-close"))
		return last_close(argv[2]);
	fprintf(stderr, "usage: fuse serve|long-names|last-close DIR\n");
	return 2;
}
