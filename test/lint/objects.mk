# objects.mk
#	  Compile every C file for the sake of the compiler's opinion.
#
# tmp/lint/FILE.o is FILE.c compiled with more warnings than the build asks
# for, all of them errors, and with debugging information on every type, from
# which typedefs.list is made.  tmp/lint/FILE.tidy records that clang-tidy had
# nothing to say.  Both are remade when the file or a header of ours changes.

FILES := $(sort $(wildcard src/*.c src/providers/*.c test/sandbox/*.c \
	test/unit/*.c test/bench/*.c))
HEADERS := $(wildcard src/*.h src/providers/*.h test/sandbox/*.h test/unit/*.h)
PACKAGES = libcurl jansson libmicrohttpd libpq

# -isystem: warnings about PostgreSQL's own headers are not ours to fix
INCLUDES := -Isrc -Isrc/providers -Itest/sandbox -Itest/unit \
	-isystem $(shell $(PG_CONFIG) --includedir-server) -D_GNU_SOURCE \
	$(shell pkg-config --cflags $(PACKAGES))
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wno-unused-parameter \
	-Werror
GCC_FLAGS := $(shell $(PG_CONFIG) --cflags)

objects: $(FILES:%.c=tmp/lint/%.o)

tidy: $(FILES:%.c=tmp/lint/%.tidy)

tmp/lint/%.o: %.c $(HEADERS)
	@mkdir -p $(@D)
	@gcc $(GCC_FLAGS) $(WARNINGS) -fno-eliminate-unused-debug-types \
		$(INCLUDES) -c -o $@ $<

tmp/lint/%.tidy: %.c $(HEADERS) .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- -std=gnu11 $(INCLUDES) >$@.log 2>&1 || \
		{ cat $@.log; exit 1; }
	@touch $@

.PHONY: objects tidy
.DELETE_ON_ERROR:
