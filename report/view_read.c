/* The view's rows: this run's findings whole, of the previous run's only what comparing needs. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "view_parts.h"

/* --- coverage ------------------------------------------------------------------------------------------------ */

/* The interned key of a (target, control) pair. */
static const char *
coverage_key(struct view_parts *parts, const char *target, const char *control)
{
        scoped_buffer key = BUFFER_INIT(1 << 20);

        buffer_text(&key, target);
        buffer_char(&key, '\n');
        buffer_text(&key, control);
        return key.failed ? "" : parts_text(parts, key.data);
}

const struct view_coverage *
coverage_find(struct view_parts *parts, const struct view_coverages *coverages, const char *target, const char *control)
{
        size_t at = index_find(&coverages->index, coverage_key(parts, target, control));

        return at != SIZE_MAX ? &coverages->rows[at] : NULL;
}

static void
coverage_note(struct view_parts *parts, struct view_coverages *coverages, const struct finding_row *row,
              const char **last_target, const char **last_control, size_t *last)
{
        const char *target = parts_text(parts, row->target), *control = parts_text(parts, row->finding.control);

        if (target != *last_target || control != *last_control) {
                const char *key = coverage_key(parts, target, control);
                *last = index_find(&coverages->index, key);
                if (*last == SIZE_MAX) {
                        if (!parts_grow(parts, (void **)&coverages->rows, coverages->count, &coverages->capacity,
                                        sizeof *coverages->rows))
                                return;
                        *last = coverages->count++;
                        coverages->rows[*last] = (struct view_coverage){
                                .target = target, .control = control, .message = ""};
                        index_put(parts, &coverages->index, key, *last);
                }
                *last_target = target;
                *last_control = control;
        }
        struct view_coverage *coverage = &coverages->rows[*last];
        enum status status = row->finding.status;
        if (status == STATUS_FAIL || status == STATUS_PASS || status == STATUS_WAIVED) {
                coverage->assessed = true;
        } else if (!coverage->error) {
                coverage->error = status == STATUS_ERROR;
                coverage->reason = row->finding.reason;
                coverage->message = parts_text(parts, row->finding.message);
        }
}

/* --- findings ------------------------------------------------------------------------------------------------ */

struct reading {
        struct view_parts *parts;
        struct view_coverages *coverages;
        const char *last_target, *last_control;
        size_t last;
};

static const char *
playbook_of(struct view_parts *parts, const char *control)
{
        const struct playbook *playbook = control_playbook(control);
        const char *dash = strrchr(control, '-');
        char prefix[32];

        if (playbook != NULL)
                return playbook->prefix;
        snprintf(prefix, sizeof prefix, "%.*s", dash != NULL ? (int)(dash - control) : 31, control);
        return parts_text(parts, prefix);
}

static struct view_finding
finding_kept(struct view_parts *parts, const struct finding_row *row)
{
        const struct finding *f = &row->finding;
        const char *control = parts_text(parts, f->control);
        bool failing = f->status == STATUS_FAIL || f->status == STATUS_WAIVED;

        return (struct view_finding){
                .fingerprint = parts_text(parts, row->fingerprint),
                .control = control,
                .playbook = playbook_of(parts, control),
                .audit = parts_text(parts, row->audit),
                .target = parts_text(parts, row->target),
                .resource = {.kind = parts_text(parts, f->resource.kind),
                             .namespace_ = parts_text(parts, f->resource.namespace_),
                             .name = parts_text(parts, f->resource.name)},
                .status = f->status,
                .severity = f->status == STATUS_FAIL ? f->severity : SEV_NONE,
                .reason = f->reason,
                .observed = parts_text(parts, f->observed),
                .expected = parts_text(parts, f->expected),
                .message = parts_text(parts, f->message),
                .remedy = parts_text(parts, f->remedy),
                .owner = parts_text(parts, row->owner != NULL ? row->owner : f->owner),
                .evidence = parts_text(parts, f->evidence),
                .waiver = parts_text(parts, row->waiver),
                .note = parts_text(parts, row->note),
                .first_seen_ms = failing ? row->first_seen_ms : 0,
                .change_why = "",
                .row = control_find(control),
                .order = control_order(control),
        };
}

static int
visit_now(void *context, const struct finding_row *row)
{
        struct reading *reading = context;
        struct view_parts *parts = reading->parts;

        if (!parts_grow(parts, (void **)&parts->findings, parts->count, &parts->capacity, sizeof *parts->findings))
                return 1;
        parts->findings[parts->count++] = finding_kept(parts, row);
        coverage_note(parts, reading->coverages, row, &reading->last_target, &reading->last_control, &reading->last);
        return parts->failed;
}

