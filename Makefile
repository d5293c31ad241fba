# SPDX-License-Identifier: MIT
#
# groupcache for Lua. One Makefile, no configure step; `make help` lists the targets.
#
# Everything made lands in $(BUILD), laid out like an installed tree:
#   bin/groupcached  lib/lua/5.1/groupcache/core.so  share/lua/5.1/groupcache/*.lua
# beside obj/, test/libgroupcache.so (all engine symbols visible, for the unit specs) and
# bench/memory.
#
# Variables: CC CFLAGS LDFLAGS BUILD WERROR=1 V=1 SAN=address|undefined|thread GC=1 T=spec... WITHOUT=folder,folder
# PORT PREFIX DESTDIR
# Of the benchmark: ROUNDS SECONDS ONLY=row,row PART=text STRICT=1 TRACES=DIR; of the guard: RENEW=1

VERSION = 0.2.0

CC      ?= cc
CFLAGS  ?= -O2 -g
LIBFLAG ?= -shared
LUAJIT  ?= luajit
BUSTED  ?= $(firstword $(wildcard /usr/bin/busted) busted)
PORT    ?= 8080
PREFIX  ?= /usr/local
SAN     ?=
BUILD   ?= build$(SAN:%=-%)

# LuaRocks sets the INST_ family; alone, they follow PREFIX.
INST_PREFIX ?= $(PREFIX)
INST_BINDIR ?= $(INST_PREFIX)/bin
INST_LIBDIR ?= $(INST_PREFIX)/lib/lua/5.1
INST_LUADIR ?= $(INST_PREFIX)/share/lua/5.1
INST_DATADIR ?= $(INST_PREFIX)/share
# What `make install` made, for `make uninstall`; empty where a package manager knows it.
INST_LIST   ?= $(INST_DATADIR)/groupcache/installed

RUN_PACKAGES     = gcc libc6-dev make pkg-config libluajit-5.1-dev libmicrohttpd-dev \
                   libcurl4-openssl-dev libgnutls28-dev libprotobuf-c-dev zlib1g-dev libbrotli-dev \
                   libzstd-dev curl
TEST_PACKAGES    = luajit lua-busted lua-cjson lua-filesystem lua-mpack lua-posix lua-socket \
                   nginx-light openssl lua-sql-postgres lua-sql-sqlite3 postgresql \
                   lua-cqueues lua-http lua-luv lua-copas redis-server gnutls-bin systemd prometheus tmux \
                   iproute2 etcd-server dnsmasq-base php-cli python3 procps zsh tinyproxy brotli zstd libgd3
FUZZ_PACKAGES    = clang
LINT_PACKAGES    = lua-check clang clang-format cppcheck protobuf-c-compiler
INTEROP_PACKAGES = golang-go golang-github-golang-groupcache-dev
BENCH_PACKAGES   = wrk memcached git $(INTEROP_PACKAGES)
GUARD_PACKAGES   = valgrind
BROWSER_PACKAGES = chromium
PLAYWRIGHT       = playwright-core@1.65.1
ROCK_PACKAGES    = luajit luarocks lua-cjson lua-mpack
SYSTEMS_PACKAGES = debootstrap
DEB_PACKAGES     = dpkg-dev debhelper lintian luajit debootstrap
IMAGE_PACKAGES   = dpkg-dev debhelper mmdebstrap skopeo procps iproute2

# ---- flags -------------------------------------------------------------------------------------

# CFLAGS may come from the command line (LuaRocks does that), where += has no effect; what the
# project itself needs therefore stands in ALL_CFLAGS.
#
# pkg-config is asked once, on first use: `make deps` must work before it is installed.
once = $(eval $(1) := $$(shell $(2)))$($(1))
LUAJIT_CFLAGS = $(call once,LUAJIT_CFLAGS,pkg-config --cflags luajit 2>/dev/null)
LUAJIT_LIBS   = $(call once,LUAJIT_LIBS,pkg-config --libs luajit 2>/dev/null || echo -lluajit-5.1)
DEP_CFLAGS    = $(call once,DEP_CFLAGS,pkg-config --cflags $(DEP_MODULES) 2>/dev/null)
DEP_LIBS      = $(call once,DEP_LIBS,pkg-config --libs $(DEP_MODULES) 2>/dev/null \
                  || echo -lmicrohttpd -lcurl -lgnutls -lprotobuf-c -lz)
DEP_MODULES   = libmicrohttpd libcurl gnutls libprotobuf-c zlib $(CODINGS)

# Codings that http decodes beside those of zlib, where these are installed.
CODINGS = $(call once,CODINGS,for m in libbrotlidec libzstd; do pkg-config --exists $$$$m 2>/dev/null && echo $$$$m; done)

