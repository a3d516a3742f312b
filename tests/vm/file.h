/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing to files in /proc and /sys, for the programs in the guest. */
#ifndef FILE_H
#define FILE_H

#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Writes @text to an existing file. Exits on an error. */
static inline void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err(1, "%s", path);
	close(fd);
}

#endif /* FILE_H */
