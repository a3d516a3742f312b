// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "choice.h"

#define ESCAPE		'\033'
#define BACKSPACE	'\b'
#define DELETE		'\177'
#define CTRL_U		'\025'

static void take_escape(struct choice *c)
{
	if (c->help) {
		c->help = false;
		return;
	}
	c->typing = false;
	c->filter_len = 0;
}

static void type(struct choice *c, char key)
{
	if (key == '\r' || key == '\n')
		c->typing = false;
	else if (key == CTRL_U)
		c->filter_len = 0;
	else if (key == BACKSPACE || key == DELETE)
		c->filter_len -= c->filter_len > 0;
	else if (key >= ' ' && key <= '~' && c->filter_len < sizeof(c->filter))
		c->filter[c->filter_len++] = key;
}

/* The keys that choose the tables. */
static const char by_key[] = {
	[BY_ALL] = 'a', [BY_REGION] = 'r', [BY_MAPPING] = 'm',
	[BY_THREAD] = 't', [BY_PROCESS] = 'p', [BY_PROGRAM] = 'g',
	[BY_FUNCTION] = 'f',
};

static const char *const by_name[] = {
	[BY_ALL] = "all", [BY_REGION] = "region", [BY_MAPPING] = "mapping",
	[BY_THREAD] = "thread", [BY_PROCESS] = "process", [BY_PROGRAM] = "program",
	[BY_FUNCTION] = "function",
};

enum grouping choice_grouping(const char *name)
{
	int by = 0;

	while (by < GROUPINGS && strcmp(name, by_name[by]))
		by++;
	return (enum grouping)by;
}

/* Returns false for the key to quit. */
static bool take_key(struct choice *c, char key)
{
	const char *by = memchr(by_key, key, sizeof(by_key));

	if (by) {
		c->by = (enum grouping)(by - by_key);
		c->help = false;
		return true;
	}
	switch (key) {
	case 'q':
		return false;
	case 's':
		c->sort = (c->sort + 1) % SORT_KEYS;
		break;
	case '/':
		c->typing = true;
		c->help = false;
		break;
	case ' ':
		c->paused = !c->paused;
		break;
	case 'h':
	case '?':
		c->help = !c->help;
		break;
	}
	return true;
}

/* The length of an arrow's or another special key's sequence at the start, or 0. */
static size_t sequence_len(const char *bytes, size_t len)
{
	size_t i = 2;

	if (len < 2 || bytes[0] != ESCAPE || (bytes[1] != '[' && bytes[1] != 'O'))
		return 0;
	while (i < len && (bytes[i] < '@' || bytes[i] > '~'))
		i++;
	return i < len ? i + 1 : len;
}

bool choice_take(struct choice *c, const char *bytes, size_t len)
{
	while (len) {
		size_t used = sequence_len(bytes, len);

		if (used) {
			bytes += used;
			len -= used;
			continue;
		}
		if (*bytes == ESCAPE)
			take_escape(c);
		else if (c->typing)
			type(c, *bytes);
		else if (!take_key(c, *bytes))
			return false;
		bytes++;
		len--;
	}
	return true;
}

bool choice_matches(const struct choice *c, const char *name, size_t len)
{
	return !c->filter_len || memmem(name, len, c->filter, c->filter_len);
}
