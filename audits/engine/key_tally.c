/* What keys of one kind add up to: counters, a histogram of their times to live, an example. */

#include "key_classes_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

static int
bucket_of(int64_t ttl_ms)
{
        int bucket = ttl_ms <= 1 ? 0 : (int)(log((double)ttl_ms) / log(1.05));

        return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

char *
key_name_cut(const char *name, size_t length)
{
        scoped_json text = json_bytes(name, length < NAME_CUT ? length : NAME_CUT);

        return text != NULL ? strdup(json_string_value(text)) : NULL;
}

int
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
                tally->example = key_name_cut(key->name, key->length);
                tally->example_lasts = lasts;
        }
        return tally->example != NULL ? 0 : -1;
}

void
tally_free(struct tally *tally)
{
        free(tally->buckets);
        free(tally->example);
        *tally = (struct tally){.keys = 0};
}

void
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

json_t *
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
