/* PromQL under libFuzzer: no crash, and whatever is accepted prints to something that is accepted and equal; what it
 * demands can be compared. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "alert_shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct promql *promql = NULL, *again = NULL;
        struct buffer out = BUFFER_INIT(4 << 20);
        struct promql_comparison comparison;
        struct promql_part parts[16];
        struct alert_comparison compared;
        static const struct alert_world nowhere = {0};
        struct error err;

        if (promql_parse((const char *)data, size, &promql, &err) != 0)
                return 0;
        promql_comparison(promql->root, &comparison);
        promql_parts(promql->root, parts, 16);
        alert_compare(&nowhere, promql->root, 0, promql->root, 0, &compared);
        promql_print(promql->root, &out);
        /* A print may be longer than its text, and then too long. */
        if (!out.failed && out.length <= PROMQL_TEXT_LIMIT) {
                if (promql_parse(out.data, out.length, &again, &err) != 0 || !promql_equal(promql->root, again->root))
                        abort();
                promql_free(again);
        }
        buffer_free(&out);
        promql_free(promql);
        return 0;
}
