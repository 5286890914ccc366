/* Redis: controls RED-1 to RED-6, with their shipped policy. */

#include "catalogue.h"

static const struct setting red_1[] = {
        {.name = "ttls",
         .type = SETTING_MAP,
         .item = SETTING_DURATION,
         .fallback = "{decision: 60s, session: 24h, feature: 300s}",
         .words = "longest time to live by key class, where the class itself sets none"},
        {.name = "without_ttl",
         .type = SETTING_PERCENT,
         .fallback = "0",
         .words = "share of a class that may lack a time to live"},
        {.name = "unclassified",
         .type = SETTING_PERCENT,
         .fallback = "5",
         .words = "share of keys in no class from which it is told"},
        {.name = "sample",
         .type = SETTING_INTEGER,
         .fallback = "0",
         .min = 0,
         .max = 1e+12,
         .words = "keys looked at; 0: every one"},
        {.name = "resume",
         .type = SETTING_DURATION,
         .fallback = "7d",
         .words = "a scan that was cut goes on in the next run within this time; 0s: it begins anew"},
        {.type = SETTING_END},
};

static const struct setting red_2[] = {
        {.name = "cache_policies",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .fallback = "[volatile-lru]",
         .words = "maxmemory-policy of a cache"},
        {.name = "queue_policies",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .fallback = "[noeviction]",
         .words = "maxmemory-policy of a queue"},
        {.type = SETTING_END},
};

static const struct setting red_3[] = {
        {.name = "used", .type = SETTING_PERCENT, .fallback = "70", .words = "share of maxmemory in use"},
        {.name = "used_severe", .type = SETTING_PERCENT, .fallback = "90", .words = "share from which it is SEV1"},
        {.name = "horizon",
         .type = SETTING_DURATION,
         .fallback = "30d",
         .words = "soonest it may be projected to be full"},
        {.name = "limit",
         .type = SETTING_SIZE,
         .fallback = "0",
         .words = "memory of a server without maxmemory, from which it counts as full; 0: unknown"},
        {.name = "evicted",
         .type = SETTING_INTEGER,
         .fallback = "0",
         .min = 0,
         .max = 1e+12,
         .words = "keys evicted since the last run"},
        {.type = SETTING_END},
};

static const struct setting red_4[] = {
        {.name = "queue_keys",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[\"bull:*\"]",
         .words = "keys that belong to queues"},
        {.name = "cache_keys",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback =
                 "[\"decision:*\", \"session:*\", \"feature:*\", \"enrich:*\", \"t:*:offers:*\", \"t:*:policies:*\", "
                 "\"t:*:guardrails:*\", \"ratelimit:*\", \"kaireon:cap:*\", \"kaireon:cb:*\"]",
         .words = "keys that belong to a cache, beside those of key_classes that expire"},
        {.type = SETTING_END},
};

static const struct setting red_5[] = {
        {.name = "largest", .type = SETTING_SIZE, .fallback = "1MB", .words = "largest value"},
        {.type = SETTING_END},
};

static const struct setting red_6[] = {
        {.name = "quota",
         .type = SETTING_INTEGER,
         .fallback = "0",
         .min = 0,
         .max = 1e+15,
         .words = "commands a month the plan allows; 0: no metered plan (500000 is a common free one)"},
        {.name = "window", .type = SETTING_DURATION, .fallback = "10s", .words = "how long the commands are counted"},
        {.type = SETTING_END},
};

static const struct control controls[] = {
        {.id = "RED-1",
         .title = "cache keys expire",
         .severity = SEV2,
         .cadence = JOB_NIGHTLY,
         .settings = red_1,
         .frameworks = {"SOC2:A1.1", "SOC2:C1.2", "ISO27001:A.8.6", "ISO27001:A.8.10", "NIST:SI-12"}},
        {.id = "RED-2",
         .title = "only keys with a TTL may be evicted; queues never are",
         .severity = SEV2,
         .cadence = JOB_NIGHTLY,
         .settings = red_2,
         .frameworks = {"SOC2:A1.1", "SOC2:PI1.5", "ISO27001:A.8.6", "ISO27001:A.8.9", "NIST:CM-6", "NIST:SI-7"}},
        {.id = "RED-3",
         .title = "memory is scaled before it is full",
         .severity = SEV2,
         .severity_past = SEV1,
         .cadence = JOB_NIGHTLY,
         .settings = red_3,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "NIST:AU-4", "NIST:CP-2(2)"}},
        {.id = "RED-4",
         .title = "cache and queue are separate failure domains",
         .severity = SEV3,
         .cadence = JOB_WEEKLY,
         .settings = red_4,
         .frameworks = {"SOC2:A1.2", "ISO27001:A.8.14", "ISO27001:A.8.22", "NIST:SC-32"}},
        {.id = "RED-5",
         .title = "no oversized values",
         .severity = SEV3,
         .cadence = JOB_WEEKLY,
         .settings = red_5,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "NIST:SC-5"}},
        {.id = "RED-6",
         .title = "a metered plan is not burnt by idle workers",
         .severity = SEV2,
         .cadence = JOB_NIGHTLY,
         .settings = red_6,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "NIST:SC-5"}},
        {.id = NULL},
};

const struct playbook playbook_redis = {.prefix = "RED", .title = "Redis", .controls = controls};
