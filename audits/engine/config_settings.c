/* What rounds.yaml may say, apart from what belongs to one kind of target or one control. */

#include "config.h"

static const struct setting retention[] = {
        {.name = "facts", .type = SETTING_DURATION, .fallback = "90d", .words = "how long facts are kept; 0: for good"},
        {.name = "findings",
         .type = SETTING_DURATION,
         .fallback = "400d",
         .words = "how long runs, findings and inventory are kept; 0: for good"},
        {.name = "samples",
         .type = SETTING_DURATION,
         .fallback = "800d",
         .words = "how long samples are kept; 0: for good"},
        {.type = SETTING_END},
};

static const struct setting owner_rule[] = {
        {.name = "match",
         .type = SETTING_GLOB,
         .required = true,
         .words = "pattern on a target's name, a resource's name or namespace/name"},
        {.name = "owner", .type = SETTING_TEXT, .required = true, .words = "who owns what matches"},
        {.type = SETTING_END},
};

static const struct setting report[] = {
        {.name = "formats",
         .type = SETTING_LIST,
         .item = SETTING_CHOICE,
         .choices = "md|html|xlsx|json|ics",
         .fallback = "[md, html, json]",
         .words = "which reports are written"},
        {.name = "to", .type = SETTING_PATH, .required = true, .words = "folder they are written to"},
        {.name = "latest",
         .type = SETTING_BOOLEAN,
         .fallback = "true",
         .words = "keep JOB-latest.EXT as a symbolic link to the newest"},
        {.type = SETTING_END},
};

/* `audits` and `targets` take the word "all" or a list: config.c checks them. */
static const struct setting job[] = {
        {.name = "report", .type = SETTING_OBJECT, .fields = report, .words = "reports to write after the run"},
        {.name = "fail_on",
         .type = SETTING_CHOICE,
         .choices = "SEV1|SEV2|SEV3|SEV4",
         .words = "exit status 1 from this severity on; default: the top level's"},
        {.name = "min_coverage",
         .type = SETTING_PERCENT,
         .words = "exit status 2 below this coverage; default: the top level's"},
        {.name = "timeout",
         .type = SETTING_DURATION,
         .fallback = "30m",
         .min = 1000,
         .max = 7 * 86400000.0,
         .words = "longest the whole run may take"},
        {.type = SETTING_END},
};

static const struct setting target[] = {
        {.name = "name",
         .type = SETTING_TEXT,
         .required = true,
         .words = "what the target is called; part of its findings' identity"},
        {.name = "kind", .type = SETTING_TEXT, .required = true, .words = "what it is (rounds list kinds)"},
        {.name = "owner",
         .type = SETTING_TEXT,
         .fallback = "",
         .words = "who owns it, unless an owner rule says otherwise"},
        {.name = "timeout",
         .type = SETTING_DURATION,
         .fallback = "60s",
         .min = 100,
         .max = 86400000.0,
         .words = "longest all audits of this target together may take"},
        {.name = "tags",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .fallback = "[]",
         .words = "words of your own, for reports"},
        {.type = SETTING_END},
};

static const struct setting top[] = {
        {.name = "version",
         .type = SETTING_INTEGER,
         .required = true,
         .min = 1,
         .max = 1,
         .words = "of this file's form: 1"},
        {.name = "organisation", .type = SETTING_TEXT, .fallback = "", .words = "stands in reports"},
        {.name = "timezone",
         .type = SETTING_TEXT,
         .fallback = "UTC",
         .words = "IANA name of the zone in which reports show times"},
        {.name = "store",
         .type = SETTING_TEXT,
         .fallback = "sqlite:rounds.db",
         .words = "where history is kept: sqlite:PATH"},
        {.name = "templates",
         .type = SETTING_PATH,
         .words = "folder whose templates and control pages replace the built-in ones"},
        {.name = "waivers", .type = SETTING_PATH, .words = "file of waivers"},
        {.name = "concurrency",
         .type = SETTING_INTEGER,
         .fallback = "8",
         .min = 1,
         .max = 256,
         .words = "targets looked at side by side"},
        {.name = "fail_on",
         .type = SETTING_CHOICE,
         .choices = "SEV1|SEV2|SEV3|SEV4",
         .fallback = "SEV3",
         .words = "exit status 1 from this severity on"},
        {.name = "min_coverage",
         .type = SETTING_PERCENT,
         .fallback = "100",
         .words = "exit status 2 below this coverage"},
        {.name = "retention",
         .type = SETTING_OBJECT,
         .fields = retention,
         .fallback = "{}",
         .words = "how long history is kept"},
        {.name = "owners",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = owner_rule,
         .fallback = "[]",
         .words = "rules that name owners; the first match wins"},
        {.type = SETTING_END},
};

const struct setting *
config_settings(void)
{
        return top;
}

const struct setting *
config_job_settings(void)
{
        return job;
}

const struct setting *
config_target_settings(void)
{
        return target;
}
