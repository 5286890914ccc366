/* One value from a configured source: which reader, which part of what it read. */

#include "value.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "value_sources.h"

const struct setting value_source_settings[] = {
        {.name = "target", .type = SETTING_TEXT, .words = "the target that is asked; a file needs none"},
        {.name = "sql",
         .type = SETTING_TEXT,
         .words = "postgres: one SELECT; the first column of its first row is the value"},
        {.name = "database", .type = SETTING_TEXT, .words = "database of the statement; default: the dsn's"},
        {.name = "redis",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .words = "redis: a command that reads one value, as its words: [HGET, settings, score_cache]"},
        {.name = "get", .type = SETTING_TEXT, .words = "http: path of a document below the target's url"},
        {.name = "env", .type = SETTING_TEXT, .words = "kubernetes: variable of a workload's container"},
        {.name = "workload",
         .type = SETTING_TEXT,
         .words = "whose variable: namespace/name of a Deployment, or namespace/kind/name"},
        {.name = "container", .type = SETTING_TEXT, .words = "which container; default: the first that sets it"},
        {.name = "config_map", .type = SETTING_TEXT, .words = "kubernetes: ConfigMap, as namespace/name"},
        {.name = "secret",
         .type = SETTING_TEXT,
         .words = "kubernetes: Secret, as namespace/name; its value is compared and never kept"},
        {.name = "object",
         .type = SETTING_TEXT,
         .words = "kubernetes: path of any object below the API server, with a pointer"},
        {.name = "query", .type = SETTING_TEXT, .words = "prometheus: an expression that yields one number"},
        {.name = "file", .type = SETTING_PATH, .words = "a file of this machine"},
        {.name = "format",
         .type = SETTING_CHOICE,
         .choices = "json|yaml|env|text",
         .words = "form of the file, or of the text in a ConfigMap; default: by the name's ending, else text"},
        {.name = "key", .type = SETTING_TEXT, .words = "key of a ConfigMap, Secret, .env file or document"},
        {.name = "pointer", .type = SETTING_TEXT, .words = "JSON pointer into the document (RFC 6901): /cache/enabled"},
        {.name = "capture",
         .type = SETTING_TEXT,
         .words = "POSIX extended regular expression on the text; its first group (else the match) is the value"},
        {.type = SETTING_END},
};

/* Which key says what is read, of which kind of target, and what goes with it. */
static const struct source {
        const char *key, *kind; /* kind NULL: this machine */
        int (*read)(struct session *session, const json_t *source, struct value *value, struct error *err);
        const char *needs;    /* must stand beside it */
        const char *takes[4]; /* may stand beside it; pointer and capture always may */
} sources[] = {
        {"sql", "postgres", value_from_sql, NULL, {"database"}},
        {"redis", "redis", value_from_redis, NULL, {NULL}},
        {"get", "http", value_from_http, NULL, {NULL}},
        {"env", "kubernetes", value_from_environment, "workload", {"workload", "container"}},
        {"config_map", "kubernetes", value_from_config_map, "key", {"key", "format"}},
        {"secret", "kubernetes", value_from_secret, "key", {"key"}},
        {"object", "kubernetes", value_from_object, "pointer", {NULL}},
        {"query", "prometheus", value_from_prometheus, NULL, {NULL}},
        {"file", NULL, value_from_file, NULL, {"key", "format"}},
};

static const struct source *
source_find(const json_t *from, size_t *count)
{
        const struct source *found = NULL;

        *count = 0;
        for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
                if (json_has(from, sources[i].key)) {
                        found = &sources[i];
                        ++*count;
                }
        }
        return found;
}

/* --- mistakes ----------------------------------------------------------------------------------------------------- */

static bool
goes_with(const struct source *source, const char *key)
{
        if (strcmp(key, source->key) == 0 || strcmp(key, "pointer") == 0 || strcmp(key, "capture") == 0 ||
            (strcmp(key, "target") == 0 && source->kind != NULL))
                return true;
        for (size_t i = 0; i < 4 && source->takes[i] != NULL; i++) {
                if (strcmp(key, source->takes[i]) == 0)
                        return true;
        }
        return false;
}

static bool
target_sound(const struct source *source, const json_t *from, const struct target *const *targets, char *why,
             size_t size)
{
        const char *name = json_text(from, "target", NULL);

        if (name == NULL) {
                snprintf(why, size, "%s needs `target`: the %s target that is asked", source->key, source->kind);
                return false;
        }
        for (; targets != NULL && *targets != NULL; targets++) {
                if (strcmp((*targets)->name, name) != 0)
                        continue;
                if ((*targets)->kind != NULL && strcmp((*targets)->kind->name, source->kind) != 0) {
                        snprintf(why, size, "%s is read from a %s target, and %.80s is of kind %s", source->key,
                                 source->kind, name, (*targets)->kind->name);
                        return false;
                }
                return true;
        }
        snprintf(why, size, "there is no target \"%.80s\"", name);
        return false;
}

