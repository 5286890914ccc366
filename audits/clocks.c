/* Clocks: do they agree, as far as that can be told?  Controls: ATH-6. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "clock_readings.h"
#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "kubernetes_rights.h"
#include "scope.h"
#include "sntp.h"

static int
clocks_collect(struct session *session, json_t *facts, struct error *err)
{
        json_t *clocks = json_array(), *reference = NULL;

        if (json_put(facts, "clocks", clocks) != 0)
                return error_memory(err, "clocks");
        json_put_text(facts, "kind", session->target->kind->name);
        if (sntp_reference(session, &reference, err) != 0 || json_put(facts, "reference", reference) != 0)
                return -1;
        return clock_readings(session, facts, clocks, err);
}

#define NEEDS "RBAC: list leases.coordination.k8s.io"

static int
clocks_check(struct session *session, struct rights *rights, struct error *err)
{
        return session->target->kind == &kind_kubernetes ? kubernetes_rights_check(session, NEEDS, rights, err) : 0;
}

/* --- judge -------------------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
        double limit_ms;
        const char *reference;      /* "ntp.example.com, 2 of 3 agree" */
        double offset_ms, bound_ms; /* of the reference, minus the auditor; bound NAN: unknown */
        size_t judged, sound, leases_open;
};

static const char *
milliseconds(struct findings *out, double ms)
{
        if (fabs(ms) < 10)
                return findings_text(out, "%.1f ms", ms);
        return fabs(ms) < 10000 ? findings_text(out, "%.0f ms", ms) : findings_duration(out, ms);
}

/* "120 ms ahead (give or take 15 ms)" */
static const char *
drift_words(struct findings *out, double drift, double bound)
{
        return findings_text(out, "%s %s (give or take %s)", milliseconds(out, fabs(drift)),
                             drift < 0 ? "behind" : "ahead",
                             isnan(bound) ? "an unknown time" : milliseconds(out, bound));
}

static void
drift_judge(struct judge *j, const struct resource *resource, double drift, double bound, const char *what,
            const char *evidence, const char *remedy)
{
        double known = isnan(bound) ? 0 : bound;
        const char *observed = findings_text(j->out, "%s, by %s, against %s", drift_words(j->out, drift, bound), what,
                                             j->reference);
        const char *expected = findings_text(j->out, "within %s", milliseconds(j->out, j->limit_ms));

        j->judged++;
        if (fabs(drift) - known > j->limit_ms)
                findings_add(j->out,
                             &(struct finding){
                                     .control = "ATH-6",
                                     .resource = *resource,
                                     .status = STATUS_FAIL,
                                     .severity = policy_severity(j->policy, "ATH-6", false),
                                     .observed = observed,
                                     .expected = expected,
                                     .message = "This clock is wrong: tokens are refused or live too long, and logs of "
                                                "two machines cannot be put in order.",
                                     .remedy = remedy,
                                     .evidence = evidence});
        else if (fabs(drift) + known <= j->limit_ms)
                findings_pass(j->out, "ATH-6", resource, observed, expected, "The clock agrees with the reference.");
        else
                findings_error(j->out, "ATH-6", resource, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out, "Whether this clock is within %s cannot be told: %s",
                                             milliseconds(j->out, j->limit_ms), observed),
                               "read it in a finer way: a target of kind ntp nearer to it, or node_exporter's timex in "
                               "Prometheus");
}

/* A reading that its own kernel holds against its own time server: no reference of ours is needed. */
static void
absolute_judge(struct judge *j, const json_t *row, const struct resource *resource, const char *evidence)
{
        const char *remedy = "On the node: chronyc tracking; chronyc sources; start chrony, and let UDP port 123 out.";
        double offset = json_real_or(row, "offset_ms", NAN), bound = json_real_or(row, "bound_ms", NAN);
        const char *reference = j->reference;

        if (!json_flag(row, "synchronised", false)) {
                j->judged++;
                findings_add(
                        j->out,
                        &(struct finding){
                                .control = "ATH-6",
                                .resource = *resource,
                                .status = STATUS_FAIL,
                                .severity = policy_severity(j->policy, "ATH-6", false),
                                .observed = "node_timex_sync_status 0",
                                .expected = "a clock that follows a time server",
                                .message = "The kernel of this node says that nothing disciplines its clock: it drifts "
                                           "freely.",
                                .remedy = remedy,
                                .evidence = evidence});
                return;
        }
        j->reference = "the node's own time server";
        if (!isnan(offset))
                drift_judge(j, resource, offset, bound, "node_timex", evidence, remedy);
        j->reference = reference;
}

static void
reading_judge(struct judge *j, const json_t *row, size_t index)
{
        const char *name = json_text(row, "name", NULL), *what = json_text(row, "what", "its clock");
        double offset = json_real_or(row, "offset_ms", NAN), bound = json_real_or(row, "bound_ms", NAN);
        const char *evidence = findings_text(j->out, "/clocks/%zu", index);
        struct resource resource = {.kind = "clock", .name = name};

        if (name == NULL)
                return;
        if (json_flag(row, "absolute", false)) {
                absolute_judge(j, row, &resource, evidence);
                return;
        }
        if (isnan(offset) || isnan(bound)) {
                findings_error(j->out, "ATH-6", &resource, REASON_PROTOCOL,
                               "The clock was answered with something that is no time.", NULL);
                return;
        }
        double drift = offset - j->offset_ms;
        double wide = isnan(j->bound_ms) ? bound : bound + j->bound_ms;
        /* A lease tells no more than seconds: where it shows no fault it shows nothing, and all of them are told as
         * one. */
        if (strcmp(what, "node lease") == 0 && fabs(drift) - wide <= j->limit_ms) {
                j->leases_open++;
                return;
        }
        if (!isnan(bound))
                findings_sample(j->out, "clocks.drift_ms", name, drift);
        drift_judge(j, &resource, drift, wide, what, evidence,
                    "On that machine: chronyc tracking; chronyc sources; start chrony (or systemd-timesyncd), and let "
                    "UDP port 123 out.");
}

