/* Texts kept once: chunks of memory, and a table of what was put into them. */

#include "intern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"

enum { CHUNK = 256 * 1024, SLOTS_FIRST = 1024 };

struct chunk {
        struct chunk *next;
        size_t used, size;
        max_align_t bytes[];
};

struct slot {
        const char *text;
        uint32_t hash;
};

struct intern {
        struct chunk *chunks;
        struct slot *slots; /* open addressing, a power of two of them */
        size_t slot_count, used;
        size_t bytes, largest;
        bool failed;
};

struct intern *
intern_new(size_t largest)
{
        struct intern *intern = calloc(1, sizeof *intern);

        if (intern != NULL)
                intern->largest = largest;
        return intern;
}

void
intern_free(struct intern *intern)
{
        if (intern == NULL)
                return;
        while (intern->chunks != NULL) {
                struct chunk *chunk = intern->chunks;
                intern->chunks = chunk->next;
                free(chunk);
        }
        free(intern->slots);
        free(intern);
}

static void *
room(struct intern *intern, size_t size, size_t align)
{
        struct chunk *chunk = intern->chunks;
        size_t from = chunk == NULL ? 0 : (chunk->used + align - 1) / align * align;

        if (intern->failed || size > intern->largest - intern->bytes) {
                intern->failed = true;
                return NULL;
        }
        if (chunk == NULL || from > chunk->size || chunk->size - from < size) {
                size_t wanted = size > CHUNK ? size : CHUNK;
                chunk = malloc(sizeof *chunk + wanted);
                if (chunk == NULL) {
                        intern->failed = true;
                        return NULL;
                }
                *chunk = (struct chunk){.next = intern->chunks, .size = wanted};
                intern->chunks = chunk;
                from = 0;
        }
        chunk->used = from + size;
        intern->bytes += size;
        return (char *)chunk->bytes + from;
}

/* FNV-1a, 32 bits. */
static uint32_t
text_hash(const char *text, size_t length)
{
        uint32_t hash = 2166136261U;

        for (size_t i = 0; i < length; i++)
                hash = (hash ^ (unsigned char)text[i]) * 16777619U;
        return hash;
}

static bool
slots_grow(struct intern *intern)
{
        size_t count = intern->slot_count == 0 ? SLOTS_FIRST : intern->slot_count * 2;
        struct slot *slots = calloc(count, sizeof *slots);

        if (slots == NULL)
                return false;
        for (size_t i = 0; i < intern->slot_count; i++) {
                if (intern->slots[i].text == NULL)
                        continue;
                size_t at = intern->slots[i].hash & (count - 1);
                while (slots[at].text != NULL)
                        at = (at + 1) & (count - 1);
                slots[at] = intern->slots[i];
        }
        free(intern->slots);
        intern->slots = slots;
        intern->slot_count = count;
        return true;
}

static const char *
copied(struct intern *intern, const char *text, size_t length)
{
        char *copy = room(intern, length + 1, 1);

        if (copy != NULL) {
                memcpy(copy, text, length);
                copy[length] = '\0';
        }
        return copy;
}

const char *
intern_text(struct intern *intern, const char *text)
{
        if (text == NULL || *text == '\0')
                return "";
        if (intern->used * 3 >= intern->slot_count * 2 && !slots_grow(intern)) {
                intern->failed = true;
                return NULL;
        }
        size_t length = strlen(text);
        uint32_t hash = text_hash(text, length);
        size_t at = hash & (intern->slot_count - 1);
        while (intern->slots[at].text != NULL) {
                if (intern->slots[at].hash == hash && strcmp(intern->slots[at].text, text) == 0)
                        return intern->slots[at].text;
                at = (at + 1) & (intern->slot_count - 1);
        }
        const char *copy = copied(intern, text, length);
        if (copy != NULL) {
                intern->slots[at] = (struct slot){copy, hash};
                intern->used++;
        }
        return copy;
}

const char *
intern_json(struct intern *intern, const json_t *value)
{
        if (value == NULL || json_is_null(value))
                return "";
        scoped_string text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        if (text == NULL) {
                intern->failed = true;
                return NULL;
        }
        return intern_text(intern, text);
}

const char *
intern_copy(struct intern *intern, const char *text)
{
        return text == NULL || *text == '\0' ? "" : copied(intern, text, strlen(text));
}

void *
intern_array(struct intern *intern, size_t count, size_t size)
{
        if (size != 0 && count > SIZE_MAX / 2 / size) {
                intern->failed = true;
                return NULL;
        }
        void *memory = room(intern, count * size, _Alignof(max_align_t));
        return memory == NULL ? NULL : memset(memory, 0, count * size);
}

bool
intern_failed(const struct intern *intern)
{
        return intern->failed;
}

size_t
intern_bytes(const struct intern *intern)
{
        return intern->bytes;
}
