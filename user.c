// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * user - the options of the reader, which traces a command or a process, or drains
 * /proc/pf_probe_X into a log. The rest is in pf_user/.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pf_user/choice.h"
#include "pf_user/command.h"
#include "pf_user/drain.h"
#include "pf_user/owner.h"
#include "pf_user/path.h"
#include "pf_user/report.h"
#include "pf_user/say.h"
#include "pf_user/stop.h"
#include "pf_user/trace.h"

#ifndef PF_VERSION
#define PF_VERSION "dev"
#endif
#ifndef USER_SLEEP
#define USER_SLEEP 0
#endif
#ifndef USER_DEBUG
#define USER_DEBUG 0
#endif

#define LOAD_IT		"to trace a command: sudo %s -%s -- COMMAND"
#define SLEEP_MS_MAX	3600000
#define DURATION_S_MAX	31536000
#define RUNS_MAX	1000
#define KEEP_MAX	1000000
#define PID_MAX		4194304

#define TEXT_OF(value)	#value
#define AS_TEXT(macro)	TEXT_OF(macro)

struct options opt = {
	.sleep_ms = USER_SLEEP,
	.debug = USER_DEBUG,
};

static struct stream *streams;

/* Returns the exit status for this stream. */
static int end_stream(struct stream *s)
{
	bool stopped = s->state == READING;
	int failed;
	FILE *to;

	if (stopped) {
		say("%s: stopped (%s): %s", s->path, strsignal(stop_signal),
		    s->between ? "the log ends after a complete read" :
		    s->log.size ? "the log ends after the last complete line" :
		    "nothing was read, so there is no log");
		if (!s->log.size) {
			log_discard(&s->log);
			return 128 + stop_signal;
		}
	}
	if (stream_finish(s))
		return 1;
	to = open_to_write_all(s->log.fd == STDOUT_FILENO ? STDERR_FILENO : STDOUT_FILENO);
	failed = report(s, to);
	fclose(to);
	if (failed || s->cut)
		return 1;
	return stopped ? 128 + stop_signal : 0;
}

/* Is the word A, B, C, pf_probe_A ..., or a path that may be one of a module? */
static bool names_module(const char *word)
{
	const char *letter = word;
	struct stat status;

	if (strchr(word, '/'))	/* a program is no stream of faults */
		return stat(word, &status) || !S_ISREG(status.st_mode) || !(status.st_mode & 0111);
	if (!strncmp(word, MODULE_PREFIX, strlen(MODULE_PREFIX)))
		letter += strlen(MODULE_PREFIX);
	return strlen(letter) == 1 && strchr(MODULE_LETTERS, *letter);
}

static void require_module(const char *word)
{
	if (names_module(word))
		return;
	say("no such module: %s (%s); a command goes after --, for example: %s -- gcc -c x.c", word,
	    strchr(word, '/') ? "it is a program" : "A, B, C or a path with a slash",
	    program_invocation_short_name);
	exit(argp_err_exit_status);	/* no log exists yet */
}

/* Returns 0, or -1 after a message. */
static int open_module(struct stream *s, const char *module)
{
	const char *letter = module;
	bool is_path = strchr(module, '/');

	require_module(module);
	if (!strncmp(module, MODULE_PREFIX, strlen(MODULE_PREFIX)))
		letter += strlen(MODULE_PREFIX);
	if (!stream_open(s, is_path ? format("%s", module) :
			    format("/proc/" MODULE_PREFIX "%s", letter)))
		return 0;
	if (errno == ENOENT && !is_path)
		say("%s is not loaded; " LOAD_IT, strrchr(s->path, '/') + 1,
		    program_invocation_name, letter);
	else
		say("%s: %s%s", s->path, path_error(),
		    (errno == EACCES || errno == EPERM) && geteuid() ? ": run it with sudo" : "");
	return -1;
}

/* Opens all streams and logs, or none: after an error no new file is left. */
static int open_all(void)
{
	size_t i, j;

	for (i = 0; i < opt.nr_modules; i++)
		if (open_module(&streams[i], opt.modules[i]))
			return -1;

	for (i = 0; !opt.output && i < opt.nr_modules; i++) {
		for (j = 0; j < i; j++) {
			const char *name = strrchr(streams[i].path, '/') + 1;

			if (strcmp(name, strrchr(streams[j].path, '/') + 1))
				continue;
			say("two modules would write " OUT_DIR "/%s.log", name);
			return -1;
		}
	}

	for (i = 0; i < opt.nr_modules; i++) {
		if (log_open(&streams[i].log, opt.output, streams[i].path)) {
			for (j = 0; j < i; j++)
				log_discard(&streams[j].log);
			return -1;
		}
		if (opt.follow && streams[i].log.part_name)
			say("the log grows in %s", streams[i].log.part_name);
	}
	return 0;
}

