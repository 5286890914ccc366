/* The waivers of a run: in force, about to expire, expired, unused, too broad. */

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "view_parts.h"

#define EXPIRING_MS (14 * DAY_MS)
enum { MATCHES_TOO_MANY = 20 };

static int64_t
moment_of(const json_t *waiver, const char *key, const char *key_ms)
{
        const char *text = json_text(waiver, key, NULL);
        int64_t moment_ms;

        if (text != NULL && moment_parse(text, &moment_ms))
                return moment_ms;
        return json_whole(waiver, key_ms, 0);
}

/* A pattern that leaves everything open: absent, or nothing but wildcards. */
static bool
is_open(const char *pattern)
{
        return pattern[strspn(pattern, "*?/")] == '\0';
}

static size_t
matched_by(const struct view *view, const char *id)
{
        size_t count = 0;

        for (size_t i = 0; i < view->count; i++)
                count += view->findings[i].status == STATUS_WAIVED && view->findings[i].waiver == id;
        return count;
}

/* True when the run looked at what the waiver is for: a weekly control is no business of the nightly rounds. */
static bool
is_looked_at(const struct view *view, const char *control)
{
        bool found = is_open(control);

        for (size_t i = 0; i < view->count && !found; i++)
                found = fnmatch(control, view->findings[i].control, 0) == 0;
        return found;
}

static struct view_waiver
waiver_of(const struct view *view, const json_t *one)
{
        struct view_parts *parts = view->parts;
        struct view_waiver waiver = {
                .id = parts_text(parts, json_text(one, "id", "")),
                .control = parts_text(parts, json_text(one, "control", "")),
                .target = parts_text(parts, json_text(one, "target", "")),
                .resource = parts_text(parts, json_text(one, "resource", "")),
                .fingerprint = parts_text(parts, json_text(one, "fingerprint", "")),
                .reason = parts_text(parts, json_text(one, "reason", "")),
                .owner = parts_text(parts, json_text(one, "owner", "")),
                .approver = parts_text(parts, json_text(one, "approver", "")),
                .ticket = parts_text(parts, json_text(one, "ticket", "")),
                .created_ms = moment_of(one, "created", "created_ms"),
                .expires_ms = moment_of(one, "expires", "expires_ms"),
        };
        int64_t now = view->run.started_ms;

        waiver.matched = matched_by(view, waiver.id);
        waiver.state = waiver.expires_ms <= now                 ? WAIVER_EXPIRED
                       : waiver.expires_ms <= now + EXPIRING_MS ? WAIVER_EXPIRING
                                                                : WAIVER_IN_FORCE;
        waiver.unused = waiver.matched == 0 && waiver.state != WAIVER_EXPIRED && is_looked_at(view, waiver.control);
        waiver.too_broad = *waiver.fingerprint == '\0' &&
                           (is_open(waiver.resource) || is_open(waiver.control) || waiver.matched > MATCHES_TOO_MANY) &&
                           (is_open(waiver.target) || is_open(waiver.control) || waiver.matched > MATCHES_TOO_MANY);
        return waiver;
}

static int
waiver_order(const void *left, const void *right)
{
        const struct view_waiver *a = left, *b = right;

        if (a->state != b->state)
                return a->state > b->state ? -1 : 1;
        return strcmp(a->id, b->id);
}

void
view_judge_waivers(struct view *view)
{
        const json_t *listed = json_list(json_map(view->parts->run, "config"), "waivers");
        struct view_waiver *waivers = parts_room(view->parts, json_array_size(listed), sizeof *waivers);
        const json_t *one;
        size_t index;

        if (waivers == NULL)
                return;
        json_array_foreach((json_t *)listed, index, one)
        {
                waivers[view->waiver_count++] = waiver_of(view, one);
        }
        if (view->waiver_count > 1)
                qsort(waivers, view->waiver_count, sizeof *waivers, waiver_order);
        view->waivers = waivers;
}
