/* JSON Schema's references: pointers and anchors within the document. */

#include "json_schema_rules.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "scope.h"

/* "%7E1" undone, in place. */
static void
percent_decode(char *text)
{
        char *to = text;

        for (const char *from = text; *from != '\0'; from++) {
                unsigned value;
                if (*from == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2]) &&
                    sscanf(from + 1, "%2x", &value) == 1) {
                        *to++ = (char)value;
                        from += 2;
                } else {
                        *to++ = *from;
                }
        }
        *to = '\0';
}

/* A pointer as a URI's fragment writes it.  Source: RFC 6901, section 6. */
static const json_t *
pointer_find(const json_t *document, const char *pointer)
{
        scoped_string plain = strdup(pointer);

        if (plain == NULL)
                return NULL;
        percent_decode(plain);
        return json_pointer(document, plain);
}

static const json_t *
anchor_find(const json_t *at, const char *name, int depth)
{
        const char *key;
        json_t *value;
        size_t i;

        if (depth > SCHEMA_DEPTH_MOST)
                return NULL;
        if (json_is_object(at)) {
                if (strcmp(json_text(at, "$anchor", ""), name) == 0)
                        return at;
                json_object_foreach((json_t *)at, key, value)
                {
                        const json_t *found = anchor_find(value, name, depth + 1);
                        if (found != NULL)
                                return found;
                }
        }
        json_array_foreach((json_t *)at, i, value)
        {
                const json_t *found = anchor_find(value, name, depth + 1);
                if (found != NULL)
                        return found;
        }
        return NULL;
}

const json_t *
schema_reference(const struct json_schema *schema, const char *reference)
{
        const char *id = json_text(schema->document, "$id", "");
        size_t length = strlen(id);

        if (length > 0 && strncmp(reference, id, length) == 0 &&
            (reference[length] == '#' || reference[length] == '\0'))
                reference += length;
        if (*reference == '\0' || strcmp(reference, "#") == 0)
                return schema->document;
        if (reference[0] != '#')
                return NULL;
        return reference[1] == '/' ? pointer_find(schema->document, reference + 1)
                                   : anchor_find(schema->document, reference + 1, 0);
}
