/* Keys by class and by discovered pattern, and the largest of each type. */

#include "key_classes_parts.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* --- types -------------------------------------------------------------------------------------------------------- */

static int
type_add(struct key_classes *all, const struct key_seen *key)
{
        struct type *type = NULL;

        for (size_t i = 0; i < all->type_count && type == NULL; i++)
                type = strcmp(all->types[i].name, key->type) == 0 ? &all->types[i] : NULL;
        if (type == NULL) {
                if (all->type_count == TYPES_MOST)
                        return 0;
                type = &all->types[all->type_count++];
                snprintf(type->name, sizeof type->name, "%s", key->type);
        }
        type->keys++;
        if (key->size_bytes < 0)
                return 0;
        type->bytes += key->size_bytes;
        if (type->count == LARGEST_TOLD && type->rows[type->count - 1].bytes >= key->size_bytes)
                return 0;
        struct large fresh = {key_name_cut(key->name, key->length), key->size_bytes, key->ttl_ms};
        if (fresh.name == NULL)
                return -1;
        if (type->count == LARGEST_TOLD)
                free(type->rows[--type->count].name);
        size_t at = type->count++;
        for (; at > 0 && type->rows[at - 1].bytes < fresh.bytes; at--)
                type->rows[at] = type->rows[at - 1];
        type->rows[at] = fresh;
        return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

struct key_classes *
key_classes_open(const json_t *classes)
{
        struct key_classes *all = calloc(1, sizeof *all);
        size_t i;
        json_t *one;

        if (all == NULL)
                return NULL;
        all->class_count = json_array_size(classes);
        all->classes = calloc(all->class_count + 1, sizeof *all->classes);
        if (all->classes == NULL) {
                free(all);
                return NULL;
        }
        json_array_foreach((json_t *)classes, i, one)
        {
                all->classes[i] = (struct class){.name = json_text(one, "name", ""),
                                                 .match = json_text(one, "match", ""),
                                                 .ttl_ms = json_whole(one, "ttl", -1),
                                                 .expires = json_flag(one, "expires", true)};
        }
        return all;
}

void
key_classes_close(struct key_classes *all)
{
        if (all == NULL)
                return;
        for (size_t i = 0; i < all->class_count; i++)
                tally_free(&all->classes[i].tally);
        for (size_t i = 0; i < all->type_count; i++) {
                for (size_t j = 0; j < all->types[i].count; j++)
                        free(all->types[i].rows[j].name);
        }
        node_free(all, &all->root);
        free(all->classes);
        free(all);
}

int
key_classes_add(struct key_classes *all, const struct key_seen *key)
{
        char text[512];
        size_t length = key->length < sizeof text - 1 ? key->length : sizeof text - 1;

        all->keys++;
        all->bytes += key->size_bytes > 0 ? key->size_bytes : 0;
        memcpy(text, key->name, length);
        text[length] = '\0';
        if (type_add(all, key) != 0)
                return -1;
        for (size_t i = 0; i < all->class_count; i++) {
                struct class *class = &all->classes[i];
                if (fnmatch(class->match, text, 0) != 0)
                        continue;
                class->too_long += class->ttl_ms >= 0 && key->ttl_ms > class->ttl_ms;
                return tally_add(&class->tally, key);
        }
        all->unclassified++;
        return pattern_add(all, key);
}

/* --- as JSON ------------------------------------------------------------------------------------------------------ */

json_t *
large_json(const struct large *large)
{
        return json_pack("{s:s, s:I, s:I}", "name", large->name, "bytes", (json_int_t)large->bytes, "ttl_ms",
                         (json_int_t)large->ttl_ms);
}

static json_t *
types_json(const struct key_classes *all)
{
        json_t *types = json_object();

        for (size_t i = 0; i < all->type_count; i++) {
                const struct type *type = &all->types[i];
                json_t *row = json_object(), *largest = json_array();
                json_put_whole(row, "keys", (int64_t)type->keys);
                json_put_whole(row, "bytes", type->bytes);
                for (size_t j = 0; j < type->count; j++)
                        json_push(largest, large_json(&type->rows[j]));
                json_put(row, "largest", largest);
                json_put(types, type->name, row);
        }
        return types;
}

json_t *
key_classes_json(const struct key_classes *all)
{
        json_t *result = json_object(), *classes = json_array();

        for (size_t i = 0; i < all->class_count; i++) {
                json_t *row = tally_json(&all->classes[i].tally);
                json_put_text(row, "name", all->classes[i].name);
                json_put_text(row, "match", all->classes[i].match);
                json_put_whole(row, "bound_ms", all->classes[i].ttl_ms);
                json_put_flag(row, "expires", all->classes[i].expires);
                json_put_whole(row, "too_long", (int64_t)all->classes[i].too_long);
                json_push(classes, row);
        }
        json_put(result, "classes", classes);
        json_put(result, "patterns", patterns_json(all));
        json_put(result, "types", types_json(all));
        json_put_whole(result, "keys", (int64_t)all->keys);
        json_put_whole(result, "bytes", all->bytes);
        json_put_whole(result, "unclassified", (int64_t)all->unclassified);
        return result;
}
