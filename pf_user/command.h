/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command - a program that is started, held at its first instruction, and let go
 *
 * It is held by ptrace, at the end of its exec: so it is known to have started, none of what it
 * took to start it is in the log, and if we are killed meanwhile, the kernel kills it. Once it is
 * let go, nothing of that is left.
 */
#ifndef PF_USER_COMMAND_H
#define PF_USER_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

/* As the kernel counts them; those of children are of those that have been waited for. */
struct fault_counts {
	unsigned long long own, children;
};

struct command {
	pid_t pid;
	bool held;
	struct fault_counts at_start;
};

/* As shells have them, and as env(1) and its like for what goes wrong in themselves. */
#define EXIT_NOT_FOUND		127
#define EXIT_NOT_EXECUTABLE	126
#define EXIT_OURSELVES		125

/**
 * command_start() - Start a command and hold it at its first instruction.
 * @c: to be filled in
 * @argv: the command, up to a NULL
 * @stay_root: else it runs as who typed sudo, who must be known, and can't type into our terminal
 *
 * From now on signals to stop are passed on to it (see stop.h).
 *
 * Return: 0, or one of EXIT_* after a message, no process being left.
 */
int command_start(struct command *c, char **argv, bool stay_root);

/* Lets it go. Returns 0, or -1 after a message. */
int command_go(struct command *c);

/* For one that is still held, and is never to run. */
void command_kill(struct command *c);

/* It may still have to be waited for. */
bool command_has_ended(const struct command *c);

/* Waits for its end; at once if it has ended. Returns the exit status of a shell. */
int command_wait(struct command *c);

#endif
