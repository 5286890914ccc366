/* Checking targets: connections that stand, fail and hang, rights that are held and missing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

static sem_t hang;

static int
connect_as_told(struct session *session, char *server, size_t size, struct error *err)
{
        const char *behaviour = json_text(session->target->settings, "behaviour", "");

        if (strcmp(behaviour, "refused") == 0) {
                error_set(err, REASON_UNREACHABLE, "%s: connection refused", session->target->name);
                return error_remedy(err, "start it");
        }
        if (strcmp(behaviour, "slow") == 0)
                return deadline_sleep(&session->deadline, HOUR_MS, err);
        if (strcmp(behaviour, "hung") == 0)
                sem_wait(&hang);
        snprintf(server, size, "PostgreSQL 15.8");
        return 0;
}

static int
monitor_check(struct session *session, struct rights *rights, struct error *err)
{
        const char *behaviour = json_text(session->target->settings, "behaviour", "");

        if (strcmp(behaviour, "untold") == 0)
                return error_set(err, REASON_PROTOCOL, "it does not say");
        rights_add(rights, true, "connect", "");
        rights_add(rights, strcmp(behaviour, "poor") != 0, "role pg_monitor", "GRANT pg_monitor TO rounds");
        return 0;
}

static const struct audit wal = {
        .name = "wal", .looks_at = {"postgres"}, .controls = {"DSK-7"}, .needs = "pg_monitor", .check = monitor_check};
static const struct audit plain = {.name = "plain", .looks_at = {"postgres"}, .controls = {"DBC-1"}};
static const struct audit *const table[] = {&plain, &wal, NULL};
static const struct target_kind postgres = {.name = "postgres", .connect = connect_as_told};

static const struct check_case {
        const char *behaviour;
        bool ok;
        const char *server, *reason, *missing; /* remedy of the right that is missing */
        const char *audit_reason;
} cases[] = {
        {"well", true, "PostgreSQL 15.8", "", "", ""},
        {"refused", false, "", "unreachable", "", ""},
        {"slow", false, "", "timeout", "", ""},
        {"poor", false, "PostgreSQL 15.8", "", "GRANT pg_monitor TO rounds", ""},
        {"untold", false, "PostgreSQL 15.8", "", "", "protocol"},
        {"hung", false, "", "timeout", "", ""},
};

enum { CASES = sizeof cases / sizeof *cases };

static void
expect(const json_t *answer, const struct check_case *c)
{
        const json_t *audits_of = json_list(answer, "audits");
        const json_t *asked = json_array_get(audits_of, 1);
        const json_t *right = json_array_get(json_list(asked, "rights"), 1);

        if (json_flag(answer, "ok", !c->ok) != c->ok || strcmp(json_text(answer, "target", ""), c->behaviour) != 0 ||
            strcmp(json_text(answer, "server", "?"), c->server) != 0 ||
            strcmp(json_text(answer, "reason", "?"), c->reason) != 0) {
                scoped_string text = json_dumps(answer, 0);
                fail_msg("%s: %s", c->behaviour, text);
        }
        assert_int_equal(json_array_size(audits_of), *c->server != '\0' ? 2 : 0);
        assert_string_equal(json_text(asked, "reason", ""), c->audit_reason);
        if (*c->missing != '\0') {
                assert_false(json_flag(right, "held", true));
                assert_string_equal(json_text(right, "remedy", ""), c->missing);
        } else if (right != NULL) {
                assert_true(json_flag(right, "held", false));
        }
}

/* Every answer in words; latencies vary, so the lines around them are looked for. */
static void
expect_text(const json_t *checked)
{
        static const char *const lines[] = {
                "well (postgres): PostgreSQL 15.8, ",
                "  plain: ok\n  wal: ok, needs pg_monitor\n",
                "refused (postgres): unreachable: refused: connection refused\n  mend: start it\n",
                "slow (postgres): timeout: ",
                "  wal: rights are missing\n    missing: role pg_monitor\n    mend: GRANT pg_monitor TO rounds\n",
                "  wal: not known: it does not say\n",
                "hung (postgres): timeout: hung: no answer, and it did not let go at its deadline: given up\n",
        };
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        check_print(checked, stream);
        fclose(stream);
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
                if (strstr(text, lines[i]) == NULL)
                        fail_msg("missing: %sin:\n%s", lines[i], text);
        }
        free(text);
}

static void
test_targets(void **state)
{
        struct target targets[CASES];
        const struct target *list[CASES + 1] = {NULL};
        json_t *settings[CASES], *checked = NULL;
        struct plan *plan = NULL;
        struct error err = {0};
        struct cancel cancel;
        size_t lost = 0;

        (void)state;
        for (size_t i = 0; i < CASES; i++) {
                settings[i] = json_pack("{s:s}", "behaviour", cases[i].behaviour);
                targets[i] = (struct target){
                        .name = cases[i].behaviour, .kind = &postgres, .owner = "", .settings = settings[i]};
                list[i] = &targets[i];
        }
        assert_int_equal(cancel_open(&cancel, NULL), 0);
        struct plan_request request = {.audits = table, .targets = list, .timeout_ms = 300};
        assert_int_equal(plan_make(&request, &plan, &err), 0);
        struct check_order order = {.plan = plan,
                                    .targets = list,
                                    .threads = 4,
                                    .timeout_ms = MINUTE_MS,
                                    .grace_ms = 1000,
                                    .cancel = &cancel};
        int64_t begun_ms = monotonic_ms();
        assert_int_equal(check_targets(&order, &checked, &lost, &err), 0);
        assert_true(monotonic_ms() - begun_ms < 10000);
        assert_int_equal(lost, 1);
        assert_int_equal(json_array_size(checked), CASES);
        for (size_t i = 0; i < CASES; i++)
                expect(json_array_get(checked, i), &cases[i]);
        assert_false(check_all_ok(checked));
        expect_text(checked);
        json_decref(checked);
        /* Only those that are well; the hung thread comes back before its target goes. */
        struct target well = targets[0];
        const struct target *alone[] = {&well, NULL};
        struct plan *good = NULL;
        request.targets = alone;
        assert_int_equal(plan_make(&request, &good, &err), 0);
        struct check_order second = order; /* the first one is still looked at */
        second.plan = good;
        second.targets = alone;
        assert_int_equal(check_targets(&second, &checked, &lost, &err), 0);
        assert_true(check_all_ok(checked));
        json_decref(checked);
        sem_post(&hang);
        struct deadline patience = deadline_in(300, NULL);
        deadline_sleep(&patience, 300, NULL);
        plan_free(good);
        plan_free(plan);
        for (size_t i = 0; i < CASES; i++)
                json_decref(settings[i]);
        cancel_close(&cancel);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_targets)};

        sem_init(&hang, 0, 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
