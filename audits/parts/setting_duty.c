/* What an application's setting is for, what its value means, and whether it holds. */

#include "setting_duty.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "moment.h"

const struct setting_duty setting_duties[] = {
        {.is = "score_cache",
         .control = "LAT-2",
         .form = DUTY_SWITCH,
         .wanted = true,
         .success = "Scoring results are cached.",
         .failure =
                 "Scoring results are not cached: every repeated lookup is scored anew, and latency follows the load."},
        {.is = "worker_inprocess",
         .control = "RED-6",
         .form = DUTY_SWITCH,
         .wanted = false,
         .unset_is_on = true,
         .success = "No worker polls from inside the web processes.",
         .failure = "Workers inside the web processes poll Redis day and night, whether or not there is work: on a "
                    "metered plan "
                    "they burn it."},
        {.is = "job_timeout",
         .control = "WRK-2",
         .form = DUTY_DURATION,
         .policy = "limit",
         .subject = "job type",
         .success = "A stuck job gives its worker back in time.",
         .failure = "A stuck job holds its worker for longer than the backlog can bear."},
        {.is = "circuit_breaker",
         .control = "WRK-3",
         .form = DUTY_SWITCH,
         .wanted = true,
         .subject = "dependency",
         .success = "Calls to a dependency that is down are cut off.",
         .failure = "Calls to a dependency that is down are not cut off: they pile up in the workers until these stand "
                    "still."},
        {.is = "retry_attempts",
         .control = "API-5",
         .form = DUTY_COUNT,
         .policy = "attempts",
         .subject = "dependency",
         .success = "Calls are retried, and not for ever.",
         .failure = "Calls are retried without a sound bound: none lets every hiccup through to users, too many turn "
                    "it into a storm."},
        {.is = "retry_backoff",
         .control = "API-5",
         .form = DUTY_BACKOFF,
         .wanted = true,
         .subject = "dependency",
         .success = "Retries leave a pause.",
         .failure =
                 "Retries follow each other without a pause: a service that stumbles is hit again before it stands."},
        {.is = "login_rate",
         .control = "ATH-1",
         .form = DUTY_RATE,
         .policy = "rate",
         .subject = "endpoint",
         .success = "An address cannot guess passwords quickly.",
         .failure = "An address may guess passwords faster than it should."},
        {.is = "lockout_failures",
         .control = "ATH-2",
         .form = DUTY_COUNT,
         .policy = "failures",
         .success = "An account locks in time.",
         .failure = "An account does not lock, or locks too late, while somebody guesses its password."},
        {.is = "lockout_duration",
         .control = "ATH-2",
         .form = DUTY_DURATION,
         .at_least = true,
         .policy = "duration",
         .success = "A locked account stays so for long enough, and opens again.",
         .failure = "A locked account opens again too soon to stop guessing, or never: then anybody who knows a name "
                    "can lock its "
                    "owner out."},
        {.is = "access_token",
         .control = "ATH-3",
         .form = DUTY_DURATION,
         .policy = "access_token",
         .success = "A stolen access token is soon of no use.",
         .failure = "A stolen access token is of use for too long: it cannot be taken back before it expires."},
        {.is = "refresh_rotation",
         .control = "ATH-3",
         .form = DUTY_SWITCH,
         .wanted = true,
         .policy = "rotation",
         .success = "A refresh token can be used once.",
         .failure = "A refresh token can be used again and again: a stolen one is as good as the password, and nobody "
                    "notices."},
        {.is = NULL},
};

const struct setting_duty *
setting_duty_find(const char *is)
{
        for (const struct setting_duty *duty = setting_duties; duty->is != NULL; duty++) {
                if (strcmp(duty->is, is) == 0)
                        return duty;
        }
        return NULL;
}

/* --- what a value means ------------------------------------------------------------------------------------------- */

static bool
is_among(const char *text, const char *const *words)
{
        for (; *words != NULL; words++) {
                if (strcasecmp(text, *words) == 0)
                        return true;
        }
        return false;
}

static const char *const on_words[] = {"1", "true", "on", "yes", "y", "enabled", "enable", NULL};
static const char *const off_words[] = {"0", "false", "off", "no", "n", "disabled", "disable", "none", "", NULL};
static const char *const unbounded_words[] = {"infinity",  "inf", "unlimited", "forever", "never", "none",
                                              "permanent", "off", "false",     "-1",      NULL};

static bool
number_of(const char *text, double *number)
{
        char *end;

        *number = strtod(text, &end);
        return end != text && *end == '\0' && isfinite(*number) && strpbrk(text, "xXnN") == NULL;
}

static double
unit_ms(const char *unit)
{
        return strcmp(unit, "ms") == 0 ? 1 : strcmp(unit, "s") == 0 ? 1000 : strcmp(unit, "m") == 0 ? 60000 : 3600000;
}

