# rounds: the nightly, weekly and monthly rounds of a platform.
#
#   make            build/rounds
#   make deps       install what is missing (Debian 12)
#   make check      build and run every test
#   make demo       real servers with planted faults, real rounds, real reports
#   make demo-again the same a day later: one fault mended, another planted
#   make asan ubsan tests under the sanitizers      make lint      style, sizes, documentation
#   make fuzz       every fuzzer, FUZZ_SECONDS each make bench     figures beside the peers'
#   make coverage   what the unit tests reach       make golden    accept changed golden files
#
# Every folder is taken as it stands: adding a source file or a test needs no change here.

VERSION  := 0.1.0
BUILD    ?= build
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
PREFIX   ?= /usr/local
DESTDIR  ?=
CFLAGS   ?= -O2 -g
FUZZ_SECONDS ?= 30
NPROC    := $(shell nproc 2>/dev/null || echo 2)
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(NPROC)
endif

PACKAGES := libpq hiredis openssl libcurl libcmark xlsxwriter jansson yaml-0.1 sqlite3 libarchive libzstd libcares libpcre2-8 expat tree-sitter
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wvla -Wno-missing-field-initializers
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE

# Asked once, and only for goals that compile: on a bare machine there is no pkg-config before `make deps`.
COMPILES := $(filter-out deps clean demo check demo-again demo-stop asan ubsan fuzz bench coverage lint format uninstall,$(or $(MAKECMDGOALS),all))
ifneq ($(COMPILES),)
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES))
endif
FLAGS     = -std=gnu11 -D_GNU_SOURCE -DROUNDS_VERSION='"$(VERSION)"' $(WITH) -Iinclude $(WARNINGS) $(HARDEN) $(PKG_CFLAGS) $(CFLAGS) $(EXTRA)
LIBS      = $(PKG_LIBS) -lm -pthread
LINK      = $(CC) -pie $(CFLAGS) $(EXTRA) $(LDFLAGS)

