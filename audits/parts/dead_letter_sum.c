/* Dead letters of one source, summed up. */

#include "dead_letters.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error_text.h"
#include "facts.h"
#include "json.h"
#include "message_shape.h"
#include "scope.h"

enum {
        NAMES_MOST = 500,
        ERRORS_MOST = 500,
        ERRORS_KEPT = 50,
        SHAPES_MOST = 50,
        SHAPES_KEPT = 10,
        NAME_LONGEST = 120,
        CLASS_LONGEST = 30,
        TIMES_MOST = 1000
};

static const char others[] = "(others)";

struct dead_letters {
        json_t *fields; /* names of fields that may hold a class */
        json_t *topics, *exact, *tenants, *backoffs, *shapes,
                *replays; /* name -> messages; exact: as the source counts */
        json_t *errors;   /* text -> {class -> messages} */
        int64_t seen, replays_unknown, oldest_at_ms;
};

struct dead_letters *
dead_letters_open(const json_t *settings)
{
        struct dead_letters *all = calloc(1, sizeof *all);

        if (all == NULL)
                return NULL;
        all->fields = json_has(settings, "class_fields") ? json_incref(json_object_get(settings, "class_fields"))
                                                         : json_pack("[sssss]", "class", "errorClass", "error_class",
                                                                     "classification", "failureType");
        json_t **maps[] = {&all->topics, &all->exact,   &all->tenants, &all->backoffs,
                           &all->shapes, &all->replays, &all->errors};
        for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
                *maps[i] = json_object();
                if (*maps[i] == NULL || all->fields == NULL) {
                        dead_letters_close(all);
                        return NULL;
                }
        }
        return all;
}

void
dead_letters_close(struct dead_letters *all)
{
        if (all == NULL)
                return;
        json_decref(all->fields);
        json_decref(all->topics);
        json_decref(all->exact);
        json_decref(all->tenants);
        json_decref(all->backoffs);
        json_decref(all->shapes);
        json_decref(all->replays);
        json_decref(all->errors);
        free(all);
}

/* --- adding ------------------------------------------------------------------------------------------------------- */

/* A name of somebody else's making: cut, valid, without API keys. */
static void
name_read(const char *text, char name[NAME_LONGEST])
{
        scoped_json valid = json_bytes(text, strnlen(text, NAME_LONGEST - 1));

        snprintf(name, NAME_LONGEST, "%s", valid != NULL ? json_string_value(valid) : "");
        error_text_redact(name);
}

/* Beyond `most` names the rest is one. */
static int
count(json_t *map, const char *name, size_t most, int64_t messages)
{
        const char *key = json_object_get(map, name) != NULL || json_object_size(map) < most ? name : others;
        scoped_json valid = json_bytes(key, strlen(key));

        if (valid == NULL)
                return -1;
        key = json_string_value(valid);
        return json_put_whole(map, key, json_whole(map, key, 0) + messages);
}

static int
count_name(json_t *map, const char *text, int64_t messages)
{
        char name[NAME_LONGEST];

        if (text == NULL)
                return 0;
        name_read(text, name);
        return count(map, name, NAMES_MOST, messages);
}

