/* The plan: which audit meets which target, what is skipped and why, and how targets are split into shards. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "scope.h"

static bool
only_primary(const struct target *target, char *why, size_t size)
{
        if (strcmp(target->name, "db-standby") != 0)
                return true;
        snprintf(why, size, "a standby writes no log");
        return false;
}

static const struct audit wal = {
        .name = "wal", .looks_at = {"postgres"}, .controls = {"DSK-7"}, .applies = only_primary};
static const struct audit keys = {.name = "keys", .looks_at = {"redis"}, .controls = {"RED-1"}};
static const struct audit both = {.name = "both", .looks_at = {"postgres", "redis"}, .controls = {"RED-2"}};
static const struct audit pods = {.name = "pods", .looks_at = {"kubernetes", "rollouts"}, .controls = {"LAT-1"}};
static const struct audit compare = {.name = "compare", .controls = {"WRK-1"}, .joins = {"wal", "keys"}};
static const struct audit distant = {.name = "distant", .controls = {"WRK-2"}, .joins = {"pods"}};
static const struct audit *const table[] = {&both, &compare, &distant, &keys, &pods, &wal, NULL};

static const struct target_kind postgres = {.name = "postgres"}, redis = {.name = "redis"}, tls = {.name = "tls"};
static const struct target db = {.name = "db", .kind = &postgres, .owner = ""};
static const struct target standby = {.name = "db-standby", .kind = &postgres, .owner = ""};
static const struct target cache = {.name = "cache", .kind = &redis, .owner = ""};
static const struct target edge = {.name = "edge", .kind = &tls, .owner = ""};
static const struct target *const all[] = {&db, &standby, &cache, &edge, NULL};
static const struct target *const databases[] = {&db, NULL};
static const struct target *const nothing[] = {NULL};

/* "db: both wal; cache: keys; + compare; - pods (why)": a plan in one line. */
static void
describe(const struct plan *plan, char *text, size_t size)
{
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < plan->target_count; i++) {
                used += (size_t)snprintf(text + used, size - used, "%s:", plan->targets[i].target->name);
                for (size_t j = 0; j < plan->targets[i].count; j++) {
                        const struct plan_audit *row = &plan->targets[i].audits[j];
                        used += (size_t)snprintf(text + used, size - used, *row->why ? " %s(%s)" : " %s",
                                                 row->audit->name, row->why);
                }
                used += (size_t)snprintf(text + used, size - used, "; ");
        }
        for (size_t i = 0; i < plan->join_count; i++)
                used += (size_t)snprintf(text + used, size - used, "+ %s; ", plan->joins[i]->name);
        for (size_t i = 0; i < plan->unserved_count; i++)
                used += (size_t)snprintf(text + used, size - used, "- %s (%s); ", plan->unserved[i].audit->name,
                                         plan->unserved[i].why);
}

static const struct plan_case {
        const char *about;
        struct plan_request request;
        const char *plan; /* or the error's text */
} cases[] = {
        {"everything",
         {.targets = all},
         "db: both wal; db-standby: both wal(a standby writes no log); cache: both keys; + compare; "
         "- distant (not configured: no target of kind kubernetes or rollouts); "
         "- pods (not configured: no target of kind kubernetes or rollouts); "},
        {"a job of two audits",
         {.targets = all, .names = (const char *const[]){"wal", "keys", NULL}},
         "db: wal; db-standby: wal(a standby writes no log); cache: keys; "},
        {"a job whose audit has no target",
         {.targets = databases, .names = (const char *const[]){"keys", "wal", NULL}},
         "db: wal; - keys (not configured: no target of kind redis); "},
        {"a pattern leaves targets out without calling them unconfigured",
         {.targets = all, .glob = "db*", .names = (const char *const[]){"keys", "wal", NULL}},
         "db: wal; db-standby: wal(a standby writes no log); "},
        {"the patterns of the job and that of the call",
         {.targets = all,
          .globs = (const char *const[]){"cache", "db*", NULL},
          .glob = "*-*",
          .names = (const char *const[]){"wal", NULL}},
         "db-standby: wal(a standby writes no log); "},
        {"no target at all",
         {.targets = nothing, .names = (const char *const[]){"keys", "compare", NULL}},
         "- compare (not configured: no target of kind postgres or redis); "
         "- keys (not configured: no target of kind redis); "},
        {"an unknown audit",
         {.targets = all, .names = (const char *const[]){"wall", NULL}},
         "there is no audit \"wall\""},
        {"a pattern without a match", {.targets = all, .glob = "x*"}, "no target matches \"x*\""},
        {"a shard past the end",
         {.targets = all, .shard = 3, .shards = 3},
         "there is no shard 3 of 3: they count from 0"},
};

