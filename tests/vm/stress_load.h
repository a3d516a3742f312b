/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads a module with random parameters, and unloads it. */
#ifndef STRESS_LOAD_H
#define STRESS_LOAD_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log_check.h"
#include "stress_shared.h"

/* A load of one module. */
struct load {
	char module[16];
	int file; /* the .ko */
	bool children, outcome, overwrites;
	char params[200];
};

static char **placements; /* from the command line */
static unsigned int nr_placements;
static unsigned int no_time_s; /* a round without a new load for that long hangs */

static void draw_params(struct load *load, bool sudden, bool children)
{
	static const char *const sizes[] = { "1", "700", "5000", "40000" };
	static const char *const maps[] = { "exec", "all", "none" };

	load->outcome = sudden || draw(3) == 0;
	load->children = children;
	load->overwrites = draw(2);
	snprintf(load->params, sizeof(load->params),
		 "max_faults=%s cont_store=%d outcome=%d children=%d placement=%s probe_print=%d "
		 "maps=%s",
		 sizes[draw(4)], load->overwrites, load->outcome, load->children,
		 placements[draw(nr_placements)], draw(10) == 0, maps[draw(3)]);
}

static bool insert(struct load *load, pid_t target)
{
	char options[256];

	snprintf(options, sizeof(options), "process_id=%d %s", target, load->params);
	if (syscall(SYS_finit_module, load->file, options, 0)) {
		wrong(options, strerror(errno));
		return false;
	}
	alarm(no_time_s);
	add(&totals->loads, 1);
	return true;
}

static void take_out(struct load *load)
{
	if (syscall(SYS_delete_module, load->module, 0))
		wrong(load->module, strerror(errno));
}

static int open_file(const struct load *load)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%.15s", load->module);
	return open(path, O_RDONLY);
}

static struct log_check *new_check(const struct load *load, pid_t target)
{
	return log_check_new(target, load->children, load->outcome);
}

#endif /* STRESS_LOAD_H */
