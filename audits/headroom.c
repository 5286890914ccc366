/* Memory: do limits leave room over what containers use at their peak?  Control: API-3. */

#include "audit.h"

#include <math.h>
#include <string.h>

#include "facts.h"
#include "faults.h"
#include "headroom_facts.h"
#include "json.h"
#include "kubernetes_rights.h"
#include "moment.h"

#define NEEDS  "RBAC: list pods, replicasets.apps, jobs.batch, pods.metrics.k8s.io"
#define SERIES "headroom.memory_bytes"

enum {
        SAMPLES_MOST = 5000, /* one per container of a workload and run */
        SAMPLES_LEAST = 3,   /* of a window, this run's among them; they must span half of it */
};

static int
headroom_collect(struct session *session, json_t *facts, struct error *err)
{
        return headroom_facts_read(session, facts, err);
}

static int
headroom_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

struct judge {
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        int64_t now_ms, window_ms;
        size_t seen, well, short_of_history, unlimited, wasteful, sampled, silent;
        double wasted;
};

/* What one container used at its most. */
struct peak {
        double bytes; /* NAN: never seen */
        bool enough;  /* seen over enough of the window */
};

static struct peak
peak_of(struct judge *j, const json_t *row, const char *id)
{
        double used = json_real_or(row, "used", NAN), asked = json_real_or(row, "peak", NAN);
        const struct series *series = history_series(j->history, SERIES, id);
        struct peak peak = {.bytes = fmax(used, asked), .enough = asked > 0};
        size_t samples = isnan(used) ? 0 : 1;
        int64_t first = j->now_ms;

        for (size_t i = 0; series != NULL && i < series->count; i++) {
                const struct sample *sample = &series->samples[i];
                if (sample->at_ms < j->now_ms - j->window_ms)
                        continue;
                peak.bytes = fmax(peak.bytes, sample->value);
                first = sample->at_ms < first ? sample->at_ms : first;
                samples++;
        }
        if (samples >= SAMPLES_LEAST && j->now_ms - first >= j->window_ms / 2)
                peak.enough = true;
        if (!isnan(used) && j->sampled < SAMPLES_MOST) {
                findings_sample(j->out, SERIES, id, used);
                j->sampled++;
        }
        return peak;
}

static const char *
limits_remedy(const struct judge *j, const json_t *row, double bytes)
{
        double step = 16 * 0x1p20;
        const char *kind = json_text(row, "kind", "?");

        if (strcmp(kind, "Deployment") == 0 || strcmp(kind, "StatefulSet") == 0 || strcmp(kind, "DaemonSet") == 0)
                return findings_text(j->out, "kubectl -n %s set resources %s/%s -c %s --limits=memory=%.0fMi",
                                     json_text(row, "namespace", "?"), kind, json_text(row, "name", "?"),
                                     json_text(row, "container", "?"), ceil(bytes / step) * step / 0x1p20);
        return findings_text(j->out, "kubectl -n %s edit %s %s: give container %s a memory limit of %.0fMi",
                             json_text(row, "namespace", "?"), kind, json_text(row, "name", "?"),
                             json_text(row, "container", "?"), ceil(bytes / step) * step / 0x1p20);
}

static void
oom_judge(const struct judge *j, const json_t *row, double limit, struct faults *faults)
{
        const json_t *oom = json_map(row, "oom");
        int64_t last = json_whole(oom, "last_ms", 0), pods = json_whole(oom, "pods", 0);

        if (oom == NULL || pods <= 0 || (last > 0 && j->now_ms - last > j->window_ms))
                return;
        const char *when = last > 0 ? findings_text(j->out, ", last %s ago",
                                                    findings_duration(j->out, (double)(j->now_ms - last)))
                                    : "";
        faults_add(faults,
                   findings_text(j->out, "OOM-killed in %lld of %lld pods%s", (long long)pods,
                                 (long long)json_whole(row, "pods", pods), when),
                   "The kernel killed it for its memory: what it was doing is lost.",
                   isnan(limit) ? "look for a leak, and give it a memory limit that its node can keep"
                                : limits_remedy(j, row, limit * 1.5));
}

static void
inventory_add(const struct judge *j, const json_t *row, const char *id, double limit, struct peak peak)
{
        json_t *out = json_object();

        json_put_text(out, "id", id);
        json_put_whole(out, "pods", json_whole(row, "pods", 0));
        json_put_real(out, "limit", limit);
        json_put_real(out, "request", json_real_or(row, "request", NAN));
        json_put_real(out, "used", json_real_or(row, "used", NAN));
        json_put_real(out, "peak", peak.bytes);
        json_put_real(out, "limit_over_peak", peak.bytes > 0 ? limit / peak.bytes : NAN);
        json_put_flag(out, "wasteful", peak.enough && limit > policy_number(j->policy, "API-3", "waste") * peak.bytes);
        findings_inventory(j->out, "memory", out);
}

