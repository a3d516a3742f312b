/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the kernel's own count of faults and a module's record, for programs that compare them.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct faults {
	long minor;
	long major;
};

/* min_flt and maj_flt from /proc/PID/stat */
static inline struct faults stat_faults(pid_t pid)
{
	char path[64], line[1024];
	struct faults faults;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		err(1, "%s", path);
	fclose(f);
	if (sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %ld %*u %ld", &faults.minor,
		   &faults.major) != 2)
		errx(1, "%s: not understood", path);
	return faults;
}

/* The number after ` key=`, or 0 if there is none. */
static inline long number(const char *summary, const char *key)
{
	const char *at = strstr(summary, key);

	return at ? atol(at + strlen(key)) : 0;
}

/* Copies the module's record to the file @log. Returns the number of fault lines. */
static inline long drain(const char *module, const char *log, char *summary, size_t size)
{
	char path[32];
	static char line[65536];
	bool complete = false;
	long nr_lines = 0;
	FILE *in, *out;

	snprintf(path, sizeof(path), "/proc/%s", module);
	in = fopen(path, "r");
	out = fopen(log, "w");
	if (!in || !out)
		err(1, "%s or %s", path, log);
	while (fgets(line, sizeof(line), in)) {
		fputs(line, out);
		if (!strncmp(line, "PID = ", 6))
			nr_lines++;
		else if (!strncmp(line, "# recorded=", 11))
			snprintf(summary, size, "%.*s", (int)strcspn(line + 1, "\n"), line + 1);
		else if (!strcmp(line, "EXIT_CODE\n"))
			complete = true;
	}
	fclose(in);
	if (fclose(out))
		err(1, "%s", log);
	if (!complete)
		errx(1, "%s: no EXIT_CODE", path);
	return nr_lines;
}

#endif /* ORACLE_H */
