/* What a redis target's settings say about queues and dead letters. */

#include "redis_connection.h"

const struct setting redis_queue_fields[] = {
        {.name = "name", .type = SETTING_TEXT, .required = true, .words = "what the queue is called"},
        {.name = "kind",
         .type = SETTING_CHOICE,
         .choices = "bullmq|list|stream",
         .fallback = "bullmq",
         .words = "how it lies in Redis"},
        {.name = "prefix",
         .type = SETTING_TEXT,
         .fallback = "bull",
         .words = "what the keys of a BullMQ queue begin with"},
        {.name = "key", .type = SETTING_TEXT, .words = "key of a list or stream; default: the name"},
        {.name = "group",
         .type = SETTING_TEXT,
         .words = "the one consumer group of a stream that counts; default: all"},
        {.name = "field",
         .type = SETTING_TEXT,
         .words = "field of a stream's entries that holds the message as JSON; default: the entry itself"},
        {.name = "time",
         .type = SETTING_TEXT,
         .words =
                 "JSON pointer into a list's messages to when they were queued (RFC 3339, or seconds or milliseconds)"},
        {.name = "schema", .type = SETTING_ANY, .words = "JSON Schema that every message fits"},
        {.name = "schema_file", .type = SETTING_PATH, .words = "the same in a file"},
        {.name = "limits",
         .type = SETTING_MAP,
         .item = SETTING_DURATION,
         .words = "longest time a job may be active, by job type; \"*\" is for the others"},
        {.name = "owner", .type = SETTING_TEXT, .words = "who owns the queue; default: the target's owner"},
        {.type = SETTING_END},
};
