/* The root of the model: the run, the headline, figures, and the lists of everything else. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "headline.h"
#include "model.h"
#include "moment.h"
#include "templates.h"

static const struct view *
view_of(const struct mustache_value *self)
{
        return self->at;
}

/* --- the run -------------------------------------------------------------------------------------------------- */

static bool
root_title(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        char job[128];

        snprintf(job, sizeof job, "%.120s", view_of(self)->run.job);
        job[0] = (char)toupper((unsigned char)job[0]);
        *found = model_text(model, model_format(model, "%s rounds", job));
        return true;
}

static bool
root_organisation(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const char *set = model->options->organisation;

        *found = model_text(model, set != NULL ? set : view_of(self)->organisation);
        return true;
}

static bool
root_started_long(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        struct tm clock;
        char text[128];

        zone_clock(model->zone, view_of(self)->run.started_ms, &clock);
        if (strftime(text, sizeof text, "%A %-d %B %Y, %H:%M %Z", &clock) == 0)
                text[0] = '\0';
        *found = model_text(model, model_format(model, "%s", text));
        return true;
}

static bool
root_started_utc(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        char text[MOMENT_TEXT];

        moment_format(view_of(self)->run.started_ms, text);
        *found = model_text(model, model_format(model, "%s", text));
        return true;
}

static bool
root_took(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_run *run = &view_of(self)->run;
        char text[DURATION_TEXT];

        duration_format(run->finished_ms - run->started_ms, text);
        *found = model_text(model, run->finished_ms > run->started_ms ? model_format(model, "%s", text) : "");
        return true;
}

static bool
root_unfinished(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const char *state = view_of(self)->run.state;

        *found = model_text(model, strcmp(state, "interrupted") == 0 ? "This run was interrupted."
                                   : strcmp(state, "died") == 0      ? "This run died before its end."
                                   : strcmp(state, "running") == 0   ? "This run has not ended yet."
                                                                     : "");
        return true;
}

/* "12 targets, 40 controls" */
static bool
root_scope(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view *view = view_of(self);
        char targets[COUNT_TEXT], controls[COUNT_TEXT];

        size_t named = 0;
        for (size_t i = 0; i < view->target_count; i++)
                named += *view->targets[i].name != '\0';
        count_format(named, targets);
        count_format(view->control_count, controls);
        *found = model_text(model, model_format(model, "%s target%s, %s control%s", targets, named == 1 ? "" : "s",
                                                controls, view->control_count == 1 ? "" : "s"));
        return true;
}

/* --- the headline --------------------------------------------------------------------------------------------- */

static bool
root_verdict(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        char text[HEADLINE_TEXT];

        headline_verdict(view_of(self), text);
        *found = model_text(model, model_format(model, "%s", text));
        return true;
}

static bool
root_tone(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        static const char *const names[] = {"bad", "warning", "unknown", "good"};
        char text[HEADLINE_TEXT];

        *found = model_text(model, names[headline_verdict(view_of(self), text)]);
        return true;
}

static bool
root_severities(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        char text[HEADLINE_TEXT];

        headline_severities(view_of(self), text);
        *found = model_text(model, model_format(model, "%s", text));
        return true;
}

static bool
root_has_previous(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        (void)model;
        *found = mustache_truth(view_of(self)->previous.id != 0);
        return true;
}

static bool
percent_value(struct model *model, double percent, struct mustache_value *found)
{
        char text[16];

        percent_format(percent, text);
        *found = model_text(model, model_format(model, "%s", text));
        return true;
}

static bool
root_coverage(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        return percent_value(model, view_of(self)->figures.coverage_percent, found);
}

static bool
root_score(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        return percent_value(model, view_of(self)->figures.score_percent, found);
}

static bool
root_grade(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const char grade = view_of(self)->grade;

        *found = model_text(model, grade == '-' ? "\xE2\x80\x93" : model_format(model, "%c", grade));
        return true;
}

static bool
root_covered(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        (void)model;
        *found = mustache_truth(view_of(self)->figures.coverage_percent >= 100);
        return true;
}

