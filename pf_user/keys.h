/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys - reads keys from the terminal of the live view, as they are typed
 *
 * Keys are read only while the program is in the terminal's foreground: there, reading or changing
 * the terminal never stops it.
 */
#ifndef PF_USER_KEYS_H
#define PF_USER_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* Returns whether `fd` is our controlling terminal; then keys can be read from it. */
bool keys_begin(int fd);

/* Keys come one by one, and are not shown. To be called again: we may have been stopped. */
void keys_take(void);

/* Whether keys can be read, but another program is in the foreground now. */
bool keys_in_background(void);

/* Makes the terminal as it was. Async-signal-safe. */
void keys_give_back(void);

/* A descriptor to wait for, or -1. */
int keys_fd(void);

/* Returns how many bytes were typed since the last call. Never waits. */
size_t keys_read(char *bytes, size_t size);

void keys_end(void);

#endif
