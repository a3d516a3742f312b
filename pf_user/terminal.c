// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "terminal.h"

/* The numbers of ioctl(). Headers have only those of their own architecture. */
#define IOCTL_X86_64	16
#define IOCTL_X32	514	/* some kernels take both numbers, with and without the bit */
#define IOCTL_32	54	/* i386 and arm */
#define IOCTL_GENERIC	29	/* arm64 and all newer ones */
#define X32_BIT		0x40000000

#define LOAD(field)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* Skips `yes` or `no` statements. */
#define SKIP_IF(value, yes, no)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

/* The kernel uses only the lower half of an ioctl()'s command. All of these are little-endian. */
static struct sock_filter statements[] = {
	LOAD(arch),
	SKIP_IF(AUDIT_ARCH_X86_64, 0, 4),
	LOAD(nr),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32_BIT),
	SKIP_IF(IOCTL_X32, 7, 0),
	SKIP_IF(IOCTL_X86_64, 6, 9),
	SKIP_IF(AUDIT_ARCH_I386, 1, 0),
	SKIP_IF(AUDIT_ARCH_ARM, 0, 2),
	LOAD(nr),
	SKIP_IF(IOCTL_32, 2, 5),
	LOAD(nr),
	SKIP_IF(IOCTL_GENERIC, 0, 3),
	LOAD(args[1]),
	SKIP_IF(TIOCSTI, 2, 0),
	SKIP_IF(TIOCLINUX, 1, 0),	/* pastes the selection on a console */
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

int terminal_protect(void)
{
	struct sock_fprog program = {
		.len = sizeof(statements) / sizeof(*statements),
		.filter = statements,
	};
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENXIO)
		return 0;
	if (fd >= 0)
		close(fd);
	/* Without the flag, speculation would be restricted, and the program slower. */
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		       &program) ? -1 : 0;
}
