/* Keys by class and by discovered pattern: counters, TTL histograms, the largest of each type. */

#include "key_classes.h"

#include <ctype.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

enum {
        BUCKETS = 480, /* of 5 % each: from 1 ms to beyond a hundred years */
        NAME_CUT = 120,
        SEGMENTS_MOST = 8,  /* of a name that are looked at for a pattern */
        CHILDREN_MOST = 40, /* different words in one place, from which the place is a variable */
        NODES_MOST = 20000,
        PATTERNS_TOLD = 200,
        TYPES_MOST = 12,
        LARGEST_TOLD = 5,
};

struct tally {
        uint64_t keys, without_ttl, sized;
        int64_t bytes, ttl_max_ms;
        uint32_t *buckets; /* of TTLs; NULL until the first one */
        char *example;     /* of a key without a TTL, else of any */
        bool example_lasts;
};

struct class {
        const char *name, *match;
        int64_t ttl_ms; /* bound; -1: none */
        bool expires;   /* false: its keys are meant to stay */
        uint64_t too_long;
        struct tally tally;
};

/* A place in names: the words that were met there, and what ended there. */
struct node {
        char *word; /* "<id>" for a variable */
        struct node *children, *next;
        int child_count;
        bool folded; /* every word here is a variable */
        struct tally tally;
};

struct large {
        char *name;
        int64_t bytes, ttl_ms;
};

struct type {
        char name[24];
        uint64_t keys;
        int64_t bytes;
        struct large rows[LARGEST_TOLD]; /* largest first */
        size_t count;
};

struct key_classes {
        struct class *classes;
        size_t class_count;
        struct node root;
        int nodes;
        struct type types[TYPES_MOST];
        size_t type_count;
        uint64_t keys, unclassified;
        int64_t bytes;
};

/* --- tallies ------------------------------------------------------------------------------------------------------ */

