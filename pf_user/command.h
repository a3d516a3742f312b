/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command - starts a program, holds it at its first instruction, and lets it go
 *
 * ptrace holds it at the end of its exec. So the exec has succeeded, the log contains nothing from
 * before it, and if we are killed meanwhile, the kernel kills the program. After it is let go, it
 * is no longer traced by ptrace.
 */
#ifndef PF_USER_COMMAND_H
#define PF_USER_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

/* The kernel's own counts. Children are counted when they have been waited for. */
struct fault_counts {
	unsigned long long own, children;
};

struct command {
	pid_t pid;
	bool held;
	struct fault_counts at_start;
	unsigned long long go_ns;	/* when it was let go, by CLOCK_MONOTONIC */
};

/* As in shells; 125 is an error of our own, as in env(1). */
#define EXIT_NOT_FOUND		127
#define EXIT_NOT_EXECUTABLE	126
#define EXIT_OURSELVES		125

/**
 * command_start() - Start a command and hold it at its first instruction.
 * @c: to be filled in
 * @argv: the command, which ends with a NULL
 * @stay_root: run it as root. Else it runs as the user who ran sudo, and cannot type into our
 * terminal
 *
 * From now on signals to stop are passed on to it (see stop.h).
 *
 * Return: 0, or one of EXIT_* after a message; then no process is left.
 */
int command_start(struct command *c, char **argv, bool stay_root);

/* Lets it go. Returns 0, or -1 after a message. */
int command_go(struct command *c);

/* Kills a command that is still held. */
void command_kill(struct command *c);

/* True even if it has not been waited for. */
bool command_has_ended(const struct command *c);

/* Waits for its end. Returns its exit status as in a shell. */
int command_wait(struct command *c);

#endif
