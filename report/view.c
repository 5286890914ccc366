/* The view: one run as renderers see it, read from the store once. */

#include "view.h"

#include <math.h>
#include <stdlib.h>

#include "json.h"
#include "moment.h"
#include "view_parts.h"

static struct view_run
run_of(struct view_parts *parts, const json_t *run)
{
        return (struct view_run){
                .id = json_whole(run, "id", 0),
                .started_ms = json_whole(run, "started_ms", 0),
                .finished_ms = json_whole(run, "finished_ms", 0),
                .job = parts_text(parts, json_text(run, "job", "")),
                .version = parts_text(parts, json_text(run, "version", "")),
                .host = parts_text(parts, json_text(run, "host", "")),
                .shard = parts_text(parts, json_text(run, "shard", "")),
                .state = parts_text(parts, json_text(run, "state", "")),
        };
}

/* Which runs: the one asked for, and the one it is compared with. */
static int
read_runs(struct view *view, struct store *store, int64_t run, const char *job, int64_t since, struct error *err)
{
        struct view_parts *parts = view->parts;

        if (store_run_read(store, run, job, &parts->run, err) != 0)
                return -1;
        view->run = run_of(parts, parts->run);
        if (since == 0 && store_run_before(store, view->run.id, &since, err) != 0)
                return -1;
        if (since == view->run.id)
                return error_set(err, REASON_CONFIGURATION, "run %lld cannot be compared with itself",
                                 (long long)since);
        if (since != 0) {
                if (store_run_read(store, since, NULL, &parts->previous, err) != 0)
                        return -1;
                view->previous = run_of(parts, parts->previous);
        } else {
                view->previous = run_of(parts, NULL);
        }
        const json_t *config = json_map(parts->run, "config");
        view->organisation = parts_text(parts, json_text(config, "organisation", ""));
        view->timezone = parts_text(parts, json_text(config, "timezone", ""));
        return 0;
}

int
view_open(struct store *store, int64_t run, const char *job, int64_t since, struct view **out, struct error *err)
{
        struct view *view = calloc(1, sizeof *view);

        if (view == NULL || (view->parts = calloc(1, sizeof *view->parts)) == NULL) {
                free(view);
                return error_memory(err, "a view");
        }
        if (read_runs(view, store, run, job, since, err) != 0 || view_read_findings(view, store, err) != 0 ||
            view_read_inventory(view, store, err) != 0) {
                view_close(view);
                return -1;
        }
        view->figures.run = view->run.id;
        view->figures.started_ms = view->run.started_ms;
        view->figures.finished_ms = view->run.finished_ms;
        view_compare(view);
        view_group(view);
        view_gaps(view);
        view_judge_waivers(view);
        view_score(view);
        if (view->parts->failed) {
                view_close(view);
                return error_memory(err, "a view");
        }
        *out = view;
        return 0;
}

void
view_close(struct view *view)
{
        if (view == NULL)
                return;
        parts_free(view->parts);
        free(view);
}

void
view_figures(const struct view *view, struct view_figures *out)
{
        *out = view->figures;
}

double
view_days_left(const struct view *view, int64_t moment_ms)
{
        return trunc((double)(moment_ms - view->run.started_ms) / (double)DAY_MS) + 0.0; /* not -0 */
}
