// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions of ELF files that are made here, whole and damaged. */
#define _GNU_SOURCE
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

#define ELF_NAMES_SIZE	4096
#define ELF_SYMBOLS_MAX	64
#include "pf_user/elf.c"
#include "pf_user/say.c"
#include "pf_user/stop.c"

struct options opt;

#define ORDER	(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)
#define FUNC(binding)	ELF64_ST_INFO(binding, STT_FUNC)

/* Code of 0x1000 bytes at 0x1000 in the file and at 0x401000 in memory. */
static struct image {
	Elf64_Ehdr head;
	Elf64_Phdr segments[3];
	Elf64_Shdr sections[5];
	Elf64_Sym symbols[32];
	Elf64_Sym exported[2];
	char names[256];
	char rest[0x2000];
} image;

static size_t nr_symbols, names_len, file_size;
static bool is_failing;

static int read_image(void *arg, void *to, size_t size, u64 at)
{
	if (at + size > sizeof(image))
		abort();	/* beyond what was announced */
	memcpy(to, (const char *)arg + at, size);
	return is_failing ? -1 : 0;
}

static unsigned int put_name(const char *name)
{
	size_t at = names_len;

	strcpy(image.names + at, name);
	names_len += strlen(name) + 1;
	return (unsigned int)at;
}

static Elf64_Sym *put_symbol(const char *name, u64 address, u64 size, unsigned char info)
{
	Elf64_Sym *symbol = &image.symbols[nr_symbols++];

	*symbol = (Elf64_Sym) { .st_name = put_name(name), .st_value = address, .st_size = size,
				.st_info = info, .st_shndx = 1 };
	return symbol;
}

static void begin(void)
{
	memset(&image, 0, sizeof(image));
	nr_symbols = 1;
	names_len = 1;
	file_size = sizeof(image);
	is_failing = false;
	memcpy(image.head.e_ident, ELFMAG, SELFMAG);
	image.head.e_ident[EI_CLASS] = ELFCLASS64;
	image.head.e_ident[EI_DATA] = ORDER;
	image.head.e_phoff = offsetof(struct image, segments);
	image.head.e_phnum = 3;
	image.head.e_phentsize = sizeof(Elf64_Phdr);
	image.head.e_shoff = offsetof(struct image, sections);
	image.head.e_shnum = 5;
	image.head.e_shentsize = sizeof(Elf64_Shdr);
	image.segments[0] = (Elf64_Phdr) { .p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = 0x1000,
					   .p_vaddr = 0x400000 };
	image.segments[1] = (Elf64_Phdr) { .p_type = PT_LOAD, .p_flags = PF_R | PF_X,
					   .p_offset = 0x1000, .p_filesz = 0x1000,
					   .p_vaddr = 0x401000 };
	image.segments[2] = (Elf64_Phdr) { .p_type = PT_NOTE, .p_flags = PF_R | PF_X };
	image.sections[2] = (Elf64_Shdr) { .sh_type = SHT_SYMTAB, .sh_link = 3,
					   .sh_offset = offsetof(struct image, symbols),
					   .sh_size = sizeof(image.symbols),
					   .sh_entsize = sizeof(Elf64_Sym) };
	image.sections[3] = (Elf64_Shdr) { .sh_type = SHT_STRTAB, .sh_size = sizeof(image.names),
					   .sh_offset = offsetof(struct image, names) };
	image.sections[4] = (Elf64_Shdr) { .sh_type = SHT_DYNSYM, .sh_link = 3,
					   .sh_offset = offsetof(struct image, exported),
					   .sh_size = sizeof(image.exported),
					   .sh_entsize = sizeof(Elf64_Sym) };
}

static enum elf_result read_it(struct elf *e)
{
	return elf_read(e, read_image, &image, file_size);
}

/* NULL: the offset must have no function. */
static void is_at(u64 offset, const char *want, const char *name)
{
	struct elf e;
	const char *got = NULL;
	enum elf_result result = read_it(&e);

	if (result == ELF_READ)
		got = elf_find(&e, offset);
	if (!ok(result == ELF_READ && (got && want ? !strcmp(got, want) : got == want), "%s", name))
		printf("# got %s\n", got ? got : "none");
	if (result == ELF_READ)
		elf_free(&e);
}

