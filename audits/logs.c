/* Logs of named workloads, sampled: are they JSON with an identifier of the request in it?  Control: API-2. */

#include "audit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "cluster.h"
#include "facts.h"
#include "http.h"
#include "json.h"
#include "kubernetes.h"
#include "kubernetes_rights.h"
#include "log_lines.h"
#include "scope.h"

#define NEEDS "RBAC: list pods, replicasets.apps, jobs.batch; get pods/log"

enum {
        WORKLOADS_MOST = 300,
        BYTES_MOST = 256 * 1024, /* of one pod's log */
        LINES_LEAST = 20,        /* fewer tell nothing */
};

/* --- collecting --------------------------------------------------------------------------------------------------- */

struct reading {
        struct kubernetes *kubernetes;
        const json_t *wanted, *names; /* globs of workloads; fields of identifiers */
        int64_t lines, pods;          /* per pod; per workload */
        json_t *rows;                 /* "namespace kind name" -> row; owned */
        struct error refused;         /* logs may not be read at all */
        bool capped;
};

static void
sum_put(json_t *row, const char *key, size_t more)
{
        json_put_whole(row, key, json_whole(row, key, 0) + (int64_t)more);
}

static const char *
first_container(const struct cluster_pod *pod)
{
        for (uint16_t i = 0; i < pod->container_count; i++) {
                if (pod->containers[i].role == CLUSTER_APP)
                        return pod->containers[i].name;
        }
        return NULL;
}

/* The last lines of one pod: counted, forgotten. */
static void
pod_read(struct reading *reading, const struct cluster_pod *pod, const char *container, json_t *row)
{
        scoped_buffer path = BUFFER_INIT(2048);
        scoped_string text = NULL;
        struct log_lines sum = {0};
        struct error err = {0};
        size_t length = 0;

        buffer_text(&path, "/api/v1/namespaces/");
        http_escape(&path, pod->namespace_);
        buffer_text(&path, "/pods/");
        http_escape(&path, pod->name);
        buffer_text(&path, "/log?container=");
        http_escape(&path, container);
        buffer_format(&path, "&tailLines=%lld&limitBytes=%d", (long long)reading->lines, BYTES_MOST);
        if (kubernetes_text(reading->kubernetes, path.data, BYTES_MOST, &text, &length, &err) != 0) {
                sum_put(row, "unread", 1);
                json_put_text(row, "why", err.text);
                if (err.reason == REASON_DENIED)
                        reading->refused = err;
                return;
        }
        log_lines_count(text, strlen(text), length < BYTES_MOST, reading->names, &sum);
        sum_put(row, "pods", 1);
        sum_put(row, "lines", sum.lines);
        sum_put(row, "json", sum.json);
        sum_put(row, "named", sum.named);
        if (*sum.shape != '\0' && !json_has(row, "shape"))
                json_put_text(row, "shape", sum.shape);
}

static int
pod_visit(struct reading *reading, const struct cluster_pod *pod)
{
        char key[1100], name[600];
        const char *container = first_container(pod);

        snprintf(name, sizeof name, "%.255s/%.255s", pod->namespace_, pod->owner_name);
        if (strcmp(pod->phase, "Running") != 0 || pod->deleted_ms > 0 || *pod->owner_name == '\0' ||
            container == NULL || !json_globs_match(reading->wanted, name))
                return 0;
        snprintf(key, sizeof key, "%.255s %.100s %.255s", pod->namespace_, pod->owner_kind, pod->owner_name);
        json_t *row = json_object_get(reading->rows, key);
        if (row == NULL) {
                if (json_object_size(reading->rows) >= WORKLOADS_MOST) {
                        reading->capped = true;
                        return 0;
                }
                row = json_object();
                if (json_put(reading->rows, key, row) != 0)
                        return -1;
                json_put_text(row, "kind", pod->owner_kind);
                json_put_text(row, "namespace", pod->namespace_);
                json_put_text(row, "name", pod->owner_name);
                json_put_text(row, "container", container);
        }
        if (json_whole(row, "pods", 0) + json_whole(row, "unread", 0) < reading->pods &&
            reading->refused.reason == REASON_NONE)
                pod_read(reading, pod, container, row);
        return 0;
}

static void
gaps_note(const struct reading *reading, json_t *facts)
{
        struct error gap = reading->refused;

        if (gap.reason != REASON_NONE) {
                if (*gap.remedy == '\0')
                        error_remedy(&gap, "add to the ClusterRole: {apiGroups: [\"\"], resources: [\"pods/log\"], "
                                           "verbs: [\"get\"]}");
                facts_gap(facts, "logs", "API-2", NULL, &gap);
        }
        if (reading->capped) {
                error_set(&gap, REASON_TOO_LITTLE_DATA, "more than %d workloads are named: the rest was not read",
                          WORKLOADS_MOST);
                error_remedy(&gap, "name fewer: policy: {API-2: {workloads: [...]}}");
                facts_gap(facts, "workloads", "API-2", NULL, &gap);
        }
}

