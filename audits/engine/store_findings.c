/* Findings into the store: fingerprints interned, lines of fails kept up, waivers asked for. */

#include <stdlib.h>
#include <string.h>

#include "scope.h"
#include "store_parts.h"

/* What one result says about one control: a line of fails may end unseen only where the control was assessed in full.
 */
struct coverage {
        const char *control;
        bool assessed, error;
};

#define CONTROLS  64
#define SCRATCHES 6 /* texts of a finding that may hold a secret */

struct identity {
        int64_t id;
        int64_t failing_since_ms; /* 0: not failing */
};

static bool
is_failing(enum status status)
{
        return status == STATUS_FAIL || status == STATUS_WAIVED;
}

/* --- identities --------------------------------------------------------------------------------------------- */

static void
fingerprint_bytes(const char *text, unsigned char bytes[32])
{
        for (size_t i = 0; i < 32; i++) {
                unsigned char value = 0;
                for (size_t j = 0; j < 2; j++) {
                        char c = text[2 * i + j];
                        value = (unsigned char)(value << 4 | (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10));
                }
                bytes[i] = value;
        }
}

static int
identity_add(struct store *store, const struct finding_row *row, const unsigned char key[32], int64_t *id,
             struct error *err)
{
        static const char insert[] =
                "INSERT INTO identities (fingerprint, control, target, audit, resource_kind, resource_namespace,"
                " resource_name) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
        scoped_buffer kind = BUFFER_INIT(SCRATCH), space = BUFFER_INIT(SCRATCH), name = BUFFER_INIT(SCRATCH);
        scoped_statement statement = database_statement(store->database, insert, err);

        if (statement == NULL)
                return -1;
        bind_bytes(statement, 1, key, 32);
        bind_text(statement, 2, row->finding.control);
        bind_text(statement, 3, row->target);
        bind_text(statement, 4, row->audit);
        bind_text(statement, 5, pack_clean(row->finding.resource.kind, &kind));
        bind_text(statement, 6, pack_clean(row->finding.resource.namespace_, &space));
        bind_text(statement, 7, pack_clean(row->finding.resource.name, &name));
        if (kind.failed || space.failed || name.failed)
                return error_memory(err, "a finding");
        int step = statement_step(statement, err);
        if (step > 0)
                *id = column_whole(statement, 0);
        return step < 0 ? -1 : 0;
}

static int
identity_of(struct store *store, const struct finding_row *row, struct identity *identity, struct error *err)
{
        static const char find[] = "SELECT id, COALESCE(failing_since_ms, 0) FROM identities WHERE fingerprint = $1";
        unsigned char key[32];
        scoped_statement statement = database_statement(store->database, find, err);

        if (statement == NULL)
                return -1;
        fingerprint_bytes(row->fingerprint, key);
        bind_bytes(statement, 1, key, sizeof key);
        int step = statement_step(statement, err);
        if (step < 0)
                return -1;
        if (step > 0) {
                *identity = (struct identity){.id = column_whole(statement, 0),
                                              .failing_since_ms = column_whole(statement, 1)};
                return 0;
        }
        *identity = (struct identity){0};
        return identity_add(store, row, key, &identity->id, err);
}

static int
identity_line(struct store *store, int64_t id, const char *audit, int64_t since_ms, struct error *err)
{
        static const char update[] = "UPDATE identities SET failing_since_ms = $2, audit = $3 WHERE id = $1";
        struct statement *statement = database_statement(store->database, update, err);

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, id);
        if (since_ms != 0)
                bind_whole(statement, 2, since_ms);
        else
                bind_null(statement, 2);
        bind_text(statement, 3, audit);
        return statement_finish(statement, err);
}

/* --- lines of an old run ------------------------------------------------------------------------------------- */

/* True when a result between two runs assessed the control in full and did not see the identity any more. */
static int
line_broken(const struct finding_context *context, const struct finding_row *row, int64_t identity, int64_t after,
            bool *broken, struct error *err)
{
        static const char gone[] =
                "SELECT 1 FROM results r WHERE r.target = $1 AND r.audit = $2 AND r.run_id > $3 AND r.run_id < $4"
                " AND EXISTS (SELECT 1 FROM findings f JOIN identities i ON i.id = f.identity_id"
                " WHERE f.result_id = r.id AND i.control = $5 AND f.status IN (0, 2, 4))"
                " AND NOT EXISTS (SELECT 1 FROM findings f JOIN identities i ON i.id = f.identity_id"
                " WHERE f.result_id = r.id AND i.control = $5 AND f.status = 1)"
                " AND NOT EXISTS (SELECT 1 FROM findings f WHERE f.result_id = r.id AND f.identity_id = $6) LIMIT 1";
        scoped_statement statement = database_statement(context->store->database, gone, err);

        if (statement == NULL)
                return -1;
        bind_text(statement, 1, row->target);
        bind_text(statement, 2, row->audit);
        bind_whole(statement, 3, after);
        bind_whole(statement, 4, context->run);
        bind_text(statement, 5, row->finding.control);
        bind_whole(statement, 6, identity);
        int step = statement_step(statement, err);
        *broken = step > 0;
        return step < 0 ? -1 : 0;
}

