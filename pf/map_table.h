/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables of files and mappings. They grow by parts of the same size, which a worker allocates
 * when half a part is left: never in the fault path. A number stays valid, and nothing moves.
 *
 * Readers take no lock. A mapping is found by a hash of its own part; the newest part, which most
 * faults need, is tried first.
 */
#ifndef PF_MAP_TABLE_H
#define PF_MAP_TABLE_H

#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/kprobes.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "file_facts.h"
#include "lock.h"

/* Files and mappings in a part, and parts at most. */
#define PF_FILES_BITS 12
#define PF_MAPS_BITS 14
#define PF_NR_FILES BIT(PF_FILES_BITS)
#define PF_NR_MAPS BIT(PF_MAPS_BITS)
#define PF_MAP_HASH_BITS (PF_MAPS_BITS + 1) /* at most half full */
#define NR_PF_MAP_PARTS 16UL

/* So many records per part after the first: a small list gets small tables. */
#define PF_FAULTS_OF_PART 65536UL

/* Room for at least so many files: a fault that is retried and never recorded takes room, too. */
#define PF_NR_FILES_MIN 256UL

/* The start of an entry for the file itself, without an offset. No mapping starts at 1. */
#define PF_NO_START 1

/* Identifies a file. For a special mapping @dentry is its name, and the rest is 0. */
struct pf_file_id {
	const void *dentry;
	const void *mnt;
	unsigned long ino;
	u32 generation;
};

/**
 * struct pf_file - a mapped file, or a special mapping
 * @id: identifies it
 * @nr: its number
 * @len: length of @name in bytes
 * @path_len: length of @path in bytes
 * @path: path within the mount, not escaped; valid until the worker has set @name
 * @mnt: the mount, with a reference that the worker drops; NULL if @path is the whole path
 * @name: the escaped path; NULL until the worker has set it, or if there was no memory for it
 * @facts: see area.h
 */
struct pf_file {
	struct pf_file_id id;
	u32 nr;
	u32 len;
	u32 path_len;
	const char *path;
	struct vfsmount *mnt;
	const char *name;
	struct pf_file_facts facts;
};

/* @start: the address at which the file's first byte is or would be mapped, modulo 2^64. */
struct pf_map {
	u64 start;
	struct pf_file *file;
};

/* In one allocation, so that a fault in a file loads one pointer. */
struct pf_map_part {
	struct pf_map_part *older;
	u32 hash[1 << PF_MAP_HASH_BITS]; /* numbers of mappings, 0 if empty */
	struct pf_map maps[PF_NR_MAPS]; /* by number, modulo their number */
};

/* The newest part that has a mapping, or the first one. */
static struct pf_map_part *pf_map_newest __read_mostly;

static struct {
	raw_spinlock_t lock; /* held to add files and mappings */
	u32 nr_files;
	u32 nr_maps; /* number 0 means no mapping and is not used */
	u32 nr_files_max; /* in all parts that there are */
	u32 nr_maps_max;
	u32 nr_parts; /* of mappings; likewise of files */
	u32 nr_parts_max;
	struct pf_map_part *parts[NR_PF_MAP_PARTS];
	struct pf_file *files[NR_PF_MAP_PARTS];
} pf_map_table = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_map_table.lock),
};

static __always_inline struct pf_map *pf_map_at(u32 nr)
{
	return &READ_ONCE(pf_map_table.parts[nr >> PF_MAPS_BITS])->maps[nr % PF_NR_MAPS];
}

static __always_inline struct pf_file *pf_file_at(u32 nr)
{
	return &READ_ONCE(pf_map_table.files[nr >> PF_FILES_BITS])[nr % PF_NR_FILES];
}

/* The ID of a file, or if @file is NULL, of the special mapping with this @name. */
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

/* The number of a mapping, or 0 if it is not in this part. */
static __always_inline u32 pf_map_find_in(const struct pf_map_part *part, struct pf_file_id id,
					  u64 start)
{
	u32 slot = pf_map_hash(id, start), nr;

	while ((nr = smp_load_acquire(&part->hash[slot]))) {
		const struct pf_map *map = &part->maps[nr % PF_NR_MAPS];
		const struct pf_file_id *known = &map->file->id;

		if (map->start == start && known->dentry == id.dentry && known->ino == id.ino &&
		    known->generation == id.generation && known->mnt == id.mnt)
			return nr;
		slot = (slot + 1) % BIT(PF_MAP_HASH_BITS);
	}
	return 0;
}

