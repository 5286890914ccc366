/* The view by control, playbook and target; what could not be assessed, said once; the score. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "view_parts.h"

/* --- worst of many ------------------------------------------------------------------------------------------- */

static void
worst_note(enum status status, enum severity severity, enum status *worst, enum severity *worst_severity)
{
        if (status < *worst)
                *worst = status;
        if (severity != SEV_NONE && (*worst_severity == SEV_NONE || severity_reaches(severity, *worst_severity)))
                *worst_severity = severity;
}

/* --- controls and playbooks ---------------------------------------------------------------------------------- */

static int
by_control(const void *left, const void *right)
{
        const struct view_finding *a = *(const struct view_finding *const *)left;
        const struct view_finding *b = *(const struct view_finding *const *)right;

        if (a->control != b->control) {
                if (a->order != b->order)
                        return a->order < b->order ? -1 : 1;
                return strcmp(a->control, b->control);
        }
        return a < b ? -1 : a > b; /* reading order within a control */
}

/* The duty of a control of the user's own, as its rule named it: it stands in the inventory. */
static const char *
own_title(const struct view *view, const char *control)
{
        for (size_t i = 0; i < view->inventory_count; i++) {
                const struct view_inventory *inventory = &view->inventory[i];
                for (size_t r = 0; strcmp(inventory->kind, "custom") == 0 && r < inventory->count; r++) {
                        if (strcmp(json_text(inventory->rows[r].row, "id", ""), control) == 0)
                                return json_text(inventory->rows[r].row, "title", control);
                }
        }
        return control;
}

static struct view_control
control_of(const struct view *view, const struct view_finding **rows, size_t count)
{
        const struct view_finding *first = rows[0];
        struct view_control control = {.id = first->control,
                                       .title = first->row != NULL ? first->row->title
                                                                   : own_title(view, first->control),
                                       .playbook = first->playbook,
                                       .row = first->row,
                                       .worst = STATUS_PASS,
                                       .findings = {.rows = rows, .count = count}};

        for (size_t i = 0; i < count; i++) {
                control.counts[rows[i]->status]++;
                worst_note(rows[i]->status, rows[i]->severity, &control.worst, &control.severity);
        }
        return control;
}

static void
group_playbooks(struct view *view)
{
        struct view_playbook *list = parts_room(view->parts, view->control_count, sizeof *list);

        view->playbooks = list;
        for (size_t i = 0; list != NULL && i < view->control_count; i++) {
                const struct view_control *control = &view->controls[i];
                struct view_playbook *last = view->playbook_count > 0 ? &list[view->playbook_count - 1] : NULL;
                if (last == NULL || strcmp(last->prefix, control->playbook) != 0) {
                        const struct playbook *known = control_playbook(control->id);
                        last = &list[view->playbook_count++];
                        *last = (struct view_playbook){.prefix = control->playbook,
                                                       .title = known != NULL ? known->title : "Your own controls",
                                                       .worst = STATUS_PASS,
                                                       .controls = control};
                }
                last->control_count++;
                for (size_t s = 0; s < 5; s++)
                        last->counts[s] += control->counts[s];
                worst_note(control->worst, control->severity, &last->worst, &last->severity);
        }
}

static void
group_controls(struct view *view)
{
        const struct view_finding **rows = parts_room(view->parts, view->count, sizeof *rows);
        size_t controls = 0;

        if (rows == NULL)
                return;
        for (size_t i = 0; i < view->count; i++)
                rows[i] = &view->findings[i];
        if (view->count > 1)
                qsort(rows, view->count, sizeof *rows, by_control);
        for (size_t i = 0; i < view->count; i++)
                controls += i == 0 || rows[i]->control != rows[i - 1]->control;
        struct view_control *list = parts_room(view->parts, controls, sizeof *list);
        if (list == NULL)
                return;
        for (size_t from = 0, to; from < view->count; from = to) {
                for (to = from; to < view->count && rows[to]->control == rows[from]->control;)
                        to++;
                list[view->control_count++] = control_of(view, rows + from, to - from);
        }
        view->controls = list;
}

/* --- targets ------------------------------------------------------------------------------------------------- */

static int
target_by_name(const void *left, const void *right)
{
        return strcmp(((const struct view_target *)left)->name, ((const struct view_target *)right)->name);
}

