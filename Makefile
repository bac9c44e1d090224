# partner_api: build, private installation, demo, tests
#
# "make" builds against the PostgreSQL that PG_CONFIG names and "make install"
# installs there, as with any extension.  Everything below "Working in the
# tree" installs nothing: it uses a private copy of PostgreSQL in tmp/prefix.
# "make help" lists the targets.

EXTENSION = partner_api
EXTVERSION = 1.0
MODULE_big = partner_api
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/providers/*.c)))
INSTALL_SCRIPT_SQL = sql/partner_api--$(EXTVERSION).sql
DATA = $(sort $(wildcard sql/partner_api--*--*.sql))
DATA_built = $(INSTALL_SCRIPT_SQL)

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,\
	$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation
TAP_TESTS = 1
PROVE_TESTS ?= $(sort $(wildcard test/t/*.pl))

EXTRA_CLEAN = src/*.d src/providers/*.d test/sandbox/build test/unit/build \
	tmp

PG_CONFIG ?= $(firstword \
	$(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# The targets that install packages must run where there is no PostgreSQL yet.
ifneq ($(wildcard $(PGXS)),)

LIBRARIES = libcurl jansson
# -MMD: an edited header rebuilds what includes it; -isystem: PostgreSQL's own
# headers are not ours to mend where a warning is asked for
PG_CPPFLAGS = -Isrc -MMD -MP $(shell pkg-config --cflags $(LIBRARIES)) \
	-isystem $(shell $(PG_CONFIG) --includedir-server)
SHLIB_LINK = $(shell pkg-config --libs $(LIBRARIES))

# Bitcode is for inlining into queries; functions that wait for the network
# gain nothing from it, and clang would overwrite gcc's dependency files.
override with_llvm = no

include $(PGXS)
-include $(OBJS:.o=.d)

else

.DEFAULT_GOAL = all
all install uninstall installcheck clean:
	@echo "$(PG_CONFIG) of PostgreSQL 15 with server headers not found:" \
		"set PG_CONFIG, or run test/bin/install-packages" >&2
	@exit 1

endif

# The directory is a prerequisite so that a removed part is noticed.
$(INSTALL_SCRIPT_SQL): sql/parts $(sort $(wildcard sql/parts/*.sql))
	@{ echo '/* $@: made from sql/parts by make; edit the parts */'; \
	   cat $(filter %.sql,$^); } > $@.tmp
	mv $@.tmp $@

clean: stop-before-clean

# ---- Working in the tree -------------------------------------------------
#
# A PG_CONFIG of the command line or the environment reaches the scripts; its
# default is looked up anew, since packages may be installed meanwhile.

.PHONY: help prefix-install sandbox demo demo-stop stop-before-clean \
	test test-faults regress isolation tap unit fuzz model lint format bench

help:
	@sed -n 's/^#: /  make /p' Makefile

#: prefix-install  build, and install into tmp/prefix
prefix-install:
	+@test/bin/prefix-install

#: sandbox         build the provider double
sandbox:
	+@$(MAKE) -s --no-print-directory -C test/sandbox

#: demo            the main job end to end, then leaves a server to look at
demo:
	@test/bin/install-packages demo
	+@$(MAKE) --no-print-directory prefix-install sandbox
	@test/demo/run

#: demo-stop       stop what "make demo" left running
demo-stop:
	@test/demo/stop

#: test            every test; the last line is "N passed, N failed"
test:
	@test/bin/install-packages test
	+@test/bin/run-tests

#: test-faults     the whole fault matrix; FAULT_RUNS=n, FAULT_SEED=n
test-faults:
	@test/bin/install-packages test
	+@$(MAKE) --no-print-directory prefix-install sandbox
	@test/bin/run-faults

#: regress         regression tests only; REGRESS="a b" selects
regress: prefix-install
	@test/bin/run-regress $(REGRESS)

#: isolation       isolation tests only; ISOLATION="a b" selects
isolation: prefix-install
	@test/bin/run-isolation $(ISOLATION)

#: tap             TAP tests only; PROVE_TESTS="test/t/x.pl" selects
tap: prefix-install sandbox
	@test/bin/run-tap $(PROVE_TESTS)

#: unit            unit tests only
unit:
	+@test/bin/run-unit

#: fuzz            fuzz targets only; FUZZ_SECONDS=n each
fuzz:
	+@test/bin/run-fuzz

#: model           check the model of an action's life, see test/model
model:
	@test/bin/install-packages test
	+@test/model/run

#: lint            format, warnings, analyzer and the rules of the project
lint:
	+@test/lint/run

#: format          lay out all C files, and refresh typedefs.list
format:
	+@test/lint/run format --write

#: bench           measured speed beside the targets
bench:
	@test/bin/install-packages demo
	+@$(MAKE) --no-print-directory prefix-install sandbox
	@test/bench/run

# A server that loses its directory would run on for a while.
stop-before-clean:
	@if [ -d tmp/demo ]; then test/demo/stop; fi
