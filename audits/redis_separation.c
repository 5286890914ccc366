/* Redis separation: do cache and queue live and die apart?  Cross-layer, from the newest facts of every Redis target.
 * Controls: RED-4. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "json.h"
#include "scope.h"

enum { TARGETS_MOST = 256 };

/* What was counted of one class of keys. */
struct count {
        double keys;
        const char *example; /* where it was seen first: a class, a pattern */
};

/* One Redis target, from the facts of the two audits that look at it. */
struct side {
        const char *name, *role; /* "" when none is configured */
        const json_t *keys;      /* keyspace facts; NULL: the key space was not seen */
        const json_t *servers[2];
        size_t evidence; /* its first entry in targets[] */
        int database;
        bool sampled;
        struct count cache, queue, other;
        size_t domain; /* the first side that stands on the same servers */
};

struct judge {
        const struct policy *policy;
        struct findings *out;
        struct side *sides;
        size_t count;
};

/* --- what the keys are -------------------------------------------------------------------------------------------- */

static bool
belongs(const struct judge *j, const char *setting, const char *pattern, const char *example)
{
        const json_t *globs = policy_value(j->policy, "RED-4", setting);

        return json_globs_match(globs, pattern) || (*example != '\0' && json_globs_match(globs, example));
}

static void
count_add(struct count *count, double keys, const char *where)
{
        if (keys > 0 && count->keys == 0)
                count->example = where;
        count->keys += fmax(keys, 0);
}

/* A class that is no queue's and expires is a cache's: that is what it was declared for. */
static void
side_count(const struct judge *j, struct side *side)
{
        size_t i;
        json_t *row;
        double listed = 0;

        json_array_foreach((json_t *)json_list(side->keys, "classes"), i, row)
        {
                const char *match = json_text(row, "match", "");
                double keys = json_real_or(row, "keys", 0);
                struct count *count = belongs(j, "queue_keys", match, json_text(row, "example", "")) ? &side->queue
                                      : json_flag(row, "expires", true)                              ? &side->cache
                                                                                                     : &side->other;
                count_add(count, keys, match);
        }
        json_array_foreach((json_t *)json_list(side->keys, "patterns"), i, row)
        {
                const char *pattern = json_text(row, "pattern", ""), *example = json_text(row, "example", "");
                double keys = json_real_or(row, "keys", 0);
                struct count *count = belongs(j, "queue_keys", pattern, example)   ? &side->queue
                                      : belongs(j, "cache_keys", pattern, example) ? &side->cache
                                                                                   : &side->other;
                count_add(count, keys, pattern);
                listed += fmax(keys, 0);
        }
        count_add(&side->other, json_real_or(side->keys, "unclassified", 0) - listed, "patterns beyond the listed");
        /* What no list names is what the server is for. */
        struct count *own = strcmp(side->role, "cache") == 0   ? &side->cache
                            : strcmp(side->role, "queue") == 0 ? &side->queue
                                                               : NULL;
        if (own != NULL) {
                count_add(own, side->other.keys, side->other.example);
                side->other = (struct count){0, NULL};
        }
}

/* --- which servers are one ---------------------------------------------------------------------------------------- */

static bool
same_text(const json_t *a, const json_t *b, const char *key, const char *other)
{
        const char *left = json_text(a, key, ""), *right = json_text(b, other, "");

        return *left != '\0' && strspn(left, "0") != strlen(left) && strcmp(left, right) == 0;
}

/* Why two servers are one failure domain; NULL when they are two. */
static const char *
rows_same(const json_t *a, const json_t *b, struct findings *out)
{
        const char *run_id = json_text(a, "run_id", "");

        if (same_text(a, b, "run_id", "run_id"))
                return findings_text(out, "run_id %.12s at %s", run_id, json_text(a, "address", "?"));
        if (same_text(a, b, "replid", "replid"))
                return findings_text(out, "%s and %s replicate the same primary (replication id %.12s)",
                                     json_text(a, "address", "?"), json_text(b, "address", "?"),
                                     json_text(a, "replid", ""));
        if (same_text(a, b, "primary", "address") || same_text(b, a, "primary", "address"))
                return findings_text(out, "%s and %s are primary and replica", json_text(a, "address", "?"),
                                     json_text(b, "address", "?"));
        /* A service that hides its run id is known by its address alone. */
        bool hidden = *run_id == '\0' || *json_text(b, "run_id", "") == '\0';
        return hidden && same_text(a, b, "address", "address")
                       ? findings_text(out, "the same address %s", json_text(a, "address", "?"))
                       : NULL;
}

