/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The path of a mapped file, told where nothing may sleep, wait for a lock or keep a file open.
 *
 * Within its mount a file's path is in the names of its dentries, which can be read without a lock
 * (it is what printk's %pD does). Where the mount is can be found out later, with a reference to
 * that alone.
 */
#ifndef PF_PATH_H
#define PF_PATH_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/mount.h>
#include <linux/path.h>
#include <linux/rcupdate.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "compat.h"

#define PF_PATH_DELETED " (deleted)"

/* A rename under way would mix names of before and after: how often to look again. */
#define PF_PATH_TRIES 4

/* Writes @len bytes before @p, or the end of them that there is room for since @start. */
static char *pf_path_put(char *start, char *p, const char *text, size_t len)
{
	size_t room = p - start, skip = len > room ? len - room : 0;

	p -= len - skip;
	/* A name and its length may not belong together, while it is changed. */
	if (copy_from_kernel_nofault(p, text + skip, len - skip))
		memset(p, '?', len - skip);
	return p;
}
NOKPROBE_SYMBOL(pf_path_put);

static char *pf_path_put_name(char *start, char *p, const struct dentry *dentry)
{
	size_t len = READ_ONCE(dentry->d_name.len);

	return pf_path_put(start, p, smp_load_acquire(&dentry->d_name.name), len);
}
NOKPROBE_SYMBOL(pf_path_put_name);

/*
 * Files that can't be looked up in a file system name themselves, by a function of theirs, which
 * may take locks. So this says much the same: of anonymous inodes, of sockets, and of all that is
 * memory (memfd, System V, private hugetlb).
 */
static char *pf_path_put_pseudo(char *start, char *p, const struct dentry *dentry)
{
	const struct super_block *sb = dentry->d_sb;
	const char *before = "/";

	if (!strcmp(sb->s_type->name, "anon_inodefs"))
		before = "anon_inode:";
	else if (S_ISSOCK(d_inode(dentry)->i_mode))
		before = "socket:";
	else
		p = pf_path_put(start, p, PF_PATH_DELETED, strlen(PF_PATH_DELETED));
	p = pf_path_put_name(start, p, dentry);
	return pf_path_put(start, p, before, strlen(before));
}
NOKPROBE_SYMBOL(pf_path_put_pseudo);

static char *pf_path_put_names(char *start, char *p, const struct path *path)
{
	const struct dentry *dentry = path->dentry, *parent;

	if (dentry != path->mnt->mnt_root && d_unlinked(dentry))
		p = pf_path_put(start, p, PF_PATH_DELETED, strlen(PF_PATH_DELETED));
	for (; dentry != path->mnt->mnt_root && p > start; dentry = parent) {
		parent = READ_ONCE(dentry->d_parent);
		if (parent == dentry)
			break;
		p = pf_path_put_name(start, p, dentry);
		p = pf_path_put(start, p, "/", 1);
	}
	return p;
}
NOKPROBE_SYMBOL(pf_path_put_names);

/* Has it a place in a mount, so that the mount's path stands before its own? */
static bool pf_path_has_mount(const struct path *path)
{
	return !path->dentry->d_op || !path->dentry->d_op->d_dname ||
	       path->dentry == path->mnt->mnt_root;
}
NOKPROBE_SYMBOL(pf_path_has_mount);

/**
 * pf_path_write() - a file's path within its mount, as d_path() would tell it, not escaped
 * @start: where there is room, at least 1 byte ...
 * @end: ... up to here
 * @path: the file's
 *
 * Names may be torn if they are changed over and over meanwhile; they are never read beyond.
 *
 * Context: any; preemption off, and @path held by somebody.
 * Return: where the path begins, which ends at @end; @start if only the end of it had room
 */
static notrace char *pf_path_write(char *start, char *end, const struct path *path)
{
	int tries = PF_PATH_TRIES;
	unsigned int seq;
	char *p;

	if (!pf_path_has_mount(path))
		return pf_path_put_pseudo(start, end, path->dentry);
	do {
		/* Not read_seqbegin(), which waits for who renames: on RT by sleeping. */
		seq = READ_ONCE(rename_lock.seqcount.seqcount.sequence);
		smp_rmb();
		p = pf_path_put_names(start, end, path);
		smp_rmb();
	} while (((seq & 1) || READ_ONCE(rename_lock.seqcount.seqcount.sequence) != seq) &&
		 --tries);
	return p;
}
NOKPROBE_SYMBOL(pf_path_write);

/**
 * pf_path_of_mount() - where a mount is, as the kernel's own processes see it
 * @mnt: the mount
 * @buf: of PATH_MAX bytes
 *
 * Context: process context; takes the spinlocks of mounts and renames.
 * Return: the path in @buf, "" for the root, NULL if it is too long
 */
static const char *pf_path_of_mount(struct vfsmount *mnt, char *buf)
{
	struct path root = { .mnt = mnt, .dentry = mnt->mnt_root };
	const char *path = d_path(&root, buf, PATH_MAX);

	if (IS_ERR(path))
		return NULL;
	return strcmp(path, "/") ? path : "";
}

#endif /* PF_PATH_H */
