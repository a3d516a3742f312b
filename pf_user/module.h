/* SPDX-License-Identifier: GPL-2.0-or-later */
/* module - finds pf_probe_X.ko as modprobe does, loads and unloads it. */
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
 * Looks beside the program, in modules.dep, and in the folders of an installation. Only root and
 * the user may be able to change the file, its folder, and the program beside it (see owner.h).
 *
 * Return: 0, or -1 after a message that says what to do.
 */
int module_find(struct module *m, char letter);

/**
 * module_load() - Load it for a process.
 * @m: from module_find()
 * @pid: the process
 * @params: more parameters, each NAME=VALUE without spaces; ends with a NULL
 * @optional: one of them, which is left out if this kernel does not allow it; NULL: none
 *
 * Return: 0, or -1 after a message that says what to do; then nothing is loaded.
 */
int module_load(const struct module *m, pid_t pid, char *const *params, const char *optional);

/* Returns 0, or -1 after a message. */
int module_unload(const struct module *m);

#endif
