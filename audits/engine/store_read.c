/* The store read back: findings, inventory and facts of a run, in an order that never depends on chance. */

#include <stdlib.h>
#include <string.h>

#include "catalogue.h"
#include "scope.h"
#include "store_parts.h"

/* --- findings ----------------------------------------------------------------------------------------------- */

/* The catalogue's order is the program's, not the store's, so it travels in the query.  Control ids are our own. */
static const char *
findings_query(struct store *store, struct error *err)
{
        scoped_buffer sql = BUFFER_INIT(256 * 1024);
        size_t place = 0;

        if (store->findings_query != NULL)
                return store->findings_query;
        buffer_text(&sql, "WITH catalogue (control, place) AS (VALUES ('', 0)");
        for (size_t i = 0; playbooks[i] != NULL; i++) {
                for (const struct control *control = playbooks[i]->controls; control->id != NULL; control++)
                        buffer_format(&sql, ", ('%s', %zu)", control->id, ++place);
        }
        buffer_text(&sql, ") SELECT i.control, i.resource_kind, i.resource_namespace, i.resource_name, f.status,"
                          " f.severity, f.reason, f.observed, f.expected, f.message, f.remedy, f.evidence,"
                          " i.fingerprint, r.target, r.audit, f.owner, f.waiver, f.note, f.first_seen_ms"
                          " FROM results r JOIN findings f ON f.result_id = r.id"
                          " JOIN identities i ON i.id = f.identity_id"
                          " LEFT JOIN catalogue c ON c.control = i.control WHERE r.run_id = $1"
                          " ORDER BY f.status, f.severity, COALESCE(c.place, 1000000), i.control, r.target,"
                          " COALESCE(i.resource_kind, ''), COALESCE(i.resource_namespace, ''),"
                          " COALESCE(i.resource_name, ''), r.audit, f.id");
        store->findings_query = buffer_take(&sql);
        if (store->findings_query == NULL)
                error_memory(err, "findings");
        return store->findings_query;
}

static void
fingerprint_text(const unsigned char *bytes, size_t size, char text[FINGERPRINT_TEXT])
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < 32; i++) {
                unsigned char byte = bytes != NULL && i < size ? bytes[i] : 0;
                text[2 * i] = digits[byte >> 4];
                text[2 * i + 1] = digits[byte & 15];
        }
        text[FINGERPRINT_TEXT - 1] = '\0';
}

/* A status or severity that nobody writes reads as an error, and as none. */
static enum status
status_of(int64_t status)
{
        return status >= STATUS_FAIL && status <= STATUS_PASS ? (enum status)status : STATUS_ERROR;
}

static enum severity
severity_of(int64_t severity)
{
        return severity >= SEV_NONE && severity <= SEV4 ? (enum severity)severity : SEV_NONE;
}

/* A row whose texts are borrowed from the statement. */
static struct finding_row
finding_of(struct statement *row, char fingerprint[FINGERPRINT_TEXT])
{
        const char *reason = column_text(row, 6);
        size_t size;
        const void *key = column_bytes(row, 12, &size);

        fingerprint_text(key, size, fingerprint);
        return (struct finding_row){
                .finding = {.control = column_text(row, 0),
                            .resource = {.kind = column_text(row, 1),
                                         .namespace_ = column_text(row, 2),
                                         .name = column_text(row, 3)},
                            .status = status_of(column_whole(row, 4)),
                            .severity = severity_of(column_whole(row, 5)),
                            .reason = reason != NULL && *reason != '\0' ? reason_from_name(reason) : REASON_NONE,
                            .observed = column_text(row, 7),
                            .expected = column_text(row, 8),
                            .message = column_text(row, 9),
                            .remedy = column_text(row, 10),
                            .evidence = column_text(row, 11),
                            .owner = column_text(row, 15)},
                .fingerprint = fingerprint,
                .target = column_text(row, 13),
                .audit = column_text(row, 14),
                .owner = column_text(row, 15),
                .waiver = column_text(row, 16),
                .note = column_text(row, 17),
                .first_seen_ms = column_whole(row, 18),
        };
}

int
store_findings_count(struct store *store, int64_t run, struct finding_counts *counts, struct error *err)
{
        static const char groups[] =
                "SELECT f.status, f.severity, count(*) FROM results r JOIN findings f ON f.result_id = r.id"
                " WHERE r.run_id = $1 GROUP BY 1, 2";
        scoped_lock held = store_lock(store);
        scoped_statement statement = database_statement(store->database, groups, err);
        int step;

        *counts = (struct finding_counts){0};
        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, run);
        while ((step = statement_step(statement, err)) > 0) {
                enum status status = status_of(column_whole(statement, 0));
                size_t count = (size_t)column_whole(statement, 2);
                counts->by_status[status] += count;
                if (status == STATUS_FAIL)
                        counts->fails[severity_of(column_whole(statement, 1))] += count;
        }
        return step;
}

int
store_findings_each(struct store *store, int64_t run, finding_visit visit, void *context, struct error *err)
{
        scoped_lock held = store_lock(store);
        const char *sql = findings_query(store, err);
        char fingerprint[FINGERPRINT_TEXT];
        int step;

        if (sql == NULL)
                return -1;
        scoped_statement statement = database_statement(store->database, sql, err);
        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, run);
        while ((step = statement_step(statement, err)) > 0) {
                struct finding_row row = finding_of(statement, fingerprint);
                if (statement_sound(statement, err) != 0)
                        return -1;
                if (visit(context, &row) != 0)
                        return 0;
        }
        return step;
}