static const char *
sides_same(const struct side *a, const struct side *b, struct findings *out)
{
        size_t m, n;
        json_t *left, *right;

        for (size_t i = 0; i < 4; i++) {
                json_array_foreach((json_t *)a->servers[i / 2], m, left)
                {
                        json_array_foreach((json_t *)b->servers[i % 2], n, right)
                        {
                                const char *why = rows_same(left, right, out);
                                if (why != NULL)
                                        return why;
                        }
                }
        }
        return NULL;
}

static void
domains_find(const struct judge *j)
{
        for (size_t i = 0; i < j->count; i++) {
                j->sides[i].domain = i;
                for (size_t k = 0; k < i; k++) {
                        if (j->sides[k].domain == j->sides[i].domain ||
                            sides_same(&j->sides[k], &j->sides[i], j->out) == NULL)
                                continue;
                        size_t from = j->sides[i].domain, to = j->sides[k].domain, first = from < to ? from : to;
                        for (size_t m = 0; m <= i; m++) {
                                if (j->sides[m].domain == from || j->sides[m].domain == to)
                                        j->sides[m].domain = first;
                        }
                }
        }
}

/* --- gathering ---------------------------------------------------------------------------------------------------- */

static struct side *
side_of(struct judge *j, const char *name, size_t entry)
{
        for (size_t i = 0; i < j->count; i++) {
                if (strcmp(j->sides[i].name, name) == 0)
                        return &j->sides[i];
        }
        if (j->count == TARGETS_MOST)
                return NULL;
        struct side *side = &j->sides[j->count++];
        *side = (struct side){.name = name, .role = "", .evidence = entry};
        return side;
}

static void
sides_gather(struct judge *j, const json_t *facts)
{
        size_t i;
        json_t *entry;

        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                const json_t *seen = json_map(entry, "facts");
                const char *name = json_text(entry, "target", NULL), *role = json_text(seen, "role", "");
                bool keys = strcmp(json_text(entry, "audit", ""), "redis_keys") == 0;
                struct side *side = name != NULL && seen != NULL ? side_of(j, name, i) : NULL;
                if (side == NULL)
                        continue;
                side->role = *role != '\0' ? role : side->role;
                side->servers[keys ? 0 : 1] = json_list(seen, "servers");
                if (keys) {
                        side->keys = json_map(seen, "keyspace");
                        side->sampled = json_flag(seen, "sampled", false);
                        side->evidence = i;
                }
        }
        for (i = 0; i < j->count; i++) {
                struct side *side = &j->sides[i];
                const json_t *servers = side->servers[0] != NULL ? side->servers[0] : side->servers[1];
                side->database = (int)json_whole(json_array_get(servers, 0), "database", 0);
                side_count(j, side);
        }
}

/* --- one domain --------------------------------------------------------------------------------------------------- */

struct domain {
        const char *names, *sides, *why; /* "cache + queue"; what was seen of each; why they are one server */
        struct count cache, queue, other;
        double unseen; /* keys in databases that no target looks at */
        const char *unseen_database;
        size_t members, roles_cache, roles_queue, roles_mixed, without_keys;
        size_t evidence;
        bool sampled;
        int databases; /* different ones */
};