static void
group_targets(struct view *view)
{
        struct view_parts *parts = view->parts;
        const json_t *configured = json_list(json_map(parts->run, "config"), "targets");
        size_t index;
        struct view_index names = {0};
        const json_t *one;
        size_t capacity = 0;
        struct view_target *targets = NULL;

        json_array_foreach((json_t *)configured, index, one)
        {
                const char *name = parts_text(parts, json_text(one, "name", ""));
                if (index_find(&names, name) != SIZE_MAX ||
                    !parts_grow(parts, (void **)&targets, view->target_count, &capacity, sizeof *targets))
                        continue;
                index_put(parts, &names, name, view->target_count);
                targets[view->target_count++] = (struct view_target){
                        .name = name,
                        .kind = parts_text(parts, json_text(one, "kind", "")),
                        .owner = parts_text(parts, json_text(one, "owner", "")),
                        .worst = STATUS_PASS};
        }
        for (size_t i = 0; i < view->count; i++) {
                const struct view_finding *f = &view->findings[i];
                size_t at = index_find(&names, f->target);
                if (at == SIZE_MAX) {
                        if (!parts_grow(parts, (void **)&targets, view->target_count, &capacity, sizeof *targets))
                                break;
                        at = view->target_count++;
                        index_put(parts, &names, f->target, at);
                        targets[at] = (struct view_target){
                                .name = f->target, .kind = "", .owner = f->owner, .worst = STATUS_PASS};
                }
                targets[at].counts[f->status]++;
                worst_note(f->status, f->severity, &targets[at].worst, &targets[at].severity);
        }
        free(names.keys);
        free(names.values);
        struct view_target *kept = parts_room(parts, view->target_count, sizeof *kept);
        if (kept != NULL && targets != NULL)
                memcpy(kept, targets, view->target_count * sizeof *kept);
        free(targets);
        view->targets = kept;
        if (kept != NULL && view->target_count > 1)
                qsort(kept, view->target_count, sizeof *kept, target_by_name);
        if (kept == NULL)
                view->target_count = 0;
}

void
view_group(struct view *view)
{
        group_controls(view);
        group_playbooks(view);
        group_targets(view);
        for (size_t i = 0; i < view->count; i++) {
                const struct view_finding *f = &view->findings[i];
                struct view_figures *figures = &view->figures;
                size_t *const counts[] = {&figures->fail, &figures->error, &figures->waived, &figures->skip,
                                          &figures->pass};
                ++*counts[f->status];
                if (f->status == STATUS_FAIL)
                        figures->by_severity[f->severity]++;
        }
}

/* --- not assessed -------------------------------------------------------------------------------------------- */

static int
by_gap(const void *left, const void *right)
{
        const struct view_finding *a = *(const struct view_finding *const *)left;
        const struct view_finding *b = *(const struct view_finding *const *)right;
        int by;

        if (a->status != b->status)
                return a->status < b->status ? -1 : 1;
        if (a->target != b->target)
                return strcmp(a->target, b->target);
        if (a->reason != b->reason)
                return a->reason < b->reason ? -1 : 1;
        if (a->message != b->message && (by = strcmp(a->message, b->message)) != 0)
                return by;
        return by_control(left, right);
}

static bool
same_gap(const struct view_finding *a, const struct view_finding *b)
{
        return a->status == b->status && a->target == b->target && a->reason == b->reason && a->message == b->message;
}

static struct view_gap
gap_of(struct view_parts *parts, const struct view_finding **rows, size_t count)
{
        const struct view_finding *first = rows[0];
        scoped_buffer controls = BUFFER_INIT(64 * 1024);
        const char *resource = first->resource.name, *remedy = "";

        for (size_t i = 0; i < count; i++) {
                if (i == 0 || rows[i]->control != rows[i - 1]->control)
                        buffer_format(&controls, "%s%s", i > 0 ? ", " : "", rows[i]->control);
                if (rows[i]->resource.name != resource)
                        resource = "";
                if (*remedy == '\0')
                        remedy = rows[i]->remedy;
        }
        return (struct view_gap){.status = first->status,
                                 .target = first->target,
                                 .reason = first->reason,
                                 .text = first->message,
                                 .remedy = remedy,
                                 .controls = parts_text(parts, controls.data),
                                 .count = count,
                                 .resource = resource};
}

