/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options - what was asked for on the command line; user.c fills it in. */
#ifndef PF_USER_OPTIONS_H
#define PF_USER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OUT_DIR		"out"
#define PROBE_NAME	"pf_probe_"
#define PROBE_LETTERS	"ABC"

struct options {
	char *output;
	unsigned int sleep_ms;
	unsigned long long duration_ms;	/* 0: no limit */
	bool follow;
	bool top;
	bool debug;
	char **probes;
	size_t nr_probes;

	/* For a trace, in place of probes: */
	char letter;			/* of the module, 0 if none was named */
	int pid;			/* whom to attach to */
	bool stay_root;
	char **command;			/* up to a NULL, as the parameters */
	char **params;
};

extern struct options opt;

#endif