/*
 * If a standard stream is closed, the next file that is opened gets its number, and messages would
 * be written to that file. So the number is taken here. For a command it is closed again. Returns
 * -1 after a message if there is no /dev/null, as in a chroot.
 */
static int hold_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC) < 0) {
			say("a standard stream is closed, and /dev/null: %s", strerror(errno));
			return -1;
		}
	}
	return 0;
}

const char *argp_program_version = "pf_probe " PF_VERSION;

enum { KEY_DURATION = 256, KEY_ROOT, KEY_FAST, KEY_COLD, KEY_REPEAT, KEY_KEEP };

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "To trace a command or a process:", 1 },
	{ NULL, 'A', NULL, 0, "Load pf_probe_A, which prints each fault to the kernel log", 1 },
	{ NULL, 'B', NULL, 0, "Load pf_probe_B, which draws a plot in the kernel log at the end "
	  "(default)", 1 },
	{ NULL, 'C', NULL, 0, "Load pf_probe_C, which draws a plot for each kind of memory", 1 },
	{ "pid", 'p', "PID", 0, "Trace a running process until it exits or you press Ctrl-C", 1 },
	{ "duration", KEY_DURATION, "SECONDS", 0, "Stop tracing after this many seconds; a command then "
	  "continues untraced", 1 },
	{ "root", KEY_ROOT, NULL, 0, "Run the command as root, not as the user who ran sudo", 1 },
	{ "fast", KEY_FAST, NULL, 0, "Record no latencies, no results and no other processes: "
	  "do not set outcome=1 children=1", 1 },
	{ "cold", KEY_COLD, NULL, 0, "Empty the page cache before each run of the command", 1 },
	{ "repeat", KEY_REPEAT, "N", 0, "Run the command N times, each with a log of its own", 1 },
	{ NULL, 0, NULL, 0, "To drain a module that is already loaded:", 2 },
	{ "follow", 'f', NULL, 0, "Continue with new faults until the traced process exits or "
	  "you press Ctrl-C", 2 },
	{ NULL, 0, NULL, 0, "For both:", 3 },
	{ "top", 't', "TABLE", OPTION_ARG_OPTIONAL, "Show the faults once a second, on a terminal with "
	  "keys (h lists them), at first by TABLE: region, mapping, thread, process, program, function "
	  "or all (default); when draining, continue as with --follow", 3 },
	{ "output", 'o', "FILE", 0, "Write to FILE instead of " OUT_DIR
	  "/COMMAND-PID.pf_probe_X.log; - is standard output", 3 },
	{ "keep", KEY_KEEP, "N", 0, "Remove the oldest logs in " OUT_DIR ", so that N are left "
	  "(default: keep all)", 3 },
	{ "sleep", 's', "MS", 0, "Sleep MS milliseconds between reads (default "
	  AS_TEXT(USER_SLEEP) ")", 3 },
	{ "debug", 'd', NULL, 0, "Print what is opened, loaded, read and drained", 3 },
	{ 0 }
};

/* Returns a decimal number from 0 to `max`, or -1 if the text is not one. */
static long parse_number(const char *text, size_t len, long max)
{
	long number = 0;

	if (!len)
		return -1;
	for (; len; len--, text++) {
		if (*text < '0' || *text > '9')
			return -1;
		number = number * 10 + *text - '0';
		if (number > max)
			return -1;
	}
	return number;
}

/* Returns seconds with up to three decimals in milliseconds, or 0 if the text is not that. */
static unsigned long long parse_seconds(const char *text)
{
	size_t whole = strcspn(text, "."), nr_decimals = text[whole] ? strlen(text + whole + 1) : 0;
	long seconds = parse_number(text, whole, DURATION_S_MAX), ms = 0;

	if (text[whole] && (!nr_decimals || nr_decimals > 3))
		return 0;
	if (nr_decimals)
		ms = parse_number(text + whole + 1, nr_decimals, 999);
	if (seconds < 0 || ms < 0)
		return 0;
	for (; nr_decimals && nr_decimals < 3; nr_decimals++)
		ms *= 10;
	return (unsigned long long)(seconds * 1000 + ms);
}