void
view_gaps(struct view *view)
{
        size_t total = view->figures.error + view->figures.skip, at = 0, groups = 0;
        const struct view_finding **rows = parts_room(view->parts, total, sizeof *rows);

        if (rows == NULL)
                return;
        for (size_t i = 0; i < view->count; i++) {
                if (view->findings[i].status == STATUS_ERROR || view->findings[i].status == STATUS_SKIP)
                        rows[at++] = &view->findings[i];
        }
        if (total > 1)
                qsort(rows, total, sizeof *rows, by_gap);
        for (size_t i = 0; i < total; i++)
                groups += i == 0 || !same_gap(rows[i], rows[i - 1]);
        struct view_gap *gaps = parts_room(view->parts, groups, sizeof *gaps);
        for (size_t from = 0, to; gaps != NULL && from < total; from = to) {
                for (to = from + 1; to < total && same_gap(rows[to], rows[from]);)
                        to++;
                gaps[view->gap_count++] = gap_of(view->parts, rows + from, to - from);
        }
        view->gaps = gaps;
}

/* --- score --------------------------------------------------------------------------------------------------- */

static double
weight_of(enum severity severity)
{
        static const double weights[] = {0, 10, 5, 2, 1};

        return weights[severity];
}

/* One (control, target) pair: what it could earn and what it lost. */
static void
score_pair(const struct view_finding *const *rows, size_t count, double *possible, double *earned)
{
        enum severity worst = SEV_NONE;
        bool assessed = false;
        double weight = weight_of(rows[0]->row != NULL ? rows[0]->row->severity : SEV3);

        for (size_t i = 0; i < count; i++) {
                if (rows[i]->status == STATUS_FAIL && (worst == SEV_NONE || severity_reaches(rows[i]->severity, worst)))
                        worst = rows[i]->severity;
                assessed |= rows[i]->status == STATUS_FAIL || rows[i]->status == STATUS_PASS;
        }
        if (!assessed)
                return;
        if (worst != SEV_NONE) {
                *possible += fmax(weight, weight_of(worst));
                *earned += fmax(weight, weight_of(worst)) - weight_of(worst);
        } else {
                *possible += weight;
                *earned += weight;
        }
}

static int
by_target(const void *left, const void *right)
{
        const struct view_finding *a = *(const struct view_finding *const *)left;
        const struct view_finding *b = *(const struct view_finding *const *)right;

        return a->target == b->target ? 0 : strcmp(a->target, b->target);
}

static char
grade_of(const struct view_figures *figures)
{
        double score = figures->score_percent;
        char grade = score >= 95 ? 'A' : score >= 85 ? 'B' : score >= 70 ? 'C' : score >= 50 ? 'D' : 'F';

        if (figures->by_severity[SEV1] > 0 && grade < 'D')
                return 'D';
        if (figures->by_severity[SEV2] > 0 && grade < 'B')
                return 'B';
        return grade;
}

void
view_score(struct view *view)
{
        struct view_figures *figures = &view->figures;
        size_t assessed = figures->pass + figures->fail + figures->waived;
        double possible = 0, earned = 0;

        if (assessed + figures->error > 0)
                figures->coverage_percent = 100.0 * (double)assessed / (double)(assessed + figures->error);
        for (size_t i = 0; i < view->control_count; i++) {
                const struct view_list *list = &view->controls[i].findings;
                const struct view_finding **rows = malloc(list->count * sizeof *rows);
                if (rows == NULL) {
                        view->parts->failed = true;
                        return;
                }
                memcpy(rows, list->rows, list->count * sizeof *rows);
                qsort(rows, list->count, sizeof *rows, by_target);
                for (size_t from = 0, to; from < list->count; from = to) {
                        for (to = from + 1; to < list->count && rows[to]->target == rows[from]->target;)
                                to++;
                        score_pair(rows + from, to - from, &possible, &earned);
                }
                free(rows);
        }
        figures->score_percent = possible > 0 ? 100.0 * earned / possible : 0;
        view->grade = possible > 0 ? grade_of(figures) : '-';
}
