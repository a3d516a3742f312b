// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Run by bench.py in the guest: make system calls that change an address space, and count what they
 * cost.
 *
 *	calls KIND ROUNDS	stop; when continued, make the calls of a KIND in ROUNDS rounds; print
 *				the clock units of each round
 *
 * The kinds are in kinds[], and exec. Their addresses do not vary, and but for fork and exec they
 * take no faults.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rounds.h"

/* Where the kernel maps nothing by itself. */
#define PLACE ((char *)0x100000000000UL)

#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)

static uint64_t ticks[MAX_ROUNDS];
static int files[MAX_ROUNDS + WARM_UPS];
static char *place = PLACE;

static void map_and_unmap(int prot, int fd)
{
	int flags = MAP_PRIVATE | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0);

	place += 2 * PAGE; /* each area is a new one */
	if (mmap(place, PAGE, prot, flags, fd, 0) != place || munmap(place, PAGE))
		err(1, "mmap");
}

static void call_mmap(long nr)
{
	map_and_unmap(RW, -1);
}

static void open_program(long nr_calls)
{
	files[0] = open("/proc/self/exe", O_RDONLY);
	if (files[0] < 0)
		err(1, "/proc/self/exe");
}

static void call_mmap_file(long nr)
{
	map_and_unmap(PROT_READ, files[0]);
}

static void call_mmap_exec(long nr)
{
	map_and_unmap(RX, files[0]);
}

/* Programs that nobody has mapped before. */
static void make_files(long nr_calls)
{
	char page[PAGE];

	open_program(nr_calls);
	if (read(files[0], page, sizeof(page)) != sizeof(page))
		err(1, "/proc/self/exe");
	for (long i = 0; i < nr_calls; i++) {
		char name[64];

		snprintf(name, sizeof(name), "/tmp/a-folder/a-program-%ld", i);
		mkdir("/tmp/a-folder", 0700);
		files[i] = open(name, O_RDWR | O_CREAT | O_TRUNC, 0700);
		if (files[i] < 0 || write(files[i], page, sizeof(page)) != sizeof(page))
			err(1, "%s", name);
	}
}

static void call_mmap_first(long nr)
{
	map_and_unmap(RX, files[nr]);
}

static void map_place(long nr_calls)
{
	if (mmap(place, PAGE, RX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != place)
		err(1, "mmap");
}

static void call_mprotect(long nr)
{
	if (mprotect(place, PAGE, RW) || mprotect(place, PAGE, RX))
		err(1, "mprotect");
}

static void call_mremap(long nr)
{
	char *next = place == PLACE ? PLACE + 2 * PAGE : PLACE;

	if (mremap(place, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, next) != next)
		err(1, "mremap");
	place = next;
}

static void call_grow(long nr)
{
	if (mremap(place, PAGE, 2 * PAGE, 0) != place || mremap(place, 2 * PAGE, PAGE, 0) != place)
		err(1, "mremap");
}

static void call_fork(long nr)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		err(1, "fork");
}

static const struct kind {
	const char *name;
	void (*prepare)(long nr_calls);
	void (*call)(long nr);
	long round_calls;
} kinds[] = {
	{ "mmap", NULL, call_mmap, 16 },
	{ "mmap-file", open_program, call_mmap_file, 16 },
	{ "mmap-exec", open_program, call_mmap_exec, 16 },
	{ "mmap-first", make_files, call_mmap_first, 1 },
	{ "mprotect", map_place, call_mprotect, 16 },
	{ "mremap", map_place, call_mremap, 16 },
	{ "mremap-grow", map_place, call_grow, 16 },
	{ "fork", NULL, call_fork, 4 },
};

static void run_kind(const struct kind *kind, long nr_rounds)
{
	long nr = 0;

	memset(ticks, 1, sizeof(ticks));
	if (kind->prepare)
		kind->prepare((nr_rounds + WARM_UPS) * kind->round_calls);
	for (long i = 0; i < WARM_UPS * kind->round_calls; i++)
		kind->call(nr++);
	raise(SIGSTOP);
	for (long i = 0; i < nr_rounds; i++) {
		uint64_t start = clock_units();

		for (long j = 0; j < kind->round_calls; j++)
			kind->call(nr++);
		ticks[i] = clock_units() - start;
	}
	print_rounds("calls", nr_rounds * kind->round_calls, ticks, nr_rounds);
}

/* The times when each round began and ended are in this file, which stays open. */
#define TIMES 9

struct times {
	uint64_t start;
	uint64_t end;
};

static void exec_again(long nr_rounds, long nr)
{
	char rounds[16], number[16];
	uint64_t start;

	/* Texts of the same length, so that all rounds are the same. */
	snprintf(rounds, sizeof(rounds), "%04ld", nr_rounds);
	snprintf(number, sizeof(number), "%04ld", nr);
	start = clock_units();
	if (pwrite(TIMES, &start, sizeof(start), nr * sizeof(struct times)) == sizeof(start))
		execl("/proc/self/exe", "calls", "exec", rounds, number, NULL);
	err(1, "exec");
}

static void begin_exec(long nr_rounds)
{
	int fd = memfd_create("times", 0);

	if (fd < 0 || dup2(fd, TIMES) != TIMES)
		err(1, "memfd");
	if (fd != TIMES)
		close(fd);
	exec_again(nr_rounds, 0);
}

/* Round @nr has ended at @end. */
static void continue_exec(long nr_rounds, long nr, uint64_t end)
{
	static struct times times[MAX_ROUNDS + WARM_UPS];
	long nr_all = nr_rounds + WARM_UPS;
	size_t at = nr * sizeof(*times) + offsetof(struct times, end);

	if (pwrite(TIMES, &end, sizeof(end), at) != sizeof(end))
		err(1, "times");
	nr++;
	if (nr == WARM_UPS)
		raise(SIGSTOP);
	if (nr < nr_all)
		exec_again(nr_rounds, nr);
	if (pread(TIMES, times, nr_all * sizeof(*times), 0) != (ssize_t)(nr_all * sizeof(*times)))
		err(1, "times");
	for (long i = 0; i < nr_rounds; i++)
		ticks[i] = times[WARM_UPS + i].end - times[WARM_UPS + i].start;
	print_rounds("calls", nr_rounds, ticks, nr_rounds);
}

/*
 * Starts anew without random addresses: how many areas and gaps there are decides whether a new
 * area needs another node of the kernel's tree of areas, which costs 5,000 instructions.
 */
static void fix_addresses(char **argv)
{
	if (personality(0xffffffff) & ADDR_NO_RANDOMIZE)
		return;
	if (personality(ADDR_NO_RANDOMIZE) < 0 || execv("/proc/self/exe", argv))
		err(1, "personality");
}

int main(int argc, char **argv)
{
	uint64_t now = clock_units();
	long nr_rounds = argc > 2 ? atol(argv[2]) : 0;

	fix_addresses(argv);

	if (nr_rounds < 1 || nr_rounds > MAX_ROUNDS)
		errx(2, "usage: calls KIND ROUNDS, with 1 to %d rounds", MAX_ROUNDS);
	if (!strcmp(argv[1], "exec")) {
		if (argc == 3)
			begin_exec(nr_rounds);
		continue_exec(nr_rounds, atol(argv[3]), now);
		return 0;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!strcmp(argv[1], kinds[i].name)) {
			run_kind(&kinds[i], nr_rounds);
			return 0;
		}
	}
	errx(2, "no kind %s", argv[1]);
}
