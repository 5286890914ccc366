/* What a document says of something that was done. */

#include "evidence.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "moment.h"
#include "scope.h"

enum { COVERS_MOST = 1000, COVER_LARGEST = 300 };

/* The value that `fields` names under `key`, else the first of the usual places that is there. */
static const json_t *
find(const json_t *document, const json_t *fields, const char *key, const char *const *usual)
{
        const char *own = json_text(fields, key, NULL);

        if (own != NULL)
                return json_pointer(document, own);
        for (; *usual != NULL; usual++) {
                const json_t *value = json_pointer(document, *usual);
                if (value != NULL && !json_is_null(value))
                        return value;
        }
        return NULL;
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static const char *const time_places[] = {
        "/time",         "/finishedAt", "/finished_at", "/finished",       "/completedAt",
        "/completed_at", "/endedAt",    "/end",         "/timestamp",      "/date",
        "/at",           "/startedAt",  "/meta/time",   "/run/finishedAt", NULL};

/* RFC 3339, or seconds or milliseconds since the epoch. */
static bool
time_of(const json_t *value, int64_t *at_ms)
{
        if (json_is_string(value))
                return moment_parse(json_string_value(value), at_ms);
        double number = json_is_number(value) ? json_number_value(value) : 0;
        if (!(number > 1e8) || number > 1e14)
                return false;
        *at_ms = (int64_t)(number < 1e11 ? number * 1000 : number);
        return true;
}

/* A date in a file's name: 2026-11-20-recommend-peak.json, 20261120T0300Z.json. */
static bool
time_in_name(const char *name, int64_t *at_ms)
{
        for (const char *c = name; *c != '\0'; c++) {
                char date[16] = "";
                int year, month, day, used = 0;
                if (!isdigit((unsigned char)*c) || (c > name && isdigit((unsigned char)c[-1])))
                        continue;
                if (sscanf(c, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || used != 10) {
                        used = 0;
                        if (sscanf(c, "%4d%2d%2d%n", &year, &month, &day, &used) != 3 || used != 8)
                                continue;
                }
                snprintf(date, sizeof date, "%04d-%02d-%02d", year % 10000, month % 100, day % 100);
                if (!isdigit((unsigned char)c[used]) && moment_parse(date, at_ms))
                        return true;
        }
        return false;
}

/* --- outcome ------------------------------------------------------------------------------------------------------ */

static const char *const outcome_places[] = {"/outcome", "/result", "/status",     "/verdict", "/passed",
                                             "/success", "/ok",     "/conclusion", NULL};

static const char *
outcome_of(const json_t *value)
{
        static const char *const good[] = {"pass",  "passed", "success",  "successful", "succeeded", "ok",
                                           "green", "true",   "complete", "completed",  "accepted"};
        static const char *const bad[] = {"fail", "failed", "failure",   "error",     "errored",
                                          "red",  "false",  "cancelled", "timed_out", "rejected"};
        const char *text = json_string_value(value);

        if (json_is_boolean(value))
                return json_is_true(value) ? "pass" : "fail";
        for (size_t i = 0; text != NULL && i < sizeof good / sizeof *good; i++) {
                if (strcasecmp(text, good[i]) == 0)
                        return "pass";
        }
        for (size_t i = 0; text != NULL && i < sizeof bad / sizeof *bad; i++) {
                if (strcasecmp(text, bad[i]) == 0)
                        return "fail";
        }
        return NULL;
}

/* --- coverage ----------------------------------------------------------------------------------------------------- */

static const char *const covers_places[] = {"/covers", "/images", "/digests", "/image", "/digest", NULL};

static int
by_text(const void *left, const void *right)
{
        return strcmp(json_string_value(*(json_t *const *)left), json_string_value(*(json_t *const *)right));
}

/* Texts, or objects with a digest, an image or a name. */
static const char *
cover_text(const json_t *item)
{
        static const char *const keys[] = {"digest", "image", "name"};
        const char *text = json_string_value(item);

        for (size_t i = 0; text == NULL && i < sizeof keys / sizeof *keys; i++)
                text = json_text(item, keys[i], NULL);
        return text != NULL && *text != '\0' && strlen(text) <= COVER_LARGEST ? text : NULL;
}

static int
put_covers(json_t *row, const json_t *value)
{
        json_t *items[COVERS_MOST], *list = json_array();
        size_t count = 0, all = json_is_array(value) ? json_array_size(value) : 1;

        if (json_put(row, "covers", list) != 0)
                return -1;
        for (size_t i = 0; i < all && count < COVERS_MOST; i++) {
                const char *text = cover_text(json_is_array(value) ? json_array_get(value, i) : value);
                if (text != NULL && (items[count] = json_string(text)) != NULL)
                        count++;
        }
        qsort(items, count, sizeof *items, by_text);
        int result = 0;
        for (size_t i = 0; i < count; i++)
                result = json_push(list, items[i]) == NULL ? -1 : result;
        return result;
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static const char *const p99_places[] = {"/latencyMs/p99", "/latency_ms/p99", "/p99Ms", "/p99_ms",
                                         "/p99",           "/metrics/p99",    NULL};
static const char *const p95_places[] = {"/latencyMs/p95", "/latency_ms/p95", "/p95Ms", "/p95_ms", "/p95", NULL};
static const char *const rate_places[] = {"/totals/errorRate", "/errorRate", "/error_rate", NULL};

static int
put_number(json_t *row, const char *key, const json_t *value)
{
        double number = json_is_number(value) ? json_number_value(value) : NAN;

        return number >= 0 && isfinite(number) ? json_put_real(row, key, number) : 0;
}

int
evidence_describe(json_t *row, const json_t *document, const json_t *fields, const char *name)
{
        int64_t at_ms;
        char at[MOMENT_TEXT];
        const char *outcome = outcome_of(find(document, fields, "outcome", outcome_places));
        const json_t *covers = find(document, fields, "covers", covers_places);
        bool dated = time_of(find(document, fields, "time", time_places), &at_ms) ||
                     (json_text(fields, "time", NULL) == NULL && time_in_name(name, &at_ms));

        if (dated)
                moment_format(at_ms, at);
        if ((dated && json_put_text(row, "at", at) != 0) ||
            (outcome != NULL && json_put_text(row, "outcome", outcome) != 0) ||
            (covers != NULL && put_covers(row, covers) != 0) ||
            put_number(row, "p99_ms", find(document, fields, "p99", p99_places)) != 0 ||
            put_number(row, "p95_ms", find(document, fields, "p95", p95_places)) != 0 ||
            put_number(row, "error_rate", find(document, fields, "error_rate", rate_places)) != 0)
                return -1;
        return 0;
}
