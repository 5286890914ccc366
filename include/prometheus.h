/* Prometheus and what speaks like it (Thanos, Mimir, VictoriaMetrics), and its Alertmanager: read only.
 *
 * The client belongs to its session and thread.  Everything asked is a query of the HTTP API; nothing of the admin API
 * is called.  Answers are bounded: 32 MiB each, and what the calls below say.
 * Errors: REASON_PROTOCOL for an expression that the server refuses (bad_data, execution) and for an answer that is not
 * the API's; REASON_DENIED for 401, 403 and a redirect to a login; REASON_UNSUPPORTED for 404 (a wrong path prefix);
 * REASON_TIMEOUT when the query ran out of time here or there.
 * Sources: Prometheus documentation, "HTTP API"; Alertmanager's OpenAPI description of /api/v2. */
#ifndef ROUNDS_PROMETHEUS_H
#define ROUNDS_PROMETHEUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

extern const struct target_kind kind_prometheus;

struct prometheus;

/* The session's client, opened on first use; NULL with the error of the first try, which is kept: a server that could
 * not be reached is not asked twice in one run.  Of another target: through session_reference(). */
struct prometheus *prometheus_session(struct session *session, struct error *err);

/* An instant query at `at_ms` (0: the server's now).  A new array of {"labels": {"name": "value", ...}, "value": 1.5,
 * "at_ms": ...} in the order of the labels' text; a scalar is one row without labels.  NaN, infinities and native
 * histograms have value null (infinities also "text": "+Inf").  At most 100,000 rows: REASON_TOO_LITTLE_DATA past it.
 */
int prometheus_query(struct prometheus *prometheus, const char *expression, int64_t at_ms, json_t **out,
                     struct error *err) __attribute__((warn_unused_result));

/* The value of an expression with one row; *found is false (and *value NAN) when there is none.  More rows are an
 * error (REASON_PROTOCOL): aggregate. */
int prometheus_number(struct prometheus *prometheus, const char *expression, int64_t at_ms, double *value, bool *found,
                      struct error *err) __attribute__((warn_unused_result));

struct prometheus_point {
        int64_t at_ms;
        double value; /* may be NAN or infinite */
};

/* A series' next points, oldest first.  Called once per series and chunk of time: chunks come in order of time, within
 * a chunk the series in the server's order.  Labels and points are borrowed.  Non-zero ends the query with
 * REASON_INTERNAL (out of memory). */
typedef int (*prometheus_visit)(void *context, const json_t *labels, const struct prometheus_point *points,
                                size_t count);

/* Evaluates the expression at start, start + step, ... up to end.  Servers refuse more than 11,000 points per series,
 * so longer times are asked in chunks.  At most `most` points over all series (0: 2,000,000): REASON_TOO_LITTLE_DATA
 * past it; what was visited stays visited. */
int prometheus_range(struct prometheus *prometheus, const char *expression, int64_t start_ms, int64_t end_ms,
                     int64_t step_ms, size_t most, prometheus_visit visit, void *context, struct error *err)
        __attribute__((warn_unused_result));

/* The label sets (with "__name__") of the series that the selector has had between the two times; a new array, at most
 * `most` of them (*more says whether there were more).  Empty when there are none. */
int prometheus_series(struct prometheus *prometheus, const char *selector, int64_t start_ms, int64_t end_ms,
                      size_t most, json_t **out, bool *more, struct error *err) __attribute__((warn_unused_result));

/* The values of a label between the two times, sorted; of the series of `selector` when it is not NULL.  New array. */
int prometheus_label_values(struct prometheus *prometheus, const char *label, const char *selector, int64_t start_ms,
                            int64_t end_ms, json_t **out, struct error *err) __attribute__((warn_unused_result));

/* `data.groups` of /api/v1/rules; a new array, as the server sent it. */
int prometheus_rules(struct prometheus *prometheus, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* `data` of any other read ("/api/v1/status/config", query "a=b" escaped, may be NULL); new. */
int prometheus_get(struct prometheus *prometheus, const char *path, const char *query, json_t **data, struct error *err)
        __attribute__((warn_unused_result));

/* The server's version ("2.42.0"); "" where it does not say (VictoriaMetrics, some proxies). */
int prometheus_version(struct prometheus *prometheus, char *version, size_t size, struct error *err)
        __attribute__((warn_unused_result));

/* Whether the target names an Alertmanager. */
bool prometheus_has_alertmanager(const struct prometheus *prometheus);

/* A document of the Alertmanager ("/api/v2/status", "/api/v2/silences"); new.  REASON_CONFIGURATION when the target
 * names none. */
int prometheus_alertmanager(struct prometheus *prometheus, const char *path, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* The server's Date header of the newest answer and the wall-clock times around it (for clock audits); 0 when none. */
void prometheus_clock(const struct prometheus *prometheus, int64_t *date_ms, int64_t *sent_ms, int64_t *received_ms);

#endif
