/* Facts of a PostgreSQL server as tables of statements, and what the audits over them share.
 *
 * A part is one statement and where its rows go.  What cannot be read becomes a gap for the part's controls, and the
 * rest goes on; a server that is gone, or a run that was ended, ends the reading (-1). */
#ifndef ROUNDS_POSTGRES_FACTS_H
#define ROUNDS_POSTGRES_FACTS_H

#include <jansson.h>
#include <stddef.h>

#include "error.h"
#include "finding.h"
#include "postgres.h"
#include "rights.h"
#include "session.h"

struct postgres_part {
        const char *name;     /* key in the facts, and name of the gap */
        const char *controls; /* comma-separated ids that miss it */
        const char *sql;
        size_t most;      /* rows at most, as an array; 0: the first row, as an object */
        int since, until; /* versions it is for: since <= version < until; 0: any */
};

/* The parts up to one without a name, asked of the database the DSN names. */
int postgres_parts(struct postgres *server, const struct postgres_part *parts, json_t *facts, struct error *err)
        __attribute__((warn_unused_result));

/* The same asked of one database: rows are added to the array facts[name], each with its "database" (a part with `most`
 * 0 adds one row).  A gap is about that database. */
int postgres_database_parts(struct postgres *server, const char *database, const struct postgres_part *parts,
                            json_t *facts, struct error *err) __attribute__((warn_unused_result));

/* Every selected database in turn; their names become facts.databases_seen.  -1 when they cannot be told, or from the
 * visitor, whose answer ends it. */
typedef int postgres_database_visit(void *context, const char *database, json_t *facts, struct error *err);
int postgres_each_database(struct postgres *server, json_t *facts, postgres_database_visit *visit, void *context,
                           struct error *err) __attribute__((warn_unused_result));

/* The parts asked of every selected database. */
int postgres_parts_everywhere(struct postgres *server, const struct postgres_part *parts, json_t *facts,
                              struct error *err) __attribute__((warn_unused_result));

/* What to do with an error of one part: a gap (0), or -1 when nothing more can be read. */
int postgres_gap(struct postgres *server, json_t *facts, const char *part, const char *controls, const char *database,
                 struct error *err) __attribute__((warn_unused_result));

/* One row {hidden, remedy}: sessions whose state this role may not see. */
extern const char postgres_hidden_sql[];

/* An audit's check: is the role a member of pg_monitor? */
int postgres_monitor_check(struct session *session, struct rights *rights, struct error *err);

/* A name as SQL wants it: "odd ""name""".  With a schema: "schema"."name". */
const char *postgres_identifier(struct findings *out, const char *schema, const char *name);

/* schema.name for people, as a relation's row has them; schema-less when it has none. */
const char *postgres_relation_name(struct findings *out, const json_t *row);

#endif
