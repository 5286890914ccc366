/* CSV under libFuzzer: records have fields within bounds, mistakes have words, and reading comes to an end. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct csv csv; /* 128 KiB */
        scoped(scope_fclose) FILE *stream = size > 0 ? fmemopen((void *)data, size, "r") : NULL;
        struct error err = {0};
        int result;
        size_t rounds = 0;

        if (stream == NULL)
                return 0;
        csv_start(&csv, stream);
        while ((result = csv_next(&csv, &err)) != 0) {
                if (++rounds > size + 1)
                        abort();
                if (result < 0 && err.text[0] == '\0')
                        abort();
                for (size_t i = 0; result > 0 && i < csv.count; i++) {
                        if (strlen(csv.fields[i]) > CSV_FIELD)
                                abort();
                }
                if (result > 0 && (csv.count == 0 || csv.count > CSV_FIELDS))
                        abort();
                err.text[0] = '\0';
        }
        return 0;
}
