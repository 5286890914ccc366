/* XML answers of cloud APIs under libFuzzer: an object or a text, or a refusal with words. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"
#include "xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        scoped_json out = NULL;
        struct error err = {0};
        char root[32] = "";
        const char *name;
        json_t *list;

        if (xml_read((const char *)data, size, root, sizeof root, &out, &err) != 0) {
                if (err.text[0] == '\0')
                        abort();
                return 0;
        }
        if (!json_is_object(out) && !json_is_string(out))
                abort();
        json_object_foreach(out, name, list)
        {
                if (xml_list(out, name) != list || json_array_size(list) == 0)
                        abort();
        }
        xml_text(xml_at(out, "Error", NULL), "Code", "");
        return 0;
}
