/* An audit: what it looks at, what it answers for, how it collects and how it judges.
 *
 * One `const struct audit` per file in audits/, listed in audits/engine/table.c.
 *
 * collect() speaks to the service through the session's probe and fills `facts` (an object, borrowed): what was
 * seen, reduced to what judging needs, without secrets, deterministic in order (sort what a server lists in any order).
 * It reads no policy except through what the target's own settings say, and how long or how much to look
 * (session->policy: "window", "sample"); never a bound.  It writes nothing to the target.
 *   - A part that cannot be read does not lose the rest: note it with facts_gap() and go on.
 *   - What a look too long for one run must know in the next, it keeps with session_keep(): a cursor and what was added
 * up.
 *   - -1 means that nothing useful was read; the engine makes one `error` finding per control of the audit.
 *
 * judge() is a pure function of facts, policy, history (and the run's start in it).  No I/O, no clock, no static state.
 * It must cope with facts of any shape (an older version wrote them, or a fixture).  Every control of the audit gets at
 * least one finding: "nothing seen" is an error or a skip, never silence and never a pass.  (The engine adds an
 * `error` for a control that a judge forgot.)  Gaps noted by facts_gap() become error findings by themselves: the
 * engine does it; judges ask facts_lacks() before they call something missing a fault.
 *
 * A cross-layer audit has no collect(): `joins` names the audits whose newest facts it wants, and `facts` is
 *   {"targets": [{"target", "kind", "owner", "audit", "age_ms", "settings": {...references only...}, "facts": {...}}]}
 * sorted by target and audit, none older than max_age_ms.  Its findings may name any of those targets. */
#ifndef ROUNDS_AUDIT_H
#define ROUNDS_AUDIT_H

#include <jansson.h>

#include "error.h"
#include "finding.h"
#include "history.h"
#include "policy.h"
#include "rights.h"
#include "session.h"

struct audit {
        const char *name;         /* the file's name without .c: "wal" */
        const char *summary;      /* "replication slots, archiver and pg_wal" */
        const char *looks_at[8];  /* kinds of target it runs on ("postgres"); empty for a cross-layer audit */
        const char *controls[16]; /* ids it answers for */
        const char *needs;        /* rights, one line: "pg_monitor" ; printed by `rounds list audits` and `check`; of an
                                     audit of a cluster: "RBAC: list pods, ..." as in kubernetes_rights.h */
        const char *samples[12];  /* series that judge() reads; "wal.*" takes every series of that beginning */
        int64_t history_ms;       /* how far back those samples go; 0: 400 days */
        const char *joins[8];     /* cross-layer: audits whose facts it judges */
        int64_t max_age_ms;       /* cross-layer: facts older than this are not used; 0: 26 h */

        int (*collect)(struct session *session, json_t *facts, struct error *err);
        void (*judge)(const json_t *facts, const struct policy *policy, const struct history *history,
                      struct findings *out);
        /* Rights this audit needs on this target; NULL: a connection is all.  -1 when they cannot be told. */
        int (*check)(struct session *session, struct rights *rights, struct error *err);
        /* For an audit whose controls the configuration names (`controls` is empty then): the id of a target's n-th,
         * NULL past the last.  Borrowed. */
        const char *(*control_of)(const struct target *target, size_t index);
        /* False when this audit has nothing to say about the target as configured (the engine then skips its
         * controls for the target with `why`, at most 200 bytes); NULL: always applies. */
        bool (*applies)(const struct target *target, char *why, size_t size);
};

extern const struct audit *const audits[]; /* NULL-terminated, in alphabetical order */
const struct audit *audit_find(const char *name);

#endif
