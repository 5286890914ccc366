/* Findings, changes, controls, playbooks, gaps, waivers and targets, as templates name them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "headline.h"
#include "model.h"
#include "moment.h"
#include "prose.h"

/* --- a finding ------------------------------------------------------------------------------------------------ */

static bool
finding_place(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_finding *f = self->at;
        char text[PLACE_TEXT];

        place_format(f, text);
        *found = model_text(model, strcmp(text, f->target) == 0 ? "" : model_format(model, "%s", text));
        return true;
}

static bool
finding_target(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_text(model, target_words(((const struct view_finding *)self->at)->target));
        return true;
}

static bool
finding_title(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_finding *f = self->at;

        *found = model_text(model, f->row != NULL ? f->row->title : f->control);
        return true;
}

static bool
finding_status(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_text(model, status_name(((const struct view_finding *)self->at)->status));
        return true;
}

static const char *
severity_class(enum severity severity)
{
        static const char *const classes[] = {"s0", "s1", "s2", "s3", "s4"};

        return classes[severity];
}

static bool
finding_severity(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_finding *f = self->at;

        *found = model_text(model, severity_name(f->severity));
        return true;
}

static bool
finding_class(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_text(model, severity_class(((const struct view_finding *)self->at)->severity));
        return true;
}

static bool
finding_change(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_finding *f = self->at;
        bool told = f->change == CHANGE_NEW || f->change == CHANGE_WORSE;

        *found = model_text(model, told ? change_name(f->change) : "");
        return true;
}

static bool
finding_before(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_finding *f = self->at;

        *found = model_text(model, f->change == CHANGE_WORSE ? severity_name(f->before) : "");
        return true;
}

static bool
finding_age(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_finding *f = self->at;
        int64_t age_ms = model->view->run.started_ms - f->first_seen_ms;
        char text[DURATION_TEXT];

        if (f->first_seen_ms == 0) {
                *found = model_text(model, "");
        } else if (age_ms <= 0) {
                *found = model_text(model, "first seen now");
        } else {
                duration_format(age_ms, text);
                *found = model_text(model, model_format(model, "%s", text));
        }
        return true;
}

/* The day of the first fail, where that was not this very run. */
static bool
finding_since(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_finding *f = self->at;
        char text[ZONE_TEXT] = "";

        if (f->first_seen_ms != 0 && f->first_seen_ms < model->view->run.started_ms)
                zone_day(model->zone, f->first_seen_ms, text);
        *found = model_text(model, model_format(model, "%s", text));
        return true;
}

#define OF_FINDING(member) offsetof(struct view_finding, member)

static const struct field finding_fields[] = {
        {"control", FIELD_TEXT, OF_FINDING(control)},       {"playbook", FIELD_TEXT, OF_FINDING(playbook)},
        {"audit", FIELD_TEXT, OF_FINDING(audit)},           {"target", FIELD_MADE, .make = finding_target},
        {"kind", FIELD_TEXT, OF_FINDING(resource.kind)},    {"namespace", FIELD_TEXT, OF_FINDING(resource.namespace_)},
        {"name", FIELD_TEXT, OF_FINDING(resource.name)},    {"observed", FIELD_TEXT, OF_FINDING(observed)},
        {"expected", FIELD_TEXT, OF_FINDING(expected)},     {"message", FIELD_TEXT, OF_FINDING(message)},
        {"remedy", FIELD_TEXT, OF_FINDING(remedy)},         {"owner", FIELD_TEXT, OF_FINDING(owner)},
        {"waiver", FIELD_TEXT, OF_FINDING(waiver)},         {"note", FIELD_TEXT, OF_FINDING(note)},
        {"change_why", FIELD_TEXT, OF_FINDING(change_why)}, {"fingerprint", FIELD_TEXT, OF_FINDING(fingerprint)},
        {"place", FIELD_MADE, .make = finding_place},       {"title", FIELD_MADE, .make = finding_title},
        {"status", FIELD_MADE, .make = finding_status},     {"severity", FIELD_MADE, .make = finding_severity},
        {"class", FIELD_MADE, .make = finding_class},       {"change", FIELD_MADE, .make = finding_change},
        {"before", FIELD_MADE, .make = finding_before},     {"age", FIELD_MADE, .make = finding_age},
        {"since", FIELD_MADE, .make = finding_since},       {0},
};

