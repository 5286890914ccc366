/* Gaps: parts of the facts that could not be read, and the error findings they become. */

#include "facts.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

int
facts_gap(json_t *facts, const char *part, const char *controls, const struct resource *resource,
          const struct error *err)
{
        json_t *gaps = json_object_get(facts, "gaps");

        if (gaps == NULL) {
                gaps = json_array();
                if (json_put(facts, "gaps", gaps) != 0)
                        return -1;
        }
        json_t *gap = json_push(gaps, json_object());
        json_t *list = json_array();
        if (gap == NULL || json_put(gap, "controls", list) != 0)
                return -1;
        scoped_string copy = strdup(controls);
        char *rest = copy;
        for (char *id; copy != NULL && (id = strsep(&rest, ", ")) != NULL;) {
                if (*id != '\0' && json_push(list, json_string(id)) == NULL)
                        return -1;
        }
        if (resource != NULL) {
                json_t *about = json_object();
                if (json_put_text(about, "kind", resource->kind) != 0 ||
                    json_put_text(about, "namespace", resource->namespace_) != 0 ||
                    json_put_text(about, "name", resource->name) != 0 || json_put(gap, "resource", about) != 0)
                        return -1;
        }
        return copy == NULL || json_put_text(gap, "part", part) != 0 ||
                               json_put_text(gap, "reason", reason_name(err->reason)) != 0 ||
                               json_put_text(gap, "text", err->text) != 0 ||
                               json_put_text(gap, "remedy", err->remedy) != 0
                       ? -1
                       : 0;
}

bool
facts_lacks(const json_t *facts, const char *part)
{
        return json_find(json_list(facts, "gaps"), "part", part) != NULL;
}

/* How many gaps among [from, to) are about the same resource and miss the same control. */
static size_t
gaps_alike(const json_t *gaps, size_t from, size_t to, const json_t *about, const char *control)
{
        size_t count = 0, j;
        json_t *missed;

        for (size_t i = from; about != NULL && i < to; i++) {
                const json_t *gap = json_array_get(gaps, i);
                if (!json_equal(json_map(gap, "resource"), about))
                        continue;
                json_array_foreach((json_t *)json_list(gap, "controls"), j, missed)
                {
                        count += json_is_string(missed) && strcmp(json_string_value(missed), control) == 0;
                }
        }
        return count;
}

void
facts_judge_gaps(const json_t *facts, struct findings *out)
{
        const json_t *gaps = json_list(facts, "gaps");
        size_t i, j;
        json_t *gap, *control;

        json_array_foreach((json_t *)gaps, i, gap)
        {
                const json_t *about = json_map(gap, "resource");
                struct resource resource = {.kind = json_text(about, "kind", NULL),
                                            .namespace_ = json_text(about, "namespace", NULL),
                                            .name = json_text(about, "name", NULL)};
                /* Without a resource of its own the part is what tells two gaps of one control apart. */
                if (about == NULL)
                        resource = (struct resource){.kind = "part", .name = json_text(gap, "part", "")};
                const char *remedy = json_text(gap, "remedy", "");
                json_array_foreach((json_t *)json_list(gap, "controls"), j, control)
                {
                        const char *text = json_text(gap, "text", "could not be read");
                        /* A database that lets nobody in fails every statement asked of it: that is one finding. */
                        if (!json_is_string(control) || gaps_alike(gaps, 0, i, about, json_string_value(control)) > 0)
                                continue;
                        size_t more = gaps_alike(gaps, i + 1, json_array_size(gaps), about, json_string_value(control));
                        findings_add(out,
                                     &(struct finding){
                                             .control = json_string_value(control),
                                             .resource = resource,
                                             .status = STATUS_ERROR,
                                             .reason = reason_from_name(json_text(gap, "reason", "internal")),
                                             .message = more == 0 ? text
                                                                  : findings_text(out, "%s (and %zu more)", text, more),
                                             .remedy = *remedy != '\0' ? remedy : NULL,
                                             .evidence = findings_text(out, "/gaps/%zu", i),
                                     });
                }
        }
}