# What LuaRocks found, or was told, goes before that. Its LUA_INCDIR is of no use: it may lead to plain
# Lua 5.1, whose headers lack half of LuaJIT's API.
ROCK_INCS = $(addprefix -I,$(LUAJIT_INCDIR:%=%/luajit-2.1) $(CURL_INCDIR) $(MICROHTTPD_INCDIR) \
  $(GNUTLS_INCDIR) $(PROTOBUF_C_INCDIR) $(ZLIB_INCDIR))
ROCK_LIBS = $(addprefix -L,$(LUAJIT_LIBDIR) $(CURL_LIBDIR) $(MICROHTTPD_LIBDIR) $(GNUTLS_LIBDIR) \
  $(PROTOBUF_C_LIBDIR) $(ZLIB_LIBDIR))

SANFLAGS_address   = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANFLAGS_undefined = -fsanitize=undefined -fno-sanitize-recover=undefined
SANFLAGS_thread    = -fsanitize=thread -fno-omit-frame-pointer
ifneq ($(SAN),)
ifeq ($(SANFLAGS_$(SAN)),)
$(error SAN is one of: address undefined thread)
endif
endif
SANFLAGS = $(SANFLAGS_$(SAN))

# Of a server that strangers reach; HARDEN= and HARDEN_LD= leave them out. FORTIFY needs the optimizer, and
# may come with the CFLAGS of a distribution. A sanitizer looks closer, and at all of this.
FORTIFY   = $(if $(findstring _FORTIFY_SOURCE,$(CFLAGS)$(CPPFLAGS)),,$(if $(filter -O1 -O2 -O3 -Os -Og,$(CFLAGS)),\
  -D_FORTIFY_SOURCE=2))
HARDEN    = $(if $(SAN),,-fstack-protector-strong $(FORTIFY))
HARDEN_LD = -Wl,-z,relro -Wl,-z,now

STD        = -std=c11 -D_GNU_SOURCE
WARN       = -Wall -Wextra -Wshadow -Wconversion $(if $(filter 1,$(WERROR)),-Werror)
INCS       = -Isrc -Iproto $(ROCK_INCS) $(LUAJIT_CFLAGS) $(DEP_CFLAGS)
ALL_CFLAGS = $(STD) $(WARN) -fPIC -fno-plt -pthread -DGROUPCACHE_VERSION='"$(VERSION)"' \
             $(if $(filter libbrotlidec,$(CODINGS)),-DHAVE_BROTLI) $(if $(filter libzstd,$(CODINGS)),-DHAVE_ZSTD) \
             $(INCS) $(HARDEN) $(SANFLAGS) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pthread $(HARDEN_LD) $(SANFLAGS) $(ROCK_LIBS) $(LDFLAGS)
LDLIBS      = $(DEP_LIBS) -lresolv -lm

Q = $(if $(filter 1,$(V)),,@)
say = @$(if $(filter 1,$(V)),:,printf '  %-5s %s\n' $(1) $(2))

# ---- what is made of what ----------------------------------------------------------------------

