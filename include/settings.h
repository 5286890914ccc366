/* One table describes a group of settings: parsed, defaulted, shown, completed and documented from it.
 *
 * A configuration file becomes one json_t tree in which every value has been checked against such a table:
 * durations are integers in milliseconds, sizes integers in bytes, percentages numbers from 0 to 100,
 * defaults are filled in.  Code that reads a checked tree may rely on types. */
#ifndef ROUNDS_SETTINGS_H
#define ROUNDS_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>

enum setting_type {
        SETTING_END = 0, /* closes a table */
        SETTING_TEXT,
        SETTING_INTEGER,
        SETTING_NUMBER,
        SETTING_BOOLEAN,
        SETTING_DURATION, /* "30s" -> integer, milliseconds */
        SETTING_SIZE,     /* "1MB" -> integer, bytes */
        SETTING_PERCENT,  /* 70 or "70%" -> number, 0 to 100 (may exceed 100 where max says so) */
        SETTING_CHOICE,   /* one of `choices`, separated by "|" */
        SETTING_PATH,     /* a file name; relative to the configuration file's folder, made absolute */
        SETTING_URL,      /* scheme must be one of `choices` ("redis|rediss|unix") */
        SETTING_GLOB,     /* a shell pattern */
        SETTING_MOMENT,   /* RFC 3339 or a date -> text, RFC 3339 UTC */
        SETTING_OBJECT,   /* a mapping with `fields` */
        SETTING_MAP,      /* a mapping with free keys, each value of type `item` (with `fields`) */
        SETTING_LIST,     /* a sequence of `item` (with `fields`, `choices`, bounds of the item) */
        SETTING_SECRET,   /* "password" stands for the keys password_file and password_env; never inline.
                             Stored as {"file": path} or {"env": name}; see secret.h */
        SETTING_ANY,      /* any YAML, as JSON (a JSON Schema, say) */
};

struct setting {
        const char *name;
        enum setting_type type;
        enum setting_type item;       /* of a LIST or MAP */
        const struct setting *fields; /* of an OBJECT, or of OBJECT items; ends with SETTING_END */
        const char *choices;          /* of a CHOICE or URL: "a|b|c" */
        const char *fallback;         /* default, written as in YAML; NULL: absent unless given */
        bool required;
        double min, max;   /* inclusive bounds in the stored unit; both 0: none */
        const char *words; /* one sentence for the manual, says the unit */
};

#endif