static int
logs_collect(struct session *session, json_t *facts, struct error *err)
{
        const struct policy *policy = session->policy;
        scoped_json rows = json_object();

        if (policy == NULL)
                return error_set(err, REASON_INTERNAL, "without a policy nobody says whose logs to sample");
        struct reading reading = {.kubernetes = kubernetes_session(session, err),
                                  .wanted = policy_value(policy, "API-2", "workloads"),
                                  .names = policy_value(policy, "API-2", "fields"),
                                  .lines = policy_whole(policy, "API-2", "lines"),
                                  .pods = policy_whole(policy, "API-2", "pods"),
                                  .rows = rows};
        const struct cluster *cluster = reading.kubernetes != NULL ? cluster_read(session, CLUSTER_PODS, err) : NULL;
        if (cluster == NULL)
                return -1;
        cluster_gap(cluster, CLUSTER_PODS, "pods", "API-2", facts);
        for (size_t i = 0; i < cluster->pod_count; i++) {
                if (pod_visit(&reading, &cluster->pods[i]) != 0)
                        return error_memory(err, "logs");
        }
        gaps_note(&reading, facts);
        return json_put_sorted(facts, "workloads", rows) == 0 ? 0 : error_memory(err, "logs");
}

static int
logs_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

/* True when its lines are as they should be. */
static bool
workload_judge(const json_t *row, size_t index, const json_t *facts, const struct policy *policy, struct findings *out)
{
        double bound = policy_number(policy, "API-2", "structured");
        int64_t lines = json_whole(row, "lines", 0), named = json_whole(row, "named", 0);
        int64_t json = json_whole(row, "json", 0), unread = json_whole(row, "unread", 0);
        struct resource resource = {json_text(row, "kind", "?"), json_text(row, "namespace", "?"),
                                    json_text(row, "name", "?")};
        const char *look = findings_text(out, "kubectl -n %s logs %s/%s -c %s --tail=20", resource.namespace_,
                                         resource.kind, resource.name, json_text(row, "container", "?"));

        if (lines < LINES_LEAST) {
                if (lines == 0 && facts_lacks(facts, "logs"))
                        return false; /* the gap has said it */
                findings_error(out, "API-2", &resource,
                               unread > 0 && lines == 0 ? REASON_UNREACHABLE : REASON_TOO_LITTLE_DATA,
                               unread > 0 ? findings_text(out, "The logs of %lld of its pods cannot be read: %s.",
                                                          (long long)unread, json_text(row, "why", "?"))
                                          : findings_text(out, "It logs too little to tell: %lld lines, %d are needed.",
                                                          (long long)lines, LINES_LEAST),
                               look);
                return false;
        }
        double share = 100.0 * (double)named / (double)lines;
        if (share >= bound)
                return true;
        findings_add(
                out,
                &(struct finding){
                        .control = "API-2",
                        .resource = resource,
                        .status = STATUS_FAIL,
                        .severity = policy_severity(policy, "API-2", false),
                        .observed = findings_text(out, "%lld of %lld lines are JSON, %lld carry a request id (%.1f %%)",
                                                  (long long)json, (long long)lines, (long long)named, share),
                        .expected = findings_text(out, "at least %g %% are JSON with a request id", bound),
                        .message = findings_text(out,
                                                 "What failed for one user cannot be followed through the logs. "
                                                 "One that has none looks like: %s",
                                                 json_text(row, "shape", "?")),
                        .remedy = findings_text(out,
                                                "log through a JSON logger that adds the request's id to each "
                                                "line, also for start-up and stack traces; see %s",
                                                look),
                        .evidence = findings_text(out, "/workloads/%zu", index)});
        return false;
}

static void
logs_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *wanted = policy_value(policy, "API-2", "workloads");
        size_t i, seen = 0, well = 0;
        int64_t lines = 0;
        json_t *row;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "workloads"), i, row)
        {
                const char *name = json_text(row, "name", NULL);
                if (name == NULL ||
                    !json_globs_match(wanted, findings_text(out, "%s/%s", json_text(row, "namespace", "?"), name)))
                        continue;
                seen++;
                lines += json_whole(row, "lines", 0);
                well += workload_judge(row, i, facts, policy, out) ? 1 : 0;
        }
        if (well > 0)
                findings_pass(
                        out, "API-2", NULL,
                        findings_text(out, "%zu of %zu workloads, %lld lines sampled", well, seen, (long long)lines),
                        findings_text(out, "at least %g %% of lines are JSON with a request id",
                                      policy_number(policy, "API-2", "structured")),
                        "Their logs can be searched by request.");
        else if (seen == 0 && !facts_lacks(facts, "pods"))
                findings_skip(out, "API-2", "No pod runs of a workload whose logs the policy names.",
                              "Name them: policy: {API-2: {workloads: [\"namespace/*\"]}}.");
}

const struct audit audit_logs = {
        .name = "logs",
        .summary = "sampled log lines: JSON with a request id",
        .looks_at = {"kubernetes"},
        .controls = {"API-2"},
        .needs = NEEDS,
        .collect = logs_collect,
        .judge = logs_judge,
        .check = logs_check,
};
