/* The summary on a terminal: what changed, what to do first, what could not be assessed. */

#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "headline.h"
#include "report.h"
#include "view.h"

enum { NARROWEST = 40, WIDEST = 200, TOP = 5, GAPS = 5 };

struct terminal {
        FILE *stream;
        bool colour;
        size_t width;
};

static void
paint(const struct terminal *t, const char *code, const char *text)
{
        if (t->colour)
                fprintf(t->stream, "\x1B[%sm", code);
        escape_terminal(t->stream, text, strlen(text));
        if (t->colour)
                fputs("\x1B[0m", t->stream);
}

static const char *
severity_colour(enum severity severity)
{
        static const char *const codes[] = {"0", "1;31", "33", "36", "34"};

        return codes[severity];
}

/* `text` indented by `indent` columns, broken between words; what is longer than `lines` lines is cut. */
static void
paragraph(const struct terminal *t, const char *text, size_t indent, size_t lines)
{
        size_t room = t->width > indent + 10 ? t->width - indent : 10;

        while (*text != '\0' && lines-- > 0) {
                size_t end = text_prefix(text, room), next = end;
                fprintf(t->stream, "%*s", (int)indent, "");
                if (lines == 0 || text[end] == '\0') {
                        escape_terminal_cut(t->stream, text, room);
                        fputc('\n', t->stream);
                        return;
                }
                for (size_t i = end; i > end / 2; i--) {
                        if (text[i] == ' ') {
                                end = i;
                                next = i + 1;
                                break;
                        }
                }
                escape_terminal(t->stream, text, end);
                fputc('\n', t->stream);
                text += next;
        }
}

static void
headline(const struct terminal *t, const struct view *view)
{
        static const char *const tones[] = {"1;31", "1;33", "1;35", "1;32"};
        char text[HEADLINE_TEXT], severities[HEADLINE_TEXT], coverage[16], score[16];
        enum tone tone = headline_verdict(view, text);

        paint(t, tones[tone], text);
        fputc('\n', t->stream);
        headline_severities(view, severities);
        percent_format(view->figures.coverage_percent, coverage);
        percent_format(view->figures.score_percent, score);
        fprintf(t->stream, "%zu fail%s%s%s, %zu not assessed, %zu waived, %zu skipped, %zu pass\n", view->figures.fail,
                *severities != '\0' ? " (" : "", severities, *severities != '\0' ? ")" : "", view->figures.error,
                view->figures.waived, view->figures.skip, view->figures.pass);
        fprintf(t->stream, "coverage %s, score %s, grade %c\n", coverage, score, view->grade);
}

static void
changes(const struct terminal *t, const struct view *view)
{
        const struct view_figures *f = &view->figures;
        const struct {
                size_t count;
                const char *word, *code;
        } rows[] = {{f->fresh, "new", "31"},
                    {f->worse, "worse", "33"},
                    {f->still, "still", "0"},
                    {f->fixed, "fixed", "32"},
                    {f->incomparable, "no longer comparable", "35"}};

        if (view->previous.id == 0)
                return;
        fprintf(t->stream, "since run %lld: ", (long long)view->previous.id);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                char text[64];
                snprintf(text, sizeof text, "%zu %s", rows[i].count, rows[i].word);
                fputs(i > 0 ? ", " : "", t->stream);
                if (rows[i].count > 0)
                        paint(t, rows[i].code, text);
                else
                        fputs(text, t->stream);
        }
        fputc('\n', t->stream);
}

static void
finding_line(const struct terminal *t, const struct view_finding *f, size_t more)
{
        char place[PLACE_TEXT], text[PLACE_TEXT + 256];

        place_format(f, place);
        fputs("  ", t->stream);
        paint(t, severity_colour(f->severity), severity_name(f->severity));
        snprintf(text, sizeof text, " %.40s %.100s%s%s%s%s%s", f->control, target_words(f->target),
                 strcmp(place, f->target) != 0 ? " " : "", strcmp(place, f->target) != 0 ? place : "",
                 f->change == CHANGE_NEW || f->change == CHANGE_WORSE ? " (" : "",
                 f->change == CHANGE_NEW || f->change == CHANGE_WORSE ? change_name(f->change) : "",
                 f->change == CHANGE_NEW || f->change == CHANGE_WORSE ? ")" : "");
        escape_terminal_cut(t->stream, text, t->width > 8 ? t->width - 7 : 1);
        fputc('\n', t->stream);
        paragraph(t, f->message, 7, 2);
        if (*f->remedy != '\0') {
                if (t->colour)
                        fputs("\x1B[2m", t->stream);
                paragraph(t, f->remedy, 7, 3);
                if (t->colour)
                        fputs("\x1B[0m", t->stream);
        }
        if (more > 0)
                fprintf(t->stream, "       and %zu more of this kind\n", more);
}

static void
first(const struct terminal *t, const struct view *view)
{
        struct pick picks[TOP];
        size_t count = headline_first(view, picks, TOP), told = 0;

        if (count == 0)
                return;
        fputc('\n', t->stream);
        paint(t, "1", "What to do first");
        fputc('\n', t->stream);
        for (size_t i = 0; i < count; i++) {
                finding_line(t, picks[i].finding, picks[i].more);
                told += 1 + picks[i].more;
        }
        if (told < view->figures.fail)
                fprintf(t->stream, "  %zu more in the report\n", view->figures.fail - told);
}

static void
gaps(const struct terminal *t, const struct view *view)
{
        size_t errors = 0;

        while (errors < view->gap_count && view->gaps[errors].status == STATUS_ERROR)
                errors++;
        if (errors == 0)
                return;
        fputc('\n', t->stream);
        paint(t, "1", "Not assessed");
        fputc('\n', t->stream);
        for (size_t i = 0; i < errors && i < GAPS; i++) {
                const struct view_gap *gap = &view->gaps[i];
                char text[512];
                fputs("  ", t->stream);
                paint(t, "35", reason_name(gap->reason));
                snprintf(text, sizeof text, " %.200s: %.200s", target_words(gap->target), gap->controls);
                escape_terminal_cut(t->stream, text,
                                    t->width > 24 ? t->width - 3 - strlen(reason_name(gap->reason)) : 8);
                fputc('\n', t->stream);
                paragraph(t, gap->text, 7, 2);
                if (*gap->remedy != '\0')
                        paragraph(t, gap->remedy, 7, 3);
        }
        if (errors > GAPS)
                fprintf(t->stream, "  %zu more in the report\n", errors - GAPS);
}

int
report_terminal(const struct view *view, bool colour, int width, FILE *stream, struct error *err)
{
        struct terminal t = {.stream = stream,
                             .colour = colour,
                             .width = width < NARROWEST ? NARROWEST
                                      : width > WIDEST  ? WIDEST
                                                        : (size_t)width};

        headline(&t, view);
        changes(&t, view);
        first(&t, view);
        gaps(&t, view);
        if (ferror(stream))
                return error_set(err, REASON_INTERNAL, "the summary could not be written");
        return 0;
}
