/* Redis' INFO under libFuzzer: an object of sections of texts, whatever the server wrote. */

#include <stdint.h>
#include <stdlib.h>

#include "redis.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        scoped_json info = redis_info_read((const char *)data, size);
        const char *section, *field;
        json_t *fields, *value;

        if (!json_is_object(info))
                abort();
        json_object_foreach(info, section, fields)
        {
                json_object_foreach(fields, field, value)
                {
                        if (!json_is_string(value))
                                abort();
                        redis_info_number(info, section, field, 0);
                }
        }
        return 0;
}
