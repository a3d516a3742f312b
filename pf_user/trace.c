// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "drain.h"
#include "kmsg.h"
#include "module.h"
#include "owner.h"
#include "report.h"
#include "say.h"
#include "stop.h"
#include "trace.h"

#define OUTCOME		"outcome=1"
#define CHILDREN	"children=1"
#define EXIT_MS		100	/* between the exit and its signal */
#define DROP_CACHES	"/proc/sys/vm/drop_caches"

/* Returns 0, or -1 after a message if there is no process to attach to. */
static int check_process(pid_t pid)
{
	if (!kill(pid, 0) || errno != ESRCH)
		return 0;
	say("there is no process %d", pid);
	return -1;
}

/* A command must not run as root by mistake: doas, pkexec and su do not set SUDO_UID. */
static int check_user(void)
{
	uid_t uid;
	gid_t gid;

	if (!opt.command || opt.stay_root || sudo_user(&uid, &gid))
		return 0;
	say("you are root without sudo (SUDO_UID and SUDO_GID are not set), so it is not known which "
	    "user should run the command; --root runs it as root");
	return -1;
}

/* "outcome=1": has the user set outcome? */
static bool is_set(const char *param)
{
	size_t len = strcspn(param, "=") + 1;

	for (char *const *given = opt.params; *given; given++)
		if (!strncmp(*given, param, len))
			return true;
	return false;
}

/* Adds the defaults of this program, which differ from those of the modules. */
static char **all_params(void)
{
	static char *outcome = OUTCOME, *children = CHILDREN;
	size_t nr = 0;
	char **params;

	while (opt.params[nr])
		nr++;
	params = need(calloc(nr + 3, sizeof(*params)));
	for (size_t i = 0; i < nr; i++)
		params[i] = opt.params[i];
	if (!opt.fast && !is_set(outcome))
		params[nr++] = outcome;
	if (!opt.fast && !is_set(children))
		params[nr++] = children;
	return params;
}

/* Returns 0, or -1 after a message. */
static int load(const struct module *m, pid_t pid)
{
	char **params = all_params();
	const char *optional = NULL;
	int ret;

	for (char **param = params; *param && !is_set(OUTCOME); param++)
		if (!strcmp(*param, OUTCOME))
			optional = *param;
	ret = module_load(m, pid, params, optional);
	free(params);
	return ret;
}

/*
 * With the module loaded and the log open, records until the traced process ends, the time is over
 * or a signal arrives. Returns 0, or -1 after a message if the log is not complete.
 */
static int record(struct stream *s, struct command *c)
{
	u64 deadline_ms = opt.duration_ms ? now_ms() + opt.duration_ms : 0, end_ns;

	/* Before the command runs: it may stop the terminal's output. */
	if (s->log.part_name)
		say("the log grows in %s", s->log.part_name);
	if (c && command_go(c)) {
		log_discard(&s->log);
		return -1;
	}
	drain(s, 1, deadline_ms);
	/* The module sees the exit a moment before we get the signal. */
	for (int ms = 0; c && s->sum.exited && !stop_command_end_ns() && ms < EXIT_MS; ms++)
		wait_for(NULL, 0, 1);
	end_ns = stop_command_end_ns();
	if (c && end_ns > c->go_ns)
		s->run_ns = end_ns - c->go_ns;
	if (s->state == READING)
		say("%s: stopped (%s): %s", s->path, strsignal(stop_signal),
		    s->between ? "the log ends after a complete read" :
		    "the log ends after the last complete line");
	return stream_finish(s) || s->cut ? -1 : 0;
}

/*
 * Returns 0, or -1 after a message. In both cases the module is unloaded, if that is possible.
 * @is_last: with --repeat, one report in full is enough
 */
static int load_and_record(struct stream *s, const struct module *m, pid_t pid, struct command *c,
			   bool is_last)
{
	int ret = -1;
	FILE *to;

	if (load(m, pid)) {
		log_discard(&s->log);
		return -1;
	}
	if (stream_open(s, m->proc)) {
		say("%s: %s", m->proc, strerror(errno));
		log_discard(&s->log);
	} else {
		ret = record(s, c);
		close(s->fd);
	}
	if (module_unload(m))
		return -1;
	to = open_to_write_all(STDERR_FILENO);
	if (opt.letter == 'A')
		say("pf_probe_A has printed each fault to the kernel log: see dmesg");
	else if (is_last)
		kmsg_show(to, NULL);
	if (!ret && (is_last ? report(s, to) : report_briefly(s, to)))
		ret = -1;
	fclose(to);
	return ret;
}

