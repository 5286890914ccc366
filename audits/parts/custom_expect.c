/* What is expected of a value: bounds, equality, patterns, freshness. */

#include "custom.h"

#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"

enum { TEXT_MOST = 4096 };

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static double
number_in(const char *text)
{
        char *end;
        double number = strtod(text, &end);

        while (isspace((unsigned char)*end))
                end++;
        return end != text && *end == '\0' && isfinite(number) && strpbrk(text, "xXnN") == NULL ? number : NAN;
}

/* A text with its unit: a duration in ms, or a size in bytes. */
static double
quantity_in(const char *text)
{
        int64_t whole;

        if (duration_parse(text, &whole) || size_parse(text, &whole))
                return (double)whole;
        return NAN;
}

double
custom_number(const json_t *value, const char *unit)
{
        const char *text = json_string_value(value);
        double number = json_is_number(value) ? json_number_value(value) : text != NULL ? number_in(text) : NAN;
        char one[24];

        if (isnan(number))
                return text != NULL ? quantity_in(text) : NAN;
        if (unit == NULL)
                return number;
        snprintf(one, sizeof one, "1%.16s", unit);
        return number * quantity_in(one);
}

static double
bound_in(const json_t *bound)
{
        return custom_number(bound, NULL);
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

/* Numbers by value ("5" is 5.0), the rest as it is written. */
static bool
is_equal(const char *text, const char *wanted)
{
        double a = number_in(text), b = number_in(wanted);

        return !isnan(a) && !isnan(b) ? a == b : strcmp(text, wanted) == 0;
}

static bool
is_matched(const char *text, const char *pattern)
{
        regex_t expression;

        if (regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB) != 0)
                return false;
        bool matched = regexec(&expression, text, 0, NULL, 0) == 0;
        regfree(&expression);
        return matched;
}

static bool
is_among(const char *text, const json_t *list)
{
        size_t i;
        json_t *item;

        json_array_foreach((json_t *)list, i, item)
        {
                if (json_is_string(item) && is_equal(text, json_string_value(item)))
                        return true;
        }
        return false;
}

/* --- times -------------------------------------------------------------------------------------------------------- */

/* RFC 3339 (also with a space, as PostgreSQL writes it), or seconds or milliseconds since the epoch. */
static bool
moment_in(const char *text, int64_t *at_ms)
{
        char copy[64];
        double number = number_in(text);

        if (number > 1e8 && number < 1e14) {
                *at_ms = (int64_t)(number < 1e11 ? number * 1000 : number);
                return true;
        }
        snprintf(copy, sizeof copy, "%.50s", text);
        if (strlen(copy) > 10 && copy[10] == ' ')
                copy[10] = 'T';
        /* "+00" is "+00:00" of PostgreSQL. */
        size_t length = strlen(copy);
        if (length > 3 && length < sizeof copy - 4 && (copy[length - 3] == '+' || copy[length - 3] == '-') &&
            length > 12)
                snprintf(copy + length, sizeof copy - length, ":00");
        return moment_parse(copy, at_ms);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

bool
custom_holds(const json_t *expect, const json_t *value, const char *unit, int64_t now_ms, bool *holds, char *why,
             size_t size)
{
        static const char *const numeric[] = {"at_most", "at_least", "below", "above"};
        char text[TEXT_MOST];
        double number = custom_number(value, unit);
        int64_t at_ms;

        *holds = true;
        if (!json_scalar(value, text, sizeof text)) {
                snprintf(why, size,
                         json_is_string(value) ? "a text of more than 4 KiB"
                                               : "a document, not one value: name the part with pointer");
                return false;
        }
        for (size_t i = 0; i < sizeof numeric / sizeof *numeric; i++) {
                const json_t *given = json_object_get(expect, numeric[i]);
                double bound = bound_in(given);
                if (given == NULL)
                        continue;
                if (isnan(number) || isnan(bound)) {
                        snprintf(why, size, "no number, duration or size");
                        return false;
                }
                *holds = *holds && (i == 0   ? number <= bound
                                    : i == 1 ? number >= bound
                                    : i == 2 ? number < bound
                                             : number > bound);
        }
        if (json_has(expect, "newer_than")) {
                if (!moment_in(text, &at_ms)) {
                        snprintf(why, size, "no time (RFC 3339, or seconds since the epoch)");
                        return false;
                }
                *holds = *holds && now_ms - at_ms <= json_whole(expect, "newer_than", 0);
        }
        *holds = *holds && (!json_has(expect, "equals") || is_equal(text, json_text(expect, "equals", ""))) &&
                 (!json_has(expect, "not_equals") || !is_equal(text, json_text(expect, "not_equals", ""))) &&
                 (!json_has(expect, "matches") || is_matched(text, json_text(expect, "matches", ""))) &&
                 (!json_has(expect, "one_of") || is_among(text, json_list(expect, "one_of")));
        return true;
}

static size_t add(char *text, size_t size, size_t at, const char *format, ...) __attribute__((format(printf, 4, 5)));

static size_t
add(char *text, size_t size, size_t at, const char *format, ...)
{
        va_list list;

        if (at >= size)
                return at;
        va_start(list, format);
        int added = vsnprintf(text + at, size - at, format, list);
        va_end(list);
        return at + (added > 0 ? (size_t)added : 0);
}

void
custom_expected(const json_t *expect, char *text, size_t size)
{
        static const struct {
                const char *key, *words;
        } rows[] = {{"at_most", "at most"}, {"at_least", "at least"},     {"below", "below"},     {"above", "above"},
                    {"equals", "equal to"}, {"not_equals", "other than"}, {"matches", "matching"}};
        char age[DURATION_TEXT];
        size_t at = 0, i;
        json_t *item;

        text[0] = '\0';
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
                if (json_has(expect, rows[r].key))
                        at = add(text, size, at, "%s%s %.100s", at > 0 ? ", " : "", rows[r].words,
                                 json_text(expect, rows[r].key, "?"));
        }
        if (json_list(expect, "one_of") != NULL)
                at = add(text, size, at, "%sone of", at > 0 ? ", " : "");
        json_array_foreach((json_t *)json_list(expect, "one_of"), i, item) at = add(
                text, size, at, "%s%.60s", i > 0 ? ", " : " ", json_is_string(item) ? json_string_value(item) : "?");
        if (json_has(expect, "newer_than")) {
                duration_format(json_whole(expect, "newer_than", 0), age);
                add(text, size, at, "%snewer than %s", at > 0 ? ", " : "", age);
        }
}

bool
custom_expect_sound(const json_t *expect, char *why, size_t size)
{
        static const char *const numeric[] = {"at_most", "at_least", "below", "above"};
        const char *pattern = json_text(expect, "matches", NULL);
        regex_t expression;
        char words[120];

        if (json_object_size(expect) == 0) {
                snprintf(why, size, "expect names nothing");
                return false;
        }
        for (size_t i = 0; i < sizeof numeric / sizeof *numeric; i++) {
                if (json_has(expect, numeric[i]) && isnan(bound_in(json_object_get(expect, numeric[i])))) {
                        snprintf(why, size, "%s: \"%.60s\" is no number, duration or size", numeric[i],
                                 json_text(expect, numeric[i], ""));
                        return false;
                }
        }
        int code = pattern != NULL ? regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB) : 0;
        if (code != 0) {
                regerror(code, &expression, words, sizeof words);
                snprintf(why, size, "matches is no regular expression: %s", words);
                return false;
        }
        if (pattern != NULL)
                regfree(&expression);
        return true;
}
