/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * space - the address spaces of processes, as /proc shows them: from an instruction to its function
 *
 * Memory is bounded. A function is named only if the mappings were read after the fault; see
 * space_find().
 */
#ifndef PF_USER_SPACE_H
#define PF_USER_SPACE_H

#include "binary.h"

#ifndef SPACES_MAX
#define SPACES_MAX		256
#endif
#ifndef AREAS_MAX
#define AREAS_MAX		2048		/* executable ones, of a process */
#endif
#define PATHS_SIZE		(256 << 10)	/* their paths, in bytes */
#define MAPS_SIZE		(16 << 20)	/* of the text in /proc, in bytes */
#define MOUNTS_SIZE		(1 << 20)
#define FOUND_SIZE		(2 * 4096 + 200)

/* An instruction that took a fault. */
struct question {
	u64 pid;
	u64 change;			/* counts the programs of the process, see programs.h */
	u64 ip;
	u64 time_ns;			/* of the fault, by CLOCK_MONOTONIC */
};

/* The text is a letter, what to show first, a zero, and the rest: a path or a reason. */
#define FOUND_FUNCTION	'f'
#define FOUND_NONE	'?'

struct found {
	u64 read_ns;			/* when the mappings were read */
	size_t len;			/* at most FOUND_SIZE */
	char text[FOUND_SIZE];
};

struct space {
	u64 pid, change;		/* pid 0: not in use */
	u64 latest_use;
	u64 read_ns;			/* 0: not yet */
	u64 due_ns, wait_ns;		/* when to read it again at the earliest */
	const char *ended;		/* why it cannot be read any more, or NULL */
	bool is_cut;			/* it has more areas or paths than there is room for */
	struct area *areas;		/* sorted */
	size_t nr;
	char *paths;
};

struct spaces {
	struct space list[SPACES_MAX];
	u64 nr_uses;
	struct binaries binaries;
};

/**
 * space_find() - Find the function of an instruction.
 * @all: what is known; all zero at first
 * @q: the instruction
 * @now_ns: the time
 * @found: the result
 *
 * The mappings of a process are read again if the instruction is in none that is known, or if they
 * are some seconds old, but not too often.
 *
 * Return: 0, or the time at which to ask again.
 */
u64 space_find(struct spaces *all, const struct question *q, u64 now_ns, struct found *found);

void spaces_free(struct spaces *all);

#endif
