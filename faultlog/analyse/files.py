# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens files that a log names, or that these files name, if that has no side effect.

Whoever made the log chose the names. Opening a watchdog or a FIFO has effects, reading
/proc/kmsg has, and some files have no end.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from functools import cache

# From <linux/magic.h>: file systems whose files are generated when they are opened or read.
MADE_UP = {
    0x9FA0,  # proc
    0x62656572,  # sysfs
    0x64626720,  # debugfs
    0x74726163,  # tracefs
    0x73636673,  # securityfs
    0x62656570,  # configfs
    0x65735543,  # fusectl
    0x27E0EB,  # cgroup
    0x63677270,  # cgroup2
    0x7655821,  # rdtgroup
    0xCAFE4A11,  # bpf
    0x6165676C,  # pstore
    0xDE5E81E4,  # efivarfs
    0xF97CFF8C,  # selinuxfs
    0x43415D53,  # smackfs
    0x5A3C69F0,  # apparmorfs
    0x42494E4D,  # binfmt_misc
    0x6C6F6F70,  # binderfs
    0x1CD1,  # devpts
    0x19800202,  # mqueue
    0x67596969,  # rpc_pipefs
    0x6E667364,  # nfsd
    0x6E736673,  # nsfs
    0x187,  # autofs
}
STATFS_BYTES = 256  # more than struct statfs has anywhere


@cache
def libc() -> ctypes.CDLL:
    """The C library. Each CDLL has classes of its own, which stay: no garbage is collected."""
    return ctypes.CDLL(None, use_errno=True)


def open_stored(path: bytes) -> int:
    """Open a regular file on a real file system for reading; raises OSError for others.

    The type is checked before the file is opened, and exactly that file is opened.
    """
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not _is_stored(place):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(place)


def would_do_something(path: bytes) -> bool:
    """Does the path exist, as something that open_stored() refuses?"""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return False  # other programs cannot open it either
    try:
        return not _is_stored(place)
    finally:
        os.close(place)


def _is_stored(fd: int) -> bool:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return False
    about = ctypes.create_string_buffer(STATFS_BYTES)
    if libc().fstatfs(fd, about):
        raise OSError(ctypes.get_errno(), "fstatfs")
    (kind,) = struct.unpack_from("@L", about)  # 64 bits
    return kind & 0xFFFFFFFF not in MADE_UP
