/* Checks a YAML tree against a table of settings: every mistake is told, with its place, and what is right becomes
 * JSON. */
#ifndef ROUNDS_SETTINGS_CHECK_H
#define ROUNDS_SETTINGS_CHECK_H

#include <jansson.h>

#include "settings.h"
#include "yaml_text.h"

struct settings_check {
        struct yaml_text *text;
        struct problems *problems;
        const char *directory; /* relative paths begin here */
        int nodes;             /* bound on aliases; starts at 0 */
};

/* A mapping against `fields`; unknown keys, wrong types, missing required ones and duplicates are problems.  Defaults
 * are filled in. `what` names the mapping ("target kaireon-db").  `known` are further keys that somebody else checks
 * (NULL-terminated, may be NULL).  New object, with whatever was right. */
json_t *settings_check_map(struct settings_check *check, yaml_node_t *node, const struct setting *fields,
                           const char *what, const char *const *known);

/* A mapping that overrides: settings of two tables (either may be NULL), nothing required, no defaults.  New. */
json_t *settings_check_overrides(struct settings_check *check, yaml_node_t *node, const struct setting *fields,
                                 const struct setting *more, const char *what);

/* One value against one setting; NULL, and a problem, when it is wrong.  New. */
json_t *settings_check_value(struct settings_check *check, yaml_node_t *node, const struct setting *setting,
                             const char *what);

/* A value written as text, as settings tables write their defaults; NULL when it is wrong, with why.  New. */
json_t *settings_value_parse(const struct setting *setting, const char *text, char *why, size_t size);

/* The defaults of a table alone, new. */
json_t *settings_defaults(const struct setting *fields);

/* The value of a mapping's key, NULL when it has none. */
yaml_node_t *settings_find(struct settings_check *check, yaml_node_t *mapping, const char *key);

/* "a duration, such as 30s, 24h or 7d": what a setting takes, for messages and the manual. */
const char *settings_type_words(const struct setting *setting, char *text, size_t size);

/* The name in `names` (NULL-terminated) closest to `word`, NULL when none is close: "did you mean ...". */
const char *settings_closest(const char *word, const char *const *names);

#endif
