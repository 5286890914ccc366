/* Waivers: read strictly, applied to fails alone, never for ever. */

#include "waiver.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue.h"
#include "config.h"
#include "json.h"
#include "moment.h"
#include "settings_check.h"

enum { LONGEST_DAYS = 180, EXPIRING_DAYS = 14, BROAD = 20 };

struct waiver {
        const char *id, *control, *target, *resource, *fingerprint; /* borrowed from the tree; NULL: any */
        int64_t created_ms, expires_ms;
        size_t matched;
        char note[120];
};

struct waivers {
        json_t *tree;
        struct waiver *rows;
        size_t count;
        pthread_mutex_t lock; /* of `matched` and `note` */
};

static const struct setting fields[] = {
        {.name = "id",
         .type = SETTING_TEXT,
         .words = "what reports call it; default: W-1, W-2 ... in the file's order"},
        {.name = "control", .type = SETTING_GLOB, .words = "id of a control"},
        {.name = "target", .type = SETTING_GLOB, .words = "pattern on the target's name"},
        {.name = "resource", .type = SETTING_GLOB, .words = "pattern on kind/namespace/name of the resource"},
        {.name = "fingerprint",
         .type = SETTING_TEXT,
         .words = "of exactly one finding, instead of control, target and resource"},
        {.name = "reason", .type = SETTING_TEXT, .required = true, .words = "why it is accepted"},
        {.name = "owner", .type = SETTING_TEXT, .required = true, .words = "who mends it in the end"},
        {.name = "approver", .type = SETTING_TEXT, .required = true, .words = "who accepted it"},
        {.name = "ticket", .type = SETTING_TEXT, .fallback = "", .words = "where it is followed"},
        {.name = "created", .type = SETTING_MOMENT, .required = true, .words = "when it was accepted"},
        {.name = "expires",
         .type = SETTING_MOMENT,
         .required = true,
         .words = "when it ends, at most 180 days after created"},
        {.type = SETTING_END},
};

static void
wrong(struct settings_check *check, const yaml_node_t *node, const char *id, const char *text)
{
        problems_at(check->problems, node, "waiver %s: %s", id, text);
}

static void
waiver_read(struct settings_check *check, yaml_node_t *node, const struct config *config, struct waivers *waivers)
{
        struct waiver *row = &waivers->rows[waivers->count++];
        char number[32];
        json_t *map = settings_check_map(check, node, fields, "waiver", NULL);

        json_array_append_new(waivers->tree, map);
        snprintf(number, sizeof number, "W-%zu", waivers->count);
        if (!json_has(map, "id"))
                json_put_text(map, "id", number);
        row->id = json_text(map, "id", "?");
        row->control = json_text(map, "control", NULL);
        row->target = json_text(map, "target", NULL);
        row->resource = json_text(map, "resource", NULL);
        row->fingerprint = json_text(map, "fingerprint", NULL);
        moment_parse(json_text(map, "created", ""), &row->created_ms);
        moment_parse(json_text(map, "expires", ""), &row->expires_ms);
        if (row->fingerprint != NULL && (strlen(row->fingerprint) != FINGERPRINT_TEXT - 1 ||
                                         strspn(row->fingerprint, "0123456789abcdef") != FINGERPRINT_TEXT - 1))
                wrong(check, node, row->id, "a fingerprint is 64 hexadecimal digits, as in the JSON report");
        if (row->control == NULL && row->fingerprint == NULL)
                wrong(check, node, row->id, "needs a control or a fingerprint");
        if (row->control != NULL && strpbrk(row->control, "*?[") == NULL && control_find(row->control) == NULL &&
            strchr(row->control, '-') != NULL && (config == NULL || config_rule(config, row->control) == NULL))
                wrong(check, node, row->id, "there is no such control (rounds list controls)");
        if (row->created_ms != 0 && row->expires_ms != 0 && row->expires_ms <= row->created_ms)
                wrong(check, node, row->id, "expires before it was created");
        if (row->expires_ms - row->created_ms > LONGEST_DAYS * DAY_MS && row->created_ms != 0 && row->expires_ms != 0)
                wrong(check, node, row->id, "expires more than 180 days after it was created");
        for (size_t i = 0; i + 1 < waivers->count; i++) {
                if (strcmp(waivers->rows[i].id, row->id) == 0)
                        wrong(check, node, row->id, "there is another waiver of that id");
        }
}

static const struct setting top[] = {{.type = SETTING_END}};
static const char *const further[] = {"version", "waivers", NULL};

