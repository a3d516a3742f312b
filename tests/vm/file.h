/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written to the kernel's files, by the programs in the guest. */
#ifndef FILE_H
#define FILE_H

#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* To a file that is there; ends the program if it can't be. */
static inline void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err(1, "%s", path);
	close(fd);
}

#endif /* FILE_H */
