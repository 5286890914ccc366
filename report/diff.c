/* Two runs compared: the view's changes, told line by line. */

#include "diff.h"

#include <string.h>

#include "escape.h"
#include "headline.h"
#include "json.h"
#include "moment.h"
#include "report.h"
#include "scope.h"

static const struct {
        enum change change;
        const char *title, *colour;
} groups[] = {
        {CHANGE_NEW, "New", "31"},
        {CHANGE_WORSE, "Worse", "33"},
        {CHANGE_INCOMPARABLE, "No longer comparable", "35"},
        {CHANGE_FIXED, "Fixed", "32"},
        {CHANGE_STILL, "Still failing", "0"},
};

static const struct view_list *
list_of(const struct view *view, enum change change)
{
        switch (change) {
        case CHANGE_NEW:
                return &view->fresh;
        case CHANGE_WORSE:
                return &view->worse;
        case CHANGE_STILL:
                return &view->still;
        case CHANGE_FIXED:
                return &view->fixed;
        default:
                return &view->incomparable;
        }
}

static void
line_write(const struct view_finding *f, const char *colour, size_t width, FILE *stream)
{
        scoped_string line = NULL;
        char place[PLACE_TEXT];

        place_format(f, place);
        if (asprintf(&line, " %s %.100s%s%s: %s%s%s%s", f->control, target_words(f->target),
                     strcmp(place, f->target) != 0 ? " " : "", strcmp(place, f->target) != 0 ? place : "", f->message,
                     *f->change_why != '\0' ? " (" : "", f->change_why, *f->change_why != '\0' ? ")" : "") < 0) {
                line = NULL;
                return;
        }
        fputs("  ", stream);
        fprintf(stream, "%s%s%s%s%s", colour != NULL ? "\x1B[" : "", colour != NULL ? colour : "",
                colour != NULL ? "m" : "", severity_name(f->severity), colour != NULL ? "\x1B[0m" : "");
        if (f->change == CHANGE_WORSE)
                fprintf(stream, " (was %s)", severity_name(f->before));
        if (width == 0)
                escape_terminal(stream, line, strlen(line));
        else
                escape_terminal_cut(stream, line, width > 30 ? width - (f->change == CHANGE_WORSE ? 17 : 6) : 24);
        fputc('\n', stream);
}

int
diff_text(const struct view *view, bool colour, int width, FILE *stream, struct error *err)
{
        char then[MOMENT_TEXT], now[MOMENT_TEXT];
        size_t told = 0;

        moment_format(view->previous.started_ms, then);
        moment_format(view->run.started_ms, now);
        fprintf(stream, "run %lld (%s) to run %lld (%s)\n", (long long)view->previous.id, then, (long long)view->run.id,
                now);
        for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
                const struct view_list *list = list_of(view, groups[i].change);
                if (list->count == 0)
                        continue;
                fprintf(stream, "\n%s%s%s%s: %zu\n", colour ? "\x1B[" : "", colour ? groups[i].colour : "",
                        colour ? "m" : "", groups[i].title, list->count);
                if (colour)
                        fputs("\x1B[0m", stream);
                for (size_t k = 0; k < list->count; k++)
                        line_write(list->rows[k], colour ? groups[i].colour : NULL, width > 0 ? (size_t)width : 0,
                                   stream);
                told += list->count;
        }
        if (told == 0)
                fputs("\nNothing failed then, and nothing fails now.\n", stream);
        return report_flush(stream, err);
}

static json_t *
run_json(const struct view_run *run)
{
        json_t *object = json_object();
        char started[MOMENT_TEXT];

        moment_format(run->started_ms, started);
        json_put_whole(object, "id", run->id);
        json_put_text(object, "job", run->job);
        json_put_text(object, "started", started);
        return object;
}

/* NULL when memory ran out. */
static json_t *
change_json(const struct view_finding *f)
{
        json_t *object = json_object(), *resource = json_object();
        int failed = 0;

        failed |= json_put_text(object, "change", change_name(f->change));
        failed |= json_put_text(object, "why", f->change_why);
        failed |= json_put_text(object, "control", f->control);
        failed |= json_put_text(object, "target", f->target);
        failed |= json_put_text(resource, "kind", f->resource.kind);
        failed |= json_put_text(resource, "namespace", f->resource.namespace_);
        failed |= json_put_text(resource, "name", f->resource.name);
        failed |= json_put(object, "resource", resource);
        failed |= json_put_text(object, "severity", severity_name(f->severity));
        failed |= json_put_text(object, "before", f->before != SEV_NONE ? severity_name(f->before) : NULL);
        failed |= json_put_text(object, "message", f->message);
        failed |= json_put_text(object, "fingerprint", f->fingerprint);
        if (failed != 0) {
                json_decref(object);
                return NULL;
        }
        return object;
}

static int
changes_json(const struct view *view, FILE *stream, struct error *err)
{
        bool first = true;

        for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
                const struct view_list *list = list_of(view, groups[i].change);
                for (size_t k = 0; k < list->count; k++) {
                        scoped_json change = change_json(list->rows[k]);
                        if (change == NULL)
                                return error_memory(err, "a difference");
                        fputs(first ? "\n" : ",\n", stream);
                        first = false;
                        json_dumpf(change, stream, JSON_COMPACT);
                }
        }
        return 0;
}

int
diff_json(const struct view *view, FILE *stream, struct error *err)
{
        scoped_json from = run_json(&view->previous);
        scoped_json to = run_json(&view->run);

        fputs("{\"schema\":\"rounds.diff/1\",\"from\":", stream);
        json_dumpf(from, stream, JSON_COMPACT);
        fputs(",\"to\":", stream);
        json_dumpf(to, stream, JSON_COMPACT);
        fprintf(stream,
                ",\"counts\":{\"new\":%zu,\"worse\":%zu,\"still\":%zu,\"fixed\":%zu,\"incomparable\":%zu},\"changes\":"
                "[",
                view->fresh.count, view->worse.count, view->still.count, view->fixed.count, view->incomparable.count);
        if (changes_json(view, stream, err) != 0)
                return -1;
        fputs("]}\n", stream);
        return report_flush(stream, err);
}
