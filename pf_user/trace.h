/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trace - a command, or a process that is there already, from loading the module to its plot. */
#ifndef PF_USER_TRACE_H
#define PF_USER_TRACE_H

/* As opt says. Returns the exit status. */
int trace(void);

#endif