/* The word that says what class an error is of: from the message itself, else from a field of the payload. */
static void
class_read(const struct dead_letters *all, const struct dead_letter *letter, char class[CLASS_LONGEST])
{
        const char *word = letter->class;
        size_t i;
        json_t *field;

        json_array_foreach(all->fields, i, field)
        {
                if (word == NULL && json_is_string(field))
                        word = json_text(letter->payload, json_string_value(field), NULL);
        }
        class[0] = '\0';
        /* A class is one short word; anything else is not a class, and may be somebody's data. */
        if (word == NULL || strlen(word) >= CLASS_LONGEST ||
            word[strspn(word, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-")] != '\0')
                return;
        for (i = 0; word[i] != '\0'; i++)
                class[i] = (char)tolower((unsigned char)word[i]);
        class[i] = '\0';
}

static int
error_add(struct dead_letters *all, const struct dead_letter *letter)
{
        char text[ERROR_TEXT] = "", class[CLASS_LONGEST];

        if (letter->error != NULL)
                error_text_reduce(letter->error, strlen(letter->error), text);
        if (text[0] == '\0')
                snprintf(text, sizeof text, "(no error text)");
        class_read(all, letter, class);
        bool known = json_object_get(all->errors, text) != NULL || json_object_size(all->errors) < ERRORS_MOST;
        json_t *row = json_object_get(all->errors, known ? text : others);
        if (row == NULL) {
                row = json_object();
                if (json_put(all->errors, known ? text : others, row) != 0)
                        return -1;
        }
        return count(row, class, SHAPES_MOST, 1);
}

void
dead_letters_oldest(struct dead_letters *all, int64_t at_ms)
{
        if (at_ms > 0 && (all->oldest_at_ms == 0 || at_ms < all->oldest_at_ms))
                all->oldest_at_ms = at_ms;
}

int
dead_letters_add(struct dead_letters *all, const struct dead_letter *letter)
{
        char shape[200], times[16];
        int failed = 0;

        all->seen++;
        failed |= count_name(all->topics, letter->topic, 1);
        failed |= count_name(all->tenants, letter->tenant, 1);
        failed |= error_add(all, letter);
        if (letter->backoff != NULL)
                failed |= count_name(all->backoffs, letter->backoff, 1);
        if (letter->payload != NULL) {
                message_shape(letter->payload, shape, sizeof shape);
                failed |= count(all->shapes, shape, SHAPES_MOST, 1);
        }
        if (letter->replays < 0) {
                all->replays_unknown++;
        } else {
                snprintf(times, sizeof times, "%d", letter->replays < TIMES_MOST ? (int)letter->replays : TIMES_MOST);
                failed |= count(all->replays, times, TIMES_MOST + 1, 1);
        }
        dead_letters_oldest(all, letter->at_ms);
        return failed != 0 ? -1 : 0;
}

/* A text at a pointer; numbers and flags are written out into `room`. */
static const char *
text_at(const json_t *settings, const char *what, const json_t *message, char room[32])
{
        const char *pointer = json_text(settings, what, NULL);
        const json_t *value = pointer != NULL ? message_pointer(message, pointer) : NULL;

        if (json_is_integer(value))
                snprintf(room, 32, "%lld", (long long)json_integer_value(value));
        return json_is_integer(value) ? room : json_string_value(value);
}

int
dead_letters_add_message(struct dead_letters *all, const json_t *settings, const json_t *message)
{
        char topic[32], tenant[32], error[32], class[32], backoff[32], retries[32];
        const char *payload = json_text(settings, "payload", NULL), *failed_at = json_text(settings, "failed_at", NULL);
        const char *times = text_at(settings, "retry_count", message, retries);
        const json_t *held = payload != NULL ? message_pointer(message, payload) : NULL;
        scoped_json parsed = json_is_string(held) ? json_loads(json_string_value(held), JSON_DECODE_ANY, NULL) : NULL;
        struct dead_letter letter = {.topic = text_at(settings, "topic", message, topic),
                                     .tenant = text_at(settings, "tenant", message, tenant),
                                     .error = text_at(settings, "error", message, error),
                                     .class = text_at(settings, "class", message, class),
                                     .backoff = text_at(settings, "backoff", message, backoff),
                                     .payload = parsed != NULL ? parsed : held,
                                     .replays = -1};
        size_t i;
        json_t *field;

        if (times != NULL && isdigit((unsigned char)*times))
                letter.replays = strtoll(times, NULL, 10);
        if (failed_at == NULL || !message_moment(message_pointer(message, failed_at), &letter.at_ms))
                letter.at_ms = 0;
        json_array_foreach(all->fields, i, field)
        {
                if (letter.class == NULL && json_is_string(field))
                        letter.class = json_text(message, json_string_value(field), NULL);
        }
        return dead_letters_add(all, &letter);
}

int
dead_letters_topic(struct dead_letters *all, const char *topic, int64_t messages)
{
        return count_name(all->exact, topic, messages);
}

/* --- the sum ------------------------------------------------------------------------------------------------------ */

struct counted {
        const char *name;
        int64_t messages;
        const json_t *value;
};

static int
most_first(const void *a, const void *b)
{
        const struct counted *left = a, *right = b;

        if (left->messages != right->messages)
                return left->messages < right->messages ? 1 : -1;
        return strcmp(left->name, right->name);
}

static int64_t
messages_of(const json_t *value)
{
        const char *class;
        json_t *part;
        int64_t sum = json_integer_value(value);

        json_object_foreach((json_t *)value, class, part) sum += json_integer_value(part);
        return sum;
}

/* {name -> messages} as [{label: name, "messages"}], most first, at most `most`; what a map of maps holds stands in
 * `inner`. */
static int
list_put(json_t *row, const char *key, const json_t *map, const char *label, const char *inner, size_t most)
{
        size_t size = json_object_size(map), n = 0;
        struct counted *rows = calloc(size + 1, sizeof *rows);
        json_t *list = json_array(), *value;
        const char *name;
        int failed = rows == NULL ? -1 : json_put(row, key, list);

        json_object_foreach((json_t *)map, name, value)
        {
                if (failed == 0)
                        rows[n++] = (struct counted){name, messages_of(value), value};
        }
        if (failed == 0)
                qsort(rows, n, sizeof *rows, most_first);
        for (size_t i = 0; i < n && i < most && failed == 0; i++) {
                json_t *one = json_push(list, json_object());
                failed = one == NULL || json_put_text(one, label, rows[i].name) != 0 ||
                                         json_put_whole(one, "messages", rows[i].messages) != 0 ||
                                         (inner != NULL && json_put(one, inner, json_deep_copy(rows[i].value)) != 0)
                                 ? -1
                                 : 0;
        }
        free(rows);
        return failed;
}

/* Errors beyond those that are kept, with their classes: judged like the others. */
static int
errors_rest(json_t *row, const json_t *errors)
{
        json_t *list = json_object_get(row, "errors"), *classes, *part;
        scoped_json rest = json_object();
        scoped_json kept = json_object();
        const char *text, *class;
        size_t i;
        json_t *one;

        json_array_foreach(list, i, one) json_put_flag(kept, json_text(one, "text", ""), true);
        json_object_foreach((json_t *)errors, text, classes)
        {
                if (json_object_get(kept, text) != NULL)
                        continue;
                json_object_foreach(classes, class, part)
                {
                        if (json_put_whole(rest, class, json_whole(rest, class, 0) + json_integer_value(part)) != 0)
                                return -1;
                }
        }
        if (json_object_size(rest) == 0)
                return 0;
        one = json_push(list, json_object());
        return one == NULL || json_put_text(one, "text", others) != 0 ||
                               json_put_whole(one, "messages", messages_of(rest)) != 0 ||
                               json_put(one, "classes", scope_keep(rest)) != 0
                       ? -1
                       : 0;
}

json_t *
dead_letters_json(const struct dead_letters *all, int64_t total, bool capped)
{
        json_t *row = json_object();
        bool exact = json_object_size(all->exact) > 0;

        if (json_put_whole(row, "total", total) != 0 || json_put_flag(row, "capped", capped) != 0 ||
            json_put_whole(row, "seen", all->seen) != 0 ||
            list_put(row, "topics", exact ? all->exact : all->topics, "name", NULL, NAMES_MOST + 1) != 0 ||
            json_put_flag(row, "topics_exact", exact || all->seen >= total) != 0 ||
            list_put(row, "tenants", all->tenants, "name", NULL, NAMES_MOST + 1) != 0 ||
            list_put(row, "errors", all->errors, "text", "classes", ERRORS_KEPT) != 0 ||
            errors_rest(row, all->errors) != 0 ||
            list_put(row, "replays", all->replays, "times", NULL, TIMES_MOST + 1) != 0 ||
            json_put_whole(row, "replays_unknown", all->replays_unknown) != 0 ||
            list_put(row, "backoffs", all->backoffs, "type", NULL, SHAPES_KEPT) != 0 ||
            list_put(row, "shapes", all->shapes, "shape", NULL, SHAPES_KEPT) != 0 ||
            (all->oldest_at_ms > 0 && json_put_whole(row, "oldest_at_ms", all->oldest_at_ms) != 0)) {
                json_decref(row);
                return NULL;
        }
        return row;
}

/* --- what sources share ------------------------------------------------------------------------------------------- */

int
dead_letters_push(json_t *sources, json_t *row, const char *name, const char *kind, const json_t *settings, bool exists,
                  struct error *err)
{
        const char *owner = json_text(settings, "owner", NULL);

        if (row == NULL || json_push(sources, row) == NULL || json_put_text(row, "name", name) != 0 ||
            json_put_text(row, "kind", kind) != 0 || json_put_flag(row, "exists", exists) != 0 ||
            (owner != NULL && json_put_text(row, "owner", owner) != 0))
                return error_memory(err, "dead letters");
        return 0;
}

int
dead_letters_lost(json_t *facts, const char *name, const struct error *why, struct error *err)
{
        struct resource resource = {.kind = "dead letters", .name = name};

        if (why->reason == REASON_INTERRUPTED || why->reason == REASON_INTERNAL) {
                *err = *why;
                return -1;
        }
        return facts_gap(facts, "source", "DLQ-1,DLQ-2,DLQ-3", &resource, why) == 0 ? 0 : error_memory(err, "facts");
}