/* Findings come with the worst status first, so the first of several with one fingerprint is the one that counts. */
static int
visit_then(void *context, const struct finding_row *row)
{
        struct reading *reading = context;
        struct view_parts *parts = reading->parts;
        const char *fingerprint = parts_text(parts, row->fingerprint);

        coverage_note(parts, reading->coverages, row, &reading->last_target, &reading->last_control, &reading->last);
        if (index_find(&parts->before_index, fingerprint) != SIZE_MAX)
                return parts->failed;
        if (!parts_grow(parts, (void **)&parts->before, parts->before_count, &parts->before_capacity,
                        sizeof *parts->before))
                return 1;
        parts->before[parts->before_count] = (struct view_before){
                .fingerprint = fingerprint, .status = row->finding.status, .severity = row->finding.severity};
        index_put(parts, &parts->before_index, fingerprint, parts->before_count++);
        if (row->finding.status == STATUS_FAIL) {
                if (!parts_grow(parts, (void **)&parts->old, parts->old_count, &parts->old_capacity,
                                sizeof *parts->old))
                        return 1;
                parts->old[parts->old_count++] = finding_kept(parts, row);
        }
        return parts->failed;
}

int
view_finding_order(const void *left, const void *right)
{
        const struct view_finding *a = left, *b = right;
        int by;

        if (a->status != b->status)
                return a->status < b->status ? -1 : 1;
        if (a->severity != b->severity)
                return a->severity < b->severity ? -1 : 1;
        if (a->control != b->control) {
                if (a->order != b->order)
                        return a->order < b->order ? -1 : 1;
                return strcmp(a->control, b->control);
        }
        if (a->target != b->target)
                return strcmp(a->target, b->target);
        if ((by = strcmp(a->resource.kind, b->resource.kind)) != 0 ||
            (by = strcmp(a->resource.namespace_, b->resource.namespace_)) != 0 ||
            (by = strcmp(a->resource.name, b->resource.name)) != 0 || (by = strcmp(a->message, b->message)) != 0)
                return by;
        return strcmp(a->observed, b->observed);
}

int
view_read_findings(struct view *view, struct store *store, struct error *err)
{
        struct view_parts *parts = view->parts;
        struct reading now = {.parts = parts, .coverages = &parts->now},
                       then = {.parts = parts, .coverages = &parts->then};

        if (store_findings_each(store, view->run.id, visit_now, &now, err) != 0)
                return -1;
        if (view->previous.id != 0 && store_findings_each(store, view->previous.id, visit_then, &then, err) != 0)
                return -1;
        if (parts->failed)
                return error_memory(err, "the findings of a run");
        if (parts->count > 1)
                qsort(parts->findings, parts->count, sizeof *parts->findings, view_finding_order);
        if (parts->old_count > 1)
                qsort(parts->old, parts->old_count, sizeof *parts->old, view_finding_order);
        view->findings = parts->findings;
        view->count = parts->count;
        return 0;
}

/* --- inventory ----------------------------------------------------------------------------------------------- */

static int
visit_inventory(void *context, const char *kind, const char *target, const json_t *row)
{
        struct view_parts *parts = context;
        size_t capacity = parts->row_capacity;

        if (!parts_grow(parts, (void **)&parts->rows, parts->row_count, &parts->row_capacity, sizeof *parts->rows))
                return 1;
        if (capacity != parts->row_capacity) {
                const char **kinds = reallocarray(parts->row_kinds, parts->row_capacity, sizeof *kinds);
                if (kinds == NULL) {
                        parts->failed = true;
                        return 1;
                }
                parts->row_kinds = kinds;
        }
        parts->row_kinds[parts->row_count] = parts_text(parts, kind);
        parts->rows[parts->row_count++] = (struct view_row){.target = parts_text(parts, target),
                                                            .row = json_incref((json_t *)row)};
        return parts->failed;
}

int
view_read_inventory(struct view *view, struct store *store, struct error *err)
{
        struct view_parts *parts = view->parts;
        struct view_inventory *kinds;
        size_t count = 0;

        if (store_inventory_each(store, view->run.id, visit_inventory, parts, err) != 0)
                return -1;
        for (size_t i = 0; i < parts->row_count; i++)
                count += i == 0 || parts->row_kinds[i] != parts->row_kinds[i - 1];
        kinds = parts_room(parts, count + 1, sizeof *kinds);
        if (parts->failed || kinds == NULL)
                return error_memory(err, "the inventory of a run");
        view->projections = (struct view_inventory){.kind = "projections"};
        view->inventory = kinds;
        for (size_t from = 0, to; from < parts->row_count; from = to) {
                for (to = from; to < parts->row_count && parts->row_kinds[to] == parts->row_kinds[from];)
                        to++;
                struct view_inventory one = {
                        .kind = parts->row_kinds[from], .rows = &parts->rows[from], .count = to - from};
                if (strcmp(one.kind, "projections") == 0)
                        view->projections = one;
                else
                        kinds[view->inventory_count++] = one;
        }
        return 0;
}
