/* SPDX-License-Identifier: GPL-2.0-or-later */
/* terminal - keeps a command from typing into the terminal that it shares with a shell. */
#ifndef PF_USER_TERMINAL_H
#define PF_USER_TERMINAL_H

/**
 * terminal_protect() - Forbid TIOCSTI and TIOCLINUX to this process and its children, for good.
 *
 * These put text into the terminal's input. When the command has ended, the shell reads that text;
 * it may be a root shell. Does nothing if there is no controlling terminal. Needs CAP_SYS_ADMIN:
 * without it, seccomp would take away the rights of set-user-ID programs.
 *
 * Return: 0, or -1 with errno.
 */
int terminal_protect(void);

#endif