static int
bucket_of(int64_t ttl_ms)
{
        int bucket = ttl_ms <= 1 ? 0 : (int)(log((double)ttl_ms) / log(1.05));

        return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static char *
name_cut(const char *name, size_t length)
{
        scoped_json text = json_bytes(name, length < NAME_CUT ? length : NAME_CUT);

        return text != NULL ? strdup(json_string_value(text)) : NULL;
}

static int
tally_add(struct tally *tally, const struct key_seen *key)
{
        bool lasts = key->ttl_ms < 0;

        tally->keys++;
        if (key->size_bytes >= 0) {
                tally->sized++;
                tally->bytes += key->size_bytes;
        }
        if (lasts) {
                tally->without_ttl++;
        } else {
                if (tally->buckets == NULL && (tally->buckets = calloc(BUCKETS, sizeof *tally->buckets)) == NULL)
                        return -1;
                tally->buckets[bucket_of(key->ttl_ms)]++;
                tally->ttl_max_ms = key->ttl_ms > tally->ttl_max_ms ? key->ttl_ms : tally->ttl_max_ms;
        }
        /* An example is worth most where something is wrong: a key that never expires. */
        if (tally->example == NULL || (lasts && !tally->example_lasts)) {
                free(tally->example);
                tally->example = name_cut(key->name, key->length);
                tally->example_lasts = lasts;
        }
        return tally->example != NULL ? 0 : -1;
}

static void
tally_free(struct tally *tally)
{
        free(tally->buckets);
        free(tally->example);
        *tally = (struct tally){.keys = 0};
}

static int
tally_merge(struct tally *into, struct tally *from)
{
        into->keys += from->keys;
        into->without_ttl += from->without_ttl;
        into->sized += from->sized;
        into->bytes += from->bytes;
        into->ttl_max_ms = from->ttl_max_ms > into->ttl_max_ms ? from->ttl_max_ms : into->ttl_max_ms;
        if (into->buckets == NULL) {
                into->buckets = from->buckets;
                from->buckets = NULL;
        } else if (from->buckets != NULL) {
                for (int i = 0; i < BUCKETS; i++)
                        into->buckets[i] += from->buckets[i];
        }
        if (into->example == NULL || (from->example_lasts && !into->example_lasts)) {
                free(into->example);
                into->example = from->example;
                into->example_lasts = from->example_lasts;
                from->example = NULL;
        }
        tally_free(from);
        return 0;
}

/* --- patterns ----------------------------------------------------------------------------------------------------- */

static const char variable[] = "<id>";

/* A word that names one thing rather than a kind of things: numbers, UUIDs, hashes, anything that mixes digits in. */
static bool
is_identity(const char *word, size_t length)
{
        size_t digits = 0, odd = 0;

        for (size_t i = 0; i < length; i++) {
                digits += isdigit((unsigned char)word[i]) != 0;
                odd += !isalnum((unsigned char)word[i]) && strchr("_-.@{}", word[i]) == NULL;
        }
        return length == 0 || length > 40 || odd > 0 || digits * 3 >= length || (digits > 0 && length >= 16);
}

static struct node *
child_find(struct node *node, const char *word, size_t length)
{
        for (struct node *child = node->children; child != NULL; child = child->next) {
                if (strncmp(child->word, word, length) == 0 && child->word[length] == '\0')
                        return child;
        }
        return NULL;
}

static struct node *
child_new(struct key_classes *all, struct node *node, const char *word, size_t length)
{
        struct node *child = calloc(1, sizeof *child);

        if (child == NULL || (child->word = strndup(word, length)) == NULL) {
                free(child);
                return NULL;
        }
        child->next = node->children;
        node->children = child;
        node->child_count++;
        all->nodes++;
        return child;
}

static void
node_free(struct key_classes *all, struct node *node)
{
        while (node->children != NULL) {
                struct node *child = node->children;
                node->children = child->next;
                node_free(all, child);
                free(child->word);
                free(child);
                all->nodes--;
        }
        tally_free(&node->tally);
}

/* Puts everything below and in `from` into `into`. */
static int
node_merge(struct key_classes *all, struct node *into, struct node *from)
{
        tally_merge(&into->tally, &from->tally);
        while (from->children != NULL) {
                struct node *child = from->children;
                from->children = child->next;
                struct node *same = child_find(into, child->word, strlen(child->word));
                if (same == NULL) {
                        child->next = into->children;
                        into->children = child;
                        into->child_count++;
                        continue;
                }
                node_merge(all, same, child);
                free(child->word);
                free(child);
                all->nodes--;
        }
        return 0;
}

/* Too many different words in one place: the place is a variable. */
static struct node *
children_fold(struct key_classes *all, struct node *node)
{
        struct node *old = node->children;

        node->children = NULL;
        node->child_count = 0;
        node->folded = true;
        struct node *any = child_new(all, node, variable, strlen(variable));
        if (any == NULL) {
                node->children = old;
                return NULL;
        }
        while (old != NULL) {
                struct node *child = old;
                old = child->next;
                node_merge(all, any, child);
                free(child->word);
                free(child);
                all->nodes--;
        }
        return any;
}

static struct node *
step(struct key_classes *all, struct node *node, const char *word, size_t length)
{
        if (node->folded || is_identity(word, length) || all->nodes >= NODES_MOST) {
                word = variable;
                length = strlen(variable);
        }
        struct node *child = child_find(node, word, length);
        if (child != NULL)
                return child;
        return node->child_count >= CHILDREN_MOST ? children_fold(all, node) : child_new(all, node, word, length);
}

static int
pattern_add(struct key_classes *all, const struct key_seen *key)
{
        struct node *node = &all->root;
        const char *at = key->name, *end = key->name + key->length;

        for (int i = 0; i < SEGMENTS_MOST && at <= end; i++) {
                const char *colon = memchr(at, ':', (size_t)(end - at));
                const char *until = colon != NULL && i + 1 < SEGMENTS_MOST ? colon : end;
                node = step(all, node, at, (size_t)(until - at));
                if (node == NULL)
                        return -1;
                if (until == end)
                        break;
                at = until + 1;
        }
        return tally_add(&node->tally, key);
}

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
        struct large fresh = {name_cut(key->name, key->length), key->size_bytes, key->ttl_ms};
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

static double
percentile(const struct tally *tally, double share)
{
        uint64_t with = tally->keys - tally->without_ttl, seen = 0;

        if (with == 0 || tally->buckets == NULL)
                return NAN;
        for (int i = 0; i < BUCKETS; i++) {
                seen += tally->buckets[i];
                if ((double)seen >= share * (double)with)
                        return fmin(pow(1.05, i + 1), (double)tally->ttl_max_ms);
        }
        return (double)tally->ttl_max_ms;
}

static json_t *
tally_json(const struct tally *tally)
{
        json_t *row = json_object(), *ttl = json_object();

        json_put_whole(row, "keys", (int64_t)tally->keys);
        json_put_whole(row, "bytes", tally->sized > 0 ? tally->bytes : -1);
        json_put_whole(row, "without_ttl", (int64_t)tally->without_ttl);
        json_put_real(ttl, "p50_ms", percentile(tally, 0.50));
        json_put_real(ttl, "p90_ms", percentile(tally, 0.90));
        json_put_real(ttl, "p99_ms", percentile(tally, 0.99));
        json_put_whole(ttl, "max_ms", tally->ttl_max_ms);
        json_put(row, "ttl", ttl);
        json_put_text(row, "example", tally->example != NULL ? tally->example : "");
        return row;
}

/* The patterns that keys ended in, gathered from the tree. */
struct found {
        struct {
                char *pattern;
                const struct tally *tally;
        } rows[NODES_MOST];
        size_t count;
};

static void
patterns_gather(const struct node *node, const char *prefix, struct found *found)
{
        for (const struct node *child = node->children; child != NULL; child = child->next) {
                char *pattern = NULL;
                if (asprintf(&pattern, "%s%s%s", prefix, *prefix != '\0' ? ":" : "", child->word) < 0)
                        return;
                patterns_gather(child, pattern, found);
                if (child->tally.keys > 0 && found->count < NODES_MOST) {
                        found->rows[found->count].pattern = pattern;
                        found->rows[found->count++].tally = &child->tally;
                } else {
                        free(pattern);
                }
        }
}

static int
by_keys(const void *a, const void *b)
{
        const struct tally *left = *(const struct tally *const *)((const char *)a + sizeof(char *));
        const struct tally *right = *(const struct tally *const *)((const char *)b + sizeof(char *));

        if (left->keys != right->keys)
                return left->keys < right->keys ? 1 : -1;
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_t *
patterns_json(const struct key_classes *all)
{
        json_t *list = json_array();
        struct found *found = calloc(1, sizeof *found);

        if (found == NULL)
                return list;
        patterns_gather(&all->root, "", found);
        qsort(found->rows, found->count, sizeof found->rows[0], by_keys);
        for (size_t i = 0; i < found->count; i++) {
                if (i < PATTERNS_TOLD) {
                        json_t *row = tally_json(found->rows[i].tally);
                        json_put_text(row, "pattern", found->rows[i].pattern);
                        json_push(list, row);
                }
                free(found->rows[i].pattern);
        }
        free(found);
        return list;
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
                        json_push(largest, json_pack("{s:s, s:I, s:I}", "name", type->rows[j].name, "bytes",
                                                     (json_int_t)type->rows[j].bytes, "ttl_ms",
                                                     (json_int_t)type->rows[j].ttl_ms));
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