SRCS      := $(sort $(wildcard src/*/*.c proto/*.c))
LUA_FILES := $(shell find lua -name '*.lua' 2>/dev/null)

OBJ        = $(BUILD)/obj
LIB_OBJS   = $(SRCS:%.c=$(OBJ)/%.o)
MAIN_OBJ   = $(OBJ)/src/main.o
TEST_OBJS  = $(patsubst %.c,$(OBJ)/test/%.o,$(filter-out src/bind/%,$(SRCS)))

BIN        = $(BUILD)/bin/groupcached
CORE       = $(BUILD)/lib/lua/5.1/groupcache/core.so
TESTLIB    = $(BUILD)/test/libgroupcache.so
MEMORY     = $(BUILD)/bench/memory
LUA_COPIES = $(LUA_FILES:lua/%=$(BUILD)/share/lua/5.1/%)

# Fuzz targets without libFuzzer, for the inputs that are kept: spec/fuzz_spec.lua.
FUZZ_TARGETS = $(filter-out replay,$(patsubst spec/fuzz/%.c,%,$(wildcard spec/fuzz/*.c)))
REPLAYS      = $(FUZZ_TARGETS:%=$(BUILD)/test/replay/%)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all objects testlib deps packages run cluster test test-most test-waiting specs loops interop upgrade browser worst bench \
        results bench-programs outage guard fuzz sim plant coverage sanitize sanitize-nodes sanitize-others chaos soak keep \
        fuzz-programs \
        lint fmt manifests proto rock deb image other-systems install uninstall valgrind clean help FORCE

all: $(BIN) $(CORE) $(LUA_COPIES) ## build everything into $(BUILD)
	@:

objects: $(LIB_OBJS) $(MAIN_OBJ) $(TEST_OBJS) $(MEMORY)
	@:

testlib: $(TESTLIB) $(MEMORY) $(REPLAYS) $(BUILD)/test/sim
	@:

$(BIN): $(MAIN_OBJ) $(LIB_OBJS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -pie -Wl,-E $(ALL_LDFLAGS) -o $@ $^ $(LUAJIT_LIBS) $(LDLIBS)

# The host of a Lua module has the Lua symbols: linking libluajit here would give it a second VM. It is
# never unloaded: a thread that is stuck in a getter's C function may outlive the program's state.
$(CORE): $(LIB_OBJS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LIBFLAG) -Wl,-z,nodelete $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(TESTLIB): $(TEST_OBJS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LIBFLAG) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

# The engine alone: it needs neither Lua nor HTTP.
$(MEMORY): $(OBJ)/bench/memory/memory.o $(filter $(OBJ)/src/base/% $(OBJ)/src/cache/%,$(LIB_OBJS))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lz $(if $(filter libzstd,$(CODINGS)),-lzstd) -lm

$(BUILD)/share/lua/5.1/%.lua: lua/%.lua
	@mkdir -p $(@D)
	@cp $< $@

$(OBJ)/test/%.o: %.c $(OBJ)/flags
	@mkdir -p $(@D)
	$(call say,CC,'$< (test)')
	$(Q)$(CC) $(ALL_CFLAGS) -DGROUPCACHE_TEST=1 $(GENERATED) -MMD -MP -c -o $@ $<

$(OBJ)/%.o: %.c $(OBJ)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -fvisibility=hidden $(GENERATED) -MMD -MP -c -o $@ $<

# The assembler reads it.
$(OBJ)/src/http/page.o $(OBJ)/test/src/http/page.o: src/http/page.html

# protoc-c's output is not ours to warn about.
$(OBJ)/proto/%.o $(OBJ)/test/proto/%.o: GENERATED = -w

# Changes only when the compiler or its flags do, or when BUILD is spelt in another way: the .d files name
# objects by it. Then everything is compiled again. It is also where a package is noticed that is missing
# or too old, once and by name. LuaRocks has looked for itself already, but not at versions.
$(OBJ)/flags: FORCE
	@$(if $(LUAJIT_INCDIR),,$(call need,$(CC),gcc) $(call need,pkg-config,pkg-config) \
	  $(call need_lib,luajit,libluajit-5.1-dev) $(call need_lib,libmicrohttpd,libmicrohttpd-dev) \
	  $(call need_lib,libcurl,libcurl4-openssl-dev) $(call need_lib,gnutls,libgnutls28-dev) \
	  $(call need_lib,libprotobuf-c,libprotobuf-c-dev) $(call need_lib,zlib,zlib1g-dev) \
	  if [ -n "$$missing" ]; then \
	    echo "missing packages:$$missing (run: make deps)" >&2; exit 1; fi;) \
	$(call need_new,libmicrohttpd,0.9.75,$(MICROHTTPD_LIBDIR)) $(call need_new,libcurl,7.87,$(CURL_LIBDIR)) \
	if [ -n "$$old" ]; then \
	  echo "too old:$${old#,}; Debian 12 and Ubuntu 24.04 have what is needed" >&2; exit 1; fi; \
	mkdir -p $(@D); \
	printf '%s\n' '$(BUILD): $(CC) $(subst ','\'',$(ALL_CFLAGS))' >$@.$$$$; \
	if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi
need     = command -v $(firstword $(1)) >/dev/null || missing="$$missing $(2)";
need_lib = pkg-config --exists $(1) 2>/dev/null || missing="$$missing $(2)";
need_new = pc() { PKG_CONFIG_PATH="$(3:%=%/pkgconfig:)$$PKG_CONFIG_PATH" pkg-config "$$@" $(1) 2>/dev/null; }; \
  ! pc --exists || pc --atleast-version=$(2) || old="$$old, $(1) $$(pc --modversion) ($(2) or newer is needed)";

-include $(LIB_OBJS:.o=.d) $(MAIN_OBJ:.o=.d) $(TEST_OBJS:.o=.d) $(OBJ)/bench/memory/memory.d

# ---- day to day --------------------------------------------------------------------------------

# Recipes that install packages do the rest in a second make: all lines of a recipe are expanded before
# the first one runs, so only that one sees what was installed. The + at their lines lets it have the
# job slots of the first.
J       = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))
SUBMAKE = $(MAKE) --no-print-directory

deps: ## install the Debian packages that are missing (through sudo when not root)
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES)

packages: ## the same with those of every check that the build server runs
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES) $(LINT_PACKAGES) $(GUARD_PACKAGES) $(FUZZ_PACKAGES) \
	  $(ROCK_PACKAGES) $(INTEROP_PACKAGES) $(BROWSER_PACKAGES)

run: ## build all, then serve examples/quickstart.lua on 127.0.0.1:PORT [8080]
	@.ci/deps $(RUN_PACKAGES)
	+@$(SUBMAKE) $(J) all
	@printf '\nTry, in another terminal (Ctrl-C here ends it):\n'
	@$(TRY)
	@echo
	@exec $(BIN) examples/quickstart.lua --listen 127.0.0.1:$(PORT)

cluster: ## the same as one ring of three nodes, on PORT and the two after it
	@.ci/deps $(RUN_PACKAGES)
	+@$(SUBMAKE) $(J) all
	@printf '\nTry, in another terminal, on each of the three ports:\n'
	@$(TRY)
	@echo
	@exec env BUILD=$(BUILD) examples/cluster.sh examples/quickstart.lua 3 $(PORT)

# What to try stands in the example itself, as comment lines that begin with curl.
TRY = sed -n 's/^-- *\(curl .*\)/  \1/p' examples/quickstart.lua | \
  sed 's/:8080/:$(PORT)/g; s/:9080/:'$$(($(PORT) + 1000))'/g'

# T names spec files or folders; without it .busted lists all but the interop ones, and those of WITHOUT.
test: ## build all and run the specs; one file: make test T=spec/unit/ring_spec.lua
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES)
	+@$(SUBMAKE) $(J) all testlib
	+@$(SUBMAKE) specs

specs:
	@$(SPEC_ENV) $(LUAJIT) $(BUSTED) --ignore-lua $(T)

# Two halves of the specs, which may run side by side: those that do little but wait for leases, timeouts and
# lifetimes, and the others.
WAITING = discover http_cache loops
null   :=
comma  := ,
test-most:
	+@$(SUBMAKE) test WITHOUT=$(subst $(null) $(null),$(comma),$(WAITING))
test-waiting:
	+@$(SUBMAKE) test T="$(or $(T),$(WAITING:%=spec/%))"

# An uninstrumented luajit loads sanitized libraries when their runtime is there first. Children that
# have nothing to do with it (nginx, gcc, go) are spared: the specs drop LD_PRELOAD as they start.
PRELOAD_address = $(shell $(CC) -print-file-name=libasan.so)
PRELOAD_thread  = $(shell $(CC) -print-file-name=libtsan.so)
SETARCH         = $(if $(filter address thread,$(SAN)),$(shell setarch -R true 2>/dev/null && echo setarch -R))
SPEC_ENV = env BUILD=$(BUILD) CC='$(CC)' $(if $(GC),GC=$(GC)) $(if $(WITHOUT),WITHOUT='$(WITHOUT)') \
  $(if $(WRAP),GROUPCACHED_WRAP='$(WRAP)') $(if $(SAN),SAN=$(SAN) \
  ASAN_OPTIONS=exitcode=99:detect_leaks=1:$$ASAN_OPTIONS \
  TSAN_OPTIONS=exitcode=99:halt_on_error=0:second_deadlock_stack=1:$$TSAN_OPTIONS \
  UBSAN_OPTIONS=print_stacktrace=1:$$UBSAN_OPTIONS \
  $(if $(PRELOAD_$(SAN)),LD_PRELOAD=$(PRELOAD_$(SAN))) $(SETARCH))

# A build whose programs count the lines that run. A node that a spec kills counts nothing. Without T two halves
# run side by side.
coverage: ## the lines of src/ that the specs run, by folder, and error lines that none reaches; T=
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES)
	@find $(BUILD)/coverage -name '*.gcda' -delete 2>/dev/null || :
	+@$(SUBMAKE) $(J) all testlib $(COVERAGE)
	+-@$(SUBMAKE) -k -j2 $(if $(T),test,test-most test-waiting) $(COVERAGE)
	@$(LUAJIT) spec/support/coverage.lua $(BUILD)/coverage

COVERAGE = BUILD=$(BUILD)/coverage HARDEN= CFLAGS='-O0 -g --coverage' LDFLAGS=--coverage

# All that the build server runs a part of, in two halves side by side, and the simulator. Leaks are looked for in
# nodes only, as in .ci/run.
SANITIZERS = address thread
sanitize: ## the specs under SANITIZERS [address thread]: AddressSanitizer with UBSan, ThreadSanitizer; T=
	+@failed=0; for san in $(SANITIZERS); do \
	  $(SUBMAKE) $(J) all testlib SAN=$$san || exit 1; \
	  $(SUBMAKE) -k -j2 $(if $(T),specs,sanitize-nodes sanitize-others) SAN=$$san || failed=1; done; \
	  $(if $(T),,$(SUBMAKE) sim SAN=$(firstword $(SANITIZERS)) STEPS=1000000 || failed=1;) exit $$failed
sanitize-nodes:
	@$(SUBMAKE) specs T=spec/node
sanitize-others:
	@failed=0; ASAN_OPTIONS=detect_leaks=0 $(SUBMAKE) specs T=spec/unit || failed=1; \
	  $(SUBMAKE) specs T="spec/cli spec/api spec/sources spec/regress spec/fuzz_spec.lua" || failed=1; exit $$failed

# What must hold under every event loop. `make test` has the short ones of these under all of them.
LOOPS      = cqueues luv
LOOP_SPECS = $(patsubst %,spec/node/%_spec.lua,background blocking deadline getter hits http reload stream waits) spec/regress

loops: ## the specs of getters, the long ones too, under the other event loops
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES)
	+@$(SUBMAKE) $(J) all testlib
	+@failed=0; for loop in $(LOOPS); do echo "under $$loop:"; \
	  GROUPCACHE_LOOP=$$loop $(SUBMAKE) specs T="$(or $(T),$(LOOP_SPECS))" || failed=1; done; exit $$failed

valgrind: ## the specs that run nodes, each groupcached under valgrind (slow)
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES) valgrind
	+@$(SUBMAKE) test T="$(or $(T),$(wildcard spec/node spec/cli))" \
	  WRAP="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite"

interop: ## the specs against real Go groupcache nodes
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES) $(INTEROP_PACKAGES)
	+@$(SUBMAKE) $(J) all testlib
	@sh spec/interop/build.sh $(BUILD)/interop
	+@$(SUBMAKE) specs T="$(or $(T),spec/interop)"

# Node.js comes from Debian or elsewhere, so it is looked for by its commands. npm brings no browser.
browser: ## the page of operators in a real Chromium (installs it, Node.js and playwright-core)
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES) $(BROWSER_PACKAGES)
	@command -v npm >/dev/null || .ci/deps nodejs npm
	+@$(SUBMAKE) $(J) all testlib
	@[ -d $(BUILD)/browser/node_modules/playwright-core ] || \
	  npm install --silent --no-audit --no-fund --prefix $(BUILD)/browser $(PLAYWRIGHT)
	+@$(SUBMAKE) specs T="$(or $(T),spec/operators/page_spec.lua)"

WORST_SECONDS ?= 120
worst: ## a node in a cgroup of little memory, under the worst mix, for WORST_SECONDS [120]
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES)
	+@$(SUBMAKE) $(J) all testlib
	+@WORST_SECONDS=$(WORST_SECONDS) $(SUBMAKE) specs T="$(or $(T),spec/worst)"

CHAOS_SECONDS ?= 110
chaos: ## 3 and 5 nodes under faults of SEED [1] for CHAOS_SECONDS [110], with clients that check all
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES)
	+@$(SUBMAKE) $(J) all testlib
	+@in=; ns=0; if unshare -n ip link set lo up 2>/dev/null; then \
	  ns=1; in='unshare -n sh -c "ip link set lo up && exec \"\$$@\"" sh'; fi; \
	  eval "$$in env SEED=$(SEED) CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_NAMESPACE=$$ns \
	    $(SUBMAKE) specs T='spec/chaos/chaos_spec.lua $(wildcard spec/regress/*-chaos-*_spec.lua)'"

KIND ?= sim
NODES ?= 3
NAMESPACE = $(shell unshare -n true 2>/dev/null && echo 1 || echo 0)
keep: ## a failing SEED of KIND [sim] (STEPS=, DROP=) or chaos (NODES=, CHAOS_SECONDS=) becomes a regress spec, NAME=
	+@$(SUBMAKE) $(J) $(BUILD)/test/sim
	@$(LUAJIT) spec/keep.lua $(KIND) '$(NAME)' $(if $(filter sim,$(KIND)),$(BUILD)/test/sim $(SEED) $(STEPS) $(DROP),\
	  $(SEED) $(NODES) $$(($(CHAOS_SECONDS) / 2)) $(NAMESPACE))

SOAK_SECONDS ?= 3600
soak: ## nodes under traffic, faults, joins and leaves for SOAK_SECONDS [3600]: memory, descriptors and threads stay
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES)
	+@$(SUBMAKE) $(J) all testlib
	+@SEED=$(SEED) SOAK_SECONDS=$(SOAK_SECONDS) $(SUBMAKE) specs T='spec/chaos/soak_spec.lua spec/chaos/churn_spec.lua'

# LAST is a commit, in place of the newest tag v* before this one.
upgrade: ## the program of the last release in rings with the new one; LAST=COMMIT instead of its tag
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES) git
	+@$(SUBMAKE) $(J) all testlib
	@program=$$(sh spec/upgrade/build.sh $(BUILD)/releases $(LAST)) && \
	  LAST_RELEASE=$$program $(SUBMAKE) specs T="$(or $(T),spec/upgrade)"

bench: ## everything beside its peers, in one table; one row: make bench ONLY=hit ROUNDS=1
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES)
	@.ci/deps $(BENCH_PACKAGES) || echo 'bench: without the peers that are missing' >&2
	+@$(SUBMAKE) $(J) all testlib bench-programs
	@mkdir -p $(BUILD)/bench; sh spec/interop/build.sh $(BUILD)/bench bench/peers/gopeer || \
	  echo 'bench: without Go' >&2
	@$(BENCH_ENV) ROUNDS='$(ROUNDS)' SECONDS='$(SECONDS)' ONLY='$(ONLY)' PART='$(PART)' \
	  STRICT='$(STRICT)' TRACES='$(TRACES)' $(LUAJIT) bench/run.lua

# All rows, since what is shown is one run.
results: ## `make bench` of all rows becomes docs/results.md, and README.md gets its figures from there
	+@RESULTS=$(BUILD)/bench/results.md $(SUBMAKE) bench ONLY=
	@$(LUAJIT) bench/renew.lua $(BUILD)/bench/results.md

outage: ## what a node in trouble costs the clients of the others; KINDS="kill stop", CLIENTS="12 300", GO=1
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES) wrk
	+@$(SUBMAKE) $(J) all testlib
	@$(if $(GO),sh spec/interop/build.sh $(BUILD)/interop)
	@$(BENCH_ENV) CLIENTS='$(CLIENTS)' SECONDS='$(SECONDS)' GO='$(GO)' $(LUAJIT) bench/outage.lua $(KINDS)

guard: ## instructions of the hot paths against bench/baseline.txt; RENEW=1 writes it anew
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES) $(GUARD_PACKAGES)
	+@$(SUBMAKE) $(J) all bench-programs
	@$(BENCH_ENV) RENEW='$(RENEW)' $(LUAJIT) bench/guard/guard.lua

# A target is a file of spec/fuzz/, linked with what it needs of src/, compiled for libFuzzer. An input that
# ends a target is kept in $(BUILD)/fuzz/found; spec/fuzz/run.sh prints it, and how to run it again.
FUZZ_SECONDS ?= 20
FUZZ_BUILD    = $(BUILD)/fuzz
FUZZ_CFLAGS   = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FUZZ_INCS     = -Ispec/fuzz -Ispec/virtual -DFUZZ_ROOT='"$(CURDIR)"'
VIRTUAL_engine = spec/virtual/clock.c

fuzz: ## hostile bytes against each target of spec/fuzz/, FUZZ_SECONDS [20] each; ONLY=name, INPUT=file
	@.ci/deps $(RUN_PACKAGES) luajit $(FUZZ_PACKAGES)
	+@$(SUBMAKE) $(J) fuzz-programs CC=clang HARDEN= CFLAGS='$(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link' \
	  BUILD=$(FUZZ_BUILD) ONLY='$(ONLY)'
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' INPUT='$(INPUT)' LUAJIT='$(LUAJIT)' sh spec/fuzz/run.sh $(FUZZ_BUILD) \
	  $(or $(ONLY),$(FUZZ_TARGETS))

fuzz-programs: $(patsubst %,$(BUILD)/targets/%,$(or $(ONLY),$(FUZZ_TARGETS)))
	@:

# What a target defines itself, such as a clock, stands in for the object of that name in the archive.
$(BUILD)/libfuzzed.a: $(TEST_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

.SECONDEXPANSION:
$(BUILD)/targets/%: spec/fuzz/%.c $$(VIRTUAL_$$*) spec/fuzz/fuzz.h $(BUILD)/libfuzzed.a
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(FUZZ_INCS) -fsanitize=fuzzer -Wl,-E -o $@ $(filter %.c %.a,$^) $(LUAJIT_LIBS) $(LDLIBS)

$(BUILD)/test/replay/%: spec/fuzz/%.c $$(VIRTUAL_$$*) spec/fuzz/replay.c spec/fuzz/fuzz.h $(BUILD)/libfuzzed.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(FUZZ_INCS) -Wl,-E $(ALL_LDFLAGS) -o $@ $(filter %.c %.a,$^) $(LUAJIT_LIBS) $(LDLIBS)

# A cluster on a virtual clock and network, in one process: spec/sim/sim.h. A failing seed prints how to run
# it again. DROP leaves acts of the schedule out.
SEED  ?= 1
STEPS ?= 10000000
sim: ## a simulated cluster under faults, STEPS [10000000] events from SEED [1] on; SIM_VERBOSE=1 tells the story
	@.ci/deps $(RUN_PACKAGES)
	+@$(SUBMAKE) $(J) $(BUILD)/test/sim
	@$(BUILD)/test/sim $(SEED) $(STEPS) $(DROP)

$(BUILD)/test/sim: $(wildcard spec/sim/*.c) spec/virtual/clock.c spec/sim/sim.h spec/virtual/virtual.h $(BUILD)/libfuzzed.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Ispec/sim -Ispec/virtual $(ALL_LDFLAGS) -o $@ $(filter %.c %.a,$^) $(LUAJIT_LIBS) $(LDLIBS)

# The copy has the objects of the build, so that each fault costs one compilation.
PLANTED = $(BUILD)/planted
plant: ## five faults, each put into a copy of the tree: the simulator must find it within STEPS [10000000]; ONLY=
	+@$(SUBMAKE) $(J) $(BUILD)/test/sim
	@rm -rf $(PLANTED) && mkdir -p $(PLANTED)/build
	@cp -a Makefile src proto spec lua .ci $(PLANTED)/ && cp -a $(BUILD)/obj $(BUILD)/libfuzzed.a $(PLANTED)/build/
	+@$(LUAJIT) spec/plant/run.lua $(PLANTED) '$(SUBMAKE) -s -C $(PLANTED) BUILD=build build/test/sim >/dev/null' \
	  $(SEED) $(STEPS) '$(ONLY)'

BENCH_ENV = env BUILD=$(BUILD) CC='$(CC)' \
  LUA_PATH='$(BUILD)/share/lua/5.1/?.lua;$(BUILD)/share/lua/5.1/?/init.lua;;' \
  LUA_CPATH='$(BUILD)/lib/lua/5.1/?.so;;'

# Our own: linked with the very objects of the program, so that what is measured is what is run.
BENCH_OURS = $(BUILD)/bench/engine $(BUILD)/bench/trace $(BUILD)/bench/paths $(BUILD)/bench/messages

bench-programs: $(BENCH_OURS) $(BUILD)/bench/mhd
	@:

$(BUILD)/bench/engine: bench/inside/engine.c $(LIB_OBJS)
$(BUILD)/bench/trace: bench/inside/trace.c $(LIB_OBJS)
$(BUILD)/bench/paths: bench/guard/paths.c $(LIB_OBJS)
$(BUILD)/bench/messages: bench/guard/messages.c $(LIB_OBJS)
$(BENCH_OURS):
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Wl,-E $(ALL_LDFLAGS) -o $@ $^ $(LUAJIT_LIBS) $(LDLIBS)

$(BUILD)/bench/mhd: bench/peers/mhd.c $(OBJ)/flags
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(LDLIBS)

# ---- looks -------------------------------------------------------------------------------------

C_FILES  = $(wildcard src/*.[ch] src/*/*.[ch] bench/*/*.c spec/fuzz/*.[ch] spec/virtual/*.[ch] spec/sim/*.[ch])
NO_COLOR = $(if $(MAKE_TERMOUT),,--no-color)

lint: ## every static check; ends with "lint: clean"
	@.ci/deps $(RUN_PACKAGES) $(TEST_PACKAGES) $(LINT_PACKAGES)
	luacheck -q $(NO_COLOR) $(wildcard lua spec examples bench)
	@for f in $(wildcard rockspec/*.rockspec); do \
	  luacheck -q $(NO_COLOR) --std rockspec --filename $$f - <$$f || exit 1; done
	clang-format --dry-run --Werror $(C_FILES)
	cppcheck -q --std=c11 --enable=warning,portability,performance --inline-suppr --error-exitcode=1 \
	  --suppress=missingIncludeSystem -j $(shell nproc) -Isrc -Iproto src bench
	+@$(SUBMAKE) $(J) objects bench-programs CC=gcc   WERROR=1 SAN= BUILD=$(BUILD)/lint-gcc
	+@$(SUBMAKE) $(J) objects bench-programs CC=clang WERROR=1 SAN= BUILD=$(BUILD)/lint-clang
	+@$(SUBMAKE) proto PROTO_OUT=$(BUILD)/lint-proto
	@cd $(BUILD)/lint-proto && for f in *.pb-c.c *.pb-c.h; do \
	  sed /MIN_COMPILER_VERSION/d $$f >made; sed /MIN_COMPILER_VERSION/d $(CURDIR)/proto/$$f >kept; \
	  cmp made kept || { echo "proto/$$f is not what the .proto gives (run: make proto)" >&2; exit 1; }; done
	@echo 'lint: clean'

MANIFESTS = $(BUILD)/manifests
manifests: ## the manifests of examples/k8s against the schemas of Kubernetes (needs Node.js and npm)
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then \
	  echo 'manifests: skipped, there is no node or no npm' >&2; exit 0; fi; \
	mkdir -p $(MANIFESTS) && cp spec/manifests/check.js spec/manifests/package.json $(MANIFESTS) && \
	(cd $(MANIFESTS) && npm install --silent --no-audit --no-fund --no-package-lock) && \
	node $(MANIFESTS)/check.js examples/k8s/*.yaml

fmt: ## format the C sources in place
	@.ci/deps clang-format
	clang-format -i $(C_FILES)

PROTO_OUT = proto
proto: ## generate the C pairs from proto/*.proto
	@.ci/deps protobuf-c-compiler
	@mkdir -p $(PROTO_OUT)
	protoc-c --proto_path=proto --c_out=$(PROTO_OUT) $(notdir $(wildcard proto/*.proto))

# ---- packaging ---------------------------------------------------------------------------------

rock: ## install, try and remove the LuaRocks package in a scratch tree; ends with "rock: fine"
	@.ci/deps $(RUN_PACKAGES) $(ROCK_PACKAGES)
	@sh spec/rock/try.sh $(BUILD)/rock $(VERSION)

deb: ## build the Debian package into $(BUILD)/deb, try it in a bare root; ends with "deb: fine"
	@.ci/deps $(RUN_PACKAGES) $(DEB_PACKAGES)
	@sh spec/deb/try.sh $(BUILD)/deb $(VERSION) $(BUILD)/systems

image: ## build an image for containers into $(BUILD)/image and try it, as root; ends with "image: fine"
	@.ci/deps $(RUN_PACKAGES) $(IMAGE_PACKAGES)
	@sh spec/image/try.sh $(BUILD)/image $(VERSION) $(BUILD)/deb

SYSTEMS ?= bookworm trixie sid
other-systems: ## `make test` on the Debian releases SYSTEMS [bookworm trixie sid], each in a root of its own; as root
	@.ci/deps $(SYSTEMS_PACKAGES)
	@T='$(T)' WERROR='$(WERROR)' SAN='$(SAN)' CC='$(if $(filter command% environment%,$(origin CC)),$(CC))' \
	  CFLAGS='$(if $(filter command% environment%,$(origin CFLAGS)),$(CFLAGS))' LDFLAGS='$(LDFLAGS)' \
	  sh spec/systems/try.sh $(BUILD)/systems $(SYSTEMS)

# A mode, a file and where it goes, a line. The program prints its own man page and completions.
COMPLETIONS = bash-completion/completions/groupcached zsh/site-functions/_groupcached \
              fish/vendor_completions.d/groupcached.fish
PAGES       = $(addprefix $(BUILD)/share/,man/man8/groupcached.8 $(COMPLETIONS))

to_install = { \
  printf '%s\t%s\t%s\n' 755 $(BIN) '$(INST_BINDIR)/groupcached' \
    755 $(CORE) '$(INST_LIBDIR)/groupcache/core.so'; \
  for f in $(LUA_FILES:lua/%=%); do printf '644\tlua/%s\t%s\n' $$f '$(INST_LUADIR)'/$$f; done; \
  for f in $(PAGES:$(BUILD)/share/%=%); do \
    printf '644\t$(BUILD)/share/%s\t%s\n' $$f '$(INST_DATADIR)'/$$f; done; }

$(BUILD)/share/man/man8/groupcached.8: PAGE = man
$(BUILD)/share/bash-completion/completions/groupcached: PAGE = bash
$(BUILD)/share/zsh/site-functions/_groupcached: PAGE = zsh
$(BUILD)/share/fish/vendor_completions.d/groupcached.fish: PAGE = fish
$(PAGES): $(BIN) $(LUA_COPIES)
	@mkdir -p $(@D)
	$(call say,MAKE,$@)
	$(Q)$(BIN) completion $(PAGE) >$@

install: all $(PAGES) ## install under PREFIX [/usr/local], or where LuaRocks says
	@$(to_install) | sh package/install.sh install '$(DESTDIR)' '$(INST_LIST)'

uninstall: ## remove what `make install` made, with the same PREFIX and DESTDIR
	@sh package/install.sh uninstall '$(DESTDIR)' '$(INST_LIST)'

clean: ## remove everything made
	rm -rf bench/results.md build build-address build-undefined build-thread $(filter-out build,$(BUILD))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
