/* A target of kind `login`: the sign-in of a staging system, tried with wrong passwords.
 *
 * The one probe that does more than look.  Nothing is sent unless the configuration says `staging: true` and `active:
 * true`; what is sent is told beforehand (target_kind.announce), is bounded, and never holds a password that anybody
 * chose: each is made of 128 random bits. */
#ifndef ROUNDS_LOGIN_H
#define ROUNDS_LOGIN_H

#include <jansson.h>
#include <stdbool.h>

#include "session.h"

extern const struct target_kind kind_login;

/* True when the configuration allows sign-ins to be sent; else false with REASON_CONFIGURATION and the remedy. */
bool login_is_allowed(const struct target *target, struct error *err);

/* Sends wrong passwords until one is answered by 429, by something that is no refusal, or `attempts` are spent, and
 * fills `facts`:
 * {"url" (without query), "method", "account", "attempts", "pause_ms", "lock_told": whether the configuration says what
 *  a locked account answers, "answers": [{"attempt": 1.., "status", "outcome": "failed" | "locked" | "limited" |
 *  "unexpected", "at_ms" (since the first was sent), "retry_after"?: text}]}
 * No answer's body is kept, and no password.  A gap "attempts" (ATH-1, ATH-2) when an answer failed to come after
 * others had; -1 when none came, or nothing may be sent. */
int login_read(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

#endif
