/* The store's way to its database: prepared statements, transactions, errors as values.
 *
 * Statements are written so that SQLite and PostgreSQL take the very same text: $1-style parameters, casts where a type
 * could be in doubt, ON CONFLICT, RETURNING, no pragma and no function of one engine alone.  What differs (tables,
 * opening, upkeep) stays in the file of the engine (sqlite.c) and in migrations.c.
 *
 * A database may be shared by threads under the caller's lock.  Binding never fails by itself: a failure is kept and
 * told by the next statement_step().  Texts and blobs are borrowed until the statement is done. */
#ifndef ROUNDS_DATABASE_H
#define ROUNDS_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct database;
struct statement;

/* Opens the file (created with mode 0640 when missing, unless `read_only`).  A read-only store in a folder that cannot
 * be written is read as it stands.  REASON_CONFIGURATION when it cannot be opened. */
int database_open(const char *path, bool read_only, struct database **out, struct error *err)
        __attribute__((warn_unused_result));
void database_close(struct database *database);

/* True when the next commits must survive a power cut (run boundaries); false: a crash of the process alone. */
int database_durable(struct database *database, bool durable, struct error *err);

/* Gives at most `pages` freed pages back to the file system. */
int database_shrink(struct database *database, int pages, struct error *err) __attribute__((warn_unused_result));

/* Several statements without parameters or rows. */
int database_run(struct database *database, const char *script, struct error *err) __attribute__((warn_unused_result));

int database_begin(struct database *database, struct error *err) __attribute__((warn_unused_result));
int database_commit(struct database *database, struct error *err) __attribute__((warn_unused_result));
void database_rollback(struct database *database); /* harmless when no transaction is open */

/* The statement of this text, ready for binding; `sql` must live as long as the database (prepared once, compared by
 * address).  Every statement taken goes back with statement_done(), also after an error.  NULL on error. */
struct statement *database_statement(struct database *database, const char *sql, struct error *err)
        __attribute__((warn_unused_result));

/* Parameters count from 1: bind_text(s, 1, ...) is "$1".  A NULL text or blob is NULL. */
void bind_whole(struct statement *statement, int parameter, int64_t value);
void bind_real(struct statement *statement, int parameter, double value);
void bind_text(struct statement *statement, int parameter, const char *text);
void bind_bytes(struct statement *statement, int parameter, const void *bytes, size_t size);
void bind_null(struct statement *statement, int parameter);

/* 1: a row is there; 0: no more; -1: error. */
int statement_step(struct statement *statement, struct error *err) __attribute__((warn_unused_result));

/* Columns count from 0; text and bytes are borrowed until the next step.  NULL for a null.  Where memory runs out for a
 * text it is "", and statement_sound() and the next statement_step() say so. */
int64_t column_whole(struct statement *statement, int column);
double column_real(struct statement *statement, int column);
const char *column_text(struct statement *statement, int column);
const void *column_bytes(struct statement *statement, int column, size_t *size);
bool column_is_null(struct statement *statement, int column);

/* -1 when a column of this row could not be read. */
int statement_sound(struct statement *statement, struct error *err) __attribute__((warn_unused_result));

void statement_done(struct statement *statement);

static inline void
statement_scope_done(struct statement **statement)
{
        if (*statement != NULL)
                statement_done(*statement);
}
#define scoped_statement __attribute__((cleanup(statement_scope_done))) struct statement *

/* Runs a statement that yields no row, and gives it back.  A NULL statement is -1 (its error is already told). */
int statement_finish(struct statement *statement, struct error *err) __attribute__((warn_unused_result));

/* Rows that the last finished statement changed. */
int64_t database_changes(const struct database *database);

/* Brings the schema up to what this program knows; refuses a newer one, and a file that is no store. */
int database_migrate(struct database *database, bool read_only, struct error *err) __attribute__((warn_unused_result));

/* The schema version that this program writes. */
int database_schema(void);

#endif
