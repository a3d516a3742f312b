/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * binary - the files of code that processes have mapped: opens them without side effects, and keeps
 * their functions in bounded memory
 *
 * Which files these are, and what they contain, is chosen by the traced process (see SECURITY.md).
 * Reading may block; lookup.h does it in a process of its own.
 */
#ifndef PF_USER_BINARY_H
#define PF_USER_BINARY_H

#include <stdbool.h>
#include <sys/stat.h>

#include "elf.h"

#ifndef BINARIES_MAX
#define BINARIES_MAX		1024
#endif
#ifndef BINARIES_SIZE
#define BINARIES_SIZE		(256UL << 20)	/* of all functions together, in bytes */
#endif

/* An executable part of an address space. */
struct area {
	u64 start, end;
	u64 offset;			/* in the file */
	unsigned int major, minor;	/* the file system's device */
	u64 inode;			/* 0: no file */
	const char *path;		/* as the kernel writes it; "" without a name */
	const char *refused;		/* why the file must not be opened, or NULL */
	struct binary *binary;		/* valid while its serial number is this one */
	u64 serial;
};

struct binary {
	u64 serial;			/* 0: not in use */
	u64 latest_use;
	struct stat st;			/* when it was read */
	const char *refused;		/* why it has no functions, or NULL */
	struct elf elf;
};

struct binaries {
	struct binary list[BINARIES_MAX];
	u64 nr_serials, nr_uses;
	size_t size;
};

/**
 * binary_of() - Find the file of an area.
 * @all: the files that are known; all zero at first
 * @process: the folder of the process in /proc
 * @a: the area; gets the file
 * @may_read: read a file that is not known yet
 *
 * Return: the file, or NULL; then @a->refused is the reason, if there was an attempt to open it
 */
struct binary *binary_of(struct binaries *all, int process, struct area *a, bool may_read);

/* Forgets all files. */
void binaries_free(struct binaries *all);

#endif
