/* Patterns discovered in key names: a tree of their words, where places with too many words become variables. */

#include "key_classes_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum {
        CHILDREN_MOST = 40, /* different words in one place, from which the place is a variable */
        PATTERNS_TOLD = 200,
};

static const char variable[] = "<id>";

/* A word that names one thing rather than a kind of things: numbers, UUIDs, hashes, anything that mixes digits in. */
static bool
is_identity(const char *word, size_t length)
{
        size_t digits = 0, odd = 0;

        for (size_t i = 0; i < length; i++) {
                digits += isdigit((unsigned char)word[i]) != 0;
                odd += word[i] == '\0' || (!isalnum((unsigned char)word[i]) && strchr("_-.@{}", word[i]) == NULL);
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

struct node *
node_child_new(struct key_classes *all, struct node *node, const char *word, size_t length)
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

void
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
static void
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
}

/* Too many different words in one place: the place is a variable. */
static struct node *
children_fold(struct key_classes *all, struct node *node)
{
        struct node *old = node->children;

        node->children = NULL;
        node->child_count = 0;
        node->folded = true;
        struct node *any = node_child_new(all, node, variable, strlen(variable));
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
        return node->child_count >= CHILDREN_MOST ? children_fold(all, node) : node_child_new(all, node, word, length);
}

int
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

/* --- as JSON ------------------------------------------------------------------------------------------------------ */

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

json_t *
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