static bool
root_severity_bar(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        static const char *const classes[] = {"s1", "s2", "s3", "s4", "error", "waived", "skip", "pass"};
        static const char *const names[] = {"failing, SEV1", "failing, SEV2", "failing, SEV3", "failing, SEV4",
                                            "not assessed",  "waived",        "skipped",       "passing"};
        const struct view_figures *f = &view_of(self)->figures;
        const size_t counts[] = {f->by_severity[SEV1],
                                 f->by_severity[SEV2],
                                 f->by_severity[SEV3],
                                 f->by_severity[SEV4],
                                 f->error,
                                 f->waived,
                                 f->skip,
                                 f->pass};
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (stream == NULL)
                return false;
        chart_shares(stream, counts, classes, names, 8, "All findings of this run");
        fclose(stream);
        *found = model_markup(model, model_format(model, "%s", text != NULL ? text : ""));
        free(text);
        return true;
}

static bool
root_style(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        char *text = NULL;
        size_t size;
        struct error err;

        (void)self;
        if (template_read(model->options->templates, "style.css", &text, &size, &err) != 0)
                model_fail(model, &err);
        *found = model_markup(model, model_format(model, "%s", text != NULL ? text : ""));
        free(text);
        return true;
}

/* --- lists ---------------------------------------------------------------------------------------------------- */

static bool
changes_value(struct model *model, const struct view_list *list, struct mustache_value *found)
{
        *found = model_share_value(model, list->rows, list->count);
        return true;
}

static bool
root_fresh(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        return changes_value(model, &view_of(self)->fresh, found);
}

static bool
root_worse(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        return changes_value(model, &view_of(self)->worse, found);
}

static bool
root_still(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        return changes_value(model, &view_of(self)->still, found);
}

static bool
root_fixed(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        return changes_value(model, &view_of(self)->fixed, found);
}

static bool
root_incomparable(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        return changes_value(model, &view_of(self)->incomparable, found);
}

static bool
root_first(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        (void)self;
        *found = model_first(model);
        return true;
}

static bool
root_playbooks(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view *view = self->at;

        *found = model_list_value(model, view->playbooks, view->playbook_count, &model_playbooks);
        return true;
}

static bool
root_targets(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view *view = self->at;

        *found = model_list_value(model, view->targets, view->target_count, &model_targets);
        return true;
}

/* Errors come before skips. */
static size_t
error_gaps(const struct view *view)
{
        size_t count = 0;

        while (count < view->gap_count && view->gaps[count].status == STATUS_ERROR)
                count++;
        return count;
}

enum { GAPS_SHOWN = 100 };

static size_t
at_most(size_t count, size_t most)
{
        return count < most ? count : most;
}

static bool
root_errors(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view *view = self->at;

        *found = model_list_value(model, view->gaps, at_most(error_gaps(view), GAPS_SHOWN), &model_gaps);
        return true;
}

static bool
root_errors_rest(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        size_t count = error_gaps(view_of(self));

        (void)model;
        *found = model_count(count - at_most(count, GAPS_SHOWN));
        return true;
}

static bool
root_skips(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view *view = self->at;
        size_t errors = error_gaps(view);

        *found = model_list_value(model, view->gaps + errors, at_most(view->gap_count - errors, GAPS_SHOWN),
                                  &model_gaps);
        return true;
}

static bool
root_skips_rest(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        size_t count = view_of(self)->gap_count - error_gaps(view_of(self));

        (void)model;
        *found = model_count(count - at_most(count, GAPS_SHOWN));
        return true;
}

static bool
root_waivers(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view *view = self->at;

        *found = model_list_value(model, view->waivers, view->waiver_count, &model_waivers);
        return true;
}

static bool
root_inventories(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view *view = self->at;

        *found = model_list_value(model, view->inventory, view->inventory_count, &model_inventories);
        return true;
}

static bool
root_projections(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view *view = self->at;

        *found = model_list_value(model, &view->projections, view->projections.count > 0 ? 1 : 0, &model_inventories);
        return true;
}

/* --- the table ------------------------------------------------------------------------------------------------ */

#define OF_VIEW(member) offsetof(struct view, member)