/* The number of a mapping in any part, or 0. */
static noinline notrace u32 pf_map_find(struct pf_file_id id, u64 start)
{
	const struct pf_map_part *part;
	u32 nr = 0;

	for (part = smp_load_acquire(&pf_map_newest); part && !nr; part = part->older)
		nr = pf_map_find_in(part, id, start);
	return nr;
}
NOKPROBE_SYMBOL(pf_map_find);

/* Adds a mapping, for which there is room. Returns its number. */
static u32 pf_map_insert(struct pf_file_id id, u64 start, struct pf_file *file)
{
	u32 slot = pf_map_hash(id, start), nr = pf_map_table.nr_maps + 1;
	struct pf_map_part *part = pf_map_table.parts[nr >> PF_MAPS_BITS];

	lockdep_assert_held(&pf_map_table.lock);

	part->maps[nr % PF_NR_MAPS] = (struct pf_map){ .start = start, .file = file };
	while (part->hash[slot])
		slot = (slot + 1) % BIT(PF_MAP_HASH_BITS);
	smp_store_release(&part->hash[slot], nr);
	if (part != pf_map_newest) {
		part->older = pf_map_newest;
		smp_store_release(&pf_map_newest, part);
	}
	WRITE_ONCE(pf_map_table.nr_maps, nr);
	return nr;
}
NOKPROBE_SYMBOL(pf_map_insert);

/* Room for mappings. One entry is reserved for each file that may still be added. */
static u32 pf_map_room(void)
{
	return READ_ONCE(pf_map_table.nr_maps_max) - READ_ONCE(pf_map_table.nr_maps) - 1 -
	       (READ_ONCE(pf_map_table.nr_files_max) - READ_ONCE(pf_map_table.nr_files));
}
NOKPROBE_SYMBOL(pf_map_room);

/* Is it time for another part? */
static bool pf_map_wants_part(void)
{
	return READ_ONCE(pf_map_table.nr_parts) < pf_map_table.nr_parts_max &&
	       (pf_map_room() < PF_NR_MAPS / 2 ||
		READ_ONCE(pf_map_table.nr_files) + PF_NR_FILES / 2 >
			READ_ONCE(pf_map_table.nr_files_max));
}
NOKPROBE_SYMBOL(pf_map_wants_part);

/*
 * Adds a part of @nr_files files and PF_NR_MAPS mappings. Only the worker calls this, and
 * pf_map_table_init(). GFP_NOIO: must not wait for a file system to write.
 */
static int pf_map_add_part(u32 nr_files)
{
	u32 nr = pf_map_table.nr_parts;
	struct pf_map_part *part;
	struct pf_file *files;
	unsigned int noio = memalloc_noio_save();
	unsigned long flags;

	/* Not kvzalloc(), which rounds up to a power of two. */
	part = vzalloc(sizeof(*part));
	files = vzalloc(array_size(nr_files, sizeof(*files)));
	memalloc_noio_restore(noio);
	if (!part || !files) {
		vfree(part);
		vfree(files);
		return -ENOMEM;
	}
	local_irq_save(flags);
	pf_lock(&pf_map_table.lock);
	WRITE_ONCE(pf_map_table.parts[nr], part);
	WRITE_ONCE(pf_map_table.files[nr], files);
	WRITE_ONCE(pf_map_table.nr_parts, nr + 1);
	WRITE_ONCE(pf_map_table.nr_files_max, pf_map_table.nr_files_max + nr_files);
	WRITE_ONCE(pf_map_table.nr_maps_max, pf_map_table.nr_maps_max + PF_NR_MAPS);
	raw_spin_unlock(&pf_map_table.lock);
	local_irq_restore(flags);
	return 0;
}

/**
 * pf_map_table_free() - free all parts
 *
 * Context: process context, may sleep; nothing uses the tables any more.
 */
static void pf_map_table_free(void)
{
	u32 i;

	for (i = 0; i < pf_map_table.nr_parts; i++) {
		vfree(pf_map_table.parts[i]);
		vfree(pf_map_table.files[i]);
	}
	pf_map_table.nr_parts = 0;
}

/**
 * pf_map_table_init() - allocate the first part
 * @nr_faults: maximum number of records, which limits the number of files and of parts
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM
 */
static int pf_map_table_init(unsigned long nr_faults)
{
	int ret = pf_map_add_part(clamp(nr_faults, PF_NR_FILES_MIN, PF_NR_FILES));

	pf_map_table.nr_parts_max = clamp(nr_faults / PF_FAULTS_OF_PART, 1UL, NR_PF_MAP_PARTS);
	if (!ret)
		pf_map_newest = pf_map_table.parts[0];
	return ret;
}

#endif /* PF_MAP_TABLE_H */
