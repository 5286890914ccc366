/* The Cluster Autoscaler's status, in its two forms. */

#include "autoscaler_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "scope.h"
#include "yaml_text.h"

enum { GROUPS_MOST = 2000, LINE_LARGEST = 2048 };

/* Go's way to write a time: "2026-11-24 04:28:19.546750398 +0000 UTC"; anything but UTC is not written. */
static int64_t
time_read(const char *text)
{
        char moment[32];
        int64_t moment_ms = 0;

        if (strlen(text) < 19)
                return 0;
        snprintf(moment, sizeof moment, "%.10sT%.8sZ", text, text + 11);
        return moment_parse(moment, &moment_ms) ? moment_ms : 0;
}

static json_t *
group_add(json_t *groups, const char *name)
{
        json_t *group = json_array_size(groups) < GROUPS_MOST ? json_push(groups, json_object()) : NULL;

        if (group != NULL)
                json_put_text(group, "name", name);
        return group;
}

/* --- YAML, since 1.30 --------------------------------------------------------------------------------------------- */

static void
group_yaml(json_t *groups, const json_t *seen)
{
        const json_t *health = json_map(seen, "health"), *up = json_map(seen, "scaleUp");
        const json_t *registered = json_at(health, "nodeCounts", "registered", NULL);
        json_t *group = group_add(groups, json_text(seen, "name", ""));
        char words[300];

        if (group == NULL)
                return;
        json_put_whole(group, "min", json_whole(health, "minSize", 0));
        json_put_whole(group, "max", json_whole(health, "maxSize", 0));
        json_put_whole(group, "nodes", json_whole(health, "cloudProviderTarget", json_whole(registered, "total", 0)));
        json_put_text(group, "health", json_text(health, "status", ""));
        if (strcmp(json_text(up, "status", ""), "Backoff") == 0) {
                const json_t *info = json_map(up, "backoffInfo");
                snprintf(words, sizeof words, "%.80s %.200s", json_text(info, "errorCode", ""),
                         json_text(info, "errorMessage", ""));
                json_put_text(group, "backoff", words);
        }
}

static int
yaml_form(const char *text, json_t *out, struct error *err)
{
        scoped_json document = NULL;
        json_t *groups = json_array(), *one;
        size_t i;

        if (json_put(out, "groups", groups) != 0 ||
            yaml_read_bytes(text, strlen(text), "cluster-autoscaler-status", &document, err) != 0)
                return -1;
        json_put_whole(out, "written_ms", time_read(json_text(document, "time", "")));
        json_put_flag(out, "running", strcmp(json_text(document, "autoscalerStatus", ""), "Running") == 0);
        json_array_foreach((json_t *)json_list(document, "nodeGroups"), i, one) group_yaml(groups, one);
        return 0;
}

/* --- text, before ------------------------------------------------------------------------------------------------- */

/* The number after "key=" in a line, or `fallback`. */
static int64_t
number_after(const char *line, const char *key, int64_t fallback)
{
        const char *at = strstr(line, key);

        return at != NULL ? strtoll(at + strlen(key), NULL, 10) : fallback;
}

/* The words between the colon and the parenthesis: "Health:      Healthy (ready=...". */
static void
word_after(const char *line, char *word, size_t size)
{
        const char *at = strchr(line, ':');

        at = at != NULL ? at + 1 + strspn(at + 1, " ") : "";
        size_t length = strcspn(at, " (");
        snprintf(word, size, "%.*s", (int)(length < size ? length : size - 1), at);
}

static void
line_read(const char *line, json_t *groups, json_t **group)
{
        char word[256];

        line += strspn(line, " ");
        if (strncmp(line, "Name:", 5) == 0) {
                word_after(line, word, sizeof word);
                *group = group_add(groups, word);
        } else if (*group != NULL && strncmp(line, "Health:", 7) == 0) {
                word_after(line, word, sizeof word);
                json_put_text(*group, "health", word);
                json_put_whole(*group, "min", number_after(line, "minSize=", 0));
                json_put_whole(*group, "max", number_after(line, "maxSize=", 0));
                json_put_whole(*group, "nodes",
                               number_after(line, "cloudProviderTarget=", number_after(line, "registered=", 0)));
        } else if (*group != NULL && strncmp(line, "ScaleUp:", 8) == 0) {
                word_after(line, word, sizeof word);
                if (strcmp(word, "Backoff") == 0)
                        json_put_text(*group, "backoff", "the last tries to add a node failed");
        }
}

static int
text_form(const char *text, json_t *out)
{
        static const char head[] = "Cluster-autoscaler status at ";
        const char *written = strstr(text, head);
        json_t *groups = json_array(), *group = NULL;
        char line[LINE_LARGEST];

        if (json_put(out, "groups", groups) != 0)
                return -1;
        json_put_whole(out, "written_ms", written != NULL ? time_read(written + sizeof head - 1) : 0);
        json_put_flag(out, "running", true);
        const char *at = strstr(text, "NodeGroups:");
        while (at != NULL && *at != '\0') {
                size_t length = strcspn(at, "\n");
                snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line ? length : sizeof line - 1), at);
                line_read(line, groups, &group);
                at += length + (at[length] == '\n' ? 1 : 0);
        }
        return 0;
}

int
autoscaler_status_read(const char *text, json_t **out, struct error *err)
{
        scoped_json status = json_object();
        int result;

        if (status == NULL)
                return error_memory(err, "autoscaler status");
        if (strstr(text, "Cluster-wide:") != NULL)
                result = text_form(text, status);
        else if (strstr(text, "autoscalerStatus:") != NULL)
                result = yaml_form(text, status, err);
        else
                return error_set(err, REASON_PROTOCOL,
                                 "ConfigMap cluster-autoscaler-status: neither form of status is in it");
        if (result != 0)
                return err->reason != REASON_NONE ? -1 : error_memory(err, "autoscaler status");
        *out = scope_keep(status);
        return 0;
}
