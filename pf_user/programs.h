/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * programs - the program that each process runs, in bounded memory
 *
 * A new process may take the place of one that has usually ended. If that one has not, its program
 * is unknown from then on.
 */
#ifndef PF_USER_PROGRAMS_H
#define PF_USER_PROGRAMS_H

#include <stddef.h>

typedef unsigned long long u64;

#ifndef PROGRAMS_MAX
#define PROGRAMS_MAX	8192
#endif

struct program {
	u64 pid;			/* 0: there is none */
	size_t len;
	char comm[64];			/* as in the log, escaped; not terminated */
	u64 change;			/* programs.nr_changes when it was set */
	u64 since_ns;			/* of the exec or fork; 0: unknown */
};

struct programs {
	struct program list[PROGRAMS_MAX];
	u64 nr_changes;
};

/* From now on, process `pid` runs this program, which began at this time (0: unknown). */
void programs_set(struct programs *p, u64 pid, const char *comm, size_t len, u64 since_ns);

/* A number that changes with the program of the process; also at other times. */
u64 programs_change(const struct programs *p, u64 pid);

/* The program of a process, or NULL if it is unknown. */
const struct program *programs_find(const struct programs *p, u64 pid);

#endif
