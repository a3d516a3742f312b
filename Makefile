# SPDX-License-Identifier: GPL-2.0-or-later
# The commands of the project; kbuild reads Kbuild instead.

KDIR   ?= /lib/modules/$(shell uname -r)/build
CC     ?= gcc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3
KERNEL ?= default
SECONDS ?= 600
MINUTES ?= 10
DIST ?= dist

WARNINGS    := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes
USER_SOURCES := user.c $(sort $(wildcard pf_user/*.c))
USER_FLAGS   = -D_GNU_SOURCE -DPF_VERSION='$(VERSION)' \
	       $(foreach f,USER_SLEEP USER_DEBUG,$(if $($f),-D$f=$($f)))
MODULE_FLAGS = $(foreach f,PROBE_PRINT PROBE_DEBUG CONT_STORE,$(if $($f),$f=$($f)))
RELEASE      = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' \
		'$(KDIR)/include/generated/utsrelease.h')
VERSION     := $(shell sed -n 's/^.define PF_VERSION //p' pf_common.h)

.DEFAULT_GOAL := all
.PHONY: help all modules test test-matrix test-debug test-fleet stress demo gallery readme check \
	fuzz bench bench-deps bench-check install install-programs uninstall deb dist clean FORCE

help:
	@echo "make              build pf_probe_A.ko, pf_probe_B.ko, pf_probe_C.ko and user"
	@echo "make modules      build only the modules"
	@echo "make user         build only user, the reader"
	@echo "make install      install modules, pf_user, page_fault_plot, manual pages and"
	@echo "                  completion for bash"
	@echo "make uninstall    remove the installed files"
	@echo "make clean        remove the built files"
	@echo
	@echo "make deb          build the Debian packages pf-probe and pf-probe-dkms in $(DIST)/"
	@echo "make dist         write the tarball of git's HEAD to $(DIST)/ (DIST=FOLDER)"
	@echo
	@echo "make demo         trace the C compiler in a virtual machine, and draw the picture;"
	@echo "                  WARM=1: with its files in the page cache"
	@echo "make test         run the unit tests, and the guest tests in a virtual machine"
	@echo "make check        run all static checkers and format checks, and fuzz briefly"
	@echo "make bench-check  fail if a cost is above its limit in bench/limits"
	@echo
	@echo "make test-matrix  run the guest tests on every kernel of tests/vm/kernels;"
	@echo "                  QUICK=1: without the long tests"
	@echo "make test-debug   run the guest tests on kernels with KASAN, lockdep and kmemleak, and"
	@echo "                  with KCSAN: 75 minutes on two CPUs, plus 30 for the first build"
	@echo "make test-fleet   test doc/fleet.md: logs of three machines in PostgreSQL and ClickHouse"
	@echo "make stress       load and read the modules during a storm of faults and forks, for"
	@echo "                  MINUTES=10; KERNEL=NAME"
	@echo "make fuzz         fuzz the reader and the pure headers for SECONDS=600; keep findings"
	@echo "make bench        count the instructions that this and other tracers add to a fault"
	@echo "                  (make bench-deps installs the others); ARCH=arm64: on arm64"
	@echo
	@echo "make readme       fill in README.md and doc/ from doc/demo and bench/results.md;"
	@echo "                  RECORD=1: run the demo first, to record doc/demo again"
	@echo "make gallery      record the programs of doc/gallery.md, and write that document"
	@echo
	@echo "KDIR=DIR          kernel build tree for the modules ($(KDIR))"
	@echo "PROBE_PRINT=0|1 PROBE_DEBUG=0|1 CONT_STORE=0|1    defaults of the module parameters"
	@echo "USER_SLEEP=MS USER_DEBUG=0|1                      defaults of the reader's options"

all: modules user

modules:
	@test -e '$(KDIR)/Makefile' || { \
		echo "No kernel build tree at $(KDIR): install the package linux-headers-$$(uname -r)," \
			"or choose another tree with KDIR=DIR" >&2; exit 1; }
	$(MAKE) -C '$(KDIR)' M='$(CURDIR)' $(MODULE_FLAGS) modules

# Always rebuilt, because flags may have changed, and it takes only a second. Without object files,
# because kbuild deletes all that it finds in the tree.
user: $(USER_SOURCES) FORCE
	$(CC) $(WARNINGS) $(CFLAGS) $(CPPFLAGS) $(USER_FLAGS) $(LDFLAGS) -o $@ $(USER_SOURCES)

# The modules for the test kernel, user and the workloads are built outside the tree.
test:
	@tests/deps test
	@CC='$(CC)' PYTHON='$(PYTHON)' KERNEL='$(KERNEL)' tests/run

test-debug:
	@tests/deps debug
	@$(PYTHON) tests/vm/matrix.py --debug $(if $(QUICK),--quick)

stress:
	@tests/deps stress
	@$(PYTHON) tests/vm/stress.py --kernel '$(KERNEL)' --minutes '$(MINUTES)'

test-matrix:
	@tests/deps matrix $(if $(QUICK),,deb packages)
	@$(PYTHON) tests/vm/matrix.py $(if $(QUICK),--quick) $(if $(OTHERS),--others)

bench:
	@tests/deps bench $(filter arm64,$(ARCH))
	@$(PYTHON) bench/bench.py $(filter arm64,$(ARCH))

bench-deps:
	@tests/deps tracers

bench-check:
	@tests/deps bench
	@$(PYTHON) bench/bench.py check

# It ends with ./user, because that is what one wants to try next.
demo:
	@PYTHON='$(PYTHON)' tests/deps demo
	@dir=$$($(PYTHON) tests/vm/build.py --tracer) && \
		$(PYTHON) tests/vm/demo.py $(if $(WARM),--warm) $$dir/pf_probe_B.ko $$dir/user
	@$(MAKE) -s --no-print-directory user
	@echo
	@echo "There is also a ./user for this machine. \`make\` builds the modules for its kernel; this"
	@echo "needs linux-headers-$$(uname -r). Then: sudo ./user -- COMMAND"

# The logs stay in the cache; tests/gallery/gallery.py --logs FOLDER writes the document from them.
gallery:
	@tests/deps gallery
	@dir=$$($(PYTHON) tests/vm/build.py) && \
		$(PYTHON) tests/gallery/gallery.py $$dir/pf_probe_B.ko $$dir/user

# The tables, figures and picture of README.md and doc/, see tests/gallery/readme.py.
readme:
	@tests/deps readme $(if $(RECORD),demo gallery)
	@$(if $(RECORD),dir=$$($(PYTHON) tests/vm/build.py) && )$(PYTHON) tests/gallery/readme.py \
		$(if $(RECORD),--record $$dir/pf_probe_B.ko $$dir/user)

# Starts servers of its own, in a temporary folder, and removes them at the end. (On a system with
# systemd, installing the packages starts other servers; these are left alone.)
test-fleet:
	@tests/deps fleet
	@dir=$$($(PYTHON) tests/vm/build.py) && \
		$(PYTHON) tests/fleet/fleet.py $$dir/pf_probe_B.ko $$dir/user

check:
	@tests/deps check
	@PYTHON='$(PYTHON)' tests/check

fuzz:
	@tests/deps fuzz
	@tests/fuzz/run '$(SECONDS)'

FAULTLOG = $(wildcard $(addprefix faultlog/, *.py */*.py */*.html */*.js))