static const struct field root_fields[] = {
        {"job", FIELD_TEXT, OF_VIEW(run.job)},
        {"run", FIELD_COUNT, OF_VIEW(run.id)},
        {"version", FIELD_TEXT, OF_VIEW(run.version)},
        {"host", FIELD_TEXT, OF_VIEW(run.host)},
        {"started", FIELD_MOMENT, OF_VIEW(run.started_ms)},
        {"previous_started", FIELD_MOMENT, OF_VIEW(previous.started_ms)},
        {"previous_run", FIELD_COUNT, OF_VIEW(previous.id)},
        {"fail", FIELD_COUNT, OF_VIEW(figures.fail)},
        {"error", FIELD_COUNT, OF_VIEW(figures.error)},
        {"skip", FIELD_COUNT, OF_VIEW(figures.skip)},
        {"waived", FIELD_COUNT, OF_VIEW(figures.waived)},
        {"pass", FIELD_COUNT, OF_VIEW(figures.pass)},
        {"sev1", FIELD_COUNT, OF_VIEW(figures.by_severity[SEV1])},
        {"sev2", FIELD_COUNT, OF_VIEW(figures.by_severity[SEV2])},
        {"sev3", FIELD_COUNT, OF_VIEW(figures.by_severity[SEV3])},
        {"sev4", FIELD_COUNT, OF_VIEW(figures.by_severity[SEV4])},
        {"fresh_count", FIELD_COUNT, OF_VIEW(fresh.count)},
        {"worse_count", FIELD_COUNT, OF_VIEW(worse.count)},
        {"still_count", FIELD_COUNT, OF_VIEW(still.count)},
        {"fixed_count", FIELD_COUNT, OF_VIEW(fixed.count)},
        {"incomparable_count", FIELD_COUNT, OF_VIEW(incomparable.count)},
        {"target_count", FIELD_COUNT, OF_VIEW(target_count)},
        {"control_count", FIELD_COUNT, OF_VIEW(control_count)},
        {"finding_count", FIELD_COUNT, OF_VIEW(count)},
        {"waiver_count", FIELD_COUNT, OF_VIEW(waiver_count)},
        {"inventory_count", FIELD_COUNT, OF_VIEW(inventory_count)},
        {"title", FIELD_MADE, .make = root_title},
        {"organisation", FIELD_MADE, .make = root_organisation},
        {"started_long", FIELD_MADE, .make = root_started_long},
        {"started_utc", FIELD_MADE, .make = root_started_utc},
        {"scope", FIELD_MADE, .make = root_scope},
        {"took", FIELD_MADE, .make = root_took},
        {"unfinished", FIELD_MADE, .make = root_unfinished},
        {"verdict", FIELD_MADE, .make = root_verdict},
        {"tone", FIELD_MADE, .make = root_tone},
        {"severities", FIELD_MADE, .make = root_severities},
        {"has_previous", FIELD_MADE, .make = root_has_previous},
        {"coverage", FIELD_MADE, .make = root_coverage},
        {"covered", FIELD_MADE, .make = root_covered},
        {"score", FIELD_MADE, .make = root_score},
        {"grade", FIELD_MADE, .make = root_grade},
        {"severity_bar", FIELD_MADE, .make = root_severity_bar},
        {"style", FIELD_MADE, .make = root_style},
        {"fresh", FIELD_MADE, .make = root_fresh},
        {"worse", FIELD_MADE, .make = root_worse},
        {"still", FIELD_MADE, .make = root_still},
        {"fixed", FIELD_MADE, .make = root_fixed},
        {"incomparable", FIELD_MADE, .make = root_incomparable},
        {"first", FIELD_MADE, .make = root_first},
        {"playbooks", FIELD_MADE, .make = root_playbooks},
        {"targets", FIELD_MADE, .make = root_targets},
        {"errors", FIELD_MADE, .make = root_errors},
        {"errors_rest", FIELD_MADE, .make = root_errors_rest},
        {"skips", FIELD_MADE, .make = root_skips},
        {"skips_rest", FIELD_MADE, .make = root_skips_rest},
        {"waivers", FIELD_MADE, .make = root_waivers},
        {"inventories", FIELD_MADE, .make = root_inventories},
        {"projections", FIELD_MADE, .make = root_projections},
        {0},
};

struct mustache_value
model_root(struct model *model)
{
        static const struct mustache_type type_root = {.find = model_find, .table = root_fields};

        return model_value(model, model->view, &type_root);
}
