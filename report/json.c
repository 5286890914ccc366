/* The JSON report: the contract "rounds.report/1" (templates/report.schema.json), written as a stream.
 *
 * Fields are added, never renamed.  One finding a line, so that reports diff well.  Codes that do not apply (severity,
 * reason, waiver, change, a time) are null; texts that nobody set are "". */

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue.h"
#include "moment.h"
#include "utf8.h"
#include "view.h"

#define SCHEMA "rounds.report/1"

/* `comma` is true when the next member or element needs one before it. */
struct writer {
        FILE *stream;
        bool comma;
};

static void
put(struct writer *w, const char *bytes, size_t length)
{
        fwrite_unlocked(bytes, 1, length, w->stream);
}

static void
put_text(struct writer *w, const char *text)
{
        put(w, text, strlen(text));
}

/* A string with everything escaped that JSON wants escaped; bytes that are not UTF-8 become U+FFFD. */
static void
put_string(struct writer *w, const char *text)
{
        size_t left = strlen(text), from = 0, at = 0;

        putc_unlocked('"', w->stream);
        while (at < left) {
                unsigned char c = (unsigned char)text[at];
                size_t step = c < 0x80 ? 1 : utf8_length(text + at, left - at);

                if (step > 0 && c >= ' ' && c != '"' && c != '\\') {
                        at += step;
                        continue;
                }
                put(w, text + from, at - from);
                if (step == 0)
                        put_text(w, UTF8_REPLACEMENT);
                else if (c == '"' || c == '\\')
                        fprintf(w->stream, "\\%c", c);
                else if (c == '\n')
                        put_text(w, "\\n");
                else
                        fprintf(w->stream, "\\u%04x", c);
                from = ++at;
        }
        put(w, text + from, at - from);
        putc_unlocked('"', w->stream);
}

static void
put_key(struct writer *w, const char *key)
{
        if (w->comma)
                putc_unlocked(',', w->stream);
        putc_unlocked('"', w->stream);
        put_text(w, key);
        put_text(w, "\":");
        w->comma = true;
}

static void
put_open(struct writer *w, const char *key, char bracket)
{
        if (key != NULL)
                put_key(w, key);
        else if (w->comma)
                putc_unlocked(',', w->stream);
        putc_unlocked(bracket, w->stream);
        w->comma = false;
}

static void
put_close(struct writer *w, char bracket)
{
        putc_unlocked(bracket, w->stream);
        w->comma = true;
}

/* The next element of an array stands on a line of its own. */
static void
put_line(struct writer *w, char bracket)
{
        put_text(w, w->comma ? ",\n" : "\n");
        putc_unlocked(bracket, w->stream);
        w->comma = false;
}

static void
member_text(struct writer *w, const char *key, const char *text)
{
        put_key(w, key);
        put_string(w, text);
}

/* A code that does not apply is null. */
static void
member_code(struct writer *w, const char *key, const char *code)
{
        put_key(w, key);
        if (code[0] != '\0')
                put_string(w, code);
        else
                put_text(w, "null");
}

static void
member_moment(struct writer *w, const char *key, int64_t moment_ms)
{
        char text[MOMENT_TEXT] = "";

        if (moment_ms != 0)
                moment_format(moment_ms, text);
        member_code(w, key, text);
}

static void
member_whole(struct writer *w, const char *key, int64_t value)
{
        put_key(w, key);
        fprintf(w->stream, "%lld", (long long)value);
}

/* The shortest decimal that reads back as the same number, with a point whatever the locale. */
static void
member_real(struct writer *w, const char *key, double value)
{
        char text[40];

        put_key(w, key);
        if (!isfinite(value)) {
                put_text(w, "null");
                return;
        }
        for (int digits = 15; digits <= 17; digits++) {
                snprintf(text, sizeof(text), "%.*g", digits, value);
                if (strtod(text, NULL) == value)
                        break;
        }
        for (char *c = text; *c != '\0'; c++) {
                if (*c == ',')
                        *c = '.';
        }
        put_text(w, text);
}

