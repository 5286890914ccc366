/* Reading policy out of configuration files. */
#ifndef ROUNDS_POLICY_CHECK_H
#define ROUNDS_POLICY_CHECK_H

#include "policy.h"
#include "settings_check.h"

/* The settings that every control has: severity, enabled. */
const struct setting *policy_common(void);

/* The declaration of a control's setting, its own or a common one; NULL when there is none. */
const struct setting *policy_setting(const char *control, const char *name);

/* A `policy:` mapping checked against the catalogue: {"DSK-7": {given settings only}}, new. */
json_t *policy_check(struct settings_check *check, yaml_node_t *node, const char *what);

/* A copy of `base` with what policy_check() returned laid over it. */
int policy_overlay_checked(const struct policy *base, const json_t *checked, struct policy **out, struct error *err)
        __attribute__((warn_unused_result));

#endif
