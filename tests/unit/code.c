// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A process for test_user_top_function.sh. Prints a name and the address of an instruction, one
 * pair a line, and waits for the end of its input. With names of files it maps each as code.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef INSIDE
#define INSIDE	1	/* behind a function's first byte */
#endif

__attribute__((noinline)) int exported_function(int n)
{
	return n * 7 + (int)getpid();
}

static __attribute__((noinline)) int hidden_function(int n)
{
	return n * 5 + (int)getppid();
}

/* Without a size, and without a symbol that ends it. */
__asm__(".text\n.globl without_size\n.type without_size, %function\nwithout_size:\n.skip 16\n");
extern char without_size[];

static void *map(const char *name)
{
	int fd = name ? open(name, O_RDONLY) : -1;
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
			name ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);

	if (at == MAP_FAILED)
		exit(1);
	close(fd);
	return at;
}

int main(int argc, char **argv)
{
	static char data[64];
	int n = exported_function(argc) + hidden_function(argc);

	printf("exported %p\n", (void *)((char *)exported_function + INSIDE));
	printf("hidden %p\n", (void *)((char *)hidden_function + INSIDE));
	printf("without_size %p\n", (void *)(without_size + INSIDE));
	printf("data %p\n", (void *)&data[n & 1]);
	printf("jit %p\n", map(NULL));
	printf("vdso %#lx\n", getauxval(AT_SYSINFO_EHDR) + 0x800);
	for (int i = 1; i < argc; i++)
		printf("%s %p\n", argv[i], (void *)((char *)map(argv[i]) + INSIDE));
	fflush(stdout);
	return getchar() == 'x';
}
