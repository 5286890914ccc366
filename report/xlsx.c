/* The XLSX report: one sheet for each thing a person filters, sorts or hands on. */

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "moment.h"
#include "scope.h"
#include "view.h"
#include "xlsx_parts.h"
#include "zone.h"

/* Above this many rows the workbook is written row by row: tables would need every cell in memory (about 150 bytes each
 * with its text), and a report of 100,000 findings must stay far below 300 MB. */
#define LARGE_ROWS 20000

static void
moment_cell(struct sheet *sheet, int64_t moment_ms)
{
        if (moment_ms != 0)
                sheet_number(sheet, (double)moment_ms);
        else
                sheet_empty(sheet);
}

static const struct column finding_columns[] = {
        {"Status", CELL_TEXT, COLOURS_STATUS, 0},     {"Severity", CELL_TEXT, COLOURS_SEVERITY, 0},
        {"Change", CELL_TEXT, COLOURS_CHANGE, 0},     {"Control", CELL_TEXT, COLOURS_NONE, 0},
        {"Target", CELL_TEXT, COLOURS_NONE, 24},      {"Kind", CELL_TEXT, COLOURS_NONE, 16},
        {"Namespace", CELL_TEXT, COLOURS_NONE, 18},   {"Resource", CELL_TEXT, COLOURS_NONE, 32},
        {"Message", CELL_WRAPPED, COLOURS_NONE, 50},  {"Observed", CELL_WRAPPED, COLOURS_NONE, 36},
        {"Expected", CELL_WRAPPED, COLOURS_NONE, 28}, {"Remedy", CELL_WRAPPED, COLOURS_NONE, 46},
        {"Owner", CELL_TEXT, COLOURS_NONE, 24},       {"First seen", CELL_MOMENT, COLOURS_NONE, 0},
        {"Age in days", CELL_WHOLE, COLOURS_NONE, 0}, {"Reason", CELL_TEXT, COLOURS_NONE, 0},
        {"Waiver", CELL_TEXT, COLOURS_NONE, 20},      {"Note", CELL_WRAPPED, COLOURS_NONE, 40},
        {"Audit", CELL_TEXT, COLOURS_NONE, 0},        {"Fingerprint", CELL_TEXT, COLOURS_NONE, 18},
};

static void
finding_row(struct sheet *sheet, const struct view *view, const struct view_finding *f)
{
        sheet_text(sheet, status_name(f->status));
        sheet_text(sheet, severity_name(f->severity));
        sheet_text(sheet, change_name(f->change));
        sheet_text(sheet, f->control);
        sheet_text(sheet, f->target);
        sheet_text(sheet, f->resource.kind);
        sheet_text(sheet, f->resource.namespace_);
        sheet_text(sheet, f->resource.name);
        sheet_text(sheet, f->message);
        sheet_text(sheet, f->observed);
        sheet_text(sheet, f->expected);
        sheet_text(sheet, f->remedy);
        sheet_text(sheet, f->owner);
        moment_cell(sheet, f->first_seen_ms);
        if (f->first_seen_ms != 0)
                sheet_number(sheet, -view_days_left(view, f->first_seen_ms));
        else
                sheet_empty(sheet);
        sheet_text(sheet, reason_name(f->reason));
        sheet_text(sheet, f->waiver);
        sheet_text(sheet, f->note);
        sheet_text(sheet, f->audit);
        /* For waivers; 64 random digits are half of a row's bytes, and nobody waives a pass. */
        sheet_text(sheet, f->status != STATUS_PASS ? f->fingerprint : "");
        sheet_row_end(sheet);
}

static void
findings_sheet(struct book *book, const struct view *view)
{
        struct sheet *sheet = sheet_add(book, "Findings");

        sheet_columns(sheet, finding_columns, sizeof(finding_columns) / sizeof(finding_columns[0]));
        for (size_t i = 0; i < view->count; i++)
                finding_row(sheet, view, &view->findings[i]);
        sheet_end(sheet, "This run has no findings: nothing was judged.");
        sheet_print(sheet, 13); /* up to the owner */
}