/* --- inventory ---------------------------------------------------------------------------------------------- */

int
store_inventory_each(struct store *store, int64_t run, inventory_visit visit, void *context, struct error *err)
{
        static const char list[] =
                "SELECT v.kind, r.target, v.body FROM results r JOIN inventory v ON v.result_id = r.id"
                " WHERE r.run_id = $1 ORDER BY v.kind, r.target, v.row_id, r.audit, v.id";
        scoped_lock held = store_lock(store);
        scoped_statement statement = database_statement(store->database, list, err);
        int step;

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, run);
        while ((step = statement_step(statement, err)) > 0) {
                const char *body = column_text(statement, 2);
                scoped_json row = body != NULL ? json_loads(body, 0, NULL) : NULL;
                if (row == NULL)
                        return error_set(err, REASON_INTERNAL, "store %s: an inventory row of run %lld is damaged",
                                         store->path, (long long)run);
                if (visit(context, column_text(statement, 0), column_text(statement, 1), row) != 0)
                        return 0;
        }
        return step;
}

/* --- facts -------------------------------------------------------------------------------------------------- */

#define FACTS_COLUMNS "r.target, r.kind, r.owner, r.audit, r.started_ms, f.body"

/* Hands the row's facts to the visitor: 1 when it wants no more. */
static int
facts_tell(struct store *store, struct statement *row, facts_visit visit, void *context, struct error *err)
{
        scoped_json facts = NULL;
        size_t size;
        const void *packed = column_bytes(row, 5, &size);

        if (unpack_json(packed, size, &facts, err) != 0)
                return error_wrap(err, "store %s: facts of %s, %s", store->path, column_text(row, 0),
                                  column_text(row, 3));
        return visit(context, column_text(row, 0), column_text(row, 1), column_text(row, 2), column_text(row, 3),
                     column_whole(row, 4), facts) != 0
                       ? 1
                       : 0;
}

int
store_facts_each(struct store *store, int64_t run, facts_visit visit, void *context, struct error *err)
{
        static const char list[] = "SELECT " FACTS_COLUMNS " FROM results r JOIN facts f ON f.result_id = r.id"
                                   " WHERE r.run_id = $1 ORDER BY r.target, r.audit";
        scoped_lock held = store_lock(store);
        scoped_statement statement = database_statement(store->database, list, err);
        int step, told = 0;

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, run);
        while (told == 0 && (step = statement_step(statement, err)) != 0) {
                if (step < 0)
                        return -1;
                told = facts_tell(store, statement, visit, context, err);
        }
        return told < 0 ? -1 : 0;
}

struct newest {
        char *target;
        const char *audit;
        int64_t result;
};

struct newest_list {
        struct newest *rows;
        size_t count;
};

static void
newest_free(struct newest_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                free(list->rows[i].target);
        free(list->rows);
}

static int
by_target_and_audit(const void *left, const void *right)
{
        const struct newest *a = left, *b = right;
        int by = strcmp(a->target, b->target);

        return by != 0 ? by : strcmp(a->audit, b->audit);
}

static int
newest_of(struct store *store, const char *audit, int64_t since_ms, int64_t until_ms, struct newest_list *list,
          struct error *err)
{
        static const char find[] =
                "SELECT target, id FROM (SELECT r.target, r.id, row_number() OVER (PARTITION BY r.target"
                " ORDER BY r.started_ms DESC, r.id DESC) AS place FROM results r JOIN facts f ON f.result_id = r.id"
                " WHERE r.audit = $1 AND r.started_ms >= $2 AND r.started_ms <= $3) AS taken WHERE place = 1"
                " ORDER BY target";
        scoped_statement statement = database_statement(store->database, find, err);
        int step;

        if (statement == NULL)
                return -1;
        bind_text(statement, 1, audit);
        bind_whole(statement, 2, since_ms);
        bind_whole(statement, 3, until_ms);
        while ((step = statement_step(statement, err)) > 0) {
                struct newest *rows = reallocarray(list->rows, list->count + 1, sizeof *rows);
                char *target = strdup(column_text(statement, 0));
                if (rows != NULL)
                        list->rows = rows;
                if (rows == NULL || target == NULL) {
                        free(target);
                        return error_memory(err, "facts");
                }
                rows[list->count++] = (struct newest){
                        .target = target, .audit = audit, .result = column_whole(statement, 1)};
        }
        return step;
}

int
store_facts_newest(struct store *store, const char *const *audits, int64_t since_ms, int64_t until_ms,
                   facts_visit visit, void *context, struct error *err)
{
        static const char read[] = "SELECT " FACTS_COLUMNS " FROM results r JOIN facts f ON f.result_id = r.id"
                                   " WHERE r.id = $1";
        scoped_lock held = store_lock(store);
        scoped(newest_free) struct newest_list list = {0};

        for (size_t i = 0; audits[i] != NULL; i++) {
                if (newest_of(store, audits[i], since_ms, until_ms, &list, err) != 0)
                        return -1;
        }
        if (list.count > 1)
                qsort(list.rows, list.count, sizeof *list.rows, by_target_and_audit);
        for (size_t i = 0; i < list.count; i++) {
                scoped_statement statement = database_statement(store->database, read, err);
                if (statement == NULL)
                        return -1;
                bind_whole(statement, 1, list.rows[i].result);
                int step = statement_step(statement, err);
                int told = step > 0 ? facts_tell(store, statement, visit, context, err) : step;
                if (told != 0)
                        return told < 0 ? -1 : 0;
        }
        return 0;
}
