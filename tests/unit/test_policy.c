/* The catalogue and the policy it ships. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalogue.h"
#include "policy.h"
#include "scope.h"
#include "settings_check.h"

static void
every_default_is_right(void **state)
{
        char why[200];

        (void)state;
        for (size_t i = 0; playbooks[i] != NULL; i++) {
                for (const struct control *control = playbooks[i]->controls; control->id != NULL; control++) {
                        scoped_json values = settings_defaults(control->settings);
                        assert_true(strncmp(control->id, playbooks[i]->prefix, 3) == 0);
                        assert_true(control->severity != SEV_NONE && control->frameworks[0] != NULL &&
                                    control->cadence != 0);
                        for (const struct setting *s = control->settings; s != NULL && s->type != SETTING_END; s++) {
                                if (s->words == NULL || *s->words == '\0')
                                        fail_msg("%s %s says nothing", control->id, s->name);
                                if (s->fallback != NULL && json_object_get(values, s->name) == NULL) {
                                        settings_value_parse(s, s->fallback, why, sizeof why);
                                        fail_msg("%s %s: default \"%s\": %s", control->id, s->name, s->fallback, why);
                                }
                        }
                }
        }
}

static void
catalogue_is_the_published_one(void **state)
{
        const char *path = getenv("ROUNDS_CATALOGUE");
        scoped(scope_fclose) FILE *file = fopen(path != NULL ? path : "../shared/CONTROLS.md", "r");
        char line[4096];
        size_t rows = 0, known = 0;

        (void)state;
        if (file == NULL) {
                print_message("SKIPPED: no published catalogue to compare with (set ROUNDS_CATALOGUE)\n");
                skip();
        }
        while (fgets(line, sizeof line, file) != NULL) {
                char id[16];
                if (sscanf(line, "| %15[A-Z]-%*d |", id) != 1)
                        continue;
                sscanf(line, "| %15[A-Z0-9-] |", id);
                rows++;
                if (control_find(id) == NULL)
                        fail_msg("%s is in the catalogue and not in the table", id);
        }
        for (size_t i = 0; playbooks[i] != NULL; i++) {
                for (const struct control *control = playbooks[i]->controls; control->id != NULL; control++)
                        known++;
        }
        assert_int_equal(rows, known);
}

static void
overlays(void **state)
{
        struct error err = {0};
        struct policy *base = policy_default(&err), *over = NULL;
        scoped_json good = json_pack("{s:{s:s, s:s}, s:{s:b}}", "DSK-7", "slot_retained", "2GiB", "severity", "SEV4",
                                     "CRT-4", "enabled", 0);
        static const char *const bad[] = {"{\"DSK-7\":{\"slot_retained\":\"2\"}}",
                                          "{\"DSK-7\":{\"slot_retain\":\"2GB\"}}", "{\"DSK-99\":{}}",
                                          "{\"LAT-1\":{\"cpu_target\":\"much\"}}", "[]"};

        (void)state;
        assert_non_null(base);
        assert_true(policy_number(base, "DSK-7", "slot_retained") == 1e9);
        assert_int_equal(SEV2, policy_severity(base, "DSK-7", false));
        assert_int_equal(SEV1, policy_severity(base, "DSK-7", true));
        assert_int_equal(0, policy_overlay(base, good, &over, &err));
        assert_true(policy_number(over, "DSK-7", "slot_retained") == 2147483648.0);
        assert_int_equal(SEV4, policy_severity(over, "DSK-7", true));
        assert_false(policy_enabled(over, "CRT-4"));
        assert_true(policy_enabled(over, "CRT-2"));
        assert_int_equal(5, json_array_size(policy_value(over, "CRT-2", "steps")));
        scoped_json kept = policy_json(over);
        struct policy *again = policy_from_json(kept, &err);
        scoped_json round = policy_json(again);
        assert_true(json_equal(kept, round));
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                struct policy *none = NULL;
                scoped_json overrides = json_loads(bad[i], 0, NULL);
                if (policy_overlay(base, overrides, &none, &err) != -1 || err.reason != REASON_CONFIGURATION ||
                    *err.text == '\0')
                        fail_msg("%s was taken", bad[i]);
        }
        policy_free(again);
        policy_free(over);
        policy_free(base);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(every_default_is_right),
                                           cmocka_unit_test(catalogue_is_the_published_one),
                                           cmocka_unit_test(overlays)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
