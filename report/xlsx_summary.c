/* The Summary sheet: what changed, how much was assessed, where the failures are, with two native charts. */

#include <math.h>
#include <stdio.h>

#include "xlsx_parts.h"

enum { CHART_COLUMN = 8 }; /* right of the tables */

static void
label_text(struct sheet *sheet, const char *label, const char *text)
{
        sheet_text_as(sheet, CELL_LABEL, label);
        sheet_text_as(sheet, CELL_RIGHT, text);
        sheet_row_end(sheet);
}

static void
label_number(struct sheet *sheet, const char *label, enum cell cell, double value)
{
        sheet_text_as(sheet, CELL_LABEL, label);
        sheet_number_as(sheet, cell, value);
        sheet_row_end(sheet);
}

static void
heading(struct sheet *sheet, const char *text)
{
        sheet_row_end(sheet);
        sheet_text_as(sheet, CELL_LABEL, text);
        sheet_row_end(sheet);
}

static void
run_rows(struct sheet *sheet, const struct view *view, const char *zone)
{
        const struct view_run *run = &view->run;
        char text[200];

        snprintf(text, sizeof(text), "Rounds: %.100s", run->job);
        sheet_text_as(sheet, CELL_TITLE, text);
        sheet_row_end(sheet);
        if (view->organisation[0] != '\0')
                label_text(sheet, "Organisation", view->organisation);
        label_number(sheet, "Run", CELL_WHOLE, (double)run->id);
        label_number(sheet, "Started", CELL_MOMENT, (double)run->started_ms);
        if (run->finished_ms != 0)
                label_number(sheet, "Finished", CELL_MOMENT, (double)run->finished_ms);
        if (view->previous.id != 0)
                label_number(sheet, "Compared with the run of", CELL_MOMENT, (double)view->previous.started_ms);
        else
                label_text(sheet, "Compared with", "no earlier run");
        label_text(sheet, "Times are in", zone);
        label_text(sheet, "State", run->state);
        label_text(sheet, "Host", run->host);
        label_text(sheet, "Version", run->version);
}

static void
score_rows(struct sheet *sheet, const struct view *view)
{
        const struct view_figures *f = &view->figures;
        char grade[2] = {view->grade, '\0'};

        heading(sheet, "Coverage and score");
        label_number(sheet, "Coverage", CELL_PERCENT, f->coverage_percent);
        label_number(sheet, "Score of what was assessed", CELL_PERCENT, f->score_percent);
        label_text(sheet, "Grade", grade);
        heading(sheet, "Since the previous run");
        label_number(sheet, "New", CELL_WHOLE, (double)f->fresh);
        label_number(sheet, "Worse", CELL_WHOLE, (double)f->worse);
        label_number(sheet, "Still", CELL_WHOLE, (double)f->still);
        label_number(sheet, "Fixed", CELL_WHOLE, (double)f->fixed);
        label_number(sheet, "No longer comparable", CELL_WHOLE, (double)f->incomparable);
        heading(sheet, "Findings by status");
        label_number(sheet, "Fail", CELL_WHOLE, (double)f->fail);
        label_number(sheet, "Could not assess", CELL_WHOLE, (double)f->error);
        label_number(sheet, "Waived", CELL_WHOLE, (double)f->waived);
        label_number(sheet, "Skipped", CELL_WHOLE, (double)f->skip);
        label_number(sheet, "Pass", CELL_WHOLE, (double)f->pass);
}

static void
severity_rows(struct sheet *sheet, const struct view *view)
{
        static const uint32_t colours[] = {0xC00000, 0xE36C0A, 0xF2C037, 0x5B9BD5};
        static const char *const words[] = {"SEV1 outage or data loss", "SEV2 degraded", "SEV3 minor",
                                            "SEV4 no user impact"};
        struct chart_plan plan = {.kind = CHART_COLUMNS,
                                  .title = "Failing findings by severity",
                                  .series = {{.name = "Failing findings", .column = 1, .colour = colours[0]}},
                                  .count = 1,
                                  .point_colours = colours,
                                  .width = 520,
                                  .height = 300,
                                  .row = 1,
                                  .column = CHART_COLUMN};

        heading(sheet, "Failing findings by severity");
        plan.first_row = sheet_next_row(sheet);
        for (int i = 0; i < 4; i++)
                label_number(sheet, words[i], CELL_WHOLE, (double)view->figures.by_severity[SEV1 + i]);
        plan.last_row = sheet_next_row(sheet) - 1;
        for (int i = 0; i < 4; i++)
                plan.largest = fmax(plan.largest, (double)view->figures.by_severity[SEV1 + i]);
        sheet_chart(sheet, sheet, &plan);
}

static void
playbook_rows(struct sheet *sheet, const struct view *view)
{
        static const char *const titles[] = {"By playbook", "Fail", "Error", "Waived", "Skip", "Pass"};
        struct chart_plan plan = {.kind = CHART_BARS,
                                  .title = "Findings by playbook",
                                  .series = {{.name = "Fail", .column = 1, .colour = 0xC00000},
                                             {.name = "Error", .column = 2, .colour = 0x7F5F9F},
                                             {.name = "Waived", .column = 3, .colour = 0x5B9BD5}},
                                  .count = 3,
                                  .width = 520,
                                  .row = 18,
                                  .column = CHART_COLUMN};

        sheet_row_end(sheet);
        for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
                sheet_text_as(sheet, i == 0 ? CELL_LABEL : CELL_HEADING, titles[i]);
        sheet_row_end(sheet);
        plan.first_row = sheet_next_row(sheet);
        for (size_t i = 0; i < view->playbook_count; i++) {
                const struct view_playbook *playbook = &view->playbooks[i];
                char text[160];

                snprintf(text, sizeof(text), "%.20s %.120s", playbook->prefix, playbook->title);
                sheet_text_as(sheet, CELL_TEXT, text);
                plan.largest = fmax(plan.largest, (double)playbook->counts[STATUS_FAIL]);
                for (int status = 0; status < 5; status++)
                        sheet_number_as(sheet, CELL_WHOLE, (double)playbook->counts[status]);
                sheet_row_end(sheet);
        }
        if (view->playbook_count == 0) {
                sheet_text_as(sheet, CELL_TEXT, "Nothing was judged.");
                return;
        }
        plan.last_row = sheet_next_row(sheet) - 1;
        plan.height = 140 + 34 * (unsigned)view->playbook_count;
        sheet_chart(sheet, sheet, &plan);
}

void
xlsx_summary(struct book *book, const struct view *view, const char *zone)
{
        struct sheet *sheet = sheet_add(book, "Summary");

        run_rows(sheet, view, zone);
        score_rows(sheet, view);
        severity_rows(sheet, view);
        playbook_rows(sheet, view);
        sheet_width(sheet, 0, 34);
        sheet_width(sheet, 1, 18);
        for (unsigned i = 2; i < 6; i++)
                sheet_width(sheet, i, 9);
}
