/* What was read, narrowed to the part that is wanted; and wiped. */

#include "value_sources.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "scope.h"

enum { TEXT_LARGEST = 1024 * 1024 };

static void
replace(struct value *value, json_t *stolen)
{
        bool secret = value->secret;
        json_t *old = value->json;

        value->json = stolen;
        if (secret && json_is_string(old))
                explicit_bzero((char *)json_string_value(old), json_string_length(old));
        json_decref(old);
}

int
value_apply_pointer(const char *pointer, struct value *value, struct error *err)
{
        scoped_json parsed = NULL;
        const json_t *document = value->json;

        if (json_is_string(document)) {
                if (value_document(json_string_value(document), json_string_length(document), "yaml", &parsed, err) !=
                    0)
                        return error_wrap(err, "%s: no document that a pointer could go into", value->place);
                document = parsed;
        }
        json_t *part = json_incref((json_t *)json_pointer(document, pointer));
        if (part == NULL)
                snprintf(value->absence, sizeof value->absence, "the document has nothing at %.200s", pointer);
        replace(value, part);
        return 0;
}

int
value_apply_capture(const char *pattern, struct value *value, struct error *err)
{
        regex_t expression;
        regmatch_t groups[2];

        if (!json_is_string(value->json) || json_string_length(value->json) > TEXT_LARGEST)
                return error_set(err, REASON_CONFIGURATION, "%s: capture needs a text of at most %d bytes",
                                 value->place, TEXT_LARGEST);
        if (regcomp(&expression, pattern, REG_EXTENDED | REG_NEWLINE) != 0)
                return error_set(err, REASON_CONFIGURATION, "capture is no regular expression");
        const char *text = json_string_value(value->json);
        json_t *found = NULL;
        if (regexec(&expression, text, 2, groups, 0) == 0) {
                regmatch_t at = expression.re_nsub > 0 && groups[1].rm_so >= 0 ? groups[1] : groups[0];
                found = json_bytes(text + at.rm_so, (size_t)(at.rm_eo - at.rm_so));
        } else {
                snprintf(value->absence, sizeof value->absence, "no part of the text fits %.200s", pattern);
        }
        regfree(&expression);
        replace(value, found);
        return 0;
}

void
value_free(struct value *value)
{
        replace(value, NULL);
}
