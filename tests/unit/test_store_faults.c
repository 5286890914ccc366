/* Every allocation and every write of the store path fails once: no crash, no silent loss, and what was committed
 * stays.
 *
 * The C library's functions are replaced in this program (the shared libraries find these first); each fault is tried
 * in a child of its own, so that a crash is seen for what it is.  ROUNDS_FAULTS=all tries every single one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moment.h"
#include "scope.h"
#include "store.h"

/* gcc and clang each have their own way to say that the sanitiser owns malloc. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* --- the shim ----------------------------------------------------------------------------------------------- */

enum fault { FAULT_NONE, FAULT_MEMORY, FAULT_WRITE, FAULT_FULL };

static enum fault armed;
static long countdown; /* the call that fails; past it, writes go on failing: a full disk stays full */
static long calls;

static int
is_due(enum fault kind)
{
        if (armed != kind)
                return 0;
        calls++;
        return kind == FAULT_FULL ? calls >= countdown : calls == countdown;
}

#ifndef SANITIZED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

void *
malloc(size_t size)
{
        if (is_due(FAULT_MEMORY)) {
                errno = ENOMEM;
                return NULL;
        }
        return __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
        if (is_due(FAULT_MEMORY)) {
                errno = ENOMEM;
                return NULL;
        }
        return __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
        if (is_due(FAULT_MEMORY)) {
                errno = ENOMEM;
                return NULL;
        }
        return __libc_realloc(old, size);
}
#endif

static int
write_fails(void)
{
        if (is_due(FAULT_WRITE)) {
                errno = EIO;
                return 1;
        }
        if (is_due(FAULT_FULL)) {
                errno = ENOSPC;
                return 1;
        }
        return 0;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
        static ssize_t (*real)(int, const void *, size_t, off64_t);

        if (write_fails())
                return -1;
        if (real == NULL)
                *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
        return real(fd, bytes, size, offset);
}

int
fdatasync(int fd)
{
        static int (*real)(int);

        if (write_fails())
                return -1;
        if (real == NULL)
                *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
        return real(fd);
}

int
ftruncate64(int fd, off64_t size)
{
        static int (*real)(int, off64_t);

        if (write_fails())
                return -1;
        if (real == NULL)
                *(void **)&real = dlsym(RTLD_NEXT, "ftruncate64");
        return real(fd, size);
}

/* --- the store path ----------------------------------------------------------------------------------------- */

enum { SLOTS = 60, TOLD = 3 };

static int
count_rows(void *context, const struct finding_row *row)
{
        if (row->finding.message == NULL || strncmp(row->finding.message, "slot ", 5) != 0)
                return 1;
        ++*(size_t *)context;
        return 0;
}

static int
count_facts(void *context, const char *target, const char *kind, const char *owner, const char *audit, int64_t at_ms,
            const json_t *facts)
{
        (void)target, (void)kind, (void)owner, (void)audit, (void)at_ms;
        *(size_t *)context += json_array_size(json_object_get(facts, "slots"));
        return 0;
}

static struct findings *
some_findings(void)
{
        struct findings *findings = findings_new();

        for (int i = 0; findings != NULL && i < SLOTS; i++) {
                const char *name = findings_text(findings, "slot-%d", i);
                findings_add(findings, &(struct finding){.control = "DSK-7",
                                                         .resource = {"slot", NULL, name},
                                                         .status = i % 2 ? STATUS_PASS : STATUS_FAIL,
                                                         .severity = i % 2 ? SEV_NONE : SEV2,
                                                         .message = findings_text(findings, "slot %d", i)});
                findings_sample(findings, "wal.slot_bytes", name, i);
        }
        return findings;
}

static json_t *
some_facts(void)
{
        scoped_json facts = json_object();
        json_t *slots = json_array();

        if (json_object_set_new(facts, "slots", slots) != 0)
                return NULL;
        for (int i = 0; i < SLOTS; i++) {
                if (json_array_append_new(slots, json_integer(i)) != 0)
                        return NULL;
        }
        return scope_keep(facts);
}

