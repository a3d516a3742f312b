/* SPDX-License-Identifier: GPL-2.0-or-later */
/* module - pf_probe_X.ko, found as modprobe finds it; loaded, unloaded. */
#ifndef PF_USER_MODULE_H
#define PF_USER_MODULE_H

#include <sys/types.h>

struct module {
	char *name;		/* pf_probe_X */
	char *proc;		/* /proc/pf_probe_X */
	char *path;		/* the file */
	int fd;
};

/**
 * module_find() - Find the file of a module that is not loaded yet.
 * @m: to be filled in
 * @letter: A, B or C
 *
 * It is beside the program, or where depmod or an installation puts it. The file, its folder and
 * the program beside it must be what nobody but root and the user can change (see owner.h).
 *
 * Return: 0, or -1 after a message that says what to do.
 */
int module_find(struct module *m, char letter);

/**
 * module_load() - Load it for a process.
 * @m: that was found
 * @pid: the process
 * @params: further parameters, as name=value, each without blanks; up to a NULL
 *
 * Return: 0, or -1 after a message that says what to do, nothing being loaded then.
 */
int module_load(const struct module *m, pid_t pid, char *const *params);

/* Returns 0, or -1 after a message. */
int module_unload(const struct module *m);

#endif
