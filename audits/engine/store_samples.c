/* Samples: numbers worth a trend, by target, series and resource; written by runs and by imports.  And the notes. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"
#include "store_parts.h"

static int
series_id(struct store *store, const char *target, const char *series, const char *resource, int64_t *id,
          struct error *err)
{
        static const char find[] = "SELECT id FROM series WHERE target = $1 AND name = $2 AND resource = $3";
        static const char insert[] = "INSERT INTO series (target, name, resource) VALUES ($1, $2, $3) RETURNING id";
        scoped_buffer clean = BUFFER_INIT(SCRATCH);
        const char *about = pack_clean(resource, &clean);
        int step = 0;

        if (clean.failed)
                return error_memory(err, "a sample");

        for (int pass = 0; step == 0 && pass < 2; pass++) {
                scoped_statement statement = database_statement(store->database, pass == 0 ? find : insert, err);
                if (statement == NULL)
                        return -1;
                bind_text(statement, 1, target);
                bind_text(statement, 2, series);
                bind_text(statement, 3, about);
                step = statement_step(statement, err);
                if (step > 0)
                        *id = column_whole(statement, 0);
        }
        return step < 0 ? -1 : 0;
}

static int
sample_put(struct store *store, const char *target, const char *series, const char *resource, int64_t at_ms,
           double value, struct error *err)
{
        static const char upsert[] = "INSERT INTO samples (series_id, at_ms, value) VALUES ($1, $2, $3)"
                                     " ON CONFLICT (series_id, at_ms) DO UPDATE SET value = excluded.value";
        int64_t id = 0;

        if (!isfinite(value))
                return error_set(err, REASON_CONFIGURATION, "a sample of %s is not a finite number", series);
        if (series_id(store, target, series, resource, &id, err) != 0)
                return -1;
        struct statement *statement = database_statement(store->database, upsert, err);
        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, id);
        bind_whole(statement, 2, at_ms);
        bind_real(statement, 3, value);
        return statement_finish(statement, err);
}

int
store_samples_put(struct store *store, const char *target, int64_t at_ms, const struct findings *findings,
                  struct error *err)
{
        for (size_t i = 0; i < findings->sample_count; i++) {
                const struct sample_row *sample = &findings->samples[i];
                if (sample_put(store, target, sample->series, sample->resource, at_ms, sample->value, err) != 0)
                        return -1;
        }
        return 0;
}

int
store_samples_load(struct store *store, const char *target, const char *series, int64_t since_ms, int64_t until_ms,
                   struct history *history, struct error *err)
{
        static const char load[] =
                "SELECT s.name, s.resource, p.at_ms, p.value FROM series s JOIN samples p ON p.series_id = s.id"
                " WHERE s.target = $1 AND s.name >= $2 AND s.name < $3 AND p.at_ms >= $4 AND p.at_ms < $5"
                " ORDER BY s.name, s.resource, p.at_ms";
        size_t length = strlen(series);
        bool prefix = length > 0 && series[length - 1] == '*';
        scoped_string low = prefix ? strndup(series, length - 1) : strdup(series);
        scoped_string high = NULL;
        scoped_lock held = store_lock(store);
        int step;

        /* One name is the range up to the next possible text; a prefix ends at the highest character there is,
         * U+10FFFF. */
        if (low == NULL || asprintf(&high, "%s%s", low, prefix ? "\xf4\x8f\xbf\xbf" : "\x01") < 0) {
                high = NULL;
                return error_memory(err, "samples");
        }
        scoped_statement statement = database_statement(store->database, load, err);
        if (statement == NULL)
                return -1;
        bind_text(statement, 1, target);
        bind_text(statement, 2, low);
        bind_text(statement, 3, high);
        bind_whole(statement, 4, since_ms);
        bind_whole(statement, 5, until_ms);
        while ((step = statement_step(statement, err)) > 0) {
                if (history_add(history, column_text(statement, 0), column_text(statement, 1),
                                column_whole(statement, 2), column_real(statement, 3)) != 0)
                        return error_memory(err, "samples");
        }
        return step;
}

/* --- import ------------------------------------------------------------------------------------------------- */

int
store_import_begin(struct store *store, struct error *err)
{
        scoped_lock held = store_lock(store);

        return database_begin(store->database, err);
}

int
store_import_sample(struct store *store, const char *target, const char *series, const char *resource, int64_t at_ms,
                    double value, struct error *err)
{
        scoped_lock held = store_lock(store);

        return sample_put(store, target, series, resource != NULL ? resource : "", at_ms, value, err);
}

int
store_import_end(struct store *store, bool keep, struct error *err)
{
        scoped_lock held = store_lock(store);

        if (keep)
                return database_commit(store->database, err);
        database_rollback(store->database);
        return 0;
}

/* --- notes -------------------------------------------------------------------------------------------------- */

int
store_note_put(struct store *store, const char *topic, const char *name, int64_t at_ms, const json_t *note,
               struct error *err)
{
        static const char upsert[] = "INSERT INTO notes (topic, name, at_ms, body) VALUES ($1, $2, $3, $4)"
                                     " ON CONFLICT (topic, name) DO UPDATE SET at_ms = excluded.at_ms,"
                                     " body = excluded.body";
        scoped_string body = NULL;

        if (pack_text(note, &body, err) != 0)
                return -1;
        scoped_lock held = store_lock(store);
        struct statement *statement = database_statement(store->database, upsert, err);
        if (statement == NULL)
                return -1;
        bind_text(statement, 1, topic);
        bind_text(statement, 2, name);
        bind_whole(statement, 3, at_ms);
        bind_text(statement, 4, body);
        return statement_finish(statement, err);
}

int
store_note_read(struct store *store, const char *topic, const char *name, json_t **note, struct error *err)
{
        static const char find[] = "SELECT body FROM notes WHERE topic = $1 AND name = $2";
        scoped_lock held = store_lock(store);
        scoped_statement statement = database_statement(store->database, find, err);

        *note = NULL;
        if (statement == NULL)
                return -1;
        bind_text(statement, 1, topic);
        bind_text(statement, 2, name);
        int step = statement_step(statement, err);
        if (step <= 0)
                return step;
        *note = json_loads(column_text(statement, 0), JSON_DECODE_ANY, NULL);
        return 0;
}

int
store_note_list(struct store *store, const char *topic, json_t **out, struct error *err)
{
        static const char list[] = "SELECT name, at_ms, body FROM notes WHERE topic = $1 ORDER BY at_ms DESC, name";
        scoped_lock held = store_lock(store);
        scoped_statement statement = database_statement(store->database, list, err);
        scoped_json notes = json_array();
        int step;

        if (statement == NULL)
                return -1;
        bind_text(statement, 1, topic);
        while ((step = statement_step(statement, err)) > 0) {
                json_t *entry = json_push(notes, json_object());
                json_t *note = json_loads(column_text(statement, 2), JSON_DECODE_ANY, NULL);
                if (note == NULL)
                        return error_set(err, REASON_INTERNAL, "store %s: the note %s of %s is damaged", store->path,
                                         column_text(statement, 0), topic);
                if (json_put(entry, "note", note) != 0 ||
                    json_put_text(entry, "name", column_text(statement, 0)) != 0 ||
                    json_put_whole(entry, "at_ms", column_whole(statement, 1)) != 0)
                        return error_memory(err, "notes");
        }
        if (step < 0)
                return -1;
        *out = scope_keep(notes);
        return 0;
}
