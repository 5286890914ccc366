/* What the audits of one target share during one run, and the look-up of targets and kinds. */

#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

struct session_item {
        const void *key;
        void *object;
        void (*close)(void *object);
        struct session_item *next;
};

int
session_put(struct session *session, const void *key, void *object, void (*close)(void *object))
{
        struct session_item *item = malloc(sizeof *item);

        if (item == NULL) {
                if (close != NULL)
                        close(object);
                return -1;
        }
        *item = (struct session_item){.key = key, .object = object, .close = close, .next = session->items};
        session->items = item;
        return 0;
}

void *
session_get(const struct session *session, const void *key)
{
        for (const struct session_item *item = session->items; item != NULL; item = item->next) {
                if (item->key == key)
                        return item->object;
        }
        return NULL;
}

void
session_end(struct session *session)
{
        while (session->items != NULL) {
                struct session_item *item = session->items;
                session->items = item->next;
                if (item->close != NULL)
                        item->close(item->object);
                free(item);
        }
}

/* --- from run to run ---------------------------------------------------------------------------------------------- */

const json_t *
session_recall(const struct session *session, const char *name)
{
        return json_object_get(session->kept, name);
}

int
session_keep(struct session *session, const char *name, json_t *value)
{
        if (session->kept == NULL || (value == NULL && session_recall(session, name) == NULL)) {
                json_decref(value);
                return 0;
        }
        session->kept_changed = true;
        return value != NULL ? json_put(session->kept, name, value) : json_object_del(session->kept, name);
}

/* --- other targets ------------------------------------------------------------------------------------------------ */

static void
reference_close(void *object)
{
        struct session *other = object;

        session_end(other);
        free(other);
}

struct session *
session_reference(struct session *session, const char *name, struct error *err)
{
        const struct target *target = session_target(session, name);

        if (target == session->target)
                return session;
        if (target == NULL) {
                error_set(err, REASON_CONFIGURATION, "there is no target \"%.100s\"", name);
                error_remedy(err, "name a target that stands under `targets` (rounds list targets)");
                return NULL;
        }
        struct session *other = session_get(session, target);
        if (other == NULL) {
                other = calloc(1, sizeof *other);
                if (other == NULL || session_put(session, target, other, reference_close) != 0) {
                        error_memory(err, "session");
                        return NULL;
                }
                other->target = target;
                other->now_ms = session->now_ms;
                other->targets = session->targets;
        }
        other->deadline = session->deadline;
        return other;
}

/* --- look-up ------------------------------------------------------------------------------------------------------ */

const struct target *
session_target(const struct session *session, const char *name)
{
        for (size_t i = 0; session->targets != NULL && session->targets[i] != NULL; i++) {
                if (strcmp(session->targets[i]->name, name) == 0)
                        return session->targets[i];
        }
        return NULL;
}

const char *
target_text(const struct target *target, const char *name)
{
        return json_string_value(json_object_get(target->settings, name));
}

const json_t *
target_value(const struct target *target, const char *name)
{
        return json_object_get(target->settings, name);
}
