/* Values of files under libFuzzer: documents in each format, JSON pointers into them, credentials taken out of texts.
 * The first byte chooses the format, a first line is the pointer. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error_text.h"
#include "json.h"
#include "message_shape.h"
#include "scope.h"
#include "statement_text.h"
#include "value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is kept of a text holds no key, is no longer than it was, and stays as it is when it is reduced again. */
static void
kept(const char *text, size_t length)
{
        scoped_string once = strndup(text, length);
        char reduced[ERROR_TEXT], shape[64];

        if (once == NULL)
                return;
        value_redact(once);
        if (strlen(once) > length)
                abort();
        scoped_string twice = strdup(once);
        if (twice != NULL) {
                value_redact(twice);
                if (strlen(twice) > strlen(once))
                        abort();
                error_text_redact(twice);
        }
        error_text_reduce(text, length, reduced);
        scoped_json as_text = json_string(reduced);
        if (as_text == NULL) /* no UTF-8 */
                abort();
        scoped_json message = json_loadb(text, length, JSON_DECODE_ANY, NULL);
        message_shape(message, shape, sizeof shape);
        struct buffer statement = BUFFER_INIT(64 * 1024);
        if (statement_text(once, &statement) == 0)
                statement_has_plan(statement.data != NULL ? statement.data : "");
        buffer_free(&statement);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const formats[] = {"json", "yaml", "env", "text"};
        struct error err = {0};

        if (size == 0)
                return 0;
        const char *text = (const char *)data + 1, *line = memchr(text, '\n', size - 1);
        size_t length = size - 1;
        scoped_string pointer = strndup(text, line != NULL ? (size_t)(line - text) : 0);
        if (line != NULL) {
                length -= (size_t)(line + 1 - text);
                text = line + 1;
        }
        scoped_json document = NULL;
        int result = value_document(text, length, formats[data[0] % 4], &document, &err);
        if ((result == 0) != (document != NULL) || (result != 0 && err.text[0] == '\0'))
                abort();
        if (result != 0 && err.reason == REASON_INTERNAL)
                abort(); /* bytes of a file are no want of memory */
        if (pointer != NULL) {
                if (json_pointer(document, "") != document)
                        abort();
                json_pointer(document, pointer);
                message_pointer(document, pointer);
                value_name_is_secret(pointer);
        }
        kept(text, length);
        return 0;
}
