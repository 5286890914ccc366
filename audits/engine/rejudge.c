/* Stored facts under another policy: judged, compared with what was found then, and kept when that is wanted. */

#include "rejudge.h"

#include <stdlib.h>
#include <string.h>

#include "assess.h"
#include "json.h"
#include "runner.h"
#include "scope.h"

struct judged {
        char *target, *kind, *owner;
        const struct audit *audit;
        struct findings *findings;
};

struct rejudging {
        const struct rejudge_order *order;
        struct rejudge_figures *figures;
        struct judged *rows;
        size_t count;
        json_t *before; /* fingerprint -> {"status", "severity", "message", ...} of the findings of then */
        struct error err;
        bool failed;
};

static void
rejudging_free(struct rejudging *work)
{
        for (size_t i = 0; i < work->count; i++) {
                free(work->rows[i].target);
                free(work->rows[i].kind);
                free(work->rows[i].owner);
                findings_free(work->rows[i].findings);
        }
        free(work->rows);
        json_decref(work->before);
}

/* --- judging ------------------------------------------------------------------------------------------------ */

static const struct audit *
audit_of(const struct rejudge_order *order, const char *name)
{
        for (size_t i = 0; order->audits[i] != NULL; i++) {
                if (strcmp(order->audits[i]->name, name) == 0)
                        return order->audits[i];
        }
        return NULL;
}

static int
fail(struct rejudging *work)
{
        work->failed = true;
        return 1;
}

static int
judge_again(void *context, const char *target, const char *kind, const char *owner, const char *audit_name,
            int64_t at_ms, const json_t *facts)
{
        struct rejudging *work = context;
        const struct rejudge_order *order = work->order;
        const struct audit *audit = audit_of(order, audit_name);
        struct history *history;

        (void)at_ms;
        if (audit == NULL) {
                work->figures->unknown++;
                return 0;
        }
        struct judged *rows = reallocarray(work->rows, work->count + 1, sizeof *rows);
        if (rows == NULL) {
                error_memory(&work->err, "rejudging");
                return fail(work);
        }
        work->rows = rows;
        struct judged *row = &rows[work->count++];
        *row = (struct judged){.target = strdup(target), .kind = strdup(kind), .owner = strdup(owner), .audit = audit};
        if (runner_history(order->store, audit, target, order->started_ms, &history, &work->err) != 0)
                return fail(work);
        row->findings = assess_facts(audit, facts, order->policy_of(order->context, target), history);
        history_free(history);
        if (row->target == NULL || row->kind == NULL || row->owner == NULL || row->findings == NULL) {
                error_memory(&work->err, "rejudging");
                return fail(work);
        }
        return 0;
}

/* --- comparing ---------------------------------------------------------------------------------------------- */

static bool
is_judged_again(const struct rejudging *work, const char *target, const char *audit)
{
        for (size_t i = 0; i < work->count; i++) {
                if (strcmp(work->rows[i].target, target) == 0 && strcmp(work->rows[i].audit->name, audit) == 0)
                        return true;
        }
        return false;
}

static int
remember(void *context, const struct finding_row *row)
{
        struct rejudging *work = context;
        const struct finding *finding = &row->finding;

        if (!is_judged_again(work, row->target, row->audit))
                return 0;
        json_t *then = json_object();
        if (json_put_whole(then, "status", finding->status) != 0 ||
            json_put_whole(then, "severity", finding->severity) != 0 ||
            json_put_text(then, "control", finding->control) != 0 || json_put_text(then, "target", row->target) != 0 ||
            json_put_text(then, "audit", row->audit) != 0 || json_put_text(then, "kind", finding->resource.kind) != 0 ||
            json_put_text(then, "namespace", finding->resource.namespace_) != 0 ||
            json_put_text(then, "name", finding->resource.name) != 0 ||
            json_put_text(then, "message", finding->message) != 0) {
                json_decref(then);
                error_memory(&work->err, "rejudging");
                return fail(work);
        }
        if (json_put(work->before, row->fingerprint, then) != 0) {
                error_memory(&work->err, "rejudging");
                return fail(work);
        }
        return 0;
}

