/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which mapping a fault was in, as a number in the record and a name for the reader.
 *
 * A mapping is a file and where the file would begin in memory: that gives the offset of any
 * address in it, and is the same for most parts of a library. The first fault of a mapping takes a
 * reference to the file and leaves the rest to a worker, which makes a path of it and lets the file
 * go again. Later faults know the file by what tells it from others, dead or alive, without a
 * reference: its places in memory may be used again, not together with inode number and generation.
 * (Anonymous inodes, as of perf, all have the same: one may be told by a former one's name.)
 *
 * The tables are of fixed size. If that of mappings is full, names come without an offset; if that
 * of files is full, the name is a question mark.
 */
#ifndef PF_MAP_H
#define PF_MAP_H

#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "fault.h"
#include "text.h"

#define PF_NR_FILES 4096
#define PF_NR_MAPS 16384
#define PF_MAP_HASH_BITS 15 /* at most half full */

/* For a file that has no more room in the table. */
#define PF_MAP_UNKNOWN 0xffff

/* No name is longer: a path, or the end of one. */
#define PF_MAP_NAME_MAX PATH_MAX

/* No mapping begins at an odd address: that is the file's name alone. */
#define PF_NO_START 1

/* What tells a file from others. For a special mapping @dentry is its name, the rest is 0. */
struct pf_file_id {
	const void *dentry;
	const void *mnt;
	unsigned long ino;
	u32 generation;
};

/**
 * struct pf_file - a file that was mapped
 * @id: how it is known
 * @len: the name's length in bytes
 * @file: until the worker has let it go
 * @name: escaped, NULL until the worker has made it
 */
struct pf_file {
	struct pf_file_id id;
	u32 len;
	struct file *file;
	const char *name;
};

/* @start: where the file's first byte is, or would be, in memory. It wraps. */
struct pf_map {
	u64 start;
	u16 file;
};

static struct {
	raw_spinlock_t lock; /* whoever adds */
	u32 nr_files;
	u32 nr_maps;
	u32 nr_named; /* files that the worker is done with */
	struct irq_work added;
	struct pf_file files[PF_NR_FILES];
	struct pf_map maps[PF_NR_MAPS]; /* by number; that of none, 0, is not used */
	u16 hash[1 << PF_MAP_HASH_BITS]; /* numbers of maps, 0 for none */
} pf_map = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_map.lock),
};

/* Of a file, or of a special mapping by its @name. */
static __always_inline struct pf_file_id pf_file_id_of(const struct file *file, const char *name)
{
	const struct inode *inode;

	if (!file)
		return (struct pf_file_id){ .dentry = name };
	inode = file_inode(file);
	return (struct pf_file_id){
		.dentry = file->f_path.dentry,
		.mnt = file->f_path.mnt,
		.ino = inode->i_ino,
		.generation = inode->i_generation,
	};
}

static __always_inline u32 pf_map_hash(struct pf_file_id id, u64 start)
{
	return hash_64((uintptr_t)id.dentry ^ start >> PAGE_SHIFT, PF_MAP_HASH_BITS);
}

/* The number of a mapping, or 0. */
static __always_inline u32 pf_map_find(struct pf_file_id id, u64 start)
{
	u32 place = pf_map_hash(id, start), nr;

	while ((nr = smp_load_acquire(&pf_map.hash[place]))) {
		const struct pf_map *map = &pf_map.maps[nr];
		const struct pf_file_id *known = &pf_map.files[map->file].id;

		if (map->start == start && known->dentry == id.dentry && known->ino == id.ino &&
		    known->generation == id.generation && known->mnt == id.mnt)
			return nr;
		place = (place + 1) % BIT(PF_MAP_HASH_BITS);
	}
	return 0;
}

static u32 pf_map_insert(struct pf_file_id id, u64 start, u16 file)
{
	u32 place = pf_map_hash(id, start), nr = pf_map.nr_maps + 1;

	lockdep_assert_held(&pf_map.lock);

	pf_map.maps[nr] = (struct pf_map){ .start = start, .file = file };
	while (pf_map.hash[place])
		place = (place + 1) % BIT(PF_MAP_HASH_BITS);
	smp_store_release(&pf_map.hash[place], nr);
	WRITE_ONCE(pf_map.nr_maps, nr);
	return nr;
}

/* Each file that may still come has to find a place for its name alone. */
static bool pf_map_is_full(void)
{
	return READ_ONCE(pf_map.nr_maps) + 1 + PF_NR_FILES - READ_ONCE(pf_map.nr_files) >=
	       PF_NR_MAPS;
}

static u32 pf_map_insert_file(struct pf_file_id id, struct file *file, const char *name)
{
	u32 nr = pf_map.nr_files;

	lockdep_assert_held(&pf_map.lock);

	if (nr == PF_NR_FILES)
		return PF_MAP_UNKNOWN;
	pf_map.files[nr] = (struct pf_file){
		.id = id,
		.file = file ? get_file(file) : NULL,
		.name = name,
		.len = name ? strlen(name) : 0,
	};
	smp_store_release(&pf_map.nr_files, nr + 1);
	if (file)
		irq_work_queue(&pf_map.added);
	return pf_map_insert(id, PF_NO_START, nr);
}

/**
 * pf_map_add() - find or enter a mapping that pf_map_find() does not know
 * @start: the mapping's, PF_NO_START for a special mapping
 * @file: the file, NULL for a special mapping
 * @name: a special mapping's name, which stays, else NULL
 *
 * Context: preemption off; takes a raw spinlock. What the worker is woken by can be used anywhere.
 * Return: its number, or PF_MAP_UNKNOWN
 */
