// SPDX-License-Identifier: GPL-2.0-or-later
#include "names.h"
#include "programs.h"

_Static_assert(!(PROGRAMS_MAX & (PROGRAMS_MAX - 1)), "a power of two: slot_of() masks");

static size_t slot_of(u64 pid)
{
	return names_mix(pid) & (PROGRAMS_MAX - 1);
}

void programs_set(struct programs *p, u64 pid, const char *comm, size_t len, u64 since_ns)
{
	struct program *program = &p->list[slot_of(pid)];

	if (!pid)
		return;
	program->pid = pid;
	program->len = len < sizeof(program->comm) ? len : sizeof(program->comm);
	memcpy(program->comm, comm, program->len);
	program->change = ++p->nr_changes;
	program->since_ns = since_ns;
}

const struct program *programs_find(const struct programs *p, u64 pid)
{
	const struct program *program = &p->list[slot_of(pid)];

	return pid && program->pid == pid ? program : NULL;
}

/* Also if another process has taken the place of this one. */
u64 programs_change(const struct programs *p, u64 pid)
{
	return p->list[slot_of(pid)].change;
}