static void
changes_rows(struct sheet *sheet, const struct view_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                const struct view_finding *f = list->rows[i];

                sheet_text(sheet, change_name(f->change));
                sheet_text(sheet, severity_name(f->severity));
                sheet_text(sheet, severity_name(f->before));
                sheet_text(sheet, f->control);
                sheet_text(sheet, f->target);
                sheet_text(sheet, f->resource.kind);
                sheet_text(sheet, f->resource.namespace_);
                sheet_text(sheet, f->resource.name);
                sheet_text(sheet, f->change_why);
                sheet_text(sheet, f->message);
                sheet_text(sheet, f->owner);
                moment_cell(sheet, f->first_seen_ms);
                sheet_row_end(sheet);
        }
}

static void
changes_sheet(struct book *book, const struct view *view)
{
        static const struct column columns[] = {
                {"Change", CELL_TEXT, COLOURS_CHANGE, 0},   {"Severity", CELL_TEXT, COLOURS_SEVERITY, 0},
                {"Before", CELL_TEXT, COLOURS_SEVERITY, 0}, {"Control", CELL_TEXT, COLOURS_NONE, 0},
                {"Target", CELL_TEXT, COLOURS_NONE, 24},    {"Kind", CELL_TEXT, COLOURS_NONE, 16},
                {"Namespace", CELL_TEXT, COLOURS_NONE, 18}, {"Resource", CELL_TEXT, COLOURS_NONE, 32},
                {"Why", CELL_WRAPPED, COLOURS_NONE, 40},    {"Message", CELL_WRAPPED, COLOURS_NONE, 50},
                {"Owner", CELL_TEXT, COLOURS_NONE, 24},     {"First seen", CELL_MOMENT, COLOURS_NONE, 0},
        };
        struct sheet *sheet = sheet_add(book, "Changes");

        sheet_columns(sheet, columns, sizeof(columns) / sizeof(columns[0]));
        changes_rows(sheet, &view->fresh);
        changes_rows(sheet, &view->worse);
        changes_rows(sheet, &view->fixed);
        changes_rows(sheet, &view->incomparable);
        sheet_end(sheet, view->previous.id != 0 ? "Nothing changed since the previous run."
                                                : "There is no previous run to compare with.");
}

static void
gaps_sheet(struct book *book, const struct view *view)
{
        static const struct column columns[] = {
                {"Status", CELL_TEXT, COLOURS_STATUS, 0},
                {"Target", CELL_TEXT, COLOURS_NONE, 24},
                {"Reason", CELL_TEXT, COLOURS_NONE, 0},
                {"What was not assessed", CELL_WRAPPED, COLOURS_NONE, 70},
                {"What to do", CELL_WRAPPED, COLOURS_NONE, 70},
                {"Controls", CELL_WRAPPED, COLOURS_NONE, 30},
                {"Resource", CELL_TEXT, COLOURS_NONE, 32},
                {"Findings", CELL_WHOLE, COLOURS_NONE, 0},
        };
        struct sheet *sheet = sheet_add(book, "Not assessed");

        sheet_columns(sheet, columns, sizeof(columns) / sizeof(columns[0]));
        for (size_t i = 0; i < view->gap_count; i++) {
                const struct view_gap *gap = &view->gaps[i];

                sheet_text(sheet, status_name(gap->status));
                sheet_text(sheet, gap->target);
                sheet_text(sheet, reason_name(gap->reason));
                sheet_text(sheet, gap->text);
                sheet_text(sheet, gap->remedy);
                sheet_text(sheet, gap->controls);
                sheet_text(sheet, gap->resource);
                sheet_number(sheet, (double)gap->count);
                sheet_row_end(sheet);
        }
        sheet_end(sheet,
                  view->count > 0 ? "Everything was assessed." : "This run has no findings: nothing was assessed.");
}

static void
count_cells(struct sheet *sheet, const size_t counts[5])
{
        for (int i = 0; i < 5; i++)
                sheet_number(sheet, (double)counts[i]);
}

