// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest tests: a library for areas.c. It is built twice, with and without SECOND: two files
 * of the same size, with different functions at the same address.
 */
void areas_touch(volatile char *page);
void areas_other(volatile char *page);

/* Of the same length in either file, but in another place. */
#ifdef SECOND
#define FIRST_FUNCTION areas_other
#define LAST_FUNCTION areas_touch
#else
#define FIRST_FUNCTION areas_touch
#define LAST_FUNCTION areas_other
#endif

void FIRST_FUNCTION(volatile char *page)
{
	*page = 1;
}

void LAST_FUNCTION(volatile char *page)
{
	*page = 2;
}
