/* What Prometheus and Alertmanager say about alerting, reduced to facts. */

#include "alert_facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert_route.h"
#include "alert_series.h"
#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "prometheus.h"
#include "scope.h"
#include "yaml_text.h"

enum { RULES_MOST = 5000, LINK_LONGEST = 300, SILENCES_MOST = 500, JOBS_MOST = 1000 };

/* --- rules -------------------------------------------------------------------------------------------------------- */

/* Names of annotations, and those that are links: texts are for people, and may hold anything. */
static void
annotations_read(const json_t *annotations, json_t *row)
{
        json_t *names = json_array(), *links = json_object(), *value;
        const char *name;

        json_object_foreach((json_t *)annotations, name, value)
        {
                const char *text = json_is_string(value) ? json_string_value(value) : "";
                if (strncmp(text, "http", 4) == 0 && strlen(text) <= LINK_LONGEST)
                        json_object_set(links, name, value);
                json_push(names, json_string(name));
        }
        json_put(row, "annotations", names);
        json_put(row, "links", links);
}

static json_t *
rule_new(const char *source, const char *group, const char *name, const char *expr, int64_t for_ms,
         const json_t *labels, const json_t *annotations)
{
        json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "source", source, "group", group, "name", name,
                                "expr", expr, "for_ms", (json_int_t)for_ms, "labels",
                                json_is_object(labels) ? json_deep_copy(labels) : json_object());

        if (row != NULL)
                annotations_read(annotations, row);
        return row;
}

static void
recording_add(json_t *recordings, const char *name, const char *expr)
{
        if (json_array_size(recordings) < RULES_MOST)
                json_push(recordings, json_pack("{s:s, s:s}", "name", name, "expr", expr));
}

static void
group_read(const json_t *group, json_t *rules, json_t *recordings)
{
        size_t i;
        json_t *rule;

        json_array_foreach((json_t *)json_list(group, "rules"), i, rule)
        {
                const char *name = json_text(rule, "name", ""), *expr = json_text(rule, "query", "");
                if (strcmp(json_text(rule, "type", ""), "recording") == 0) {
                        recording_add(recordings, name, expr);
                        continue;
                }
                if (json_array_size(rules) >= RULES_MOST)
                        continue;
                json_t *row = rule_new("prometheus", json_text(group, "name", ""), name, expr,
                                       (int64_t)llround(json_real_or(rule, "duration", 0) * 1000),
                                       json_map(rule, "labels"), json_map(rule, "annotations"));
                json_put_text(row, "health", json_text(rule, "health", "unknown"));
                if (*json_text(rule, "lastError", "") != '\0')
                        json_put_text(row, "error", json_text(rule, "lastError", ""));
                json_push(rules, row);
        }
}

static int
rules_read(struct prometheus *prometheus, json_t *facts, struct error *err)
{
        scoped_json groups = NULL;
        json_t *rules = json_array(), *recordings = json_array(), *group;
        size_t i;

        if (json_put(facts, "rules", rules) != 0 || json_put(facts, "recordings", recordings) != 0)
                return error_memory(err, "rules");
        if (prometheus_rules(prometheus, &groups, err) != 0)
                return -1;
        json_array_foreach(groups, i, group) group_read(group, rules, recordings);
        return 0;
}

/* --- PrometheusRule objects --------------------------------------------------------------------------------------- */

struct objects {
        json_t *rules, *recordings;
        const char *target;
};

static int
object_visit(void *context, const json_t *item)
{
        struct objects *objects = context;
        char source[600];
        size_t i, k;
        json_t *group, *rule;

        snprintf(source, sizeof source, "%s/%s/%s", objects->target, kubernetes_namespace(item), kubernetes_name(item));
        json_array_foreach((json_t *)json_list(json_map(item, "spec"), "groups"), i, group)
        {
                json_array_foreach((json_t *)json_list(group, "rules"), k, rule)
                {
                        const json_t *text = json_object_get(rule, "expr");
                        scoped_string number = json_is_number(text) ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
                        const char *expr = number != NULL ? number : json_text(rule, "expr", "");
                        int64_t for_ms = 0;
                        if (json_text(rule, "record", NULL) != NULL) {
                                recording_add(objects->recordings, json_text(rule, "record", ""), expr);
                                continue;
                        }
                        if (!duration_parse(json_text(rule, "for", "0"), &for_ms))
                                for_ms = 0;
                        if (json_array_size(objects->rules) < RULES_MOST)
                                json_push(objects->rules,
                                          rule_new(source, json_text(group, "name", ""), json_text(rule, "alert", ""),
                                                   expr, for_ms, json_map(rule, "labels"),
                                                   json_map(rule, "annotations")));
                }
        }
        return 0;
}