/* Returns 0, or -1 after a message. */
static int empty_page_cache(void)
{
	int fd, failed;

	say("emptying the page cache");
	sync();
	fd = open(DROP_CACHES, O_WRONLY | O_CLOEXEC);
	failed = fd < 0 || write(fd, "3", 1) != 1;
	if (failed)
		say("the page cache cannot be emptied: " DROP_CACHES ": %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return failed ? -1 : 0;
}

static int trace_command(struct stream *s, const struct module *m, bool is_last)
{
	struct command c = { 0 };
	int failed, status;

	if (log_open(&s->log, opt.output, m->proc))
		return EXIT_OURSELVES;
	failed = opt.cold && empty_page_cache() ? EXIT_OURSELVES :
		 command_start(&c, opt.command, opt.stay_root);
	if (!failed && end_signal) {
		command_kill(&c);
		failed = 128 + end_signal;
	}
	if (failed) {
		log_discard(&s->log);
		return failed;
	}
	failed = load_and_record(s, m, c.pid, &c, is_last);
	if (c.held) {
		command_kill(&c);
		return EXIT_OURSELVES;
	}
	if (end_signal && !command_has_ended(&c)) {
		say("stopped (%s); PID %d continues", strsignal(end_signal), c.pid);
		return 128 + end_signal;
	}
	status = command_wait(&c);
	return failed ? EXIT_OURSELVES : status;
}

/* Frees what a run has used, so that a series of runs does not need more and more. */
static void free_stream(struct stream *s)
{
	log_close(&s->log);
	tally_free(&s->tally);
	free(s->sum.line);
	free(s);
}

static int trace_process(const struct module *m)
{
	struct stream *s = need(calloc(1, sizeof(*s)));
	bool failed = log_open(&s->log, opt.output, m->proc) ||
		      load_and_record(s, m, opt.pid, NULL, true);

	free_stream(s);
	if (failed)
		return 1;
	return stop_signal ? 128 + stop_signal : end_signal ? 128 + end_signal : 0;
}

/* The runs of the command. A status of EXIT_OURSELVES or more, or a signal, ends the series. */
static int trace_series(const struct module *m)
{
	unsigned int nr = opt.repeat ? opt.repeat : 1, nr_logs = 0;
	char **names = need(calloc(nr, sizeof(*names)));
	int status = 0;
	FILE *to;

	for (unsigned int i = 0; i < nr; i++) {
		struct stream *s = need(calloc(1, sizeof(*s)));
		int this;

		if (nr > 1)
			say("run %u of %u", i + 1, nr);
		this = trace_command(s, m, i + 1 == nr);
		names[i] = s->log.renamed ? format("%s", s->log.name) : NULL;
		nr_logs += s->log.renamed;
		free_stream(s);
		status = status && this < EXIT_OURSELVES ? status : this;
		if (this >= EXIT_OURSELVES || nr_stops) {
			if (i + 1 < nr)
				say("no further run: run %u ended with status %d", i + 1, this);
			break;
		}
	}
	if (nr_logs > 1) {
		to = open_to_write_all(STDERR_FILENO);
		report_series(names, nr, to);
		fclose(to);
	}
	for (unsigned int i = 0; i < nr; i++)
		free(names[i]);
	free(names);
	return status;
}

int trace(void)
{
	int failure = opt.command ? EXIT_OURSELVES : 1;
	static struct module m;	/* in use until the program exits */

	if (geteuid()) {
		say("only root can load a module: run it with sudo");
		return failure;
	}
	if (check_user() || (opt.pid && check_process(opt.pid)))
		return failure;
	if (module_find(&m, opt.letter))
		return failure;
	catch_stops(true);
	return opt.command ? trace_series(&m) : trace_process(&m);
}
