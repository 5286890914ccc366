/* Sessions in a transaction now, as the audit `connections` saw them: idle in one, in a long one, running a long
 * statement, or keeping others waiting for a lock.  Policy and control: DBC-1.
 *
 * facts: "open" [{pid, role, database, application, client, state, state_ms, transaction_ms, query_ms, command,
 * wait, holds_xmin}] oldest transaction first; "waits" as lock_tree.h wants them, with who both sides are; "prepared"
 * [{name, owner, database, age_ms}]; "relations" [{oid, database, name}]; "hidden" {hidden, remedy}. */
#ifndef ROUNDS_OPEN_TRANSACTIONS_H
#define ROUNDS_OPEN_TRANSACTIONS_H

#include <jansson.h>
#include <stdbool.h>

#include "finding.h"
#include "policy.h"

void open_transactions_judge(const json_t *facts, const struct policy *policy, struct findings *out);

/* "role/application" of a row, as findings name a session: its process id is another one tomorrow. */
const char *session_name(struct findings *out, const json_t *row);

/* True when role, application and database are the same. */
bool session_same_owner(const json_t *a, const json_t *b);

#endif