/* Refuses words that are no parameter, and those that the kernel would split into several. */
static void check_param(struct argp_state *state, const char *param)
{
	size_t len = strspn(param, "abcdefghijklmnopqrstuvwxyz_");

	if (opt.top && choice_grouping(param) != GROUPINGS)
		argp_error(state, "'%s' is no parameter; for that table write --top=%s", param, param);
	if (!len || param[len] != '=')
		argp_error(state, "'%s' is not of the form NAME=VALUE; a command goes after --", param);
	if (strpbrk(param, " \t\n\"'"))
		argp_error(state, "'%s': a parameter cannot contain spaces or quotes", param);
	if (!strncmp(param, "process_id=", len + 1))
		argp_error(state, "process_id= is set by %s: use --pid",
			   program_invocation_short_name);
}

static void check_options(struct argp_state *state)
{
	bool traces = opt.command || opt.pid;
	static char *none[] = { NULL };

	if (opt.command && opt.pid)
		argp_error(state, "give either --pid or a command, not both");
	if (!traces && (opt.letter || opt.duration_ms || opt.fast))
		argp_error(state, "-A, -B, -C, --duration and --fast need --pid or -- COMMAND");
	if (!opt.command && (opt.stay_root || opt.cold || opt.repeat))
		argp_error(state, "%s needs -- COMMAND", opt.stay_root ? "--root" :
			   opt.cold ? "--cold" : "--repeat");
	if (opt.output && (opt.keep || opt.repeat))
		argp_error(state, "--keep and --repeat are for logs in " OUT_DIR ": leave out --output");
	if (opt.repeat && opt.top)
		argp_error(state, "give either --repeat or --top, not both");
	if (opt.keep && opt.keep < opt.repeat)
		argp_error(state, "--keep %zu would remove logs of this --repeat %u", opt.keep,
			   opt.repeat);
	if (!traces)
		return;
	opt.follow = true;
	opt.letter = opt.letter ? opt.letter : 'B';
	opt.params = opt.nr_modules ? opt.modules : none;
	for (size_t i = 0; i < opt.nr_modules; i++)
		check_param(state, opt.params[i]);
	opt.nr_modules = 0;
}

