// SPDX-License-Identifier: GPL-2.0-or-later
#include <elf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "elf.h"
#include "say.h"

#define CHUNK_SIZE	65536
#define OVERLAPS_MAX	64	/* functions within functions that are looked at */

struct file {
	elf_read_at *read_at;
	void *arg;
	u64 size;
	bool is_64, is_arm;
	u64 segments_at, sections_at;
	unsigned int nr_segments, nr_sections;
};

/* Without regard to the class of the file. */
struct section {
	u64 at, size, entry_size;
	unsigned int type, link;
};

struct symbol {
	u64 address, size;
	unsigned int name, section;
	unsigned char info;
};

static bool has(const struct file *f, u64 at, u64 size)
{
	return at <= f->size && size <= f->size - at;
}

static bool get(const struct file *f, void *to, size_t size, u64 at)
{
	return has(f, at, size) && !f->read_at(f->arg, to, size, at);
}

static bool read_header(struct file *f)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr narrow;
		Elf64_Ehdr wide;
	} head;
	const unsigned char order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB :
				    ELFDATA2MSB;
	unsigned int segment_size, section_size;

	if (!get(f, head.ident, sizeof(head.ident), 0) ||
	    memcmp(head.ident, ELFMAG, SELFMAG) || head.ident[EI_DATA] != order)
		return false;
	f->is_64 = head.ident[EI_CLASS] == ELFCLASS64;
	if (f->is_64) {
		if (!get(f, &head.wide, sizeof(head.wide), 0))
			return false;
		f->segments_at = head.wide.e_phoff;
		f->nr_segments = head.wide.e_phnum;
		segment_size = head.wide.e_phentsize;
		f->sections_at = head.wide.e_shoff;
		f->nr_sections = head.wide.e_shnum;
		section_size = head.wide.e_shentsize;
		return segment_size == sizeof(Elf64_Phdr) &&
		       (!f->nr_sections || section_size == sizeof(Elf64_Shdr));
	}
	if (head.ident[EI_CLASS] != ELFCLASS32 || !get(f, &head.narrow, sizeof(head.narrow), 0))
		return false;
	f->is_arm = head.narrow.e_machine == EM_ARM;
	f->segments_at = head.narrow.e_phoff;
	f->nr_segments = head.narrow.e_phnum;
	segment_size = head.narrow.e_phentsize;
	f->sections_at = head.narrow.e_shoff;
	f->nr_sections = head.narrow.e_shnum;
	section_size = head.narrow.e_shentsize;
	return segment_size == sizeof(Elf32_Phdr) &&
	       (!f->nr_sections || section_size == sizeof(Elf32_Shdr));
}

/* Only code is kept. */
static enum elf_result read_segments(const struct file *f, struct elf *e)
{
	for (unsigned int i = 0; i < f->nr_segments; i++) {
		union {
			Elf32_Phdr narrow;
			Elf64_Phdr wide;
		} head;
		size_t size = f->is_64 ? sizeof(head.wide) : sizeof(head.narrow);
		struct elf_segment segment;
		unsigned int type, flags;

		if (f->segments_at > f->size || !get(f, &head, size, f->segments_at + i * size))
			return ELF_UNREADABLE;
		type = f->is_64 ? head.wide.p_type : head.narrow.p_type;
		flags = f->is_64 ? head.wide.p_flags : head.narrow.p_flags;
		if (type != PT_LOAD || !(flags & PF_X))
			continue;
		if (e->nr_segments == ELF_SEGMENTS_MAX)
			return ELF_TOO_LARGE;
		segment.offset = f->is_64 ? head.wide.p_offset : head.narrow.p_offset;
		segment.size = f->is_64 ? head.wide.p_filesz : head.narrow.p_filesz;
		segment.address = f->is_64 ? head.wide.p_vaddr : head.narrow.p_vaddr;
		if (!has(f, segment.offset, segment.size) ||
		    segment.address + segment.size < segment.address)
			return ELF_UNREADABLE;
		e->segments[e->nr_segments++] = segment;
	}
	return ELF_READ;
}

static bool read_section(const struct file *f, struct section *s, unsigned int nr)
{
	Elf32_Shdr narrow;
	Elf64_Shdr wide;

	if (nr >= f->nr_sections || f->sections_at > f->size)
		return false;
	if (f->is_64) {
		if (!get(f, &wide, sizeof(wide), f->sections_at + nr * sizeof(wide)))
			return false;
		*s = (struct section) { wide.sh_offset, wide.sh_size, wide.sh_entsize, wide.sh_type,
					wide.sh_link };
	} else {
		if (!get(f, &narrow, sizeof(narrow), f->sections_at + nr * sizeof(narrow)))
			return false;
		*s = (struct section) { narrow.sh_offset, narrow.sh_size, narrow.sh_entsize,
					narrow.sh_type, narrow.sh_link };
	}
	return true;
}

static size_t symbol_size(const struct file *f)
{
	return f->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
}

static struct symbol symbol_at(const struct file *f, const char *bytes)
{
	Elf32_Sym narrow;
	Elf64_Sym wide;

	if (f->is_64) {
		memcpy(&wide, bytes, sizeof(wide));
		return (struct symbol) { wide.st_value, wide.st_size, wide.st_name, wide.st_shndx,
					 wide.st_info };
	}
	memcpy(&narrow, bytes, sizeof(narrow));
	/* The lowest bit of an ARM function's address selects the instruction set. */
	return (struct symbol) { narrow.st_value & ~(Elf32_Addr)f->is_arm, narrow.st_size,
				 narrow.st_name, narrow.st_shndx, narrow.st_info };
}