static void
tell(struct rejudging *work, const struct rejudge_change *change)
{
        work->figures->changed++;
        if (work->order->changed != NULL)
                work->order->changed(work->order->context, change);
}

/* One new finding beside the one of then, which is taken out of the map. */
static void
compare(struct rejudging *work, const struct judged *judged, const struct finding *finding)
{
        const struct rejudge_order *order = work->order;
        char fingerprint[FINGERPRINT_TEXT];
        struct finding_row row = {.finding = *finding,
                                  .fingerprint = fingerprint,
                                  .target = judged->target,
                                  .audit = judged->audit->name,
                                  .owner = finding->owner != NULL ? finding->owner : judged->owner};

        finding_fingerprint(finding->control, judged->target, &finding->resource, fingerprint);
        if (order->filter != NULL)
                order->filter(order->context, &row);
        const json_t *then = json_object_get(work->before, fingerprint);
        struct rejudge_change change = {.control = finding->control,
                                        .target = judged->target,
                                        .audit = judged->audit->name,
                                        .resource = finding->resource,
                                        .was = then != NULL,
                                        .is = true,
                                        .status_was = (enum status)json_whole(then, "status", 0),
                                        .status_is = row.finding.status,
                                        .severity_was = (enum severity)json_whole(then, "severity", 0),
                                        .severity_is = row.finding.severity,
                                        .message = finding->message};
        work->figures->findings++;
        if (!change.was || change.status_was != change.status_is || change.severity_was != change.severity_is)
                tell(work, &change);
        json_object_del(work->before, fingerprint);
}

static void
tell_gone(struct rejudging *work)
{
        const char *fingerprint;
        json_t *then;

        json_object_foreach(work->before, fingerprint, then)
        {
                struct rejudge_change change = {.control = json_text(then, "control", ""),
                                                .target = json_text(then, "target", ""),
                                                .audit = json_text(then, "audit", ""),
                                                .resource = {.kind = json_text(then, "kind", NULL),
                                                             .namespace_ = json_text(then, "namespace", NULL),
                                                             .name = json_text(then, "name", NULL)},
                                                .was = true,
                                                .status_was = (enum status)json_whole(then, "status", 0),
                                                .severity_was = (enum severity)json_whole(then, "severity", 0),
                                                .message = json_text(then, "message", "")};
                tell(work, &change);
        }
}

/* --- keeping ------------------------------------------------------------------------------------------------ */

static int
keep(struct rejudging *work, const struct judged *judged, struct error *err)
{
        const struct rejudge_order *order = work->order;
        struct result result = {.target = judged->target,
                                .kind = judged->kind,
                                .owner = judged->owner,
                                .audit = judged->audit->name,
                                .findings = judged->findings};

        return store_result_rejudge(order->store, order->run, &result, order->filter, order->context, err);
}

int
rejudge_run(const struct rejudge_order *order, struct rejudge_figures *figures, struct error *err)
{
        scoped(rejudging_free) struct rejudging work = {.order = order, .figures = figures, .before = json_object()};

        *figures = (struct rejudge_figures){0};
        if (work.before == NULL)
                return error_memory(err, "rejudging");
        if (store_facts_each(order->store, order->run, judge_again, &work, err) != 0)
                return -1;
        if (!work.failed && store_findings_each(order->store, order->run, remember, &work, err) != 0)
                return -1;
        if (work.failed) {
                *err = work.err;
                return -1;
        }
        figures->results = work.count;
        for (size_t i = 0; i < work.count; i++) {
                for (size_t j = 0; j < work.rows[i].findings->count; j++)
                        compare(&work, &work.rows[i], &work.rows[i].findings->rows[j]);
        }
        tell_gone(&work);
        for (size_t i = 0; !order->dry_run && i < work.count; i++) {
                if (keep(&work, &work.rows[i], err) != 0)
                        return -1;
        }
        return 0;
}