static void test_functions(void)
{
	begin();
	put_symbol("first", 0x401000, 0x20, FUNC(STB_GLOBAL));
	put_symbol("second", 0x401020, 0x10, FUNC(STB_LOCAL));
	put_symbol("object", 0x401040, 0x10, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT));
	put_symbol("without_size", 0x401060, 0, FUNC(STB_GLOBAL));
	put_symbol("after", 0x401070, 0x10, FUNC(STB_GLOBAL));
	put_symbol("elsewhere", 0x401080, 0x10, FUNC(STB_GLOBAL))->st_shndx = SHN_UNDEF;
	put_symbol("of_another_segment", 0x400010, 0x10, FUNC(STB_GLOBAL));
	put_symbol("ifunc", 0x4010a0, 0x10, ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC));
	put_symbol("", 0x4010c0, 0x10, FUNC(STB_GLOBAL));
	is_at(0x1000, "first", "the first byte of a function");
	is_at(0x101f, "first", "its last byte");
	is_at(0x1020, "second", "a local function");
	is_at(0x1030, NULL, "a gap between functions");
	is_at(0x1048, NULL, "an object is no function");
	is_at(0x1064, NULL, "a function without a size has no end");
	is_at(0x1070, "after", "the one after it");
	is_at(0x1088, NULL, "a symbol of another file");
	is_at(0x10, NULL, "a segment without code");
	is_at(0x10a8, "ifunc", "a function that chooses another one");
	is_at(0x10c8, NULL, "a function without a name");
	is_at(0x2000, NULL, "behind the code");
	is_at(~0ULL, NULL, "the last offset of all");
	image.segments[1].p_vaddr = 0x501000;
	is_at(0x1010, NULL, "addresses are those of the segment");
	image.segments[1].p_vaddr = 0x401000;
	image.segments[2] = image.segments[1];
	is_at(0x1010, NULL, "two segments with the same offset: neither is guessed");
}

static void test_several_names(void)
{
	char name[] = "inner_00";

	begin();
	put_symbol("local", 0x401000, 0x20, FUNC(STB_LOCAL));
	put_symbol("global", 0x401000, 0x20, FUNC(STB_GLOBAL));
	put_symbol("weak", 0x401000, 0x20, FUNC(STB_WEAK));
	put_symbol("outer", 0x401100, 0x100, FUNC(STB_GLOBAL));
	put_symbol("inner", 0x401110, 0x10, FUNC(STB_LOCAL));
	is_at(0x1008, "global", "of equal functions the global name");
	is_at(0x1118, "inner", "the innermost function");
	is_at(0x1128, "outer", "behind it the outer one");
	for (int i = 0; i < 16; i++) {
		name[6] = (char)('a' + i);
		put_symbol(name, 0x401130 + (u64)i, 1, FUNC(STB_LOCAL));
	}
	is_at(0x1148, "outer", "behind many");
}

static void test_tables(void)
{
	begin();
	image.exported[1] = *put_symbol("exported", 0x401000, 0x20, FUNC(STB_GLOBAL));
	put_symbol("hidden", 0x401020, 0x20, FUNC(STB_LOCAL));
	is_at(0x1028, "hidden", ".symtab comes first");
	image.sections[2].sh_type = SHT_NULL;
	is_at(0x1008, "exported", "without it .dynsym");
	is_at(0x1028, NULL, "which has only what is exported");
	image.sections[2].sh_type = SHT_SYMTAB;
	memset(image.symbols, 0, sizeof(image.symbols));
	is_at(0x1008, "exported", "a .symtab without functions counts as none");
	image.head.e_shnum = image.head.e_shentsize = 0;
	is_at(0x1008, NULL, "a file without sections");
}

static void narrow_head(void)
{
	static struct {
		Elf32_Ehdr head;
		Elf32_Phdr segment;
		Elf32_Shdr sections[3];
		Elf32_Sym symbols[2];
		char names[16];
		char code[0x2000];
	} file;

	file.head = (Elf32_Ehdr) {
		.e_phoff = offsetof(typeof(file), segment), .e_phnum = 1,
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_shoff = offsetof(typeof(file), sections), .e_shnum = 3,
		.e_shentsize = sizeof(Elf32_Shdr), .e_machine = EM_ARM,
	};
	memcpy(file.head.e_ident, image.head.e_ident, EI_NIDENT);
	file.head.e_ident[EI_CLASS] = ELFCLASS32;
	file.segment = (Elf32_Phdr) { .p_type = PT_LOAD, .p_flags = PF_X, .p_offset = 0x1000,
				      .p_filesz = 0x1000, .p_vaddr = 0x11000 };
	file.sections[1] = (Elf32_Shdr) { .sh_type = SHT_SYMTAB, .sh_link = 2,
					  .sh_offset = offsetof(typeof(file), symbols),
					  .sh_size = sizeof(file.symbols),
					  .sh_entsize = sizeof(Elf32_Sym) };
	file.sections[2] = (Elf32_Shdr) { .sh_type = SHT_STRTAB, .sh_size = sizeof(file.names),
					  .sh_offset = offsetof(typeof(file), names) };
	file.symbols[1] = (Elf32_Sym) { .st_name = 1, .st_value = 0x11001, .st_size = 0x10,
					.st_info = FUNC(STB_GLOBAL), .st_shndx = 1 };
	strcpy(file.names + 1, "thumb");
	memcpy(&image, &file, sizeof(file));
}

