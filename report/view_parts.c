/* The view's memory: strings kept once in an arena, arrays, and an index by interned strings. */

#include "view_parts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 256 * 1024 };

struct chunk {
        struct chunk *next;
        size_t used, size;
        max_align_t data[];
};

/* `bytes` (not zeroed) at a multiple of `alignment`, which is a power of two. */
static void *
room_at(struct view_parts *parts, size_t bytes, size_t alignment)
{
        struct chunk *chunk = parts->chunks;
        size_t used = chunk != NULL ? (chunk->used + alignment - 1) & ~(alignment - 1) : 0;

        if (chunk == NULL || used > chunk->size || chunk->size - used < bytes) {
                size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
                chunk = malloc(sizeof *chunk + size);
                if (chunk == NULL) {
                        parts->failed = true;
                        return NULL;
                }
                *chunk = (struct chunk){.next = parts->chunks, .size = size};
                parts->chunks = chunk;
                used = 0;
        }
        chunk->used = used + bytes;
        return (char *)chunk->data + used;
}

void *
parts_room(struct view_parts *parts, size_t count, size_t size)
{
        size_t bytes;

        if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) {
                parts->failed = true;
                return NULL;
        }
        void *room = room_at(parts, bytes, _Alignof(max_align_t));
        return room != NULL ? memset(room, 0, bytes) : NULL;
}

static uint64_t
hash_of(const char *text)
{
        uint64_t hash = 14695981039346656037ULL; /* FNV-1a, 64 bits */

        for (; *text != '\0'; text++)
                hash = (hash ^ (unsigned char)*text) * 1099511628211ULL;
        return hash;
}

static bool
strings_grow(struct view_parts *parts)
{
        size_t slots = parts->string_slots == 0 ? 4096 : parts->string_slots * 2;
        const char **strings = calloc(slots, sizeof *strings);

        if (strings == NULL)
                return false;
        for (size_t i = 0; i < parts->string_slots; i++) {
                if (parts->strings[i] == NULL)
                        continue;
                size_t at = hash_of(parts->strings[i]) & (slots - 1);
                while (strings[at] != NULL)
                        at = (at + 1) & (slots - 1);
                strings[at] = parts->strings[i];
        }
        free(parts->strings);
        parts->strings = strings;
        parts->string_slots = slots;
        return true;
}

const char *
parts_text(struct view_parts *parts, const char *text)
{
        if (text == NULL || *text == '\0')
                return "";
        if (parts->string_count * 2 >= parts->string_slots && !strings_grow(parts)) {
                parts->failed = true;
                return "";
        }
        size_t at = hash_of(text) & (parts->string_slots - 1);
        for (; parts->strings[at] != NULL; at = (at + 1) & (parts->string_slots - 1)) {
                if (strcmp(parts->strings[at], text) == 0)
                        return parts->strings[at];
        }
        size_t bytes = strlen(text) + 1;
        char *copy = room_at(parts, bytes, 1);
        if (copy == NULL)
                return "";
        parts->strings[at] = memcpy(copy, text, bytes);
        parts->string_count++;
        return copy;
}

bool
parts_grow(struct view_parts *parts, void **array, size_t count, size_t *capacity, size_t size)
{
        if (count < *capacity)
                return true;
        size_t more = *capacity == 0 ? 64 : *capacity + *capacity / 2;
        void *grown = reallocarray(*array, more, size);
        if (grown == NULL) {
                parts->failed = true;
                return false;
        }
        *array = grown;
        *capacity = more;
        return true;
}

static size_t
slot_of(const struct view_index *index, const char *key)
{
        size_t at = (size_t)(((uintptr_t)key * 11400714819323198485ULL) >> 20) & (index->slots - 1);

        while (index->keys[at] != NULL && index->keys[at] != key)
                at = (at + 1) & (index->slots - 1);
        return at;
}

size_t
index_find(const struct view_index *index, const char *key)
{
        if (index->slots == 0)
                return SIZE_MAX;
        size_t at = slot_of(index, key);
        return index->keys[at] != NULL ? index->values[at] : SIZE_MAX;
}

void
index_put(struct view_parts *parts, struct view_index *index, const char *key, size_t value)
{
        if (index->count * 2 >= index->slots) {
                struct view_index larger = {.slots = index->slots == 0 ? 1024 : index->slots * 2};
                larger.keys = calloc(larger.slots, sizeof *larger.keys);
                larger.values = calloc(larger.slots, sizeof *larger.values);
                if (larger.keys == NULL || larger.values == NULL) {
                        free(larger.keys);
                        free(larger.values);
                        parts->failed = true;
                        return;
                }
                for (size_t i = 0; i < index->slots; i++) {
                        if (index->keys[i] == NULL)
                                continue;
                        size_t at = slot_of(&larger, index->keys[i]);
                        larger.keys[at] = index->keys[i];
                        larger.values[at] = index->values[i];
                }
                larger.count = index->count;
                free(index->keys);
                free(index->values);
                *index = larger;
        }
        size_t at = slot_of(index, key);
        index->count += index->keys[at] == NULL;
        index->keys[at] = key;
        index->values[at] = value;
}

static void
index_free(struct view_index *index)
{
        free(index->keys);
        free(index->values);
}

void
parts_free(struct view_parts *parts)
{
        if (parts == NULL)
                return;
        for (size_t i = 0; i < parts->row_count; i++)
                json_decref((json_t *)parts->rows[i].row);
        while (parts->chunks != NULL) {
                struct chunk *next = parts->chunks->next;
                free(parts->chunks);
                parts->chunks = next;
        }
        free(parts->strings);
        json_decref(parts->run);
        json_decref(parts->previous);
        free(parts->findings);
        free(parts->old);
        free(parts->before);
        index_free(&parts->before_index);
        free(parts->now.rows);
        index_free(&parts->now.index);
        free(parts->then.rows);
        index_free(&parts->then.index);
        free(parts->rows);
        free(parts->row_kinds);
        free(parts);
}