static const char *
side_words(const struct judge *j, const struct side *side)
{
        struct findings *out = j->out;
        const char *role = *side->role != '\0' ? findings_text(out, "role %s, ", side->role) : "";

        if (side->keys == NULL)
                return findings_text(out, "%s (%sdatabase %d): keys not seen", side->name, role, side->database);
        return findings_text(out, "%s (%sdatabase %d): %.0f queue keys%s%s, %.0f cache keys%s%s%s%s", side->name, role,
                             side->database, side->queue.keys, side->queue.keys > 0 ? " as " : "",
                             side->queue.keys > 0 ? side->queue.example : "", side->cache.keys,
                             side->cache.keys > 0 ? " as " : "", side->cache.keys > 0 ? side->cache.example : "",
                             side->other.keys > 0 ? findings_text(out, ", %.0f of neither", side->other.keys) : "",
                             side->sampled ? ", in a sample" : "");
}

static bool
database_is_seen(const struct judge *j, size_t domain, int database)
{
        for (size_t i = 0; i < j->count; i++) {
                if (j->sides[i].domain == domain && j->sides[i].database == database && j->sides[i].keys != NULL)
                        return true;
        }
        return false;
}

static void
unseen_add(const struct judge *j, const struct side *side, struct domain *domain)
{
        size_t i;
        json_t *server, *keys;
        const char *name;

        json_array_foreach((json_t *)side->servers[0], i, server)
        {
                json_object_foreach((json_t *)json_map(server, "other_databases"), name, keys)
                {
                        if (json_number_value(keys) <= 0 || strncmp(name, "db", 2) != 0 ||
                            database_is_seen(j, side->domain, atoi(name + 2)))
                                continue;
                        domain->unseen = json_number_value(keys);
                        domain->unseen_database = name + 2;
                }
        }
}

static void
domain_fill(const struct judge *j, size_t first, struct domain *domain)
{
        const struct side *before = NULL;

        *domain = (struct domain){.names = "", .sides = "", .evidence = j->sides[first].evidence};
        for (size_t i = first; i < j->count; i++) {
                const struct side *side = &j->sides[i];
                if (side->domain != first)
                        continue;
                const char *gap = domain->members > 0 ? "; " : "";
                domain->names = findings_text(j->out, "%s%s%s", domain->names, domain->members > 0 ? " + " : "",
                                              side->name);
                domain->sides = findings_text(j->out, "%s%s%s", domain->sides, gap, side_words(j, side));
                if (before != NULL && domain->why == NULL)
                        domain->why = sides_same(before, side, j->out);
                domain->databases += before == NULL || before->database != side->database;
                domain->members++;
                domain->roles_cache += strcmp(side->role, "cache") == 0;
                domain->roles_queue += strcmp(side->role, "queue") == 0;
                domain->roles_mixed += strcmp(side->role, "mixed") == 0;
                domain->without_keys += side->keys == NULL;
                domain->sampled = domain->sampled || side->sampled;
                count_add(&domain->cache, side->cache.keys, side->cache.example);
                count_add(&domain->queue, side->queue.keys, side->queue.example);
                count_add(&domain->other, side->other.keys, side->other.example);
                unseen_add(j, side, domain);
                before = side;
        }
}

/* The side with fewer keys is the one that is cheaper to move. */
static const char *
smallest_change(const struct judge *j, const struct domain *domain)
{
        bool queue = domain->queue.keys <= domain->cache.keys;
        const char *keys = domain->cache.keys + domain->queue.keys == 0
                                   ? ""
                                   : findings_text(j->out, " (%.0f keys%s%s)",
                                                   queue ? domain->queue.keys : domain->cache.keys,
                                                   (queue ? domain->queue.keys : domain->cache.keys) > 0 ? " as " : "",
                                                   (queue ? domain->queue.keys > 0 : domain->cache.keys > 0)
                                                           ? queue ? domain->queue.example : domain->cache.example
                                                           : "");

        return queue ? findings_text(
                               j->out,
                               "Move the queue%s to a Redis of its own with maxmemory-policy noeviction: give the "
                               "workers and producers a connection URL of their own, let the old queue drain, and "
                               "leave the cache where it is with volatile-lru.",
                               keys)
                     : findings_text(
                               j->out,
                               "Move the cache%s to a Redis of its own with a maxmemory and volatile-lru: give the "
                               "application a cache URL of its own (a cache may start empty), and leave the queue "
                               "where it is with noeviction.",
                               keys);
}