static void
test_plans(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct plan_request request = cases[i].request;
                struct plan *plan = NULL;
                struct error err = {0};
                char text[2048];
                request.audits = table;
                request.timeout_ms = 1000;
                if (plan_make(&request, &plan, &err) == 0)
                        describe(plan, text, sizeof text);
                else
                        snprintf(text, sizeof text, "%s", err.text);
                plan_free(plan);
                if (strcmp(text, cases[i].plan) != 0)
                        fail_msg("%s: %s", cases[i].about, text);
        }
}

static void
test_print(void **state)
{
        struct plan_request request = {.audits = table, .targets = all, .timeout_ms = 60000};
        struct plan *plan = NULL;
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        (void)state;
        assert_int_equal(plan_make(&request, &plan, NULL), 0);
        plan_print(plan, stream);
        fclose(stream);
        assert_string_equal(text, "db (postgres, 60 s): both, wal\n"
                                  "db-standby (postgres, 60 s): both, wal [skipped: a standby writes no log]\n"
                                  "cache (redis, 60 s): both, keys\n"
                                  "after all targets: compare\n"
                                  "skipped: distant: not configured: no target of kind kubernetes or rollouts\n"
                                  "skipped: pods: not configured: no target of kind kubernetes or rollouts\n");
        free(text);
        plan_free(plan);
}

static void
announce(const struct target *target, char *text, size_t size)
{
        snprintf(text, size, "two letters to %s", target->name);
}

/* A kind that does more than look says what it will do; where no audit looks, nothing is sent. */
static void
test_announce(void **state)
{
        static const struct target_kind letters = {.name = "redis", .announce = announce};
        static const struct target post = {.name = "post", .kind = &letters, .owner = ""};
        const struct plan_audit row = {.audit = &keys};
        const struct plan_target audited = {.target = &post, .audits = (struct plan_audit *)&row, .count = 1},
                                 idle = {.target = &post}, looked = {.target = &cache, .count = 1};
        char text[700];

        (void)state;
        assert_true(plan_announces(&audited, text, sizeof text));
        assert_string_equal(text, "two letters to post");
        assert_false(plan_announces(&idle, text, sizeof text));
        assert_false(plan_announces(&looked, text, sizeof text));
}

static void
test_timeouts(void **state)
{
        scoped_json settings = json_pack("{s:i}", "timeout", 5000);
        const struct target slow = {.name = "slow", .kind = &postgres, .owner = "", .settings = settings};
        const struct target *const targets[] = {&db, &slow, NULL};
        struct plan_request request = {.audits = table, .targets = targets, .timeout_ms = 60000};
        struct plan *plan = NULL;
        struct error err = {0};

        (void)state;
        assert_int_equal(plan_make(&request, &plan, &err), 0);
        assert_int_equal(plan->targets[0].timeout_ms, 60000);
        assert_int_equal(plan->targets[1].timeout_ms, 5000);
        plan_free(plan);
}

/* Every target is in exactly one part; what belongs to no target in the first; and the split never changes. */
static void
test_shards(void **state)
{
        struct target targets[200];
        char names[200][16];
        const struct target *list[201] = {NULL};
        size_t seen = 0;

        (void)state;
        for (size_t i = 0; i < 200; i++) {
                snprintf(names[i], sizeof names[i], "db-%zu", i);
                targets[i] = (struct target){.name = names[i], .kind = &postgres, .owner = ""};
                list[i] = &targets[i];
        }
        for (unsigned shard = 0; shard < 4; shard++) {
                struct plan_request request = {.audits = table, .targets = list, .shard = shard, .shards = 4};
                struct plan *plan = NULL;
                struct error err = {0};
                assert_int_equal(plan_make(&request, &plan, &err), 0);
                for (size_t i = 0; i < plan->target_count; i++)
                        assert_int_equal(plan_shard(plan->targets[i].target->name, 4), shard);
                assert_true(plan->target_count > 25 && plan->target_count < 75);
                assert_int_equal(plan->join_count, shard == 0 ? 1 : 0);
                assert_int_equal(plan->unserved_count > 0, shard == 0);
                seen += plan->target_count;
                plan_free(plan);
        }
        assert_int_equal(seen, 200);
        assert_int_equal(plan_shard("db", 1), 0);
        /* FNV-1a of "foobar" is 0x85944171f73967e8 (the published test vector). */
        assert_int_equal(plan_shard("foobar", 1000), 0x85944171f73967e8ULL % 1000);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_plans), cmocka_unit_test(test_print),
                                           cmocka_unit_test(test_announce), cmocka_unit_test(test_timeouts),
                                           cmocka_unit_test(test_shards)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
