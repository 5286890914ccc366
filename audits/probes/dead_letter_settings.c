/* What targets' settings say about where dead letters lie. */

#include "dead_letter_settings.h"

/* Rows that several of the tables have: C cannot put one constant table into another.  Where in a message, as JSON: */
// clang-format off
#define MESSAGE_POINTERS \
        {.name = "topic", .type = SETTING_TEXT, .fallback = "/topic", .words = "JSON pointer to the topic or kind"}, \
        {.name = "tenant", .type = SETTING_TEXT, .words = "JSON pointer to the tenant"}, \
        {.name = "error", .type = SETTING_TEXT, .fallback = "/error", .words = "JSON pointer to the error text"}, \
        {.name = "retry_count", \
         .type = SETTING_TEXT, \
         .fallback = "/retryCount", \
         .words = "JSON pointer to how often it was tried again"}, \
        {.name = "failed_at", \
         .type = SETTING_TEXT, \
         .fallback = "/failedAt", \
         .words = "JSON pointer to the time of failure"}, \
        {.name = "class", .type = SETTING_TEXT, .words = "JSON pointer to the class (transient or permanent)"}, \
        {.name = "backoff", .type = SETTING_TEXT, .words = "JSON pointer to the type of backoff between retries"}, \
        {.name = "payload", \
         .type = SETTING_TEXT, \
         .fallback = "/payload", \
         .words = "JSON pointer to the message that failed"}

/* How much is looked at, and for whom: */
#define SAMPLED_MESSAGES \
        {.name = "class_fields", \
         .type = SETTING_LIST, \
         .item = SETTING_TEXT, \
         .fallback = "[class, errorClass, error_class, classification, failureType]", \
         .words = "fields of the message or its payload that may say transient or permanent"}, \
        {.name = "sample", \
         .type = SETTING_INTEGER, \
         .fallback = "500", \
         .min = 1, \
         .max = 10000, \
         .words = "messages looked at, the newest"}, \
        {.name = "owner", .type = SETTING_TEXT, .words = "who owns it; default: the target's owner"}
// clang-format on

static const char column[] = "column of the table; default: one of a usual name, where it is there";

const struct setting dead_letter_redis_fields[] = {
        {.name = "name", .type = SETTING_TEXT, .required = true, .words = "what the source is called"},
        {.name = "kind",
         .type = SETTING_CHOICE,
         .choices = "list|bullmq",
         .fallback = "bullmq",
         .words = "a list of messages, or a BullMQ queue's failed jobs"},
        {.name = "prefix",
         .type = SETTING_TEXT,
         .fallback = "bull",
         .words = "what the keys of the BullMQ queue begin with"},
        {.name = "key", .type = SETTING_TEXT, .words = "key of the list; default: the name"},
        MESSAGE_POINTERS,
        SAMPLED_MESSAGES,
        {.type = SETTING_END},
};

const struct setting dead_letter_sql_fields[] = {
        {.name = "name", .type = SETTING_TEXT, .required = true, .words = "what the source is called"},
        {.name = "database", .type = SETTING_TEXT, .words = "where the table is; default: the dsn's"},
        {.name = "table", .type = SETTING_TEXT, .words = "table of dead letters, as schema.name"},
        {.name = "where",
         .type = SETTING_TEXT,
         .words = "SQL condition that tells dead letters from other rows of the table"},
        {.name = "sql",
         .type = SETTING_TEXT,
         .words = "a SELECT instead of table and where; its columns are called topic, tenant, error, retry_count, "
                  "failed_at, class, backoff, payload"},
        {.name = "topic", .type = SETTING_TEXT, .words = column},
        {.name = "tenant", .type = SETTING_TEXT, .words = column},
        {.name = "error", .type = SETTING_TEXT, .words = column},
        {.name = "retry_count", .type = SETTING_TEXT, .words = column},
        {.name = "failed_at", .type = SETTING_TEXT, .words = column},
        {.name = "class", .type = SETTING_TEXT, .words = column},
        {.name = "backoff", .type = SETTING_TEXT, .words = column},
        {.name = "payload", .type = SETTING_TEXT, .words = column},
        SAMPLED_MESSAGES,
        {.type = SETTING_END},
};

const struct setting dead_letter_http_fields[] = {
        {.name = "name", .type = SETTING_TEXT, .required = true, .words = "what the source is called"},
        {.name = "path",
         .type = SETTING_TEXT,
         .fallback = "admin/dlq?limit=500",
         .words = "what is asked for, below the url"},
        {.name = "events",
         .type = SETTING_TEXT,
         .fallback = "/events",
         .words = "JSON pointer to the list of messages"},
        {.name = "total",
         .type = SETTING_TEXT,
         .fallback = "/totalEvents",
         .words = "JSON pointer to how many there are"},
        {.name = "by_topic",
         .type = SETTING_TEXT,
         .fallback = "/byTopic",
         .words = "JSON pointer to their count by topic"},
        MESSAGE_POINTERS,
        SAMPLED_MESSAGES,
        {.type = SETTING_END},
};