static long parse_count(struct argp_state *state, const char *option, const char *arg, long max)
{
	long number = parse_number(arg, strlen(arg), max);

	if (number <= 0)
		argp_error(state, "%s takes a number, 1 to %ld, not '%s'", option, max, arg);
	return number;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	long number;

	switch (key) {
	case 'A':
	case 'B':
	case 'C':
		if (opt.letter && opt.letter != key)
			argp_error(state, "give either -%c or -%c, not both", opt.letter, key);
		opt.letter = (char)key;
		return 0;
	case 'p':
		opt.pid = (int)parse_number(arg, strlen(arg), PID_MAX);
		if (opt.pid <= 0)
			argp_error(state, "--pid takes the number of a process, not '%s'", arg);
		return 0;
	case KEY_DURATION:
		opt.duration_ms = parse_seconds(arg);
		if (!opt.duration_ms)
			argp_error(state, "--duration takes seconds, 0.001 to %d, not '%s'",
				   DURATION_S_MAX, arg);
		return 0;
	case KEY_ROOT:
		opt.stay_root = true;
		return 0;
	case KEY_FAST:
		opt.fast = true;
		return 0;
	case KEY_COLD:
		opt.cold = true;
		return 0;
	case KEY_REPEAT:
		opt.repeat = (unsigned int)parse_count(state, "--repeat", arg, RUNS_MAX);
		return 0;
	case KEY_KEEP:
		opt.keep = (size_t)parse_count(state, "--keep", arg, KEEP_MAX);
		return 0;
	case 'o':
		opt.output = arg;
		return 0;
	case 'f':
		opt.follow = true;
		return 0;
	case 't':
		opt.top = opt.follow = true;
		opt.top_by = arg ? choice_grouping(arg) : BY_ALL;
		if (opt.top_by == GROUPINGS)
			argp_error(state, "--top takes region, mapping, thread, process, program, "
				   "function or all, not '%s'", arg);
		return 0;
	case 's':
		number = parse_number(arg, strlen(arg), SLEEP_MS_MAX);
		if (number < 0)
			argp_error(state, "--sleep takes milliseconds, 0 to %d, not '%s'",
				   SLEEP_MS_MAX, arg);
		opt.sleep_ms = (unsigned int)number;
		return 0;
	case 'd':
		opt.debug = true;
		return 0;
	case ARGP_KEY_ARG:
		/* Before the next option is parsed, which may be the command's. */
		if (!opt.command && !opt.pid && !opt.top && !strchr(arg, '='))
			require_module(arg);
		if (!opt.modules)
			opt.modules = need(calloc((size_t)state->argc + 1, sizeof(*opt.modules)));
		opt.modules[opt.nr_modules++] = arg;
		return 0;
	case ARGP_KEY_END:
		check_options(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The examples use the name that the program was called by. */
static char *add_examples(int key, const char *text, void *input)
{
	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	return format("EXAMPLES\n"
		      "    sudo %1$s -- gcc -c x.c             trace a command and its children\n"
		      "    sudo %1$s --cold -- gcc -c x.c      with nothing in the page cache\n"
		      "    sudo %1$s --repeat 5 -- gcc -c x.c  five runs, to be compared\n"
		      "    sudo %1$s --pid 4494                trace a running process\n"
		      "    sudo %1$s                           drain all loaded modules\n"
		      "    sudo %1$s -o - B | grep region=heap\n\n"
		      "After Ctrl-C the log contains what was read until then.\n\n"
		      "Exit status: With a command it is the command's own (128 + N if signal N ended "
		      "it), or 127 if the command was not found, 126 if it cannot be executed, and 125 "
		      "if it could not be traced or its log is incomplete; with --repeat it is that of "
		      "the first run that failed, and a run with 125 or more is the last. Without a "
		      "command it is 0, "
		      "1 after an error, or 128 + N if signal N ended the run. After a usage error it "
		      "is 64.",
		      program_invocation_name);
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "[-A|-B|-C] [NAME=VALUE...] -- COMMAND [ARG...]\n"
		    "[-A|-B|-C] [NAME=VALUE...] --pid=PID\n"
		    "[MODULE...]",
	.doc = "Record all page faults of a command or a process in a log; NAME=VALUE is a "
	       "parameter of the kernel module. Or drain a module that is already loaded: write "
	       "what it has recorded to a log. MODULE is A, B, C or a path with a slash; without "
	       "MODULE, all loaded modules are drained.\v",
	.help_filter = add_examples,
};

/* The command begins after the first --. Returns the number of words before that. */
static int split_command(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		if (!argv[i + 1]) {
			say("no command after --");
			exit(argp_err_exit_status);
		}
		opt.command = argv + i + 1;
		argv[i] = NULL;
		return i;
	}
	return argc;
}

int main(int argc, char **argv)
{
	int not_held = hold_standard_streams(), status = 0;
	glob_t found;

	argc = split_command(argc, argv);
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL);
	if (not_held || owner_check())
		return opt.command ? EXIT_OURSELVES : 1;
	if (opt.letter)
		return trace();

	if (!opt.nr_modules && !glob("/proc/" MODULE_PREFIX "[" MODULE_LETTERS "]", 0, NULL, &found)) {
		opt.modules = found.gl_pathv;
		opt.nr_modules = found.gl_pathc;
	}
	if (!opt.nr_modules) {
		say("no module is loaded; " LOAD_IT, program_invocation_name, "B");
		return 1;
	}
	if (opt.output && opt.nr_modules > 1) {
		say("--output needs one module, not %zu: name one module", opt.nr_modules);
		return argp_err_exit_status;
	}

	if (opt.top && opt.nr_modules > 1) {
		say("--top needs one module, not %zu: name one module", opt.nr_modules);
		return argp_err_exit_status;
	}

	streams = need(calloc(opt.nr_modules, sizeof(*streams)));
	catch_stops(false);
	if (open_all())
		return stop_signal ? 128 + stop_signal : 1;

	drain(streams, opt.nr_modules, 0);
	for (size_t i = 0; i < opt.nr_modules; i++) {
		int this = end_stream(&streams[i]);

		status = this ? this : status;
	}
	return status;
}