static int
objects_read(struct session *session, const char *target, json_t *rules, json_t *recordings, struct error *err)
{
        struct session *other = session_reference(session, target, err);
        struct kubernetes *kubernetes = other != NULL ? kubernetes_session(other, err) : NULL;
        struct objects objects = {rules, recordings, target};
        struct kubernetes_list list = {.group = "monitoring.coreos.com",
                                       .resource = "prometheusrules",
                                       .versions = {"v1"},
                                       .product = "Prometheus operator",
                                       .visit = object_visit,
                                       .context = &objects};

        if (kubernetes == NULL || kubernetes_lists(kubernetes, &list, 1, err) != 0)
                return -1;
        if (list.error.reason == REASON_NONE)
                return 0;
        *err = list.error;
        return -1;
}

/* Into the arrays of those names.  A cluster that cannot be read is a gap for `controls`. */
static int
all_objects_read(struct session *session, json_t *facts, const char *rules_key, const char *recordings_key,
                 const char *controls)
{
        const json_t *targets = target_value(session->target, "rules_of");
        json_t *rules = json_array(), *recordings = json_array(), *target;
        struct error err;
        size_t i;

        if (json_put(facts, rules_key, rules) != 0 || json_put(facts, recordings_key, recordings) != 0)
                return -1;
        json_array_foreach((json_t *)targets, i, target)
        {
                struct resource resource = {.kind = "PrometheusRules", .name = json_string_value(target)};
                if (objects_read(session, resource.name, rules, recordings, &err) != 0 &&
                    facts_gap(facts, "objects", controls, &resource, &err) != 0)
                        return -1;
        }
        return 0;
}

/* --- what the rules run on ---------------------------------------------------------------------------------------- */

/* The longest interval at which a job is scraped: its series come no more often. */
static void
intervals_read(struct prometheus *prometheus, json_t *facts)
{
        scoped_json data = NULL;
        json_t *intervals = json_object(), *one;
        struct error err;
        size_t i;
        int64_t interval;

        json_put(facts, "intervals", intervals);
        if (prometheus_get(prometheus, "/api/v1/targets", "state=active", &data, &err) != 0)
                return;
        json_array_foreach((json_t *)json_list(data, "activeTargets"), i, one)
        {
                const char *job = json_text(json_map(one, "labels"), "job", NULL);
                if (job == NULL || json_object_size(intervals) >= JOBS_MOST ||
                    !duration_parse(json_text(one, "scrapeInterval", ""), &interval))
                        continue;
                if (interval > json_whole(intervals, job, 0))
                        json_put_whole(intervals, job, interval);
        }
}

/* Labels that Prometheus adds to every alert it sends. */
static void
external_labels_read(struct prometheus *prometheus, json_t *facts)
{
        scoped_json data = NULL;
        scoped(problems_free) struct problems problems = {.file = "configuration"};
        json_t *labels = json_object(), *value;
        const char *name;
        struct error err;

        json_put(facts, "external_labels", labels);
        if (prometheus_get(prometheus, "/api/v1/status/config", NULL, &data, &err) != 0)
                return;
        const char *yaml = json_text(data, "yaml", "");
        struct yaml_text *text = yaml_open(yaml, strlen(yaml), &problems);
        scoped_json document = text != NULL ? yaml_json(text, yaml_root(text), &problems) : NULL;
        yaml_close(text);
        json_object_foreach((json_t *)json_at(document, "global", "external_labels", NULL), name, value)
        {
                scoped_string shown = json_is_string(value) ? strdup(json_string_value(value))
                                                            : json_dumps(value, JSON_ENCODE_ANY);
                json_put_text(labels, name, shown);
        }
}

static void
alertmanagers_read(struct prometheus *prometheus, json_t *facts)
{
        scoped_json data = NULL;
        struct error err;

        if (prometheus_get(prometheus, "/api/v1/alertmanagers", NULL, &data, &err) == 0 &&
            json_list(data, "activeAlertmanagers") != NULL)
                json_put_whole(facts, "alertmanagers",
                               (int64_t)json_array_size(json_list(data, "activeAlertmanagers")));
}

/* --- Alertmanager ------------------------------------------------------------------------------------------------- */

static void
silence_read(const json_t *silence, json_t *out)
{
        json_t *matchers = json_array(), *matcher;
        size_t i;

        if (strcmp(json_text(json_map(silence, "status"), "state", ""), "active") != 0 ||
            json_array_size(out) >= SILENCES_MOST) {
                json_decref(matchers);
                return;
        }
        json_array_foreach((json_t *)json_list(silence, "matchers"), i, matcher)
        {
                bool equal = json_flag(matcher, "isEqual", true), pattern = json_flag(matcher, "isRegex", false);
                json_push(matchers, json_pack("{s:s, s:s, s:s}", "label", json_text(matcher, "name", ""), "op",
                                              equal     ? pattern ? "=~" : "="
                                              : pattern ? "!~"
                                                        : "!=",
                                              "value", json_text(matcher, "value", "")));
        }
        json_push(out, json_pack("{s:o, s:s, s:s}", "matchers", matchers, "ends", json_text(silence, "endsAt", ""),
                                 "by", json_text(silence, "createdBy", "")));
}