/* As nm and debuggers do: a global name before a weak one, before a local one. */
static unsigned int rank_of(const struct symbol *s)
{
	unsigned int binding = s->info >> 4;

	return binding == STB_GLOBAL ? 2 : binding == STB_WEAK;
}

static void add_function(struct elf *e, const struct symbol *s, size_t *room)
{
	unsigned int type = s->info & 0xf;

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || s->section == SHN_UNDEF || !s->size ||
	    s->address + s->size < s->address || !s->name || s->name >= e->names_size)
		return;
	if (e->nr == *room) {
		*room = *room ? 2 * *room : 1024;
		e->list = need(reallocarray(e->list, *room, sizeof(*e->list)));
	}
	e->list[e->nr++] = (struct elf_function) {
		.start = s->address, .end = s->address + s->size, .name = s->name,
		.rank = rank_of(s),
	};
}

/* For bsearch-like steps: of equal starts the innermost, best named one comes last. */
static int compare(const void *left, const void *right)
{
	const struct elf_function *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->end != b->end)
		return a->end > b->end ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->name > b->name ? -1 : a->name < b->name;
}

static enum elf_result read_functions(const struct file *f, struct elf *e, const struct section *s)
{
	size_t each = symbol_size(f), room = 0;
	struct section names;
	char *chunk;
	u64 done = 0;

	if (s->entry_size != each || !has(f, s->at, s->size) || !read_section(f, &names, s->link) ||
	    names.type != SHT_STRTAB || !has(f, names.at, names.size))
		return ELF_UNREADABLE;
	if (s->size / each > ELF_SYMBOLS_MAX || names.size > ELF_NAMES_SIZE)
		return ELF_TOO_LARGE;
	e->names_size = (size_t)names.size;
	e->names = need(malloc(e->names_size + 1));
	if (!get(f, e->names, e->names_size, names.at))
		return ELF_UNREADABLE;
	e->names[e->names_size] = '\0';
	chunk = need(malloc(CHUNK_SIZE));
	while (s->size - done >= each) {
		size_t part = CHUNK_SIZE - CHUNK_SIZE % each;

		if (s->size - done < part)
			part = (size_t)(s->size - done) / each * each;
		if (!get(f, chunk, part, s->at + done)) {
			free(chunk);
			return ELF_UNREADABLE;
		}
		for (size_t at = 0; at < part; at += each) {
			struct symbol symbol = symbol_at(f, chunk + at);

			add_function(e, &symbol, &room);
		}
		done += part;
	}
	free(chunk);
	if (e->nr)
		qsort(e->list, e->nr, sizeof(*e->list), compare);
	return ELF_READ;
}

static void free_functions(struct elf *e)
{
	free(e->list);
	free(e->names);
	e->list = NULL;
	e->names = NULL;
	e->nr = e->names_size = 0;
}

/* Prefers .symtab, which also has functions that are not exported, to .dynsym. */
static enum elf_result read_tables(const struct file *f, struct elf *e)
{
	static const unsigned int types[] = { SHT_SYMTAB, SHT_DYNSYM };
	struct section found[2] = { 0 }, section;

	if (f->nr_sections > ELF_SECTIONS_MAX)
		return ELF_TOO_LARGE;
	for (unsigned int i = 0; i < f->nr_sections; i++) {
		if (!read_section(f, &section, i))
			return ELF_UNREADABLE;
		for (size_t j = 0; j < 2; j++)
			if (section.type == types[j] && !found[j].type)
				found[j] = section;
	}
	for (size_t j = 0; j < 2; j++) {
		enum elf_result result;

		if (!found[j].type)
			continue;
		result = read_functions(f, e, &found[j]);
		if (result != ELF_READ || e->nr)
			return result;
		free_functions(e);
	}
	return ELF_READ;
}

enum elf_result elf_read(struct elf *e, elf_read_at *read_at, void *arg, u64 size)
{
	struct file f = { .read_at = read_at, .arg = arg, .size = size };
	enum elf_result result;

	*e = (struct elf) { 0 };
	if (!read_header(&f))
		return ELF_UNREADABLE;
	result = read_segments(&f, e);
	if (result == ELF_READ)
		result = read_tables(&f, e);
	if (result != ELF_READ)
		elf_free(e);
	return result;
}

/* Returns false if no segment has the offset, or if two have it. */
static bool address_of(const struct elf *e, u64 offset, u64 *address)
{
	bool is_found = false;

	for (size_t i = 0; i < e->nr_segments; i++) {
		const struct elf_segment *s = &e->segments[i];

		if (offset < s->offset || offset - s->offset >= s->size)
			continue;
		if (is_found)
			return false;
		is_found = true;
		*address = s->address + (offset - s->offset);
	}
	return is_found;
}

const char *elf_find(const struct elf *e, u64 offset)
{
	size_t low = 0, high = e->nr;
	u64 address;

	if (!address_of(e, offset, &address))
		return NULL;
	/* The number of functions that start at or before the address. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (e->list[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i && low - i < OVERLAPS_MAX; i--) {
		const struct elf_function *function = &e->list[i - 1];
		const char *name = e->names + function->name;

		if (address < function->end)
			return *name && strnlen(name, ELF_NAME_MAX + 1) <= ELF_NAME_MAX ? name : NULL;
	}
	return NULL;
}

size_t elf_memory(const struct elf *e)
{
	return e->nr * sizeof(*e->list) + e->names_size;
}

void elf_free(struct elf *e)
{
	free_functions(e);
	*e = (struct elf) { 0 };
}
