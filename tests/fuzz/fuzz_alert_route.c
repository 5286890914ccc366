/* Alertmanager's configuration under libFuzzer: it is refused with words, or alerts find their way through its tree. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "alert_route.h"
#include "json.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
matcher_try(const char *text)
{
        scoped_json matcher = alert_matcher_read(text);

        if (matcher == NULL)
                return;
        const char *op = json_text(matcher, "op", NULL), *value = json_text(matcher, "value", NULL);
        if (op == NULL || value == NULL || json_text(matcher, "label", NULL) == NULL)
                abort();
        int same = label_matches(op, value, "critical");
        if (same < -1 || same > 1)
                abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        scoped_string text = strndup((const char *)data, size);
        scoped_json routing = NULL;
        struct error err = {0};
        size_t i;
        json_t *entry;

        if (text == NULL)
                return 0;
        matcher_try(text);
        if (alert_routing_read(text, &routing, &err) != 0) {
                if (err.text[0] == '\0')
                        abort();
                return 0;
        }
        scoped_json names = alert_routing_labels(routing);
        scoped_json labels = json_pack("{s:[s,s], s:[s], s:[s]}", "severity", "critical", "warning", "namespace", "",
                                       "team", "data");
        scoped_json routes = alert_routes(routing, labels);
        scoped_json inhibitors = alert_inhibitors(routing, labels);
        if (!json_is_array(names) || !json_is_array(routes) || !json_is_array(inhibitors))
                abort();
        json_array_foreach(routes, i, entry)
        {
                if (json_text(entry, "receiver", NULL) == NULL)
                        abort();
        }
        return 0;
}
