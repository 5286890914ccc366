/* JSON Schemas under libFuzzer: the first line is the schema, the rest the message; one is refused with words, the
 * other fits or is told where it does not. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json_schema.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data, *line = size > 0 ? memchr(text, '\n', size) : NULL;
        struct json_schema *schema = NULL;
        struct error err = {0};
        char where[200] = "", why[200] = "";

        if (line == NULL)
                return 0;
        size_t length = (size_t)(line - text);
        scoped_json document = json_loadb(text, length, JSON_DECODE_ANY, NULL);
        scoped_json value = json_loadb(line + 1, size - length - 1, JSON_DECODE_ANY, NULL);
        if (document == NULL || value == NULL)
                return 0;
        if (json_schema_open(document, &schema, &err) != 0) {
                if (err.text[0] == '\0')
                        abort();
                return 0;
        }
        if (!json_schema_fits(schema, value, where, sizeof where, why, sizeof why) && why[0] == '\0')
                abort();
        json_schema_close(schema);
        return 0;
}
