# rounds: the nightly, weekly and monthly rounds of a platform.
#
#   make          build/rounds
#   make deps     install what is missing (Debian 12)
#   make check    build and run every test
#   make demo     real servers with planted faults, real rounds, real reports
#
# Every folder is taken as it stands: adding a source file or a test needs no change here.

VERSION  := 0.1.0
BUILD    ?= build
CC       ?= gcc
PREFIX   ?= /usr/local
CFLAGS   ?= -O2 -g
NPROC    := $(shell nproc 2>/dev/null || echo 2)
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(NPROC)
endif

PACKAGES := libpq hiredis openssl libcurl libcmark xlsxwriter jansson yaml-0.1 sqlite3 libarchive libzstd libcares libpcre2-8 expat
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wvla -Wno-missing-field-initializers
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
FLAGS     = -std=gnu11 -D_GNU_SOURCE -DROUNDS_VERSION='"$(VERSION)"' -Iinclude $(WARNINGS) $(HARDEN) \
            $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(CFLAGS) $(EXTRA)
LIBS      = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm -pthread
LINK      = $(CC) -pie $(CFLAGS) $(EXTRA) $(LDFLAGS)

SOURCES   := $(sort $(wildcard audits/*.c audits/engine/*.c audits/probes/*.c report/*.c))
OBJECTS   := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/gen/templates.o
MAIN      := $(BUILD)/audits/engine/main.o
LIBRARY   := $(BUILD)/librounds.a
TEMPLATES := $(sort $(shell find templates -type f ! -name '.*' ! -name README.md))
UNIT      := $(sort $(wildcard tests/unit/test_*.c))
SUPPORT   := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/unit/support*.c)))
UNIT_BIN  := $(UNIT:tests/%.c=$(BUILD)/tests/%)

all: $(BUILD)/rounds

$(BUILD)/rounds: $(MAIN) $(LIBRARY)
	@echo "  LINK  $@"
	@$(LINK) -o $@ $(MAIN) $(LIBRARY) $(LIBS)

$(LIBRARY): $(filter-out $(MAIN),$(OBJECTS))
	@rm -f $@
	@echo "  AR    $@"
	@ar rcs $@ $^

$(BUILD)/%.o: %.c
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

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(SUPPORT) $(LIBRARY)
	@echo "  LINK  $@"
	@$(LINK) -o $@ $< $(SUPPORT) $(LIBRARY) $(LIBS) -lcmocka

unit-binaries: $(UNIT_BIN)

unit: $(UNIT_BIN)
	@failed=0; for t in $(UNIT_BIN); do $$t >$$t.log 2>&1 || { failed=1; echo "FAILED $$t"; cat $$t.log; }; done; exit $$failed

# Accepts the reports as they are now; review the difference before it is committed.
golden: $(BUILD)/tests/unit/test_report
	ROUNDS_GOLDEN=accept $<

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(UNIT_BIN:%=%.d)
.PHONY: all golden unit unit-binaries clean
.SECONDARY:
