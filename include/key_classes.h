/* What a scan of a key space adds up to: per class and per discovered pattern, in bounded memory however many keys
 * there are.
 *
 * Pure: no connection, no policy.  Durations in milliseconds, sizes in bytes. */
#ifndef ROUNDS_KEY_CLASSES_H
#define ROUNDS_KEY_CLASSES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One key as seen. */
struct key_seen {
        const char *name; /* any bytes */
        size_t length;
        const char *type;   /* "string", "list" ... */
        int64_t ttl_ms;     /* -1: never expires */
        int64_t size_bytes; /* -1: unknown */
};

struct key_classes;

/* `classes`: array of {"name", "match" (a shell pattern), ...} in order, the first match wins; borrowed until closed.
 * NULL when memory ran out. */
struct key_classes *key_classes_open(const json_t *classes);
void key_classes_close(struct key_classes *all);

/* Adds a key.  0, or -1 when memory ran out. */
int key_classes_add(struct key_classes *all, const struct key_seen *key);

/* {"classes": [{name, match, bound_ms, expires, keys, bytes, without_ttl, too_long, ttl {p50_ms, p90_ms, p99_ms,
 * max_ms}, example}], "patterns": [the same for discovered patterns of unclassified keys, most keys first, at most 200,
 * with "pattern"], "types": {"string": {keys, bytes, largest [{name, bytes, ttl_ms}]}}, "keys", "bytes",
 * "unclassified"}. New. too_long counts keys that live longer than the class' "ttl" (milliseconds; bound_ms, -1: none).
 * bytes is -1 where no size is known.  A percentile is right to within 5 %.  Names are UTF-8, cut at 120 bytes. */
json_t *key_classes_json(const struct key_classes *all);

/* Everything added up so far, for key_classes_resume() in another run: opaque, a few megabytes at most.  New; NULL when
 * it is more than that, or memory ran out. */
json_t *key_classes_state(const struct key_classes *all);

/* Goes on where `state` stood: of the same classes, before any key is added.  0, or -1 when memory ran out.  What
 * cannot be read counts as nothing. */
int key_classes_resume(struct key_classes *all, const json_t *state);

#endif
