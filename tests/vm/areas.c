// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest tests: a program whose address space changes, and that knows where its code is.
 *
 *	areas FILE MODE [N]	run a mode, and append to FILE what is known, see areas_say.h
 *
 * The modes are in areas_*.h, by what they do; modes[] names them. With AREAS_STOP=1 in the
 * environment some stop halfway (SIGSTOP); with AREAS_ALL=1 FILE gets all areas, not only the
 * executable ones.
 *
 * The same program is built as areas (static), areas_pie (static-pie) and areas_dynamic. Only the
 * last one has the mode libraries.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "areas_change.h"
#include "areas_code.h"
#include "areas_processes.h"
#include "areas_say.h"
#ifdef DYNAMIC
#include "areas_libraries.h"
#endif

#define OWN_PAGES 60

static char bss[OWN_PAGES << 12] __attribute__((aligned(4096)));
static char initialised[OWN_PAGES << 12] __attribute__((aligned(4096))) = { 1 };

static void touch_own(char *at, size_t size)
{
	size_t nr = size / page_size;

	for (size_t i = 0; i < nr; i++)
		((volatile char *)at)[i * page_size] = 1;
	say("REGION %d %p %p data %zu\n", getpid(), (void *)at, (void *)(at + nr * page_size), nr);
}

/* Memory of the program's own file, and what follows it. */
static void run_own(long n)
{
	(void)n;
	touch_own(bss, sizeof(bss));
	touch_own(initialised, sizeof(initialised));
}

static const struct mode {
	const char *name;
	void (*run)(long n);
	bool is_brief; /* says nothing */
} modes[] = {
	{ "jit", run_jit, false },
	{ "toggle", run_toggle, false },
	{ "parts", run_parts, false },
	{ "remap", run_remap, false },
	{ "grow", run_grow, true },
	{ "grow-data", run_grow_data, true },
	{ "reuse", run_reuse, false },
	{ "fill", run_fill, false },
	{ "files", run_files, false },
	{ "fork", run_fork, false },
	{ "vfork", run_vfork, false },
	{ "spawn", run_spawn, false },
	{ "shared", run_shared, false },
	{ "exec", run_exec, false },
	{ "names", run_names, false },
	{ "own", run_own, false },
	{ "hello", run_hello, true },
#ifdef DYNAMIC
	{ "libraries", run_libraries, false },
#endif
};

int main(int argc, char **argv)
{
	const struct mode *mode = modes, *end = modes + sizeof(modes) / sizeof(*modes);

	if (argc < 3)
		errx(2, "usage: areas FILE MODE [N]");
	self = argv[0];
	said_path = argv[1];
	while (mode < end && strcmp(mode->name, argv[2]))
		mode++;
	if (mode == end)
		errx(2, "no mode %s", argv[2]);
	said = open(said_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (said < 0)
		err(1, "%s", said_path);
	prepare_code();
	mode->run(argc > 3 ? atol(argv[3]) : 0);
	if (!mode->is_brief)
		say_all();
	return 0;
}
