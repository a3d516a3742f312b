// SPDX-License-Identifier: GPL-2.0-or-later
/* The storm's strict reader: the logs that it must accept, and those that it must refuse. */
#include "tests/vm/log_check.h"
#include "tap.h"

#define HEAD "# pf_probe_B version=1.0 pid=100 comm=stress\n"
#define FAULT_OF(pid, at, time, access) \
	"PID = " pid " Page Fault at Address " at " at Time " time " tid=100 cpu=1 ip=0x401000 access=" \
	access " mode=user region=anon map=anon\n"
#define FAULT(at, time, access) FAULT_OF("     100", at, time, access)
#define CHILD "# child time=2000 pid=200 ppid=100 comm=stress space=copy\n"
#define LOST "# maps-lost time=999\n"
#define FILE_LINE \
	"# file time=990 nr=0 dev=fd:01 ino=7 size=9 mtime=1.000000000 build_id=? path=/a\\040b\n"
#define MAP_OF(pid, start, prot, file) \
	"# map time=991 pid=" pid " start=" start " end=0x402000 prot=" prot " offset=0x1000 file=" \
	file "\n"
#define MAP MAP_OF("100", "0x401000", "r-xp", "0")
#define COMM "# comm time=992 pid=100 tid=101 comm=a\\040b\n"
#define SUMMARY "# recorded=2 retries=0 dropped=0 overwritten=0 missed=0 target=exited\n"
#define END SUMMARY "EXIT_CODE\n"
#define FIRST FAULT("0x200000000000", "1000", "write")

/* Whether a log is accepted, in pieces of @size bytes; `last` is the reader's final state. */
static struct log_check last;

static bool taken(const char *log, size_t size, bool children, bool outcome)
{
	struct log_check *c = log_check_new(100, children, outcome);
	size_t len = strlen(log);
	bool fine = true;

	for (size_t at = 0; fine && at < len; at += size)
		fine = log_check_feed(c, log + at, at + size < len ? size : len - at);
	last = *c;
	free(c);
	return fine;
}

static bool is_refused(const char *log, const char *why)
{
	return !taken(log, 1 << 20, true, false) && strstr(last.why, why);
}

int main(void)
{
	static const char whole[] = HEAD FIRST FAULT("0x200000001000", "1001", "read") END;
	static const char outcome[] =
		HEAD "PID =      100 Page Fault at Address 0x7f0000000000 at Time 1000 tid=101 cpu=0 "
		     "ip=0x401000 access=exec mode=user region=file kind=cow result=major "
		     "latency_ns=5 tries=2 map=/bin/x offset=0x1000\n" END;
	bool good = true;

	for (size_t size = 1; size < 300; size++)
		good = good && taken(whole, size, false, false) && last.nr_faults == 2 &&
		     last.nr_pages == 2 && !last.nr_gaps && last.nr_drains == 1 && last.nr_lines == 5;
	ok(good, "a log in pieces of any size");
	ok(taken(outcome, 50, false, true), "outcomes");
	ok(!taken(outcome, 50, false, false), "outcomes without outcome=1");
	ok(!taken(whole, 50, false, true), "a fault without an outcome, with outcome=1");
	ok(taken(HEAD FIRST CHILD FAULT_OF("     200", "0x400000000000", "2001", "write") END, 50, true,
		    false), "a child");
	ok(taken(HEAD FILE_LINE MAP MAP_OF("100", "0x401000", "rw-s", "[vdso]") COMM LOST
		    "# space time=1000 pid=100\n# exit time=1000 pid=100\n" END, 50, false, false),
	   "lines about the address space");
	ok(taken(HEAD END FAULT("0x200000000000", "1000", "write") END, 50, false, false) &&
	      last.nr_drains == 2, "a drain, and another");
	ok(taken(HEAD FAULT("0x200000001000", "1000", "read") END, 50, false, false) &&
	      last.nr_gaps == 1, "a page that is missing is counted");
	ok(taken(HEAD FIRST FAULT("0x200000000000", "1001", "write") END, 50, false, false) &&
	      last.nr_again == 1, "the same page again is counted");
	ok(taken(HEAD FIRST FAULT("0x7f0000000000", "999", "read") END, 50, false, false) &&
	      last.nr_late == 1, "a line that is a nanosecond late is counted");

	ok(is_refused(FIRST END, "no head"), "no head");
	ok(is_refused(HEAD HEAD END, "a second head"), "two heads");
	ok(is_refused(HEAD "EXIT_CODE\n", "not a line of the module"), "an end without a summary");
	ok(is_refused(HEAD "what\n", "not a line of the module"), "any other line");
	ok(is_refused(HEAD "PID = 100 Page Fault at\n", "not a fault"), "a truncated line");
	ok(is_refused(HEAD FAULT("0x0200000000000", "1000", "write"), "not a fault"),
	      "a number with a zero in front");
	ok(is_refused(HEAD FAULT("0x200000000000", "1000", "wriread"), "not a fault's kind"),
	      "two lines mixed");
	ok(is_refused(HEAD FAULT("0xffff888000000000", "1000", "write"), "not of a process"),
	      "a kernel address");
	ok(is_refused(HEAD FAULT("0x7f0000000000", "5000", "read") FIRST, "out of order"),
	      "an older fault after a newer one");
	ok(is_refused(HEAD FAULT("0x200000040000", "1000", "write") FAULT("0x200000001000", "1001",
		    "read"), "page 1 again, 65 is next"), "a page that was there before");
	ok(is_refused(HEAD FIRST FIRST, "page 0 twice"), "a record twice");
	ok(is_refused(HEAD FAULT("0x200000001000", "1000", "read") FAULT("0x200000001000", "1001", "read"),
		      "page 1 again"), "a page that was read, again");
	ok(is_refused(HEAD FAULT("0x200000000000", "1000", "read"), "not how a thread"),
	      "a page that a thread touches in a different way");
	ok(is_refused(HEAD FAULT_OF("     300", "0x400000000000", "2001", "write"), "a stranger's fault"),
	      "a stranger's fault");
	ok(is_refused(HEAD CHILD FAULT_OF("     200", "0x200000000000", "2001", "write"),
			 "the target's page"), "a child's fault in the target's memory");
	ok(is_refused(HEAD FAULT("0x400000000000", "1000", "write"), "a child's page"),
	      "the target's fault in a child's memory");
	ok(!taken(HEAD CHILD END, 50, false, false), "a child without children=1");
	ok(is_refused(HEAD "# child time=2000 pid=200 ppid=100 comm=x\n", "not a child"),
	   "a child without its space");
	ok(is_refused(HEAD MAP_OF("100", "0x402000", "r-xp", "0"), "not an area"), "an empty area");
	ok(is_refused(HEAD MAP_OF("100", "0x401000", "r-x", "0"), "not an area"), "a short prot=");
	ok(is_refused(HEAD MAP_OF("300", "0x401000", "r-xp", "0"), "a stranger's area"),
	   "a stranger's area");
	ok(is_refused(HEAD "# file time=990 nr=0 path=/a\n", "not a file"), "a file without facts");
	ok(is_refused(HEAD "# comm time=992 pid=100 tid=101 comm=a b\n", "not a name"),
	   "a name with a blank");
	ok(is_refused(HEAD "# space time=992 pid=300\n", "a stranger's space"), "a stranger's space");
	ok(is_refused(HEAD LOST LOST, "lines are missing, twice"), "a second line of losses");
	return tap_done();
}
