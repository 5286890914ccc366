/* What a scan has added up so far, put away and taken up again by another run. */

#include "key_classes_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { NUMBERS_MOST = 200000 }; /* of all histograms and nodes: what is put away stays within a few megabytes */

/* --- putting away ------------------------------------------------------------------------------------------------- */

static json_t *
histogram_save(const struct tally *tally, size_t *numbers)
{
        json_t *list = json_array();

        for (int i = 0; tally->buckets != NULL && i < BUCKETS; i++) {
                if (tally->buckets[i] == 0)
                        continue;
                json_push(list, json_pack("[i, I]", i, (json_int_t)tally->buckets[i]));
                ++*numbers;
        }
        return list;
}

/* NULL for a tally of nothing. */
static json_t *
tally_save(const struct tally *tally, size_t *numbers)
{
        if (tally->keys == 0)
                return json_null();
        ++*numbers;
        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s, s:b, s:o}", "keys", (json_int_t)tally->keys, "without_ttl",
                         (json_int_t)tally->without_ttl, "sized", (json_int_t)tally->sized, "bytes",
                         (json_int_t)tally->bytes, "ttl_max_ms", (json_int_t)tally->ttl_max_ms, "example",
                         tally->example != NULL ? tally->example : "", "example_lasts", tally->example_lasts, "ttls",
                         histogram_save(tally, numbers));
}

static json_t *
node_save(const struct node *node, size_t *numbers)
{
        json_t *children = json_array();

        for (const struct node *child = node->children; child != NULL && *numbers <= NUMBERS_MOST; child = child->next)
                json_push(children, node_save(child, numbers));
        ++*numbers;
        return json_pack("{s:s, s:b, s:o, s:o}", "word", node->word != NULL ? node->word : "", "folded", node->folded,
                         "tally", tally_save(&node->tally, numbers), "children", children);
}

static json_t *
type_save(const struct type *type)
{
        json_t *rows = json_array();

        for (size_t i = 0; i < type->count; i++)
                json_push(rows, large_json(&type->rows[i]));
        return json_pack("{s:s, s:I, s:I, s:o}", "name", type->name, "keys", (json_int_t)type->keys, "bytes",
                         (json_int_t)type->bytes, "largest", rows);
}

json_t *
key_classes_state(const struct key_classes *all)
{
        json_t *classes = json_array(), *types = json_array();
        size_t numbers = 0;

        for (size_t i = 0; i < all->class_count; i++)
                json_push(classes, json_pack("{s:I, s:o}", "too_long", (json_int_t)all->classes[i].too_long, "tally",
                                             tally_save(&all->classes[i].tally, &numbers)));
        for (size_t i = 0; i < all->type_count; i++)
                json_push(types, type_save(&all->types[i]));
        json_t *state = json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "keys", (json_int_t)all->keys, "unclassified",
                                  (json_int_t)all->unclassified, "bytes", (json_int_t)all->bytes, "classes", classes,
                                  "types", types, "root", node_save(&all->root, &numbers));
        if (numbers <= NUMBERS_MOST)
                return state;
        json_decref(state);
        return NULL;
}

/* --- taking up again ---------------------------------------------------------------------------------------------- */

static int
tally_load(struct tally *into, const json_t *saved)
{
        struct tally tally = {.keys = (uint64_t)json_whole(saved, "keys", 0),
                              .without_ttl = (uint64_t)json_whole(saved, "without_ttl", 0),
                              .sized = (uint64_t)json_whole(saved, "sized", 0),
                              .bytes = json_whole(saved, "bytes", 0),
                              .ttl_max_ms = json_whole(saved, "ttl_max_ms", 0),
                              .example_lasts = json_flag(saved, "example_lasts", false)};
        size_t i;
        json_t *pair;

        if (tally.keys == 0)
                return 0;
        tally.example = strdup(json_text(saved, "example", ""));
        tally.buckets = calloc(BUCKETS, sizeof *tally.buckets);
        if (tally.example == NULL || tally.buckets == NULL) {
                tally_free(&tally);
                return -1;
        }
        json_array_foreach((json_t *)json_list(saved, "ttls"), i, pair)
        {
                json_int_t bucket = json_integer_value(json_array_get(pair, 0));
                if (bucket >= 0 && bucket < BUCKETS)
                        tally.buckets[bucket] += (uint32_t)json_integer_value(json_array_get(pair, 1));
        }
        tally_merge(into, &tally);
        return 0;
}

static int
node_load(struct key_classes *all, struct node *node, const json_t *saved, int depth)
{
        const json_t *children = json_list(saved, "children");

        node->folded = json_flag(saved, "folded", false);
        if (tally_load(&node->tally, json_map(saved, "tally")) != 0)
                return -1;
        for (size_t i = json_array_size(children); i-- > 0;) { /* each goes before those that are there */
                const json_t *child = json_array_get(children, i);
                const char *word = json_text(child, "word", "");
                if (depth == SEGMENTS_MOST || all->nodes >= NODES_MOST)
                        break;
                struct node *fresh = node_child_new(all, node, word, strlen(word));
                if (fresh == NULL || node_load(all, fresh, child, depth + 1) != 0)
                        return -1;
        }
        return 0;
}

static int
type_load(struct type *type, const json_t *saved)
{
        size_t i;
        json_t *large;

        snprintf(type->name, sizeof type->name, "%s", json_text(saved, "name", "?"));
        type->keys = (uint64_t)json_whole(saved, "keys", 0);
        type->bytes = json_whole(saved, "bytes", 0);
        json_array_foreach((json_t *)json_list(saved, "largest"), i, large)
        {
                if (type->count == LARGEST_TOLD)
                        break;
                struct large row = {strdup(json_text(large, "name", "")), json_whole(large, "bytes", 0),
                                    json_whole(large, "ttl_ms", -1)};
                if (row.name == NULL)
                        return -1;
                type->rows[type->count++] = row;
        }
        return 0;
}

int
key_classes_resume(struct key_classes *all, const json_t *state)
{
        size_t i;
        json_t *saved;

        all->keys = (uint64_t)json_whole(state, "keys", 0);
        all->unclassified = (uint64_t)json_whole(state, "unclassified", 0);
        all->bytes = json_whole(state, "bytes", 0);
        json_array_foreach((json_t *)json_list(state, "classes"), i, saved)
        {
                if (i == all->class_count)
                        break;
                all->classes[i].too_long = (uint64_t)json_whole(saved, "too_long", 0);
                if (tally_load(&all->classes[i].tally, json_map(saved, "tally")) != 0)
                        return -1;
        }
        json_array_foreach((json_t *)json_list(state, "types"), i, saved)
        {
                if (i == TYPES_MOST)
                        break;
                if (type_load(&all->types[all->type_count++], saved) != 0)
                        return -1;
        }
        return node_load(all, &all->root, json_map(state, "root"), 0);
}