static int
routing_read(struct prometheus *prometheus, json_t *facts, struct error *err)
{
        scoped_json status = NULL;
        scoped_json silences = NULL;
        json_t *routing = NULL, *list = json_array(), *one;
        size_t i;

        if (json_put(facts, "silences", list) != 0)
                return error_memory(err, "silences");
        if (prometheus_alertmanager(prometheus, "/api/v2/status", &status, err) != 0)
                return -1;
        const char *yaml = json_text(json_map(status, "config"), "original", NULL);
        if (yaml == NULL)
                return error_set(err, REASON_PROTOCOL, "Alertmanager /api/v2/status: no configuration is told");
        if (alert_routing_read(yaml, &routing, err) != 0 || json_put(facts, "routing", routing) != 0)
                return -1;
        if (prometheus_alertmanager(prometheus, "/api/v2/silences", &silences, err) != 0)
                return -1;
        json_array_foreach(silences, i, one) silence_read(one, list);
        return 0;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

/* Forty missing series are not forty faults when there are none at all. */
static int
data_seen(struct prometheus *prometheus, struct error *err)
{
        static const char *const questions[] = {"count(up)", "count(last_over_time(up[6h]))",
                                                "count({__name__!~\"ALERTS|ALERTS_FOR_STATE\", __name__!=\"\"})"};
        double count;
        bool found = false;

        for (size_t i = 0; i < sizeof questions / sizeof questions[0] && !found; i++) {
                if (prometheus_number(prometheus, questions[i], 0, &count, &found, err) != 0)
                        return -1;
        }
        if (found)
                return 0;
        error_set(err, REASON_TOO_LITTLE_DATA,
                  "This Prometheus holds no series at all: whatever its rules say, none can fire.");
        return error_remedy(err,
                            "look at its targets (Status, Targets, or /api/v1/targets): nothing is scraped, or the "
                            "url is another instance's");
}

static int
series_read(struct session *session, struct prometheus *prometheus, json_t *facts)
{
        scoped_json labels = alert_routing_labels(json_map(facts, "routing"));
        json_t *selectors = NULL;
        size_t left_out = 0;
        struct error err;

        if (alert_series_read(prometheus, session->now_ms, json_object_get(facts, "rules"),
                              json_object_get(facts, "recordings"), labels, &selectors, &left_out, &err) != 0)
                return facts_gap(facts, "series", "ALR-11", NULL, &err);
        if (json_put(facts, "selectors", selectors) != 0)
                return -1;
        if (left_out == 0)
                return 0;
        error_set(&err, REASON_TOO_LITTLE_DATA, "the series of %zu selectors were not looked up: there are too many",
                  left_out);
        return facts_gap(facts, "series", "ALR-11", NULL, &err);
}

/* Where no Prometheus can be asked, the clusters' objects are the rules; whether any fires is not known then. */
static int
objects_alone_read(struct session *session, json_t *facts, struct error *err)
{
        static const char controls[] =
                "ALR-1,ALR-2,ALR-3,ALR-4,ALR-5,ALR-6,ALR-7,ALR-8,ALR-9,ALR-10,ALR-11,CRT-2,DLQ-1";

        if (all_objects_read(session, facts, "rules", "recordings", controls) != 0 ||
            json_put_flag(facts, "prometheus", false) != 0)
                return error_memory(err, "facts");
        return 0;
}

int
alert_facts_read(struct session *session, json_t *facts, struct error *err)
{
        const char *url = target_text(session->target, "url");
        bool objects = json_array_size(target_value(session->target, "rules_of")) > 0;

        if (url == NULL && objects)
                return objects_alone_read(session, facts, err);

        struct prometheus *prometheus = prometheus_session(session, err);
        struct error unread;
        char version[64];

        if (prometheus == NULL || prometheus_version(prometheus, version, sizeof version, err) != 0 ||
            data_seen(prometheus, err) != 0 || rules_read(prometheus, facts, err) != 0)
                return -1;
        json_put_text(facts, "version", version);
        intervals_read(prometheus, facts);
        external_labels_read(prometheus, facts);
        alertmanagers_read(prometheus, facts);
        if (prometheus_has_alertmanager(prometheus) && routing_read(prometheus, facts, &unread) != 0 &&
            facts_gap(facts, "routing", "ALR-11", NULL, &unread) != 0)
                return error_memory(err, "facts");
        if (objects && all_objects_read(session, facts, "objects", "object_recordings", "ALR-11") != 0)
                return error_memory(err, "facts");
        if (series_read(session, prometheus, facts) != 0)
                return error_memory(err, "facts");
        return 0;
}