/* When the line began that was open just before this run, told from the findings of then; 0: none was. */
static int
line_before(const struct finding_context *context, const struct finding_row *row, int64_t identity, int64_t *since_ms,
            struct error *err)
{
        static const char same[] = "SELECT first_seen_ms FROM findings WHERE identity_id = $1 AND result_id = $2"
                                   " AND status IN (0, 1, 2) ORDER BY id LIMIT 1";
        static const char earlier[] =
                "SELECT f.status, f.first_seen_ms, r.run_id FROM findings f JOIN results r ON r.id = f.result_id"
                " WHERE f.identity_id = $1 AND r.run_id < $2 AND f.status IN (0, 2, 4)"
                " ORDER BY r.run_id DESC, f.id LIMIT 1";
        bool broken = false;

        *since_ms = 0;
        scoped_statement now = database_statement(context->store->database, same, err);
        if (now == NULL)
                return -1;
        bind_whole(now, 1, identity);
        bind_whole(now, 2, context->result);
        int step = statement_step(now, err);
        if (step != 0) {
                *since_ms = step > 0 ? column_whole(now, 0) : 0;
                return step < 0 ? -1 : 0;
        }
        scoped_statement then = database_statement(context->store->database, earlier, err);
        if (then == NULL)
                return -1;
        bind_whole(then, 1, identity);
        bind_whole(then, 2, context->run);
        step = statement_step(then, err);
        if (step <= 0)
                return step;
        if (!is_failing((enum status)column_whole(then, 0)))
                return 0;
        if (line_broken(context, row, identity, column_whole(then, 2), &broken, err) != 0)
                return -1;
        *since_ms = broken ? 0 : column_whole(then, 1);
        return 0;
}

/* --- one finding -------------------------------------------------------------------------------------------- */

/* Sets row->first_seen_ms and keeps the identity's open line. */
static int
keep_line(const struct finding_context *context, struct finding_row *row, const struct identity *identity,
          struct error *err)
{
        enum status status = row->finding.status;
        int64_t since_ms = identity->failing_since_ms;

        if (context->again && line_before(context, row, identity->id, &since_ms, err) != 0)
                return -1;
        if (is_failing(status))
                row->first_seen_ms = since_ms != 0 ? since_ms : context->run_started_ms;
        else
                row->first_seen_ms = status == STATUS_ERROR ? since_ms : 0;
        if (!context->newest)
                return 0;
        if (is_failing(status) && identity->failing_since_ms != row->first_seen_ms)
                return identity_line(context->store, identity->id, row->audit, row->first_seen_ms, err);
        if (status == STATUS_PASS && identity->failing_since_ms != 0)
                return identity_line(context->store, identity->id, row->audit, 0, err);
        return 0;
}

static int
finding_insert(const struct finding_context *context, const struct finding_row *row, int64_t identity,
               struct buffer scratch[SCRATCHES], struct error *err)
{
        static const char insert[] =
                "INSERT INTO findings (result_id, identity_id, status, severity, reason, observed, expected, message,"
                " remedy, owner, evidence, waiver, note, first_seen_ms)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
        const struct finding *finding = &row->finding;
        scoped_statement statement = database_statement(context->store->database, insert, err);

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, context->result);
        bind_whole(statement, 2, identity);
        bind_whole(statement, 3, finding->status);
        bind_whole(statement, 4, finding->severity);
        bind_text(statement, 5, reason_name(finding->reason));
        bind_text(statement, 6, pack_clean(finding->observed, &scratch[0]));
        bind_text(statement, 7, pack_clean(finding->expected, &scratch[1]));
        bind_text(statement, 8, pack_clean(finding->message, &scratch[2]));
        bind_text(statement, 9, pack_clean(finding->remedy, &scratch[3]));
        bind_text(statement, 10, row->owner);
        bind_text(statement, 11, pack_clean(finding->evidence, &scratch[4]));
        bind_text(statement, 12, row->waiver);
        bind_text(statement, 13, pack_clean(row->note, &scratch[5]));
        bind_whole(statement, 14, row->first_seen_ms);
        for (size_t i = 0; i < SCRATCHES; i++) {
                if (scratch[i].failed)
                        return error_memory(err, "a finding");
        }
        return statement_step(statement, err) < 0 ? -1 : 0;
}

static void
note_coverage(struct coverage controls[CONTROLS], size_t *count, const struct finding *finding)
{
        size_t i = 0;

        while (i < *count && strcmp(controls[i].control, finding->control) != 0)
                i++;
        if (i == CONTROLS)
                return;
        if (i == *count)
                controls[(*count)++] = (struct coverage){.control = finding->control};
        controls[i].error |= finding->status == STATUS_ERROR;
        controls[i].assessed |= is_failing(finding->status) || finding->status == STATUS_PASS;
}

static int
finding_put(const struct finding_context *context, const struct finding *finding, struct buffer scratch[SCRATCHES],
            struct error *err)
{
        char fingerprint[FINGERPRINT_TEXT];
        struct identity identity;
        struct finding_row row = {
                .finding = *finding,
                .fingerprint = fingerprint,
                .target = context->given->target,
                .audit = context->given->audit,
                .owner = finding->owner != NULL          ? finding->owner
                         : context->given->owner != NULL ? context->given->owner
                                                         : "",
        };

        finding_fingerprint(finding->control, row.target, &finding->resource, fingerprint);
        if (identity_of(context->store, &row, &identity, err) != 0)
                return -1;
        if (context->filter != NULL)
                context->filter(context->filter_context, &row);
        if (keep_line(context, &row, &identity, err) != 0)
                return -1;
        return finding_insert(context, &row, identity.id, scratch, err);
}

/* --- all of a result ---------------------------------------------------------------------------------------- */

/* Lines end where the control was assessed in full and the thing that failed is no longer there. */
static int
close_lines(const struct finding_context *context, const struct coverage *control, struct error *err)
{
        static const char update[] =
                "UPDATE identities SET failing_since_ms = NULL WHERE target = $1 AND audit = $2 AND control = $3"
                " AND failing_since_ms IS NOT NULL AND NOT EXISTS"
                " (SELECT 1 FROM findings f WHERE f.identity_id = identities.id AND f.result_id = $4)";
        struct statement *statement = database_statement(context->store->database, update, err);

        if (statement == NULL)
                return -1;
        bind_text(statement, 1, context->given->target);
        bind_text(statement, 2, context->given->audit);
        bind_text(statement, 3, control->control);
        bind_whole(statement, 4, context->result);
        return statement_finish(statement, err);
}

static int
newest_finding(const struct finding_context *context, int64_t *id, struct error *err)
{
        static const char newest[] = "SELECT COALESCE(max(id), 0) FROM findings WHERE result_id = $1";
        scoped_statement statement = database_statement(context->store->database, newest, err);

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, context->result);
        int step = statement_step(statement, err);
        *id = step > 0 ? column_whole(statement, 0) : 0;
        return step < 0 ? -1 : 0;
}

static int
drop_old(const struct finding_context *context, int64_t last_old, struct error *err)
{
        static const char drop[] = "DELETE FROM findings WHERE result_id = $1 AND id <= $2";
        struct statement *statement = database_statement(context->store->database, drop, err);

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, context->result);
        bind_whole(statement, 2, last_old);
        return statement_finish(statement, err);
}

int
store_findings_put(const struct finding_context *context, struct error *err)
{
        const struct findings *findings = context->given->findings;
        struct coverage controls[CONTROLS];
        struct buffer scratch[SCRATCHES];
        size_t count = 0;
        int64_t last_old = 0;
        int result = context->again ? newest_finding(context, &last_old, err) : 0;

        for (size_t i = 0; i < SCRATCHES; i++)
                scratch[i] = BUFFER_INIT(SCRATCH);
        for (size_t i = 0; result == 0 && i < findings->count; i++) {
                result = finding_put(context, &findings->rows[i], scratch, err);
                note_coverage(controls, &count, &findings->rows[i]);
        }
        for (size_t i = 0; i < SCRATCHES; i++)
                buffer_free(&scratch[i]);
        if (result == 0 && context->again)
                result = drop_old(context, last_old, err);
        for (size_t i = 0; result == 0 && context->newest && i < count; i++) {
                if (controls[i].assessed && !controls[i].error)
                        result = close_lines(context, &controls[i], err);
        }
        return result;
}
