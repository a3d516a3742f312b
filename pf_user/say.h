/* SPDX-License-Identifier: GPL-2.0-or-later */
/* say - messages and progress on standard error; allocations that exit if there is no memory. */
#ifndef PF_USER_SAY_H
#define PF_USER_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "options.h"

/*
 * Could a terminal take this byte of a name, which follows the byte @before, for a control
 * character or a part of one? UTF-8 has control characters of two bytes.
 */
static inline bool is_control(char c, char before)
{
	unsigned char byte = (unsigned char)c, last = (unsigned char)before;

	return byte < ' ' || byte == 0x7f ||
	       (byte >= 0x80 && byte < 0xa0 && (last < 0x80 || last == 0xc2));
}

/* Puts `?` in the place of each is_control(). */
void hide_controls(char *text, size_t len);

/* Prints a line that begins with the program's name, with hide_controls(). */
__attribute__((format(printf, 1, 2)))
void say(const char *fmt, ...);

/* Prints `NAME: WHY` and returns -1: for `return complain(...)`. */
int complain(const char *name, const char *why);

/*
 * Writes all of the text. If a program that shares the file has made it O_NONBLOCK, waits by
 * poll(); if the command has stopped the terminal's output (TCOOFF), starts it again. Returns the
 * number of bytes written, which is less than @len, with errno set, after an error or the second
 * signal to stop.
 */
size_t write_all(int fd, const char *text, size_t len);

/* Returns a stream that is written by write_all(). */
FILE *open_to_write_all(int fd);

#define debug(...) do { if (opt.debug) say("debug: " __VA_ARGS__); } while (0)

/* CLOCK_MONOTONIC; signal handlers may call these. */
unsigned long long now_ns(void);
unsigned long long now_ms(void);

/* If set, called before each message: the live view then gives the screen back. */
extern void (*say_before)(void);

/*
 * On a terminal, shows the number of faults read so far and the latest rate, five times a second,
 * but not while a command runs.
 */
void progress_begin(void);
void progress_show(unsigned long long nr_faults);
void progress_clear(void);

/* Returns mem; exits after a message if that is NULL. */
void *need(void *mem);

/* As asprintf(). Returns the text, which the caller frees. */
__attribute__((format(printf, 1, 2)))
char *format(const char *fmt, ...);

#endif
