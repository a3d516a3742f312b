/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of a mapped file besides its name.
 */
#ifndef PF_FILE_FACTS_H
#define PF_FILE_FACTS_H

#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/time64.h>
#include <linux/types.h>

#include "build_id.h"
#include "compat.h"

/**
 * struct pf_file_facts - what is known of a file when its first area is recorded
 * @is_set: whether the rest is valid
 * @id_len: length of @id in bytes, 0 if it is not known
 * @id: the build-id
 * @dev: the device and
 * @ino: the inode number, as in /proc/PID/maps
 * @size: in bytes
 * @mtime: when its contents were last changed
 */
struct pf_file_facts {
	bool is_set;
	u8 id_len;
	u8 id[PF_BUILD_ID_MAX];
	dev_t dev;
	u64 ino;
	u64 size;
	struct timespec64 mtime;
};

/**
 * pf_file_facts_read() - read the facts of a mapped file
 * @file: the file
 * @facts: receives them
 *
 * Context: any.
 */
static void pf_file_facts_read(struct file *file, struct pf_file_facts *facts)
{
	const struct inode *inode = pf_file_inode(file);

	facts->is_set = true;
	facts->id_len = pf_build_id_read(file, facts->id);
	facts->dev = inode->i_sb->s_dev;
	facts->ino = inode->i_ino;
	facts->size = READ_ONCE(inode->i_size);
	facts->mtime = pf_inode_mtime(inode);
}
NOKPROBE_SYMBOL(pf_file_facts_read);

#endif /* PF_FILE_FACTS_H */