static void
server_judge(struct judge *j, const json_t *row, size_t index)
{
        const char *name = json_text(row, "name", "?"), *text = json_text(row, "text", NULL);
        struct resource resource = {.kind = "time server", .name = name};

        if (text != NULL) {
                struct error failed = {.reason = reason_from_name(json_text(row, "reason", ""))};
                findings_error(j->out, "ATH-6", &resource,
                               failed.reason == REASON_NONE ? REASON_UNREACHABLE : failed.reason, text,
                               json_text(row, "remedy", NULL));
                return;
        }
        double offset = json_real_or(row, "offset_ms", NAN), bound = json_real_or(row, "bound_ms", NAN);
        if (isnan(offset) || isnan(bound) || isnan(j->bound_ms))
                return;
        drift_judge(j, &resource, offset - j->offset_ms, bound + j->bound_ms, "NTP",
                    findings_text(j->out, "/reference/servers/%zu", index),
                    "Name another time server in its place: it disagrees with the others.");
}

/* The target of kind ntp: its servers, and the auditor's own clock. */
static void
ntp_judge(struct judge *j, const json_t *reference)
{
        struct resource own = {.kind = "clock", .name = "auditor"};
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(reference, "servers"), i, row) server_judge(j, row, i);
        if (strcmp(json_text(reference, "source", ""), "ntp") != 0 || isnan(j->bound_ms)) {
                findings_error(j->out, "ATH-6", &own, REASON_UNREACHABLE,
                               "No time server answered: the auditor's own clock could not be held against anything.",
                               "let UDP port 123 out to the servers of this target, or name others");
                return;
        }
        drift_judge(j, &own, -j->offset_ms, j->bound_ms, "this machine's clock", "/reference",
                    "On the machine that runs rounds: chronyc tracking; start chrony (or systemd-timesyncd).");
}

static void
leases_judge(struct judge *j)
{
        int64_t seen = json_whole(j->facts, "leases", 0), stale = json_whole(j->facts, "leases_stale", 0);
        struct resource resource = {.kind = "clock", .name = "nodes"};

        if (j->leases_open == 0 && stale == 0)
                return;
        if (!policy_flag(j->policy, "ATH-6", "leases"))
                return;
        findings_error(
                j->out, "ATH-6", &resource, REASON_TOO_LITTLE_DATA,
                findings_text(
                        j->out,
                        "Of %" PRId64
                        " node leases none shows a clock that is minutes wrong, but a lease tells no more than about "
                        "6 s either way%s.",
                        seen,
                        stale > 0 ? findings_text(j->out, ", and %" PRId64 " are not renewed at all", stale) : ""),
                "scrape node_exporter (collector timex) and name the Prometheus as a target; then set policy ATH-6 "
                "leases: false");
}

static void
reference_read(struct judge *j, const json_t *reference)
{
        const char *source = json_text(reference, "source", "none");

        j->offset_ms = json_real_or(reference, "offset_ms", 0);
        j->bound_ms = json_real_or(reference, "bound_ms", NAN);
        if (strcmp(source, "ntp") == 0)
                j->reference = findings_text(j->out, "%s (%" PRId64 " of %" PRId64 " time servers)",
                                             json_text(reference, "target", "?"), json_whole(reference, "agree", 0),
                                             json_whole(reference, "of", 0));
        else if (strcmp(source, "kernel") == 0)
                j->reference = "the auditor's clock, which its kernel keeps in step";
        else
                j->reference = "the auditor's clock, which follows no time server";
}

static void
clocks_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {.facts = facts, .policy = policy, .out = out};
        const json_t *reference = json_map(facts, "reference");
        size_t i;
        json_t *row;

        (void)history;
        j.limit_ms = policy_number(policy, "ATH-6", "drift");
        reference_read(&j, reference);
        json_array_foreach((json_t *)json_list(facts, "clocks"), i, row) reading_judge(&j, row, i);
        if (strcmp(json_text(facts, "kind", ""), "ntp") == 0)
                ntp_judge(&j, reference);
        leases_judge(&j);
        if (out->count == 0 && json_array_size(json_list(facts, "gaps")) == 0)
                findings_error(out, "ATH-6", NULL, REASON_TOO_LITTLE_DATA, "No clock was seen here.", NULL);
}

const struct audit audit_clocks = {
        .name = "clocks",
        .summary = "clocks of servers, nodes and the auditor against time servers, each with its error bound",
        .looks_at = {"ntp", "postgres", "redis", "http", "kubernetes", "prometheus"},
        .controls = {"ATH-6"},
        .needs = NEEDS,
        .collect = clocks_collect,
        .judge = clocks_judge,
        .check = clocks_check,
};