static const struct mustache_type type_finding = {.find = model_find, .table = finding_fields};
const struct model_list model_findings = {&type_finding, sizeof(struct view_finding *), true};

/* --- a share of a list ---------------------------------------------------------------------------------------- */

static size_t
smaller(size_t a, size_t b)
{
        return a < b ? a : b;
}

static bool
share_head(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct model_share *share = self->at;

        *found = model_list_value(model, share->rows, smaller(share->count, model->limits->head), &model_findings);
        return true;
}

/* A tail of one is not worth folding, but it is still a tail: the templates say how many. */
static size_t
tail_of(const struct model *model, const struct model_share *share)
{
        size_t head = smaller(share->count, model->limits->head);

        return smaller(share->count, model->limits->shown) - head;
}

static bool
share_tail(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct model_share *share = self->at;
        size_t tail = tail_of(model, share);

        *found = model_list_value(model, tail > 0 ? share->rows + model->limits->head : NULL, tail, &model_findings);
        return true;
}

static bool
share_tail_count(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_count(tail_of(model, self->at));
        return true;
}

static bool
share_rest(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct model_share *share = self->at;

        *found = model_count(share->count - smaller(share->count, model->limits->shown));
        return true;
}

static const struct field share_fields[] = {
        {"count", FIELD_COUNT, offsetof(struct model_share, count)},
        {"head", FIELD_MADE, .make = share_head},
        {"tail", FIELD_MADE, .make = share_tail},
        {"tail_count", FIELD_MADE, .make = share_tail_count},
        {"rest", FIELD_MADE, .make = share_rest},
        {0},
};

static bool
share_truth(const struct mustache_value *self)
{
        return ((const struct model_share *)self->at)->count > 0;
}

struct mustache_value
model_share_value(struct model *model, const struct view_finding *const *rows, size_t count)
{
        static const struct mustache_type type_share = {
                .find = model_find, .table = share_fields, .truth = share_truth};
        struct model_share *share = model_room(model, sizeof *share);

        if (share == NULL)
                return model_text(model, "");
        *share = (struct model_share){rows, count};
        return model_value(model, share, &type_share);
}

/* --- a pick --------------------------------------------------------------------------------------------------- */

static bool
pick_finding(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_value(model, ((const struct pick *)self->at)->finding, &type_finding);
        return true;
}

static bool
pick_rank(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        (void)model;
        *found = model_count(self->index + 1);
        return true;
}

static const struct field pick_fields[] = {
        {"finding", FIELD_MADE, .make = pick_finding},
        {"rank", FIELD_MADE, .make = pick_rank},
        {"more", FIELD_COUNT, offsetof(struct pick, more)},
        {0},
};

static const struct mustache_type type_pick = {.find = model_find, .table = pick_fields};
const struct model_list model_picks = {&type_pick, sizeof(struct pick), false};

struct mustache_value
model_first(struct model *model)
{
        struct pick *picks = model_room(model, model->limits->top * sizeof *picks);
        size_t count = picks != NULL ? headline_first(model->view, picks, model->limits->top) : 0;

        return model_list_value(model, picks, count, &model_picks);
}

/* --- a control ------------------------------------------------------------------------------------------------ */

/* Its fails stand first among its findings. */
static bool
control_fails(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_control *control = self->at;

        *found = model_share_value(model, control->findings.rows, control->counts[STATUS_FAIL]);
        return true;
}

static bool
control_severity(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_text(model, severity_name(((const struct view_control *)self->at)->severity));
        return true;
}

static bool
control_class(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_text(model, severity_class(((const struct view_control *)self->at)->severity));
        return true;
}

static bool
control_worst(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_text(model, status_name(((const struct view_control *)self->at)->worst));
        return true;
}