/* One run, from opening to closing: 0 when everything was kept, TOLD when an error said otherwise, 9 on nonsense. */
static int
store_path(const char *where, int64_t at_ms)
{
        struct store *store;
        struct error err = {0};
        struct run run = {.job = "nightly", .started_ms = at_ms};
        struct retention keep = {.facts_ms = DAY_MS, .findings_ms = 10 * DAY_MS, .samples_ms = 10 * DAY_MS};
        int64_t id;
        size_t count = 0;
        int code = TOLD;

        if (store_open(where, false, &store, &err) != 0)
                return *err.text != '\0' ? TOLD : 9;
        struct findings *findings = some_findings();
        scoped_json facts = some_facts();
        struct result result = {
                .target = "db", .kind = "postgres", .owner = "", .audit = "wal", .facts = facts, .findings = findings};
        if (findings != NULL && facts != NULL && !findings->failed) {
                code = store_run_begin(store, &run, NULL, &id, &err) != 0 ||
                                       store_results_put(store, id, &result, 1, NULL, NULL, &err) != 0 ||
                                       store_findings_each(store, id, count_rows, &count, &err) != 0 ||
                                       store_prune(store, &keep, at_ms, &err) != 0 ||
                                       store_run_end(store, id, RUN_FINISHED, at_ms + 1, &err) != 0
                               ? TOLD
                               : 0;
                if ((code == TOLD && *err.text == '\0') || (code == 0 && count != SLOTS))
                        code = 9;
        }
        findings_free(findings);
        store_close(store);
        return code;
}

/* --- trying every fault ------------------------------------------------------------------------------------- */

static int
path_with(const char *where, enum fault fault, long at, int64_t at_ms)
{
        int status;
        pid_t child = fork();

        if (child == 0) {
                countdown = at;
                calls = 0;
                armed = fault;
                int code = store_path(where, at_ms);
                armed = FAULT_NONE;
                _exit(calls < at ? 100 + code : code); /* the path has fewer such calls than that */
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status))
                fail_msg("killed by signal %d at call %ld", WTERMSIG(status), at);
        return WEXITSTATUS(status);
}

/* Opens without faults: the first run is whole, and the last one too where its path claimed success. */
static void
inspect(const char *where, bool kept, long at)
{
        struct store *store;
        struct error err = {0};
        size_t findings = 0, facts = 0;
        json_t *newest = NULL;

        if (store_open(where, false, &store, &err) != 0)
                fail_msg("after call %ld: %s", at, err.text);
        if (store_findings_each(store, 1, count_rows, &findings, &err) != 0 ||
            store_facts_each(store, 1, count_facts, &facts, &err) != 0)
                fail_msg("after call %ld: %s", at, err.text);
        if (findings != SLOTS || facts != SLOTS)
                fail_msg("after call %ld: %zu findings and %zu facts are left of the first run", at, findings, facts);
        if (store_run_read(store, 0, NULL, &newest, &err) != 0)
                fail_msg("after call %ld: %s", at, err.text);
        findings = 0;
        if (store_findings_each(store, json_integer_value(json_object_get(newest, "id")), count_rows, &findings,
                                &err) != 0)
                fail_msg("after call %ld: %s", at, err.text);
        assert_int_equal(findings, SLOTS);
        if (kept && json_integer_value(json_object_get(newest, "started_ms")) == 1000)
                fail_msg("after call %ld: a run said that it was kept, and is gone", at);
        json_decref(newest);
        store_close(store);
}

static void
try_all(enum fault fault, long step)
{
        char folder[] = "/tmp/rounds-faults-XXXXXX", command[256], where[128], base[128];
        long at = 1, told = 0;
        const char *all = getenv("ROUNDS_FAULTS");

        assert_non_null(mkdtemp(folder));
        snprintf(base, sizeof base, "sqlite:%s/base.db", folder);
        snprintf(where, sizeof where, "sqlite:%s/rounds.db", folder);
        assert_int_equal(store_path(base, 1000), 0);
        snprintf(command, sizeof command, "cd %s && rm -f rounds.db* && cp base.db rounds.db", folder);
        for (;;) {
                assert_int_equal(system(command), 0);
                int code = path_with(where, fault, at, 2000);
                if (code >= 100)
                        break;
                if (code != 0 && code != TOLD)
                        fail_msg("call %ld: exit %d", at, code);
                told += code == TOLD;
                inspect(where, code == 0, at);
                at += all != NULL || at < 20 ? 1 : step;
        }
        print_message("%ld calls, %ld of the tried faults were told\n", at - 1, told);
        assert_true(at > 5 && told > 0);
        snprintf(command, sizeof command, "rm -rf %s", folder);
        assert_int_equal(system(command), 0);
}

static void
test_memory(void **state)
{
        (void)state;
#ifdef SANITIZED
        skip();
#endif
        try_all(FAULT_MEMORY, 37);
}

static void
test_writes(void **state)
{
        (void)state;
        try_all(FAULT_WRITE, 3);
}

static void
test_full_disk(void **state)
{
        (void)state;
        try_all(FAULT_FULL, 3);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory), cmocka_unit_test(test_writes),
                                           cmocka_unit_test(test_full_disk)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
