/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the build-id of an ELF file from its first page, if that is in the page cache.
 *
 * Takes no reference to the page and waits for nothing. Each value is checked against the bytes
 * that may be read, and at the end the page must still be the file's first.
 */
#ifndef PF_BUILD_ID_H
#define PF_BUILD_ID_H

#include <linux/bitops.h>
#include <linux/elf.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "compat.h"

/* Linkers put the note near the start. A page has at least so many bytes. */
#define PF_BUILD_ID_WITHIN 4096

#define PF_BUILD_ID_MAX 20 /* bytes */
#define PF_BUILD_ID_NOTE 3 /* NT_GNU_BUILD_ID in user space's elf.h */

/*
 * Not PageUptodate(): its assertions fail if the page has become another one's tail. The flags are
 * the first word of a struct since 6.18.
 */
static __always_inline bool pf_page_is_uptodate(const struct page *page)
{
	return test_bit(PG_uptodate, (const unsigned long *)&page->flags);
}

/* More program headers or notes than that are not searched. */
#define PF_BUILD_ID_HEADERS 32
#define PF_BUILD_ID_NOTES 16

/* Where these fields are in a file of 32 or 64 bits, and how many bytes the last two have. */
struct pf_elf_layout {
	u8 phoff, phnum;
	u8 phdr_size;
	u8 p_offset, p_filesz;
	u8 word;
};

static const struct pf_elf_layout pf_elf_layouts[] = {
	[ELFCLASS32] = { offsetof(Elf32_Ehdr, e_phoff), offsetof(Elf32_Ehdr, e_phnum),
			 sizeof(Elf32_Phdr), offsetof(Elf32_Phdr, p_offset),
			 offsetof(Elf32_Phdr, p_filesz), 4 },
	[ELFCLASS64] = { offsetof(Elf64_Ehdr, e_phoff), offsetof(Elf64_Ehdr, e_phnum),
			 sizeof(Elf64_Phdr), offsetof(Elf64_Phdr, p_offset),
			 offsetof(Elf64_Phdr, p_filesz), 8 },
};

/* The @size bytes at an offset of the page as a little-endian number; U64_MAX if there are none. */
static u64 pf_build_id_number(const char *page, u64 at, size_t size)
{
	u64 value = 0;

	if (at > PF_BUILD_ID_WITHIN - size || copy_from_kernel_nofault(&value, page + at, size))
		return U64_MAX;
	return value;
}
NOKPROBE_SYMBOL(pf_build_id_number);

/* Searches the notes at [@at, @end) of the page. Returns the build-id's length, 0: none has it. */
static u8 pf_build_id_in_notes(const char *page, u64 at, u64 end, u8 id[PF_BUILD_ID_MAX])
{
	struct elf32_note note; /* the same for 64 bits */
	int i;

	for (i = 0; i < PF_BUILD_ID_NOTES; i++) {
		char name[4];

		if (end > PF_BUILD_ID_WITHIN || at > end || end - at < sizeof(note) ||
		    copy_from_kernel_nofault(&note, page + at, sizeof(note)))
			return 0;
		at += sizeof(note);
		if (note.n_namesz > end - at || note.n_descsz > end - at - note.n_namesz)
			return 0;
		if (note.n_type == PF_BUILD_ID_NOTE && note.n_namesz == sizeof(name) &&
		    note.n_descsz && note.n_descsz <= PF_BUILD_ID_MAX &&
		    !copy_from_kernel_nofault(name, page + at, sizeof(name)) &&
		    !memcmp(name, "GNU", sizeof(name)) &&
		    !copy_from_kernel_nofault(id, page + at + sizeof(name), note.n_descsz))
			return note.n_descsz;
		at += ALIGN((u64)note.n_namesz, 4) + ALIGN((u64)note.n_descsz, 4);
	}
	return 0;
}
NOKPROBE_SYMBOL(pf_build_id_in_notes);

static u8 pf_build_id_in_page(const char *page, u8 id[PF_BUILD_ID_MAX])
{
	const struct pf_elf_layout *elf;
	u8 ident[EI_NIDENT], len = 0;
	u64 at, nr, i;

	if (copy_from_kernel_nofault(ident, page, sizeof(ident)) ||
	    memcmp(ident, ELFMAG, SELFMAG) || ident[EI_DATA] != ELFDATA2LSB ||
	    (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64))
		return 0;
	elf = &pf_elf_layouts[ident[EI_CLASS]];
	at = pf_build_id_number(page, elf->phoff, elf->word);
	nr = min_t(u64, pf_build_id_number(page, elf->phnum, 2), PF_BUILD_ID_HEADERS);
	for (i = 0; i < nr && at <= PF_BUILD_ID_WITHIN && !len; i++, at += elf->phdr_size) {
		u64 offset = pf_build_id_number(page, at + elf->p_offset, elf->word);
		u64 size = pf_build_id_number(page, at + elf->p_filesz, elf->word);

		if (pf_build_id_number(page, at, 4) == PT_NOTE && offset < PF_BUILD_ID_WITHIN &&
		    size <= PF_BUILD_ID_WITHIN - offset)
			len = pf_build_id_in_notes(page, offset, offset + size, id);
	}
	return len;
}
NOKPROBE_SYMBOL(pf_build_id_in_page);

/**
 * pf_build_id_read() - read a file's build-id
 * @file: a mapped file
 * @id: receives it
 *
 * Context: any.
 * Return: its length in bytes; 0 if it is not known: the page is not in the page cache, or the file
 * has no build-id there
 */
static noinline notrace u8 pf_build_id_read(struct file *file, u8 id[PF_BUILD_ID_MAX])
{
	struct xarray *pages = &file->f_mapping->i_pages;
	unsigned long type = file_inode(file)->i_sb->s_magic;
	struct page *page;
	u8 len;

	/* Pages without an address in the kernel, or with another index. */
	if (type == SECRETMEM_MAGIC || type == HUGETLBFS_MAGIC)
		return 0;
	page = xa_load(pages, 0);
	if (!page || xa_is_value(page) || !pf_page_is_uptodate(page))
		return 0;
	smp_rmb();
	len = pf_build_id_in_page(page_address(page), id);
	smp_rmb();
	return xa_load(pages, 0) == page ? len : 0;
}
NOKPROBE_SYMBOL(pf_build_id_read);

#endif /* PF_BUILD_ID_H */
