/* SPDX-License-Identifier: GPL-2.0-or-later */
/* terminal - what a command must not do to the terminal that it shares with a shell. */
#ifndef PF_USER_TERMINAL_H
#define PF_USER_TERMINAL_H

/**
 * terminal_protect() - For good, for this process and what it starts: nothing is typed by program.
 *
 * In a root shell, what a program puts into the terminal's input is read by that shell when the
 * program has ended. Where there is no controlling terminal there is nothing to do. Needs
 * CAP_SYS_ADMIN, or set-user-ID programs would lose their power.
 *
 * Return: 0, or -1 with errno.
 */
int terminal_protect(void);

#endif
