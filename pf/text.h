/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Other people's words in our lines: names of processes and files, in which anything may stand.
 */
#ifndef PF_TEXT_H
#define PF_TEXT_H

#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

/* Room for @len bytes each of which is escaped as \ooo, and the terminating zero. */
#define PF_TEXT_MAX(len) (4 * (len) + 1)

/**
 * pf_text_escape() - write a text without blanks and control characters, as seq_path() does
 * @buf: where to
 * @size: its size in bytes, best PF_TEXT_MAX() of the text's length
 * @text: what to write
 */
static void pf_text_escape(char *buf, size_t size, const char *text)
{
	int len = string_escape_mem(text, strlen(text), buf, size - 1, ESCAPE_OCTAL,
				    "\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017"
				    "\020\021\022\023\024\025\026\027\030\031\032\033\034\035\036"
				    "\037 \\\177");

	buf[min_t(size_t, len, size - 1)] = '\0';
}

#endif /* PF_TEXT_H */