/* "15m", "1h30m", "PT15M" (ISO 8601), or a bare number with its unit stated. */
static bool
duration_of(const char *text, const char *unit, double *ms, char *why, size_t size)
{
        char lower[64];
        int64_t whole;
        size_t length = 0;

        if (number_of(text, ms)) {
                if (unit == NULL && *ms != 0) {
                        snprintf(why, size, "a bare number: state its unit (unit: ms, s, m or h)");
                        return false;
                }
                *ms *= unit != NULL ? unit_ms(unit) : 1;
                return true;
        }
        const char *from = strncasecmp(text, "PT", 2) == 0 ? text + 2 : text;
        for (; from[length] != '\0' && length < sizeof lower - 1; length++)
                lower[length] = (char)tolower((unsigned char)from[length]);
        lower[length] = '\0';
        if (!duration_parse(lower, &whole)) {
                snprintf(why, size, "no duration such as 15m, 900s or PT15M");
                return false;
        }
        *ms = (double)whole;
        return true;
}

/* "10", "10/m", "10r/m", "100/15m", "10 per minute" -> a minute. */
static bool
rate_of(const char *text, double per_ms, double *rate, char *why, size_t size)
{
        static const struct {
                const char *word;
                double ms;
        } units[] = {{"s", 1000},       {"sec", 1000},  {"second", 1000},  {"m", 60000},    {"min", 60000},
                     {"minute", 60000}, {"h", 3600000}, {"hour", 3600000}, {"d", 86400000}, {"day", 86400000}};
        char *end;
        double count = strtod(text, &end);
        int64_t length;

        if (end == text || !isfinite(count)) {
                snprintf(why, size, "no rate such as 10, 10/m or 100/15m");
                return false;
        }
        end += *end == 'r' || *end == 'R';
        end += strspn(end, " ");
        if (*end == '/' || strncasecmp(end, "per ", 4) == 0) {
                end += *end == '/' ? 1 : 4;
                end += strspn(end, " ");
                per_ms = 0;
                for (size_t i = 0; i < sizeof units / sizeof *units; i++)
                        per_ms = strcasecmp(units[i].word, end) == 0 ? units[i].ms : per_ms;
                if (per_ms == 0 && duration_parse(end, &length))
                        per_ms = (double)length;
                end += strlen(end);
        }
        if (*end != '\0' || per_ms <= 0) {
                snprintf(why, size, "no rate such as 10, 10/m or 100/15m");
                return false;
        }
        *rate = count * 60000 / per_ms;
        return true;
}

bool
setting_meaning(const struct setting_duty *duty, const json_t *value, const char *unit, double per_ms,
                struct meaning *meaning, char *why, size_t size)
{
        char text[64], unused[100];
        double ms;

        *meaning = (struct meaning){.kind = MEANS_NUMBER};
        if (!json_scalar(value, text, sizeof text)) {
                snprintf(why, size,
                         json_is_string(value) ? "a text too long for what it should say"
                                               : "a document, not one value: name the part with pointer or key");
                return false;
        }
        if (duty->form == DUTY_SWITCH || duty->form == DUTY_BACKOFF) {
                meaning->kind = MEANS_SWITCH;
                meaning->on = is_among(text, on_words);
                if (meaning->on || is_among(text, off_words))
                        return true;
                /* A strategy's name, or a delay. */
                meaning->on = duty->form == DUTY_BACKOFF &&
                              (!(number_of(text, &ms) || duration_of(text, "ms", &ms, unused, sizeof unused)) ||
                               ms > 0);
                if (duty->form == DUTY_SWITCH)
                        snprintf(why, size, "neither on (1, true, yes, enabled) nor off (0, false, no, disabled)");
                return duty->form == DUTY_BACKOFF;
        }
        if (is_among(text, unbounded_words)) {
                meaning->kind = MEANS_UNBOUNDED;
                return true;
        }
        switch (duty->form) {
        case DUTY_DURATION:
                return duration_of(text, unit, &meaning->number, why, size);
        case DUTY_RATE:
                return rate_of(text, per_ms, &meaning->number, why, size);
        default:
                if (!number_of(text, &meaning->number))
                        snprintf(why, size, "no number");
                return number_of(text, &meaning->number);
        }
}

bool
setting_holds(const struct setting_duty *duty, const struct meaning *meaning, double bound)
{
        if (duty->form == DUTY_SWITCH || duty->form == DUTY_BACKOFF)
                return meaning->kind == MEANS_SWITCH && meaning->on == duty->wanted;
        /* No bound at all, none of it, and "for good" are each other's neighbours in settings: none of them is sound.
         */
        if (meaning->kind != MEANS_NUMBER || !(meaning->number > 0))
                return false;
        return duty->at_least ? meaning->number >= bound : meaning->number <= bound;
}

bool
setting_bound(const struct setting_duty *duty, const char *text, double *bound)
{
        char why[100];

        switch (duty->form) {
        case DUTY_DURATION:
                return duration_of(text, NULL, bound, why, sizeof why) && *bound > 0;
        case DUTY_RATE:
                return rate_of(text, 60000, bound, why, sizeof why) && *bound > 0;
        case DUTY_COUNT:
                return number_of(text, bound) && *bound > 0;
        default:
                return false;
        }
}