static void is_refused(enum elf_result want, const char *name)
{
	struct elf e;

	ok(read_it(&e) == want && !e.list && !e.names, "%s", name);
}

static void test_damage(void)
{
	begin();
	put_symbol("first", 0x401000, 0x20, FUNC(STB_GLOBAL));
	image.head.e_ident[EI_DATA] = ORDER == ELFDATA2LSB ? ELFDATA2MSB : ELFDATA2LSB;
	is_refused(ELF_UNREADABLE, "another byte order");
	image.head.e_ident[EI_DATA] = ORDER;
	image.head.e_ident[EI_CLASS] = 7;
	is_refused(ELF_UNREADABLE, "an unknown class");
	image.head.e_ident[EI_CLASS] = ELFCLASS64;
	image.head.e_phnum = 0xffff;
	is_refused(ELF_UNREADABLE, "more segments than the file has room for");
	image.head.e_phnum = 3;
	image.head.e_phoff = ~0ULL - 8;
	is_refused(ELF_UNREADABLE, "segments behind the file");
	image.head.e_phoff = offsetof(struct image, segments);
	image.head.e_shnum = 0xffff;
	is_refused(ELF_TOO_LARGE, "more sections than any program");
	image.head.e_shnum = 5;
	image.head.e_shoff = sizeof(image) - 8;
	is_refused(ELF_UNREADABLE, "sections at the end of the file");
	image.head.e_shoff = offsetof(struct image, sections);
	image.sections[2].sh_size = ~0ULL;
	is_refused(ELF_UNREADABLE, "symbols of all memory");
	image.sections[2].sh_size = 100 * sizeof(Elf64_Sym);
	is_refused(ELF_TOO_LARGE, "more symbols than the limit");
	image.sections[2].sh_size = sizeof(image.symbols);
	image.sections[2].sh_entsize = 1;
	is_refused(ELF_UNREADABLE, "symbols of one byte");
	image.sections[2].sh_entsize = sizeof(Elf64_Sym);
	image.sections[2].sh_link = 77;
	is_refused(ELF_UNREADABLE, "names in a section that is not there");
	image.sections[2].sh_link = 3;
	image.sections[3].sh_size = 5000;
	is_refused(ELF_TOO_LARGE, "more names than the limit");
	image.sections[3].sh_size = 3;
	image.sections[3].sh_offset = offsetof(struct image, names);
	is_at(0x1008, "fi", "names that end early");
	image.sections[3].sh_size = sizeof(image.names);
	image.segments[1].p_filesz = ~0ULL;
	is_refused(ELF_UNREADABLE, "a segment of all memory");
	image.segments[1].p_filesz = 0x1000;
	image.segments[1].p_vaddr = ~0ULL - 5;
	is_refused(ELF_UNREADABLE, "a segment beyond the address space");
	image.segments[1].p_vaddr = 0x401000;
	put_symbol("beyond", 0x401100, ~0ULL - 0x401000, FUNC(STB_GLOBAL));
	is_at(0x1108, NULL, "a function beyond the address space");
	image.symbols[1].st_name = 0xffffffff;
	is_at(0x1008, NULL, "a name behind the names");
	file_size = 40;
	is_refused(ELF_UNREADABLE, "a file that ends within its head");
	file_size = sizeof(image);
	is_failing = true;
	is_refused(ELF_UNREADABLE, "a file that cannot be read");
	begin();
	narrow_head();
	is_at(0x1000, "thumb", "32 bits; ARM's lowest bit is no part of the address");
}

/* The sanitizers see what goes wrong. */
static void test_noise(void)
{
	bool all_right = true;

	for (int i = 0; i < 20000; i++) {
		struct elf e;

		begin();
		put_symbol("first", 0x401000, 0x20, FUNC(STB_GLOBAL));
		for (uint64_t nr = tap_random() % 8; nr; nr--)
			((unsigned char *)&image)[tap_random() % offsetof(struct image, rest)] =
				(unsigned char)(tap_random() >> 8);
		if (read_it(&e) != ELF_READ)
			continue;
		for (u64 at = 0x1000; at < 0x1040; at++) {
			const char *name = elf_find(&e, at);

			all_right &= !name || *name;
		}
		elf_free(&e);
	}
	ok(all_right, "damage of any kind");
}

int main(void)
{
	test_functions();
	test_several_names();
	test_tables();
	test_damage();
	test_noise();
	return tap_done();
}
