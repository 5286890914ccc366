/* Label selectors of a cluster under libFuzzer: a document {"selector", "labels"} of any shape; an empty selector
 * selects everything, a missing one nothing. */

#include <stdint.h>
#include <stdlib.h>

#include "json.h"
#include "kubernetes.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        scoped_json document = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
        const json_t *selector = json_object_get(document, "selector"), *labels = json_object_get(document, "labels");
        bool selected = kubernetes_selects(selector, labels);

        if ((selector == NULL || json_is_null(selector)) && selected)
                abort();
        if (json_is_object(selector) && json_object_size(selector) == 0 && !selected)
                abort();
        return 0;
}