static void
member_flag(struct writer *w, const char *key, bool value)
{
        put_key(w, key);
        put_text(w, value ? "true" : "false");
}

static void
put_run_members(struct writer *w, const struct view_run *run)
{
        member_whole(w, "id", run->id);
        member_text(w, "job", run->job);
        member_moment(w, "started", run->started_ms);
        member_moment(w, "finished", run->finished_ms);
        member_text(w, "version", run->version);
        member_text(w, "host", run->host);
        member_text(w, "shard", run->shard);
        member_text(w, "state", run->state);
}

static void
put_runs(struct writer *w, const struct view *view)
{
        put_open(w, "run", '{');
        put_run_members(w, &view->run);
        member_text(w, "organisation", view->organisation);
        put_close(w, '}');
        put_text(w, ",\n");
        w->comma = false;
        if (view->previous.id == 0) {
                put_key(w, "previous_run");
                put_text(w, "null");
                return;
        }
        put_open(w, "previous_run", '{');
        put_run_members(w, &view->previous);
        put_close(w, '}');
}

static void
put_counts(struct writer *w, const size_t counts[5])
{
        for (int i = 0; i < 5; i++)
                member_whole(w, status_name((enum status)i), (int64_t)counts[i]);
}

static void
put_summary(struct writer *w, const struct view *view)
{
        const struct view_figures *f = &view->figures;
        char grade[2] = {view->grade, '\0'};

        put_open(w, "summary", '{');
        member_whole(w, "pass", (int64_t)f->pass);
        member_whole(w, "fail", (int64_t)f->fail);
        member_whole(w, "error", (int64_t)f->error);
        member_whole(w, "skip", (int64_t)f->skip);
        member_whole(w, "waived", (int64_t)f->waived);
        put_open(w, "by_severity", '{');
        for (enum severity s = SEV1; s <= SEV4; s++)
                member_whole(w, severity_name(s), (int64_t)f->by_severity[s]);
        put_close(w, '}');
        member_real(w, "coverage_percent", f->coverage_percent);
        member_real(w, "score_percent", f->score_percent);
        member_text(w, "grade", grade);
        put_close(w, '}');
}

static void
put_changes(struct writer *w, const struct view_figures *f)
{
        put_open(w, "changes", '{');
        member_whole(w, "new", (int64_t)f->fresh);
        member_whole(w, "worse", (int64_t)f->worse);
        member_whole(w, "still", (int64_t)f->still);
        member_whole(w, "fixed", (int64_t)f->fixed);
        member_whole(w, "incomparable", (int64_t)f->incomparable);
        put_close(w, '}');
}

static void
put_finding(struct writer *w, const struct view_finding *f)
{
        const size_t most = f->row != NULL ? sizeof(f->row->frameworks) / sizeof(f->row->frameworks[0]) : 0;

        put_line(w, '{');
        member_text(w, "fingerprint", f->fingerprint);
        member_text(w, "control", f->control);
        member_text(w, "playbook", f->playbook);
        member_text(w, "audit", f->audit);
        member_text(w, "target", f->target);
        put_open(w, "resource", '{');
        member_text(w, "kind", f->resource.kind);
        member_text(w, "namespace", f->resource.namespace_);
        member_text(w, "name", f->resource.name);
        put_close(w, '}');
        member_text(w, "status", status_name(f->status));
        member_code(w, "severity", severity_name(f->severity));
        member_code(w, "reason", reason_name(f->reason));
        member_text(w, "observed", f->observed);
        member_text(w, "expected", f->expected);
        member_text(w, "message", f->message);
        member_text(w, "remedy", f->remedy);
        member_text(w, "owner", f->owner);
        member_moment(w, "first_seen", f->first_seen_ms);
        member_code(w, "change", change_name(f->change));
        member_code(w, "waiver", f->waiver);
        put_open(w, "frameworks", '[');
        for (size_t i = 0; i < most && f->row->frameworks[i] != NULL; i++) {
                if (w->comma)
                        putc_unlocked(',', w->stream);
                put_string(w, f->row->frameworks[i]);
                w->comma = true;
        }
        put_close(w, ']');
        member_text(w, "note", f->note);
        member_text(w, "evidence", f->evidence);
        member_code(w, "severity_before", severity_name(f->before));
        member_text(w, "change_why", f->change_why);
        put_close(w, '}');
}

