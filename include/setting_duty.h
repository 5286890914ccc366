/* What an application's setting is for: a fixed vocabulary that maps one configured value to one control.
 *
 * A value as its source writes it (15m, 900000, "off", 10/m) is read into the unit of its duty: milliseconds, a count,
 * failures a minute, on or off.  Then it holds against a bound or it does not: the same function judges while
 * collecting (a Secret's value, of which the verdict alone is kept) and from facts. */
#ifndef ROUNDS_SETTING_DUTY_H
#define ROUNDS_SETTING_DUTY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum duty_form {
        DUTY_SWITCH,   /* on or off */
        DUTY_COUNT,    /* a number without unit */
        DUTY_DURATION, /* milliseconds */
        DUTY_RATE,     /* a minute */
        DUTY_BACKOFF,  /* a strategy's name, a delay, or none */
};

struct setting_duty {
        const char *is;      /* "job_timeout": the word in configuration */
        const char *control; /* "WRK-2" */
        enum duty_form form;
        bool wanted;                   /* of a switch and a backoff: on */
        bool at_least;                 /* the bound is the least, not the most */
        bool unset_is_on;              /* of a switch: what an absent value means */
        const char *policy;            /* the control's setting that holds the bound; NULL: none */
        const char *subject;           /* what `of` names: "job type"; NULL: nothing */
        const char *success, *failure; /* sentences for who is on call */
};

extern const struct setting_duty setting_duties[]; /* ends with is NULL */
const struct setting_duty *setting_duty_find(const char *is);

/* The words of the vocabulary for a settings table: "score_cache|worker_inprocess|...". */
#define SETTING_DUTIES                                                                                              \
        "score_cache|worker_inprocess|job_timeout|circuit_breaker|retry_attempts|retry_backoff|login_rate|lockout_" \
        "failures|"                                                                                                 \
        "lockout_duration|access_token|refresh_rotation"

/* A value in the unit of its duty. */
struct meaning {
        enum { MEANS_NUMBER, MEANS_SWITCH, MEANS_UNBOUNDED } kind;
        double number; /* ms, count, a minute */
        bool on;
};

/* Reads `value` (text, number or boolean).  `unit` (ms, s, m, h; NULL: none given) is that of a bare number where a
 * duration is wanted; `per_ms` is what a bare rate counts in.  False when it cannot be told, with why (never the value
 * itself). */
bool setting_meaning(const struct setting_duty *duty, const json_t *value, const char *unit, double per_ms,
                     struct meaning *meaning, char *why, size_t size);

/* Whether it holds against `bound` (in the duty's unit; not used by switches). */
bool setting_holds(const struct setting_duty *duty, const struct meaning *meaning, double bound);

/* The bound of an item's own, written as its duty's values are ("60s", "5", "10"); false when it is none. */
bool setting_bound(const struct setting_duty *duty, const char *text, double *bound);

#endif
