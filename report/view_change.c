/* What changed between two runs: new, worse, still, fixed, no longer comparable. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "view_parts.h"

static bool
same_json(const json_t *a, const json_t *b)
{
        return a == b || (a != NULL && b != NULL && json_equal(a, b));
}

/* The bounds of a control in a run: the target's own policy where the run kept one, else the policy of them all. */
static const json_t *
bounds_of(const json_t *run, const struct view_finding *f)
{
        const json_t *config = json_map(run, "config");
        const json_t *own = json_at(config, "policies", f->target, f->control, NULL);

        return own != NULL ? own : json_at(config, "policy", f->control, NULL);
}

/* True when the control was judged by other bounds then.  A run that kept no policy cannot be told apart. */
static bool
policy_differs(const struct view_parts *parts, const struct view_finding *f)
{
        const json_t *then = json_map(parts->previous, "config"), *now = json_map(parts->run, "config");

        if (json_map(then, "policy") == NULL || json_map(now, "policy") == NULL)
                return false;
        return !same_json(bounds_of(parts->previous, f), bounds_of(parts->run, f));
}

static void
mark(struct view_finding *f, enum change change, const char *why)
{
        f->change = change;
        f->change_why = why;
}

/* A finding that fails now. */
static void
compare_now(struct view *view, struct view_finding *f)
{
        struct view_parts *parts = view->parts;
        size_t at = index_find(&parts->before_index, f->fingerprint);
        const struct view_before *before = at != SIZE_MAX ? &parts->before[at] : NULL;

        if (before != NULL && before->status == STATUS_FAIL) {
                f->before = before->severity;
                if (before->severity == f->severity || !severity_reaches(f->severity, before->severity))
                        mark(f, CHANGE_STILL, "");
                else if (policy_differs(parts, f))
                        mark(f, CHANGE_INCOMPARABLE, "judged under another policy than before");
                else
                        mark(f, CHANGE_WORSE, "");
        } else if (before != NULL && before->status == STATUS_WAIVED) {
                mark(f, CHANGE_NEW, "no waiver applies any more");
        } else if (f->first_seen_ms != 0 && f->first_seen_ms <= view->previous.started_ms) {
                mark(f, CHANGE_STILL, "could not be assessed in the run before");
        } else if (before == NULL || before->status == STATUS_ERROR || before->status == STATUS_SKIP) {
                const struct view_coverage *then = coverage_find(parts, &parts->then, f->target, f->control);
                mark(f, CHANGE_NEW, then != NULL && !then->assessed ? "could not be assessed before" : "");
        } else if (policy_differs(parts, f)) {
                mark(f, CHANGE_INCOMPARABLE, "judged under another policy than before");
        } else {
                mark(f, CHANGE_NEW, "");
        }
}

static const char *
not_assessed(struct view_parts *parts, const char *word, enum reason reason, const char *message)
{
        char text[400];

        snprintf(text, sizeof text, "%s now%s%s%s%.300s", word, reason != REASON_NONE ? " (" : "", reason_name(reason),
                 reason != REASON_NONE ? "): " : ": ", message);
        return parts_text(parts, text);
}

/* A finding that failed before and does not now; `now` is what stands in its place, if anything does. */
static void
compare_old(struct view *view, struct view_finding *f, const struct view_finding *now)
{
        struct view_parts *parts = view->parts;
        const struct view_coverage *coverage = coverage_find(parts, &parts->now, f->target, f->control);

        if (now != NULL && now->status == STATUS_WAIVED)
                mark(f, CHANGE_INCOMPARABLE, "waived now");
        else if (now != NULL && now->status == STATUS_ERROR)
                mark(f, CHANGE_INCOMPARABLE, not_assessed(parts, "could not be assessed", now->reason, now->message));
        else if (now != NULL && now->status == STATUS_SKIP)
                mark(f, CHANGE_INCOMPARABLE, not_assessed(parts, "skipped", now->reason, now->message));
        else if (now != NULL && policy_differs(parts, f))
                mark(f, CHANGE_INCOMPARABLE, "passes now, but under another policy than before");
        else if (now != NULL)
                mark(f, CHANGE_FIXED, "passes now");
        else if (coverage == NULL)
                mark(f, CHANGE_INCOMPARABLE, "not looked at in this run");
        else if (coverage->error || !coverage->assessed)
                mark(f, CHANGE_INCOMPARABLE,
                     not_assessed(parts, coverage->error ? "could not be assessed" : "skipped", coverage->reason,
                                  coverage->message));
        else if (policy_differs(parts, f))
                mark(f, CHANGE_INCOMPARABLE, "no longer reported, but judged under another policy than before");
        else
                mark(f, CHANGE_FIXED, "no longer there");
}

static struct view_list
list_of(struct view_parts *parts, const struct view_finding *findings, size_t count, enum change change,
        const struct view_finding *more, size_t more_count)
{
        struct view_list list = {0};

        for (size_t i = 0; i < count; i++)
                list.count += findings[i].change == change;
        for (size_t i = 0; i < more_count; i++)
                list.count += more[i].change == change;
        list.rows = parts_room(parts, list.count, sizeof *list.rows);
        if (list.rows == NULL)
                return (struct view_list){0};
        size_t at = 0;
        for (size_t i = 0; i < count; i++) {
                if (findings[i].change == change)
                        list.rows[at++] = &findings[i];
        }
        for (size_t i = 0; i < more_count; i++) {
                if (more[i].change == change)
                        list.rows[at++] = &more[i];
        }
        return list;
}

void
view_compare(struct view *view)
{
        struct view_parts *parts = view->parts;
        struct view_index now = {0};

        if (view->previous.id == 0)
                return;
        /* Findings are sorted, fails first: the first of a fingerprint is its worst. */
        for (size_t i = 0; i < parts->count; i++) {
                struct view_finding *f = &parts->findings[i];
                if (index_find(&now, f->fingerprint) == SIZE_MAX)
                        index_put(parts, &now, f->fingerprint, i);
                if (f->status == STATUS_FAIL)
                        compare_now(view, f);
        }
        for (size_t i = 0; i < parts->old_count; i++) {
                struct view_finding *f = &parts->old[i];
                size_t at = index_find(&now, f->fingerprint);
                if (at == SIZE_MAX || parts->findings[at].status != STATUS_FAIL)
                        compare_old(view, f, at != SIZE_MAX ? &parts->findings[at] : NULL);
        }
        free(now.keys);
        free(now.values);
        size_t fails = 0;
        while (fails < parts->count && parts->findings[fails].status == STATUS_FAIL)
                fails++;
        view->fresh = list_of(parts, parts->findings, fails, CHANGE_NEW, NULL, 0);
        view->worse = list_of(parts, parts->findings, fails, CHANGE_WORSE, NULL, 0);
        view->still = list_of(parts, parts->findings, fails, CHANGE_STILL, NULL, 0);
        view->fixed = list_of(parts, parts->old, parts->old_count, CHANGE_FIXED, NULL, 0);
        view->incomparable = list_of(parts, parts->findings, fails, CHANGE_INCOMPARABLE, parts->old, parts->old_count);
        view->figures.fresh = view->fresh.count;
        view->figures.worse = view->worse.count;
        view->figures.still = view->still.count;
        view->figures.fixed = view->fixed.count;
        view->figures.incomparable = view->incomparable.count;
}
