// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A fuzz target (libFuzzer) for the functions of an ELF file with any contents. The file must not
 * be read beyond its end, and each function that is found must have a symbol around its address.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../pf_user/elf.h"
#include "../../pf_user/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct options opt;

struct input {
	const uint8_t *data;
	size_t size, nr_read;
};

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	dprintf(STDOUT_FILENO, "BROKEN: %s\n", what);
	abort();
}

static int read_input(void *arg, void *to, size_t size, u64 at)
{
	struct input *input = arg;

	must(at <= input->size && size <= input->size - at, "no read beyond the end");
	memcpy(to, input->data + at, size);
	input->nr_read += size;
	return 0;
}

/* Has a symbol of this name these bytes? */
static bool is_function(const struct elf *e, const char *name, u64 offset)
{
	for (size_t i = 0; i < e->nr; i++)
		for (size_t j = 0; j < e->nr_segments; j++) {
			u64 address = offset - e->segments[j].offset + e->segments[j].address;

			if (e->names + e->list[i].name == name && e->list[i].start <= address &&
			    address < e->list[i].end)
				return true;
		}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size, 0 };
	struct elf e;

	if (elf_read(&e, read_input, &input, size) != ELF_READ) {
		must(!e.list && !e.names, "nothing to free");
		return 0;
	}
	must(input.nr_read <= 8 * size + 4096, "no byte is read many times");
	must(e.nr <= ELF_SYMBOLS_MAX && e.names_size <= ELF_NAMES_SIZE, "limits");
	for (size_t i = 0; i < e.nr; i++)
		must(e.list[i].start < e.list[i].end && (!i || e.list[i - 1].start <= e.list[i].start),
		     "functions in order");
	for (u64 offset = 0; offset < size; offset += size / 64 + 1) {
		const char *name = elf_find(&e, offset);

		must(!name || (*name && is_function(&e, name, offset)), "a function with this code");
	}
	must(!elf_find(&e, size), "no code behind the end");
	elf_free(&e);
	return 0;
}
