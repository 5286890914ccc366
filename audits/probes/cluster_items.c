/* What objects of every kind have: a row's room, moments, a controlling owner. */

#include "cluster_parts.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"

void *
rows_add(void **rows, size_t *count, size_t size)
{
        /* The room is a function of the count alone: 64, 96, 144, 216 ... */
        size_t room = 64;
        while (room < *count)
                room += room / 2;
        if (*count == 0 || *count == room) {
                room = *count == 0 ? 64 : room + room / 2;
                void *grown = realloc(*rows, room * size);
                if (grown == NULL)
                        return NULL;
                *rows = grown;
        }
        void *row = (char *)*rows + (*count)++ * size;
        return memset(row, 0, size);
}

int64_t
moment_of(const json_t *object, const char *key)
{
        const char *text = json_text(object, key, NULL);
        int64_t moment = 0;

        return text != NULL && moment_parse(text, &moment) ? moment : 0;
}

int64_t
created_of(const json_t *item)
{
        return moment_of(json_object_get(item, "metadata"), "creationTimestamp");
}

int64_t
deleted_of(const json_t *item)
{
        return moment_of(json_object_get(item, "metadata"), "deletionTimestamp");
}

void
owner_read(struct intern *texts, const json_t *item, const char **kind, const char **name)
{
        size_t i;
        json_t *owner;

        *kind = *name = "";
        json_array_foreach((json_t *)json_list(json_object_get(item, "metadata"), "ownerReferences"), i, owner)
        {
                if (!json_flag(owner, "controller", false))
                        continue;
                *kind = intern_text(texts, json_text(owner, "kind", ""));
                *name = intern_text(texts, json_text(owner, "name", ""));
                return;
        }
}