static void
put_list(struct writer *w, const char *key, const struct view_list *list)
{
        put_open(w, key, '[');
        for (size_t i = 0; i < list->count; i++)
                put_finding(w, list->rows[i]);
        put_close(w, ']');
}

/* A row of an inventory as the audit gave it, with its target in front. */
static int
put_row(struct writer *w, const struct view_row *row, struct error *err)
{
        const char *key;
        json_t *value;

        put_line(w, '{');
        member_text(w, "target", row->target);
        json_object_foreach((json_t *)(uintptr_t)row->row, key, value)
        {
                if (strcmp(key, "target") == 0)
                        continue;
                if (w->comma)
                        putc_unlocked(',', w->stream);
                put_string(w, key);
                putc_unlocked(':', w->stream);
                if (json_dumpf(value, w->stream, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) != 0 &&
                    !ferror(w->stream))
                        return error_memory(err, "JSON report");
        }
        put_close(w, '}');
        return 0;
}

static int
put_rows(struct writer *w, const struct view_inventory *inventory, const char *key, struct error *err)
{
        put_open(w, key, '[');
        for (size_t i = 0; i < inventory->count; i++) {
                if (put_row(w, &inventory->rows[i], err) != 0)
                        return -1;
        }
        put_close(w, ']');
        return 0;
}

/* The kinds that the contract names are there even when nothing was seen, so that `.inventory.tables[]` never breaks.
 */
static int
put_inventory(struct writer *w, const struct view *view, struct error *err)
{
        static const char *const promised[] = {"certificates", "databases", "key_classes", "nodes",
                                               "queues",       "tables",    "workloads"};
        size_t kind = 0;

        put_open(w, "inventory", '{');
        for (size_t i = 0; i <= sizeof(promised) / sizeof(promised[0]); i++) {
                const char *next = i < sizeof(promised) / sizeof(promised[0]) ? promised[i] : NULL;
                bool seen = false;

                for (; kind < view->inventory_count; kind++) {
                        const struct view_inventory *inventory = &view->inventory[kind];
                        int order = next != NULL ? strcmp(inventory->kind, next) : -1;

                        if (order > 0)
                                break;
                        seen = order == 0;
                        if (put_rows(w, inventory, inventory->kind, err) != 0)
                                return -1;
                }
                if (next != NULL && !seen) {
                        put_open(w, next, '[');
                        put_close(w, ']');
                }
        }
        put_close(w, '}');
        return 0;
}

/* How a control or a target came out: the worst of its findings, and how many there are of each status. */
static void
put_standing(struct writer *w, enum status worst, enum severity severity, const size_t counts[5])
{
        member_text(w, "worst", status_name(worst));
        member_code(w, "severity", severity_name(severity));
        put_open(w, "counts", '{');
        put_counts(w, counts);
        put_close(w, '}');
}

static void
put_controls(struct writer *w, const struct view *view)
{
        put_open(w, "controls", '[');
        for (size_t i = 0; i < view->control_count; i++) {
                const struct view_control *control = &view->controls[i];

                put_line(w, '{');
                member_text(w, "id", control->id);
                member_text(w, "title", control->title);
                member_text(w, "playbook", control->playbook);
                put_standing(w, control->worst, control->severity, control->counts);
                put_close(w, '}');
        }
        put_close(w, ']');
}

static const char *
waiver_state_code(enum waiver_state state)
{
        return state == WAIVER_EXPIRED ? "expired" : state == WAIVER_EXPIRING ? "expiring" : "in_force";
}