SOURCES   := $(sort $(wildcard audits/*.c audits/parts/*.c audits/engine/*.c audits/probes/*.c report/*.c))
# The generated parsers of JavaScript and TypeScript, as npm packages carry them; without them the source scan says so.
GRAMMARS  := $(wildcard $(patsubst %,build/npm/node_modules/tree-sitter-%/src,javascript typescript/typescript typescript/tsx))
GRAMMAR_OBJECTS := $(foreach g,$(GRAMMARS),$(patsubst build/npm/node_modules/%/src,$(BUILD)/grammar/%,$(g))/parser.o \
             $(patsubst build/npm/node_modules/%/src,$(BUILD)/grammar/%,$(g))/scanner.o)
WITH      := $(if $(word 3,$(GRAMMARS)),-DWITH_GRAMMARS)
OBJECTS   := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/gen/templates.o $(if $(WITH),$(GRAMMAR_OBJECTS))
MAIN      := $(BUILD)/audits/engine/main.o
LIBRARY   := $(BUILD)/librounds.a
TEMPLATES := $(sort $(shell find templates -type f ! -name '.*' ! -name README.md 2>/dev/null))
UNIT      := $(sort $(wildcard tests/unit/test_*.c))
SUPPORT   := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/unit/support*.c)))
UNIT_BIN  := $(UNIT:tests/%.c=$(BUILD)/tests/%)
TOOLS_BIN := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/integration/*.c tests/bench/*.c)))
FUZZERS   := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

all: $(BUILD)/rounds

$(BUILD)/rounds: $(MAIN) $(LIBRARY)
	@echo "  LINK  $@"
	@$(LINK) -o $@ $(MAIN) $(LIBRARY) $(LIBS)

$(LIBRARY): $(filter-out $(MAIN),$(OBJECTS))
	@rm -f $@
	@echo "  AR    $@"
	@ar rcs $@ $^

# What the objects were compiled with: other flags in the same folder mean compiling anew.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(subst ','"'"',$(FLAGS))' | cmp -s - $@ || echo '$(CC) $(subst ','"'"',$(FLAGS))' > $@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(FLAGS) -MMD -MP -c -o $@ $<

# Templates become bytes of the binary: one assembler directive each, and a sorted table.
$(BUILD)/gen/templates.c: $(TEMPLATES) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "templates.h"'; n=0; \
	for f in $(TEMPLATES); do n=$$((n+1)); \
	  printf '__asm__(".section .rodata\\n.global template_%d\\ntemplate_%d:\\n.incbin \\"%s\\"\\n.byte 0\\n.previous\\n");\nextern const char template_%d[];\n' $$n $$n $$f $$n; done; \
	echo 'const struct template_file template_files[] = {'; \
	n=0; for f in $(TEMPLATES); do n=$$((n+1)); echo "$${f#templates/} $$n $$(stat -c %s $$f)"; done | LC_ALL=C sort | \
	  while read -r name n size; do printf '{"%s", template_%d, %d},\n' $$name $$n $$size; done; \
	echo '{0}};'; } > $@

$(BUILD)/gen/templates.o: $(BUILD)/gen/templates.c
	@echo "  CC    $<"
	@$(CC) $(FLAGS) -c -o $@ $<

# Others' generated code: compiled as it is.
$(BUILD)/grammar/%/parser.o: build/npm/node_modules/%/src/parser.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) -w $(HARDEN) $(CFLAGS) $(EXTRA) -I$(<D) -c -o $@ $<

$(BUILD)/grammar/%/scanner.o: build/npm/node_modules/%/src/scanner.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) -w $(HARDEN) $(CFLAGS) $(EXTRA) -I$(<D) -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(SUPPORT) $(LIBRARY)
	@echo "  LINK  $@"
	@$(LINK) -o $@ $< $(SUPPORT) $(LIBRARY) $(LIBS) -lcmocka

$(BUILD)/tests/integration/%: $(BUILD)/tests/integration/%.o $(LIBRARY)
	@echo "  LINK  $@"
	@$(LINK) -o $@ $< $(LIBRARY) $(LIBS)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(SUPPORT) $(LIBRARY)
	@echo "  LINK  $@"
	@$(LINK) -o $@ $< $(SUPPORT) $(LIBRARY) $(LIBS) -lcmocka

unit-binaries: $(UNIT_BIN)
tools: $(TOOLS_BIN)
test-binaries: all unit-binaries tools

# Unit tests alone, as quickly as they run: what to call while working.
unit: $(UNIT_BIN)
	@failed=0; for t in $(UNIT_BIN); do $$t >$$t.log 2>&1 || { failed=1; echo "FAILED $$t"; cat $$t.log; }; done; exit $$failed

# --- for people and CI: each installs what is missing first, then calls make again with the tools there --------------------

deps:
	@tests/deps.sh

check: deps
	@$(MAKE) --no-print-directory BUILD=$(BUILD) test-binaries
	@tests/run $(BUILD)

demo: deps
	@$(MAKE) --no-print-directory BUILD=$(BUILD) all tools
	@tests/demo/run first $(BUILD)

demo-again: deps
	@$(MAKE) --no-print-directory BUILD=$(BUILD) all tools
	@tests/demo/run again $(BUILD)

asan: deps
	@$(MAKE) --no-print-directory BUILD=build-asan CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address' test-binaries
	@tests/run build-asan

ubsan: deps
	@$(MAKE) --no-print-directory BUILD=build-ubsan CFLAGS='-O1 -g -fsanitize=undefined -fno-sanitize-recover=all' test-binaries
	@tests/run build-ubsan

lint: deps
	@tests/lint/run

format: deps
	@git ls-files '*.c' '*.h' | xargs clang-format -i

golden: all unit-binaries
	@GOLDEN=accept $(MAKE) --no-print-directory unit

coverage: deps
	@$(MAKE) --no-print-directory BUILD=build-coverage CFLAGS='-O0 -g --coverage -fprofile-update=atomic' test-binaries
	@tests/run build-coverage || true
	@gcovr --root . --exclude 'tests/' --exclude 'build/' --exclude '.*/node_modules/' --object-directory build-coverage build-coverage --print-summary --html-details build-coverage/coverage.html

fuzz: deps
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=clang fuzzers \
	  CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined'
	@for f in $(FUZZERS); do mkdir -p build-fuzz/corpus/$$f; seeds=tests/fixtures/fuzz/$$f; [ -d $$seeds ] || seeds=; \
	  echo "== $$f"; build-fuzz/tests/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=10 -print_final_stats=0 -verbosity=0 \
	  build-fuzz/corpus/$$f $$seeds || exit 1; done

fuzzers: $(FUZZERS:%=$(BUILD)/tests/fuzz/%)

$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(LIBRARY)
	@echo "  LINK  $@"
	@$(CC) -pie $(CFLAGS) -fsanitize=fuzzer -o $@ $< $(LIBRARY) $(LIBS)

bench: deps
	@$(MAKE) --no-print-directory BUILD=$(BUILD) all tools
	@set -e; for b in tests/bench/*.sh; do [ -x "$$b" ] || continue; echo "== $$b"; BUILD=$(BUILD) $$b; done

install: all
	install -D -m 755 $(BUILD)/rounds $(DESTDIR)$(PREFIX)/bin/rounds
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d \
	  $(DESTDIR)$(PREFIX)/share/doc/rounds
	$(BUILD)/rounds help --man > $(DESTDIR)$(PREFIX)/share/man/man1/rounds.1
	$(BUILD)/rounds help --completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/rounds
	$(BUILD)/rounds help --completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_rounds
	$(BUILD)/rounds help --completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/rounds.fish
	cp -r schedules README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/rounds/

uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/bin/rounds $(DESTDIR)$(PREFIX)/share/man/man1/rounds.1 \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/rounds $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_rounds \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/rounds.fish $(DESTDIR)$(PREFIX)/share/doc/rounds

clean:
	rm -rf build build-asan build-ubsan build-coverage build-fuzz build-clang

-include $(OBJECTS:.o=.d) $(UNIT_BIN:%=%.d) $(TOOLS_BIN:%=%.d) $(SUPPORT:.o=.d)
.PHONY: all unit unit-binaries tools test-binaries deps check demo demo-again asan ubsan lint format golden coverage fuzz fuzzers \
        bench install uninstall clean FORCE
.SECONDARY:
