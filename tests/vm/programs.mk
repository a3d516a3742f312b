# SPDX-License-Identifier: GPL-2.0-or-later
# The programs for the guest, for `make -f`; build.py passes CC and the names. Each is built from
# one source file and headers, of its own (PROGRAM_*.h) or shared, and linked statically.

HEADERS := $(wildcard tests/vm/*.h)
CFLAGS  := -O2 -Wall -Werror -D_GNU_SOURCE -pthread

%: %.c $(HEADERS)
	$(CC) $(CFLAGS) -static -o $@ $<

areas_pie: areas.c $(HEADERS)
	$(CC) $(CFLAGS) -static-pie -o $@ $<

# It finds the libraries below in the guest's root folder.
areas_dynamic: areas.c $(HEADERS)
	$(CC) $(CFLAGS) -DDYNAMIC -Wl,--dynamic-linker=/ld.so,-rpath=/,--no-as-needed -o $@ $< -ldl

areas_one.so: areas_library.c
	$(CC) $(CFLAGS) -fPIC -shared -nostdlib -o $@ $<

areas_two.so: areas_library.c
	$(CC) $(CFLAGS) -fPIC -shared -nostdlib -DSECOND -o $@ $<

# Those of the compiler that has linked areas_dynamic.
libc.so.6 libdl.so.2 libpthread.so.0: FORCE
	cp -L "$$($(CC) -print-file-name=$@)" $@

ld.so: FORCE
	cp -L "$$($(CC) -print-file-name=$$($(CC) -dumpmachine | sed -e \
		's/^x86_64.*/ld-linux-x86-64.so.2/' -e 's/^aarch64.*/ld-linux-aarch64.so.1/'))" $@

.PHONY: FORCE
FORCE:
