/* Facts of several targets laid side by side for the audits that compare layers. */

#include "joined.h"

#include <string.h>

#include "json.h"
#include "moment.h"
#include "scope.h"

#define MAX_AGE_MS (26 * HOUR_MS)

struct join {
        const struct target *const *targets;
        int64_t now_ms;
        json_t *list; /* borrowed */
        bool failed;
};

static const struct target *
target_of(const struct join *join, const char *name)
{
        for (size_t i = 0; join->targets[i] != NULL; i++) {
                if (strcmp(join->targets[i]->name, name) == 0)
                        return join->targets[i];
        }
        return NULL;
}

/* True for the name of a configured target, or a list of such names. */
static bool
is_reference(const struct join *join, const json_t *value)
{
        size_t i;
        json_t *item;

        if (json_is_string(value))
                return target_of(join, json_string_value(value)) != NULL;
        if (!json_is_array(value) || json_array_size(value) == 0)
                return false;
        json_array_foreach((json_t *)value, i, item)
        {
                if (!json_is_string(item) || target_of(join, json_string_value(item)) == NULL)
                        return false;
        }
        return true;
}

static json_t *
references(const struct join *join, const struct target *target)
{
        scoped_json found = json_object();
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)target->settings, key, value)
        {
                if (is_reference(join, value) && json_put(found, key, json_deep_copy(value)) != 0)
                        return NULL;
        }
        return scope_keep(found);
}

static int
join_add(void *context, const char *name, const char *kind, const char *owner, const char *audit, int64_t at_ms,
         const json_t *facts)
{
        struct join *join = context;
        const struct target *target = target_of(join, name);
        int64_t age_ms = join->now_ms > at_ms ? join->now_ms - at_ms : 0;

        if (target == NULL) /* no longer configured */
                return 0;
        json_t *entry = json_push(join->list, json_object());
        join->failed = entry == NULL || json_put_text(entry, "target", name) != 0 ||
                       json_put_text(entry, "kind", kind) != 0 || json_put_text(entry, "owner", owner) != 0 ||
                       json_put_text(entry, "audit", audit) != 0 || json_put_whole(entry, "age_ms", age_ms) != 0 ||
                       json_put(entry, "settings", references(join, target)) != 0 ||
                       json_put(entry, "facts", json_deep_copy(facts)) != 0;
        return join->failed ? 1 : 0;
}

int
joined_facts(struct store *store, const struct audit *audit, const struct target *const *targets, int64_t now_ms,
             json_t **out, struct error *err)
{
        int64_t max_age_ms = audit->max_age_ms > 0 ? audit->max_age_ms : MAX_AGE_MS;
        const char *names[sizeof audit->joins / sizeof *audit->joins + 1] = {NULL};
        scoped_json facts = json_object();
        struct join join = {.targets = targets, .now_ms = now_ms, .list = json_array()};

        memcpy(names, audit->joins, sizeof audit->joins);
        if (json_put(facts, "targets", join.list) != 0)
                return error_memory(err, "facts");
        if (store_facts_newest(store, names, now_ms - max_age_ms, moment_now(), join_add, &join, err) != 0)
                return -1;
        if (join.failed)
                return error_memory(err, "facts");
        *out = scope_keep(facts);
        return 0;
}
