/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * elf - the functions of an ELF file
 *
 * The traced process may have made the file, so each number in it is checked. Memory and time are
 * bounded, and nothing is mapped: a mapped file may be cut while it is read.
 */
#ifndef PF_USER_ELF_H
#define PF_USER_ELF_H

#include <stddef.h>

typedef unsigned long long u64;

#define ELF_SEGMENTS_MAX	16		/* of code */

#ifndef ELF_SYMBOLS_MAX
#define ELF_SYMBOLS_MAX		(1 << 21)
#endif
#ifndef ELF_NAMES_SIZE
#define ELF_NAMES_SIZE		(64 << 20)	/* of all symbols together, in bytes */
#endif
#define ELF_SECTIONS_MAX	4096
#define ELF_NAME_MAX		4095		/* a function with a longer name has none */

/* Reads exactly @size bytes at a position. Returns 0, or -1. */
typedef int elf_read_at(void *arg, void *to, size_t size, u64 at);

struct elf_function {
	u64 start, end;			/* addresses in the file's segments */
	unsigned int name;		/* its position in the names */
	unsigned int rank;		/* which of several names of a function is shown */
};

struct elf_segment {
	u64 offset, size;		/* in the file */
	u64 address;
};

struct elf {
	struct elf_segment segments[ELF_SEGMENTS_MAX];
	size_t nr_segments;
	struct elf_function *list;	/* sorted by start */
	size_t nr;
	char *names;
	size_t names_size;
};

enum elf_result { ELF_READ, ELF_UNREADABLE, ELF_TOO_LARGE };

/**
 * elf_read() - Read the functions of a file.
 * @e: the result; elf_free() frees it, unless the file could not be read
 * @read_at: reads from the file
 * @arg: passed to @read_at
 * @size: the file's size in bytes
 *
 * Return: ELF_READ; ELF_UNREADABLE if it is no ELF file of this machine's byte order, is damaged,
 * or cannot be read; ELF_TOO_LARGE if it is beyond a limit
 */
enum elf_result elf_read(struct elf *e, elf_read_at *read_at, void *arg, u64 size);

/*
 * The name of the function whose code is at this offset in the file, or NULL. Only a symbol with a
 * size counts: without one, the end of the function would be a guess.
 */
const char *elf_find(const struct elf *e, u64 offset);

/* The memory that it takes, in bytes. */
size_t elf_memory(const struct elf *e);

void elf_free(struct elf *e);

#endif
