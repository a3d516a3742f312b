// SPDX-License-Identifier: GPL-2.0-or-later
/* user - drains /proc/pf_probe_X into a log file: its options. The rest is in pf_user/. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pf_user/drain.h"
#include "pf_user/report.h"
#include "pf_user/say.h"
#include "pf_user/stop.h"

#ifndef PF_VERSION
#define PF_VERSION "dev"
#endif
#ifndef USER_SLEEP
#define USER_SLEEP 0
#endif
#ifndef USER_DEBUG
#define USER_DEBUG 0
#endif

#define LOAD_IT		"sudo insmod pf_probe_%s.ko process_id=PID (or modprobe, if installed)"
#define SLEEP_MS_MAX	3600000

#define TEXT_OF(value)	#value
#define AS_TEXT(macro)	TEXT_OF(macro)

struct options opt = {
	.sleep_ms = USER_SLEEP,
	.debug = USER_DEBUG,
};

static struct stream *streams;

/* Returns the exit status as of this stream. */
static int end_stream(struct stream *s)
{
	bool stopped = s->state == READING;

	if (stopped) {
		say("%s: stopped (%s): %s", s->path, strsignal(stop_signal),
		    s->between ? "the log ends with a whole drain" :
		    s->log.size ? "the log ends with the last whole line" :
		    "nothing was read, so there is no log");
		if (!s->log.size) {
			log_discard(&s->log);
			return 128 + stop_signal;
		}
	}
	if (stream_finish(s) || report(s, s->log.fd == STDOUT_FILENO ? stderr : stdout) || s->cut)
		return 1;
	return stopped ? 128 + stop_signal : 0;
}

/* Says so if it can't. */
static int open_probe(struct stream *s, const char *probe)
{
	const char *letter = probe;
	bool is_path = strchr(probe, '/');

	if (!strncmp(probe, PROBE_NAME, strlen(PROBE_NAME)))
		letter += strlen(PROBE_NAME);
	if (!is_path && (strlen(letter) != 1 || !strchr(PROBE_LETTERS, *letter))) {
		say("no such probe: %s (A, B, C or a path with a slash)", probe);
		exit(argp_err_exit_status);	/* no log is there yet */
	}
	if (!stream_open(s, is_path ? format("%s", probe) :
			    format("/proc/" PROBE_NAME "%s", letter)))
		return 0;
	if (errno == ENOENT && !is_path)
		say("%s is not loaded: " LOAD_IT, strrchr(s->path, '/') + 1, letter);
	else
		say("%s: %s%s", s->path, strerror(errno),
		    (errno == EACCES || errno == EPERM) && geteuid() ? ": run it with sudo" : "");
	return -1;
}

/* All streams and logs, or none: an error leaves no file behind. */
static int open_all(void)
{
	size_t i, j;

	for (i = 0; i < opt.nr_probes; i++)
		if (open_probe(&streams[i], opt.probes[i]))
			return -1;

	for (i = 0; !opt.output && i < opt.nr_probes; i++) {
		for (j = 0; j < i; j++) {
			const char *name = strrchr(streams[i].path, '/') + 1;

			if (strcmp(name, strrchr(streams[j].path, '/') + 1))
				continue;
			say(OUT_DIR "/%s.log: wanted for two probes", name);
			return -1;
		}
	}

	for (i = 0; i < opt.nr_probes; i++) {
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
 * Standard streams that are closed, or the first files that are opened would take their places and
 * be written to as such. Whom we start finds them closed again.
 */
static void hold_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

const char *argp_program_version = "pf_probe " PF_VERSION;

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "Write to FILE, or to standard output if it is -, "
	  "instead of to " OUT_DIR "/pf_probe_X.log", 0 },
	{ "follow", 'f', NULL, 0, "Go on with the faults to come until the traced process exits "
	  "or Ctrl-C", 0 },
	{ "sleep", 's', "MS", 0, "Sleep MS milliseconds between reads, default "
	  AS_TEXT(USER_SLEEP), 0 },
	{ "debug", 'd', NULL, 0, "Tell what is opened, read and drained", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	unsigned long ms;
	char *end;

	switch (key) {
	case 'o':
		opt.output = arg;
		return 0;
	case 'f':
		opt.follow = true;
		return 0;
	case 's':
		ms = strtoul(arg, &end, 10);
		if (!strchr("0123456789", *arg) || end == arg || *end || ms > SLEEP_MS_MAX)
			argp_error(state, "--sleep wants milliseconds, 0 to %d, not '%s'",
				   SLEEP_MS_MAX, arg);
		opt.sleep_ms = (unsigned int)ms;
		return 0;
	case 'd':
		opt.debug = true;
		return 0;
	case ARGP_KEY_ARGS:
		opt.probes = state->argv + state->next;
		opt.nr_probes = (size_t)(state->argc - state->next);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Under the name that it was called by. */
static char *add_examples(int key, const char *text, void *input)
{
	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	return format("EXAMPLES\n"
		      "    sudo %1$s              each loaded probe to " OUT_DIR "/pf_probe_X.log\n"
		      "    sudo %1$s --follow B   until the process that B traces has exited\n"
		      "    sudo %1$s -o - B | grep region=heap\n\n"
		      "Ctrl-C leaves a log of what was read. Exit status: 0, 1 on an error, 64 on "
		      "wrong usage, 128 + its number when stopped by a signal.",
		      program_invocation_name);
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "[PROBE...]",
	.doc = "Drain the page faults that a loaded probe has recorded into a log.\n\n"
	       "PROBE is A, B, C or a path with a slash in it; without one, all probes that are "
	       "loaded.\v",
	.help_filter = add_examples,
};

int main(int argc, char **argv)
{
	int status = 0;
	glob_t found;

	hold_standard_streams();
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (!opt.nr_probes && !glob("/proc/" PROBE_NAME "[" PROBE_LETTERS "]", 0, NULL, &found)) {
		opt.probes = found.gl_pathv;
		opt.nr_probes = found.gl_pathc;
	}
	if (!opt.nr_probes) {
		say("no probe is loaded: " LOAD_IT, "B");
		return 1;
	}
	if (opt.output && opt.nr_probes > 1) {
		say("--output takes one probe, not %zu: name it", opt.nr_probes);
		return argp_err_exit_status;
	}

	streams = need(calloc(opt.nr_probes, sizeof(*streams)));
	catch_stops();
	if (open_all())
		return stop_signal ? 128 + stop_signal : 1;

	drain(streams, opt.nr_probes);
	for (size_t i = 0; i < opt.nr_probes; i++) {
		int this = end_stream(&streams[i]);

		status = this ? this : status;
	}
	return status;
}
