/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options - the options of the command line; user.c fills them in. */
#ifndef PF_USER_OPTIONS_H
#define PF_USER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OUT_DIR		"out"
#define MODULE_PREFIX	"pf_probe_"
#define MODULE_LETTERS	"ABC"

struct options {
	char *output;
	unsigned int sleep_ms;
	unsigned long long duration_ms;	/* 0: no limit */
	bool follow;
	bool top;
	int top_by;			/* the table at first, see choice.h */
	bool debug;
	size_t keep;			/* how many logs to keep, 0: all */
	char **modules;			/* to drain: letters or paths */
	size_t nr_modules;

	/* To trace: */
	char letter;			/* of the module, 0 if none was given */
	int pid;			/* the process to attach to */
	bool stay_root;
	bool fast;			/* record neither outcomes nor children */
	bool cold;			/* empty the page cache before each run */
	unsigned int repeat;		/* runs of the command */
	char **command;			/* ends with a NULL, as do the parameters */
	char **params;
};

extern struct options opt;

#endif