static bool
expression_sound(const char *text, char *why, size_t size)
{
        regex_t expression;
        char words[120];

        if (text == NULL)
                return true;
        int code = regcomp(&expression, text, REG_EXTENDED | REG_NEWLINE);
        if (code != 0) {
                regerror(code, &expression, words, sizeof words);
                snprintf(why, size, "capture is no regular expression: %s", words);
                return false;
        }
        regfree(&expression);
        return true;
}

bool
value_source_sound(const json_t *from, const struct target *const *targets, char *why, size_t size)
{
        size_t count;
        const struct source *source = source_find(from, &count);
        const char *key, *pointer = json_text(from, "pointer", NULL);
        json_t *value;

        if (count != 1) {
                snprintf(why, size,
                         count == 0 ? "nothing says where the value stands (one of sql, redis, get, env, config_map, "
                                      "secret, object, query, file)"
                                    : "more than one place: keep one of sql, redis, get, env, config_map, secret, "
                                      "object, query, file");
                return false;
        }
        json_object_foreach((json_t *)from, key, value)
        {
                if (!goes_with(source, key)) {
                        snprintf(why, size, "%s does not go with %s", key, source->key);
                        return false;
                }
        }
        if (source->needs != NULL && !json_has(from, source->needs)) {
                snprintf(why, size, "%s needs %s beside it", source->key, source->needs);
                return false;
        }
        if (pointer != NULL && *pointer != '\0' && *pointer != '/') {
                snprintf(why, size, "pointer must begin with /");
                return false;
        }
        return (source->kind == NULL || target_sound(source, from, targets, why, size)) &&
               expression_sound(json_text(from, "capture", NULL), why, size) &&
               (!json_has(from, "redis") || value_redis_sound(json_object_get(from, "redis"), why, size)) &&
               (!json_has(from, "workload") || value_workload_sound(json_text(from, "workload", ""), why, size)) &&
               (!json_has(from, "config_map") ||
                value_object_name_sound(json_text(from, "config_map", ""), why, size)) &&
               (!json_has(from, "secret") || value_object_name_sound(json_text(from, "secret", ""), why, size));
}

void
value_source_review(const char *list, size_t index, const json_t *row, const struct target *const *targets,
                    target_mistake *tell, void *context)
{
        char why[400], text[sizeof why + sizeof "from: "];

        if (value_source_sound(json_map(row, "from"), targets, why, sizeof why))
                return;
        snprintf(text, sizeof text, "from: %s", why);
        tell(context, list, index, text);
}

int
value_read(struct session *session, const json_t *from, struct value *value, struct error *err)
{
        const char *pointer = json_text(from, "pointer", NULL), *capture = json_text(from, "capture", NULL);
        size_t count;
        const struct source *source = source_find(from, &count);

        *value = (struct value){.json = NULL};
        if (source == NULL || count != 1)
                return error_set(err, REASON_CONFIGURATION, "the source names no place, or several");
        struct session *asked = source->kind == NULL ? session
                                                     : session_reference(session, json_text(from, "target", ""), err);
        if (asked == NULL)
                return -1;
        if (source->kind != NULL &&
            (asked->target->kind == NULL || strcmp(asked->target->kind->name, source->kind) != 0))
                return error_set(err, REASON_CONFIGURATION, "%s is read from a target of kind %s, and %s is none",
                                 source->key, source->kind, asked->target->name);
        int result = source->read(asked, from, value, err);
        if (result == 0 && value->json != NULL && pointer != NULL)
                result = value_apply_pointer(pointer, value, err);
        if (result == 0 && value->json != NULL && capture != NULL)
                result = value_apply_capture(capture, value, err);
        if (result == 0 && json_is_null(value->json)) {
                snprintf(value->absence, sizeof value->absence, "it is null");
                value_free(value);
        }
        if (result != 0)
                value_free(value);
        return result;
}

void
value_right_add(struct session *session, const json_t *row, const char *what, struct rights *rights)
{
        scoped_value value = {.json = NULL};
        struct error why = {0};
        bool held = value_read(session, json_map(row, "from"), &value, &why) == 0;

        rights_add(rights, held, what, *why.remedy != '\0' ? why.remedy : why.text);
}
