/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mode of areas.c that loads libraries, areas_one.so and areas_two.so (areas_library.c). Only
 * for the dynamic program.
 */
#ifndef AREAS_LIBRARIES_H
#define AREAS_LIBRARIES_H

#include <dlfcn.h>
#include <link.h>

#include "areas_code.h"

static const char *const libraries[] = { "/areas_one.so", "/areas_two.so" };

static struct range *found;

/* The executable segment of the library of that name; what its program headers say. */
static int find_code(struct dl_phdr_info *info, size_t size, void *name)
{
	(void)size;
	if (strcmp(info->dlpi_name, name))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + ph->p_vaddr) & -page_size;
		uintptr_t end = info->dlpi_addr + ph->p_vaddr + ph->p_memsz + page_size - 1;

		if (ph->p_type == PT_LOAD && ph->p_flags & PF_X)
			found = begin_range("library", (void *)start,
					    (end & -page_size) - start, name,
					    ph->p_offset & -page_size);
	}
	return 1;
}

static void call_library(void *library, struct range *r)
{
	void (*touch)(char *) = (void (*)(char *))dlsym(library, "areas_touch");

	if (!touch)
		errx(1, "%s", dlerror());
	for (int i = 0; i < 3; i++) {
		touch(data + page_size * __atomic_fetch_add(&nr_data, 1, __ATOMIC_RELAXED));
		r->touches++;
	}
}

static void *load(const char *name)
{
	void *library = dlopen(name, RTLD_NOW);

	if (!library)
		errx(1, "%s", dlerror());
	found = NULL;
	dl_iterate_phdr(find_code, (void *)name);
	if (!found)
		errx(1, "%s: no executable segment", name);
	return library;
}

/* N times: loads one of two libraries, calls it and unloads it. The last one stays. */
static void run_libraries(long n)
{
	const char *before = NULL;
	long nr_same = 0;
	void *library = NULL;

	for (long i = 0; i < n; i++) {
		struct range *r;

		if (library) {
			end_range(found);
			dlclose(library);
		}
		library = load(libraries[i % 2]);
		r = found;
		nr_same += before == r->start;
		before = r->start;
		call_library(library, r);
		if (i == n / 2) {
			stop_here();
			call_library(library, r);
		}
	}
	say("# %ld of %ld libraries at the address of the one before\n", nr_same, n);
}

#endif /* AREAS_LIBRARIES_H */