# Run it as root, or with a DESTDIR that you can write to. Root will run the installed files, so
# only root may write to them, whatever the umask and the modes in the tree.
install: all install-programs
	umask 022 && $(MAKE) -C '$(KDIR)' M='$(CURDIR)' INSTALL_MOD_PATH='$(DESTDIR)' \
		INSTALL_MOD_DIR=updates modules_install

# All but the modules, for debian/rules.
install-programs: user
	install -D -m 755 user '$(DESTDIR)$(PREFIX)/bin/pf_user'
	install -D -m 755 page_fault_plot.py '$(DESTDIR)$(PREFIX)/bin/page_fault_plot'
	@for file in $(FAULTLOG); do \
		install -D -m 644 $$file '$(DESTDIR)$(PREFIX)/share/pf_probe/'$$file || exit 1; \
	done
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/man/man8' doc/pf_user.8 doc/pf_probe.8
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/man/man1' doc/page_fault_plot.1
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/bash-completion/completions' \
		doc/completion/pf_user doc/completion/page_fault_plot

uninstall:
	rm -f '$(DESTDIR)$(PREFIX)/bin/pf_user' '$(DESTDIR)$(PREFIX)/bin/page_fault_plot' \
		'$(DESTDIR)$(PREFIX)/share/man/man8/'pf_user.8 \
		'$(DESTDIR)$(PREFIX)/share/man/man8/'pf_probe.8 \
		'$(DESTDIR)$(PREFIX)/share/man/man1/'page_fault_plot.1 \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/'pf_user \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/'page_fault_plot
	rm -rf '$(DESTDIR)$(PREFIX)/share/pf_probe'
	rm -f $(foreach m,A B C,'$(DESTDIR)/lib/modules/$(RELEASE)/updates/pf_probe_$m.ko'*)

# In the folder DIST, which git ignores.
deb:
	@echo "make deb: installs what the build needs, if it is missing, and builds the packages in a" \
		"temporary folder; the folder $(DIST) gets them"
	@tests/deps deb
	@debian/build deb '$(DIST)'

dist:
	@debian/build dist '$(DIST)'

clean:
	rm -f user *.ko *.o *.mod *.mod.c .*.cmd .*.d Module.symvers modules.order .module-common.o
	rm -rf .tmp_versions
