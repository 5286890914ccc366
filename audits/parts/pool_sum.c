/* The pool algebra: sum over (database, user) of pool_size + reserve, under the caps, times the instances. */

#include "pool_sum.h"

#include <math.h>
#include <string.h>

#include "json.h"

enum { LARGEST = 512 }; /* users and databases looked at: more are counted as if all were different */

bool
pool_is_console(const char *database)
{
        return strcmp(database, "pgbouncer") == 0;
}

struct tally {
        const json_t *instance;
        const json_t *hosts; /* only databases of these; NULL: all */
        double replaced;     /* default_pool_size that is replaced ... */
        double replacement;  /* ... by this; 0: nothing is */
        bool every_user;
        const char *users[LARGEST]; /* server side users, with what all their pools add up to */
        double user_sums[LARGEST];
        size_t user_count;
        double by_database, rest; /* `rest`: users past LARGEST */
        size_t pools;
        bool capped, reserves;
};

static bool
host_counts(const struct tally *tally, const char *host)
{
        return json_array_size(tally->hosts) == 0 || json_holds(tally->hosts, host);
}

static const json_t *
user_row(const struct tally *tally, const char *user)
{
        return json_find(json_list(tally->instance, "users"), "name", user);
}

/* One pool's size with its reserve: the user's own setting, else the database's. */
static double
pool_size(struct tally *tally, const json_t *database, const char *user)
{
        const json_t *own = user_row(tally, user);
        double size = json_real_or(own, "pool_size", 0);
        double reserve = json_real_or(own, "reserve_pool", 0);

        if (!(size > 0))
                size = json_real_or(database, "pool_size", 0);
        if (tally->replacement > 0 && size == tally->replaced)
                size = fmin(size, tally->replacement);
        if (!(reserve > 0))
                reserve = json_real_or(database, "reserve_pool", 0);
        tally->reserves = tally->reserves || reserve > 0;
        return fmax(size, 0) + fmax(reserve, 0);
}

static void
add_user(struct tally *tally, const char *user, double size)
{
        for (size_t i = 0; i < tally->user_count; i++) {
                if (strcmp(tally->users[i], user) == 0) {
                        tally->user_sums[i] += size;
                        return;
                }
        }
        if (tally->user_count == LARGEST) {
                tally->rest += size;
                return;
        }
        tally->users[tally->user_count] = user;
        tally->user_sums[tally->user_count++] = size;
}

/* Every user that has a pool of this database (or could have one), once. */
static double
database_sum(struct tally *tally, const json_t *database)
{
        const char *name = json_text(database, "name", ""), *forced = json_text(database, "force_user", "");
        const char *list = tally->every_user ? "users" : "pools", *key = tally->every_user ? "name" : "user";
        double sum = 0;
        size_t i, found = 0;
        json_t *row;

        json_array_foreach((json_t *)json_list(tally->instance, list), i, row)
        {
                const char *user = json_text(row, key, "");
                if (*forced != '\0' || pool_is_console(user) ||
                    (!tally->every_user && strcmp(json_text(row, "database", ""), name) != 0))
                        continue;
                double size = pool_size(tally, database, user);
                add_user(tally, user, size);
                sum += size;
                found++;
        }
        /* A database that nobody uses yet can open one pool at the least. */
        if (found == 0) {
                sum = pool_size(tally, database, forced);
                add_user(tally, forced, sum);
                found = 1;
        }
        tally->pools += found;
        double most = json_real_or(database, "max_connections", 0);
        if (most > 0 && most < sum) {
                tally->capped = true;
                sum = most;
        }
        return sum;
}

static double
instance_sum(struct tally *tally)
{
        const json_t *config = json_map(tally->instance, "config");
        double by_user = 0;
        size_t i;
        json_t *database;

        json_array_foreach((json_t *)json_list(tally->instance, "databases"), i, database)
        {
                if (!pool_is_console(json_text(database, "name", "")) &&
                    host_counts(tally, json_text(database, "host", "")))
                        tally->by_database += database_sum(tally, database);
        }
        for (size_t k = 0; k < tally->user_count; k++) {
                double most = json_real_or(user_row(tally, tally->users[k]), "max_user_connections", 0);
                if (!(most > 0))
                        most = json_real_or(config, "max_user_connections", 0);
                /* The user "" stands for one that is not known yet. */
                if (most > 0 && most < tally->user_sums[k]) {
                        tally->capped = true;
                        by_user += most;
                } else {
                        by_user += tally->user_sums[k];
                }
        }
        return fmin(tally->by_database, by_user + tally->rest);
}

struct pool_sum
pool_sum(const json_t *facts, double replacement)
{
        struct pool_sum out = {0};
        size_t i, pools = 0;
        json_t *instance;

        json_array_foreach((json_t *)json_list(facts, "instances"), i, instance)
        {
                if (json_list(instance, "databases") == NULL)
                        continue;
                double defaults = json_real_or(json_map(instance, "config"), "default_pool_size", 0);
                struct tally now = {.instance = instance,
                                    .hosts = json_list(facts, "hosts"),
                                    .replaced = defaults,
                                    .replacement = replacement};
                struct tally all = now;
                all.every_user = true;
                double seen = instance_sum(&now);
                out.servers += seen;
                out.every_user += fmax(seen, instance_sum(&all));
                out.capped = out.capped || now.capped;
                out.reserves = out.reserves || now.reserves;
                pools += now.pools;
                if (out.instances == 0)
                        out.defaults = defaults;
                out.instances++;
        }
        if (out.instances > 0)
                out.pools = pools / (size_t)out.instances;
        double declared = json_real_or(facts, "declared", 0);
        if (declared > out.instances && out.instances > 0) {
                out.servers *= declared / out.instances;
                out.every_user *= declared / out.instances;
                out.instances = declared;
        }
        return out;
}