static noinline notrace u32 pf_map_add(u64 start, struct file *file, const char *name)
{
	struct pf_file_id id = pf_file_id_of(file, name);
	u32 nr = 0, of_file;

	/* With nothing left to enter there is no need for the lock. */
	of_file = pf_map_find(id, PF_NO_START);
	if (of_file ? pf_map_is_full() : READ_ONCE(pf_map.nr_files) == PF_NR_FILES)
		return of_file ?: PF_MAP_UNKNOWN;
	raw_spin_lock(&pf_map.lock);
	of_file = pf_map_find(id, PF_NO_START);
	if (!of_file)
		of_file = pf_map_insert_file(id, file, name);
	if (start != PF_NO_START && of_file != PF_MAP_UNKNOWN) {
		nr = pf_map_find(id, start); /* another CPU may have come first */
		if (!nr && !pf_map_is_full())
			nr = pf_map_insert(id, start, pf_map.maps[of_file].file);
	}
	raw_spin_unlock(&pf_map.lock);
	return nr ?: of_file;
}
NOKPROBE_SYMBOL(pf_map_add);

/**
 * pf_map_of_file() - the number of a mapping of a file
 * @vma: the mapping
 *
 * Context: in handle_mm_fault()'s entry, preemption off.
 * Return: a number for pf_map_describe()
 */
static __always_inline u32 pf_map_of_file(const struct vm_area_struct *vma)
{
	u64 start = vma->vm_start - ((u64)vma->vm_pgoff << PAGE_SHIFT);

	return pf_map_find(pf_file_id_of(vma->vm_file, NULL), start) ?:
	       pf_map_add(start, vma->vm_file, NULL);
}

/* As pf_map_of_file() for what has neither a file nor is anonymous: [vdso] and the like. */
static noinline notrace u32 pf_map_of_special(struct vm_area_struct *vma)
{
	/* All these only return a constant. */
	const char *name = vma->vm_ops->name ? vma->vm_ops->name(vma) : NULL;

	if (!name)
		return 0;
	return pf_map_find(pf_file_id_of(NULL, name), PF_NO_START) ?:
	       pf_map_add(PF_NO_START, NULL, name);
}
NOKPROBE_SYMBOL(pf_map_of_special);

/*
 * Writes the file's path, as the kernel's own processes see it, escaped, to @text. Of one that is
 * too long for d_path() or becomes so, the end: three names always fit, whatever is in them.
 */
static void pf_map_write_name(char *text, struct file *file, char *buf)
{
	char *path = d_path(pf_file_path(file), buf, PATH_MAX);

	if (!IS_ERR(path))
		pf_text_escape(text, PF_TEXT_MAX(PATH_MAX), path);
	if (IS_ERR(path) || strlen(text) > PF_MAP_NAME_MAX) {
		scnprintf(buf, PATH_MAX, ".../%pD3", file);
		pf_text_escape(text, PF_TEXT_MAX(PATH_MAX), buf);
	}
}

static void pf_map_name_files(struct work_struct *work)
{
	char *buf = kvmalloc(PATH_MAX, GFP_KERNEL);
	char *text = kvmalloc(PF_TEXT_MAX(PATH_MAX), GFP_KERNEL);

	while (pf_map.nr_named < smp_load_acquire(&pf_map.nr_files)) {
		struct pf_file *file = &pf_map.files[pf_map.nr_named++];
		const char *name = NULL;

		if (!file->file)
			continue;
		if (buf && text) {
			pf_map_write_name(text, file->file, buf);
			name = kstrdup(text, GFP_KERNEL);
		}
		__fput_sync(file->file); /* fput() would leave it to another worker, later */
		file->file = NULL;
		file->len = name ? strlen(name) : 0;
		smp_store_release(&file->name, name); /* without memory: a question mark */
	}
	kvfree(buf);
	kvfree(text);
}

static DECLARE_WORK(pf_map_work, pf_map_name_files);

static void pf_map_wake(struct irq_work *work)
{
	queue_work(system_highpri_wq, &pf_map_work);
}

/**
 * pf_map_flush() - wait until all mappings found up to now have names
 *
 * Context: process context, may sleep.
 */
static void pf_map_flush(void)
{
	irq_work_sync(&pf_map.added);
	flush_work(&pf_map_work);
}

/**
 * pf_map_describe() - the name of a fault's mapping
 * @f: the fault
 * @c: @map, @map_len and @offset are set
 */
static inline void pf_map_describe(const struct pf_fault *f, struct pf_context *c)
{
	const struct pf_map *map;
	const struct pf_file *file;

	c->map = NULL;
	c->offset = PF_NO_OFFSET;
	if (likely(!f->map))
		return;
	c->map = "?";
	c->map_len = 1;
	if (f->map == PF_MAP_UNKNOWN)
		return;
	map = &pf_map.maps[f->map];
	file = &pf_map.files[map->file];
	if (smp_load_acquire(&file->name)) {
		c->map = file->name;
		c->map_len = file->len;
	}
	if (map->start != PF_NO_START)
		c->offset = (f->address & PAGE_MASK) - map->start;
}

/* Before the first fault. */
static void pf_map_init(void)
{
	init_irq_work(&pf_map.added, pf_map_wake);
}

/* When nobody adds any more. Sleeps. */
static void pf_map_free(void)
{
	u32 i;

	pf_map_flush();
	for (i = 0; i < pf_map.nr_files; i++)
		if (pf_map.files[i].id.mnt) /* a special mapping's name is not ours */
			kfree(pf_map.files[i].name);
}

#endif /* PF_MAP_H */
