// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin for QEMU's TCG: find the cache lines that the code of kernel modules shares between
 * virtual CPUs.
 *
 *	-plugin lines.so,out=FILE
 *
 * It counts between two no-ops that a program in the guest executes: MARK_BEGIN and MARK_END. At
 * the second it appends a line for each instruction and cache line to FILE:
 *
 *	PC LINE loads=N stores=N moves=N writers=MASK
 *
 * A move is a load of a line that only another CPU's cache holds, or a store that has to take the
 * line from others. Caches are assumed to be of infinite size. The mask has a bit for each virtual
 * CPU that stored there.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* QEMU's interface for plugins: Debian packages no header for it. */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGISTERS = 0, LOADS_AND_STORES = 3 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
bool qemu_plugin_mem_is_store(uint32_t info);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id,
								    struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int cpu, void *data), int flags,
					    void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      void (*cb)(unsigned int cpu, uint32_t info, uint64_t address,
						 void *data),
				      int flags, int which, void *data);

int qemu_plugin_version = 1;

/* nopl 0x7066623N(%rax) */
static const uint8_t mark_begin[] = { 0x0f, 0x1f, 0x80, 0x31, 0x62, 0x66, 0x70 };
static const uint8_t mark_end[] = { 0x0f, 0x1f, 0x80, 0x32, 0x62, 0x66, 0x70 };

/* The address range of modules on x86-64, with and without address space randomisation. */
#define MODULES_START 0xffffffffa0000000ULL
#define MODULES_END 0xffffffffff000000ULL

#define LINE_SHIFT 6
#define NR_LINES (1U << 20)
#define NR_USES (1U << 21)

/* A cache line: the CPUs that hold it; if @dirty, only one does, and it has written to it. */
struct line {
	uint64_t number;
	uint64_t holders;
	bool dirty;
};

/* The accesses of one instruction to one line. */
struct use {
	uint64_t pc;
	uint64_t number;
	uint64_t loads, stores, moves, writers;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct line lines[NR_LINES];
static struct use uses[NR_USES];
static const char *out_path;
static volatile bool counting;

static uint64_t hash(uint64_t key)
{
	return key * 0x9e3779b97f4a7c15ULL >> 20;
}

static struct line *line_of(uint64_t number)
{
	size_t i = hash(number);

	for (size_t tries = 0; tries < NR_LINES; tries++, i++) {
		struct line *line = &lines[i % NR_LINES];

		if (!line->number)
			line->number = number;
		if (line->number == number)
			return line;
	}
	fputs("lines: too many cache lines\n", stderr);
	abort();
}

static struct use *use_of(uint64_t pc, uint64_t number)
{
	size_t i = hash(pc ^ hash(number));

	for (size_t tries = 0; tries < NR_USES; tries++, i++) {
		struct use *use = &uses[i % NR_USES];

		if (!use->pc) {
			use->pc = pc;
			use->number = number;
		}
		if (use->pc == pc && use->number == number)
			return use;
	}
	fputs("lines: too many instructions and cache lines\n", stderr);
	abort();
}

static void on_access(unsigned int cpu, uint32_t info, uint64_t address, void *data)
{
	uint64_t own = 1ULL << cpu;
	struct line *line;
	struct use *use;

	if (!counting)
		return;
	pthread_mutex_lock(&lock);
	line = line_of(address >> LINE_SHIFT);
	use = use_of((uintptr_t)data, line->number);
	if (qemu_plugin_mem_is_store(info)) {
		use->stores++;
		use->writers |= own;
		use->moves += (line->holders & ~own) != 0;
		line->holders = own;
		line->dirty = true;
	} else {
		use->loads++;
		if (line->dirty && line->holders != own) {
			use->moves++;
			line->dirty = false;
		}
		line->holders |= own;
	}
	pthread_mutex_unlock(&lock);
}

static void on_begin(unsigned int cpu, void *data)
{
	pthread_mutex_lock(&lock);
	memset(lines, 0, sizeof(lines));
	memset(uses, 0, sizeof(uses));
	counting = true;
	pthread_mutex_unlock(&lock);
}

static void on_end(unsigned int cpu, void *data)
{
	FILE *out;

	pthread_mutex_lock(&lock);
	counting = false;
	out = fopen(out_path, "a");
	for (size_t i = 0; out && i < NR_USES; i++)
		if (uses[i].pc)
			fprintf(out, "%" PRIx64 " %" PRIx64 " loads=%" PRIu64 " stores=%" PRIu64
				" moves=%" PRIu64 " writers=%" PRIx64 "\n", uses[i].pc,
				uses[i].number << LINE_SHIFT, uses[i].loads, uses[i].stores,
				uses[i].moves, uses[i].writers);
	if (!out || fputs("end\n", out) < 0 || fclose(out)) {
		perror(out_path);
		abort();
	}
	pthread_mutex_unlock(&lock);
}

static void on_translation(uint64_t id, struct qemu_plugin_tb *tb)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t pc = qemu_plugin_insn_vaddr(insn);

		if (pc >= MODULES_START && pc < MODULES_END)
			qemu_plugin_register_vcpu_mem_cb(insn, on_access, NO_REGISTERS,
							 LOADS_AND_STORES, (void *)(uintptr_t)pc);
		if (qemu_plugin_insn_size(insn) != sizeof(mark_begin))
			continue;
		if (!memcmp(qemu_plugin_insn_data(insn), mark_begin, sizeof(mark_begin)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_begin, NO_REGISTERS, NULL);
		else if (!memcmp(qemu_plugin_insn_data(insn), mark_end, sizeof(mark_end)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_end, NO_REGISTERS, NULL);
	}
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fputs("lines: the only option is out=FILE\n", stderr);
		return -1;
	}
	out_path = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
