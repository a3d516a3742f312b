// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kmsg.h"
#include "module.h"
#include "options.h"
#include "owner.h"
#include "path.h"
#include "say.h"
#include "stop.h"

#define MODULES_DIR	"/lib/modules"
#define COMPRESSED_FILE	4	/* MODULE_INIT_COMPRESSED_FILE, since 5.17 */
#define MODULE_SIZE_MAX	(64 << 20)

static const struct {
	const char *suffix, *program;
} formats[] = {
	{ ".ko", NULL },
	{ ".ko.xz", "xz" },
	{ ".ko.zst", "zstd" },
	{ ".ko.gz", "gzip" },
};
#define NR_FORMATS (sizeof(formats) / sizeof(*formats))

/* Reads a small file into `text`, up to its first newline; an empty text if it can't be read. */
static void read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(text, (int)size, file))
		*text = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
}

/* A process that has the module's file open, 0 if none has. */
static pid_t find_reader(const struct module *m)
{
	DIR *proc = opendir("/proc");
	struct dirent *process, *fd;
	pid_t reader = 0;

	while (proc && !reader && (process = readdir(proc))) {
		char path[64], target[64];
		DIR *fds;

		if (*process->d_name < '1' || *process->d_name > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/fd", process->d_name);
		fds = opendir(path);
		while (fds && !reader && (fd = readdir(fds))) {
			ssize_t len = readlinkat(dirfd(fds), fd->d_name, target, sizeof(target) - 1);

			target[len > 0 ? len : 0] = '\0';
			if (!strcmp(target, m->proc))
				reader = atoi(process->d_name);
		}
		if (fds)
			closedir(fds);
	}
	if (proc)
		closedir(proc);
	return reader;
}

static void word_of(const char *line, const char *key, char *word, size_t size)
{
	const char *value = strstr(line, key);

	value = value ? value + strlen(key) : "?";
	snprintf(word, size, "%.*s", (int)strcspn(value, " "), value);
	for (char *c = word; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* Prints the traced process, the reader, and what to do. */
static void report_loaded(const struct module *m)
{
	char head[512], pid[16], comm[72];
	pid_t reader;

	read_line(m->proc, head, sizeof(head));
	if (!*head) {
		say("%s is being loaded or unloaded by another program: try again", m->name);
		return;
	}
	word_of(head, " pid=", pid, sizeof(pid));
	word_of(head, " comm=", comm, sizeof(comm));
	reader = find_reader(m);
	if (reader) {
		say("%s is already loaded, for PID %s (%s), and PID %d is reading it: wait until "
		    "that ends, or use another of -A, -B, -C", m->name, pid, comm, reader);
		return;
	}
	say("%s is already loaded, for PID %s (%s), and nothing is reading it. To save its records: "
	    "sudo %s %c; then: sudo rmmod %s", m->name, pid, comm, program_invocation_name,
	    m->name[strlen(MODULE_PREFIX)], m->name);
}

static bool is_loaded(const struct module *m)
{
	char *path = format("/sys/module/%s", m->name);
	bool loaded = !access(path, F_OK) || !access(m->proc, F_OK);

	free(path);
	return loaded;
}

/* The kernel will run this code. Prints a message if another user can have written it. */
static bool is_safe(const char *path, int fd, const char *what)
{
	if (owner_alone(fd))
		return true;
	say("%s: not loaded: users other than root and you can change %s; see ls -l, chown, chmod go-w",
	    path, what);
	return false;
}

/* Returns 0, 1 if there is no such file, or -1 after a message if it must not be loaded. */
static int try_open(struct module *m, char *path)
{
	char *folder = format("%.*s", (int)(path_base(path) - path), path);
	int dir = path_open_dir(folder), file = -1, ret = 1;
	struct stat st;
	bool by_link;

	m->path = path;
	m->fd = -1;
	if (dir >= 0)
		file = path_look(dir, path_base(path), &by_link);
	if (file < 0 && errno != ENOENT && errno != ENOTDIR) {
		say("%s: %s", path, path_error());
		ret = -1;
	} else if (file >= 0) {
		ret = -1;
		if (fstat(file, &st) || !S_ISREG(st.st_mode)) {
			say("%s: is not a file", path);
		} else if (is_safe(path, dir, "its directory") && is_safe(path, file, "it")) {
			m->fd = path_reopen(file, O_RDONLY | O_CLOEXEC);
			ret = m->fd < 0 ? -1 : 0;
			if (ret)
				say("%s: %s", path, strerror(errno));
		}
	}
	if (file >= 0)
		close(file);
	if (dir >= 0)
		close(dir);
	free(folder);
	if (ret)
		free(path);
	return ret;
}

/* By modules.dep, which has a line `updates/x.ko.xz: OTHER MODULES` for each module. */
static int find_by_depmod(struct module *m, const char *dir)
{
	char *path = format("%s/modules.dep", dir), *line = NULL;
	FILE *file = fopen(path, "re");
	size_t size = 0;
	int ret = 1;

	free(path);
	while (file && ret > 0 && getline(&line, &size, file) > 0) {
		const char *base;

		line[strcspn(line, ":\n")] = '\0';
		base = strrchr(line, '/');
		base = base ? base + 1 : line;
		if (strncmp(base, m->name, strlen(m->name)) ||
		    strncmp(base + strlen(m->name), ".ko", 3))
			continue;
		ret = try_open(m, *line == '/' ? format("%s", line) : format("%s/%s", dir, line));
	}
	free(line);
	if (file)
		fclose(file);
	return ret;
}

/* In the folders of an installation, for the case that depmod has not run since. */
static int find_installed(struct module *m, const char *dir)
{
	static const char *const places[] = { "updates", "updates/dkms", "extra" };
	int ret = 1;

	for (size_t i = 0; ret > 0 && i < sizeof(places) / sizeof(*places); i++)
		for (size_t j = 0; ret > 0 && j < NR_FORMATS; j++)
			ret = try_open(m, format("%s/%s/%s%s", dir, places[i], m->name,
						 formats[j].suffix));
	return ret;
}

static int find_beside_program(struct module *m)
{
	char program[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int ret, fd;

	if (len <= 0)
		return 1;
	program[len] = '\0';
	ret = try_open(m, format("%.*s%s.ko", (int)(path_base(program) - program), program,
				 m->name));
	if (ret)
		return ret;
	fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	ret = fd >= 0 && is_safe(m->path, fd, "this program") ? 0 : -1;
	if (fd >= 0)
		close(fd);
	return ret;
}

int module_find(struct module *m, char letter)
{
	struct utsname kernel;
	char *dir;
	int ret;

	m->name = format(MODULE_PREFIX "%c", letter);
	m->proc = format("/proc/%s", m->name);
	if (is_loaded(m)) {
		report_loaded(m);
		return -1;
	}
	uname(&kernel);
	dir = format(MODULES_DIR "/%s", kernel.release);
	ret = find_beside_program(m);
	ret = ret > 0 ? find_by_depmod(m, dir) : ret;
	ret = ret > 0 ? find_installed(m, dir) : ret;
	if (ret > 0)
		say("no %s.ko for Linux %s beside %s or in %s: run make, or make install",
		    m->name, kernel.release, program_invocation_name, dir);
	free(dir);
	return ret ? -1 : 0;
}

/* Returns the contents, decompressed by a program; the caller frees them. */
static char *unpack(const struct module *m, const char *program, size_t *size)
{
	size_t room = 1 << 20;
	char *image = NULL;
	int fds[2], status;
	ssize_t got = -1;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return NULL;
	pid = fork();
	if (!pid) {
		char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
		char *const args[] = { (char *)program, "-dc", NULL };

		restore_signals();
		dup2(m->fd, STDIN_FILENO);
		dup2(fds[1], STDOUT_FILENO);
		environ = env;		/* execvp() uses this PATH */
		execvp(program, args);
		_exit(127);
	}
	close(fds[1]);
	*size = 0;
	while (pid > 0 && room <= MODULE_SIZE_MAX) {
		if (!image || *size == room)
			image = need(realloc(image, room *= 2));
		got = read(fds[0], image + *size, room - *size);
		if (got > 0)
			*size += (size_t)got;
		else if (got == 0 || errno != EINTR)
			break;
	}
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && !got && *size && WIFEXITED(status) && !WEXITSTATUS(status))
		return image;
	free(image);
	return NULL;
}

/* Returns 0, an errno, or -1 after a message. */
static int load_file(const struct module *m, const char *params)
{
	const char *program = NULL;
	char *image;
	size_t size;
	int err;

	for (size_t i = 1; i < NR_FORMATS; i++) {
		size_t len = strlen(m->path), suffix_len = strlen(formats[i].suffix);

		if (len > suffix_len && !strcmp(m->path + len - suffix_len, formats[i].suffix))
			program = formats[i].program;
	}
	if (!syscall(SYS_finit_module, m->fd, params, program ? COMPRESSED_FILE : 0))
		return 0;
	err = errno;
	/* The errors of a kernel that cannot decompress, or not this format. */
	if (!program || (err != EINVAL && err != EOPNOTSUPP && err != ENOEXEC))
		return err;
	lseek(m->fd, 0, SEEK_SET);
	image = unpack(m, program, &size);
	if (!image) {
		say("%s: %s cannot decompress it", m->path, program);
		return -1;
	}
	err = syscall(SYS_init_module, image, size, params) ? errno : 0;
	free(image);
	return err;
}

static void explain_error(const struct module *m, int err)
{
	char text[80];

	say("%s: %s", m->path, strerror(err));
	switch (err) {
	case EEXIST:
		report_loaded(m);
		break;
	case EPERM:
		read_line("/proc/sys/kernel/modules_disabled", text, sizeof(text));
		if (*text == '1') {
			say("no module can be loaded until the next boot: "
			    "/proc/sys/kernel/modules_disabled is 1");
			break;
		}
		read_line("/sys/kernel/security/lockdown", text, sizeof(text));
		if (strstr(text, "[integrity]") || strstr(text, "[confidentiality]"))
			say("the kernel is locked down, usually because of Secure Boot: sign the "
			    "module with a key enrolled by mokutil, or turn Secure Boot off");
		else
			say("loading a module needs CAP_SYS_MODULE, which containers do not have");
		break;
	case EKEYREJECTED:
	case ENOKEY:
	case EBADMSG:
		say("the kernel accepts only signed modules, usually because of Secure Boot: sign "
		    "it with a key enrolled by mokutil, or turn Secure Boot off");
		break;
	case ENOEXEC:
		say("it was not built for this kernel: make clean, then make");
		break;
	case ENOENT:
		say("the kernel lacks an option that the module needs: CONFIG_KPROBES, "
		    "CONFIG_KRETPROBES or CONFIG_TRACEPOINTS");
		break;
	case ENOSYS:
		say("this kernel does not support loadable modules");
		break;
	case EOPNOTSUPP:
		say("the kernel does not allow kprobes: is CONFIG_KPROBES set, and "
		    "/sys/kernel/debug/kprobes/enabled 1?");
		break;
	}
}

/* The kernel loads a module even if it has no such parameter. */
static bool has_param(const struct module *m, const char *param)
{
	char *path = format("/sys/module/%s/parameters/%.*s", m->name, (int)strcspn(param, "="),
			    param);
	bool has = !access(path, F_OK);

	if (!has)
		say("%s has no parameter %.*s", m->name, (int)strcspn(param, "="), param);
	free(path);
	return has;
}

/* The parameters as the kernel takes them, without @left_out. The caller frees the text. */
static char *join(pid_t pid, char *const *params, const char *left_out)
{
	char *text = format("process_id=%d", pid);

	for (; *params; params++) {
		char *longer;

		if (*params == left_out)
			continue;
		longer = format("%s %s", text, *params);
		free(text);
		text = longer;
	}
	return text;
}

/* Returns 0, an errno, or -1 after a message. Then @lines has what the module has printed. */
static int try_load(const struct module *m, pid_t pid, const char *params, char **lines)
{
	char *prefix = format("%s: ", m->name), *mark;
	size_t size;
	FILE *to;
	int err;

	mark = format("loading %s for PID %d", m->name, pid);
	kmsg_mark(mark);
	free(mark);
	debug("loading %s with %s", m->path, params);
	err = load_file(m, params);
	to = need(open_memstream(lines, &size));
	if (err)
		kmsg_show(to, prefix);
	fclose(to);
	free(prefix);
	return err;
}

/* Does the module say `NAME=VALUE: cannot ...`? */
static bool refuses(const struct module *m, const char *lines, const char *param)
{
	char *text = format("%s: %s: cannot ", m->name, param);
	bool found = strstr(lines, text);

	free(text);
	return found;
}

int module_load(const struct module *m, pid_t pid, char *const *params, const char *optional)
{
	char *text = join(pid, params, NULL), *lines;
	int err = try_load(m, pid, text, &lines);
	const char *left_out = NULL;

	if (err > 0 && optional && refuses(m, lines, optional)) {
		say("%s is not possible with this kernel, and is left out", optional);
		left_out = optional;
		free(text);
		free(lines);
		text = join(pid, params, left_out);
		err = try_load(m, pid, text, &lines);
	}
	if (err > 0) {
		explain_error(m, err);
		fputs(lines, stderr);
	}
	free(text);
	free(lines);
	if (err)
		return -1;
	for (; *params; params++) {
		if (*params != left_out && !has_param(m, *params)) {
			module_unload(m);
			return -1;
		}
	}
	return 0;
}

int module_unload(const struct module *m)
{
	char *mark = format("unloading %s", m->name);

	kmsg_mark(mark);
	free(mark);
	if (!syscall(SYS_delete_module, m->name, O_NONBLOCK))
		return 0;
	say("%s cannot be unloaded: %s; to try again: sudo rmmod %s", m->name, strerror(errno),
	    m->name);
	return -1;
}
