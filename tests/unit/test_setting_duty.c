/* What a setting's value means in the unit of its duty, and whether it holds. */

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
#include "setting_duty.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
        const char *is, *value, *unit;
        double per_ms;
        const char *means; /* "on", "off", "unbounded", a number, or NULL: cannot be told */
} meanings[] = {
        {"score_cache", "true", NULL, 0, "on"},
        {"score_cache", "1", NULL, 0, "on"},
        {"score_cache", "\" Enabled \"", NULL, 0, "on"},
        {"score_cache", "\"off\"", NULL, 0, "off"},
        {"score_cache", "\"\"", NULL, 0, "off"},
        {"score_cache", "0", NULL, 0, "off"},
        {"score_cache", "\"maybe\"", NULL, 0, NULL},
        {"score_cache", "2", NULL, 0, NULL},
        {"score_cache", "{\"a\": 1}", NULL, 0, NULL},
        {"score_cache", "[true]", NULL, 0, NULL},
        {"job_timeout", "\"15m\"", NULL, 0, "900000"},
        {"job_timeout", "\"1h30m\"", NULL, 0, "5400000"},
        {"job_timeout", "\"PT15M\"", NULL, 0, "900000"},
        {"job_timeout", "\"900\"", "s", 0, "900000"},
        {"job_timeout", "900", "s", 0, "900000"},
        {"job_timeout", "900000", "ms", 0, "900000"},
        {"job_timeout", "15", "m", 0, "900000"},
        {"job_timeout", "0.25", "h", 0, "900000"},
        {"job_timeout", "900", NULL, 0, NULL},
        {"job_timeout", "0", NULL, 0, "0"},
        {"job_timeout", "\"infinity\"", "s", 0, "unbounded"},
        {"job_timeout", "-1", "s", 0, "unbounded"},
        {"job_timeout", "\"soon\"", "s", 0, NULL},
        {"job_timeout", "\"nan\"", "s", 0, NULL},
        {"job_timeout", "\"0x10\"", "s", 0, NULL},
        {"job_timeout", "true", "s", 0, NULL},
        {"login_rate", "10", NULL, 60000, "10"},
        {"login_rate", "150", NULL, 900000, "10"},
        {"login_rate", "\"10/m\"", NULL, 60000, "10"},
        {"login_rate", "\"10r/m\"", NULL, 60000, "10"},
        {"login_rate", "\"1r/s\"", NULL, 60000, "60"},
        {"login_rate", "\"100/15m\"", NULL, 60000, "6.66666666666667"},
        {"login_rate", "\"5 per minute\"", NULL, 1, "5"},
        {"login_rate", "\"5 per fortnight\"", NULL, 60000, NULL},
        {"login_rate", "\"5 apples\"", NULL, 60000, NULL},
        {"login_rate", "\"unlimited\"", NULL, 60000, "unbounded"},
        {"lockout_failures", "\" 5 \"", NULL, 0, "5"},
        {"lockout_failures", "\"five\"", NULL, 0, NULL},
        {"lockout_duration", "\"permanent\"", NULL, 0, "unbounded"},
        {"retry_backoff", "\"exponential\"", NULL, 0, "on"},
        {"retry_backoff", "\"none\"", NULL, 0, "off"},
        {"retry_backoff", "250", NULL, 0, "on"},
        {"retry_backoff", "0", NULL, 0, "off"},
        {"retry_backoff", "\"0ms\"", NULL, 0, "off"},
};

static void
values_mean_something(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(meanings); i++) {
                scoped_json value = json_loads(meanings[i].value, JSON_DECODE_ANY, NULL);
                struct meaning meaning;
                char why[200] = "", got[40];
                bool told = setting_meaning(setting_duty_find(meanings[i].is), value, meanings[i].unit,
                                            meanings[i].per_ms, &meaning, why, sizeof why);
                if (meaning.kind == MEANS_NUMBER)
                        snprintf(got, sizeof got, "%.15g", meaning.number);
                else
                        snprintf(got, sizeof got, "%s",
                                 meaning.kind == MEANS_UNBOUNDED ? "unbounded"
                                 : meaning.on                    ? "on"
                                                                 : "off");
                if (told != (meanings[i].means != NULL) || (told && strcmp(got, meanings[i].means) != 0) ||
                    (!told && *why == '\0'))
                        fail_msg("%s %s: %s %s", meanings[i].is, meanings[i].value, told ? got : "not told", why);
        }
}

static const struct {
        const char *is;
        double number, bound;
        bool holds;
} bounds[] = {
        {"job_timeout", 60000, 60000, true},
        {"job_timeout", 60000.5, 60000, false},
        {"job_timeout", 0, 60000, false},
        {"job_timeout", -5, 60000, false},
        {"lockout_duration", 1800000, 1800000, true},
        {"lockout_duration", 1799999, 1800000, false},
        {"lockout_failures", 1, 5, true},
        {"lockout_failures", 0, 5, false},
};

static void
bounds_are_inclusive(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(bounds); i++) {
                const struct meaning meaning = {.kind = MEANS_NUMBER, .number = bounds[i].number};
                if (setting_holds(setting_duty_find(bounds[i].is), &meaning, bounds[i].bound) != bounds[i].holds)
                        fail_msg("%s %g against %g", bounds[i].is, bounds[i].number, bounds[i].bound);
        }
        double bound;
        assert_true(setting_bound(setting_duty_find("job_timeout"), "60s", &bound) && bound == 60000);
        assert_false(setting_bound(setting_duty_find("job_timeout"), "60", &bound));
        assert_false(setting_bound(setting_duty_find("job_timeout"), "0", &bound));
        assert_true(setting_bound(setting_duty_find("login_rate"), "30/5m", &bound) && bound == 6);
        assert_true(setting_bound(setting_duty_find("lockout_failures"), "3", &bound) && bound == 3);
        assert_false(setting_bound(setting_duty_find("score_cache"), "on", &bound));
}

/* Every duty names a control that there is, and a bound that its control declares. */
static void
duties_fit_the_catalogue(void **state)
{
        (void)state;
        struct error err = {0};
        struct policy *policy = policy_default(&err);
        for (const struct setting_duty *duty = setting_duties; duty->is != NULL; duty++) {
                assert_non_null(control_find(duty->control));
                assert_non_null(strstr("|" SETTING_DUTIES "|", duty->is));
                if (duty->policy != NULL && duty->form != DUTY_SWITCH)
                        assert_true(policy_number(policy, duty->control, duty->policy) > 0);
                assert_ptr_equal(duty, setting_duty_find(duty->is));
        }
        assert_null(setting_duty_find("nothing"));
        policy_free(policy);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_mean_something),
                cmocka_unit_test(bounds_are_inclusive),
                cmocka_unit_test(duties_fit_the_catalogue),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