static bool
control_mend(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_control *control = self->at;
        char *text = NULL;
        struct error err;

        if (prose_control(model->options->templates, control->id, "Mend", model->html, &text, &err) != 0)
                model_fail(model, &err);
        *found = text != NULL ? model_markup(model, model_format(model, "%s", text)) : model_text(model, "");
        free(text);
        return true;
}

#define OF_CONTROL(member) offsetof(struct view_control, member)

static const struct field control_fields[] = {
        {"id", FIELD_TEXT, OF_CONTROL(id)},
        {"title", FIELD_TEXT, OF_CONTROL(title)},
        {"fail", FIELD_COUNT, OF_CONTROL(counts[STATUS_FAIL])},
        {"error", FIELD_COUNT, OF_CONTROL(counts[STATUS_ERROR])},
        {"waived", FIELD_COUNT, OF_CONTROL(counts[STATUS_WAIVED])},
        {"skip", FIELD_COUNT, OF_CONTROL(counts[STATUS_SKIP])},
        {"pass", FIELD_COUNT, OF_CONTROL(counts[STATUS_PASS])},
        {"fails", FIELD_MADE, .make = control_fails},
        {"severity", FIELD_MADE, .make = control_severity},
        {"class", FIELD_MADE, .make = control_class},
        {"worst", FIELD_MADE, .make = control_worst},
        {"mend", FIELD_MADE, .make = control_mend},
        {0},
};

static const struct mustache_type type_control = {.find = model_find, .table = control_fields};
static const struct model_list model_controls = {&type_control, sizeof(struct view_control), false};

/* --- a playbook ----------------------------------------------------------------------------------------------- */

static bool
playbook_controls(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_playbook *playbook = self->at;

        *found = model_list_value(model, playbook->controls, playbook->control_count, &model_controls);
        return true;
}

static bool
playbook_class(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_playbook *playbook = self->at;

        *found = model_text(model, playbook->worst == STATUS_FAIL ? severity_class(playbook->severity)
                                                                  : status_name(playbook->worst));
        return true;
}

static bool
playbook_worst(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_playbook *playbook = self->at;

        *found = model_text(model, playbook->worst == STATUS_FAIL ? severity_name(playbook->severity)
                                                                  : status_name(playbook->worst));
        return true;
}

static bool
playbook_shares(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        static const char *const classes[] = {"fail", "error", "waived", "skip", "pass"};
        static const char *const names[] = {"failing", "not assessed", "waived", "skipped", "passing"};
        const struct view_playbook *playbook = self->at;
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (stream == NULL)
                return false;
        chart_shares(stream, playbook->counts, classes, names, 5, playbook->title);
        fclose(stream);
        *found = model_markup(model, model_format(model, "%s", text != NULL ? text : ""));
        free(text);
        return true;
}

#define OF_PLAYBOOK(member) offsetof(struct view_playbook, member)

static const struct field playbook_fields[] = {
        {"prefix", FIELD_TEXT, OF_PLAYBOOK(prefix)},
        {"title", FIELD_TEXT, OF_PLAYBOOK(title)},
        {"fail", FIELD_COUNT, OF_PLAYBOOK(counts[STATUS_FAIL])},
        {"error", FIELD_COUNT, OF_PLAYBOOK(counts[STATUS_ERROR])},
        {"waived", FIELD_COUNT, OF_PLAYBOOK(counts[STATUS_WAIVED])},
        {"skip", FIELD_COUNT, OF_PLAYBOOK(counts[STATUS_SKIP])},
        {"pass", FIELD_COUNT, OF_PLAYBOOK(counts[STATUS_PASS])},
        {"controls", FIELD_MADE, .make = playbook_controls},
        {"class", FIELD_MADE, .make = playbook_class},
        {"worst", FIELD_MADE, .make = playbook_worst},
        {"shares", FIELD_MADE, .make = playbook_shares},
        {0},
};

static const struct mustache_type type_playbook = {.find = model_find, .table = playbook_fields};
const struct model_list model_playbooks = {&type_playbook, sizeof(struct view_playbook), false};
