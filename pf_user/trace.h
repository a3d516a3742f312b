/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trace - traces a command or a running process, from loading the module to showing its plot. */
#ifndef PF_USER_TRACE_H
#define PF_USER_TRACE_H

/* Traces as the options say. Returns the exit status. */
int trace(void);

#endif
