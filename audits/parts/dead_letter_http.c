/* Dead letters behind an HTTP path: one document with a total, counts by topic and the newest messages. */

#include "dead_letters.h"

#include "http_target.h"
#include "json.h"
#include "message_shape.h"
#include "scope.h"

/* {"topic": n} or [{"topic", "count"}], as services have it. */
static int
topics_add(struct dead_letters *all, const json_t *by_topic)
{
        static const char *const counts[] = {"count", "total", "messages", "events"};
        const char *topic;
        size_t i;
        json_t *value;

        json_object_foreach((json_t *)by_topic, topic, value)
        {
                if (json_is_integer(value) && dead_letters_topic(all, topic, json_integer_value(value)) != 0)
                        return -1;
        }
        json_array_foreach((json_t *)(json_is_array(by_topic) ? by_topic : NULL), i, value)
        {
                const char *name = json_text(value, "topic", json_text(value, "name", NULL));
                int64_t messages = -1;
                for (size_t k = 0; k < sizeof counts / sizeof *counts && messages < 0; k++)
                        messages = json_whole(value, counts[k], -1);
                if (name != NULL && messages >= 0 && dead_letters_topic(all, name, messages) != 0)
                        return -1;
        }
        return 0;
}

static int
document_sum(const json_t *document, const json_t *settings, struct dead_letters *all, json_t **row, struct error *err)
{
        const json_t *events = message_pointer(document, json_text(settings, "events", "/events"));
        const json_t *total = message_pointer(document, json_text(settings, "total", "/totalEvents"));
        int64_t most = json_whole(settings, "sample", 500);
        size_t i;
        json_t *event;

        if (!json_is_array(events))
                return error_set(err, REASON_CONFIGURATION, "the answer has no list at %s: check `events`, and `path`",
                                 json_text(settings, "events", "/events"));
        json_array_foreach((json_t *)events, i, event)
        {
                if ((int64_t)i < most && dead_letters_add_message(all, settings, event) != 0)
                        return error_memory(err, "dead letters");
        }
        if (topics_add(all, message_pointer(document, json_text(settings, "by_topic", "/byTopic"))) != 0)
                return error_memory(err, "dead letters");
        /* Without a total, a full page is a least. */
        int64_t count = json_is_integer(total) ? json_integer_value(total) : (int64_t)json_array_size(events);
        *row = dead_letters_json(all, count, !json_is_integer(total) && count >= most);
        return *row != NULL ? 0 : error_memory(err, "dead letters");
}

static int
source_read(struct session *session, const json_t *settings, json_t *sources, struct error *err)
{
        const char *name = json_text(settings, "name", "");
        struct dead_letters *all = dead_letters_open(settings);
        scoped_json document = NULL;
        json_t *row = NULL;

        if (all == NULL)
                return error_memory(err, "dead letters");
        int result = http_target_json(session, json_text(settings, "path", ""), &document, err);
        if (result == 0)
                result = document_sum(document, settings, all, &row, err);
        dead_letters_close(all);
        return result == 0 ? dead_letters_push(sources, row, name, "http", settings, true, err) : -1;
}

int
dead_letters_http(struct session *session, json_t *facts, json_t *sources, struct error *err)
{
        size_t i;
        json_t *settings;

        json_array_foreach((json_t *)target_value(session->target, "dead_letters"), i, settings)
        {
                struct error why = {0};
                if (source_read(session, settings, sources, &why) != 0 &&
                    dead_letters_lost(facts, json_text(settings, "name", ""), &why, err) != 0)
                        return -1;
        }
        return 0;
}