static void
domain_fail(const struct judge *j, const struct domain *domain, const struct resource *resource)
{
        struct findings *out = j->out;
        const char *why = domain->why != NULL ? findings_text(out, "; one server: %s", domain->why) : "";
        const char *database = domain->databases > 1 ? " Another database number is no separation: memory, eviction, "
                                                       "CPU, persistence and every crash are shared."
                                                     : "";

        findings_add(out, &(struct finding){
                                  .control = "RED-4",
                                  .resource = *resource,
                                  .status = STATUS_FAIL,
                                  .severity = policy_severity(j->policy, "RED-4", false),
                                  .observed = findings_text(out, "%s%s", domain->sides, why),
                                  .expected = "cache and queue on servers of their own",
                                  .message = findings_text(
                                          out,
                                          "Cache and queue share one server: a full cache stops the queue, or "
                                          "eviction takes jobs away, since no maxmemory-policy is right for both.%s",
                                          database),
                                  .remedy = smallest_change(j, domain),
                                  .evidence = findings_text(out, "/targets/%zu", domain->evidence)});
}

static void
domain_judge(const struct judge *j, size_t first)
{
        struct domain domain;
        struct findings *out = j->out;

        domain_fill(j, first, &domain);
        struct resource resource = {.kind = "server of", .name = domain.names};
        bool declared = domain.roles_mixed > 0 || (domain.roles_cache > 0 && domain.roles_queue > 0);
        if (declared || (domain.cache.keys > 0 && domain.queue.keys > 0))
                domain_fail(j, &domain, &resource);
        else if (domain.without_keys == domain.members)
                findings_error(out, "RED-4", &resource, REASON_STALE,
                               findings_text(out,
                                             "The keys of %s were not seen lately: whether it holds both classes is "
                                             "not known.",
                                             domain.names),
                               "run redis_keys of that target in the same job");
        else if (domain.unseen > 0)
                findings_error(
                        out, "RED-4", &resource, REASON_TOO_LITTLE_DATA,
                        findings_text(out,
                                      "Database %s of the same server holds %.0f keys that no target looks at: a "
                                      "database of its own is no separation.",
                                      domain.unseen_database, domain.unseen),
                        findings_text(out, "add a target of kind redis whose url ends in /%s", domain.unseen_database));
        else if (domain.cache.keys + domain.queue.keys == 0)
                findings_error(out, "RED-4", &resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "No key of a cache or a queue was seen: %s.", domain.sides),
                               "give the target its role, key_classes, or policy RED-4 queue_keys and cache_keys that "
                               "fit its names");
        else
                findings_pass(out, "RED-4", &resource, domain.sides, "one class of key on a server",
                              domain.queue.keys > 0 ? "Only queues live on this server."
                                                    : "Nothing of a queue lives on this server.");
}

static void
redis_separation_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                       struct findings *out)
{
        scoped(scope_free) struct side *sides = calloc(TARGETS_MOST, sizeof *sides);
        struct judge j = {policy, out, sides, 0};

        (void)history;
        if (sides == NULL) {
                out->failed = true;
                return;
        }
        sides_gather(&j, facts);
        domains_find(&j);
        for (size_t i = 0; i < j.count; i++) {
                if (sides[i].domain == i)
                        domain_judge(&j, i);
        }
        if (j.count == 0)
                findings_skip(out, "RED-4", "No facts of a Redis target are there.",
                              "configure targets of kind redis, and run redis_keys and redis_memory of them");
}

const struct audit audit_redis_separation = {
        .name = "redis_separation",
        .summary = "cache and queue on servers of their own",
        .controls = {"RED-4"},
        .needs = "facts of the redis_keys and redis_memory audits",
        .joins = {"redis_keys", "redis_memory"},
        .judge = redis_separation_judge,
};