static void
frameworks_cell(struct sheet *sheet, const struct control *row)
{
        char text[512] = "";
        size_t length = 0;

        for (size_t i = 0; row != NULL && i < sizeof(row->frameworks) / sizeof(row->frameworks[0]); i++) {
                if (row->frameworks[i] == NULL || length + strlen(row->frameworks[i]) + 3 > sizeof(text))
                        break;
                length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", length > 0 ? ", " : "",
                                           row->frameworks[i]);
        }
        sheet_text(sheet, text);
}

static void
controls_sheet(struct book *book, const struct view *view)
{
        static const struct column columns[] = {
                {"Control", CELL_TEXT, COLOURS_NONE, 0},        {"Title", CELL_TEXT, COLOURS_NONE, 80},
                {"Playbook", CELL_TEXT, COLOURS_NONE, 0},       {"Worst", CELL_TEXT, COLOURS_STATUS, 0},
                {"Severity", CELL_TEXT, COLOURS_SEVERITY, 0},   {"Fail", CELL_WHOLE, COLOURS_NONE, 0},
                {"Error", CELL_WHOLE, COLOURS_NONE, 0},         {"Waived", CELL_WHOLE, COLOURS_NONE, 0},
                {"Skip", CELL_WHOLE, COLOURS_NONE, 0},          {"Pass", CELL_WHOLE, COLOURS_NONE, 0},
                {"Frameworks", CELL_WRAPPED, COLOURS_NONE, 50},
        };
        struct sheet *sheet = sheet_add(book, "Controls");

        sheet_columns(sheet, columns, sizeof(columns) / sizeof(columns[0]));
        for (size_t i = 0; i < view->control_count; i++) {
                const struct view_control *control = &view->controls[i];

                sheet_text(sheet, control->id);
                sheet_text(sheet, control->title);
                sheet_text(sheet, control->playbook);
                sheet_text(sheet, status_name(control->worst));
                sheet_text(sheet, severity_name(control->severity));
                count_cells(sheet, control->counts);
                frameworks_cell(sheet, control->row);
                sheet_row_end(sheet);
        }
        sheet_end(sheet, "No control was judged in this run.");
}

static void
targets_sheet(struct book *book, const struct view *view)
{
        static const struct column columns[] = {
                {"Target", CELL_TEXT, COLOURS_NONE, 40},      {"Kind", CELL_TEXT, COLOURS_NONE, 0},
                {"Owner", CELL_TEXT, COLOURS_NONE, 30},       {"Worst", CELL_TEXT, COLOURS_STATUS, 0},
                {"Severity", CELL_TEXT, COLOURS_SEVERITY, 0}, {"Fail", CELL_WHOLE, COLOURS_NONE, 0},
                {"Error", CELL_WHOLE, COLOURS_NONE, 0},       {"Waived", CELL_WHOLE, COLOURS_NONE, 0},
                {"Skip", CELL_WHOLE, COLOURS_NONE, 0},        {"Pass", CELL_WHOLE, COLOURS_NONE, 0},
        };
        struct sheet *sheet = sheet_add(book, "Targets");

        sheet_columns(sheet, columns, sizeof(columns) / sizeof(columns[0]));
        for (size_t i = 0; i < view->target_count; i++) {
                const struct view_target *target = &view->targets[i];

                sheet_text(sheet, target->name);
                sheet_text(sheet, target->kind);
                sheet_text(sheet, target->owner);
                sheet_text(sheet, status_name(target->worst));
                sheet_text(sheet, severity_name(target->severity));
                count_cells(sheet, target->counts);
                sheet_row_end(sheet);
        }
        sheet_end(sheet, "This run looked at no target.");
}

