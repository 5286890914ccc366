/* Do the messages of a queue fit their JSON Schema?  (DLQ-5) */

#include "message_check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error_text.h"
#include "json.h"
#include "json_schema.h"
#include "scope.h"

enum { MISFITS_MOST = 20, SCHEMA_LARGEST = 1024 * 1024, PLACE = 160 };

struct misfit {
        char where[PLACE], why[PLACE];
        int64_t messages;
};

struct message_check {
        json_t *document; /* the schema borrows it */
        struct json_schema *schema;
        int64_t messages, fit;
        struct misfit misfits[MISFITS_MOST];
        size_t count;
        int64_t others; /* misfits beyond the table */
};

static json_t *
schema_load(const char *path, struct error *err)
{
        json_error_t mistake;
        scoped(scope_fclose) FILE *file = fopen(path, "re");

        if (file == NULL) {
                error_set(err, REASON_CONFIGURATION, "schema_file %s: %m", path);
                return NULL;
        }
        scoped_string text = malloc(SCHEMA_LARGEST + 1);
        if (text == NULL) {
                error_memory(err, "schema_file");
                return NULL;
        }
        size_t length = fread(text, 1, SCHEMA_LARGEST + 1, file);
        json_t *document = length <= SCHEMA_LARGEST ? json_loadb(text, length, JSON_DECODE_ANY, &mistake) : NULL;
        if (length > SCHEMA_LARGEST)
                error_set(err, REASON_CONFIGURATION, "schema_file %s: larger than %d bytes", path, SCHEMA_LARGEST);
        else if (document == NULL)
                error_set(err, REASON_CONFIGURATION, "schema_file %s: line %d: %s", path, mistake.line, mistake.text);
        return document;
}

int
message_check_open(const json_t *settings, struct message_check **out, struct error *err)
{
        const char *path = json_text(settings, "schema_file", NULL);
        json_t *inline_schema = json_object_get(settings, "schema");

        *out = NULL;
        if (path == NULL && inline_schema == NULL)
                return 0;
        struct message_check *check = calloc(1, sizeof *check);
        if (check == NULL)
                return error_memory(err, "schema");
        check->document = path != NULL ? schema_load(path, err) : json_incref(inline_schema);
        if (check->document == NULL || json_schema_open(check->document, &check->schema, err) != 0) {
                message_check_close(check);
                return error_wrap(err, "schema");
        }
        *out = check;
        return 0;
}

void
message_check_close(struct message_check *check)
{
        if (check == NULL)
                return;
        json_schema_close(check->schema);
        json_decref(check->document);
        free(check);
}

/* "/items/12/price" and "/items/3/price" are one place. */
static void
places_join(char *where)
{
        char *out = where;

        for (const char *at = where; *at != '\0';) {
                size_t length = *at == '/' ? strcspn(at + 1, "/") : 0, digits = strspn(at + 1, "0123456789");
                *out++ = *at++;
                if (at[-1] == '/' && length > 0 && digits == length) {
                        *out++ = '*';
                        at += length;
                }
        }
        *out = '\0';
}

static void
misfit_add(struct message_check *check, const char *where, const char *why)
{
        for (size_t i = 0; i < check->count; i++) {
                if (strcmp(check->misfits[i].where, where) == 0 && strcmp(check->misfits[i].why, why) == 0) {
                        check->misfits[i].messages++;
                        return;
                }
        }
        if (check->count == MISFITS_MOST) {
                check->others++;
                return;
        }
        struct misfit *misfit = &check->misfits[check->count++];
        snprintf(misfit->where, sizeof misfit->where, "%s", where);
        snprintf(misfit->why, sizeof misfit->why, "%s", why);
        misfit->messages = 1;
}

int
message_check_value(struct message_check *check, const json_t *value)
{
        char where[PLACE] = "", why[PLACE] = "";

        if (check == NULL)
                return 0;
        check->messages++;
        if (json_schema_fits(check->schema, value, where, sizeof where, why, sizeof why)) {
                check->fit++;
                return 0;
        }
        places_join(where);
        error_text_redact(where);
        error_text_redact(why);
        misfit_add(check, where, why);
        return 0;
}

int
message_check_bytes(struct message_check *check, const char *bytes, size_t length)
{
        if (check == NULL)
                return 0;
        scoped_json value = json_loadb(bytes, length, JSON_DECODE_ANY, NULL);
        if (value != NULL)
                return message_check_value(check, value);
        check->messages++;
        misfit_add(check, "", "is not JSON");
        return 0;
}

static int
most_first(const void *a, const void *b)
{
        const struct misfit *left = a, *right = b;

        if (left->messages != right->messages)
                return left->messages < right->messages ? 1 : -1;
        int order = strcmp(left->where, right->where);
        return order != 0 ? order : strcmp(left->why, right->why);
}

json_t *
message_check_json(const struct message_check *check)
{
        struct misfit sorted[MISFITS_MOST];
        json_t *out = json_object(), *misfits = json_array();

        memcpy(sorted, check->misfits, sizeof sorted);
        qsort(sorted, check->count, sizeof *sorted, most_first);
        if (json_put(out, "misfits", misfits) != 0 || json_put_whole(out, "messages", check->messages) != 0 ||
            json_put_whole(out, "fit", check->fit) != 0 || json_put_whole(out, "others", check->others) != 0) {
                json_decref(out);
                return NULL;
        }
        for (size_t i = 0; i < check->count; i++) {
                json_t *row = json_push(misfits, json_object());
                if (row == NULL || json_put_text(row, "where", sorted[i].where) != 0 ||
                    json_put_text(row, "why", sorted[i].why) != 0 ||
                    json_put_whole(row, "messages", sorted[i].messages) != 0) {
                        json_decref(out);
                        return NULL;
                }
        }
        return out;
}