static void
container_judge(struct judge *j, const json_t *row, size_t index)
{
        double headroom = policy_number(j->policy, "API-3", "headroom"), limit = json_real_or(row, "limit", NAN);
        const char *kind = json_text(row, "kind", "?"), *namespace_ = json_text(row, "namespace", "?");
        const char *name = findings_text(j->out, "%s/%s", json_text(row, "name", "?"),
                                         json_text(row, "container", "?"));
        const char *id = findings_text(j->out, "%s %s/%s", kind, namespace_, name);
        struct peak peak = peak_of(j, row, id);
        struct faults faults = FAULTS_INIT(j->out);

        j->seen++;
        inventory_add(j, row, id, limit, peak);
        oom_judge(j, row, limit, &faults);
        if (limit > 0 && limit < headroom * peak.bytes)
                faults_add(&faults,
                           findings_text(j->out, "limit %s, %.2f x the peak of %s", findings_size(j->out, limit),
                                         limit / peak.bytes, findings_size(j->out, peak.bytes)),
                           "The next peak that is a little higher gets it killed.",
                           limits_remedy(j, row, headroom * peak.bytes));
        if (!faults_report(&faults, &(struct finding){.control = "API-3",
                                                      .resource = {kind, namespace_, name},
                                                      .severity = policy_severity(j->policy, "API-3", false),
                                                      .expected = findings_text(
                                                              j->out, "a limit of at least %g x the peak", headroom),
                                                      .evidence = findings_text(j->out, "/containers/%zu", index)}))
                return;
        if (isnan(limit)) {
                j->unlimited++;
        } else if (isnan(peak.bytes)) {
                j->silent++;
        } else if (!peak.enough) {
                j->short_of_history++;
        } else {
                j->well++;
                if (limit > policy_number(j->policy, "API-3", "waste") * peak.bytes) {
                        j->wasteful++;
                        j->wasted += (limit - headroom * peak.bytes) * (double)json_whole(row, "pods", 1);
                }
        }
}

static void
summary_report(const struct judge *j, const json_t *facts)
{
        const char *window = findings_duration(j->out, (double)j->window_ms);
        bool measured = json_has(facts, "metrics") || json_has(facts, "prometheus");
        struct resource history = {.kind = "history"};

        if (j->well > 0)
                findings_pass(
                        j->out, "API-3", NULL,
                        findings_text(j->out, "%zu of %zu containers of workloads over %s%s", j->well, j->seen, window,
                                      j->unlimited > 0
                                              ? findings_text(j->out, "; %zu have no limit (NOD-3)", j->unlimited)
                                              : ""),
                        findings_text(j->out, "a limit of at least %g x the peak",
                                      policy_number(j->policy, "API-3", "headroom")),
                        j->wasteful > 0
                                ? findings_text(j->out,
                                                "Their limits leave room. %zu of them are wasteful (limit over %g "
                                                "x the peak, %s more than needed in all pods; sheet memory).",
                                                j->wasteful, policy_number(j->policy, "API-3", "waste"),
                                                findings_size(j->out, j->wasted))
                                : "Their limits leave room over the peak.");
        if (measured && j->short_of_history + j->silent > 0)
                findings_error(j->out, "API-3", &history, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "Of %zu containers the peak is not known yet: fewer than %d samples over "
                                             "half of %s; %zu more show no usage.",
                                             j->short_of_history, SAMPLES_LEAST, window, j->silent),
                               "run this audit daily, or name a Prometheus that has the past: targets: {kind: "
                               "kubernetes, prometheus: NAME}");
        if (!measured && !facts_lacks(facts, "metrics") && !facts_lacks(facts, "prometheus"))
                findings_skip(j->out, "API-3",
                              "What containers use cannot be seen: metrics-server is not installed, and the target "
                              "names no Prometheus.",
                              "install metrics-server, or set `prometheus` of the kubernetes target");
        else if (measured && j->seen == 0 && !facts_lacks(facts, "pods"))
                findings_error(j->out, "API-3", NULL, REASON_TOO_LITTLE_DATA, "No pod runs.",
                               "kubectl get pods -A; see whether `namespaces` of the target leaves them out");
        else if (measured && j->seen > 0 && j->unlimited == j->seen)
                findings_skip(j->out, "API-3", "No container has a memory limit; NOD-3 says so.", NULL);
}

static void
headroom_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {.policy = policy,
                          .history = history,
                          .out = out,
                          .now_ms = history_now(history),
                          .window_ms = policy_whole(policy, "API-3", "window")};
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(facts, "containers"), i, row)
        {
                if (json_text(row, "name", NULL) != NULL)
                        container_judge(&j, row, i);
        }
        summary_report(&j, facts);
}

const struct audit audit_headroom = {
        .name = "headroom",
        .summary = "memory limits against the peak, OOM kills",
        .looks_at = {"kubernetes"},
        .controls = {"API-3"},
        .needs = NEEDS,
        .samples = {SERIES},
        .history_ms = 100 * DAY_MS,
        .collect = headroom_collect,
        .judge = headroom_judge,
        .check = headroom_check,
};