static void
file_read(struct waivers *waivers, struct yaml_text *text, const struct config *config, struct problems *problems)
{
        struct settings_check check = {.text = text, .problems = problems};
        yaml_node_t *root = yaml_root(text);
        json_t *nothing = settings_check_map(&check, root, top, "the file of waivers", further);
        yaml_node_t *list = settings_find(&check, root, "waivers");

        json_decref(nothing);
        if (list == NULL || list->type != YAML_SEQUENCE_NODE) {
                problems_at(problems, root, "the file must hold a list `waivers`");
                return;
        }
        size_t count = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
        waivers->rows = calloc(count + 1, sizeof *waivers->rows);
        for (size_t i = 0; waivers->rows != NULL && i < count; i++)
                waiver_read(&check, yaml_item(text, list->data.sequence.items.start[i]), config, waivers);
}

struct waivers *
waivers_open(const char *path, const struct config *config, struct problems *problems)
{
        struct waivers *waivers = calloc(1, sizeof *waivers);
        size_t before = problems->count;

        if (waivers == NULL || (waivers->tree = json_array()) == NULL) {
                free(waivers);
                problems_add(problems, 0, 0, "out of memory");
                return NULL;
        }
        pthread_mutex_init(&waivers->lock, NULL);
        struct yaml_text *text = path != NULL ? yaml_open_file(path, problems) : NULL;
        if (text != NULL)
                file_read(waivers, text, config, problems);
        yaml_close(text);
        if (problems->count == before)
                return waivers;
        waivers_close(waivers);
        return NULL;
}

void
waivers_close(struct waivers *waivers)
{
        if (waivers == NULL)
                return;
        pthread_mutex_destroy(&waivers->lock);
        json_decref(waivers->tree);
        free(waivers->rows);
        free(waivers);
}

static bool
matches(const struct waiver *waiver, const struct finding_row *row)
{
        const struct resource *resource = &row->finding.resource;
        char place[2048];

        if (waiver->fingerprint != NULL)
                return strcmp(waiver->fingerprint, row->fingerprint) == 0;
        if (fnmatch(waiver->control, row->finding.control, 0) != 0 ||
            (waiver->target != NULL && fnmatch(waiver->target, row->target, 0) != 0))
                return false;
        snprintf(place, sizeof place, "%s/%s/%s", resource->kind != NULL ? resource->kind : "",
                 resource->namespace_ != NULL ? resource->namespace_ : "",
                 resource->name != NULL ? resource->name : "");
        /* A pattern may name the whole place or the name alone. */
        return waiver->resource == NULL || fnmatch(waiver->resource, place, 0) == 0 ||
               (resource->name != NULL && fnmatch(waiver->resource, resource->name, 0) == 0);
}

void
waivers_apply(struct waivers *waivers, int64_t now_ms, struct finding_row *row)
{
        struct waiver *expired = NULL;

        if (row->finding.status != STATUS_FAIL)
                return;
        pthread_mutex_lock(&waivers->lock);
        for (size_t i = 0; i < waivers->count; i++) {
                struct waiver *waiver = &waivers->rows[i];
                if (waiver->created_ms > now_ms || !matches(waiver, row))
                        continue;
                waiver->matched++;
                if (waiver->expires_ms <= now_ms) {
                        expired = waiver;
                        continue;
                }
                row->finding.status = STATUS_WAIVED;
                row->waiver = waiver->id;
                break;
        }
        if (row->finding.status == STATUS_FAIL && expired != NULL) {
                char day[MOMENT_TEXT];
                moment_format(expired->expires_ms, day);
                snprintf(expired->note, sizeof expired->note, "waiver %.60s expired on %.10s", expired->id, day);
                row->note = expired->note;
        }
        pthread_mutex_unlock(&waivers->lock);
}

static const char *
state_of(const struct waiver *waiver, int64_t now_ms)
{
        if (waiver->created_ms > now_ms)
                return "not yet";
        if (waiver->expires_ms <= now_ms)
                return "expired";
        return waiver->expires_ms - now_ms <= EXPIRING_DAYS * DAY_MS ? "expiring" : "in force";
}

/* Too broad: it silences a whole control everywhere, or more findings than a person has looked at. */
static bool
too_broad(const struct waiver *waiver)
{
        bool anywhere = (waiver->target == NULL || strcmp(waiver->target, "*") == 0) &&
                        (waiver->resource == NULL || strcmp(waiver->resource, "*") == 0);

        return waiver->fingerprint == NULL &&
               (anywhere || strchr(waiver->control, '*') != NULL || waiver->matched > BROAD);
}

json_t *
waivers_json(struct waivers *waivers, int64_t now_ms)
{
        json_t *list = json_deep_copy(waivers->tree);

        pthread_mutex_lock(&waivers->lock);
        for (size_t i = 0; list != NULL && i < waivers->count; i++) {
                json_t *row = json_array_get(list, i);
                json_put_text(row, "state", state_of(&waivers->rows[i], now_ms));
                json_put_whole(row, "matched", (int64_t)waivers->rows[i].matched);
                json_put_flag(row, "too_broad", too_broad(&waivers->rows[i]));
        }
        pthread_mutex_unlock(&waivers->lock);
        return list;
}
