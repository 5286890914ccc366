/* Waivers: findings that somebody answers for, until a date.
 *
 * Their own YAML file: a list `waivers:` of {id, control, target, resource, fingerprint, reason, owner, approver,
 * ticket, created, expires}.  A waiver turns a fail into waived; an expired one leaves the fail and says so.  Nothing
 * but a fail is ever waived. */
#ifndef ROUNDS_WAIVER_H
#define ROUNDS_WAIVER_H

#include <jansson.h>
#include <stdint.h>

#include "store.h"
#include "yaml_text.h"

struct config;
struct waivers;

/* Reads the file; NULL, and problems, when anything in it is wrong.  A NULL path is an empty set.  `config` tells which
 * controls of the user's own there are; NULL: none. */
struct waivers *waivers_open(const char *path, const struct config *config, struct problems *problems);
void waivers_close(struct waivers *waivers);

/* Applies to one fresh finding (status, waiver, note) and counts what each waiver matches.  Safe from several threads.
 * Its texts live as long as the waivers. */
void waivers_apply(struct waivers *waivers, int64_t now_ms, struct finding_row *row);

/* Each waiver as {id, control, target, resource, fingerprint, reason, owner, approver, ticket, created, expires, state,
 * matched, too_broad}; state: "in force", "expiring" (within 14 days), "expired", "not yet" ; new. */
json_t *waivers_json(struct waivers *waivers, int64_t now_ms);

#endif