static void
waivers_sheet(struct book *book, const struct view *view)
{
        static const char *const states[] = {"in force", "expiring", "expired"};
        static const struct column columns[] = {
                {"Waiver", CELL_TEXT, COLOURS_NONE, 30},    {"State", CELL_TEXT, COLOURS_STATUS, 0},
                {"Expires", CELL_DATE, COLOURS_NONE, 0},    {"Days left", CELL_WHOLE, COLOURS_DAYS_LEFT, 0},
                {"Control", CELL_TEXT, COLOURS_NONE, 0},    {"Target", CELL_TEXT, COLOURS_NONE, 24},
                {"Resource", CELL_TEXT, COLOURS_NONE, 32},  {"Fingerprint", CELL_TEXT, COLOURS_NONE, 18},
                {"Reason", CELL_WRAPPED, COLOURS_NONE, 60}, {"Owner", CELL_TEXT, COLOURS_NONE, 24},
                {"Approver", CELL_TEXT, COLOURS_NONE, 24},  {"Ticket", CELL_TEXT, COLOURS_NONE, 30},
                {"Created", CELL_DATE, COLOURS_NONE, 0},    {"Findings waived", CELL_WHOLE, COLOURS_NONE, 0},
                {"Unused", CELL_FLAG, COLOURS_NONE, 0},     {"Too broad", CELL_FLAG, COLOURS_NONE, 0},
        };
        struct sheet *sheet = sheet_add(book, "Waivers");

        sheet_columns(sheet, columns, sizeof(columns) / sizeof(columns[0]));
        for (size_t i = 0; i < view->waiver_count; i++) {
                const struct view_waiver *w = &view->waivers[i];

                sheet_text(sheet, w->id);
                sheet_text(sheet, states[w->state]);
                moment_cell(sheet, w->expires_ms);
                sheet_number(sheet, w->expires_ms != 0 ? view_days_left(view, w->expires_ms) : NAN);
                sheet_text(sheet, w->control);
                sheet_text(sheet, w->target);
                sheet_text(sheet, w->resource);
                sheet_text(sheet, w->fingerprint);
                sheet_text(sheet, w->reason);
                sheet_text(sheet, w->owner);
                sheet_text(sheet, w->approver);
                sheet_text(sheet, w->ticket);
                moment_cell(sheet, w->created_ms);
                sheet_number(sheet, (double)w->matched);
                sheet_flag(sheet, w->unused);
                sheet_flag(sheet, w->too_broad);
                sheet_row_end(sheet);
        }
        sheet_end(sheet, "No waivers are configured.");
}

static int64_t
zone_shift_ms(const void *zone, int64_t moment_ms)
{
        return zone_offset(zone, moment_ms) * SECOND_MS;
}

static size_t
view_rows(const struct view *view)
{
        size_t rows = view->count + view->fresh.count + view->fixed.count + view->incomparable.count;

        for (size_t i = 0; i < view->inventory_count; i++)
                rows += view->inventory[i].count;
        return rows;
}

static void
book_closed(struct book **book)
{
        book_free(*book);
}

static int
render_xlsx(const struct view *view, const struct report_options *options, FILE *stream, struct error *err)
{
        const char *name = options->timezone != NULL ? options->timezone : view->timezone;
        scoped(book_closed) struct book *book = NULL;
        scoped_zone zone = NULL;
        char title[300];
        struct book_options plan = {.title = title,
                                    .company = view->organisation,
                                    .created_ms = view->run.started_ms,
                                    .shift = zone_shift_ms,
                                    .large = view_rows(view) > LARGE_ROWS};

        if (zone_open(name, &zone, err) != 0)
                return -1;
        plan.zone = zone;
        snprintf(title, sizeof(title), "Rounds: %s, run %lld", view->run.job, (long long)view->run.id);
        if (book_open(&plan, &book, err) != 0)
                return -1;
        xlsx_summary(book, view, name[0] != '\0' ? name : "UTC");
        findings_sheet(book, view);
        changes_sheet(book, view);
        gaps_sheet(book, view);
        xlsx_inventories(book, view);
        xlsx_projections(book, view);
        targets_sheet(book, view);
        controls_sheet(book, view);
        waivers_sheet(book, view);
        return book_write(book, stream, err);
}

const struct renderer renderer_xlsx = {
        .name = "xlsx",
        .extension = "xlsx",
        .words = "Excel workbook: a sheet of findings, one for each inventory, charts",
        .binary = true,
        .write = render_xlsx,
};
