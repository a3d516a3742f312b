// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kmsg.h"
#include "say.h"

#define RECORD_SIZE	8192	/* more than the kernel's own limit */

static int fd = -1;
static char *marker;

void kmsg_mark(const char *text)
{
	char *line;

	if (fd < 0)
		fd = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	/* This also works if writing is switched off (printk.devkmsg=off). */
	lseek(fd, 0, SEEK_END);
	free(marker);
	marker = format("%s[%d]: %s", program_invocation_short_name, getpid(), text);
	line = format("<6>%s\n", marker);
	if (write(fd, line, strlen(line)) < 0)
		debug("/dev/kmsg: %s", strerror(errno));
	free(line);
}

/* `6,1234,5678901,-,caller=T99`: only some kernels write the last part. */
static bool is_ours(const char *head)
{
	const char *caller = strstr(head, ",caller=T");

	return !caller || atoi(caller + strlen(",caller=T")) == getpid();
}

/* The kernel writes unprintable characters as \x1b, and a backslash as \x5c. */
static void put_text(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (!strncmp(text, "\\x5c", 4)) {
			fputc('\\', to);
			text += 3;
		} else {
			fputc(*text >= ' ' && *text <= '~' ? *text : '?', to);
		}
	}
	fputc('\n', to);
}

void kmsg_show(FILE *to, const char *prefix)
{
	char record[RECORD_SIZE + 1];
	bool gap = false;

	while (fd >= 0) {
		ssize_t len = read(fd, record, RECORD_SIZE);
		char *text;

		if (len < 0 && errno == EPIPE) {
			gap = true;	/* the record was overwritten; read the next one */
			continue;
		}
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			break;
		record[len] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		*text++ = '\0';
		text[strcspn(text, "\n")] = '\0';
		if (!is_ours(record) || !strcmp(text, marker) ||
		    (prefix && strncmp(text, prefix, strlen(prefix))))
			continue;
		put_text(to, text);
	}
	fflush(to);
	if (gap)
		say("the kernel log is too small: some lines may be missing");
}
