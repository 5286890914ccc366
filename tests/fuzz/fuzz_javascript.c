/* JavaScript and TypeScript under libFuzzer: whatever the source, each place that takes a connection is told with its
 * line and a verdict.  The first byte chooses the grammar. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "acquire_paths.h"
#include "json.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const names[] = {"a.ts", "a.js", "a.tsx"};
        struct deadline deadline = deadline_in(10000, NULL);
        struct javascript source;
        struct error err = {0};
        size_t i;
        json_t *place;

        if (!javascript_available())
                abort(); /* nothing would be tried at all: see the grammars in the Makefile */
        if (size == 0)
                return 0;
        scoped_json places = json_array();
        scoped_string text = strndup((const char *)data + 1, size - 1);
        if (text == NULL || places == NULL)
                return 0;
        if (javascript_parse(names[data[0] % 3], text, strlen(text), &deadline, &source, &err) != 0) {
                if (err.text[0] == '\0')
                        abort();
                return 0;
        }
        if (acquire_paths(&source, NULL, places) != 0)
                abort();
        json_array_foreach(places, i, place)
        {
                if (json_whole(place, "line", 0) < 1 || json_text(place, "verdict", NULL) == NULL)
                        abort();
                acquire_leaks(json_text(place, "verdict", ""));
        }
        javascript_free(&source);
        return 0;
}
