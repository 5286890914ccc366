/* What pg_stat_statements knows, as facts: "server" {loaded, most, version}, "database" that has the view, "statements"
 * [{database, id, text, calls, total_ms, since_ms}] by total time, at most 500, "hidden" and "utilities" counted,
 * "info" {evictions, reset_ms} from 14 on.  An extension that cannot be used is the gap "pg_stat_statements".
 *
 * A statement is known by its text without values (statement_text.h), not by the server's queryid, which an upgrade or
 * a table made anew changes. */
#ifndef ROUNDS_STATEMENT_FACTS_H
#define ROUNDS_STATEMENT_FACTS_H

#include <jansson.h>

#include "rights.h"
#include "session.h"

int statement_facts_collect(struct session *session, json_t *facts, struct error *err);

/* Rights: pg_monitor, and the extension itself. */
int statement_facts_check(struct session *session, struct rights *rights, struct error *err);

#endif
