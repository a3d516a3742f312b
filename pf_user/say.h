/* SPDX-License-Identifier: GPL-2.0-or-later */
/* say - messages and the progress on standard error; and memory, without which nothing goes on. */
#ifndef PF_USER_SAY_H
#define PF_USER_SAY_H

#include <stddef.h>
#include <stdio.h>

#include "options.h"

/* A line that begins with the name that the program was called by. */
__attribute__((format(printf, 1, 2)))
void say(const char *fmt, ...);

/*
 * Writes all of it. Waits, too, where a program that shares the file has made it O_NONBLOCK; where
 * the command has stopped the terminal's output (TCOOFF), starts that again. Returns how much was
 * written: less, and errno, after an error, or the second signal to stop.
 */
size_t write_all(int fd, const char *text, size_t len);

/* A stream that is written in that way. */
FILE *open_to_write_all(int fd);

#define debug(...) do { if (opt.debug) say("debug: " __VA_ARGS__); } while (0)

/* CLOCK_MONOTONIC */
unsigned long long now_ms(void);

/* If set, called before each message, as the screen may be in use. */
extern void (*say_before)(void);

/* The count of faults read so far, in place, five times a second; on a terminal only. */
void progress_begin(void);
void progress_show(unsigned long long nr_faults);
void progress_clear(void);

/* Returns mem; without memory, says so and exits. */
void *need(void *mem);

/* Returns a text that the caller frees. */
__attribute__((format(printf, 1, 2)))
char *format(const char *fmt, ...);

#endif