static void
put_waivers(struct writer *w, const struct view *view)
{
        put_open(w, "waivers", '[');
        for (size_t i = 0; i < view->waiver_count; i++) {
                const struct view_waiver *waiver = &view->waivers[i];

                put_line(w, '{');
                member_text(w, "id", waiver->id);
                member_text(w, "control", waiver->control);
                member_text(w, "target", waiver->target);
                member_text(w, "resource", waiver->resource);
                member_code(w, "fingerprint", waiver->fingerprint);
                member_text(w, "reason", waiver->reason);
                member_text(w, "owner", waiver->owner);
                member_text(w, "approver", waiver->approver);
                member_text(w, "ticket", waiver->ticket);
                member_moment(w, "created", waiver->created_ms);
                member_moment(w, "expires", waiver->expires_ms);
                member_text(w, "state", waiver_state_code(waiver->state));
                member_flag(w, "unused", waiver->unused);
                member_flag(w, "too_broad", waiver->too_broad);
                member_whole(w, "matched", (int64_t)waiver->matched);
                put_close(w, '}');
        }
        put_close(w, ']');
}

static void
put_gaps(struct writer *w, const struct view *view)
{
        put_open(w, "not_assessed", '[');
        for (size_t i = 0; i < view->gap_count; i++) {
                const struct view_gap *gap = &view->gaps[i];

                put_line(w, '{');
                member_text(w, "status", status_name(gap->status));
                member_text(w, "target", gap->target);
                member_code(w, "reason", reason_name(gap->reason));
                member_text(w, "text", gap->text);
                member_text(w, "remedy", gap->remedy);
                member_text(w, "controls", gap->controls);
                member_text(w, "resource", gap->resource);
                member_whole(w, "count", (int64_t)gap->count);
                put_close(w, '}');
        }
        put_close(w, ']');
}

static void
put_targets(struct writer *w, const struct view *view)
{
        put_open(w, "targets", '[');
        for (size_t i = 0; i < view->target_count; i++) {
                const struct view_target *target = &view->targets[i];

                put_line(w, '{');
                member_text(w, "name", target->name);
                member_text(w, "kind", target->kind);
                member_text(w, "owner", target->owner);
                put_standing(w, target->worst, target->severity, target->counts);
                put_close(w, '}');
        }
        put_close(w, ']');
}

/* Each top-level member begins a line. */
static void
next_line(struct writer *w)
{
        put_text(w, ",\n");
        w->comma = false;
}

static int
render_json(const struct view *view, const struct report_options *options, FILE *stream, struct error *err)
{
        struct writer w = {.stream = stream};

        (void)options;
        put_open(&w, NULL, '{');
        member_text(&w, "schema", SCHEMA);
        next_line(&w);
        put_runs(&w, view);
        next_line(&w);
        put_summary(&w, view);
        next_line(&w);
        put_changes(&w, &view->figures);
        next_line(&w);
        put_open(&w, "findings", '[');
        for (size_t i = 0; i < view->count; i++)
                put_finding(&w, &view->findings[i]);
        put_close(&w, ']');
        next_line(&w);
        put_list(&w, "fixed_findings", &view->fixed);
        next_line(&w);
        put_list(&w, "incomparable_findings", &view->incomparable);
        next_line(&w);
        if (put_inventory(&w, view, err) != 0)
                return -1;
        next_line(&w);
        if (put_rows(&w, &view->projections, "projections", err) != 0)
                return -1;
        next_line(&w);
        put_controls(&w, view);
        next_line(&w);
        put_targets(&w, view);
        next_line(&w);
        put_waivers(&w, view);
        next_line(&w);
        put_gaps(&w, view);
        put_text(&w, "}\n");
        return 0;
}

const struct renderer renderer_json = {
        .name = "json",
        .extension = "json",
        .words = "JSON, the contract \"" SCHEMA "\"",
        .write = render_json,
};
